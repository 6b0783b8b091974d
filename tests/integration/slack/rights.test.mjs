// Who may do what, in which workspace, and what nobody can make the surface do.
import assert from "node:assert/strict";
import { chmodSync, existsSync, readFileSync, statSync, writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { modes, noPlugin, prompts, response, said, slackHost, talk, withButton } from "../../support/slack_surface.mjs";
import { folderFor, request } from "../../support/viaduct.mjs";
import { until } from "../../support/wait.mjs";

const one = (name, run) => test(name, { skip: noPlugin }, run);
const unlimited = { limits: { off: true } };

one("the stop button of somebody who may not stops nothing; that of somebody who may does", async (t) => {
  const { slack, host } = await slackHost(t, { options: unlimited });
  const thread = await talk(slack, "hello");
  slack.post("alice", "general", "wait for it", { thread: thread.ts });
  await until(() => prompts(host).includes("wait for it"));
  slack.stopAgent("gus", "general", thread.ts);
  await slack.settled();
  slack.post("bob", "general", "after it", { thread: thread.ts });
  // Slower than a stop would be.
  for (let i = 0; i < 3; ++i) {
    await slack.command("gus", "general", "/amp list");
    await slack.until(() => slack.answered.length > i);
  }
  assert.doesNotMatch(said(slack, "general", thread.ts), /Stopped\./);
  assert.deepEqual(prompts(host), ["hello", "wait for it"]);
  slack.stopAgent("bob", "general", thread.ts);
  await slack.until(() => said(slack, "general", thread.ts).includes(response("after it")), "the next one");
});

one("a stranger is told what to add and nothing of who is there; what is told works", async (t) => {
  for (const [allow, told] of [
    ["everyone", "allow: {everyone: true, users: [U0GUS]}"],
    [{ everyone: true, users: ["U0SUE"] }, "add U0GUS to allow.users"],
    [{ users: ["U0ALICE"], channels: ["C0RANDOM"] }, "add U0GUS to allow.users"],
  ]) {
    const { slack, host } = await slackHost(t, { config: { allow }, options: unlimited });
    slack.post("gus", "general", "@amp let me in");
    const { text } = await slack.until(() => slack.heard("gus").at(-1));
    assert.ok(text.includes(`\`\`\`${told}\`\`\``), text);
    assert.ok(!/U0ALICE|U0SUE|C0RANDOM/.test(text), text);
    await host.stop();
  }
  const { slack } = await slackHost(t, { config: { allow: { everyone: true, users: ["U0GUS"] } }, options: unlimited });
  await talk(slack, "hello", { who: "gus" });
  await talk(slack, "me, too", { who: "bob" });
});

one("nothing that the surface itself writes calls everybody, whatever agents and people call their things", async (t) => {
  const rules = [{ match: "^ask", tool: { title: "echo @channel <!here>", kind: "execute" }, permission: { title: "@everyone run <!channel>?", options: ["Allow", "Deny"] }, reply: "_@here_ and __@channel__ and _@everyone_ done" }];
  const { slack } = await slackHost(t, { rules, options: unlimited });
  const head = slack.post("alice", "general", "@amp ask");
  await slack.click("alice", await slack.until(() => withButton(slack.answers("general", head.ts), /permit/)), /Allow/);
  await slack.until(() => said(slack, "general", head.ts).includes("done"));
  await slack.command("alice", "general", "/amp new look @channel");
  await slack.until(() => slack.answers("general").some(({ text }) => /New session/.test(text)));
  const all = [...slack.where("general").posts.values()].filter(({ body }) => body.bot_id);
  for (const { body } of all) {
    const written = JSON.stringify([body.text, body.blocks ?? []]);
    assert.doesNotMatch(written, /@(channel|here|everyone)\b/, written);
    for (const found of written.matchAll(/\{[^{}]*"type":"mrkdwn"[^{}]*\}/g)) assert.match(found[0], /"verbatim":true/, found[0]);
  }
  assert.deepEqual(slack.pings, []);
});

one("the first answer to a slash command takes the place of its acknowledgement, further ones do not", async (t) => {
  const { slack } = await slackHost(t, { options: unlimited });
  const { payload } = await slack.command("alice", "general", "/amp");
  assert.equal(payload.text, "`/amp` …");
  await slack.command("alice", "general", "/amp list");
  await slack.until(() => slack.answered.length === 2);
  assert.deepEqual(slack.answered.map(({ args }) => args.replace_original), [true, true]);
  const head = await talk(slack, "hello");
  slack.post("alice", "general", "build it", { thread: head.ts });
  const before = slack.answered.length;
  await slack.click("alice", await slack.until(() => withButton(slack.answers("general", head.ts), /permit/)), /Deny/);
  await slack.until(() => said(slack, "general", head.ts).includes("You chose"));
  assert.deepEqual(slack.answered.slice(before).filter(({ args }) => args.replace_original), []);
});

for (const mode of modes)
  one(`a page that a person opens at the surface's address says what it is (${mode})`, async (t) => {
    const { host } = await slackHost(t, { mode, options: unlimited });
    const { status, text } = await request(host.origin, "GET", "/apps/slack/");
    assert.equal(status, 200);
    assert.match(text, /nothing to see/);
  });

// ---------------------------------------------------------------- several workspaces

const oauth = async (t, config = {}) => {
  const both = await slackHost(t, { mode: "http", config: { client_id: "1234.5678", client_secret: "filled below", workspaces: "any", ...config }, options: unlimited });
  both.slack.clientSecret = "filled below";
  return both;
};
async function install(slack, host, team) {
  slack.installInto = team.id;
  const go = (url, headers = {}) => fetch(url, { redirect: "manual", headers });
  const begun = await go(`${host.origin}/apps/slack/install`);
  const cookie = begun.headers.get("set-cookie").split(";")[0];
  const back = (await go(begun.headers.get("location"))).headers.get("location");
  const done = await go(back, { cookie });
  return { status: done.status, text: await done.text(), again: () => go(back, { cookie }) };
}
const heard = async (slack, team, text, who = "alice") => {
  const asked = slack.post(who, "general", `@amp ${text}`, { team });
  await slack.until(() => slack.answers("general", asked.ts, { team }).some((post) => post.text.includes(response(text))), `an answer to ${text}`);
};

one("only workspaces that are named install the app", async (t) => {
  const { slack, host } = await oauth(t, { workspaces: ["T0GOOD"] });
  const good = slack.addTeam("good");
  const evil = slack.addTeam("evil");
  const refused = await install(slack, host, evil);
  assert.equal(refused.status, 403);
  assert.match(refused.text, /T0EVIL/);
  const done = await install(slack, host, good);
  assert.equal(done.status, 200, done.text);
  assert.equal((await done.again()).status, 403, "a state is good once");
  await heard(slack, good, "here we are");
  await heard(slack, slack.team, "and here");
  assert.ok(!prompts(host).some((text) => /evil/.test(text)));
});

one("however many begin to install, the next one can", async (t) => {
  const { slack, host } = await oauth(t);
  const other = slack.addTeam("other");
  for (let i = 0; i < 11; ++i) {
    const all = await Promise.all(Array.from({ length: 100 }, () => request(host.origin, "GET", "/apps/slack/install")));
    assert.ok(all.every(({ status }) => status === 302));
  }
  assert.equal((await install(slack, host, other)).status, 200);
});

one("an operator's id means the person of the bot token's workspace, not a namesake elsewhere", async (t) => {
  const { slack, host } = await oauth(t, { operators: ["U0ALICE", "T0OTHER/U0BOB2"], working_dirs: ["~/nowhere"] });
  const other = slack.addTeam("other");
  const twin = other.person("alice");
  for (const { members } of other.channels.values()) if (members.delete(twin.id)) members.add("U0ALICE");
  other.users.delete(twin.id);
  twin.id = "U0ALICE";
  other.users.set(twin.id, twin);
  assert.equal((await install(slack, host, other)).status, 200);
  const dir = async (who, team) => {
    const asked = slack.post(who, "general", "@amp new --dir /tmp take this", { team });
    const found = await slack.until(() => [...slack.answers("general", asked.ts, { team }).map(({ text }) => text), ...slack.heard(who, { team }).map(({ text }) => text)].find((text) => /Started|outside/.test(text)));
    return /Started/.test(found);
  };
  assert.equal(await dir("alice", slack.team), true);
  assert.equal(await dir("bob", slack.team), false);
  assert.equal(await dir("alice", other), false);
  assert.equal(await dir("bob", other), true);
});

one("news that an app was uninstalled, or a person's token revoked, does not end an installation that lives", async (t) => {
  const { slack, host } = await oauth(t);
  const other = slack.addTeam("other");
  await install(slack, host, other);
  slack.event(other, "tokens_revoked", { type: "tokens_revoked", tokens: { oauth: ["U0ALICE"], bot: [] } });
  await slack.settled();
  await heard(slack, other, "still here");
  slack.hold();
  slack.revoke(other.id);
  await install(slack, host, other);
  slack.release();
  await slack.settled();
  await heard(slack, other, "here again");
});

one("tokens are replaced before they expire, and stay so after a restart; at rest they are sealed, and their key is nobody else's", async (t) => {
  const { slack, host } = await oauth(t);
  slack.features.rotation = true;
  const granted = slack.granted.bind(slack);
  slack.granted = (...of) => ({ ...granted(...of), expires_in: 60 });
  const other = slack.addTeam("other");
  await install(slack, host, other);
  const first = [...slack.tokens.keys()].filter((token) => token.startsWith("xoxe.xoxb"));
  assert.equal(first.length, 1);
  await slack.until(() => slack.calls("oauth.v2.access").length > 1, "a new token", 60_000);
  slack.granted = granted;
  await slack.until(() => slack.calls("oauth.v2.access").length > 2, "one that lasts", 60_000);
  slack.tokens.get(first[0]).state = "token_expired";
  await heard(slack, other, "with the new one");
  await host.kill();
  const secrets = [...slack.tokens.keys(), ...slack.refreshTokens.keys()].filter((token) => /^xoxe/.test(token));
  for (const file of ["viaduct.db", "viaduct.db-wal"]) {
    let bytes = "";
    try {
      bytes = readFileSync(path.join(host.home, file), "latin1");
    } catch {}
    for (const secret of secrets) assert.ok(!bytes.includes(secret), `${file} has a token`);
  }
  assert.equal(statSync(path.join(host.home, "slack.key")).mode & 0o777, 0o600);
  await host.start();
  await heard(slack, other, "after the restart");
});

one("`key_file` names the key; one that others may read, or another one, opens nothing and says what to do", async (t) => {
  const key = path.join(folderFor(t), "tokens.key");
  const { slack, host } = await oauth(t, { key_file: key });
  const other = slack.addTeam("other");
  assert.equal((await install(slack, host, other)).status, 200);
  assert.deepEqual([statSync(key).mode & 0o777, statSync(key).size], [0o600, 32]);
  assert.ok(!existsSync(path.join(host.home, "slack.key")), "no other one is made");
  await host.stop();
  chmodSync(key, 0o644);
  await host.start();
  await until(() => /slack: does not run: .*tokens\.key may be read by others; say `chmod 600` of it/.test(host.output), "why not");
  await host.stop();
  chmodSync(key, 0o600);
  await host.start();
  await heard(slack, other, "with its own key");
  await host.stop();
  writeFileSync(key, Buffer.alloc(32, "x"));
  await host.start();
  await until(() => /cannot be opened with this key; install the app there again team=T0OTHER/.test(host.output), "what to do");
  await heard(slack, slack.team, "the bot token's own is not concerned");
  assert.equal((await install(slack, host, other)).status, 200);
  await heard(slack, other, "installed again");
  await host.stop();
  await host.start();
  await heard(slack, other, "and kept");
  assert.ok(!host.output.slice(host.output.lastIndexOf("listening")).includes("cannot be opened"));
});
