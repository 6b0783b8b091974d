// Requests that are wrong, too large, too slow or from somebody else: each gets its answer, and never a 500.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { ChatClient } from "../support/chat_client.mjs";
import { bytes, chat, Host, hostFor, metric, request, words } from "../support/viaduct.mjs";
import { within } from "../support/wait.mjs";

const server = (limits) => ({ listen: "127.0.0.1:0", limits });
let host;
before(async () => {
  host = await Host.start({ config: { server: server({ header: "4KiB", body: "32KiB", message: "32KiB" }) } });
  await chat(host, "POST", "api/session", {});
});
after(() => host?.remove());

const isJsonError = (answer, what) => {
  assert.match(answer.headers["content-type"], /^application\/json/, what);
  assert.equal(typeof answer.body?.error, "string", what);
};
const isAlive = async () => {
  const answer = await chat(host, "POST", "api/chat", { message: "still there?" });
  assert.equal(answer.body.response, "[Mock response to: still there?]");
};

const posts = ["api/session", "api/chat", "api/session/resume", "api/memory/remember", "api/memory/work-log"];
const bodies = [
  ["{", "no JSON"],
  ["nothing", "no JSON"],
  ["[1]", "a list"],
  ["1", "a number"],
  ["null", "null"],
  ['"text"', "a text"],
  [Buffer.from('{"message":"\xff","session_id":"\xff","text":"\xff","description":"\xff","items":["\xff"]}', "latin1"), "invalid UTF-8"],
  ['{"message":"a\\u0000b","session_id":"a\\u0000b","text":"a\\u0000b","working_dir":"a\\u0000b","items":[{"task":"a\\u0000b"}]}', "NUL"],
  ['{"message":1,"session_id":1,"text":1,"working_dir":1,"items":1}', "numbers"],
  ['{"message":["a"],"session_id":["a"],"text":["a"],"working_dir":["a"],"items":["a"]}', "lists"],
  ['{"message":{},"session_id":{},"text":{},"working_dir":{},"items":{}}', "objects"],
  ['{"message":true,"session_id":true,"text":true,"working_dir":true,"items":true}', "truth"],
  [`${"[".repeat(10_000)}`, "deep nesting"],
  ['{"message":"a"} trailing', "something behind"],
];

for (const route of posts) {
  test(`POST ${route} answers 400 in words to every body that is wrong`, async () => {
    for (const [body, what] of bodies) {
      const answer = await chat(host, "POST", route, body);
      assert.equal(answer.status, 400, `${what}: ${answer.status} ${answer.text}`);
      isJsonError(answer, what);
    }
    await isAlive();
  });
}

test("what is required is asked for by its name, also when it is blank", async () => {
  for (const [route, field] of [["api/chat", "message"], ["api/session/resume", "session_id"], ["api/memory/remember", "text"]])
    for (const body of ["", "{}", JSON.stringify({ [field]: "" }), JSON.stringify({ [field]: " \n\t" }), JSON.stringify({ [field]: null })]) {
      const answer = await chat(host, "POST", route, body);
      assert.deepEqual([answer.status, answer.body], [400, { error: `${field} is required` }], body);
    }
});

test("wrong queries and wrong keys are 400", async () => {
  for (const target of [
    "api/memory/recall", "api/memory/recall?q=", "api/memory/recall?q=%20", "api/memory/recall?q=%ff", "api/memory/recall?q=%00", "api/memory/recall?q=%2",
    "api/sessions?limit=0", "api/sessions?limit=201", "api/sessions?limit=-1", "api/sessions?limit=x", "api/sessions?limit=99999999999", "api/sessions?before=nonsense",
  ]) {
    const answer = await chat(host, "GET", target);
    assert.equal(answer.status, 400, `${target}: ${answer.status} ${answer.text}`);
    isJsonError(answer, target);
  }
  for (const key of ["two words", "k".repeat(201), "ä"])
    for (const route of ["api/chat", "api/session"]) {
      const answer = await chat(host, "POST", route, { message: "x" }, { headers: { "idempotency-key": key } });
      assert.equal(answer.status, 400, `${key} ${answer.text}`);
    }
});

test("a method that a route does not have is 405 as JSON, with those that it has", async () => {
  const routes = {
    "api/session": ["GET", "POST"], "api/chat": ["POST"], "api/end": ["POST"], "api/sessions": ["GET"], "api/session/resume": ["POST"],
    "api/memory/remember": ["POST"], "api/memory/recall": ["GET"], "api/memory/work-status": ["GET"], "api/memory/work-log": ["POST"],
  };
  for (const [route, allowed] of Object.entries(routes))
    for (const method of ["GET", "POST", "PUT", "PATCH", "DELETE"]) {
      if (allowed.includes(method)) continue;
      const answer = await chat(host, method, route, method === "GET" ? undefined : "{}");
      assert.equal(answer.status, 405, `${method} ${route}`);
      isJsonError(answer, route);
      for (const one of allowed) assert.ok(answer.headers.allow.split(/, */).includes(one), `${route}: ${answer.headers.allow}`);
    }
});

test("what is not there is 404 as JSON", async () => {
  for (const target of ["/apps/web-chat/api/nothing", "/apps/nothing/", "/apps/", "/nothing", "/apps/web-chat/nothing.js"]) {
    const answer = await request(host.origin, "GET", target);
    assert.equal(answer.status, 404, target);
    isJsonError(answer, target);
  }
});

test("a header over its limit is 431, a body over its limit 413", async () => {
  const header = await chat(host, "GET", "api/session", undefined, { headers: { "x-long": "a".repeat(5000) } });
  assert.equal(header.status, 431);
  isJsonError(header);
  for (const extra of ["", "Expect: 100-continue\r\n"]) {
    const body = await bytes(host.port, `POST /apps/web-chat/api/chat HTTP/1.1\r\nHost: 127.0.0.1:${host.port}\r\n${extra}Content-Length: 40000\r\n\r\n`);
    assert.equal(body.status, 413, extra);
  }
  const sent = await chat(host, "POST", "api/chat", { message: "a".repeat(40_000) });
  assert.equal(sent.status, 413);
  isJsonError(sent);
  const chunked = await bytes(
    host.port,
    `POST /apps/web-chat/api/chat HTTP/1.1\r\nHost: 127.0.0.1:${host.port}\r\nTransfer-Encoding: chunked\r\n\r\n9C40\r\n${"a".repeat(40_000)}\r\n0\r\n\r\n`,
  );
  assert.equal(chunked.status, 413);
  const fits = await chat(host, "POST", "api/chat", { message: "a".repeat(30_000) });
  assert.equal(fits.status, 200);
});

test("what is no HTTP gets 400, or nothing, and the host goes on", async () => {
  for (const garbage of ["GET\r\n\r\n", "GET / HTTP/9.9\r\n\r\n", "GET / HTTP/1.1\r\nConnection: close", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + "\x00".repeat(100), "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    `POST /apps/web-chat/api/chat HTTP/1.1\r\nHost: 127.0.0.1:${host.port}\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello`,
    `POST /apps/web-chat/api/chat HTTP/1.1\r\nHost: 127.0.0.1:${host.port}\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`]) {
    const { status } = await bytes(host.port, Buffer.from(garbage + "\r\n\r\n", "latin1"));
    assert.ok(status === 0 || (status >= 400 && status < 500) || status === 505, `${JSON.stringify(garbage.slice(0, 40))}: ${status}`);
  }
  await isAlive();
});

test("a slow header and a slow body are 408, an idle connection is closed", async (t) => {
  const slow = await hostFor(t, { config: { server: server({ header_timeout: "500ms", body_timeout: "500ms", idle_timeout: "500ms" }) } });
  const header = await bytes(slow.port, "GET /healthz HTTP/1.1\r\nHost: ");
  assert.equal(header.status, 408);
  const body = await bytes(slow.port, `POST /apps/web-chat/api/chat HTTP/1.1\r\nHost: 127.0.0.1:${slow.port}\r\nContent-Length: 100\r\n\r\n{"mess`);
  assert.equal(body.status, 408);
  const idle = await bytes(slow.port, `GET /healthz HTTP/1.1\r\nHost: 127.0.0.1:${slow.port}\r\n\r\n`);
  assert.equal(idle.status, 200);
});

// ---------------------------------------------------------------- who asks

const foreign = (port) => [
  ["a page from elsewhere", { origin: "http://evil.example" }],
  ["a page from another port of this machine", { origin: `http://127.0.0.1:${port === 1 ? 2 : port - 1}` }],
  ["a page whose address begins the same", { origin: `http://127.0.0.1:${port}.evil.example` }],
  ["a page whose name begins the same", { origin: `http://127.0.0.1.evil.example:${port}` }],
  ["another scheme", { origin: `https://127.0.0.1:${port}` }],
  ["a page without an origin of its own", { origin: "null" }],
  ["a rebound name", { host: `rebound.example:${port}` }],
  ["a rebound name with its own origin", { host: `rebound.example:${port}`, origin: `http://rebound.example:${port}` }],
  ["another port in Host", { host: "127.0.0.1:1" }],
  ["no port in Host", { host: "127.0.0.1" }],
  ["X-Forwarded-For", { "x-forwarded-for": "127.0.0.1" }],
  ["X-Forwarded-Host", { "x-forwarded-host": "127.0.0.1" }],
  ["X-Forwarded-Proto", { "x-forwarded-proto": "http" }],
  ["Forwarded", { forwarded: "for=127.0.0.1" }],
];

test("strangers get 403, whatever they ask for", async () => {
  for (const [who, headers] of foreign(host.port))
    for (const [method, route] of [["POST", "api/session"], ["POST", "api/chat"], ["GET", "api/sessions"], ["POST", "api/end"], ["GET", "api/nothing"]]) {
      const answer = await chat(host, method, route, method === "POST" ? { message: "x" } : undefined, { headers });
      assert.equal(answer.status, 403, `${who}: ${method} ${route}: ${answer.status}`);
      isJsonError(answer, who);
      assert.equal(answer.headers["access-control-allow-origin"], undefined);
    }
});

test("strangers do not get the WebSocket", async () => {
  for (const [who, given] of foreign(host.port)) {
    const headers = Object.fromEntries(Object.entries(given).map(([name, value]) => [name === "host" ? "Host" : name, value]));
    await assert.rejects(ChatClient.connect(host.origin, { headers }), { status: 403 }, who);
  }
});

test("our own page, and programs without an origin, are let in", async () => {
  for (const headers of [{}, { origin: host.origin }]) {
    assert.equal((await chat(host, "GET", "api/session", undefined, { headers })).status, 200);
    const client = await ChatClient.connect(host.origin, { headers });
    await client.hello();
    await client.socket.close();
  }
});

test("a name that the configuration allows is let in, and only with its own origin", async (t) => {
  const named = await hostFor(t, { config: { server: { listen: "127.0.0.1:0", allowed_hosts: ["chat.example:8443"] } } });
  const ask = async (headers) => (await chat(named, "GET", "api/session", undefined, { headers })).status;
  assert.equal(await ask({ host: "chat.example:8443" }), 200);
  assert.equal(await ask({ host: "CHAT.example:8443", origin: "http://chat.example:8443" }), 200);
  assert.equal(await ask({ host: "chat.example" }), 403);
  assert.equal(await ask({ host: "chat.example:8443", origin: named.origin }), 403);
  assert.equal(await ask({ origin: "http://chat.example:8443" }), 403);
});

test("no path leads out of the pages", async () => {
  for (const target of [
    "/apps/web-chat/../../../../etc/passwd", "/apps/web-chat/%2e%2e/%2e%2e/etc/passwd", "/apps/web-chat/..%2f..%2fetc%2fpasswd", "/apps/web-chat/....//etc/passwd",
    "/apps/web-chat/%252e%252e/etc/passwd", "/apps/web-chat/..\\..\\etc\\passwd", "/apps/web-chat//etc/passwd", "//etc/passwd", "/../viaduct.db", "/apps/../viaduct.yaml",
    "/apps/web-chat/%00", "/apps/web-chat/%ff", "/apps/web-chat/%2", "/apps/web-chat/../settings/api", "/apps/web-chat/./api/session/..", "/etc/passwd%00.html",
  ]) {
    const answer = await bytes(host.port, `GET ${target} HTTP/1.1\r\nHost: 127.0.0.1:${host.port}\r\nConnection: close\r\n\r\n`);
    assert.ok([400, 404].includes(answer.status), `${target}: ${answer.status}`);
    assert.doesNotMatch(answer.body, /root:|SQLite/);
  }
});

test("pages come with a strict policy, a tag and compressed", async () => {
  const page = await request(host.origin, "GET", "/apps/web-chat/");
  assert.equal(page.status, 200);
  assert.match(page.headers["content-type"], /^text\/html/);
  const policy = page.headers["content-security-policy"];
  assert.match(policy, /default-src 'self'|default-src 'none'/);
  assert.doesNotMatch(policy, /unsafe-inline.*script|script-src[^;]*(unsafe|http)|\*/);
  assert.match(policy, /frame-ancestors 'none'/);
  assert.equal(page.headers["x-content-type-options"], "nosniff");
  const again = await request(host.origin, "GET", "/apps/web-chat/", { headers: { "if-none-match": page.headers.etag } });
  assert.deepEqual([again.status, again.text], [304, ""]);
  const packed = await request(host.origin, "GET", "/apps/web-chat/", { headers: { "accept-encoding": "gzip" } });
  assert.equal(packed.headers["content-encoding"], "gzip");
  assert.match(packed.headers.vary, /accept-encoding/i);
  for (const [, source] of page.text.matchAll(/(?:src|href)="([^"]+)"/g)) {
    assert.doesNotMatch(source, /^(https?:)?\/\//);
    if (source.startsWith("data:")) continue;
    assert.equal((await request(host.origin, "GET", new URL(source, host.chat).pathname)).status, 200, source);
  }
  assert.doesNotMatch(page.text, /<script(?![^>]*src)/);
});

test("the host's own pages say that it is well, and count", async () => {
  assert.equal((await request(host.origin, "GET", "/healthz")).text, "ok\n");
  assert.equal((await request(host.origin, "GET", "/readyz")).text, "ready\n");
  const metrics = await request(host.origin, "GET", "/metrics");
  assert.match(metrics.headers["content-type"], /^text\/plain; version=0\.0\.4/);
  assert.match(metrics.text, /^viaduct_turns_total\{backend="echo",stop_reason="end_turn"\} \d+$/m);
  const landing = await request(host.origin, "GET", "/");
  assert.match(landing.text, /href="\/apps\/web-chat\/"/);
  assert.match(landing.text, /href="\/apps\/settings\/"/);
});

// ---------------------------------------------------------------- slow readers

const long = { rules: [{ match: "^long", reply: words(30_000, "some-long-word-") }], chunkDelay: "0ms" };

test("a WebSocket that is read slowly loses nothing and holds up nobody", async (t) => {
  const big = await hostFor(t, { ...long, config: { server: server({ send_queue: "16KiB" }) } });
  await chat(big, "POST", "api/session", {});
  const slow = await ChatClient.open(big.origin);
  const fast = await ChatClient.open(big.origin);
  await slow.until(() => slow.live);
  slow.socket.pause();
  const { turn } = await fast.send("long");
  await fast.ended(turn);
  assert.equal(fast.texts()[0], long.rules[0].reply);
  slow.socket.resume();
  await slow.ended(turn);
  assert.deepEqual(slow.list(), fast.list());
  assert.deepEqual([slow.faults, fast.faults], [[], []]);
});

test("a WebSocket that takes nothing is cut off with a reason, and comes back with its cursor", async (t) => {
  const big = await hostFor(t, { ...long, config: { server: server({ send_queue: "16KiB", send_timeout: "1s" }) } });
  await chat(big, "POST", "api/session", {});
  const stuck = await ChatClient.open(big.origin);
  await stuck.until(() => stuck.live);
  stuck.socket.pause();
  const other = await ChatClient.open(big.origin);
  assert.equal(await metric(big, "viaduct_websockets"), 2);
  // The kernel's buffers hold some megabytes, and those are all that it gets.
  for (let i = 0; i < 100 && (await metric(big, "viaduct_websockets")) === 2; ++i) await other.ended((await other.send("long")).turn);
  assert.equal(await metric(big, "viaduct_websockets"), 1, "it was cut off");
  stuck.socket.resume();
  const { code } = await within(stuck.socket.closed, "the cut");
  assert.notEqual(code, 1000);
  assert.ok(stuck.list().length < other.list().length, "it did not get everything");
  const back = await ChatClient.open(big.origin, { like: stuck });
  await back.until(() => back.live);
  // What it missed may be more than is kept at hand: then it begins anew with the newest, and the rest is history.
  const all = back.list();
  while (all[0].entry > 1) all.unshift(...(await back.request("history", { before: all[0].entry })).entries);
  assert.deepEqual(all, other.list());
  assert.deepEqual(back.faults, []);
});
