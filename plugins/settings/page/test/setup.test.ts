import assert from "node:assert/strict";
import test from "node:test";
import type { Instance, Overview, Setting } from "../overview.ts";
import * as setup from "../setup.ts";

const running: Instance = { name: "bot", kind: "surface", plugin: "teams", state: "running" };
function config(settings: Setting[], name = "bot"): setup.Config {
  const configuration = [{ path: "server.listen", value: "127.0.0.1:8410" }, ...settings.map((one) => ({ ...one, path: `surfaces.${name}.config.${one.path}` }))];
  return new setup.Config({ version: "1", uptime_seconds: 1, instances: [], configuration, sessions: 0, memories: 0 } as Overview, name);
}
const env = (path: string, variable: string): Setting => ({ path, value: null, secret: true, origin: `v.yaml:1:1 \${env:${variable}}` });
const teams = [env("app_id", "MY_ID"), env("app_password", "MY_PASSWORD"), { path: "tenant_id", value: "t-1" }, { path: "public_url", value: "https://bots.example.org/" }, { path: "allow", value: "everyone" }];
const ok = (name: string): setup.Check => ({ name, ok: true, message: "fine" });
const step = (guide: setup.Guide, title: RegExp): setup.Step => {
  const found = guide.steps.find((one) => title.test(one.title));
  assert.ok(found, `${title} in ${guide.steps.map((one) => one.title)}`);
  return found;
};
const gaps = (one: setup.Step): string[] => (one.lines ?? []).filter(({ gap }) => gap).map(({ text }) => text.trim());

test("a surface that is whole has every step done that can be seen from here", () => {
  const guide = setup.guide("teams", config(teams), running, ["app id and secret", "keys", "clock", "public address"].map(ok));
  assert.deepEqual(guide.steps.map(({ done }) => done), [true, true, true, true, true, null, null]);
  assert.deepEqual(guide.rest, []);
  assert.equal(setup.summary(guide), "5 of 7 steps are done, and nothing that can be seen from here is missing.");
});

test("what a check finds wrong is said at its step, and what belongs to no step at the end", () => {
  const wrong = (name: string): setup.Check => ({ name, ok: false, message: `${name} is wrong` });
  const guide = setup.guide("teams", config(teams), running, [wrong("app id and secret"), ok("keys"), wrong("clock"), wrong("public address"), wrong("weather")]);
  assert.deepEqual(step(guide, /environment/).missing, ["app id and secret is wrong"]);
  assert.equal(step(guide, /Register/).done, null, "whether the id or the secret is wrong cannot be said");
  assert.deepEqual(step(guide, /who is speaking/).missing, ["clock is wrong"]);
  assert.deepEqual(step(guide, /reach/).missing, ["public address is wrong"]);
  assert.deepEqual(guide.rest.map(({ name }) => name), ["weather"]);
  assert.equal(setup.summary(guide), "1 of 7 steps are done; 4 still miss something.");
});

test("the endpoint is made of public_url and the surface's name, and the lines name the variables that are used", () => {
  const guide = setup.guide("teams", config(teams), running, []);
  assert.deepEqual(step(guide, /reach/).lines, [{ text: "https://bots.example.org/api/messages", gap: false }]);
  const ownOnly = setup.guide("teams", config([...teams, { path: "messages_alias", value: false }]), running, []);
  assert.deepEqual(step(ownOnly, /reach/).lines, [{ text: "https://bots.example.org/apps/bot/api/messages", gap: false }]);
  assert.match(step(guide, /reach/).words.at(-1) ?? "", /“Messaging endpoint”:$/, "the address follows upon the words that it belongs to");
  const lines = (step(guide, /YAML/).lines ?? []).map(({ text }) => text.trim());
  for (const line of ["bot:", "plugin: teams", 'app_id: "${env:MY_ID}"', 'app_password: "${env:MY_PASSWORD}"', "tenant_id: t-1"]) assert.ok(lines.includes(line), `${line} in ${lines}`);
  const shell = (step(guide, /environment/).lines ?? []).map(({ text }) => text);
  assert.deepEqual(shell, ["export MY_ID=…", "export MY_PASSWORD=…", "viaduct serve"], "what stands in the YAML is not asked for again");
});

test("what is not in the configuration is marked in the lines to copy", () => {
  const guide = setup.guide("teams", config(teams.slice(0, 2)), running, [ok("app id and secret")]);
  assert.deepEqual(gaps(step(guide, /YAML/)), ["public_url: https://bots.example.org", "allow: everyone"]);
  assert.equal(step(guide, /YAML/).done, false);
  assert.deepEqual(step(guide, /reach/).missing, ["public_url in the configuration"]);
  const none = setup.guide("teams", config([]), undefined, null);
  assert.deepEqual(none.steps.map(({ done }) => done), [false, false, false, false, null, null, null]);
  assert.deepEqual(gaps(step(none, /YAML/)), [], "where all is missing, no line is");
  assert.ok((step(none, /YAML/).lines ?? []).some(({ text }) => text.trim().startsWith("backend:")));
});

test("the lines to copy are a whole surface: who answers stands there, and how Teams gets here", () => {
  const whole = (settings: Setting[], instances: Instance[]): string[] => {
    const all = { version: "1", uptime_seconds: 1, instances, configuration: settings, sessions: 0, memories: 0 } as Overview;
    return (step(setup.guide("teams", new setup.Config(all, "bot"), undefined, null), /YAML/).lines ?? []).map(({ text }) => text);
  };
  const echo: Instance = { name: "echo", kind: "backend", plugin: "mock", state: "running" };
  assert.deepEqual(whole([{ path: "surfaces.bot.backend", value: "claude" }], [echo]).slice(0, 5), ["surfaces:", "  bot:", "    plugin: teams", "    backend: claude", "    config:"]);
  assert.ok(whole([{ path: "surfaces.bot.backends[0]", value: "a" }, { path: "surfaces.bot.backends[1]", value: "b" }], [echo]).includes("    backends: [a, b]"));
  assert.ok(whole([], [echo]).includes("    backend: echo   # or another of your backends"));
  assert.ok(whole([], [echo]).includes("      transport: http"));
  assert.ok(whole([], []).includes("    backend: NAME   # one of your backends"));
});

test("what keeps it from running is said where it is to be mended", () => {
  const failed = (message: string): setup.Guide => setup.guide("teams", config(teams), { ...running, state: "failed", error: { message } }, null);
  const shared = failed("the instance amp uses the same credential already");
  assert.deepEqual([step(shared, /YAML/).missing, step(shared, /environment/).missing], [["the instance amp uses the same credential already"], []]);
  const secret = failed("app_password is wrong [AADSTS7000215]");
  assert.deepEqual([step(secret, /YAML/).missing, step(secret, /environment/).missing], [[], ["app_password is wrong [AADSTS7000215]"]]);
});

test("the listener of its own is named where there is none, and a port of chance is not", () => {
  const at = (path: string, value: string): string => {
    const all = { version: "1", uptime_seconds: 1, instances: [], configuration: [{ path, value }], sessions: 0, memories: 0 } as Overview;
    return step(setup.guide("teams", new setup.Config(all, "bot"), running, []), /reach/).words.join("\n");
  };
  assert.match(at("server.listen", "127.0.0.1:8410"), /on to 127\.0\.0\.1:8410\.\n.*webhooks: \{ listen: 127\.0\.0\.1:8411 \}/);
  assert.match(at("server.listen", "127.0.0.1:0"), /on to this host\./);
  assert.doesNotMatch(at("server.webhooks.listen", "0.0.0.0:8411"), /listener of its own/);
});

test("a secret that stands in the YAML itself is never shown", () => {
  const guide = setup.guide("teams", config([{ path: "app_id", value: "hunter22", secret: true, origin: "v.yaml:1:1" }, { path: "app_password", value: "hunter23", secret: true }]), running, []);
  assert.ok(!JSON.stringify(guide).includes("hunter"));
});

test("a surface that does not run says why where its credentials are", () => {
  const guide = setup.guide("teams", config(teams), { ...running, state: "failed", error: { message: "AADSTS7000215: wrong secret" } }, null);
  assert.deepEqual(step(guide, /environment/).missing, ["AADSTS7000215: wrong secret"]);
  assert.equal(step(guide, /reach/).done, null);
});

test("what was not looked at is neither done nor missing", () => {
  const guide = setup.guide("teams", config(teams), running, [{ ...ok("public address"), skipped: true }]);
  assert.deepEqual([step(guide, /reach/).done, step(guide, /reach/).missing], [null, []]);
});

test("over a socket there is no public address to be given", () => {
  const guide = setup.guide("teams", config([...teams.filter(({ path }) => path !== "public_url"), { path: "transport", value: "socket" }]), running, [ok("socket")]);
  assert.equal(step(guide, /connect/).done, true);
  assert.ok(!guide.steps.some(({ title }) => /reach/.test(title)));
  assert.equal(step(guide, /YAML/).done, true);
});

test("Slack: tokens, scopes of each workspace, and the addresses of HTTP have their steps", () => {
  const slack = { ...running, plugin: "slack" };
  const keys = [{ path: "mode", value: "http" }, env("bot_token", "T"), env("signing_secret[0]", "S"), { path: "public_url", value: "https://x.example" }, { path: "allow.users[0]", value: "U1" }];
  const guide = setup.guide("slack", config(keys), slack, [ok("bot token"), { name: "scopes of B", ok: false, message: "missing: chat:write" }, ok("clock"), ok("public address")]);
  assert.deepEqual(guide.steps.map(({ done }) => done), [false, true, true, true, true, null]);
  assert.deepEqual(step(guide, /Make the app/).missing, ["missing: chat:write"]);
  assert.deepEqual((step(guide, /reach/).lines ?? []).map(({ text }) => text), ["events", "commands", "interactivity"].map((one) => `https://x.example/apps/bot/${one}`));
  assert.ok((step(guide, /YAML/).lines ?? []).some(({ text }) => text.includes("# allow: as it is")));
  const simulator = setup.guide("slack", config([{ path: "simulator", value: true }]), slack, [ok("simulator")]);
  assert.deepEqual([simulator.steps.length, simulator.rest.length], [1, 1]);
});

test("which network a plugin is of; a name that is not there yet is taken for one", () => {
  assert.deepEqual(["slack", "org.viaduct.teams", "mock", "web_chat"].map(setup.networkOf), ["slack", "teams", null, null]);
  assert.deepEqual([setup.networkFor("teams", undefined), setup.networkFor("teams", { ...running, plugin: "mock" }), setup.networkFor("gone", undefined)], ["teams", null, null]);
});
