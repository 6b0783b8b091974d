// The heart of the backend `acp`: whatever dies, the conversation goes on, the agent still knows what was said, and nothing is shown twice.
import assert from "node:assert/strict";
import { mkdirSync, rmdirSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { act, Agent, answer, configFor, die, hostWith, say, talking } from "../support/acp.mjs";
import { ChatClient } from "../support/chat_client.mjs";
import { exported, forHost, reconfigure, request } from "../support/viaduct.mjs";
import { until } from "../support/wait.mjs";

async function back(host, like) {
  const client = await ChatClient.open(host.origin, { like });
  await client.until(() => client.live, "live");
  return client;
}
const restart = async (host, like) => {
  await host.kill();
  await host.start();
  return back(host, like);
};
const log = async (host, client) => (await exported(host, client.session.session_id)).map(({ entry, turn, type, text }) => [entry, turn, type, text]);
const rungs = (client) => client.of("context_restored").map(({ data }) => data.rung);
const reasons = (client) => client.of("context_restored").map(({ data }) => data.reason).join();
// How often this rung held, whatever the reason.
async function resumes(host, rung) {
  const { text } = await request(host.origin, "GET", "/metrics");
  const lines = text.split("\n").filter((line) => line.startsWith("viaduct_resumes_total{") && line.includes('outcome="ok"') && line.includes(`rung="${rung}"`));
  return lines.reduce((sum, line) => sum + Number(line.split(" ").at(-1)), 0);
}

// ---------------------------------------------------------------- "what did I just say?"

const ways = [
  ["session/resume", { }, "native"],
  ["session/load with a replay before its answer", { without: ["resume"], replayExtra: [{ sessionUpdate: "tool_call", toolCallId: "old", title: "an old tool", status: "completed" }, { sessionUpdate: "plan", entries: [] }] }, "native"],
  ["session/load with a replay after its answer", { without: ["resume"], replay: "after", replayDelay: 60 }, "native"],
  ["session/load without a replay", { without: ["resume"], replay: "none" }, "native"],
  ["session/load that answers null", { without: ["resume"], loadAnswer: null }, "native"],
  ["the transcript, for an agent that can do neither", { without: ["resume", "load"] }, "transcript"],
];
for (const [way, script, rung] of ways)
  test(`host killed and restarted, then "what did I just say?" is answered from context, by ${way}`, async (t) => {
    const { agent, host, client } = await talking(t, script);
    await say(client, "the sky is green");
    await say(client, "and the sea is red");
    const before = await log(host, client);
    const native = agent.got("session/new").length && agent.conversations[0].sessionId;
    await client.cut();
    const again = await restart(host, client);
    assert.deepEqual(await log(host, again), before, "nothing is shown before anything is asked");
    const end = await say(again, "recall");
    assert.equal(end.data.stop_reason, "end_turn");
    assert.match(answer(again), /I know: .*the sky is green.*and the sea is red/s);
    const after = await log(host, again);
    assert.deepEqual(after.slice(0, before.length), before, "what was is as it was");
    const added = after.slice(before.length).map(([, , type]) => type);
    assert.deepEqual(added, ["user_message", ...(rung === "transcript" ? ["context_restored"] : []), "text", "turn_end"], "and nothing of a replay is added");
    assert.equal(agent.starts.length, 2);
    if (rung === "native") {
      const method = script.without ? "session/load" : "session/resume";
      assert.deepEqual(agent.methods.filter((name) => /load|resume/.test(name)), [method]);
      const [{ params }] = agent.got(method);
      assert.deepEqual([params.sessionId, params.cwd, params.mcpServers], [native, host.home, []]);
      assert.equal(agent.got("session/new").length, 1);
    } else {
      assert.deepEqual(rungs(again), ["transcript"]);
      assert.match(answer(again), /You said: the sky is green/, "also what the agent said");
    }
    await say(again, "recall");
    assert.equal(rungs(again).length, rung === "transcript" ? 1 : 0, "once");
    assert.deepEqual([...client.faults, ...again.faults], []);
    assert.equal(await resumes(host, rung), 1);
  });

test("killed after a new session at the agent was begun and before it was given the conversation: it is given it then", async (t) => {
  const { agent, host, client } = await talking(t, { without: ["load"] });
  await say(client, "the sky is green");
  const { session_id } = client.session;
  await host.kill();
  agent.script({ without: ["load"], errors: { "session/resume": { code: -32002, message: "Resource not found" } } });
  await host.start();
  const again = await back(host, client);
  assert.equal((await again.request("resume", { session_id })).context, "transcript");
  agent.script({ without: ["load"] });
  const last = await restart(host, again);
  await say(last, "recall");
  assert.match(answer(last), /the sky is green/);
  assert.equal(agent.got("session/prompt").at(-1).params.prompt.length, 2);
});

test("a command of the user's right after the agent has lost all is a command, and the conversation goes in with the next message", async (t) => {
  const { agent, host, client } = await talking(t, { without: ["resume", "load"], options: ["model"] });
  await say(client, "the sky is green");
  const again = await restart(host, client);
  await say(again, "/model large");
  assert.match(answer(again), /^Model: large$/);
  assert.deepEqual(rungs(again), ["transcript"]);
  assert.equal(agent.got("session/prompt").length, 1, "the agent has nothing of it");
  await say(again, "recall");
  assert.match(answer(again), /the sky is green/);
  const [before, text] = agent.got("session/prompt").at(-1).params.prompt.map((block) => block.text);
  assert.match(before, /^The conversation so far[^]*User[^]*the sky is green[^]*The next message is:\n\n$/);
  assert.equal(text, "recall");
  await say(again, "thanks");
  assert.deepEqual(agent.got("session/prompt").at(-1).params.prompt.map((block) => block.text), ["thanks"], "once");
});

test("a session that is resumed at the agent answers at once, and a page that comes back needs to send nothing for it", async (t) => {
  const { agent, host, client } = await talking(t);
  await say(client, "one");
  const { session_id } = client.session;
  const again = await restart(host, client);
  const { context } = await again.request("resume", { session_id });
  assert.equal(context, "native");
  assert.equal(agent.got("session/resume").length, 1, "eagerly");
  for (let i = 0; i < 5; ++i) assert.equal((await again.request("resume", { session_id })).context, "live");
  assert.equal(agent.got("session/resume").length, 1, "resuming what is there does nothing to it");
  assert.equal(agent.starts.length, 2);
  await say(again, "recall");
  assert.match(answer(again), /I know: one/);
});

test("the native id is kept as soon as the agent gives it: killed before the first turn has ended, it is known", async (t) => {
  const { agent, host, client } = await talking(t);
  await client.send(act({ say: "working" }, { hang: true }));
  await client.until(() => answer(client, 1) === "working", "the beginning");
  const again = await restart(host, client);
  assert.deepEqual(again.ends().map(({ data }) => data.stop_reason), ["interrupted"]);
  await say(again, "recall");
  assert.equal(agent.got("session/new").length, 1);
  assert.equal(agent.got("session/resume")[0].params.sessionId, agent.conversations[0].sessionId);
});

for (const [what, script, method] of [["load", { without: ["resume"], rotate: ["session/load"] }, "session/load"], ["resume", { rotate: ["session/resume"] }, "session/resume"]])
  test(`an id that changes with every ${what} is kept each time`, async (t) => {
    const { agent, host, client } = await talking(t, script);
    await say(client, "zero");
    let now = client;
    for (const text of ["one", "two", "three"]) {
      now = await restart(host, now);
      await say(now, text);
    }
    await say(now, "recall");
    assert.match(answer(now), /I know: zero \/ one \/ two \/ three/);
    const offered = agent.got(method).map(({ params }) => params.sessionId);
    assert.equal(new Set(offered).size, 3, "each time the newest");
    assert.deepEqual(rungs(now), []);
    assert.equal(agent.got("session/new").length, 1);
  });

// ---------------------------------------------------------------- the ladder

for (const [code, message] of [[-32002, "Resource not found"], [-32603, "Internal error: No previous sessions found"], [-32602, "Invalid params"], [-32001, "unknown session"]])
  test(`an agent that answers ${code} to resume and load is given the transcript, and that is said with the reason`, async (t) => {
    const { agent, host, client } = await talking(t, { without: code === -32603 ? ["resume"] : [] });
    await say(client, "the sky is green");
    agent.script({ without: code === -32603 ? ["resume"] : [], errors: { "session/load": { code, message }, "session/resume": { code, message } } });
    const again = await restart(host, client);
    await say(again, "recall");
    assert.match(answer(again), /the sky is green/);
    assert.deepEqual(rungs(again), ["transcript"]);
    assert.match(reasons(again), new RegExp(message.split(":").at(-1).trim(), "i"));
    assert.equal(agent.got("session/new").length, 2);
    const next = await restart(host, again);
    agent.script({});
    await say(next, "recall");
    assert.deepEqual(rungs(next), ["transcript"], "the new id is the one that holds from now on");
    assert.match(answer(next), /the sky is green/);
  });

test("where resume fails, load is tried before the transcript", async (t) => {
  const { agent, host, client } = await talking(t);
  await say(client, "the sky is green");
  agent.script({ errors: { "session/resume": { code: -32603, message: "resume is broken" } } });
  const again = await restart(host, client);
  await say(again, "recall");
  assert.match(answer(again), /I know: the sky is green/);
  assert.deepEqual(agent.methods.filter((name) => /load|resume/.test(name)), ["session/resume", "session/load"]);
  assert.deepEqual(rungs(again), []);
});

test("an agent that dies while it loads is tried again, and that is unavailable, not the end", async (t) => {
  const { agent, host, client } = await talking(t, {}, { resume: { attempts: 2, backoff: "50ms", give_up_after: 10 } });
  await say(client, "the sky is green");
  agent.script({ crash: [{ at: "session/resume", starts: [2] }] });
  const again = await restart(host, client);
  await say(again, "recall");
  assert.match(answer(again), /I know: the sky is green/, "the second attempt");
  assert.deepEqual(rungs(again), []);
  agent.script({ crash: [{ at: "session/resume" }] });
  const third = await restart(host, again);
  const end = await say(third, "hello?");
  assert.deepEqual([end.data.stop_reason, end.data.error.code], ["error", "unavailable"]);
  agent.script({});
  await say(third, "recall");
  assert.match(answer(third), /I know: the sky is green/);
  assert.deepEqual(rungs(third), []);
});

test("resume that never answers is given up within the handshake's time", async (t) => {
  const { agent, host, client } = await talking(t, {}, { handshake_timeout: "3s", resume: { attempts: 1, give_up_after: 1 } });
  await say(client, "the sky is green");
  agent.script({ hang: [{ at: "session/resume" }, { at: "session/load" }] });
  const again = await restart(host, client);
  await say(again, "recall");
  assert.match(answer(again), /the sky is green/);
  assert.deepEqual(rungs(again), ["transcript"]);
});

test("with fresh_on_loss an agent that can take nothing starts afresh, never silently; without it the session is dead", async (t) => {
  for (const fresh of [true, false]) {
    const { agent, host, client } = await talking(t, {}, { fresh_on_loss: fresh, resume: { enabled: false } });
    await say(client, "the sky is green");
    const again = await restart(host, client);
    if (!fresh) {
      const end = await say(again, "recall").catch((error) => error);
      assert.equal(end.data?.error.code ?? end.code, "session_dead");
      continue;
    }
    await say(again, "recall");
    assert.doesNotMatch(answer(again), /the sky is green/);
    assert.deepEqual(rungs(again), ["fresh"]);
    assert.equal(agent.got("session/resume").length, 0);
  }
});

test("the id of another agent type is never offered", async (t) => {
  const { agent, host, client } = await talking(t, {}, { agent_type: "first" });
  await say(client, "the sky is green");
  host.options.config.backends.agent.config.agent_type = "second";
  const again = await restart(host, client);
  await say(again, "recall");
  assert.deepEqual(agent.methods.filter((name) => /load|resume/.test(name)), []);
  assert.deepEqual(rungs(again), ["transcript"]);
  assert.match(reasons(again), /another agent/);
  assert.match(answer(again), /the sky is green/);
});

test("a working folder that is gone skips the agent's own memory, and says so", async (t) => {
  const { agent, host, client } = await talking(t, { cwdMatters: true });
  const folder = path.join(host.home, "work");
  mkdirSync(folder);
  const made = await client.request("new", { working_dir: folder });
  await client.until(() => client.session?.session_id === made.session_id && client.live, "the session");
  await say(client, "the sky is green");
  assert.equal(agent.got("session/new").at(-1).params.cwd, folder);
  rmdirSync(folder);
  const again = await restart(host, client);
  await again.send("recall");
  await again.until(() => again.ends().length === 2 || rungs(again).length, "what becomes of it");
  assert.deepEqual(agent.methods.filter((name) => /load|resume/.test(name)), []);
});

test("an agent that says at the prompt that it does not know the session is restored, and the message is sent once", async (t) => {
  for (const code of [-32002, -32602, -32603]) {
    const { agent, client } = await talking(t, { unknownSession: code });
    await say(client, "the sky is green");
    const { sessionId } = agent.conversations[0];
    agent.script({ unknownSession: code, errors: { "session/prompt": { code, message: `Session not found: ${sessionId}`, times: 1 } } });
    const end = await say(client, "recall");
    assert.equal(end.data.stop_reason, "end_turn", JSON.stringify(end.data));
    assert.match(answer(client), /the sky is green/);
    assert.equal(client.of("user_message").length, 2);
    assert.equal(agent.got("session/prompt").length, 3);
  }
});

// ---------------------------------------------------------------- the agent dies

for (const signal of ["SIGKILL", "SIGTERM", "SIGSEGV"])
  test(`an agent killed while idle (${signal}) is there again with the next message`, async (t) => {
    const { agent, host, client } = await talking(t);
    await say(client, "the sky is green");
    await die(agent, host, signal);
    await say(client, "recall");
    assert.match(answer(client), /I know: the sky is green/);
    assert.deepEqual([agent.starts.length, agent.got("session/resume").length], [2, 1]);
    assert.deepEqual(rungs(client), []);
    assert.equal(client.of("user_message").length, 2);
  });

test("an agent killed mid-turn: the turn is interrupted once, with its text, is not sent again, and the next message goes on", async (t) => {
  const { agent, client } = await talking(t);
  await say(client, "the sky is green");
  const { turn } = await client.send(act({ say: "half of an answer" }, { tool: { toolCallId: "a", title: "x", status: "in_progress" } }, { hang: true }));
  await client.until(() => client.of("tool_call").length === 1, "the beginning");
  const waiting = (await client.send("recall")).turn;
  agent.kill();
  const end = await client.ended(turn);
  assert.deepEqual([end.data.stop_reason, end.data.error?.code], ["interrupted", "unavailable"]);
  assert.equal(answer(client, turn), "half of an answer");
  assert.equal((await client.ended(waiting)).data.stop_reason, "end_turn");
  assert.match(answer(client, waiting), /I know: the sky is green/);
  assert.deepEqual(agent.got("session/prompt").length, 3, "the interrupted one was not sent again");
  assert.equal(client.ends(turn).length, 1);
  assert.ok(client.list().every((entry) => entry.complete), "nothing grows any more");
  assert.deepEqual(client.faults, []);
});

test("an agent that ends in the middle with exit code 0 has crashed all the same", async (t) => {
  const { client } = await talking(t);
  const end = await say(client, act({ say: "so" }, { crash: 0 }));
  assert.equal(end.data.stop_reason, "interrupted");
  await say(client, "recall");
  assert.match(answer(client), /I know: do \[/);
});

test("several sessions on one process all survive its death", async (t) => {
  const { agent, host, client } = await talking(t);
  const sessions = [];
  for (let i = 0; i < 4; ++i) {
    const { session_id } = await client.request("new", { description: `s${i}` });
    sessions.push(session_id);
    await client.until(() => client.session?.session_id === session_id && client.live, "the session");
    await say(client, `fact ${i}`);
  }
  assert.equal(agent.starts.length, 1);
  await die(agent, host);
  for (const [i, session_id] of sessions.entries()) {
    await client.request("resume", { session_id });
    await client.until(() => client.session?.session_id === session_id && client.live, "the session");
    await say(client, "recall");
    assert.match(answer(client), new RegExp(`I know: fact ${i}$`));
  }
  assert.equal(agent.starts.length, 2);
});

// ---------------------------------------------------------------- options

test("model and mode are applied again after every restore, also what the user chose", async (t) => {
  for (const script of [{ options: ["model", "mode"] }, { options: ["model", "mode"], without: ["resume"] }, { options: ["model", "mode"], without: ["resume", "load"] }, { models: true, modes: true }]) {
    const { agent, host, client } = await talking(t, script, { model: "large", mode: "plan" });
    await say(client, "hello");
    await say(client, "/model huge");
    const again = await restart(host, client);
    const where = async (now) => {
      await say(now, act({ where: true }));
      const { mode, model, options } = JSON.parse(answer(now));
      return script.options ? Object.fromEntries(options) : { mode, model };
    };
    assert.deepEqual(await where(again), { model: "huge", mode: "plan" }, JSON.stringify(script));
    await die(agent, host);
    assert.deepEqual(await where(again), { model: "huge", mode: "plan" });
    await again.until(() => again.state.options.find(({ id }) => id === "model")?.currentValue === "huge", "the state");
  }
});

// ---------------------------------------------------------------- people come and go

test("a browser that disconnects in the middle of a turn comes back to the whole answer", async (t) => {
  const { agent, host, client } = await talking(t);
  const { turn } = await client.send(act({ say: ["one ", "two "] }, { until: "away" }, { say: ["three ", "four "] }, { tool: { toolCallId: "a", title: "x", status: "completed" } }, { until: "back" }, { say: "five" }));
  await client.until(() => answer(client, turn) === "one two ", "the beginning");
  await client.cut();
  agent.open("away");
  await until(async () => (await exported(host, client.session.session_id)).some(({ type }) => type === "tool_call"), "what is said meanwhile");
  const again = await ChatClient.open(host.origin, { like: client });
  await again.until(() => again.live && answer(again, turn) === "one two three four ", "what was missed");
  assert.equal(again.state.running_turn, turn);
  agent.open("back");
  assert.equal((await again.ended(turn)).data.stop_reason, "end_turn");
  assert.equal(answer(again, turn), "one two three four five");
  assert.deepEqual(agent.got("session/cancel"), []);
  assert.deepEqual([...client.faults, ...again.faults], []);
  const whole = await exported(host, client.session.session_id);
  assert.deepEqual(again.list().map(({ entry, type, text }) => [entry, type, text]), whole.map(({ entry, type, text }) => [entry, type, text]));
});

test("nobody has to watch: a turn that runs while all are away is complete when they return", async (t) => {
  const { agent, host, client } = await talking(t);
  const { turn } = await client.send(act({ until: "alone" }, { say: Array.from({ length: 200 }, (_, i) => `w${i} `) }));
  await agent.until(() => agent.got("session/prompt").length === 1, "the prompt");
  await client.cut();
  agent.open("alone");
  await until(async () => (await exported(host, client.session.session_id)).some(({ type }) => type === "turn_end"), "its end");
  const again = await back(host, client);
  assert.match(answer(again, turn), /^w0 .* w199 $/);
});

// ---------------------------------------------------------------- an agent's own sessions

test("a session that the agent has by itself can be taken over: what it replays becomes the log, once", async (t) => {
  for (const replay of ["before", "after"]) {
    const { agent, host, client } = await talking(t, { replay });
    await say(client, "the sky is green");
    await say(client, "and blue");
    const { sessionId } = agent.conversations[0];
    const listed = await forHost(host, "sessions", "discover", "--backend", "agent", "--json");
    assert.equal(listed.code, 0, listed.err);
    assert.ok(listed.out.includes(sessionId), listed.out);
    const other = await hostWith(t, agent);
    const taken = await forHost(other, "sessions", "adopt", sessionId, "--json");
    assert.equal(taken.code, 0, taken.err);
    const page = await ChatClient.open(other.origin);
    const { session_id } = (await page.request("list")).sessions[0];
    await page.request("resume", { session_id });
    await page.until(() => page.session?.session_id === session_id && page.live, "the session");
    assert.deepEqual(page.list().filter(({ type }) => ["user_message", "text"].includes(type)).map(({ type, text }) => [type, text]), [
      ["user_message", "the sky is green"], ["text", "You said: the sky is green"], ["user_message", "and blue"], ["text", "You said: and blue"],
    ]);
    await say(page, "recall");
    assert.match(answer(page), /I know: the sky is green \/ and blue$/);
    assert.deepEqual(rungs(page), []);
    assert.equal((await forHost(other, "sessions", "adopt", sessionId, "--json")).code, 0);
    assert.equal((await page.request("list")).sessions.length, 1, "twice is the same session");
  }
});

test("discover goes through all pages of the agent's list, and one that has no list has none", async (t) => {
  const { agent, host, client } = await talking(t);
  for (let i = 0; i < 5; ++i) {
    const { session_id } = await client.request("new", { description: `s${i}` });
    await client.until(() => client.session?.session_id === session_id && client.live, "the session");
    await say(client, `message ${i}`);
  }
  const { out, code, err } = await forHost(host, "sessions", "discover", "--backend", "agent", "--json");
  assert.equal(code, 0, err);
  for (const { sessionId } of agent.conversations) assert.ok(out.includes(sessionId), out);
  agent.script({ without: ["list"] });
  await die(agent, host);
  const none = await forHost(host, "sessions", "discover", "--backend", "agent", "--json");
  assert.equal(none.code, 0, none.err);
});

test("a reload that changes the backend keeps its conversations", async (t) => {
  const { agent, host, client } = await talking(t);
  await say(client, "the sky is green");
  reconfigure(host, (config) => (config.backends.agent.config = configFor(agent, { idle_timeout: "10m" })));
  const reloaded = await forHost(host, "reload");
  assert.equal(reloaded.code, 0, reloaded.err);
  await say(client, "recall");
  assert.match(answer(client), /I know: the sky is green/);
  assert.deepEqual(rungs(client), []);
});

test("a session that is purged is deleted at the agent, too", async (t) => {
  const { agent, host, client } = await talking(t);
  await say(client, "the sky is green");
  const { session_id } = client.session;
  const { sessionId } = agent.conversations[0];
  await client.request("end");
  const purged = await forHost(host, "sessions", "purge", "--older-than", "1ms");
  assert.equal(purged.code, 0, purged.err);
  await agent.until(() => agent.got("session/delete").length === 1, "session/delete");
  assert.deepEqual(agent.got("session/delete")[0].params, { sessionId });
  assert.deepEqual(agent.conversations, []);
  assert.notEqual((await forHost(host, "sessions", "export", session_id)).code, 0);
});

// ---------------------------------------------------------------- all at once

test("kill -9 of host and agent at random moments: nothing that was acknowledged is lost, nothing is doubled, and the agent knows it all", { timeout: 300_000 }, async (t) => {
  const seed = Number(process.env.VIADUCT_SEED ?? Math.floor(Math.random() * 1e9));
  t.diagnostic(`VIADUCT_SEED=${seed}`);
  let state = seed >>> 0;
  const pick = (most) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * most);
  };
  const pieces = Array.from({ length: 30 }, (_, i) => `w${i} `);
  const prompts = [{ match: "^fact \\d+$", do: [{ say: pieces, delay: 1 }] }];
  const { agent, host, client } = await talking(t, { prompts }, { resume: { attempts: 4, backoff: "50ms", give_up_after: 100 } });
  let now = client;
  const facts = [];
  let kills = 0;
  let crashes = 0; // of agents of this host
  for (let i = 0; i < 24; ++i) {
    agent.script({ prompts, without: [[], ["resume"], ["resume", "load"]][Math.floor(i / 8)], ...(i % 3 ? {} : { replay: "after" }) });
    const key = `key-${i}`;
    const { turn } = await now.send(`fact ${i}`, { key });
    facts.push({ text: `fact ${i}`, turn, key });
    const victim = crashes === 3 ? 0 : pick(3); // one more is a crash loop
    const enough = pick(400);
    await now.until(() => answer(now, turn).length >= enough || now.ends(turn).length, "some of the answer");
    if (victim === 0) {
      kills += 1;
      crashes = 0;
      now = await restart(host, now);
      assert.equal((await now.send(`fact ${i}`, { key })).turn, turn, "sent again with its key it is the same");
    } else if (victim === 1 && agent.running.length) {
      kills += 1;
      crashes += 1;
      agent.kill("SIGKILL", agent.running.at(-1));
    }
    await now.until(() => now.ends(turn).length === 1, "its end");
  }
  if (crashes === 3) now = await restart(host, now);
  assert.ok(kills > 5, `${kills} kills`);
  agent.script({});
  await until(async () => (await say(now, "recall")).data.stop_reason === "end_turn", "an answer to recall");
  const whole = await exported(host, now.session.session_id);
  assert.deepEqual(whole.map(({ entry }) => entry), whole.map((_, i) => i + 1));
  const messages = whole.filter(({ type, text }) => type === "user_message" && /^fact/.test(text));
  assert.deepEqual(messages.map(({ text, turn, data }) => ({ text, turn, key: data.key })), facts);
  const counts = {};
  for (const { turn, text } of facts) {
    const of = whole.filter((entry) => entry.turn === turn);
    const ends = of.filter(({ type }) => type === "turn_end");
    assert.equal(ends.length, 1);
    const reason = ends[0].data.stop_reason;
    counts[reason] = (counts[reason] ?? 0) + 1;
    const said = of.filter(({ type }) => type === "text").map((entry) => entry.text).join("");
    if (reason === "end_turn") assert.equal(said, pieces.join(""), text);
    else assert.ok(reason === "interrupted" && pieces.join("").startsWith(said), `${reason}: ${said}`);
    const prompted = agent.got("session/prompt").filter(({ params }) => params.prompt.at(-1).text?.split("\n").at(-1) === text);
    assert.ok(prompted.length <= 1, `${text} was run ${prompted.length} times`);
    if (reason === "end_turn") assert.equal(prompted.length, 1);
  }
  t.diagnostic(`${kills} kills, ${JSON.stringify(counts)}, rungs ${JSON.stringify(rungs(now))}`);
  const known = answer(now);
  for (const { text, turn } of facts)
    if (whole.find((entry) => entry.turn === turn && entry.type === "turn_end").data.stop_reason === "end_turn") assert.match(known, new RegExp(`\\b${text}\\b`), "the agent knows it");
  assert.deepEqual(now.faults, []);
});
