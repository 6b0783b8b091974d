// Which chat or thread has which session: who may start one, what goes to it, where the answer stands, and how it ends.
import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import path from "node:path";
import { test } from "node:test";
import { Agent, configFor } from "../../support/acp.mjs";
import { answered, button, count, noPlugin, prompts, response, rules, said, sentinel, signs, talk, teamsHost, told, transports, works } from "../../support/teams_surface.mjs";
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
  const meeting = await talk(teams, "in the meeting", { where: "standup" });
  const all = [[group, "in the group"], [first, "the first thread"], [second, "the second thread"], [random, "elsewhere"], [meeting, "in the meeting"]];
  for (const [place, own] of all) {
    const asked = teams.post("alice", place.place, "@amp what did I say?", { thread: place.thread });
    await teams.until(() => count(said(teams, place.place, place.thread), own) >= 2, () => `${own} remembered in ${said(teams, place.place, place.thread)}`);
    assert.ok(asked.id);
    for (const other of all.map(([, text]) => text).filter((text) => text !== own)) assert.equal(count(said(teams, place.place, place.thread), other), 0, `${own} and ${other}`);
  }
  for (const message of teams.answers("general")) assert.ok([first.thread, second.thread].includes(message.root), `in no thread: ${message.text}`);
  assert.equal((await sentinel(teams, host, "project")).length, 10);
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

one("with that permission and `channel_messages: all` a bound thread goes on without a mention, in group chats and meetings, too, but not where somebody else is named", async (t) => {
  const { teams, host } = await teamsHost(t, { config: { channel_messages: "all" }, options: { features: { rsc: true } } });
  const thread = await talk(teams, "hello", { where: "general" });
  teams.post("bob", "general", "and on", { thread: thread.head });
  await answered(teams, "general", thread.thread, "and on");
  teams.post("bob", "general", "@carol what do you think?", { thread: thread.head });
  teams.post("bob", "general", "nobody is bound here");
  for (const where of ["project", "standup"]) {
    teams.post("bob", where, `nobody is bound in ${where}, either`);
    await talk(teams, `hello ${where}`, { where });
    teams.post("bob", where, `and on in ${where}`);
    await answered(teams, where, undefined, `and on in ${where}`);
    teams.post("alice", where, "@bob what do you think?");
  }
  assert.deepEqual(await sentinel(teams, host, "general", thread.thread), ["hello", "and on", "hello project", "and on in project", "hello standup", "and on in standup"]);
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
  await teams.until(() => teams.answers("general").length === 1, "a greeting of the team");
  assert.match(teams.answers("general")[0].text, /Mention me/);
  assert.deepEqual([teams.answers("general")[0].root, teams.answers("random")], [null, []], "a post of its own, in one channel");
  await host.stop();
  await host.start();
  for (const delivery of teams.install("carol")) await delivery.settled;
  await talk(teams, "hello", { who: "carol" });
  assert.equal(teams.answers("@carol").filter(({ text }) => !text.includes("Mock response")).length, 1, said(teams, "@carol"));
  assert.equal(teams.answers("general").length, 1);
});

one("`greeting` is what it says instead, and with `false` it says nothing", async (t) => {
  const own = await teamsHost(t, { config: { greeting: "Hi from 1 * 2 * 3 & <Ops>" } });
  own.teams.install("carol");
  await told(own.teams, "@carol", /Hi from 1 \* 2 \* 3 & <Ops>/, { who: "carol" });
  const none = await teamsHost(t, { config: { greeting: false } });
  for (const delivery of none.teams.install("carol")) await delivery.settled;
  await talk(none.teams, "hello", { who: "carol" });
  assert.equal(none.teams.answers("@carol").length, 1, said(none.teams, "@carol"));
});

one("where it was taken away, or is blocked, it says no more, and a new message begins anew", async (t) => {
  const { teams, host } = await teamsHost(t, { rules: [{ match: "^long", delay: "5s" }, ...rules] });
  const chat = await talk(teams, "my number is 17");
  teams.post("alice", "dm", "long one");
  await button(teams, "@alice", /stop/i);
  await teams.uninstall("alice").settled;
  await until(() => /the bot was removed/.test(host.output), "it has understood");
  const here = ({ conversation }) => conversation === teams.where("@alice").id;
  const calls = teams.journal.filter(here).length;
  // Its turn is over before this one.
  await talk(teams, "long two", { who: "bob" });
  await sentinel(teams, host, "@bob");
  assert.deepEqual(teams.journal.filter(here).slice(calls).map(({ op }) => op), [], "nothing while it is gone");
  teams.install("alice");
  await chat.ask("back again");
  assert.equal(count(said(teams, "@alice"), response("long one")), 0);
  teams.post("alice", "dm", "what did I say?");
  await told(teams, "@alice", /You said: .*back again/);
  assert.equal(count(said(teams, "@alice"), "my number is 17"), 1, "another session");
  teams.refuseAll("@alice", "ConversationBlockedByUser");
  teams.post("alice", "dm", "nobody will hear it");
  await teams.until(() => teams.calls(/^(send|reply|stream|typing)$/).some(({ status }) => status === 403), "a refusal");
  await sentinel(teams, host, "@bob");
  const tries = teams.calls(/^(send|reply|stream|final|update)$/).filter(({ status }) => status === 403).length;
  assert.ok(tries <= 8, `it does not knock for ever: ${tries}`);
  teams.refuseAll("@alice", null);
  await talk(teams, "once more");
});

one("taken away from a team, it lets go of the threads in all of its channels, and of nothing else", async (t) => {
  const { teams, host } = await teamsHost(t);
  const general = await talk(teams, "my number is 17", { where: "general" });
  const random = await talk(teams, "my number is 18", { where: "random" });
  await talk(teams, "my number is 19", { where: "project" });
  await teams.uninstall("alice", "general").settled;
  await until(() => /the bot was removed/.test(host.output), "it has understood");
  for (const delivery of teams.install("alice", "general")) await delivery.settled;
  for (const { place, thread } of [general, random]) {
    teams.post("alice", place, "@amp what did I say?", { thread });
    await told(teams, place, /You did not say anything before/, { thread });
  }
  teams.post("alice", "project", "@amp what did I say?");
  await told(teams, "project", /You said: .*my number is 19/);
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

both("a private command is answered privately", async (t, transport) => {
  const { teams } = await teamsHost(t, { transport });
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
  assert.doesNotMatch(said(teams, "@alice"), /changed a message/);
});

one("with `edits: offer` a changed message can be sent again as it is now: once, by whoever changed it", async (t) => {
  const { teams, host } = await teamsHost(t, { config: { edits: "offer" } });
  const chat = await talk(teams, "hello", { where: "project" });
  const kRun = /as it is now/;
  await teams.edit("alice", chat.head, "@amp hello again").settled;
  const offer = await button(teams, "project", kRun);
  const refused = await teams.click("bob", offer, kRun);
  assert.match(`${refused.error} ${refused.text} ${said(teams, "project")}`, /Only whoever has changed the message/);
  assert.deepEqual(await sentinel(teams, host, "project"), ["hello"]);
  const pressed = await Promise.all([teams.click("alice", offer, kRun), teams.click("alice", offer, kRun, { fallback: true })]);
  assert.ok(pressed.every(({ ok }) => ok), JSON.stringify(pressed.map(({ error }) => error)));
  await answered(teams, "project", undefined, "hello again");
  await teams.click("alice", offer, kRun);
  await teams.edit("alice", chat.head, "@amp status").settled; // a command, which is not offered
  assert.deepEqual(await sentinel(teams, host, "project"), ["hello", "hello again"]);
  assert.equal(teams.answers("project").filter(({ text }) => /changed a message/.test(text)).length, 1);
});

one("endOfConversation ends the session, by whoever may do that", async (t) => {
  const { teams, host } = await teamsHost(t, { config: (stand) => ({ allow: { users: [stand.person("alice").aadObjectId], teams: [] } }) });
  await talk(teams, "my number is 17", { where: "project" });
  await teams.event("bob", "project", "endOfConversation", { code: "completedSuccessfully" }).settled;
  teams.post("alice", "project", "@amp what did I say?");
  await teams.until(() => count(said(teams, "project"), "my number is 17") === 2, () => `the same session: ${said(teams, "project")}`);
  await teams.event("alice", "project", "endOfConversation", { code: "completedSuccessfully" }).settled;
  teams.post("alice", "project", "@amp end");
  await told(teams, "project", /no session/);
  await sentinel(teams, host, "project");
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

one("a file and a picture are fetched, and the agent has their bytes", async (t) => {
  const agent = Agent.for(t);
  const { teams } = await teamsHost(t, { backend: "agent", more: { backends: { agent: { plugin: "acp", config: configFor(agent) } } } });
  const picture = Buffer.from("89504e470d0a1a0a0102", "hex");
  teams.post("alice", "dm", "look at these", { files: [{ name: "notes.txt", bytes: "the milk is in the fridge" }], pictures: [{ bytes: picture }] });
  await told(teams, "@alice", /You said: look at these/);
  const { prompt } = agent.got("session/prompt")[0].params;
  assert.deepEqual(prompt.filter(({ type }) => type === "text").map(({ text }) => text), ["look at these"]);
  const [image] = prompt.filter(({ type }) => type === "image");
  assert.deepEqual([image.mimeType, image.data], ["image/png", picture.toString("base64")]);
  const [file] = prompt.filter(({ type }) => type === "resource");
  assert.match(file.resource.uri, /notes\.txt/);
  assert.equal(file.resource.text ?? Buffer.from(file.resource.blob, "base64").toString(), "the milk is in the fridge");
  assert.deepEqual([teams.calls("view").map(({ status }) => status), teams.calls("download").map(({ status }) => status)], [[200], [200]]);
});

one("what is too large, too much, or kept where only Graph reads it is named, and the rest is given to the agent", async (t) => {
  const { teams, host } = await teamsHost(t);
  const file = (name, megabytes) => ({ name, bytes: Buffer.alloc(megabytes << 20, "x") });
  const { delivery } = teams.post("alice", "dm", "look", { files: [{ name: "small.txt", bytes: "small" }, file("large.txt", 6), file("one.txt", 4), file("two.txt", 4), file("three.txt", 4), file("four.txt", 4)] });
  await delivery.settled;
  await told(teams, "@alice", /Not given to the agent/);
  await answered(teams, "@alice", undefined, "look");
  assert.match(said(teams, "@alice"), /large\.txt: the file is larger/);
  assert.match(said(teams, "@alice"), /four\.txt: /);
  assert.doesNotMatch(said(teams, "@alice"), /small\.txt/);
  const card = { contentType: "application/vnd.microsoft.card.adaptive", content: { type: "AdaptiveCard", version: "1.5", body: [] } };
  teams.post("alice", "dm", "and this", { fields: { attachments: [{ contentType: "reference", contentUrl: "https://example.sharepoint.com/sites/x/plan.docx", name: "plan.docx" }, card] } });
  await told(teams, "@alice", /plan\.docx: Teams keeps it where only its own Graph/);
  await answered(teams, "@alice", undefined, "and this");
  assert.deepEqual(await sentinel(teams, host), ["look", "and this"]);
});

one("files of strange hosts or of this computer are not fetched; the message goes all the same", async (t) => {
  const { teams, host } = await teamsHost(t);
  const strange = [`http://localhost:${teams.port}/secret`, `http://127.0.0.2:${teams.port}/secret`, "http://169.254.169.254/latest/meta-data/", "https://evil.example.test/x", "file:///etc/passwd", "http://localhost/x", "http://[::1]/x", "https://sharepoint.com.evil.example.test/x", "https://user@example.sharepoint.com/x"];
  teams.post("alice", "dm", "look", { files: strange.map((url, i) => ({ name: `f${i}.txt`, url })), pictures: [{ url: "https://evil.example.test/y.png" }] });
  await until(() => prompts(host).length === 1, "the prompt");
  await sentinel(teams, host);
  assert.deepEqual(teams.journal.filter(({ path }) => path.startsWith("/secret")), []);
});

// What is kept and not handled was received so long ago.
const grewOld = (host, minutes) =>
  execFileSync("python3", ["-c", "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); c.execute('UPDATE inbox SET at = at - ?', (int(sys.argv[2]),)); c.commit()", path.join(host.home, "viaduct.db"), String(minutes * 60e6)]);
const noPython = spawnSync("python3", ["-c", "import sqlite3"]).status === 0 ? false : "there is no python3 with sqlite3";
for (const [name, minutes] of [["less than half an hour ago is run", 20], ["more than half an hour ago is shown, and not run; a press of then does nothing", 40]])
  test(`what came ${name}, where nobody was there to handle it`, { skip: noPlugin || noPython }, async (t) => {
    const { teams, host } = await teamsHost(t, { mayComplain: true });
    await talk(teams, "hello", { where: "project" });
    teams.post("alice", "project", "@amp flaky");
    const again = await button(teams, "project", /try again/i);
    await host.stop();
    await host.start();
    const gate = teams.gate("member");
    const { delivery } = teams.post("alice", "project", "@amp too late");
    await delivery.settled;
    const pressed = teams.click("alice", again, /try again/i);
    await teams.until(() => gate.reached >= 1, "both wait");
    await pressed;
    await host.kill();
    gate.open();
    grewOld(host, minutes);
    await host.start();
    if (minutes > 30) await told(teams, "project", /while I was away, 40 minutes ago, and was not run.*\n+too late/);
    else await answered(teams, "project", undefined, "too late");
    const all = await sentinel(teams, host, "project");
    assert.deepEqual(all.filter((text) => text !== "flaky"), minutes > 30 ? ["hello"] : ["hello", "too late"]);
    assert.equal(all.filter((text) => text === "flaky").length, minutes > 30 ? 1 : 2);
  });

one("nobody is let in by a Teams that does not say who they are", async (t) => {
  const { teams, host } = await teamsHost(t, { mayComplain: true });
  const answers = {
    nothing: () => ({ text: "{}" }), "a page": () => ({ text: "<html>" }), "a list": () => ({ text: "[]" }), "no tenant": ({ member: { tenantId, ...rest } }) => ({ text: JSON.stringify(rest) }), "no role": ({ member: { userRole, ...rest } }) => ({ text: JSON.stringify(rest) }),
    "somebody else": () => ({ text: JSON.stringify(teams.person("alice").member) }),
  };
  for (const [name, answer] of Object.entries(answers))
    for (const who of ["sue", "gus"]) {
      const chat = teams.chat(`${name} ${who}`, { members: ["alice", who, "amp"] });
      const entry = teams.fault("member", answer(teams.person(who)), { times: Infinity });
      teams.post(who, chat.name, `@amp ${name} ${who}`);
      await told(teams, chat.name, /could not find out who you are|may not use/);
      entry.left = 0;
    }
  assert.deepEqual(await sentinel(teams, host), []);
});

one("taken out of a team it lets go of all of its channels, and says nothing there", async (t) => {
  const { teams } = await teamsHost(t);
  const one = await talk(teams, "in general", { where: "general" });
  teams.post("alice", "general", "@amp wait for me", { thread: one.thread });
  await teams.uninstall("alice", "general").settled;
  const calls = teams.outbound.length;
  await talk(teams, "elsewhere");
  assert.deepEqual(teams.outbound.slice(calls).filter(({ conversation }) => conversation?.isChannel), []);
});
