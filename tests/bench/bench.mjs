// What scripts/bench runs: starts hosts and their baselines on loopback, loads them with viaduct_load, prints a table and writes JSON.
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { parseArgs } from "node:util";
import { acpRows } from "./acp.mjs";
import { bridgeRows } from "./bridge.mjs";
import { inboxRows } from "./inbox.mjs";
import { slackRows } from "./slack.mjs";
import { teamsRows } from "./teams.mjs";

const kRoot = path.resolve(import.meta.dirname ?? path.dirname(new URL(import.meta.url).pathname), "../..");
const kBuild = path.join(kRoot, "build/release");
const kViaduct = path.join(kBuild, "bin/viaduct");
const kLoad = path.join(kBuild, "bin/viaduct_load");
const kStore = path.join(kBuild, "bin/viaduct_store_figures");
const kStartLimit = 60_000;
const kStopLimit = 20_000;
const kTicks = 100; // of /proc/PID/stat, a second

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: { short: { type: "boolean", default: false }, json: { type: "string" }, folder: { type: "string" } },
});
const short = options.short;

// ---------------------------------------------------------------- programs

const children = new Set();
process.on("exit", () => children.forEach((child) => child.kill("SIGKILL")));
for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => process.exit(1));

// The first line of standard output that `wanted` matches.
function line(child, wanted, name) {
  return new Promise((resolve, reject) => {
    let text = "";
    let errors = "";
    const timer = setTimeout(() => reject(new Error(`${name} did not start:\n${text}${errors}`)), kStartLimit);
    child.stderr.on("data", (piece) => (errors = (errors + piece).slice(-4000)));
    child.stdout.on("data", (piece) => {
      text += piece;
      const found = text.match(wanted);
      if (!found) return;
      clearTimeout(timer);
      resolve(found[1]);
    });
    child.on("exit", (code) => {
      clearTimeout(timer);
      reject(new Error(`${name} ended with ${code}:\n${text}${errors}`));
    });
  });
}

async function stop(child) {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = once(child, "exit");
  child.kill("SIGTERM");
  const timer = setTimeout(() => child.kill("SIGKILL"), kStopLimit);
  await gone;
  clearTimeout(timer);
}

// A program that prints its port, for as long as `use` takes.
async function serving(program, args, wanted, env, use) {
  const child = spawn(program, args, { env: { ...process.env, ...env }, stdio: ["ignore", "pipe", "pipe"] });
  children.add(child);
  try {
    const port = Number(await line(child, wanted, path.basename(program)));
    return await use({ port, pid: child.pid });
  } finally {
    await stop(child);
    children.delete(child);
  }
}
const baseline = (name, use) => serving(path.join(kBuild, "bin", name), [], /^(\d+)$/m, {}, use);

// A host with its store in `folder`, and with as many web chats as are wanted: one user has one current session in each.
function host(folder, { chats = 1, backend = "echo", backends = {}, surfaces: more = {} } = {}, use) {
  const surfaces = { settings: { plugin: "settings" }, ...more };
  for (let i = 0; i < chats; ++i) surfaces[`chat-${i}`] = { plugin: "web_chat", backend };
  const file = path.join(folder, "viaduct.yaml");
  writeFileSync(file, JSON.stringify({ // JSON is YAML
    server: { listen: "127.0.0.1:0" },
    plugins: { path: [path.join(kBuild, "tests/bench/plugins"), path.join(kBuild, "lib/viaduct/plugins")] },
    store: { path: path.join(folder, "viaduct.db") },
    log: { level: "warn" },
    backends: { echo: { plugin: "mock" }, stamp: { plugin: "stamp" }, ...backends },
    surfaces,
  }));
  return serving(kViaduct, ["serve", "--config", file], /^viaduct listening on http:\/\/127\.0\.0\.1:(\d+)\/$/m, { HOME: folder },
    use);
}

async function output(program, args) {
  const child = spawn(program, args.map(String), { stdio: ["ignore", "pipe", "inherit"] });
  children.add(child);
  let text = "";
  child.stdout.on("data", (piece) => (text += piece));
  const [code] = await once(child, "close");
  children.delete(child);
  if (code !== 0) throw new Error(`${path.basename(program)} ${args.join(" ")} ended with ${code}`);
  return JSON.parse(text);
}
const load = (...args) => output(kLoad, args);
const store = (...args) => output(kStore, args);

async function post(port, where, body) {
  const answer = await fetch(`http://127.0.0.1:${port}${where}`, { method: "POST", body: JSON.stringify(body) });
  if (!answer.ok) throw new Error(`POST ${where}: ${answer.status} ${await answer.text()}`);
  return answer.json();
}

// Processor time of a process in seconds.
function used(pid) {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").replace(/^.*\) /s, "").split(" ");
  return (Number(fields[11]) + Number(fields[12])) / kTicks;
}

async function withFolder(parent, use) {
  const folder = mkdtempSync(path.join(parent, "bench-"));
  try {
    return await use(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
const onDisk = (use) => withFolder(options.folder ?? path.join(kRoot, "build"), use);
const inMemory = (use) => withFolder("/dev/shm", use);

// ---------------------------------------------------------------- figures

const figures = [];
// `beside`: baselines, {what, value, unit}, one or several. `target`: {text, met}. `more`: what else was seen, for the JSON.
function figure(row, what, value, unit, { beside = [], target, more } = {}) {
  const one = { row, what, value, unit, baselines: [beside].flat(), target: target?.text ?? null,
    met: target && !short ? target.met : null, ...(more ? { more } : {}) };
  figures.push(one);
  console.error(`  ${what}: ${number(value)} ${unit}${one.baselines.length ? ` (${besides(one)})` : ""}`);
}
const besides = (one) => one.baselines.map(({ what, value, unit }) => `${what} ${number(value)} ${unit}`).join("; ");
const atMost = (limit, unit, value) => ({ text: `< ${number(limit)} ${unit}`, met: value < limit });
const atLeast = (limit, unit, value) => ({ text: `≥ ${number(limit)} ${unit}`, met: value >= limit });

function number(value) {
  if (value >= 1000) return Math.round(value).toLocaleString("en");
  return String(Number(value.toPrecision(3)));
}
function median(values) {
  return values.sort((a, b) => a - b)[Math.floor((values.length - 1) / 2)];
}

const kBody = '{"message":"hello from {}"}';
const kChat = "/apps/chat-{}/api/chat";

// Durable means two commits for each turn: its message before it runs, its answer before it is given. So a connection gets at most
// half of the disk's syncs a second, however fast the host is, and many connections share them.
async function chat() {
  const seconds = short ? 1 : 6;
  const counts = [1, 4, 16, 64];
  const bare = {};
  await baseline("bare_beast", async ({ port }) => {
    for (const count of counts) bare[count] = await load("requests", port, "/", count, short ? 1 : 2, '{"message":"hello"}');
  });
  // Once with each number of connections; what the disk does before and after it.
  const run = async (folder, wanted) =>
    host(folder, { chats: Math.max(...wanted) }, async ({ port, pid }) => {
      for (let i = 0; i < Math.max(...wanted); ++i) await post(port, `/apps/chat-${i}/api/session`, {});
      const sync = () => load("sync", folder, short ? 0.3 : 1);
      const all = [];
      for (const count of wanted) {
        await load("requests", port, kChat, count, short ? 0.3 : 1, kBody); // warms up
        const syncs = [await sync()];
        const [before, begin] = [used(pid), performance.now()];
        const seen = await load("requests", port, kChat, count, seconds, kBody);
        seen.host_cpu_percent = Math.round(100 * (used(pid) - before) / ((performance.now() - begin) / 1000));
        syncs.push(await sync());
        all.push({ ...seen, syncs, syncs_per_second: (syncs[0].per_second + syncs[1].per_second) / 2 });
      }
      return all;
    });
  const say = (name, seen, disk) => {
    const count = seen.connections;
    const least = (8000 / 50000) * bare[16].per_second;
    const connections = `${count} ${count === 1 ? "connection" : "connections"}`;
    figure("chat", `POST /api/chat, ${name}, ${connections}`, seen.per_second, "/s", {
      beside: [{ what: "bare Beast", value: bare[count].per_second, unit: "/s" }, ...disk],
      target: count === 16 ? { text: `≥ ${number(least)} /s (16 % of bare Beast)`, met: seen.per_second >= least } : undefined,
      more: seen,
    });
    const times = (what, us) => ({ what, value: us / 1000, unit: "ms" });
    figure("chat", `  p50, ${connections}`, seen.p50_us / 1000, "ms", { beside: times("bare Beast", bare[count].p50_us) });
    figure("chat", `  p99, ${connections}`, seen.p99_us / 1000, "ms", {
      beside: times("bare Beast", bare[count].p99_us), target: count === 16 ? atMost(10, "ms", seen.p99_us / 1000) : undefined });
  };
  for (const seen of await onDisk((folder) => run(folder, counts))) {
    say("durable", seen, [
      { what: "the disk's syncs", value: seen.syncs_per_second, unit: "/s" },
      { what: "which allow", value: seen.connections * seen.syncs_per_second / 2, unit: "/s" },
    ]);
  }
  for (const seen of await inMemory((folder) => run(folder, [1, 16]))) say("store in memory", seen, []);
}

async function stream() {
  const seconds = short ? 2 : 10;
  const rate = 20;
  await onDisk((folder) => host(folder, { chats: 100, backend: "stamp" }, async ({ port, pid }) => {
    for (const sessions of [1, 100]) {
      const name = `${sessions} ${sessions === 1 ? "session" : "sessions"}`;
      const hops = [await load("hop", sessions, short ? 2 : 4, rate)];
      const [before, begin] = [used(pid), performance.now()];
      const seen = await load("stream", port, "/apps/chat-{}/api/ws", sessions, seconds, rate);
      seen.host_cpu_percent = Math.round(100 * (used(pid) - before) / ((performance.now() - begin) / 1000));
      hops.push(await load("hop", sessions, short ? 2 : 4, rate));
      for (const [quantile, limit] of [["p50", 50], ["p99", 500]]) {
        const hop = (hops[0][`${quantile}_us`] + hops[1][`${quantile}_us`]) / 2;
        const added = Math.max(0, seen[`${quantile}_us`] - hop);
        figure("stream", `streamed text, added by the host, ${name}, ${quantile}`, added, "µs", {
          beside: { what: "one TCP hop", value: hop, unit: "µs" },
          target: atMost(limit, "µs", added), more: { seen, hops },
        });
      }
      if (seen.events < 0.98 * seen.expected)
        console.error(`  only ${seen.events} of ${seen.expected} texts came as deltas of their own`);
    }
  }));
}

async function idle() {
  const limit = Number(spawnSync("bash", ["-c", "ulimit -n"]).stdout.toString());
  const wanted = short ? 1000 : 10000;
  const count = Number.isNaN(limit) ? wanted : Math.min(wanted, limit - 200);
  const seconds = short ? 3 : 40; // the host pings every 30 s
  const server = await baseline("host_http", ({ port, pid }) => load("idle", port, "/apps/bench/ws", count, seconds, pid, "quiet"));
  await onDisk((folder) => host(folder, {}, async ({ port, pid }) => {
    await post(port, "/apps/chat-0/api/session", {});
    await post(port, "/apps/chat-0/api/chat", { message: "hello" });
    const seen = await load("idle", port, "/apps/chat-0/api/ws", count, seconds, pid);
    const beside = (value, unit) => ({ what: "the HTTP server alone", value, unit });
    figure("idle", `${number(count)} idle viewers, memory each`, seen.bytes_each / 1024, "KiB", {
      beside: beside(server.bytes_each / 1024, "KiB"), target: atMost(12, "KiB", seen.bytes_each / 1024), more: { seen, server } });
    figure("idle", `${number(count)} idle viewers, processor`, seen.cpu_percent, "%", {
      beside: beside(server.cpu_percent, "%"), target: { text: "0 %", met: seen.cpu_percent < 0.5 } });
  }));
}

async function start() {
  const times = short ? 3 : 10;
  await onDisk(async (folder) => {
    const file = path.join(folder, "viaduct.yaml");
    writeFileSync(file, readFileSync(path.join(kRoot, "config/viaduct.yaml"), "utf8").replace(/^( *listen: ).*$/m, "$1127.0.0.1:0"));
    process.env.VIADUCT_HOME = folder;
    await store("sessions", path.join(folder, "viaduct.db"), 1000);
    const version = await load("start", times, 0, "", kViaduct, "version");
    await load("start", 1, 0, "viaduct listening on", kViaduct, "serve", "--config", file); // the plugins' preflight is kept
    const seen = await load("start", times, short ? 0.5 : 2, "viaduct listening on", kViaduct, "serve", "--config", file);
    delete process.env.VIADUCT_HOME;
    figure("start", `exec to ready, median of ${times}`, seen.median_ms, "ms", {
      beside: { what: "`viaduct version`", value: version.median_ms, unit: "ms" },
      target: atMost(50, "ms", seen.median_ms), more: { seen, version } });
    figure("start", "idle memory (RSS), all surfaces", seen.rss_mib, "MiB", { target: atMost(25, "MiB", seen.rss_mib) });
  });
}

async function resume() {
  const kWs = "/apps/chat-0/api/ws";
  const screens = async (turns) => onDisk(async (folder) => {
    const session = "s_benchresume";
    await store("turns", path.join(folder, "viaduct.db"), session, turns);
    const seen = { hello: [], resume: [] };
    for (let i = 0; i < (short ? 2 : 5); ++i) { // each time a host that has just started
      await host(folder, { backend: "stamp" }, async ({ port }) => {
        await post(port, "/apps/chat-0/api/session", {}); // another one is current
        seen.resume.push((await load("first-screen", port, kWs, session)).ms);
      });
      await host(folder, { backend: "stamp" }, async ({ port }) => seen.hello.push((await load("first-screen", port, kWs)).ms));
    }
    return { hello: median(seen.hello), resume: median(seen.resume), all: seen };
  });
  const few = await screens(10);
  const turns = short ? 1000 : 10000;
  const many = await screens(turns);
  const name = `session with ${number(turns)} turns, host just started`;
  const beside = (value) => ({ what: "with 10 turns", value, unit: "ms" });
  figure("resume", `${name}: connect to live`, many.hello, "ms",
    { beside: beside(few.hello), target: atMost(50, "ms", many.hello), more: many.all });
  figure("resume", `${name}: resume to live`, many.resume, "ms",
    { beside: beside(few.resume), target: atMost(50, "ms", many.resume) });
}

async function list() {
  const seconds = short ? 0.5 : 2;
  const pages = async (sessions) => onDisk(async (folder) => {
    const db = path.join(folder, "viaduct.db");
    const filled = await store("sessions", db, sessions);
    const direct = await store("list", db, seconds);
    const http = await host(folder, {}, async ({ port }) => {
      const answer = await fetch(`http://127.0.0.1:${port}/apps/chat-0/api/sessions?limit=50`);
      const found = (await answer.json()).sessions.length;
      if (found !== 50) throw new Error(`the page has ${found} sessions`);
      return load("requests", port, "/apps/chat-0/api/sessions?limit=50", 1, seconds);
    });
    return { direct, http, filled, bytes: statSync(db).size };
  });
  const few = await pages(1000);
  const count = short ? 50_000 : 1_000_000;
  const many = await pages(count);
  const beside = (value) => ({ what: "among 1,000", value, unit: "ms" });
  for (const [name, key] of [["the store", "direct"], ["GET /api/sessions", "http"]])
    for (const quantile of ["p50_us", "p99_us"]) {
      const value = many[key][quantile] / 1000;
      figure("list", `first page among ${number(count)} sessions, ${name}, ${quantile.slice(0, 3)}`, value, "ms", {
        beside: beside(few[key][quantile] / 1000),
        target: atMost(5, "ms", value), more: { many: many[key], few: few[key], filled: many.filled, bytes: many.bytes } });
    }
}

// ---------------------------------------------------------------- the table

function table() {
  const rows = figures.map((one) => [one.what, `${number(one.value)} ${one.unit}`,
    besides(one), one.target ?? "",
    one.met === null ? "" : one.met ? "met" : "MISSED"]);
  rows.unshift(["what", "measured", "baseline, same run", "target", ""]);
  const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => row[column].length)));
  return rows.map((row) => row.map((cell, column) => cell.padEnd(widths[column])).join("  ").trimEnd()).join("\n");
}

const tools = { build: kBuild, short, host, serving, output, load, store, post, used, onDisk, figure, atMost, atLeast, median, number };
const has = (plugin) => existsSync(path.join(kBuild, `lib/viaduct/plugins/${plugin}.so`));
const all = { chat, stream, idle, start, resume, list, ...bridgeRows(tools), ...acpRows(tools), ...inboxRows(tools), ...(has("slack") ? slackRows(tools) : {}), ...(has("teams") ? teamsRows(tools) : {}) };
const wanted = positionals.length ? positionals : Object.keys(all);
for (const name of wanted)
  if (!all[name]) {
    console.error(`scripts/bench: there is no row ${name}; rows are ${Object.keys(all).join(", ")}`);
    process.exit(2);
  }
for (const program of [kViaduct, kLoad, kStore])
  if (!existsSync(program)) {
    console.error(`scripts/bench: ${program} is not built`);
    process.exit(1);
  }

const machine = {
  at: new Date().toISOString(), cpu: os.cpus()[0].model, cores: os.cpus().length, memory_gib: Math.round(os.totalmem() / 2 ** 30),
  kernel: os.release(), commit: spawnSync("git", ["-C", kRoot, "rev-parse", "--short", "HEAD"]).stdout.toString().trim(),
  filesystem: spawnSync("stat", ["-f", "-c", "%T", options.folder ?? kRoot]).stdout.toString().trim(), short,
  load_before: os.loadavg(),
};
const failures = [];
for (const name of wanted) {
  console.error(`${name}:`);
  try {
    await all[name]();
  } catch (error) {
    failures.push({ row: name, error: String(error.message ?? error) });
    console.error(`  failed: ${error.message ?? error}`);
  }
}
machine.load_after = os.loadavg();
const file = options.json ?? path.join(kRoot, "build/bench.json");
mkdirSync(path.dirname(path.resolve(file)), { recursive: true });
writeFileSync(file, JSON.stringify({ machine, figures, failures }, null, 1) + "\n");
console.log(table());
console.log(`\n${machine.cores} × ${machine.cpu}; load ${machine.load_before[0].toFixed(1)} before, ${machine.load_after[0].toFixed(1)} after`);
for (const { row, error } of failures) console.log(`not measured: ${row}: ${error.split("\n")[0]}`);
process.exitCode = failures.length ? 1 : 0;
