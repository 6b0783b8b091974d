// kill -9 at random moments during 200 turns: nothing that was acknowledged is lost, nothing is doubled, every turn has one end.
// VIADUCT_SEED repeats a run (as far as the machine does), VIADUCT_TURNS makes it longer.
import assert from "node:assert/strict";
import { test } from "node:test";
import { ChatClient } from "../support/chat_client.mjs";
import { chat, exported, forHost, Host, recorded } from "../support/viaduct.mjs";
import { until } from "../support/wait.mjs";

const kTurns = Number(process.env.VIADUCT_TURNS ?? 200);
const kSurfaces = 4; // of each kind: those that stream, and those that wait for the whole answer
const kAtOnce = 3; // messages that wait in a session
const kLimit = 110_000;

function random(seed) { // mulberry32
  let state = seed >>> 0;
  return (most) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let x = Math.imul(state ^ (state >>> 15), state | 1);
    x = (x + Math.imul(x ^ (x >>> 7), x | 61)) ^ x;
    return ((x ^ (x >>> 14)) >>> 0) % most;
  };
}

const lengths = [3, 12, 40, 80];
const answer = (name, length) => `${name} says ${Array.from({ length }, (_, i) => `w${i}`).join(" ")}`;

test(`kill -9 at random moments during ${kTurns} turns loses and doubles nothing`, { timeout: kLimit + 60_000 }, async (t) => {
  const seed = Number(process.env.VIADUCT_SEED ?? Math.floor(Math.random() * 1e9));
  t.diagnostic(`VIADUCT_SEED=${seed}`);
  const pick = random(seed);
  const names = (kind) => Array.from({ length: kSurfaces }, (_, i) => `${kind}${i}`);
  const surfaces = Object.fromEntries([...names("stream"), ...names("http")].map((name) => [name, { plugin: "web_chat", backend: "echo" }]));
  const host = new Host({ chunkDelay: "4ms", rules: lengths.map((length) => ({ match: `^(\\S+) ${length}$`, reply: answer("$1", length) })), config: { surfaces } });
  t.after(() => host.remove());

  // ---- the killer: after so many more things that somebody saw
  let kills = 0;
  let seen = 0;
  let next = 1 + pick(800);
  let finished = false;
  let up = host.start();
  const begin = Date.now();
  const saw = () => {
    if (++seen < next || finished || Date.now() - begin > kLimit / 2) return;
    next = Infinity;
    up = (async () => {
      await host.kill();
      kills += 1;
      await host.start();
      seen = 0;
      next = 1 + pick(kills % 4 === 0 ? 15 : 800); // now and then while it still recovers
    })();
  };
  // Does `work` until it succeeds, however often the host goes away in between.
  const insist = async (work) => {
    for (;;) {
      await up;
      try {
        return await work();
      } catch (error) {
        if (error instanceof assert.AssertionError || Date.now() - begin > kLimit) throw error;
        await new Promise(setImmediate);
      }
    }
  };

  // ---- the people
  const sent = []; // {key, session, length, turn?, response?, interrupted?}
  const fresh = (surface, i) => {
    const message = { key: `${surface}-${i}`, surface, length: lengths[pick(lengths.length)] };
    sent.push(message);
    return message;
  };
  const text = (message) => `${message.key} ${message.length}`;
  const each = kTurns / (2 * kSurfaces);

  const overHttp = async (surface) => {
    const { session_id } = await insist(async () => {
      const made = await chat(host, "POST", "api/session", {}, { surface, headers: { "idempotency-key": `session-${surface}` } });
      assert.equal(made.status, 200, made.text);
      return made.body;
    });
    for (let i = 0; i < each; ++i) {
      const message = fresh(surface, i);
      await insist(async () => {
        const said = await chat(host, "POST", "api/chat", { message: text(message) }, { surface, headers: { "idempotency-key": message.key } });
        assert.ok([200, 503].includes(said.status), `${said.status} ${said.text}`);
        // Told that it stops or starts: not an answer to this message.
        if (said.status === 503 && !/interrupt|restart|stopped/.test(said.body.error)) throw new Error(said.body.error);
        assert.equal(said.body.session_id ?? session_id, session_id);
        message.session = session_id;
        if (said.status === 200) message.response = said.body.response;
        else message.interrupted = true;
      });
      saw();
    }
  };

  const viewers = [];
  const streaming = async (surface) => {
    let client;
    let session;
    const connected = async () => {
      if (client && !client.socket.isClosed) return client;
      const before = client;
      client = await ChatClient.open(host.origin, { surface, like: before });
      client.faults.push(...(before?.faults ?? []));
      viewers[names("stream").indexOf(surface)] = client;
      const fold = client.changes.push.bind(client.changes);
      client.changes.push = (...all) => (saw(), fold(...all));
      return client;
    };
    const deliver = async (message, first) => {
      await insist(async () => {
        const now = await connected();
        const { turn, session_id } = await now.request("send", { key: message.key, text: text(message), ...(first ? {} : { session_id: session }) });
        assert.equal(session_id, session ?? session_id);
        Object.assign(message, { session: session_id, turn });
      });
      saw();
    };
    const first = fresh(surface, 0);
    await deliver(first, true);
    session = first.session;
    for (let i = 1; i < each; i += kAtOnce) {
      const some = Array.from({ length: Math.min(kAtOnce, each - i) }, (_, j) => fresh(surface, i + j));
      for (const message of some) await deliver(message);
      const last = some.at(-1).turn;
      await insist(async () => (await connected()).until(() => client.ends(last)[0], `turn ${last} of ${surface}`, 20_000));
    }
  };

  await up;
  await Promise.all([...names("http").map(overHttp), ...names("stream").map(streaming)]);
  finished = true;
  await up;
  await host.kill();
  kills += 1;
  await host.start();

  // ---- what is left of it
  assert.equal(sent.length, kTurns);
  const { sessions } = JSON.parse((await forHost(host, "sessions", "list", "--all", "--limit", "200", "--json")).out);
  assert.equal(sessions.length, 2 * kSurfaces, "one session for each, however often its making was repeated");
  const logs = new Map();
  for (const { session_id } of sessions)
    logs.set(session_id, await until(async () => {
      const log = await exported(host, session_id);
      const open = new Set(log.filter((entry) => entry.type === "user_message").map((entry) => entry.turn));
      for (const entry of log) if (entry.type === "turn_end") open.delete(entry.turn);
      return open.size === 0 && log;
    }, `the end of all turns of ${session_id}`));

  const counts = { end_turn: 0, interrupted: 0 };
  let partial = 0;
  for (const [session, log] of logs) {
    assert.deepEqual(log.map((entry) => entry.entry), log.map((_, i) => i + 1), "numbers without a hole");
    const mine = sent.filter((message) => message.session === session);
    const messages = log.filter((entry) => entry.type === "user_message");
    assert.deepEqual(messages.map((entry) => [entry.data.key, entry.text]), mine.map((message) => [message.key, text(message)]), "every message once, in order");
    assert.deepEqual(messages.map((entry) => entry.turn), messages.map((_, i) => i + 1));
    for (const message of mine) {
      const turn = messages.find((entry) => entry.data.key === message.key).turn;
      if (message.turn !== undefined) assert.equal(turn, message.turn, "the turn that was acknowledged");
      const entries = log.filter((entry) => entry.turn === turn);
      const ends = entries.filter((entry) => entry.type === "turn_end");
      assert.equal(ends.length, 1, `${message.key} has one end`);
      assert.equal(entries.at(-1), ends[0], "and it is the last of the turn");
      assert.ok(log.every((entry) => entry.complete), "nothing grows any more");
      const reason = ends[0].data.stop_reason;
      counts[reason] += 1;
      const said = entries.filter((entry) => entry.type === "text").map((entry) => entry.text).join("");
      const whole = answer(message.key, message.length);
      if (reason === "end_turn") assert.equal(said, whole);
      else {
        assert.equal(reason, "interrupted");
        assert.ok(whole.startsWith(said), `${message.key}: ${said}`);
        if (said) partial += 1;
      }
      if (message.response !== undefined) assert.deepEqual([reason, message.response], ["end_turn", whole], "an answer that was given is on disk");
      if (message.interrupted) assert.equal(reason, "interrupted");
    }
  }
  assert.equal(counts.end_turn + counts.interrupted, kTurns);

  // No message got to the backend twice, and every one that was answered got there.
  const prompts = new Map();
  for (const call of recorded(host)) {
    if (call.method !== "send_message") continue;
    const [, key] = /(\S+) \d+$/.exec(call.message);
    prompts.set(key, (prompts.get(key) ?? 0) + 1);
  }
  for (const [key, times] of prompts) assert.equal(times, 1, `${key} was run ${times} times`);

  // What a page has put together through all of it is what is on disk.
  for (const [i, surface] of names("stream").entries()) {
    const viewer = await ChatClient.open(host.origin, { surface, like: viewers[i] });
    await viewer.until(() => viewer.live);
    const log = logs.get(viewer.session.session_id);
    const shown = (entries) => entries.map((entry) => [entry.entry, entry.type, entry.text]);
    assert.deepEqual(shown(viewer.list()), shown(log.slice(-viewer.list().length)));
    assert.deepEqual([...viewers[i].faults, ...viewer.faults], []);
  }
  const summary = `${kTurns} turns in ${sessions.length} sessions, ${kills} times kill -9: ${counts.end_turn} complete, ${counts.interrupted} interrupted (${partial} with partial text), ` +
    `0 lost, 0 doubled, ${((Date.now() - begin) / 1000).toFixed(1)} s`;
  t.diagnostic(summary);
  console.log(summary);
  assert.ok(kills >= 5, `only ${kills} kills`);
  assert.ok(counts.interrupted > 0 && counts.end_turn > 0);
});
