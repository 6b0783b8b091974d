#!/usr/bin/env node
// A scriptable ACP agent: protocol version 1 over stdio, without a model and without dependencies. It is strict about what a client sends, keeps its
// conversations in a folder, and misbehaves only as it is told.
//
// Environment: ACP_STATE, a folder for its conversations (sessions/ID.json), its log (log.jsonl) and the gates that tests open (see `until`);
// ACP_SCRIPT, a JSON file, read again for every message, so that a test may change it:
//   without: ["resume", "load", "list", "close", "delete", "fork", "image", "audio", "embedded", "http", "sse"]   capabilities that it lacks
//   protocolVersion: 2, agentInfo: null, authMethods: [{id, name, type?}]
//   auth: "session/new" | "session/prompt" | "session/load"   answers -32000 there until it is authenticated
//   modes: true, models: true, options: ["model", "grouped", "boolean"] | [option …], commands: [{name, description}]
//   replay: "before" | "around" | "after" | "late" | "slow" | "none", replayDelay: ms, replayExtra: [update …]   what session/load tells, and when; `around` as gemini does,
//   `late`: in time, and once more after it; `slow`: a piece, a pause, up to the answer
//   forkReplay: true   a copy tells all of it, after the answer
//   forget: true      load and resume succeed, and know nothing;   unknownSession: code of its error, -32002 without
//   rotate: ["session/load", "session/resume"]   they answer with another id;   ids: "uuid"
//   early: [update …]   before the answer to session/new;   welcome: [update …]   after it, outside of any turn;   afterLoad: [update …]
//   errors: { METHOD: {code, message, data?, noId?, nullId?, times?} }, answers: { METHOD: result },
//   delays: { METHOD: ms }, gates: { METHOD: gate }
//   crash: [{ at: "start" | "idle" | METHOD | "answered METHOD", starts?: [1, 2], code?, signal?, stderr? }]   `starts`: at which starts, all without
//   hang: [{ at: "start" | METHOD, starts? }]   never answers that
//   ignore: ["cancel", "eof", "term", "input"]   goes on all the same; `input`: reads no more
//   noise: [line …]   on stdout at its start;   stderr: text at its start;   chunked: true   all it writes comes in small pieces
//   grandchild: "group" | "away"   a child that holds its stdout, in its process group or in another
//   single: true      refuses a second session;   concurrent: "refuse" | "never" | "replace"   a second prompt while one runs
//   permissionsEndWithCancel: true   a cancel does not wait for the answers to permissions;   cwdMatters: true   load only with the same folder
//   prompts: [{ match: regex, do: [step …] }]
//
// A prompt whose last line is `do [step …]` (JSON) is done step by step; `recall` is answered with all user texts that it knows; everything else
// with "You said: …". A step:
//   { say: text | [text …], messageId?, delay? }  { think }  { echo: text as the user }  { content: block }  { tool }  { toolUpdate }  { plan }  { commands }
//   { mode: id, legacy? }  { options }  { title }  { usage }  { update: any }  { send: any message }  { line: any line }  { bytes: base64 of a line }  { chunked: text }  { huge: bytes }
//   { noise: bytes }  { permission: {id?, toolCall?, options?} | [several at once], withdraw?: ms, forget?: true }  { elicit: params, complete?, of?: "prompt" | id }
//   { read }  { write }  { terminal: params, then: ["output", "some" output, "wait", "kill", "release"] }  { request: {method, params, id?} }   their answers are said
//   { wait: ms }  { until: gate }  { hang: true }  { crash: code | signal, stderr? }  { stderr }  { noiseOnStderr: bytes }  { grandchild: "group" | "away" }  { recall }  { blocks }  { where }
//   { environment: [name …] }  { late: text | update | [either …], after?: ms, until?: gate }   after the answer
//   { stop: reason, usage?, meta? }  { error: {code, message, data?, noId?, nullId?} }   end the turn
//
// Every message that it gets is in the log as {pid, at, got}; what the client must not do as {violation}; and {event}: start, eof, term, exit, child.
import { spawn } from "node:child_process";
import { randomBytes, randomUUID } from "node:crypto";
import { appendFileSync, existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";

const kState = process.env.ACP_STATE;
if (!kState) {
  process.stderr.write("ACP_STATE is not set\n");
  process.exit(2);
}
const kSessions = path.join(kState, "sessions");
const kGates = path.join(kState, "gates");
for (const folder of [kSessions, kGates, path.join(kState, "starts")]) mkdirSync(folder, { recursive: true });

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const opened = async (gate, signal) => {
  while (!existsSync(path.join(kGates, gate))) {
    if (signal?.aborted) throw new Cancelled();
    await pause(3);
  }
};
class Cancelled extends Error {}
class RpcError extends Error {
  constructor(code, message, more = {}) {
    super(message);
    Object.assign(this, { code, ...more });
  }
}
const invalid = (message) => new RpcError(-32602, message);

// ---------------------------------------------------------------- log and script

const log = (fields) => appendFileSync(path.join(kState, "log.jsonl"), JSON.stringify({ pid: process.pid, at: Date.now(), ...fields }) + "\n");
const violation = (what) => log({ violation: what });
let script = {};
const readScript = () => {
  if (process.env.ACP_SCRIPT) script = JSON.parse(readFileSync(process.env.ACP_SCRIPT, "utf8"));
};
const can = (ability) => !script.without?.includes(ability);
const ignores = (what) => script.ignore?.includes(what) ?? false;

const start = (() => {
  for (let n = 1; ; ++n) {
    try {
      mkdirSync(path.join(kState, "starts", String(n)));
      return n;
    } catch (error) {
      if (error.code !== "EEXIST") throw error;
    }
  }
})();

// ---------------------------------------------------------------- output

let chunkTail = Promise.resolve();
let chunksWaiting = 0;
function writeLine(text) {
  const data = Buffer.from(text + "\n");
  if (!script.chunked && chunksWaiting === 0) return void process.stdout.write(data);
  writeChunked(data, script.chunked ? 7 : data.length);
}
// In pieces that mind neither lines nor characters; all that comes later waits for them.
function writeChunked(data, size) {
  chunksWaiting += 1;
  chunkTail = chunkTail.then(async () => {
    const step = Math.max(size, Math.ceil(data.length / 400));
    for (let i = 0; i < data.length; i += step) {
      process.stdout.write(data.subarray(i, i + step));
      await new Promise(setImmediate);
    }
    chunksWaiting -= 1;
  });
}
const write = (message) => writeLine(JSON.stringify({ jsonrpc: "2.0", ...message }));
const notify = (method, params) => write({ method, params });
const update = (sessionId, change) => notify("session/update", { sessionId, update: change });
const textBlock = (text) => ({ type: "text", text });
const chunk = (kind, text, more = {}) => ({ sessionUpdate: `${kind}_chunk`, content: textBlock(text), ...more });
const asUpdate = (what) => (typeof what === "string" ? chunk("agent_message", what) : what);

let nextId = 0; // as the TypeScript SDK counts
const asked = new Map(); // by the JSON of the id: {resolve, check}
function request(method, params, { id = nextId++, check, signal } = {}) {
  write({ id, method, params });
  return new Promise((resolve, reject) => {
    asked.set(JSON.stringify(id), { resolve, check });
    signal?.addEventListener("abort", () => reject(new Cancelled()), { once: true });
  });
}
const answered = new Set();
function takeAnswer(message) {
  const id = JSON.stringify(message.id);
  const open = asked.get(id);
  if (!open) return violation(`an answer to ${answered.has(id) ? "what was already answered" : "nothing"}: ${JSON.stringify(message)}`);
  asked.delete(id);
  answered.add(id);
  if (message.error && typeof message.error.code !== "number") violation(`an error without a code: ${JSON.stringify(message)}`);
  const wrong = message.error ? null : open.check?.(message.result);
  if (wrong) violation(`${wrong}: ${JSON.stringify(message)}`);
  open.resolve(message);
}
const inWords = (answer) => JSON.stringify(answer.error ? { error: answer.error.code, message: answer.error.message } : answer.result);

// ---------------------------------------------------------------- conversations

class Session {
  turn = null; // {abort, permissions, requestId}
  constructor(id, kept) {
    this.id = id;
    this.kept = kept;
    this.settings = settingsNow();
  }
  save() {
    const file = path.join(kSessions, `${encodeURIComponent(this.id)}.json`);
    writeFileSync(`${file}.${process.pid}`, JSON.stringify({ ...this.kept, sessionId: this.id, updatedAt: new Date().toISOString() }));
    renameSync(`${file}.${process.pid}`, file);
  }
  said(role, text) {
    const { history } = this.kept;
    if (role === "agent" && history.at(-1)?.role === "agent") history.at(-1).text += text;
    else history.push({ role, text });
    this.save();
  }
}
const sessions = new Map();
const stored = (id) => {
  try {
    return JSON.parse(readFileSync(path.join(kSessions, `${encodeURIComponent(id)}.json`), "utf8"));
  } catch {
    return null;
  }
};
const newId = () => (script.ids === "uuid" ? randomUUID() : `ses_${randomBytes(8).toString("hex")}`);

const kModels = ["small", "large", "huge"];
const kModes = ["ask", "plan", "yolo"];
const named = (id) => ({ id, name: id[0].toUpperCase() + id.slice(1), description: `The ${id} one` });
function settingsNow() {
  const ready = {
    model: { id: "model", name: "Model", category: "model", type: "select", currentValue: "small", options: kModels.map((value) => ({ value, name: named(value).name })) },
    grouped: {
      id: "effort", name: "Effort", category: "thought_level", type: "select", currentValue: "low",
      options: [{ group: "cheap", name: "Cheap", options: [{ value: "low", name: "Low" }] }, { group: "dear", name: "Dear", options: [{ value: "high", name: "High" }] }],
    },
    mode: { id: "mode", name: "Mode", category: "mode", type: "select", currentValue: "ask", options: kModes.map((value) => ({ value, name: named(value).name })) },
    boolean: { id: "fast", name: "Fast", type: "boolean", currentValue: false },
    odd: { id: "odd", name: "Odd", type: "slider", currentValue: 3 },
  };
  const booleans = clientCan.session?.configOptions?.boolean;
  const options = (script.options ?? []).map((option) => structuredClone(typeof option === "string" ? ready[option] : option)).map((option) =>
    option.type !== "boolean" || booleans ? option : { ...option, type: "select", currentValue: option.currentValue ? "on" : "off", options: [{ value: "on", name: "On" }, { value: "off", name: "Off" }] },
  );
  return { options, mode: "ask", model: "small" };
}
const sessionAnswer = (session) => ({
  ...(script.options ? { configOptions: session.settings.options } : {}),
  ...(script.modes ? { modes: { currentModeId: session.settings.mode, availableModes: kModes.map(named) } } : {}),
  ...(script.models ? { models: { currentModelId: session.settings.model, availableModels: kModels.map((id) => ({ modelId: id, name: named(id).name })) } } : {}),
});
const flat = (option) => option.options.flatMap((one) => one.options ?? [one]);

// ---------------------------------------------------------------- methods

let initialized = false;
let authenticated = false;
let clientCan = {};

function check(params, fields) {
  for (const [name, type] of Object.entries(fields)) {
    const value = params?.[name];
    if (type === "path" ? typeof value !== "string" || !path.isAbsolute(value) : type === "array" ? !Array.isArray(value) : typeof value !== type) {
      violation(`${name} is no ${type}: ${JSON.stringify(params)}`);
      throw invalid(`${name}: expected ${type}`);
    }
  }
}
function checkServers(servers) {
  for (const server of servers) {
    check(server, { name: "string" });
    if (server.type === undefined) check(server, { command: "path", args: "array", env: "array" });
    else check(server, { type: "string", url: "string", headers: "array" });
    if (server.type && !can(server.type)) {
      violation(`a server by ${server.type}, which is not advertised`);
      throw invalid(`no ${server.type}`);
    }
    for (const pair of server.env ?? server.headers) check(pair, { name: "string", value: "string" });
  }
}
const needsLogin = (method) => {
  if (script.auth === method && !authenticated) throw new RpcError(-32000, "Authentication required");
};
const sessionOf = (params) => {
  check(params, { sessionId: "string" });
  const session = sessions.get(params.sessionId);
  if (!session) throw new RpcError(script.unknownSession ?? -32002, `Resource not found: ${params.sessionId}`);
  return session;
};
// load and resume
function reopen(params, method) {
  if (!can(method.slice(8))) {
    violation(`${method}, which is not advertised`);
    throw new RpcError(-32601, "Method not found");
  }
  check(params, { sessionId: "string", cwd: "path", mcpServers: "array" });
  checkServers(params.mcpServers);
  needsLogin(method);
  const kept = stored(params.sessionId);
  if (!kept) throw new RpcError(script.unknownSession ?? -32002, `Resource not found: ${params.sessionId}`);
  if (script.cwdMatters && kept.cwd !== params.cwd) throw new RpcError(-32603, `No previous sessions found in ${params.cwd}`);
  if (script.single && [...sessions.keys()].some((id) => id !== params.sessionId)) throw new RpcError(-32603, "There is a session already");
  if (script.forget) kept.history = [];
  const id = script.rotate?.includes(method) ? newId() : params.sessionId;
  const session = sessions.get(id) ?? new Session(id, { ...kept, cwd: params.cwd });
  sessions.set(id, session);
  if (id !== params.sessionId) session.save();
  return { session, extra: id === params.sessionId ? {} : { sessionId: id } };
}
function replay(session, id) {
  for (const { role, text } of session.kept.history) update(id, chunk(role === "user" ? "user_message" : "agent_message", text));
  for (const change of script.replayExtra ?? []) update(id, change);
}
const later = (work, ms = 0) => setTimeout(work, ms);

const methods = {
  initialize(params) {
    if (!Number.isInteger(params?.protocolVersion)) violation(`protocolVersion is no integer: ${JSON.stringify(params)}`);
    clientCan = params?.clientCapabilities ?? {};
    initialized = true;
    const supported = (abilities) => Object.fromEntries(abilities.filter(can).map((ability) => [ability, {}]));
    return {
      protocolVersion: script.protocolVersion ?? 1,
      ...(script.agentInfo === null ? {} : { agentInfo: script.agentInfo ?? { name: "acp-agent", title: "Stand-in", version: "1.0.0" } }),
      agentCapabilities: {
        loadSession: can("load"),
        promptCapabilities: { image: can("image"), audio: can("audio"), embeddedContext: can("embedded") },
        mcpCapabilities: { http: can("http"), sse: can("sse") },
        sessionCapabilities: supported(["resume", "list", "close", "delete", "fork"]),
      },
      authMethods: script.authMethods ?? [],
      _meta: { start },
    };
  },
  authenticate(params) {
    check(params, { methodId: "string" });
    const method = (script.authMethods ?? []).find(({ id }) => id === params.methodId);
    if (!method) throw invalid(`no such method: ${params.methodId}`);
    if (method.type === "terminal") violation("authenticate with a method of a terminal");
    if (method.fails) throw new RpcError(-32603, method.fails);
    authenticated = true;
    return {};
  },
  "session/new"(params, reply) {
    check(params, { cwd: "path", mcpServers: "array" });
    checkServers(params.mcpServers);
    needsLogin("session/new");
    if (script.single && sessions.size) throw new RpcError(-32603, "There is a session already");
    const session = new Session(newId(), { cwd: params.cwd, title: null, history: [] });
    sessions.set(session.id, session);
    session.save();
    for (const change of script.early ?? []) update(session.id, asUpdate(change));
    reply({ sessionId: session.id, ...sessionAnswer(session) });
    if (script.commands) update(session.id, { sessionUpdate: "available_commands_update", availableCommands: script.commands });
    for (const change of script.welcome ?? []) update(session.id, asUpdate(change));
  },
  async "session/load"(params, reply) {
    const { session, extra } = reopen(params, "session/load");
    const how = script.replay ?? "before";
    if (how === "slow")
      for (const { role, text } of structuredClone(session.kept.history)) {
        update(session.id, chunk(role === "user" ? "user_message" : "agent_message", text));
        await pause(script.replayDelay ?? 20);
      }
    if (how === "before" || how === "late") replay(session, session.id);
    if (how === "around") update(session.id, chunk("user_message", "<session_context>"));
    reply(script.loadAnswer === undefined ? { ...extra, ...sessionAnswer(session) } : script.loadAnswer);
    if (how === "around") replay(session, session.id);
    if (how === "after" || how === "late") later(() => (replay(session, session.id), log({ event: "replayed" })), script.replayDelay ?? 20);
    for (const change of script.afterLoad ?? []) update(session.id, asUpdate(change));
  },
  "session/resume"(params, reply) {
    const { session, extra } = reopen(params, "session/resume");
    reply({ ...extra, ...sessionAnswer(session) });
    for (const change of script.afterLoad ?? []) update(session.id, asUpdate(change));
  },
  "session/fork"(params, reply) {
    const { session } = reopen(params, "session/fork");
    const copy = new Session(newId(), { ...structuredClone(session.kept), cwd: params.cwd });
    sessions.set(copy.id, copy);
    copy.save();
    reply({ sessionId: copy.id, ...sessionAnswer(copy) });
    if (script.forkReplay) replay(copy, copy.id);
  },
  "session/list"(params) {
    if (!can("list")) throw new RpcError(-32601, "Method not found");
    const all = readdirSync(kSessions).filter((name) => name.endsWith(".json")).sort().map((name) => stored(decodeURIComponent(name.slice(0, -5)))).filter((kept) => kept && (!params?.cwd || kept.cwd === params.cwd));
    const first = params?.cursor ? Number(params.cursor) : 0;
    const page = script.page ?? 2;
    return {
      sessions: all.slice(first, first + page).map(({ sessionId, cwd, title, updatedAt }) => ({ sessionId, cwd, title, updatedAt })),
      ...(first + page < all.length ? { nextCursor: String(first + page) } : {}),
    };
  },
  "session/close"(params) {
    if (!can("close")) violation("session/close, which is not advertised");
    const session = sessionOf(params);
    session.turn?.abort.abort();
    sessions.delete(session.id);
    return {};
  },
  "session/delete"(params) {
    if (!can("delete")) violation("session/delete, which is not advertised");
    check(params, { sessionId: "string" });
    sessions.delete(params.sessionId);
    rmSync(path.join(kSessions, `${encodeURIComponent(params.sessionId)}.json`), { force: true });
    return {};
  },
  "session/set_mode"(params) {
    const session = sessionOf(params);
    if (!script.modes || !kModes.includes(params.modeId)) throw invalid(`no mode ${params.modeId}`);
    session.settings.mode = params.modeId;
    return {};
  },
  "session/set_model"(params) {
    const session = sessionOf(params);
    if (!script.models || !kModels.includes(params.modelId)) throw invalid(`no model ${params.modelId}`);
    session.settings.model = params.modelId;
    return {};
  },
  "session/set_config_option"(params) {
    const session = sessionOf(params);
    const option = session.settings.options.find(({ id }) => id === params.configId);
    if (!option) throw invalid(`no option ${params.configId}`);
    const fits = option.type === "boolean" ? params.type === "boolean" && typeof params.value === "boolean" : params.type !== "boolean" && flat(option).some(({ value }) => value === params.value);
    if (!fits) throw invalid(`${params.configId}: no such value: ${JSON.stringify(params.value)}`);
    option.currentValue = params.value;
    // Changing one may change others.
    const effort = session.settings.options.find(({ id }) => id === "effort");
    if (option.id === "model" && effort) effort.currentValue = params.value === "small" ? "low" : "high";
    return { configOptions: session.settings.options };
  },
  "session/prompt": prompt,
};

const notifications = {
  "session/cancel"(params) {
    check(params, { sessionId: "string" });
    const session = sessions.get(params.sessionId);
    if (!session?.turn || ignores("cancel")) return;
    if (script.permissionsEndWithCancel || !session.turn.permissions) session.turn.abort.abort();
    else session.turn.cancelled = true; // as gemini and the SDK's example: the answers come first
  },
  "$/cancel_request"(params) {
    for (const session of sessions.values())
      if (session.turn && JSON.stringify(session.turn.requestId) === JSON.stringify(params.requestId)) session.turn.abort.abort();
  },
};

// ---------------------------------------------------------------- a turn

function known(block) {
  if (block.type === "text") return block.text;
  if (block.type === "resource") return block.resource.text ?? `[${block.resource.uri}]`;
  if (block.type === "resource_link") return `[${block.name}]`;
  return `[${block.type}]`;
}
function checkBlocks(blocks) {
  const gates = { image: "image", audio: "audio", resource: "embedded" };
  for (const block of blocks) {
    if (gates[block.type] && !can(gates[block.type])) {
      violation(`a block that is not advertised: ${block.type}`);
      throw invalid(`no ${block.type}`);
    }
    if (block.type === "text") check(block, { text: "string" });
    else if (block.type === "resource_link") check(block, { uri: "string", name: "string" });
    else if (block.type === "resource") check(block.resource, { uri: "string" });
    else if (block.type === "image" || block.type === "audio") check(block, { data: "string", mimeType: "string" });
    else violation(`a block of unknown type: ${JSON.stringify(block)}`);
  }
}

async function prompt(params, reply, requestId) {
  const session = sessionOf(params);
  check(params, { prompt: "array" });
  checkBlocks(params.prompt);
  needsLogin("session/prompt");
  if (session.turn) {
    violation("a second prompt while one runs");
    if (script.concurrent === "never") return new Promise(() => {});
    if (script.concurrent !== "replace") throw new RpcError(-32600, "A prompt is running already");
    session.turn.abort.abort();
  }
  const abort = new AbortController();
  const turn = { abort, permissions: 0, requestId, cancelled: false };
  session.turn = turn;
  const texts = params.prompt.map(known);
  const last = params.prompt.filter(({ type }) => type === "text").at(-1)?.text.trimEnd().split("\n").at(-1) ?? "";
  session.said("user", texts.join("\n"));
  const late = [];
  let end;
  try {
    end = await steps(session, turn, stepsFor(last, params.prompt), late, params);
  } catch (error) {
    if (!(error instanceof Cancelled)) throw error;
    end = { stopReason: "cancelled" };
  } finally {
    if (session.turn === turn) session.turn = null;
  }
  if (turn.cancelled && end?.stopReason === "end_turn") end = { stopReason: "cancelled" };
  reply(end);
  for (const { what, after, gate } of late)
    (gate ? opened(gate) : pause(after)).then(() => {
      for (const one of [what].flat()) {
        if (typeof one === "string") session.said("agent", one);
        update(session.id, asUpdate(one));
      }
    });
}

function stepsFor(last, blocks) {
  const rule = (script.prompts ?? []).find(({ match }) => new RegExp(match).test(last));
  if (rule) return rule.do;
  if (last.startsWith("do [")) return JSON.parse(last.slice(3));
  if (last === "recall") return [{ recall: true }];
  const text = blocks.map(known).join("\n");
  return [{ say: ["You said: ", text] }];
}

const kPermissionOptions = [
  { optionId: "once", name: "Allow once", kind: "allow_once" },
  { optionId: "always", name: "Always allow", kind: "allow_always" },
  { optionId: "no", name: "Reject", kind: "reject_once" },
];
async function permission(session, turn, { id, toolCall = { toolCallId: "call_1", title: "Do it", kind: "execute" }, options = kPermissionOptions }, { withdraw, forget } = {}) {
  const valid = (result) => {
    const { outcome, optionId } = result?.outcome ?? {};
    if (outcome === "cancelled") return optionId === undefined ? null : "cancelled with an option";
    return outcome === "selected" && options.some((option) => option.optionId === optionId) ? null : "no outcome of these options";
  };
  const number = id ?? nextId++;
  turn.permissions += 1;
  const answer = request("session/request_permission", { sessionId: session.id, toolCall, options }, { id: number, check: valid, signal: script.permissionsEndWithCancel ? turn.abort.signal : undefined });
  if (withdraw !== undefined) pause(withdraw).then(() => notify("$/cancel_request", { requestId: number }));
  if (forget) return answer.catch(() => {}), (turn.permissions -= 1), "forgotten";
  const { result, error } = await answer;
  turn.permissions -= 1;
  if (turn.cancelled && turn.permissions === 0) turn.abort.abort();
  return error ? `error ${error.code}` : (result?.outcome?.optionId ?? result?.outcome?.outcome ?? "nothing");
}
const fits = (result) => (["accept", "decline", "cancel"].includes(result?.action) ? null : "no action of an elicitation");

const holder = (how) => {
  const child = spawn("sleep", ["600"], { stdio: ["ignore", "inherit", "inherit"], detached: how === "away" });
  child.unref();
  log({ event: "child", child: child.pid, how });
};
async function crash({ code, signal, stderr }) {
  // What is still queued would be lost with the process.
  if (stderr) await new Promise((written) => process.stderr.write(stderr + "\n", written));
  log({ event: "crash" });
  if (signal) {
    process.kill(process.pid, signal);
    return new Promise(() => {});
  }
  process.exit(code ?? 1);
}

// Does them; the end is the prompt's result.
async function steps(session, turn, list, late, params) {
  const { signal } = turn.abort;
  const interrupted = new Promise((_, reject) => signal.addEventListener("abort", () => reject(new Cancelled()), { once: true }));
  interrupted.catch(() => {});
  const or = (promise) => Promise.race([promise, interrupted]);
  const tell = (change) => update(session.id, change);
  const say = (text, more) => {
    session.said("agent", text);
    tell(chunk("agent_message", text, more));
  };
  const end = { stopReason: "end_turn" };
  for (const step of list) {
    if (signal.aborted) throw new Cancelled();
    const [verb] = Object.keys(step);
    const value = step[verb];
    switch (verb) {
      case "say":
        for (const text of [value].flat()) {
          say(text, step.messageId ? { messageId: step.messageId } : {});
          if (step.delay !== undefined) await or(pause(step.delay));
        }
        break;
      case "think": tell(chunk("agent_thought", value)); break;
      case "echo": tell(chunk("user_message", value)); break;
      case "content": tell({ sessionUpdate: "agent_message_chunk", content: value }); break;
      case "tool": tell({ sessionUpdate: "tool_call", ...value }); break;
      case "toolUpdate": tell({ sessionUpdate: "tool_call_update", ...value }); break;
      case "plan": tell({ sessionUpdate: "plan", entries: value }); break;
      case "commands": tell({ sessionUpdate: "available_commands_update", availableCommands: value }); break;
      case "mode": tell({ sessionUpdate: "current_mode_update", [step.legacy ? "modeId" : "currentModeId"]: (session.settings.mode = value) }); break;
      case "options": tell({ sessionUpdate: "config_option_update", configOptions: value }); break;
      case "title": tell({ sessionUpdate: "session_info_update", title: (session.kept.title = value) }); session.save(); break;
      case "usage": tell({ sessionUpdate: "usage_update", ...value }); break;
      case "update": tell(value); break;
      case "send": writeLine(JSON.stringify(value)); break;
      case "line": writeLine(value.replaceAll("SESSION", session.id)); break;
      case "bytes": process.stdout.write(Buffer.concat([Buffer.from(Buffer.from(value, "base64").toString("latin1").replaceAll("SESSION", session.id), "latin1"), Buffer.from("\n")])); break;
      case "chunked": {
        session.said("agent", value);
        writeChunked(Buffer.from(JSON.stringify({ jsonrpc: "2.0", method: "session/update", params: { sessionId: session.id, update: chunk("agent_message", value) } }) + "\n"), 1);
        break;
      }
      case "huge": tell(chunk("agent_message", "x".repeat(value))); break;
      case "noise": writeLine("#".repeat(value)); break;
      case "permission": {
        const all = await Promise.all([value].flat().map((one) => permission(session, turn, one, step)));
        if (!signal.aborted) say(`Permission: ${all.join(", ")}. `);
        break;
      }
      case "elicit": {
        // Of the session, of the request that runs ("prompt"), or of another.
        const scope = step.of === undefined ? { sessionId: session.id } : { requestId: step.of === "prompt" ? turn.requestId : step.of };
        const answer = await or(request("elicitation/create", { ...scope, ...value }, { check: fits }));
        say(`Elicitation: ${inWords(answer)}. `);
        if (step.complete) notify("elicitation/complete", { elicitationId: value.elicitationId });
        break;
      }
      case "read": say(`Read: ${inWords(await or(request("fs/read_text_file", { sessionId: session.id, ...value })))}. `); break;
      case "write": say(`Written: ${inWords(await or(request("fs/write_text_file", { sessionId: session.id, ...value })))}. `); break;
      case "terminal": {
        const made = await or(request("terminal/create", { sessionId: session.id, ...value }));
        if (made.error) {
          say(`Terminal: ${inWords(made)}. `);
          break;
        }
        const { terminalId } = made.result;
        if (typeof terminalId !== "string") violation("terminal/create without terminalId");
        const names = { output: "terminal/output", wait: "terminal/wait_for_exit", kill: "terminal/kill", release: "terminal/release" };
        for (const action of step.then ?? ["wait", "output", "release"]) {
          if (action.startsWith("until ")) await or(opened(action.slice(6), signal));
          else if (action === "some") {
            let got;
            do {
              await or(pause(10));
              got = await or(request(names.output, { sessionId: session.id, terminalId }));
            } while (got.result && !got.result.output && !got.result.exitStatus);
            say(`some: ${inWords(got)}. `);
          } else if (action === "show") tell({ sessionUpdate: "tool_call", toolCallId: "shown", title: "shown", content: [{ type: "terminal", terminalId }] });
          else say(`${action}: ${inWords(await or(request(names[action], { sessionId: session.id, terminalId })))}. `);
        }
        break;
      }
      case "request": say(`${value.method}: ${inWords(await or(request(value.method, value.params ?? { sessionId: session.id }, "id" in value ? { id: value.id } : {})))}. `); break;
      case "wait": await or(pause(value)); break;
      case "until": await or(opened(value, signal)); break;
      case "hang": await or(new Promise(() => {})); break;
      case "crash": await crash({ ...(typeof value === "string" ? { signal: value } : { code: value }), stderr: step.stderr }); break;
      case "stderr": process.stderr.write(value + "\n"); break;
      case "noiseOnStderr": process.stderr.write("x".repeat(value) + "\n"); break;
      case "grandchild": holder(value); break;
      case "recall": {
        const texts = session.kept.history.filter(({ role }) => role === "user").map(({ text }) => text);
        texts.push(texts.pop().replace(/\n?recall\s*$/, ""));
        say(`I know: ${texts.filter(Boolean).join(" / ") || "nothing"}`);
        break;
      }
      case "blocks": say(JSON.stringify(params.prompt)); break;
      case "where": say(JSON.stringify({ cwd: session.kept.cwd, process: process.cwd(), start, session: session.id, mode: session.settings.mode, model: session.settings.model, options: session.settings.options.map(({ id, currentValue }) => [id, currentValue]) })); break;
      case "environment": say(JSON.stringify(Object.fromEntries(value.map((name) => [name, process.env[name] ?? null])))); break;
      case "late": late.push({ what: value, after: step.after ?? 0, gate: step.until }); break;
      case "stop":
        end.stopReason = value;
        if (step.usage) end.usage = step.usage;
        if (step.meta) end._meta = step.meta;
        return end;
      case "error": throw new RpcError(value.code, value.message, value);
      default: throw invalid(`unknown step: ${verb}`);
    }
  }
  if (signal.aborted) throw new Cancelled();
  return end;
}

// ---------------------------------------------------------------- input

const applies = ({ at, starts }, place) => at === place && (!starts || starts.includes(start));
const crashesAt = (place) => [script.crash ?? []].flat().find((one) => applies(one, place));
const hangsAt = (place) => [script.hang ?? []].flat().some((one) => applies(one, place));

const failures = new Map(); // how often a method has failed as it was told to

async function take(line) {
  readScript();
  let message;
  try {
    message = JSON.parse(line);
  } catch {
    violation(`no JSON: ${line.slice(0, 200)}`);
    return write({ id: null, error: { code: -32700, message: "Parse error" } });
  }
  log({ got: message });
  if (message.jsonrpc !== "2.0") violation(`no JSON-RPC 2.0: ${line.slice(0, 200)}`);
  if (message.method === undefined) return takeAnswer(message);
  const { method, params, id } = message;
  if (!("id" in message)) {
    try {
      notifications[method]?.(params ?? {});
    } catch (error) {
      if (!(error instanceof RpcError)) throw error;
    }
    return;
  }
  const fail = (error) => {
    const body = { code: error.code, message: error.message, ...(error.data === undefined ? {} : { data: error.data }) };
    write(error.noId ? { error: body } : { id: error.nullId ? null : id, error: body });
  };
  let replied = false;
  const reply = (result) => {
    if (replied) return;
    replied = true;
    if (result instanceof Error) fail(result);
    else write({ id, result });
    const dying = crashesAt(`answered ${method}`);
    if (dying) setImmediate(() => crash(dying));
  };
  if (crashesAt(method)) return crash(crashesAt(method));
  if (hangsAt(method)) return;
  try {
    if (!initialized && method !== "initialize") {
      violation(`${method} before initialize`);
      throw new RpcError(-32600, "not initialized");
    }
    if (script.delays?.[method]) await pause(script.delays[method]);
    if (script.gates?.[method]) await opened(script.gates[method]);
    const told = script.errors?.[method];
    const times = (failures.get(method) ?? 0) + 1;
    if (told && times <= (told.times ?? Infinity)) {
      failures.set(method, times);
      throw new RpcError(told.code, told.message, told);
    }
    if (script.answers && method in script.answers) return reply(script.answers[method]);
    if (!Object.hasOwn(methods, method)) throw new RpcError(-32601, `Method not found: ${method}`);
    const result = await methods[method](params, reply, id);
    if (result !== undefined) reply(result);
  } catch (error) {
    reply(error instanceof RpcError ? error : new RpcError(-32603, String(error.stack ?? error)));
  }
}

function main() {
  readScript();
  log({ event: "start", start, argv: process.argv.slice(2), env: Object.keys(process.env).sort(), cwd: process.cwd(), ppid: process.ppid });
  process.on("exit", (code) => log({ event: "exit", code }));
  process.on("SIGTERM", () => {
    log({ event: "term" });
    if (!ignores("term")) process.exit(143);
  });
  if (script.stderr) process.stderr.write(script.stderr + "\n");
  if (crashesAt("start")) return crash(crashesAt("start"));
  for (const line of script.noise ?? []) process.stdout.write(line + "\n");
  if (script.grandchild) holder(script.grandchild);
  const idle = crashesAt("idle");
  if (idle) setTimeout(() => crash(idle), idle.after ?? 100);
  process.stdout.on("error", () => ignores("eof") || process.exit(0)); // nobody reads
  const alive = setInterval(() => {}, 60_000);
  if (hangsAt("start") || ignores("input")) return;
  let rest = [];
  process.stdin.on("data", (data) => {
    for (let from = 0; ; ) {
      const end = data.indexOf(10, from);
      if (end < 0) {
        if (from < data.length) rest.push(data.subarray(from));
        return;
      }
      rest.push(data.subarray(from, end));
      const line = Buffer.concat(rest).toString("utf8");
      rest = [];
      from = end + 1;
      if (line.trim()) take(line);
    }
  });
  process.stdin.on("end", () => {
    log({ event: "eof" });
    readScript();
    if (ignores("eof")) return;
    clearInterval(alive);
    process.exit(0);
  });
}

main();
