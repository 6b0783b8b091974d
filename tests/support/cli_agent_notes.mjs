// What the stand-in agent program (cli_agent.mjs) wrote down, and the host that starts it.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { hostFor, lines, root } from "./viaduct.mjs";
import { until } from "./wait.mjs";

export const agentProgram = path.join(root, "tests/support/cli_agent.mjs");

// `config` is the bridge's, over preset claude; `options` are the host's.
export const agentHost = (t, config = {}, options = {}) =>
  hostFor(t, {
    config: {
      backends: { agent: { plugin: "bridge", config: { driver: "cli", preset: "claude", program: agentProgram, ...config } } },
      surfaces: { "web-chat": { plugin: "web_chat", backend: "agent" } },
    },
    ...options,
  });

export const folderOf = (host) => path.join(host.home, ".claude/projects/stand-in");
export function notes(host, has) {
  const file = path.join(folderOf(host), "notes.jsonl");
  // The last line may not be whole yet.
  const all = existsSync(file) ? lines(readFileSync(file, "utf8").replace(/[^\n]*$/, "")) : [];
  return has ? all.filter((note) => has in note) : all;
}
export const starts = (host) => notes(host, "start");
export const toldIds = (host) => notes(host, "told").map(({ told }) => told);
export const noted = (host, has, number = 1) => until(() => notes(host, has).length >= number && notes(host, has).at(number - 1), `note ${number} of ${has}`);
export function put(host, name, text = "") {
  mkdirSync(folderOf(host), { recursive: true });
  writeFileSync(path.join(folderOf(host), name), text);
}

export const runs = (pid) => {
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
  } catch {
    return false;
  }
};
export const gone = (pid) => until(() => !runs(pid), `the end of process ${pid}`);

// Says it and waits for the end of the turn.
export async function say(client, text, fields = {}) {
  const { turn } = await client.request("send", { key: `k-${Math.random()}`, text, ...(client.session ? { session_id: client.session.session_id } : {}), ...fields });
  return client.ended(turn);
}
