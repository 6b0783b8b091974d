// The mock through the real host: every kind of rule, and the record of what the host called.
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { ChatClient } from "../support/chat_client.mjs";
import { chat, exported, folderFor, forHost, hostFor, plugins, recorded, viaduct } from "../support/viaduct.mjs";
import { until } from "../support/wait.mjs";

async function talking(t, rules, options = {}) {
  const host = await hostFor(t, { rules, ...options });
  const { session_id } = (await chat(host, "POST", "api/session", { working_dir: "/tmp" })).body;
  const say = (message) => chat(host, "POST", "api/chat", { message });
  return { host, session_id, say };
}
const log = async (host, session, type) => (await exported(host, session)).filter((entry) => entry.type === type);

test("without a rule it repeats the message, word by word", async (t) => {
  const { host, session_id, say } = await talking(t, []);
  const viewer = await ChatClient.open(host.origin);
  await viewer.until(() => viewer.live);
  assert.equal((await say("one two  three\nfour")).body.response, "[Mock response to: one two  three\nfour]");
  await viewer.ended(1);
  const pieces = viewer.changes.filter((change) => change.change === "delta" || (change.change === "entry" && change.entry.type === "text" && !change.entry.complete));
  assert.ok(pieces.length >= 5, `${pieces.length} pieces`);
  assert.deepEqual((await log(host, session_id, "text")).map((entry) => entry.text), ["[Mock response to: one two  three\nfour]"]);
});

test("the first rule that matches holds, and its groups are filled in", async (t) => {
  const { say } = await talking(t, [
    { match: "^add (\\d+) (\\d+)$", reply: "$1 and $2 of '$0', for $$5, $9.$x" },
    { match: "add", reply: "the second" },
    { match: "^\\s*\\S+ adds?$", reply: "never, for the first is searched for" },
  ]);
  assert.equal((await say("add 1 23")).body.response, "1 and 23 of 'add 1 23', for $5, .$x");
  assert.equal((await say("add 1")).body.response, "the second");
  assert.equal((await say("he adds")).body.response, "the second");
  assert.equal((await say("Add")).body.response, "[Mock response to: Add]");
});

for (const [code, status, connected] of [
  ["invalid_argument", 400, true], ["not_found", 503, true], ["permission_denied", 403, true], ["unauthenticated", 401, true], ["failed_precondition", 503, true],
  ["session_dead", 409, false], ["unavailable", 503, true], ["busy", 429, true], ["cancelled", 503, true], ["timeout", 504, true], ["unsupported", 501, true], ["internal", 500, true],
])
  test(`a turn that fails with ${code} is ${status}, ${connected ? "and the session is kept" : "and the session is over"}`, async (t) => {
    const { host, session_id, say } = await talking(t, [{ match: "^fail$", fail: code }]);
    const answer = await say("fail");
    assert.equal(answer.status, status, answer.text);
    assert.equal(typeof answer.body.error, "string");
    if (code === "busy") assert.match(answer.headers["retry-after"], /^\d+$/);
    if (code === "internal") {
      assert.match(host.output, new RegExp(`${answer.body.id}.*internal`), "the log has it under that id");
      assert.doesNotMatch(answer.text, /told to fail/);
    }
    const end = (await log(host, session_id, "turn_end"))[0].data;
    assert.equal(end.stop_reason, code === "cancelled" || code === "timeout" ? code : "error");
    assert.equal((await chat(host, "GET", "api/session")).body.connected, connected);
    assert.equal((await say("hello")).status, connected ? 200 : 409);
  });

test("a failure with a reply says that first, and it is kept", async (t) => {
  const { host, session_id, say } = await talking(t, [{ match: "^flaky$", fail: "unavailable", reply: "half an" }]);
  assert.equal((await say("flaky")).status, 503);
  assert.deepEqual((await exported(host, session_id)).map((entry) => [entry.type, entry.text]), [["user_message", "flaky"], ["text", "half an"], ["turn_end", ""]]);
});

test("delays hold up nobody else, and cancel ends them at once", async (t) => {
  const { host, session_id, say } = await talking(t, [{ match: "^slow (\\d+)$", delay: "300ms", reply: "took $1" }, { match: "^never$", delay: "60m" }]);
  const begin = Date.now();
  assert.equal((await say("slow 3")).body.response, "took 3");
  assert.ok(Date.now() - begin >= 300);
  const viewer = await ChatClient.open(host.origin);
  const { turn } = await viewer.send("never");
  await viewer.until(() => viewer.state.session.state === "running");
  await chat(host, "POST", "api/session", {});
  assert.equal((await say("meanwhile")).status, 200);
  await viewer.request("cancel", { session_id });
  const ends = await until(async () => (await log(host, session_id, "turn_end")).length === 2 && log(host, session_id, "turn_end"), "the end of the turn");
  assert.deepEqual(ends.map((entry) => [entry.turn, entry.data.stop_reason]), [[1, "end_turn"], [turn, "cancelled"]]);
});

const deploy = {
  match: "^deploy (.*)", plan: ["build", { content: "ship", priority: "high" }], thought: "Is $1 tested?", tool: { title: "deploy", kind: "execute" },
  permission: { title: "Deploy?", options: ["Allow", "Deny"] }, reply: "You chose $permission", usage: { inputTokens: 12, outputTokens: 3 },
};

for (const [choice, status] of [["Allow", "completed"], ["Deny", "failed"]])
  test(`plan, thought, tool, permission (${choice}), reply and usage come in their order`, async (t) => {
    const { host, session_id } = await talking(t, [deploy]);
    const viewer = await ChatClient.open(host.origin);
    const { turn } = await viewer.send("deploy it");
    const asked = await viewer.until(() => viewer.of("permission")[0]);
    assert.deepEqual([asked.data.title, asked.data.status, asked.data.options], ["Deploy?", "pending", [
      { optionId: "Allow", name: "Allow", kind: "allow_once" }, { optionId: "Deny", name: "Deny", kind: "reject_once" },
    ]]);
    await viewer.until(() => viewer.state.session.state === "waiting");
    assert.equal(viewer.of("tool_call")[0].data.status, "pending");
    const answered = await viewer.request("answer", { entry: asked.entry, option_id: choice });
    assert.deepEqual([answered.outcome, answered.option_id], ["selected", choice]);
    assert.equal((await viewer.ended(turn)).data.stop_reason, "end_turn");
    const entries = await exported(host, session_id);
    assert.deepEqual(entries.map((entry) => entry.type), ["user_message", "plan", "thought", "tool_call", "permission", "text", "usage", "turn_end"]);
    const [, plan, thought, tool, permission, text, usage] = entries;
    assert.deepEqual(plan.data.entries, [{ content: "build", priority: "medium", status: "pending" }, { content: "ship", priority: "high", status: "pending" }]);
    assert.equal(thought.text, "Is it tested?");
    assert.deepEqual([tool.data.title, tool.data.kind, tool.data.status], ["deploy", "execute", status]);
    assert.deepEqual([permission.data.status, permission.data.option_id, typeof permission.data.by], ["selected", choice, "string"]);
    assert.equal(text.text, `You chose ${choice}`);
    assert.deepEqual([usage.data.inputTokens, usage.data.outputTokens], [12, 3]);
    assert.deepEqual(viewer.list(), entries.map((entry) => viewer.entries.get(entry.entry)));
    assert.deepEqual(viewer.faults, []);
  });

test("a permission request that nobody answers in time expires, and says so", async (t) => {
  const { host, session_id, say } = await talking(t, [{ ...deploy, permission: { title: "Deploy?", timeout: "200ms" } }]);
  assert.equal((await say("deploy it")).body.response, "You chose no answer");
  const [permission] = await log(host, session_id, "permission");
  assert.deepEqual([permission.data.status, permission.data.options.map((option) => option.optionId)], ["expired", ["allow", "deny"]]);
  assert.equal((await log(host, session_id, "tool_call"))[0].data.status, "failed");
});

test("what was said before is recalled, also after a restart, by the transcript, and that is told", async (t) => {
  const { host, session_id, say } = await talking(t, [{ match: "^what did I (just )?say", recall: true }]);
  assert.equal((await say("what did I say?")).body.response, "You did not say anything before.");
  await say("the sky is green");
  assert.equal((await say("what did I just say?")).body.response, "You said: the sky is green");
  await say("the sky is blue");
  await host.kill();
  await host.start();
  assert.equal((await say("what did I say?")).body.response, "You said: the sky is blue");
  const restored = await log(host, session_id, "context_restored");
  assert.deepEqual(restored.map((entry) => entry.data.rung), ["transcript"]);
  assert.match(restored[0].data.reason, /./);
});

test("making and resuming a session can fail, and then nothing is changed", async (t) => {
  const { host, session_id } = await talking(t, [
    { match: "^/no/such", on: "create", fail: "failed_precondition" },
    { match: "^/broken", on: "resume", fail: "unavailable" },
  ]);
  const none = await chat(host, "POST", "api/session", { working_dir: "/no/such/folder" });
  assert.deepEqual([none.status, typeof none.body.error], [503, "string"]);
  assert.equal((await chat(host, "GET", "api/session")).body.session_id, session_id);
  assert.equal((await chat(host, "GET", "api/sessions")).body.sessions.length, 1);
  const broken = (await chat(host, "POST", "api/session", { working_dir: "/broken" })).body.session_id;
  await chat(host, "POST", "api/session/resume", { session_id });
  const before = (await chat(host, "GET", "api/sessions")).body;
  assert.equal((await chat(host, "POST", "api/session/resume", { session_id: broken })).status, 503);
  assert.deepEqual((await chat(host, "GET", "api/sessions")).body, before);
  assert.equal((await chat(host, "GET", "api/session")).body.session_id, session_id);
});

test("the record has every call with the host's session id, and an explicit resume also of a live session", async (t) => {
  const { host, session_id, say } = await talking(t, [deploy, { match: "^never$", delay: "60m" }]);
  await say("hello");
  const viewer = await ChatClient.open(host.origin);
  await viewer.send("deploy it");
  const asked = await viewer.until(() => viewer.of("permission")[0]);
  await viewer.request("answer", { entry: asked.entry, option_id: "Deny" });
  const { turn } = await viewer.send("never");
  await viewer.until(() => viewer.state.running_turn === turn && viewer.state.session.state === "running");
  await viewer.request("cancel");
  await viewer.ended(turn);
  assert.equal((await chat(host, "POST", "api/session/resume", { session_id })).body.context, "live");
  await chat(host, "POST", "api/end");
  assert.equal((await chat(host, "POST", "api/session/resume", { session_id })).body.resumed, true);
  await host.stop();
  await host.start();
  assert.equal((await chat(host, "POST", "api/session/resume", { session_id })).body.context, "transcript");
  await chat(host, "POST", "api/end");
  const calls = recorded(host);
  const item = calls.find((call) => call.method === "answer")?.item;
  assert.equal(typeof item, "string");
  const context = calls[8]?.context;
  assert.ok(["native", "transcript"].includes(context), "the ended one is revived by its id or by its transcript");
  assert.deepEqual(calls, [
    { method: "create_session", session_id, working_dir: "/tmp" },
    { method: "send_message", session_id, message: "hello" },
    { method: "send_message", session_id, message: "deploy it" },
    { method: "answer", session_id, item, option_id: "Deny" },
    { method: "send_message", session_id, message: "never" },
    { method: "cancel_session", session_id },
    { method: "resume_session", session_id, working_dir: "/tmp", context: "live" },
    { method: "end_session", session_id },
    { method: "resume_session", session_id, working_dir: "/tmp", context },
    { method: "resume_session", session_id, working_dir: "/tmp", context: "transcript" },
    { method: "end_session", session_id },
  ]);
});

test("after the end a message is session_dead; ending twice is fine; what has ended is not active", async (t) => {
  const { host, session_id, say } = await talking(t, []);
  const viewer = await ChatClient.open(host.origin);
  await say("hello");
  assert.equal((await forHost(host, "sessions", "end", session_id)).code, 0);
  const dead = await say("hello?");
  assert.deepEqual([dead.status, dead.body], [409, { error: "Session no longer exists. Create a new one.", session_connected: false }]);
  await assert.rejects(viewer.send("hello?", { session: session_id }), { code: "session_dead" });
  assert.deepEqual(await viewer.request("end", { session_id }), { ended: true, session_id });
  assert.deepEqual((await viewer.request("list", { active: true })).sessions, []);
  assert.equal((await viewer.request("list")).sessions[0].ended, true);
  assert.equal(recorded(host).filter((call) => call.method === "end_session").length, 1);
});

test("a rule that is wrong is a configuration error with its place", async (t) => {
  const folder = folderFor(t);
  for (const [rule, says] of [
    [{ match: "a", fail: "dead" }, /:8:\d+: .*rules\[0\]\.fail.*"dead".*"session_dead"/],
    [{ match: "a", relpy: "x" }, /"relpy".*"reply"/],
    [{ reply: "x" }, /match/],
    [{ match: "a", delay: "soon" }, /delay/],
    [{ match: "a", on: "sundays" }, /"sundays"/],
    [{ match: "a", permission: { title: "x", options: [] } }, /options/],
  ]) {
    const file = path.join(folder, "viaduct.yaml");
    writeFileSync(file, `plugins: { path: [${plugins}] }\nsurfaces: {}\nbackends:\n  echo:\n    plugin: mock\n    config:\n      rules:\n        - ${JSON.stringify(rule)}\n`);
    const { code, err } = await viaduct(["check", "--config", file], { home: folder });
    assert.equal(code, 2, JSON.stringify(rule));
    assert.match(err, says);
  }
});
