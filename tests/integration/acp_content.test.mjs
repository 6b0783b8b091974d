// Images, sounds and files that an agent sends reach people, in their place and once, whatever dies afterwards; what cannot be shown is said in words.
import assert from "node:assert/strict";
import { test } from "node:test";
import { act, Agent, answer, hostWith, say, talking } from "../support/acp.mjs";
import { ChatClient } from "../support/chat_client.mjs";
import { exported, forHost } from "../support/viaduct.mjs";

const image = (data = "iVBORw0KGgo=") => ({ type: "image", data, mimeType: "image/png" });
const note = { type: "resource", resource: { uri: "file:///tmp/note.txt", mimeType: "text/plain", text: "the inside" } };
const kSaid = ["content", "text", "tool_call", "notice"];
// By what was said, without what a block is.
const told = (entries) => entries.filter(({ type }) => kSaid.includes(type)).map(({ type, text, data }) => (type === "tool_call" ? data.toolCallId : `${type} ${text}`));
const blocks = (entries) => entries.filter(({ type }) => type === "content").map(({ data }) => data);

async function restarted(host, client) {
  const before = client.session.session_id;
  await client.cut();
  await host.kill();
  await host.start();
  const again = await ChatClient.open(host.origin, { like: client });
  await again.until(() => again.live, "live");
  return { again, log: await exported(host, before) };
}

test("an image, a sound and a file are where they were said, also after kill -9, and once", async (t) => {
  const { host, client } = await talking(t);
  const sound = { type: "audio", data: "UklGRg==", mimeType: "audio/wav" };
  const end = await say(client, act(
    { say: "Look", messageId: "m" }, { content: image() }, { say: "nice", messageId: "m" }, { content: [{ type: "text", text: ", and " }, sound, note, { type: "text", text: "that is all" }] },
  ));
  assert.equal(end.data.stop_reason, "end_turn");
  const wanted = ["text Look", "content [an image]", "text nice", "text , and ", "content [a sound]", "content [a file: file:///tmp/note.txt]", "text that is all"];
  assert.deepEqual(told(client.list()), wanted);
  assert.deepEqual(blocks(client.list()), [image(), sound, note]);
  assert.ok(client.of("content").every(({ complete }) => complete));
  const before = (await exported(host, client.session.session_id)).map(({ entry, type, text, data }) => [entry, type, text, data]);
  const { again, log } = await restarted(host, client);
  assert.deepEqual(log.map(({ entry, type, text, data }) => [entry, type, text, data]), before);
  assert.deepEqual(blocks(again.list()), [image(), sound, note]);
  assert.deepEqual(again.faults, []);
});

test("killed in the middle of the turn: an image that was shown before something that is on disk is there, once", async (t) => {
  const { host, client } = await talking(t);
  await client.send(act({ say: "Look" }, { content: image() }, { permission: { toolCall: { toolCallId: "p", title: "Go on?" } } }));
  await client.until(() => client.of("permission").length === 1, "the question, which is shown when it is on disk");
  const { log } = await restarted(host, client);
  assert.deepEqual(blocks(log), [image()]);
  assert.deepEqual(log.map(({ type }) => type), ["user_message", "text", "content", "permission", "turn_end"]);
  assert.equal(log.at(-1).data.stop_reason, "interrupted");
});

test("an image in a tool call is shown once when the call has completed, and stays in the call", async (t) => {
  const { client } = await talking(t);
  const content = [{ type: "content", content: image() }];
  await say(client, act(
    { tool: { toolCallId: "a", title: "Draw", status: "in_progress", content } }, { say: "not yet" }, { toolUpdate: { toolCallId: "a", status: "completed" } },
    { toolUpdate: { toolCallId: "a", content } }, { toolUpdate: { toolCallId: "a", status: "completed", content } },
    { tool: { toolCallId: "b", title: "Fail", status: "in_progress", content } }, { toolUpdate: { toolCallId: "b", status: "failed" } }, { say: "done" },
  ));
  assert.deepEqual(told(client.list()), ["a", "text not yet", "content [an image]", "b", "text done"]);
  assert.deepEqual(client.of("tool_call")[0].data.content, content);
});

test("what is too large, broken or empty is said in words with the reason, and the turn goes on; 6 MB arrive whole", { timeout: 120_000 }, async (t) => {
  const large = "iVBORw0KGgo".padEnd(6_000_000, "A");
  const { host, client } = await talking(t, {
    prompts: [{ match: "^show$", do: [{ content: image(large) }, { content: image("A".repeat(9 << 20)) }, { content: image("?") }, { content: image("") }, { say: "all" }] }],
  });
  const end = await say(client, "show");
  assert.equal(end.data.stop_reason, "end_turn");
  assert.equal(client.of("content").length, 1);
  assert.equal(client.of("content")[0].data.data, large);
  assert.match(answer(client), /\[an image\] \(it is larger than 8 MiB\).*\[an image\] \(what the agent sent of it is broken\).*\[an image\].*all/s);
  const { again, log } = await restarted(host, client);
  assert.equal(blocks(log)[0].data, large);
  await again.request("history", { session_id: again.session.session_id, before: 0, limit: 100 }).then(({ entries }) => assert.ok(entries.length > 0));
});

test("many images in one answer all arrive, in order, and none is doubled", { timeout: 120_000 }, async (t) => {
  const each = Array.from({ length: 12 }, (_, i) => `iVBORw0KGgo${String(i).padStart(2, "0")}`.padEnd(700_000, "A"));
  const { client } = await talking(t, { prompts: [{ match: "^show$", do: each.flatMap((data, i) => [{ say: `${i}` }, { content: image(data) }]) }] });
  const end = await say(client, "show");
  assert.equal(end.data.stop_reason, "end_turn");
  assert.deepEqual(blocks(client.list()).map(({ data }) => data.slice(11, 13)), each.map((data) => data.slice(11, 13)));
  assert.deepEqual(client.texts(), each.map((_, i) => `${i}`));
});

test("an agent that has lost the session is told the words of what it showed, and no bytes", async (t) => {
  const { agent, host, client } = await talking(t, { without: ["resume", "load"] });
  await say(client, act({ say: "Look" }, { content: image() }, { content: note }));
  const { again } = await restarted(host, client);
  await say(again, "recall");
  assert.match(answer(again), /\[an image\].*\[a file: file:\/\/\/tmp\/note.txt\]/s);
  const prompted = JSON.stringify(agent.got("session/prompt").at(-1).params.prompt);
  assert.doesNotMatch(prompted.replace(/do \[.*?\}\]/gs, ""), /"data":"iVBOR/);
});

test("what a session that is taken over replays has its images", async (t) => {
  const agent = Agent.for(t, { replayExtra: [{ sessionUpdate: "agent_message_chunk", content: image() }] });
  const host = await hostWith(t, agent);
  const client = await ChatClient.open(host.origin);
  await say(client, "hello");
  const other = await hostWith(t, agent);
  const taken = await forHost(other, "sessions", "adopt", agent.conversations[0].sessionId, "--json");
  assert.equal(taken.code, 0, taken.err);
  const log = await exported(other, JSON.parse(taken.out).session.session_id);
  assert.deepEqual(blocks(log), [image()]);
});
