import assert from "node:assert/strict";
import test from "node:test";
import * as format from "../view/format.ts";

test("counts and durations are short", () => {
  assert.deepEqual([0, 999, 1000, 1234, 999_949, 999_950, 1_234_567].map(format.count), ["0", "999", "1K", "1.2K", "999.9K", "1M", "1.2M"]);
  assert.deepEqual([12, 999.4, 3210, 59_949, 60_000, 3_599_999, 3_600_000].map(format.duration),
    ["12 ms", "999 ms", "3.2 s", "59.9 s", "1 min 0 s", "1 h 0 min", "1 h 0 min"]);
});

test("usage shows what is there and nothing else", () => {
  assert.equal(format.usage({ inputTokens: 1200, outputTokens: 345, cost: { amount: 0.02, currency: "USD" } }), "1.2K tokens in · 345 out · 0.02 USD");
  assert.equal(format.usage({}), "");
});

test("a session without a title is known by what its maker said", () => {
  assert.equal(format.sessionName({ title: "T", description: "D" }), "T");
  assert.equal(format.sessionName({ title: "", description: "D" }), "D");
  assert.equal(format.sessionName({ title: "", description: "Web chat session" }), "Untitled session");
});

test("every stop reason but the natural end says what happened", () => {
  assert.equal(format.outcome({ stop_reason: "end_turn" }), null);
  for (const stop_reason of ["cancelled", "interrupted", "max_tokens", "max_turn_requests", "refusal", "timeout", "error", "something new"]) {
    assert.ok(format.outcome({ stop_reason })?.text, stop_reason);
  }
  assert.deepEqual(format.outcome({ stop_reason: "interrupted" })?.again, ["retry", "continue"]);
  assert.equal(format.outcome({ stop_reason: "error", error: { message: "disk full" } })?.text, "Disk full");
  const interrupted = (message?: string): string | undefined => format.outcome({ stop_reason: "interrupted", ...(message ? { error: { message } } : {}) })?.text.replace(/ What had .*/, "");
  for (const message of [undefined, "The host was restarted"])
    assert.equal(interrupted(message), "Interrupted: the host was restarted before the answer was finished.");
  assert.equal(interrupted("The host was stopped"), "Interrupted: the host was stopped before the answer was finished.");
  assert.equal(interrupted("agent was ended by signal 9"), "Interrupted: agent was ended by signal 9.");
});

test("tool output of every ACP kind is readable", () => {
  assert.equal(format.toolText([{ type: "content", content: { type: "text", text: "hi" } }]), "hi");
  assert.equal(format.toolText([{ type: "diff", path: "a.txt", oldText: "x\n", newText: "y\nz" }]), "a.txt\n- x\n+ y\n+ z");
  const [one, two] = [["a", "b", "c", "d", "x", "", "f", "g", "h", "i"], ["a", "b", "c", "d", "y", "", "f", "g", "h", "i"]].map((all) => all.join("\n"));
  assert.equal(format.toolText([{ type: "diff", path: "p", oldText: one, newText: two }]), "p\n  …\n  b\n  c\n  d\n- x\n+ y\n\n  f\n  g\n  …");
  assert.equal(format.toolText([{ type: "diff", path: "p", oldText: "a\na\n", newText: "a\n" }]), "p\n  a\n- a");
  assert.equal(format.toolText([{ type: "diff", path: "p", oldText: null, newText: "a\n" }]), "p\n+ a");
  assert.equal(format.toolText(undefined), "");
  assert.match(format.toolText([{ type: "terminal", terminalId: "t1" }]), /t1/);
  assert.match(format.toolText([null, 3]), /3/);
});

test("times that are no times are not shown", () => {
  assert.equal(format.moment("nonsense", 0), "");
  assert.notEqual(format.moment("2026-01-01T00:00:00.000001Z", Date.parse("2026-05-01T00:00:00Z")), "");
});
