// What integration tests share: a host of a test, the command line, and HTTP that says everything itself.
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import http from "node:http";
import net from "node:net";
import os from "node:os";
import path from "node:path";
import { Host } from "../e2e/support/host.mjs";
import { parseHead } from "./websocket.mjs";
import { within } from "./wait.mjs";

export { Host };
export const root = path.resolve(path.dirname(new URL(import.meta.url).pathname), "../..");
export const bin = process.env.VIADUCT_BIN;
export const plugins = process.env.VIADUCT_PLUGINS;
export const faulty = process.env.VIADUCT_FAULTY;
export const fixtures = process.env.VIADUCT_FIXTURES;

// A host that goes with the test.
export async function hostFor(t, options) {
  const host = await Host.start(options);
  t.after(() => host.remove());
  return host;
}
// A folder that goes with the test.
export function folderFor(t) {
  const folder = mkdtempSync(path.join(os.tmpdir(), "viaduct-it-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

// Runs the command line to its end. `home` is HOME and Viaduct's home; `input` what somebody types, up to its end.
export async function viaduct(args, { home, cwd, env = {}, input, limit = 60_000 } = {}) {
  const places = home ? { HOME: home, VIADUCT_HOME: path.join(home) } : {};
  const child = spawn(bin, args, { cwd, env: { ...process.env, ...places, ...env }, stdio: [input === undefined ? "ignore" : "pipe", "pipe", "pipe"] });
  child.stdin?.on("error", () => {}).end(input); // it may not want to hear all of it
  let out = "";
  let err = "";
  child.stdout.setEncoding("utf8").on("data", (text) => (out += text));
  child.stderr.setEncoding("utf8").on("data", (text) => (err += text));
  const ended = new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code, signal) => resolve({ code, signal, out, err }));
  });
  return within(ended, `the end of viaduct ${args.join(" ")}`, limit).catch((error) => {
    child.kill("SIGKILL");
    throw new Error(`${error.message}\n${out}${err}`);
  });
}
// The command line for a host of the test.
export const forHost = (host, ...args) => viaduct([...args, "--config", configOf(host)], { home: host.home });
export const configOf = (host) => path.join(host.home, "viaduct.yaml");

// Changes the configuration of a host that runs; `change` gets it as an object.
export function reconfigure(host, change) {
  const config = JSON.parse(readFileSync(configOf(host), "utf8"));
  change(config);
  writeFileSync(configOf(host), JSON.stringify(config, null, 1));
}

// The lines of a JSON-lines file or output.
export const lines = (text) => text.split("\n").filter(Boolean).map((line) => JSON.parse(line));
export const recorded = (host) => lines(readFileSync(path.join(host.home, "calls.jsonl"), "utf8"));

// The whole log of a session.
export async function exported(host, session) {
  const { code, out, err } = await forHost(host, "sessions", "export", session);
  if (code !== 0) throw new Error(`sessions export: ${err}`);
  return lines(out);
}

// One request, any header, any body. A body that is no text or bytes is sent as JSON.
export function request(origin, method, target, { headers = {}, body, agent } = {}) {
  const raw = typeof body === "string" || Buffer.isBuffer(body);
  const payload = body === undefined ? undefined : raw ? body : JSON.stringify(body);
  const { hostname, port } = new URL(origin);
  const answered = new Promise((resolve, reject) => {
    const sent = http.request(
      {
        hostname, port, method, path: target, agent: agent ?? false,
        headers: { ...(payload === undefined ? {} : { "content-type": "application/json", "content-length": Buffer.byteLength(payload) }), ...headers },
      },
      (answer) => {
        const chunks = [];
        answer.on("data", (chunk) => chunks.push(chunk));
        answer.on("error", reject);
        answer.on("end", () => {
          const text = Buffer.concat(chunks).toString();
          let json;
          try {
            json = JSON.parse(text);
          } catch {
            json = undefined;
          }
          resolve({ status: answer.statusCode, headers: answer.headers, text, body: json });
        });
      },
    );
    sent.on("error", reject);
    sent.end(payload);
  });
  return within(answered, `an answer to ${method} ${target}`, 60_000);
}
// The same, below the web chat of a host.
export const chat = (host, method, route, body, { surface = "web-chat", ...options } = {}) =>
  request(host.origin, method, `/apps/${surface}/${route}`, { ...options, body });

// Writes exactly these bytes and reads until the server closes.
export function bytes(port, data) {
  const answered = new Promise((resolve, reject) => {
    const socket = net.connect(port, "127.0.0.1");
    let text = "";
    socket.setEncoding("latin1").on("data", (chunk) => (text += chunk));
    socket.on("error", (error) => (text ? resolve() : reject(error)));
    socket.on("close", () => resolve(text));
    socket.write(data);
  });
  return within(answered, "the end of the connection", 60_000).then((text) => {
    const end = text.indexOf("\r\n\r\n");
    return end < 0 ? { status: 0, headers: {}, body: text } : { ...parseHead(text.slice(0, end)), body: text.slice(end + 4) };
  });
}

// What the metrics say of one series, 0 when it is not there.
export async function metric(host, series) {
  const { text } = await request(host.origin, "GET", "/metrics");
  const line = text.split("\n").find((one) => one.startsWith(series + " "));
  return line ? Number(line.slice(series.length + 1)) : 0;
}

export const words = (n, word = "word") => Array.from({ length: n }, (_, i) => `${word}${i}`).join(" ");
