// Setting it up: the app package that Teams takes, and what `viaduct doctor` finds and says is to be done.
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { png, schemaErrors, unzip, why } from "../../support/app_package.mjs";
import { noPlugin, talk, teamsHost } from "../../support/teams_surface.mjs";
import { folderFor, forHost, reconfigure, viaduct } from "../../support/viaduct.mjs";
import { until } from "../../support/wait.mjs";

const options = { skip: noPlugin };
const kId = "8f14e45f-ceea-467f-ab3f-1c9b7c4d2a10";

async function packed(t, config = {}) {
  const { host } = await teamsHost(t, { config: (teams) => ({ app_id: kId, app_password: undefined, allow_anonymous_loopback: true, endpoints: teams.config.endpoints, ...config }) });
  const out = path.join(folderFor(t), "app.zip");
  const result = await forHost(host, "teams", "manifest", "--out", out);
  assert.equal(result.code, 0, result.err);
  const files = unzip(readFileSync(out));
  return { files, manifest: JSON.parse(files.get("manifest.json").toString()), ...result };
}

test("the app package is a zip of three files that Microsoft's own schema takes", { skip: noPlugin || why }, async (t) => {
  const { files, manifest } = await packed(t);
  assert.deepEqual([...files.keys()].sort(), ["color.png", "manifest.json", "outline.png"]);
  assert.deepEqual(schemaErrors(manifest), []);
  assert.equal(manifest.bots[0].botId, kId);
  for (const scope of ["personal", "team", "groupChat"]) assert.ok(manifest.bots[0].scopes.includes(scope), scope);
  assert.deepEqual([png(files.get("color.png")).width, png(files.get("color.png")).height], [192, 192]);
  const { width, height, alpha } = png(files.get("outline.png"));
  assert.deepEqual([width, height, alpha], [32, 32, true]);
  assert.deepEqual([manifest.icons.color, manifest.icons.outline], ["color.png", "outline.png"]);
});

test("its commands are those that the bot knows, in all kinds of conversations, within Teams' limits", { skip: noPlugin || why }, async (t) => {
  const { manifest } = await packed(t);
  const lists = manifest.bots[0].commandLists;
  assert.ok(lists.length >= 1 && lists.length <= 3);
  for (const scope of ["personal", "team", "groupChat"]) {
    const titles = lists.filter(({ scopes }) => scopes.includes(scope)).flatMap(({ commands }) => commands.map(({ title }) => title.split(" ")[0]));
    for (const word of ["help", "new", "list", "connect", "status", "sessions", "end"]) assert.ok(titles.includes(word), `${word} in ${scope}: ${titles}`);
  }
  const all = new Set(lists.flatMap(({ commands }) => commands.map(({ title }) => title)));
  for (const word of ["projects", "config", "remember", "recall", "resume", "cancel"]) assert.ok(all.has(word), word);
  for (const { commands } of lists) {
    assert.ok(commands.length <= 10, `${commands.length}`);
    for (const { title, description } of commands) assert.ok(title.length <= 32 && description.length <= 128, `${title}: ${description}`);
  }
});

test("the same app has the same id, the version is what the YAML says, and RSC is asked for only where it is used", { skip: noPlugin || why }, async (t) => {
  const [one, two, all] = [await packed(t), await packed(t, { app: { name: "Helper", version: "1.2.3" } }), await packed(t, { channel_messages: "all" })];
  assert.equal(one.manifest.id, two.manifest.id);
  assert.deepEqual([two.manifest.version, two.manifest.name.short], ["1.2.3", "Helper"]);
  const resources = ({ manifest }) => (manifest.authorization?.permissions?.resourceSpecific ?? []).map(({ name }) => name);
  assert.ok(!resources(one).includes("ChannelMessage.Read.Group"), `${resources(one)}`);
  assert.ok(resources(all).includes("ChannelMessage.Read.Group") && resources(all).includes("ChatMessage.Read.Chat"), `${resources(all)}`);
  const targeted = await packed(t, { targeted_messages: true });
  assert.equal(targeted.manifest.bots[0].supportsTargetedMessages, true);
  for (const { manifest } of [one, two, all, targeted]) assert.deepEqual(schemaErrors(manifest), []);
});

test("the app package needs neither a host that runs nor a secret that works", options, async (t) => {
  const home = folderFor(t);
  const file = path.join(home, "viaduct.yaml");
  const config = { app_id: kId, app_password: "${env:NO_SUCH_PASSWORD}", tenant_id: kId, allow: "everyone" };
  writeFileSync(file, JSON.stringify({ plugins: { path: [process.env.VIADUCT_PLUGINS] }, backends: { echo: { plugin: "mock" } }, surfaces: { teams: { plugin: "teams", backend: "echo", config }, slack: { plugin: "slack", backend: "echo", config: { bot_token: "${env:NO_SUCH_TOKEN}", app_token: "${env:NO_SUCH_TOKEN}" } } } }));
  const out = path.join(home, "app.zip");
  const { code, out: words, err } = await viaduct(["teams", "manifest", "--out", out, "--config", file], { home });
  assert.equal(code, 0, err);
  assert.match(words, /app\.zip is the app[^]*But: [^]*public_url/);
  assert.equal(JSON.parse(unzip(readFileSync(out)).get("manifest.json").toString()).bots[0].botId, kId);
  const slack = await viaduct(["slack", "manifest", "--config", file], { home });
  assert.equal(slack.code, 0, slack.err);
  assert.match(slack.out, /app_mention/);
  const check = await viaduct(["check", "--config", file], { home });
  assert.match(check.err, /NO_SUCH_PASSWORD/, "which is still said");
});

test("doctor says where nobody may talk to the bot", options, async (t) => {
  const { host, teams } = await teamsHost(t, { config: { allow: undefined } });
  assert.match(failing(await doctor(host, teams)).join("\n"), /allow: nobody may talk[^]*allow: everyone/);
});

test("without a file's name, or where nothing can be written, it says so", options, async (t) => {
  const { host } = await teamsHost(t);
  const usage = await forHost(host, "teams", "manifest", "--out");
  assert.equal(usage.code, 2);
  assert.match(usage.out + usage.err, /^There is no command like: manifest --out\n[^]*manifest --out FILE\.zip/);
  const help = await forHost(host, "teams", "help");
  assert.equal(help.code, 0);
  assert.match(help.out, /^Usage: /);
  const nowhere = path.join(folderFor(t), "none", "app.zip");
  const refused = await forHost(host, "teams", "manifest", "--out", nowhere);
  assert.equal(refused.code, 1);
  assert.match(refused.err, /app\.zip/);
});

// What it says of this surface, by name: [ok, message].
async function doctor(host, teams) {
  const { out, err } = await forHost(host, "doctor", "--json");
  assert.ok(!(out + err).includes(teams.appPassword), "the secret is not shown");
  const checks = JSON.parse(out).checks.filter(({ name }) => name.startsWith("teams: "));
  return Object.fromEntries(checks.map(({ name, ok, message }) => [name.slice("teams: ".length), [ok, message]]));
}
const change = (host, config) => reconfigure(host, (all) => Object.assign(all.surfaces.teams.config, config));
const failing = (checks) => Object.entries(checks).filter(([, [ok]]) => !ok).map(([name, [, message]]) => `${name}: ${message}`);

test("doctor finds all well where it is, with a host and without", options, async (t) => {
  const { host, teams } = await teamsHost(t);
  assert.match(failing(await doctor(host, teams)).join("\n"), /public_url/, "how Teams finds it");
  host.options.config.surfaces.teams.config.public_url = host.origin;
  await host.stop();
  await host.start();
  await talk(teams, "hello");
  assert.deepEqual(failing(await doctor(host, teams)), []);
  await host.stop();
  assert.deepEqual(failing(await doctor(host, teams)), []);
});

test("doctor tells whether Socket Mode is connected, and why not", options, async (t) => {
  const { host, teams } = await teamsHost(t, { transport: "socket" });
  const all = await doctor(host, teams);
  assert.deepEqual(failing(all), []);
  assert.equal(all.socket[0], true);
  assert.equal(all["public address"], undefined, "it needs none");
  teams.fault("connect", { status: 403, code: "Forbidden", message: "The bot has no socket mode" }, { times: Infinity });
  for (const connection of teams.sockets.open) connection.drop();
  await until(async () => /socket: .*use Socket Mode \(403\)/.test(failing(await doctor(host, teams)).join("\n")), "what is wrong");
});

const wrong = {
  "a wrong secret": [{ app_password: "wrong" }, /AADSTS7000215/],
  "another app": [{ app_id: kId }, /AADSTS700016/],
};
for (const [name, [config, words]] of Object.entries(wrong))
  test(`doctor tells ${name} in Azure's words`, options, async (t) => {
    const { host, teams } = await teamsHost(t);
    await host.stop();
    change(host, config);
    assert.match(failing(await doctor(host, teams)).join("\n"), words);
  });

test("doctor tells a tenant that is none, keys that do not come and a clock that is wrong", options, async (t) => {
  const { host, teams } = await teamsHost(t);
  await host.stop();
  change(host, { endpoints: { ...teams.config.endpoints, token: `${teams.origin}/nobody/oauth2/v2.0/token` } });
  assert.match(failing(await doctor(host, teams)).join("\n"), /AADSTS90002/);
  change(host, { endpoints: teams.config.endpoints });
  const entry = teams.fault("jwks", { status: 503 }, { times: Infinity });
  assert.notDeepEqual(failing(await doctor(host, teams)), []);
  entry.left = 0;
  const serve = teams.serve.bind(teams);
  teams.serve = (request, response) => {
    response.setHeader("date", new Date(Date.now() + 3_600_000).toUTCString());
    return serve(request, response);
  };
  assert.match(failing(await doctor(host, teams)).join("\n"), /clock|behind/i);
});

test("doctor tells where Teams cannot be reached at all", options, async (t) => {
  const { host, teams } = await teamsHost(t);
  await host.stop();
  await teams.stop();
  const said = failing(await doctor(host, teams)).join("\n");
  assert.match(said, /^app id and secret: .*let this host reach the login of Microsoft by https$/m);
  assert.match(said, /^keys: the keys of Teams cannot be had \(.*let this host reach login\.botframework\.com by https$/m);
  assert.match(said, /^public address: public_url is not given/m, "also while no host runs");
  assert.doesNotMatch(said, /tried again/);
});

test("a configuration that cannot be is refused by `check`, with the field and without its secret", options, async (t) => {
  const folder = folderFor(t);
  const file = path.join(folder, "viaduct.yaml");
  const base = { app_id: kId, app_password: "very~secret~value", tenant_id: kId, allow: "everyone" };
  for (const [config, words] of [
    [{ ...base, app_id: "" }, /app_id/], [{ ...base, app_password: "" }, /app_password|certificate/], [{ ...base, certificate: { cert: "a", key: "b" } }, /app_password|certificate/], [{ ...base, transport: "pigeon" }, /transport/], [{ ...base, allow: "nobody-knows" }, /allow/],
    [{ ...base, allow: { users: ["not a guid"] } }, /allow\.users/], [{ ...base, endpoints: { token: "http://example.org/token" } }, /endpoints\.token/], [{ ...base, endpoints: { openid_metadata: "ftp://x" } }, /endpoints\.openid_metadata/], [{ ...base, unheard: 1 }, /unheard/],
    [{ ...base, tenant_id: 7 }, /tenant_id/],
  ]) {
    writeFileSync(file, JSON.stringify({ plugins: { path: [process.env.VIADUCT_PLUGINS] }, backends: { echo: { plugin: "mock" } }, surfaces: { teams: { plugin: "teams", backend: "echo", config } } }));
    const { code, out, err } = await viaduct(["check", "--config", file], { home: folder });
    assert.notEqual(code, 0, JSON.stringify(config));
    assert.match(out + err, words, JSON.stringify(config));
    assert.doesNotMatch(out + err, /very~secret/);
  }
});
