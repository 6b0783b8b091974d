// The bridge's driver `cli` in the real host, with a stand-in for the agent program: what people see, how the program is started, and how it ends.
import assert from "node:assert/strict";
import { rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { ChatClient } from "../support/chat_client.mjs";
import { agentHost, gone, noted, notes, put, runs, say, starts, toldIds } from "../support/cli_agent_notes.mjs";
import { chat, exported, folderFor, forHost, metric } from "../support/viaduct.mjs";
import { until } from "../support/wait.mjs";

const answers = (client) => client.texts("text");
const kKey = "sk-test-0123456789abcdef";

test("an answer comes as a stream, with thoughts, tool calls and usage", async (t) => {
  const host = await agentHost(t);
  const client = await ChatClient.open(host.origin);
  const end = await say(client, "hello there [[think]] [[tool]] [[slow 30]]");
  assert.equal(end.data.stop_reason, "end_turn");
  assert.deepEqual(client.texts("thought"), ["Let me see"]);
  assert.deepEqual(answers(client), ["I will look.", "You said: hello there"]);
  const [tool] = client.of("tool_call");
  assert.deepEqual([tool.data.title, tool.data.kind, tool.data.status, tool.data.rawInput.command], ["Bash ls", "execute", "completed", "ls"]);
  assert.equal(tool.data.content[0].content.text, "a file");
  assert.ok(client.changes.filter(({ change, text }) => change === "delta" && text).length >= 2, "in pieces");
  assert.deepEqual(client.of("usage").map(({ data }) => [data.inputTokens, data.outputTokens, data.cost]), [[15, 3, { amount: 0.25, currency: "USD" }]]);
  assert.deepEqual(client.faults, []);
  const [start] = starts(host);
  assert.equal(start.cwd, host.home);
  assert.equal(start.read, "hello there [[think]] [[tool]] [[slow 30]]");
});

test("the environment is clean: what the YAML names is there, what is empty and what is the host's is not", async (t) => {
  const before = process.env.VIADUCT_TEST_SECRET;
  process.env.VIADUCT_TEST_SECRET = "not for agents";
  t.after(() => (before === undefined ? delete process.env.VIADUCT_TEST_SECRET : (process.env.VIADUCT_TEST_SECRET = before)));
  const host = await agentHost(t, { env: { AGENT_KEY: kKey, NOTHING: "" } });
  const client = await ChatClient.open(host.origin);
  await say(client, "hello");
  const allowed = ["AGENT_KEY", "DISABLE_AUTOUPDATER", "HOME", "LANG", "PATH", "TERM", "TMPDIR"];
  const [{ variables }] = starts(host);
  assert.deepEqual(variables.filter((name) => !allowed.includes(name)), []);
  for (const name of ["AGENT_KEY", "DISABLE_AUTOUPDATER", "HOME", "PATH"]) assert.ok(variables.includes(name), name);
});

test("what begins with a dash or a slash is text: it goes in by standard input and is never an argument", async (t) => {
  const host = await agentHost(t, { env: { AGENT_KEY: kKey }, model: "small", arguments: ["--max-turns", "3"] });
  const client = await ChatClient.open(host.origin);
  const texts = ["--help", "-x", "--resume ../../etc", "--version", "$(id) `id` ; id"];
  for (const text of texts) assert.equal((await say(client, text)).data.stop_reason, "end_turn", text);
  assert.deepEqual(answers(client), texts.map((text) => `You said: ${text}`));
  const ids = toldIds(host);
  for (const [i, { args, read, cmdline }] of starts(host).entries()) {
    assert.equal(read, texts[i]);
    const resume = i === 0 ? [] : ["--resume", ids[i - 1]];
    assert.deepEqual(args, ["-p", "--output-format", "stream-json", "--verbose", "--include-partial-messages", ...resume, "--model", "small", "--max-turns", "3"]);
    assert.doesNotMatch(cmdline.join(" "), new RegExp(kKey), "no secret on a command line");
  }
  const end = await say(client, "/compact");
  assert.equal(end.data.stop_reason, "end_turn");
  assert.equal(notes(host).at(-1).ended, "compacted", "the program's own command");
});

test("ids go from A to B to C, across turns and compactions, and each start uses the newest", async (t) => {
  const host = await agentHost(t, { compact_after: 2 });
  const client = await ChatClient.open(host.origin);
  await say(client, "one");
  await say(client, "two");
  await client.until(() => client.of("notice").length === 1, "the notice of a compaction");
  await say(client, "three recall");
  await say(client, "four");
  await client.until(() => client.of("notice").length === 2, "the second compaction");
  await say(client, "five recall");
  const ids = toldIds(host);
  assert.equal(new Set(ids).size, 7);
  assert.deepEqual(starts(host).map(({ start }) => start), [null, ...ids.slice(0, -1)], "an unbroken chain");
  assert.deepEqual(starts(host).map(({ read }) => read), ["one", "two", "/compact", "three recall", "four", "/compact", "five recall"]);
  for (const word of ["one", "two", "three", "four"]) assert.match(answers(client).at(-1), new RegExp(`\\b${word}\\b`));
  assert.match(client.of("notice")[0].text, /claude has compacted the conversation/);
  assert.equal(client.of("context_restored").length, 0);
  assert.equal(await metric(host, 'viaduct_native_id_changes_total{backend="agent"}'), 6);
});

test("a message that comes while it compacts waits, and goes on with the compacted one", async (t) => {
  const host = await agentHost(t, { compact_after: 1 });
  const client = await ChatClient.open(host.origin);
  put(host, "script", "[[slow 300]]");
  const sent = [];
  for (const text of ["one", "two", "three recall"]) sent.push(await client.send(text));
  await client.ended(sent[2].turn);
  assert.match(answers(client).at(-1), /one.*two/);
  const reads = starts(host).map(({ read }) => read);
  assert.deepEqual(reads.slice(0, 5), ["one", "/compact", "two", "/compact", "three recall"]);
  const ids = toldIds(host);
  assert.deepEqual(starts(host).slice(0, 5).map(({ start }) => start), [null, ...ids.slice(0, 4)]);
});

test("a compaction that fails keeps the old id and fails nothing", async (t) => {
  const host = await agentHost(t, { compact_after: 1 });
  const client = await ChatClient.open(host.origin);
  put(host, "no-compaction");
  for (const text of ["one", "two recall"]) assert.equal((await say(client, text)).data.stop_reason, "end_turn");
  await until(() => starts(host).length === 4, "the second try");
  const [a] = toldIds(host);
  assert.deepEqual(starts(host).slice(1, 3).map(({ start }) => start), [a, a]);
  assert.match(answers(client)[1], /one/);
  assert.equal(client.of("notice").length, 0);
});

test("a cancel ends the program and what it started, keeps what was said, and the session goes on", async (t) => {
  const host = await agentHost(t);
  const client = await ChatClient.open(host.origin);
  await say(client, "my name is Ada");
  const { turn } = await client.send("talk [[words 9999]] [[slow 20]] [[child]]");
  await client.until(() => answers(client)[1]?.includes("w3 "), "the beginning of an answer");
  const { pid } = starts(host)[1];
  const { child } = await noted(host, "child");
  assert.ok(runs(pid) && runs(child));
  const asked = performance.now();
  await client.request("cancel", { turn });
  await Promise.all([gone(pid), gone(child)]);
  t.diagnostic(`gone after ${(performance.now() - asked).toFixed(1)} ms`);
  assert.equal((await client.ended(turn)).data.stop_reason, "cancelled");
  assert.match(answers(client)[1], /^w0 w1 w2/);
  assert.equal((await say(client, "recall")).data.stop_reason, "end_turn");
  assert.match(answers(client)[2], /Ada.*talk.*w0 w1 w2/, "it knows what people saw");
  assert.equal(client.of("context_restored").length, 0);
});

test("a program that ignores TERM is killed, and the turn ends as cancelled", async (t) => {
  const host = await agentHost(t);
  const client = await ChatClient.open(host.origin);
  const { turn } = await client.send("sit [[stubborn]] [[child]]");
  await client.until(() => answers(client)[0], "a word");
  const { child } = await noted(host, "child");
  await client.request("cancel", { turn });
  await noted(host, "ignored");
  assert.equal((await client.ended(turn)).data.stop_reason, "cancelled");
  await Promise.all([gone(starts(host)[0].pid), gone(child)]);
});

test("a session that is ended in the middle of an answer ends its program", async (t) => {
  const host = await agentHost(t);
  const client = await ChatClient.open(host.origin);
  await client.send("sit [[hang]] [[child]]");
  const { child } = await noted(host, "child");
  await client.until(() => answers(client)[0], "a word");
  await client.request("end");
  await Promise.all([gone(starts(host)[0].pid), gone(child)]);
});

test("no program outlives the host, whether that stops or is killed", async (t) => {
  const host = await agentHost(t);
  for (const [i, end] of ["stop", "kill"].entries()) {
    const client = await ChatClient.open(host.origin);
    await client.send("sit [[hang]] [[child]]");
    const { child } = await noted(host, "child", i + 1);
    await client.until(() => client.texts("text").at(-1) === "You ", "a word");
    await host[end]();
    await Promise.all([gone(starts(host).at(-1).pid), gone(child)]);
    await host.start();
  }
});

test("a crash is an error with what it wrote to stderr, without its secrets, and the session goes on", async (t) => {
  const host = await agentHost(t, { env: { AGENT_KEY: kKey, MY_PASSWORD: "hunter2" } });
  const client = await ChatClient.open(host.origin);
  const end = await say(client, `please [[crash out of hunter2 and sk-ant-api03-abcdefgh]]`);
  assert.equal(end.data.stop_reason, "error");
  assert.equal(end.data.error.code, "unavailable");
  assert.equal(end.data.error.message, "claude ended with code 3: Warning: about to crash\nboom: out of *** and *** ***");
  assert.equal(answers(client)[0], "You ");
  for (const secret of [kKey, "hunter2", "sk-ant-api03"]) assert.ok(!host.output.replaceAll(/\[\[crash[^\]]*\]\]/g, "").includes(secret), secret);
  await say(client, "recall");
  assert.match(answers(client)[1], /please/);
  const died = await say(client, "please [[die]]");
  assert.match(died.data.error.message, /^claude was ended by signal 9 \(Killed\)/);
});

test("errors, limits and results that never come have their words", async (t) => {
  const host = await agentHost(t);
  const client = await ChatClient.open(host.origin);
  const failed = await say(client, "a [[error API Error: 529 Overloaded]]");
  assert.deepEqual([failed.data.stop_reason, failed.data.error], ["error", { code: "unavailable", message: "claude: API Error: 529 Overloaded" }]);
  assert.equal((await say(client, "b [[limit]]")).data.stop_reason, "max_turn_requests");
  const none = await say(client, "c [[nodone]] [[noise]]");
  assert.equal(none.data.error.message, "claude ended without an answer: Loading…\n{not json\n7");
  assert.equal(client.of("context_restored").length, 0);
  assert.deepEqual(starts(host).map(({ start }) => start), [null, ...toldIds(host).slice(0, -1)]);
});

test("a program that is not logged in, or not there, is the operator's business, in words", async (t) => {
  const host = await agentHost(t);
  const client = await ChatClient.open(host.origin);
  const login = await say(client, "hello [[login]]");
  assert.equal(login.data.error.code, "failed_precondition");
  assert.match(login.data.error.message, /^claude is not logged in: run `claude` and type \/login/);

  const away = await agentHost(t, { program: "/nowhere/claude" });
  const other = await ChatClient.open(away.origin);
  await assert.rejects(other.send("hello"), (error) => {
    assert.equal(error.code, "failed_precondition");
    assert.match(error.reason, /The program \/nowhere\/claude was not found; install it: npm install -g @anthropic-ai\/claude-code/);
    return true;
  });
});

test("a program that says nothing for too long is ended, and the turn says so", async (t) => {
  const host = await agentHost(t, { timeout: "2s" });
  const client = await ChatClient.open(host.origin);
  const end = await say(client, "hello [[silent]]");
  assert.equal(end.data.stop_reason, "timeout");
  assert.equal(end.data.error.message, "claude said nothing for 2 s and was ended");
  await gone(starts(host)[0].pid);
});

test("a program that stays when all is said is ended, and the answer stands", async (t) => {
  const host = await agentHost(t, { timeout: "1s" });
  const client = await ChatClient.open(host.origin);
  assert.equal((await say(client, "hello [[linger]]")).data.stop_reason, "end_turn");
  await gone(starts(host)[0].pid);
});

test("noise and a very long line are skipped, said in the log once, and the answer is whole", async (t) => {
  const host = await agentHost(t);
  const client = await ChatClient.open(host.origin);
  assert.equal((await say(client, "hello [[noise]] [[long 40]]")).data.stop_reason, "end_turn");
  assert.deepEqual(answers(client), ["You said: hello"]);
  await until(() => /output skipped.*agent=claude.*too_long=1.*no_json=3/.test(host.output), "a line of the log");
});

test("an answer of many megabytes comes whole", async (t) => {
  const host = await agentHost(t);
  const { session_id } = (await chat(host, "POST", "api/session", {})).body; // no page: that would take long to show it
  const { status, text } = await chat(host, "POST", "api/chat", { message: "hello [[fill 16]]" });
  assert.equal(status, 200, text.slice(0, 200));
  const said = (await exported(host, session_id)).filter(({ type }) => type === "text").map((entry) => entry.text).join("");
  assert.equal(said.length, "You said: hello".length + 16 * (1 << 20));
});

test("50 sessions answer at once, each knowing its own", async (t) => {
  const host = await agentHost(t);
  const clients = await Promise.all(Array.from({ length: 50 }, () => ChatClient.open(host.origin)));
  const sessions = await Promise.all(clients.map(async (client, i) => {
    const { session_id } = await client.request("new");
    await client.request("send", { key: `k${i}`, text: `number ${i}x`, session_id });
    return session_id;
  }));
  assert.equal(new Set(sessions).size, 50);
  await until(() => notes(host, "ended").length === 50, "50 answers", 120_000);
  assert.equal(new Set(toldIds(host)).size, 50);
  await Promise.all(clients.map((client, i) => client.request("send", { key: `r${i}`, text: "recall", session_id: sessions[i] })));
  await until(() => notes(host, "ended").length === 100, "100 answers", 120_000);
  const ends = await Promise.all(sessions.map((session) => until(async () => {
    const log = await exported(host, session);
    return log.filter(({ type }) => type === "turn_end").length === 2 && log;
  }, "two turns in the log", 120_000)));
  for (const [i, log] of ends.entries()) {
    const said = log.filter(({ type }) => type === "text").map(({ text }) => text);
    assert.deepEqual(said, [`You said: number ${i}x`, `I know: number ${i}x | You said: number ${i}x`]);
  }
});

test("doctor says whether the program is there, which it is, and whether it is logged in", async (t) => {
  const host = await agentHost(t);
  const told = async () => (await forHost(host, "doctor")).out;
  assert.match(await told(), /2\.1\.0 \(stand-in\)/);
  put(host, "logged-out");
  assert.match(await told(), /not logged in: run `claude` and type \/login/);
});

test("a preset that is not there, or wrong, is refused with its name, file and key", async (t) => {
  const home = folderFor(t);
  const preset = path.join(home, "mine.yaml");
  const refused = (config, options) => agentHost(t, config, options).then((host) => host.output, (error) => error.message);
  writeFileSync(preset, "program: p\nnew: []\nlines:\n  - { txt: /a }\n");
  assert.match(await refused({ preset: "clade" }), /preset: must be one of .*codex.*; did you mean claude\?/);
  assert.match(await refused({ preset }), /mine\.yaml: lines\[0\]\.txt: unknown key/);
  assert.match(await refused({ arguments: ["--key", "${env:MY_API_KEY}"] }), /a secret in a command/);
  rmSync(preset);
  assert.match(await refused({ preset }), /mine\.yaml: cannot be read: No such file/);
});
