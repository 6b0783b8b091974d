// The set-up page as a person uses it who makes a bot for Microsoft Teams or Slack: each step, with what is still missing.
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import path from "node:path";
import { after, before, test } from "node:test";
import { Slack } from "../support/slack.mjs";
import { Teams } from "../support/teams.mjs";
import { kLimit, launch, until } from "./support/browser.mjs";
import { Host } from "./support/host.mjs";

const plugins = process.env.VIADUCT_PLUGINS;
const without = (name) => (plugins && existsSync(path.join(plugins, `${name}.so`)) ? false : `there is no plugin ${name} in VIADUCT_PLUGINS`);
let browser;
before(async () => (browser = await launch()));
after(() => browser?.close());

const surfaces = (more) => ({ surfaces: { "web-chat": { plugin: "web_chat", backend: "echo" }, settings: { plugin: "settings" }, ...more } });

async function open(t, host, at, { viewport = { width: 1280, height: 900 }, colorScheme = "light" } = {}) {
  const context = await browser.newContext({ viewport, colorScheme });
  t.after(() => context.close());
  const page = await context.newPage();
  page.setDefaultTimeout(kLimit);
  const seen = { errors: [], requests: [], received: [] };
  page.on("pageerror", (error) => seen.errors.push(String(error)));
  page.on("console", (message) => message.type() === "error" && seen.errors.push(message.text()));
  page.on("request", (request) => seen.requests.push(request.url()));
  page.on("response", async (response) => seen.received.push(await response.text().catch(() => "")));
  await page.goto(host.settings + at);
  const step = (title) => page.getByRole("listitem").filter({ has: page.getByRole("heading", { name: title }) });
  return { page, step, ...seen };
}
const isDone = (step) => step.getByText("✓ Done").waitFor();
const narrow = (page) => page.evaluate(() => document.documentElement.scrollWidth <= innerWidth);

test("Teams: what is missing is said at its step, and done when it is there; no secret comes to the page", { skip: without("teams") }, async (t) => {
  const teams = await Teams.start(t);
  const config = { ...teams.config, transport: "http", allow: "everyone" };
  const host = await Host.start({ config: surfaces({ helper: { plugin: "teams", backend: "echo", config } }) });
  t.after(() => host.remove());
  const { page, step, errors, requests, received } = await open(t, host, "");

  await page.getByRole("link", { name: "Set-up of helper" }).click();
  await page.getByRole("heading", { name: "Set up Microsoft Teams: helper" }).waitFor();
  assert.equal(await page.evaluate(() => document.activeElement.id), "setup", "who reads by ear hears where they are");
  for (const title of ["Register the bot", "environment and start", "who is speaking"]) await isDone(step(title));
  await step("YAML").getByText("Still missing: public_url in the configuration").waitFor();
  await step("YAML").locator(".gap").filter({ hasText: "public_url: https://bots.example.org" }).waitFor();
  await step("reach this host").getByText("Still missing: public_url is not given").waitFor();
  await step("app package").getByText("viaduct helper manifest --out viaduct-helper.zip").waitFor();

  await host.stop();
  config.public_url = host.origin;
  await host.start();
  await page.getByRole("button", { name: "Check again" }).focus();
  await page.keyboard.press("Enter");
  await isDone(step("YAML"));
  await isDone(step("reach this host"));
  await step("reach this host").getByText(`${host.origin}/api/messages`, { exact: true }).waitFor();
  await page.getByRole("status").filter({ hasText: "nothing that can be seen from here is missing" }).waitFor();

  await page.getByRole("link", { name: "← Settings" }).click();
  await page.getByRole("heading", { name: "Surfaces" }).waitFor();
  await until(() => assert.ok(received.some((text) => text.includes('"checks"')), "the answers of the checks were looked at"));
  for (const text of [...received, await page.content()]) assert.ok(!text.includes(teams.appPassword), "a secret came to the page");
  assert.deepEqual(requests.filter((url) => !url.startsWith(host.origin) && !url.startsWith("data:")), []);
  assert.deepEqual(errors.filter((text) => !/net::ERR_|Failed to load resource/.test(text)), []);
});

test("Slack: a token that is refused is said where tokens are dealt with; what is not there yet has its steps, too", { skip: without("slack") }, async (t) => {
  const slack = await Slack.start(t);
  const config = { ...slack.config, mode: "socket", allow: "everyone" };
  const host = await Host.start({ config: surfaces({
    slack: { plugin: "slack", backend: "echo", config: { ...config, signing_secret: undefined } },
    wrong: { plugin: "slack", backend: "echo", config: { ...config, mode: "http", app_token: undefined, bot_token: "xoxb-wrong-token", public_url: "http://127.0.0.1:9" } },
  }) });
  t.after(() => host.remove());
  const { page, step, errors, received } = await open(t, host, "#/setup/slack");
  for (const title of ["Make the app", "YAML", "environment and start", "Let the host connect", "Check the clock"]) await isDone(step(title));

  await page.goto(`${host.settings}#/setup/wrong`);
  await step("environment and start").getByText(/Still missing: .*invalid_auth/).waitFor();

  await page.goto(host.settings);
  await page.getByRole("link", { name: "Microsoft Teams" }).click();
  await step("YAML").getByText('Still missing: a surface "teams" in the configuration').waitFor();

  await page.goto(`${host.settings}#/setup/echo`);
  await page.getByText("It offers no checks").waitFor();
  await page.goto(`${host.settings}#/setup/nobody`);
  await page.getByText("There is no surface or backend").waitFor();
  for (const text of received) assert.ok(!text.includes(slack.botToken) && !text.includes(slack.appToken) && !text.includes("xoxb-wrong-token"), "a secret came to the page");
  assert.deepEqual(errors, []);
});

test("on a phone and in the dark nothing is wider than the screen, and only the operator's own page may ask for checks", { skip: without("slack") }, async (t) => {
  const slack = await Slack.start(t);
  const config = { ...slack.config, mode: "http", allow: "everyone", public_url: "http://127.0.0.1:9" }; // where nobody listens
  const name = "a-surface-with-a-name-for-wide-screens";
  const host = await Host.start({ config: surfaces({ [name]: { plugin: "slack", backend: "echo", config } }) });
  t.after(() => host.remove());
  const { page, step } = await open(t, host, `#/setup/${name}`, { viewport: { width: 390, height: 800 }, colorScheme: "dark" });
  await isDone(step("Check the clock"));
  await step("reach this host").getByText("Still missing: ").waitFor();
  assert.ok(await narrow(page));
  const code = step("YAML").locator("pre");
  assert.equal(await code.evaluate((pre) => getComputedStyle(pre).whiteSpace), "pre", "YAML keeps its lines: it scrolls");
  await page.getByRole("link", { name: "← Settings" }).click();
  await page.getByRole("heading", { name: "Surfaces" }).waitFor();
  assert.ok(await narrow(page));
  const ask = (headers) => fetch(`${host.settings}api/check/${name}`, { method: "POST", headers }).then(({ status }) => status);
  assert.deepEqual([await ask({ origin: "https://evil.example" }), await ask({ origin: host.origin })], [403, 200]);
  await until(async () => assert.equal((await fetch(`${host.settings}api/check/nobody`, { method: "POST" })).status, 404));
});
