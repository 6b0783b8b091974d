// The page without its looks: Chat over a network that can be cut, against a host in memory.
import assert from "node:assert/strict";
import test from "node:test";
import { Chat, type Socket, type SocketEvents, type World } from "../model/chat.ts";
import { runningTurn, target } from "../model/state.ts";
import { FakeHost } from "./fake-host.ts";
import { MemoryStorage } from "./support.ts";

class Bench implements World {
  readonly host = new FakeHost();
  storage = new MemoryStorage();
  prefix = "t:";
  clock = 0;
  up = true;
  deaf = false; // the host hears, but its answers are lost
  private readonly timers = new Map<number, { at: number; run: () => void }>();
  private ids = 0;
  private links: { events: SocketEvents; close(): void }[] = [];
  keys = 0;

  now(): number {
    return this.clock;
  }
  random(): number {
    return 0;
  }
  randomKey(): string {
    return `k${++this.keys}`;
  }
  async probe(): Promise<number> {
    return 0;
  }
  after(ms: number, run: () => void): () => void {
    const id = ++this.ids;
    this.timers.set(id, { at: this.clock + ms, run });
    return () => void this.timers.delete(id);
  }
  open(events: SocketEvents): Socket {
    if (!this.up) {
      queueMicrotask(() => events.closed(1006, ""));
      return { send: () => undefined, close: () => undefined };
    }
    let alive = true;
    const end = this.host.connect((text) => alive && !this.deaf && events.message(text));
    const link = {
      events,
      close() {
        alive = false;
        end.close();
      },
    };
    this.links.push(link);
    queueMicrotask(() => alive && events.opened());
    return { send: (text) => alive && end.receive(text), close: link.close };
  }
  cut(code = 1006): void {
    for (const link of this.links.splice(0)) {
      link.close();
      link.events.closed(code, "");
    }
    this.deaf = false;
  }
  // Lets `ms` pass, timers and promises included.
  async pass(ms = 0): Promise<void> {
    const until = this.clock + ms;
    for (;;) {
      for (let i = 0; i < 20; i++) await Promise.resolve();
      const due = [...this.timers].filter(([, timer]) => timer.at <= until).sort((a, b) => a[1].at - b[1].at)[0];
      if (!due) break;
      this.clock = due[1].at;
      this.timers.delete(due[0]);
      due[1].run();
    }
    this.clock = until;
  }
  async chat(): Promise<Chat> {
    const chat = new Chat(this);
    chat.start();
    await this.pass();
    return chat;
  }
  sends(): string[] {
    return this.host.received.filter((request) => request.type === "send").map((request) => String(request.key));
  }
  said(): string[] {
    return [...this.host.sessions.values()].flatMap((held) => held.entries).filter((each) => each.type === "user_message").map((each) => each.text);
  }
}

const texts = (chat: Chat): string[] => (chat.state.transcript?.entries ?? []).filter((each) => each.type === "text").map((each) => each.text);
const newsTurn = (chat: Chat): number | undefined => chat.state.news?.turn;

test("the first message creates a session by itself", async () => {
  const bench = new Bench();
  const chat = await bench.chat();
  assert.equal(target(chat.state), null);
  chat.say("hello");
  await bench.pass();
  assert.deepEqual(texts(chat), ["[Mock response to: hello]"]);
  assert.deepEqual([chat.state.pending.length, chat.state.delivered.length, runningTurn(chat.state)], [0, 0, 0]);
  assert.equal(target(chat.state), "s_1");
});

test("the end of an own turn is news, also when it came in one go with the session; old turns are not", async () => {
  const bench = new Bench();
  const chat = await bench.chat();
  chat.say("hello");
  await bench.pass();
  assert.equal(newsTurn(chat), 1);
  const later = await bench.chat();
  assert.equal(newsTurn(later), undefined);
  chat.say("again");
  await bench.pass();
  assert.equal(newsTurn(later), 2);
});

test("what was said while offline is sent once, in order, to one session", async () => {
  const bench = new Bench();
  const chat = await bench.chat();
  bench.up = false;
  bench.cut();
  for (const text of ["one", "two", "three"]) chat.say(text);
  await bench.pass(40_000);
  assert.deepEqual(bench.sends(), []);
  bench.up = true;
  chat.network();
  await bench.pass();
  assert.deepEqual(bench.said(), ["one", "two", "three"]);
  assert.equal(bench.host.sessions.size, 1);
  assert.equal(chat.state.pending.length, 0);
});

test("a message whose confirmation was lost is sent again with its key, and is one turn", async () => {
  const bench = new Bench();
  const chat = await bench.chat();
  bench.deaf = true;
  chat.say("once");
  await bench.pass();
  assert.equal(chat.state.pending.length, 1, "kept until confirmed");
  bench.cut();
  await bench.pass(2_000);
  assert.deepEqual(bench.sends(), ["k1", "k1"]);
  assert.deepEqual(bench.said(), ["once"]);
  assert.equal(bench.host.sessions.size, 1);
  assert.equal(chat.state.pending.length, 0);
  assert.deepEqual(texts(chat), ["[Mock response to: once]"]);
});

test("a reload between sending and confirmation neither loses nor doubles", async () => {
  const bench = new Bench();
  const before = await bench.chat();
  bench.deaf = true;
  before.say("once");
  before.stop();
  bench.deaf = false;
  const after = await bench.chat();
  await bench.pass(1_000);
  assert.deepEqual(bench.said(), ["once"]);
  assert.equal(after.state.pending.length, 0);
  assert.equal(bench.storage.length, 0);
});

test("what was written before the host was ever reached goes to the session that is current", async () => {
  const bench = new Bench();
  bench.host.create();
  bench.up = false;
  const chat = await bench.chat();
  chat.say("late");
  bench.up = true;
  await bench.pass(2_000);
  assert.equal(bench.host.sessions.size, 1);
  assert.deepEqual(bench.said(), ["late"]);
});

test("a transient refusal is tried again with the same key, an other one waits for the person", async () => {
  const bench = new Bench();
  const chat = await bench.chat();
  let refusals = 2;
  bench.host.intercept = (request) =>
    request.type === "send" && refusals-- > 0 ? { error: { code: "busy", message: "later" } } : undefined;
  chat.say("a");
  await bench.pass();
  assert.equal(chat.state.refused.get("k1"), "later");
  await bench.pass(10_000);
  assert.deepEqual(bench.sends(), ["k1", "k1", "k1"]);
  bench.host.intercept = (request) => (request.type === "send" ? { error: { code: "failed_precondition", message: "log in first" } } : undefined);
  chat.say("b");
  await bench.pass(60_000);
  assert.equal(bench.sends().length, 4);
  assert.equal(chat.state.pending[0]?.failure?.message, "log in first");
  bench.host.intercept = () => undefined;
  chat.retryItem("k2");
  await bench.pass();
  assert.deepEqual(bench.said(), ["a", "b"]);
});

test("a person who does not want to wait for the next attempt sends at once, and no second time", async () => {
  const bench = new Bench();
  const chat = await bench.chat();
  bench.host.intercept = (request) => (request.type === "send" ? { error: { code: "unavailable", message: "the agent has crashed" } } : undefined);
  chat.say("a");
  await bench.pass(30_000);
  const before = bench.sends().length;
  bench.host.intercept = () => undefined;
  chat.retryItem("k1");
  await bench.pass();
  assert.equal(bench.sends().length, before + 1);
  await bench.pass(60_000);
  assert.equal(bench.sends().length, before + 1);
  assert.deepEqual(bench.said(), ["a"]);
});

test("a dead session keeps the words, and a new one can begin with them", async () => {
  const bench = new Bench();
  const chat = await bench.chat();
  chat.say("hello");
  await bench.pass();
  bench.host.intercept = (request) => (request.session_id === "s_1" && request.type === "send" ? { error: { code: "session_dead", message: "gone" } } : undefined);
  chat.say("die");
  await bench.pass();
  bench.host.makeCurrent(null, "dead");
  assert.equal(chat.state.past, "dead");
  assert.equal(chat.state.pending[0]?.text, "die");
  chat.restartItem("k2");
  await bench.pass();
  assert.equal(chat.state.transcript?.sessionId, "s_2");
  assert.equal(chat.state.pending.length, 0);
});

test("the page says what answers in the current session, also when that one has another backend", async () => {
  const bench = new Bench();
  const chat = await bench.chat();
  chat.say("to the mock");
  await bench.pass();
  assert.equal(chat.state.agent?.mock, true);
  bench.host.agent = { backend: "shout", plugin: "shout", mock: false };
  bench.host.create({ backend: "shout" });
  await bench.pass();
  assert.deepEqual(chat.state.agent, { backend: "shout", plugin: "shout", mock: false });
  chat.say("to the other");
  await bench.pass();
  assert.equal(chat.state.transcript?.sessionId, "s_2");
  assert.deepEqual(chat.state.transcript?.entries.map((entry) => entry.text), ["to the other", "[Mock response to: to the other]", ""]);
  assert.equal(bench.host.received.filter((request) => request.type === "hello").length, 2);
});

test("nothing is known of the agent between losing the connection and the server's state", async () => {
  const bench = new Bench();
  const chat = await bench.chat();
  bench.host.prompt = (held, turn) => bench.host.run(held, turn);
  chat.say("long");
  await bench.pass();
  assert.equal(runningTurn(chat.state), 1);
  bench.up = false;
  bench.cut();
  assert.equal(runningTurn(chat.state), 0);
  const held = bench.host.held("s_1");
  held.epoch = 2;
  held.running = 0;
  bench.up = true;
  await bench.pass(2_000);
  assert.equal(chat.state.synced, true);
  assert.equal(runningTurn(chat.state), 0);
});

test("a stream that is cut anywhere is whole after the reconnect", async () => {
  const bench = new Bench();
  const chat = await bench.chat();
  const parts = ["Über ", "die ", "Brücke 🌉 ", "gehen"];
  bench.host.prompt = (held, turn) => bench.host.run(held, turn);
  chat.say("go");
  await bench.pass();
  const held = bench.host.held("s_1");
  const text = bench.host.put(held, { type: "text", complete: false });
  for (const part of parts) {
    bench.host.grow(held, text, part);
    bench.cut();
    await bench.pass(2_000);
  }
  bench.host.grow(held, text, ".", true);
  assert.deepEqual(texts(chat), [`${parts.join("")}.`]);
  const hellos = bench.host.received.filter((request) => request.type === "hello");
  assert.ok(hellos.slice(2).every((request) => request.session === "s_1" && (request.cursor as { seq: number }).seq > 0));
});

test("a delta that does not fit makes it subscribe again, at first from the cursor", async () => {
  const bench = new Bench();
  const chat = await bench.chat();
  bench.host.prompt = (held, turn) => bench.host.run(held, turn);
  chat.say("go");
  await bench.pass();
  const held = bench.host.held("s_1");
  const text = bench.host.put(held, { type: "text", complete: false, text: "ab" });
  const before = bench.host.received.length;
  text.text = "abcd";
  bench.host.grow(held, text, "ef");
  await bench.pass();
  assert.deepEqual(texts(chat), ["abcdef"]);
  const hello = bench.host.received.slice(before).find((request) => request.type === "hello");
  assert.ok(hello?.cursor);
});

test("another tab's new session is followed, with nothing of the former left", async () => {
  const bench = new Bench();
  const one = await bench.chat();
  const two = await bench.chat();
  one.say("hello");
  await bench.pass();
  assert.deepEqual(texts(two), ["[Mock response to: hello]"]);
  await two.newSession("~", "");
  await bench.pass();
  assert.equal(one.state.transcript?.sessionId, "s_2");
  assert.deepEqual(texts(one), []);
});

test("an old session is resumed with its transcript", async () => {
  const bench = new Bench();
  const chat = await bench.chat();
  chat.say("first");
  await bench.pass();
  await chat.newSession("~", "");
  await bench.pass(1_000);
  const old = chat.state.list.sessions.find((each) => each.session_id === "s_1");
  assert.ok(old);
  await chat.resume(old);
  await bench.pass();
  assert.deepEqual(texts(chat), ["[Mock response to: first]"]);
  assert.equal(chat.state.transcript?.live, true);
});

test("an ended session stays to be read, as past", async () => {
  const bench = new Bench();
  const chat = await bench.chat();
  chat.say("hello");
  await bench.pass();
  const { session } = bench.host.held("s_1");
  await chat.end(session);
  assert.equal(chat.state.past, "ended");
  assert.equal(texts(chat).length, 1);
  assert.equal(target(chat.state), null);
});

test("a memory answer is shown and begins no session", async () => {
  const bench = new Bench();
  const chat = await bench.chat();
  bench.host.intercept = (request) => (request.type === "send" ? { result: { response: "Remembered!", memory_action: "remember" } } : undefined);
  chat.say("remember this: tea");
  await bench.pass();
  assert.deepEqual(chat.state.exchanges.map((each) => [each.text, each.response]), [["remember this: tea", "Remembered!"]]);
  assert.equal(chat.state.pending.length, 0);
  assert.equal(bench.host.sessions.size, 0);
});

test("a connection that died silently is noticed by a ping", async () => {
  const bench = new Bench();
  await bench.chat();
  const hellos = (): number => bench.host.received.filter((request) => request.type === "hello").length;
  await bench.pass(100_000);
  assert.equal(hellos(), 1, "pings that are answered keep it");
  bench.deaf = true;
  await bench.pass(20_000);
  bench.deaf = false;
  await bench.pass(10_000);
  assert.equal(hellos(), 2);
});

test("an answer to a permission request that fails says why and can be given again", async () => {
  const bench = new Bench();
  const chat = await bench.chat();
  chat.say("hello");
  await bench.pass();
  bench.host.intercept = (request) => (request.type === "answer" ? { error: { code: "failed_precondition", message: "expired" } } : undefined);
  await chat.answer(4, "yes");
  assert.equal(chat.state.answerFailures.get(4), "expired");
  assert.equal(chat.state.answering.size, 0);
});

test("earlier history goes above what is there", async () => {
  const bench = new Bench();
  const held = bench.host.create();
  for (let i = 0; i < 250; i++) bench.host.put(held, { type: "text", text: `t${i}` });
  const chat = await bench.chat();
  const entries = chat.state.transcript?.entries.slice(200) ?? [];
  chat.state = { ...chat.state, transcript: chat.state.transcript && { ...chat.state.transcript, entries, first: 201 } };
  await chat.loadEarlier();
  assert.equal(chat.state.transcript?.entries[0]?.text, "t100");
  await chat.loadEarlier();
  assert.equal(chat.state.transcript?.entries.length, 250);
  assert.equal(chat.state.transcript?.first, 1);
});
