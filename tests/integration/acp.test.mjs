// The backend `acp` with the scriptable agent in the real host: what an agent says becomes entries, what people say reaches the agent as it can take it,
// and everything that agents get wrong on the wire is survived.
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { act, Agent, answer, hostWith, say, talking } from "../support/acp.mjs";
import { ChatClient } from "../support/chat_client.mjs";
import { exported, forHost, plugins, root, viaduct } from "../support/viaduct.mjs";
import { until } from "../support/wait.mjs";

const types = (client, turn) => client.list().filter((entry) => entry.turn === turn).map(({ type }) => type);
const ended = (end) => [end.data.stop_reason, end.data.error?.code];

// ---------------------------------------------------------------- initialize and authenticate

test("initialize offers version 1 and only what is there; files and programs are not", async (t) => {
  const { agent, client } = await talking(t);
  assert.deepEqual(ended(await say(client, "hello")), ["end_turn", undefined]);
  const [{ params }] = agent.got("initialize");
  assert.equal(params.protocolVersion, 1);
  assert.ok(params.clientInfo.name);
  const { fs, terminal, elicitation, session } = params.clientCapabilities;
  assert.deepEqual([fs?.readTextFile ?? false, fs?.writeTextFile ?? false, terminal ?? false], [false, false, false]);
  assert.ok(elicitation.form && elicitation.url && session.configOptions.boolean);
  assert.deepEqual(agent.methods.slice(0, 3), ["initialize", "session/new", "session/prompt"]);
  assert.deepEqual(agent.got("session/new")[0].params.mcpServers, []);
});

test("an agent that answers another protocol version is refused in words", async (t) => {
  const { agent, client } = await talking(t, { protocolVersion: 2 });
  await assert.rejects(client.send("hello"), { code: "failed_precondition", message: /version 2/ }).catch(async () => {
    const end = client.ends().at(-1) ?? (await client.ended());
    assert.equal(end.data.error.code, "failed_precondition");
    assert.match(end.data.error.message, /version 2/);
  });
  await agent.until(() => agent.running.length === 0, "the end of the process");
  assert.deepEqual(agent.got("session/new"), []);
});

test("an agent that tells nothing of itself but its version is fine", async (t) => {
  const { client } = await talking(t, { agentInfo: null, without: ["load", "resume", "list", "close", "delete", "fork", "image", "audio", "embedded", "http", "sse"] });
  await say(client, "hello");
  assert.equal(answer(client), "You said: hello");
});

for (const place of ["session/new", "session/prompt"])
  test(`an agent that is not logged in, which it says at ${place}: the user is told what to run, and later it works`, async (t) => {
    const { agent, client } = await talking(t, { auth: place, authMethods: [{ id: "login", name: "Log in", type: "terminal" }] }, {});
    let trouble;
    try {
      trouble = (await say(client, "hello")).data.error;
    } catch (error) {
      trouble = { code: error.code, message: error.reason };
    }
    assert.equal(trouble.code, "failed_precondition");
    assert.match(trouble.message, /not logged in.*log in on the host/is);
    assert.deepEqual(agent.got("authenticate"), [], "never with a method of a terminal");
    agent.script({});
    await say(client, "hello again");
    assert.match(answer(client), /hello again$/);
  });

test("auth_method is called once after initialize, and its failure is in words", async (t) => {
  const methods = [{ id: "key", name: "Key", type: "env_var" }];
  const { agent, client } = await talking(t, { auth: "session/new", authMethods: methods }, { auth_method: "key" });
  await say(client, "hello");
  assert.deepEqual(agent.methods.slice(0, 3), ["initialize", "authenticate", "session/new"]);
  assert.deepEqual(agent.got("authenticate")[0].params, { methodId: "key" });
});

// ---------------------------------------------------------------- what an agent says

test("every stable variant of an update has its entry, in the order of the wire", async (t) => {
  const { host, client } = await talking(t);
  await say(client, act(
    { think: "Let me " }, { think: "see" }, { say: ["Hel", "lo"] }, { echo: "not shown again" },
    { plan: [{ content: "look", priority: "high", status: "in_progress" }] },
    { tool: { toolCallId: "a", title: "ls", kind: "execute", status: "pending", rawInput: { command: "ls" }, locations: [{ path: "/tmp", line: 3 }], _meta: { claudeCode: { toolName: "Bash" } } } },
    { toolUpdate: { toolCallId: "a", status: "in_progress" } },
    { toolUpdate: { toolCallId: "a", status: "completed", title: null, content: [{ type: "content", content: { type: "text", text: "a b" } }, { type: "diff", path: "/x", oldText: null, newText: "y" }] } },
    { say: "done" }, { plan: [{ content: "look", priority: "high", status: "completed" }] }, { usage: { used: 10, size: 100, cost: { amount: 0.5, currency: "USD" } } },
    { title: "Looking around" }, { commands: [{ name: "go", description: "Goes" }] }, { stop: "end_turn", usage: { inputTokens: 12, outputTokens: 3, totalTokens: 15 } },
  ));
  const log = (await exported(host, client.session.session_id)).filter(({ turn }) => turn === 1);
  assert.deepEqual(log.map(({ type }) => type).filter((type) => type !== "usage"), ["user_message", "thought", "text", "plan", "tool_call", "text", "turn_end"]);
  const of = (type) => log.filter((entry) => entry.type === type);
  assert.deepEqual(of("thought").map(({ text }) => text), ["Let me see"]);
  assert.deepEqual(of("text").map(({ text }) => text), ["Hello", "done"]);
  assert.deepEqual(of("plan")[0].data.entries, [{ content: "look", priority: "high", status: "completed" }]);
  const { data } = of("tool_call")[0];
  assert.deepEqual([data.title, data.kind, data.status, data.rawInput, data.locations], ["ls", "execute", "completed", { command: "ls" }, [{ path: "/tmp", line: 3 }]]);
  assert.equal(data.content.length, 2);
  assert.deepEqual(data._meta, { claudeCode: { toolName: "Bash" } });
  const usage = Object.assign({}, ...of("usage").map((entry) => entry.data));
  assert.deepEqual([usage.inputTokens, usage.outputTokens, usage.used, usage.size, usage.cost], [12, 3, 10, 100, { amount: 0.5, currency: "USD" }]);
  await client.until(() => client.state.session.title === "Looking around", "the title");
  assert.ok(client.state.commands.some(({ name }) => name === "go"));
});

test("unknown updates, fields and tool ids harm nothing", async (t) => {
  const { client } = await talking(t);
  const end = await say(client, act(
    { update: { sessionUpdate: "x_future", anything: { deep: [1] } } }, { update: { sessionUpdate: null } }, { update: {} }, { send: { jsonrpc: "2.0", method: "session/update", params: { sessionId: 7, update: 3 } } },
    { send: { jsonrpc: "2.0", method: "session/update", params: { sessionId: "of nobody", update: { sessionUpdate: "agent_message_chunk", content: { type: "text", text: "lost" } } } } },
    { send: { jsonrpc: "2.0", id: 424242, result: {} } }, { send: { jsonrpc: "2.0", id: "x", error: { code: 1, message: "?" } } }, { send: { jsonrpc: "2.0", id: null, result: { stopReason: "refusal" } } },
    { send: { jsonrpc: "2.0", method: "_vendor/news", params: { a: 1 } } }, { send: { jsonrpc: "2.0", method: "session/update" } },
    { toolUpdate: { toolCallId: "never announced", status: "in_progress" } }, { toolUpdate: { toolCallId: "never announced", title: "late title", kind: "x_kind" } },
    { tool: { toolCallId: "b", title: "twice" } }, { tool: { toolCallId: "b", title: "twice", status: "completed" } },
    { content: { type: "x_future", text: "?" } }, { say: "fine" },
  ));
  assert.deepEqual(ended(end), ["end_turn", undefined]);
  const tools = client.of("tool_call").map(({ data }) => [data.toolCallId, data.title, data.status]);
  assert.deepEqual(tools, [["never announced", "late title", "in_progress"], ["b", "twice", "completed"]]);
  assert.match(answer(client), /fine$/);
  assert.doesNotMatch(answer(client), /lost/);
});

test("content that is no text is shown as what it is, and compactions and notices as notices", async (t) => {
  const { client } = await talking(t);
  await say(client, act(
    { content: { type: "resource_link", uri: "file:///tmp/a.pdf", name: "a.pdf" } }, { content: { type: "image", data: "AA==", mimeType: "image/png" } },
    { update: { sessionUpdate: "notice", severity: "warning", title: "Nearly full", description: "of context" } }, { say: "." },
  ));
  assert.match(answer(client), /a\.pdf/);
  assert.deepEqual(client.texts("content"), ["[an image]"]);
  assert.match(client.texts("notice").join(), /Nearly full/);
});

test("what tools still have open when a turn ends is not left running", async (t) => {
  const { agent, client } = await talking(t);
  const { turn } = await client.send(act({ tool: { toolCallId: "a", title: "long", status: "in_progress" } }, { hang: true }));
  await client.until(() => client.of("tool_call").length === 1, "the tool call");
  await client.request("cancel", { turn });
  assert.deepEqual(ended(await client.ended(turn)), ["cancelled", undefined]);
  assert.equal(agent.got("session/cancel").length, 1);
  await client.until(() => ["failed", "cancelled"].includes(client.of("tool_call")[0].data.status), "an end of the tool call");
});

for (const reason of ["max_tokens", "max_turn_requests", "refusal"])
  test(`the stop reason ${reason} is told as it is`, async (t) => {
    const { client } = await talking(t);
    assert.deepEqual(ended(await say(client, act({ say: "x" }, { stop: reason }))), [reason, undefined]);
  });

test("an agent that says cancelled although nobody cancelled has ended its turn, with a notice", async (t) => {
  const { client } = await talking(t);
  assert.deepEqual(ended(await say(client, act({ say: "x" }, { stop: "cancelled" }))), ["end_turn", undefined]);
  assert.equal(client.of("notice").length, 1);
});

test("an unknown stop reason counts as end_turn, with a notice", async (t) => {
  const { client } = await talking(t);
  assert.deepEqual(ended(await say(client, act({ say: "x" }, { stop: "tired" }))), ["end_turn", undefined]);
  assert.match(client.texts("notice").join(), /tired/);
});

// ---------------------------------------------------------------- order

test("what comes before the answer to session/new and right after it belongs to the session", async (t) => {
  const { client } = await talking(t, {
    early: [{ sessionUpdate: "available_commands_update", availableCommands: [{ name: "early", description: "E" }] }, "Early warning. "],
    welcome: [{ sessionUpdate: "session_info_update", title: "Welcome" }],
  });
  await say(client, "hello");
  const early = await client.until(() => client.list().find(({ turn, text }) => turn === 0 && /Early warning/.test(text)), "the early text");
  assert.ok(early.entry < client.of("text").find(({ turn }) => turn === 1).entry, "in its place");
  assert.equal(answer(client, 1), "You said: hello");
  await client.until(() => client.state.session.title === "Welcome" && client.state.commands.some(({ name }) => name === "early"), "title and commands");
});

test("a text within 250 ms after the answer joins the turn's entry, whose end was not held back", async (t) => {
  const { client } = await talking(t);
  const { turn } = await client.send(act({ say: "The answer" }, { late: " is 42.", after: 30 }));
  const end = await client.ended(turn);
  await client.until(() => answer(client, turn) === "The answer is 42.", "the late text");
  assert.deepEqual(client.of("text").map((entry) => [entry.turn, entry.text]), [[turn, "The answer is 42."]]);
  assert.equal(ended(end)[0], "end_turn");
  assert.equal(client.ends(turn).length, 1);
});

test("a late text does not get into the next turn", async (t) => {
  const { agent, client } = await talking(t);
  const { turn } = await client.send(act({ say: "First." }, { late: " Late.", until: "late" }));
  await client.ended(turn);
  const next = (await client.send(act({ say: "Second." }, { until: "go" }, { say: " Third." }))).turn;
  await client.until(() => answer(client, next) === "Second.", "the next answer");
  agent.open("go");
  await client.ended(next);
  assert.equal(answer(client, next), "Second. Third.");
  agent.open("late");
  await client.until(() => client.of("text").map(({ text }) => text).join("|").includes("Late."), "the late text");
  assert.equal(answer(client, next).replace(/ Late\.$/, ""), "Second. Third.");
});

test("what an agent says long after a turn is an entry outside of any turn", async (t) => {
  const { agent, client } = await talking(t);
  await say(client, act({ say: "First." }, { late: "Background job done.", until: "job" }, { late: { sessionUpdate: "tool_call", toolCallId: "bg", title: "job", status: "completed" }, until: "job" }));
  await client.until(() => client.live);
  await new Promise((resolve) => setTimeout(resolve, 400)); // it is the time that is tested: later than 250 ms
  agent.open("job");
  const outside = await client.until(() => client.list().find(({ turn, text }) => turn === 0 && /Background job done/.test(text)), "the entry");
  assert.ok(["text", "notice"].includes(outside.type));
  assert.equal(answer(client, 1), "First.");
  assert.equal(client.state.session.state, "idle");
});

test("a second message waits in the queue and never reaches the agent while a turn runs", async (t) => {
  const { agent, client } = await talking(t);
  const first = (await client.send(act({ say: "one" }, { until: "go" }))).turn;
  const second = (await client.send("two")).turn;
  await client.until(() => answer(client, first) === "one", "the first answer");
  assert.equal(agent.got("session/prompt").length, 1);
  agent.open("go");
  await client.ended(second);
  assert.equal(answer(client, second), "You said: two");
});

// ---------------------------------------------------------------- the wire

test("noise and JSON scalars on stdout are skipped and counted", async (t) => {
  const { host, client } = await talking(t, { noise: ["(node:1) Warning: x", "42", "null", "\"text\"", "[1]", "true", "{}", "{\"a\":1}", "{broken", "\u0000\u0001"] });
  await say(client, act({ line: "Downloading … 50%" }, { say: "fine" }, { line: "[]" }));
  assert.equal(answer(client), "fine");
  const metrics = await (await fetch(`${host.origin}/metrics`)).text();
  const [, count] = /noise\w*\{[^}]*\} (\d+)/.exec(metrics) ?? assert.fail("no metric of noise");
  assert.ok(Number(count) >= 11, count);
});

test("pieces that cut lines and characters anywhere make the same text", async (t) => {
  const { client } = await talking(t, { chunked: true });
  const text = "Grüße, 世界! 🌳🌳 ".repeat(20);
  await say(client, act({ chunked: text }, { say: "end" }));
  assert.equal(answer(client), text + "end");
});

test("a line of 8 MiB is one text", async (t) => {
  const { host, client } = await talking(t);
  assert.deepEqual(ended(await say(client, act({ huge: 8 << 20 }))), ["end_turn", undefined]);
  // A page that cannot follow gets the newest entries and reads the others as history: the log has it.
  const [text] = (await exported(host, client.session.session_id)).filter(({ type }) => type === "text");
  assert.ok(text.text.length === 8 << 20 && /^x+$/.test(text.text), `${text.text.length}`);
  await say(client, "still there?");
  assert.equal(answer(client), "You said: still there?");
});

test("long texts that come faster than the host takes them stay whole and in order, up to the end of the turn", async (t) => {
  const { client } = await talking(t);
  const parts = 12;
  const bytes = 400_000;
  const end = await say(client, act(...Array.from({ length: parts }, (_, i) => [{ huge: bytes }, { say: `<${i}>` }]).flat(), { huge: bytes }));
  assert.equal(end.data.stop_reason, "end_turn");
  const seen = answer(client).replaceAll(/[^<>\d]+/g, (run) => `[${run.length}]`);
  assert.equal(seen, `${Array.from({ length: parts }, (_, i) => `[${bytes}]<${i}>`).join("")}[${bytes}]`);
});

test("a line beyond max_line is not kept in memory: the turn has one end, and the conversation goes on", async (t) => {
  const { client } = await talking(t, {}, { max_line: "1MiB" });
  const end = await say(client, act({ say: "before" }, { noise: 4 << 20 }, { say: "after" }));
  assert.ok(["end_turn", "interrupted", "error"].includes(end.data.stop_reason));
  assert.equal(client.ends().length, 1);
  await say(client, "recall");
  assert.match(answer(client), /I know: .*before/s);
});

test("megabytes on stderr do not stop the agent; the last lines are told when it dies, without secrets", async (t) => {
  const agent = Agent.for(t);
  const host = await hostWith(t, agent, { env: { ...agent.env, TOKEN_OF_TEST: "sesame-opens-2718" } });
  const client = await ChatClient.open(host.origin);
  const end = await say(client, act({ noiseOnStderr: 3 << 20 }, { say: "alive" }, { crash: 7, stderr: "panic: sesame-opens-2718 is wrong\nat line 7" }));
  assert.equal(end.data.stop_reason, "interrupted");
  assert.equal(answer(client), "alive");
  const { message } = end.data.error;
  assert.match(message, /at line 7/);
  assert.doesNotMatch(message + host.output, /sesame/);
});

test("bytes that are no UTF-8, halves of characters, and JSON nested without end cost at most themselves", async (t) => {
  const { client } = await talking(t);
  const update = (text) => `{"jsonrpc":"2.0","method":"session/update","params":{"sessionId":"SESSION","update":{"sessionUpdate":"agent_message_chunk","content":{"type":"text","text":"${text}"}}}}`;
  const deep = `${"[".repeat(200_000)}${"]".repeat(200_000)}`;
  const end = await say(client, act(
    { say: "a" }, { bytes: Buffer.concat([Buffer.from(update("b\xff\xfe\xc3("), "latin1")]).toString("base64") }, { line: update("c\\ud83d") }, { line: deep }, { line: update("\\u0000d") },
    { line: `{"jsonrpc":"2.0","method":"session/update","params":{"sessionId":"SESSION","update":{"sessionUpdate":"tool_call","toolCallId":"deep","title":"deep","rawInput":${"[".repeat(50_000)}${"]".repeat(50_000)}}}}` }, { say: "e" },
  ));
  assert.equal(end.data.stop_reason, "end_turn");
  assert.match(answer(client), /^a[^]*b[^]*c[^]*d?[^]*e$/);
  await say(client, "fine?");
  assert.equal(answer(client), "You said: fine?");
});

test("20,000 pieces as fast as the agent can: none is lost, and none doubled", async (t) => {
  const pieces = Array.from({ length: 20_000 }, (_, i) => `${i} `);
  const { host, client } = await talking(t, { prompts: [{ match: "^many$", do: [{ say: pieces }] }] });
  const { turn } = await client.send("many");
  assert.equal((await client.ended(turn)).data.stop_reason, "end_turn");
  const log = await exported(host, client.session.session_id);
  assert.equal(log.filter(({ type }) => type === "text").map(({ text }) => text).join(""), pieces.join(""));
});

for (const [what, answers] of [["session/new with nothing", { "session/new": null }], ["session/new without an id", { "session/new": {} }], ["session/new with a number for an id", { "session/new": { sessionId: 7 } }], ["initialize with nothing", { initialize: null }], ["initialize with a list", { initialize: [1] }]])
  test(`an agent that answers ${what} is told of in words, and the next one works`, async (t) => {
    const { agent, client } = await talking(t, { answers }, { resume: { attempts: 1 } });
    const trouble = await say(client, "hello").then((end) => end.data.error, (error) => ({ code: error.code, message: error.reason }));
    assert.ok(["unavailable", "failed_precondition"].includes(trouble.code), JSON.stringify(trouble));
    assert.ok(trouble.message.length > 10);
    agent.script({});
    if (agent.running.length) agent.kill();
    await until(async () => (await say(client, "hello again")).data.stop_reason === "end_turn", "an answer");
    assert.match(answer(client), /hello again$/);
  });

test("what happens in one session of a process does not touch another", async (t) => {
  const { agent, host, client } = await talking(t);
  await say(client, "hello");
  const first = client.session.session_id;
  const second = (await client.request("new", { description: "second" })).session_id;
  await client.until(() => client.session?.session_id === second && client.live, "the session");
  const { turn } = await client.send(act({ say: "second " }, { permission: { id: "p" } }, { say: "goes on" }));
  const asked = await client.until(() => client.of("permission")[0], "the request");
  const begun = await client.request("send", { key: "k", text: act({ say: "first" }, { hang: true }), session_id: first });
  await agent.until(() => agent.got("session/prompt").length === 3, "the other prompt");
  await client.request("cancel", { session_id: first, turn: begun.turn });
  const log = await until(async () => {
    const entries = await exported(host, first);
    return entries.filter(({ type }) => type === "turn_end").length === 2 && entries;
  }, "the end of the first");
  assert.equal(log.at(-1).data.stop_reason, "cancelled");
  assert.equal(client.entries.get(asked.entry).data.status, "pending");
  assert.deepEqual(agent.got("session/cancel").length, 1);
  await client.request("answer", { entry: asked.entry, option_id: "once" });
  await client.ended(turn);
  assert.equal(answer(client, turn), "second Permission: once. goes on");
});

test("an agent's request of a method that is not offered is answered with -32601, also for _extensions", async (t) => {
  const { client } = await talking(t);
  await say(client, act(
    { request: { method: "fs/read_text_file", params: { path: "/etc/passwd" } } }, { read: { path: "/etc/passwd" } }, { write: { path: "/tmp/x", content: "x" } }, { terminal: { command: "ls" } },
    { request: { method: "_vendor/ask", params: {} } }, { request: { method: "_vendor/ask", params: { sessionId: "nobody's" } } }, { request: { method: "session/prompt" } }, { request: { method: "mcp/connect", params: null, id: "u-1" } },
  ));
  const codes = [...answer(client).matchAll(/"error":(-\d+)/g)].map(([, code]) => code);
  assert.deepEqual(codes, Array(8).fill("-32601"));
});

test("requests whose parameters are wrong are answered with an error, and the turn goes on", async (t) => {
  const { client } = await talking(t, {}, { files: "allow", terminals: "allow" });
  await say(client, act(
    { request: { method: "session/request_permission", params: {} } }, { request: { method: "session/request_permission", params: { sessionId: "nobody's", options: [], toolCall: {} } } },
    { request: { method: "elicitation/create", params: [] } }, { request: { method: "fs/read_text_file", params: { path: 7 } } }, { request: { method: "terminal/output", params: { terminalId: "none" } } }, { say: "on" },
  ));
  assert.match(answer(client), /on$/);
  assert.equal([...answer(client).matchAll(/"error":-32\d\d\d/g)].length, 5, answer(client));
});

test("errors of a prompt are told in words, also with data and as JSON in the message", async (t) => {
  const { client } = await talking(t);
  for (const [error, words] of [
    [{ code: -32603, message: "Internal error", data: { details: "the model is overloaded" } }, /overloaded/],
    [{ code: -32603, message: "Rate limited", data: "wait a minute" }, /Rate limited.*wait a minute/],
    [{ code: 401, message: "{\"error\":{\"message\":\"bad key\"}}" }, /bad key/],
  ]) {
    const end = await say(client, act({ say: "so far" }, { error }));
    assert.equal(end.data.stop_reason, "error");
    assert.match(end.data.error.message, words);
    assert.doesNotMatch(end.data.error.message, /[{}]/);
    assert.equal(answer(client), "so far");
  }
  assert.deepEqual(ended(await say(client, "and now")), ["end_turn", undefined]);
});

for (const [how, more] of [["without an id", { noId: true }], ["with the id null", { nullId: true }]])
  test(`an error ${how} does not leave a turn open for ever`, async (t) => {
    const { client } = await talking(t, {}, { timeout: "1s", cancel_grace: "500ms" });
    const end = await say(client, act({ error: { code: -32603, message: "bad input", ...more } }));
    assert.notEqual(end.data.stop_reason, "end_turn");
    await say(client, "hello");
    assert.match(answer(client), /hello$/);
  });

// ---------------------------------------------------------------- what people say

test("images, audio, embedded resources and links reach an agent that can take them", async (t) => {
  const { client } = await talking(t);
  const blocks = [
    { type: "image", mimeType: "image/png", data: "iVBORw0KGgo=" }, { type: "audio", mimeType: "audio/wav", data: "UklGRg==" },
    { type: "resource", resource: { uri: "file:///tmp/a.txt", text: "inside" } }, { type: "resource_link", uri: "file:///tmp/b.pdf", name: "b.pdf" },
  ];
  await say(client, act({ blocks: true }), { blocks });
  const got = JSON.parse(answer(client));
  assert.deepEqual(got.map(({ type }) => type).sort(), ["audio", "image", "resource", "resource_link", "text"]);
  assert.equal(got.find(({ type }) => type === "resource").resource.text, "inside");
  assert.equal(got.find(({ type }) => type === "image").data, "iVBORw0KGgo=");
});

test("what an agent cannot take is not sent to it, but put in words", async (t) => {
  const { agent, client } = await talking(t, { without: ["image", "audio", "embedded"] });
  const blocks = [{ type: "image", mimeType: "image/png", data: "iVBORw0KGgo=" }, { type: "audio", mimeType: "audio/wav", data: "UklGRg==" }, { type: "resource", resource: { uri: "file:///tmp/a.txt", text: "the inside" } }, { type: "resource_link", uri: "file:///tmp/b.pdf", name: "b.pdf" }];
  const end = await say(client, "look at this", { blocks });
  assert.equal(end.data.stop_reason, "end_turn");
  const { prompt } = agent.got("session/prompt")[0].params;
  assert.deepEqual([...new Set(prompt.map(({ type }) => type))].sort(), ["resource_link", "text"]);
  assert.match(prompt.map(({ text }) => text).join("\n"), /image[^]*the inside/);
});

test("MCP servers of the configuration are given to every session, as far as the agent can reach them", async (t) => {
  const { agent, host, client } = await talking(t, { without: ["sse"] }, {
    mcp_servers: [
      { name: "tools", command: "/bin/cat", args: ["-u"], env: { KEY: "v" } }, { name: "bare", command: "/bin/true" },
      { name: "web", type: "http", url: "http://127.0.0.1:9/mcp", headers: { Authorization: "Bearer x" } }, { name: "old", type: "sse", url: "http://127.0.0.1:9/sse" },
    ],
  });
  await say(client, "hello");
  assert.deepEqual(agent.got("session/new")[0].params.mcpServers, [
    { name: "tools", command: "/bin/cat", args: ["-u"], env: [{ name: "KEY", value: "v" }] }, { name: "bare", command: "/bin/true", args: [], env: [] },
    { type: "http", name: "web", url: "http://127.0.0.1:9/mcp", headers: [{ name: "Authorization", value: "Bearer x" }] },
  ]);
  assert.match(host.output + client.texts("notice").join(), /MCP.*old/, "what is left out is said");
});

// ---------------------------------------------------------------- silence

test("a turn that says nothing for a long time is cancelled, and not while a permission is open", async (t) => {
  const { agent, client } = await talking(t, {}, { timeout: "3s" });
  const { turn } = await client.send(act({ say: "hm" }, { permission: {} }, { hang: true }));
  const asked = await client.until(() => client.of("permission")[0], "the request");
  await new Promise((resolve) => setTimeout(resolve, 6500)); // it is the time that is tested: more than twice the limit
  assert.deepEqual(agent.got("session/cancel"), []);
  await client.request("answer", { entry: asked.entry, option_id: "once" });
  const end = await client.ended(turn);
  assert.equal(agent.got("session/cancel").length, 1);
  assert.equal(end.data.stop_reason, "timeout");
  await say(client, "still there?");
  assert.equal(answer(client), "You said: still there?");
  assert.equal(agent.starts.length, 1, "it listened to the cancel");
});

// ---------------------------------------------------------------- the rest

test("ending a session closes it at the agent, where that can", async (t) => {
  const { agent, client } = await talking(t);
  await say(client, "hello");
  await client.request("end");
  await agent.until(() => agent.got("session/close").length === 1, "session/close");
});

test("plugin check passes acp", async () => {
  const { code, out } = await viaduct(["plugin", "check", path.join(plugins, "acp.so")], { limit: 240_000 });
  assert.equal(code, 0, out);
  assert.match(out, / 0 failed, 0 crashed/);
});

const example = path.join(root, "node_modules/@agentclientprotocol/sdk/dist/examples/agent.js");
test("the example agent of the official SDK, which nobody here wrote", { skip: existsSync(example) ? false : "@agentclientprotocol/sdk is not installed (npm ci)" }, async (t) => {
  const agent = Agent.for(t);
  const host = await hostWith(t, agent, { command: [process.execPath, ...(globalThis.crypto ? [] : ["--experimental-global-webcrypto"]), example], env: {} });
  const client = await ChatClient.open(host.origin);
  const { turn } = await client.send("hello");
  const asked = await client.until(() => client.of("permission")[0], "the request");
  assert.deepEqual(asked.data.options.map(({ optionId }) => optionId), ["allow", "reject"]);
  await client.request("answer", { entry: asked.entry, option_id: "allow" });
  assert.equal((await client.ended(turn)).data.stop_reason, "end_turn");
  assert.deepEqual(types(client, turn), ["user_message", "text", "tool_call", "text", "tool_call", "permission", "text", "turn_end"]);
  assert.deepEqual(client.of("tool_call").map(({ data }) => data.status), ["completed", "completed"]);
  assert.match(answer(client), /Perfect! I've successfully updated the configuration/);

  const second = (await client.send("again")).turn;
  await client.until(() => client.of("permission").length === 2, "the second request");
  await client.request("cancel", { turn: second });
  // It waits for the permission's answer, and takes a cancelled one for the end of its turn.
  assert.equal((await client.ended(second)).data.stop_reason, "cancelled");
  const third = (await client.send("once more")).turn;
  await client.until(() => client.of("text").some((entry) => entry.turn === third), "an answer");
  await client.request("cancel", { turn: third });
  assert.equal((await client.ended(third)).data.stop_reason, "cancelled");
  assert.deepEqual(client.faults, []);

  await host.kill();
  await host.start();
  const back = await ChatClient.open(host.origin, { like: client });
  await back.send("after a restart");
  const restored = await back.until(() => back.of("context_restored")[0], "the rung");
  assert.equal(restored.data.rung, "transcript", "it cannot load");
  assert.equal((await forHost(host, "check")).code, 0);
});
