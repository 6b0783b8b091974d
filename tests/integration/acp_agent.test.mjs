// The stand-in agent of the tests speaks proper ACP: driven by the client of the official TypeScript SDK, which checks every message against the
// schema, and by hand where the SDK is too polite.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { Readable, Writable } from "node:stream";
import { test } from "node:test";
import { act, Agent, alive } from "../support/acp.mjs";
import { until, within } from "../support/wait.mjs";

const acp = await import("@agentclientprotocol/sdk").catch(() => null);
const skip = acp ? false : "@agentclientprotocol/sdk is not installed (npm ci)";

function start(t, agent) {
  const child = spawn(agent.command[0], agent.command.slice(1), { env: { ...process.env, ...agent.env }, stdio: ["pipe", "pipe", "pipe"] });
  child.stdin.on("error", () => {});
  t.after(() => child.kill("SIGKILL"));
  return child;
}

// The SDK's client with one agent. `answers` replaces what it answers to requests.
async function connected(t, script, { answers = {}, capabilities } = {}) {
  const agent = Agent.for(t, script);
  const child = start(t, agent);
  const updates = [];
  const requests = [];
  const note = (name, otherwise) => async (params) => {
    requests.push([name, params]);
    return answers[name]?.(params) ?? otherwise;
  };
  const client = {
    sessionUpdate: async ({ update }) => void updates.push(update),
    requestPermission: note("permission", { outcome: { outcome: "selected", optionId: "once" } }),
    readTextFile: note("read", { content: "of a file" }),
    writeTextFile: note("write", {}),
    createTerminal: note("terminal", { terminalId: "t1" }),
    terminalOutput: note("output", { output: "out", truncated: false }),
    waitForTerminalExit: note("wait", { exitCode: 0 }),
    killTerminal: note("kill", {}),
    releaseTerminal: note("release", {}),
    createElicitation: note("elicit", { action: "accept", content: { size: "big" } }),
    completeElicitation: note("complete"),
  };
  const connection = new acp.ClientSideConnection(() => client, acp.ndJsonStream(Writable.toWeb(child.stdin), Readable.toWeb(child.stdout)));
  const init = await connection.initialize({ protocolVersion: 1, clientCapabilities: capabilities ?? { fs: { readTextFile: true, writeTextFile: true }, terminal: true, session: { configOptions: { boolean: {} } }, elicitation: { form: {}, url: {} } } });
  const prompt = (sessionId, text) => connection.prompt({ sessionId, prompt: [{ type: "text", text }] });
  const text = () => updates.filter(({ sessionUpdate }) => sessionUpdate === "agent_message_chunk").map(({ content }) => content.text).join("");
  return { agent, child, connection, init, updates, requests, prompt, text };
}
const fresh = (connection, cwd = "/tmp") => connection.newSession({ cwd, mcpServers: [] });
const lines = (child) => {
  const all = [];
  let rest = "";
  child.stdout.setEncoding("utf8").on("data", (data) => {
    const parts = (rest + data).split("\n");
    rest = parts.pop();
    all.push(...parts.map((line) => {
      try {
        return JSON.parse(line);
      } catch {
        return line;
      }
    }));
  });
  return all;
};
const speak = (child, message) => child.stdin.write(JSON.stringify({ jsonrpc: "2.0", ...message }) + "\n");
const hello = { id: 0, method: "initialize", params: { protocolVersion: 1 } };

test("the SDK's client gets every variant of an update, and the end of the turn", { skip }, async (t) => {
  const { agent, connection, init, updates, prompt, text } = await connected(t, { commands: [{ name: "go", description: "Goes" }], modes: true, models: true, options: ["model", "grouped", "boolean"] });
  assert.equal(init.protocolVersion, 1);
  assert.equal(init.agentCapabilities.loadSession, true);
  const made = await fresh(connection);
  assert.equal(made.modes.currentModeId, "ask");
  assert.deepEqual(made.configOptions.map(({ id, type }) => [id, type]), [["model", "select"], ["effort", "select"], ["fast", "boolean"]]);
  const end = await prompt(made.sessionId, act(
    { think: "hm" }, { say: ["Hel", "lo"] }, { echo: "you" }, { content: { type: "image", data: "AA==", mimeType: "image/png" } },
    { tool: { toolCallId: "1", title: "look", kind: "read", status: "pending" } }, { toolUpdate: { toolCallId: "1", status: "completed" } },
    { plan: [{ content: "a", priority: "high", status: "pending" }] }, { mode: "plan" }, { title: "T" }, { usage: { used: 1, size: 2 } },
    { commands: [] }, { stop: "max_tokens" },
  ));
  assert.equal(end.stopReason, "max_tokens");
  assert.deepEqual(updates.map(({ sessionUpdate }) => sessionUpdate), [
    "available_commands_update", "agent_thought_chunk", "agent_message_chunk", "agent_message_chunk", "user_message_chunk", "agent_message_chunk", "tool_call",
    "tool_call_update", "plan", "current_mode_update", "session_info_update", "usage_update", "available_commands_update",
  ]);
  assert.match(text(), /^Hello/);
  assert.deepEqual(agent.starts.map(({ start }) => start), [1]);
});

test("it asks: permissions, files, terminals, elicitation; and says what it was answered", { skip }, async (t) => {
  const { connection, requests, prompt, text } = await connected(t, {});
  const { sessionId } = await fresh(connection);
  await prompt(sessionId, act(
    { permission: [{ id: 0 }, { id: "8c0f" }] }, { read: { path: "/tmp/a" } }, { write: { path: "/tmp/a", content: "x" } }, { terminal: { command: "ls" }, then: ["output", "wait", "kill", "release"] },
    { elicit: { mode: "form", message: "How big?", requestedSchema: { type: "object", properties: { size: { type: "string", enum: ["big", "small"] } }, required: ["size"] } } },
    { request: { method: "_odd/thing", params: {} } },
  ));
  assert.deepEqual(requests.map(([name]) => name), ["permission", "permission", "read", "write", "terminal", "output", "wait", "kill", "release", "elicit"]);
  assert.match(text(), /^Permission: once, once\. Read: \{"content":"of a file"\}\..*Elicitation: \{"action":"accept".*_odd\/thing: \{"error":-32601/);
});

test("a cancel with a permission open waits for its answer, and the turn is cancelled", { skip }, async (t) => {
  let decide;
  const decided = new Promise((resolve) => (decide = resolve));
  const { connection, requests, prompt } = await connected(t, {}, { answers: { permission: () => decided } });
  const { sessionId } = await fresh(connection);
  const end = prompt(sessionId, act({ permission: {} }, { say: "never" }));
  await until(() => requests.length === 1, "the request");
  await connection.cancel({ sessionId });
  decide({ outcome: { outcome: "cancelled" } });
  assert.equal((await within(end, "the end")).stopReason, "cancelled");
  const hanging = prompt(sessionId, act({ say: "x" }, { hang: true }));
  await connection.cancel({ sessionId });
  assert.equal((await within(hanging, "the end")).stopReason, "cancelled");
});

test("it knows what was said after a restart, by resume and by load with its replay", { skip }, async (t) => {
  const first = await connected(t, {});
  const { sessionId } = await fresh(first.connection);
  await first.prompt(sessionId, "the sky is green");
  const { sessions } = await first.connection.listSessions({ cwd: "/tmp" });
  assert.deepEqual(sessions.map((one) => one.sessionId), [sessionId]);
  first.child.kill("SIGKILL");
  await once(first.child, "exit");
  for (const how of ["resumeSession", "loadSession"]) {
    const stranger = await connected(t, {});
    await assert.rejects(stranger.connection[how]({ sessionId, cwd: "/tmp", mcpServers: [] }), { code: -32002 }, "another folder of conversations");
    const child = start(t, first.agent);
    const updates = [];
    const connection = new acp.ClientSideConnection(() => ({ sessionUpdate: async ({ update }) => void updates.push(update) }), acp.ndJsonStream(Writable.toWeb(child.stdin), Readable.toWeb(child.stdout)));
    await connection.initialize({ protocolVersion: 1 });
    await connection[how]({ sessionId, cwd: "/tmp", mcpServers: [] });
    assert.deepEqual(updates.map(({ content }) => content.text), how === "resumeSession" ? [] : ["the sky is green", "You said: the sky is green", "recall", "I know: the sky is green"]);
    updates.length = 0;
    await connection.prompt({ sessionId, prompt: [{ type: "text", text: "recall" }] });
    assert.match(updates.map(({ content }) => content.text).join(""), /^I know: the sky is green/);
    child.stdin.end();
    assert.deepEqual(await within(once(child, "exit"), "the end after end-of-file"), [0, null]);
  }
});

test("options and modes are taken, and wrong values refused", { skip }, async (t) => {
  const { connection, prompt, text } = await connected(t, { modes: true, options: ["model", "grouped", "boolean"] });
  const { sessionId } = await fresh(connection);
  await connection.setSessionMode({ sessionId, modeId: "yolo" });
  const { configOptions } = await connection.setSessionConfigOption({ sessionId, configId: "model", value: "huge" });
  assert.deepEqual(configOptions.map(({ currentValue }) => currentValue), ["huge", "high", false]);
  await connection.setSessionConfigOption({ sessionId, configId: "fast", type: "boolean", value: true });
  await assert.rejects(connection.setSessionMode({ sessionId, modeId: "none" }), { code: -32602 });
  await assert.rejects(connection.setSessionConfigOption({ sessionId, configId: "effort", value: "none" }), { code: -32602 });
  await prompt(sessionId, act({ where: true }));
  assert.deepEqual(JSON.parse(text()).options, [["model", "huge"], ["effort", "high"], ["fast", true]]);
});

test("close, delete and fork do what they say", { skip }, async (t) => {
  const { connection, prompt, text } = await connected(t, {});
  const { sessionId } = await fresh(connection);
  await prompt(sessionId, "one");
  const copy = await connection.unstable_forkSession({ sessionId, cwd: "/tmp", mcpServers: [] });
  assert.notEqual(copy.sessionId, sessionId);
  await connection.closeSession({ sessionId });
  await assert.rejects(prompt(sessionId, "two"), { code: -32002 });
  await connection.deleteSession({ sessionId });
  await assert.rejects(connection.loadSession({ sessionId, cwd: "/tmp", mcpServers: [] }), { code: -32002 });
  await prompt(copy.sessionId, "recall");
  assert.match(text(), /I know: one$/);
});

test("without a login it says so, where it was told to", { skip }, async (t) => {
  const { agent, connection, prompt } = await connected(t, { auth: "session/new", authMethods: [{ id: "key", name: "Key" }] });
  await assert.rejects(fresh(connection), { code: -32000 });
  await connection.authenticate({ methodId: "key" });
  const { sessionId } = await fresh(connection);
  agent.script({ auth: "session/load" });
  assert.equal((await prompt(sessionId, "x")).stopReason, "end_turn");
});

test("noise, scalars, pieces, huge lines, late and early updates, answers without an id", async (t) => {
  const agent = Agent.for(t, { noise: ["Warning: nothing", "42", "null", "[]"], early: [{ sessionUpdate: "x_unknown" }], chunked: true }, { mayFault: true });
  const child = start(t, agent);
  const out = lines(child);
  speak(child, hello);
  await until(() => out.find((line) => line?.id === 0 && line.result), "the answer to initialize").catch((error) => assert.fail(`${error.message} ${JSON.stringify(out)}`));
  assert.deepEqual(out.slice(0, 4), ["Warning: nothing", 42, null, []]);
  speak(child, { id: 1, method: "session/new", params: { cwd: "/tmp", mcpServers: [] } });
  const made = await until(() => out.find((line) => line?.id === 1), "the session");
  assert.equal(out.indexOf(made) - 1, out.findIndex((line) => line?.params?.update?.sessionUpdate === "x_unknown"));
  const { sessionId } = made.result;
  agent.script({});
  speak(child, { id: 2, method: "session/prompt", params: { sessionId, prompt: [{ type: "text", text: act({ chunked: "grün 🌳" }, { huge: 2_000_000 }, { late: "afterwards" }, { error: { code: -32603, message: "no", noId: true } }) }] } });
  const failed = await until(() => out.find((line) => line?.error?.message === "no"), "the error");
  assert.ok(!("id" in failed));
  const texts = out.filter((line) => line?.method === "session/update").map((line) => line.params.update.content?.text).filter(Boolean);
  assert.equal(texts[0], "grün 🌳");
  assert.equal(texts[1].length, 2_000_000);
  speak(child, { id: 3, method: "session/prompt", params: { sessionId, prompt: [{ type: "text", text: act({ say: "now" }, { late: "afterwards", until: "later" }) }] } });
  const end = await until(() => out.find((line) => line?.id === 3), "the end");
  agent.open("later");
  const late = await until(() => out.find((line) => line?.params?.update?.content?.text === "afterwards"), "the late text");
  assert.ok(out.indexOf(late) > out.indexOf(end));
  child.stdin.write("no JSON\n");
  await until(() => out.find((line) => line?.error?.code === -32700), "a parse error");
  assert.deepEqual(agent.faults, ["no JSON: no JSON"]);
});

test("it crashes where and when it is told to", async (t) => {
  const agent = Agent.for(t, { crash: [{ at: "start", starts: [1], code: 3, stderr: "cannot" }, { at: "initialize", starts: [2], signal: "SIGKILL" }, { at: "answered session/new", starts: [3] }] });
  const ends = [];
  for (let i = 0; i < 3; ++i) {
    const child = start(t, agent);
    let err = "";
    child.stderr.on("data", (data) => (err += data));
    const out = lines(child);
    speak(child, hello);
    speak(child, { id: 1, method: "session/new", params: { cwd: "/tmp", mcpServers: [] } });
    const [code, signal] = await within(once(child, "close"), "the end");
    ends.push([code, signal, err, out.length]);
  }
  assert.deepEqual(ends, [[3, null, "cannot\n", 0], [null, "SIGKILL", "", 0], [1, null, "", 2]]);
});

test("it can outlive end-of-file and TERM, and leave a child that holds its output", async (t) => {
  const agent = Agent.for(t, { ignore: ["eof", "term"], grandchild: "away" });
  const child = start(t, agent);
  const out = lines(child);
  speak(child, hello);
  await until(() => out.length === 1, "the answer");
  child.stdin.end();
  await agent.until(() => agent.events("eof").length === 1, "end-of-file");
  child.kill("SIGTERM");
  await agent.until(() => agent.events("term").length === 1, "TERM");
  assert.ok(alive(child.pid));
  const [{ child: grandchild }] = agent.events("child");
  child.kill("SIGKILL");
  await within(once(child, "exit"), "its end");
  assert.ok(alive(grandchild));
  assert.deepEqual(agent.running, [grandchild]);
  agent.killAll();
  await until(() => !alive(grandchild), "the end of the child");
});

test("what a client does wrong is in its log", async (t) => {
  const agent = Agent.for(t, {}, { mayFault: true });
  const child = start(t, agent);
  const out = lines(child);
  speak(child, { id: 9, method: "session/new", params: { cwd: "/tmp", mcpServers: [] } });
  speak(child, hello);
  speak(child, { id: 1, method: "session/new", params: { cwd: "relative", mcpServers: [] } });
  speak(child, { id: 2, method: "session/new", params: { cwd: "/tmp", mcpServers: [{ name: "a", command: "/bin/a" }] } });
  speak(child, { id: 77, result: {} });
  speak(child, { id: 3, method: "session/new", params: { cwd: "/tmp", mcpServers: [] } });
  const { sessionId } = (await until(() => out.find(({ id }) => id === 3), "a session")).result;
  const prompt = (text) => ({ method: "session/prompt", params: { sessionId, prompt: [{ type: "text", text }] } });
  speak(child, { id: 4, ...prompt(act({ permission: { id: 0 } }, { permission: { id: "second" } })) });
  speak(child, { id: 5, ...prompt("meanwhile") });
  await until(() => out.find(({ id, method }) => id === 0 && method), "the request");
  for (const id of [0, 0, "0"]) speak(child, { id, result: { outcome: { outcome: "selected", optionId: "once" } } });
  await until(() => out.find(({ id }) => id === "second"), "the other request");
  speak(child, { id: "second", result: { outcome: { outcome: "selected", optionId: "none of them" } } });
  await until(() => out.find(({ id }) => id === 4), "the end");
  const codes = Object.fromEntries(out.filter(({ method }) => !method).map(({ id, error }) => [id, error?.code]));
  assert.deepEqual(codes, { 9: -32600, 0: undefined, 1: -32602, 2: -32602, 3: undefined, 4: undefined, 5: -32600 });
  assert.deepEqual(agent.faults.map((fault) => fault.split(":")[0]), [
    "session/new before initialize", "cwd is no path", "args is no array", "an answer to nothing", "a second prompt while one runs", "an answer to what was already answered",
    "an answer to nothing", "no outcome of these options",
  ]);
});
