// What the stand-in Teams does besides what the SDK shows: limits, sizes, streams that end, refusals, activities that come again, and every fault that a test can ask for.
import assert from "node:assert/strict";
import http from "node:http";
import { test } from "node:test";
import { Teams } from "../support/teams.mjs";
import { request } from "../support/viaduct.mjs";
import { WebSocketClient } from "../support/websocket.mjs";
import { until } from "../support/wait.mjs";

// An app that calls by itself: send, update, remove and stream in a conversation.
function caller(teams, where = "@alice", { token = teams.issue() } = {}) {
  const conversation = teams.where(where);
  const call = async (method, path, body, { bearer = token, base = teams.serviceUrl(conversation) } = {}) => {
    const url = new URL(`${base}v3/${path}`);
    const answer = await request(url.origin, method, url.pathname + url.search, { headers: bearer ? { authorization: `Bearer ${bearer}` } : {}, body });
    return { ...answer, id: answer.body?.id, code: answer.body?.error?.code, words: answer.body?.error?.message };
  };
  const place = (thread) => `conversations/${encodeURIComponent(conversation.id + (thread ? `;messageid=${thread}` : ""))}/activities`;
  return {
    conversation, call,
    send: (body, { thread, query = "", ...options } = {}) => call("POST", place(thread) + query, typeof body === "string" ? { type: "message", text: body } : body, options),
    update: (id, body, options) => call("PUT", `${place()}/${id}`, { type: "message", ...body }, options),
    remove: (id) => call("DELETE", `${place()}/${id}`),
    stream: (text, streamSequence, streamId, streamType = "streaming") => call("POST", place(), { type: "typing", text, entities: [{ type: "streaminfo", streamType, streamSequence, streamId }] }),
    finish: (text, streamId, more = {}) => call("POST", place(), { type: "message", text, entities: [{ type: "streaminfo", streamType: "final", streamId }], ...more }),
  };
}
// An app over HTTP that answers as it is told; what came is in `got`.
async function appFor(t, teams, answer = (response) => response.writeHead(200).end()) {
  const got = [];
  const server = http.createServer(async (incoming, response) => {
    let body = "";
    for await (const chunk of incoming.setEncoding("utf8")) body += chunk;
    got.push({ headers: incoming.headers, activity: JSON.parse(body) });
    answer(response, got.length, incoming);
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => (server.closeAllConnections(), new Promise((resolve) => server.close(resolve))));
  teams.endpoint = `http://127.0.0.1:${server.address().port}/api/messages`;
  return got;
}
const free = { limits: { off: true } };

test("an activity that is not taken comes again: the same id at another time, with a token of its own", async (t) => {
  const teams = await Teams.start(t, { times: { retries: [0, 0, 0, 0], ack: 500 } });
  const does = [(response) => response.writeHead(500).end(), (response, incoming) => incoming.socket.destroy(), () => {}, (response) => response.writeHead(202).end()];
  const got = await appFor(t, teams, (response, n, incoming) => (does[n - 1] ?? does[3])(response, incoming));
  const { delivery } = teams.post("alice", "dm", "hello");
  await delivery.settled;
  assert.deepEqual(delivery.attempts.map(({ reason }) => reason), ["http_error", "connection_failed", "http_timeout", null]);
  assert.equal(new Set(got.map(({ activity }) => activity.id)).size, 1);
  assert.ok(new Set(got.map(({ activity }) => activity.timestamp)).size > 1);
  await delivery.more();
  assert.equal(got.length, 5, "and once more, when a test wants it");
});

test("a refusal is not asked again, and neither is an invoke", async (t) => {
  const teams = await Teams.start(t, { times: { retries: [0, 0], invoke: 200 } });
  const got = await appFor(t, teams, (response, n) => n < 3 && response.writeHead(n === 1 ? 401 : 500).end());
  assert.equal((await teams.post("alice", "dm", "hello").delivery.settled).state, "lost");
  assert.deepEqual([(await teams.invoke("alice", "dm", "config/fetch", {}).done).error, (await teams.invoke("alice", "dm", "config/fetch", {}).done).error], ["Unable to reach app", "Unable to reach app"]);
  assert.equal(got.length, 3);
});

test("what is said is held and comes in the order that a test wants", async (t) => {
  const teams = await Teams.start(t);
  const got = await appFor(t, teams);
  teams.hold();
  for (const text of ["one", "two", "three"]) teams.post("alice", "dm", text);
  assert.equal(got.length, 0);
  for (const delivery of teams.release((all) => [...all].reverse())) await delivery.settled;
  assert.deepEqual(got.map(({ activity }) => activity.text).sort(), ["one", "three", "two"]);
});

test("installing, edits, deletions, reactions and everything else come as Teams sends them", async (t) => {
  const teams = await Teams.start(t);
  const got = await appFor(t, teams);
  const message = teams.post("alice", "general", "@amp see\n\nthis  code");
  for (const one of [...teams.install("alice", "general"), teams.edit("alice", message, "@amp see that"), teams.react("bob", message, "heart"), teams.react("bob", message, "heart", { away: true }), teams.remove("alice", message), teams.uninstall("alice", "general"),
    teams.event("alice", "dm", "event", { name: "application/vnd.microsoft.readReceipt", value: { lastReadMessageId: "1" } })]) await one.settled;
  const types = got.map(({ activity }) => activity.type);
  assert.deepEqual(types.sort(), ["conversationUpdate", "event", "installationUpdate", "installationUpdate", "message", "messageDelete", "messageReaction", "messageReaction", "messageUpdate"]);
  const { activity } = got.find((one) => one.activity.type === "message");
  assert.equal(activity.conversation.id, `${teams.where("general").id};messageid=${message.id}`);
  assert.equal(activity.text, "<at>Amp</at> see\n\nthis  code");
  assert.match(activity.attachments[0].content, /^<p><span [^>]*>Amp<\/span> see<\/p>\n<p>&nbsp;<\/p>\n<p>this&nbsp; code<\/p>$/);
  assert.ok(got.every(({ headers }) => headers["x-ms-tenant-id"] === teams.tenant && headers.authorization.startsWith("Bearer ")));
  assert.equal(teams.post("alice", "dm", "a\nb", { loses: true }).body.text, "ab");
  assert.equal(teams.post("alice", "general", "@amp gone now").delivery, null, "where it is not installed");
});

test("only a token that is good here and now opens the connector", async (t) => {
  const teams = await Teams.start(t, free);
  const app = caller(teams);
  assert.equal((await app.send("hello")).status, 201);
  assert.deepEqual([(await app.send("x", { bearer: null })).status, (await app.send("x", { bearer: "nobody" })).code], [401, "AuthorizationError"]);
  assert.deepEqual(teams.complaints, ["send without a token", "send with a token that nobody issued"]);
  teams.revokeTokens();
  assert.equal((await app.send("x")).status, 401);
  const fresh = teams.issue({ lasts: 60 });
  assert.equal((await app.send("again", { bearer: fresh })).status, 201);
  teams.advance(61_000);
  assert.equal((await app.send("x", { bearer: fresh })).status, 401);
  assert.deepEqual(teams.read("@alice"), ["amp: hello", "amp: again"]);
});

test("a conversation is where its service URL is, and may refuse everything", async (t) => {
  const teams = await Teams.start(t, free);
  const app = caller(teams, "general");
  const head = await app.send("a new thread");
  assert.equal((await app.send("in it", { thread: head.id })).status, 201);
  assert.equal((await app.send("nowhere", { thread: "1" })).status, 404);
  assert.equal((await app.send("x", { base: teams.serviceUrl({ region: "emea", tenant: teams.tenant }) })).code, "ConversationNotFound");
  assert.equal(teams.complaints.length, 1);
  assert.deepEqual(teams.read("general", head.id), ["amp: a new thread", "amp: in it"]);
  for (const code of ["BotDisabledByAdmin", "ConversationBlockedByUser", "InvalidBotApiHost"]) {
    teams.refuseAll("general", code);
    const refused = await app.send("x");
    assert.deepEqual([refused.status, refused.code], [403, code]);
  }
  teams.writesBlocked("general");
  assert.match((await app.send("x")).body.message, /MessageWritesBlocked/);
  teams.refuseAll("general", null);
  teams.where("general").installed = false;
  assert.equal((await app.send("x")).code, "BotNotInConversationRoster");
});

test("a message has its size in UTF-16, its own author, and cards beside it never", async (t) => {
  const teams = await Teams.start(t, free);
  const app = caller(teams);
  assert.equal((await app.send("x".repeat(50_000))).status, 201);
  const large = await app.send("ä".repeat(52_000));
  assert.deepEqual([large.status, large.code], [413, "MessageSizeTooBig"]);
  assert.equal((await app.send({ type: "message", text: "", attachments: [{ contentType: "image/png", contentUrl: `data:image/png;base64,${"A".repeat(200_000)}` }] })).status, 201, "pictures do not count");
  const mine = teams.post("alice", "dm", "mine", { fields: {} });
  assert.equal((await app.update(mine.id, { text: "yours" })).code, "ForbiddenOperationException");
  assert.equal((await app.update("1", { text: "x" })).code, "ActivityNotFoundInConversation");
  assert.equal((await app.send({ type: "message" })).status, 400);
  const card = { contentType: "application/vnd.microsoft.card.adaptive", content: { type: "AdaptiveCard", version: "1.5", body: [], actions: [{ type: "Action.Execute", title: "Go" }] } };
  assert.match((await app.send({ type: "message", attachments: [card] })).words, /Action.Execute without verb/);
  card.content.actions[0].verb = "go";
  const both = await app.send({ type: "message", text: "Go?", attachments: [card] });
  assert.equal((await app.update(both.id, { text: "x" })).status, 404, "the id is of no use");
  assert.equal(teams.complaints.length, 1);
});

test("seven in a second, eight in two: what is more waits as long as it is told", async (t) => {
  const teams = await Teams.start(t);
  const app = caller(teams);
  const answers = await Promise.all(Array.from({ length: 9 }, (_, i) => app.send(`${i}`)));
  const refused = answers.filter(({ status }) => status === 429);
  assert.equal(refused.length, 2);
  assert.ok(Number(refused[0].headers["retry-after"]) >= 1);
  assert.equal((await caller(teams, "@bob").send("elsewhere")).status, 201, "another chat is free");
  assert.equal(teams.limited.length, 2);
  assert.equal(teams.complaints.length, 1, "the ninth did not wait for what the eighth was told");
});

test("a stream has its rules: order, prefix, one at a time, an end", async (t) => {
  const teams = await Teams.start(t, free);
  const app = caller(teams);
  assert.match((await app.stream("", 1)).words, /should include text/);
  assert.equal((await app.stream("late", 2)).status, 400);
  const { id, status } = await app.stream("Thinking", 1, undefined, "informative");
  assert.equal(status, 201);
  assert.match((await app.stream("another", 1)).words, /not allowed/);
  assert.equal((await app.stream("one", 2, id)).status, 202);
  assert.equal((await app.stream("one two", 2, id)).code, "ContentStreamSequenceOrderPreConditionFailed");
  assert.match((await app.stream("two", 3, id)).words, /should contain the previously streamed content/);
  assert.match((await app.stream("one x", 4, id, "informative")).words, /informative after content/);
  assert.match((await app.stream("one".repeat(30_000), 5, id)).words, /Message size too large/);
  assert.equal((await app.stream("one two", 6, id)).status, 202);
  assert.match((await app.finish("else", id)).words, /previously/);
  assert.equal((await app.finish("one two three", id)).status, 202);
  assert.match((await app.stream("one two three four", 7, id)).words, /already completed/);
  const [answer] = teams.answers("@alice");
  assert.deepEqual([answer.text, answer.stream.ends, answer.versions], ["one two three", "final", ["Thinking", "one", "one two", "one two three"]]);
  assert.equal((await app.update(id, { text: "and now this" })).status, 200);
  assert.match((await caller(teams, "project").stream("x", 1)).words, /not allowed/, "in a group");
  teams.features.streaming = false;
  assert.match((await app.stream("x", 1)).words, /not enabled/);
  assert.deepEqual(teams.complaints, ["a second stream in a chat", "a frame with the sequence 2 after 2"]);
});

test("a stream ends after two minutes, or when its reader stops it, and at one frame in a second", async (t) => {
  const teams = await Teams.start(t);
  const app = caller(teams);
  const first = await app.stream("one", 1);
  assert.equal((await app.stream("one two", 2, first.id)).words, "API calls quota exceeded");
  teams.limits.off = true;
  teams.advance(121_000);
  assert.match((await app.stream("one two", 3, first.id)).words, /exceeded streaming time/);
  assert.match((await app.finish("one two", first.id)).words, /exceeded streaming time/);
  assert.equal((await app.update(first.id, { text: "one two" })).status, 200, "but it can be changed");
  const second = await app.stream("one", 1);
  teams.cancel(teams.answers("@alice").at(-1));
  assert.match((await app.stream("one two", 2, second.id)).words, /canceled by user/);
  assert.match((await app.finish("one two", second.id)).words, /canceled by user/);
  assert.deepEqual(teams.answers("@alice").map(({ text }) => text), ["one two", "one"]);
  const third = await app.stream("three", 1);
  assert.equal((await app.remove(third.id)).status, 200);
  assert.equal(teams.answers("@alice").length, 3, "the bubble stays");
});

test("faults: before and after it is done, once or always, and a gate", async (t) => {
  const teams = await Teams.start(t, free);
  const app = caller(teams);
  teams.fault("send", { status: 502, message: "bad gateway" });
  teams.fault("send", { status: 504, after: true });
  teams.fault("send", { cut: "after" });
  teams.fault("send", { status: 429, retryAfter: 7 }, { when: ({ text }) => text === "later" });
  assert.equal((await app.send("lost")).status, 502);
  assert.equal((await app.send("done, and nobody knows")).status, 504);
  await assert.rejects(() => app.send("done, and cut"));
  assert.equal((await app.send("later")).headers["retry-after"], "7");
  const gate = teams.gate("send");
  const sent = app.send("held");
  await teams.until(() => gate.reached === 1);
  assert.equal(teams.answers("@alice").length, 2);
  gate.open();
  await sent;
  assert.deepEqual(teams.answers("@alice").map(({ text }) => text), ["done, and nobody knows", "done, and cut", "held"]);
  teams.fault("jwks", { redirect: "http://127.0.0.1:9/" });
  teams.fault("jwks", { huge: 3_000_000 });
  teams.fault("jwks", { text: "{no json" });
  const keys = () => request(teams.origin, "GET", "/v1/.well-known/keys");
  assert.equal((await keys()).headers.location, "http://127.0.0.1:9/");
  assert.equal((await keys()).text.length, 3_000_000);
  assert.equal((await keys()).text, "{no json");
  assert.equal((await keys()).body.keys.length, 4);
});

test("a conversation with one person, or a thread of a channel, is made by the app", async (t) => {
  const teams = await Teams.start(t, free);
  const app = caller(teams);
  const alice = teams.person("alice");
  const make = (body) => app.call("POST", "conversations", body);
  const made = await make({ isGroup: false, members: [{ id: alice.aadObjectId }], tenantId: teams.tenant, activity: { type: "message", text: "hello" } });
  assert.deepEqual([made.status, made.id, teams.read("@alice")], [201, teams.where("@alice").id, ["amp: hello"]]);
  const thread = await make({ isGroup: true, channelData: { channel: { id: teams.where("general").id } }, activity: { type: "message", text: "a thread" } });
  assert.equal(thread.id, `${teams.where("general").id};messageid=${thread.body.activityId}`);
  assert.equal((await make({ isGroup: false, members: [{ id: alice.id }, { id: teams.person("bob").id }], tenantId: teams.tenant })).status, 400);
  assert.equal((await make({ isGroup: false, members: [{ id: "29:1nobody" }], tenantId: teams.tenant })).code, "ForbiddenOperationException");
  assert.equal((await make({ isGroup: true, members: [{ id: alice.id }] })).status, 403);
});

test("members, teams, reactions, targeted messages and attachments", async (t) => {
  const teams = await Teams.start(t, free);
  const app = caller(teams, "general");
  const at = `conversations/${encodeURIComponent(app.conversation.id)}`;
  const all = (await app.call("GET", `${at}/members`)).body;
  assert.deepEqual(all.map(({ name }) => name), ["Alice", "Bob", "Carol", "Gus"]);
  const page = (await app.call("GET", `${at}/pagedmembers?pageSize=3`)).body;
  assert.equal((await app.call("GET", `${at}/pagedmembers?pageSize=3&continuationToken=${page.continuationToken}`)).body.members[0].name, "Gus");
  assert.equal((await app.call("GET", `${at}/members/${all[1].aadObjectId}`)).body.id, all[1].id);
  assert.equal((await app.call("GET", `teams/${encodeURIComponent(app.conversation.team.id)}/conversations`)).body.conversations.length, 2);
  const { id } = await app.send("hello");
  await app.call("PUT", `${at}/activities/${id}/reactions/like`);
  assert.deepEqual(teams.messages("general")[0].reactions.map(({ type }) => type), ["like"]);
  await app.call("DELETE", `${at}/activities/${id}/reactions/like`);
  assert.deepEqual(teams.messages("general")[0].reactions, []);
  const targeted = { type: "message", text: "for you", recipient: { id: teams.person("bob").id } };
  assert.equal((await app.send(targeted, { query: "?isTargetedActivity=true" })).status, 201);
  assert.deepEqual([teams.heard("bob").map(({ text }) => text), teams.heard("alice"), teams.read("general")], [["for you"], [], ["amp: hello"]]);
  const uploaded = await app.call("POST", `${at}/attachments`, { type: "image/png", name: "a.png", originalBase64: "AAEC" });
  const view = await app.call("GET", `attachments/${uploaded.id}/views/original`);
  assert.deepEqual([view.status, view.text.length], [200, 3]);
  const { downloadUrl } = teams.fileAttachment({ name: "a.txt", bytes: "abc" }).content;
  const { pathname } = new URL(downloadUrl);
  assert.equal((await request(teams.origin, "GET", pathname)).text, "abc");
  await request(teams.origin, "GET", pathname, { headers: { authorization: "Bearer x" } });
  assert.deepEqual([...teams.downloads.values()][0].asked, [{ authorization: null }, { authorization: "Bearer x" }]);
});

test("a file that somebody consents to is uploaded in parts", async (t) => {
  const teams = await Teams.start(t, free);
  const got = await appFor(t, teams);
  const app = caller(teams);
  const consent = { contentType: "application/vnd.microsoft.teams.card.file.consent", name: "log.txt", content: { sizeInBytes: 6, acceptContext: { n: 1 }, declineContext: { n: 1 } } };
  await app.send({ type: "message", attachments: [consent] });
  const { done, upload } = teams.consent("alice", teams.answers("@alice")[0]);
  assert.equal((await done).ok, true);
  const { pathname } = new URL(got[0].activity.value.uploadInfo.uploadUrl);
  const put = (body, range) => request(teams.origin, "PUT", pathname, { body: Buffer.from(body), headers: { "content-range": `bytes ${range}` } });
  assert.equal((await put("abc", "1-3/6")).status, 416);
  assert.equal((await put("abc", "0-2/6")).status, 202);
  assert.equal((await put("def", "3-5/6")).status, 201);
  assert.deepEqual([upload.bytes.toString(), upload.whole], ["abcdef", true]);
});

test("a socket that says nothing, or is not answered, ends; and so does one whose token expires", async (t) => {
  const teams = await Teams.start(t, { times: { silence: 1000, ping: 200, retries: [], ack: 100, socketToken: 5 } });
  const opened = async () => {
    const { body } = await request(teams.origin, "POST", "/emea/v3/websockets/connect", { headers: { authorization: `Bearer ${teams.issue()}` } });
    const { pathname } = new URL(body.url);
    const { body: agreed } = await request(teams.origin, "POST", `${pathname}/negotiate?negotiateVersion=1`, { headers: { authorization: `Bearer ${body.accessToken}` } });
    const client = await WebSocketClient.connect(`ws://127.0.0.1:${teams.port}${pathname}?id=${agreed.connectionToken}&access_token=${body.accessToken}`);
    const heard = [];
    client.onText = (text) => heard.push(...text.split("\x1e").filter(Boolean).map((one) => JSON.parse(one)));
    client.send('{"protocol":"json","version":1}\x1e');
    await until(() => heard.some(({ target }) => target === "SocketReady"), "SocketReady");
    return { client, heard };
  };
  const one = await opened();
  assert.deepEqual([one.heard[0], one.heard.filter(({ type }) => type !== 6)[1].target], [{}, "SocketReady"]);
  const { delivery } = teams.post("alice", "dm", "hello");
  assert.equal((await delivery.settled).reason, "timeout");
  await one.client.closed;
  assert.deepEqual(one.heard.at(-1), { type: 7, error: "Client timeout" });
  const two = await opened();
  const alive = setInterval(() => two.client.isClosed || two.client.send('{"type":6}\x1e'), 50);
  await two.client.closed;
  clearInterval(alive);
  assert.equal(two.heard.at(-1).error, "the token has expired");
});
