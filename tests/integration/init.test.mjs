// `viaduct init`: what it finds, asks and writes, with programs, keys and a model server of the test's own.
import assert from "node:assert/strict";
import { chmodSync, existsSync, mkdirSync, readFileSync, readdirSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import http from "node:http";
import net from "node:net";
import path from "node:path";
import { test } from "node:test";
import { ModelServer } from "../support/model_server.mjs";
import { bin, chat, folderFor, Host, root, viaduct } from "../support/viaduct.mjs";

// What is in this environment is nobody's business here.
const noKeys = Object.fromEntries(Object.keys(process.env).filter((name) => /_(KEY|TOKEN)$/.test(name)).map((name) => [name, ""]));

// A machine that has nothing but what the test gives it.
function machineFor(t, { programs = [], env = {} } = {}) {
  const home = folderFor(t);
  const folder = path.join(home, "bin");
  mkdirSync(folder);
  for (const program of programs) {
    writeFileSync(path.join(folder, program), "#!/bin/sh\nexit 1\n");
    chmodSync(path.join(folder, program), 0o755);
  }
  const machine = {
    home,
    file: path.join(home, ".config/viaduct/viaduct.yaml"),
    run: (args, options = {}) => viaduct(args, { home, cwd: home, ...options, env: { ...noKeys, PATH: folder, ...env, ...options.env } }),
    // Port 1 is nobody's.
    init: (args = [], options) => machine.run(["init", ...(args.includes("--port") ? [] : ["--port", "1"]), ...args], options),
    check: (...more) => machine.run(["check", ...more]),
    yaml: () => readFileSync(machine.file, "utf8"),
  };
  return machine;
}
const written = (home) => readdirSync(home, { recursive: true }).map(String).filter((name) => name.includes("yaml"));

test("without anything it writes a configuration with the mock that passes check, and says what to run", async (t) => {
  const machine = machineFor(t);
  const { code, out, err } = await machine.init();
  assert.deepEqual([code, err], [0, ""]);
  assert.match(out, /^Found no agent program, no model server and no key/);
  assert.match(out, new RegExp(`^Wrote ${machine.file}$`, "m"));
  assert.match(out, new RegExp(`^  ${bin} serve$`, "m"), "it is found without --config");
  assert.equal(statSync(machine.file).mode & 0o777, 0o600);
  assert.equal(statSync(path.dirname(machine.file)).mode & 0o077, 0);
  assert.deepEqual(readdirSync(path.dirname(machine.file)), ["viaduct.yaml"], "nothing is left beside it");
  const checked = await machine.check();
  assert.equal(checked.code, 0, checked.err);
  assert.match(checked.out, new RegExp(`^${machine.file}: fine \\(1 backend, 2 surfaces\\)`));
});

test("a model server, programs and keys become backends; the server answers, and no key is in the file", async (t) => {
  const server = await ModelServer.start(t, { models: ["text-embedding-x", "stand-in", "other"] });
  const machine = machineFor(t, { programs: ["claude", "codex", "unknown-agent"], env: { ANTHROPIC_API_KEY: "sk-ant-correct-horse" } });
  const { code, out, err } = await machine.init(["--yes", "--port", String(server.port)]);
  assert.deepEqual([code, err], [0, ""]);
  assert.match(out, new RegExp(`^ +1 +local-model +a model server on 127\\.0\\.0\\.1:${server.port}, 3 models$`, "m"));
  assert.match(out, /^ +2 +claude +the program claude$/m);
  assert.match(out, /^local-model answers/m);
  assert.doesNotMatch(out + machine.yaml(), /correct-horse|unknown-agent/);
  const yaml = machine.yaml();
  assert.match(yaml, /^ {2}local-model:\n {4}plugin: bridge\n {4}config:\n {6}driver: llm\n {6}api: openai\n/m);
  assert.match(yaml, /^ {6}model: "stand-in"$/m);
  assert.match(yaml, /^ {6}# it also has: other text-embedding-x$/m);
  assert.match(yaml, /^ {6}api_key: "\$\{env:ANTHROPIC_API_KEY\}"$/m);
  assert.match(yaml, /^ {6}# env: \{ ANTHROPIC_API_KEY: /m, "a program has its own login");
  assert.match(yaml, /^ {4}backends: \[local-model, claude, codex, anthropic, echo\]$/m);
  const checked = await machine.check();
  assert.equal(checked.code, 0, checked.err);
});

test("what it writes gives a conversation with the model", async (t) => {
  const server = await ModelServer.start(t, { script: () => ({ say: ["Hello ", "from the model"] }) });
  const machine = machineFor(t);
  assert.equal((await machine.init(["--port", String(server.port)])).code, 0);
  const host = await Host.start({ yaml: machine.yaml() });
  t.after(() => host.remove());
  assert.equal((await chat(host, "POST", "api/session", {})).status, 200);
  const { status, body } = await chat(host, "POST", "api/chat", { message: "hi" });
  assert.equal(status, 200);
  assert.match(JSON.stringify(body), /Hello from the model/);
  assert.deepEqual(server.conversations.at(-1), ["user: hi"]);
});

test("it asks which backends, which models and who answers, and takes the answers", async (t) => {
  const server = await ModelServer.start(t, { models: ["small", "large"] });
  const machine = machineFor(t, { programs: ["claude", "gemini"], env: { ANTHROPIC_API_KEY: "sk-ant-correct-horse" } });
  const { code, out, err } = await machine.init(["--ask", "--port", String(server.port)], { input: "1 claude\nlarge\ny\nclaude\n" });
  assert.deepEqual([code, err], [0, ""]);
  assert.match(out, /Which model of local-model\? \[small\] /);
  assert.match(out, /Shall claude use the key in ANTHROPIC_API_KEY instead of its own login\? \[n\] /);
  assert.match(out, /^claude answers/m);
  const yaml = machine.yaml();
  assert.match(yaml, /^ {6}model: "large"$/m);
  assert.match(yaml, /^ {6}env: \{ ANTHROPIC_API_KEY: "\$\{env:ANTHROPIC_API_KEY\}" \}$/m);
  assert.match(yaml, /^ {4}backends: \[claude, local-model, echo\]$/m);
  assert.doesNotMatch(yaml, /preset: gemini/);
});

test("the end of input stops it, and nothing is written", async (t) => {
  const machine = machineFor(t, { programs: ["claude", "codex"] });
  for (const input of ["", "all\n"]) {
    const { code, out, err } = await machine.init(["--ask"], { input });
    assert.equal(code, 1);
    assert.match(err, /stopped; nothing was written/);
    assert.doesNotMatch(out, /Wrote/);
  }
  assert.deepEqual(written(machine.home), []);
});

test("a file that is there is not touched; --force replaces it and keeps every old one", async (t) => {
  const machine = machineFor(t);
  mkdirSync(path.dirname(machine.file), { recursive: true });
  writeFileSync(machine.file, "mine: 1\n", { mode: 0o640 });
  const refused = await machine.init();
  assert.deepEqual([refused.code, refused.out], [1, ""]);
  assert.match(refused.err, /is there already; --force replaces it/);
  assert.equal(machine.yaml(), "mine: 1\n");

  const forced = await machine.init(["--force"]);
  assert.equal(forced.code, 0, forced.err);
  assert.match(forced.out, /the old one is .*viaduct\.yaml\.bak$/m);
  assert.match(machine.yaml(), /^backends:$/m);
  assert.equal(readFileSync(machine.file + ".bak", "utf8"), "mine: 1\n");
  assert.equal((await machine.init(["--force"])).code, 0);
  assert.equal(readFileSync(machine.file + ".bak", "utf8"), "mine: 1\n", "the first one, still");
  assert.match(readFileSync(machine.file + ".bak.2", "utf8"), /^backends:$/m);
});

test("--output goes elsewhere, and the next command names it", async (t) => {
  const machine = machineFor(t);
  const file = path.join(machine.home, "some folder/my.yaml");
  const { code, out } = await machine.init(["--output", "some folder/my.yaml"]);
  assert.equal(code, 0);
  assert.ok(out.includes(`${bin} serve --config '${file}'`), out);
  assert.equal((await machine.check("--config", file)).code, 0);
  assert.equal(existsSync(machine.file), false);
  const folder = await machine.init(["--output", machine.home]);
  assert.equal(folder.code, 2);
  assert.match(folder.err, /is a folder/);
});

test("where config/viaduct.yaml would be found first, the next command names the file that was written", async (t) => {
  const machine = machineFor(t);
  mkdirSync(path.join(machine.home, "config"));
  writeFileSync(path.join(machine.home, "config/viaduct.yaml"), "surfaces: {}\n");
  const { out } = await machine.init();
  assert.ok(out.includes(`${bin} serve --config ${machine.file}\n`), out);
});

test("a program called viaduct on PATH is named so only when it is this one", async (t) => {
  const machine = machineFor(t);
  symlinkSync(bin, path.join(machine.home, "bin/viaduct"));
  assert.match((await machine.init()).out, /^ {2}viaduct serve$/m);
});

test("what is no model server, is silent, or has no model is not offered", async (t) => {
  const listening = async (server) => {
    await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
    t.after(() => (server.closeAllConnections?.(), server.close()));
    return String(server.address().port);
  };
  const page = await listening(http.createServer((_, response) => response.end("<html>hello</html>")));
  const refuses = await listening(http.createServer((_, response) => response.writeHead(401).end('{"data":[{"id":"x"}]}')));
  const sockets = [];
  t.after(() => sockets.forEach((socket) => socket.destroy()));
  const silent = await listening(net.createServer((socket) => sockets.push(socket.on("error", () => {}))));
  const endless = await listening(http.createServer((_, response) => {
    const more = () => response.destroyed || response.write('{"data":[' + " ".repeat(1 << 16), () => setImmediate(more));
    more();
  }));
  const empty = await ModelServer.start(t, { models: [] });
  const machine = machineFor(t);
  const { code, out } = await machine.init(["--port", page, refuses, silent, endless, String(empty.port)]);
  assert.equal(code, 0);
  assert.match(out, /^Found no agent program/);
  assert.match(out, new RegExp(`^a model server on 127\\.0\\.0\\.1:${empty.port} has no model yet`, "m"));
  assert.equal(sockets.length, 1, "it was asked");
  assert.doesNotMatch(machine.yaml(), /^ {4}plugin: bridge/m);
});

test("a program that is a folder, or that nobody may run, is not found", async (t) => {
  const machine = machineFor(t, { programs: ["gemini"] });
  mkdirSync(path.join(machine.home, "bin/claude"));
  writeFileSync(path.join(machine.home, "bin/codex"), "not executable", { mode: 0o644 });
  const { out } = await machine.init();
  assert.match(out, /^ +1 +gemini /m);
  assert.doesNotMatch(out, /claude|codex/);
});

// The parts of the file, by the backend's name.
const backendsOf = (machine) => Object.fromEntries(machine.yaml().split(/^ {2}(?=[\w-]+:$)/m).slice(1).map((part) => [part.split(":")[0], part]));

test("it knows the programs and keys of the bridge's presets, and their configuration passes check", async (t) => {
  const folder = path.join(root, "plugins/bridge/presets");
  const presets = readdirSync(folder).filter((name) => name.endsWith(".yaml")).map((name) => {
    const text = readFileSync(path.join(folder, name), "utf8");
    const keys = /^keys: *\[(.*)\]$/m.exec(text)?.[1].split(", ") ?? [];
    return { name: path.basename(name, ".yaml"), program: /^program: *(\S+)/m.exec(text)?.[1], keys };
  });
  assert.ok(presets.length > 0);
  const machine = machineFor(t, { programs: presets.map(({ program }) => program) });
  for (let i = 0; i < Math.max(1, ...presets.map(({ keys }) => keys.length)); ++i) {
    const env = Object.fromEntries(presets.flatMap(({ keys }) => (keys[i] ? [[keys[i], "a-key"]] : [])));
    const { err, code } = await machine.init(["--force"], { env });
    assert.equal(code, 0, err);
    const parts = backendsOf(machine);
    for (const { name, keys } of presets) {
      assert.match(parts[name] ?? "", new RegExp(`^ {6}preset: ${name}$`, "m"));
      if (keys.some((key) => env[key])) assert.ok(keys.some((key) => parts[name].includes(`# env: { ${key}: `)), `${name}: ${parts[name]}`);
    }
    const checked = await machine.run(["check"], { env });
    assert.equal(checked.code, 0, checked.err);
  }
});

test("it knows the agents of all presets of acp, and prefers the protocol where both ways are there", async (t) => {
  const text = readFileSync(path.join(root, "plugins/acp/presets.yaml"), "utf8");
  const presets = [...text.matchAll(/^([\w-]+):\n {2}command: \[([^,\]]+)/gm)].map(([, name, program]) => ({ name, program }));
  assert.equal(presets.length, text.match(/^[\w-]+:$/gm).length);
  // A program that runs any other says nothing.
  const known = presets.filter(({ program }) => program !== "uvx");
  const machine = machineFor(t, { programs: [...known.map(({ program }) => program), "claude", "codex", "amplifier"] });
  const { code, err } = await machine.init();
  assert.equal(code, 0, err);
  const parts = backendsOf(machine);
  for (const { name } of known) assert.match(parts[name] ?? "", new RegExp(`^ {4}plugin: acp\n {4}config:\n {6}preset: ${name}$`, "m"), name);
  assert.match(parts.amplifier, /^ {4}plugin: bridge\n {4}config:\n {6}driver: cli\n {6}preset: amplifier$/m);
  assert.match(machine.yaml(), /# By the protocol, it asks people before it does something/);
  const checked = await machine.check();
  assert.equal(checked.code, 0, checked.err);
});

test("where only the program itself is installed the bridge drives it, and the file says how to have the protocol", async (t) => {
  const machine = machineFor(t, { programs: ["claude"] });
  assert.equal((await machine.init()).code, 0);
  assert.match(machine.yaml(), /# claude-agent-acp is not installed; with it the agent asks people.*\n {2}# npm install -g @agentclientprotocol\/claude-agent-acp, then plugin: acp, config: \{ preset: claude \}\.\n {2}claude:\n {4}plugin: bridge\n/);
});

test("every line that it writes as a comment is fine when the # is taken away", async (t) => {
  const machine = machineFor(t);
  assert.equal((await machine.init()).code, 0);
  const file = path.join(machine.home, "all.yaml");
  for (const name of ["ollama", "claude"]) {
    const lines = machine.yaml().split("\n");
    const at = lines.indexOf(`  # ${name}:`);
    for (let i = at; lines[i].startsWith("  # "); ++i) lines[i] = "  " + lines[i].slice(4);
    writeFileSync(file, lines.join("\n"));
    const checked = await machine.check("--config", file);
    assert.equal(checked.code, 0, checked.err);
    assert.match(checked.out, /2 backends/);
  }
  const lines = machine.yaml().split("\n");
  const at = lines.indexOf("  # slack:");
  for (let i = at; lines[i].startsWith("  # "); ++i) lines[i] = "  " + lines[i].slice(4);
  writeFileSync(file, lines.join("\n"));
  const id = "11111111-2222-3333-4444-555555555555";
  const env = { SLACK_APP_TOKEN: "xapp-1-example", SLACK_BOT_TOKEN: "xoxb-1-example", TEAMS_APP_ID: id, TEAMS_APP_PASSWORD: "example", TEAMS_TENANT_ID: id };
  const both = await machine.run(["check", "--config", file], { env });
  assert.equal(both.code, 0, both.err);
  assert.match(both.out, /4 surfaces/);
});

test("--config says where to, as --output does", async (t) => {
  const machine = machineFor(t);
  const file = path.join(machine.home, "my.yaml");
  assert.equal((await machine.init(["--config", file])).code, 0);
  assert.equal((await machine.check("--config", file)).code, 0);
});

test("wrong usage is said before anything is looked for", async (t) => {
  const machine = machineFor(t);
  for (const [args, says] of [[["--port", "0"], /--port/], [["--ask", "--yes"], /--yes/], [["--frobnicate"], /--frobnicate/]]) {
    const { code, out, err } = await machine.init(args);
    assert.deepEqual([code, out], [2, ""], args.join(" "));
    assert.match(err, says);
  }
  assert.deepEqual(written(machine.home), []);
  const lost = await machine.init([], { env: { HOME: "" } });
  assert.equal(lost.code, 2);
  assert.match(lost.err, /HOME is not set.*--output/);
});
