import assert from "node:assert/strict";
import test from "node:test";
import { isTransient, Outbox } from "../model/outbox.ts";
import { MemoryStorage } from "./support.ts";

const kPrefix = "viaduct:/apps/web-chat/:outbox:";
const keys = (items: { key: string }[]): string[] => items.map((item) => item.key);

test("what was said is there after a reload, in order, until it is confirmed", () => {
  const storage = new MemoryStorage();
  const before = new Outbox(storage, kPrefix);
  before.add("b", "first", "s", 5);
  before.add("a", "second", "s", 5);
  const after = new Outbox(storage, kPrefix);
  assert.deepEqual(after.items().map((item) => item.text), ["first", "second"]);
  after.confirm("b", { session_id: "s", turn: 1 });
  assert.deepEqual(keys(new Outbox(storage, kPrefix).items()), ["a"]);
});

test("one message of a session goes at a time; other sessions do not wait", () => {
  const outbox = new Outbox(new MemoryStorage(), kPrefix);
  outbox.add("1", "x", "s", 1);
  outbox.add("2", "y", "s", 2);
  outbox.add("3", "z", "t", 3);
  assert.deepEqual(keys(outbox.sendable()), ["1", "3"]);
  outbox.confirm("1", { session_id: "s" });
  assert.deepEqual(keys(outbox.sendable()), ["2", "3"]);
});

test("messages written before there is a session all go to the one that the first begins", () => {
  const storage = new MemoryStorage();
  const outbox = new Outbox(storage, kPrefix);
  outbox.add("1", "hello", null, 1);
  outbox.add("2", "and", null, 2);
  outbox.add("3", "more", null, 3);
  assert.deepEqual(keys(outbox.sendable()), ["1"]);
  outbox.confirm("1", { session_id: "new" });
  assert.deepEqual(outbox.items().map((item) => item.session), ["new", null]);
  const reloaded = new Outbox(storage, kPrefix);
  assert.deepEqual(keys(reloaded.sendable()), ["2"]);
  reloaded.confirm("2", { session_id: "new" });
  assert.deepEqual(reloaded.items().map((item) => item.session), ["new"]);
});

test("a memory request begins no session: the next message does", () => {
  const outbox = new Outbox(new MemoryStorage(), kPrefix);
  outbox.add("1", "remember this: x", null, 1);
  outbox.add("2", "hello", null, 2);
  outbox.confirm("1", { response: "Remembered!" });
  assert.deepEqual(outbox.sendable().map((item) => [item.key, item.session]), [["2", null]]);
});

test("what was written before the server was reached goes to whichever session is then current", () => {
  const outbox = new Outbox(new MemoryStorage(), kPrefix);
  outbox.add("1", "a", undefined, 1);
  outbox.add("2", "b", undefined, 2);
  assert.deepEqual(outbox.sendable(), []);
  outbox.decide("s");
  assert.deepEqual(outbox.items().map((item) => item.session), ["s", "s"]);
  assert.deepEqual(keys(outbox.sendable()), ["1"]);
  outbox.decide("t");
  assert.deepEqual(outbox.items().map((item) => item.session), ["s", "s"], "decided once");
});

test("and begins one session when none is current", () => {
  const outbox = new Outbox(new MemoryStorage(), kPrefix);
  outbox.add("1", "a", undefined, 1);
  outbox.add("2", "b", undefined, 2);
  outbox.decide(null);
  assert.deepEqual(keys(outbox.sendable()), ["1"]);
  outbox.confirm("1", { session_id: "n" });
  assert.deepEqual(outbox.sendable().map((item) => [item.key, item.session]), [["2", "n"]]);
});

test("a failed message stays, does not hold up the others, and goes again only when the person says so", () => {
  const storage = new MemoryStorage();
  const outbox = new Outbox(storage, kPrefix);
  outbox.add("1", "a", "s", 1);
  outbox.add("2", "b", "s", 2);
  outbox.fail("1", { code: "internal", message: "broken" });
  assert.deepEqual(keys(outbox.sendable()), ["2"]);
  assert.equal(new Outbox(storage, kPrefix).items()[0]?.failure?.message, "broken");
  outbox.retry("1");
  assert.deepEqual(keys(outbox.sendable()), ["1"]);
});

test("for a dead session the same words begin a new one under another key", () => {
  const outbox = new Outbox(new MemoryStorage(), kPrefix);
  outbox.add("1", "words", "dead", 1);
  outbox.fail("1", { code: "session_dead", message: "" });
  outbox.restart("1", "9");
  assert.deepEqual(outbox.items().map((item) => [item.key, item.text, item.session, item.failure]), [["9", "words", null, null]]);
});

test("when the head of a chain is discarded the next one takes its place", () => {
  const outbox = new Outbox(new MemoryStorage(), kPrefix);
  for (const key of ["1", "2", "3"]) outbox.add(key, key, null, Number(key));
  outbox.discard("1");
  assert.deepEqual(keys(outbox.sendable()), ["2"]);
});

test("two tabs do not overwrite each other's messages", () => {
  const storage = new MemoryStorage();
  const one = new Outbox(storage, kPrefix);
  const two = new Outbox(storage, kPrefix);
  one.add("1", "a", "s", 1);
  two.add("2", "b", "s", 2);
  one.confirm("1", { session_id: "s" });
  assert.deepEqual(keys(two.items()), ["2"]);
});

test("a full or forbidden storage loses nothing while the page lives", () => {
  const storage = new MemoryStorage();
  storage.full = true;
  for (const outbox of [new Outbox(storage, kPrefix), new Outbox(null, kPrefix)]) {
    outbox.add("1", "a", null, 1);
    assert.deepEqual(keys(outbox.sendable()), ["1"]);
    outbox.confirm("1", { session_id: "s" });
    assert.deepEqual(outbox.items(), []);
  }
});

test("what somebody else put into the storage is left alone", () => {
  const storage = new MemoryStorage();
  storage.setItem(`${kPrefix}x`, "not json");
  storage.setItem(`${kPrefix}y`, '{"key":1}');
  storage.setItem("other", '{"key":"k","text":"t"}');
  assert.deepEqual(new Outbox(storage, kPrefix).items(), []);
});

test("only what may pass by itself is transient", () => {
  const codes = ["unavailable", "busy", "timeout", "internal", "session_dead", "invalid_argument"];
  assert.deepEqual(codes.filter((code) => isTransient({ code, message: "" })), ["unavailable", "busy", "timeout"]);
});
