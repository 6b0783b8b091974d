// kill -9 between any two steps of a message's way: one turn, one answer, or words that say that it was interrupted; and nothing is left open.
import assert from "node:assert/strict";
import { test } from "node:test";
import { count, modes, noPlugin, prompts, response, sentinel, slackHost } from "../../support/slack_surface.mjs";

const kAsked = "tell me all";
const kWords = Array.from({ length: 90 }, (_, i) => `w${i}`);
// So slow that it is seen to grow: a message is changed every 1.5 seconds.
const slow = { rules: [{ match: "^tell", reply: kWords.join(" ") }], chunkDelay: "30ms" };
const kLast = new RegExp(`\\b${kWords.at(-1)}\\b`);
const kInterrupted = /interrupted|Failed to get response|possibly missing/gi;
const kStream = /^chat\.(startStream|appendStream|stopStream)$/;
const isAnswer = (args) => /\bw\d+\b/.test(JSON.stringify(args));
const isLast = (args) => kLast.test(JSON.stringify(args));

// Where the app dies: `before` Slack has the call, which never comes to it, or `after`, when only the answer to it is missing.
const at = (method, when) => ({ method, when });
const calls = {
  "when its sign of life is on its way": at(/^(reactions\.add|assistant\.threads\.setStatus)$/, ({ status }) => status !== ""),
  "when it is shown to work": at("chat.postMessage", (args) => !isAnswer(args)),
  "when the sign is taken away": at(/^(reactions\.remove|assistant\.threads\.setStatus)$/, ({ status }) => status === undefined || status === ""),
};
const streamed = {
  ...calls,
  "when its answer begins": at("chat.startStream"),
  "in the middle of its answer": at("chat.appendStream"),
  "at the end of its answer": at("chat.stopStream"),
};
const updated = {
  ...calls,
  "when its answer begins": at("chat.postMessage", isAnswer),
  "in the middle of its answer": at("chat.update", (args) => isAnswer(args) && !isLast(args)),
  "at the end of its answer": at("chat.update", isLast),
};
async function dieAt({ slack, host, post }, { method, when }, side) {
  let open;
  const held = new Promise((resolve) => (open = resolve));
  const step = slack.fault(method, side === "before" ? { wait: held, cut: "before" } : { waitAfter: held }, { times: Infinity, when });
  post();
  await slack.until(() => step.reached > 0, "the step");
  if (side === "after") await slack.until(() => slack.calls(method).some(({ fault, done }) => fault === step.fault && done), "Slack has it");
  await host.kill();
  step.left = 0;
  open();
}
const steps = {
  "before the event is acknowledged": async ({ slack, post, host }) => {
    slack.hold();
    post();
    slack.release();
    await host.kill();
  },
  "as soon as the event is acknowledged": async ({ post, host }) => {
    await Promise.race(post().deliveries.map(({ settled }) => settled));
    await host.kill();
  },
  "when all is said": async ({ slack, post, host, answers, read }) => {
    post();
    await slack.until(() => kLast.test(read()) && answers().every(({ stream }) => !stream?.open));
    await host.kill();
  },
};
const both = (table) => Object.entries(table).flatMap(([name, step]) => ["before", "after"].map((side) => [`${name}, ${side} Slack has it`, (world) => dieAt(world, step, side)]));

function killed(name, mode, where, step) {
  test(`killed ${name} (${where === "general" ? "a thread, streamed" : "a direct message, by updates"}, ${mode}): one turn and one answer`, { skip: noPlugin }, async (t) => {
    const { slack, host } = await slackHost(t, { mode, ...slow, options: { limits: { off: true }, times: { retries: [0, 500, 2000], ack: 2000 } } });
    const first = slack.post("alice", where, where === "general" ? "@amp hello" : "hello");
    const thread = where === "general" ? first.ts : undefined;
    const answers = () => (thread ? slack.answers(where, thread) : [...first.channel.posts.values()].filter(({ body, deleted }) => body.bot_id && !deleted));
    const read = () => answers().map(({ text }) => text).join("\n");
    const idle = () => answers().every(({ stream }) => !stream?.open);
    await slack.until(() => read().includes(response("hello")) && idle(), "the first answer");
    const begun = slack.journal.length;
    await step({ slack, host, answers, read, post: () => slack.post("alice", where, kAsked, { thread }) });
    const now = slack.journal.slice(begun);
    if (thread) assert.deepEqual(now.filter(({ method, args }) => method === "chat.update" && isAnswer(args) && !isLast(args)), [], "it is a stream");
    else assert.deepEqual(now.filter(({ method }) => kStream.test(method)), [], "it is no stream");
    await host.start();
    await slack.settled();
    await slack.until(() => kLast.test(read()) || kInterrupted.test(read()), "the answer, or what became of it");
    const all = await sentinel(slack, host, where, thread);
    await slack.until(idle, "no stream is left open");
    assert.ok(all.filter((text) => text === kAsked).length <= 1, `${all}`);
    const words = read().match(/\bw\d+\b/g) ?? [];
    assert.deepEqual(words, kWords.slice(0, words.length), "what there is of it, and no word twice");
    if (words.length < kWords.length) assert.equal((read().match(kInterrupted) ?? []).length, 1, read());
    assert.equal(count(read(), response("hello")), 1, read());
    assert.ok(prompts(host).length >= 1);
  });
}
for (const mode of modes) for (const [name, step] of Object.entries(steps)) killed(name, mode, "general", step);
// What goes out is the same in both modes.
for (const [name, step] of both(streamed)) killed(name, "socket", "general", step);
for (const [name, step] of both(updated)) killed(name, "http", "@alice", step);
