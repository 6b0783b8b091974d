// Which chat or thread has which session: who may start one, what goes to it, where the answer stands, and how it ends.
import assert from "node:assert/strict";
import { test } from "node:test";
import { answered, button, count, noPlugin, prompts, response, said, sentinel, signs, talk, teamsHost, told, transports, works } from "../../support/teams_surface.mjs";
import { until } from "../../support/wait.mjs";

const one = (name, run) => test(name, { skip: noPlugin }, run);
const both = (name, run) => {
  for (const transport of transports) test(`${name} (${transport})`, { skip: noPlugin }, (t) => run(t, transport));
};
const kDead = /Session has ended\. Start a new one/;

both("in a personal chat the first message starts a session by itself, which goes on with the next one", async (t, transport) => {
  const { teams, host } = await teamsHost(t, { transport });
  const chat = await talk(teams, "hello there");
  await chat.ask("and on");
  teams.post("alice", "dm", "what did I say?");
  await told(teams, "@alice", /hello there/);
  const other = await talk(teams, "me, too", { who: "bob" });
  assert.equal(count(said(teams, "@bob"), response("hello there")), 0, "nobody else's");
  assert.deepEqual(await sentinel(teams, host, "@bob"), ["hello there", "and on", "what did I say?", "me, too"]);
  assert.ok(other.head.id);
});

both("a group chat and each thread of a channel have a session of their own, and answers stay where they were asked for", async (t, transport) => {
  const { teams, host } = await teamsHost(t, { transport });
  const group = await talk(teams, "in the group", { where: "project" });
  const first = await talk(teams, "the first thread", { where: "general" });
  const second = await talk(teams, "the second thread", { where: "general" });
  const random = await talk(teams, "elsewhere", { where: "random" });
  for (const place of [group, first, second, random]) await place.ask("what did I say?").catch(() => {});
  for (const [place, own] of [[group, "in the group"], [first, "the first thread"], [second, "the second thread"], [random, "elsewhere"]]) {
    await told(teams, place.place, new RegExp(own), { thread: place.thread });
    for (const other of ["in the group", "the first thread", "the second thread", "elsewhere"].filter((text) => text !== own)) assert.equal(count(said(teams, place.place, place.thread), other), 0, `${own} and ${other}`);
  }
  for (const message of teams.answers("general")) assert.ok([first.thread, second.thread].includes(message.root), `in no thread: ${message.text}`);
  assert.equal((await sentinel(teams, host, "project")).length, 8);
});

one("where it is not addressed it hears nothing, even with the permission to read all", async (t) => {
  const { teams, host } = await teamsHost(t, { options: { features: { rsc: true } } });
  const group = await talk(teams, "hello", { where: "project" });
  teams.post("bob", "project", "lunch?");
  teams.post("bob", "general", "anybody?");
  const thread = await talk(teams, "over here", { where: "general" });
  teams.post("carol", "general", "I think so", { thread: thread.head });
  teams.post("carol", "general", "@bob what do you think?", { thread: thread.head });
  assert.deepEqual(await sentinel(teams, host, group.place), ["hello", "over here"]);
});

one("with that permission and `channel_messages: all` a bound thread goes on without a mention, but not where somebody else is named", async (t) => {
  const { teams, host } = await teamsHost(t, { config: { channel_messages: "all" }, options: { features: { rsc: true } } });
  const thread = await talk(teams, "hello", { where: "general" });
  teams.post("bob", "general", "and on", { thread: thread.head });
  await answered(teams, "general", thread.thread, "and on");
  teams.post("bob", "general", "@carol what do you think?", { thread: thread.head });
  teams.post("bob", "general", "nobody is bound here");
  assert.deepEqual(await sentinel(teams, host, "general", thread.thread), ["hello", "and on"]);
});

one("its own mention does not reach the agent, wherever it stands and whatever it is called; others are their names", async (t) => {
  const { teams, host } = await teamsHost(t);
  teams.bot.display = "Amp (R&D) [.*]+?";
  await talk(teams, "hello", { where: "project" });
  for (const [text, wanted] of [["@amp is @bob here?", /^is Bob here\?$/], ["tell @bob and @amp too", /^tell Bob and too$/], ["@amp @amp twice", /^twice$/], ["@amp a < b && c > d", /^a < b && c > d$/]]) {
    const before = prompts(host).length;
    teams.post("alice", "project", text);
    await until(() => prompts(host).length > before, text);
    assert.match(prompts(host).at(-1).replaceAll(/ +/g, " "), wanted);
  }
});

one("lines that Teams has lost are found again in the HTML", async (t) => {
  const { teams, host } = await teamsHost(t);
  teams.post("alice", "dm", "first line\nsecond line\n\nnew paragraph", { loses: true });
  await until(() => prompts(host).length === 1);
  assert.match(prompts(host)[0], /^first line\n+second line\n\n+new paragraph$/);
});

one("what is quoted is told to the agent", async (t) => {
  const { teams, host } = await teamsHost(t);
  const chat = await talk(teams, "hello");
  const quoted = teams.answers("@alice")[0];
  teams.post("alice", "dm", "what does that mean?", { quote: quoted });
  await until(() => prompts(host).length === 2);
  assert.match(prompts(host)[1], /Mock response to: hello/);
  assert.match(prompts(host)[1], /what does that mean\?/);
  assert.ok(chat.head.id);
});

one("people of other tenants are refused, and those that `allow` does not name are told what to add; nothing runs", async (t) => {
  const { teams, host } = await teamsHost(t, { config: (stand) => ({ allow: { users: [stand.person("bob").aadObjectId], teams: [] } }) });
  teams.post("alice", "dm", "hello");
  await told(teams, "@alice", new RegExp(`${teams.person("alice").aadObjectId}[^]*allow`));
  teams.post("alice", "project", "@amp hello");
  const strange = teams.post("sue", "@sue", "hello");
  await strange.delivery.settled;
  assert.equal(strange.delivery.state, "lost");
  await talk(teams, "mine", { who: "bob" });
  assert.deepEqual(await sentinel(teams, host, "@bob"), ["mine"]);
  assert.deepEqual(teams.answers("@sue"), []);
});

one("a stranger in a shared chat is refused", async (t) => {
  const { teams, host } = await teamsHost(t);
  for (const who of ["sue", "gus"]) {
    const there = teams.post(who, "mixed", `@amp hello of ${who}`);
    await there.delivery.settled;
  }
  await told(teams, "mixed", /may not use this bot/);
  await talk(teams, "mine", { where: "mixed" });
  assert.deepEqual(await sentinel(teams, host, "mixed"), ["mine"]);
});

one("a message with half an emoji is a message", async (t) => {
  const { teams, host } = await teamsHost(t);
  teams.post("alice", "dm", "an emoji cut in two: \ud83d and on");
  await teams.until(() => prompts(host).some((one) => one.includes("and on")), "the prompt");
});

one("without `allow` it answers nobody; with a team whoever writes in its channels", async (t) => {
  const { teams, host } = await teamsHost(t, { config: (stand) => ({ allow: { users: [], teams: [stand.teams.get("acme").group] } }) });
  teams.post("alice", "dm", "hello");
  await told(teams, "@alice", /allow/);
  await talk(teams, "in the team", { where: "general" });
  assert.deepEqual(await sentinel(teams, host, "general"), ["in the team"]);
  const nobody = await teamsHost(t, { config: { allow: undefined } });
  nobody.teams.post("alice", "dm", "hello");
  await told(nobody.teams, "@alice", /allow/);
  assert.deepEqual(prompts(nobody.host), []);
});

one("no zombies: a dead session is said once, its thread is free again, and its slot, too", async (t) => {
  const { teams, host } = await teamsHost(t, { config: { max_sessions_per_user: 2 } });
  const first = await talk(teams, "one", { where: "general" });
  const second = await talk(teams, "two", { where: "general" });
  const third = teams.post("alice", "general", "@amp three");
  await told(teams, "general", /Session limit reached \(2\)/, { thread: third.id });
  teams.post("alice", "general", "@amp die", { thread: first.head });
  await told(teams, "general", kDead, { thread: first.thread });
  const again = await talk(teams, "four", { where: "general" });
  await again.ask("five");
  assert.equal(count(said(teams, "general", first.thread), "Session has ended"), 1, "once");
  teams.post("alice", "general", "@amp end", { thread: second.head });
  await told(teams, "general", /Session ended/, { thread: second.thread });
  await talk(teams, "six", { where: "general" });
  assert.ok(!prompts(host).includes("three"));
});

one("in a personal chat a dead session is said, and the next message starts another one", async (t) => {
  const { teams } = await teamsHost(t);
  const chat = await talk(teams, "hello");
  teams.post("alice", "dm", "die");
  await told(teams, "@alice", kDead);
  await chat.ask("hello again").catch(async () => {
    teams.post("alice", "dm", "new");
    await told(teams, "@alice", /Started new session/);
    await chat.ask("hello once more");
  });
});

one("a failure that may pass keeps the conversation, says so, and can be tried again with a button", async (t) => {
  const { teams, host } = await teamsHost(t);
  const chat = await talk(teams, "hello");
  teams.post("alice", "dm", "flaky");
  await told(teams, "@alice", /Failed to get response from the session\. Try again/);
  const before = prompts(host).length;
  const pressed = await teams.click("alice", await button(teams, "@alice", /try again|retry/i), /try again|retry/i);
  assert.equal(pressed.error, null);
  await until(() => prompts(host).length > before);
  await chat.ask("and on");
});

one("a bound conversation goes on after a restart, and a fourth session is one too many", async (t) => {
  // What was told to wait is not known to a host that starts anew.
  const { teams, host } = await teamsHost(t, { config: { max_sessions_per_user: 3 }, mayComplain: true });
  const places = [await talk(teams, "one"), await talk(teams, "two", { where: "project" }), await talk(teams, "three", { where: "general" })];
  await host.stop();
  await host.start();
  for (const [i, place] of places.entries()) await place.ask(`after the stop ${i}`);
  await host.kill();
  await host.start();
  for (const [i, place] of places.entries()) await place.ask(`after the kill ${i}`);
  const full = teams.post("alice", "random", "@amp four");
  await told(teams, "random", /Session limit reached \(3\)/, { thread: full.id });
  assert.equal(count(said(teams, "@alice"), response("one")), 1);
});

one("whoever installs it is greeted once, and an update of the app is no reason to greet again", async (t) => {
  const { teams, host } = await teamsHost(t);
  for (const delivery of teams.install("carol")) await delivery.settled;
  await teams.until(() => teams.answers("@carol").length === 1, "a greeting");
  for (const delivery of teams.install("carol", "dm", { action: "add-upgrade" })) await delivery.settled;
  for (const delivery of teams.install("alice", "general")) await delivery.settled;
  await host.stop();
  await host.start();
  for (const delivery of teams.install("carol")) await delivery.settled;
  await talk(teams, "hello", { who: "carol" });
  assert.equal(teams.answers("@carol").filter(({ text }) => !text.includes("Mock response")).length, 1, said(teams, "@carol"));
});

one("where it was taken away, or is blocked, it says no more, and a new message begins anew", async (t) => {
  const { teams, host } = await teamsHost(t);
  const chat = await talk(teams, "hello");
  const before = teams.calls(/^(send|reply|stream|final)$/).length;
  await teams.uninstall("alice").settled;
  teams.install("alice");
  await chat.ask("back again");
  assert.ok(teams.calls(/^(send|reply|stream|final)$/).length > before);
  teams.refuseAll("@alice", "ConversationBlockedByUser");
  teams.post("alice", "dm", "nobody will hear it");
  await teams.until(() => teams.calls(/^(send|reply|stream|typing)$/).some(({ status }) => status === 403), "a refusal");
  await sentinel(teams, host, "@bob");
  const tries = teams.calls(/^(send|reply|stream|final|update)$/).filter(({ status }) => status === 403).length;
  assert.ok(tries <= 8, `it does not knock for ever: ${tries}`);
  teams.refuseAll("@alice", null);
  await talk(teams, "once more");
});

one("an answer goes to the service URL of its conversation, also when that has moved", async (t) => {
  const { teams, host } = await teamsHost(t);
  const chat = await talk(teams, "hello");
  chat.head.conversation.region = "emea";
  await chat.ask("after the move");
  await host.stop();
  await host.start();
  await chat.ask("after a restart");
});

one("a private command is answered privately", async (t) => {
  const { teams } = await teamsHost(t);
  teams.post("bob", "general", "status", { targeted: true });
  await teams.until(() => teams.heard("bob").some(({ from }) => from === teams.bot), "an answer for bob");
  assert.deepEqual(teams.answers("general"), []);
});

one("an edit is not run again, and deleting a message that waits takes it back", async (t) => {
  const { teams, host } = await teamsHost(t);
  const chat = await talk(teams, "hello");
  await teams.edit("alice", chat.head, "hello again").settled;
  const before = signs(teams, "@alice");
  teams.post("alice", "dm", "wait for me");
  await works(teams, "@alice", before);
  const gone = teams.post("alice", "dm", "never mind this");
  await gone.delivery.settled;
  await teams.remove("alice", gone).settled;
  teams.post("alice", "dm", "cancel");
  const all = await sentinel(teams, host);
  assert.deepEqual(all.filter((text) => !/^wait/.test(text)), ["hello"]);
});

one("a message during a turn waits, and comes next; never two at once in a session", async (t) => {
  const { teams, host } = await teamsHost(t);
  await talk(teams, "hello");
  teams.post("alice", "dm", "slow one");
  teams.post("alice", "dm", "and then this");
  await answered(teams, "@alice", undefined, "and then this");
  assert.ok(said(teams, "@alice").indexOf(response("slow one")) < said(teams, "@alice").indexOf(response("and then this")));
  assert.deepEqual(await sentinel(teams, host), ["hello", "slow one", "and then this"]);
});

one("a file and a picture are fetched", async (t) => {
  const { teams, host } = await teamsHost(t);
  teams.post("alice", "dm", "look at these", { files: [{ name: "notes.txt", bytes: "the milk is in the fridge" }], pictures: [{}] });
  await answered(teams, "@alice", undefined, "look at these", 60_000).catch(() => {});
  await until(() => prompts(host).length === 1, "the prompt");
  await teams.until(() => teams.calls("view").length + teams.calls("download").length >= 1 || /could not|cannot|not fetched|skipped/i.test(said(teams, "@alice")), "what became of them");
  for (const { status } of teams.calls("view")) assert.equal(status, 200);
});

one("files of strange hosts, of this computer, or too large, are not fetched; the message goes all the same", async (t) => {
  const { teams, host } = await teamsHost(t);
  const strange = [`http://localhost:${teams.port}/secret`, `http://127.0.0.2:${teams.port}/secret`, "http://169.254.169.254/latest/meta-data/", "https://evil.example.test/x", "file:///etc/passwd", "http://localhost/x", "http://[::1]/x", "https://sharepoint.com.evil.example.test/x", "https://user@example.sharepoint.com/x"];
  teams.post("alice", "dm", "look", { files: strange.map((url, i) => ({ name: `f${i}.txt`, url })), pictures: [{ url: "https://evil.example.test/y.png" }] });
  await until(() => prompts(host).length === 1, "the prompt");
  await sentinel(teams, host);
  assert.deepEqual(teams.journal.filter(({ path }) => path.startsWith("/secret")), []);
});
