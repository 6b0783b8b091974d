// A peer that nobody here wrote: the Microsoft 365 Agents Playground, without its page, over this computer only.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { cardActions } from "../../support/teams.mjs";
import { noPlugin, plain, prompts, response, rules } from "../../support/teams_surface.mjs";
import { Playground, why, world } from "../../support/playground.mjs";
import { hostFor, plugins, root } from "../../support/viaduct.mjs";
import { until } from "../../support/wait.mjs";

const options = { skip: noPlugin || why };
// What the README has whoever tries it write, and nothing else.
const recipe = /^Without an account:[^]*?```yaml\n(surfaces:\n[^]*?)```/m.exec(readFileSync(path.join(root, "plugins/teams/README.md"), "utf8"))[1];
const kAppId = /app_id: (\S+)/.exec(recipe)[1];
const kWorld = { ...world(kAppId), tenantId: /tenant_id: (\S+)/.exec(recipe)[1] };
// With it nobody is asked for keys or tokens that are not there.
process.env.https_proxy = "http://127.0.0.1:9";
process.env.no_proxy = "127.0.0.1,localhost";

async function bench(t, { more = [], change = (yaml) => yaml, of = kWorld, chunkDelay = "1ms" } = {}) {
  const mock = JSON.stringify({ chunk_delay: chunkDelay, record: "${env:VIADUCT_HOME}/calls.jsonl", rules: [...rules, ...more] });
  const yaml = `server:\n  listen: 127.0.0.1:0\nplugins: { path: ["${plugins}"] }\nbackends: { echo: { plugin: mock, config: ${mock} } }\n${change(recipe)}`;
  const host = await hostFor(t, { yaml });
  const play = await Playground.start(t, `${host.origin}/api/messages`, of);
  return { host, play };
}
const says = (words) => (text) => plain(text).includes(words);

test("somebody says hello in each kind of conversation and reads the answer there", options, async (t) => {
  const { host, play } = await bench(t);
  for (const where of ["personal", "group", "channel"]) {
    const conversation = await play.say(`hello from ${where}`, where);
    await play.bot((text, message) => says(response(`hello from ${where}`))(text) && message.conversation === conversation, `the answer in ${where}`);
  }
  assert.deepEqual(prompts(host).sort(), ["hello from channel", "hello from group", "hello from personal"]);
});

test("in the world that the Playground itself makes, it is answered, too", options, async (t) => {
  const { play } = await bench(t, { of: null });
  for (const where of ["personal", "group"]) {
    const conversation = await play.say(`hello from ${where}`, where);
    await play.bot((text, message) => says(response(`hello from ${where}`))(text) && message.conversation === conversation, `the answer in ${where}`);
  }
});

test("whoever installs it is greeted, once", options, async (t) => {
  const { play } = await bench(t);
  await play.install();
  const greeting = await play.bot(() => true, "a greeting");
  await play.say("hello");
  await play.bot(says(response("hello")));
  assert.equal(play.messages.filter(({ id }) => id === greeting.id).length, 1);
  assert.equal(play.messages.filter((message) => !says("Mock response")(plain(message.versions.at(-1)))).length, 1);
});

test("a long answer grows while it comes, and is whole at its end", options, async (t) => {
  const text = Array.from({ length: 700 }, (_, i) => `word${i}`).join(" ");
  const { play } = await bench(t, { more: [{ match: "^long$", reply: text }], chunkDelay: "8ms" });
  await play.say("long");
  const answer = await play.bot(says("word699"), "the whole answer", 60_000);
  assert.ok(answer.versions.length >= 2, `${answer.versions.length} versions`);
  assert.equal(plain(answer.text).match(/word\d+/g).length, 700);
});

test("commands are answered, and a permission card is decided by its button", options, async (t) => {
  const { host, play } = await bench(t);
  await play.say("help");
  await play.bot((text) => /sessions/.test(text) && /recall/.test(text), "the help");
  await play.say("deploy it");
  const card = await play.bot((text, { attachments }) => attachments.length > 0 && /Deploy it\?/.test(text), "the card");
  const answer = await play.press(card, "Allow");
  assert.match(answer.type, /card\.adaptive$|activity\.message$/, JSON.stringify(answer));
  await play.bot((text, { id, attachments }) => id === card.id && /Alex/.test(text) && cardActions(attachments.map(({ content }) => content)).length === 0, "who decided");
  await play.bot(says("You chose Allow"));
  await until(() => prompts(host).includes("deploy it"));
});

test("a session goes on after a restart of the host", options, async (t) => {
  const { host, play } = await bench(t);
  await play.say("my number is 17");
  await play.bot(says(response("my number is 17")));
  await host.stop();
  await host.start();
  await play.say("what did I say?");
  await play.bot((text) => /my number is 17/.test(text) && !says(response("my number is 17"))(text), "what was said before");
});

test("without `allow_anonymous_loopback` it is refused, since it brings no token", options, async (t) => {
  const { host, play } = await bench(t, { change: (yaml) => yaml.replace("allow_anonymous_loopback: true", "app_password: none~of~yours") });
  await play.say("hello");
  await until(() => play.output !== null && /401|403|refused|token/i.test(host.output), "the refusal in the log");
  assert.deepEqual(play.messages, []);
  assert.deepEqual(prompts(host), []);
});
