// What others can make slow or plenty: strangers who write without end, files that drip, a directory that hangs, an edit that is pressed again. Everybody else's conversations go on.
import assert from "node:assert/strict";
import http from "node:http";
import { test } from "node:test";
import { answered, button, count, noPlugin, prompts, said, sentinel, talk, teamsHost, told } from "../../support/teams_surface.mjs";
import { until } from "../../support/wait.mjs";

const one = (name, run) => test(name, { skip: noPlugin }, run);
// Somebody's messages that are acknowledged, whatever becomes of them.
const flood = async (teams, who, where, texts, more) => {
  for (const { delivery } of texts.map((text) => teams.post(who, where, text, more))) assert.equal((await delivery.settled).state, "acknowledged");
};

one("a stranger who writes without end is refused once there, and nobody's answer waits for that", async (t) => {
  const { teams, host } = await teamsHost(t);
  const chat = await talk(teams, "hello", { where: "mixed" });
  await flood(teams, "gus", "mixed", Array.from({ length: 40 }, (_, i) => `@amp stranger ${i}`));
  await chat.ask("a real question");
  await told(teams, "mixed", /may not use this bot here/);
  assert.deepEqual(await sentinel(teams, host, "mixed"), ["hello", "a real question"]);
  assert.equal(count(said(teams, "mixed"), "may not use this bot here"), 1);
  teams.post("sue", "mixed", "@amp and I?");
  await teams.until(() => count(said(teams, "mixed"), "may not use this bot here") === 2, "a refusal of its own for each person");
  await until(() => /person not allowed/.test(host.output));
  assert.ok(host.output.split("\n").filter((line) => /person not allowed/.test(line)).length <= 10, "nor is the log filled");
});

one("a stranger who is refused elsewhere in a channel takes no answer from whoever's first message is still being prepared", async (t) => {
  const { teams, host } = await teamsHost(t);
  const gate = teams.gate(/^(view|download)$/);
  const head = teams.post("alice", "general", "@amp look at this", { pictures: [{}] });
  await teams.until(() => gate.reached > 0, "that her picture is fetched");
  const other = teams.post("gus", "general", "@amp let me in");
  await teams.until(() => /may not use this bot/.test(said(teams, "general", other.id)), "the refusal");
  // One more has been dealt with, thus all that belongs to the refusal.
  await talk(teams, "mine", { who: "bob" });
  gate.open();
  await answered(teams, "general", head.id, "look at this");
  assert.ok(prompts(host).includes("look at this"));
});

one("words for one person that cannot be delivered now hold up nobody else there", async (t) => {
  const { teams } = await teamsHost(t);
  await talk(teams, "hello", { where: "project" });
  const entry = teams.fault("create", { status: 503 }, { times: Infinity });
  teams.post("alice", "project", "@amp list");
  await teams.until(() => entry.reached > 0, "that a chat with her is asked for");
  teams.post("bob", "project", "@amp hello bob");
  await answered(teams, "project", undefined, "hello bob");
  assert.doesNotMatch(said(teams, "project"), /answered you in our chat/, "hers still wait");
  entry.left = 0;
  await teams.until(() => /answered you in our chat/.test(said(teams, "project")), "hers at last", 120_000);
});

one("whoever cannot be looked up is told how many of their messages were lost", async (t) => {
  const { teams, host } = await teamsHost(t, { mayComplain: true });
  teams.fault("member", { status: 403 }, { times: Infinity });
  await flood(teams, "alice", "project", Array.from({ length: 6 }, (_, i) => `@amp m${i}`));
  await teams.until(() => /6 messages of yours were not run/.test(said(teams, "project")), () => said(teams, "project"), 60_000);
  assert.equal(count(said(teams, "project"), "could not find out who you are"), 1, "in one message");
  assert.deepEqual(prompts(host), []);
});

one("strangers, feedback and invokes that nobody knows fill no log, in Socket Mode as well", async (t) => {
  const { teams, host } = await teamsHost(t, { transport: "socket" });
  await talk(teams, "hello");
  const lines = (pattern) => host.output.split("\n").filter((line) => pattern.test(line));
  const all = [];
  for (let i = 0; i < 60; ++i) {
    all.push(teams.invoke("alice", "dm", `unheard/of${"x".repeat(500)}`, {}).delivery, teams.invoke("alice", "dm", "message/submitAction", { actionName: "feedback", actionValue: { reaction: "like", feedback: JSON.stringify({ feedbackText: "y".repeat(20_000) }) } }).delivery);
    all.push(teams.deliver({ ...teams.activity("sue", "@sue", { fields: { text: "x", textFormat: "plain" } }) }));
  }
  for (const delivery of all) await delivery.settled;
  await sentinel(teams, host);
  for (const pattern of [/invoke not known/, /feedback reaction/, /activity refused/]) {
    const found = lines(pattern);
    assert.ok(found.length >= 1 && found.length <= 20, `${pattern}: ${found.length}`);
    for (const line of found) assert.ok(line.length < 2_000, `${pattern}: ${line.length}`);
  }
});

one("while many wait for files of a host that sends them byte by byte, others are answered", async (t) => {
  const drip = http.createServer((_, out) => {
    out.writeHead(200, { "content-type": "text/plain" });
    const timer = setInterval(() => out.write("x"), 500);
    out.on("close", () => clearInterval(timer));
  });
  await new Promise((done) => drip.listen(0, "127.0.0.1", done));
  t.after(() => {
    drip.closeAllConnections();
    drip.close();
  });
  const url = `http://127.0.0.1:${drip.address().port}/f`;
  const { teams, host } = await teamsHost(t, { options: { limits: { off: true } } });
  await talk(teams, "hello");
  await flood(teams, "alice", "general", Array.from({ length: 220 }, (_, i) => `@amp slow ${i}`), { files: [{ name: "a.txt", url }] });
  await talk(teams, "bob asks", { who: "bob" });
  assert.deepEqual(prompts(host).filter((text) => /^slow/.test(text)), [], "those still wait");
});

one("while the directory hangs, those who need not be looked up are answered, and the others are told soon", async (t) => {
  const { teams, host } = await teamsHost(t, { options: { limits: { off: true } } });
  const entry = teams.fault("member", { hang: true }, { times: Infinity });
  await flood(teams, "alice", "general", Array.from({ length: 220 }, (_, i) => `@amp who am I ${i}`));
  await talk(teams, "carol asks", { who: "carol" });
  await teams.until(() => [...teams.where("general").messages.values()].some(({ from, text }) => from === teams.bot && /could not find out who you are/.test(text)), "that she is told", 60_000);
  entry.left = 0;
  assert.deepEqual(prompts(host), ["carol asks"]);
});

one("an edit that was run is not run in the next session; changed back, it is offered again; a long one is not passed over", async (t) => {
  const { teams, host } = await teamsHost(t, { config: { edits: "offer" } });
  const kRun = /as it is now/;
  const chat = await talk(teams, "hello");
  const offers = () => teams.answers("@alice").filter(({ actions }) => actions.some(({ title }) => kRun.test(title ?? ""))).length;
  await teams.edit("alice", chat.head, "words B").settled;
  const first = await button(teams, "@alice", kRun);
  await teams.click("alice", first, kRun);
  await answered(teams, "@alice", undefined, "words B");
  teams.post("alice", "dm", "new");
  await told(teams, "@alice", /new session|Session started|New session/i);
  const again = await teams.click("alice", first, kRun);
  assert.match(`${again.text} ${said(teams, "@alice")}`, /was for another session/);
  const other = await chat.ask("other");
  for (const [i, text] of ["words B", "words C", "words B"].entries()) {
    await teams.edit("alice", other, text).settled;
    await teams.until(() => offers() === 2 + i, `offer ${i}`);
  }
  await teams.edit("alice", other, `${"y".repeat(2_100)}`).settled;
  await told(teams, "@alice", /too long for a button/);
  assert.equal(count(prompts(host).join("\n"), "words B"), 1);
});
