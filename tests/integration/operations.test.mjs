// What an operator sees of a host that runs: its log, its metrics, its settings page; and what a webhook sees.
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { chat, folderFor, forHost, hostFor, metric, plugins, reconfigure, request } from "../support/viaduct.mjs";
import { until } from "../support/wait.mjs";

const kSecret = "correct-horse-battery-staple";

// A host whose title of the web chat is a secret in a file.
async function secretive(t, config) {
  const folder = folderFor(t);
  const file = path.join(folder, "title");
  writeFileSync(file, `${kSecret}\n`);
  const surfaces = { "web-chat": { plugin: "web_chat", backend: "echo", config: { title: `\${file:${file}}` } }, settings: { plugin: "settings" } };
  return hostFor(t, { config: { surfaces, ...config } });
}

test("a JSON log is one object a line, with the ids by which to follow a request, a session and a turn", async (t) => {
  const host = await secretive(t, { log: { format: "json", level: "debug" } });
  const { session_id } = (await chat(host, "POST", "api/session", {})).body;
  const answer = await chat(host, "POST", "api/chat", { message: `my password is ${kSecret}` });
  const id = answer.headers["x-request-id"];
  assert.match(id, /^[\w-]+$/);
  await host.stop();
  const records = host.output.split("\n").filter((line) => line.startsWith("{")).map((line) => JSON.parse(line));
  const plain = host.output.split("\n").filter((line) => line && !line.startsWith("{") && !/^(viaduct listening|  \S+: http)/.test(line));
  assert.deepEqual(plain, []);
  for (const record of records) assert.match(JSON.stringify(record), /"level":"(debug|info|warn|error)"/);
  const text = records.map((record) => JSON.stringify(record));
  assert.ok(text.some((line) => line.includes(id) && line.includes("/api/chat") && line.includes("200")), "the request by its id");
  assert.ok(text.some((line) => line.includes(session_id) && /turn/.test(line)), "the turn by its session");
  assert.ok(!host.output.includes(kSecret), "no secret, also where a user repeats it");
});

test("a text log is one line for each thing, and no client can write its own", async (t) => {
  const host = await hostFor(t);
  await request(host.origin, "GET", "/nothing%0a2026-01-01T00:00:00Z%20error%20forged");
  await chat(host, "POST", "api/session", { description: "x\n2026-01-01 error forged" });
  await host.stop();
  for (const line of host.output.trim().split("\n")) assert.match(line, /^(\d{4}-\d\d-\d\dT[\d:.]+Z (debug|info|warn|error) |viaduct listening|  \S+: http)/, line);
});

test("metrics count turns, sessions and what had to be restored", async (t) => {
  const host = await hostFor(t, { rules: [{ match: "^flaky$", fail: "unavailable" }] });
  await chat(host, "POST", "api/session", {});
  for (const message of ["one", "two", "flaky"]) await chat(host, "POST", "api/chat", { message });
  assert.equal(await metric(host, 'viaduct_sessions_created_total{backend="echo"}'), 1);
  assert.equal(await metric(host, 'viaduct_turns_total{backend="echo",stop_reason="end_turn"}'), 2);
  assert.equal(await metric(host, 'viaduct_turns_total{backend="echo",stop_reason="error"}'), 1);
  await host.kill();
  await host.start();
  await chat(host, "POST", "api/chat", { message: "three" });
  assert.equal(await metric(host, 'viaduct_resumes_total{backend="echo",outcome="ok",reason="refused",rung="transcript"}'), 1);
});

test("the settings page has every instance, the effective configuration without secrets, and what is kept", async (t) => {
  const host = await secretive(t);
  await chat(host, "POST", "api/session", {});
  await chat(host, "POST", "api/memory/remember", { text: "something" });
  const seen = await request(host.origin, "GET", "/apps/settings/api/overview");
  assert.equal(seen.status, 200);
  assert.ok(!seen.text.includes(kSecret));
  assert.deepEqual(seen.body.instances.map((one) => [one.name, one.kind, one.plugin, one.state]), [
    ["echo", "backend", "mock", "running"], ["web-chat", "surface", "web_chat", "running"], ["settings", "surface", "settings", "running"],
  ]);
  assert.deepEqual([seen.body.sessions, seen.body.memories], [1, 1]);
  const value = (name) => seen.body.configuration.find((one) => one.path === name);
  const title = value("surfaces.web-chat.config.title");
  assert.deepEqual([title.value, title.secret], [null, true]);
  assert.match(title.origin, /^viaduct\.yaml:\d+:\d+ \$\{file:/);
  assert.equal(value("server.limits.body").origin, "default");
  assert.equal((await request(host.origin, "POST", "/apps/settings/api/overview", { body: {} })).status, 405);
  assert.equal((await request(host.origin, "GET", "/apps/settings/api/overview", { headers: { origin: "http://evil.example" } })).status, 403);
});

test("the settings page follows a reload, and a failed one changes nothing there", async (t) => {
  const host = await hostFor(t);
  const names = async () => (await request(host.origin, "GET", "/apps/settings/api/overview")).body.instances.map((one) => one.name);
  reconfigure(host, (config) => (config.backends.other = { plugin: "mock" }));
  await forHost(host, "reload");
  assert.deepEqual(await names(), ["echo", "other", "web-chat", "settings"]);
  reconfigure(host, (config) => (config.backends.third = { plugin: "mock", config: { rules: [{ match: "(" }] } }));
  await forHost(host, "reload");
  assert.deepEqual(await names(), ["echo", "other", "web-chat", "settings"]);
});

test("the listener for webhooks serves nothing but webhooks", async (t) => {
  const host = await hostFor(t, { config: { server: { listen: "127.0.0.1:0", webhooks: { listen: "127.0.0.1:0" } } } });
  const [, address] = await until(() => /listening for webhooks on (http:\/\/127\.0\.0\.1:\d+)\//.exec(host.output), "its address");
  for (const [method, target] of [["GET", "/"], ["GET", "/healthz"], ["GET", "/metrics"], ["GET", "/apps/web-chat/"], ["GET", "/apps/web-chat/api/session"], ["POST", "/apps/web-chat/api/session"], ["GET", "/apps/settings/api/overview"]]) {
    const answer = await request(address, method, target, { body: method === "POST" ? {} : undefined });
    assert.ok([403, 404].includes(answer.status), `${method} ${target}: ${answer.status}`);
  }
  assert.deepEqual((await chat(host, "GET", "api/sessions")).body.sessions, []);
  assert.equal((await request(host.origin, "GET", "/healthz")).status, 200);
});

test("plugins of the same file under two names are two instances", async (t) => {
  const host = await hostFor(t, {
    config: {
      plugins: { path: [plugins] },
      backends: { one: { plugin: "mock", config: { rules: [{ match: ".", reply: "one" }] } }, two: { plugin: "mock", config: { rules: [{ match: ".", reply: "two" }] } } },
      surfaces: { first: { plugin: "web_chat", backend: "one" }, second: { plugin: "web_chat", backend: "two" } },
    },
  });
  for (const [surface, reply] of [["first", "one"], ["second", "two"]]) {
    await chat(host, "POST", "api/session", {}, { surface });
    assert.equal((await chat(host, "POST", "api/chat", { message: "who?" }, { surface })).body.response, reply);
  }
});
