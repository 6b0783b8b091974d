// The web chat's HTTP API, row by row of the table in plugins/web_chat/PROTOCOL.md, through the real host.
import assert from "node:assert/strict";
import { Agent } from "node:http";
import { test } from "node:test";
import { ChatClient } from "../support/chat_client.mjs";
import { chat, exported, forHost, hostFor, recorded, words } from "../support/viaduct.mjs";
import { until } from "../support/wait.mjs";

const kTime = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/;
const kNone = { connected: false, session_id: null, message: "No active session. Click 'New Session' to start." };

async function start(t, options) {
  const host = await hostFor(t, options);
  const get = (route) => chat(host, "GET", `api/${route}`);
  const post = (route, body, headers) => chat(host, "POST", `api/${route}`, body, { headers });
  const make = async (body = {}) => (await post("session", body)).body.session_id;
  return { host, get, post, make };
}
const answers = (answer, status, body) => assert.deepEqual([answer.status, answer.body], [status, body], answer.text);

// ---------------------------------------------------------------- /api/session

test("GET /api/session: without a session it is not connected, with one it says which", async (t) => {
  const { get, post } = await start(t);
  const none = await get("session");
  answers(none, 200, kNone);
  assert.match(none.headers["content-type"], /^application\/json/);
  assert.equal(none.headers["cache-control"], "no-store");
  const made = await post("session", { working_dir: "/srv/projects/bridge" });
  answers(await get("session"), 200, { connected: true, ...made.body });
  answers(await get("session"), 200, { connected: true, ...made.body });
});

test("GET /api/session: a session that was ended elsewhere is not connected, and nothing is changed by asking", async (t) => {
  const { host, get, make } = await start(t);
  const session = await make();
  await forHost(host, "sessions", "end", session);
  const ended = { connected: false, session_id: null, message: "Previous session ended. Resume it from the Sessions list or start a new one." };
  answers(await get("session"), 200, ended);
  answers(await get("session"), 200, ended);
});

test("POST /api/session: an empty body has the defaults, the folder is kept as it was said and need not exist", async (t) => {
  const { host, get, post } = await start(t);
  for (const [body, folder, project, description] of [
    ["", "~", host.home.split("/").at(-1), "Web chat session"],
    [{}, "~", host.home.split("/").at(-1), "Web chat session"],
    [{ working_dir: null, description: null }, "~", host.home.split("/").at(-1), "Web chat session"],
    [{ working_dir: "/nowhere/at all/ünï", description: "Über \"dies\"" }, "/nowhere/at all/ünï", "ünï", "Über \"dies\""],
    [{ working_dir: "~/no/such/", extra: 1 }, "~/no/such/", "such", "Web chat session"],
  ]) {
    const made = await post("session", body);
    assert.deepEqual(Object.keys(made.body).sort(), ["project_id", "session_id", "working_dir"]);
    assert.deepEqual([made.status, made.body.working_dir, made.body.project_id], [200, folder, project]);
    assert.match(made.body.session_id, /^s_[0-9a-z]{26}$/);
    const [newest] = (await get("sessions")).body.sessions;
    assert.deepEqual([newest.session_id, newest.description], [made.body.session_id, description]);
    assert.equal((await post("chat", { message: "works" })).status, 200);
  }
});

test("POST /api/session: the former session becomes inactive but can be resumed, and its backend keeps it", async (t) => {
  const { host, get, post, make } = await start(t);
  const first = await make();
  await post("chat", { message: "one" });
  const second = await make();
  assert.deepEqual((await get("sessions")).body.sessions.map((one) => [one.session_id, one.is_active]), [[second, true], [first, false]]);
  answers(await post("session/resume", { session_id: first }), 200, { session_id: first, resumed: true, context: "live" });
  assert.equal((await get("session")).body.session_id, first);
  assert.ok(!recorded(host).some((call) => call.method === "end_session"));
});

test("POST /api/session: with the same Idempotency-Key it is one session", async (t) => {
  const { get, post } = await start(t);
  const key = { "idempotency-key": "once" };
  const all = await Promise.all([1, 2, 3].map(() => post("session", {}, key)));
  assert.deepEqual(new Set(all.map((one) => one.status)), new Set([200]));
  assert.equal(new Set(all.map((one) => one.body.session_id)).size, 1);
  assert.equal((await get("sessions")).body.sessions.length, 1);
});

const codes = [
  ["invalid_argument", 400], ["permission_denied", 403], ["unauthenticated", 401], ["not_found", 404], ["failed_precondition", 503], ["session_dead", 409], ["unavailable", 503], ["busy", 429], ["timeout", 504],
  ["unsupported", 501], ["internal", 500],
];

test("POST /api/session fails by the table of status codes, and changes nothing", async (t) => {
  const { get, post } = await start(t, { rules: codes.map(([code]) => ({ match: `^/${code}$`, on: "create", fail: code })) });
  const kept = (await post("session", {})).body.session_id;
  for (const [code, status] of codes) {
    const answer = await post("session", { working_dir: `/${code}` });
    assert.equal(answer.status, status, `${code}: ${answer.text}`);
    assert.match(answer.body.error, /./);
    if (status === 429) assert.match(answer.headers["retry-after"], /^\d+$/);
    if (status === 500) assert.match(answer.body.id, /./);
  }
  assert.deepEqual((await get("sessions")).body.sessions.map((one) => one.session_id), [kept]);
  assert.equal((await get("session")).body.session_id, kept);
});

// ---------------------------------------------------------------- /api/chat

test("POST /api/chat: the whole answer", async (t) => {
  const { post, make } = await start(t);
  const session = await make();
  answers(await post("chat", { message: "hello" }), 200, { response: "[Mock response to: hello]", session_id: session, session_connected: true });
  answers(await post("chat", { message: "  kept as it is \n" }), 200, { response: "[Mock response to:   kept as it is \n]", session_id: session, session_connected: true });
  const odd = "\u{1f469}\u200d\u{1f680} \"quotes\" \\ <b>&amp;\t\u0001\u2028é";
  assert.equal((await post("chat", { message: odd })).body.response, `[Mock response to: ${odd}]`);
});

test("POST /api/chat: messages of one session are answered one after the other, in order", async (t) => {
  const { host, post, make } = await start(t, { rules: [{ match: "^slow", delay: "100ms", reply: "$0" }] });
  const session = await make();
  const all = await Promise.all(Array.from({ length: 8 }, (_, i) => post("chat", { message: i % 2 ? `m${i}` : `slow${i}` })));
  assert.ok(all.every((one) => one.status === 200));
  const log = await exported(host, session);
  const turns = log.filter((entry) => entry.type === "turn_end").map((entry) => entry.turn);
  assert.deepEqual(turns, [1, 2, 3, 4, 5, 6, 7, 8]);
  for (const turn of turns) {
    const [said, text] = ["user_message", "text"].map((type) => log.find((entry) => entry.turn === turn && entry.type === type).text);
    assert.ok(text.includes(said.startsWith("slow") ? "slow" : said));
  }
});

test("POST /api/chat: a full queue is 429 with Retry-After, and nothing of it is kept", async (t) => {
  const { host, post, make } = await start(t, { rules: [{ match: "^wait", delay: "60m" }] });
  const session = await make();
  const viewer = await ChatClient.open(host.origin);
  await viewer.send("wait");
  const pending = [];
  for (let i = 0; i < 32; ++i) pending.push(await viewer.send(`m${i}`));
  const refused = await post("chat", { message: "too much" });
  assert.equal(refused.status, 429, refused.text);
  assert.match(refused.headers["retry-after"], /^\d+$/);
  await assert.rejects(viewer.send("too much"), { code: "busy" });
  await viewer.request("cancel");
  await viewer.until(() => viewer.ends().length === 33);
  assert.ok(!(await exported(host, session)).some((entry) => entry.text === "too much"));
});

test("POST /api/chat: without a session, and with one that was ended, 409", async (t) => {
  const { host, get, post, make } = await start(t);
  answers(await post("chat", { message: "hello" }), 409, { error: "No active session. Create one first via POST /api/session.", session_connected: false });
  const session = await make();
  await forHost(host, "sessions", "end", session);
  answers(await post("chat", { message: "hello" }), 409, { error: "Session no longer exists. Create a new one.", session_connected: false });
  answers(await get("session"), 200, kNone);
  assert.equal((await get("sessions")).body.sessions[0].is_active, false);
});

test("POST /api/chat: a session that dies in the turn is 409 and no longer current; a failure that passes is 503 and it is kept", async (t) => {
  const { get, post, make } = await start(t, { rules: [{ match: "^die$", fail: "session_dead" }, { match: "^flaky$", fail: "unavailable" }] });
  const session = await make();
  const flaky = await post("chat", { message: "flaky" });
  assert.deepEqual([flaky.status, Object.keys(flaky.body)], [503, ["error"]]);
  assert.equal((await get("session")).body.session_id, session);
  answers(await post("chat", { message: "die" }), 409, { error: "Session no longer exists. Create a new one.", session_connected: false });
  answers(await get("session"), 200, kNone);
});

test("POST /api/chat: an answer that was stopped or interrupted is 503, and the session is kept", async (t) => {
  const { host, get, post, make } = await start(t, { rules: [{ match: "^long", reply: words(3000) }], chunkDelay: "5ms" });
  const session = await make();
  const viewer = await ChatClient.open(host.origin);
  const stopped = post("chat", { message: "long" });
  await viewer.until(() => viewer.texts()[0]?.includes("word3"));
  await viewer.request("cancel");
  answers(await stopped, 503, { error: "The answer was stopped." });
  const interrupted = post("chat", { message: "long" }, { "idempotency-key": "again" });
  await viewer.until(() => viewer.texts()[1]?.includes("word3"));
  interrupted.catch(() => {});
  await host.kill();
  await host.start();
  assert.equal((await post("chat", { message: "long" }, { "idempotency-key": "again" })).status, 503);
  assert.equal((await get("session")).body.session_id, session);
  assert.deepEqual((await exported(host, session)).filter((entry) => entry.type === "turn_end").map((entry) => entry.data.stop_reason), ["cancelled", "interrupted"]);
});

test("POST /api/chat: with the same Idempotency-Key it is one turn with one answer, also at the same time and after a restart", async (t) => {
  const { host, post, make } = await start(t, { rules: [{ match: "^slow", delay: "150ms", reply: "done" }] });
  const session = await make();
  const say = () => post("chat", { message: "slow" }, { "idempotency-key": "one" });
  const same = { response: "done", session_id: session, session_connected: true };
  for (const answer of await Promise.all([say(), say(), say()])) answers(answer, 200, same);
  answers(await say(), 200, same);
  await host.kill();
  await host.start();
  answers(await say(), 200, same);
  assert.equal((await exported(host, session)).length, 3);
  assert.equal(recorded(host).filter((call) => call.method === "send_message").length, 1);
  await post("chat", { message: "slow" });
  assert.equal(recorded(host).filter((call) => call.method === "send_message").length, 2, "without a key it is a new turn");
});

test("POST /api/chat: who goes away does not stop the turn", async (t) => {
  const { host, post, make } = await start(t, { rules: [{ match: "^slow", delay: "200ms", reply: "done" }] });
  const session = await make();
  const agent = new Agent({ keepAlive: false });
  const gone = chat(host, "POST", "api/chat", { message: "slow" }, { agent });
  gone.catch(() => {});
  await until(async () => (await exported(host, session)).length > 0, "the message");
  agent.destroy();
  await until(async () => (await exported(host, session)).some((entry) => entry.text === "done"), "the answer");
  assert.equal((await post("chat", { message: "x" })).status, 200);
});

// ---------------------------------------------------------------- several backends

test("POST /api/session: a session of the backend that was picked answers by it; another name is 400 and says which there are", async (t) => {
  const backends = Object.fromEntries(["echo", "claude", "other"].map((name) => [name, { plugin: "mock", config: { rules: [{ match: ".*", reply: `${name} answers` }] } }]));
  const surfaces = { "web-chat": { plugin: "web_chat", backend: "echo", backends: ["claude", "echo"] } };
  const { host, get, post, make } = await start(t, { config: { backends, surfaces } });
  const session = await make({ backend: "claude" });
  assert.equal((await post("chat", { message: "who" })).body.response, "claude answers");
  for (const name of ["other", "nobody"]) {
    const refused = await post("session", { backend: name });
    assert.equal(refused.status, 400, refused.text);
    assert.match(refused.body.error, new RegExp(`no backend named ${name}; there is echo, claude$`));
  }
  assert.equal((await get("session")).body.session_id, session, "a refusal changes nothing");
  await make();
  assert.equal((await post("chat", { message: "who" })).body.response, "echo answers", "without a name it is the default one");

  const page = await ChatClient.open(host.origin);
  assert.deepEqual(page.greeting.backends, ["echo", "claude"]);
  assert.equal((await page.request("new", { backend: "claude" })).backend, "claude");
  await assert.rejects(page.request("new", { backend: "other" }), { code: "invalid_argument", reason: /there is echo, claude/ });
});

// ---------------------------------------------------------------- /api/cancel and /api/permission

const noSession = { error: "No active session. Create one first via POST /api/session.", session_connected: false };

test("POST /api/cancel: stops the running turn and what waits, also of a session that is not the current one", async (t) => {
  const { host, post, make } = await start(t, { rules: [{ match: "^wait", delay: "60m" }] });
  answers(await post("cancel"), 409, noSession);
  const session = await make();
  answers(await post("cancel"), 200, { session_id: session });
  const asked = [post("chat", { message: "wait" }), post("chat", { message: "wait, too" })];
  await until(async () => (await exported(host, session)).filter((entry) => entry.type === "user_message").length === 2, "both messages");
  answers(await post("cancel"), 200, { session_id: session });
  for (const one of asked) answers(await one, 503, { error: "The answer was stopped." });
  const later = post("chat", { message: "wait" });
  await until(async () => (await exported(host, session)).filter((entry) => entry.type === "user_message").length === 3, "the message");
  const other = await make();
  answers(await post("cancel", { session_id: session, turn: 3 }), 200, { session_id: session });
  answers(await later, 503, { error: "The answer was stopped." });
  assert.notEqual(other, session);
  assert.equal((await post("cancel", { session_id: "s_nothing" })).status, 404);
  assert.equal((await post("chat", { message: "works" })).status, 200);
});

test("a permission request: /api/chat waits for it, GET /api/permission shows it, POST /api/permission answers it", async (t) => {
  const { host, get, post, make } = await start(t, { rules: [{ match: "^deploy", permission: { title: "Deploy?", options: ["Allow", "Deny"] }, reply: "You chose $permission" }] });
  answers(await get("permission"), 409, noSession);
  const session = await make();
  answers(await get("permission"), 200, { session_id: session, permissions: [] });
  const answer = post("chat", { message: "deploy now" });
  const open = () => until(async () => (await get("permission")).body.permissions[0], "the request");
  const request = await open();
  assert.deepEqual([request.type, request.turn, request.data.title, request.data.status, request.data.options.map((one) => one.optionId)], ["permission", 1, "Deploy?", "pending", ["Allow", "Deny"]]);
  assert.equal((await post("permission", { entry: request.entry, option_id: "Perhaps" })).status, 400);
  answers(await post("permission", { entry: request.entry }), 400, { error: "option_id is required" });
  const chosen = await post("permission", { entry: request.entry, option_id: "Allow" });
  assert.deepEqual([chosen.status, chosen.body.outcome, chosen.body.option_id, typeof chosen.body.by], [200, "selected", "Allow", "string"]);
  answers(await answer, 200, { response: "You chose Allow", session_id: session, session_connected: true });
  assert.equal((await post("permission", { entry: request.entry, option_id: "Deny" })).body.option_id, "Allow", "what holds");
  answers(await get("permission"), 200, { session_id: session, permissions: [] });
  assert.equal((await post("permission", { entry: 1, option_id: "Allow" })).status, 404);

  // Stopping the turn closes the request.
  const stopped = post("chat", { message: "deploy later" });
  const second = await open();
  await make();
  assert.deepEqual((await get("permission")).body.permissions, []);
  assert.equal((await get(`permission?session_id=${session}`)).body.permissions[0].entry, second.entry);
  answers(await post("cancel", { session_id: session }), 200, { session_id: session });
  answers(await stopped, 503, { error: "The answer was stopped." });
  assert.equal((await exported(host, session)).find((entry) => entry.entry === second.entry).data.status, "cancelled");
  assert.equal((await post("permission", { entry: second.entry, option_id: "Allow", session_id: session })).status, 503, "too late");
});

// ---------------------------------------------------------------- /api/end

test("POST /api/end: ends the current session for good, and says when there is none", async (t) => {
  const { host, get, post, make } = await start(t);
  answers(await post("end"), 200, { ended: false, message: "No active session." });
  const session = await make();
  answers(await post("end"), 200, { ended: true, session_id: session });
  answers(await post("end"), 200, { ended: false, message: "No active session." });
  answers(await get("session"), 200, kNone);
  await host.kill();
  await host.start();
  answers(await get("session"), 200, kNone);
  assert.equal(JSON.parse((await forHost(host, "sessions", "show", session, "--json")).out).ended, true, "the tombstone survives");
});

test("POST /api/end: a running turn ends with it, as cancelled", async (t) => {
  const { host, post, make } = await start(t, { rules: [{ match: "^wait", delay: "60m" }] });
  const session = await make();
  const waiting = post("chat", { message: "wait" });
  await until(async () => (await exported(host, session)).length > 0, "the message");
  assert.equal((await post("end")).status, 200);
  assert.ok([409, 503].includes((await waiting).status));
  assert.deepEqual((await exported(host, session)).filter((entry) => entry.type === "turn_end").map((entry) => entry.data.stop_reason), ["cancelled"]);
});

// ---------------------------------------------------------------- /api/sessions

test("GET /api/sessions: exactly these fields, last active first", async (t) => {
  const { get, post, make } = await start(t);
  answers(await get("sessions"), 200, { sessions: [] });
  const a = await make({ description: "a", working_dir: "/p/one" });
  const b = await make({ description: "b" });
  await post("session/resume", { session_id: a });
  await post("chat", { message: "x" });
  const { sessions } = (await get("sessions")).body;
  assert.deepEqual(sessions.map((one) => [one.session_id, one.description, one.is_active]), [[a, "a", true], [b, "b", false]]);
  for (const one of sessions) {
    assert.deepEqual(Object.keys(one).sort(), ["created_at", "description", "is_active", "last_active", "project_id", "session_id"]);
    assert.match(one.created_at, kTime);
    assert.match(one.last_active, kTime);
    assert.ok(one.last_active >= one.created_at);
  }
  assert.equal(sessions[0].project_id, "one");
});

test("GET /api/sessions: last_active tells apart what happens in one millisecond", async (t) => {
  const { get, post } = await start(t);
  await Promise.all(Array.from({ length: 60 }, () => post("session", {})));
  const times = (await get("sessions")).body.sessions.map((one) => one.last_active);
  assert.equal(new Set(times).size, 60);
  assert.deepEqual(times, [...times].sort().reverse());
  assert.ok(times.some((time) => !time.endsWith("000Z")), "microseconds, not milliseconds with zeros");
});

test("GET /api/sessions: long lists come in pages without gap or repeat", async (t) => {
  const { get, make } = await start(t);
  const made = [];
  for (let i = 0; i < 7; ++i) made.unshift(await make());
  const found = [];
  for (let before = "", i = 0; i < 10 && before !== undefined; ++i) {
    const { body } = await get(`sessions?limit=3${before && `&before=${encodeURIComponent(before)}`}`);
    found.push(...body.sessions.map((one) => one.session_id));
    before = body.next;
  }
  assert.deepEqual(found, made);
});

// ---------------------------------------------------------------- /api/session/resume

test("POST /api/session/resume: asks the backend first, with the stored folder, and says which rung held", async (t) => {
  const { host, get, post, make } = await start(t);
  const session = await make({ working_dir: "/some/where" });
  await post("chat", { message: "hello" });
  answers(await post("session/resume", { session_id: session }), 200, { session_id: session, resumed: true, context: "live" });
  await host.kill();
  await host.start();
  answers(await post("session/resume", { session_id: session }), 200, { session_id: session, resumed: true, context: "transcript" });
  await post("end");
  const revived = await post("session/resume", { session_id: session });
  assert.equal(revived.status, 200, "only its owner revives an ended session");
  assert.equal((await get("session")).body.session_id, session);
  assert.deepEqual(recorded(host).filter((call) => call.method === "resume_session").map((call) => call.working_dir), ["/some/where", "/some/where", "/some/where"]);
  assert.equal((await post("chat", { message: "hello again" })).status, 200);
});

test("POST /api/session/resume: what passes is told by its status, what is final is 409, and neither changes anything", async (t) => {
  const { get, post, make } = await start(t, { rules: codes.map(([code]) => ({ match: `^/${code}$`, on: "resume", fail: code })) });
  const own = { unavailable: 503, timeout: 504, busy: 429, failed_precondition: 503 };
  for (const [code] of codes) {
    if (code === "unsupported") continue; // a backend that cannot be asked holds it all the same
    const session = await make({ working_dir: `/${code}` });
    await post("chat", { message: "something to lose" });
    const current = await make();
    const before = (await get("sessions")).body;
    const answer = await post("session/resume", { session_id: session });
    // An agent that refuses fails its rung; when all rungs have failed the conversation cannot be had again.
    assert.equal(answer.status, own[code] ?? 409, `${code}: ${answer.text}`);
    assert.match(answer.body.error, /./);
    if (answer.status === 429) assert.match(answer.headers["retry-after"], /^\d+$/);
    assert.equal((await get("session")).body.session_id, current, code);
    assert.deepEqual((await get("sessions")).body, before, code);
  }
});

test("POST /api/session/resume: what is not there is 404 in these words", async (t) => {
  const { post, make } = await start(t);
  await make();
  answers(await post("session/resume", { session_id: "s_nothing" }), 404, { error: "Session 's_nothing' not found" });
  answers(await post("session/resume", { session_id: "x'\"<b>" }), 404, { error: "Session 'x'\"<b>' not found" });
});

// ---------------------------------------------------------------- two surfaces

test("a session of one web chat does not exist in the other", async (t) => {
  const surfaces = { one: { plugin: "web_chat", backend: "echo" }, two: { plugin: "web_chat", backend: "echo" } };
  const host = await hostFor(t, { config: { surfaces } });
  const at = (surface) => (method, route, body) => chat(host, method, `api/${route}`, body, { surface });
  const [one, two] = [at("one"), at("two")];
  const { session_id } = (await one("POST", "session", {})).body;
  await one("POST", "chat", { message: "secret" });
  answers(await two("GET", "session"), 200, kNone);
  answers(await two("GET", "sessions"), 200, { sessions: [] });
  answers(await two("POST", "session/resume", { session_id }), 404, { error: `Session '${session_id}' not found` });
  answers(await two("POST", "end"), 200, { ended: false, message: "No active session." });
  const stranger = await ChatClient.open(host.origin, { surface: "two" });
  const same = await stranger.request("resume", { session_id: "s_nothing" }).catch((error) => error);
  for (const [type, fields] of [
    ["send", { key: "k", text: "x" }], ["cancel", {}], ["answer", { entry: 1, option_id: "x" }], ["resume", {}], ["end", {}], ["history", { before: 0 }], ["rename", { title: "mine" }],
  ])
    await assert.rejects(stranger.request(type, { session_id, ...fields }), { code: "not_found", reason: same.reason }, type);
  await stranger.hello({ session: session_id, cursor: { epoch: 1, seq: 1 } });
  assert.equal(stranger.session, null);
  await one("POST", "chat", { message: "remember this: the code is 1234" });
  assert.equal((await two("GET", "memory/recall?q=code")).body.count, 0);
  assert.equal((await one("GET", "memory/recall?q=code")).body.count, 1);
  assert.equal((await one("GET", "session")).body.session_id, session_id);
  assert.deepEqual(stranger.changes, []);
});

// ---------------------------------------------------------------- memory

const goldens = [
  ["remember this: a\nb", ["remember", "a\nb"]],
  ["Remember that x", ["remember", "x"]],
  ["remember: y", ["remember", "y"]],
  ["remember y", null],
  ["remember this y", null],
  ["remember that", null],
  ["REMEMBER THIS:z", ["remember", "z"]],
  ["please remember this: q", null],
  ["what do you remember about cats?", ["recall", "cats?"]],
  ["what do you remember", null],
  ["recall x\ny", ["recall", "x"]],
  ["recall", null],
  ["search memory foo", ["recall", "foo"]],
  ["search memory for foo", ["recall", "foo"]],
  ["search memory for", ["recall", "for"]],
  ["  remember this:   pad  ", ["remember", "pad"]],
  ["remember that: x", null],
  ["recalled stuff", null],
  ["remember this:\n\n x", ["remember", "x"]],
];

test("memory: the golden messages are answered without a session, and all others go to the backend", async (t) => {
  const { host, post, make } = await start(t);
  const run = async (connected) => {
    for (const [message, expected] of goldens) {
      const answer = await post("chat", { message });
      const what = JSON.stringify(message);
      if (expected === null) {
        assert.equal(answer.status, connected ? 200 : 409, what);
        if (connected) assert.equal(answer.body.response, `[Mock response to: ${message}]`);
        continue;
      }
      const [action, text] = expected;
      assert.equal(answer.status, 200, what);
      assert.deepEqual(Object.keys(answer.body).sort(), ["memory_action", "memory_result", "response", "session_connected"]);
      assert.deepEqual([answer.body.memory_action, answer.body.session_connected], [action, connected], what);
      if (action === "remember") {
        assert.equal(answer.body.memory_result.content, text, what);
        assert.match(answer.body.response, /^Remembered! Stored as mem-\d{3} \(category: [a-z]+, tags: [a-z, ]+\)$/);
      } else if (answer.body.memory_result.count === 0) assert.equal(answer.body.response, `No memories found matching '${text}'.`, what);
      else assert.match(answer.body.response, /^Found \d+ memory\(ies\):\n\n- \[mem-\d{3}\] \([a-z]+\) /, what);
    }
  };
  await run(false);
  await make();
  await run(true);
  const prompts = recorded(host).filter((call) => call.method === "send_message").map((call) => call.message);
  assert.deepEqual(prompts, goldens.filter(([, expected]) => expected === null).map(([message]) => message), "the backend saw nothing else");
});

test("memory: the replies are these, ids count up, categories and tags go by whole words", async (t) => {
  const { host, post } = await start(t);
  const say = async (message) => (await post("chat", { message })).body;
  const first = await say("remember this: I prefer tabs over spaces in most projects");
  assert.equal(first.response, "Remembered! Stored as mem-001 (category: preference, tags: preference)");
  assert.deepEqual(Object.keys(first.memory_result).sort(), ["category", "content", "id", "tags", "timestamp"]);
  assert.match(first.memory_result.timestamp, kTime);
  assert.equal((await say("remember this: Those were the days")).response, "Remembered! Stored as mem-002 (category: general, tags: general)");
  await host.kill();
  await host.start();
  assert.equal((await say("remember this: git commit often")).memory_result.id, "mem-003");
  const found = await say("what do you remember about tabs");
  assert.equal(found.response, "Found 1 memory(ies):\n\n- [mem-001] (preference) I prefer tabs over spaces in most projects");
  assert.deepEqual([found.memory_result.count, found.memory_result.matches[0].id], [1, "mem-001"]);
  assert.equal((await say("recall nothing like it")).response, "No memories found matching 'nothing like it'.");
  assert.equal((await say("recall git")).memory_result.matches[0].id, "mem-003");
});

test("memory: its routes", async (t) => {
  const { get, post } = await start(t);
  const kept = await post("memory/remember", { text: "Use docker for the environment" });
  assert.deepEqual([kept.status, kept.body.id, kept.body.category, kept.body.content], [200, "mem-001", "environment", "Use docker for the environment"]);
  answers(await post("memory/remember", {}), 400, { error: "text is required" });
  answers(await get("memory/recall?q=DOCKER"), 200, { matches: [kept.body], count: 1 });
  answers(await get("memory/recall?q=environment"), 200, { matches: [kept.body], count: 1 });
  answers(await get("memory/recall?q=bananas"), 200, { matches: [], count: 0 });
  for (const query of ["%22", "*", "docker%20OR", "(", "NEAR(", "a%20AND%20NOT", "-", "%27%3B%20DROP%20TABLE%20memories"]) assert.equal((await get(`memory/recall?q=${query}`)).status, 200, query);
  answers(await get("memory/recall"), 400, { error: "q query parameter is required" });
  answers(await get("memory/work-status"), 200, { items: [] });
  const log = await post("memory/work-log", { items: [{ task: "a" }, { task: "b", status: "done", updated: "2026-01-01" }] });
  assert.deepEqual(log.body.items.map((item) => [item.task, item.status]), [["a", "pending"], ["b", "done"]]);
  assert.equal(log.body.items[1].updated, "2026-01-01");
  answers(await get("memory/work-status"), 200, log.body);
  await post("memory/work-log", { items: [] });
  answers(await get("memory/work-status"), 200, { items: [] });
});
