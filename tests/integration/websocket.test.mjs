// The web chat's WebSocket, as plugins/web_chat/PROTOCOL.md says, through the real host.
import assert from "node:assert/strict";
import { test } from "node:test";
import { ChatClient } from "../support/chat_client.mjs";
import { chat, exported, forHost, Host, hostFor, recorded, viaduct, words } from "../support/viaduct.mjs";
import { until, within } from "../support/wait.mjs";

const long = { rules: [{ match: "^long", reply: words(150, "wörd-") }, { match: "^wait", delay: "60m" }], chunkDelay: "3ms" };
const deploy = { rules: [{ match: "^deploy", permission: { title: "Deploy?", options: ["Allow", "Deny"] }, reply: "You chose $permission" }] };

async function talking(t, options) {
  const host = await hostFor(t, options);
  const { session_id } = (await chat(host, "POST", "api/session", {})).body;
  const viewer = await ChatClient.open(host.origin);
  await viewer.until(() => viewer.live);
  return { host, session_id, viewer };
}
const fine = (...clients) => assert.deepEqual(clients.flatMap((client) => client.faults), []);
const shown = (entries) => entries.map((entry) => [entry.entry, entry.type, entry.text, entry.complete]);
// What a viewer shows is what is on disk.
async function agrees(host, session, viewer) {
  const log = await exported(host, session);
  assert.deepEqual(shown(viewer.list()), shown(log));
  assert.deepEqual(viewer.list().map((entry) => entry.data), log.map((entry) => entry.data));
}

// ---------------------------------------------------------------- hello

test("everything but ping waits for hello", async (t) => {
  const host = await hostFor(t);
  const client = await ChatClient.connect(host.origin);
  assert.deepEqual(await client.request("ping"), { pong: true });
  for (const [type, fields] of [["send", { key: "k", text: "x" }], ["list", {}], ["new", {}], ["cancel", {}]])
    await assert.rejects(client.request(type, fields), { code: "failed_precondition" });
  const { version } = JSON.parse((await viaduct(["version", "--json"])).out);
  const greeting = await client.hello();
  assert.deepEqual(greeting, {
    protocol: 1, version, connection: greeting.connection, surface: "web-chat", title: greeting.title, agent: { backend: "echo", plugin: "mock", mock: true }, backends: ["echo"], session: null,
  });
  assert.deepEqual(client.changes, []);
  fine(client);
});

test("hello gives the current session, its state first, then the log, then live", async (t) => {
  const { host, session_id } = await talking(t);
  await chat(host, "POST", "api/chat", { message: "hello" });
  const client = await ChatClient.open(host.origin);
  await client.until(() => client.live);
  assert.equal(client.greeting.session.session_id, session_id);
  assert.deepEqual(Object.keys(client.greeting.session).sort(), [
    "backend", "created_at", "description", "ended", "last_active", "project_id", "session_id", "state", "title", "turns_waiting", "working_dir",
  ]);
  const kinds = client.changes.map((change) => change.change);
  assert.deepEqual(kinds.filter((kind, i) => kind !== kinds[i - 1]), ["state", "reset", "entry", "live"]);
  await agrees(host, session_id, client);
  fine(client);
});

test("hello with a cursor brings what changed since, whole and once, while the answer is streaming", async (t) => {
  const { host, session_id, viewer } = await talking(t, long);
  const { turn } = await viewer.send("long");
  let page = viewer;
  let cuts = 0;
  for (const mark of ["wörd-10 ", "wörd-30 ", "wörd-60 ", "wörd-90 ", "wörd-120 "]) {
    await page.until(() => page.texts()[0]?.includes(mark) || page.ends()[0], mark);
    page.cut();
    const before = page;
    page = await ChatClient.open(host.origin, { like: before });
    cuts += 1;
    await page.until(() => page.live, "live");
    assert.equal(page.resets, 0, "the same host: nothing begins anew");
    const caughtUp = page.changes.slice(0, page.changes.findIndex((change) => change.change === "live"));
    const entries = caughtUp.filter((change) => change.change === "entry").map((change) => change.entry.entry);
    assert.equal(new Set(entries).size, entries.length, "each entry once");
    assert.ok(!caughtUp.some((change) => change.change === "delta"), "whole, not in pieces");
    assert.ok(caughtUp.every((change) => change.change !== "entry" || change.entry.seq > before.cursor.seq), "only what changed");
    fine(before);
  }
  await page.ended(turn);
  assert.equal(page.texts()[0], long.rules[0].reply);
  await agrees(host, session_id, page);
  fine(page);
  assert.equal(cuts, 5);
});

test("a cursor that has seen everything brings nothing", async (t) => {
  const { viewer, host } = await talking(t);
  await viewer.ended((await viewer.send("hello")).turn);
  await viewer.until(() => viewer.state.session.state === "idle");
  const again = await ChatClient.open(host.origin, { like: viewer });
  await again.until(() => again.live);
  assert.deepEqual(again.changes.map((change) => change.change), ["state", "live"]);
  fine(again);
});

test("a cursor of another session, of the future and of another epoch begin anew", async (t) => {
  const { host, session_id, viewer } = await talking(t);
  await viewer.ended((await viewer.send("hello")).turn);
  for (const cursor of [{ epoch: viewer.cursor.epoch, seq: 999_999 }, { epoch: viewer.cursor.epoch + 1, seq: 1 }, { epoch: 0, seq: 0 }]) {
    const client = await ChatClient.connect(host.origin);
    await client.hello({ session: session_id, cursor });
    await client.until(() => client.live);
    await agrees(host, session_id, client);
    fine(client);
  }
  const other = await ChatClient.connect(host.origin);
  await other.hello({ session: "s_another", cursor: viewer.cursor });
  await other.until(() => other.live);
  await agrees(host, session_id, other);
  fine(other);
});

test("hello may come again", async (t) => {
  const { host, session_id, viewer } = await talking(t);
  await viewer.ended((await viewer.send("hello")).turn);
  viewer.entries.clear();
  viewer.cursor = null;
  await viewer.hello();
  await viewer.until(() => viewer.live);
  await agrees(host, session_id, viewer);
  fine(viewer);
});

test("a long transcript comes with its newest part, and the rest by history", async (t) => {
  const { host, session_id, viewer } = await talking(t, { chunkDelay: "0ms" });
  for (let i = 0; i < 60; ++i) await viewer.send(`m${i}`).then(({ turn }) => viewer.ended(turn));
  await host.stop();
  await host.start();
  const client = await ChatClient.open(host.origin);
  await client.until(() => client.live);
  const first = client.changes.find((change) => change.change === "reset").first;
  const newest = client.list();
  assert.equal(newest[0].entry, first);
  assert.ok(newest.length < 180, "not all at once");
  const older = [];
  for (let before = first, more = true; more; before = older[0].entry) {
    const page = await client.request("history", { before, limit: 25 });
    assert.ok(page.entries.length <= 25 && page.entries.length > 0);
    older.unshift(...page.entries);
    more = page.more;
  }
  assert.deepEqual(shown([...older, ...newest]), shown(await exported(host, session_id)));
  fine(client, viewer);
});

// ---------------------------------------------------------------- several pages

test("two connections see the same, change by change", async (t) => {
  const { host, session_id, viewer } = await talking(t, long);
  const other = await ChatClient.open(host.origin);
  await other.until(() => other.live);
  const from = [viewer.changes.length, other.changes.length];
  const { turn } = await other.send("long");
  await Promise.all([viewer.ended(turn), other.ended(turn)]);
  await Promise.all([viewer, other].map((one) => one.until(() => one.state.session.state === "idle")));
  const log = (one, i) => one.changes.slice(from[i]).filter((change) => change.change !== "state");
  assert.deepEqual(log(viewer, 0), log(other, 1));
  const seqs = log(viewer, 0).map((change) => change.seq);
  assert.deepEqual(seqs, seqs.map((_, i) => seqs[0] + i), "seq counts every change, by one");
  assert.ok(log(viewer, 0).filter((change) => change.change === "delta").length > 50, "it streams");
  await agrees(host, session_id, viewer);
  fine(viewer, other);
});

test("a permission that one answers is seen by the other, and a second answer gets the first", async (t) => {
  const { host, session_id, viewer } = await talking(t, deploy);
  const other = await ChatClient.open(host.origin);
  const { turn } = await viewer.send("deploy");
  const asked = await other.until(() => other.of("permission")[0]);
  await assert.rejects(other.request("answer", { entry: asked.entry, option_id: "Maybe" }), { code: "invalid_argument" });
  await assert.rejects(other.request("answer", { entry: asked.entry + 100, option_id: "Allow" }), { code: "not_found" });
  const both = await Promise.all([other.request("answer", { entry: asked.entry, option_id: "Allow" }), viewer.request("answer", { entry: asked.entry, option_id: "Deny" })]);
  assert.deepEqual(both[0], both[1]);
  assert.equal(both[0].outcome, "selected");
  const choice = both[0].option_id;
  for (const one of [viewer, other]) {
    await one.ended(turn);
    const seen = one.of("permission")[0].data;
    assert.deepEqual([seen.status, seen.option_id, seen.by], ["selected", choice, both[0].by]);
    assert.deepEqual(one.texts(), [`You chose ${choice}`]);
  }
  assert.equal(recorded(host).filter((call) => call.method === "answer").length, 1);
  assert.deepEqual(await viewer.request("answer", { entry: asked.entry, option_id: "Deny" }), both[0], "also long after");
  await agrees(host, session_id, viewer);
  fine(viewer, other);
});

test("what the current session is, is told to all, whoever changes it", async (t) => {
  const { host, session_id, viewer } = await talking(t);
  await viewer.ended((await viewer.send("first")).turn);
  const other = await ChatClient.open(host.origin);
  await other.until(() => other.live);
  const next = async (reason) => {
    for (const one of [viewer, other]) await one.until(() => one.currents.at(-1)?.reason === reason, reason);
    return viewer.currents.at(-1).session;
  };
  const made = await viewer.request("new", { description: "second", working_dir: "/tmp" });
  assert.deepEqual([(await next("new")).session_id, made.description, made.working_dir], [made.session_id, "second", "/tmp"]);
  await other.ended((await other.send("in the second")).turn);
  const resumed = await other.request("resume", { session_id });
  assert.deepEqual([resumed.session_id, resumed.context], [session_id, "live"]);
  assert.equal((await next("resumed")).session_id, session_id);
  await viewer.until(() => viewer.live && viewer.texts("user_message").includes("first"), "the transcript of the resumed one");
  await chat(host, "POST", "api/end");
  assert.equal(await next("ended"), null);
  const http = (await chat(host, "POST", "api/session", {})).body.session_id;
  assert.equal((await next("new")).session_id, http);
  await forHost(host, "sessions", "end", http);
  await viewer.until(() => viewer.state.session.session_id === http && viewer.state.session.ended, "the state of what was ended elsewhere");
  assert.equal(viewer.session.session_id, http, "it stays the current one");
  await assert.rejects(viewer.send("hello?"), { code: "session_dead" });
  assert.equal(await next("dead"), null);
  assert.equal((await viewer.request("list")).sessions.length, 3);
  fine(viewer, other);
});

test("list, rename, and who renames what is not there", async (t) => {
  const { session_id, viewer } = await talking(t);
  await viewer.request("new", { description: "second" });
  const renamed = await viewer.request("rename", { session_id, title: "A better name" });
  assert.deepEqual([renamed.session_id, renamed.title], [session_id, "A better name"]);
  const first = await viewer.request("list", { limit: 1 });
  assert.equal(first.sessions[0].description, "second");
  const rest = await viewer.request("list", { limit: 1, before: first.next });
  assert.deepEqual([rest.sessions[0].title, rest.sessions.length], ["A better name", 1]);
  await assert.rejects(viewer.request("rename", { session_id: "s_nothing", title: "x" }), { code: "not_found" });
  fine(viewer);
});

// ---------------------------------------------------------------- once

test("a message that is sent again with its key is one turn, on whatever connection, also after a restart", async (t) => {
  const { host, session_id, viewer } = await talking(t, long);
  const other = await ChatClient.open(host.origin);
  const say = (one) => one.request("send", { key: "k1", text: "long", session_id });
  const replies = await Promise.all([say(viewer), say(other), say(viewer)]);
  assert.deepEqual(new Set(replies.map((reply) => reply.turn)), new Set([1]));
  assert.equal(replies.filter((reply) => !reply.duplicate).length, 1);
  await viewer.ended(1);
  assert.deepEqual(await say(viewer), { session_id, turn: 1, duplicate: true });
  assert.deepEqual(await viewer.request("send", { key: "k1", text: "something else", session_id }), { session_id, turn: 1, duplicate: true });
  await host.kill();
  await host.start();
  const back = await ChatClient.open(host.origin, { like: viewer });
  assert.deepEqual(await say(back), { session_id, turn: 1, duplicate: true });
  await back.until(() => back.live);
  assert.equal((await exported(host, session_id)).filter((entry) => entry.type === "user_message").length, 1);
  assert.equal(recorded(host).filter((call) => call.method === "send_message").length, 1);
  fine(viewer, other, back);
});

test("the first message makes its session once, however often it is repeated", async (t) => {
  const host = await hostFor(t);
  const clients = await Promise.all([1, 2, 3].map(() => ChatClient.open(host.origin)));
  const replies = await Promise.all(clients.map((one) => one.request("send", { key: "first", text: "Hello there\nsecond line" })));
  assert.equal(new Set(replies.map((reply) => reply.session_id)).size, 1);
  const [{ session_id }] = replies;
  await host.kill();
  await host.start();
  const back = await ChatClient.open(host.origin);
  const again = await back.request("send", { key: "first", text: "Hello there\nsecond line" });
  assert.deepEqual([again.session_id, again.duplicate], [session_id, true]);
  const { sessions } = await back.request("list");
  assert.deepEqual(sessions.map((one) => [one.session_id, one.description]), [[session_id, "Hello there"]]);
  assert.equal(back.session.session_id, session_id);
  fine(...clients, back);
});

test("what was typed offline is sent once, whenever the host was killed", async (t) => {
  const host = new Host({ chunkDelay: "1ms" });
  t.after(() => host.remove());
  await host.start();
  const { session_id } = (await chat(host, "POST", "api/session", {})).body;
  let viewer = await ChatClient.open(host.origin);
  await viewer.until(() => viewer.live);
  const moments = [
    async () => {}, // before it can have arrived
    async (reply) => void (await reply), // acknowledged
    async () => viewer.until(() => viewer.texts("user_message").length > 0 && viewer.texts("user_message").at(-1).startsWith("offline"), "the message"),
    async (reply) => viewer.ended((await reply).turn),
  ];
  for (const [i, moment] of moments.entries()) {
    const message = { key: `offline-${i}`, text: `offline ${i}`, session_id };
    const reply = viewer.request("send", message);
    reply.catch(() => {});
    await moment(reply);
    await host.kill();
    const before = viewer;
    await before.socket.closed;
    await host.start();
    viewer = await ChatClient.open(host.origin, { like: before });
    await viewer.until(() => viewer.live);
    const { turn } = await viewer.request("send", message);
    assert.equal(turn, i + 1);
    await viewer.ended(turn);
    await viewer.until(() => viewer.state.session.state === "idle");
    fine(before, viewer);
  }
  const log = await exported(host, session_id);
  assert.deepEqual(log.filter((entry) => entry.type === "user_message").map((entry) => entry.text), moments.map((_, i) => `offline ${i}`));
  assert.deepEqual(log.filter((entry) => entry.type === "turn_end").map((entry) => entry.turn), [1, 2, 3, 4]);
  await agrees(host, session_id, viewer);
});

test("after a restart the epoch is another one, the viewer begins anew, and acts on the state it is given", async (t) => {
  const { host, session_id, viewer } = await talking(t, long);
  await viewer.ended((await viewer.send("hello")).turn);
  const { turn } = await viewer.send("long");
  await viewer.until(() => viewer.texts()[1]?.includes("wörd-130 "), "more than 250 ms of text");
  const { epoch } = viewer.cursor;
  await host.kill();
  assert.equal((await viewer.socket.closed).code, 1006);
  await host.start();
  const back = await ChatClient.open(host.origin, { like: viewer });
  await back.until(() => back.live && back.state.session.state === "idle", "no stale state of the agent");
  assert.ok(back.cursor.epoch > epoch);
  assert.equal(back.resets, 1);
  assert.deepEqual(back.state.waiting_turns, []);
  assert.deepEqual(back.ends(turn).map((end) => end.data.stop_reason), ["interrupted"]);
  const [, partial] = back.texts();
  assert.ok(partial && long.rules[0].reply.startsWith(partial), `${partial}`);
  await agrees(host, session_id, back);
  assert.equal((await back.ended((await back.send("go on")).turn)).data.stop_reason, "end_turn");
  fine(viewer, back);
});

test("a permission request that waits when the host is killed has expired after it, with its turn", async (t) => {
  const { host, session_id, viewer } = await talking(t, deploy);
  const { turn } = await viewer.send("deploy");
  const asked = await viewer.until(() => viewer.of("permission")[0]);
  await viewer.send("waits behind it");
  await host.kill();
  await host.start();
  const back = await ChatClient.open(host.origin, { like: viewer });
  await back.until(() => back.live && back.ends().length === 2, "the end of both turns");
  const request = back.of("permission")[0];
  assert.deepEqual([request.entry, request.data.status], [asked.entry, "expired"]);
  assert.match(request.data.reason, /restarted/);
  assert.deepEqual(back.ends().map((end) => [end.turn, end.data.stop_reason]), [[turn, "interrupted"], [turn + 1, "end_turn"]]);
  const late = await back.request("answer", { entry: asked.entry, option_id: "Allow" }).catch((error) => error);
  assert.ok(late.code ? late.code === "failed_precondition" : late.outcome !== "selected", JSON.stringify(late));
  await agrees(host, session_id, back);
  fine(viewer, back);
});

// ---------------------------------------------------------------- stop

test("cancel ends the running turn in the middle, keeps its text, and the next goes on", async (t) => {
  const { host, session_id, viewer } = await talking(t, long);
  const { turn } = await viewer.send("long");
  await viewer.until(() => viewer.texts()[0]?.includes("wörd-10 "));
  const next = await viewer.send("hello");
  await viewer.request("cancel", { turn });
  assert.equal((await viewer.ended(turn)).data.stop_reason, "cancelled");
  assert.equal((await viewer.ended(next.turn)).data.stop_reason, "end_turn");
  const [partial, answer] = viewer.texts();
  assert.ok(long.rules[0].reply.startsWith(partial) && partial.length > 50);
  assert.equal(answer, "[Mock response to: hello]");
  await agrees(host, session_id, viewer);
  fine(viewer);
});

test("cancel takes one waiting turn, or all, and what is over is left alone", async (t) => {
  const { host, session_id, viewer } = await talking(t, long);
  const turns = [];
  for (const text of ["wait", "one", "two", "three"]) turns.push((await viewer.send(text)).turn);
  await viewer.until(() => viewer.state.waiting_turns.length === 3);
  await viewer.request("cancel", { turn: turns[2] });
  await viewer.ended(turns[2]);
  assert.deepEqual(viewer.ends().map((end) => [end.turn, end.data.stop_reason]), [[turns[2], "cancelled"]]);
  await viewer.request("cancel");
  for (const turn of turns) assert.equal((await viewer.ended(turn)).data.stop_reason, "cancelled");
  await viewer.request("cancel");
  await viewer.request("cancel", { turn: 1 });
  assert.equal(recorded(host).filter((call) => call.method === "send_message").length, 1, "what waited never ran");
  assert.equal((await viewer.ended((await viewer.send("and now?")).turn)).data.stop_reason, "end_turn");
  await agrees(host, session_id, viewer);
  fine(viewer);
});

test("a viewer that leaves does not stop the turn", async (t) => {
  const { host, session_id, viewer } = await talking(t, long);
  const { turn } = await viewer.send("long");
  await viewer.until(() => viewer.texts()[0]);
  await viewer.socket.close();
  const log = await until(async () => {
    const now = await exported(host, session_id);
    return now.some((entry) => entry.type === "turn_end" && entry.turn === turn) && now;
  }, "the end of the turn");
  assert.deepEqual(log.map((entry) => entry.text), ["long", long.rules[0].reply, ""]);
});

// ---------------------------------------------------------------- memory and mistakes

test("what is for the memory is answered at once, stored once for a key, and is in no log", async (t) => {
  const host = await hostFor(t);
  const client = await ChatClient.open(host.origin);
  const remember = () => client.request("send", { key: "m", text: "remember this: Ada is a cat" });
  const [a, b] = await Promise.all([remember(), remember()]);
  assert.deepEqual(a, b);
  assert.deepEqual([a.memory_action, a.memory_result.id], ["remember", "mem-001"]);
  const found = await client.request("send", { key: "n", text: "what do you remember about Ada" });
  assert.deepEqual([found.memory_action, found.memory_result.count], ["recall", 1]);
  assert.equal(client.session, null);
  assert.deepEqual(client.changes, []);
  fine(client);
});

test("wrong requests are refused by name, and the connection goes on", async (t) => {
  const { viewer } = await talking(t);
  for (const [type, fields, code] of [
    ["frobnicate", {}, "unsupported"], ["send", { text: "x" }, "invalid_argument"], ["send", { key: "k" }, "invalid_argument"], ["send", { key: "", text: "x" }, "invalid_argument"],
    ["send", { key: "k".repeat(201), text: "x" }, "invalid_argument"], ["send", { key: 1, text: "x" }, "invalid_argument"], ["send", { key: "k", text: "" }, "invalid_argument"],
    ["send", { key: "k", text: "  \n" }, "invalid_argument"], ["send", { key: "k", text: "a\u0000b" }, "invalid_argument"], ["send", { key: "k", text: "x", session_id: 5 }, "invalid_argument"],
    ["send", { key: "k", text: "x", session_id: "s_nothing" }, "not_found"], ["hello", { session: "s", cursor: 1 }, "invalid_argument"], ["hello", { cursor: { epoch: 1 } }, "invalid_argument"],
    ["hello", { cursor: { epoch: -1, seq: 0.5 } }, "invalid_argument"], ["answer", { option_id: "x" }, "invalid_argument"], ["answer", { entry: 1 }, "invalid_argument"], ["resume", {}, "invalid_argument"],
    ["resume", { session_id: "s_nothing" }, "not_found"], ["list", { limit: 0 }, "invalid_argument"], ["list", { limit: 201 }, "invalid_argument"], ["list", { active: "yes" }, "invalid_argument"],
    ["list", { before: "nonsense" }, "invalid_argument"], ["history", { limit: 501 }, "invalid_argument"], ["rename", {}, "invalid_argument"], ["new", { working_dir: [] }, "invalid_argument"], ["cancel", { turn: "all" }, "invalid_argument"],
  ])
    await assert.rejects(viewer.request(type, fields), { code }, `${type} ${JSON.stringify(fields)}`);
  assert.equal((await viewer.ended((await viewer.send("still fine")).turn)).data.stop_reason, "end_turn");
  fine(viewer);
});

for (const [what, send, code] of [
  ["no JSON", (socket) => socket.send("hello"), 4000],
  ["no object", (socket) => socket.send("[1]"), 4000],
  ["no id", (socket) => socket.send('{"type":"ping"}'), 4000],
  ["an id of 0", (socket) => socket.send('{"id":0,"type":"ping"}'), 4000],
  ["an id that is no number", (socket) => socket.send('{"id":"1","type":"ping"}'), 4000],
  ["a binary message", (socket) => socket.frame(2, Buffer.from('{"id":1,"type":"ping"}')), 1003],
  ["a message that is no UTF-8", (socket) => socket.frame(1, Buffer.from([0x7b, 0xff, 0x7d])), 1007],
  ["a message that is too big", (socket) => socket.send(JSON.stringify({ id: 1, type: "ping", pad: "a".repeat(1 << 20) })), 1009],
])
  test(`${what} ends the connection with ${code}`, async (t) => {
    const { host, viewer } = await talking(t);
    const bad = await ChatClient.connect(host.origin);
    send(bad.socket);
    assert.equal((await within(bad.socket.closed, "the end of it")).code, code);
    assert.deepEqual(await viewer.request("ping"), { pong: true }, "the others stay");
  });

test("a message of nearly 1 MiB is taken, and is whole", async (t) => {
  const { viewer, host, session_id } = await talking(t, { rules: [{ match: "^big", reply: "ok" }] });
  const text = `big ${"ü".repeat(500_000)}`;
  await viewer.ended((await viewer.send(text)).turn);
  assert.equal(viewer.texts("user_message")[0], text);
  await agrees(host, session_id, viewer);
  fine(viewer);
});

test("more than 32 open requests are refused as busy, and all get their reply", async (t) => {
  const { viewer } = await talking(t, { rules: [{ match: "^/slow", on: "create", delay: "300ms", fail: "unavailable" }] });
  const replies = await Promise.all(Array.from({ length: 40 }, () => viewer.request("new", { working_dir: "/slow" }).catch((error) => error.code)));
  assert.deepEqual([replies.filter((code) => code === "busy").length, replies.filter((code) => code === "unavailable").length], [8, 32]);
  assert.deepEqual(await viewer.request("ping"), { pong: true });
  fine(viewer);
});
