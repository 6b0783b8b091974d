// The stand-in Teams is faithful: Microsoft's Agents SDK is a bot of it, Node's own cryptography verifies its tokens, and SignalR's client speaks with its sockets.
import assert from "node:assert/strict";
import { createPublicKey, verify, X509Certificate } from "node:crypto";
import { writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { botFor, sdk, why } from "../support/agents_sdk.mjs";
import { badTokens, goodTokens, Teams } from "../support/teams.mjs";
import { folderFor } from "../support/viaduct.mjs";
import { until } from "../support/wait.mjs";

const options = { skip: why };
const kCard = "application/vnd.microsoft.card.adaptive";
const echo = async (context) => {
  if (context.activity.type === "message") await context.sendActivity(`echo: ${context.activity.text}`);
};
const json = (part) => JSON.parse(Buffer.from(part, "base64url").toString());
const fetched = async (address) => (await fetch(address)).json();

test("its tokens are what its documents say, as Node's cryptography sees it", async (t) => {
  const teams = await Teams.start(t);
  const document = await fetched(teams.config.endpoints.openid_metadata);
  assert.equal(document.issuer, "https://api.botframework.com");
  const { keys } = await fetched(document.jwks_uri);
  assert.ok(keys.some(({ kty }) => kty === "EC"), "one key is of no use here");
  const activity = teams.activity("alice", "dm");
  const [head, body, signature] = teams.mint(activity).split(".");
  const header = json(head);
  const key = keys.find(({ kid }) => kid === header.kid);
  assert.ok(key.endorsements.includes("msteams"));
  assert.ok(verify("sha256", Buffer.from(`${head}.${body}`), createPublicKey({ key, format: "jwk" }), Buffer.from(signature, "base64url")));
  const certificate = new X509Certificate(Buffer.from(key.x5c[0], "base64"));
  assert.ok(certificate.verify(certificate.publicKey) && certificate.publicKey.equals(createPublicKey({ key, format: "jwk" })), "and its certificate is of the same key");
  const claims = json(body);
  assert.deepEqual([claims.iss, claims.aud, claims.serviceurl], [document.issuer, teams.appId, activity.serviceUrl]);
  assert.ok(claims.nbf * 1000 <= Date.now() && claims.exp * 1000 > Date.now());
  const entra = teams.mintEntra();
  const { keys: others } = await fetched((await fetched(`${teams.origin}/botframework.com/v2.0/.well-known/openid-configuration`)).jwks_uri);
  const entraKey = others.find(({ kid }) => kid === json(entra.split(".")[0]).kid);
  assert.ok(verify("sha256", Buffer.from(entra.split(".").slice(0, 2).join(".")), createPublicKey({ key: entraKey, format: "jwk" }), Buffer.from(entra.split(".")[2], "base64url")));
});

test("a message in a chat, a group and a channel's thread comes as the SDK knows it, and is answered where it was said", options, async (t) => {
  const heard = [];
  const { teams, errors } = await botFor(t, async (context) => {
    heard.push([context.activity.conversation.conversationType, context.activity.removeRecipientMention(), context.activity.from.aadObjectId]);
    await echo(context);
  });
  await teams.post("alice", "dm", "hello").delivery.settled;
  const group = teams.post("bob", "project", "@amp and you?");
  const unheard = teams.post("bob", "project", "nobody is asked");
  assert.equal(unheard.delivery, null);
  const head = teams.post("alice", "general", "@amp look at <this> & that");
  for (const { delivery } of [group, head]) assert.equal((await delivery.settled).state, "acknowledged");
  const reply = teams.post("bob", "general", "@amp @carol too", { thread: head });
  await reply.delivery.settled;
  assert.deepEqual(heard.map(([kind, text]) => [kind, text.trim()]).sort(), [["channel", "<at>Carol</at> too"], ["channel", "look at <this> & that"], ["groupChat", "and you?"], ["personal", "hello"]]);
  assert.deepEqual(new Set(heard.map(([, , id]) => id)), new Set([teams.person("alice").aadObjectId, teams.person("bob").aadObjectId]));
  assert.deepEqual(teams.read("@alice"), ["alice: hello", "amp: echo: hello"]);
  assert.deepEqual(teams.answers("general", head).map(({ root }) => root), [head.id, head.id]);
  assert.deepEqual([errors, teams.complaints, teams.advice], [[], [], []]);
  assert.equal(teams.calls("token").length, 1, "one token for all");
  assert.equal(teams.calls("jwks").length, 1);
});

test("it takes every odd good token, and the SDK refuses the bad ones but for those that it is known to take", options, async (t) => {
  const { teams } = await botFor(t, echo);
  for (const { name, authorization, activity } of goodTokens(teams)) assert.equal((await teams.send(activity, { authorization })).status, 200, name);
  const bad = await badTokens(teams);
  assert.ok(bad.length >= 60 && new Set(bad.map(({ name }) => name)).size === bad.length);
  const taken = [];
  for (const { name, authorization, activity, statuses } of bad) if (!statuses.includes((await teams.send(activity, { authorization })).status)) taken.push(name);
  // It looks at no endorsements, only warns about the service URL, and needs no exp.
  assert.deepEqual(taken.filter((name) => !/service URL|service|endors|channel|exp\b|crit|claim's name|another tenant|goes elsewhere/.test(name)), []);
  assert.ok(taken.includes("no exp"));
});

test("the keys change, and a bot goes on with the new one", options, async (t) => {
  const { teams } = await botFor(t, echo);
  assert.equal((await teams.post("alice", "dm", "before").delivery.settled).state, "acknowledged");
  teams.rotate({ keep: false });
  assert.equal((await teams.post("alice", "dm", "after").delivery.settled).state, "acknowledged");
  assert.deepEqual(teams.answers("@alice").map(({ text }) => text), ["echo: before", "echo: after"]);
});

test("a message is sent, changed and taken back, and people and teams are looked up", options, async (t) => {
  const seen = {};
  const { teams, errors } = await botFor(t, async (context) => {
    const client = context.turnState.get(context.adapter.ConnectorClientKey);
    const { id } = await context.sendActivity("first");
    await context.updateActivity(Object.assign(sdk.MessageFactory.text("changed"), { id }));
    const { id: gone } = await context.sendActivity("never mind");
    await context.deleteActivity(gone);
    await context.sendActivity({ type: "typing" });
    seen.member = await client.getConversationMember(context.activity.from.aadObjectId, context.activity.conversation.id);
    seen.id = id;
  });
  await teams.post("alice", "project", "@amp go").delivery.settled;
  assert.deepEqual(errors, []);
  const [answer, ...rest] = teams.answers("project");
  assert.deepEqual([answer.versions, rest], [["first", "changed"], []]);
  assert.equal(seen.member.id, teams.person("alice").id);
  assert.equal(teams.where("project").typings.length, 1);
});

test("an answer grows in a personal chat, as the SDK streams it", options, async (t) => {
  const { teams, errors } = await botFor(t, async (context) => {
    const stream = context.streamingResponse;
    stream.queueInformativeUpdate("Looking it up");
    for (const word of ["one ", "two ", "three"]) {
      stream.queueTextChunk(word);
      await stream.waitForQueue();
    }
    stream.setGeneratedByAILabel(true);
    await stream.endStream();
  });
  const asked = teams.post("alice", "dm", "count");
  await teams.until(() => teams.answers("@alice").some(({ stream }) => stream?.ends === "final"), "the end of the stream");
  await asked.delivery.settled;
  const [answer, ...rest] = teams.answers("@alice");
  assert.deepEqual(rest, []);
  assert.equal(answer.text, "one two three");
  assert.deepEqual(answer.stream.informative, ["Looking it up"]);
  assert.ok(answer.stream.frames.length >= 3);
  assert.ok(answer.body.entities.some(({ additionalType }) => additionalType?.includes("AIGeneratedContent")));
  assert.deepEqual([errors, teams.complaints], [[], []]);
  assert.deepEqual(teams.advice, ["the end of a stream with a sequence"], "as it is known to do");
});

test("a user who stops an answer is heard by the SDK", options, async (t) => {
  let goOn;
  const stopped = new Promise((resolve) => (goOn = resolve));
  const { teams } = await botFor(t, async (context) => {
    context.streamingResponse.queueTextChunk("one ");
    await context.streamingResponse.waitForQueue();
    await stopped;
    context.streamingResponse.queueTextChunk("two");
    await context.streamingResponse.endStream();
  });
  const { delivery } = teams.post("alice", "dm", "count");
  const [answer] = await teams.until(() => teams.answers("@alice").length && teams.answers("@alice"));
  teams.cancel(answer);
  goOn();
  await delivery.settled;
  assert.equal(answer.text, "one ");
  assert.equal(answer.stream.ends, "cancelled");
  assert.match(JSON.stringify(teams.calls(/stream|final/).at(-1).result), /canceled by user/);
});

test("a card's button is pressed, its answer replaces the card, and a wrong answer is what Teams says of it", options, async (t) => {
  let answer;
  const { teams, errors } = await botFor(t, async (context) => {
    const { activity } = context;
    const card = (text, actions = []) => ({ contentType: kCard, content: { type: "AdaptiveCard", version: "1.5", body: [{ type: "TextBlock", text }], actions } });
    const fallback = { type: "Action.Submit", title: "Allow", data: { request: 7 } };
    if (activity.type === "message" && !activity.value) await context.sendActivity({ type: "message", attachments: [card("Deploy?", [{ type: "Action.Execute", title: "Allow", verb: "allow", data: { request: 7 }, fallback }])] });
    else if (activity.type === "message") await context.sendActivity(`submitted ${JSON.stringify(activity.value)} of ${activity.replyToId}`);
    else await context.sendActivity({ type: "invokeResponse", value: answer ?? { status: 200, body: { statusCode: 200, type: kCard, value: card(`${activity.from.name} chose ${activity.value.action.verb} ${activity.value.action.data.request}`).content } } });
  });
  const head = teams.post("alice", "general", "@amp deploy");
  await head.delivery.settled;
  const [message] = teams.answers("general", head);
  const pressed = await teams.click("bob", message, "Allow");
  assert.deepEqual([pressed.ok, pressed.card.body[0].text], [true, "Bob chose allow 7"]);
  assert.equal(message.shownTo.get(teams.person("bob")), pressed.card);
  answer = { status: 501 };
  assert.equal((await teams.click("bob", message, "Allow")).error, "Unable to reach app");
  answer = { status: 200, body: { type: "nothing" } };
  assert.equal((await teams.click("bob", message, "Allow")).error, "Something went wrong. Please try again.");
  assert.equal((await teams.click("carol", message, /Allow/, { fallback: true, inputs: { note: "x" } })).ok, true);
  assert.equal(teams.answers("general", head).at(-1).text, `submitted {"request":7,"note":"x"} of ${message.id}`);
  assert.deepEqual(errors, []);
});

test("MSAL gets a token with a certificate, and the stand-in verifies its proof", options, async (t) => {
  const folder = folderFor(t);
  const { teams, errors } = await botFor(t, echo, {
    auth: async (stand) => {
      const { cert, key } = await stand.useCertificate();
      stand.audience = `https://login.microsoftonline.com/${stand.tenant}/oauth2/v2.0/token`;
      const files = { certPemFile: path.join(folder, "app.pem"), certKeyFile: path.join(folder, "app.key") };
      writeFileSync(files.certPemFile, cert);
      writeFileSync(files.certKeyFile, key);
      return { ...files, sendX5C: true, clientSecret: undefined };
    },
  });
  await teams.post("alice", "dm", "hello").delivery.settled;
  assert.deepEqual([errors, teams.read("@alice")], [[], ["alice: hello", "amp: echo: hello"]]);
  const [{ args, status }] = teams.calls("token");
  assert.equal(status, 200);
  assert.equal(args.client_secret, undefined);
  assert.ok(json(args.client_assertion.split(".")[0])["x5t#S256"] ?? json(args.client_assertion.split(".")[0]).x5t);
});

test("a wrong secret is answered in Azure's words", async (t) => {
  const teams = await Teams.start(t);
  const ask = async (changed, tenant = teams.tenant) => {
    const form = { grant_type: "client_credentials", client_id: teams.appId, client_secret: teams.appPassword, scope: "https://api.botframework.com/.default", ...changed };
    const answer = await fetch(`${teams.origin}/${tenant}/oauth2/v2.0/token`, { method: "POST", body: new URLSearchParams(form) });
    return { status: answer.status, ...(await answer.json()) };
  };
  assert.equal((await ask({})).token_type, "Bearer");
  for (const [changed, status, code, tenant] of [[{ client_secret: "x" }, 401, 7000215], [{ client_id: "x" }, 400, 700016], [{ scope: "x" }, 400, 1002012], [{}, 400, 90002, "elsewhere"], [{ client_assertion: "a.b.c", client_assertion_type: "urn:ietf:params:oauth:client-assertion-type:jwt-bearer" }, 401, 50027]]) {
    const answer = await ask(changed, tenant);
    assert.deepEqual([answer.status, answer.error_codes], [status, [code]]);
    assert.match(answer.error_description, new RegExp(`^AADSTS${code}: .* Trace ID: `));
  }
});

// ---------------------------------------------------------------- SignalR

const signalR = await import("@microsoft/signalr").then((module) => ({ ...module, why: false }), (error) => ({ why: `@microsoft/signalr does not load here (${error.code ?? error.message}); npm ci installs it` }));
async function hub(t, teams, answer) {
  const token = teams.issue({ lasts: 600 });
  const opened = await fetch(`${teams.origin}/amer/v3/websockets/connect`, { method: "POST", headers: { authorization: `Bearer ${token}` } });
  const { url, accessToken } = await opened.json();
  const heard = { ready: null, activities: [], closed: null };
  const connection = new signalR.HubConnectionBuilder()
    .withUrl(url, { accessTokenFactory: () => accessToken, transport: signalR.HttpTransportType.WebSockets }).configureLogging(signalR.LogLevel.None).build();
  connection.on("SocketReady", (ready) => void (heard.ready = ready));
  connection.on("Activity", (envelope) => {
    heard.activities.push(envelope);
    return { protocolVersion: 1, envelopeId: envelope.envelopeId, botKey: teams.appId, status: 200, recvAt: Date.now(), ts: Date.now(), ...answer?.(envelope) };
  });
  connection.onclose((error) => void (heard.closed = error ?? true));
  await connection.start();
  t.after(() => connection.stop());
  await until(() => heard.ready, "SocketReady");
  return { connection, heard };
}

test("SignalR's client is ready, takes activities, answers invokes, and hears that it ends", { skip: signalR.why }, async (t) => {
  const teams = await Teams.start(t, { times: { ping: 100, retries: [0] } });
  teams.sockets.redirects = 2;
  const { heard } = await hub(t, teams, ({ type }) => (type === "invoke" ? { body: { statusCode: 200, type: "application/vnd.microsoft.activity.message", value: "done" } } : {}));
  assert.equal(heard.ready.botKey, teams.appId);
  const asked = teams.post("alice", "dm", "hello");
  assert.equal((await asked.delivery.settled).state, "acknowledged");
  assert.equal(heard.activities[0].payload.text, "hello");
  const invoked = await teams.invoke("alice", "dm", "adaptiveCard/action", { action: {} }).done;
  assert.deepEqual([invoked.status, invoked.body.value], [200, "done"]);
  const [connection] = teams.sockets.open;
  connection.end("the server goes", { allowReconnect: false });
  await until(() => heard.closed, "the end");
  assert.equal((await teams.post("alice", "dm", "lost").delivery.settled).reason, "no_connection");
  assert.deepEqual(teams.complaints, []);
});

test("SignalR's client is refused with a token that is none, and a connection that is cut brings the activity again", { skip: signalR.why }, async (t) => {
  const teams = await Teams.start(t, { times: { retries: [50, 50, 50, 50, 50, 50] } });
  const refused = await fetch(`${teams.origin}/amer/v3/websockets/connect`, { method: "POST", headers: { authorization: "Bearer nobody" } });
  assert.equal(refused.status, 401);
  let first = true;
  const { heard } = await hub(t, teams, () => {
    if (first) teams.sockets.open[0].drop();
    first = false;
    return {};
  });
  const asked = teams.post("alice", "dm", "hello");
  await until(() => heard.closed, "the cut");
  const { heard: again } = await hub(t, teams);
  await asked.delivery.settled;
  assert.deepEqual([again.activities[0]?.payload.id, asked.delivery.state], [asked.id, "acknowledged"]);
  assert.notEqual(again.activities[0].payload.timestamp, heard.activities[0].payload.timestamp, "the same activity at another time");
});
