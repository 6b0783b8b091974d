import assert from "node:assert/strict";
import test from "node:test";
import type { Change } from "../model/session-json.ts";
import { applyChange, emptyTranscript, prependHistory, resubscribing, type Transcript } from "../model/transcript.ts";
import { utf8Length } from "../model/utf8.ts";
import { change, entry, session } from "./support.ts";

function fold(changes: Change[], from: Transcript = emptyTranscript("s")): Transcript {
  return changes.reduce((transcript, each) => {
    const applied = applyChange(transcript, each);
    assert.equal(applied.mismatch, false, JSON.stringify(each));
    return applied.transcript;
  }, from);
}

const growing = entry(2, { complete: false, text: "Grüße 👋" });

test("utf8Length counts what TextEncoder makes", () => {
  for (const text of ["", "a", "é", "€", "👋", "a👋é€", "\ud800", "\udc00x", "\ud83d\ud83d\udc4b", "\u0000"]) {
    assert.equal(utf8Length(text), new TextEncoder().encode(text).length, JSON.stringify(text));
  }
});

test("an entry replaces what is there by its number", () => {
  const transcript = fold([change.entry(1, entry(1, { text: "a" })), change.entry(2, entry(2)), change.entry(3, entry(1, { text: "b" }))]);
  assert.deepEqual(transcript.entries.map((each) => [each.entry, each.text]), [[1, "b"], [2, ""]]);
});

test("entries stand in the order of their numbers, however they arrive", () => {
  const transcript = fold([3, 1, 2].map((number, i) => change.entry(i + 1, entry(number))));
  assert.deepEqual(transcript.entries.map((each) => each.entry), [1, 2, 3]);
});

test("a delta appends at the byte where the text ends", () => {
  const bytes = utf8Length(growing.text);
  const transcript = fold([change.entry(1, growing), change.live(1), change.delta(2, 2, bytes, " an 🌍"), change.delta(3, 2, bytes + 8, "!", true)]);
  assert.equal(transcript.entries[0]?.text, "Grüße 👋 an 🌍!");
  assert.equal(transcript.entries[0]?.complete, true);
});

test("a delta that does not fit changes nothing and says so", () => {
  const before = fold([change.entry(1, growing), change.live(1)]);
  for (const wrong of [change.delta(2, 2, 8, "x"), change.delta(2, 2, 99, "x"), change.delta(2, 7, 0, "x")]) {
    const applied = applyChange(before, wrong);
    assert.equal(applied.mismatch, true);
    assert.equal(applied.transcript, before);
  }
});

test("the cursor waits for live while entries are caught up on, then follows every change", () => {
  const catching = fold([change.state(9, session("s")), change.entry(4, entry(1)), change.entry(9, entry(2))]);
  assert.equal(catching.cursor, null);
  const live = fold([change.live(9)], catching);
  assert.deepEqual(live.cursor, { epoch: 1, seq: 9 });
  assert.deepEqual(fold([change.entry(10, entry(3))], live).cursor, { epoch: 1, seq: 10 });
});

test("a cut while catching up leaves the cursor where the viewer was", () => {
  const live = fold([change.entry(1, entry(1)), change.live(1)]);
  const cut = fold([change.entry(7, entry(3))], resubscribing(live));
  assert.deepEqual(cut.cursor, { epoch: 1, seq: 1 });
});

test("reset forgets every entry and says from where history begins", () => {
  const transcript = fold([change.entry(1, growing), change.live(1), change.reset(50, 40), change.entry(50, entry(40))]);
  assert.deepEqual(transcript.entries.map((each) => each.entry), [40]);
  assert.equal(transcript.first, 40);
  assert.equal(transcript.live, false);
});

test("replaying a log with every possible cut ends in the same text", () => {
  const parts = ["Ein ", "Täg", "lich 🍞", " Brot"];
  const deltas: Change[] = [];
  let offset = 0;
  parts.forEach((part, i) => {
    deltas.push(change.delta(2 + i, 1, offset, part));
    offset += utf8Length(part);
  });
  for (let cut = 0; cut <= parts.length; cut++) {
    const before = fold([change.entry(1, entry(1, { complete: false })), change.live(1), ...deltas.slice(0, cut)]);
    const whole = entry(1, { complete: false, text: parts.join("") });
    const after = fold([change.state(5, session("s"), 1), change.entry(5, whole), change.live(5)], resubscribing(before));
    assert.equal(after.entries.length, 1);
    assert.equal(after.entries[0]?.text, parts.join(""));
  }
});

test("history goes above, once", () => {
  const transcript = fold([change.reset(9, 3), change.entry(9, entry(3)), change.live(9)]);
  const more = prependHistory(transcript, [entry(2), entry(3, { text: "old" })], true);
  assert.deepEqual(more.entries.map((each) => [each.entry, each.text]), [[2, ""], [3, ""]]);
  assert.equal(more.first, 2);
  assert.equal(prependHistory(more, [entry(1)], false).first, 1);
});

test("an unknown kind of change is ignored", () => {
  const before = fold([change.entry(1, entry(1)), change.live(1)]);
  const applied = applyChange(before, { change: "sparkle", epoch: 1, seq: 2 } as unknown as Change);
  assert.equal(applied.transcript, before);
  assert.equal(applied.mismatch, false);
});
