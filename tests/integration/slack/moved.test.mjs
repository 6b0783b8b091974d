// Where a session is and where it was: sessions that made room for others, that go on elsewhere, that were ended; and what is told of them, once.
import assert from "node:assert/strict";
import { copyFileSync, mkdirSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { answered, count, noPlugin, prompts, reactions, response, said, slackHost, talk, withButton } from "../../support/slack_surface.mjs";
import { controls } from "../../support/slack.mjs";
import { exported, faulty, folderFor, forHost, plugins, recorded } from "../../support/viaduct.mjs";
import { until } from "../../support/wait.mjs";

const one = (name, run) => test(name, { skip: noPlugin }, run);
const all = (slack, who) => slack.heard(who).map(({ text, blocks }) => text + JSON.stringify(blocks));
const heard = (slack, who, words) => slack.until(() => all(slack, who).find((text) => words.test(text)), `${who} hears ${words}`);
const idIn = (text) => /s_[a-z0-9]{20,}/i.exec(text)?.[0];
// All that the app wrote in a direct message.
const direct = (slack, who) => [...slack.team.direct(who).posts.values()].filter(({ body }) => body.bot_id).map(({ text, body }) => text + JSON.stringify(body.blocks ?? [])).join("\n");
const tell = (slack, text, who = "alice") => slack.post(who, "dm", text);
// A press of a button that is nowhere to be seen.
let forged = 0;
const forge = (slack, who, where, thread, action_id, value) => {
  const user = slack.team.person(who);
  const channel = slack.where(where);
  return slack.interact({
    type: "block_actions", user: { id: user.id, username: who, name: who, team_id: slack.team.id }, api_app_id: slack.appId, trigger_id: `${++forged}.1`, team: { id: slack.team.id },
    container: { type: "message", message_ts: thread, channel_id: channel.id, thread_ts: thread }, channel: { id: channel.id }, actions: [{ type: "button", action_id, value, block_id: "x", action_ts: slack.ids.ts() }],
  });
};

one("what `new` replaces in a direct message is in the list, and comes back by `connect`", async (t) => {
  const { slack, host } = await slackHost(t);
  tell(slack, "my word is BANANA");
  await slack.until(() => direct(slack, "alice").includes(response("my word is BANANA")));
  tell(slack, "status");
  const id = await slack.until(() => idIn(direct(slack, "alice")), "its id");
  tell(slack, "new something else");
  await slack.until(() => /Started new session/.test(direct(slack, "alice")));
  await host.stop();
  await host.start();
  tell(slack, "list");
  await slack.until(() => /"value":"s_/.test(direct(slack, "alice")) && count(direct(slack, "alice"), id) > 1, "it is in the list");
  tell(slack, `connect ${id}`);
  await slack.until(() => direct(slack, "alice").includes(`Connected to session \`${id}\``));
  tell(slack, "what did I say?");
  await slack.until(() => count(direct(slack, "alice"), "BANANA") > 2);
});

one("a thread that was let go of and bound anew leaves the old session to be connected elsewhere", async (t) => {
  const { slack } = await slackHost(t);
  const thread = await talk(slack, "my word is CHERRY");
  slack.post("alice", "general", "@amp disconnect", { thread: thread.ts });
  const id = await slack.until(() => idIn(said(slack, "general", thread.ts)), "its id");
  const again = slack.post("alice", "general", "@amp something new", { thread: thread.ts });
  await answered(slack, "general", thread.ts, "something new");
  assert.ok(again.ts);
  const elsewhere = slack.post("alice", "general", `@amp connect ${id}`);
  await slack.until(() => said(slack, "general", elsewhere.ts).includes(`Connected to session \`${id}`));
  slack.post("alice", "general", "what did I say?", { thread: elsewhere.ts });
  await slack.until(() => said(slack, "general", elsewhere.ts).includes("CHERRY"));
});

one("a `new` that cannot be done leaves the conversation of a direct message as it is", async (t) => {
  const { slack, host } = await slackHost(t);
  tell(slack, "my word is BANANA");
  await slack.until(() => direct(slack, "alice").includes(response("my word is BANANA")));
  for (const [wrong, words] of [["new --dir /no/such/folder", /no folder/], ["new --backend nonsense", /could not be started/]]) {
    tell(slack, wrong);
    await slack.until(() => words.test(direct(slack, "alice")), wrong);
  }
  tell(slack, "what did I say?");
  await slack.until(() => count(direct(slack, "alice"), "BANANA") > 2, "the same session");
  assert.deepEqual(prompts(host).filter((text) => !text.includes("BANANA")), ["what did I say?"]);
});

one("what was asked before `new` or `disconnect` is answered where it was asked, also after a restart", async (t) => {
  const { slack, host } = await slackHost(t);
  tell(slack, "slow question");
  await until(() => slack.calls(/setStatus|reactions.add/).length);
  tell(slack, "new");
  await slack.until(() => /Started new session/.test(direct(slack, "alice")));
  await slack.until(() => direct(slack, "alice").includes(response("slow question")), "the answer of the old session");
  const thread = await talk(slack, "hello");
  const first = slack.post("alice", "general", "slow one", { thread: thread.ts });
  await slack.until(() => reactions(first).length);
  const second = slack.post("alice", "general", "slow two", { thread: thread.ts });
  await slack.until(() => reactions(second).length);
  slack.post("alice", "general", "@amp disconnect", { thread: thread.ts });
  await slack.until(() => /no longer connected/.test(said(slack, "general", thread.ts)));
  await host.stop();
  await host.start();
  await slack.until(() => /slow two\]|interrupted by a restart/.test(said(slack, "general", thread.ts)), "what became of the second");
  await slack.until(() => reactions(second).every((name) => !["eyes", "hourglass_flowing_sand"].includes(name)), "its sign is gone");
});

one("`connect` moves a session: its old place is told once, answers come once, and it is one session in every count", async (t) => {
  const { slack } = await slackHost(t);
  const old = await talk(slack, "hello");
  await slack.command("alice", "general", "/amp sessions");
  const id = idIn(await heard(slack, "alice", /Active sessions \(1\)/));
  assert.equal(withButton(slack.heard("alice"), /"connect/), undefined, "no button for what is open right here");
  const busy = slack.post("alice", "general", "slow question", { thread: old.ts });
  await slack.until(() => reactions(busy).length);
  const next = slack.post("alice", "general", `@amp connect ${id}`);
  await slack.until(() => said(slack, "general", next.ts).includes("Connected to session"));
  await slack.until(() => /Session moved/.test(said(slack, "general", old.ts)), "the old place is told");
  await answered(slack, "general", old.ts, "slow question");
  slack.post("alice", "general", "asked in the new thread", { thread: next.ts });
  await answered(slack, "general", next.ts, "asked in the new thread");
  assert.ok(!said(slack, "general", old.ts).includes("asked in the new thread"), "not in the old one");
  assert.ok(!said(slack, "general", next.ts).includes("slow question"), "what was asked there was answered there");
  await slack.command("alice", "general", "/amp sessions");
  await slack.until(() => all(slack, "alice").filter((text) => /Active sessions \(1\)/.test(text)).length === 2, "still one");
  await slack.command("alice", "general", "/amp end");
  await slack.until(() => /Session ended\./.test(said(slack, "general", next.ts)), "no question which");
  await heard(slack, "alice", /Session ended: .*hello.*s_/);
});

one("`Try again` gives the agent all that came with the message, once, however often it is pressed, and says so", async (t) => {
  const { slack, host } = await slackHost(t, { mayComplain: true });
  const head = slack.post("bob", "general", "the secret number is 4711");
  slack.post("alice", "general", "@amp flaky look at this", { thread: head.ts, files: [{ name: "a.txt", bytes: Buffer.from("what is in the file") }] });
  const message = await slack.until(() => withButton(slack.answers("general", head.ts), /"retry/), "the button");
  assert.match(message.text, /^(?!Error)[^\n]+\nError: Failed to get response from the session\. Try again\./, "the reason comes first, in the same message");
  const old = structuredClone(message.body.blocks);
  const asked = () => recorded(host).filter(({ method }) => method === "send_message");
  await slack.click("alice", message, /Try again/);
  await until(() => asked().length === 2);
  await slack.until(() => /Tried again/.test(message.text) && !/"retry/.test(JSON.stringify(message.body.blocks)), "it says so");
  assert.ok(JSON.stringify(asked()[1]).includes("4711"), "what others had said");
  const [session] = JSON.parse((await forHost(host, "sessions", "list", "--json")).out).sessions;
  const blocks = (await exported(host, session.session_id)).filter(({ type }) => type === "user_message").map(({ data }) => JSON.stringify(data.blocks));
  assert.match(blocks[0], /what is in the file/);
  assert.equal(blocks[1], blocks[0], "and the file");
  const shown = message.body.blocks;
  message.body.blocks = old; // a page that has not heard of it
  await slack.click("alice", message, /Try again/);
  await heard(slack, "alice", /tried again already/);
  message.body.blocks = shown;
  assert.equal(asked().length, 2);
});

one("a button does nothing for whom the session is not", async (t) => {
  const { slack, host } = await slackHost(t);
  tell(slack, "hello");
  await slack.until(() => direct(slack, "alice").includes(response("hello")));
  tell(slack, "wait for it");
  const stop = await slack.until(() => withButton([...slack.team.direct("alice").posts.values()], /"stop"/), "a stop button");
  const { value } = controls(stop.body.blocks)[0].control;
  const session = JSON.parse(value).s;
  const thread = await talk(slack, "mine", { who: "bob" });
  const before = prompts(host).length;
  await forge(slack, "bob", "general", thread.ts, "stop", value);
  await heard(slack, "bob", /not yours/);
  await forge(slack, "bob", "general", thread.ts, "retry", JSON.stringify({ s: session, t: 1 }));
  await slack.until(() => all(slack, "bob").filter((text) => /not yours/.test(text)).length === 2);
  await forge(slack, "bob", "general", thread.ts, "permit:0", JSON.stringify({ s: session, e: 1, o: "Allow" }));
  await heard(slack, "bob", /Only the person who asked/);
  for (const action of ["connect:0", "pick:end:0", "pick:retry:0"]) await forge(slack, "bob", "general", thread.ts, action, session);
  await slack.until(() => all(slack, "bob").filter((text) => /Session not found/.test(text)).length === 3);
  assert.ok(!/Stopped/.test(direct(slack, "alice")));
  assert.equal(prompts(host).length, before);
  await slack.click("alice", stop, "stop");
  await slack.until(() => /Stopped/.test(direct(slack, "alice")));
});

one("who ends or lets go of somebody else's session is named, and `breakout` takes the owner along", async (t) => {
  const { slack } = await slackHost(t);
  const first = await talk(slack, "one");
  slack.post("bob", "general", "@amp end", { thread: first.ts });
  await slack.until(() => /Session ended by <@U0BOB>\./.test(said(slack, "general", first.ts)));
  const second = await talk(slack, "two");
  slack.post("bob", "general", "@amp disconnect", { thread: second.ts });
  await slack.until(() => /let go of by <@U0BOB>/.test(said(slack, "general", second.ts)));
  const third = await talk(slack, "three");
  slack.post("bob", "general", "@amp breakout side", { thread: third.ts });
  const room = await slack.until(() => [...slack.team.channels.values()].find(({ name }) => name === "side"), "the channel");
  await slack.until(() => room.members.has("U0BOB") && room.members.has("U0ALICE"), "both are in it");
  await slack.until(() => /Session moved: it is .*<#/.test(said(slack, "general", third.ts)));
  await slack.until(() => [...room.posts.values()].some(({ text }) => /moved to this channel/.test(text)));
  slack.post("bob", "side", "@amp breakout again");
  await heard(slack, "bob", /session's own already/);
});

one("`end` with messages that wait ends it at once, tells how many were not answered, and nothing is said twice", async (t) => {
  const { slack, host } = await slackHost(t);
  const thread = await talk(slack, "hello");
  const busy = slack.post("alice", "general", "wait ONE", { thread: thread.ts });
  await slack.until(() => reactions(busy).length);
  const queued = ["queued 1", "queued 2"].map((text) => slack.post("alice", "general", text, { thread: thread.ts }));
  await slack.until(() => queued.every((post) => reactions(post).includes("hourglass_flowing_sand")), "they wait");
  slack.post("alice", "general", "@amp end", { thread: thread.ts });
  await slack.until(() => /Session ended\..*\n2 messages were not answered\./.test(said(slack, "general", thread.ts)), "how many");
  await slack.until(() => [busy, ...queued].every((post) => !reactions(post).length), "no sign of life is left");
  await slack.command("alice", "general", "/amp sessions");
  await heard(slack, "alice", /No active sessions/);
  const id = idIn(said(slack, "general", thread.ts));
  await host.stop();
  await host.start();
  slack.post("alice", "general", `@amp resume ${id}`, { thread: thread.ts });
  await slack.until(() => /Connected to session/.test(said(slack, "general", thread.ts)));
  await thread.ask("on again");
  const words = said(slack, "general", thread.ts);
  assert.match(words, /given the conversation so far\._/, "and not why");
  assert.equal(count(words, "Session ended"), 1);
  assert.equal(count(words, "Session has ended"), 0);
  assert.equal(count(words, "Stopped"), 0, "the end says it");
  assert.ok(!/"stop/.test(JSON.stringify(slack.answers("general", thread.ts).map(({ body }) => body.blocks))), "no dead button");
});

one("an open question of an ended session says that it has ended, without a button", async (t) => {
  const { slack } = await slackHost(t);
  const thread = await talk(slack, "hello");
  slack.post("alice", "general", "deploy it", { thread: thread.ts });
  const request = await slack.until(() => withButton(slack.answers("general", thread.ts), /permit/), "the question");
  slack.post("alice", "general", "@amp end", { thread: thread.ts });
  await slack.until(() => /the session has ended/.test(request.text), "what became of it");
  assert.deepEqual(controls(request.body.blocks), []);
});

one("who goes on where a session has ended or moved away is told once, and a direct message that begins anew says so", async (t) => {
  const { slack, host } = await slackHost(t);
  const thread = await talk(slack, "hello");
  slack.post("alice", "general", "die", { thread: thread.ts });
  await slack.until(() => /Session has ended\. Start a new one with `\/amp new`\. Go on with this one: `\/amp resume s_\w+`\./.test(said(slack, "general", thread.ts)));
  slack.post("bob", "general", "anybody?", { thread: thread.ts });
  await heard(slack, "bob", /Session has ended\. Start a new one/);
  slack.post("bob", "general", "hello?", { thread: thread.ts });
  const moved = await talk(slack, "two");
  slack.post("alice", "general", "@amp breakout side", { thread: moved.ts });
  await slack.until(() => /Session moved/.test(said(slack, "general", moved.ts)));
  slack.post("bob", "general", "where is it?", { thread: moved.ts });
  await heard(slack, "bob", /The session is in <#\w+>.* now/);
  assert.equal(all(slack, "bob").filter((text) => /Session has ended/.test(text)).length, 1, "once");
  tell(slack, "first");
  await slack.until(() => direct(slack, "alice").includes(response("first")));
  tell(slack, "die");
  await slack.until(() => /Session has ended/.test(direct(slack, "alice")));
  tell(slack, "second");
  await slack.until(() => direct(slack, "alice").includes(response("second")));
  assert.match(direct(slack, "alice"), /This is a new session, the one before has ended\. Go on with that one: `resume|This is a new session, the one before has ended\. Go on with that one: `\/amp resume s_/);
  assert.ok(!prompts(host).includes("anybody?"));
});

one("a thread whose first message is held back is bound when it appears, and its asker is told to wait", async (t) => {
  const { slack } = await slackHost(t, { mayComplain: true });
  const held = slack.gate("chat.postMessage");
  await slack.command("alice", "general", "/amp new important job");
  await heard(slack, "alice", /takes longer/);
  held.open();
  const root = await slack.until(() => slack.answers("general").find(({ text }) => /New session/.test(text)), "the thread", 60_000);
  await slack.until(() => /Started new session/.test(said(slack, "general", root.ts)), "its session", 60_000);
  slack.post("alice", "general", "are you there?", { thread: root.ts });
  await answered(slack, "general", root.ts, "are you there?");
});

one("what is not there is said with where to look", async (t) => {
  const { slack } = await slackHost(t);
  await talk(slack, "hello");
  for (const [words, answer] of [
    ["connect nonsense", /Session not found: `nonsense`\. `\/amp list` shows yours/],
    ["list nothing", /No sessions found in `nothing`.*There are some in/],
    ["recall", /Usage: `\/amp recall QUERY`/],
    ["recall `*_<@U0BOB>", /No memories found matching_ `'\*_&lt;@U0BOB&gt;`|No memories found matching_ `'\*_@?bob`/],
    ["remember the milk", /Remembered, `[^`]+`:\n|Remembered, `[^`]+`:\\n/],
    ["discover", /Only operators may do that/],
  ]) {
    await slack.command("alice", "general", `/amp ${words}`);
    await heard(slack, "alice", answer);
  }
});

one("an operator takes over a session that another program left, by a button; others may not", async (t) => {
  const folder = path.join(folderFor(t), "plugins");
  mkdirSync(folder);
  copyFileSync(path.join(faulty, "../good/backend.so"), path.join(folder, "leftovers.so"));
  const backends = { echo: { plugin: "mock" }, left: { plugin: "leftovers" } };
  const { slack } = await slackHost(t, { backend: "left", config: { operators: ["U0CAROL"] }, more: { plugins: { path: [plugins, folder] }, backends } });
  await slack.command("carol", "general", "/amp discover 5");
  const list = await slack.until(() => withButton(slack.heard("carol"), /adopt/), "a list with buttons");
  assert.match(JSON.stringify(list.blocks), /Left behind.*left/);
  const { value } = controls(list.blocks)[0].control;
  await forge(slack, "bob", "general", slack.post("bob", "general", "lunch?").ts, "adopt:0", value);
  await heard(slack, "bob", /Only operators may do that/);
  await slack.click("carol", list, /Take over/);
  const root = await slack.until(() => slack.posts("general").find((post) => slack.posts("general", post.ts).some(({ text }) => /Connected to session/.test(text))), "its thread");
  slack.post("carol", "general", "and now?", { thread: root.ts });
  await slack.until(() => said(slack, "general", root.ts).includes("and now?"), "its answer");
});
