// A host with the surface `teams` that talks to the stand-in Teams, and what its tests ask again and again.
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import path from "node:path";
import { count, prompts, response, rules } from "./chat_surface.mjs";
import { Teams, visible } from "./teams.mjs";
import { Host, plugins, request } from "./viaduct.mjs";
import { until } from "./wait.mjs";

export { count, prompts, response, rules };
export const transports = ["http", "socket"];
export const noPlugin = plugins && existsSync(path.join(plugins, "teams.so")) ? false : "there is no plugin teams in VIADUCT_PLUGINS";

// `config` is the surface's (or makes it of the stand-in's), `options` the stand-in's, `more` the host's whole configuration, `host` the rest of what a host takes.
export async function teamsHost(t, { transport = "http", config = {}, options = {}, backend = "echo", more = {}, mayComplain = false, ...host } = {}) {
  const teams = await Teams.start(t, { times: { retries: [500, 1000, 2000, 4000, 8000], ...options.times }, ...without(options, "times") });
  const own = { ...teams.config, transport, allow: "everyone", ...(typeof config === "function" ? await config(teams) : config) };
  for (const [name, value] of Object.entries(own)) if (value === undefined) delete own[name];
  const surface = { plugin: "teams", backend, config: own };
  const one = new Host({ rules, ...host, config: { surfaces: { "web-chat": { plugin: "web_chat", backend }, settings: { plugin: "settings" }, teams: surface }, ...more } });
  t.after(async () => {
    const lost = teams.complaints;
    await one.remove();
    assert.deepEqual(mayComplain ? [] : lost, [], "what the surface did that no good app does");
  });
  const start = one.start.bind(one);
  one.start = async () => {
    await start();
    if (transport === "http") teams.endpoint = `${one.origin}/apps/teams/api/messages`;
    await ready(teams);
  };
  await one.start();
  return { teams, host: one };
}
const without = (object, name) => Object.fromEntries(Object.entries(object).filter(([key]) => key !== name));
// Connected, or listening.
export const ready = (teams) => teams.endpoint !== null || teams.until(() => teams.sockets.open.some(({ state }) => state === "open"), "a connection");

// What the surface says that it lacks; null: it is well.
export async function complaint(host) {
  const { body } = await request(host.origin, "GET", "/apps/settings/api/overview");
  const found = body.instances.find(({ name }) => name === "teams");
  return found.error?.message ?? found.error ?? null;
}

// All that the bot said there, joined in order, as it reads: escapes of Markdown are taken out.
export const plain = (text) => text.replaceAll(/\\([\\`*_{}[\]()#+\-.!|<>~&])/g, "$1").replaceAll("&lt;", "<").replaceAll("&gt;", ">").replaceAll("&amp;", "&").replaceAll("&nbsp;", " ");
export const said = (teams, where, thread) => teams.answers(where, thread).map(({ text }) => plain(text)).join("\n");
export const answered = (teams, where, thread, text, limit) =>
  teams.until(() => said(teams, where, thread).includes(response(text)) && teams.answers(where, thread).every(({ open }) => !open), () => `an answer to "${text}" in ${JSON.stringify(said(teams, where, thread).slice(-500))}`, limit);

// Something said after everything else has come to an end: what was said before it, twice even, has been answered when this is. The prompts without sentinels.
export async function sentinel(teams, host, where = "@alice", thread, who) {
  const text = `sentinel ${teams.journal.length}`;
  const direct = where.startsWith("@");
  teams.post(who ?? (direct ? where.slice(1) : "alice"), where, direct ? text : `@amp ${text}`, { thread });
  await until(() => said(teams, where, thread).includes(response(text)), "the sentinel's answer", 120_000);
  await teams.settled();
  return prompts(host).filter((one) => !one.includes("sentinel"));
}
// A session in a place of its own: { head, ask(text) }. In a channel its thread, else the chat.
export async function talk(teams, text = "hello", { who = "alice", where = "dm" } = {}) {
  const direct = where === "dm";
  const place = direct ? `@${who}` : where;
  const head = teams.post(who, place, direct ? text : `@amp ${text}`);
  const thread = head.conversation.isChannel ? head.id : undefined;
  await answered(teams, place, thread, text);
  return {
    head, thread, place,
    ask: async (next, by = who) => {
      const message = teams.post(by, place, direct ? next : `@amp ${next}`, { thread });
      await answered(teams, place, thread, next);
      return message;
    },
  };
}
// The newest message of a place that has a button whose title or verb matches.
export const withButton = (teams, where, which, thread) => [...teams.answers(where, thread)].reverse().find(({ actions }) => actions.some(({ title, verb }) => which.test(title ?? "") || which.test(verb ?? "")));
export const button = (teams, where, which, thread) => teams.until(() => withButton(teams, where, which, thread), () => `a button ${which} in ${JSON.stringify(teams.answers(where, thread).map(({ text }) => text))}`);
export { visible };
// Words that come to somebody, in a place (and its thread) or for them alone.
export const told = (teams, where, words, { thread, who = "alice", limit } = {}) =>
  teams.until(() => [...teams.answers(where, thread), ...teams.heard(who), ...teams.answers(`@${who}`)].find(({ text }) => words.test(plain(text))), () => `${words} in ${JSON.stringify(said(teams, where, thread).slice(-600))}`, limit);
// Activities that nobody has posted, for what comes again and again: the ids of what it is about are its own.
export const bearer = (teams, activity) => ({ authorization: `Bearer ${teams.mint(activity)}` });
// A turn is under way in a chat: its sign is there. `before` are the signs that were there before.
export const signs = (teams, where) => teams.where(where).typings.length + teams.answers(where).filter(({ stream }) => stream).length;
export const works = (teams, where, before = 0) => teams.until(() => signs(teams, where) > before, "a sign that it works");
