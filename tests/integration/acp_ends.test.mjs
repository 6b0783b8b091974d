// The backend `acp`: copies of a conversation, ends at bad moments, one process for each session, and agents that die while nobody looks.
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { act, Agent, alive, answer, die, fresh, hostWith, resume, say, talking } from "../support/acp.mjs";
import { ChatClient } from "../support/chat_client.mjs";
import { configOf, exported, fixtures, plugins, viaduct } from "../support/viaduct.mjs";
import { until } from "../support/wait.mjs";

const texts = (entries) => entries.filter(({ type }) => ["user_message", "text"].includes(type)).map(({ text }) => text);

// A host with the surface `people` (fixtures/people.cpp), and what does things there.
async function withPeople(t, script = {}, config = {}) {
  const agent = Agent.for(t, script);
  const host = await hostWith(t, agent, config, { plugins: { path: [plugins, fixtures] }, surfaces: { square: { plugin: "people", backend: "agent" } } });
  // All of them at once; what each was answered.
  const people = async (...steps) => {
    const { code, out, err } = await viaduct(["--config", configOf(host), "square", JSON.stringify(steps)], { home: host.home });
    assert.equal(code, 0, err);
    return JSON.parse(out);
  };
  const [{ result }] = await people({ do: "create" });
  return { agent, host, people, session: result.session_id };
}
const history = async (people, session) => (await people({ do: "history", session }))[0].result.entries;

// ---------------------------------------------------------------- fork

for (const [what, script] of [["", {}], [" that tells all of it once more", { forkReplay: true }]])
  test(`a session is copied at the agent${what}: both know what was said, and go their own ways from there`, async (t) => {
    const { agent, people, session } = await withPeople(t, script);
    await people({ do: "ask", session, text: "the sky is green" });
    const [copied] = await people({ do: "fork", session });
    assert.equal(copied.code, 0, copied.message);
    const copy = copied.result.session_id;
    assert.notEqual(copy, session);
    const [{ params }] = agent.got("session/fork");
    assert.equal(params.sessionId, agent.got("session/prompt")[0].params.sessionId);
    assert.deepEqual(texts(await history(people, copy)), ["the sky is green", "You said: the sky is green"], "once, whatever the agent told");
    const [first, second] = await people({ do: "ask", session, text: "and blue\nrecall", key: "a" }, { do: "ask", session: copy, text: "and red\nrecall", key: "b" });
    assert.match(first.result.text, /I know: the sky is green \/ and blue$/);
    assert.match(second.result.text, /I know: the sky is green \/ and red$/);
    assert.equal(agent.conversations.length, 2);
    await people({ do: "end", session });
    const [after] = await people({ do: "ask", session: copy, text: "recall", key: "c" });
    assert.match(after.result.text, /and red/, "the copy outlives what it was made of");
    assert.equal(agent.starts.length, 1);
  });

test("a copy has its own native id, and is had back by it", async (t) => {
  const { agent, host, people, session } = await withPeople(t);
  await people({ do: "ask", session, text: "the sky is green" });
  const copy = (await people({ do: "fork", session }))[0].result.session_id;
  await die(agent, host);
  const [{ result }] = await people({ do: "ask", session: copy, text: "recall" });
  assert.match(result.text, /I know: the sky is green/);
  const [original, own] = [agent.got("session/new").length, agent.got("session/resume")[0].params.sessionId];
  assert.equal(original, 1);
  assert.notEqual(own, agent.got("session/fork")[0].params.sessionId);
});

test("an agent that cannot copy sessions: that is said, and nothing is left of the try", async (t) => {
  const { agent, people, session } = await withPeople(t, { without: ["fork"] });
  await people({ do: "ask", session, text: "hello" });
  const [{ code, message }] = await people({ do: "fork", session });
  assert.notEqual(code, 0);
  assert.match(message, /cannot copy/);
  assert.deepEqual(agent.got("session/fork"), []);
  const [{ result }] = await people({ do: "ask", session, text: "recall" });
  assert.match(result.text, /I know: hello/);
});

// ---------------------------------------------------------------- permissions

test("the sender and an operator answer one request in the same moment: one holds, and the agent gets one answer", async (t) => {
  const { agent, people, session } = await withPeople(t);
  for (let round = 0; round < 6; ++round) {
    const [{ result: { turn } }] = await people({ do: "send", session, text: act({ permission: { id: `r${round}` } }), key: `k${round}` });
    const asked = await until(async () => (await history(people, session)).find((entry) => entry.turn === turn && entry.type === "permission"), "the request");
    const steps = [{ do: "answer", session, entry: asked.entry, option: "once" }, { do: "answer", as: "olga", operator: true, session, entry: asked.entry, option: "no" }];
    const answers = await people(...(round % 2 ? steps.reverse() : steps), { do: "answer", as: "somebody", session, entry: asked.entry, option: "always" });
    const held = answers.filter(({ code }) => code === 0).map(({ result }) => result.option_id);
    assert.equal(new Set(held).size, 1, JSON.stringify(answers));
    assert.notEqual(held[0], "always", "somebody else's choice");
    const end = await until(async () => (await history(people, session)).find((entry) => entry.turn === turn && entry.type === "turn_end"), "the end");
    assert.equal(end.data.stop_reason, "end_turn");
    const said = (await history(people, session)).filter((entry) => entry.turn === turn && entry.type === "text").map(({ text }) => text).join("");
    assert.match(said, new RegExp(`Permission: ${held[0]}\\.`));
    assert.equal(agent.answersTo(`r${round}`).length, 1);
    assert.equal(agent.answersTo(`r${round}`)[0].result.outcome.optionId, held[0]);
  }
});

// ---------------------------------------------------------------- ends

test("a session that is ended while it is being opened again is let go of, at the agent, too", async (t) => {
  const { agent, host, client } = await talking(t);
  await say(client, "the sky is green");
  const { session_id } = client.session;
  await die(agent, host);
  agent.script({ gates: { "session/resume": "go" } });
  const resumed = client.request("resume", { session_id });
  await agent.until(() => agent.got("session/resume").length === 1, "session/resume");
  await client.request("end", { session_id });
  agent.open("go");
  await resumed.catch(() => {});
  await agent.until(() => agent.running.length === 1, "the agent");
  // It was had back by who asked for it, or let go of: the agent holds as many as the host.
  await until(async () => {
    const { sessions } = await client.request("list");
    const open = sessions.some((one) => one.session_id === session_id && !one.ended);
    return open || agent.got("session/close").length === 1;
  }, "what became of it");
  await client.request("new", {});
  await client.until(() => client.session?.session_id !== session_id && client.live, "another session");
  await say(client, "hello");
  assert.equal(answer(client), "You said: hello");
});

test("a new session whose first message is ended while the agent opens it leaves nothing", async (t) => {
  const { agent, client } = await talking(t, { gates: { "session/new": "go" } }, { share: false });
  const sent = client.send("hello").catch((error) => error);
  await agent.until(() => agent.got("session/new").length === 1, "session/new");
  agent.open("go");
  await sent;
  await client.until(() => client.session, "the session");
  await client.request("end");
  await agent.until(() => agent.running.length === 0, "the end of its process");
  assert.ok(client.ends().length <= 1);
});

test("ended in the middle of a turn: an agent that listens is only told so, and goes on with its other sessions", async (t) => {
  const { agent, host, client } = await talking(t);
  await say(client, "the sky is green");
  const first = client.session.session_id;
  const session_id = await fresh(client);
  const { turn } = await client.send(act({ say: "half" }, { permission: { id: "p" } }, { hang: true }));
  await client.until(() => client.of("permission").length === 1, "the request");
  await client.request("end");
  const log = await exported(host, session_id);
  assert.deepEqual(log.filter((entry) => entry.turn === turn && entry.type === "turn_end").map(({ data }) => data.stop_reason), ["cancelled"]);
  assert.equal(log.find(({ type }) => type === "permission").data.status, "cancelled");
  await agent.until(() => agent.got("session/close").length === 1 && agent.answersTo("p").length === 1, "the end at the agent");
  assert.deepEqual(agent.answersTo("p")[0].result, { outcome: { outcome: "cancelled" } });
  assert.equal(agent.got("session/cancel").length, 1);
  await resume(client, first);
  await say(client, "recall");
  assert.match(answer(client), /I know: the sky is green/);
  assert.equal(agent.starts.length, 1);
});

test("ended in the middle of a turn: an agent that does not listen is killed after the grace, and its other sessions are had back", async (t) => {
  const { agent, client } = await talking(t, { ignore: ["cancel", "term", "eof"], without: ["close"] }, { cancel_grace: "700ms" });
  await say(client, "the sky is green");
  const first = client.session.session_id;
  const session_id = await fresh(client);
  const { turn } = await client.send(act({ say: "on and on" }, { hang: true }));
  await client.until(() => answer(client, turn) === "on and on", "the beginning");
  const begin = Date.now();
  await client.request("end");
  assert.equal(agent.running.length, 1, "not at once");
  await agent.until(() => agent.running.length === 0, "the end of the process");
  assert.ok(Date.now() - begin >= 600, `${Date.now() - begin} ms`);
  await resume(client, first);
  await say(client, "recall");
  assert.match(answer(client), /I know: the sky is green/);
});

// ---------------------------------------------------------------- one process each

test("with share: false the crash of one process is of its session alone, which is had back in a process of its own", async (t) => {
  const { agent, host, client } = await talking(t, { single: true }, { share: false });
  const sessions = [];
  for (let i = 0; i < 3; ++i) {
    const session_id = await fresh(client, { description: `s${i}` });
    sessions.push(session_id);
    await say(client, `fact ${i}`);
  }
  const [, victim] = agent.starts;
  process.kill(victim.pid, "SIGKILL");
  await until(() => host.output.includes("agent ended by itself"), "the host has seen its end");
  for (const [i, session_id] of sessions.entries()) {
    await resume(client, session_id);
    await say(client, "recall");
    assert.match(answer(client), new RegExp(`I know: fact ${i}$`));
    assert.deepEqual(client.of("context_restored"), []);
  }
  assert.deepEqual([agent.starts.length, agent.got("session/resume").length, agent.running.length], [4, 1, 3]);
});

test("with share: false all sessions are had back after the host was killed, also over session/load, each in its process", async (t) => {
  const { agent, host, client } = await talking(t, { single: true, without: ["resume"] }, { share: false });
  const sessions = [];
  for (let i = 0; i < 2; ++i) {
    const session_id = await fresh(client, { description: `s${i}` });
    sessions.push(session_id);
    await say(client, `fact ${i}`);
  }
  await host.kill();
  await agent.until(() => agent.running.length === 0, "the end of all", 15_000);
  await host.start();
  const back = await ChatClient.open(host.origin);
  for (const [i, session_id] of sessions.entries()) {
    await resume(back, session_id);
    await say(back, "recall");
    assert.match(answer(back), new RegExp(`I know: fact ${i}$`));
  }
  assert.deepEqual([agent.got("session/load").length, agent.running.length], [2, 2]);
  await back.request("end");
  await agent.until(() => agent.running.length === 1, "the end of one");
});

test("with share: false an agent that crashes in the middle of a turn interrupts that turn alone", async (t) => {
  const { agent, client } = await talking(t, { single: true }, { share: false });
  await say(client, "the sky is green");
  const first = client.session.session_id;
  const session_id = await fresh(client);
  const end = await say(client, act({ say: "so" }, { crash: 3 }));
  assert.equal(end.data.stop_reason, "interrupted");
  await say(client, "recall");
  assert.match(answer(client), /I know: do \[/);
  await resume(client, first);
  await say(client, "recall");
  assert.match(answer(client), /I know: the sky is green/);
  assert.equal(agent.starts.length, 3);
});

// ---------------------------------------------------------------- nobody looks

test("a message to an agent that has died, and nobody has noticed, is answered by the next one, and was run once", async (t) => {
  const { agent, client } = await talking(t);
  await say(client, "the sky is green");
  for (let i = 0; i < 3; ++i) {
    const { pid } = agent.starts.at(-1);
    process.kill(pid, "SIGSTOP"); // it reads nothing any more
    const { turn } = await client.send(`question ${i}\nrecall`);
    await client.until(() => client.state.running_turn === turn, "its turn");
    process.kill(pid, "SIGKILL");
    const end = await client.ended(turn);
    assert.equal(end.data.stop_reason, "end_turn", JSON.stringify(end.data));
    assert.match(answer(client, turn), /I know: the sky is green/);
    const prompted = agent.got("session/prompt").filter(({ params }) => params.prompt.at(-1).text.startsWith(`question ${i}`));
    assert.equal(prompted.length, 1);
  }
  assert.equal(agent.starts.length, 4);
  assert.deepEqual(client.of("context_restored"), []);
});

test("a message at any moment around the death of an idle agent is answered", async (t) => {
  const { agent, client } = await talking(t, {}, { resume: { attempts: 4, backoff: "50ms", give_up_after: 100 } });
  await say(client, "the sky is green");
  for (let i = 0; i < 3; ++i) {
    agent.kill();
    const end = await say(client, `question ${i}`);
    assert.equal(end.data.stop_reason, "end_turn", JSON.stringify(end.data));
  }
  await say(client, "recall");
  assert.match(answer(client), /I know: the sky is green \/ question 0 \/ question 1 \/ question 2/);
});

test("a message that the agent has read before it died is interrupted, and not sent again", async (t) => {
  const { agent, client } = await talking(t);
  await say(client, "the sky is green");
  agent.script({ crash: [{ at: "session/prompt", starts: [1], signal: "SIGKILL" }] });
  const end = await say(client, "question");
  assert.equal(end.data.stop_reason, "interrupted");
  await say(client, "recall");
  assert.match(answer(client), /I know: the sky is green$/);
  assert.equal(agent.got("session/prompt").filter(({ params }) => params.prompt.at(-1).text === "question").length, 1);
});

test("agents that survive the host and its watchdog are found by what was recorded of them, and ended by the next host", async (t) => {
  const { agent, host, client } = await talking(t, { ignore: ["eof", "term"] }, { share: false });
  for (let i = 0; i < 2; ++i) {
    const session_id = await fresh(client);
    await say(client, `fact ${i}`);
  }
  const pids = agent.starts.map(({ pid }) => pid);
  const watchdogs = readdirSync("/proc").filter((pid) => /^\d+$/.test(pid) && commandOf(pid).startsWith("viaduct-watchdog\0") && parentOf(pid) === host.pid);
  assert.ok(watchdogs.length > 0, "a watchdog");
  for (const pid of watchdogs) process.kill(Number(pid), "SIGKILL");
  await host.kill();
  assert.ok(pids.every(alive), "nobody else ends them");
  await host.start();
  await until(() => !pids.some(alive), "their end");
  assert.equal(host.output.split("an earlier host left").length - 1, 2);
  const back = await ChatClient.open(host.origin, { like: client });
  await say(back, "recall");
  assert.match(answer(back), /I know: fact 1/);
});
const read = (file) => {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return "";
  }
};
const commandOf = (pid) => read(`/proc/${pid}/cmdline`);
const parentOf = (pid) => Number(/^PPid:\s+(\d+)$/m.exec(read(`/proc/${pid}/status`))?.[1]);
