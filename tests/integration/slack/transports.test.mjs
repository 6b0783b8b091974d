// What Slack delivers comes once: retries, duplicates, lost connections, wrong signatures.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { answered, count, health, modes, noPlugin, prompts, ready, response, said, sentinel, slackHost, talk } from "../../support/slack_surface.mjs";
import { signed } from "../../support/slack.mjs";
import { configOf, Host } from "../../support/viaduct.mjs";
import { until } from "../../support/wait.mjs";

const both = (name, run) => {
  for (const mode of modes) test(`${name} (${mode})`, { skip: noPlugin }, (t) => run(t, mode));
};

both("a mention, which comes as two events in any order, is one turn and one answer", async (t, mode) => {
  const { slack, host } = await slackHost(t, { mode });
  for (const [i, order] of [(all) => all, (all) => [...all].reverse()].entries()) {
    slack.hold();
    const asked = slack.post("alice", "general", `@amp number ${i}`);
    assert.equal(asked.deliveries.length, 2);
    slack.release(order);
    await answered(slack, "general", asked.ts, `number ${i}`);
    await sentinel(slack, host, "general", asked.ts);
    assert.equal(count(said(slack, "general", asked.ts), response(`number ${i}`)), 1);
  }
  assert.deepEqual(prompts(host).filter((one) => one.startsWith("number")), ["number 0", "number 1"]);
});

both("every retry and every duplicate is one turn and one answer, while it runs and after it", async (t, mode) => {
  const { slack, host } = await slackHost(t, { mode, chunkDelay: "20ms" });
  const asked = slack.post("alice", "general", "@amp a few words that take a while");
  for (const delivery of asked.deliveries) for (let i = 0; i < 3; ++i) assert.equal(await delivery.more(), null, "acknowledged all the same");
  await answered(slack, "general", asked.ts, "a few words that take a while");
  for (const delivery of asked.deliveries) assert.equal(await delivery.more(), null);
  assert.deepEqual(await sentinel(slack, host, "general", asked.ts), ["a few words that take a while"]);
  assert.equal(count(said(slack, "general", asked.ts), response("a few words that take a while")), 1);
});

both("a retry is not dropped for being one: it may be the only copy", async (t, mode) => {
  const { slack, host } = await slackHost(t, { mode, options: { times: { retries: [60_000, 60_000, 60_000] } } });
  await host.stop();
  const asked = slack.post("alice", "dm", "are you there?");
  await slack.until(() => asked.deliveries[0].attempts.length === 1 && asked.deliveries[0].attempts[0].reason);
  await host.start();
  asked.deliveries[0].hurry();
  await until(() => prompts(host).includes("are you there?"));
  assert.deepEqual(await sentinel(slack, host, "@alice"), ["are you there?"]);
});

both("20 forced reconnects, of every kind, lose no event and double none", async (t, mode) => {
  if (mode === "http") return t.skip("there is no connection to lose");
  const { slack, host } = await slackHost(t, { mode, options: { times: { warning: 200, retries: [0, 300, 1500] }, limits: { off: true } } });
  // Slack takes one post in a second for a channel, and there is much to say.
  const places = ["general", "private", "one", "two"];
  for (const name of places.slice(2)) slack.team.channel(name, { members: ["alice", "amp"] });
  const threads = [];
  for (const where of places) threads.push({ where, ...(await talk(slack, `hello ${where}`, { where })) });
  const away = [(one) => one.disconnect("warning"), (one) => one.disconnect("refresh_requested"), (one) => one.drop(), (one) => one.close()];
  const wanted = [];
  for (let i = 0; i < 20; ++i) {
    const before = slack.sockets.all.length;
    const connection = slack.sockets.open.at(-1);
    const say = (text) => {
      const { where, ts } = threads[wanted.length % threads.length];
      wanted.push({ text, where, ts });
      slack.post("alice", where, text, { thread: ts });
    };
    if (i % 4 === 0) say(`before ${i}`);
    away[i % away.length](connection);
    say(`during ${i}`);
    await slack.until(() => slack.sockets.all.length > before && slack.sockets.open.some(({ number, state }) => number > before && state === "open"), `reconnect ${i}`);
    say(`after ${i}`);
  }
  await slack.settled();
  await until(() => wanted.every(({ text }) => prompts(host).includes(text)), "a turn for each");
  assert.deepEqual((await sentinel(slack, host, "@bob")).sort(), [...places.map((where) => `hello ${where}`), ...wanted.map(({ text }) => text)].sort());
  for (const { text, where, ts } of wanted) await until(() => count(said(slack, where, ts), response(text)) === 1, `one answer to "${text}"`, 120_000);
  assert.ok(slack.sockets.open.length <= 2, "no connection leaks");
});

test("what was said while nobody was connected, and never came, is read from history", { skip: noPlugin }, async (t) => {
  const { slack, host } = await slackHost(t, { options: { times: { retries: [] } } });
  const thread = await talk(slack, "hello");
  slack.sockets.refuse = Array(3).fill(503);
  slack.sockets.open[0].drop();
  await slack.until(() => slack.sockets.open.length === 0);
  const missed = slack.post("alice", "general", "said into the gap", { thread: thread.ts });
  await missed.deliveries[0].settled;
  assert.equal(missed.deliveries[0].state, "lost");
  await ready(slack, "socket");
  await answered(slack, "general", thread.ts, "said into the gap");
  assert.deepEqual(await sentinel(slack, host, "general", thread.ts), ["hello", "said into the gap"]);
});

test("a new connection is there before the old one goes", { skip: noPlugin }, async (t) => {
  const { slack } = await slackHost(t, { options: { times: { warning: 5000 } } });
  const [old] = slack.sockets.open;
  old.disconnect("refresh_requested");
  await slack.until(() => slack.sockets.open.some((one) => one !== old), "the new one");
  const asked = slack.post("alice", "general", "@amp in between");
  await answered(slack, "general", asked.ts, "in between");
  await slack.until(() => old.state !== "open", "the old one goes");
  assert.ok(slack.sockets.all.length <= 3);
});

test("a half-open connection is found out, and silence alone is none", { skip: noPlugin }, async (t) => {
  const { slack } = await slackHost(t, { options: { times: { retries: [0, 1000, 40_000] } } });
  const [first] = slack.sockets.open;
  assert.equal(slack.sockets.all.length, 1);
  await slack.until(() => first.pings + first.pongs.length >= 2, "pings, of whoever is quicker", 60_000);
  assert.equal(slack.sockets.all.length, 1, "nobody said anything, and it stayed");
  first.freeze();
  await slack.until(() => slack.sockets.open.some((one) => one !== first), "another connection", 60_000);
  first.drop();
  const asked = slack.post("alice", "general", "@amp still there?");
  await answered(slack, "general", asked.ts, "still there?");
});

test("a connection that never says hello, and an upgrade that is refused, are given up for a fresh address", { skip: noPlugin }, async (t) => {
  const { slack } = await slackHost(t);
  slack.sockets.silent = 1;
  slack.sockets.refuse = [408];
  slack.sockets.open[0].drop();
  await slack.until(() => slack.sockets.upgrades.length >= 4 && slack.sockets.open.some(({ number }) => number === 3), "a connection with a hello", 60_000);
  assert.deepEqual(slack.sockets.upgrades.slice(1).map(({ status }) => status), [408, 101, 101]);
});

test("when Socket Mode is switched off it does not hammer, and its health says so", { skip: noPlugin }, async (t) => {
  const { slack, host } = await slackHost(t);
  slack.sockets.open[0].disconnect("link_disabled");
  slack.fault("apps.connections.open", { error: "invalid_auth" }, { times: Infinity });
  const before = slack.calls("apps.connections.open").length;
  assert.match(await until(() => health(host), "a health that is not well"), /Socket Mode/);
  assert.ok(slack.calls("apps.connections.open").length <= before + 2);
});

test("what it does not know is acknowledged, and nothing of it harms", { skip: noPlugin }, async (t) => {
  const { slack } = await slackHost(t);
  const [connection] = slack.sockets.open;
  connection.send({ type: "unheard_of", envelope_id: "e-1", payload: { x: 1 } });
  connection.sendText("{no json");
  connection.sendBinary(Buffer.from([1, 2, 3]));
  connection.send({ type: "events_api", envelope_id: "e-2", payload: { type: "app_rate_limited", team_id: slack.team.id, minute_rate_limited: 1, api_app_id: slack.appId } });
  connection.send({ type: "events_api", envelope_id: "e-3", payload: { type: "event_callback", event_id: "Ev0", team_id: slack.team.id, api_app_id: slack.appId } });
  connection.send({ type: "events_api", envelope_id: "e-4", payload: null });
  await slack.until(() => ["e-1", "e-2", "e-3", "e-4"].every((id) => connection.acks.some(({ envelope_id }) => envelope_id === id)), "all acknowledgements");
  const asked = slack.post("alice", "general", "@amp and on");
  await answered(slack, "general", asked.ts, "and on");
});

test("signatures: missing, stale, future, tampered, upper case, of another version or secret are 401, and start nothing", { skip: noPlugin }, async (t) => {
  const { slack, host } = await slackHost(t, { mode: "http" });
  const now = Math.floor(Date.now() / 1000);
  let n = 0;
  const event = () => ({ type: "event_callback", event_id: `EvForged${++n}`, team_id: slack.team.id, api_app_id: slack.appId, event: { type: "message", channel_type: "im", channel: slack.team.direct("alice").id, user: "U0ALICE", text: "forged", ts: slack.ids.ts() } });
  const body = JSON.stringify(event());
  const right = signed(body, { secret: slack.signingSecret, timestamp: now })["x-slack-signature"];
  const cases = {
    missing: { unsigned: true }, "without timestamp": { unsigned: true, headers: { "x-slack-signature": right } }, "another secret": { secret: "another" }, "an empty secret": { secret: "" },
    stale: { timestamp: now - 301 }, future: { timestamp: now + 310 }, "another version": { version: "v1" }, "upper case": { timestamp: now, signature: `v0=${right.slice(3).toUpperCase()}` },
    "cut short": { timestamp: now, signature: right.slice(0, -1) }, "empty hash": { timestamp: now, signature: "v0=" }, "no number": { headers: { "x-slack-request-timestamp": "soon" } },
  };
  for (const what of ["events", "commands", "interactivity"]) {
    for (const [name, how] of Object.entries(cases)) assert.equal((await slack.send(what, body, how)).status, 401, `${what}: ${name}`);
    assert.equal((await slack.send(what, `${body} `, { timestamp: now, signature: right })).status, 401, `${what}: tampered`);
  }
  assert.equal((await slack.send("events", body, { timestamp: now - 250 })).status, 200, "late, but not too late");
  await until(() => prompts(host).length === 1);
  assert.deepEqual(await sentinel(slack, host, "@alice"), ["forged"], "once, the one that was right");
  assert.equal(await slack.verifyUrl(), true);
});

test("ssl_check needs no signature, and what is smuggled with it is not looked at", { skip: noPlugin }, async (t) => {
  const { slack, host } = await slackHost(t, { mode: "http" });
  const form = "application/x-www-form-urlencoded";
  assert.equal((await slack.send("commands", "ssl_check=1&token=x", { type: form, unsigned: true })).status, 200);
  const smuggled = `ssl_check=1&command=%2Famp&text=new&user_id=U0ALICE&channel_id=C0GENERAL&team_id=${slack.team.id}`;
  assert.equal((await slack.send("commands", smuggled, { type: form, unsigned: true })).status, 200);
  assert.equal((await slack.send("commands", "ssl_check=10&command=%2Famp", { type: form, unsigned: true })).status, 401);
  assert.deepEqual(await sentinel(slack, host, "general"), []);
  assert.deepEqual(slack.read("general").filter((line) => /Started/.test(line)), []);
});

test("one endpoint takes all three, several secrets are good while one is replaced, and an empty one is refused at the start", { skip: noPlugin }, async (t) => {
  const { slack, host } = await slackHost(t, { mode: "http", config: { signing_secret: ["the-old-one", "the-new-one"] } });
  for (const secret of ["the-old-one", "the-new-one"]) {
    slack.signingSecret = secret;
    slack.useHttp(host.origin, { events: "/apps/slack", commands: "/apps/slack", interactivity: "/apps/slack" });
    const asked = slack.post("alice", "general", `@amp by ${secret}`);
    await answered(slack, "general", asked.ts, `by ${secret}`);
    assert.equal((await slack.command("alice", "general", "/amp help")).ok, true);
  }
  await assert.rejects(() => slackHost(t, { mode: "http", config: { signing_secret: "" } }), /signing_secret/);
});

test("another consumer of the same token is reported, and one of its own that was just lost is none", { skip: noPlugin }, async (t) => {
  const { slack, host } = await slackHost(t);
  const again = async () => {
    const old = slack.sockets.open.at(-1);
    old.drop();
    await slack.until(() => slack.sockets.open.some(({ number, state }) => number > old.number && state === "open"), "another connection");
  };
  slack.sockets.others = 1; // still counted for a while
  await again();
  assert.equal((await slack.command("alice", "general", "/amp help")).ok, true);
  assert.doesNotMatch(host.output, /belong to another process/);
  slack.sockets.others = 4; // two that were lost, and two of somebody else
  await again();
  const kOther = /Slack counts 5 connections of this app, and 2 of them belong to another process with the same app_token/;
  await until(() => kOther.test(host.output), "a warning about the other connections");
});

test("a second surface with the same token is refused at the start, also over HTTP", { skip: noPlugin }, async (t) => {
  for (const mode of modes) {
    const { slack, host } = await slackHost(t, { mode });
    await host.stop();
    const { surfaces } = JSON.parse(readFileSync(configOf(host), "utf8"));
    host.options.config.surfaces = { ...surfaces, second: structuredClone(surfaces.slack) };
    await assert.rejects(() => Host.prototype.start.call(host), ({ message }) => {
      assert.match(message, /second\.config\.bot_token is the same as surfaces\.slack\.config\.bot_token|slack\.config\.bot_token is the same as surfaces\.second/);
      assert.ok(!slack.secrets.some((secret) => message.includes(secret)));
      return true;
    });
  }
});

test("an app that was uninstalled says so, and works again when it is back", { skip: noPlugin }, async (t) => {
  const { slack, host } = await slackHost(t, { options: { limits: { off: true } } });
  const thread = await talk(slack, "one");
  slack.revoke(slack.team.id);
  const words = /acme: Slack does not accept the token any more; install the app again/;
  assert.match(await until(() => health(host), "the words of it"), words);
  await slack.until(() => slack.calls("auth.test").length >= 4, "another try");
  assert.match(await health(host), words);
  slack.team.installed = true;
  slack.tokens.get(slack.botToken).state = "live";
  await until(async () => (await health(host)) === "", "it is well again");
  await thread.ask("two");
});

test("app_rate_limited over HTTP is acknowledged and said, and nothing stops", { skip: noPlugin }, async (t) => {
  const { slack, host } = await slackHost(t, { mode: "http" });
  const told = slack.rateLimited();
  await told.settled;
  assert.deepEqual([told.state, told.attempts.length, told.attempts[0].status], ["acknowledged", 1, 200]);
  await until(() => /Slack delivers no more events this minute/.test(host.output));
  await talk(slack, "and on");
});

for (const mode of modes)
  test(`with a token that is dead it does not loop, however much there is to say (${mode})`, { skip: noPlugin }, async (t) => {
    const { slack, host } = await slackHost(t, { mode, options: { limits: { off: true } } });
    const threads = [await talk(slack, "one"), await talk(slack, "two")];
    const kQuestions = 5;
    const before = slack.journal.length;
    for (const token of slack.tokens.values()) if (token.kind === "bot") token.state = "token_revoked";
    for (let i = 0; i < kQuestions; ++i) for (const { ts } of threads) slack.post("alice", "general", `question ${i}`, { thread: ts });
    await until(() => prompts(host).filter((text) => text.startsWith("question")).length === 2 * kQuestions, "all turns");
    assert.match(await until(() => health(host), "the words of it"), /workspace acme: Slack does not accept the token any more; install the app again/);
    const calls = () => slack.journal.slice(before).filter(({ method }) => method !== "apps.connections.open");
    // A sign of life to give and to take, an answer's beginning and its whole, for each question at most.
    assert.ok(calls().length <= 6 * 2 * kQuestions, JSON.stringify(Object.entries(Object.groupBy?.(calls(), ({ method }) => method) ?? {})));
    const tries = {};
    for (const { method, args } of calls().filter(({ method }) => /^chat\.(postMessage|update)$/.test(method))) {
      const what = JSON.stringify([method, args.metadata, args.ts, args.text]);
      tries[what] = (tries[what] ?? 0) + 1;
    }
    for (const [what, n] of Object.entries(tries)) assert.equal(n, 1, what);
  });
