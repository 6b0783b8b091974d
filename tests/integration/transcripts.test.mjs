// The bridge's transcript folders with the real host: what is on disk after each turn and after a kill, and what other programs left there.
import assert from "node:assert/strict";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, utimesSync, watch, writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { ChatClient } from "../support/chat_client.mjs";
import { agentHost, say as sayTo, starts } from "../support/cli_agent_notes.mjs";
import { ModelServer } from "../support/model_server.mjs";
import { exported, forHost, hostFor, lines, metric } from "../support/viaduct.mjs";
import { until } from "../support/wait.mjs";

const hostWith = (t, model, config = {}) =>
  hostFor(t, {
    config: {
      backends: { local: { plugin: "bridge", config: { driver: "llm", base_url: model.url, model: "stand-in", ...config } } },
      surfaces: { "web-chat": { plugin: "web_chat", backend: "local" } },
    },
  });
async function say(client, text) {
  const { turn } = await client.send(text);
  return client.ended(turn);
}
const encoded = (folder) => folder.replaceAll("/", "-");
// The folder of a session whose working folder is the home folder.
const folderOf = (host, session) => path.join(host.home, "projects", encoded(host.home), "sessions", session.replaceAll("_", "-"));
const transcript = (host, session) => readFileSync(path.join(folderOf(host, session), "transcript.jsonl"), "utf8");
const inShort = (text) => lines(text).map(({ role, content }) => `${role}: ${content}`);
const turns = (...texts) => texts.flatMap((text) => [`user: ${text}`, `assistant: You said: ${text}`]);
const line = (message) => JSON.stringify(message) + "\n";

// As another program leaves a session.
function leave(host, id, text, { folder = path.join(host.home, "my-project"), ...files } = {}) {
  mkdirSync(folder, { recursive: true });
  const at = path.join(host.home, "projects", encoded(folder), "sessions", id);
  mkdirSync(at, { recursive: true });
  writeFileSync(path.join(at, "transcript.jsonl"), text);
  for (const [name, content] of Object.entries(files)) writeFileSync(path.join(at, `${name}.json`), JSON.stringify(content));
  return at;
}
async function command(host, ...args) {
  const { code, out, err } = await forHost(host, "sessions", ...args, "--json");
  return { code, err, out, json: out.startsWith("{") ? JSON.parse(out) : null };
}

test("after each turn its lines are on disk, for this user alone", async (t) => {
  const model = await ModelServer.start(t);
  const host = await hostWith(t, model);
  const client = await ChatClient.open(host.origin);
  const said = [];
  for (const text of ["one", "two", "three"]) {
    await say(client, text);
    said.push(text);
    assert.deepEqual(inShort(transcript(host, client.session.session_id)), turns(...said));
  }
  const folder = folderOf(host, client.session.session_id);
  assert.deepEqual(readdirSync(folder).sort(), ["metadata.json", "session-info.json", "transcript.jsonl"]);
  for (const name of readdirSync(folder)) assert.equal(statSync(path.join(folder, name)).mode & 0o777, 0o600, name);
  for (let at = folder; at !== host.home; at = path.dirname(at)) assert.equal(statSync(at).mode & 0o777, 0o700, at);
  const metadata = JSON.parse(readFileSync(path.join(folder, "metadata.json")));
  assert.deepEqual([metadata.viaduct_session, metadata.turn_count, metadata.agent_type, metadata.description, metadata.working_dir],
    [client.session.session_id, 3, "llm", "one", host.home]);
  assert.equal(JSON.parse(readFileSync(path.join(folder, "session-info.json"))).working_dir, host.home);
});

test("what fails or is cancelled is kept as far as it came", async (t) => {
  const model = await ModelServer.start(t);
  model.script = [{ say: ["half"], cut: true }, { say: ["begun "], hang: true }, { say: ["done"] }];
  const host = await hostWith(t, model);
  const client = await ChatClient.open(host.origin);
  assert.equal((await say(client, "a")).data.stop_reason, "error");
  const { turn } = await client.send("b");
  await client.until(() => client.texts().at(-1) === "begun ", "the beginning of an answer");
  await client.request("cancel", { turn });
  assert.equal((await client.ended(turn)).data.stop_reason, "cancelled");
  await say(client, "c");
  assert.deepEqual(inShort(transcript(host, client.session.session_id)),
    ["user: a", "assistant: half", "user: b", "assistant: begun ", "user: c", "assistant: done"]);
});

test("with transcripts turned off nothing is written", async (t) => {
  const model = await ModelServer.start(t);
  const host = await hostWith(t, model, { transcripts: false });
  const client = await ChatClient.open(host.origin);
  await say(client, "one");
  assert.equal(existsSync(path.join(host.home, "projects")), false);
});

test("whatever moment the host is killed at, whole lines are on disk, and no message is lost or doubled there", async (t) => {
  const model = await ModelServer.start(t);
  const host = await hostWith(t, model);
  let client = await ChatClient.open(host.origin);
  await say(client, "message 0");
  const session = client.session.session_id;
  const folder = folderOf(host, session);
  // Each of these names is made, or takes the other's place, at another moment of a turn's end.
  for (const [round, name] of [".transcript.jsonl.part", "transcript.jsonl", ".metadata.json.part", "metadata.json", ".transcript.jsonl.part"].entries()) {
    const before = transcript(host, session);
    const seen = new Promise((resolve) => {
      const watcher = watch(folder, (_, file) => {
        if (file !== name) return;
        process.kill(host.pid, "SIGKILL");
        watcher.close();
        resolve();
      });
    });
    const sent = client.send(`message ${round + 1}`).catch(() => {}); // its acknowledgement may die with the host
    await seen;
    await sent;
    await host.kill();
    const after = transcript(host, session);
    assert.ok(after.endsWith("\n"));
    assert.ok(after === before || after.startsWith(before), "the old lines stay");
    assert.equal(lines(after).filter(({ role }) => role !== "user" && role !== "assistant").length, 0, after); // and each line is whole
    await host.start();
    client = await ChatClient.open(host.origin, { like: client });
    await client.until(() => client.live, "live");
    await say(client, `settled ${round + 1}`); // what restoring writes is written
  }
  const all = ["message 0", ...[1, 2, 3, 4, 5].flatMap((i) => [`message ${i}`, `settled ${i}`])];
  const users = inShort(transcript(host, session)).filter((one) => one.startsWith("user: "));
  assert.deepEqual(users, all.map((text) => `user: ${text}`));
  // in a request, neighbours of one role are one message
  const asked = model.conversations.at(-1).filter((one) => one.startsWith("user: ")).flatMap((one) => one.slice("user: ".length).split("\n\n"));
  assert.deepEqual(asked, all);
  assert.deepEqual(readdirSync(folder).sort(), ["metadata.json", "session-info.json", "transcript.jsonl"]);
});

test("a folder that was deleted, or lags behind, is written anew when the session is restored", async (t) => {
  const model = await ModelServer.start(t);
  const host = await hostWith(t, model);
  const client = await ChatClient.open(host.origin);
  for (const text of ["one", "two"]) await say(client, text);
  const session = client.session.session_id;
  for (const spoil of [() => rmSync(folderOf(host, session), { recursive: true }), () => writeFileSync(path.join(folderOf(host, session), "transcript.jsonl"), line({ role: "user", content: "one" }))]) {
    await host.stop();
    spoil();
    await host.start();
    const back = await ChatClient.open(host.origin, { like: client });
    await back.until(() => back.live, "live");
    await say(back, "more");
    const said = back.texts("user_message");
    assert.deepEqual(inShort(transcript(host, session)), turns(...said));
  }
});

test("a home that cannot be written fails no turn and is said in the log", async (t) => {
  const model = await ModelServer.start(t);
  const host = await hostWith(t, model);
  writeFileSync(path.join(host.home, "projects"), "a file in the way");
  const client = await ChatClient.open(host.origin);
  for (const text of ["one", "two"]) assert.equal((await say(client, text)).data.stop_reason, "end_turn");
  assert.match(host.output, /transcript not written session=\S+ reason=.*projects/);
  rmSync(path.join(host.home, "projects"));
  await say(client, "three");
  assert.deepEqual(inShort(transcript(host, client.session.session_id)), turns("one", "two", "three"));
});

test("what other programs left is discovered, newest first, with its folder and its title", async (t) => {
  const model = await ModelServer.start(t);
  const host = await hostWith(t, model);
  const old = leave(host, "old-1", line({ role: "user", content: "The first question" }));
  utimesSync(path.join(old, "transcript.jsonl"), 1_700_000_000, 1_700_000_000);
  leave(host, "new-1", line({ role: "user", content: "x" }), { metadata: { name: "Named" }, "session-info": { working_dir: "/some/where-else" } });
  leave(host, "sub_1", line({ role: "user", content: "of another session" }));
  const { code, json, err } = await command(host, "discover");
  assert.equal(code, 0, err);
  assert.deepEqual(json.sessions.map(({ native_id, title, working_dir }) => [native_id, title, working_dir]),
    [["new-1", "Named", "/some/where-else"], ["old-1", "The first question", path.join(host.home, "my-project")]]);
});

test("a session of another program is adopted with all that was said, whatever is wrong with its lines", async (t) => {
  const model = await ModelServer.start(t);
  const host = await hostWith(t, model);
  leave(host, "0b9c1a2e-aaaa", [
    line({ role: "tool", tool_call_id: "x", content: "a result of nothing" }),
    line({ role: "user", content: "one" }),
    "{ this is no JSON\n\n[1,2]\n",
    line({ role: "assistant", content: null, tool_calls: [{ id: "t", type: "function", function: { name: "look", arguments: '{"at":"it"}' } }] }),
    line({ role: "tool", tool_call_id: "t", content: "seen" }),
    line({ role: "assistant", content: [{ type: "text", text: "It is there." }] }),
    line({ role: "user", content: "two 🙂" }),
    line({ role: "assistant", content: "", tool_calls: [{ id: "u", type: "function", function: { name: "look", arguments: "{}" } }] }),
    '{"role":"assistant","content":"torn',
  ].join(""));
  leave(host, "0b9c1a2e-bbbb", line({ role: "user", content: "another" }));

  const ambiguous = await command(host, "adopt", "0b9c1a");
  assert.equal(ambiguous.code, 1);
  assert.match(ambiguous.out + ambiguous.err, /0b9c1a2e-aaaa[^]*0b9c1a2e-bbbb|0b9c1a2e-bbbb[^]*0b9c1a2e-aaaa/);
  assert.equal((await command(host, "adopt", "no-such-id")).code, 1);

  const adopted = await command(host, "adopt", "0b9c1a2e-a");
  assert.equal(adopted.code, 0, adopted.err + adopted.out);
  const session = adopted.json.session.session_id;
  assert.equal(adopted.json.session.working_dir, path.join(host.home, "my-project"));
  assert.match(host.output, /lines of a transcript skipped id=0b9c1a2e-aaaa lines=3 too_long=0 torn=true/);
  const again = await command(host, "adopt", "0b9c1a2e-aaaa");
  assert.equal(again.json.session.session_id, session, "twice is the same session");

  const client = await ChatClient.open(host.origin);
  await client.request("open", { session_id: session }).catch(() => client.request("resume", { session_id: session }));
  const { turn } = await client.send("three", { session });
  await until(() => model.conversations.length === 1, "a request");
  const [conversation] = model.conversations;
  assert.equal(conversation[0], "user: one");
  assert.match(conversation[1], /^assistant: .*look[^]*seen[^]*It is there\.$/);
  assert.match(conversation.at(-1), /two 🙂[^]*three$/);
  assert.doesNotMatch(conversation.join("\n"), /result of nothing|torn/);
  assert.ok(turn > 0);

  // what the other program has stays as it is, and the adopted one has a folder of its own
  const own = path.join(host.home, "projects", encoded(path.join(host.home, "my-project")), "sessions", session.replaceAll("_", "-"), "transcript.jsonl");
  const roles = () => lines(readFileSync(own, "utf8")).map(({ role }) => role);
  await until(() => roles().length === 7, "the lines of the turn");
  assert.deepEqual(roles(), ["user", "assistant", "tool", "assistant", "user", "user", "assistant"]);
  const { json } = await command(host, "discover");
  assert.deepEqual(json.sessions.map(({ native_id, session_id }) => [native_id, session_id]).sort(),
    [["0b9c1a2e-aaaa", session], ["0b9c1a2e-bbbb", null]], "the host's own folder is not listed");
});

test("the host's own sessions are no finds, whichever backends share the folder, and are adopted as what they are", async (t) => {
  const model = await ModelServer.start(t);
  const config = { driver: "llm", base_url: model.url, model: "stand-in" };
  const host = await hostFor(t, {
    config: {
      backends: { local: { plugin: "bridge", config }, second: { plugin: "bridge", config } },
      surfaces: { "web-chat": { plugin: "web_chat", backend: "local", backends: ["local", "second"] } },
    },
  });
  const client = await ChatClient.open(host.origin);
  await say(client, "one");
  const session = client.session.session_id;
  assert.deepEqual(inShort(transcript(host, session)), turns("one"));
  leave(host, "theirs-1", line({ role: "user", content: "x" }));
  const listed = async () => (await command(host, "discover")).json.sessions.map(({ native_id, backend, session_id }) => [native_id, backend, session_id]).sort();
  assert.deepEqual(await listed(), [["theirs-1", "local", null], ["theirs-1", "second", null]]);
  assert.equal((await command(host, "adopt", session)).json.session.session_id, session);
  const adopted = (await command(host, "adopt", "theirs-1", "--backend", "second")).json.session.session_id;
  assert.deepEqual(await listed(), [["theirs-1", "second", adopted]], "once");
});

test("a session of more than can be taken over is refused in words, and nothing of it stays", async (t) => {
  const model = await ModelServer.start(t);
  const host = await hostWith(t, model);
  leave(host, "endless-1", line({ role: "assistant", content: [{ type: "text", text: "x" }] }).repeat(100_001));
  const { code, err, out } = await command(host, "adopt", "endless-1");
  assert.equal(code, 1);
  assert.match(err + out, /endless-1 is too long to be taken over: more than 100000 entries/);
  assert.deepEqual((await command(host, "list", "--all")).json.sessions, []);
});

test("purge removes the folders of the sessions that it deletes", async (t) => {
  const model = await ModelServer.start(t);
  const host = await hostWith(t, model);
  const client = await ChatClient.open(host.origin);
  await say(client, "one");
  const folder = folderOf(host, client.session.session_id);
  const theirs = leave(host, "theirs-1", line({ role: "user", content: "x" }));
  assert.ok(existsSync(folder));
  await until(async () => {
    const { code, out, err } = await command(host, "purge", "--older-than", "1s");
    assert.equal(code, 0, out + err);
    return !existsSync(folder);
  }, "the end of the folder");
  assert.ok(existsSync(theirs), "what others left stays");
});

test("an agent program's turns are kept with their tool calls, and once, also where the conversation went in front of a message", async (t) => {
  const host = await agentHost(t);
  const client = await ChatClient.open(host.origin);
  await sayTo(client, "hello there [[tool]]");
  const session = client.session.session_id;
  const first = lines(transcript(host, session));
  assert.deepEqual(first.map(({ role }) => role), ["user", "assistant", "tool", "assistant"]);
  assert.equal(first[1].content, "I will look.");
  assert.equal(first[1].tool_calls[0].function.name, "Bash ls");
  assert.equal(first[2].tool_call_id, first[1].tool_calls[0].id);
  assert.equal(first[2].content, "a file");
  assert.equal(first[3].content, "You said: hello there");
  const metadata = () => JSON.parse(readFileSync(path.join(folderOf(host, session), "metadata.json")));
  assert.equal(metadata().agent_type, "claude");
  const id = metadata().native_id;
  await sayTo(client, "and more");
  assert.notEqual(metadata().native_id, id, "the newest");
  assert.equal(lines(transcript(host, session)).length, 6);
});

for (const [known, before, directive] of [["known", ["one"], ""], ["not known", [], "[[noid]] "]])
  test(`an agent program's folder has the turn that the host was killed in, its id being ${known}`, async (t) => {
    const host = await agentHost(t);
    const client = await ChatClient.open(host.origin);
    for (const text of before) await sayTo(client, text);
    await client.send(`${directive}two [[hang]]`);
    const session = client.session.session_id;
    await until(async () => (await exported(host, session)).at(-1).text === "You ", "a part on disk");
    await host.kill();
    if (before.length > 0) assert.deepEqual(inShort(transcript(host, session)), turns(...before));
    await host.start();
    const back = await ChatClient.open(host.origin, { like: client });
    await back.until(() => back.live, "live");
    await sayTo(back, "three");
    assert.deepEqual(inShort(transcript(host, session)), [...turns(...before), `user: ${directive}two [[hang]]`, "assistant: You ", ...turns("three")]);
  });

test("a conversation that goes in front of a message is not in the folder twice", async (t) => {
  const host = await agentHost(t);
  const client = await ChatClient.open(host.origin);
  await sayTo(client, "one [[noid]] [[nodone]]");
  await sayTo(client, "The next message is:\n\nnot this one");
  const session = client.session.session_id;
  assert.match(starts(host).at(-1).read, /User \(.*\):\n {4}one/);
  assert.deepEqual(inShort(transcript(host, session)).filter((one) => one.startsWith("user: ")), ["user: one [[noid]] [[nodone]]", "user: The next message is:\n\nnot this one"]);
});

test("no turn waits for others' transcripts", async (t) => {
  const model = await ModelServer.start(t);
  const host = await hostWith(t, model);
  const client = await ChatClient.open(host.origin);
  const sessions = [];
  for (let i = 0; i < 20; ++i) sessions.push((await client.request("new", { description: `s${i}` })).session_id);
  for (const [i, session] of sessions.entries()) await client.request("send", { key: `k${i}`, text: `of ${i}`, session_id: session });
  for (const [i, session] of sessions.entries()) await until(() => existsSync(folderOf(host, session)) && inShort(transcript(host, session)).join() === turns(`of ${i}`).join(), `session ${i}`);
  assert.equal(await metric(host, "bridge_transcript_failures_total"), 0);
});
