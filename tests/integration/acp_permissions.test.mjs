// What an ACP agent asks, people answer: each request once, by its kind, with its id as it came, and never for an agent that is gone.
import assert from "node:assert/strict";
import { test } from "node:test";
import { act, Agent, answer, hostWith, say, talking } from "../support/acp.mjs";
import { ChatClient } from "../support/chat_client.mjs";
import { until } from "../support/wait.mjs";

const pending = (client) => client.of("permission").filter(({ data }) => data.status === "pending");
const asked = (client, n = 1) => client.until(() => pending(client).length >= n && pending(client), `${n} open requests`);
const choose = (client, entry, option_id) => client.request("answer", { entry: entry.entry, option_id });
const option = (optionId, kind, name = optionId) => ({ optionId, name, ...(kind ? { kind } : {}) });
const tool = (toolCallId, kind, title = `tool ${toolCallId}`) => ({ toolCallId, title, ...(kind ? { kind } : {}) });

test("a request is shown with its tool and its options, and the choice gets back with the id as it came", async (t) => {
  for (const id of [0, 7, "e62f9a10-5c1d-4a8e-9f00-aa17d1a6b001", "0", ""]) {
    const { agent, client } = await talking(t);
    const { turn } = await client.send(act({ permission: { id, toolCall: { ...tool("x", "execute", "rm -rf build"), rawInput: { command: "rm -rf build" } } } }));
    const [entry] = await asked(client);
    await client.until(() => client.state.session.state === "waiting", "the session waits for an answer");
    assert.match(entry.data.title, /rm -rf build/);
    assert.deepEqual(entry.data.toolCall.rawInput, { command: "rm -rf build" });
    assert.deepEqual(entry.data.options.map(({ optionId, kind }) => [optionId, kind]), [["once", "allow_once"], ["always", "allow_always"], ["no", "reject_once"]]);
    await choose(client, entry, "no");
    assert.equal((await client.ended(turn)).data.stop_reason, "end_turn");
    assert.match(answer(client), /Permission: no\./);
    assert.deepEqual(agent.answersTo(id), [{ jsonrpc: "2.0", id, result: { outcome: { outcome: "selected", optionId: "no" } } }]);
  }
});

test("several requests are open at a time, and each gets its own answer", async (t) => {
  const { agent, client } = await talking(t);
  const ids = [0, "0", "b8a7", 9];
  const { turn } = await client.send(act({ permission: ids.map((id, i) => ({ id, toolCall: tool(`t${i}`, "execute"), options: [option(`yes-${i}`, "allow_once"), option(`no-${i}`, "reject_once")] })) }));
  const entries = await asked(client, 4);
  for (const i of [2, 0, 3, 1]) {
    const entry = entries.find(({ data }) => data.toolCall.toolCallId === `t${i}`);
    await choose(client, entry, i % 2 ? `no-${i}` : `yes-${i}`);
  }
  await client.ended(turn);
  assert.match(answer(client), /Permission: yes-0, no-1, yes-2, no-3\./);
  for (const id of ids) assert.equal(agent.answersTo(id).length, 1);
  assert.deepEqual(entries.map(({ entry }) => client.entries.get(entry).data.status), Array(4).fill("selected"));
});

test("requests for tools that are not known, without kind or title, and with odd options are shown all the same", async (t) => {
  const { client } = await talking(t);
  const { turn } = await client.send(act(
    { permission: { toolCall: { toolCallId: "unheard of" }, options: [option("a"), option("b", "x_kind"), option("c", "allow_always"), option("d", "allow_always")] } },
    { permission: { toolCall: { toolCallId: "y", title: null, kind: null, content: [{ type: "text", text: "bare block" }] }, options: [option("only", "allow_once")] } },
  ));
  const [first] = await asked(client);
  assert.deepEqual(first.data.options.map(({ optionId }) => optionId), ["a", "b", "c", "d"]);
  assert.ok(first.data.title);
  await choose(client, first, "b");
  const second = await client.until(() => pending(client).find(({ entry }) => entry !== first.entry), "the second request");
  await choose(client, second, "only");
  await client.ended(turn);
  assert.match(answer(client), /Permission: b\. Permission: only\./);
});

test("a request without options, or with ones of no use, does not hang the turn", async (t) => {
  const { client } = await talking(t);
  const end = await say(client, act({ permission: { options: [] } }, { say: "on" }));
  assert.equal(end.data.stop_reason, "end_turn");
  assert.match(answer(client), /Permission: (cancelled|error -32\d+)\. on/);
});

test("the policy decides by the tool's kind, and chooses by the option's kind, not by its place or name", async (t) => {
  const { agent, client } = await talking(t, {}, { permissions: { read: "allow", execute: "deny", write: "ask", default: "ask" } });
  const odd = [option("cancel", "reject_once", "Proceed"), option("p2", "allow_always", "No"), option("proceed_once", "allow_once", "Cancel"), option("never", "reject_always")];
  const one = (kind) => ({ permission: { toolCall: tool(`of ${kind}`, kind), options: odd } });
  await say(client, act(one("read"), one("execute")));
  assert.match(answer(client), /Permission: proceed_once\. Permission: cancel\./);
  assert.deepEqual(pending(client), []);
  assert.equal(agent.answersTo(0).length, 1);
  for (const kind of ["edit", "x_unknown", undefined]) {
    const { turn } = await client.send(act(one(kind)));
    const [entry] = await asked(client);
    await choose(client, entry, "never");
    await client.ended(turn);
    assert.match(answer(client), /Permission: never/);
  }
});

test("what the policy cannot say with the options that there are is asked, or answered with cancelled, never with the wrong option", async (t) => {
  const { client } = await talking(t, {}, { permissions: { read: "allow", execute: "deny" } });
  const { turn } = await client.send(act(
    { permission: { toolCall: tool("a", "execute"), options: [option("yes", "allow_once"), option("ever", "allow_always")] } },
    { permission: { toolCall: tool("b", "read"), options: [option("no", "reject_once")] } },
  ));
  const end = await Promise.race([client.ended(turn), asked(client).then(() => null)]);
  if (!end) {
    const [entry] = pending(client);
    await client.request("cancel", { turn });
    await client.ended(turn);
    assert.notEqual(client.entries.get(entry.entry).data.status, "selected");
    return;
  }
  assert.doesNotMatch(answer(client), /Permission: (yes|ever)/);
});

test("cancel during pending requests: each is answered with cancelled, once, and then the turn is cancelled", async (t) => {
  for (const script of [{}, { permissionsEndWithCancel: true }]) {
    const { agent, client } = await talking(t, script);
    const { turn } = await client.send(act({ tool: tool("t", "execute") }, { permission: [{ id: 0 }, { id: "one" }, { id: 2 }] }, { say: "never" }));
    const entries = await asked(client, 3);
    await choose(client, entries[1], "once");
    await client.request("cancel", { turn });
    const end = await client.ended(turn);
    assert.equal(end.data.stop_reason, "cancelled");
    assert.equal(client.ends(turn).length, 1);
    assert.doesNotMatch(answer(client, turn), /never/);
    await agent.until(() => [0, "one", 2].every((id) => agent.answersTo(id).length === 1), "an answer to each");
    const outcomes = entries.map(({ data, entry }) => [data.status, client.entries.get(entry).data.status, entry]);
    assert.deepEqual(outcomes.map(([, status]) => status).sort(), ["cancelled", "cancelled", "selected"]);
    const results = [0, "one", 2].map((id) => agent.answersTo(id)[0].result.outcome.outcome).sort();
    assert.deepEqual(results, ["cancelled", "cancelled", "selected"]);
    const messages = agent.log.filter(({ got }) => got).map(({ got }) => got);
    assert.equal(messages.filter(({ method }) => method === "session/cancel").length, 1);
    const firstCancelled = messages.findIndex(({ result }) => result?.outcome?.outcome === "cancelled");
    assert.ok(messages.findIndex(({ method }) => method === "session/cancel") < firstCancelled, "an agent that is told of the cancel last goes on for a while");
    await say(client, "and now");
    assert.equal(answer(client), "You said: and now");
    assert.equal(agent.starts.length, 1, "nothing was killed for it");
  }
});

test("a person who takes too long has said no, which is not cancelled", async (t) => {
  const { client } = await talking(t, {}, { permission_timeout: "300ms" });
  const end = await say(client, act({ permission: {} }, { say: "on" }));
  assert.equal(end.data.stop_reason, "end_turn");
  assert.match(answer(client), /Permission: no\. on/);
  assert.equal(client.of("permission")[0].data.status, "expired");
  await say(client, act({ permission: { options: [option("yes", "allow_once")] } }));
  assert.match(answer(client), /Permission: cancelled/, "where there is nothing to reject with");
});

test("a request that the agent takes back is closed on every page, and still answered once", async (t) => {
  const { agent, client } = await talking(t);
  const { turn } = await client.send(act({ permission: { id: "w" }, withdraw: 50 }, { say: "on" }));
  const end = await client.ended(turn);
  assert.equal(end.data.stop_reason, "end_turn");
  assert.notEqual(client.of("permission")[0].data.status, "pending");
  const [reply] = agent.answersTo("w");
  assert.ok(reply.error?.code === -32800 || reply.result?.outcome.outcome === "cancelled", JSON.stringify(reply));
  await assert.rejects(async () => {
    const held = await choose(client, client.of("permission")[0], "once");
    if (held.outcome !== "selected") throw new Error("not selected");
  });
  assert.equal(agent.answersTo("w").length, 1);
});

test("two viewers answer one request at once: one holds, both are told which", async (t) => {
  const { agent, host, client } = await talking(t);
  await say(client, "hello");
  const others = [await ChatClient.open(host.origin), await ChatClient.open(host.origin)];
  for (let round = 0; round < 10; ++round) {
    const { turn } = await client.send(act({ permission: { id: `r${round}` } }));
    const [entry] = await asked(client);
    for (const other of others) await other.until(() => pending(other).some(({ entry: number }) => number === entry.entry), "the request");
    const answers = await Promise.all([choose(others[0], entry, "once"), choose(others[1], entry, "no"), choose(client, entry, "always")]);
    assert.equal(new Set(answers.map(({ option_id }) => option_id)).size, 1, JSON.stringify(answers));
    await client.ended(turn);
    assert.match(answer(client, turn), new RegExp(`Permission: ${answers[0].option_id}\\.`));
    assert.equal(agent.answersTo(`r${round}`).length, 1);
    for (const other of others) await other.until(() => other.entries.get(entry.entry).data.option_id === answers[0].option_id, "what holds");
  }
});

test("two surfaces see one session's request, and one answer holds", async (t) => {
  const agent = Agent.for(t);
  const host = await hostWith(t, agent, {}, { surfaces: { "web-chat": { plugin: "web_chat", backend: "agent" }, second: { plugin: "web_chat", backend: "agent" } } });
  const client = await ChatClient.open(host.origin);
  const other = await ChatClient.open(host.origin, { surface: "second" });
  const { turn, session_id } = await client.send(act({ permission: { id: 0 } }));
  const [entry] = await asked(client);
  // Somebody else's session: the other surface cannot even see it, whichever way it asks.
  await assert.rejects(other.request("answer", { session_id, entry: entry.entry, option_id: "once" }), { code: "not_found" });
  assert.equal(client.entries.get(entry.entry).data.status, "pending");
  await choose(client, entry, "once");
  await client.ended(turn);
  assert.equal(agent.answersTo(0).length, 1);
});

test("an agent that dies takes its requests with it: they expire with the turn, and an old card answers nothing of the next process", async (t) => {
  const { agent, client } = await talking(t);
  const { turn } = await client.send(act({ permission: { id: 0, toolCall: tool("a", "execute", "format the disk") } }));
  const [old] = await asked(client);
  agent.kill();
  const end = await client.ended(turn);
  assert.equal(end.data.stop_reason, "interrupted");
  assert.equal(client.entries.get(old.entry).data.status, "expired");
  const next = (await client.send(act({ permission: { id: 0, toolCall: tool("b", "execute", "the same id") } }))).turn;
  const [fresh] = await asked(client);
  assert.notEqual(fresh.entry, old.entry);
  const late = await choose(client, old, "once").catch((error) => error);
  assert.notEqual(late.outcome, "selected");
  assert.equal(pending(client).length, 1, "the new one is still open");
  await choose(client, fresh, "no");
  await client.ended(next);
  assert.match(answer(client, next), /Permission: no\./);
  assert.equal(agent.starts.length, 2);
});

test("a host that dies ends the request as well; the next process asks anew", async (t) => {
  const { agent, host, client } = await talking(t);
  await client.send(act({ permission: { id: 0 } }));
  const [old] = await asked(client);
  await host.kill();
  await host.start();
  const back = await ChatClient.open(host.origin, { like: client });
  await back.until(() => back.live && back.ends().length === 1, "what has become of it");
  assert.deepEqual([back.entries.get(old.entry).data.status, back.ends()[0].data.stop_reason], ["expired", "interrupted"]);
  const { turn } = await back.send(act({ permission: { id: 0 } }));
  const [fresh] = await asked(back);
  await choose(back, fresh, "always");
  await back.ended(turn);
  assert.match(answer(back, turn), /Permission: always/);
  assert.equal(agent.got("session/prompt").length, 2);
});

test("a request after the turn has ended is answered with a no, and asks nobody", async (t) => {
  const { agent, client } = await talking(t);
  await say(client, act({ permission: { id: "stray" }, forget: true }, { say: "done" }));
  await agent.until(() => agent.answersTo("stray").length === 1, "an answer");
  const [{ result, error }] = agent.answersTo("stray");
  assert.ok(error || ["cancelled"].includes(result.outcome.outcome) || result.outcome.optionId === "no", JSON.stringify(result));
  await until(() => pending(client).length === 0, "no open request");
});

test("the answer is kept: who, what and when are in the log", async (t) => {
  const { client, host } = await talking(t);
  const { turn } = await client.send(act({ permission: {} }));
  const [entry] = await asked(client);
  await choose(client, entry, "always");
  await client.ended(turn);
  await host.kill();
  await host.start();
  const back = await ChatClient.open(host.origin);
  await back.until(() => back.live, "live");
  const { data } = back.entries.get(entry.entry);
  assert.deepEqual([data.status, data.option_id, typeof data.by], ["selected", "always", "string"]);
});
