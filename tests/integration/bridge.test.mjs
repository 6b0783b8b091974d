// The bridge's driver `llm` in the real host, with a stand-in for the model server: what people see, what the server gets, and what is kept.
import assert from "node:assert/strict";
import path from "node:path";
import { test } from "node:test";
import { ChatClient } from "../support/chat_client.mjs";
import { ModelServer } from "../support/model_server.mjs";
import { chat, exported, forHost, hostFor, plugins, request, viaduct } from "../support/viaduct.mjs";
import { until } from "../support/wait.mjs";

const kKey = "key-of-the-test-3141";

const hostWith = (t, model, config = {}) =>
  hostFor(t, {
    config: {
      backends: { local: { plugin: "bridge", config: { driver: "llm", base_url: model.url, model: "stand-in", retry: { backoff: "20ms", longest: "3s" }, ...config } } },
      surfaces: { "web-chat": { plugin: "web_chat", backend: "local" } },
    },
  });
// Says it and waits for the end of the turn.
async function say(client, text, fields = {}) {
  const { turn } = await client.request("send", { key: `${text}-${Math.random()}`, text, ...(client.session ? { session_id: client.session.session_id } : {}), ...fields });
  return client.ended(turn);
}
const answers = (client) => client.texts("text");
// How often sessions were had back, or not.
async function resumes(host) {
  const { text } = await request(host.origin, "GET", "/metrics");
  return text.split("\n").filter((line) => line.startsWith("viaduct_resumes_total{")).reduce((sum, line) => sum + Number(line.split(" ").at(-1)), 0);
}

for (const api of ["openai", "anthropic"]) {
  test(`${api}: an answer comes as a stream, with thoughts, usage and stop reason`, async (t) => {
    let go;
    const gate = new Promise((resolve) => (go = resolve));
    const model = await ModelServer.start(t, { key: kKey });
    model.script = [{ think: ["Is it ", "grün?"], say: ["Hel", "lo ", "wörld"], wait: gate, delay: 30 }];
    const host = await hostWith(t, model, { api, api_key: kKey, system: "Be kind", max_tokens: 500 });
    const client = await ChatClient.open(host.origin);
    const { turn } = await client.send("Good day");
    await client.until(() => client.state?.session.state === "running", "a running turn");
    go();
    const end = await client.ended(turn);
    assert.equal(end.data.stop_reason, "end_turn");
    assert.deepEqual(answers(client), ["Hello wörld"]);
    assert.deepEqual(client.texts("thought"), ["Is it grün?"]);
    assert.ok(client.changes.filter(({ change, text }) => change === "delta" && text).length >= 2, "in pieces");
    const usage = client.of("usage");
    assert.equal(usage.length, 1);
    assert.deepEqual([usage[0].data.inputTokens, usage[0].data.outputTokens], [12, 3]);

    const { body, headers } = model.requests[0];
    assert.equal(body.max_tokens, 500);
    assert.equal(headers.accept, "text/event-stream");
    if (api === "anthropic") assert.deepEqual([body.system, headers["anthropic-version"]], ["Be kind", "2023-06-01"]);
    else assert.deepEqual(body.messages[0], { role: "system", content: "Be kind" });
    assert.doesNotMatch(host.output, new RegExp(kKey));
    assert.deepEqual(client.faults, []);
  });

  test(`${api}: after kill -9 and restart the next request has every earlier message in order`, async (t) => {
    const model = await ModelServer.start(t);
    const host = await hostWith(t, model, { api });
    const client = await ChatClient.open(host.origin);
    for (const text of ["one", "two", "three"]) await say(client, text);
    model.script = [{ say: ["half an ans"], hang: true }];
    await client.send("four");
    await client.until(() => answers(client).at(-1) === "half an ans", "the half of an answer");
    await model.until(4);
    // what was streamed is on disk within 250 ms; the command line reads what is stored
    await until(async () => (await exported(host, client.session.session_id)).at(-1).text === "half an ans", "the half on disk");
    await host.kill();
    await model.until(4, ({ ended }) => ended === "cut");
    await host.start();

    const back = await ChatClient.open(host.origin, { like: client });
    await back.until(() => back.live, "live");
    assert.equal(back.ends().at(-1).data.stop_reason, "interrupted");
    assert.equal(model.requests.length, 4, "an interrupted turn is not run again by itself");
    await say(back, "five");
    assert.deepEqual(model.conversations.at(-1), [
      "user: one", "assistant: You said: one", "user: two", "assistant: You said: two", "user: three", "assistant: You said: three",
      "user: four", "assistant: half an ans", "user: five",
    ]);
    assert.equal(back.of("context_restored").length, 1);
    assert.equal(back.of("context_restored")[0].data.rung, "transcript");
    await say(back, "six");
    assert.equal(model.conversations.at(-1).length, 11);
    assert.equal(back.of("context_restored").length, 1, "once");
  });

  test(`${api}: a cancel in the middle closes the connection long before the answer is over, and keeps what was said`, async (t) => {
    const model = await ModelServer.start(t);
    model.script = [{ say: Array.from({ length: 10_000 }, (_, i) => `w${i} `), delay: 5 }];
    const host = await hostWith(t, model, { api });
    const client = await ChatClient.open(host.origin);
    const { turn } = await client.send("count");
    await client.until(() => answers(client)[0]?.includes("w5 "), "the beginning of an answer");
    const asked = performance.now();
    await client.request("cancel", { turn });
    const cut = await model.until(1, ({ ended }) => ended);
    assert.equal(cut.ended, "cut");
    const took = cut.endedAt - asked;
    t.diagnostic(`closed after ${took.toFixed(1)} ms`);
    assert.ok(took < 10_000, `${took} ms of the 50 s that the answer would take`); // how fast it is the diagnostic says
    assert.equal((await client.ended(turn)).data.stop_reason, "cancelled");
    const said = answers(client)[0];
    await say(client, "go on");
    assert.deepEqual(model.conversations.at(-1), ["user: count", `assistant: ${said}`, "user: go on"], "the model knows what people saw");
  });

  test(`${api}: what fails before the first token is tried again, not before the server wants it`, async (t) => {
    const model = await ModelServer.start(t);
    model.script = [{ status: 429, headers: { "retry-after": "1" } }, { status: 529 }, { cut: true }, { say: ["at last"] }];
    const host = await hostWith(t, model, { api });
    const client = await ChatClient.open(host.origin);
    assert.equal((await say(client, "hello")).data.stop_reason, "end_turn");
    assert.deepEqual(answers(client), ["at last"]);
    assert.equal(model.requests.length, 4);
    assert.ok(model.requests[1].at - model.requests[0].at >= 1000, `${model.requests[1].at - model.requests[0].at} ms`);
    for (const { body } of model.requests) assert.deepEqual(body, model.requests[0].body);
  });

  test(`${api}: what breaks after the first token ends as unavailable with its text, and is not repeated`, async (t) => {
    const model = await ModelServer.start(t);
    const host = await hostWith(t, model, { api });
    const client = await ChatClient.open(host.origin);
    for (const [trouble, words] of [[{ cut: true }, /broke off in the middle/], [{ malformed: true }, /sent something that is no event/], [{ error: "out of memory" }, /out of memory/]]) {
      const before = model.requests.length;
      model.script = [{ say: ["the first half"], ...trouble }];
      const end = await say(client, "hello");
      assert.equal(end.data.stop_reason, "error");
      assert.equal(end.data.error.code, "unavailable");
      assert.match(end.data.error.message, words);
      assert.equal(answers(client).at(-1), "the first half");
      assert.equal(model.requests.length, before + 1);
    }
    model.script = null;
    assert.equal((await say(client, "go on")).data.stop_reason, "end_turn");
    assert.equal(model.conversations.at(-1).filter((line) => line === "assistant: the first half").length, 3);
  });

  test(`${api}: refusals, limits and tools that nobody offered have their stop reasons`, async (t) => {
    const model = await ModelServer.start(t);
    model.script = [{ refuse: "I will not" }, { say: ["and so"], stop: api === "openai" ? "length" : "max_tokens" }, { tool: "rm" }];
    const host = await hostWith(t, model, { api });
    const client = await ChatClient.open(host.origin);
    assert.equal((await say(client, "a")).data.stop_reason, "refusal");
    assert.equal(answers(client)[0], "I will not");
    assert.equal((await say(client, "b")).data.stop_reason, "max_tokens");
    assert.equal((await say(client, "c")).data.stop_reason, "end_turn");
    assert.match(client.texts("notice").at(-1), /wanted to use a tool.*: rm$/);
  });

  test(`${api}: a conversation that no longer fits is compacted, says so, and stays whole in the log`, async (t) => {
    const model = await ModelServer.start(t);
    const host = await hostWith(t, model, { api });
    const client = await ChatClient.open(host.origin);
    for (let i = 1; i <= 6; ++i) await say(client, `message ${i} ${"x".repeat(100)}`);
    model.script = [{ overflow: true }, { say: ["They sent ", "messages."] }];
    const end = await say(client, "and now");
    assert.equal(end.data.stop_reason, "end_turn");
    assert.equal(answers(client).at(-1), "You said: and now", "the summary is not shown");
    const [, summary, last] = model.conversations.slice(-3);
    assert.match(summary[0], /Summarise it[^]*message 1 x[^]*You said: message 1 x/);
    assert.match(last.find((line) => line.startsWith("user: ")), /They sent messages\./);
    assert.equal(last.at(-1), "user: and now");
    assert.ok(last.length < 6, `${last.length}`);
    assert.match(client.texts("notice").at(-1), /no longer fits the model/);
    const log = await exported(host, client.session.session_id);
    assert.equal(log.filter(({ type }) => type === "user_message").length, 7);
    assert.doesNotMatch(log.filter(({ type }) => type === "text").map(({ text }) => text).join(), /They sent/);
  });
}

test("images go to the model as its API wants them", async (t) => {
  const model = await ModelServer.start(t);
  const host = await hostWith(t, model);
  const client = await ChatClient.open(host.origin);
  const data = Buffer.from("not really a picture").toString("base64");
  await say(client, "look", { blocks: [{ type: "image", mimeType: "image/png", data }] });
  assert.deepEqual(model.requests[0].body.messages[0].content, [{ type: "text", text: "look" }, { type: "image_url", image_url: { url: `data:image/png;base64,${data}` } }]);
});

test("a server that does not stream is understood as well", async (t) => {
  const model = await ModelServer.start(t);
  model.script = [{ whole: true, say: ["all at once"] }];
  const host = await hostWith(t, model);
  const client = await ChatClient.open(host.origin);
  assert.equal((await say(client, "hello")).data.stop_reason, "end_turn");
  assert.deepEqual(answers(client), ["all at once"]);
});

test("a wrong key is the operator's business, in words that do not have it", async (t) => {
  const model = await ModelServer.start(t, { key: "another" });
  const host = await hostWith(t, model, { api_key: kKey });
  const client = await ChatClient.open(host.origin);
  const end = await say(client, "hello");
  assert.equal(end.data.error.code, "failed_precondition");
  assert.match(end.data.error.message, /does not accept the key \(401: Incorrect API key provided: \*\*\*\): set api_key/);
  assert.doesNotMatch(host.output + JSON.stringify(await exported(host, client.session.session_id)), new RegExp(kKey));
});

test("a server that is not there is unavailable, and the conversation goes on when it is", async (t) => {
  const model = await ModelServer.start(t);
  const host = await hostWith(t, model, { retry: { attempts: 2, backoff: "10ms" } });
  const { port } = model;
  await model.stop();
  const client = await ChatClient.open(host.origin);
  const end = await say(client, "hello");
  assert.deepEqual([end.data.stop_reason, end.data.error.code], ["error", "unavailable"]);
  assert.match(end.data.error.message, /does not answer/);
  await model.listen(port);
  assert.equal((await say(client, "again")).data.stop_reason, "end_turn");
  assert.deepEqual(model.conversations.at(-1), ["user: hello\n\nagain"]);
});

test("a conversation of several pages of the store comes back whole and in order", async (t) => {
  const model = await ModelServer.start(t);
  const host = await hostWith(t, model);
  const before = await ChatClient.open(host.origin);
  for (let i = 0; i < 150; ++i) await say(before, `message ${i}`); // four entries each, 500 to a page
  await host.kill();
  await host.start();
  const client = await ChatClient.open(host.origin);
  await say(client, "and now");
  const all = Array.from({ length: 150 }, (_, i) => [`user: message ${i}`, `assistant: You said: message ${i}`]).flat();
  assert.deepEqual(model.conversations.at(-1), [...all, "user: and now"]);
});

test("two messages and a resume race for a lost session, and it is restored once", async (t) => {
  const model = await ModelServer.start(t);
  const host = await hostWith(t, model);
  const before = await ChatClient.open(host.origin);
  await say(before, "one");
  await host.kill();
  await host.start();
  const [left, right] = await Promise.all([ChatClient.open(host.origin), ChatClient.open(host.origin)]);
  const { session_id } = left.session;
  const [two, three, resumed] = await Promise.all([left.send("two"), right.send("three"), right.request("resume", { session_id })]);
  assert.ok(["transcript", "live"].includes(resumed.context), resumed.context);
  for (const { turn } of [two, three]) assert.equal((await left.ended(turn)).data.stop_reason, "end_turn");
  assert.equal(left.of("context_restored").length, 1);
  assert.equal(await resumes(host), 1);
  const said = two.turn < three.turn ? ["two", "three"] : ["three", "two"];
  assert.deepEqual(model.conversations.slice(1), [
    ["user: one", "assistant: You said: one", `user: ${said[0]}`],
    ["user: one", "assistant: You said: one", `user: ${said[0]}`, `assistant: You said: ${said[0]}`, `user: ${said[1]}`],
  ]);
});

test("a resume gives the conversation back at once, and asks the model nothing", async (t) => {
  const model = await ModelServer.start(t);
  const host = await hostWith(t, model);
  const before = await ChatClient.open(host.origin);
  await say(before, "one");
  const { session_id } = before.session;
  await host.stop();
  await host.start();
  const client = await ChatClient.open(host.origin);
  assert.equal((await client.request("resume", { session_id })).context, "transcript");
  assert.equal((await client.request("resume", { session_id })).context, "live");
  assert.equal(model.requests.length, 1);
  assert.equal(await resumes(host), 1);
});

test("a server that is away after a restart is unavailable: the session is no dead one, and goes on whole", async (t) => {
  const model = await ModelServer.start(t);
  const host = await hostWith(t, model, { retry: { attempts: 2, backoff: "10ms" } });
  const { port } = model;
  await chat(host, "POST", "api/session", {});
  assert.equal((await chat(host, "POST", "api/chat", { message: "one" })).status, 200);
  const { session_id } = (await chat(host, "GET", "api/session")).body;
  await host.kill();
  await model.stop();
  await host.start();
  for (let i = 0; i < 6; ++i) { // more often than an id is tried
    const answer = await chat(host, "POST", "api/chat", { message: "two" });
    assert.equal(answer.status, 503, answer.text);
    assert.match(answer.body.error, /does not answer/);
    assert.equal((await chat(host, "GET", "api/session")).body.session_id, session_id, "it stays the current one");
  }
  await model.listen(port);
  assert.equal((await chat(host, "POST", "api/chat", { message: "three" })).status, 200);
  assert.deepEqual(model.conversations.at(-1).slice(0, 2), ["user: one", "assistant: You said: one"]);
  assert.match(model.conversations.at(-1).at(-1), /^user: two[^]*three$/);
});

test("with restoring turned off the session is dead, in words, and nothing of it is sent", async (t) => {
  const model = await ModelServer.start(t);
  const host = await hostWith(t, model, { resume: { enabled: false } });
  const before = await ChatClient.open(host.origin);
  await say(before, "one");
  await host.kill();
  await host.start();
  const answer = await chat(host, "POST", "api/chat", { message: "two" });
  assert.equal(answer.status, 409, answer.text);
  assert.match(answer.body.error, /no longer exists/);
  assert.equal(model.requests.length, 1);
});

test("another user's session is never given, before and after a restart", async (t) => {
  const model = await ModelServer.start(t);
  const host = await hostFor(t, {
    config: {
      backends: { local: { plugin: "bridge", config: { driver: "llm", base_url: model.url, model: "stand-in" } } },
      surfaces: Object.fromEntries(["web-chat", "other"].map((name) => [name, { plugin: "web_chat", backend: "local" }])),
    },
  });
  const mine = await ChatClient.open(host.origin);
  await say(mine, "the secret is 42");
  const { session_id } = mine.session;
  const refused = async () => {
    const other = await ChatClient.open(host.origin, { surface: "other" });
    for (const [type, fields] of [["resume", {}], ["send", { key: "k", text: "what is the secret?" }], ["history", { before: 0 }]])
      await assert.rejects(other.request(type, { session_id, ...fields }), { code: "not_found" }, type);
    const asked = await other.request("send", { key: `own-${Math.random()}`, text: "what is the secret?" });
    await other.ended(asked.turn);
    assert.doesNotMatch(JSON.stringify(model.requests.at(-1).body), /42/);
    await other.request("end");
  };
  await refused();
  await host.kill();
  await host.start();
  const before = model.requests.length;
  await refused();
  assert.equal(model.requests.length, before + 1, "only the own message went to the model");
  const back = await ChatClient.open(host.origin);
  await say(back, "go on");
  assert.deepEqual(model.conversations.at(-1), ["user: the secret is 42", "assistant: You said: the secret is 42", "user: go on"]);
});

test("another agent's id is never used: what was begun with it goes on with the transcript, in both directions", async (t) => {
  const model = await ModelServer.start(t);
  const host = await hostFor(t, {});
  const before = await ChatClient.open(host.origin);
  await say(before, "said to the mock");
  await host.stop();

  const bridge = { plugin: "bridge", config: { driver: "llm", base_url: model.url, model: "stand-in" } };
  host.options.config = { backends: { echo: bridge } };
  await host.start();
  const client = await ChatClient.open(host.origin);
  await say(client, "said to the bridge");
  assert.deepEqual(model.conversations, [["user: said to the mock", "assistant: [Mock response to: said to the mock]", "user: said to the bridge"]]);
  await host.stop();

  host.options.config = {};
  await host.start();
  const back = await ChatClient.open(host.origin);
  await say(back, "said to the mock again");
  assert.equal(back.of("context_restored").length, 2);
  assert.match(back.of("context_restored")[1].data.reason, /its id belongs to another agent \(llm\)/);
});

test("a cancel before the first token, or between two attempts, ends the turn at once", async (t) => {
  const model = await ModelServer.start(t);
  const host = await hostWith(t, model, { retry: { attempts: 9, backoff: "1h", longest: "1h" } });
  const client = await ChatClient.open(host.origin);
  const never = new Promise(() => {});
  model.script = [{ wait: never }, { status: 529 }];

  const silent = await client.send("silent");
  await model.until(1);
  await client.request("cancel", { turn: silent.turn });
  assert.equal((await model.until(1, ({ ended }) => ended)).ended, "cut");
  assert.equal((await client.ended(silent.turn)).data.stop_reason, "cancelled");

  const waiting = await client.send("waiting");
  await model.until(2, ({ ended }) => ended === "finished");
  await client.request("cancel", { turn: waiting.turn });
  assert.equal((await client.ended(waiting.turn)).data.stop_reason, "cancelled");
  await say(client, "and now");
  assert.deepEqual(model.conversations[2], ["user: silent\n\nwaiting\n\nand now"]);
  assert.equal(model.requests.length, 3);
});

test("a session that is ended in the middle of an answer closes its connection", async (t) => {
  const model = await ModelServer.start(t);
  model.script = [{ say: ["half"], hang: true }];
  const host = await hostWith(t, model);
  const client = await ChatClient.open(host.origin);
  await client.send("hello");
  await client.until(() => answers(client)[0] === "half", "the half of an answer");
  await client.request("end");
  assert.equal((await model.until(1, ({ ended }) => ended)).ended, "cut");
});

test("50 lost sessions are had back at once, each with its own conversation", async (t) => {
  const model = await ModelServer.start(t);
  const host = await hostWith(t, model);
  const sessions = [];
  const connect = () => Promise.all([ChatClient.open(host.origin), ChatClient.open(host.origin)]); // one may not have 50 open requests
  let clients = await connect();
  const sayAll = async (word) => {
    await Promise.all(sessions.map((session_id, i) => clients[i % 2].request("send", { key: `${word}${i}`, text: `${word} ${i}`, session_id })));
    await until(async () => {
      const { sessions: listed } = await clients[0].request("list", { limit: 200 });
      return listed.length === 50 && listed.every(({ state }) => state === "idle");
    }, "the end of all turns");
  };
  for (let i = 0; i < 50; ++i) sessions.push((await clients[0].request("new", { description: `s${i}` })).session_id);
  await sayAll("one");
  await host.kill();
  await host.start();
  clients = await connect();
  await sayAll("two");
  const expected = sessions.map((_, i) => [`user: one ${i}`, `assistant: You said: one ${i}`, `user: two ${i}`]);
  assert.deepEqual(model.conversations.slice(50).sort(), expected.sort());
  assert.equal(await resumes(host), 50);
});

test("50 sessions answer at once", async (t) => {
  let go;
  const gate = new Promise((resolve) => (go = resolve));
  const model = await ModelServer.start(t);
  model.script = ({ body }) => ({ wait: gate, say: body.messages.at(-1).content.split(" ").map((word) => `${word}! `), delay: 1 });
  const host = await hostWith(t, model);
  const client = await ChatClient.open(host.origin);
  const sessions = [];
  for (let i = 0; i < 50; ++i) sessions.push((await client.request("new", { description: `s${i}` })).session_id);
  for (const [i, session] of sessions.entries()) await client.request("send", { key: `k${i}`, text: `message of session ${i}`, session_id: session });
  await model.until(50);
  go();
  for (const [i, session] of sessions.entries()) {
    const entries = await until(async () => {
      const page = await client.request("history", { session_id: session, before: 0, limit: 10 });
      return page.entries.at(-1).type === "turn_end" && page.entries;
    }, `the end of session ${i}`);
    assert.equal(entries.at(-1).data.stop_reason, "end_turn");
    assert.deepEqual(entries.filter(({ type }) => type === "text").map(({ text }) => text), [`message! of! session! ${i}! `]);
  }
  assert.equal(model.requests.length, 50);
});

test("doctor says whether the server answers, the key works and the model is there, and what to do", async (t) => {
  const model = await ModelServer.start(t, { key: kKey, models: ["other", "stand-in:latest"] });
  const host = await hostWith(t, model, { api_key: kKey });
  const doctor = async () => {
    const { code, out } = await forHost(host, "doctor", "--json");
    return { code, out, of: (name) => JSON.parse(out).checks.find((check) => check.name.endsWith(name)) };
  };
  const fine = await doctor();
  assert.equal(fine.code, 0, fine.out);
  for (const name of ["server", "key", "model"]) assert.equal(fine.of(name)?.ok, true, fine.out);
  model.models = ["other"];
  const missing = await doctor();
  assert.equal(missing.code, 1);
  assert.match(missing.of("model").message, /does not list the model stand-in; it has other: correct model .*ollama pull stand-in/);
  model.key = "changed";
  const refused = await doctor();
  assert.match(refused.of("key").message, /does not accept the key.*set api_key/);
  assert.doesNotMatch(refused.out, new RegExp(kKey));
  await model.stop();
  const gone = await doctor();
  assert.match(gone.of("server").message, /does not answer.*start it, or correct base_url/);
});

test("plugin check passes bridge, but for its answer: the example has no server", async () => {
  const { code, out } = await viaduct(["plugin", "check", path.join(plugins, "bridge.so")], { limit: 240_000 });
  assert.equal(code, 0, out);
  assert.match(out, /: \d\d passed, 0 failed, 0 crashed, 1 warnings, \d+ skipped\n$/);
  assert.match(out, /^warning +prompt-answers-once .*The model server http:\/\/127\.0\.0\.1:9\/v1 does not answer/m);
});
