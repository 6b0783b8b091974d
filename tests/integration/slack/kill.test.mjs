// kill -9 between any two steps of a message's way: one turn, one answer, or words that say that it was interrupted; and nothing is left open.
import assert from "node:assert/strict";
import { test } from "node:test";
import { count, modes, noPlugin, prompts, response, said, sentinel, slackHost, talk } from "../../support/slack_surface.mjs";

const kAsked = "tell me a few words more";
const kInterrupted = /interrupted|Failed to get response|possibly missing/i;

// Where it dies: each waits until the step is reached, and says what lets Slack go on.
const steps = {
  "before the event is acknowledged": async ({ slack, post, host }) => {
    slack.hold();
    post();
    slack.release();
    await host.kill();
  },
  "as soon as the event is acknowledged": async ({ slack, post, host }) => {
    const asked = post();
    await Promise.race(asked.deliveries.map(({ settled }) => settled));
    await host.kill();
    assert.ok(slack);
  },
  "when its sign of life is on its way": (world) => atCall(world, /^(reactions\.add|assistant\.threads\.setStatus)$/, {}),
  "when its answer begins, before Slack has it": (world) => atCall(world, /^chat\.(startStream|postMessage)$/, {}),
  "when its answer begins, after Slack has it": (world) => atCall(world, /^chat\.(startStream|postMessage)$/, { after: true }),
  "in the middle of its answer, before Slack has it": (world) => atCall(world, /^chat\.(appendStream|update)$/, {}),
  "in the middle of its answer, after Slack has it": (world) => atCall(world, /^chat\.(appendStream|update)$/, { after: true }),
  "at the end of its answer, before Slack has it": (world) => atCall(world, /^chat\.stopStream$/, {}),
  "at the end of its answer, after Slack has it": (world) => atCall(world, /^chat\.stopStream$/, { after: true }),
  "when the sign is taken away": (world) => atCall(world, /^reactions\.remove$/, {}),
  "when all is said": async ({ slack, post, host, thread }) => {
    post();
    await slack.until(() => said(slack, "general", thread).includes(response(kAsked)) && slack.answers("general", thread).every(({ stream }) => !stream?.open));
    await host.kill();
  },
};
async function atCall({ slack, post, host, thread }, method, options) {
  const gate = slack.gate(method, options);
  post();
  // A step that this answer does not have is the end of it.
  await slack.until(() => gate.reached > 0 || said(slack, "general", thread).includes(response(kAsked)), "the step");
  await host.kill();
  gate.open();
}

for (const mode of modes)
  for (const [name, step] of Object.entries(steps))
    test(`killed ${name} (${mode}): one turn and one answer`, { skip: noPlugin }, async (t) => {
      const { slack, host } = await slackHost(t, { mode, chunkDelay: "10ms", options: { times: { retries: [0, 500, 2000], ack: 2000 } } });
      const thread = await talk(slack, "hello");
      await step({ slack, host, thread: thread.ts, post: () => slack.post("alice", "general", kAsked, { thread: thread.ts }) });
      await host.start();
      await slack.settled();
      await slack.until(() => said(slack, "general", thread.ts).includes(response(kAsked)) || kInterrupted.test(said(slack, "general", thread.ts)), "the answer, or what became of it");
      const all = await sentinel(slack, host, "general", thread.ts);
      await slack.until(() => slack.answers("general", thread.ts).every(({ stream }) => !stream?.open), "no stream is left open");
      assert.ok(all.filter((text) => text === kAsked).length <= 1, `${all}`);
      const read = said(slack, "general", thread.ts);
      assert.ok(count(read, response(kAsked)) <= 1, read);
      assert.equal(count(read, response("hello")), 1, read);
      assert.ok(prompts(host).length >= 1);
    });
