// Without a public address: activities come over Socket Mode, once each, however its connections end; answers go over HTTP as ever.
import assert from "node:assert/strict";
import { test } from "node:test";
import { answered, complaint, count, noPlugin, prompts, response, said, sentinel, talk, teamsHost } from "../../support/teams_surface.mjs";
import { request } from "../../support/viaduct.mjs";
import { until } from "../../support/wait.mjs";

const one = (name, run) => test(name, { skip: noPlugin }, run);
const host = (t, options = {}) => teamsHost(t, { transport: "socket", ...options });
const open = (teams) => teams.sockets.open.filter(({ state }) => state === "open");
// All are lost, and there is another one.
const again = (teams) => {
  const lost = open(teams);
  for (const connection of lost) connection.drop();
  return teams.until(() => open(teams).some((connection) => !lost.includes(connection)), "another connection");
};

one("it connects, answers, and takes invokes", async (t) => {
  const { teams, host: viaduct } = await host(t);
  const chat = await talk(teams, "hello");
  await chat.ask("and on");
  await talk(teams, "in a channel", { where: "general" });
  const { status, took } = await teams.invoke("alice", "dm", "unheard/of", {}).done;
  assert.equal(status, 501);
  assert.ok(took < 3000);
  assert.equal((await request(viaduct.origin, "POST", "/apps/teams/api/messages", { body: {} })).status >= 400, true, "and over HTTP there is nothing to say");
  assert.deepEqual(await sentinel(teams, viaduct), ["hello", "and on", "in a channel"]);
});

one("each of the three geographies has a connection of its own, and each gets another when it is lost", async (t) => {
  const { teams } = await host(t);
  const geos = () => open(teams).map(({ geo }) => geo).sort();
  const all = ["amer", "apac", "emea"];
  await teams.until(() => geos().length === 3, () => `three connections: ${geos()}`);
  assert.deepEqual(geos(), all);
  for (const geo of all) {
    const lost = open(teams).find((connection) => connection.geo === geo);
    lost.end("goes");
    await teams.until(() => open(teams).some((connection) => connection !== lost && connection.geo === geo), `another one of ${geo}`);
  }
  await teams.until(() => geos().length === 3, () => `three connections: ${geos()}`);
  assert.deepEqual(geos(), all);
  teams.where("@bob").region = "apac";
  await talk(teams, "from far away", { who: "bob" });
  const { attempts } = teams.deliveries.at(-1);
  assert.equal(attempts[0].by, `connection ${open(teams).find(({ geo }) => geo === "apac").number}`);
});

one("the hub's protocol as others write it: redirections, other letters, messages in one frame", async (t) => {
  const { teams } = await host(t, { options: { features: { pascal: true } } });
  await talk(teams, "in other letters");
  const [connection] = open(teams);
  teams.sockets.redirects = 4;
  const before = teams.sockets.all.length;
  connection.drop();
  await teams.until(() => teams.sockets.all.length > before && open(teams).length >= 1, "another connection", 60_000);
  open(teams)[0].say({ type: 6 }, { type: 6 }, { type: 1, target: "Unheard", arguments: [] }, { type: 99 });
  await talk(teams, "after redirections", { who: "bob" });
});

one("an activity is acknowledged when it is safe, and one that comes again is one turn", async (t) => {
  const { teams, host: viaduct } = await host(t);
  const { delivery } = teams.post("alice", "dm", "a few words");
  for (let i = 0; i < 3; ++i) assert.equal(await delivery.more(), null);
  await answered(teams, "@alice", undefined, "a few words");
  await viaduct.kill();
  await viaduct.start();
  assert.equal(await delivery.more(), null, "also after it was killed");
  assert.deepEqual(await sentinel(teams, viaduct), ["a few words"]);
  assert.equal(count(said(teams, "@alice"), response("a few words")), 1);
});

one("twenty lost connections of every kind lose no message and double none", async (t) => {
  const { teams, host: viaduct } = await host(t, { options: { times: { retries: [300, 1000, 2000, 5000, 10_000, 20_000] }, limits: { off: true } } });
  await talk(teams, "hello");
  const away = [
    (connection) => connection.drop(), (connection) => connection.end("goes"), (connection) => connection.close(), (connection) => connection.end(), (connection) => connection.end("Server timeout", { allowReconnect: false }),
    (connection) => connection.end(undefined, { allowReconnect: true }),
  ];
  const wanted = [];
  for (let i = 0; i < 20; ++i) {
    const before = teams.sockets.all.length;
    const say = (text) => (wanted.push(text), teams.post("alice", "dm", text));
    if (i % 4 === 0) say(`before ${i}`);
    for (const connection of open(teams)) away[i % away.length](connection);
    say(`during ${i}`);
    await teams.until(() => teams.sockets.all.length > before && open(teams).length >= 1, `reconnect ${i} after kind ${i % away.length}`, 45_000);
    say(`after ${i}`);
  }
  await teams.until(() => teams.deliveries.every(({ state }) => state !== "under way"), "all deliveries");
  await until(() => wanted.every((text) => prompts(viaduct).includes(text)), "a turn for each");
  assert.deepEqual((await sentinel(teams, viaduct, "@bob")).sort(), ["hello", ...wanted].sort());
  assert.ok(open(teams).length <= 6, "no connection leaks");
});

one("a half-open connection is found out, and silence alone is none", async (t) => {
  const { teams } = await host(t, { options: { times: { retries: [1000, 40_000] } } });
  await talk(teams, "hello");
  const all = teams.sockets.all.length;
  const frozen = open(teams);
  await teams.until(() => frozen.every(({ hubPings }) => hubPings >= 1), "pings", 60_000);
  assert.equal(teams.sockets.all.length, all, "nobody said anything, and it stayed");
  for (const connection of frozen) connection.freeze();
  await teams.until(() => open(teams).some((connection) => !frozen.includes(connection)), "another connection", 90_000);
  for (const connection of frozen) connection.drop();
  await talk(teams, "still there?", { who: "bob" });
});

one("a connection is replaced before its token expires, and nothing falls between", async (t) => {
  const { teams, host: viaduct } = await host(t, { options: { times: { socketToken: 70 } } });
  const [first] = open(teams);
  await talk(teams, "hello");
  await teams.until(() => open(teams).some((connection) => connection !== first && connection.geo === first.geo), "the new one", 60_000);
  const again = await talk(teams, "in between", { who: "bob" });
  await teams.until(() => first.state !== "open", "the old one goes", 60_000);
  await again.ask("and on", "bob");
  assert.deepEqual(await sentinel(teams, viaduct, "@bob"), ["hello", "in between", "and on"]);
});

one("a connection that never becomes ready is given up", async (t) => {
  const { teams } = await host(t);
  teams.sockets.silent = 1;
  const before = teams.sockets.all.length;
  open(teams)[0].drop();
  await teams.until(() => teams.sockets.all.length > before + 1 && teams.sockets.all.slice(before + 1).some(({ ready: there, state }) => there && state === "open"), "another try", 120_000);
  await talk(teams, "hello");
});

one("while Teams has trouble it tries again and not too often; what is final it leaves alone, and its health says so", async (t) => {
  const { teams, host: viaduct } = await host(t);
  teams.fault("connect", { status: 503, retryAfter: 1 }, { times: 4 });
  teams.sockets.refuse = [500, 503];
  await again(teams);
  await talk(teams, "hello");
  await until(async () => (await complaint(viaduct)) === null, "all three are well");
  const calls = teams.calls("connect").length;
  teams.fault("connect", { status: 403, code: "Forbidden", message: "The bot has no socket mode" }, { times: Infinity });
  for (const connection of open(teams)) connection.drop();
  await until(async () => /use Socket Mode \(403\)/.test(await complaint(viaduct)), "what is wrong");
  assert.ok(teams.calls("connect").length <= calls + 8, `${teams.calls("connect").length - calls}`);
});

one("a revoked token is got anew for the next connection", async (t) => {
  const { teams } = await host(t);
  teams.revokeTokens();
  await again(teams);
  await talk(teams, "hello");
  assert.ok(teams.calls("token").length <= 4);
});

one("a message with half an emoji comes over the socket, too", async (t) => {
  const { teams, host: viaduct } = await host(t);
  teams.post("alice", "dm", "an emoji cut in two: \ud83d and on");
  await teams.until(() => prompts(viaduct).some((text) => text.includes("and on")), "the prompt");
});

one("a connection that Teams closes for whatever reason is replaced at once", async (t) => {
  const { teams } = await host(t);
  await talk(teams, "hello");
  for (const allowReconnect of [false, null]) {
    const before = new Set(open(teams));
    for (const connection of before) connection.end("server goes", { allowReconnect });
    await teams.until(() => open(teams).filter((one) => !before.has(one)).length === 3, "three new connections", 60_000);
  }
  await talk(teams, "and on", { who: "bob" });
});
