// What Slack does badly for a moment, or what comes at a bad time, loses nobody's words and doubles nothing.
import assert from "node:assert/strict";
import { test } from "node:test";
import { answered, count, modes, noPlugin, prompts, reactions, ready, response, said, sentinel, slackHost, talk } from "../../support/slack_surface.mjs";
import { until } from "../../support/wait.mjs";

const one = (name, run) => test(name, { skip: noPlugin }, run);
const both = (name, run) => {
  for (const mode of modes) test(`${name} (${mode})`, { skip: noPlugin }, (t) => run(t, mode));
};
const unlimited = { limits: { off: true } };
const kSame = "Sure, I will look into that for you right away, and here is what I found: ";

one("a stream whose beginning was cut off before Slack had it never takes the place of an earlier answer with the same words", async (t) => {
  const rules = [{ match: "^one", reply: `${kSame}the port is 8080 and nothing else` }, { match: "^two", reply: `${kSame}the host is called zeus, not hera` }];
  const { slack } = await slackHost(t, { chunkDelay: "60ms", rules, options: unlimited });
  const head = slack.post("alice", "general", "@amp one");
  const whole = () => said(slack, "general", head.ts);
  await slack.until(() => whole().includes("nothing else") && slack.answers("general", head.ts).every(({ stream }) => !stream?.open));
  slack.fault("chat.startStream", { cut: "before" });
  slack.post("alice", "general", "two", { thread: head.ts });
  await slack.until(() => whole().includes("not hera") && slack.answers("general", head.ts).every(({ stream }) => !stream?.open), "the second answer");
  assert.equal(count(whole(), "nothing else"), 1, whole());
  assert.equal(count(whole(), "not hera"), 1, whole());
});

one("a stream that has begun though nobody heard is found again, also when Slack keeps its text in another form, and nothing is said twice", async (t) => {
  const rules = [{ match: "^two", reply: "## Findings\n\n**The host** is called `zeus` & *not* hera, as [the page](https://example.org/a) says; that is all there is to it." }];
  const { slack } = await slackHost(t, { chunkDelay: "60ms", rules, options: unlimited });
  const thread = await talk(slack, "one");
  slack.fault("conversations.replies", {
    do: () => {
      for (const post of slack.answers("general", thread.ts)) if (post.stream?.open) post.body.text = post.body.text.replace(/^## (.*)$/m, "*$1*").replaceAll("**", "*").replaceAll("&", "&amp;");
    },
  });
  slack.fault("chat.startStream", { cut: "after" });
  slack.post("alice", "general", "two", { thread: thread.ts });
  await slack.until(() => said(slack, "general", thread.ts).includes("that is all") && slack.answers("general", thread.ts).every(({ stream }) => !stream?.open), "the answer");
  assert.equal(slack.answers("general", thread.ts).filter(({ text }) => text.includes("Findings")).length, 1);
});

for (const [name, fault] of Object.entries({ "500": { status: 500 }, "429 with Retry-After": { status: 429, retryAfter: 12 }, "no answer in time": { cut: "after" } }))
  one(`a person who cannot be looked up at once (${name}) is heard, and not refused`, async (t) => {
    const { slack, host } = await slackHost(t, { options: unlimited });
    const thread = await talk(slack, "hello");
    slack.fault("users.info", fault, { when: ({ user }) => user === "U0BOB" });
    slack.post("bob", "general", "bob adds something", { thread: thread.ts });
    await answered(slack, "general", thread.ts, "bob adds something");
    slack.fault("users.info", fault, { when: ({ user }) => user === "U0CAROL" });
    const head = slack.post("carol", "general", "@amp and I ask");
    await answered(slack, "general", head.ts, "and I ask");
    assert.deepEqual(slack.heard("carol").map(({ text }) => text), []);
    assert.deepEqual(prompts(host), ["hello", "bob adds something", "and I ask"]);
  });

one("where Slack never says who somebody is, that is said, and not that they may not", async (t) => {
  const { slack, host } = await slackHost(t, { options: unlimited });
  const thread = await talk(slack, "hello");
  slack.fault("users.info", { error: "missing_scope" }, { times: Infinity, when: ({ user }) => user === "U0BOB" });
  slack.post("bob", "general", "bob adds something", { thread: thread.ts });
  const told = await slack.until(() => slack.heard("bob").at(-1));
  assert.match(told.text, /not run.*cannot find out who you are/s);
  assert.equal(told.thread, thread.ts);
  assert.deepEqual(prompts(host), ["hello"]);
});

both("what is said in a thread while its first message is still being dealt with is heard", async (t, mode) => {
  const { slack, host } = await slackHost(t, { mode, options: unlimited });
  const gate = slack.gate("users.info");
  const head = slack.post("alice", "general", "@amp one");
  await slack.until(() => gate.reached > 0, "the look-up");
  slack.post("alice", "general", "two", { thread: head.ts });
  await slack.settled();
  gate.open();
  await answered(slack, "general", head.ts, "two");
  assert.deepEqual(prompts(host), ["one", "two"]);
});

one("what is said in a thread that `/amp new` has just opened is heard, though its opening is not confirmed yet", async (t) => {
  const { slack, host } = await slackHost(t, { options: unlimited });
  const gate = slack.gate("chat.postMessage", { after: true });
  void slack.command("alice", "general", "/amp new build a thing");
  const root = await slack.until(() => slack.answers("general").find(({ text }) => /New session/.test(text)));
  slack.post("alice", "general", "first words", { thread: root.ts });
  await slack.settled();
  gate.open();
  await answered(slack, "general", root.ts, "first words");
  assert.deepEqual(prompts(host), ["first words"]);
});

both("killed between a mention and the reply to it, both are heard after the restart", async (t, mode) => {
  const { slack, host } = await slackHost(t, { mode, options: { ...unlimited, times: { retries: [0, 500, 2000, 4000], ack: 2000 } } });
  const gate = slack.gate("users.info");
  const head = slack.post("alice", "general", "@amp one");
  await slack.until(() => gate.reached > 0);
  await slack.settled();
  await host.kill();
  slack.post("alice", "general", "two", { thread: head.ts });
  await host.start();
  await slack.settled();
  gate.open();
  await answered(slack, "general", head.ts, "two");
  assert.deepEqual(prompts(host), ["one", "two"]);
});

const away = async (slack, meanwhile) => {
  slack.sockets.refuse = Array(3).fill(503);
  slack.sockets.open[0].drop();
  await slack.until(() => slack.sockets.open.length === 0);
  const result = meanwhile();
  await slack.settled();
  await ready(slack, "socket");
  return result;
};
one("450 messages of a time without a connection are all read from the thread's history", async (t) => {
  const { slack, host } = await slackHost(t, { options: { ...unlimited, times: { retries: [] } } });
  const thread = await talk(slack, "hello");
  const all = Array.from({ length: 450 }, (_, i) => `gap ${i}`);
  await away(slack, () => all.forEach((text) => slack.post("alice", "general", text, { thread: thread.ts })));
  const heard = () => new Set([...prompts(host), ...[...said(slack, "general", thread.ts).matchAll(/Too many messages are waiting/g)].map(() => "busy")]);
  await until(() => slack.calls("conversations.replies").some(({ args }) => args.cursor), "the next page");
  await until(() => heard().has("busy") || heard().size > all.length, "all of them", 120_000);
  assert.equal(slack.calls("conversations.replies").filter(({ args }) => args.ts === thread.ts).length, 3);
});

one("mentions in channels without a session and first direct messages of a time without a connection are heard", async (t) => {
  const { slack, host } = await slackHost(t, { options: { ...unlimited, times: { retries: [] } } });
  await talk(slack, "hello", { where: "private" });
  const head = await away(slack, () => {
    slack.post("bob", "dm", "a first word");
    return slack.post("alice", "general", "@amp are you there");
  });
  await answered(slack, "general", head.ts, "are you there");
  await until(() => prompts(host).includes("a first word"));
});

one("files and what was said before are asked for again; what cannot be had is named", async (t) => {
  const { slack, host } = await slackHost(t, { options: unlimited });
  const head = slack.post("bob", "general", "the build is red");
  slack.fault("conversations.replies", { status: 500 });
  slack.fault("files.info", { status: 500 });
  const file = (name) => ({ name, bytes: Buffer.from("inside"), access: "check_file_info" });
  slack.post("alice", "general", "@amp look", { thread: head.ts, files: [file("a.txt")] });
  await answered(slack, "general", head.ts, "look");
  assert.match(prompts(host)[0], /the build is red/);
  assert.deepEqual(slack.heard("alice").map(({ text }) => text), []);
  slack.fault("conversations.replies", { error: "missing_scope" });
  slack.fault(/^files\.info$/, { error: "file_not_found" });
  const other = slack.post("bob", "general", "another thing");
  slack.post("alice", "general", "@amp look here", { thread: other.ts, files: [file("b.txt")] });
  await answered(slack, "general", other.ts, "look here");
  const told = slack.heard("alice").map(({ text }) => text).join("\n");
  assert.match(told, /not given all that was said here before/);
  assert.match(told, /Not given to the agent:\n• the file F\w+: (?!Slack does not say)/);
});

one("`stop` does not wait behind a file that does not come, and stops what waits for it", async (t) => {
  const { slack, host } = await slackHost(t, { options: unlimited });
  const thread = await talk(slack, "hello");
  slack.post("alice", "general", "wait now", { thread: thread.ts });
  await until(() => prompts(host).includes("wait now"));
  const gate = slack.gate("files.info");
  slack.post("alice", "general", "with a file", { thread: thread.ts, files: [{ name: "a.txt", bytes: Buffer.from("x"), access: "check_file_info" }] });
  await slack.until(() => gate.reached > 0);
  slack.post("alice", "general", "stop", { thread: thread.ts });
  await slack.until(() => /Stopped\./.test(said(slack, "general", thread.ts)), "the stop");
  gate.open();
  assert.deepEqual(await sentinel(slack, host, "general", thread.ts), ["hello", "wait now"]);
});

one("a channel's name that is taken gets a number, and a channel whose making was cut off is found", async (t) => {
  const { slack } = await slackHost(t, { options: unlimited });
  const names = () => [...slack.team.channels.values()].map(({ name }) => name);
  const first = await talk(slack, "hello");
  slack.post("alice", "general", "@amp breakout random", { thread: first.ts });
  await slack.until(() => names().includes("random-2"));
  const second = await talk(slack, "hello again");
  slack.fault("conversations.create", { cut: "after" });
  slack.post("alice", "general", "@amp breakout side", { thread: second.ts });
  await slack.until(() => slack.posts("side").some(({ text }) => /moved to this channel/.test(text)), "the move");
  assert.ok(!names().includes("side-2"), names().join());
});

for (const mode of modes)
  one(`ids that are longer than any of Slack's are acknowledged and dropped (${mode})`, async (t) => {
    const { slack, host } = await slackHost(t, { mode, options: unlimited });
    const delivery = slack.event(slack.team, "message.im", {
      type: "message", channel: `D${"A".repeat(600)}`, channel_type: "im", user: "U0ALICE", ts: "1729000000.000100", text: "hello", team: slack.team.id,
    });
    await delivery.settled;
    assert.equal(delivery.state, "acknowledged");
    await talk(slack, "still here");
    assert.deepEqual(prompts(host), ["still here"]);
  });

one("however long Slack says to wait, it is asked again after minutes", async (t) => {
  const { slack, host } = await slackHost(t, { options: unlimited });
  slack.fault("chat.startStream", { status: 429, retryAfter: 9_223_372_036_854_775_807n.toString() });
  slack.fault("reactions.add", { status: 429, retryAfter: 99_999_999_999 });
  await talk(slack, "hello");
  assert.deepEqual(prompts(host), ["hello"]);
});

one("the context of an assistant thread goes with the first words in it", async (t) => {
  const { slack, host } = await slackHost(t, { options: unlimited });
  const root = slack.assistant("alice");
  await slack.until(() => slack.calls("assistant.threads.setSuggestedPrompts").length);
  slack.post("alice", "@alice", "what am I looking at", { thread: root.ts });
  await until(() => prompts(host).length === 1);
  assert.match(prompts(host)[0], /has #general open in Slack/);
});

one("a person may begin as many sessions at once as they may have", async (t) => {
  const { slack, host } = await slackHost(t, { options: unlimited });
  const heads = Array.from({ length: 10 }, (_, i) => slack.post("alice", "general", `@amp q ${i}`));
  for (const [i, { ts }] of heads.entries()) await answered(slack, "general", ts, `q ${i}`);
  const more = slack.post("alice", "general", "@amp one more");
  await slack.until(() => slack.heard("alice").some(({ text }) => /Session limit reached \(10\)/.test(text)));
  assert.ok(more.ts && prompts(host).length === 10);
});

one("signs of life are all taken away, also when there are more than Slack takes in a minute", async (t) => {
  const { slack } = await slackHost(t, { options: { limits: { "reactions.remove": 60 } } });
  const threads = [];
  for (let i = 0; i < 24; ++i) threads.push(slack.post(["alice", "bob", "carol"][i % 3], "general", `@amp q ${i}`));
  await until(() => threads.every(({ ts }, i) => said(slack, "general", ts).includes(response(`q ${i}`))), "all answers", 200_000);
  await until(() => threads.every((post) => reactions(post).length === 0), "no sign that is left", 200_000);
});

for (const agents of [true, false])
  one(`in direct messages Slack is told when the agent works, ${agents ? "so that it shows its stop button" : "also where it knows no sessions of agents"}`, async (t) => {
    const { slack, host } = await slackHost(t, { options: { ...unlimited, features: { agentSessions: agents, rotation: false } } });
    const head = slack.post("alice", "dm", "wait a while", {});
    await until(() => prompts(host).length === 1);
    const session = () => slack.team.sessions.get(`${head.channel.id}:${head.ts}`)?.status;
    if (agents) await slack.until(() => session() === "processing");
    await slack.until(() => slack.shown.some(({ text }) => /working/.test(text)));
    slack.post("alice", "dm", "stop");
    await slack.until(() => slack.shown.at(-1).text === "");
    if (agents) await slack.until(() => session() === "active");
    else assert.ok(slack.calls("agents.sessions.setStatus").length <= 2, "it is not asked again and again");
  });

one("what a person has open in Slack goes with the first words of a direct message, as it is then", async (t) => {
  const { slack, host } = await slackHost(t, { options: unlimited });
  const look = (channel) => slack.event(slack.team, "app_context_changed", { type: "app_context_changed", user: "U0ALICE", context: { entities: channel ? [{ type: "slack#/types/channel_id", value: channel, team_id: slack.team.id }] : [] } }).settled;
  await look("C0RANDOM");
  await look("C0GENERAL");
  slack.post("alice", "dm", "what am I looking at");
  await until(() => prompts(host).length === 1);
  assert.match(prompts(host)[0], /has #general open in Slack/);
  assert.doesNotMatch(prompts(host)[0], /random/);
  slack.post("bob", "dm", "and I");
  await until(() => prompts(host).length === 2);
  assert.doesNotMatch(prompts(host)[1], /open in Slack/, "that is hers");
});

one("a message that waits in an assistant's thread is shown as waiting, and the thread still says that the agent works", async (t) => {
  const { slack } = await slackHost(t, { options: unlimited });
  const root = slack.assistant("alice");
  slack.post("alice", "@alice", "wait a while", { thread: root.ts });
  await until(() => slack.shown.some(({ text, thread }) => /working/.test(text) && thread === root.ts), "the agent works");
  const queued = slack.post("alice", "@alice", "and then this", { thread: root.ts });
  await slack.until(() => reactions(queued).length || slack.shown.some(({ text }) => /next/.test(text)), "a sign that it waits");
  assert.match(root.channel.statuses.get(root.ts)?.text ?? "", /working/);
  slack.post("alice", "@alice", "stop", { thread: root.ts });
  await answered(slack, "@alice", root.ts, "and then this");
  await slack.until(() => !root.channel.statuses.size && !reactions(queued).length, "no sign is left");
});
