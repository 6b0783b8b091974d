// The simulator's page as a person uses it: commands, threads, buttons, direct messages, without Slack.
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import path from "node:path";
import { after, before, test } from "node:test";
import { kLimit, launch, until } from "./support/browser.mjs";
import { Host } from "./support/host.mjs";

const plugins = process.env.VIADUCT_PLUGINS;
const options = { skip: plugins && existsSync(path.join(plugins, "slack.so")) ? false : "there is no plugin slack in VIADUCT_PLUGINS" };
let browser;
before(async () => (browser = await launch()));
after(() => browser?.close());

const rules = [
  { match: "^deploy", permission: { title: "Deploy it?", options: ["Allow", "Deny"] }, reply: "You chose $permission" },
  { match: "^tall$", reply: Array.from({ length: 60 }, (_, i) => `Paragraph ${i}\n\n`).join("") },
  { match: "^tall later$", delay: "1500ms", reply: Array.from({ length: 60 }, (_, i) => `Paragraph ${i}\n\n`).join("") },
  { match: "^html$", reply: "<img src=x onerror=document.title='bad'> **bold** `code`" },
];
async function open(t, { viewport = { width: 1280, height: 800 } } = {}) {
  const host = await Host.start({
    rules, config: { surfaces: { slack: { plugin: "slack", backend: "echo", config: { simulator: true, allow: "everyone" } } } },
  });
  t.after(() => host.remove());
  const context = await browser.newContext({ viewport });
  t.after(() => context.close());
  const page = await context.newPage();
  page.setDefaultTimeout(kLimit);
  const errors = [];
  const requests = [];
  page.on("pageerror", (error) => errors.push(String(error)));
  page.on("console", (message) => message.type() === "error" && errors.push(message.text()));
  page.on("request", (request) => requests.push(request.url()));
  await page.goto(`${host.origin}/apps/slack/simulator/`);
  await page.locator('[data-ready="yes"]').waitFor();
  return {
    host, page, errors, requests,
    log: page.getByRole("log", { name: "Messages" }), replies: page.getByRole("log", { name: "Replies" }),
    channels: page.getByRole("navigation", { name: "Channels" }),
    async say(text, box = "Message") {
      const input = page.getByRole("textbox", { name: box, exact: true });
      await input.fill(text);
      await input.press("Enter");
      await until(async () => assert.equal(await input.inputValue(), ""));
    },
  };
}

test("a tall answer is followed to its end; who has gone up is told of news, and comes back with what they say", options, async (t) => {
  const { page, log, say } = await open(t);
  const fromEnd = () => log.evaluate((one) => one.scrollHeight - one.scrollTop - one.clientHeight);
  await page.getByRole("button", { name: "@ amp" }).click();
  for (const text of ["tall", "tall", "hello"]) await say(text);
  await log.getByText("[Mock response to: hello]").waitFor();
  await until(async () => assert.ok((await fromEnd()) < 5, `${await fromEnd()}`));
  await say("tall");
  await until(async () => assert.equal(await log.getByText("Paragraph 59").count(), 3));
  await until(async () => assert.ok((await fromEnd()) < 5, `${await fromEnd()}`));
  await say("tall later");
  await log.evaluate((one) => (one.scrollTop = 0));
  await until(async () => assert.equal(await log.getByText("Paragraph 59").count(), 4));
  await page.getByRole("button", { name: "New messages" }).click();
  await until(async () => assert.ok((await fromEnd()) < 5, `${await fromEnd()}`));
  await log.evaluate((one) => (one.scrollTop = 0));
  await say("hello");
  await until(async () => assert.ok((await fromEnd()) < 5, `${await fromEnd()}`));
});

test("a person tries commands, a thread, a button and a direct message, and everything stays on this computer", options, async (t) => {
  const { host, page, log, replies, channels, say, errors, requests } = await open(t);
  await page.getByText("Nothing here is on Slack").waitFor();

  await say("/amp help");
  const help = log.getByRole("article", { name: "amp" }).filter({ hasText: "Only visible to you" });
  await help.filter({ hasText: "sessions" }).first().waitFor();

  await say("@amp deploy it");
  const asked = log.getByRole("article", { name: "alice" }).filter({ hasText: "deploy it" });
  await asked.getByRole("button", { name: /^\d+ repl/ }).click();
  await replies.getByRole("button", { name: "Allow" }).click();
  await replies.getByText("You chose").waitFor();
  await until(async () => assert.equal(await replies.getByRole("button", { name: "Allow" }).count(), 0));
  await say("html", "Reply");
  await replies.locator("strong", { hasText: "bold" }).waitFor();
  assert.equal(await page.title(), "Slack simulator · Viaduct");
  assert.equal(await replies.locator("img").count(), 0);

  await channels.getByRole("button", { name: "@ amp" }).click();
  await say("hello");
  await log.getByText("[Mock response to: hello]").waitFor();

  // A link to a thread leads there.
  await say("/amp sessions");
  await log.getByRole("article").filter({ hasText: "Active sessions" }).getByRole("button", { name: "open" }).first().click();
  await replies.getByText("You chose").waitFor();

  // Somebody else sees the channel, and neither the whisper nor the direct messages.
  await page.getByLabel("You are").selectOption({ label: "bob" });
  await channels.getByRole("button", { name: "# general" }).click();
  await log.getByText("deploy it").first().waitFor();
  assert.equal(await help.count(), 0);
  await channels.getByRole("button", { name: "@ amp" }).click();
  await log.getByText("Nothing has been said here").waitFor();

  await channels.getByRole("button", { name: "Home of amp" }).click();
  await page.getByRole("main", { name: "Home" }).getByText("Your sessions").waitFor();
  assert.deepEqual(requests.filter((url) => !url.startsWith(host.origin) && !url.startsWith("data:")), []);
  assert.deepEqual(errors, []);
});

test("what cannot be done is said above, and the page comes back after a restart of the host", options, async (t) => {
  const { host, page, log, say } = await open(t);
  await page.getByRole("textbox", { name: "Message", exact: true }).fill("/nothing");
  await page.getByRole("button", { name: "Send" }).click();
  await page.getByRole("alert").filter({ hasText: "there is no command /nothing" }).waitFor();
  assert.equal(await page.getByRole("textbox", { name: "Message", exact: true }).inputValue(), "/nothing", "the text stays");
  await host.stop();
  await page.getByText("Not connected to the host").waitFor();
  await host.start();
  await page.getByText("Not connected to the host").waitFor({ state: "detached" });
  await until(async () => {
    await say("@amp here again");
    await log.getByText("here again").first().waitFor();
  });
});

test("on a phone the channels, the messages and a thread take turns, and nothing is wider than the screen", options, async (t) => {
  const { page, log, replies, channels, say } = await open(t, { viewport: { width: 360, height: 700 } });
  assert.equal(await channels.isVisible(), false);
  await say(`@amp ${"long".repeat(60)}`);
  await log.getByRole("button", { name: /^\d+ repl/ }).click();
  await replies.getByText("[Mock response to:").waitFor();
  assert.equal(await log.isVisible(), false);
  assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth));
  await page.getByRole("button", { name: "Close" }).click();
  await page.getByRole("button", { name: "Channels" }).click();
  await channels.getByRole("button", { name: "# random" }).click();
  await log.getByText("Nothing has been said here").waitFor();
});
