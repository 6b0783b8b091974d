// Start, stop and reload, as an operator does them while people talk.
import assert from "node:assert/strict";
import { once } from "node:events";
import { copyFileSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { ChatClient } from "../support/chat_client.mjs";
import { chat, configOf, exported, faulty, fixtures, folderFor, forHost, hostFor, plugins, reconfigure, recorded, request, words } from "../support/viaduct.mjs";
import { until, within } from "../support/wait.mjs";

const kStop = 15_000;
const long = { rules: [{ match: "^long", reply: words(3000) }, { match: "^wait", delay: "60m" }], chunkDelay: "10ms" };

async function signalled(host, signal, limit = kStop) {
  const ended = once(host.process, "exit");
  const begin = Date.now();
  host.process.kill(signal);
  const [code, by] = await within(ended, `the end after ${signal}`, limit);
  return { code, by, took: Date.now() - begin };
}
const instances = async (host) => {
  const { checks } = JSON.parse((await forHost(host, "doctor", "--json")).out);
  return Object.fromEntries(checks.filter((check) => !check.name.includes(" ") && !["configuration", "host"].includes(check.name)).map((check) => [check.name, check.message]));
};

test("start prints the address of every surface, and ready is true from then on", async (t) => {
  const host = await hostFor(t);
  await until(() => host.output.includes("settings: "), "the list of surfaces");
  assert.match(host.output, new RegExp(`^viaduct listening on ${host.origin}/\n  web-chat: ${host.chat}\n  settings: ${host.settings}$`, "m"));
  assert.equal((await request(host.origin, "GET", "/readyz")).status, 200);
  for (const page of [host.chat, host.settings]) assert.equal((await fetch(page)).status, 200);
});

test("an instance that cannot start for something outside is shown as failed everywhere, the rest runs, and reload tries it again", async (t) => {
  const folder = folderFor(t);
  const gate = path.join(folder, "gate");
  const host = await hostFor(t, { config: { plugins: { path: [plugins, fixtures] }, backends: { echo: { plugin: "mock" }, tools: { plugin: "toolbox", config: { gate } } } } });
  await until(() => host.output.includes("settings: "), "the list of surfaces");
  const why = `the gate ${gate} is shut`;
  assert.ok(host.output.includes(`  tools: does not run: ${why}`), host.output);
  assert.match(host.output, /error .*instance does not run instance=tools .*is shut.*viaduct reload/);
  await chat(host, "POST", "api/session", {});
  assert.equal((await chat(host, "POST", "api/chat", { message: "hello" })).status, 200);
  const ready = await request(host.origin, "GET", "/readyz");
  assert.deepEqual([ready.status, ready.text], [200, "ready\nnot running: tools\n"]);
  assert.match((await request(host.origin, "GET", "/")).text, /<b>tools<\/b> <span>failed: the gate .* is shut<\/span>/);
  const { instances: shown } = (await request(host.origin, "GET", "/apps/settings/api/overview")).body;
  const { state, error } = shown.find(({ name }) => name === "tools");
  assert.deepEqual([state, error.message], ["failed", why]);
  const doctor = await forHost(host, "doctor");
  assert.equal(doctor.code, 1);
  assert.match(doctor.out, /^FAIL tools +does not run: the gate .* is shut$/m);
  assert.equal((await forHost(host, "tools", "list")).code, 0, "its subcommands need no start");

  const still = await forHost(host, "reload");
  assert.deepEqual([still.code, still.out], [1, `reloaded\ntools does not run: ${why}\n`]);
  writeFileSync(gate, "");
  const open = await forHost(host, "reload");
  assert.deepEqual([open.code, open.out], [0, "reloaded\n"]);
  assert.equal((await forHost(host, "tools", "list")).code, 0);
  assert.equal((await request(host.origin, "GET", "/readyz")).text, "ready\n");
});

test("a surface without a page is listed as what it is, and the landing page links to pages only", async (t) => {
  const host = await hostFor(t, { config: { plugins: { path: [plugins, fixtures] }, surfaces: { "web-chat": { plugin: "web_chat", backend: "echo" }, post: { plugin: "post_office" } } } });
  await until(() => host.output.includes("  post: "), "the list of surfaces");
  assert.match(host.output, new RegExp(`^  web-chat: ${host.chat}$`, "m"));
  assert.doesNotMatch(host.output, /^  post: http/m);
  const landing = (await request(host.origin, "GET", "/")).text;
  const links = [...landing.matchAll(/href="(\/apps\/[^"]*)"/g)].map(([, href]) => href);
  assert.deepEqual(links, ["/apps/web-chat/"]);
  for (const link of links) assert.equal((await request(host.origin, "GET", link)).status, 200);
  assert.match(landing, /<b>post<\/b> <span>running: Posts into a folder<\/span>/);
});

for (const signal of ["SIGTERM", "SIGINT"])
  test(`${signal} with a turn running, a request and WebSockets open: all are told, the partial text is kept, and it ends with 0`, async (t) => {
    const host = await hostFor(t, long);
    const { session_id } = (await chat(host, "POST", "api/session", {})).body;
    const viewer = await ChatClient.open(host.origin);
    const other = await ChatClient.open(host.origin);
    const waiting = chat(host, "POST", "api/chat", { message: "long" });
    await viewer.until(() => viewer.texts()[0]?.includes("word20"), "some text");
    const { code, by, took } = await signalled(host, signal);
    assert.deepEqual([code, by], [0, null]);
    assert.ok(took < kStop, `${took} ms`);
    const answer = await waiting;
    assert.deepEqual([answer.status, typeof answer.body.error], [503, "string"]);
    for (const one of [viewer, other]) assert.equal((await one.socket.closed).code, 1001);
    await host.start();
    const log = await exported(host, session_id);
    assert.deepEqual(log.map((entry) => entry.type), ["user_message", "text", "turn_end"]);
    assert.match(log[1].text, /^word0 word1 .*word20 /);
    assert.equal(log[2].data.stop_reason, "interrupted");
    assert.ok(log[1].text.startsWith(viewer.texts()[0]), "what was shown is kept");
    assert.equal((await chat(host, "GET", "api/session")).body.session_id, session_id);
    assert.equal((await chat(host, "POST", "api/chat", { message: "hello" })).status, 200);
  });

test("what waits in a queue when the host is stopped runs after the start, once and in order", async (t) => {
  const host = await hostFor(t, long);
  const { session_id } = (await chat(host, "POST", "api/session", {})).body;
  const viewer = await ChatClient.open(host.origin);
  for (const text of ["wait", "one", "two"]) await viewer.send(text);
  await viewer.until(() => viewer.state.waiting_turns.length === 2);
  assert.equal((await signalled(host, "SIGTERM")).code, 0);
  await host.start();
  const log = await until(async () => {
    const now = await exported(host, session_id);
    return now.filter((entry) => entry.type === "turn_end").length === 3 && now;
  }, "the end of all turns");
  assert.deepEqual(log.filter((entry) => entry.type === "turn_end").map((entry) => [entry.turn, entry.data.stop_reason]), [[1, "interrupted"], [2, "end_turn"], [3, "end_turn"]]);
  assert.deepEqual(log.filter((entry) => entry.type === "text").map((entry) => entry.text), ["[Mock response to: one]", "[Mock response to: two]"]);
});

test("nothing new is taken while it stops", async (t) => {
  const host = await hostFor(t, long);
  await chat(host, "POST", "api/session", {});
  const first = await signalled(host, "SIGTERM");
  assert.equal(first.code, 0);
  await assert.rejects(chat(host, "GET", "api/session"), { code: "ECONNREFUSED" });
});

test("a second signal ends it at once", async (t) => {
  const host = await hostFor(t);
  const own = path.join(host.home, "own");
  mkdirSync(own);
  copyFileSync(path.join(faulty, "stop_never.so"), path.join(own, "stop_never.so"));
  reconfigure(host, (config) => {
    config.plugins.path = [own, plugins];
    config.backends.stuck = { plugin: "stop_never" };
  });
  assert.equal((await forHost(host, "reload")).code, 0);
  const ended = once(host.process, "exit");
  host.process.kill("SIGTERM");
  await until(() => host.output.includes("stopping"), "the beginning of the end");
  const begin = Date.now();
  host.process.kill("SIGTERM");
  assert.deepEqual(await within(ended, "the end", 5000), [1, null]);
  assert.ok(Date.now() - begin < 2500, "it did not wait for the plugin");
  assert.match(host.output, /second signal/);
});

// ---------------------------------------------------------------- reload

test("reload adds, changes, restarts and removes instances while another surface keeps its WebSocket, its sessions and its running turn", async (t) => {
  const host = await hostFor(t, long);
  const { session_id } = (await chat(host, "POST", "api/session", {})).body;
  const viewer = await ChatClient.open(host.origin);
  const { turn } = await viewer.send("long");
  await viewer.until(() => viewer.texts()[0]?.includes("word5"));
  const reload = async (change) => {
    reconfigure(host, change);
    const { code, out, err } = await forHost(host, "reload");
    assert.deepEqual([code, out, err], [0, "reloaded\n", ""]);
  };
  const second = (method, route, body) => chat(host, method, route, body, { surface: "second" });

  await reload((config) => {
    config.backends.other = { plugin: "mock", config: { rules: [{ match: ".", reply: "other one" }] } };
    config.surfaces.second = { plugin: "web_chat", backend: "other" };
  });
  assert.deepEqual(await instances(host), { echo: "running", other: "running", "web-chat": "running", settings: "running", second: "running" });
  const made = (await second("POST", "api/session", {})).body.session_id;
  assert.equal((await second("POST", "api/chat", { message: "x" })).body.response, "other one");

  await reload((config) => (config.backends.other.config.rules[0].reply = "other two"));
  assert.equal((await second("POST", "api/chat", { message: "x" })).body.response, "other two");
  assert.equal((await second("GET", "api/session")).body.session_id, made);

  await reload((config) => (config.surfaces.second = { plugin: "settings" }));
  assert.equal((await second("GET", "api/session")).status, 404);
  assert.equal((await fetch(`${host.origin}/apps/second/`)).status, 200);

  await reload((config) => (config.surfaces.second = { plugin: "web_chat", backend: "echo" }));
  assert.equal((await second("GET", "api/session")).body.session_id, made, "what it knew is still there");

  await reload((config) => {
    delete config.surfaces.second;
    delete config.backends.other;
  });
  assert.equal((await second("GET", "api/session")).status, 404);
  assert.deepEqual(Object.keys(await instances(host)).sort(), ["echo", "settings", "web-chat"]);

  assert.ok(!viewer.socket.isClosed);
  assert.equal(viewer.ends(turn).length, 0, "the turn ran through all of it");
  await viewer.request("cancel");
  assert.equal((await viewer.ended(turn)).data.stop_reason, "cancelled");
  assert.equal((await chat(host, "GET", "api/session")).body.session_id, session_id);
  assert.deepEqual(viewer.faults, []);
});

test("a surface that is removed or replaced tells its pages to come back", async (t) => {
  const host = await hostFor(t);
  reconfigure(host, (config) => (config.surfaces.second = { plugin: "web_chat", backend: "echo" }));
  await forHost(host, "reload");
  const stays = await ChatClient.open(host.origin);
  const goes = await ChatClient.open(host.origin, { surface: "second" });
  reconfigure(host, (config) => delete config.surfaces.second);
  await forHost(host, "reload");
  assert.ok([1001, 1012].includes((await within(goes.socket.closed, "the end of its WebSocket")).code));
  assert.deepEqual(await stays.request("ping"), { pong: true });
});

test("SIGHUP reloads, too", async (t) => {
  const host = await hostFor(t);
  reconfigure(host, (config) => (config.surfaces.second = { plugin: "web_chat", backend: "echo" }));
  host.process.kill("SIGHUP");
  await until(async () => (await chat(host, "GET", "api/session", undefined, { surface: "second" })).status === 200, "the new surface");
  assert.match(host.output, /configuration reloaded/);
});

test("new rules of the mock are taken over without losing a session", async (t) => {
  const host = await hostFor(t);
  await chat(host, "POST", "api/session", {});
  await chat(host, "POST", "api/chat", { message: "one" });
  reconfigure(host, (config) => (config.backends.echo.config.rules = [{ match: "said", recall: true }]));
  assert.equal((await forHost(host, "reload")).code, 0);
  assert.equal((await chat(host, "POST", "api/chat", { message: "what was said" })).body.response, "You said: one");
  assert.deepEqual(recorded(host).map((call) => call.method), ["create_session", "send_message", "send_message"], "the backend kept it");
});

test("a backend that is taken away interrupts its turns; given back it goes on with them", async (t) => {
  const host = await hostFor(t, long);
  const { session_id } = (await chat(host, "POST", "api/session", {})).body;
  const viewer = await ChatClient.open(host.origin);
  const { turn } = await viewer.send("long");
  await viewer.until(() => viewer.texts()[0]?.includes("word5"));
  const before = readFileSync(configOf(host), "utf8");
  reconfigure(host, (config) => {
    config.backends = { spare: { plugin: "mock" } };
    config.surfaces["web-chat"].backend = "spare";
  });
  assert.equal((await forHost(host, "reload")).code, 0);
  assert.equal((await viewer.ended(turn)).data.stop_reason, "interrupted");
  const none = await chat(host, "POST", "api/chat", { message: "anybody?" });
  assert.equal(none.status, 503, none.text);
  writeFileSync(configOf(host), before);
  assert.equal((await forHost(host, "reload")).code, 0);
  assert.equal((await chat(host, "POST", "api/chat", { message: "back?" })).status, 200);
  assert.equal((await chat(host, "GET", "api/session")).body.session_id, session_id);
});

test("a reload with errors changes nothing, names them all, and is tried again when they are mended", async (t) => {
  const host = await hostFor(t);
  await chat(host, "POST", "api/session", {});
  const viewer = await ChatClient.open(host.origin);
  const good = readFileSync(configOf(host), "utf8");
  for (const [change, says] of [
    [(config) => (config.surfaces.second = { plugin: "web_chat", backend: "eco" }), /viaduct\.yaml:\d+:\d+: .*"eco".*"echo"/],
    [(config) => (config.backends.echo.config.rules = [{ match: "a", fail: "dead" }]), /viaduct\.yaml:\d+:\d+: .*"dead"/],
    [(config) => (config.backends.echo.config.rules = [{ match: "(" }]), /echo.*rules\[0\]\.match/],
    [(config) => (config.serfaces = {}), /"serfaces"/],
  ]) {
    writeFileSync(configOf(host), good);
    reconfigure(host, change);
    const { code, err } = await forHost(host, "reload");
    assert.ok(code === 1 || code === 2);
    assert.match(err, says);
    const logged = (host.output.match(/not reloaded/g) ?? []).length;
    host.process.kill("SIGHUP");
    await until(() => (host.output.match(/not reloaded/g) ?? []).length > logged, "the refusal of SIGHUP");
    assert.equal((await chat(host, "POST", "api/chat", { message: "x" })).body.response, "[Mock response to: x]");
  }
  writeFileSync(configOf(host), "{ broken");
  assert.equal((await forHost(host, "reload")).code, 2);
  writeFileSync(configOf(host), good);
  assert.equal((await forHost(host, "reload")).code, 0);
  assert.deepEqual(await viewer.request("ping"), { pong: true });
});

test("what takes a restart is said", async (t) => {
  const host = await hostFor(t);
  reconfigure(host, (config) => (config.server.listen = "127.0.0.1:1"));
  for (const time of ["first", "second"]) {
    const { code, out } = await forHost(host, "reload");
    assert.equal(code, 0);
    assert.match(out, /^takes a restart to change: server\.listen$/m, `the ${time} time`);
  }
  assert.match(host.output, /takes a restart: server\.listen/);
  assert.equal((await chat(host, "GET", "api/session")).status, 200);
});

test("a plugin that is dropped into a folder of plugins.path can be used after a reload", async (t) => {
  const host = await hostFor(t);
  const own = path.join(host.home, "plugins");
  reconfigure(host, (config) => (config.plugins.path = ["./plugins", ...config.plugins.path]));
  assert.equal((await forHost(host, "reload")).code, 0, "a folder that is not there yet is fine");
  mkdirSync(own);
  copyFileSync(path.join(plugins, "mock.so"), path.join(own, "parrot.so"));
  reconfigure(host, (config) => {
    config.backends.bird = { plugin: "parrot" };
    config.surfaces.aviary = { plugin: "web_chat", backend: "bird" };
  });
  assert.equal((await forHost(host, "reload")).code, 0);
  const bird = (method, route, body) => chat(host, method, route, body, { surface: "aviary" });
  await bird("POST", "api/session", {});
  assert.equal((await bird("POST", "api/chat", { message: "hello" })).body.response, "[Mock response to: hello]");
});

test("a plugin file that was replaced takes a restart, and the reload says so", async (t) => {
  const host = await hostFor(t);
  const own = path.join(host.home, "plugins");
  mkdirSync(own);
  const file = path.join(own, "parrot.so");
  copyFileSync(path.join(plugins, "mock.so"), file);
  reconfigure(host, (config) => {
    config.plugins.path = [own, ...config.plugins.path];
    config.backends.bird = { plugin: "parrot" };
  });
  assert.equal((await forHost(host, "reload")).code, 0);
  copyFileSync(path.join(plugins, "mock.so"), `${file}.new`);
  renameSync(`${file}.new`, file);
  const { code, out } = await forHost(host, "reload");
  assert.deepEqual([code, out], [0, "reloaded\ntakes a restart to change: the replaced file of the plugin parrot\n"]);
  assert.match(host.output, /takes a restart: the replaced file of the plugin parrot/);
});

test("what was said to a backend that is not configured any more stays readable, on every page; who writes there is told what to do", async (t) => {
  const host = await hostFor(t);
  await chat(host, "POST", "api/session", {});
  assert.equal((await chat(host, "POST", "api/chat", { message: "before" })).status, 200);
  reconfigure(host, (config) => {
    config.backends = { other: { plugin: "mock" } };
    config.surfaces["web-chat"] = { plugin: "web_chat", backend: "other" };
  });
  const reloaded = await forHost(host, "reload");
  assert.equal(reloaded.code, 0, reloaded.err);
  const viewer = await ChatClient.open(host.origin);
  await viewer.until(() => viewer.live);
  assert.deepEqual(viewer.of("user_message").map(({ text }) => text), ["before"]);
  const { turn } = await viewer.send("after");
  const { data } = await viewer.ended(turn);
  assert.equal(data.stop_reason, "error");
  assert.match(JSON.stringify(data), /The backend echo is not configured any more: list it in the configuration again and run `viaduct reload`, or begin a new session/);
  assert.doesNotMatch(JSON.stringify(data), /try again/);
  // Nobody is there any more who could delete what it keeps: the session can be deleted all the same.
  const purged = await until(async () => {
    const { code, out, err } = await forHost(host, "sessions", "purge", "--older-than", "1ms");
    assert.equal(code, 0, err);
    return /deleted 1 session/.test(out) && out;
  }, "the session is deleted");
  assert.match(purged, /deleted 1 session/);
});
