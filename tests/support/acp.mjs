// What the tests of the backend `acp` share: the scriptable agent (acp_agent.mjs) in a folder of the test, and a host that talks to it.
import assert from "node:assert/strict";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { ChatClient } from "./chat_client.mjs";
import { hostFor } from "./viaduct.mjs";
import { until } from "./wait.mjs";

export const program = fileURLToPath(new URL("acp_agent.mjs", import.meta.url));

// A prompt that the agent does step by step.
export const act = (...steps) => `do ${JSON.stringify(steps)}`;

// Of the process as it is now; false for one that only waits to be reaped.
export function alive(pid) {
  try {
    return !/^State:\s+[ZX]/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
  } catch {
    return false;
  }
}

export class Agent {
  // `mayFault`: what it logs as the client's fault does not fail the test.
  static for(t, script = {}, { mayFault = false } = {}) {
    const agent = new Agent();
    agent.folder = mkdtempSync(path.join(os.tmpdir(), "viaduct-acp-"));
    agent.script(script);
    t.after(async () => {
      try {
        if (!mayFault) assert.deepEqual(agent.faults, [], "what the client did wrong");
      } finally {
        agent.killAll();
        rmSync(agent.folder, { recursive: true, force: true, maxRetries: 5 });
      }
    });
    return agent;
  }

  get command() {
    return [process.execPath, program];
  }
  get env() {
    return { ACP_STATE: this.folder, ACP_SCRIPT: path.join(this.folder, "script.json") };
  }
  // What it does from now on.
  script(script) {
    const file = path.join(this.folder, "script.json");
    writeFileSync(`${file}.new`, JSON.stringify(script));
    renameSync(`${file}.new`, file);
  }
  // Lets the step { until: gate } go on.
  open(gate) {
    mkdirSync(path.join(this.folder, "gates"), { recursive: true });
    writeFileSync(path.join(this.folder, "gates", gate), "");
  }

  get log() {
    const file = path.join(this.folder, "log.jsonl");
    if (!existsSync(file)) return [];
    return readFileSync(file, "utf8").split("\n").slice(0, -1).map((line) => JSON.parse(line));
  }
  get faults() {
    return this.log.filter(({ violation }) => violation).map(({ violation }) => violation);
  }
  events(event) {
    return this.log.filter((line) => line.event === event);
  }
  get starts() {
    return this.events("start");
  }
  // The messages it got by this method, as they came; without one all methods' names.
  got(method) {
    return this.log.filter(({ got }) => got?.method === method).map(({ got }) => got);
  }
  get methods() {
    return this.log.filter(({ got }) => got?.method).map(({ got }) => got.method);
  }
  // What it was answered, by the id of its request.
  answersTo(id) {
    return this.log.filter(({ got }) => got && got.method === undefined && JSON.stringify(got.id) === JSON.stringify(id)).map(({ got }) => got);
  }
  get conversations() {
    const folder = path.join(this.folder, "sessions");
    if (!existsSync(folder)) return [];
    return readdirSync(folder).filter((name) => name.endsWith(".json")).map((name) => JSON.parse(readFileSync(path.join(folder, name), "utf8")));
  }
  forgetConversations() {
    rmSync(path.join(this.folder, "sessions"), { recursive: true, force: true });
    mkdirSync(path.join(this.folder, "sessions"));
  }
  until(check, what, limit) {
    return until(() => check(this), what, limit);
  }

  // Pids of it and of the children it told of, that live and are still the ones that it meant.
  get running() {
    return this.log.flatMap(({ event, pid, child }) => (event === "start" ? [pid] : event === "child" ? [child] : [])).filter((pid) => alive(pid) && this.#mine(pid));
  }
  #mine(pid) {
    try {
      return readFileSync(`/proc/${pid}/environ`, "utf8").split("\0").includes(`ACP_STATE=${this.folder}`);
    } catch {
      return false;
    }
  }
  kill(signal = "SIGKILL", pid = this.starts.at(-1).pid) {
    process.kill(pid, signal);
  }
  killAll() {
    for (const pid of this.running)
      try {
        process.kill(pid, "SIGKILL");
      } catch {
        continue;
      }
  }
}

export const configFor = (agent, config = {}) => ({ command: agent.command, env: agent.env, ...config });
// `config` is the backend's; `host` more of the host's whole configuration.
export const hostWith = (t, agent, config = {}, host = {}) =>
  hostFor(t, {
    config: {
      backends: { agent: { plugin: "acp", config: configFor(agent, config) } },
      surfaces: { "web-chat": { plugin: "web_chat", backend: "agent" } },
      ...host,
    },
  });

// An agent, a host and somebody who talks to it.
export async function talking(t, script = {}, config = {}, options = {}) {
  const agent = Agent.for(t, script, options);
  const host = await hostWith(t, agent, config);
  const client = await ChatClient.open(host.origin);
  t.after(() => assert.deepEqual(client.faults, [], "what the server did wrong"));
  return { agent, host, client };
}

// Says it and waits for the end of the turn.
export async function say(client, text, fields = {}) {
  const { turn } = await client.request("send", {
    key: `k-${Math.random().toString(36).slice(2)}`, text, ...(client.session ? { session_id: client.session.session_id } : {}), ...fields,
  });
  return client.ended(turn);
}
// Makes this one the current one: a new session, or one that there is.
export async function fresh(client, fields = {}) {
  const { session_id } = await client.request("new", fields);
  await client.until(() => client.session?.session_id === session_id && client.live, "the session");
  return session_id;
}
export async function resume(client, session_id) {
  await client.request("resume", { session_id });
  await client.until(() => client.session?.session_id === session_id && client.live, "the session");
}
// The whole answer of a turn, of the last one without.
export function answer(client, turn) {
  const of = turn ?? client.ends().at(-1)?.turn;
  return client.of("text").filter((entry) => entry.turn === of).map(({ text }) => text).join("");
}
// Kills the agent, and waits until the host has seen that: a message before that goes to a dead process, and is interrupted.
export async function die(agent, host, signal) {
  const seen = () => host.output.split("agent ended by itself").length;
  const before = seen();
  agent.kill(signal);
  await until(() => seen() > before, "the host has seen its end");
}
