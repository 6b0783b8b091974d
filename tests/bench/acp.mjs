// The rows of the backend acp. The agent is acp_agent.cpp; the people of the row `agents` are in this process.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import path from "node:path";
import { ChatClient } from "../support/chat_client.mjs";
import { request } from "../support/viaduct.mjs";

const kAgentType = "bench";
const kRate = 20;

export function acpRows({ build, short, host, load, store, post, used, onDisk, figure, atMost, median, number }) {
  const program = path.join(build, "bin/acp_bench_agent");
  const acp = (...args) => ({ backend: "agent", backends: { agent: { plugin: "acp", config: { command: [program, ...args], agent_type: kAgentType } } } });

  // The agent without a host. `call` makes a request, and is given the last line of what comes: its answer.
  async function bare(args, use) {
    const child = spawn(program, args, { stdio: ["pipe", "pipe", "inherit"] });
    const open = new Map();
    let rest = "";
    let bytes = 0;
    child.stdout.setEncoding("latin1").on("data", (text) => {
      bytes += text.length;
      const lines = (rest + text).split("\n");
      rest = lines.pop();
      for (const line of lines) {
        const id = /^\{"jsonrpc":"2.0","id":(\d+)/.exec(line)?.[1];
        if (id) open.get(Number(id))();
      }
    });
    let last = 0;
    const call = (method, params) => {
      const id = ++last;
      const answered = new Promise((resolve) => open.set(id, resolve));
      child.stdin.write(`${JSON.stringify({ jsonrpc: "2.0", id, method, params })}\n`);
      return answered;
    };
    try {
      return await use(call, () => bytes);
    } finally {
      child.kill("SIGKILL");
    }
  }
  const timed = async (work) => {
    const begin = performance.now();
    const answer = await work();
    return { ms: performance.now() - begin, answer };
  };
  const status = (pid, field) => Number(new RegExp(`^${field}:\\s+(\\d+) kB`, "m").exec(readFileSync(`/proc/${pid}/status`, "utf8"))[1]) / 1024;

  async function agent() {
    const seconds = short ? 2 : 10;
    await onDisk((folder) => host(folder, { chats: 100, ...acp() }, async ({ port, pid }) => {
      for (const sessions of [1, 100]) {
        const name = `${sessions} ${sessions === 1 ? "session" : "sessions"}`;
        const alone = () => load("pipe", sessions, short ? 2 : 4, kRate, program);
        const pipes = [await alone()];
        const hops = [await load("hop", sessions, short ? 2 : 4, kRate)];
        const [before, begin] = [used(pid), performance.now()];
        const seen = await load("stream", port, "/apps/chat-{}/api/ws", sessions, seconds, kRate);
        seen.host_cpu_percent = Math.round(100 * (used(pid) - before) / ((performance.now() - begin) / 1000));
        hops.push(await load("hop", sessions, short ? 2 : 4, kRate));
        pipes.push(await alone());
        const both = (all, quantile) => (all[0][`${quantile}_us`] + all[1][`${quantile}_us`]) / 2;
        for (const quantile of ["p50", "p99"]) {
          const [whole, pipe, hop] = [seen[`${quantile}_us`], both(pipes, quantile), both(hops, quantile)];
          const added = Math.max(0, whole - pipe - hop);
          figure("agent", `an agent's update, from its output to the browser's socket, added by the host, ${name}, ${quantile}`, added, "µs", {
            beside: [{ what: "its output read by itself", value: pipe, unit: "µs" }, { what: "one TCP hop", value: hop, unit: "µs" }, { what: "the whole way", value: whole, unit: "µs" }],
            target: quantile === "p50" ? atMost(100, "µs", added) : undefined, more: { seen, hops, pipes },
          });
        }
        if (seen.events < 0.98 * seen.expected) console.error(`  only ${seen.events} of ${seen.expected} updates came`);
      }
    }));
  }

  async function agents() {
    const sessions = 100;
    const updates = short ? 100 : 1000;
    const flood = (i) => `flood ${updates} ${sessions} s${i}`;
    const whole = (i) => Array.from({ length: updates }, (_, at) => `s${i}.${at} `).join("");
    const total = sessions * updates;
    const { ms, answer: bytes } = await bare([], (call, read) => timed(() => Promise.all(Array.from({ length: sessions }, (_, i) =>
      call("session/prompt", { sessionId: `s${i}`, prompt: [{ type: "text", text: flood(i) }] }))).then(read)));
    const alone = total / (ms / 1000);
    await onDisk((folder) => host(folder, { chats: sessions, ...acp() }, async ({ port, pid }) => {
      const clients = [];
      for (let i = 0; i < sessions; ++i) {
        const client = await ChatClient.open(`http://127.0.0.1:${port}`, { surface: `chat-${i}` });
        const { turn } = await client.send("hello");
        await client.ended(turn);
        clients.push(client);
      }
      const rss = status(pid, "VmRSS");
      const cpu = used(pid);
      const begin = performance.now();
      const turns = await Promise.all(clients.map((client, i) => client.send(flood(i))));
      await Promise.all(clients.map(async (client, i) => {
        const end = await client.until(() => client.ends(turns[i].turn)[0], `the end of session ${i}`, 300_000);
        assert.equal(end.data.stop_reason, "end_turn");
      }));
      const seconds = (performance.now() - begin) / 1000;
      const spent = used(pid) - cpu;
      const [after, peak] = [status(pid, "VmRSS"), status(pid, "VmHWM")];
      for (const [i, client] of clients.entries()) {
        assert.deepEqual(client.texts("text"), ["ready", whole(i)]);
        assert.deepEqual(client.faults, []);
      }
      const { text } = await request(`http://127.0.0.1:${port}`, "GET", "/metrics");
      assert.match(text, /^viaduct_plugin_agent_starts_total\{[^}]*\} 1$/m, "one process for all of them");
      const deltas = clients.reduce((sum, client) => sum + client.changes.filter(({ change }) => change === "delta").length, 0);
      figure("agents", `${sessions} sessions on one agent process, ${number(updates)} updates each at once, all whole`, total / seconds, "/s", {
        beside: { what: "its output read by itself", value: alone, unit: "/s" }, more: { seconds, bytes, deltas, host_cpu_seconds: spent } });
      figure("agents", "  processor time of the host, an update", (spent / total) * 1e6, "µs");
      figure("agents", `  memory of the host (RSS), after ${number(total)} updates`, after, "MiB", {
        beside: [{ what: `with ${sessions} sessions before them`, value: rss, unit: "MiB" }, { what: "at most", value: peak, unit: "MiB" }] });
      await Promise.all(clients.map((client) => client.socket.close()));
    }));
  }

  async function ladder() {
    const turns = 500;
    const session = "s_benchladder";
    const times = short ? 3 : 11;
    const rungs = {
      resume: { args: [], context: "native", method: "session/resume" },
      load: { args: ["--no-resume", "--replay", "1000"], context: "native", method: "session/load" },
      transcript: { args: ["--no-resume", "--no-load"], context: "transcript", method: "session/new" },
    };
    const started = []; // the agent's process, as the host sees it
    for (const [rung, { args, context, method }] of Object.entries(rungs)) {
      const seen = { restore: [], cold: [], next: [] };
      await onDisk(async (folder) => {
        await store("turns", path.join(folder, "viaduct.db"), session, turns, "agent", kAgentType);
        for (let i = 0; i < times; ++i)
          for (const warm of [true, false])
            await host(folder, acp(...args), async ({ port }) => {
              await post(port, "/apps/chat-0/api/session", {}); // another one is current
              if (warm) await post(port, "/apps/chat-0/api/chat", { message: "hello" }); // its process runs
              const { ms, answer } = await timed(() => post(port, "/apps/chat-0/api/session/resume", { session_id: session }));
              assert.equal(answer.context, context);
              (warm ? seen.restore : seen.cold).push(ms);
              const next = await timed(() => post(port, "/apps/chat-0/api/chat", { message: "And now?" }));
              assert.equal(next.answer.response, "ready");
              if (warm) seen.next.push(next.ms);
              const { text } = await request(`http://127.0.0.1:${port}`, "GET", "/metrics");
              const sum = /^viaduct_plugin_agent_start_seconds_sum\{[^}]*\} (\S+)$/m.exec(text);
              started.push(Number(sum[1]) * 1000);
            });
      });
      const direct = await bare(args, async (call) => {
        await call("initialize", {});
        const all = [];
        for (let i = 0; i < times; ++i) all.push((await timed(() => call(method, { sessionId: "s" }))).ms);
        return median(all);
      });
      const what = { resume: "session/resume", load: "session/load with 1,000 replayed updates", transcript: "a new session, with the transcript" }[rung];
      figure("ladder", `restore of a session with ${number(2 * turns)} messages: ${what}`, median(seen.restore), "ms", {
        beside: { what: "the agent's answer without a host", value: direct, unit: "ms" }, more: seen });
      figure("ladder", "  the next message, to its whole answer", median(seen.next), "ms");
    }
    const alone = [];
    for (let i = 0; i < times; ++i) alone.push((await timed(() => bare([], (call) => call("initialize", {})))).ms);
    figure("ladder", "start of an agent process, to its answer to initialize", median(started), "ms", {
      beside: { what: "started and asked without a host", value: median(alone), unit: "ms" }, more: { started, alone } });
  }

  return { agent, agents, ladder };
}
