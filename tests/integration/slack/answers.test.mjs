// What people read: whole answers however Slack behaves, in its own formatting, with signs of life and words for what goes wrong.
import assert from "node:assert/strict";
import { test } from "node:test";
import { agentProgram, starts } from "../../support/cli_agent_notes.mjs";
import { count, health, modes, noPlugin, prompts, reactions, response, said, sentinel, slackHost, talk, withButton } from "../../support/slack_surface.mjs";
import { exported, forHost } from "../../support/viaduct.mjs";
import { until } from "../../support/wait.mjs";

const one = (name, run) => test(name, { skip: noPlugin }, run);
// Paragraphs of a size, of which each word stands there once.
const text = (bytes, word = "w") => {
  let out = "";
  for (let i = 0; out.length < bytes; ++i) out += `${word}${i}${i % 12 === 11 ? "\n\n" : " "}`;
  return out.trim();
};
const words = (all) => all.match(/\bw\d+\b/g) ?? [];
// The answer as somebody would copy it from the thread, parts joined.
const whole = (slack, where, thread) => slack.answers(where, thread).map((post) => post.text).join("\n");
const settledAnswer = (slack, where, thread, last) =>
  slack.until(() => whole(slack, where, thread).includes(last) && slack.answers(where, thread).every(({ stream }) => !stream?.open), "the end of the answer", 120_000);

for (const streams of [true, false])
  one(`an answer of 60 kB arrives equal ${streams ? "over streams that expire" : "without streams"}`, async (t) => {
    const long = text(60_000);
    const { slack } = await slackHost(t, { rules: [{ match: "^tell", reply: long }], chunkDelay: "1ms", options: { times: { stream: 400, minute: 6000 } } });
    if (!streams) slack.fault(/Stream$/, { error: "unknown_method" }, { times: Infinity });
    const asked = slack.post("alice", "general", "@amp tell me all");
    const last = words(long).at(-1);
    await settledAnswer(slack, "general", asked.ts, last);
    assert.deepEqual(words(whole(slack, "general", asked.ts)), words(long));
    if (streams) assert.ok(slack.answers("general", asked.ts).filter(({ stream }) => stream).length >= 5, "several streams");
    assert.deepEqual(slack.answers("general").filter(({ isReply }) => !isReply), []);
  });

const troubles = {
  "that end by themselves": (slack) => slack.fault("chat.appendStream", { do: ({ channel, ts }) => slack.expireStream(channel, ts) }),
  "that end by themselves just before their last piece": (slack) => slack.fault("chat.stopStream", { do: ({ channel, ts }) => slack.expireStream(channel, ts) }),
  "that are full early": (slack) => (slack.limits.streamBytes = 3000),
  "with a Slack that has trouble": (slack) => ["chat.appendStream", "chat.stopStream"].forEach((method) => slack.fault(method, { status: 500 }, { times: 2 })),
  "whose answers are lost": (slack) => ["chat.startStream", "chat.appendStream", "chat.stopStream"].forEach((method) => slack.fault(method, { cut: "after" })),
  "that are refused in the middle": (slack) => slack.fault("chat.appendStream", { error: "internal_error" }, { times: 2 }),
};
for (const [name, trouble] of Object.entries(troubles))
  one(`streams ${name} lose nothing`, async (t) => {
    const long = text(12_000);
    const { slack } = await slackHost(t, { rules: [{ match: "^tell", reply: long }], mayComplain: true });
    trouble(slack);
    const asked = slack.post("alice", "general", "@amp tell me");
    await settledAnswer(slack, "general", asked.ts, words(long).at(-1));
    assert.deepEqual(words(whole(slack, "general", asked.ts)), words(long));
  });

one("a stream that a person stopped ends there: what was shown stays, nothing of the rest comes, and the session goes on", async (t) => {
  const { slack } = await slackHost(t, { rules: [{ match: "^tell", reply: text(60_000) }], chunkDelay: "3ms" });
  const asked = slack.post("alice", "general", "@amp tell me");
  await slack.until(() => slack.answers("general", asked.ts).some(({ stream }) => stream?.bytes > 0), "a stream");
  const stopped = slack.answers("general", asked.ts).find(({ stream }) => stream?.open);
  slack.stopAgent("alice", "general", asked.ts);
  const shown = words(stopped.text);
  const next = slack.post("alice", "general", "hello", { thread: asked.ts });
  await slack.until(() => said(slack, "general", asked.ts).includes(response("hello")), "the next answer", 60_000);
  assert.ok(next.ts);
  const now = words(stopped.text);
  assert.deepEqual(now.slice(0, shown.length), shown);
  assert.ok(now.length - shown.length < 1000, "at most what the agent had said by then");
  assert.deepEqual(words(whole(slack, "general", asked.ts)), now, "and nothing more of it elsewhere");
});

one("429 storms delay, and lose and double nothing; the last text comes first of what waits", async (t) => {
  const long = text(6000);
  const { slack } = await slackHost(t, { rules: [{ match: "^tell (\\d)", reply: `${long} end$1` }], options: { times: { minute: 3000 } } });
  for (const method of ["chat.startStream", "chat.appendStream", "chat.stopStream", "chat.postMessage", "chat.update", "reactions.add"]) slack.fault(method, { status: 429, retryAfter: 1 }, { times: 4 });
  const all = Array.from({ length: 5 }, (_, i) => slack.post("alice", "general", `@amp tell ${i}`));
  for (const [i, asked] of all.entries()) {
    await settledAnswer(slack, "general", asked.ts, `end${i}`);
    assert.deepEqual(words(whole(slack, "general", asked.ts)), words(long));
    assert.equal(count(whole(slack, "general", asked.ts), `end${i}`), 1);
  }
});

one("a post whose answer was lost is looked up, and not posted twice", async (t) => {
  const { slack, host } = await slackHost(t);
  const thread = await talk(slack, "hello");
  slack.fault(/^chat\.(postMessage|startStream|stopStream)$/, { cut: "after" }, { times: 3 });
  slack.post("alice", "general", "again", { thread: thread.ts });
  await slack.until(() => said(slack, "general", thread.ts).includes(response("again")));
  await sentinel(slack, host, "general", thread.ts);
  assert.equal(count(said(slack, "general", thread.ts), response("again")), 1);
  assert.ok(slack.calls(/^conversations\.(replies|history)$/).some(({ args }) => args.include_all_metadata), "by its metadata");
});

one("a sign of life comes within a second, and goes at the end", async (t) => {
  const { slack } = await slackHost(t, { rules: [{ match: "^slow", delay: "3s" }] });
  const begin = Date.now();
  const asked = slack.post("alice", "general", "@amp slow please");
  await slack.until(() => reactions(asked).length || slack.shown.length, "a sign");
  assert.ok(Date.now() - begin < 3000, "before the answer");
  await slack.until(() => said(slack, "general", asked.ts).includes(response("slow please")));
  await slack.until(() => !reactions(asked).some((name) => ["eyes", "hourglass_flowing_sand"].includes(name)), "the sign is gone");
});

one("Markdown of the model looks as it should: fences, tables, links and lists whole, `<&>` as they are", async (t) => {
  const reply = "# Title\n\n**bold** and _this_, `a < b && c` [link](https://example.org/?a=1&b=2)\n\n- one\n- two\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n```cpp\nif (a < b && *p) { f<int>(\"**x**\"); }\n```\n";
  const { slack } = await slackHost(t, { rules: [{ match: "^tell", reply }] });
  for (const streams of [true, false]) {
    if (!streams) slack.fault(/Stream$/, { error: "unknown_method" }, { times: Infinity });
    const asked = slack.post("alice", "general", "@amp tell");
    await settledAnswer(slack, "general", asked.ts, "f<int>");
    const seen = whole(slack, "general", asked.ts);
    assert.ok(seen.includes('if (a < b && *p) { f<int>("**x**"); }'), seen);
    assert.ok(seen.includes("https://example.org/?a=1&b=2"), seen);
    assert.doesNotMatch(seen, /&amp;|&lt;/);
    for (const post of slack.answers("general", asked.ts)) assert.ok(post.stream || JSON.stringify(post.body.blocks ?? []).includes('"markdown"'), "real Markdown");
  }
});

one("a long fence is closed and opened again where it is split, and no character is cut in two", async (t) => {
  const code = Array.from({ length: 900 }, (_, i) => `  f${i}("😀 <x>"); // ${"ü".repeat(10)}`).join("\n");
  const { slack } = await slackHost(t, { rules: [{ match: "^tell", reply: `Look:\n\n\`\`\`cpp\n${code}\n\`\`\`\nThe end.` }] });
  const asked = slack.post("alice", "general", "@amp tell");
  await settledAnswer(slack, "general", asked.ts, "The end.");
  const parts = slack.answers("general", asked.ts).map((post) => post.text).filter((part) => /f\d+\(/.test(part));
  assert.ok(parts.length >= 2);
  for (const part of parts) assert.equal(count(part, "```") % 2, 0, part.slice(-200));
  const lines = parts.join("\n").match(/ {2}f\d+\(.*$/gm);
  assert.deepEqual(lines, code.split("\n"));
});

one("a very long answer becomes a file, whole", async (t) => {
  const long = text(300_000);
  const { slack } = await slackHost(t, { rules: [{ match: "^tell", reply: long }], chunkDelay: "0ms", options: { times: { minute: 3000 } } });
  const asked = slack.post("alice", "general", "@amp tell");
  await slack.until(() => slack.files.size > 0, "a file", 120_000);
  const [file] = slack.files.values();
  assert.deepEqual(words(file.bytes.toString()), words(long));
  await slack.until(() => slack.answers("general", asked.ts).some(({ body }) => body.files?.length));
  assert.ok(slack.answers("general", asked.ts).length < 30, "and no novel in the thread");
});

one("the model's text calls nobody and unfurls nothing", async (t) => {
  const { slack } = await slackHost(t, { rules: [{ match: "^tell", reply: "Hello <!channel> <!here> <!subteam^S1|@all> <@U0BOB> @everyone, see https://example.org/x" }] });
  for (const streams of [true, false]) {
    if (!streams) slack.fault(/Stream$/, { error: "unknown_method" }, { times: Infinity });
    const asked = slack.post("alice", "general", "@amp tell");
    await settledAnswer(slack, "general", asked.ts, "example.org");
    assert.deepEqual(slack.answers("general", asked.ts).flatMap(({ body }) => body.attachments ?? []), []);
    assert.doesNotMatch(said(slack, "general", asked.ts), /<@U0BOB>/);
  }
  assert.deepEqual(slack.pings, []);
});

one("tool calls and the plan are one message that changes", async (t) => {
  const { slack } = await slackHost(t, { rules: [{ match: "^work", plan: ["look", "build"], tool: { title: "make all", kind: "execute" }, permission: { title: "Run it?", options: ["Allow", "Deny"] }, reply: "built" }] });
  const asked = slack.post("alice", "general", "@amp work");
  await slack.click("alice", await slack.until(() => withButton(slack.answers("general", asked.ts), /permit/)), "Allow");
  await settledAnswer(slack, "general", asked.ts, "built");
  const all = slack.answers("general", asked.ts);
  const shown = all.filter((post) => /make all/.test(post.text) || [...(post.stream?.tasks.values() ?? [])].some(({ title }) => /make all/.test(title)));
  assert.equal(shown.length, 1, all.map((post) => post.text).join("\n---\n"));
  assert.ok(all.length <= 3, "it, the question and the answer");
  const [{ ts, text: now, versions }] = shown;
  for (const part of ["look", "build"]) assert.ok(now.includes(part), now);
  assert.ok(slack.calls("chat.update").some(({ args }) => args.ts === ts), "it was changed");
  assert.ok(versions.length > 1 && versions[0] !== now, versions.join("\n---\n"));
});

one("files come to the agent with the token, login pages are noticed, and the token goes nowhere else", async (t) => {
  const { slack, host } = await slackHost(t, { backend: "agent", more: { backends: { agent: { plugin: "bridge", config: { driver: "cli", preset: "claude", program: agentProgram } } } } });
  slack.post("alice", "general", "@amp look at this", { files: [{ name: "notes.txt", bytes: Buffer.from("remember the milk") }] });
  await slack.until(() => slack.downloads.length === 1);
  assert.equal(slack.downloads[0].authorization, `Bearer ${slack.botToken}`);
  const elsewhere = slack.post("alice", "general", "@amp and this", { files: [{ name: "far.txt", bytes: Buffer.from("x"), elsewhere: "http://169.254.169.254/latest/meta-data" }] });
  const told = (post, what) => [...slack.answers("general", post.ts), ...slack.heard("alice")].some((one) => what.test(one.text));
  await slack.until(() => told(elsewhere, /far\.txt/), "words about the file that could not be had");
  slack.tokens.get(slack.botToken).scopes.delete("files:read");
  const login = slack.post("alice", "general", "@amp and that", { files: [{ name: "late.txt", bytes: Buffer.from("y") }] });
  await slack.until(() => told(login, /files:read/), "what to do");
  const reads = await until(() => starts(host).length >= 3 && starts(host).map(({ read }) => read), "the agent's third start");
  assert.ok(reads.some((read) => read.includes("remember the milk")), reads.join("\n"));
  assert.doesNotMatch(reads.join("\n"), /Sign in to your workspace/);
});

one("an image comes to the agent as one; what is too large is named with its reason, and the rest is given", async (t) => {
  const { slack, host } = await slackHost(t, { options: { limits: { off: true } } });
  const png = Buffer.from("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==", "base64");
  const head = slack.post("alice", "general", "@amp what is this?", { files: [
    { name: "dot.png", bytes: png, mimetype: "image/png" }, { name: "huge.bin", bytes: Buffer.alloc(6 << 20), mimetype: "image/png" }, { name: "notes.txt", bytes: Buffer.from("remember the milk") },
  ] });
  await slack.until(() => said(slack, "general", head.ts).includes(response("what is this?")));
  const told = await slack.until(() => slack.heard("alice").find(({ text }) => /huge\.bin/.test(text)), "words about the large one");
  assert.match(told.text, /^Not given to the agent:\n• .*huge\.bin.*: .*(larger?|MB)/);
  assert.doesNotMatch(told.text, /dot\.png|notes\.txt/);
  const [session] = JSON.parse((await forHost(host, "sessions", "list", "--json")).out).sessions;
  const blocksOf = async () => (await exported(host, session.session_id)).filter(({ type }) => type === "user_message").map(({ data }) => data.blocks);
  const [blocks] = await blocksOf();
  const image = blocks.find(({ type }) => type === "image");
  assert.deepEqual([image?.mimeType, image?.data], ["image/png", png.toString("base64")], JSON.stringify(blocks).slice(0, 500));
  assert.match(JSON.stringify(blocks), /remember the milk/);
  assert.equal(blocks.length, 2, "and not the large one");
  // Ten megabytes of all together.
  const many = ["one", "two", "three"].map((name) => ({ name: `${name}.png`, bytes: Buffer.alloc(4 << 20, name), mimetype: "image/png" }));
  slack.post("alice", "general", "and these?", { thread: head.ts, files: many });
  await slack.until(() => said(slack, "general", head.ts).includes(response("and these?")));
  await slack.until(() => slack.heard("alice").some(({ text }) => /three\.png/.test(text) && !/(one|two)\.png/.test(text)), "words about the one too many");
  assert.equal((await blocksOf())[1].filter(({ type }) => type === "image").length, 2);
});

for (const [where, streams, method, error] of [
  ["general", true, "chat.startStream", "msg_too_long"], ["general", false, "chat.update", "msg_blocks_too_long"],
  ["general", false, "chat.postMessage", "invalid_blocks"], ["general", false, "chat.postMessage", "msg_blocks_too_long"],
  ["@alice", true, "chat.postMessage", "invalid_blocks"], ["@alice", true, "chat.update", "msg_too_long"],
])
  one(`an answer is whole though ${method} is refused once with ${error} (${where}${streams ? "" : ", without streams"})`, async (t) => {
    const long = text(900);
    const { slack } = await slackHost(t, { rules: [{ match: "^tell", reply: long }], chunkDelay: "15ms", options: { limits: { off: true } } });
    if (!streams) slack.fault(/Stream$/, { error: "unknown_method" }, { times: Infinity });
    // A stream that ends by itself needs an update.
    if (streams && method === "chat.update") slack.fault("chat.stopStream", { do: ({ channel, ts }) => slack.expireStream(channel, ts) });
    const refused = slack.fault(method, { error }, { when: (args) => words(JSON.stringify(args)).length > 0 });
    const asked = slack.post("alice", where, where === "general" ? "@amp tell me" : "tell me");
    const posts = () => [...asked.channel.posts.values()].filter(({ body, deleted }) => body.bot_id && !deleted);
    await slack.until(() => refused.reached === 1 && words(posts().map((post) => post.text).join("\n")).length === words(long).length && posts().every(({ stream }) => !stream?.open), "the whole answer");
    assert.deepEqual(posts().flatMap((post) => words(post.text)), words(long));
  });

for (const times of [1, 2])
  one(`a short answer whose only post is refused ${times === 1 ? "for its blocks comes without them" : "altogether is said to be missing"}`, async (t) => {
    const { slack } = await slackHost(t, { rules: [{ match: "^tell", reply: "w0 w1" }], chunkDelay: "0ms", options: { limits: { off: true } } });
    slack.fault(/Stream$/, { error: "unknown_method" }, { times: Infinity });
    slack.fault("chat.postMessage", { error: "invalid_blocks" }, { times, when: (args) => words(JSON.stringify(args)).length > 0 });
    const asked = slack.post("alice", "general", "@amp tell me");
    await slack.until(() => slack.answers("general", asked.ts).some(({ text }) => (times === 1 ? /w0 w1/ : /Slack did not take something/).test(text)), "words");
    assert.deepEqual(words(whole(slack, "general", asked.ts)), times === 1 ? ["w0", "w1"] : []);
  });

one("errors of Slack are said in words with what to do, and no secret is in any log", async (t) => {
  const { slack, host } = await slackHost(t, { mode: "http" });
  const thread = await talk(slack, "hello");
  const { response_url } = await slack.command("alice", "general", "/amp help");
  const lacking = slack.fault(/^chat\./, { error: "missing_scope", more: { needed: "chat:write", provided: "none" } }, { times: Infinity });
  slack.post("alice", "general", "what now", { thread: thread.ts });
  await until(() => /chat:write/.test(host.output), "the scope that is missing");
  lacking.left = 0;
  slack.revoke(slack.team.id, "account_inactive");
  slack.post("alice", "general", "and now", { thread: thread.ts });
  assert.match(await until(() => health(host), "what to do about the token"), /workspace acme: the app has been removed from the workspace; install it again/);
  await host.stop();
  for (const secret of [slack.botToken, slack.signingSecret, response_url.split("/").at(-1)]) assert.ok(!host.output.includes(secret));
});

for (const mode of modes)
  test(`of eight answers at once in one channel every one comes to its end (${mode})`, { skip: noPlugin }, async (t) => {
    const { slack, host } = await slackHost(t, { mode, rules: [{ match: "^tell (\\d+)", reply: `${text(3000)} end$1.` }], chunkDelay: "5ms", options: { times: { minute: 6000 } } });
    const all = Array.from({ length: 8 }, (_, i) => slack.post(["alice", "bob"][i % 2], "general", `@amp tell ${i}`));
    for (const [i, asked] of all.entries()) await settledAnswer(slack, "general", asked.ts, `end${i}.`);
    assert.equal(prompts(host).length, 8);
  });
