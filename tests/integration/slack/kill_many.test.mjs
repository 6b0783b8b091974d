// kill -9 while several things are under way: threads, direct messages, commands and buttons. Each is done once, or says that it was interrupted.
import assert from "node:assert/strict";
import { test } from "node:test";
import { count, modes, noPlugin, prompts, response, said, slackHost, talk, withButton } from "../../support/slack_surface.mjs";
import { until } from "../../support/wait.mjs";

const kInterrupted = /interrupted|Failed to get response|possibly missing/i;
const options = { limits: { off: true }, times: { retries: [0, 500, 2000, 4000], ack: 2000 } };
const both = (name, run) => {
  for (const mode of modes) test(`${name} (${mode})`, { skip: noPlugin }, (t) => run(t, mode));
};

for (const [when, method, how] of [
  ["when the answers begin", "chat.startStream", { after: true }],
  ["at the end of the answers", "chat.stopStream", {}],
])
  both(`killed ${when}, of three threads and a direct message: each has one turn and one answer, none has another's`, async (t, mode) => {
    const { slack, host } = await slackHost(t, { mode, chunkDelay: "60ms", options });
    const threads = [];
    for (const who of ["alice", "bob", "carol"]) threads.push({ who, ...(await talk(slack, `hello ${who}`, { who })) });
    const text = (who) => `tell ${who} a few words more`;
    const gate = slack.gate(method, how);
    for (const { who, ts } of threads) slack.post(who, "general", text(who), { thread: ts });
    slack.post("alice", "dm", text("nobody"));
    await slack.until(() => gate.reached >= 3, "the step");
    await host.kill();
    gate.open();
    await host.start();
    await slack.settled();
    const direct = () => [...slack.team.direct("alice").posts.values()].map((post) => post.text).join("\n");
    for (const { who, ts } of threads) {
      const read = () => said(slack, "general", ts);
      await slack.until(() => read().includes(response(text(who))) || kInterrupted.test(read()), `what became of ${who}'s`);
      await slack.until(() => slack.answers("general", ts).every(({ stream }) => !stream?.open), "no stream is left open");
      assert.ok(count(read(), response(text(who))) <= 1, read());
      for (const { who: other } of threads) if (other !== who) assert.ok(!read().includes(text(other)), read());
    }
    await until(() => direct().includes(response(text("nobody"))) || kInterrupted.test(direct()), "what became of the direct message");
    assert.ok(count(direct(), response(text("nobody"))) <= 1, direct());
    for (const who of ["alice", "bob", "carol", "nobody"]) assert.ok(prompts(host).filter((one) => one === text(who)).length <= 1);
  });

both("killed while `/amp new` opens its thread: one thread, one session, said once", async (t, mode) => {
  const { slack, host } = await slackHost(t, { mode, options });
  const gate = slack.gate("chat.postMessage", { after: true });
  void slack.command("alice", "general", "/amp new a job");
  await slack.until(() => gate.reached > 0);
  await slack.settled();
  await host.kill();
  gate.open();
  await host.start();
  const roots = () => slack.answers("general").filter(({ text }) => /New session/.test(text));
  await slack.until(() => roots().some(({ ts }) => /Started new session/.test(said(slack, "general", ts))), "the session");
  assert.equal(roots().length, 1);
  assert.equal(count(said(slack, "general", roots()[0].ts), "Started new session"), 1);
  slack.post("alice", "general", "go on", { thread: roots()[0].ts });
  await slack.until(() => said(slack, "general", roots()[0].ts).includes(response("go on")));
});

both("killed as soon as a button is acknowledged: what was asked is decided once, or can be asked again", async (t, mode) => {
  const { slack, host } = await slackHost(t, { mode, options });
  const thread = await talk(slack, "hello");
  slack.post("alice", "general", "deploy it", { thread: thread.ts });
  const asked = await slack.until(() => withButton(slack.answers("general", thread.ts), /permit/));
  await slack.click("alice", asked, /Allow/);
  await host.kill();
  await host.start();
  const read = () => said(slack, "general", thread.ts);
  await slack.until(() => read().includes("You chose") || /Try again|Ask again/.test(JSON.stringify(slack.answers("general", thread.ts).map(({ body }) => body.blocks ?? []))), "what became of it");
  await slack.until(() => !/permit/.test(JSON.stringify(asked.body.blocks ?? [])), "no button that does nothing is left");
  assert.ok(count(read(), "You chose") <= 1, read());
  await thread.ask("and on");
});
