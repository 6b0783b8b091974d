// kill -9 between any two steps of a file's way, to people and from them: once and whole afterwards.
import assert from "node:assert/strict";
import { test } from "node:test";
import { agentFiles, blocksOf, noise } from "../../support/agent_files.mjs";
import { modes, noPlugin, prompts, said, sentinel, slackHost } from "../../support/slack_surface.mjs";

const kQuick = { limits: { off: true }, times: { retries: [0, 500, 2000], ack: 2000 } };
const withFiles = (slack, where, thread) => slack.answers(where, thread).filter(({ body }) => body.files?.length);

// Where the app dies: `before` Slack has the call, which never comes to it, or `after`, when only the answer to it is missing.
async function dieAt({ slack, host, post }, name, side) {
  let open;
  const held = new Promise((resolve) => (open = resolve));
  const step = slack.fault(name, side === "before" ? { wait: held, cut: "before" } : { waitAfter: held, cut: "after" }, { times: Infinity });
  const posted = post();
  await slack.until(() => step.reached > 0, `the step ${name}`, 60_000);
  if (side === "after" && name !== "upload" && name !== "download") await slack.until(() => slack.calls(name).some(({ fault, done }) => fault === step.fault && done), "Slack has it");
  if (side === "after" && name === "upload") await slack.until(() => [...slack.uploads.values()].some(({ bytes }) => bytes), "Slack has it");
  await host.kill();
  step.left = 0;
  open();
  return posted;
}

for (const name of ["files.getUploadURLExternal", "upload", "files.completeUploadExternal"])
  for (const side of ["before", "after"])
    test(`killed at ${name}, ${side} Slack has it: the agent's file is there once, and whole`, { skip: noPlugin }, async (t) => {
      const files = agentFiles(t);
      const bytes = noise(700_000);
      const { slack, host } = await slackHost(t, { rules: [{ match: "send", reply: "Here:", content: [files.file(bytes)] }], options: kQuick });
      const asked = await dieAt({ slack, host, post: () => slack.post("alice", "general", "@amp send it") }, name, side);
      await host.start();
      await slack.until(() => withFiles(slack, "general", asked.ts).length > 0, "the file", 120_000);
      await slack.settled();
      await sentinel(slack, host, "general", asked.ts);
      const shared = withFiles(slack, "general", asked.ts);
      assert.equal(shared.length, 1);
      assert.ok(slack.files.get(shared[0].body.files[0].id).bytes.equals(bytes));
      const read = said(slack, "general", asked.ts);
      assert.equal(read.match(/Here:/g).length, 1, read);
      assert.equal(prompts(host).filter((text) => text.includes("send it")).length, 1);
    });

for (const mode of modes)
  for (const side of ["before", "after"])
    test(`killed while a person's file is fetched, ${side} Slack gave it (${mode}): the agent has it once, and whole`, { skip: noPlugin }, async (t) => {
      const bytes = noise(300_000);
      const { slack, host } = await slackHost(t, { mode, options: kQuick });
      const asked = await dieAt({ slack, host, post: () => slack.post("alice", "general", "@amp look at it", { files: [{ name: "scan.png", bytes, mimetype: "image/png" }] }) }, "download", side);
      await host.start();
      await slack.until(() => said(slack, "general", asked.ts).includes("[Mock response to: look at it]"), "the answer", 120_000);
      await sentinel(slack, host, "general", asked.ts);
      const given = await blocksOf(host, "look at it");
      assert.equal(given.length, 1, "one turn");
      const images = given[0].filter(({ type }) => type === "image");
      assert.equal(images.length, 1);
      assert.ok(Buffer.from(images[0].data, "base64").equals(bytes));
      assert.equal(prompts(host).filter((text) => text.includes("look at it")).length, 1);
    });
