// A conversation is never lost and never doubled, whatever happens to the network, the host and the tab.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { ChatPage, launch, until } from "./support/browser.mjs";
import { Host } from "./support/host.mjs";
import { Proxy } from "./support/proxy.mjs";

let browser;
before(async () => (browser = await launch()));
after(() => browser?.close());

const words = (n) => Array.from({ length: n }, (_, i) => `word${i}`).join(" ");

async function bench(t, options = {}) {
  const proxy = await Proxy.start();
  t.after(() => proxy.stop());
  const host = await Host.start({ ...options, allowedHosts: [proxy.host] });
  t.after(() => host.remove());
  proxy.target = host.port;
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 } });
  t.after(() => context.close());
  const open = () => ChatPage.open(context, `http://${proxy.host}/apps/web-chat/`);
  return { proxy, host, context, open };
}

test("the host killed in the middle of an answer: nothing stored is lost, the turn is interrupted, and it goes on", async (t) => {
  const { host, open } = await bench(t, { chunkDelay: "30ms", rules: [{ match: "^long", reply: words(1000) }] });
  const chat = await open();
  await chat.say("hello");
  await chat.answered("[Mock response to: hello]");
  await chat.say("long");
  await chat.answered("word30");
  await host.kill();
  await chat.is("lost");
  await host.start();
  await chat.conversation.getByText("Interrupted:").waitFor();
  await chat.ready();
  assert.deepEqual(await chat.saidTexts(), ["hello", "long"]);
  const [first, second, ...rest] = await chat.answerTexts();
  assert.equal(first, "[Mock response to: hello]");
  assert.match(second, /^word0 word1 /, "the partial answer is kept");
  assert.deepEqual(rest, []);
  assert.equal(await chat.stop.count(), 0, "nothing is said to run");
  await chat.say("are you there?");
  await chat.answered("[Mock response to: are you there?]");
  assert.equal((await host.api("GET", "api/sessions")).body.sessions.length, 1);
  chat.fine();
});

test("the network cut in the middle of an answer and restored: the answer is whole, once", async (t) => {
  const { proxy, open } = await bench(t, { chunkDelay: "20ms", rules: [{ match: "^long", reply: words(150) }] });
  const chat = await open();
  await chat.say("long");
  await chat.answered("word10");
  proxy.cut();
  await chat.is("lost");
  await chat.page.getByText("The connection to the host is lost.").waitFor();
  assert.equal(await chat.stop.count(), 0, "what the agent does is not known");
  assert.equal(await chat.page.getByText("Working").count(), 0, "nor claimed anywhere");
  proxy.restore();
  await chat.page.getByRole("button", { name: "Try now" }).click();
  await chat.answered("word149");
  await chat.ready();
  assert.deepEqual(await chat.answerTexts(), [words(150)]);
  assert.deepEqual(await chat.saidTexts(), ["long"]);
  chat.fine();
});

test("a network that is cut again and again neither loses nor doubles a word", async (t) => {
  const { proxy, open } = await bench(t, { chunkDelay: "25ms", rules: [{ match: "^long", reply: words(200) }] });
  const chat = await open();
  await chat.say("long");
  for (const mark of ["word5", "word40", "word80", "word120"]) {
    await chat.answered(mark);
    proxy.cut();
    await chat.is("lost");
    proxy.restore();
  }
  await chat.answered("word199");
  await chat.ready();
  assert.deepEqual(await chat.answerTexts(), [words(200)]);
  chat.fine();
});

test("a message typed while offline is sent exactly once, also over a reload", async (t) => {
  const { proxy, host, open } = await bench(t);
  const chat = await open();
  await chat.say("before");
  await chat.answered("[Mock response to: before]");
  await host.kill();
  await chat.is("lost");
  await chat.say("first offline");
  await chat.say("second offline");
  await until(async () => assert.equal(await chat.unsent.count(), 2));
  await host.start();
  proxy.target = host.port;
  await chat.page.reload();
  await chat.answered("[Mock response to: second offline]");
  await chat.ready();
  assert.deepEqual(await chat.saidTexts(), ["before", "first offline", "second offline"]);
  await until(async () => assert.equal(await chat.unsent.count(), 0));
  await chat.page.reload();
  await chat.answered("[Mock response to: second offline]");
  assert.deepEqual(await chat.saidTexts(), ["before", "first offline", "second offline"]);
  assert.equal((await host.api("GET", "api/sessions")).body.sessions.length, 1);
  chat.fine();
});

test("a message whose confirmation was lost is not said twice", async (t) => {
  const { proxy, open } = await bench(t);
  const chat = await open();
  await chat.say("before");
  await chat.answered("[Mock response to: before]");
  for (let i = 0; i < 5; i++) {
    await chat.say(`risky ${i}`);
    proxy.cut();
    await chat.is("lost");
    proxy.restore();
    await chat.page.getByRole("button", { name: "Try now" }).click().catch(() => undefined);
    await chat.answered(`[Mock response to: risky ${i}]`);
    await chat.ready();
  }
  await until(async () => assert.deepEqual(await chat.saidTexts(), ["before", "risky 0", "risky 1", "risky 2", "risky 3", "risky 4"]));
  chat.fine();
});

test("two tabs offline, one outbox: each message once", async (t) => {
  const { proxy, open } = await bench(t);
  const one = await open();
  const two = await open();
  await one.say("before");
  await two.answered("[Mock response to: before]");
  proxy.cut();
  await one.is("lost");
  await two.is("lost");
  await one.say("from one");
  await two.say("from two");
  await until(async () => assert.equal(await one.unsent.count(), 2, "a tab shows what the other has to send"));
  proxy.restore();
  await one.answered("[Mock response to: from two]");
  await two.answered("[Mock response to: from two]");
  for (const chat of [one, two]) {
    await until(async () => assert.deepEqual(await chat.saidTexts(), ["before", "from one", "from two"]));
    chat.fine();
  }
});

test("a tab that is hidden and shown again connects at once and shows what it missed", async (t) => {
  const { proxy, host, context, open } = await bench(t);
  await context.addInitScript(() => (Math.random = () => 0.99)); // the longest pauses
  const chat = await open();
  await chat.say("hello");
  await chat.answered("[Mock response to: hello]");
  // Headless tabs are never hidden by themselves: the page is told so.
  const hide = (hidden) =>
    chat.page.evaluate((value) => {
      Object.defineProperty(document, "hidden", { value, configurable: true });
      Object.defineProperty(document, "visibilityState", { value: value ? "hidden" : "visible", configurable: true });
      document.dispatchEvent(new Event("visibilitychange"));
    }, hidden);
  await hide(true);
  proxy.cut();
  await chat.is("lost");
  // Until the pauses between attempts are so long that none of them explains a quick return.
  await chat.page.getByText(/Trying again in 1\d s/).waitFor();
  await host.api("POST", "api/chat", { message: "from elsewhere" });
  proxy.restore();
  const shown = Date.now();
  await hide(false);
  await chat.answered("[Mock response to: from elsewhere]");
  assert.ok(Date.now() - shown < 8_000);
  assert.deepEqual(await chat.saidTexts(), ["hello", "from elsewhere"]);
  chat.fine();
});

test("a connection that died without a word is noticed when the tab is shown", async (t) => {
  const { proxy, host, open } = await bench(t);
  const chat = await open();
  await chat.say("hello");
  await chat.answered("[Mock response to: hello]");
  proxy.freeze();
  await host.api("POST", "api/chat", { message: "from elsewhere" });
  const shown = Date.now();
  await chat.page.evaluate(() => document.dispatchEvent(new Event("visibilitychange")));
  await chat.answered("[Mock response to: from elsewhere]");
  assert.ok(Date.now() - shown < 14_000, "sooner than the ping that comes every 20 s by itself");
  await chat.ready();
  chat.fine();
});

test("it stops trying when the person says so, and starts again when they say so", async (t) => {
  const { proxy, open } = await bench(t);
  const chat = await open();
  await chat.ready();
  proxy.cut();
  await chat.page.getByRole("button", { name: "Stop trying" }).click();
  await chat.is("off");
  proxy.restore();
  await chat.page.evaluate(() => dispatchEvent(new Event("online")));
  await chat.is("off");
  await chat.page.getByRole("button", { name: "Connect", exact: true }).click();
  await chat.ready();
  chat.fine();
});

test("a permission request whose agent is gone says that it expired and offers to ask again", async (t) => {
  const { host, open } = await bench(t, { rules: [{ match: "^deploy", permission: { title: "Deploy?", options: ["Allow", "Deny"] }, reply: "$permission" }] });
  const chat = await open();
  await chat.say("deploy");
  await chat.page.getByRole("button", { name: "Allow" }).waitFor();
  await host.kill();
  await chat.is("lost");
  assert.equal(await chat.page.getByRole("button", { name: "Allow" }).isDisabled(), true);
  await host.start();
  const card = chat.page.getByRole("region", { name: "Permission request" });
  await card.getByText("Expired").waitFor();
  await card.getByRole("button", { name: "Ask again" }).click();
  await chat.page.getByRole("button", { name: "Allow" }).click();
  await card.getByText("decided by").waitFor();
  chat.fine();
});

test("a host that stops in order is found again", async (t) => {
  const { host, open } = await bench(t);
  const chat = await open();
  await chat.say("hello");
  await chat.answered("[Mock response to: hello]");
  await host.stop();
  await chat.is("lost");
  await host.start();
  await chat.ready();
  await chat.say("again");
  await chat.answered("[Mock response to: again]");
  assert.deepEqual(await chat.saidTexts(), ["hello", "again"]);
  chat.fine();
});
