// The bridge's driver `cli` after restarts and losses: which id the agent program gets, and what it then knows.
import assert from "node:assert/strict";
import { mkdirSync, readdirSync, renameSync, rmSync, symlinkSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { ChatClient } from "../support/chat_client.mjs";
import { agentHost, agentProgram, folderOf, gone, notes, put, runs, say, starts, toldIds } from "../support/cli_agent_notes.mjs";
import { exported, hostFor, metric, request } from "../support/viaduct.mjs";
import { until } from "../support/wait.mjs";

const answers = (client) => client.texts("text");
const rungs = (client) => client.of("context_restored").map(({ data }) => data.rung);
// Removes what the agent keeps, and its notes stay.
const forget = (host, keep = () => false) => {
  for (const name of readdirSync(folderOf(host)))
    if (name.endsWith(".jsonl") && name !== "notes.jsonl" && !keep(name.slice(0, -6))) rmSync(path.join(folderOf(host), name));
};
const restart = async (host, like) => {
  await host.kill();
  await host.start();
  return ChatClient.open(host.origin, like ? { like } : {});
};
const twoSurfaces = (t) =>
  hostFor(t, {
    config: {
      backends: { agent: { plugin: "bridge", config: { driver: "cli", preset: "claude", program: agentProgram } } },
      surfaces: Object.fromEntries(["web-chat", "other"].map((name) => [name, { plugin: "web_chat", backend: "agent" }])),
    },
  });
const chain = (host) => starts(host).map(({ start }) => start);

test("after kill -9 between turns the newest id is used, and the agent knows everything", async (t) => {
  const host = await agentHost(t);
  let client = await ChatClient.open(host.origin);
  const said = [];
  for (const word of ["alpha", "beta", "gamma", "delta"]) {
    assert.equal((await say(client, `remember ${word}`)).data.stop_reason, "end_turn");
    said.push(word);
    client = await restart(host, client);
    await say(client, "recall");
    for (const one of said) assert.match(answers(client).at(-1), new RegExp(one));
  }
  assert.deepEqual(chain(host), [null, ...toldIds(host).slice(0, -1)], "an unbroken chain");
  assert.deepEqual(rungs(client), []);
});

test("after kill -9 in the middle of a turn its new id is used, and the agent knows the message and what people saw of the answer", async (t) => {
  const host = await agentHost(t);
  const client = await ChatClient.open(host.origin);
  await say(client, "my name is Ada");
  await client.send("and I like tea [[words 9999]] [[slow 20]]");
  await until(async () => (await exported(host, client.session.session_id)).at(-1).text?.startsWith("w0 w1"), "a part on disk");
  const { pid } = starts(host)[1];
  const back = await restart(host, client);
  await gone(pid);
  await back.until(() => back.live, "live");
  assert.equal(back.ends().at(-1).data.stop_reason, "interrupted");
  await say(back, "recall");
  assert.equal(chain(host).at(-1), toldIds(host)[1]);
  assert.match(answers(back).at(-1), /Ada.*tea.*w0 w1/);
  assert.deepEqual(rungs(back), []);
});

test("whatever moment the host is killed: never an id from before the last finished turn, and nothing of those is forgotten", async (t) => {
  const host = await agentHost(t, { compact_after: 3 });
  let client = await ChatClient.open(host.origin);
  const finished = [];
  let newest = 0;
  for (let round = 0; round < 12; ++round) {
    await say(client, `fact${round}x`);
    finished.push(`fact${round}x`);
    const since = toldIds(host); // at least the last of these that was told in the turn
    newest = since.length;
    const { turn } = await client.send(`more${round}x [[words 30]] [[slow 10]]`);
    const part = Math.floor(Math.random() * 12);
    if (part > 0) await client.until(() => answers(client).at(-1)?.includes(`w${part - 1} `) || client.ends(turn).length > 0, "a part");
    const before = starts(host).length;
    client = await restart(host, client);
    await until(() => starts(host).every(({ pid }) => !runs(pid)), "the end of all programs");
    await say(client, "recall");
    const used = starts(host).find((start, i) => i >= before && start.read.endsWith("recall")).start;
    if (used === null) assert.equal(rungs(client).length > 0, true, "silently fresh");
    else assert.ok(toldIds(host).indexOf(used) >= newest - 1, `round ${round}: ${used}`);
    for (const fact of finished) assert.match(answers(client).at(-1), new RegExp(fact), `round ${round}`);
  }
  const ids = chain(host).filter((id) => id !== null);
  t.diagnostic(`${ids.length} resumes, ${new Set(ids).size} different ids`);
});

test("killed as soon as anybody sees anything of an answer: the id that was told in front of it is used", async (t) => {
  const host = await agentHost(t);
  let client = await ChatClient.open(host.origin);
  await say(client, "my name is Ada");
  for (let round = 0; round < 5; ++round) {
    const before = answers(client).length;
    await client.send(`more${round}x [[hang]]`);
    await client.until(() => answers(client).length > before, "a word of the answer");
    client = await restart(host, client);
    await say(client, "recall");
    assert.equal(chain(host).at(-1), toldIds(host).at(-2), `round ${round}`);
    assert.match(answers(client).at(-1), new RegExp(`Ada.*more${round}x`));
  }
  assert.deepEqual(rungs(client), []);
});

test("a program that tells every conversation the same id: each goes on with what was said in it, and with nothing of another", async (t) => {
  const host = await twoSurfaces(t);
  put(host, "script", "[[same the-one]]");
  const [left, right] = [await ChatClient.open(host.origin), await ChatClient.open(host.origin, { surface: "other" })];
  await say(left, "the secret is 42");
  await say(right, "my name is Bob");
  for (let round = 0; round < 3; ++round)
    for (const [client, own, other] of [[left, /42/, /Bob/], [right, /Bob/, /42/]]) {
      assert.equal((await say(client, "recall")).data.stop_reason, "end_turn");
      assert.match(answers(client).at(-1), own, `round ${round}`);
      assert.doesNotMatch(answers(client).at(-1), other, `round ${round}`);
    }
  assert.deepEqual(new Set(chain(host)), new Set([null]), "that id is asked for by nobody");
  assert.match(left.of("context_restored")[0].data.reason, /another session was told the same id/);
  await until(() => /native id told in two sessions, used for neither/.test(host.output), "a line of the log");
});

test("a lost id falls to the transcript: one entry says so, and the agent knows everything", async (t) => {
  const host = await agentHost(t);
  const client = await ChatClient.open(host.origin);
  await say(client, "my name is Ada [[tool]]");
  await say(client, "I like tea");
  forget(host);
  assert.equal((await say(client, "recall")).data.stop_reason, "end_turn");
  assert.deepEqual(rungs(client), ["transcript"]);
  assert.match(client.of("context_restored")[0].data.reason, /claude no longer has this conversation/);
  assert.equal(chain(host).length, 4, "two turns, one that was lost, and one with the transcript");
  assert.equal(chain(host)[3], null);
  assert.match(answers(client).at(-1), /Ada[^]*You said: my name is Ada[^]*tea/);
  await say(client, "again recall");
  assert.match(answers(client).at(-1), /Ada/);
  assert.deepEqual(rungs(client), ["transcript"], "once");
  assert.equal(chain(host).at(-1), toldIds(host).at(-2));
});

test("after a restart a session whose file is gone is not even tried", async (t) => {
  const host = await agentHost(t);
  const before = await ChatClient.open(host.origin);
  await say(before, "my name is Ada");
  await host.kill();
  forget(host);
  await host.start();
  const client = await ChatClient.open(host.origin);
  await say(client, "recall");
  assert.deepEqual(chain(host), [null, null]);
  assert.deepEqual(rungs(client), ["transcript"]);
  assert.match(answers(client).at(-1), /Ada/);
});

test("a transcript that was not taken in goes in with the next message, also after another restart", async (t) => {
  const host = await agentHost(t);
  const before = await ChatClient.open(host.origin);
  await say(before, "my name is Ada");
  forget(host);
  const client = await restart(host);
  assert.equal((await say(client, "hello [[login]]")).data.error.code, "failed_precondition");
  const again = await restart(host);
  await say(again, "recall");
  assert.match(answers(again).at(-1), /Ada/);
});

test("another agent's id is never used, in both directions", async (t) => {
  const own = (name) => ({ plugin: "bridge", config: { driver: "cli", preset: name, program: agentProgram, ...(name === "claude" ? {} : { template: { session_file: null, lines: [{ when: { "/type": "result" }, session: "/session_id", done: true }] } }) } });
  const surfaces = { "web-chat": { plugin: "web_chat", backend: "agent" } };
  const host = await hostFor(t, { config: { backends: { agent: own("claude") }, surfaces } });
  const before = await ChatClient.open(host.origin);
  await say(before, "said to claude");
  for (const [name, other] of [["codex", "claude"], ["claude", "codex"]]) {
    await host.stop();
    host.options.config = { backends: { agent: own(name) }, surfaces };
    await host.start();
    const client = await ChatClient.open(host.origin);
    await say(client, `said to ${name}`);
    assert.equal(chain(host).at(-1), null, `${name} gets no id of ${other}`);
    assert.match(client.of("context_restored").at(-1).data.reason, new RegExp(`its id belongs to another agent \\(${other}\\)`));
  }
  assert.match(starts(host).at(-1).read, /said to claude[^]*said to codex/);
});

test("another user's or another session's id is never used", async (t) => {
  const host = await twoSurfaces(t);
  const mine = await ChatClient.open(host.origin);
  await say(mine, "the secret is 42");
  const { session_id } = mine.session;
  for (let i = 0; i < 2; ++i) {
    const other = await ChatClient.open(host.origin, { surface: "other" });
    for (const [type, fields] of [["resume", {}], ["send", { key: `k${i}`, text: "recall" }]])
      await assert.rejects(other.request(type, { session_id, ...fields }), { code: "not_found" });
    const { turn } = await other.request("send", { key: `own-${i}`, text: "recall" });
    await other.ended(turn);
    assert.doesNotMatch(answers(other).at(-1), /42/);
    await other.request("end");
    await host.kill();
    await host.start();
  }
  assert.deepEqual(chain(host), [null, null, null]);
  const back = await ChatClient.open(host.origin);
  await say(back, "recall");
  assert.match(answers(back).at(-1), /42/);
});

test("while its working folder is gone a session waits for it; another folder in its place skips the id, and says why", async (t) => {
  const host = await agentHost(t);
  const folder = path.join(host.home, "project");
  mkdirSync(folder);
  const client = await ChatClient.open(host.origin);
  await client.request("new", { working_dir: folder });
  await client.until(() => client.session?.working_dir === folder, "the new session");
  await say(client, "my name is Ada");
  await host.kill();
  renameSync(folder, `${folder}-old`);
  await host.start();
  const back = await ChatClient.open(host.origin);
  const missing = await say(back, "recall");
  assert.equal(missing.data.error.code, "failed_precondition");
  assert.match(missing.data.error.message, /The working folder .*project is not there/);
  renameSync(`${folder}-old`, folder);
  await say(back, "recall");
  assert.equal(chain(host).at(-1), toldIds(host)[0], "the id was kept");
  assert.deepEqual(rungs(back), []);

  await host.kill();
  renameSync(folder, `${folder}-old`);
  mkdirSync(folder);
  await host.start();
  const again = await ChatClient.open(host.origin);
  await say(again, "recall");
  assert.equal(chain(host).at(-1), null);
  assert.match(again.of("context_restored")[0].data.reason, /working folder .* is not the one it was/);
  assert.match(answers(again).at(-1), /Ada/);
});

test("an id that was not used for too long is stale", async (t) => {
  const host = await agentHost(t, { max_age: "50ms" });
  const before = await ChatClient.open(host.origin);
  await say(before, "my name is Ada");
  const used = Date.now();
  await until(() => Date.now() > used + 60, "the age of the id");
  const client = await restart(host);
  await say(client, "recall");
  assert.deepEqual(chain(host), [null, null]);
  assert.match(client.of("context_restored")[0].data.reason, /its id has expired/);
  assert.match(answers(client).at(-1), /Ada/);
});

test("with restoring turned off the ids are kept all the same, and used when it is on again", async (t) => {
  const host = await agentHost(t, { resume: { enabled: false } });
  const before = await ChatClient.open(host.origin);
  await say(before, "my name is Ada");
  await say(before, "I like tea");
  const { session_id } = before.session;
  const off = await restart(host);
  await assert.rejects(off.request("resume", { session_id }), { code: "session_dead" });
  await host.stop();
  host.options.config.backends.agent.config.resume.enabled = true;
  await host.start();
  const on = await ChatClient.open(host.origin);
  assert.equal((await on.request("resume", { session_id })).context, "native");
  await say(on, "recall");
  assert.equal(chain(host).at(-1), toldIds(host)[1]);
  assert.match(answers(on).at(-1), /Ada.*tea/);
});

test("a folder that cannot be read is unavailable; the fifth resume falls to the transcript, the sixth does not try the id", async (t) => {
  const host = await agentHost(t, { resume: { attempts: 2, backoff: "10ms", give_up_after: 5 } });
  const before = await ChatClient.open(host.origin);
  await say(before, "my name is Ada");
  const { session_id } = before.session;
  await host.kill();
  const projects = path.join(host.home, ".claude/projects");
  renameSync(projects, `${projects}-away`);
  symlinkSync(projects, projects); // which leads to itself
  await host.start();
  const client = await ChatClient.open(host.origin);
  for (let i = 1; i <= 4; ++i) await assert.rejects(client.request("resume", { session_id }), { code: "unavailable" }, `resume ${i}`);
  assert.equal((await client.request("resume", { session_id })).context, "transcript", "the fifth");
  rmSync(projects);
  renameSync(`${projects}-away`, projects);
  const again = await restart(host);
  await again.request("resume", { session_id });
  await say(again, "recall");
  assert.deepEqual(chain(host), [null, null], "the old id is not used again, though it could be now");
  assert.match(answers(again).at(-1), /Ada/);
});

test("two messages and a resume race for a lost session, and it is restored once", async (t) => {
  const host = await agentHost(t);
  const before = await ChatClient.open(host.origin);
  await say(before, "my name is Ada");
  await host.kill();
  forget(host);
  await host.start();
  const [left, right] = await Promise.all([ChatClient.open(host.origin), ChatClient.open(host.origin)]);
  const { session_id } = left.session;
  const [two, three] = await Promise.all([left.send("two recall"), right.send("three recall"), right.request("resume", { session_id })]);
  for (const { turn } of [two, three]) assert.equal((await left.ended(turn)).data.stop_reason, "end_turn");
  assert.deepEqual(rungs(left), ["transcript"]);
  const ids = toldIds(host);
  assert.deepEqual(chain(host), [null, null, ids[1]], "one of them restores, the other goes on with its id");
  assert.match(answers(left).at(-1), /Ada/);
});

test("an agent that tells no id, or one that could be an option, is given the transcript, and says so", async (t) => {
  const host = await agentHost(t);
  const client = await ChatClient.open(host.origin);
  await say(client, "my name is Ada [[noid]] [[nodone]]");
  await say(client, "recall");
  assert.deepEqual(chain(host), [null, null]);
  assert.match(answers(client).at(-1), /Ada/);
  await say(client, "go on [[unsafe --help]]");
  await say(client, "recall");
  assert.ok(starts(host).every(({ args }) => !args.includes("--help")));
  assert.equal(chain(host).at(-1), null);
  assert.match(answers(client).at(-1), /Ada/);
  assert.deepEqual(rungs(client), ["transcript", "transcript"]);
});

test("a resume gives the session back at once, and starts nothing", async (t) => {
  const host = await agentHost(t);
  const before = await ChatClient.open(host.origin);
  await say(before, "one");
  const { session_id } = before.session;
  const client = await restart(host);
  assert.equal((await client.request("resume", { session_id })).context, "native");
  assert.equal((await client.request("resume", { session_id })).context, "live");
  assert.equal(starts(host).length, 1);
  forget(host);
  assert.equal((await client.request("resume", { session_id })).context, "transcript", "it is looked for");
  const { text } = await request(host.origin, "GET", "/metrics");
  const resumes = text.split("\n").filter((line) => /^viaduct_resumes_total\{.*outcome="ok".*rung="native"/.test(line));
  assert.deepEqual(resumes.map((line) => line.split(" ").at(-1)), ["1"]);
});

test("50 sessions are had back at once after a restart, each with its own conversation", async (t) => {
  const host = await agentHost(t);
  const clients = await Promise.all(Array.from({ length: 50 }, () => ChatClient.open(host.origin)));
  const sessions = [];
  for (const [i, client] of clients.entries()) {
    const { session_id } = await client.request("new");
    sessions.push(session_id);
    await client.request("send", { key: `a${i}`, text: `number ${i}x`, session_id });
  }
  await until(() => notes(host, "ended").length === 50, "50 answers", 120_000);
  await until(async () => (await metric(host, 'viaduct_turns_total{backend="agent",stop_reason="end_turn"}')) === 50, "50 ends");
  await host.kill();
  await host.start();
  const again = await Promise.all(sessions.map(() => ChatClient.open(host.origin)));
  await Promise.all(sessions.map((session_id, i) => again[i].request("send", { key: `b${i}`, text: "recall", session_id })));
  await until(() => notes(host, "ended").length === 100, "100 answers", 120_000);
  assert.deepEqual(new Set(chain(host).slice(50)), new Set(toldIds(host).slice(0, 50)), "each with its own id");
});
