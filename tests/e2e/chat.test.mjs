// What a person does in one session.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { ChatPage, launch, until } from "./support/browser.mjs";
import { Host } from "./support/host.mjs";

let browser;
before(async () => (browser = await launch()));
after(() => browser?.close());

async function bench(t, options, contextOptions) {
  const host = await Host.start(options);
  t.after(() => host.remove());
  const context = await browser.newContext(contextOptions);
  t.after(() => context.close());
  return { host, context, open: () => ChatPage.open(context, host.chat) };
}

test("the first message creates a session by itself and is answered", async (t) => {
  const { host, open } = await bench(t);
  const chat = await open();
  await chat.ready();
  await chat.page.getByRole("heading", { name: "This is the mock backend" }).waitFor();
  await chat.say("Hello there");
  await chat.answered("[Mock response to: Hello there]");
  await chat.ready();
  assert.deepEqual(await chat.saidTexts(), ["Hello there"]);
  assert.equal((await host.api("GET", "api/sessions")).body.sessions.length, 1);
  await chat.page.getByText("This is the mock backend.").waitFor();
  chat.fine();
});

test("no request goes to another host, and nothing is kept in the browser but the outbox and the draft", async (t) => {
  const { host, open } = await bench(t, { rules: [{ match: "^pictures", reply: "![a](https://pictures.example/a.png) ![b](//pictures.example/b.png) and https://links.example/" }] });
  const chat = await open();
  await chat.say("pictures please");
  const link = chat.page.getByRole("link", { name: "Image: a" });
  await link.waitFor();
  assert.equal(await link.getAttribute("rel"), "noopener noreferrer");
  assert.equal(await link.getAttribute("target"), "_blank");
  await chat.ready();
  const foreign = chat.requests.filter((url) => !url.startsWith("data:") && new URL(url).host !== new URL(host.origin).host);
  assert.deepEqual(foreign, []);
  assert.equal(await chat.page.locator(".answer img").count(), 0);
  await until(async () => assert.deepEqual(await chat.page.evaluate(() => Object.keys(localStorage)), []));
  await chat.input.fill("a draft");
  assert.deepEqual(await chat.page.evaluate(() => Object.keys(localStorage)), ["viaduct:/apps/web-chat/:draft"]);
  await chat.page.reload();
  assert.equal(await chat.input.inputValue(), "a draft");
  chat.fine();
});

test("a reload in the middle of an answer shows it whole, once", async (t) => {
  const words = Array.from({ length: 60 }, (_, i) => `word${i}`).join(" ");
  const { open } = await bench(t, { chunkDelay: "50ms", rules: [{ match: "^long", reply: words }] });
  const chat = await open();
  await chat.say("long");
  await chat.answered("word5");
  await chat.page.reload();
  await chat.is("working");
  await chat.answered("word59");
  await chat.ready();
  assert.deepEqual(await chat.answerTexts(), [words]);
  assert.deepEqual(await chat.saidTexts(), ["long"]);
  chat.fine();
});

test("stop ends the turn and keeps what was said", async (t) => {
  const words = Array.from({ length: 2000 }, (_, i) => `word${i}`).join(" ");
  const { open } = await bench(t, { chunkDelay: "20ms", rules: [{ match: "^long", reply: words }] });
  const chat = await open();
  await chat.say("long");
  await chat.answered("word3");
  await chat.stop.click();
  await chat.conversation.getByText("Stopped", { exact: true }).waitFor();
  await chat.ready();
  assert.match((await chat.answerTexts())[0], /^word0 .*word3/);
  await chat.page.getByRole("button", { name: "Continue" }).click();
  await chat.answered("[Mock response to: Please continue.]");
  chat.fine();
});

test("thought, plan, tool call and permission are shown; the answer decides, and says by whom", async (t) => {
  const rules = [{
    match: "^deploy", thought: "Is it tested?", plan: ["Build", "Ship"], tool: { title: "Run make release", kind: "execute", rawInput: { command: "make release" } },
    permission: { title: "Deploy to production?", options: ["Allow", "Deny"] }, reply: "You said $permission",
  }];
  const { open } = await bench(t, { rules });
  const chat = await open();
  await chat.say("deploy now");
  const card = chat.page.getByRole("region", { name: "Permission request" });
  await card.getByRole("button", { name: "Allow" }).waitFor();
  await chat.is("waiting");
  await chat.page.getByRole("region", { name: "Plan" }).getByText("Ship").waitFor();
  const thought = chat.page.getByText("Is it tested?");
  assert.equal(await thought.isVisible(), false, "thoughts are folded");
  await chat.page.getByText("Thought", { exact: true }).click();
  await thought.waitFor();
  // The question outlives a reload.
  await chat.page.reload();
  await card.getByRole("button", { name: "Allow" }).click();
  await chat.answered("You said");
  await card.getByText("decided by").waitFor();
  assert.equal(await card.getByRole("button").count(), 0);
  await chat.page.getByText("Run make release").waitFor();
  await chat.ready();
  chat.fine();
});

test("a turn that fails says why and can be tried again", async (t) => {
  const { open } = await bench(t, { rules: [{ match: "^flaky$", fail: "unavailable" }] });
  const chat = await open();
  await chat.say("flaky");
  const again = chat.page.getByRole("button", { name: "Try again" });
  await again.click();
  await until(async () => assert.equal((await chat.saidTexts()).filter((text) => text === "flaky").length, 2));
  chat.fine();
});

test("a dead session says so, and the next message begins a new one", async (t) => {
  const { host, open } = await bench(t, { rules: [{ match: "^die$", fail: "session_dead" }] });
  const chat = await open();
  await chat.say("hello");
  await chat.answered("[Mock response to: hello]");
  await chat.say("die");
  await chat.page.getByText("Your next message begins a new one.").or(chat.page.getByRole("button", { name: "Send in a new session" })).first().waitFor();
  const restart = chat.page.getByRole("button", { name: "Send in a new session" });
  if (await restart.isVisible()) await chat.page.getByRole("button", { name: "Discard" }).click();
  await chat.say("born again");
  await chat.answered("[Mock response to: born again]");
  assert.equal((await host.api("GET", "api/sessions")).body.sessions.length, 2);
  chat.fine();
});

test("two tabs see the same session live, and a message of each once", async (t) => {
  const { open } = await bench(t, { chunkDelay: "5ms" });
  const one = await open();
  const two = await open();
  await one.ready();
  await two.ready();
  await one.say("from one");
  await two.answered("[Mock response to: from one]");
  await two.say("from two");
  await one.answered("[Mock response to: from two]");
  for (const chat of [one, two]) {
    await chat.ready();
    await until(async () => assert.deepEqual(await chat.saidTexts(), ["from one", "from two"]));
    await until(async () => assert.equal(await chat.unsent.count(), 0));
    chat.fine();
  }
});

test("messages written while a turn runs wait for theirs, in order", async (t) => {
  const { open } = await bench(t, { chunkDelay: "60ms", rules: [{ match: "^one$", reply: Array.from({ length: 40 }, (_, i) => `w${i}`).join(" ") }] });
  const chat = await open();
  await chat.say("one");
  await chat.answered("w2");
  await chat.say("two");
  await chat.say("three");
  await chat.page.getByText("Waiting for its turn").first().waitFor();
  await chat.answered("[Mock response to: three]");
  await chat.ready();
  assert.deepEqual((await chat.answerTexts()).slice(1), ["[Mock response to: two]", "[Mock response to: three]"]);
  assert.equal(await chat.page.getByText("Waiting for its turn").count(), 0);
  chat.fine();
});

test("Shift+Enter begins a new line, and the Enter of an input method does not send", async (t) => {
  const { open } = await bench(t);
  const chat = await open();
  await chat.ready();
  await chat.input.fill("first");
  await chat.input.press("Shift+Enter");
  await chat.page.keyboard.type("second");
  await chat.input.evaluate((area) => {
    area.dispatchEvent(new CompositionEvent("compositionstart"));
    area.dispatchEvent(new KeyboardEvent("keydown", { key: "Enter", isComposing: true, bubbles: true, cancelable: true }));
    area.dispatchEvent(new CompositionEvent("compositionend"));
  });
  assert.equal(await chat.input.inputValue(), "first\nsecond");
  await chat.input.press("Enter");
  await chat.answered("first");
  assert.deepEqual(await chat.saidTexts(), ["first\nsecond"]);
  chat.fine();
});

test("a reader who has scrolled up is left where they are", async (t) => {
  const { open } = await bench(t, { chunkDelay: "10ms", rules: [{ match: "^long", reply: Array.from({ length: 300 }, (_, i) => `line${i}\n\n`).join("") }] }, { viewport: { width: 800, height: 500 } });
  const chat = await open();
  await chat.say("long");
  await chat.answered("line40");
  await chat.conversation.evaluate((frame) => (frame.scrollTop = 100));
  await chat.page.getByRole("button", { name: /To the end|New below/ }).waitFor();
  await chat.answered("line299");
  assert.equal(await chat.conversation.evaluate((frame) => frame.scrollTop), 100);
  await chat.page.getByRole("button", { name: /To the end|New below/ }).click();
  await until(async () => assert.ok(await chat.conversation.evaluate((frame) => frame.scrollHeight - frame.scrollTop - frame.clientHeight < 2)));
  chat.fine();
});

test("a message to the memory is answered without a session", async (t) => {
  const { host, open } = await bench(t);
  const chat = await open();
  await chat.ready();
  await chat.say("remember this: the cat is called Mimi");
  await chat.conversation.getByText("Remembered!").waitFor();
  assert.equal((await host.api("GET", "api/sessions")).body.sessions.length, 0);
  await chat.say("what do you remember about the cat");
  await chat.page.getByText("the cat is called Mimi", { exact: false }).last().waitFor();
  chat.fine();
});
