// Plugins with one fault each (tests/abi/faulty), in the real host: it names the file and the reason, and harms nobody else.
import assert from "node:assert/strict";
import { once } from "node:events";
import { copyFileSync, mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { ChatClient } from "../support/chat_client.mjs";
import { chat, exported, faulty, folderFor, forHost, hostFor, metric, plugins, reconfigure, viaduct } from "../support/viaduct.mjs";
import { within } from "../support/wait.mjs";

// [plugin, what is said of it]; the configuration already shows those of the first list, the others only when they are made.
const atLoading = [
  ["not_elf", /no shared library/],
  ["no_symbol", /plugin/],
  ["wrong_major", /7\.\d.*\b1\.\d/],
  ["undefined_symbol", /undefined symbol/],
  ["short_descriptor", /descriptor/],
  ["null_id", /\bid\b/],
  ["null_create", /create/],
  ["unknown_kind", /surface|backend|kind/],
  ["bad_schema", /schema/i],
  ["crash_on_load", /crashes the process that loads it \(.*[Aa]bort/],
  ["exit_on_load", /exit code 0/],
];
const atMaking = [
  ["create_null", /"bad"/],
  ["create_fails", /the agent is not installed/],
  ["throws_in_create", /thrown in create/],
  ["start_fails", /"bad"/],
  ["no_backend", /viaduct\.backend\/1/],
  ["null_status", /"bad"/],
  ["unknown_code", /"bad"/],
];

// The plugin in a folder of its own: those beside it are tried, too, and some of them hang.
function alone(folder, name) {
  const own = path.join(folder, `only_${name}`);
  mkdirSync(own, { recursive: true });
  copyFileSync(path.join(faulty, `${name}.so`), path.join(own, `${name}.so`));
  return own;
}
const withBad = (folder, name) => ({
  plugins: { path: [alone(folder, name), plugins] },
  backends: { echo: { plugin: "mock" }, bad: { plugin: name } },
});
// The faulty backend answers in the web chat.
const answering = (folder, name) => ({
  config: { plugins: { path: [alone(folder, name), plugins] }, backends: { echo: { plugin: name } } },
});

for (const [list, codes, when] of [[atLoading, [2], "while it is loaded"], [atMaking, [1], "when it is made"]]) {
  test(`the host does not start with a plugin that is bad ${when}, and names file and reason`, async (t) => {
    for (const [name, reason] of list) {
      const home = folderFor(t);
      const config = { server: { listen: "127.0.0.1:0" }, store: { path: path.join(home, "viaduct.db") }, surfaces: {}, ...withBad(home, name) };
      const file = path.join(home, "viaduct.yaml");
      writeFileSync(file, JSON.stringify(config));
      const { code, out, err } = await viaduct(["serve", "--config", file], { home });
      assert.ok(codes.includes(code), `${name} ended with ${code}: ${err}`);
      assert.match(err, new RegExp(`${name}(\\.so)?\\b`), name);
      assert.match(err, reason, name);
      assert.doesNotMatch(out, /listening/, name);
    }
  });

  test(`a reload with a plugin that is bad ${when} changes nothing`, async (t) => {
    const host = await hostFor(t);
    const { session_id } = (await chat(host, "POST", "api/session", {})).body;
    const viewer = await ChatClient.open(host.origin);
    await viewer.until(() => viewer.live);
    for (const [name, reason] of list) {
      reconfigure(host, (config) => Object.assign(config, withBad(host.home, name)));
      const { code, err } = await forHost(host, "reload");
      assert.ok(code === 1 || code === 2, `${name} ended with ${code}`);
      assert.match(err, new RegExp(`${name}(\\.so)?\\b`), name);
      assert.match(err, reason, name);
      const { turn } = await viewer.send(`after ${name}`);
      assert.equal((await viewer.ended(turn)).data.stop_reason, "end_turn");
    }
    const { checks } = JSON.parse((await forHost(host, "doctor", "--json")).out);
    assert.ok(!checks.some((check) => check.name === "bad"), "nothing is left of it");
    reconfigure(host, (config) => delete config.backends.bad);
    assert.equal((await forHost(host, "reload")).code, 0);
    assert.equal(viewer.session.session_id, session_id);
    assert.deepEqual(viewer.faults, []);
  });
}

test("check finds what is bad when it is made, a crash and a hang included, and names the instance", async (t) => {
  const home = folderFor(t);
  const names = ["create_crashes", "create_hangs", "create_fails", "create_null", "throws_in_create", "no_backend"];
  const file = path.join(home, "viaduct.yaml");
  const backends = Object.fromEntries(names.map((name) => [name.replaceAll("_", "-"), { plugin: name }]));
  writeFileSync(file, JSON.stringify({ plugins: { path: [...names.map((name) => alone(home, name)), plugins] }, backends: { echo: { plugin: "mock" }, ...backends } }, null, 1));
  const { code, out, err } = await viaduct(["check", "--config", file], { home });
  assert.deepEqual([code, out], [2, ""]);
  for (const [name, says] of [["create-crashes", /the plugin crashes \(.+\) when it is given this configuration/], ["create-hangs", /create does not return within 10 s/],
    ["create-fails", /the agent is not installed/], ["create-null", /returned nothing/], ["throws-in-create", /thrown in create/], ["no-backend", /viaduct\.backend\/1/]]) {
    const line = err.split("\n").find((one) => one.includes(`: backends.${name}: `));
    assert.match(line ?? "", says, err);
    assert.match(line, /viaduct\.yaml:\d+:\d+: /);
  }
  assert.doesNotMatch(err, /echo/);
});

test("a plugin file that hangs while it is loaded is given up", async (t) => {
  const home = folderFor(t);
  const file = path.join(home, "viaduct.yaml");
  writeFileSync(file, JSON.stringify({ ...withBad(home, "hang_on_load"), store: { path: path.join(home, "viaduct.db") } }));
  const { code, err } = await viaduct(["check", "--config", file], { home });
  assert.equal(code, 2);
  assert.match(err, /hang_on_load\.so: it does not finish loading within 10 s/);
});

test("faults that do no harm do none", async (t) => {
  for (const name of ["noisy_on_load", "extra_export", "create_calls_host", "start_twice", "unknown_call", "offers_everything", "foreign_thread", "stop_twice_crashes", "talks_after_stop"]) {
    const host = await hostFor(t, answering(folderFor(t), name));
    await chat(host, "POST", "api/session", {});
    const answer = await chat(host, "POST", "api/chat", { message: "hello there" });
    assert.equal(answer.status, 200, `${name}: ${answer.text}`);
    assert.match(answer.body.response, /hello there/, name);
    const ended = once(host.process, "exit");
    host.process.kill("SIGTERM");
    assert.deepEqual(await within(ended, `the end of the host with ${name}`, 20_000), [0, null], name);
  }
});

// [plugin, status of the HTTP answer, what its turn ended with]
for (const [name, status, reason] of [
  ["throws_in_prompt", 500, "error"],
  ["prompt_not_json", 500, "error"],
]) {
  test(`${name}: the turn ends as an error with an id, the host lives`, async (t) => {
    const host = await hostFor(t, answering(folderFor(t), name));
    const { session_id } = (await chat(host, "POST", "api/session", {})).body;
    const answer = await chat(host, "POST", "api/chat", { message: "hello" });
    assert.equal(answer.status, status, answer.text);
    assert.match(answer.body.id, /./);
    const ends = (await exported(host, session_id)).filter((entry) => entry.type === "turn_end");
    assert.deepEqual(ends.map((entry) => entry.data.stop_reason), [reason]);
    assert.equal((await chat(host, "GET", "api/session")).body.connected, true);
  });
}

test("a prompt that is answered twice is one turn_end, and a fault that is counted", async (t) => {
  const host = await hostFor(t, answering(folderFor(t), "prompt_twice"));
  const { session_id } = (await chat(host, "POST", "api/session", {})).body;
  for (const message of ["one", "two"]) await chat(host, "POST", "api/chat", { message });
  const log = await exported(host, session_id);
  assert.deepEqual(log.filter((entry) => entry.type === "turn_end").map((entry) => entry.turn), [1, 2]);
  assert.ok((await metric(host, 'viaduct_plugin_faults_total{instance="echo"}')) >= 2);
});

test("text that is no UTF-8 is stored and shown as UTF-8", async (t) => {
  const host = await hostFor(t, answering(folderFor(t), "invalid_utf8"));
  const { session_id } = (await chat(host, "POST", "api/session", {})).body;
  const viewer = await ChatClient.open(host.origin);
  const { turn } = await viewer.send("hello");
  await viewer.ended(turn);
  assert.match(viewer.texts().join(""), /\ufffd/);
  assert.deepEqual((await exported(host, session_id)).filter((entry) => entry.type === "text").map((entry) => entry.text), viewer.texts());
  assert.deepEqual(viewer.faults, []);
});

test("an event of 10 MB ends in a turn that ends, and a host that lives", async (t) => {
  const host = await hostFor(t, answering(folderFor(t), "huge_event"));
  await chat(host, "POST", "api/session", {});
  const viewer = await ChatClient.open(host.origin);
  const { turn } = await viewer.send("hello");
  assert.ok((await viewer.ended(turn)).data.stop_reason);
  assert.deepEqual(viewer.faults, []);
  assert.equal((await chat(host, "GET", "api/session")).status, 200);
});

test("what is said after the end of a turn is not shown", async (t) => {
  const host = await hostFor(t, answering(folderFor(t), "event_after_turn"));
  const { session_id } = (await chat(host, "POST", "api/session", {})).body;
  await chat(host, "POST", "api/chat", { message: "one" });
  await chat(host, "POST", "api/chat", { message: "two" });
  const log = await exported(host, session_id);
  for (const turn of [1, 2]) assert.equal(log.filter((entry) => entry.turn === turn).at(-1).type, "turn_end");
  assert.equal(log.filter((entry) => entry.type === "turn_end").length, 2);
});

test("a backend that crashes takes the host down, and after a restart the turn is interrupted and nothing else is lost", async (t) => {
  const host = await hostFor(t);
  const { session_id } = (await chat(host, "POST", "api/session", {})).body;
  await chat(host, "POST", "api/chat", { message: "before" });
  await host.stop();
  Object.assign(host.options.config, answering(host.home, "prompt_crashes").config);
  await host.start();
  const ended = once(host.process, "exit");
  const key = { "idempotency-key": "crash" };
  await assert.rejects(chat(host, "POST", "api/chat", { message: "crash" }, { headers: key }));
  assert.equal((await within(ended, "the crash"))[1], "SIGABRT");
  host.options.config = {};
  await host.start();
  const log = await exported(host, session_id);
  assert.deepEqual(log.filter((entry) => entry.type === "user_message").map((entry) => entry.text), ["before", "crash"]);
  assert.deepEqual(log.filter((entry) => entry.type === "turn_end").map((entry) => entry.data.stop_reason), ["end_turn", "interrupted"]);
  // Not run again, also when the same message comes again.
  assert.equal((await chat(host, "POST", "api/chat", { message: "crash" }, { headers: key })).status, 503);
  assert.equal((await exported(host, session_id)).filter((entry) => entry.type === "turn_end").length, 2);
});

test("a plugin that does not stop is abandoned by name, and the host ends in time", async (t) => {
  for (const name of ["stop_never", "prompt_blocks"]) {
    const host = await hostFor(t, answering(folderFor(t), name));
    const { session_id } = (await chat(host, "POST", "api/session", {})).body;
    const viewer = await ChatClient.open(host.origin);
    await viewer.send("hello", { session: session_id });
    const ended = once(host.process, "exit");
    const begin = Date.now();
    host.process.kill("SIGTERM");
    await within(ended, `the end with ${name}`, 15_000);
    assert.ok(Date.now() - begin < 15_000);
    assert.match(host.output, /abandoned.*echo|echo.*abandoned/, name);
  }
});
