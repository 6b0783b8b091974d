// Many sessions: the panel, going back to an old one, renaming and ending, and the settings page.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { ChatPage, launch, until } from "./support/browser.mjs";
import { Host } from "./support/host.mjs";

let browser;
before(async () => (browser = await launch()));
after(() => browser?.close());

async function bench(t, options, contextOptions = { viewport: { width: 1280, height: 800 } }) {
  const host = await Host.start(options);
  t.after(() => host.remove());
  const context = await browser.newContext(contextOptions);
  t.after(() => context.close());
  return { host, context, open: () => ChatPage.open(context, host.chat) };
}
const panel = (chat) => chat.page.getByRole("navigation", { name: "Sessions" });

test("an old session is resumed with its transcript, and its agent answers in it", async (t) => {
  const { open } = await bench(t);
  const chat = await open();
  await chat.say("in the old one");
  await chat.answered("[Mock response to: in the old one]");
  await panel(chat).getByRole("button", { name: "New" }).click();
  await panel(chat).getByLabel("Description").fill("The new one");
  await panel(chat).getByRole("button", { name: "Start" }).click();
  await chat.page.getByRole("heading", { name: "The new one" }).waitFor();
  await until(async () => assert.equal(await chat.answers.count(), 0));
  await chat.say("in the new one");
  await chat.answered("[Mock response to: in the new one]");
  await panel(chat).locator("li:not(.current) .open").click();
  await chat.answered("[Mock response to: in the old one]");
  await until(async () => assert.deepEqual(await chat.saidTexts(), ["in the old one"]));
  await chat.say("back again");
  await chat.answered("[Mock response to: back again]");
  chat.fine();
});

test("where people may pick a backend, a new session asks which, and the page says who answers", async (t) => {
  const mock = (name) => ({ plugin: "mock", config: { rules: [{ match: ".*", reply: `${name} answers` }] } });
  const config = { backends: { echo: mock("echo"), claude: mock("claude") }, surfaces: { "web-chat": { plugin: "web_chat", backend: "echo", backends: ["claude", "echo"] } } };
  const { host, open } = await bench(t, { config });
  const chat = await open();
  await chat.say("who are you");
  await chat.answered("echo answers");
  const header = chat.page.getByRole("banner");
  await header.getByText("Backend: echo").waitFor();
  await panel(chat).getByRole("button", { name: "New" }).click();
  const choice = panel(chat).getByLabel("Backend");
  assert.deepEqual(await choice.getByRole("option").allInnerTexts(), ["echo", "claude"]);
  assert.equal(await choice.inputValue(), "echo", "the default one");
  await choice.focus();
  await chat.page.keyboard.press("c");
  assert.equal(await choice.inputValue(), "claude");
  await panel(chat).getByRole("button", { name: "Start" }).click();
  await header.getByText("Backend: claude").waitFor();
  await chat.say("and you");
  await chat.answered("claude answers");
  await until(async () => assert.deepEqual(await panel(chat).locator("li .backend").allInnerTexts(), ["claude", "echo"]));
  await host.api("POST", "api/end");
  await header.getByText("Backend: echo").waitFor(); // what the next message begins
  chat.fine();
});

test("with one backend there is nothing to pick", async (t) => {
  const { open } = await bench(t);
  const chat = await open();
  await chat.say("hello");
  await chat.answered("[Mock response to: hello]");
  await panel(chat).getByRole("button", { name: "New" }).click();
  await panel(chat).getByLabel("Working folder").waitFor();
  assert.equal(await panel(chat).getByRole("combobox").count(), 0);
  assert.equal(await chat.page.locator(".backend").count(), 0);
  chat.fine();
});

test("a session resumed in one tab is shown by the other", async (t) => {
  const { open } = await bench(t);
  const one = await open();
  await one.say("first");
  await one.answered("[Mock response to: first]");
  const two = await open();
  await two.answered("[Mock response to: first]");
  await panel(one).getByRole("button", { name: "New" }).click();
  await panel(one).getByRole("button", { name: "Start" }).click();
  await until(async () => assert.equal(await two.answers.count(), 0));
  await panel(two).locator("li:not(.current) .open").click();
  await one.answered("[Mock response to: first]");
  one.fine();
  two.fine();
});

test("a session can be renamed and ended; the ended one stays to be read and can be resumed", async (t) => {
  const { open } = await bench(t);
  const chat = await open();
  await chat.say("hello");
  await chat.answered("[Mock response to: hello]");
  await chat.ready();
  const row = panel(chat).getByRole("listitem").first();
  await row.hover();
  await row.getByRole("button", { name: /^Rename/ }).click();
  await panel(chat).getByLabel("Title").fill("Greetings");
  await panel(chat).getByRole("button", { name: "Save" }).click();
  await chat.page.getByRole("heading", { name: "Greetings" }).waitFor();
  await row.hover();
  await row.getByRole("button", { name: "End Greetings" }).click();
  await row.getByRole("button", { name: "End", exact: true }).click();
  await chat.page.getByText("This session has ended.").waitFor();
  assert.deepEqual(await chat.saidTexts(), ["hello"]);
  await chat.say("anew");
  await chat.answered("[Mock response to: anew]");
  await until(async () => assert.deepEqual(await chat.saidTexts(), ["anew"]));
  await panel(chat).getByRole("button", { name: /Greetings/ }).first().click();
  await until(async () => assert.deepEqual(await chat.saidTexts(), ["hello"]));
  chat.fine();
});

test("a long session begins with its end; what is earlier comes on demand and the reader stays put", async (t) => {
  const { host, open } = await bench(t);
  for (let i = 0; i < 150; i++) await host.api("POST", i === 0 ? "api/session" : "api/chat", i === 0 ? {} : { message: `message ${i}` });
  await host.stop();
  await host.start(); // a new viewer of another epoch: the newest entries only
  const chat = await open();
  await chat.answered("[Mock response to: message 149]");
  assert.ok(await chat.conversation.evaluate((frame) => frame.scrollHeight - frame.scrollTop - frame.clientHeight < 2));
  const first = async () => Number(/message (\d+)/.exec((await chat.saidTexts())[0])[1]);
  await until(async () => {
    if ((await first()) === 1) return;
    await chat.conversation.evaluate((frame) => (frame.scrollTop = 0));
    const more = chat.page.getByRole("button", { name: "Show earlier" });
    if (await more.isVisible()) await more.click({ timeout: 1000 }).catch(() => undefined);
    assert.equal(await first(), 1);
  });
  const said = await chat.saidTexts();
  assert.deepEqual(said, Array.from({ length: 149 }, (_, i) => `message ${i + 1}`));
  chat.fine();
});

test("on a phone the panel opens over the page and goes away with Escape", async (t) => {
  const { open } = await bench(t, {}, { viewport: { width: 320, height: 640 }, hasTouch: true, isMobile: true });
  const chat = await open();
  await chat.say("a rather long message that has to fit into three hundred and twenty pixels, andaverylongwordthatcannotbebrokenatanyspaceatallbecausethereisnone");
  await chat.answered("[Mock response to: a rather");
  await chat.ready();
  assert.equal(await panel(chat).count(), 0);
  const button = chat.page.getByRole("button", { name: "Sessions", exact: true });
  await button.click();
  await panel(chat).getByRole("listitem").first().waitFor();
  await chat.page.keyboard.press("Escape");
  await until(async () => assert.equal(await panel(chat).count(), 0));
  assert.equal(await button.evaluate((element) => element === document.activeElement), true);
  const width = await chat.page.evaluate(() => [document.documentElement.scrollWidth, document.querySelector(".transcript").scrollWidth - document.querySelector(".transcript").clientWidth]);
  assert.deepEqual(width, [320, 0], "nothing scrolls sideways");
  chat.fine();
});

test("the settings page shows what runs, the configuration with its origins, and counts", async (t) => {
  const { host, open } = await bench(t);
  await host.api("POST", "api/session", {});
  const chat = await open();
  await chat.ready();
  await chat.page.getByRole("link", { name: "Settings" }).click();
  const { page } = chat;
  await page.getByRole("heading", { name: "Surfaces" }).waitFor();
  await page.getByRole("link", { name: "web-chat", exact: true }).waitFor();
  await page.getByRole("listitem").filter({ hasText: "echo" }).getByText("Running").waitFor();
  await page.getByRole("row", { name: /server\.listen .*viaduct\.yaml, line/ }).waitFor();
  const sessions = page.locator("dl > div").filter({ hasText: "Sessions" }).getByRole("definition");
  assert.equal(await sessions.innerText(), "1");
  await page.getByRole("link", { name: "← Chat" }).click();
  await chat.ready();
  chat.fine();
});
