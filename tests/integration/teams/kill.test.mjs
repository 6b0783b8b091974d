// kill -9 between any two steps of a message's way: one turn, one answer, or words that say that it was interrupted; and nothing is left open.
import assert from "node:assert/strict";
import { test } from "node:test";
import { count, noPlugin, prompts, response, said, sentinel, talk, teamsHost, transports } from "../../support/teams_surface.mjs";

const kAsked = "tell me a few words more";
const kInterrupted = /interrupted|Failed to get response|possibly missing|may be missing/i;

// Where it dies: each waits until the step is reached.
const steps = {
  "before the activity is acknowledged": async ({ teams, post, host }) => {
    teams.hold();
    post();
    teams.release();
    await host.kill();
  },
  "as soon as the activity is acknowledged": async ({ post, host }) => {
    await post().delivery.settled;
    await host.kill();
  },
  "when its answer begins, before Teams has it": (world) => atCall(world, /^(stream|typing|send|reply)$/, {}),
  "when its answer begins, after Teams has it": (world) => atCall(world, /^(stream|send|reply)$/, { after: true }),
  "in the middle of its answer, before Teams has it": (world) => atCall(world, /^(stream|update)$/, { nth: 2 }),
  "in the middle of its answer, after Teams has it": (world) => atCall(world, /^(stream|update)$/, { after: true, nth: 2 }),
  "at the end of its answer, before Teams has it": (world) => atCall(world, /^final$/, {}),
  "at the end of its answer, after Teams has it": (world) => atCall(world, /^final$/, { after: true }),
  "when all is said": async ({ teams, post, host }) => {
    post();
    await teams.until(() => said(teams, "@alice").includes(response(kAsked)) && teams.answers("@alice").every(({ open }) => !open));
    await host.kill();
  },
};
async function atCall({ teams, post, host }, op, { after = false, nth = 1 }) {
  let seen = 0;
  const gate = teams.gate(op, { after, when: () => ++seen >= nth });
  post();
  // A step that this answer does not have is the end of it.
  await teams.until(() => gate.reached > 0 || (said(teams, "@alice").includes(response(kAsked)) && teams.answers("@alice").every(({ open }) => !open)), "the step", 60_000);
  await host.kill();
  gate.open();
}

for (const transport of transports)
  for (const [name, step] of Object.entries(steps))
    test(`killed ${name} (${transport}): one turn and one answer`, { skip: noPlugin }, async (t) => {
      const { teams, host } = await teamsHost(t, { transport, chunkDelay: "300ms", options: { times: { ack: 2000 } } });
      await talk(teams, "hello");
      await step({ teams, host, post: () => teams.post("alice", "dm", kAsked) });
      teams.advance(125_000); // a stream that was left open has ended by itself
      await host.start();
      await teams.settled();
      await teams.until(() => said(teams, "@alice").includes(response(kAsked)) || kInterrupted.test(said(teams, "@alice")), "the answer, or what became of it", 90_000);
      const all = await sentinel(teams, host);
      assert.ok(all.filter((text) => text === kAsked).length <= 1, `${all}`);
      const read = said(teams, "@alice");
      assert.ok(count(read, response(kAsked)) <= 1, read);
      assert.equal(count(read, response("hello")), 1, read);
      assert.ok(prompts(host).length >= 1);
    });
