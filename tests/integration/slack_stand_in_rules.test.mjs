// What the stand-in Slack does besides what Bolt shows: retries, streams that end, addresses that are used up, and every fault that a test can ask for.
import assert from "node:assert/strict";
import http from "node:http";
import { test } from "node:test";
import { Slack } from "../support/slack.mjs";
import { WebSocketClient } from "../support/websocket.mjs";
import { request } from "../support/viaduct.mjs";
import { until } from "../support/wait.mjs";

const kForm = { "content-type": "application/x-www-form-urlencoded" };
// One call as a client would make it; objects are sent as Slack's clients do.
async function call(slack, method, args = {}, { token = slack.botToken, json = false, headers = {} } = {}) {
  const form = new URLSearchParams(Object.entries(args).map(([name, value]) => [name, typeof value === "object" ? JSON.stringify(value) : String(value)])).toString();
  const answer = await request(slack.origin, "POST", `/api/${method}`, {
    headers: { ...(json ? { "content-type": "application/json; charset=utf-8" } : kForm), ...(token ? { authorization: `Bearer ${token}` } : {}), ...headers }, body: json ? JSON.stringify(args) : form,
  });
  return { ...answer, ...answer.body };
}
// An app over HTTP that answers as it is told; what came is in `got`.
async function appFor(t, slack, answer) {
  const got = [];
  const server = http.createServer(async (incoming, response) => {
    let body = "";
    for await (const chunk of incoming.setEncoding("utf8")) body += chunk;
    got.push({ headers: incoming.headers, body, url: incoming.url });
    answer(response, got.length, incoming);
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => (server.closeAllConnections(), new Promise((resolve) => server.close(resolve))));
  slack.useHttp(`http://127.0.0.1:${server.address().port}`);
  return got;
}
test("an event that is not taken comes three times more: the same body and id, signed anew, with a number and a reason", async (t) => {
  const slack = await Slack.start(t, { times: { retries: [0, 0, 0], ack: 1000 } });
  const does = [(response) => response.writeHead(500).end(), (response, incoming) => incoming.socket.destroy(), () => {}, (response) => response.writeHead(200).end()];
  const got = await appFor(t, slack, (response, n, incoming) => (does[n - 1] ?? does[3])(response, incoming));
  const { deliveries: [delivery] } = slack.post("alice", "general", "hello");
  await delivery.settled;
  assert.deepEqual(got.map(({ headers }) => [headers["x-slack-retry-num"], headers["x-slack-retry-reason"]]), [[undefined, undefined], ["1", "http_error"], ["2", "connection_failed"], ["3", "http_timeout"]]);
  assert.equal(new Set(got.map(({ body }) => body)).size, 1);
  assert.equal(delivery.state, "acknowledged");
  await delivery.more();
  assert.equal(got.length, 5, "and once more, when a test wants it");
});

test("X-Slack-No-Retry ends the retries, and a redirection is no answer", async (t) => {
  const slack = await Slack.start(t, { times: { retries: [0, 0, 0] } });
  const got = await appFor(t, slack, (response, n) => (n === 1 ? response.writeHead(500, { "x-slack-no-retry": "1" }).end() : response.writeHead(302, { location: "/" }).end()));
  const first = slack.post("alice", "general", "one").deliveries[0];
  assert.equal((await first.settled).state, "lost");
  assert.equal(got.length, 1);
  const second = slack.post("alice", "general", "two").deliveries[0];
  assert.equal((await second.settled).state, "lost");
  assert.deepEqual([got.length, second.attempts.at(-1).reason], [5, "too_many_redirects"]);
});

test("events are held and come in the order that a test wants", async (t) => {
  const slack = await Slack.start(t);
  const got = await appFor(t, slack, (response) => response.writeHead(200).end());
  slack.hold();
  slack.post("alice", "general", "@amp hello");
  slack.release((all) => all.reverse());
  await slack.settled();
  assert.deepEqual(got.map(({ body }) => JSON.parse(body).event.type), ["app_mention", "message"]);
});

test("who is no member hears nothing but mentions, and direct messages are no mentions", async (t) => {
  const slack = await Slack.start(t);
  const got = await appFor(t, slack, (response) => response.writeHead(200).end());
  slack.post("alice", "random", "hello");
  slack.post("alice", "random", "@amp hello");
  slack.post("alice", "dm", "@amp hello");
  slack.post("alice", "closed", "hello");
  await slack.settled();
  assert.deepEqual(got.map(({ body }) => JSON.parse(body).event).map(({ type, channel, channel_type }) => [type, channel, channel_type]).sort(),
    [["app_mention", "C0RANDOM", undefined], ["message", "D0ALICE", "im"]]);
});

test("a stream ends by itself, is full some time, and refuses whoever goes on", async (t) => {
  const slack = await Slack.start(t);
  const parent = slack.post("alice", "general", "question");
  const at = { channel: "C0GENERAL", thread_ts: parent.ts };
  assert.equal((await call(slack, "chat.startStream", at)).error, "missing_recipient_user_id");
  const to = { ...at, recipient_user_id: "U0ALICE", recipient_team_id: slack.team.id };
  const { ts } = await call(slack, "chat.startStream", { ...to, markdown_text: "one " });
  const here = { channel: "C0GENERAL", ts };
  assert.equal((await call(slack, "chat.update", { ...here, text: "x" })).error, "streaming_state_conflict");
  assert.equal((await call(slack, "chat.appendStream", here)).error, "no_text");
  assert.equal((await call(slack, "chat.appendStream", { ...here, chunks: [{ type: "nonsense" }] })).error, "invalid_chunks");
  assert.equal((await call(slack, "chat.appendStream", { ...here, markdown_text: "two" })).ok, true);
  assert.equal((await call(slack, "chat.appendStream", { ...here, markdown_text: "ü".repeat(5600) })).error, "msg_too_long");
  assert.deepEqual(slack.complaints, []);
  assert.equal((await call(slack, "chat.appendStream", { ...here, markdown_text: "ü".repeat(5600) })).error, "msg_too_long");
  assert.deepEqual(slack.complaints, ["an append to a stream that was full before"]);
  slack.expireStream("C0GENERAL", ts);
  for (const method of ["chat.appendStream", "chat.stopStream"]) assert.equal((await call(slack, method, { ...here, markdown_text: "lost" })).error, "message_not_in_streaming_state");
  assert.deepEqual(slack.read("general", parent.ts), ["alice: question", "amp: one two"]);

  const again = await call(slack, "chat.startStream", { ...to, markdown_text: "again" });
  slack.stopAgent("alice", "general", parent.ts);
  assert.equal((await call(slack, "chat.appendStream", { channel: "C0GENERAL", ts: again.ts, markdown_text: "x" })).error, "stopped_by_user");
  const old = await Slack.start(t, { times: { stream: -1 } });
  const dm = old.post("alice", "dm", "hi");
  const late = await call(old, "chat.startStream", { channel: "D0ALICE", thread_ts: dm.ts });
  assert.equal((await call(old, "chat.appendStream", { channel: "D0ALICE", ts: late.ts, markdown_text: "x" })).error, "message_not_in_streaming_state", "after its time");
});

test("what answers an answer, or nothing, is stored and seen by nobody", async (t) => {
  const slack = await Slack.start(t);
  const parent = slack.post("alice", "general", "parent");
  const reply = slack.post("bob", "general", "reply", { thread: parent.ts });
  assert.equal((await call(slack, "chat.postMessage", { channel: "C0GENERAL", thread_ts: reply.ts, text: "lost" })).ok, true);
  assert.equal((await call(slack, "chat.postMessage", { channel: "C0GENERAL", thread_ts: "1700000000.000001", text: "lost" })).ok, true);
  assert.deepEqual(slack.read("general", parent.ts), ["alice: parent", "bob: reply"]);
  assert.equal(slack.complaints.length, 2);
  slack.remove("alice", parent);
  assert.equal((await call(slack, "chat.postMessage", { channel: "C0GENERAL", thread_ts: parent.ts, text: "x" })).error, "thread_not_found");
});

test("methods that read ignore JSON, tokens stand in the header, and errors name what is missing", async (t) => {
  const slack = await Slack.start(t);
  assert.equal((await call(slack, "users.info", { user: "U0ALICE" }, { json: true })).error, "invalid_arguments");
  assert.equal((await call(slack, "users.info", { user: "U0ALICE" })).user.name, "alice");
  assert.equal((await call(slack, "chat.postMessage", { channel: "C0GENERAL", text: "x", token: slack.botToken }, { json: true, token: null })).error, "not_authed");
  assert.equal((await call(slack, "auth.test", {}, { token: "xoxb-wrong" })).error, "invalid_auth");
  assert.equal((await call(slack, "chat.postMessage", { channel: "C0GENERAL", text: "x" }, { token: slack.appToken })).error, "not_allowed_token_type");
  assert.equal((await call(slack, "apps.connections.open")).error, "not_allowed_token_type");
  assert.equal((await call(slack, "nonsense")).error, "unknown_method");
  assert.equal((await request(slack.origin, "POST", "/api/chat.postMessage", { headers: { authorization: `Bearer ${slack.botToken}` }, body: "{" })).body.error, "invalid_json");
  const few = slack.addToken("xoxb-few", { team: slack.team, scopes: ["channels:read"] });
  const refused = await call(slack, "chat.postMessage", { channel: "C0GENERAL", text: "x" }, { token: few });
  assert.deepEqual([refused.error, refused.needed, refused.provided, refused.headers["x-oauth-scopes"]], ["missing_scope", "chat:write", "channels:read", "channels:read"]);
  slack.revoke(slack.team.id, "account_inactive");
  assert.equal((await call(slack, "auth.test")).error, "account_inactive");
});

test("limits are kept by method and channel, and whoever asks again before its time is remembered", async (t) => {
  const slack = await Slack.start(t, { limits: { "chat.update": 2 } });
  const { ts } = await call(slack, "chat.postMessage", { channel: "C0GENERAL", text: "x" });
  const change = () => call(slack, "chat.update", { channel: "C0GENERAL", ts, text: "y" });
  assert.deepEqual([(await change()).status, (await change()).status], [200, 200]);
  const limited = await change();
  assert.deepEqual([limited.status, limited.error, Number(limited.headers["retry-after"]) > 20], [429, "ratelimited", true]);
  assert.deepEqual(slack.complaints, []);
  await change();
  assert.deepEqual(slack.complaints, ["a call before the end of Retry-After: chat.update T0ACME"]);
  const burst = await Promise.all(Array.from({ length: 15 }, () => call(slack, "chat.postMessage", { channel: "C0GENERAL", text: "x" })));
  assert.ok(burst.some(({ status }) => status === 429));
  assert.equal((await call(slack, "chat.postMessage", { channel: "D0NONE", text: "x" })).status, 200, "another channel");
});

test("every fault does what it says, before or after the work", async (t) => {
  const slack = await Slack.start(t);
  const say = (text) => call(slack, "chat.postMessage", { channel: "C0GENERAL", text });
  slack.fault("chat.postMessage", { status: 500 });
  assert.deepEqual([(await say("a")).status, slack.read("general")], [500, []]);
  slack.fault(/^chat\./, { error: "fatal_error" });
  assert.equal((await say("b")).error, "fatal_error");
  slack.fault("chat.postMessage", { cut: "before" });
  await assert.rejects(() => say("c"));
  assert.deepEqual(slack.read("general"), []);
  slack.fault("chat.postMessage", { cut: "after" }, { when: ({ text }) => text === "d" });
  assert.equal((await say("not d")).ok, true);
  await assert.rejects(() => say("d"));
  slack.fault("chat.postMessage", { truncated: true });
  await assert.rejects(() => say("e"));
  assert.deepEqual(slack.read("general"), ["amp: not d", "amp: d", "amp: e"]);
  const before = slack.gate("chat.postMessage");
  const held = say("f");
  await slack.until(() => before.reached === 1);
  assert.equal(slack.read("general").length, 3);
  before.open();
  await held;
  const after = slack.gate("chat.postMessage", { after: true });
  const hidden = say("g");
  await slack.until(() => slack.read("general").at(-1) === "amp: g");
  assert.equal(slack.calls("chat.postMessage").at(-1).status, null);
  after.open();
  assert.equal((await hidden).ok, true);
});

test("a Socket Mode address is good once, and an acknowledgement counts on its own connection only", async (t) => {
  const slack = await Slack.start(t, { times: { ack: 300, retries: [] } });
  const { url } = await call(slack, "apps.connections.open", {}, { token: slack.appToken });
  const texts = [];
  const socket = await WebSocketClient.connect(url);
  socket.onText = (text) => texts.push(JSON.parse(text));
  await until(() => texts.length === 1);
  assert.deepEqual([texts[0].type, texts[0].num_connections, texts[0].connection_info.app_id], ["hello", 1, slack.appId]);
  await assert.rejects(() => WebSocketClient.connect(url), ({ status }) => status === 408);
  const second = await WebSocketClient.connect((await call(slack, "apps.connections.open", {}, { token: slack.appToken })).url);
  await slack.until(() => slack.sockets.open.length === 2);
  const { deliveries: [delivery] } = slack.post("alice", "general", "hello");
  await until(() => texts.length === 2);
  assert.deepEqual([texts[1].type, texts[1].retry_attempt, texts[1].accepts_response_payload, texts[1].payload.event.text], ["events_api", 0, false, "hello"]);
  second.send(JSON.stringify({ envelope_id: texts[1].envelope_id }));
  assert.equal((await delivery.settled).state, "lost");
  assert.deepEqual(slack.complaints, ["a Socket Mode address used twice", "an acknowledgement on another connection"]);
  await Promise.all([socket.destroy(), second.destroy()]);
});

test("more than ten connections are too many, and a connection that was told to go gets nothing new", async (t) => {
  const slack = await Slack.start(t, { times: { retries: [] } });
  const open = async () => {
    const socket = await WebSocketClient.connect((await call(slack, "apps.connections.open", {}, { token: slack.appToken })).url);
    t.after(() => socket.destroy());
    const texts = [];
    socket.onText = (text) => {
      const message = JSON.parse(text);
      texts.push(message);
      if (message.envelope_id) socket.send(JSON.stringify({ envelope_id: message.envelope_id }));
    };
    return texts;
  };
  const all = [];
  for (let i = 0; i < 10; ++i) all.push(await open());
  await slack.until(() => slack.sockets.open.length === 10);
  const eleventh = await open();
  await until(() => eleventh.length === 1);
  assert.deepEqual([eleventh[0].type, eleventh[0].reason], ["disconnect", "too_many_websockets"]);
  for (const connection of slack.sockets.open.slice(1)) connection.disconnect("refresh_requested");
  for (let i = 0; i < 3; ++i) await slack.post("alice", "general", `m${i}`).deliveries[0].settled;
  assert.deepEqual(all.map((texts) => texts.filter(({ type }) => type === "events_api").length), [3, ...Array(9).fill(0)]);
});

test("a response_url ends with its time, and works where the bot is no member", async (t) => {
  const slack = await Slack.start(t);
  await appFor(t, slack, (response) => response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify({ text: "one moment" })));
  const { response_url: url, payload } = await slack.command("alice", "closed", "/amp new");
  assert.deepEqual(payload, { text: "one moment" });
  const tell = (body) => request(slack.origin, "POST", new URL(url).pathname, { body });
  assert.equal((await tell({ text: "done" })).text, "ok");
  assert.equal((await tell({})).status, 400);
  slack.expireResponses();
  assert.deepEqual((await tell({ text: "late" })).body, { ok: false, error: "expired_url" });
  assert.deepEqual(slack.heard("alice").map(({ text, by }) => [text, by]), [["one moment", "command"], ["done", "response_url"]]);
});

test("what calls everybody, and a link of the app that is unfurled, are noticed", async (t) => {
  const slack = await Slack.start(t);
  await call(slack, "chat.postMessage", { channel: "C0GENERAL", text: "hello &lt;!channel&gt;" });
  assert.deepEqual(slack.pings, []);
  await call(slack, "chat.postMessage", { channel: "C0GENERAL", text: "hello <!channel>, see <https://example.org|it>" });
  assert.equal(slack.pings.length, 1);
  assert.equal(slack.answers("general").at(-1).body.attachments.length, 1);
  await call(slack, "chat.postMessage", { channel: "C0GENERAL", text: "see https://example.org", unfurl_links: false, unfurl_media: false });
  assert.equal(slack.answers("general").at(-1).body.attachments, undefined);
});

test("what is typed is stored as Slack stores it", async (t) => {
  const slack = await Slack.start(t);
  const { body } = slack.post("alice", "general", "@amp tell @bob in #random, not @here & <all>: https://example.org/a?b=1&c");
  assert.equal(body.text, "<@U0AMP> tell <@U0BOB> in <#C0RANDOM|random>, not <!here> &amp; &lt;all&gt;: <https://example.org/a?b=1&amp;c>");
});
