// The command line, as a person and a script use it.
import assert from "node:assert/strict";
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import net from "node:net";
import path from "node:path";
import { test } from "node:test";
import { bin, chat, configOf, fixtures, folderFor, forHost, hostFor, lines, plugins, root, viaduct, words } from "../support/viaduct.mjs";

const minimal = { plugins: { path: [plugins] }, backends: { echo: { plugin: "mock" } }, surfaces: { "web-chat": { plugin: "web_chat", backend: "echo" } } };

function write(folder, config) {
  const file = path.join(folder, "viaduct.yaml");
  writeFileSync(file, typeof config === "string" ? config : JSON.stringify(config, null, 1));
  return file;
}

test("version says which it is, and which plugins fit", async () => {
  const { version } = JSON.parse((await viaduct(["version", "--json"])).out);
  assert.match(version, /^\d+\.\d+\.\d+$/);
  const { code, out, err } = await viaduct(["version"]);
  assert.equal(code, 0);
  assert.match(out, new RegExp(`^viaduct ${version} \\(plugin ABI \\d+\\.\\d+\\)\n$`));
  assert.equal(err, "");
});

test("every command has --help", async () => {
  const commands = [
    [], ["serve"], ["check"], ["schema"], ["doctor"], ["reload"], ["plugins"], ["plugin"], ["plugin", "check"], ["sessions"],
    ["sessions", "list"], ["sessions", "show"], ["sessions", "export"], ["sessions", "end"], ["sessions", "audit"],
    ["sessions", "discover"], ["sessions", "adopt"], ["sessions", "purge"], ["deliveries"], ["deliveries", "list"],
    ["deliveries", "retry"], ["deliveries", "drop"], ["version"], ["init"],
  ];
  for (const command of commands) {
    const { code, out } = await viaduct([...command, "--help"]);
    assert.equal(code, 0, command.join(" "));
    assert.match(out, /Usage:/, command.join(" "));
    if (command.length && !["plugin", "init"].includes(command.join(" "))) assert.match(out, /--config/, command.join(" "));
  }
});

test("wrong usage ends with 2, says what is wrong and prints nothing else", async (t) => {
  const home = folderFor(t);
  for (const [args, says] of [
    [["frobnicate"], /frobnicate/],
    [["sessions", "frobnicate"], /frobnicate/],
    [["deliveries", "frobnicate"], /frobnicate/],
    [["deliveries", "retry"], /ID is required/],
    [[], /subcommand is required/],
    [["sessions", "show"], /ID is required/],
    [["check", "--frobnicate"], /--frobnicate/],
    [["sessions", "list", "--limit", "0"], /limit/],
    [["plugin", "check"], /FILE is required/],
    [["plugin", "check", path.join(home, "nothing.so")], /nothing\.so/],
    [["check", "--config", path.join(home, "nothing.yaml")], /nothing\.yaml/],
    [["serve", "--config", path.join(home, "nothing.yaml")], /nothing\.yaml/],
  ]) {
    const { code, out, err } = await viaduct(args, { home });
    assert.equal(code, 2, args.join(" "));
    assert.match(args[0] === "plugin" ? out + err : err, says, args.join(" "));
    if (args[0] !== "plugin") assert.equal(out, "", args.join(" "));
  }
  assert.deepEqual(readdirSync(home), []);
});

test("check and serve say all errors at once, each with its place and the nearest name, and start nothing", async (t) => {
  const folder = folderFor(t);
  const home = path.join(folder, "home");
  const file = write(folder, `server:
  listen: 0.0.0.0:80
  limits: { boddy: 1MiB, idle_timeout: soon }
plugins:
  path: [${plugins}]
store:
  path: ${home}/viaduct.db
  path: ${home}/other.db
backends:
  echo:
    plugin: mok
  actor:
    plugin: mock
    config:
      rules:
        - { match: "^die$", fail: session_daed }
        - { match: "(", reply: x }
  secret: { plugin: mock, config: { record: "\${env:VIADUCT_NO_SUCH}" } }
surfaces:
  web-chat: { plugin: web_chat, backend: actr, config: { titel: x } }
loog: {}
`);
  const expected = [
    [2, 11, /loopback/],
    [3, 13, /"boddy".*"body"/],
    [3, 40, /duration/],
    [8, 3, /"path"/],
    [11, 13, /"mok".*"mock"/],
    [16, 35, /session_daed/],
    [18, 45, /VIADUCT_NO_SUCH/],
    [20, 42, /"actr".*"actor"/],
    [20, 58, /"titel".*"title"/],
    [21, 1, /"loog".*"log"/],
  ];
  for (const command of ["check", "serve"]) {
    const { code, err, out } = await viaduct([command, "--config", file], { home });
    assert.equal(code, 2, err);
    assert.equal(out, "");
    for (const [line, column, says] of expected) {
      const at = err.split("\n").find((one) => one.startsWith(`${file}:${line}:${column}: `));
      assert.ok(at, `${command} says nothing at ${line}:${column}:\n${err}`);
      assert.match(at, says);
    }
    const places = err.split("\n").filter((one) => one.startsWith(file)).map((one) => Number(one.slice(file.length + 1).split(":")[0]));
    assert.deepEqual(places, [...places].sort((a, b) => a - b), "in the order of the file");
    assert.equal(existsSync(home), false, "nothing was started");
  }
  const { errors } = JSON.parse((await viaduct(["check", "--json", "--config", file], { home })).out);
  for (const [line, column] of expected) assert.ok(errors.some((one) => one.line === line && one.column === column && one.file === file), `${line}:${column}`);
});

test("what a plugin itself refuses is a configuration error that names the instance, and nothing is started", async (t) => {
  const home = path.join(folderFor(t), "home");
  const file = write(path.dirname(home), { ...minimal, store: { path: path.join(home, "viaduct.db") }, server: { listen: "127.0.0.1:0" },
    backends: { echo: { plugin: "mock", config: { rules: [{ match: "(", reply: "x" }] } } } });
  const { code, err, out } = await viaduct(["serve", "--config", file], { home });
  assert.ok(code === 1 || code === 2, `${code}: ${err}`);
  assert.match(err, /"echo".*rules\[0\]\.match/s);
  assert.doesNotMatch(out, /listening/);
});

test("check has each plugin look at its configuration, and says where what it refuses stands", async (t) => {
  const folder = folderFor(t);
  const file = write(folder, `plugins: { path: [${plugins}] }
store: { path: ${folder}/viaduct.db }
backends:
  agent: { plugin: acp, config: { preset: clade } }
  program:
    plugin: bridge
    config:
      driver: cli
      preset: gemin
  vendor: { plugin: bridge, config: { driver: llm, model: m } }
  server: { plugin: bridge, config: { driver: llm, api: ollama, model: m } }
  empty: { plugin: acp, config: {} }
  actor: { plugin: mock, config: { rules: [{ match: "(", reply: x }] } }
  fine: { plugin: mock }
surfaces:
  web-chat: { plugin: web_chat }
`);
  const { code, out, err } = await viaduct(["check", "--config", file], { home: folder });
  assert.deepEqual([code, out], [2, ""]);
  const said = err.trim().split("\n").map((line) => line.slice(file.length + 1));
  for (const [i, says] of [
    /^4:43: backends\.agent\.config\.preset: must be one of .*claude.*; did you mean claude\?$/,
    /^9:15: backends\.program\.config\.preset: must be one of .*; did you mean gemini\?/,
    /^10:29: backends\.vendor: api_key: must be given for api\.openai\.com/,
    /^11:57: backends\.server\.config\.api cannot be "ollama"; expected one of "openai", "anthropic"/,
    /^12:33: backends\.empty\.config needs "preset" or "command"$/,
    /^13:53: backends\.actor\.config\.rules\[0\]\.match: "\(" is no regular expression/,
    /^16:3: surfaces\.web-chat has no backend, so nobody would answer; add the line "backend: agent"$/,
  ].entries())
    assert.match(said[i] ?? "", says, err);
  assert.equal(said.length, 7, err);
  assert.deepEqual(readdirSync(folder), ["viaduct.yaml"], "nothing was started");
  const { errors, warnings } = JSON.parse((await viaduct(["check", "--json", "--config", file], { home: folder })).out);
  assert.deepEqual([errors.length, warnings], [7, []]);
});

test("a key in the file is a warning, which says where, and not what", async (t) => {
  const folder = folderFor(t);
  const file = write(folder, `plugins: { path: [${plugins}] }
backends:
  vendor: { plugin: bridge, config: { driver: llm, model: m, api_key: sk-correct-horse } }
`);
  const { code, out, err } = await viaduct(["check", "--config", file], { home: folder });
  assert.equal(code, 0, err);
  assert.match(err, /:3:71: warning: backends\.vendor\.config\.api_key stands here as plain text.*\$\{env:NAME\}/);
  const json = await viaduct(["check", "--json", "--config", file], { home: folder });
  assert.equal(JSON.parse(json.out).warnings[0].line, 3);
  assert.doesNotMatch(out + err + json.out, /correct-horse/);
});

test("without a configuration every command says that init writes one", async (t) => {
  const home = folderFor(t);
  for (const command of ["serve", "check", "doctor", "reload"]) {
    const { code, out, err } = await viaduct([command], { home, cwd: home });
    assert.equal(code, 2, command);
    assert.match(out + err, /there is no configuration.*`viaduct init` writes one/, command);
  }
});

test("an empty file, one that is no YAML, one that is no text and a folder are errors with their name", async (t) => {
  const folder = folderFor(t);
  for (const [name, content] of [["empty.yaml", ""], ["comment.yaml", "# nothing\n"], ["list.yaml", "[1, 2]\n"], ["broken.yaml", "a: [\n"], ["binary.yaml", Buffer.from([0, 255, 254, 7])]]) {
    const file = path.join(folder, name);
    writeFileSync(file, content);
    const { code, err } = await viaduct(["check", "--config", file], { home: folder });
    assert.equal(code, 2, name);
    assert.ok(err.startsWith(`${file}:`), `${name}: ${err}`);
  }
  const { code, err } = await viaduct(["check", "--config", folder], { home: folder });
  assert.equal(code, 2);
  assert.match(err, /folder/);
});

test("a missing secret is an error, and a secret is in no output", async (t) => {
  const folder = folderFor(t);
  writeFileSync(path.join(folder, "title"), "correct-horse-battery\n");
  const file = write(folder, { ...minimal, surfaces: { "web-chat": { plugin: "web_chat", backend: "echo", config: { title: "${file:title}", extra: "${env:OTHER_SECRET}" } } } });
  const { code, err, out } = await viaduct(["check", "--config", file], { home: folder, env: { OTHER_SECRET: "staple-gun" } });
  assert.equal(code, 2);
  assert.match(err, /"extra"/);
  assert.doesNotMatch(err + out, /correct-horse|staple-gun/);
  const missing = await viaduct(["check", "--config", write(folder, { ...minimal, store: { path: "${file:nowhere}" } })], { home: folder });
  assert.equal(missing.code, 2);
  assert.match(missing.err, /nowhere/);
});

test("the default configuration and every example are fine", async (t) => {
  const home = folderFor(t);
  const examples = path.join(root, "config/examples");
  const files = [path.join(root, "config/viaduct.yaml"), ...readdirSync(examples).filter((name) => name.endsWith(".yaml")).map((name) => path.join(examples, name))];
  assert.ok(files.length > 3);
  const id = "11111111-2222-3333-4444-555555555555";
  const env = { SLACK_APP_TOKEN: "xapp-1-example", SLACK_BOT_TOKEN: "xoxb-1-example", TEAMS_APP_ID: id, TEAMS_TENANT_ID: id, TEAMS_APP_PASSWORD: "example" };
  for (const file of files) {
    const { code, out, err } = await viaduct(["check", "--config", file], { home, env });
    assert.equal(code, 0, `${file}: ${err}`);
    assert.match(out, /: fine \(\d+ backends?, \d+ surfaces?\)\n$/);
  }
  assert.deepEqual(readdirSync(home), []);
});

test("what the README and the bridge's say to write is fine", async (t) => {
  const home = folderFor(t);
  const texts = ["README.md", "plugins/bridge/README.md"].map((file) => readFileSync(path.join(root, file), "utf8"));
  const found = texts.flatMap((text) => [...text.matchAll(/^```yaml\n([^]*?)^```$/gm)].map(([, yaml]) => yaml)).filter((yaml) => /^backends:$/m.test(yaml));
  assert.ok(found.length >= 5);
  for (const yaml of found) {
    const file = path.join(home, "said.yaml");
    writeFileSync(file, yaml);
    const { code, err } = await viaduct(["check", "--config", file], { home });
    assert.equal(code, 0, `${yaml}\n${err}`);
  }
});

test("without --config it is config/viaduct.yaml, then the one in the home folder", async (t) => {
  const folder = folderFor(t);
  const nowhere = await viaduct(["check"], { home: folder, cwd: folder });
  assert.equal(nowhere.code, 2);
  assert.match(nowhere.err, /config\/viaduct\.yaml.*\.config\/viaduct\/viaduct\.yaml/);
  mkdirSync(path.join(folder, ".config/viaduct"), { recursive: true });
  writeFileSync(path.join(folder, ".config/viaduct/viaduct.yaml"), JSON.stringify(minimal));
  const second = await viaduct(["check"], { home: folder, cwd: folder });
  assert.equal(second.code, 0, second.err);
  assert.match(second.out, /\.config\/viaduct\/viaduct\.yaml: fine/);
  mkdirSync(path.join(folder, "config"));
  writeFileSync(path.join(folder, "config/viaduct.yaml"), JSON.stringify(minimal));
  assert.match((await viaduct(["check"], { home: folder, cwd: folder })).out, /^config\/viaduct\.yaml: fine/);
});

test("schema is JSON Schema with the plugins that are there", async (t) => {
  const folder = folderFor(t);
  const { code, out } = await viaduct(["schema", "--config", write(folder, minimal)], { home: folder });
  assert.equal(code, 0);
  const schema = JSON.parse(out);
  assert.equal(schema.type, "object");
  assert.deepEqual(Object.keys(schema.properties).sort(), ["backends", "log", "plugins", "server", "store", "surfaces"]);
  for (const word of ["chunk_delay", "session_dead", "header_timeout", "allowed_hosts", "web_chat", "settings"]) assert.ok(out.includes(word), word);
});

test("plugins lists what is found, and says what is wrong with a file that cannot be used", async (t) => {
  const folder = folderFor(t);
  const file = write(folder, minimal);
  const list = await viaduct(["plugins", "--config", file], { home: folder });
  assert.equal(list.code, 0);
  assert.match(list.out, /^mock +backend +\d/m);
  assert.match(list.out, /^web_chat +surface +\d/m);
  assert.match(list.out, /^settings +surface +\d/m);
  const { plugins: found } = JSON.parse((await viaduct(["plugins", "--json", "--config", file], { home: folder })).out);
  const mock = found.find((one) => one.name === "mock");
  assert.deepEqual([mock.kind, mock.id, mock.file], ["backend", "org.viaduct.mock", path.join(plugins, "mock.so")]);

  const more = path.join(folder, "more");
  mkdirSync(more);
  writeFileSync(path.join(more, "letter.so"), "dear host");
  const bad = await viaduct(["plugins", "--config", write(folder, { ...minimal, plugins: { path: [more, plugins] } })], { home: folder });
  assert.equal(bad.code, 1);
  assert.match(bad.out, /letter\.so: /);
  assert.match(bad.out, /^mock +backend/m);
});

for (const name of ["mock", "web_chat", "settings"]) {
  test(`plugin check passes ${name}`, async () => {
    const { code, out } = await viaduct(["plugin", "check", path.join(plugins, `${name}.so`)], { limit: 240_000 });
    assert.equal(code, 0, out.split("\n").filter((line) => !/^(passed|skipped)/.test(line)).join("\n"));
    assert.match(out, /: \d\d passed, 0 failed, 0 crashed, 0 warnings, \d+ skipped\n$/);
  });
}

test("doctor says whether the host runs, what it needs, and what is in its way", async (t) => {
  const host = await hostFor(t);
  const doctor = async (...more) => {
    const answer = await forHost(host, "doctor", "--json", ...more);
    return { code: answer.code, checks: Object.fromEntries(JSON.parse(answer.out).checks.map((check) => [check.name, check])) };
  };
  const running = await doctor();
  assert.equal(running.code, 0);
  assert.equal(running.checks.host.message, "running");
  for (const name of ["echo", "web-chat", "settings"]) assert.deepEqual([running.checks[name].ok, running.checks[name].message], [true, "running"]);
  assert.equal(running.checks.configuration.message, configOf(host));

  await host.stop();
  const free = await doctor();
  assert.equal(free.code, 0);
  assert.equal(free.checks.host.message, "not running");
  for (const name of ["echo", "web-chat", "settings"]) assert.deepEqual([free.checks[name].ok, free.checks[name].message], [true, "its configuration is fine"]);

  const other = net.createServer().listen(0, "127.0.0.1");
  await new Promise((resolve) => other.once("listening", resolve));
  t.after(() => other.close());
  writeFileSync(configOf(host), JSON.stringify({ ...minimal, store: { path: path.join(host.home, "viaduct.db") }, server: { listen: `127.0.0.1:${other.address().port}` } }));
  const taken = await doctor();
  assert.equal(taken.code, 1);
  assert.equal(taken.checks.address.ok, false);
  assert.match(taken.checks.address.message, new RegExp(`127\\.0\\.0\\.1:${other.address().port}.*in use`));

  writeFileSync(configOf(host), "backends: 1\n");
  const text = await forHost(host, "doctor");
  assert.equal(text.code, 2);
  assert.match(text.out, /^FAIL configuration .*:1:11: /m);
});

test("variables that only the host has are no fault for doctor and reload in another terminal", async (t) => {
  process.env.VIADUCT_TEST_OF_THE_HOST = "1ms";
  const host = await hostFor(t, { config: { backends: { echo: { plugin: "mock", config: { chunk_delay: "${env:VIADUCT_TEST_OF_THE_HOST}" } } } } });
  delete process.env.VIADUCT_TEST_OF_THE_HOST;
  const there = await forHost(host, "doctor");
  assert.equal(there.code, 0, there.out);
  assert.match(there.out, /^-- +configuration +VIADUCT_TEST_OF_THE_HOST is not set in this terminal; the running host has it$/m);
  assert.match(there.out, /^ok +echo +running$/m);
  const reloaded = await forHost(host, "reload");
  assert.deepEqual([reloaded.code, reloaded.out], [0, "reloaded\n"], reloaded.err);

  const config = JSON.parse(readFileSync(configOf(host), "utf8"));
  writeFileSync(configOf(host), JSON.stringify({ ...config, log: { level: "${env:VIADUCT_TEST_OF_NOBODY}" } }));
  const nowhere = await forHost(host, "doctor");
  assert.equal(nowhere.code, 2, nowhere.out);
  assert.match(nowhere.out, /^FAIL configuration .*VIADUCT_TEST_OF_NOBODY is not set/m);
  const refused = await forHost(host, "reload");
  assert.equal(refused.code, 1);
  assert.match(refused.err, /VIADUCT_TEST_OF_NOBODY is not set/);

  writeFileSync(configOf(host), JSON.stringify(config));
  await host.stop();
  const alone = await forHost(host, "doctor");
  assert.equal(alone.code, 2, alone.out);
  assert.match(alone.out, /^FAIL configuration .*VIADUCT_TEST_OF_THE_HOST is not set.* \(doctor sees the variables of this terminal, a service has its own\)$/m);
});

test("a warning of doctor is neither fine nor a failure, and who does not say how a host is started says which configuration", async (t) => {
  const home = folderFor(t);
  const file = write(home, { ...minimal, store: { path: path.join(home, "viaduct.db") }, server: { listen: "127.0.0.1:0" }, backends: { echo: { plugin: "mock" }, agent: { plugin: "acp", config: { command: ["cat"], env: { A_KEY: "sk-1234" } } } } });
  const { out } = await viaduct(["doctor", "--config", file], { home });
  assert.match(out, /^warn configuration .*:\d+:\d+: backends\.agent\.config\.env\.A_KEY stands here as plain text/m);
  const { checks } = JSON.parse((await viaduct(["doctor", "--json", "--config", file], { home })).out);
  assert.deepEqual(checks.filter(({ warning }) => warning).map(({ ok, name }) => [ok, name]), [[true, "configuration"]]);
  const { err } = await viaduct(["sessions", "list", "--config", file], { home });
  assert.match(err, /`viaduct serve` with this configuration starts it/);
});

test("without a host doctor has the backends look around by themselves; with one it says what the file has that the host has not", async (t) => {
  const home = folderFor(t);
  const config = { ...minimal, store: { path: path.join(home, "viaduct.db") }, server: { listen: "127.0.0.1:0" },
    backends: { nobody: { plugin: "bridge", config: { driver: "llm", model: "m", base_url: "http://127.0.0.1:9/v1?key=correct-horse" } },
      agent: { plugin: "acp", config: { command: ["no-such-agent-of-this-test"] } }, cat: { plugin: "acp", config: { command: ["cat"] } }, wrong: { plugin: "acp", config: { preset: "clade" } }, echo: { plugin: "mock" } } };
  const file = write(home, config);
  const alone = await viaduct(["doctor", "--config", file], { home });
  assert.equal(alone.code, 1, alone.out);
  assert.match(alone.out, /^ok +host +not running$/m);
  assert.match(alone.out, /^FAIL nobody: server +The model server http:\/\/127\.0\.0\.1:9\/v1 does not answer/m);
  assert.match(alone.out, /^FAIL agent: agent .*no-such-agent-of-this-test/m);
  assert.match(alone.out, /^FAIL cat: agent +cat does not speak the Agent Client Protocol.*correct `command`/m);
  assert.match(alone.out, /^FAIL wrong +preset: must be one of .*did you mean claude/m);
  assert.match(alone.out, /^ok +echo +its configuration is fine$/m);
  assert.doesNotMatch(alone.out, /correct-horse/);
  assert.deepEqual(readdirSync(home), ["viaduct.yaml"], "nothing was started");
  const order = alone.out.trim().split("\n").map((line) => line.slice(5).split(/[: ]/)[0]);
  assert.deepEqual([...new Set(order)], ["configuration", "home", "host", "address", "nobody", "agent", "cat", "wrong", "echo", "web-chat"]);

  const host = await hostFor(t, { config: { backends: { a: { plugin: "mock" }, echo: { plugin: "mock" } } } });
  const doctor = () => forHost(host, "doctor");
  const first = await doctor();
  assert.match(first.out, /^ok +host +running$/m);
  const changed = JSON.parse(readFileSync(configOf(host), "utf8"));
  Object.assign(changed.backends, { later: { plugin: "mock" }, a: { plugin: "mock", config: { chunk_delay: "1ms" } } });
  changed.log = { level: "warn" };
  writeFileSync(configOf(host), JSON.stringify(changed));
  const second = await doctor();
  assert.equal(second.code, 1);
  assert.match(second.out, /^FAIL host +running, but its file has changed since; `viaduct reload` takes up a, later; a restart takes up log\.level$/m);
  assert.match(second.out, /^ok +a +running, with the configuration that it had before$/m);
  assert.match(second.out, /^ok +echo +running$/m);
  const good = readFileSync(configOf(host), "utf8");
  writeFileSync(configOf(host), JSON.stringify({ ...changed, backends: { ...changed.backends, later: { plugin: "mock", config: { rules: [{ match: "(" }] } } } }));
  assert.equal((await forHost(host, "reload")).code, 1);
  assert.match((await doctor()).out, /^FAIL host +running, but .* the last `viaduct reload` was refused: .*"later".*rules\[0\]\.match/m);
  writeFileSync(configOf(host), good);
  assert.equal((await forHost(host, "reload")).code, 0);
  assert.match((await doctor()).out, /^FAIL host +running, but its file has changed since; a restart takes up log\.level$/m);
  for (let i = 0; i < 3; ++i) assert.equal((await doctor()).out, (await doctor()).out, "always in the same order");
  const copy = path.join(host.home, "copy.yaml");
  writeFileSync(copy, readFileSync(configOf(host)));
  const other = await viaduct(["doctor", "--config", copy], { home: host.home });
  assert.ok(other.out.includes(`running, but with another configuration: ${configOf(host)}`), other.out);
});

test("doctor says what is wrong with the place of the database, and what to do", async (t) => {
  const folder = folderFor(t);
  const doctor = async (database) => {
    const file = write(folder, { ...minimal, server: { listen: "127.0.0.1:0" }, store: { path: path.join(folder, database) } });
    const { code, out } = await viaduct(["doctor", "--config", file], { home: path.join(folder, "nowhere") });
    return { code, line: out.split("\n").find((one) => /home folder|^FAIL database/.test(one)), out };
  };
  const fresh = await doctor("new/deep/viaduct.db");
  assert.equal(fresh.code, 0, fresh.out);
  assert.match(fresh.line, /^ok +home folder +.*new\/deep will be made at the first start$/);
  assert.equal(existsSync(path.join(folder, "new")), false);

  writeFileSync(path.join(folder, "file"), "");
  assert.match((await doctor("file/viaduct.db")).line, /^FAIL home folder +.*file is a file; store\.path names the database itself, in a folder/);
  assert.match((await doctor("file/deep/viaduct.db")).line, /^FAIL home folder +.*file is a file, so that there can be no folder/);

  mkdirSync(path.join(folder, "mine"));
  chmodSync(path.join(folder, "mine"), 0o755);
  const listed = await doctor("mine/viaduct.db");
  assert.equal(listed.code, 0, listed.out);
  assert.match(listed.line, /^ok +home folder .*others see which files are there, but cannot read them \(chmod 700 closes it\)/);
  chmodSync(path.join(folder, "mine"), 0o777);
  assert.match((await doctor("mine/viaduct.db")).line, /^FAIL home folder +others may write in .*run: chmod go-w .*mine$/);
  chmodSync(path.join(folder, "mine"), 0o700);
  writeFileSync(path.join(folder, "mine/viaduct.db"), "these are my notes, and no database");
  assert.match((await doctor("mine/viaduct.db")).out, /^FAIL database +.*viaduct\.db is no database; correct store\.path$/m);
});

test("sessions list, show, export and end work on the running host", async (t) => {
  const host = await hostFor(t);
  assert.equal((await forHost(host, "sessions", "list")).out, "no sessions\n");
  const ids = [];
  for (const message of ["first", "second\u001b[31m red"]) {
    ids.unshift((await chat(host, "POST", "api/session", {})).body.session_id);
    assert.equal((await chat(host, "POST", "api/chat", { message })).status, 200);
  }
  const list = await forHost(host, "sessions", "list");
  assert.equal(list.code, 0);
  assert.match(list.out, /^SESSION +LAST ACTIVE +STATE +BACKEND +TITLE$/m);
  assert.deepEqual(list.out.trim().split("\n").slice(1).map((line) => line.split(" ")[0]), ids, "last active first");
  assert.doesNotMatch(list.out, /\u001b/, "nothing that a terminal obeys");
  const { sessions } = JSON.parse((await forHost(host, "sessions", "list", "--json")).out);
  assert.deepEqual(sessions.map((session) => session.session_id), ids);

  const page = await forHost(host, "sessions", "list", "--limit", "1");
  const more = /^more: viaduct sessions list --before (\S+)$/m.exec(page.out);
  assert.ok(more, page.out);
  const next = await forHost(host, "sessions", "list", "--before", more[1]);
  assert.equal(next.out.split("\n")[1].split(" ")[0], ids[1]);

  const show = JSON.parse((await forHost(host, "sessions", "show", ids[1], "--json")).out);
  assert.deepEqual([show.session_id, show.title, show.backend, show.state, show.ended], [ids[1], "first", "echo", "idle", false]);
  assert.match((await forHost(host, "sessions", "show", ids[1])).out, /^title +first$/m);

  const log = lines((await forHost(host, "sessions", "export", ids[1])).out);
  assert.deepEqual(log.map((entry) => [entry.entry, entry.type, entry.text]), [
    [1, "user_message", "first"],
    [2, "text", "[Mock response to: first]"],
    [3, "turn_end", ""],
  ]);

  const short = JSON.parse((await forHost(host, "sessions", "show", ids[1].slice(0, 12), "--json")).out);
  assert.equal(short.session_id, ids[1], "by the beginning of its id");
  assert.equal(lines((await forHost(host, "sessions", "export", ids[1].slice(0, 12))).out).length, 3);
  const slip = await forHost(host, "sessions", "show", "s_");
  assert.deepEqual([slip.code, slip.out], [1, ""]);
  const unknown = await forHost(host, "sessions", "show", "s_nothing");
  assert.deepEqual([unknown.code, unknown.out], [1, ""]);

  const end = await forHost(host, "sessions", "end", ids[1]);
  assert.deepEqual([end.code, end.out], [0, `ended ${ids[1]}\n`]);
  assert.deepEqual((await forHost(host, "sessions", "list")).out.trim().split("\n").length, 2, "a header and the other one");
  assert.match((await forHost(host, "sessions", "list", "--all")).out, new RegExp(`^${ids[1]} .* ended `, "m"));
  assert.equal((await forHost(host, "sessions", "end", ids[1])).code, 0, "ending twice is fine");

  for (const command of ["show", "export", "end"]) {
    const none = await forHost(host, "sessions", command, "s_nothing");
    assert.deepEqual([none.code, none.out], [1, ""], command);
    assert.match(none.err, /no such session/i);
  }
});

test("sessions export prints a log of many pages from its first entry on", async (t) => {
  const host = await hostFor(t);
  const { session_id } = (await chat(host, "POST", "api/session", {})).body;
  for (let i = 0; i < 180; ++i) assert.equal((await chat(host, "POST", "api/chat", { message: `m${i}` })).status, 200);
  const log = lines((await forHost(host, "sessions", "export", session_id)).out);
  assert.deepEqual(log.map((entry) => entry.entry), Array.from({ length: 540 }, (_, i) => i + 1));
  assert.deepEqual(log.filter((entry) => entry.type === "user_message").map((entry) => entry.text), words(180, "m").split(" "));
});

test("without a host the commands that need one say so and how to start it", async (t) => {
  const folder = folderFor(t);
  const file = write(folder, { ...minimal, store: { path: path.join(folder, "viaduct.db") } });
  for (const command of [["reload"], ["sessions", "list"], ["sessions", "show", "s_1"], ["sessions", "export", "s_1"], ["sessions", "end", "s_1"]]) {
    const { code, out, err } = await viaduct([...command, "--config", file], { home: folder });
    assert.deepEqual([code, out], [1, ""], command.join(" "));
    assert.match(err, /no host is running .*viaduct serve/);
  }
  assert.equal(existsSync(path.join(folder, "viaduct.db")), false);
});

test("a plugin's subcommands run in the host, or without one by themselves, with its output and exit code", async (t) => {
  const token = "correct-horse-battery";
  const folder = folderFor(t);
  writeFileSync(path.join(folder, "token"), token);
  const config = { plugins: { path: [plugins, fixtures] }, backends: { echo: { plugin: "mock" }, tools: { plugin: "toolbox", config: { token: `\${file:${folder}/token}` } } } };
  const file = write(folder, { ...config, store: { path: path.join(folder, "viaduct.db") } });
  const before = await viaduct(["--config", file, "tools", "list"], { home: folder });
  assert.deepEqual([before.code, before.out, before.err], [0, '["list"]\n', ""], "without a host it has an instance of its own");

  const host = await hostFor(t, { config });
  const ask = (...args) => viaduct(["--config", configOf(host), ...args], { home: host.home });
  const fine = await ask("tools", "list", "--json", "a \"b\"", "--", "--config", "x");
  assert.deepEqual([fine.code, fine.out, fine.err], [0, '["list","--json","a \\"b\\"","--config","x"]\n', ""]);
  assert.deepEqual((await ask("tools")).out, "[]\n");
  assert.deepEqual((await ask("tools", "--help")).out, '["--help"]\n', "its own, not Viaduct's");
  const usage = await ask("tools", "usage", "--help");
  assert.deepEqual([usage.code, usage.out], [0, '["usage","--help"]\n'], "asked for, it is no wrong usage");
  assert.equal((await ask("tools", "usage")).code, 2);
  const behind = await viaduct(["tools", "list", "--config", configOf(host)], { home: folder });
  assert.deepEqual([behind.code, behind.out], [0, '["list"]\n']);
  const failing = await ask("tools", "fail");
  assert.deepEqual([failing.code, failing.out], [3, '["fail"]\n']);
  const refusing = await ask("tools", "refuse");
  assert.deepEqual([refusing.code, refusing.out, refusing.err], [1, "", "tools: log in first\n"]);
  const babbling = await ask("tools", "babble");
  assert.deepEqual([babbling.code, babbling.out], [1, ""]);
  assert.match(babbling.err, /^tools: the plugin's answer has no exit_code/);
  const secret = await ask("tools", "config");
  assert.equal(secret.code, 0);
  assert.match(secret.out, /token/);
  assert.doesNotMatch(secret.out, new RegExp(token));

  const none = await ask("echo", "list");
  assert.deepEqual([none.code, none.out, none.err], [2, "", "echo has no subcommands\n"]);
  const help = await ask("echo", "--help");
  assert.deepEqual([help.code, help.out, help.err], [0, "echo has no subcommands\n", ""]);
  const typo = await ask("tolls", "list");
  assert.deepEqual([typo.code, typo.out], [2, ""]);
  assert.match(typo.err, /^there is no command "tolls"; did you mean "tools"\?\nthe running host has no "tolls"; of its instances, these have subcommands: tools\n/);
  assert.doesNotMatch(typo.err, /no host/);
});

test("a plugin's subcommand has a file written where the command line runs, and only where the person said", async (t) => {
  const host = await hostFor(t, { config: { plugins: { path: [plugins, fixtures] }, backends: { echo: { plugin: "mock" }, tools: { plugin: "toolbox" } } } });
  const here = folderFor(t);
  const ask = (...args) => viaduct(["--config", configOf(host), "tools", ...args], { home: host.home, cwd: here });
  const app = path.join(here, "app.zip");
  const bytes = Buffer.from([0x50, 0x4b, 0x03, 0x04, 0x00, 0xff]);
  const fine = await ask("save", "--out", "app.zip");
  assert.deepEqual([fine.code, fine.out, fine.err], [0, "saved\n", ""]);
  assert.deepEqual(readFileSync(app), bytes);
  assert.equal(statSync(app).mode & 0o777, 0o644);
  writeFileSync(app, "what was there before, and is longer");
  assert.equal((await ask("save", "--out", app)).code, 0);
  assert.deepEqual(readFileSync(app), bytes);
  assert.deepEqual(readdirSync(here), ["app.zip"], "and nothing beside it");

  const refused = async (args, why) => {
    const { code, out, err } = await ask(...args);
    assert.deepEqual([code, out], [1, ""], args.join(" "));
    assert.match(err, why);
    assert.deepEqual(readdirSync(here), ["app.zip"], args.join(" "));
  };
  await refused(["elsewhere", "--out", "other.zip"], /^tools: the plugin wants to write "elsewhere\.zip", which no option names; nothing was written\n$/);
  await refused(["save", "other.zip"], /wants to write "other\.zip"/);
  await refused(["save", "--out", "none/other.zip"], /^tools: none\/other\.zip was not written: No such file or directory\n$/);
  await refused(["save", "--out", "."], /was not written: it is a folder/);
});

test("an unknown first word: the nearest command, and that no host runs that might know it", async (t) => {
  const home = folderFor(t);
  const file = write(home, { ...minimal, store: { path: path.join(home, "viaduct.db") } });
  const { code, out, err } = await viaduct(["--config", file, "chekc"], { home });
  assert.deepEqual([code, out], [2, ""]);
  assert.match(err, /^there is no command "chekc"; did you mean "check"\?\nno host is running .*\nRun with --help/);
  const { out: help } = await viaduct(["--help"]);
  assert.match(help, /viaduct \[--config FILE\] NAME ARGUMENT/);
});

test("sessions and deliveries alone list, with their options behind them", async (t) => {
  const host = await hostFor(t);
  for (const [command, says] of [["deliveries", /^nothing is missing$/m], ["sessions", /no sessions|^ID/im]]) {
    const alone = await forHost(host, command);
    assert.deepEqual([alone.code, alone.err], [0, ""], command);
    assert.match(alone.out, says);
    assert.equal((await forHost(host, command, "list")).out, alone.out, command);
    const json = await forHost(host, command, "--json");
    assert.ok(JSON.parse(json.out)[command], json.out);
  }
  assert.equal((await forHost(host, "deliveries", "retry", "77")).code, 1, "a subcommand's exit code is its own");
});

test("with --json an error is one JSON object on standard output, and nothing else is said", async (t) => {
  const folder = folderFor(t);
  const good = write(folder, { ...minimal, store: { path: path.join(folder, "viaduct.db") } });
  const bad = path.join(folder, "bad.yaml");
  writeFileSync(bad, "backends: 1\n");
  for (const [args, code, error] of [
    [["sessions", "list", "--config", good], 1, "unavailable"],
    [["sessions", "show", "s_1", "--config", good], 1, "unavailable"],
    [["sessions", "export", "s_1", "--config", good], 1, "unavailable"],
    [["reload", "--config", good], 1, "unavailable"],
    [["reload", "--config", bad], 2, "invalid_argument"],
    [["sessions", "list", "--config", path.join(folder, "none.yaml")], 2, "invalid_argument"],
    [["sessions", "show"], 2, "invalid_argument"],
    [["sessions", "frobnicate"], 2, "invalid_argument"],
    [["check", "--frobnicate"], 2, "invalid_argument"],
    [["frobnicate"], 2, "invalid_argument"],
  ]) {
    const answer = await viaduct([...args, "--json"], { home: folder });
    assert.deepEqual([answer.code, answer.err], [code, ""], args.join(" "));
    const body = JSON.parse(answer.out);
    assert.equal(body.error.code, error, args.join(" "));
    assert.ok(body.error.message, args.join(" "));
    if (args.at(-1) === bad) assert.deepEqual(body.errors.map(({ file, line, column }) => [file, line, column]), [[bad, 1, 11]]);
  }
});

test("a start that fails says why once", async (t) => {
  const other = net.createServer().listen(0, "127.0.0.1");
  await new Promise((resolve) => other.once("listening", resolve));
  t.after(() => other.close());
  const home = folderFor(t);
  const start = (config) => viaduct(["serve", "--config", write(home, { ...minimal, store: { path: path.join(home, "viaduct.db") }, ...config })], { home });
  const taken = await start({ server: { listen: `127.0.0.1:${other.address().port}` } });
  const refused = await start({ server: { listen: "127.0.0.1:0" }, backends: { echo: { plugin: "mock", config: { rules: [{ match: "(", reply: "x" }] } } } });
  for (const [{ code, out, err }, reason] of [[taken, /in use/g], [refused, /rules\[0\]\.match/g]]) {
    assert.equal(code, 1);
    assert.equal((out + err).match(reason)?.length, 1, out + err);
  }
});

test("the database, the socket and the home folder belong to nobody else", async (t) => {
  const host = await hostFor(t);
  const { statSync } = await import("node:fs");
  for (const name of readdirSync(host.home)) {
    if (["viaduct.yaml", "calls.jsonl"].includes(name)) continue;
    assert.equal(statSync(path.join(host.home, name)).mode & 0o77, 0, name);
  }
  assert.ok(readdirSync(host.home).includes("control.sock"));
});
