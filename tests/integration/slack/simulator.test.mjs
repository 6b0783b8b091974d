// The simulator: the surface `slack` without Slack, on this computer only.
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { test } from "node:test";
import { noPlugin, response, rules, slackHost } from "../../support/slack_surface.mjs";
import { controls, shown, Simulator } from "../../support/slack_simulator.mjs";
import { configOf, folderFor, hostFor, request, viaduct } from "../../support/viaduct.mjs";
import { until } from "../../support/wait.mjs";
import { Refused, WebSocketClient } from "../../support/websocket.mjs";

const options = { skip: noPlugin };
const surface = (config = {}) => ({ plugin: "slack", backend: "echo", config: { simulator: true, allow: "everyone", ...config } });
async function bench(t, { config, ...host } = {}) {
  const one = await hostFor(t, { rules, ...host, config: { surfaces: { "web-chat": { plugin: "web_chat", backend: "echo" }, slack: surface(config) } } });
  await until(async () => (await request(one.origin, "POST", "/apps/slack/simulator/api/act", { body: { as: "nobody" } })).status === 400, "the simulator");
  return { host: one, slack: await Simulator.open(t, one) };
}

test("without any account on Slack a mention begins a session in its thread, which knows what was said", options, async (t) => {
  const { slack } = await bench(t);
  const first = await slack.say("alice", "general", "@amp hello");
  await slack.answer(first.ts, response("hello"));
  await slack.say("bob", "general", "no mention is needed", { thread: first.ts });
  await slack.answer(first.ts, response("no mention is needed"));
  assert.equal(slack.world.messages.filter((one) => shown(one).includes(response("hello"))).length, 1, "one answer, though a mention comes twice");
});

test("a slash command is acknowledged to the asker alone, and new opens a thread", options, async (t) => {
  const { slack } = await bench(t);
  await slack.say("alice", "general", "/amp help");
  const help = await slack.bot((one) => one.to === "U0ALICE" && shown(one).includes("sessions"), "the help");
  assert.equal(help.channel, "C0GENERAL");
  await slack.say("alice", "general", "/amp new a task");
  const opened = await slack.bot((one) => one.to === "" && one.channel === "C0GENERAL" && one.thread === "", "the new thread");
  await slack.say("alice", "general", "go on", { thread: opened.ts });
  await slack.answer(opened.ts, response("go on"));
  const { status, body } = await slack.act("alice", "say", { channel: "C0GENERAL", thread: opened.ts, text: "/amp status" });
  assert.equal(status, 400);
  assert.match(body.error, /no slash commands in threads: mention the bot, @amp status/);
});

test("a direct message is a conversation, and of one person only", options, async (t) => {
  const { slack } = await bench(t);
  await slack.say("bob", "@", "hello");
  await slack.bot((one) => one.channel === "D0BOB" && shown(one).includes(response("hello")));
  const { status, body } = await slack.act("alice", "say", { channel: "D0BOB", text: "let me in" });
  assert.deepEqual([status, body.error], [400, "there is no such channel"]);
});

test("a permission is a message with buttons, and pressing one decides", options, async (t) => {
  const { slack } = await bench(t);
  const first = await slack.say("alice", "general", "@amp deploy it");
  const asked = await slack.bot((one) => one.thread === first.ts && controls(one).length === 2, "the request");
  await slack.press("alice", asked, "Allow");
  await slack.answer(first.ts, "You chose");
  await slack.bot((one) => one.ts === asked.ts && controls(one).length === 0 && shown(one).includes("decided by"), "who decided");
});

test("guests are refused, and without allow everybody, as on Slack", options, async (t) => {
  const { slack } = await bench(t);
  const asked = await slack.say("gus", "general", "@amp hello");
  await slack.bot((one) => one.to === "U0GUS" && shown(one).includes("allow"), "the refusal");
  assert.deepEqual(slack.world.messages.filter(({ thread, to }) => thread === asked.ts && to === ""), []);
  const { slack: closed } = await bench(t, { config: { allow: { users: ["U0BOB"] } } });
  await closed.say("alice", "general", "@amp hello");
  await closed.bot((one) => one.to === "U0ALICE" && shown(one).includes("U0ALICE"), "the line to add");
});

test("a long answer grows while it comes, and is whole at its end", options, async (t) => {
  const text = Array.from({ length: 900 }, (_, i) => `word${i}`).join(" ");
  const { slack } = await bench(t, { rules: [{ match: "^long$", reply: text }], chunkDelay: "8ms" });
  const first = await slack.say("alice", "general", "@amp long");
  const growing = await until(() => slack.world.messages.find(({ thread, streams }) => thread === first.ts && streams), "an answer that grows");
  await slack.bot(({ ts, blocks }) => ts === growing.ts && blocks.map((block) => block.text).join("") === text, "its end");
});

test("where the bot is not, it hears slash commands only, until somebody invites it", options, async (t) => {
  const { slack } = await bench(t);
  await slack.say("alice", "elsewhere", "@amp hello");
  await slack.say("alice", "elsewhere", "/amp help");
  await slack.bot((one) => one.channel === "C0ELSEWHERE" && one.to === "U0ALICE" && shown(one).includes("sessions"), "the help");
  assert.equal((await slack.act("alice", "invite", { channel: "C0ELSEWHERE" })).status, 200);
  const second = await slack.say("alice", "elsewhere", "@amp now");
  await slack.answer(second.ts, response("now"));
  assert.equal(slack.world.messages.filter((one) => shown(one).includes(response("hello"))).length, 0);
});

test("Home shows the person's sessions", options, async (t) => {
  const { slack } = await bench(t);
  assert.equal((await slack.act("bob", "home")).status, 200);
  await until(() => JSON.stringify(slack.world.homes.U0BOB ?? "").includes("Your sessions"), "the home of bob");
});

test("a conversation goes on in its thread after a restart, though what was said there is no longer shown", options, async (t) => {
  const { host, slack } = await bench(t);
  const first = await slack.say("alice", "general", "@amp hello");
  await slack.answer(first.ts, response("hello"));
  await host.stop();
  await host.start();
  await until(async () => (await request(host.origin, "POST", "/apps/slack/simulator/api/act", { body: { as: "nobody" } })).status === 400, "the simulator");
  const again = await Simulator.open(t, host);
  assert.match(again.world.messages.find(({ ts }) => ts === first.ts).text, /from before a restart/);
  await again.say("alice", "general", "what did I say", { thread: first.ts });
  await again.answer(first.ts, "hello");
});

test("only so many messages are kept", options, async (t) => {
  const { slack } = await bench(t);
  for (let i = 0; i < 510; ++i) assert.equal((await slack.act("alice", "say", { channel: "C0ELSEWHERE", text: `line ${i}` })).status, 200);
  await until(() => slack.world.messages.at(-1)?.text === "line 509", "the last line");
  assert.equal(slack.world.messages.length, 500);
  assert.equal(slack.world.messages[0].text, "line 10");
});

test("what makes no sense is refused in words", options, async (t) => {
  const { host, slack } = await bench(t);
  const post = (body) => request(host.origin, "POST", "/apps/slack/simulator/api/act", { body });
  for (const [body, why] of [
    ["", /nobody/], ["[", /nobody/], [{ as: 1 }, /nobody/], [{ as: "U0AMP", do: "say" }, /nobody/],
    [{ as: "U0BOB", do: "say", channel: "C0NONE", text: "x" }, /no such channel/],
    [{ as: "U0BOB", do: "say", channel: "C0GENERAL", text: "  " }, /nothing to send/],
    [{ as: "U0BOB", do: "say", channel: "C0GENERAL", text: "x", thread: "1.2" }, /not there any more/],
    [{ as: "U0BOB", do: "say", channel: "C0GENERAL", text: "/other thing" }, /no command \/other; this app's is \/amp/],
    [{ as: "U0BOB", do: "say", channel: "C0GENERAL", text: "x".repeat(12_001) }, /longer/],
    [{ as: "U0BOB", do: "press", channel: "C0GENERAL", message: "1.2", action: "x" }, /not there any more/],
    [{ as: "U0BOB", do: "dance", channel: "C0GENERAL", message: (await slack.say("bob", "general", "hi")).ts }, /nobody knows how/],
  ]) {
    const answer = await post(body);
    assert.equal(answer.status, 400, JSON.stringify(body));
    assert.match(answer.body.error, why);
  }
});

test("it is there only where it is asked for", options, async (t) => {
  const { host } = await slackHost(t);
  for (const [method, path] of [["GET", ""], ["GET", "api/ws"], ["POST", "api/act"]])
    assert.equal((await request(host.origin, method, `/apps/slack/simulator/${path}`, { body: method === "POST" ? {} : undefined })).status, 404, path);
});

test("nobody from elsewhere reaches it: other names, other pages, and what a proxy brings", options, async (t) => {
  const { host } = await bench(t, { allowedHosts: ["viaduct.example.test"] });
  const act = (headers) => request(host.origin, "POST", "/apps/slack/simulator/api/act", { headers, body: { as: "U0BOB", do: "say", channel: "C0GENERAL", text: "x" } });
  assert.equal((await act({})).status, 200);
  for (const headers of [{ host: "viaduct.example.test" }, { host: "evil.example.test" }, { "x-forwarded-for": "192.0.2.1" }, { forwarded: "for=192.0.2.1" }, { origin: "https://evil.example.test" },
    { via: "1.1 proxy" }, { "cf-connecting-ip": "192.0.2.1" }, { "x-client-ip": "192.0.2.1" }, { "x-original-host": "evil.example.test" }, { "true-client-ip": "192.0.2.1" },
    { "tailscale-user-login": "eve@example.test" }, { "x-envoy-external-address": "192.0.2.1" }, { "x-forwarded-proto": "https" }])
    assert.equal((await act(headers)).status, 403, JSON.stringify(headers));
  const refused = await WebSocketClient.connect(`${host.origin}/apps/slack/simulator/api/ws`, { "x-forwarded-for": "192.0.2.1" }).catch((error) => error);
  assert.ok(refused instanceof Refused && refused.status === 403);
});

test("its address without the last slash, and the surface's own, lead to the page", options, async (t) => {
  const { host } = await bench(t);
  for (const path of ["/apps/slack/simulator", "/apps/slack/", "/apps/slack"]) {
    const { status, headers } = await request(host.origin, "GET", path);
    assert.ok([301, 302, 307, 308].includes(status), `${path} ${status}`);
    assert.match(headers.location, /\/apps\/slack\/(simulator\/)?$/);
  }
});

test("the answer to a slash command takes the place of what it was acknowledged with", options, async (t) => {
  const { slack } = await bench(t);
  await slack.say("alice", "general", "/amp list");
  await slack.bot((one) => one.to === "U0ALICE" && /No sessions/.test(shown(one)), "the list");
  assert.equal(slack.world.messages.filter(({ to }) => to === "U0ALICE").length, 1, JSON.stringify(slack.world.messages.map(shown)));
});

test("tokens and the simulator do not go together, and check says so without the token", options, async (t) => {
  const folder = folderFor(t);
  const file = `${folder}/viaduct.yaml`;
  for (const more of [{ bot_token: "xoxb-very-secret" }, { app_token: "xapp-very-secret" }, { signing_secret: "very-secret" }]) {
    writeFileSync(file, JSON.stringify({ plugins: { path: [process.env.VIADUCT_PLUGINS] }, backends: { echo: { plugin: "mock" } }, surfaces: { slack: surface(more) } }));
    const { code, out, err } = await viaduct(["check", "--config", file], { home: folder });
    assert.notEqual(code, 0);
    assert.match(out + err, new RegExp(`${Object.keys(more)[0]}.*must not be given with simulator`));
    assert.doesNotMatch(out + err, /very-secret/);
  }
});

test("doctor says where the page is", options, async (t) => {
  const { host } = await bench(t);
  const { code, out } = await viaduct(["doctor", "--config", configOf(host)], { home: host.home });
  assert.equal(code, 0, out);
  assert.match(out, /slack: simulator +nothing is on Slack: \/apps\/slack\/simulator\/ is the page/);
});
