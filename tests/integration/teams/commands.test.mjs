// The commands, said in a chat or to the bot in a channel, as words and as buttons: seen at once, for the right people.
import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { ChatClient } from "../../support/chat_client.mjs";
import { button, noPlugin, prompts, said, sentinel, signs, talk, teamsHost, told, withButton, works } from "../../support/teams_surface.mjs";
import { until } from "../../support/wait.mjs";

const one = (name, run) => test(name, { skip: noPlugin }, run);
// What each says, and no other.
const kCommands = {
  help: /Commands[^]*new[^]*connect ID/, list: /Sessions\n\*\*hello\*\*/, projects: /Known projects/, status: /Session status: idle/, sessions: /Active sessions \(1\)/, config: /Bridge configuration/, "remember the milk": /Remembered, `mem-001`/,
  "recall milk": /Found 1 memory[^]*the milk/, discover: /Only operators may do that/, "work-status": /No work log entries/, "resume s_nothing": /Session not found: `?s_nothing/,
};

for (const [where, place, transport] of [["in a personal chat", "dm", "http"], ["in a group chat", "project", "socket"], ["in a channel", "general", "http"]])
  one(`every command is answered ${where} (${transport}), and none of it is for the agent`, async (t) => {
    const { teams, host } = await teamsHost(t, { transport });
    const direct = place === "dm";
    const chat = await talk(teams, "hello", { where: place });
    for (const [word, words] of Object.entries(kCommands)) {
      assert.doesNotMatch(said(teams, chat.place, chat.thread), words);
      teams.post("alice", chat.place, direct ? word : `@amp ${word}`, { thread: chat.thread });
      await told(teams, chat.place, words, { thread: chat.thread });
    }
    assert.deepEqual(await sentinel(teams, host, chat.place, chat.thread), ["hello"]);
  });

one("`help` offers nothing that Teams cannot do", async (t) => {
  const { teams } = await teamsHost(t);
  teams.post("alice", "dm", "help");
  const { text } = await told(teams, "@alice", /remember TEXT/);
  assert.doesNotMatch(text, /breakout/);
});

one("`new` starts another session: a personal chat goes on with it, a channel has it in a new thread", async (t) => {
  const { teams, host } = await teamsHost(t);
  const chat = await talk(teams, "my number is 17");
  teams.post("alice", "dm", "new second thing");
  await told(teams, "@alice", /Started new session/);
  await chat.ask("hello in the second");
  teams.post("alice", "general", "@amp new in the channel");
  const head = await teams.until(() => teams.answers("general").find(({ text }) => /Started new session/.test(text)), "the new session");
  const thread = head.root ?? head.id;
  teams.post("alice", "general", "@amp in its thread", { thread });
  await told(teams, "general", /Mock response to: in its thread/, { thread });
  assert.deepEqual((await sentinel(teams, host)).sort(), ["hello in the second", "in its thread", "my number is 17"]);
});

one("`list` has buttons, and one of them takes a session into the conversation", async (t) => {
  const { teams } = await teamsHost(t);
  const first = await talk(teams, "the first thing", { where: "general" });
  teams.post("alice", "general", "@amp disconnect", { thread: first.thread });
  await told(teams, "general", /no longer connected|Disconnected/, { thread: first.thread });
  teams.post("alice", "dm", "list");
  const list = await button(teams, "@alice", /connect/i);
  const pressed = await teams.click("alice", list, /connect/i);
  assert.equal(pressed.error, null);
  assert.ok(pressed.took < 3000);
  await told(teams, "@alice", /Connected to session/);
  teams.post("alice", "dm", "what did I say?");
  await told(teams, "@alice", /the first thing/);
});

one("`connect` takes a session of another surface, and says what is wrong with an id", async (t) => {
  const { teams, host } = await teamsHost(t);
  const client = await ChatClient.open(host.origin);
  const { session_id } = await client.send("my number is 17");
  await client.until(() => client.ends().length === 1);
  teams.post("alice", "dm", `connect ${session_id}`);
  await told(teams, "@alice", /Connected to session|not found|cannot/i);
  teams.post("alice", "dm", "connect nonsense");
  await told(teams, "@alice", /Session not found: `?nonsense/);
});

one("`resume` takes an ended conversation up again", async (t) => {
  const { teams } = await teamsHost(t);
  const chat = await talk(teams, "my number is 17", { where: "general" });
  teams.post("alice", "general", "@amp disconnect", { thread: chat.thread });
  const words = await told(teams, "general", /lives on/, { thread: chat.thread });
  const [, id] = /(s_[\w-]+)/.exec(words.text);
  teams.post("alice", "dm", `resume ${id}`);
  await told(teams, "@alice", /Connected to session|Resumed|goes on/i);
  teams.post("alice", "dm", "what did I say?");
  await told(teams, "@alice", /my number is 17/);
});

one("`cancel` and the stop button stop the turn, and the session goes on", async (t) => {
  const { teams } = await teamsHost(t);
  const chat = await talk(teams, "hello");
  for (const word of ["cancel", "stop"]) {
    const before = signs(teams, "@alice");
    teams.post("alice", "dm", `wait before ${word}`);
    await works(teams, "@alice", before);
    teams.post("alice", "dm", word);
    await chat.ask(`on after ${word}`);
  }
  teams.post("alice", "dm", "build");
  const work = await button(teams, "@alice", /stop|cancel/i);
  assert.equal((await teams.click("alice", work, /stop|cancel/i)).error, null);
  await chat.ask("on after the button");
});

one("`end` ends the session of its own thread, and no other's", async (t) => {
  const { teams } = await teamsHost(t);
  const first = await talk(teams, "one", { where: "general" });
  const second = await talk(teams, "two", { where: "general" });
  teams.post("alice", "general", "@amp end", { thread: first.thread });
  await told(teams, "general", /Session ended/, { thread: first.thread });
  const elsewhere = teams.post("alice", "general", "@amp end");
  await told(teams, "general", /no session/, { thread: elsewhere.id });
  await second.ask("and on");
});

one("`retry` sends the last message again", async (t) => {
  const { teams, host } = await teamsHost(t);
  await talk(teams, "hello");
  teams.post("alice", "dm", "flaky");
  await told(teams, "@alice", /Failed to get response/);
  teams.post("alice", "dm", "retry");
  await until(() => prompts(host).filter((text) => text === "flaky").length === 2);
});

one("a command's button works as the fallback of clients that do not know it, and twice is once", async (t) => {
  const { teams } = await teamsHost(t);
  const first = await talk(teams, "the first thing", { where: "general" });
  teams.post("alice", "general", "@amp disconnect", { thread: first.thread });
  await told(teams, "general", /no longer connected|Disconnected/, { thread: first.thread });
  teams.post("alice", "dm", "list");
  const list = await button(teams, "@alice", /connect/i);
  assert.equal((await teams.click("alice", list, /connect/i, { fallback: true })).ok, true);
  await told(teams, "@alice", /Connected to session/);
  await teams.click("alice", list, /connect/i, { fallback: true });
  assert.ok(withButton(teams, "@alice", /connect/i));
});

one("`--dir` stays below the folders that are allowed, unless an operator says it", async (t) => {
  const { teams, host } = await teamsHost(t, { config: (stand) => ({ working_dirs: ["~/work"], default_working_dir: "~/work", operators: [stand.person("bob").aadObjectId] }) });
  mkdirSync(path.join(host.home, "work", "inside"), { recursive: true });
  mkdirSync(path.join(host.home, "other"), { recursive: true });
  for (const [who, dir, fine] of [["alice", "~/work/inside", true], ["alice", "~/other", false], ["alice", "~/work/../other", false], ["bob", "~/other", true]]) {
    const before = teams.answers(`@${who}`).length;
    teams.post(who, "dm", `new --dir ${dir}`);
    const answer = await teams.until(() => teams.answers(`@${who}`)[before], `${who} ${dir}`);
    assert.match(answer.text, fine ? /Started/ : /outside|below|allowed/, `${who} ${dir}`);
  }
});

one("a wrong word in a channel is for the agent, and one that is nearly a command is, too", async (t) => {
  const { teams, host } = await teamsHost(t);
  const head = teams.post("alice", "general", "@amp statistics of last week, please");
  await told(teams, "general", /Mock response to: statistics/, { thread: head.id });
  assert.deepEqual(await sentinel(teams, host, "general", head.id), ["statistics of last week, please"]);
});
