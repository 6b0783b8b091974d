// What came while the host was not there: done once when it is back, whoever has to be asked for it; and shown instead of done when it is too old.
import assert from "node:assert/strict";
import path from "node:path";
import { test } from "node:test";
import { answered, count, modes, noPlugin, prompts, response, said, sentinel, slackHost, talk, withButton } from "../../support/slack_surface.mjs";
import { fixtures } from "../../support/viaduct.mjs";
import { until } from "../../support/wait.mjs";

const both = (name, run) => {
  for (const mode of modes) test(`${name} (${mode})`, { skip: noPlugin }, (t) => run(t, mode));
};
const one = (name, run) => test(name, { skip: noPlugin }, run);
// Slack gives up at once what it cannot bring.
const never = { limits: { off: true }, times: { retries: [] } };
const kMinutes = 31;
const kTooOld = /This came while I was away, 31 minutes ago, and was not run\. Send it again if you still want it/;
// Starts the host when `minutes` have passed for it.
async function startLater(host, minutes) {
  const { VIADUCT_LATER, LD_PRELOAD } = process.env;
  Object.assign(process.env, { VIADUCT_LATER: String(minutes * 60 + 10), LD_PRELOAD: path.join(fixtures, "later.so") });
  const back = (name, value) => (value === undefined ? delete process.env[name] : (process.env[name] = value));
  const started = host.start(); // it has taken the environment by then
  back("VIADUCT_LATER", VIADUCT_LATER);
  back("LD_PRELOAD", LD_PRELOAD);
  await started;
}
const whole = ({ text, blocks }) => text + JSON.stringify(blocks);

both("what was said while the host was down, and is never sent again, is answered once when it is back", async (t, mode) => {
  const { slack, host } = await slackHost(t, { mode, options: never });
  const thread = await talk(slack, "hello");
  await host.stop();
  const posts = [
    slack.post("alice", "general", "into the night", { thread: thread.ts }), slack.post("bob", "general", "@amp is anybody there"), slack.post("carol", "dm", "a first word"), slack.post("bob", "general", "lunch?"),
  ];
  await slack.settled();
  for (const { deliveries } of posts) for (const { state } of deliveries) assert.equal(state, "lost");
  await host.start();
  await answered(slack, "general", thread.ts, "into the night");
  await answered(slack, "general", posts[1].ts, "is anybody there");
  await until(() => prompts(host).includes("a first word"));
  assert.deepEqual((await sentinel(slack, host, "general", thread.ts)).sort(), ["a first word", "hello", "into the night", "is anybody there"]);
  await host.stop();
  await host.start();
  await sentinel(slack, host, "general", thread.ts);
  assert.equal(count(said(slack, "general", thread.ts), response("into the night")), 1, "once, also after another start");
});

both("a message of more than half an hour ago is shown and not run", async (t, mode) => {
  const { slack, host } = await slackHost(t, { mode, options: never });
  const thread = await talk(slack, "hello");
  await host.stop();
  slack.post("alice", "general", "is it *still* <urgent>?", { thread: thread.ts });
  await slack.settled();
  await startLater(host, kMinutes);
  const told = await slack.until(() => slack.heard("alice").find(({ text }) => kTooOld.test(text)), "what became of it");
  assert.match(told.text, /:\n(&gt;|>) is it \*still\* &lt;urgent&gt;\?/);
  assert.equal(told.thread, thread.ts);
  assert.deepEqual(prompts(host), ["hello"]);
});

// Commands and buttons that were acknowledged and not yet done when the host was killed: who pressed is not known yet.
async function killedBefore(t, minutes) {
  const { slack, host } = await slackHost(t, { options: never });
  const thread = await talk(slack, "hello");
  slack.post("alice", "general", "flaky", { thread: thread.ts });
  const again = await slack.until(() => withButton(slack.answers("general", thread.ts), /"retry/), "a button");
  const gate = slack.gate("users.info");
  const command = await slack.command("bob", "general", "/amp new a job");
  const pressed = await slack.click("bob", again, /retry|try again/i);
  await slack.until(() => gate.reached > 0);
  assert.ok(command.ok && pressed.ok, "both are acknowledged");
  await host.kill();
  gate.open();
  if (minutes) await startLater(host, minutes);
  else await host.start();
  return { slack, host, thread, again };
}

one("a slash command and a button that were acknowledged before the host was killed are done once after it", async (t) => {
  const { slack, host, thread } = await killedBefore(t, 0);
  const roots = () => slack.answers("general").filter(({ text, isReply }) => !isReply && /New session/.test(text));
  await slack.until(() => roots().some(({ ts }) => /Started new session/.test(said(slack, "general", ts))), "the session");
  await until(() => prompts(host).filter((text) => text === "flaky").length === 2, "tried again");
  await host.stop();
  await host.start();
  await talk(slack, "and on");
  assert.equal(roots().length, 1);
  assert.equal(prompts(host).filter((text) => text === "flaky").length, 2);
  assert.equal(count(said(slack, "general", thread.ts), response("hello")), 1);
});

one("a slash command and a button of more than half an hour ago are shown and not run", async (t) => {
  const { slack, host, thread, again } = await killedBefore(t, kMinutes);
  const told = () => slack.heard("bob").map(whole).filter((text) => kTooOld.test(text));
  await slack.until(() => told().length === 2, "what became of both");
  assert.equal(told().filter((text) => /(&gt;|>) \/amp new a job/.test(text)).length, 1);
  await host.stop();
  await host.start(); // in the present
  await talk(slack, "and on");
  assert.deepEqual(slack.answers("general").filter(({ isReply }) => !isReply), []);
  assert.equal(prompts(host).filter((text) => text === "flaky").length, 1);
  assert.ok(withButton([again], /"retry/), "it can be pressed again");
  await slack.click("alice", again, /retry|try again/i);
  await until(() => prompts(host).filter((text) => text === "flaky").length === 2);
  assert.equal(told().length, 2);
  assert.ok(thread.ts);
});
