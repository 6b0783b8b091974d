// The slash command and the same words elsewhere: seen at once, the result after, for the right people.
import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { answered, modes, noPlugin, prompts, said, sentinel, slackHost, talk, withButton } from "../../support/slack_surface.mjs";
import { ChatClient } from "../../support/chat_client.mjs";
import { until } from "../../support/wait.mjs";

const one = (name, run) => test(name, { skip: noPlugin }, run);
const both = (name, run) => {
  for (const mode of modes) test(`${name} (${mode})`, { skip: noPlugin }, (t) => run(t, mode));
};
const heard = (slack, who, words) => slack.until(() => slack.heard(who).find(({ text, blocks }) => words.test(text) || words.test(JSON.stringify(blocks))), `${who} hears ${words}`);

both("the same words work after a mention and in a direct message; free text is for the agent", async (t, mode) => {
  const { slack, host } = await slackHost(t, { mode });
  const thread = await talk(slack, "hello");
  const asked = slack.post("alice", "general", "@amp status", { thread: thread.ts });
  await slack.until(() => /status/i.test(said(slack, "general", thread.ts)) || slack.heard("alice").some(({ text }) => /status/i.test(text)));
  slack.post("alice", "dm", "help");
  await slack.until(() => [...slack.team.direct("alice").posts.values()].some(({ body, text }) => body.bot_id && /breakout/.test(text)) || slack.heard("alice").some(({ text }) => /breakout/.test(text)));
  assert.ok(asked.ts);
  assert.deepEqual(await sentinel(slack, host, "general", thread.ts), ["hello"]);
});

one("`connect` by button takes the session into a thread of its own, and by a beginning that fits several asks", async (t) => {
  const { slack } = await slackHost(t);
  const thread = await talk(slack, "the first");
  slack.post("alice", "general", "@amp disconnect", { thread: thread.ts });
  await slack.until(() => /no longer connected|Disconnected/.test(said(slack, "general", thread.ts)));
  await slack.command("alice", "general", "/amp list");
  const list = await slack.until(() => withButton(slack.heard("alice"), /connect/i), "a list with buttons");
  await slack.click("alice", list, /connect/i);
  const again = await slack.until(() => slack.posts("general").find((post) => slack.posts("general", post.ts).some(({ text }) => /Connected to session/.test(text))), "the thread");
  slack.post("alice", "general", "what did I say?", { thread: again.ts });
  await slack.until(() => said(slack, "general", again.ts).includes("the first"));
  await talk(slack, "the second");
  await slack.command("alice", "general", "/amp connect s_");
  await heard(slack, "alice", /Multiple sessions match/);
  await slack.command("alice", "general", "/amp connect nonsense");
  await heard(slack, "alice", /Session not found: `nonsense`/);
});

one("a slash command that needs a session asks which, where the person has several", async (t) => {
  const { slack } = await slackHost(t);
  const first = await talk(slack, "one");
  await slack.command("alice", "general", "/amp end");
  await slack.until(() => /Session ended\./.test(said(slack, "general", first.ts)), "the only one is meant");
  const second = await talk(slack, "two");
  const third = await talk(slack, "three");
  await slack.command("alice", "general", "/amp end");
  const pick = await slack.until(() => withButton(slack.heard("alice"), /pick|actions/), "which");
  await slack.click("alice", pick, /.+/);
  await slack.until(() => [second, third].filter(({ ts }) => /Session ended\./.test(said(slack, "general", ts))).length === 1, "the one that was picked");
  await slack.command("bob", "general", "/amp end");
  await heard(slack, "bob", /no session/i);
});

one("`stop` cancels and `disconnect` lets the session live", async (t) => {
  const { slack, host } = await slackHost(t);
  for (const how of ["stop", "cancel", "@amp stop"]) {
    const thread = await talk(slack, `hello before ${how}`);
    const busy = slack.post("alice", "general", "wait", { thread: thread.ts });
    await slack.until(() => busy.reactions.length);
    slack.post("alice", "general", how, { thread: thread.ts });
    await thread.ask(`on after ${how}`);
  }
  const thread = await talk(slack, "hello");
  slack.post("alice", "general", "build", { thread: thread.ts });
  const message = await slack.until(() => withButton(slack.answers("general", thread.ts), /"stop/i), "a stop button");
  await slack.click("alice", message, /stop/i);
  await thread.ask("on after the button");
  slack.post("alice", "general", "wait", { thread: thread.ts });
  slack.stopAgent("alice", "general", thread.ts);
  await thread.ask("on after Slack's own button");
  slack.post("alice", "general", "@amp disconnect", { thread: thread.ts });
  await slack.until(() => /lives on/.test(said(slack, "general", thread.ts)));
  slack.post("alice", "general", "anybody?", { thread: thread.ts });
  assert.ok(!(await sentinel(slack, host, "general")).includes("anybody?"));
});

one("`/amp stop` and deleting the message stop its turn, too", async (t) => {
  const { slack } = await slackHost(t);
  const thread = await talk(slack, "hello");
  for (const stop of [() => slack.command("alice", "general", "/amp stop"), (busy) => slack.remove("alice", busy)]) {
    const busy = slack.post("alice", "general", "wait", { thread: thread.ts });
    await slack.until(() => busy.reactions.length);
    await stop(busy);
    await thread.ask(`on after ${busy.ts.slice(-6)}`);
  }
});

one("a session is found again: `list` links to its thread", async (t) => {
  const { slack } = await slackHost(t);
  const thread = await talk(slack, "hello");
  await slack.command("alice", "general", "/amp sessions");
  await slack.until(() => slack.heard("alice").some(({ text, blocks }) => (text + JSON.stringify(blocks)).includes(`p${thread.ts.replace(".", "")}`)), "a link to the thread");
});

one("`retry` sends the last message again", async (t) => {
  const { slack, host } = await slackHost(t);
  const thread = await talk(slack, "hello");
  slack.post("alice", "general", "flaky", { thread: thread.ts });
  await slack.until(() => /Failed to get response/.test(said(slack, "general", thread.ts)));
  slack.post("alice", "general", "@amp retry", { thread: thread.ts });
  await until(() => prompts(host).filter((text) => text === "flaky").length === 2);
});

one("`--dir` stays below the folders that are allowed, unless an operator says it", async (t) => {
  const { slack, host } = await slackHost(t, { config: { working_dirs: ["~/work"], default_working_dir: "~/work", operators: ["U0BOB"] } });
  mkdirSync(path.join(host.home, "work", "inside"), { recursive: true });
  mkdirSync(path.join(host.home, "other"), { recursive: true });
  for (const [who, dir, fine] of [["alice", "~/work/inside", true], ["alice", "~/other", false], ["alice", "~/work/../other", false], ["bob", "~/other", true]]) {
    const before = slack.heard(who).length + slack.posts("general").length;
    await slack.command(who, "general", `/amp new --dir ${dir}`);
    await slack.until(() => slack.heard(who).length + slack.posts("general").length > before);
    await slack.until(() => (fine ? slack.posts("general").flatMap((post) => slack.posts("general", post.ts)).some(({ text }) => text.includes(path.basename(dir)) && /Started/.test(text)) : slack.heard(who).some(({ text }) => /below|allowed|working_dirs/.test(text))), `${who} ${dir}`);
  }
  await slack.command("alice", "general", "/amp new --dir");
  await heard(slack, "alice", /Missing value for `--dir`/);
  await slack.command("alice", "general", "/amp new --backend nonsense");
  await heard(slack, "alice", /nonsense/);
});

one("an answer comes all the same when response_url is used up, over, or refused", async (t) => {
  const { slack, host } = await slackHost(t);
  slack.fault("response_url", { status: 500 }, { times: 2 });
  await slack.command("alice", "general", "/amp config");
  await slack.until(() => slack.heard("alice").some(({ text }) => /configuration/i.test(text)), "the result");
  const late = slack.gate("users.info");
  const told = slack.command("carol", "general", "/amp config");
  await slack.until(() => late.reached > 0);
  slack.expireResponses();
  late.open();
  await told;
  await slack.until(() => slack.heard("carol").some(({ text, by }) => /configuration/i.test(text) && by !== "response_url"), "the result, some other way");
  for (const key of slack.responses.keys()) assert.ok(!host.output.includes(key), "an address that lets anybody speak is in no log");
  const started = slack.command("bob", "general", "/amp new in time");
  slack.expireResponses();
  await started;
  const head = await slack.until(() => slack.posts("general").find((post) => slack.posts("general", post.ts).some(({ text }) => /Started new session/.test(text))));
  slack.post("bob", "general", "here", { thread: head.ts });
  await answered(slack, "general", head.ts, "here");
});

one("who somebody is, is asked once, however many commands come at once, and all are answered", async (t) => {
  const { slack } = await slackHost(t);
  const asked = slack.gate("users.info");
  const kMany = 300;
  const told = Promise.all(Array.from({ length: kMany }, () => slack.command("carol", "general", "/amp config")));
  await slack.until(() => asked.reached > 0);
  await told;
  asked.open();
  await slack.until(() => slack.heard("carol").filter(({ text }) => /configuration/i.test(text)).length === kMany, "all results", 60_000);
  assert.equal(asked.reached, 1);
});

one("a message is sent to the agent by its own menu", async (t) => {
  const { slack, host } = await slackHost(t);
  const post = slack.post("bob", "general", "please look into the red build");
  await slack.shortcut("alice", post, "amp_send");
  await until(() => prompts(host).length === 1);
  assert.match(prompts(host)[0], /red build/);
  await slack.until(() => slack.answers("general", post.ts).length > 0, "in that message's thread");
});
