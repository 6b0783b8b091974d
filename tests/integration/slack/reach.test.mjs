// What is said reaches whom it is for, and nobody else: strangers, threads of a session's own channel, forwarded messages, and messages that Slack does not take as they are.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import path from "node:path";
import { test } from "node:test";
import { answered, count, noPlugin, prompts, reactions, response, said, sentinel, slackHost, talk, withButton } from "../../support/slack_surface.mjs";
import { Post } from "../../support/slack/workspace.mjs";
import { until } from "../../support/wait.mjs";

const one = (name, run) => test(name, { skip: noPlugin }, run);
const unlimited = { limits: { off: true } };
const direct = (slack, who = "alice") => slack.posts(`@${who}`).filter(({ body }) => body.bot_id).map(({ text }) => text).join("\n");
const told = (slack, who, words) => slack.until(() => [...slack.heard(who)].reverse().find(({ text }) => words.test(text)), `words for ${who}: ${words}`);

// ---------------------------------------------------------------- who may

one("a person of another organisation is refused by mention, reply, command and button, and a member is not", async (t) => {
  const { slack, host } = await slackHost(t, { options: unlimited });
  assert.equal(slack.team.describe(slack.team.person("sue")).is_stranger, false, "as Slack has it for somebody in a shared channel");
  slack.post("sue", "shared", "@amp hello from outside");
  await told(slack, "sue", /You may not use this bot here.*U0SUE/s);
  const thread = await talk(slack, "hello", { where: "shared" });
  slack.post("sue", "shared", "and one more thing", { thread: thread.ts });
  const before = slack.answered.length;
  await slack.command("sue", "shared", "/amp new mine");
  await slack.until(() => slack.answered.length > before, "words for the command");
  slack.post("alice", "shared", "build it", { thread: thread.ts });
  const question = await slack.until(() => withButton(slack.answers("shared", thread.ts), /permit/), "the question");
  await slack.click("sue", question, "Allow");
  await slack.until(() => slack.answered.length > before + 1, "words for the button");
  await slack.settled();
  assert.match(question.text, /asks for permission/);
  await slack.click("alice", question, "Allow");
  await slack.until(() => said(slack, "shared", thread.ts).includes("You chose Allow"));
  assert.deepEqual(prompts(host), ["hello", "build it"]);
});

// ---------------------------------------------------------------- a channel of a session's own

const room = async (slack) => {
  const thread = await talk(slack, "hello");
  slack.post("alice", "general", "@amp breakout side", { thread: thread.ts });
  await slack.until(() => [...slack.team.channels.values()].some(({ name }) => name === "side") && slack.posts("side").some(({ text }) => /moved to this channel/.test(text)), "the channel");
};
const top = (slack) => slack.posts("side").filter(({ thread, ts }) => thread === null || thread === ts).map(({ text }) => text).join("\n");

one("a reply in a thread of a session's own channel is answered in that thread, by a session of the thread's own", async (t) => {
  const { slack, host } = await slackHost(t, { options: unlimited });
  await room(slack);
  const first = slack.post("alice", "side", "at the top");
  await slack.until(() => top(slack).includes(response("at the top")));
  slack.post("alice", "side", "in the thread", { thread: first.ts });
  await answered(slack, "side", first.ts, "in the thread");
  assert.ok(!top(slack).includes(response("in the thread")), "not at the top");
  await told(slack, "alice", /a session of its own/);
  assert.match(prompts(host).at(-1), /"text":"at the top".*in the thread$/s, "and it knows what the thread is about");
  slack.post("alice", "side", "and the top goes on");
  await slack.until(() => top(slack).includes(response("and the top goes on")));
});

one("a thread of a session's own channel whose session has died never falls back to the channel's", async (t) => {
  const { slack, host } = await slackHost(t, { options: unlimited });
  await room(slack);
  const own = slack.post("alice", "side", "@amp new other thing");
  await slack.until(() => said(slack, "side", own.ts).includes("Started"));
  slack.post("alice", "side", "die", { thread: own.ts });
  await slack.until(() => said(slack, "side", own.ts).includes("Session has ended"));
  slack.post("alice", "side", "meant for the dead one", { thread: own.ts });
  await told(slack, "alice", /Session has ended/);
  slack.post("alice", "side", "at the top");
  await slack.until(() => top(slack).includes(response("at the top")));
  await slack.settled();
  assert.ok(!prompts(host).some((text) => text.includes("meant for the dead one")));
});

// ---------------------------------------------------------------- a sign of life

one("a sign of life is there before anything is fetched, and goes where nothing comes of the message", async (t) => {
  const { slack } = await slackHost(t, { options: unlimited });
  const root = slack.post("bob", "general", "the build is red");
  const earlier = slack.gate("conversations.replies");
  const asked = slack.post("alice", "general", "@amp why?", { thread: root.ts });
  await slack.until(() => earlier.reached > 0 && reactions(asked).includes("eyes"), "the sign, while the history is awaited");
  earlier.open();
  await answered(slack, "general", root.ts, "why?");
  await slack.until(() => reactions(asked).length === 0, "no sign any more");
  const file = slack.gate("files.info");
  const second = slack.post("alice", "general", "look at this", { thread: root.ts, files: [{ name: "a.txt", bytes: Buffer.from("x"), access: "check_file_info" }] });
  await slack.until(() => file.reached > 0 && reactions(second).includes("eyes"), "the sign, while a file is awaited");
  file.open();
  await answered(slack, "general", root.ts, "look at this");
  const names = slack.gate("users.info", { when: ({ user }) => user === "U0CAROL" });
  const third = slack.post("alice", "general", "@amp ask @carol");
  await slack.until(() => names.reached > 0 && reactions(third).includes("eyes"), "the sign, while a name is looked up");
  names.open();
  await answered(slack, "general", third.ts, "ask @carol");
  await slack.until(() => reactions(second).length === 0 && reactions(third).length === 0);
  const gone = slack.gate("files.info");
  const dropped = slack.post("alice", "general", "not this", { thread: root.ts, files: [{ name: "b.txt", bytes: Buffer.from("x"), access: "check_file_info" }] });
  await slack.until(() => gone.reached > 0 && reactions(dropped).includes("eyes"));
  slack.post("alice", "general", "stop", { thread: root.ts });
  await told(slack, "alice", /Stopped, before the agent had it/);
  gone.open();
  await slack.until(() => reactions(dropped).length === 0, "no sign of what was dropped");
});

// ---------------------------------------------------------------- what was forwarded

one("a forwarded message reaches the agent, with words of its own and without", async (t) => {
  const { slack, host } = await slackHost(t, { options: unlimited });
  const forward = (text, words, channel, more = {}) =>
    slack.event(slack.team, `message.${channel.kind}`, { type: "message", channel: channel.id, channel_type: channel.kind, user: "U0ALICE", text, ts: slack.ids.ts(), attachments: [{ is_share: true, is_msg_unfurl: true, author_name: "Bob", text: words, id: 1 }], ...more });
  forward("what is this?", "two\nlines", slack.team.direct("alice"));
  await until(() => prompts(host).length === 1);
  assert.equal(prompts(host)[0], "what is this?\n\n> Bob: two\n> lines");
  forward("", "nothing beside", slack.team.direct("alice"));
  await until(() => prompts(host).length === 2);
  assert.equal(prompts(host)[1], "> Bob: nothing beside");
  slack.post("alice", "dm", "", { files: [{ name: "a.txt", bytes: Buffer.from("inside the file") }] });
  await until(() => prompts(host).length === 3, "a file without words");
  assert.ok(!direct(slack).includes("*Commands*"), "and no help");
});

// ---------------------------------------------------------------- where Slack does not do as it is told

one("an answer whose message cannot be changed any more is posted whole", async (t) => {
  const rules = [{ match: "^tell", reply: "first words and a good many more, until at the very end comes the last word" }];
  const { slack } = await slackHost(t, { rules, chunkDelay: "120ms", options: unlimited, mayComplain: true });
  slack.fault("chat.update", { error: "edit_window_closed" }, { times: Infinity });
  slack.post("alice", "dm", "tell me");
  await slack.until(() => direct(slack).includes("the last word"), "the whole answer in a direct message");
  assert.equal(count(direct(slack), "the last word"), 1);
  slack.fault("chat.stopStream", { error: "message_not_in_streaming_state" }, { times: Infinity });
  slack.fault("chat.appendStream", { error: "message_not_in_streaming_state" }, { times: Infinity });
  const asked = slack.post("alice", "general", "@amp tell me");
  await slack.until(() => said(slack, "general", asked.ts).includes("the last word"), "the whole answer in a thread");
  assert.equal(count(said(slack, "general", asked.ts), "the last word"), 1);
});

one("an answer that was streamed whole needs no update behind it", async (t) => {
  const rules = [{ match: "^tell", reply: "first words and a good many more, until at the very end comes the last word" }];
  const { slack } = await slackHost(t, { rules, chunkDelay: "120ms", options: unlimited });
  const asked = slack.post("alice", "general", "@amp tell me");
  const post = await slack.until(() => slack.answers("general", asked.ts).find(({ stream, text }) => stream && !stream.open && text.includes("the last word")), "the stream's end");
  await slack.until(() => reactions(asked).length === 0);
  await slack.settled();
  assert.equal(count(post.text, "the last word"), 1);
  assert.deepEqual(slack.calls("chat.update").filter(({ args }) => args.ts === post.ts), []);
});

one("how a question was decided is said where its message cannot be changed", async (t) => {
  const { slack } = await slackHost(t, { options: unlimited });
  const asked = slack.post("alice", "general", "@amp build it");
  const question = await slack.until(() => withButton(slack.answers("general", asked.ts), /permit/), "the question");
  slack.fault("chat.update", { error: "cant_update_message" }, { times: Infinity });
  await slack.click("alice", question, "Allow");
  await slack.until(() => /Allow, decided by/.test(said(slack, "general", asked.ts)), "who decided what");
});

one("an answer that may be missing is named in a note, whose button shows it", async (t) => {
  const { slack, host } = await slackHost(t, { options: unlimited });
  await talk(slack, "hello");
  slack.fault("chat.postMessage", { cut: "before" }, { when: (args) => JSON.stringify(args).includes("get lost") });
  slack.fault("conversations.history", { error: "missing_scope" }, { times: Infinity });
  slack.post("alice", "dm", "get lost");
  const note = await slack.until(() => withButton(slack.posts("@alice"), /Show the answer again/), "the note", 60_000);
  assert.match(note.text, /may be missing/);
  assert.equal(count(direct(slack), response("get lost")), 0);
  await slack.click("alice", note, /Show the answer again/);
  await slack.until(() => direct(slack).includes(response("get lost")));
  assert.equal(prompts(host).filter((text) => text === "get lost").length, 1, "the agent is not asked again");
});

one("who asked for a thread that nobody can tell to be there is told so, and the channel goes on at once", async (t) => {
  const { slack } = await slackHost(t, { options: unlimited });
  slack.fault("chat.postMessage", { cut: "before" }, { when: (args) => JSON.stringify(args).includes("New session") });
  slack.fault("conversations.history", { error: "missing_scope" }, { times: Infinity });
  void slack.command("alice", "general", "/amp new a thing");
  await told(slack, "alice", /No thread could be opened here/);
});

one("a whisper whose blocks Slack refuses comes as text", async (t) => {
  const { slack } = await slackHost(t, { options: unlimited });
  slack.fault("chat.postEphemeral", { error: "invalid_blocks" }, { times: Infinity, when: ({ blocks }) => (typeof blocks === "string" ? JSON.parse(blocks) : (blocks ?? [])).length > 0 });
  slack.post("alice", "general", "@amp sessions");
  await told(slack, "alice", /./);
});

one("a workspace that takes no status gets reactions, and the others keep theirs", async (t) => {
  const { slack, host } = await slackHost(t, { mode: "http", config: { client_id: "1234.5678", client_secret: "given below", workspaces: ["T0OTHER"] }, options: unlimited });
  const other = slack.addTeam("other");
  Object.assign(slack, { clientSecret: "given below", installInto: other.id });
  const go = (url, headers = {}) => fetch(url, { redirect: "manual", headers });
  const install = await go(`${host.origin}/apps/slack/install`);
  const back = (await go(install.headers.get("location"))).headers.get("location");
  assert.ok((await go(back, { cookie: install.headers.get("set-cookie").split(";")[0] })).status < 400);
  slack.fault("assistant.threads.setStatus", { error: "missing_scope" }, { times: Infinity, when: ({ channel_id }) => channel_id === other.direct("alice").id });
  slack.post("alice", "dm", "hello", { team: other });
  await until(() => prompts(host).length === 1);
  await slack.settled();
  const before = slack.calls("assistant.threads.setStatus").length;
  const here = slack.post("alice", "dm", "hello");
  await until(() => prompts(host).length === 2);
  await slack.until(() => slack.calls("assistant.threads.setStatus").slice(before).some(({ args }) => args.channel_id === here.channel.id), "a status");
});

// ---------------------------------------------------------------- after a restart

const hasSqlite = spawnSync("sqlite3", ["-version"]).status === 0;
test("what was said before is looked for again if the host dies while it is read", { skip: noPlugin || (hasSqlite ? false : "there is no sqlite3") }, async (t) => {
  const { slack, host } = await slackHost(t, { options: { ...unlimited, times: { retries: [] } } });
  slack.post("alice", "dm", "hello");
  await slack.until(() => direct(slack).includes(response("hello")));
  const query = (sql) => spawnSync("sqlite3", [path.join(host.home, "viaduct.db"), sql], { encoding: "utf8" });
  await until(() => query("SELECT count(*) FROM documents WHERE key='alive'").stdout.trim() === "1", "a note that it is alive");
  await host.stop();
  // Ten minutes ago it was alive, and five minutes ago somebody wrote.
  const seconds = Math.floor(Date.now() / 1000);
  const changed = query(`UPDATE documents SET value='{"at":${seconds - 600}}' WHERE key='alive'; SELECT changes();`);
  assert.equal(changed.stdout.trim(), "1", changed.stderr);
  const channel = slack.team.direct("alice");
  const ts = `${seconds - 300}.000100`;
  channel.posts.set(ts, new Post(channel, { type: "message", user: "U0ALICE", text: "while you were away", ts, team: slack.team.id }));
  const gate = slack.gate("conversations.history");
  await host.start();
  await slack.until(() => gate.reached > 0, "the reading");
  await host.kill();
  gate.open();
  await host.start();
  await slack.until(() => direct(slack).includes(response("while you were away")) || said(slack, "@alice", ts).includes(response("while you were away")), "the answer");
  assert.deepEqual(prompts(host).filter((text) => text !== "hello"), ["while you were away"]);
});

one("what cannot be read for the moment is read later", async (t) => {
  const { slack, host } = await slackHost(t, { options: { ...unlimited, times: { retries: [] } } });
  const thread = await talk(slack, "hello");
  slack.fault("conversations.replies", { error: "fatal_error" }, { times: 2 });
  slack.sockets.refuse = Array(3).fill(503);
  slack.sockets.open[0].drop();
  await slack.until(() => slack.sockets.open.length === 0);
  slack.post("alice", "general", "in the gap", { thread: thread.ts });
  await answered(slack, "general", thread.ts, "in the gap");
  assert.ok(!said(slack, "general", thread.ts).includes("could not read all"));
  assert.deepEqual(await sentinel(slack, host, "general", thread.ts), ["hello", "in the gap"]);
});

one("a session that is taken up in another thread does not say there again what it has said", async (t) => {
  const { slack, host } = await slackHost(t, { options: unlimited });
  const thread = await talk(slack, "first question");
  await thread.ask("second question");
  slack.post("alice", "general", "@amp end", { thread: thread.ts });
  const id = await slack.until(() => /s_\w+/.exec(said(slack, "general", thread.ts) + slack.heard("alice").map(({ text }) => text).join())?.[0], "its id");
  await slack.until(() => /ended/i.test(said(slack, "general", thread.ts)));
  // So that the newest that it has is of no turn: that it was given what had been said.
  await host.stop();
  await host.start();
  const other = slack.post("alice", "general", `@amp resume ${id}`);
  await slack.until(() => /Connected to session/.test(said(slack, "general", other.ts)));
  slack.post("alice", "general", "third question", { thread: other.ts });
  await answered(slack, "general", other.ts, "third question");
  assert.ok(!said(slack, "general", other.ts).includes(response("first question")), said(slack, "general", other.ts));
  assert.ok(!said(slack, "general", other.ts).includes(response("second question")));
});
