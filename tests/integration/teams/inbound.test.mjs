// What comes in: only what Microsoft has signed for this bot, once, acknowledged at once; everything else causes nothing.
import assert from "node:assert/strict";
import { test } from "node:test";
import { badTokens, goodTokens, guid } from "../../support/teams.mjs";
import { answered, bearer, complaint, count, noPlugin, prompts, response, said, sentinel, talk, teamsHost } from "../../support/teams_surface.mjs";
import { forHost, request } from "../../support/viaduct.mjs";
import { until } from "../../support/wait.mjs";

const one = (name, run) => test(name, { skip: noPlugin }, run);
const isJson = (text) => {
  try {
    return JSON.parse(text) !== undefined;
  } catch {
    return false;
  }
};
// Until a token of the service is taken: the keys may have to be fetched anew, which is not done all the time.
const taken = (teams, activity, limit = 100_000) => until(async () => (await teams.send(activity)).status === 200, "that it is taken", limit);

one("each of more than a hundred bad tokens is refused in few words, without an echo, and causes nothing", async (t) => {
  const { teams, host } = await teamsHost(t);
  await talk(teams, "hello");
  const before = teams.outbound.length;
  const keys = teams.calls("jwks").length;
  const bad = await badTokens(teams);
  assert.ok(bad.length >= 60, `${bad.length}`);
  for (const { name, authorization, activity, statuses } of bad) {
    const answer = await teams.send(activity, { authorization });
    assert.ok(statuses.includes(answer.status), `${name}: ${answer.status}`);
    assert.ok(answer.text.length < 300 && (answer.text === "" || isJson(answer.text)), `${name}: ${answer.text}`);
    for (const secret of [authorization?.split(" ").at(-1), activity.text, activity.from.id]) assert.ok(!secret || secret.length < 8 || !answer.text.includes(secret), `${name}: ${answer.text}`);
  }
  assert.equal(teams.outbound.length, before, "no call of any kind");
  assert.ok(teams.calls("jwks").length <= keys + 1, "and the keys are not fetched for every stranger");
  assert.deepEqual(await sentinel(teams, host), ["hello"]);
  assert.doesNotMatch(host.output, /eyJ[\w-]{10,}\.eyJ/, "no token is in the log");
});

one("good tokens are taken, also those that look odd", async (t) => {
  const { teams, host } = await teamsHost(t);
  const good = goodTokens(teams);
  for (const { name, authorization, activity } of good) {
    const answer = await teams.send(activity, { authorization });
    assert.deepEqual([answer.status, answer.text], [200, ""], name);
  }
  await until(() => prompts(host).length === good.length, "a turn for each", 60_000);
  assert.deepEqual((await sentinel(teams, host)).sort(), good.map(({ activity }) => activity.text).sort());
});

one("the service changes its keys: the next activity is taken, with one more look at the keys", async (t) => {
  const { teams, host } = await teamsHost(t);
  await talk(teams, "before");
  const keys = teams.calls("jwks").length;
  teams.rotate({ keep: false });
  const activity = teams.activity("alice", "dm", { fields: { text: "after", textFormat: "plain" } });
  await taken(teams, activity);
  await answered(teams, "@alice", undefined, "after");
  assert.equal(teams.calls("jwks").length, keys + 1);
  assert.deepEqual(await sentinel(teams, host), ["before", "after"]);
});

one("a hundred unknown keys at once are one look at the keys", async (t) => {
  const { teams } = await teamsHost(t);
  await talk(teams, "hello");
  const keys = teams.calls("jwks").length;
  const all = await Promise.all(Array.from({ length: 100 }, (_, i) => {
    const activity = teams.activity("alice", "dm", { fields: { text: "forged" } });
    return teams.send(activity, { authorization: `Bearer ${teams.mint(activity, { key: teams.keys.stranger, header: { kid: `unknown-${i}` } })}` });
  }));
  assert.ok(all.every(({ status }) => status === 401 || status === 403));
  assert.ok(teams.calls("jwks").length <= keys + 1);
});

for (const [name, fault] of Object.entries({ "is down": { status: 503 }, "cuts": { cut: "before" }, "answers with 20 MB": { huge: 20_000_000 }, "answers nonsense": { text: "{no json" }, "answers with no keys": { text: '{"keys":[]}' } }))
  one(`when the address of the keys ${name}, keys that are known go on, and without any everything is refused, and never as an error of ours`, async (t) => {
    const { teams, host } = await teamsHost(t);
    await talk(teams, "hello");
    teams.fault("jwks", fault, { times: Infinity });
    const unknown = teams.activity("alice", "dm", { fields: { text: "forged" } });
    const refused = await teams.send(unknown, { authorization: `Bearer ${teams.mint(unknown, { key: teams.keys.stranger, header: { kid: "unknown" } })}` });
    assert.ok([401, 403].includes(refused.status), `${refused.status}`);
    teams.post("alice", "dm", "still here");
    await answered(teams, "@alice", undefined, "still here");
    await host.stop();
    await host.start();
    const early = await teams.send(teams.activity("alice", "dm", { fields: { text: "without keys" } }));
    assert.ok([401, 403].includes(early.status), `${early.status}`);
    assert.deepEqual(prompts(host).filter((text) => /forged|without keys/.test(text)), []);
  });

one("a redirection of the keys is not followed", async (t) => {
  const { teams } = await teamsHost(t, { mayComplain: true });
  teams.fault(/^(openid|jwks)$/, { redirect: `${teams.origin}/evil/keys` }, { times: Infinity });
  const activity = teams.activity("alice", "dm", { fields: { text: "hello" } });
  const refused = await teams.send(activity, { authorization: `Bearer ${teams.mint(activity, { key: teams.keys.stranger, header: { kid: "unknown" } })}` });
  assert.ok([401, 403].includes(refused.status));
  assert.deepEqual(teams.journal.filter(({ path }) => path.startsWith("/evil")), []);
});

one("what is no activity is refused, and no request brings it down", async (t) => {
  const { teams, host } = await teamsHost(t);
  const { serviceUrl } = teams.activity("alice", "dm");
  const right = bearer(teams, { serviceUrl });
  for (const body of ["", "{no json", "[]", "null", "7", '"text"', "{}", '{"type":7}', '{"type":""}', `{"type":"message","serviceUrl":"${serviceUrl}","channelId":"msteams"}`, JSON.stringify({ type: "message", serviceUrl, channelId: "msteams", conversation: "x", from: [], recipient: 7, text: {}, entities: "x", attachments: {} }), "[".repeat(100_000), Buffer.from([0xff, 0xfe, 0x00])]) {
    const answer = await teams.send(body, right);
    assert.ok([400, 401, 403].includes(answer.status) || answer.status === 200, `${String(body).slice(0, 60)}: ${answer.status}`);
    assert.ok(answer.text.length < 300);
  }
  const large = await teams.send(JSON.stringify({ ...teams.activity("alice", "dm"), text: "x".repeat(5_000_000) }), right).catch((error) => ({ status: error.code }));
  assert.ok([400, 413, "ECONNRESET", "EPIPE"].includes(large.status), `${large.status}`);
  for (const method of ["GET", "PUT", "DELETE", "PATCH"]) assert.ok([404, 405].includes((await teams.send("{}", { ...right, method })).status), method);
  assert.ok((await request(host.origin, "HEAD", "/apps/teams/api/messages")).status < 500, "the Playground looks so whether somebody is there");
  assert.deepEqual(await sentinel(teams, host), []);
});

one("activities of every kind, also of kinds that nobody knows, are acknowledged and do no harm", async (t) => {
  const { teams, host } = await teamsHost(t);
  const thread = await talk(teams, "hello", { where: "general" });
  const all = ["trace", "handoff", "command", "suggestion", "contactRelationUpdate", "deleteUserData", "unheardOf", "typing"].map((type) => teams.event("alice", "general", type, {}, { root: thread.head.id }));
  all.push(
    teams.event("alice", "dm", "event", { name: "application/vnd.microsoft.readReceipt", value: { lastReadMessageId: "1" } }), teams.event("alice", "standup", "event", { name: "application/vnd.microsoft.meetingStart", value: {} }),
    teams.event("alice", "general", "messageUpdate", { text: "nobody knows it", channelData: { ...teams.where("general").channelData, eventType: "editMessage" } }), teams.event("alice", "dm", "messageDelete", { channelData: { eventType: "softDeleteMessage" } }),
    teams.event("alice", "general", "messageReaction", { replyToId: "1", reactionsAdded: [{ type: "like" }, { type: "1f44b_wavinghand" }, {}] }), teams.react("bob", thread.head, "heart"),
    ...["channelCreated", "channelRenamed", "channelDeleted", "channelRestored", "channelShared", "teamRenamed", "teamArchived", "teamUnarchived", "unheardOf"].map((eventType) => teams.event("alice", "random", "conversationUpdate", { channelData: { ...teams.where("random").channelData, eventType } })),
    teams.event("alice", "general", "conversationUpdate", { membersAdded: [{ id: teams.person("carol").id }] }), teams.event("alice", "general", "conversationUpdate", { membersRemoved: [{ id: teams.person("carol").id }] }),
    teams.event("alice", "dm", "message", { text: "", attachments: [] }), teams.event("alice", "dm", "message", { text: "   ", textFormat: "plain" }), teams.event("alice", "dm", "installationUpdate", { action: "unheardOf" }), teams.event("bob", "dm", "endOfConversation", { code: "completedSuccessfully" }),
  );
  for (const delivery of all) assert.equal((await delivery.settled).state, "acknowledged", `${delivery.what} ${JSON.stringify(delivery.activity.channelData.eventType)}`);
  for (const delivery of all) assert.equal(delivery.attempts[0].text, "", delivery.what);
  assert.deepEqual(await sentinel(teams, host, "general", thread.thread), ["hello"]);
});

one("every copy of an activity is acknowledged, and there is one turn and one answer", async (t) => {
  const { teams, host } = await teamsHost(t, { chunkDelay: "20ms" });
  const { delivery } = teams.post("alice", "dm", "a few words that take a while");
  for (let i = 0; i < 3; ++i) assert.equal(await delivery.more(), null);
  await Promise.all([delivery.more(), delivery.more(), delivery.more()]);
  await answered(teams, "@alice", undefined, "a few words that take a while");
  assert.equal(await delivery.more(), null);
  await host.stop();
  await host.start();
  assert.equal(await delivery.more(), null, "also after a restart");
  await host.kill();
  await host.start();
  assert.equal(await delivery.more(), null);
  assert.deepEqual(await sentinel(teams, host), ["a few words that take a while"]);
  assert.equal(count(said(teams, "@alice"), response("a few words that take a while")), 1);
});

one("the same id in another conversation is another message", async (t) => {
  const { teams, host } = await teamsHost(t);
  const activity = teams.activity("alice", "dm", { fields: { text: "mine", textFormat: "plain" } });
  const other = { ...teams.activity("bob", "dm", { fields: { text: "yours", textFormat: "plain" } }), id: activity.id };
  for (const one of [activity, other]) assert.equal((await teams.send(one)).status, 200);
  await answered(teams, "@alice", undefined, "mine");
  await answered(teams, "@bob", undefined, "yours");
  assert.deepEqual((await sentinel(teams, host)).sort(), ["mine", "yours"]);
});

one("what comes while nobody is there comes again, and is the only copy", async (t) => {
  const { teams, host } = await teamsHost(t, { options: { times: { retries: [60_000, 60_000] } } });
  await host.stop();
  const { delivery } = teams.post("alice", "dm", "are you there?");
  await teams.until(() => delivery.attempts[0]?.reason === "connection_failed");
  await host.start();
  delivery.hurry();
  await until(() => prompts(host).includes("are you there?"));
  assert.deepEqual(await sentinel(teams, host), ["are you there?"]);
});

one("a message is acknowledged long before its turn ends", async (t) => {
  const { teams } = await teamsHost(t, { rules: [{ match: "^slow", delay: "8s" }] });
  const { delivery } = teams.post("alice", "dm", "slow one");
  await delivery.settled;
  assert.ok(delivery.attempts[0].took < 3000, `${delivery.attempts[0].took}`);
  assert.ok(!said(teams, "@alice").includes(response("slow one")));
  await answered(teams, "@alice", undefined, "slow one");
});

one("every invoke is answered within three seconds with a body that Teams knows, also while the agent works", async (t) => {
  const { teams } = await teamsHost(t);
  await talk(teams, "hello");
  teams.post("alice", "dm", "wait");
  const card = { action: { type: "Action.Execute", verb: "unheard-of", data: { x: 1 } }, trigger: "manual" };
  const refused = (body) => [body.statusCode, body.type, /not of this bot/.test(body.value.message)];
  const kRefused = [400, "application/vnd.microsoft.error", true];
  const dialog = ({ config }) => [config.type, config.value.card.content.type];
  const nothing = (body) => body;
  // What it is, its status, and what there must be in its body.
  const cases = [
    ["adaptiveCard/action", card, 200, refused, kRefused], ["adaptiveCard/action", { ...card, trigger: "automatic" }, 200, refused, kRefused], ["adaptiveCard/action", {}, 200, refused, kRefused], ["adaptiveCard/action", null, 200, refused, kRefused],
    ["message/submitAction", { actionName: "feedback", actionValue: { reaction: "like", feedback: '{"feedbackText":"good"}' } }, 200, nothing, {}], ["message/submitAction", { actionName: "feedback", actionValue: "x" }, 200, nothing, {}],
    ["message/fetchTask", {}, 200, ({ task }) => [task.type, typeof task.value], ["message", "string"]], ["suggestedActions/submit", { x: 1 }, 200], ["task/fetch", { data: {} }, 501, nothing, undefined], ["task/submit", { data: {} }, 501, nothing, undefined],
    ["fileConsent/invoke", { type: "fileUpload", action: "decline", context: {} }, 200, nothing, {}],
    ["signin/verifyState", { state: "1" }, 412, ({ failureDetail }) => typeof failureDetail, "string"], ["signin/tokenExchange", { id: "1", connectionName: "x", token: "y" }, 412, ({ failureDetail }) => typeof failureDetail, "string"], ["signin/failure", { code: "x" }, 412],
    ["config/fetch", {}, 200, dialog, ["continue", "AdaptiveCard"]], ["config/submit", {}, 200, dialog, ["continue", "AdaptiveCard"]],
  ];
  for (const [name, value, wanted, look, found] of cases) {
    const { status, body, took } = await teams.invoke("alice", "dm", name, value, { replyToId: "1" }).done;
    assert.equal(status, wanted, `${name}: ${JSON.stringify(body)}`);
    assert.ok(took < 3000, `${name}: ${took}`);
    if (look) assert.deepEqual(look(body), found, `${name}: ${JSON.stringify(body)}`);
  }
  for (const name of ["composeExtension/query", "application/search", "tab/fetch", "actionableMessage/executeAction", "handoff/action", "unheard/of"]) assert.equal((await teams.invoke("alice", "dm", name, {}).done).status, 501, name);
});

one("without keys, which Teams' requests are checked with, its health says so, and with them it is well", async (t) => {
  const { teams, host } = await teamsHost(t);
  assert.equal(await complaint(host), null);
  await host.stop();
  const entry = teams.fault("jwks", { status: 503 }, { times: Infinity });
  await host.start();
  await until(async () => /keys/.test(await complaint(host)), "what is wrong");
  entry.left = 0;
  await forHost(host, "doctor"); // looks at the keys
  await until(async () => (await complaint(host)) === null, "it is well");
  await talk(teams, "hello");
});

one("the alias /api/messages is there, unless it is switched off", async (t) => {
  const { teams, host } = await teamsHost(t);
  const asked = teams.activity("alice", "dm", { fields: { text: "by the alias", textFormat: "plain" } });
  assert.equal((await teams.send(asked, { path: "/api/messages" })).status, 200);
  await answered(teams, "@alice", undefined, "by the alias");
  assert.equal((await teams.send(asked, { path: "/api/messages", authorization: null })).status, 401);
  assert.ok(host.port);
  const without = await teamsHost(t, { config: { messages_alias: false } });
  assert.equal((await without.teams.send(without.teams.activity("alice", "dm"), { path: "/api/messages" })).status, 404);
  await talk(without.teams, "by its own way");
});

one("Entra's tokens are taken only where they are switched on: of the own tenant and the emulators', for a service on this computer", async (t) => {
  const config = (teams) => ({ allow_entra_tokens: true, endpoints: { ...teams.config.endpoints, entra_metadata: `${teams.origin}/common/v2.0/.well-known/openid-configuration` } });
  const { teams, host } = await teamsHost(t, { config });
  let n = 0;
  const send = (token, fields = {}) => teams.send(teams.activity("alice", "dm", { fields: { text: `entra ${++n}`, textFormat: "plain", ...fields } }), { authorization: `Bearer ${token}` });
  for (const version of [1, 2]) assert.equal((await send(teams.mintEntra({ version }))).status, 200, `version ${version}`);
  assert.equal((await send(teams.mintEntra({ tenant: "d6d49420-f39b-4df7-a1dc-d59a935871db" }))).status, 200, "of the emulator");
  const elsewhere = guid("tenant elsewhere");
  for (const [name, token] of Object.entries({
    "another tenant": teams.mintEntra({ tenant: elsewhere }), "issuer and tid of two tenants": teams.mintEntra({ claims: { tid: elsewhere } }), "another app": teams.mintEntra({ claims: { azp: guid("other") } }), "another audience": teams.mintEntra({ claims: { aud: guid("other") } }),
    "no exp": teams.mintEntra({ claims: { exp: undefined } }), expired: teams.mintEntra({ claims: { exp: 1 } }), "signed by the channel's key": teams.mintEntra({ key: teams.keys.channel }), "the channel's issuer": teams.mintEntra({ claims: { iss: "https://api.botframework.com" } }),
    "version 1 with azp": teams.mintEntra({ version: 1, claims: { appid: undefined, azp: teams.appId } }),
  })) assert.ok([401, 403].includes((await send(token)).status), name);
  assert.ok([401, 403].includes((await send(teams.mintEntra(), { serviceUrl: "https://smba.trafficmanager.net/amer/" })).status), "it goes nowhere else");
  await until(() => prompts(host).length === 3);
  assert.deepEqual(await sentinel(teams, host), ["entra 1", "entra 2", "entra 3"]);
});

one("without a token only where that is switched on, directly on this computer", async (t) => {
  const { teams, host } = await teamsHost(t, { config: { allow_anonymous_loopback: true } });
  const send = (options = {}, fields = {}) => teams.send(teams.activity("alice", "dm", { fields: { text: "nobody knows me", textFormat: "plain", ...fields } }), { authorization: null, ...options });
  assert.equal((await send()).status, 200);
  await answered(teams, "@alice", undefined, "nobody knows me");
  for (const headers of [{ "x-forwarded-for": "192.0.2.1" }, { forwarded: "for=192.0.2.1" }, { origin: "https://evil.example.test" }, { host: "[::1].evil.example.test" }, { host: "127.0.0.1:evil" }, { host: "localhost@evil.example.test" }]) assert.ok([401, 403].includes((await send({ headers })).status), JSON.stringify(headers));
  for (const serviceUrl of ["https://smba.trafficmanager.net/amer/", "http://evil.example.test/", "http://127.0.0.1.evil.example.test/", "http://192.0.2.1/"]) assert.ok([401, 403].includes((await send({}, { serviceUrl })).status), serviceUrl);
  const bad = (await badTokens(teams)).filter(({ authorization }) => authorization !== null && authorization !== "" && !/^Bearer ?$/.test(authorization));
  for (const { name, authorization, activity, statuses } of bad.filter((_, i) => i % 5 === 0)) assert.ok(statuses.includes((await teams.send(activity, { authorization })).status), name);
  assert.deepEqual(await sentinel(teams, host), ["nobody knows me"]);
});

one("its own messages and other bots are not answered", async (t) => {
  const { teams, host } = await teamsHost(t);
  for (const from of [teams.bot.account, teams.person("rob").account]) {
    const activity = teams.activity("alice", "project", { fields: { text: "<at>Amp</at> hello", entities: [{ type: "mention", mentioned: { id: teams.bot.id, name: "Amp" }, text: "<at>Amp</at>" }], from } });
    assert.equal((await teams.send(activity)).status, 200);
  }
  assert.deepEqual(await sentinel(teams, host, "project"), []);
  assert.deepEqual(teams.answers("project").length, 1);
});

one("two Authorization headers, or two values in one, are refused, also where one of them is good", async (t) => {
  const { teams, host } = await teamsHost(t);
  await talk(teams, "hello");
  const activity = teams.activity("alice", "dm", { fields: { text: "twice", textFormat: "plain" } });
  const good = `Bearer ${teams.mint(activity)}`;
  for (const authorization of [[good, good], [good, "Bearer x"], ["Bearer x", good], `${good}, ${good}`, `${good} ${good}`])
    assert.equal((await teams.send(activity, { authorization: null, headers: { authorization } })).status, 401, `${[authorization].flat().length} of them`);
  assert.deepEqual(await sentinel(teams, host), ["hello"]);
});

one("the same press again gets the same answer, at once", async (t) => {
  const { teams } = await teamsHost(t);
  await talk(teams, "hello");
  const data = { viaduct: 1, action: "format-disk", value: "now" };
  const pressed = teams.invoke("alice", "dm", "adaptiveCard/action", { action: { type: "Action.Execute", id: "x", verb: "x", data }, trigger: "manual" });
  const first = await pressed.done;
  const begun = Date.now();
  const again = await teams.send(pressed.delivery.activity);
  assert.deepEqual(JSON.parse(again.text), first.body);
  assert.ok(Date.now() - begun < 1500, `${Date.now() - begun} ms`);
});
