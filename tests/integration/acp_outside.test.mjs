// The backend `acp`: what an agent says when nobody has asked it has its place in the log; what is told again has none; and `_meta` is kept.
import assert from "node:assert/strict";
import { test } from "node:test";
import { act, answer, die, say, talking } from "../support/acp.mjs";
import { ChatClient } from "../support/chat_client.mjs";
import { exported } from "../support/viaduct.mjs";
import { until } from "../support/wait.mjs";

const chunk = (kind, text, more = {}) => ({ sessionUpdate: `agent_${kind}_chunk`, content: { type: "text", text }, ...more });
// Turns of the whole log, with what matters of them.
const log = async (host, client) => (await exported(host, client.session.session_id)).map(({ turn, type, text, data }) => ({ turn, type, text, data }));
// A turn after whose end the gate lets all of that be said, in order.
async function laterOn({ agent, host, client }, updates, before = []) {
  await say(client, act(...before, { say: "First." }, { late: updates, until: "later" }));
  const ended = performance.now();
  await until(() => performance.now() > ended + 400, "a moment in which it would still have been late");
  agent.open("later");
  await until(async () => (await log(host, client)).some(({ text }) => text.endsWith("the end")), "the end of what is said");
  const all = await log(host, client);
  return all.slice(all.findIndex(({ type }) => type === "turn_end") + 1);
}

test("thoughts, texts, plans, tool calls and usage outside of any turn are entries, in their order, and pieces of one text are one entry", async (t) => {
  const things = await talking(t);
  const outside = await laterOn(things, [
    chunk("thought", "The build "), chunk("thought", "is through"), { sessionUpdate: "plan", entries: [{ content: "rest", priority: "low", status: "pending" }] },
    chunk("message", "Your build "), chunk("message", "has "), chunk("message", "passed."),
    { sessionUpdate: "tool_call", toolCallId: "bg", title: "tidy up", kind: "delete", status: "in_progress" }, { sessionUpdate: "tool_call_update", toolCallId: "bg", status: "completed" },
    { sessionUpdate: "usage_update", used: 7, size: 100 }, chunk("message", "This is the end"),
  ]);
  assert.deepEqual(outside.map(({ turn, type, text }) => [turn, type, text]), [
    [0, "thought", "The build is through"], [0, "plan", ""], [0, "text", "Your build has passed."], [0, "tool_call", ""], [0, "usage", ""], [0, "text", "This is the end"],
  ]);
  assert.equal(outside[1].data.entries[0].content, "rest");
  assert.deepEqual([outside[3].data.title, outside[3].data.status], ["tidy up", "completed"]);
  assert.equal(outside[4].data.used, 7);
  const { client, host } = things;
  await client.until(() => client.list().every(({ complete }) => complete), "an end of all of it");
  assert.equal(client.state.session.state, "idle");
  const again = await ChatClient.open(host.origin);
  await again.until(() => again.live, "live");
  assert.deepEqual(again.list().map(({ entry, type, text }) => [entry, type, text]), client.list().map(({ entry, type, text }) => [entry, type, text]));
});

test("a tool of a turn that has ended is heard of again in its own place", async (t) => {
  const things = await talking(t);
  const outside = await laterOn(things, [{ sessionUpdate: "tool_call_update", toolCallId: "job", status: "completed" }, chunk("message", "the end")], [{ tool: { toolCallId: "job", title: "a long job", status: "in_progress" } }]);
  assert.deepEqual(outside.map(({ type }) => type), ["text"]);
  const jobs = (await log(things.host, things.client)).filter(({ type }) => type === "tool_call");
  assert.deepEqual(jobs.map(({ turn, data }) => [turn, data.title, data.status]), [[1, "a long job", "completed"]]);
});

test("an answer whose only text comes after its end is not lost", async (t) => {
  const { host, client } = await talking(t);
  await say(client, act({ late: "The answer is 42.", after: 20 }));
  const entries = await until(async () => {
    const all = await log(host, client);
    return all.some(({ type }) => type === "text") && all;
  }, "the text");
  assert.deepEqual(entries.filter(({ type }) => type === "text").map(({ text }) => text), ["The answer is 42."]);
});

test("what is said outside of any turn stays when the host is killed, and the agent is not asked for it again", async (t) => {
  const things = await talking(t);
  await laterOn(things, [chunk("message", "Your build has passed: "), chunk("message", "the end")]);
  const { host, client } = things;
  const before = await log(host, client);
  await host.kill();
  await host.start();
  const back = await ChatClient.open(host.origin, { like: client });
  await back.until(() => back.live, "live");
  assert.deepEqual(await log(host, back), before);
});

// ---------------------------------------------------------------- _meta

test("_meta of texts, tool calls, plans, usage, options and the prompt's answer is kept, that of a text once", async (t) => {
  const option = { id: "model", name: "Model", category: "model", type: "select", currentValue: "a", options: [{ value: "a", name: "A", _meta: { cost: 1 } }], _meta: { from: "vendor" } };
  const { host, client } = await talking(t, { options: [option], commands: [{ name: "go", description: "Goes", _meta: { scope: "project" } }] });
  const meta = { trace: "t-1" };
  await say(client, act(
    ...["The ", "whole ", "answer"].map((text) => ({ update: chunk("message", text, { _meta: meta }) })), { update: chunk("thought", "Hm", { _meta: { signature: "s" } }) },
    { tool: { toolCallId: "a", title: "x", status: "completed", _meta: { claudeCode: { toolName: "Bash" } } } }, { update: chunk("message", " and more", { _meta: meta }) },
    { update: { sessionUpdate: "usage_update", used: 1, size: 2, _meta: { tier: "x" } } }, { stop: "end_turn", usage: { inputTokens: 3 }, meta: { quota: { left: 5 } } },
  ));
  const all = await log(host, client);
  const of = (type) => all.filter((entry) => entry.type === type);
  assert.deepEqual(of("text").map(({ text, data }) => [text, data]), [["The whole answer", { _meta: meta }], [" and more", { _meta: meta }]]);
  assert.deepEqual(of("thought")[0].data, { _meta: { signature: "s" } });
  assert.deepEqual(of("tool_call")[0].data._meta, { claudeCode: { toolName: "Bash" } });
  assert.deepEqual([of("usage")[0].data.inputTokens, of("usage").at(-1).data._meta], [3, { quota: { left: 5 } }]);
  await client.until(() => client.state.options.length === 1, "the options");
  assert.deepEqual([client.state.options[0]._meta, client.state.options[0].options[0]._meta], [{ from: "vendor" }, { cost: 1 }]);
  assert.deepEqual(client.state.commands.find(({ name }) => name === "go")._meta, { scope: "project" });
});

test("a text whose every piece has a _meta of its own keeps the last one, and is not doubled", async (t) => {
  const { host, client } = await talking(t);
  await say(client, act(...Array.from({ length: 200 }, (_, i) => ({ update: chunk("message", `${i} `, { _meta: { n: i } }) }))));
  const texts = (await log(host, client)).filter(({ type }) => type === "text");
  assert.deepEqual(texts.map(({ text, data }) => [text, data]), [[Array.from({ length: 200 }, (_, i) => `${i} `).join(""), { _meta: { n: 199 } }]]);
});

// ---------------------------------------------------------------- what is told again

const lose = async ({ agent, host, client }, script) => {
  await say(client, "the sky is green");
  await die(agent, host);
  agent.script({ without: ["resume"], ...script });
};
const texts = async (host, client) => (await log(host, client)).filter(({ type }) => type === "text" || type === "user_message").map(({ text }) => text);

test("session/load may take longer than the handshake's time as long as the agent goes on telling", async (t) => {
  const things = await talking(t, { without: ["resume"] }, { handshake_timeout: "2s" });
  const { agent, host, client } = things;
  for (let i = 0; i < 4; ++i) await say(client, `fact ${i}`);
  await die(agent, host);
  agent.script({ without: ["resume"], replay: "slow", replayDelay: 700 });
  const begin = Date.now();
  await say(client, "recall");
  assert.match(answer(client), /I know: fact 0 .*fact 3/);
  assert.ok(Date.now() - begin > 5000, "which took longer");
  assert.deepEqual([agent.got("session/load").length, agent.got("session/new").length], [1, 1]);
  assert.deepEqual(client.of("context_restored"), []);
});

test("session/load that stops telling is given up after the handshake's time", async (t) => {
  const things = await talking(t, {}, { handshake_timeout: "1s", resume: { attempts: 1, give_up_after: 1 } });
  await lose(things, { replay: "slow", replayDelay: 60_000 });
  const { client } = things;
  await say(client, "recall");
  assert.deepEqual(client.of("context_restored").map(({ data }) => data.rung), ["transcript"]);
});

test("a session/load whose answer comes after all it tells, as the protocol has it, costs no waiting", async (t) => {
  const { agent, host, client } = await talking(t, { without: ["resume"] });
  await say(client, "the sky is green");
  const took = [];
  for (let i = 0; i < 5; ++i) {
    await die(agent, host);
    agent.script({ without: ["resume"] });
    const starts = agent.starts.length;
    await say(client, `again ${i}`);
    assert.equal(agent.starts.length, starts + 1);
    const got = agent.log.filter(({ got: message }) => message?.method);
    const at = (method) => got.filter(({ got: message }) => message.method === method).at(-1).at;
    took.push(at("session/prompt") - at("session/load"));
  }
  assert.ok(Math.min(...took) < 200, `${took} ms from load to prompt`);
});

for (const [how, script] of [["only after its answer", { replay: "after", replayDelay: 30 }], ["around its answer, as Gemini does", { replay: "around" }], ["in time, and once more after it", { replay: "late", replayDelay: 0 }]])
  test(`an agent that tells ${how} what was said: none of it is stored, and the message is answered`, async (t) => {
    const things = await talking(t);
    await lose(things, script);
    const { agent, host, client } = things;
    await client.request("resume", { session_id: client.session.session_id });
    await client.until(() => client.live, "live");
    if (script.replay !== "around") await agent.until(() => agent.events("replayed").length === 1, "what is told after the answer");
    await say(client, "recall");
    assert.deepEqual(await texts(host, client), ["the sky is green", "You said: the sky is green", "recall", "I know: the sky is green"]);
  });
