// An agent of the Agent Client Protocol in the browser: everything that it says and asks is seen and answered, and the conversation survives the network,
// the agent and the host.
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import path from "node:path";
import { after, before, test } from "node:test";
import { Agent, configFor } from "../support/acp.mjs";
import { configOf, exported, root, viaduct } from "../support/viaduct.mjs";
import { ChatPage, launch, until } from "./support/browser.mjs";
import { Host } from "./support/host.mjs";
import { Proxy } from "./support/proxy.mjs";

let browser;
before(async () => (browser = await launch()));
after(() => browser?.close());

const tool = { toolCallId: "t1", title: "Read notes.md", kind: "read" };
const asks = (title) => ({ permission: { toolCall: { toolCallId: `ask ${title}`, title, kind: "execute", rawInput: { command: "make release" } } } });

async function bench(t, { prompts = [], config = {}, ...script } = {}) {
  const agent = Agent.for(t, { prompts, ...script });
  const proxy = await Proxy.start();
  t.after(() => proxy.stop());
  const backends = { agent: { plugin: "acp", config: configFor(agent, config) } };
  const host = await Host.start({ allowedHosts: [proxy.host], config: { backends, surfaces: { "web-chat": { plugin: "web_chat", backend: "agent" } } } });
  t.after(() => host.remove());
  proxy.target = host.port;
  const open = async () => {
    const context = await browser.newContext({ viewport: { width: 1280, height: 800 } });
    t.after(() => context.close());
    const chat = await ChatPage.open(context, `http://${proxy.host}/apps/web-chat/`);
    await chat.ready();
    await chat.page.evaluate(() => (window.neverReloaded = true));
    chat.card = (title) => chat.page.getByRole("region", { name: "Permission request" }).filter({ hasText: title });
    return chat;
  };
  return { agent, proxy, host, open, chat: await open() };
}
// The page is the one that was opened, and nothing in it went wrong.
async function fine(chat) {
  assert.equal(await chat.page.evaluate(() => window.neverReloaded), true, "the page was reloaded");
  chat.fine();
}
const answer = (chat, text) => until(async () => assert.equal((await chat.answerTexts()).at(-1), text));
const session = async (host) => (await host.api("GET", "api/sessions")).body.sessions[0].session_id;
// So much of the last answer is on disk.
const stored = (host, text) => until(async () => assert.equal((await exported(host, await session(host))).findLast(({ type }) => type === "text")?.text, text));
const asked = (agent) => agent.got("session/prompt").length;

test("text, thoughts, the plan and a tool call grow in the page while the agent still works", async (t) => {
  const { agent, chat } = await bench(t, {
    prompts: [{ match: "^work$", do: [
      { think: "Is it " }, { think: "in the notes?" },
      { plan: [{ content: "Look", status: "in_progress", priority: "high" }, { content: "Tell", status: "pending", priority: "low" }] },
      { tool: { ...tool, status: "in_progress", rawInput: { path: "notes.md" } } }, { say: "I look " }, { until: "read" },
      { toolUpdate: { toolCallId: "t1", status: "completed", content: [{ type: "content", content: { type: "text", text: "The cat is called Mimi" } }] } },
      { plan: [{ content: "Look", status: "completed", priority: "high" }, { content: "Tell", status: "in_progress", priority: "low" }] },
      { say: ["and **found** ", "it."] }, { until: "end" }, { stop: "end_turn" },
    ] }],
  });
  const { page } = chat;
  await chat.say("work");
  await chat.is("working");
  await answer(chat, "I look");
  await page.getByText("Is it in the notes?").waitFor({ state: "attached" });
  const call = page.locator("details").filter({ hasText: "Read notes.md" });
  await call.getByText("Running").waitFor();
  const plan = page.getByRole("region", { name: "Plan" });
  const steps = () => plan.getByRole("listitem").evaluateAll((all) => all.map((one) => one.innerText.replace(/\s+/g, " ").trim()));
  assert.deepEqual(await steps(), ["In progress: Look", "To do: Tell"]);
  agent.open("read");
  await call.getByText("Done").waitFor();
  await until(async () => assert.deepEqual(await steps(), ["Done: Look", "In progress: Tell"]));
  await until(async () => assert.equal((await chat.answerTexts()).join(" "), "I look and found it."));
  await chat.is("working");
  await call.locator("summary").click();
  await call.getByText("The cat is called Mimi").waitFor();
  await call.getByText("notes.md", { exact: false }).first().waitFor();
  agent.open("end");
  await chat.ready();
  assert.equal(await plan.count(), 1, "one plan, which changed");
  assert.equal(await page.getByText("Thought", { exact: true }).count(), 1);
  await fine(chat);
});

test("a permission is answered by a click, and another browser sees it asked, answered, and by whom", async (t) => {
  const { agent, chat, open } = await bench(t, { prompts: [{ match: "^deploy$", do: [asks("Deploy to production")] }] });
  const other = await open();
  await chat.say("deploy");
  for (const one of [chat, other]) {
    await one.is("waiting");
    const buttons = one.card("Deploy to production").getByRole("button");
    await buttons.first().waitFor();
    assert.deepEqual(await buttons.allInnerTexts(), ["Allow once", "Always allow", "Reject"]);
    await one.card("Deploy to production").getByText("make release").waitFor();
  }
  await chat.card("Deploy").getByRole("button", { name: "Allow once" }).click();
  for (const one of [chat, other]) {
    await answer(one, "Permission: once.");
    await one.card("Deploy").getByText(/Allow once, decided by \S/).waitFor();
    assert.equal(await one.card("Deploy").getByRole("button").count(), 0);
    await one.ready();
    await fine(one);
  }
  assert.equal(agent.answersTo(0).length, 1);
});

test("two browsers answer one permission at once: the agent is told once, and both pages say the same", async (t) => {
  const { agent, chat, open } = await bench(t, { prompts: [{ match: "^deploy$", do: [asks("Deploy to production")] }] });
  const other = await open();
  await chat.say("deploy");
  for (const one of [chat, other]) await one.card("Deploy").getByRole("button", { name: "Allow once" }).waitFor();
  const press = (one, name) => one.card("Deploy").getByRole("button", { name, exact: true }).click({ timeout: 5_000 }).catch(() => {}); // it may be gone by now
  await Promise.all([press(chat, "Allow once"), press(other, "Reject")]);
  const said = [];
  for (const one of [chat, other]) {
    await one.ready();
    said.push(await one.card("Deploy").getByText(/decided by/).innerText());
  }
  assert.equal(said[0], said[1]);
  assert.equal(agent.answersTo(0).length, 1);
  await answer(chat, /^Reject/.test(said[0].trim()) ? "Permission: no." : "Permission: once.");
});

test("Stop while a permission is open: the card is withdrawn, the agent hears `cancelled`, and the next message is answered", async (t) => {
  const { agent, chat } = await bench(t, { prompts: [{ match: "^deploy$", do: [{ say: "Wait. " }, asks("Deploy to production"), { say: "never" }] }] });
  await chat.say("deploy");
  await chat.card("Deploy").getByRole("button", { name: "Allow once" }).waitFor();
  await chat.stop.click();
  await chat.card("Deploy").getByText("Withdrawn").waitFor();
  assert.equal(await chat.card("Deploy").getByRole("button").count(), 0);
  await chat.conversation.getByText("Stopped", { exact: true }).waitFor();
  await chat.ready();
  assert.deepEqual(agent.answersTo(0).map(({ result }) => result), [{ outcome: { outcome: "cancelled" } }]);
  await chat.say("are you there?");
  await answer(chat, "You said: are you there?");
  assert.equal(agent.starts.length, 1);
  await fine(chat);
});

test("/model says the agent's choices, chooses one, and the choice outlives the agent", async (t) => {
  const { agent, chat } = await bench(t, { options: ["model"] });
  await chat.say("hello");
  await answer(chat, "You said: hello");
  await chat.say("/model");
  await until(async () => assert.match((await chat.answerTexts()).at(-1), /^Model:\s+small Small \(now\)\s+large Large\s+huge Huge$/));
  await chat.say("/model enormous");
  await until(async () => assert.match((await chat.answerTexts()).at(-1), /enormous/));
  await chat.say("/model large");
  await answer(chat, "Model: large");
  agent.kill();
  await chat.say("go on");
  await until(async () => assert.ok((await chat.answerTexts()).at(-1) === "You said: go on" || (await chat.page.getByRole("button", { name: "Try again" }).count()) > 0));
  await chat.ready();
  await chat.say("/model");
  await until(async () => assert.match((await chat.answerTexts()).at(-1), /large Large \(now\)/));
  assert.deepEqual(agent.got("session/set_config_option").map(({ params }) => params.value), ["large", "large"], "applied again after the restore");
  await fine(chat);
});

test("the network gone in the middle of a turn and back: the whole answer, and a question that came meanwhile", async (t) => {
  const { agent, proxy, chat } = await bench(t, {
    prompts: [{ match: "^long$", do: [{ say: "One " }, { until: "cut" }, { say: ["two ", "three "] }, asks("Go on"), { say: "four" }] }],
  });
  await chat.say("long");
  await answer(chat, "One");
  proxy.cut();
  await chat.is("lost");
  agent.open("cut");
  await agent.until(({ log }) => log.length && agent.got("session/prompt").length === 1, "the prompt");
  proxy.restore();
  await chat.page.getByRole("button", { name: "Try now" }).click().catch(() => undefined); // it may try by itself
  await chat.card("Go on").getByRole("button", { name: "Allow once" }).click();
  await until(async () => assert.equal((await chat.answerTexts()).join(" ").replace(/\s+/g, " "), "One two three Permission: once. four"));
  await chat.ready();
  assert.deepEqual(await chat.saidTexts(), ["long"]);
  assert.equal(asked(agent), 1);
  await fine(chat);
});

test("the agent killed in the middle of a turn: interrupted, with what to do, and the next message is answered from context", async (t) => {
  const { agent, host, chat } = await bench(t, { prompts: [{ match: "^long$", do: [{ say: "The first half" }, { hang: true }] }] });
  await chat.say("My name is Ada");
  await answer(chat, "You said: My name is Ada");
  await chat.say("long");
  await answer(chat, "The first half");
  agent.kill();
  const ended = chat.page.locator(".ended");
  await ended.getByText(/^Interrupted/).waitFor();
  assert.doesNotMatch(await ended.innerText(), /host was restarted/, "the host was not");
  assert.match(await ended.innerText(), /signal 9/);
  await chat.ready();
  for (const name of ["Try again", "Continue"]) assert.ok(await chat.page.getByRole("button", { name }).isEnabled(), name);
  assert.deepEqual(await chat.answerTexts(), ["You said: My name is Ada", "The first half"]);
  assert.equal(asked(agent), 2, "nothing is run again by itself");
  await chat.say("recall");
  await answer(chat, "I know: My name is Ada / long");
  await chat.ready();
  assert.equal(agent.starts.length, 2);
  assert.deepEqual([agent.got("session/new").length, agent.got("session/resume").length, asked(agent)], [1, 1, 3]);
  assert.equal((await host.api("GET", "api/sessions")).body.sessions.length, 1);
  await fine(chat);
});

test("the agent killed while nobody speaks: the next message is answered from context", async (t) => {
  const { agent, chat } = await bench(t);
  await chat.say("My name is Ada");
  await answer(chat, "You said: My name is Ada");
  await chat.ready();
  agent.kill();
  await agent.until(() => agent.running.length === 0, "the end of the agent");
  await chat.page.locator("[data-status]").filter({ hasText: "Error" }).or(chat.page.locator('[data-status="ready"]')).first().waitFor();
  await until(async () => assert.equal(await chat.stop.count(), 0));
  await chat.say("recall");
  await answer(chat, "I know: My name is Ada");
  assert.equal(agent.starts.length, 2);
  await fine(chat);
});

const kRungs = {
  resume: { without: [], calls: { new: 1, resume: 1, load: 0 } },
  load: { without: ["resume"], calls: { new: 1, resume: 0, load: 1 } },
  transcript: { without: ["resume", "load"], calls: { new: 2, resume: 0, load: 0 } },
};
for (const [rung, { without, calls }] of Object.entries(kRungs))
  test(`the host killed in the middle of a turn and started again: "recall" is answered from context, over ${rung}, in the same page`, async (t) => {
    const { agent, host, chat } = await bench(t, { without, prompts: [{ match: "^long$", do: [{ say: "The first half" }, { hang: true }] }] });
    for (const text of ["My name is Ada", "I live in London"]) {
      await chat.say(text);
      await answer(chat, `You said: ${text}`);
    }
    await chat.say("long");
    await answer(chat, "The first half");
    await stored(host, "The first half");
    await host.kill();
    await chat.is("lost");
    await agent.until(() => agent.running.length === 0, "the end of the agent");
    await host.start();
    await chat.conversation.getByText("Interrupted: the host was restarted before the answer was finished.").waitFor();
    await chat.ready();
    assert.deepEqual(await chat.saidTexts(), ["My name is Ada", "I live in London", "long"]);
    assert.deepEqual(await chat.answerTexts(), ["You said: My name is Ada", "You said: I live in London", "The first half"]);
    assert.equal(asked(agent), 3, "nothing is run again by itself");
    await chat.say("recall");
    await chat.answered("I know:");
    await chat.ready();
    const said = (await chat.answerTexts()).at(-1);
    for (const text of ["My name is Ada", "I live in London"]) assert.ok(said.includes(text), said);
    assert.deepEqual(await chat.saidTexts(), ["My name is Ada", "I live in London", "long", "recall"]);
    assert.equal((await chat.answerTexts()).length, 4, "what it knows is not shown twice");
    assert.deepEqual(Object.fromEntries(Object.keys(calls).map((name) => [name, agent.got(`session/${name}`).length])), calls);
    assert.equal((await host.api("GET", "api/sessions")).body.sessions.length, 1);
    await fine(chat);
  });

test("an agent that cannot start: the message is kept, with the reason and what to run, and goes when that was done", async (t) => {
  const { agent, host, chat } = await bench(t, { crash: [{ at: "start", stderr: "no such thing as a config", code: 3 }] });
  await chat.say("hello");
  await chat.unsent.getByText(/Not sent yet: .*no such thing as a config/).waitFor();
  await chat.unsent.getByText(/Not sent: .*viaduct agent restart.*no such thing as a config/).waitFor(); // a crash loop
  agent.script({});
  const restarted = await viaduct(["--config", configOf(host), "agent", "restart"], { home: host.home });
  assert.equal(restarted.code, 0, restarted.err);
  await chat.unsent.getByRole("button", { name: "Try again" }).click();
  await answer(chat, "You said: hello");
  assert.deepEqual(await chat.saidTexts(), ["hello"]);
  assert.equal(await chat.unsent.count(), 0);
  assert.equal(asked(agent), 1);
  await fine(chat);
});

const example = path.join(root, "node_modules/@agentclientprotocol/sdk/dist/examples/agent.js");
test("the example agent of the official SDK, which nobody here wrote", { skip: existsSync(example) ? false : "@agentclientprotocol/sdk is not installed (npm ci)" }, async (t) => {
  const command = [process.execPath, ...(globalThis.crypto ? [] : ["--experimental-global-webcrypto"]), example];
  const { chat } = await bench(t, { config: { command, env: {} } });
  const { page } = chat;
  await chat.say("Have a look at my project");
  await chat.answered("I'll help you with that.");
  await chat.is("waiting");
  await page.locator("details").filter({ hasText: "Reading project files" }).getByText("Done").waitFor();
  const card = page.getByRole("region", { name: "Permission request" });
  await card.getByRole("button", { name: "Allow this change" }).click();
  await chat.answered("Perfect! I've successfully updated the configuration.");
  await chat.ready();
  await card.getByText("Allow this change, decided by").waitFor();
  await page.locator("details").filter({ hasText: "Modifying critical configuration file" }).getByText("Done").waitFor();
  await fine(chat);
});

test("a slash lists the agent's commands; keys and the mouse choose one, Escape leaves the text alone", async (t) => {
  const { agent, chat } = await bench(t, { commands: [{ name: "web", description: "Search the web", input: { hint: "what to look for" } }, { name: "mood", description: "How it is" }], models: true, prompts: [{ match: ".*", do: [{ say: "done" }] }] });
  const { page, input } = chat;
  const list = page.getByRole("listbox", { name: "Commands" });
  const options = list.getByRole("option");
  const chosen = async () => (await list.locator('[aria-selected="true"]').innerText()).split("\n")[0];
  await chat.say("hello");
  await chat.ready();
  await until(async () => {
    await input.fill("/");
    assert.deepEqual((await options.allInnerTexts()).map((text) => text.replace(/\s+/g, " ")), ["/web what to look for Search the web", "/mood How it is", "/model name Choose the model"], "the agent's own, and its model");
  });
  await page.getByText("3 commands").waitFor({ state: "attached" });
  assert.equal(await chosen(), "/web what to look for");
  await input.press("ArrowUp");
  assert.match(await chosen(), /^\/model/);
  const active = await input.getAttribute("aria-activedescendant");
  assert.equal(await page.locator(`[id="${active}"]`).getAttribute("aria-selected"), "true");
  await input.press("ArrowDown");
  await input.press("ArrowDown");
  assert.equal(await chosen(), "/mood");
  await input.press("Escape");
  await list.waitFor({ state: "detached" });
  assert.equal(await input.inputValue(), "/");
  await input.fill("");
  await input.pressSequentially("/mo");
  assert.equal(await options.count(), 2);
  await input.press("Tab");
  assert.equal(await input.inputValue(), "/mood ");
  assert.equal(await list.count(), 0);
  await input.fill("/we");
  await options.first().click();
  assert.equal(await input.inputValue(), "/web ");
  await input.pressSequentially("cats");
  await input.press("Enter");
  await until(async () => assert.equal((await chat.saidTexts()).at(-1), "/web cats"));
  await chat.ready();
  await input.pressSequentially("/mood"); // written out it needs no choosing
  await input.press("Enter");
  await until(async () => assert.equal((await chat.saidTexts()).at(-1), "/mood"));
  await input.fill("/usr/bin");
  assert.equal(await list.count(), 0, "a path is no command");
  assert.ok(asked(agent) >= 3);
  await fine(chat);
});
