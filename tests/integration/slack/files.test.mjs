// Images and files that the agent sends: in the thread, once and whole; or words, where Slack takes none.
import assert from "node:assert/strict";
import { test } from "node:test";
import { agentFiles, noise, png } from "../../support/agent_files.mjs";
import { modes, noPlugin, prompts, said, sentinel, slackHost } from "../../support/slack_surface.mjs";

const one = (name, run) => test(name, { skip: noPlugin }, run);
const withFiles = (slack, where, thread) => slack.answers(where, thread).filter(({ body }) => body.files?.length);
const bytesOf = (slack, post) => slack.files.get(post.body.files[0].id).bytes;
const nothing = /nothing to say/;

for (const mode of modes)
  test(`an image is in the thread with its words, in their order (${mode})`, { skip: noPlugin }, async (t) => {
    const files = agentFiles(t);
    const [first, second] = [png(40), noise(3000)];
    const content = [files.image(first), "And the numbers:", files.file(second, { name: "Zahlen für alle.csv", type: "text/csv" }), "That was it."];
    const { slack, host } = await slackHost(t, { mode, rules: [{ match: "draw", reply: "Here it is:", content }] });
    const asked = slack.post("alice", "general", "@amp draw");
    await slack.until(() => withFiles(slack, "general", asked.ts).length === 2 && said(slack, "general", asked.ts).includes("That was it."), "the files");
    await sentinel(slack, host, "general", asked.ts);
    const [image, table] = withFiles(slack, "general", asked.ts);
    assert.deepEqual([image, table].map(({ body }) => [body.files[0].name, body.files[0].title, body.files[0].mimetype, body.files[0].alt_txt]), [
      ["chart.png", "chart.png", "image/png", "an image"],
      ["Zahlen für alle.csv", "Zahlen für alle.csv", "text/csv", undefined],
    ]);
    assert.deepEqual(bytesOf(slack, image), first);
    assert.deepEqual(bytesOf(slack, table), second);
    assert.equal(withFiles(slack, "general", asked.ts).length, 2, "each once");
    const read = said(slack, "general", asked.ts);
    assert.ok(read.indexOf("Here it is:") < read.indexOf("[file chart.png]") && read.indexOf("[file chart.png]") < read.indexOf("[file Zahlen"), read);
    assert.doesNotMatch(read, /\[an image\]|\[a file\]/);
  });

one("an answer that is nothing but a file has something to say: in a direct message, 5 MB with every byte", async (t) => {
  const files = agentFiles(t);
  const bytes = noise(5_000_000);
  const { slack, host } = await slackHost(t, { rules: [{ match: "send", content: [files.file(bytes, { name: "build.tar.gz", type: "application/gzip" })] }] });
  const asked = slack.post("alice", "@alice", "send it");
  const direct = () => [...asked.channel.posts.values()].filter(({ body, deleted }) => body.bot_id && !deleted);
  await slack.until(() => direct().some(({ body }) => body.files?.length), "the file", 120_000);
  await sentinel(slack, host, "@alice");
  const shared = direct().filter(({ body }) => body.files?.length);
  assert.equal(shared.length, 1);
  assert.ok(bytesOf(slack, shared[0]).equals(bytes));
  assert.equal(shared[0].body.files[0].name, "build.tar.gz");
  assert.doesNotMatch(direct().map(({ text }) => text).join("\n"), nothing);
});

one("a thread of a direct message gets its files in it", async (t) => {
  const files = agentFiles(t);
  const { slack } = await slackHost(t, { rules: [{ match: "draw", content: [files.image(png(), { name: "" })] }] });
  const head = slack.post("alice", "@alice", "hello");
  await slack.until(() => [...head.channel.posts.values()].some(({ body }) => body.bot_id));
  const asked = slack.post("alice", "@alice", "draw", { thread: head.ts });
  await slack.until(() => withFiles(slack, "@alice", head.ts).length === 1, "the image");
  const [post] = withFiles(slack, "@alice", head.ts);
  assert.equal(post.body.thread_ts, asked.body.thread_ts);
  assert.equal(post.body.files[0].name, "image.png");
});

const refusals = {
  "without the scope": { fault: (slack) => slack.tokens.get(slack.botToken).scopes.delete("files:write"), words: /lacks a permission.*files:write.*install the app again/ },
  "where the workspace takes no files": { fault: (slack) => slack.fault("files.getUploadURLExternal", { error: "file_uploads_disabled" }, { times: Infinity }), words: /takes no files/ },
  "where there is no room left": { fault: (slack) => slack.fault("files.completeUploadExternal", { error: "storage_limit_reached" }, { times: Infinity }), words: /no room left/ },
  "where its place never takes it": { fault: (slack) => slack.fault("upload", { status: 500 }, { times: Infinity }), words: /did not take the file/ },
};
for (const [name, { fault, words }] of Object.entries(refusals))
  one(`${name}, words are there in place of a file, once, and the rest of the answer, too`, async (t) => {
    const files = agentFiles(t);
    const { slack, host } = await slackHost(t, { rules: [{ match: "draw", reply: "Look:", content: [files.image(png(30)), "So much for that."] }] });
    fault(slack);
    const asked = slack.post("alice", "general", "@amp draw");
    await slack.until(() => words.test(said(slack, "general", asked.ts)) && /So much for that/.test(said(slack, "general", asked.ts)), () => said(slack, "general", asked.ts), 120_000);
    await sentinel(slack, host, "general", asked.ts);
    const read = said(slack, "general", asked.ts);
    assert.equal(read.match(/could not be put here/g).length, 1, read);
    assert.match(read, /chart\.png.*an image, [\d.]+ kB/);
    assert.equal(prompts(host).filter((text) => text.includes("draw")).length, 1);
  });

one("trouble that passes loses no file and doubles none", async (t) => {
  const files = agentFiles(t);
  const bytes = noise(100_000);
  const { slack, host } = await slackHost(t, { rules: [{ match: "send", content: [files.file(bytes)] }] });
  slack.fault("files.getUploadURLExternal", { status: 429, retryAfter: 1 });
  slack.fault("upload", { status: 503 });
  slack.fault("upload", { cut: "after" });
  const asked = slack.post("alice", "general", "@amp send");
  await slack.until(() => withFiles(slack, "general", asked.ts).length === 1, "the file", 120_000);
  await sentinel(slack, host, "general", asked.ts);
  assert.equal(withFiles(slack, "general", asked.ts).length, 1);
  assert.ok(bytesOf(slack, withFiles(slack, "general", asked.ts)[0]).equals(bytes));
});

for (const side of ["before", "after"])
  one(`a connection that is cut ${side} Slack shares a file neither loses nor doubles it`, async (t) => {
    const files = agentFiles(t);
    const { slack, host } = await slackHost(t, { rules: [{ match: "draw", content: [files.image(png())] }] });
    const cut = slack.fault("files.completeUploadExternal", { cut: side });
    const asked = slack.post("alice", "general", "@amp draw");
    await slack.until(() => cut.reached === 1 && withFiles(slack, "general", asked.ts).length === 1, "the image", 120_000);
    await sentinel(slack, host, "general", asked.ts);
    assert.equal(withFiles(slack, "general", asked.ts).length, 1);
    assert.equal(slack.calls("files.completeUploadExternal").length, side === "before" ? 2 : 1, "never told twice to share what it may have shared");
  });
