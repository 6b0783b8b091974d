// Sessions of other programs taken over, old ones purged, the audit trail: the commands on the running host.
import assert from "node:assert/strict";
import { copyFileSync, mkdirSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { chat, exported, faulty, folderFor, forHost, hostFor, metric, plugins, viaduct } from "../support/viaduct.mjs";
import { until } from "../support/wait.mjs";

// A host whose backend `left` knows one session of another program, "left-1" in /left. `file`: its plugin.
async function hostWithLeftovers(t, { file = path.join(faulty, "../good/backend.so"), ...more } = {}) {
  const folder = path.join(folderFor(t), "plugins");
  mkdirSync(folder);
  copyFileSync(file, path.join(folder, "leftovers.so"));
  return hostFor(t, { config: { plugins: { path: [plugins, folder] }, backends: { echo: { plugin: "mock" }, left: { plugin: "leftovers" } },
    surfaces: { "web-chat": { plugin: "web_chat", backend: "left", backends: ["left", "echo"] }, settings: { plugin: "settings" } }, ...more } });
}
const json = async (host, ...args) => JSON.parse((await forHost(host, ...args, "--json")).out);
async function say(host, message) {
  const { session_id } = (await chat(host, "POST", "api/session", {})).body;
  assert.equal((await chat(host, "POST", "api/chat", { message })).status, 200);
  return session_id;
}

test("a session of another program is discovered, adopted with all that was said in it, and goes on", async (t) => {
  const host = await hostWithLeftovers(t);
  const found = await forHost(host, "sessions", "discover");
  assert.equal(found.code, 0, found.err);
  assert.match(found.out, /^ID +BACKEND +UPDATED +SESSION HERE +FOLDER +TITLE\nleft-1 +left +2026-01-31T12:00:00 +- +\/left +Left behind\n$/);

  const adopted = await forHost(host, "sessions", "adopt", "left-1");
  assert.equal(adopted.code, 0, adopted.err);
  const id = /^left-1 is the session (s_\w+) of left, context: transcript\n$/.exec(adopted.out)?.[1];
  assert.ok(id, adopted.out);
  const log = await exported(host, id);
  assert.deepEqual(log.map((entry) => [entry.entry, entry.turn, entry.type, entry.text]).slice(0, 3), [
    [1, 1, "user_message", "hi"],
    [2, 1, "text", "hello"],
    [3, 1, "turn_end", ""],
  ]);
  assert.equal(log[0].at, "2026-01-31T12:00:00.000001Z");

  assert.equal((await json(host, "sessions", "adopt", "left")).session.session_id, id, "twice is the same session");
  assert.equal((await json(host, "sessions", "discover")).sessions[0].session_id, id);
  assert.equal((await json(host, "sessions", "list")).sessions.length, 1);
  const resumed = await chat(host, "POST", "api/session/resume", { session_id: id });
  assert.equal(resumed.status, 200);
  assert.equal((await chat(host, "POST", "api/chat", { message: "go on" })).body.response, "go on");
  assert.equal(await metric(host, 'viaduct_sessions_adopted_total{backend="left"}'), 1);
});

test("the web chat resumes such a session by its id or the beginning of it", async (t) => {
  const host = await hostWithLeftovers(t);
  const resumed = await chat(host, "POST", "api/session/resume", { session_id: "left" });
  assert.equal(resumed.status, 200, resumed.text);
  const { sessions } = await json(host, "sessions", "list");
  assert.deepEqual(sessions.map((session) => [session.title, session.working_dir]), [["Left behind", "/left"]]);
  assert.equal((await chat(host, "POST", "api/chat", { message: "go on" })).body.response, "go on");
  assert.equal((await chat(host, "POST", "api/session/resume", { session_id: "nothing-like-it" })).status, 404);
  assert.equal((await json(host, "sessions", "list")).sessions.length, 1);
});

test("what cannot be adopted says why, and what to do", async (t) => {
  const host = await hostWithLeftovers(t);
  for (const [args, says] of [
    [["left-2"], /left-2/],
    [["lef"], /lef is too short; give at least 4 letters of the id/],
    [["left-1", "--backend", "nobody"], /no backend named nobody/],
    [["left-1", "--backend", "echo"], /finds sessions|finds no sessions/],
    [["left-1", "--surface", "nowhere"], /web-chat/],
    [["left-1", "--surface", "settings"], /web-chat/],
  ]) {
    const { code, out, err } = await forHost(host, "sessions", "adopt", ...args);
    assert.deepEqual([code, out], [1, ""], args.join(" "));
    assert.match(err, says, args.join(" "));
  }
  const unknown = await forHost(host, "sessions", "discover", "--backend", "nobody");
  assert.equal(unknown.code, 1);
  assert.match(unknown.err, /no backend named nobody/);
  assert.equal((await json(host, "sessions", "list", "--all")).sessions.length, 0);
});

test("of a backend that says nonsense nothing is adopted, and it is named", async (t) => {
  const host = await hostWithLeftovers(t, { file: path.join(faulty, "read_malformed.so") });
  const { code, err } = await forHost(host, "sessions", "adopt", "left-1");
  assert.equal(code, 1);
  assert.match(err, /left: .*no list of entries/);
  assert.equal((await json(host, "sessions", "list", "--all")).sessions.length, 0);
});

test("purge deletes for good what is old, and says beforehand what that would be", async (t) => {
  const host = await hostWithLeftovers(t);
  const ids = [await say(host, "first"), await say(host, "second")];
  assert.equal((await forHost(host, "sessions", "purge", "--older-than", "1d")).out, "deleted 0 sessions, 0 bytes\n");

  const dry = await forHost(host, "sessions", "purge", "--older-than", "1ms", "--dry-run");
  assert.equal(dry.code, 0, dry.err);
  assert.match(dry.out, /^SESSION +LAST ACTIVE +BACKEND +SIZE +TITLE\n/);
  assert.match(dry.out, new RegExp(`^${ids[1]} .* left +\\d+ bytes +second$`, "m"));
  assert.match(dry.out, /^would delete 2 sessions, \d+ bytes\n/m);
  assert.equal((await json(host, "sessions", "list", "--all")).sessions.length, 2);

  const done = await json(host, "sessions", "purge", "--older-than", "1ms");
  assert.deepEqual([done.count, done.failed, done.in_use], [2, 0, 0]);
  assert.deepEqual(done.sessions.map((session) => session.session_id).sort(), [...ids].sort());
  assert.equal((await forHost(host, "sessions", "list", "--all")).out, "no sessions\n");
  assert.equal((await forHost(host, "sessions", "show", ids[0])).code, 1);
  assert.equal((await chat(host, "POST", "api/chat", { message: "anybody?" })).status, 409, "its binding is let go of");
  await until(async () => (await metric(host, "viaduct_sessions_stored")) === 0, "the gauge to follow");
  assert.equal(await metric(host, 'viaduct_sessions_purged_total{backend="left"}'), 2);
  assert.ok((await metric(host, "viaduct_store_bytes")) > 4096);

  await host.kill();
  await host.start();
  assert.equal((await forHost(host, "sessions", "list", "--all")).out, "no sessions\n");
  const trail = await json(host, "sessions", "audit", ids[0]);
  assert.deepEqual(trail.records.map((record) => [record.event, record.detail.by]), [["purged", "operator"]]);
});

test("a backend that answers a purge twice does no harm", async (t) => {
  const host = await hostWithLeftovers(t, { file: path.join(faulty, "purge_twice.so") });
  await say(host, "hello");
  assert.equal((await json(host, "sessions", "purge", "--older-than", "1ms")).count, 1);
  await until(async () => (await metric(host, 'viaduct_plugin_faults_total{instance="left"}')) === 1, "the fault to be counted");
  assert.ok(await say(host, "still there"));
});

test("what runs is not purged", async (t) => {
  const host = await hostWithLeftovers(t);
  await chat(host, "POST", "api/session", {});
  const answer = chat(host, "POST", "api/chat", { message: "wait" }); // ends when it is cancelled
  answer.catch(() => {});
  await until(async () => (await json(host, "sessions", "list")).sessions[0].state === "running", "the turn to run");
  const done = await json(host, "sessions", "purge", "--older-than", "1ms");
  assert.deepEqual([done.count, done.in_use], [0, 1]);
  assert.equal((await json(host, "sessions", "list")).sessions.length, 1);
});

test("the audit trail of a session survives kill -9", async (t) => {
  const host = await hostWithLeftovers(t);
  const id = await say(host, "hello");
  await host.kill();
  await host.start();
  assert.equal((await chat(host, "POST", "api/session/resume", { session_id: id })).body.session_id, id);
  await host.kill();
  await host.start();
  const shown = await forHost(host, "sessions", "audit", id);
  assert.equal(shown.code, 0, shown.err);
  assert.match(shown.out, /^AT +EVENT +DETAIL\n.* created\n.* resume +.*rung=native/);
  const { records } = await json(host, "sessions", "audit", id);
  assert.deepEqual(records.map((record) => record.event), ["created", "resume"]);
  assert.deepEqual([records[1].detail.rung, records[1].detail.outcome], ["native", "ok"]);
  assert.equal((await forHost(host, "sessions", "audit", "s_nothing")).code, 1);
});

test("wrong usage of these commands ends with 2", async () => {
  for (const [args, says] of [
    [["purge"], /--older-than/],
    [["purge", "--older-than", "soon"], /90d/],
    [["purge", "--older-than", "0s"], /90d/],
    [["adopt"], /ID is required/],
    [["audit"], /ID is required/],
    [["discover", "--limit", "0"], /limit/],
  ]) {
    const { code, out, err } = await viaduct(["sessions", ...args]);
    assert.deepEqual([code, out], [2, ""], args.join(" "));
    assert.match(err, says, args.join(" "));
  }
});
