// `viaduct doctor` for the surface `slack`: what it finds, and what it says is to be done.
import assert from "node:assert/strict";
import http from "node:http";
import net from "node:net";
import { test } from "node:test";
import { kScopes } from "../../support/slack.mjs";
import { noPlugin, ready, slackHost } from "../../support/slack_surface.mjs";
import { forHost, Host, reconfigure, request } from "../../support/viaduct.mjs";
import { until } from "../../support/wait.mjs";

const options = { skip: noPlugin };
// What it says of this surface, by name: [ok, message].
async function doctor(host) {
  const { out, err } = await forHost(host, "doctor", "--json");
  assert.doesNotMatch(out + err, /(xoxb|xapp)-[^…]/, "the beginnings are said, and no token");
  const checks = JSON.parse(out).checks.filter(({ name }) => name.startsWith("slack: "));
  return Object.fromEntries(checks.map(({ name, ok, message }) => [name.slice("slack: ".length), [ok, message]]));
}
const change = (host, config) => reconfigure(host, (all) => Object.assign(all.surfaces.slack.config, config));
async function listener(t, server) {
  server.listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  t.after(() => server.close());
  return `http://127.0.0.1:${server.address().port}`;
}

test("all is well where it is, with a host and without", options, async (t) => {
  const { host, slack } = await slackHost(t);
  const running = await doctor(host);
  assert.deepEqual(Object.keys(running), ["bot token", "scopes", "clock", "allow", "app token", "socket"]);
  for (const [name, [ok, message]] of Object.entries(running)) assert.ok(ok, `${name}: ${message}`);
  assert.match(running["bot token"][1], /amp is in the workspace acme/);
  const open = slack.sockets.open.length;
  await host.stop();
  const alone = await doctor(host);
  assert.deepEqual(Object.keys(alone), ["bot token", "scopes", "clock", "allow", "app token"]);
  for (const [name, [ok, message]] of Object.entries(alone)) assert.ok(ok, `${name}: ${message}`);
  assert.ok(slack.sockets.open.length <= open, "no connection was made for it");
});

for (const [what, away, words] of [
  ["gets no hello", (slack) => ((slack.sockets.silent = Infinity), slack.sockets.open[0].drop()), /^not connected by Socket Mode: /],
  ["is refused", (slack) => ((slack.sockets.refuse = Array(1000).fill(503)), slack.sockets.open[0].drop()), /^not connected by Socket Mode: .*the server answered 503.*; tried again in \d+ s/],
  ["is switched off", (slack) => ((slack.socketModeOff = true), slack.sockets.open[0].disconnect("link_disabled")), /switched off in the app's settings; switch it on there, or set mode: http/],
])
  test(`a connection that ${what} while the host runs is a failure of the socket, in words`, options, async (t) => {
    const { host, slack } = await slackHost(t);
    away(slack);
    await until(async () => {
      const [ok, message] = (await doctor(host)).socket;
      return !ok && words.test(message);
    }, "the failure");
  });

test("tokens that are none are told apart, each with what to do", options, async (t) => {
  const { host, slack } = await slackHost(t);
  await host.stop();
  change(host, { bot_token: "xoxb-wrong-0000", app_token: slack.appToken });
  const bot = await doctor(host);
  assert.equal(bot["bot token"][0], false);
  assert.match(bot["bot token"][1], /this bot_token; take the one \(xoxb-…\) under OAuth & Permissions.*\[invalid_auth\]$/);
  assert.equal(bot.clock[0], true, "a refusal says what time it is, too");
  assert.equal(bot["app token"][0], true);
  assert.equal(bot.scopes, undefined);
  change(host, { bot_token: slack.botToken, app_token: "xapp-wrong-0000" });
  const app = await doctor(host);
  assert.equal(app["bot token"][0], true);
  assert.equal(app["app token"][0], false);
  assert.match(app["app token"][1], /this app_token; make another \(xapp-…\) under Basic Information.*connections:write/);
  assert.doesNotMatch(app["app token"][1], /install the app/);
});

test("where nobody may talk to the bot, that is a failure with the line to add", options, async (t) => {
  const { host } = await slackHost(t, { config: { allow: undefined } });
  const { allow } = await doctor(host);
  assert.equal(allow[0], false);
  assert.match(allow[1], /nobody may talk to the bot.*allow: everyone/s);
});

test("scopes that are missing are named", options, async (t) => {
  const { host, slack } = await slackHost(t);
  slack.tokens.get(slack.botToken).scopes = new Set(kScopes.filter((one) => one !== "files:write" && one !== "reactions:write"));
  const { scopes } = await doctor(host);
  assert.equal(scopes[0], false);
  assert.match(scopes[1], /missing: files:write, reactions:write; .*install the app again/);
});

for (const [seconds, words] of [[-90, /9\d seconds ahead of Slack's/], [3600, /3[56]\d\d seconds behind Slack's/]])
  test(`a clock that is ${Math.abs(seconds)} s ${seconds < 0 ? "ahead" : "behind"} is a failure`, options, async (t) => {
    const { host, slack } = await slackHost(t);
    const serve = slack.serve.bind(slack);
    slack.serve = (request, response) => {
      response.setHeader("date", new Date(Date.now() + seconds * 1000).toUTCString());
      return serve(request, response);
    };
    const { clock } = await doctor(host);
    assert.equal(clock[0], false);
    assert.match(clock[1], words);
    assert.match(clock[1], /NTP/);
  });

test("where Slack cannot be reached it says so, and nothing of what it could not see", options, async (t) => {
  const { host } = await slackHost(t);
  await host.stop();
  const nobody = net.createServer();
  const origin = await listener(t, nobody);
  await new Promise((resolve) => nobody.close(resolve));
  change(host, { api_base_url: `${origin}/api/` });
  const found = await doctor(host);
  assert.deepEqual(Object.keys(found), ["bot token", "allow", "app token"]);
  for (const [ok, message] of [found["bot token"], found["app token"]]) assert.ok(!ok && /does not answer.*proxy.*api_base_url/.test(message) && !/tried again/.test(message), message);
});

test("over HTTP the public address is asked with a signed request", options, async (t) => {
  const none = await slackHost(t, { mode: "http" });
  const nowhere = await doctor(none.host);
  assert.deepEqual(Object.keys(nowhere), ["bot token", "scopes", "clock", "allow", "public address"]);
  assert.equal(nowhere["public address"][0], false);
  reconfigure(none.host, ({ surfaces }) => delete surfaces.slack.config.public_url);
  const { code, err } = await forHost(none.host, "check");
  assert.equal(code, 2);
  assert.match(err, /surfaces\.slack\.config: ?.*public_url: must be given in mode http|surfaces\.slack: public_url: must be given in mode http/);

  // In front of the host, as a proxy or tunnel would be.
  let target = null;
  let meddle = (body) => body;
  const proxy = http.createServer((request, response) => {
    const chunks = [];
    request.on("data", (chunk) => chunks.push(chunk));
    request.on("end", () => {
      const passed = http.request(target + request.url, { method: request.method, headers: { ...request.headers, host: new URL(target).host } }, (answer) => {
        response.writeHead(answer.statusCode, answer.headers);
        answer.pipe(response);
      });
      passed.on("error", () => response.writeHead(502).end());
      passed.end(meddle(Buffer.concat(chunks)));
    });
  });
  const publicUrl = await listener(t, proxy);
  const { host } = await slackHost(t, { mode: "http", config: { public_url: publicUrl } });
  target = host.origin;
  assert.deepEqual((await doctor(host))["public address"], [true, `${publicUrl}/apps/slack/events answers signed requests`]);

  meddle = (body) => Buffer.from(body.toString().replace("url_verification", "url-verification"));
  const changed = (await doctor(host))["public address"];
  assert.ok(!changed[0] && /refuses a request that is signed/.test(changed[1]), changed[1]);
  meddle = (body) => body;

  const login = http.createServer((request, response) => response.end("<!doctype html><title>Log in</title>"));
  target = await listener(t, login);
  const page = (await doctor(host))["public address"];
  assert.ok(!page[0] && /another answer than Viaduct does.*login page/.test(page[1]), page[1]);

  login.removeAllListeners("request");
  login.on("request", (request, response) => response.writeHead(404).end());
  const elsewhere = (await doctor(host))["public address"];
  assert.ok(!elsewhere[0] && /answers 404; public_url leads to something else/.test(elsewhere[1]), elsewhere[1]);

  proxy.close();
  proxy.closeAllConnections?.();
  const gone = (await doctor(host))["public address"];
  assert.ok(!gone[0] && /cannot be reached from here/.test(gone[1]), gone[1]);

  await host.stop();
  assert.deepEqual((await doctor(host))["public address"], [true, `not looked at: ${publicUrl} answers only while the host runs`]);
  assert.match((await forHost(host, "doctor")).out, /^-- +slack: public address +not looked at: /m);
});

test("a bot token that is refused at the start takes nothing else down, is said everywhere, and is tried again at reload", options, async (t) => {
  const { host, slack } = await slackHost(t);
  await host.stop();
  const grant = slack.tokens.get(slack.botToken);
  slack.tokens.delete(slack.botToken);
  await Host.prototype.start.call(host); // no connection is to be waited for
  await until(() => /^  slack: does not run: bot_token: /m.test(host.output), "the word of it");
  await host.api("POST", "api/session", {});
  assert.equal((await host.api("POST", "api/chat", { message: "hello" })).status, 200);
  assert.match((await request(host.origin, "GET", "/readyz")).text, /^ready\nnot running: slack$/m);
  const { code, out } = await forHost(host, "doctor");
  assert.equal(code, 1);
  assert.match(out, /^FAIL slack +does not run: bot_token: /m);
  assert.match(out, /^FAIL slack: bot token +Slack does not accept this bot_token/m);
  assert.equal((await forHost(host, "reload")).code, 1);
  slack.tokens.set(slack.botToken, grant);
  assert.equal((await forHost(host, "reload")).code, 0);
  await ready(slack, "socket");
  assert.equal((await request(host.origin, "GET", "/readyz")).text, "ready\n");
});

test("check names two surfaces with one token, and says in words what a field may hold", options, async (t) => {
  const { host } = await slackHost(t);
  reconfigure(host, ({ surfaces }) => (surfaces.second = structuredClone(surfaces.slack)));
  const twice = await forHost(host, "check");
  assert.equal(twice.code, 2);
  assert.match(twice.err, /: surfaces\.second\.config\.bot_token is the same as surfaces\.slack\.config\.bot_token: /);
  assert.doesNotMatch(twice.err, /xoxb-|xapp-/);
  for (const [field, value, says] of [
    ["allow", "all", /surfaces\.slack\.config\.allow cannot be "all"; expected everyone, or a map such as \{/],
    ["allow", ["U0ALICE"], /config\.allow cannot be a list; expected everyone, or/],
    ["allow", { users: ["@alice"] }, /config\.allow\.users\[0\] cannot be "@alice"; expected a member ID such as U0123ABCD/],
    ["allow", { channels: ["#general"] }, /config\.allow\.channels\[0\] cannot be "#general"; expected a channel ID such as C0123ABCD/],
    ["command", "amp", /config\.command cannot be "amp"; expected a slash/],
    ["default_working_dir", "~/nope", /config\.default_working_dir: there is no folder "~\/nope"/],
    ["bot_token", "xoxb-…", /config\.bot_token is still the placeholder/],
  ]) {
    reconfigure(host, ({ surfaces }) => {
      delete surfaces.second;
      surfaces.slack.config = { ...surfaces.slack.config, allow: "everyone", command: "/amp", default_working_dir: "~", [field]: value };
    });
    const { code, err } = await forHost(host, "check");
    assert.equal(code, 2, field);
    assert.match(err, says);
    assert.doesNotMatch(err, /\^|\[A-Z/, "no pattern");
  }
});
