// The configuration as it comes, and two lines for a model server: a conversation in the browser that survives what happens to the host.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import path from "node:path";
import { after, before, test } from "node:test";
import { ModelServer } from "../support/model_server.mjs";
import { exported, root } from "../support/viaduct.mjs";
import { ChatPage, launch, until } from "./support/browser.mjs";
import { Host } from "./support/host.mjs";

let browser;
before(async () => (browser = await launch()));
after(() => browser?.close());

function configuration(model) {
  let text = readFileSync(path.join(root, "config/viaduct.yaml"), "utf8");
  const put = (before, line) => {
    assert.equal(text.split(before).length, 2, `config/viaduct.yaml has ${JSON.stringify(before)} once`);
    text = text.replace(before, line);
  };
  put("\nbackends:\n", `\nbackends:\n  local-model: { plugin: bridge, config: { driver: llm, api: openai, base_url: "${model.url}", model: stand-in } }\n`);
  put("\n    backend: echo\n", "\n    backend: local-model\n");
  return text;
}

async function bench(t) {
  const model = await ModelServer.start(t);
  const host = await Host.start({ yaml: configuration(model) });
  t.after(() => host.remove());
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 } });
  t.after(() => context.close());
  const chat = await ChatPage.open(context, host.chat);
  await chat.ready();
  await chat.page.evaluate(() => (window.neverReloaded = true));
  return { model, host, chat };
}
// The page is the one that was opened, and nothing in it went wrong.
async function fine(chat) {
  assert.equal(await chat.page.evaluate(() => window.neverReloaded), true, "the page was reloaded");
  chat.fine();
}
function gate() {
  let open;
  const opened = new Promise((resolve) => (open = resolve));
  return { open, then: (text) => opened.then(() => text) };
}
const answer = (chat, text) => until(async () => assert.equal((await chat.answerTexts()).at(-1), text));
const session = async (host) => (await host.api("GET", "api/sessions")).body.sessions[0].session_id;
// So much of the last answer is on disk.
const stored = (host, text) => until(async () => assert.equal((await exported(host, await session(host))).findLast(({ type }) => type === "text")?.text, text));

test("the answer and the thoughts grow in the page while the server still writes", async (t) => {
  const { model, chat } = await bench(t);
  assert.equal(await chat.page.getByText("This is the mock backend").count(), 0);
  const [thinks, writes, ends] = [gate(), gate(), gate()];
  model.script = [{ think: ["Is it ", "a greeting?", thinks.then(" It is.")], say: ["Good ", writes.then("**day** "), ends.then("to you!")] }];
  await chat.say("Hello");
  await chat.is("working");
  await chat.page.getByText("Is it a greeting?").waitFor({ state: "attached" });
  assert.equal(await chat.page.getByText("It is.").count(), 0);
  thinks.open();
  await answer(chat, "Good");
  assert.equal(await chat.page.getByText("Is it a greeting? It is.").count(), 1);
  assert.equal(model.requests[0].ended, null, "the server is not done");
  writes.open();
  await answer(chat, "Good day");
  assert.equal(model.requests[0].ended, null, "the server is not done");
  await chat.stop.waitFor();
  ends.open();
  await answer(chat, "Good day to you!");
  await chat.ready();
  await chat.page.getByText("12 tokens in · 3 out").waitFor();
  assert.deepEqual(await chat.saidTexts(), ["Hello"]);
  await chat.say("And now?");
  await answer(chat, "You said: And now?");
  assert.deepEqual(model.conversations.at(-1), ["user: Hello", "assistant: Good **day** to you!", "user: And now?"]);
  await fine(chat);
});

test("Stop closes the server's connection, and keeps what was said for the model as well", async (t) => {
  const { model, chat } = await bench(t);
  model.script = [{ say: ["This will take ", "long", gate().then("")] }];
  await chat.say("Tell me everything");
  await answer(chat, "This will take long");
  assert.equal(model.requests[0].ended, null);
  await chat.stop.click();
  assert.equal((await model.until(1, ({ ended }) => ended)).ended, "cut");
  await chat.conversation.getByText("Stopped", { exact: true }).waitFor();
  await chat.ready();
  await chat.page.getByRole("button", { name: "Continue" }).click();
  await answer(chat, "You said: Please continue.");
  assert.deepEqual(model.conversations.at(-1), ["user: Tell me everything", "assistant: This will take long", "user: Please continue."]);
  await fine(chat);
});

test("a server that is overloaded is asked again, and the person only waits", async (t) => {
  const { model, chat } = await bench(t);
  const [second, third] = [gate(), gate()];
  model.script = [{ status: 429, headers: { "retry-after": "1" } }, { wait: second.then(), status: 529 }, { wait: third.then(), say: ["Here I am"] }];
  await chat.say("Are you there?");
  const waits = async () => {
    await chat.is("working");
    assert.equal(await chat.page.getByRole("button", { name: "Try again" }).count(), 0);
    assert.equal(await chat.page.getByRole("alert").count(), 0);
    assert.doesNotMatch(await chat.conversation.innerText(), /429|529|overload|fail|error/i);
  };
  await model.until(2);
  await waits();
  second.open();
  await model.until(3);
  await waits();
  third.open();
  await answer(chat, "Here I am");
  await chat.ready();
  assert.deepEqual(await chat.saidTexts(), ["Are you there?"]);
  assert.equal(model.requests.length, 3);
  await fine(chat);
});

test("an error is said in words, with a button that tries again", async (t) => {
  const { model, chat } = await bench(t);
  model.script = [{ say: ["The first half"], cut: true }];
  await chat.say("Speak");
  await chat.conversation.getByText(/The model server .* broke off in the middle/).waitFor();
  assert.deepEqual(await chat.answerTexts(), ["The first half"]);
  await chat.ready();
  await chat.page.getByRole("button", { name: "Try again" }).click();
  await answer(chat, "You said: Speak");

  const { port } = model;
  await model.stop();
  await chat.say("And without a server?");
  await chat.conversation.getByText(/The model server .* does not answer/).waitFor();
  await chat.ready();
  await model.listen(port);
  model.script = [{ say: ["Now I am here"] }];
  await chat.page.getByRole("button", { name: "Try again" }).last().click();
  await answer(chat, "Now I am here");
  assert.deepEqual(await chat.saidTexts(), ["Speak", "Speak", "And without a server?", "And without a server?"]);
  await fine(chat);
});

test("the host killed in the middle of an answer and started again: the page shows all of it, and the model knows all of it", async (t) => {
  const { model, host, chat } = await bench(t);
  for (const text of ["My name is Ada", "I live in London"]) {
    await chat.say(text);
    await answer(chat, `You said: ${text}`);
  }
  model.script = [{ say: ["Your name ", "is", gate().then("")] }];
  await chat.say("Who am I?");
  await answer(chat, "Your name is");
  await stored(host, "Your name is");
  await host.kill();
  await chat.is("lost");
  assert.equal((await model.until(3, ({ ended }) => ended)).ended, "cut");
  await host.start();
  await chat.conversation.getByText("Interrupted: the host was restarted before the answer was finished.").waitFor();
  await chat.ready();
  const all = async () => {
    assert.deepEqual(await chat.saidTexts(), ["My name is Ada", "I live in London", "Who am I?"]);
    assert.deepEqual(await chat.answerTexts(), ["You said: My name is Ada", "You said: I live in London", "Your name is"]);
  };
  await all();
  assert.equal(await chat.stop.count(), 0, "nothing is said to run");
  assert.equal(model.requests.length, 3, "nothing is run again by itself");
  for (const name of ["Try again", "Continue"]) assert.ok(await chat.page.getByRole("button", { name }).isEnabled(), name);

  await chat.page.getByRole("button", { name: "Continue" }).click();
  await answer(chat, "You said: Please continue.");
  const before = [
    "user: My name is Ada", "assistant: You said: My name is Ada", "user: I live in London", "assistant: You said: I live in London",
    "user: Who am I?", "assistant: Your name is", "user: Please continue.",
  ];
  assert.deepEqual(model.conversations.at(-1), before);
  await chat.conversation.getByText("The agent was given the conversation so far").waitFor();
  await chat.ready();

  await host.stop();
  await chat.is("lost");
  await host.start();
  await chat.ready();
  await chat.say("Are you still there?");
  await answer(chat, "You said: Are you still there?");
  assert.deepEqual(model.conversations.at(-1), [...before, "assistant: You said: Please continue.", "user: Are you still there?"]);
  assert.equal((await host.api("GET", "api/sessions")).body.sessions.length, 1);
  assert.equal(model.requests.length, 5);
  await fine(chat);
});

test("a message written while the host is away goes to the model once, behind everything before it", async (t) => {
  const { model, host, chat } = await bench(t);
  await chat.say("Before");
  await answer(chat, "You said: Before");
  await chat.ready();
  await host.stop();
  await chat.is("lost");
  await chat.say("While you were away");
  await chat.unsent.waitFor();
  await host.start();
  await answer(chat, "You said: While you were away");
  assert.deepEqual(model.conversations, [["user: Before"], ["user: Before", "assistant: You said: Before", "user: While you were away"]]);
  assert.equal(await chat.unsent.count(), 0);
  await fine(chat);
});
