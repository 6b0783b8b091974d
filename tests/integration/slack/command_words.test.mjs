// What each command says, to whom, and what it does: the whole list, one after another.
import assert from "node:assert/strict";
import { realpathSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { answered, modes, noPlugin, prompts, reactions, response, said, slackHost, talk, withButton } from "../../support/slack_surface.mjs";
import { ChatClient } from "../../support/chat_client.mjs";
import { controls } from "../../support/slack.mjs";
import { folderFor } from "../../support/viaduct.mjs";

const one = (name, run) => test(name, { skip: noPlugin }, run);
const both = (name, run) => {
  for (const mode of modes) test(`${name} (${mode})`, { skip: noPlugin }, (t) => run(t, mode));
};
const unlimited = { limits: { off: true } };
// Not the acknowledgement, which only repeats the command.
const told = (slack, who) => slack.heard(who).filter(({ by }) => by !== "command");
const whole = ({ text, blocks }) => text + JSON.stringify(blocks);
const heard = (slack, who, words) => slack.until(() => told(slack, who).find((all) => words.test(whole(all))), `${who} hears ${words}`);
// Says a command, and waits for what it says to that person alone.
async function result(slack, who, line, { where = "general" } = {}) {
  const acknowledged = await slack.command(who, where, `/amp ${line}`.trim());
  assert.equal(acknowledged.ok, true, line);
  assert.equal(acknowledged.payload?.text, `\`${`/amp ${line}`.trim()}\` …`, "something to see at once");
  assert.notEqual(acknowledged.payload.response_type, "in_channel");
  const { args } = await slack.until(() => slack.answered.find(({ key, status }) => status === 200 && acknowledged.response_url.endsWith(key)), `the result of /amp ${line}`);
  return told(slack, who).findLast(({ by, text }) => by === "response_url" && text === args.text);
}
const ids = (words) => words.match(/s_[a-z0-9]{20,}/g) ?? [];
const started = (slack, where = "general") => slack.posts(where).filter((post) => /Started new session/.test(said(slack, where, post.ts)));

both("every command is acknowledged at once with something to see, and its result follows, for the asker alone", async (t, mode) => {
  const { slack } = await slackHost(t, { mode, options: unlimited });
  const said = async (all) => {
    for (const [line, words] of all) assert.match(whole(await result(slack, "alice", line)), words, line);
  };
  const help = /Commands.*`\/amp new \[--dir PATH\].*`\/amp breakout \[name\]`.*`\/amp work-status`/s;
  await said([
    ["help", help], ["", help], ["?", help],
    ["list", /No sessions found\..*\/amp new/s], ["ls", /No sessions found/], ["projects", /No projects found/],
    ["status", /No active sessions/], ["info", /No active sessions/], ["sessions", /No active sessions\..*\/amp new/s],
    ["discover", /Only operators may do that/], ["discover 3", /Only operators may do that/],
    ["config", /Bridge configuration:.*Command: `\/amp`.*Folder of new sessions: `~`.*Sessions for each person: 10/s],
    ["remember the milk", /Remembered.*\n&gt; the milk|Remembered.*\n> the milk/s], ["recall milk", /Found 1 memory:.*the milk/s], ["recall honey", /No memories found matching.*honey/s],
    ["work-status", /No work log entries/], ["end", /You have no session here/], ["cancel", /You have no session here/], ["retry", /You have no session here/],
  ]);
  assert.deepEqual(slack.answers("general"), [], "all of that concerns only the asker");
  assert.deepEqual(slack.heard("bob"), []);
});

one("with a session they tell of it: its title, id, folder, backend, state and place", async (t) => {
  const { slack, host } = await slackHost(t, { options: unlimited });
  const thread = await talk(slack, "count the sheep");
  const listed = whole(await result(slack, "alice", "list", { where: "private" }));
  const [id] = ids(listed);
  assert.match(listed, /count the sheep.*idle/s);
  const folder = path.basename(realpathSync(host.home));
  for (const [line, words] of [
    [`list ${folder}`, /count the sheep/], [`list ${folder.toUpperCase()}`, /count the sheep/], ["projects", /Known projects:.*`~` - 1 session/s],
    ["sessions", new RegExp(`Active sessions \\(1\\).*${id}.*p${thread.ts.replace(".", "")}`, "s")],
    ["status", new RegExp(`Session status: idle.*ID: \`${id}\`.*Folder: \`~\`.*Backend: echo`, "s")],
    [`status ${id}`, /Session status: idle/], [`status ${id.slice(0, 8)}`, new RegExp(id)],
  ])
    assert.match(whole(await result(slack, "alice", line)), words, line);
  // Nobody else's.
  for (const line of ["list", "sessions"]) assert.ok(!whole(await result(slack, "bob", line)).includes(id), line);
  assert.match(whole(await result(slack, "bob", `status ${id}`)), /Session not found/);
});

one("`cancel ID`, `retry ID` and `end ID` mean that session, wherever they are said", async (t) => {
  const { slack } = await slackHost(t, { options: unlimited });
  const [first, second] = [await talk(slack, "one"), await talk(slack, "two")];
  const list = whole(await result(slack, "alice", "list"));
  const [id] = ids(list.slice(list.indexOf("*one*")));
  const busy = [first, second].map(({ ts }) => slack.post("alice", "general", "wait here", { thread: ts }));
  await slack.until(() => busy.every((post) => reactions(post).length));
  await slack.command("alice", "private", `/amp cancel ${id}`);
  await slack.until(() => !reactions(busy[0]).length, "that one has stopped");
  await slack.until(() => !withButton(slack.answers("general", first.ts), /"stop"/));
  assert.ok(reactions(busy[1]).length, "the other one goes on");
  await slack.command("alice", "private", `/amp retry ${id}`);
  await slack.until(() => withButton(slack.answers("general", first.ts), /"stop"/), "it works again");
  assert.match(whole(await result(slack, "alice", `end ${id}`, { where: "private" })), new RegExp(`Session ended: .*one.*${id}`, "s"));
  await slack.until(() => /Session ended\./.test(said(slack, "general", first.ts)));
  assert.ok(!/Session ended/.test(said(slack, "general", second.ts)));
  assert.deepEqual(ids(whole(await result(slack, "alice", "sessions"))).filter((other) => other === id), []);
});

both("a wrong word suggests the nearest one; after a mention it is free text", async (t, mode) => {
  const { slack, host } = await slackHost(t, { mode, options: unlimited });
  assert.match(whole(await result(slack, "alice", "lsit")), /Unknown command: `lsit`.*`(\/amp )?list`/s);
  const asked = slack.post("alice", "general", "@amp staus");
  await answered(slack, "general", asked.ts, "staus");
  assert.deepEqual(prompts(host), ["staus"]);
});

one("`list` and `sessions` offer a button where a session is not open right here, and it takes the session along", async (t) => {
  const { slack } = await slackHost(t, { options: unlimited });
  const thread = await talk(slack, "my word is BANANA");
  for (const line of ["list", "sessions"]) assert.deepEqual(controls((await result(slack, "alice", line)).blocks), [], `${line}, where it is`);
  for (const [line, into] of [["list", "private"], ["sessions", "general"]]) {
    const offered = await result(slack, "alice", line, { where: into });
    const buttons = controls(offered.blocks).map(({ control }) => [control.text.text, control.value]);
    assert.deepEqual(buttons, [["Connect", ids(whole(offered))[0]]], line);
    const before = slack.posts(into).length;
    await slack.click("alice", offered, "Connect");
    const head = await slack.until(() => slack.posts(into).slice(before).find((post) => /Connected to session/.test(said(slack, into, post.ts))), `a thread in ${into}`);
    slack.post("alice", into, "what did I say?", { thread: head.ts });
    await slack.until(() => said(slack, into, head.ts).includes("BANANA"));
  }
  await slack.until(() => /Session moved/.test(said(slack, "general", thread.ts)));
});

one("a session of another surface is not to be had, and not told apart from one that is not there", async (t) => {
  const { slack, host } = await slackHost(t, { options: unlimited });
  const client = await ChatClient.open(host.origin);
  const { session_id } = await client.send("my number is 17");
  await client.until(() => client.ends().length === 1);
  for (const word of ["connect", "resume", "status", "end"])
    assert.match(whole(await result(slack, "alice", `${word} ${session_id}`)), new RegExp(`Session not found: \`${session_id}\``), word);
  assert.ok(!whole(await result(slack, "alice", "list")).includes(session_id));
  assert.deepEqual(slack.answers("general"), []);
});

one("`new` begins in `default_working_dir`; `--backend` takes another backend, and one that is not there is said", async (t) => {
  const folder = folderFor(t);
  const backends = { echo: { plugin: "mock" }, loud: { plugin: "mock", config: { rules: [{ match: ".+", reply: "LOUD $0" }] } } };
  const { slack } = await slackHost(t, { config: { default_working_dir: folder }, entry: { backends: ["echo", "loud"] }, options: unlimited, more: { backends } });
  await slack.command("alice", "general", "/amp new plain");
  const [plain] = await slack.until(() => started(slack).length === 1 && started(slack));
  const status = whole(await result(slack, "alice", "status"));
  assert.ok(status.includes(`Folder: \`${folder}\``) && status.includes("Backend: echo"), status);
  await slack.command("alice", "general", "/amp new --backend loud shout");
  const shout = await slack.until(() => started(slack).find(({ ts }) => ts !== plain.ts), "the second");
  for (const [{ ts }, answer] of [[shout, "LOUD hello"], [plain, response("hello")]]) {
    slack.post("alice", "general", "hello", { thread: ts });
    await slack.until(() => said(slack, "general", ts).includes(answer), answer);
  }
  await slack.command("alice", "general", "/amp new --backend nonsense");
  await slack.until(() => slack.posts("general").some(({ ts }) => /could not be started: .*no backend named nonsense; there (is|are) echo/.test(said(slack, "general", ts))), "what there is instead");
  assert.equal(started(slack).length, 2);
});

one("`breakout` without a name makes a channel of a name of its own", async (t) => {
  const { slack } = await slackHost(t, { options: unlimited });
  const thread = await talk(slack, "Fix the Parser, please");
  const before = new Set(slack.team.channels.keys());
  slack.post("alice", "general", "@amp breakout", { thread: thread.ts });
  const room = await slack.until(() => [...slack.team.channels.values()].find(({ id, kind }) => !before.has(id) && kind !== "im"), "the channel");
  assert.match(room.name, /^[a-z0-9_-]{3,80}$/);
  await slack.until(() => [...room.posts.values()].some(({ text }) => /moved to this channel/.test(text)));
  slack.post("alice", room.name, "here now");
  await slack.until(() => [...room.posts.values()].some(({ text }) => text.includes(response("here now"))));
});
