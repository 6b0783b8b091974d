import assert from "node:assert/strict";
import test from "node:test";
import * as model from "../model.ts";
import { parse, permalink } from "../mrkdwn.ts";

const message = (ts: string, more: Partial<model.Message> = {}): model.Message => ({
  ts, channel: "C1", thread: "", user: "U1", text: ts, to: "", streams: false, edited: false, blocks: [], reactions: [], ...more,
});
const world = (messages: model.Message[]): model.World => ({
  command: "/amp", bot: { id: "UB", name: "amp" }, people: [{ id: "U1", name: "alice", guest: false }], channels: [], messages, homes: {}, statuses: {}, prompts: {},
});

test("a change takes the place of what was there, in the order of time, and the whole replaces all", () => {
  const first = model.merged(null, { whole: true, ...world([message("2"), message("1")]) });
  assert.deepEqual(first?.messages.map(({ ts }) => ts), ["1", "2"]);
  const second = model.merged(first, { messages: [message("1", { text: "new" }), message("3")], gone: ["2"] });
  assert.deepEqual(second?.messages.map(({ text }) => text), ["new", "3"]);
  assert.deepEqual(model.merged(second, { statuses: { "C1/1": "is typing" } })?.statuses, { "C1/1": "is typing" });
  assert.deepEqual(model.merged(second, { whole: true, ...world([]) })?.messages, []);
});

test("a change before the whole is not shown", () => {
  assert.equal(model.merged(null, { messages: [message("1")] }), null);
});

test("a thread has its first message and its replies, and nobody sees what is for another", () => {
  const all = world([message("1"), message("2", { thread: "1" }), message("3"), message("4", { thread: "1", to: "U2" }), message("5", { to: "U1" })]);
  assert.deepEqual(model.thread(all, "C1", "1", "U1").map(({ ts }) => ts), ["1", "2"]);
  assert.deepEqual(model.thread(all, "C1", "1", "U2").map(({ ts }) => ts), ["1", "2", "4"]);
  assert.deepEqual(model.top(all, "C1", "U2").map(({ ts }) => ts), ["1", "3"]);
  assert.equal(model.replies(all, all.messages[0] as model.Message, "U1"), 1);
});

test("mrkdwn is marks, code, mentions and links, and nothing else", () => {
  assert.deepEqual(parse("*bold* and _it_"), [
    { kind: "bold", nodes: [{ kind: "text", text: "bold" }] }, { kind: "text", text: " and " }, { kind: "italic", nodes: [{ kind: "text", text: "it" }] },
  ]);
  assert.deepEqual(parse("`*x* &lt;b&gt;`"), [{ kind: "code", text: "*x* <b>" }]);
  assert.deepEqual(parse("<@U1> <#C1|general> <https://a.test/?x=1&amp;y|there>").filter(({ kind }) => kind !== "text"), [
    { kind: "user", text: "U1" }, { kind: "channel", text: "C1" }, { kind: "link", url: "https://a.test/?x=1&y", text: "there" },
  ]);
  assert.deepEqual(parse("a_b_c 2*3*4"), [{ kind: "text", text: "a_b_c 2*3*4" }]);
  assert.deepEqual(parse("&gt; one\n&gt; two\nend"), [{ kind: "quote", nodes: [{ kind: "text", text: "one\ntwo" }] }, { kind: "text", text: "end" }]);
  assert.deepEqual(parse("```\n&gt; *no*\n```"), [{ kind: "pre", text: "> *no*\n" }]);
});

test("a link to a message of the workspace leads to it, and no other does", () => {
  assert.deepEqual(permalink("https://simulator.invalid/archives/C0GENERAL/p1729000000000100"), { channel: "C0GENERAL", ts: "1729000000.000100" });
  assert.deepEqual(permalink("https://simulator.invalid/archives/C1/p1729000000000100?thread_ts=1.2&cid=C1"), { channel: "C1", ts: "1729000000.000100" });
  assert.equal(permalink("https://acme.slack.com/archives/C1/p1729000000000100"), null);
});

test("an address that is no address of the web is only text", () => {
  assert.deepEqual(parse("<javascript:alert(1)|click>"), [{ kind: "text", text: "<javascript:alert(1)|click>" }]);
  assert.deepEqual(parse("<data:text/html,x>"), [{ kind: "text", text: "<data:text/html,x>" }]);
});
