// A host with the surface `slack` that talks to the stand-in Slack, and what its tests ask again and again.
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import path from "node:path";
import { count, prompts, response, rules } from "./chat_surface.mjs";
import { Slack, visible } from "./slack.mjs";
import { Host, plugins, request } from "./viaduct.mjs";
import { until } from "./wait.mjs";

export { count, prompts, response, rules };
export const modes = ["socket", "http"];
export const noPlugin = plugins && existsSync(path.join(plugins, "slack.so")) ? false : "there is no plugin slack in VIADUCT_PLUGINS";

// `config` is the surface's, `entry` what stands beside it, `options` the stand-in's, `more` the host's whole configuration, `host` the rest of what a host takes.
export async function slackHost(t, { mode = "socket", config = {}, entry = {}, options = {}, backend = "echo", more = {}, ...host } = {}) {
  const slack = await Slack.start(t, options);
  const address = mode === "http" && !config.client_id ? { public_url: "http://127.0.0.1:9" } : {}; // where nobody listens
  const surface = { plugin: "slack", backend, ...entry, config: { ...slack.config, mode, allow: "everyone", ...address, ...config } };
  const one = new Host({ rules, ...host, config: { surfaces: { "web-chat": { plugin: "web_chat", backend }, settings: { plugin: "settings" }, slack: surface }, ...more } });
  const log = []; // all of it
  t.after(async () => {
    const lost = slack.complaints;
    await one.remove();
    for (const secret of slack.secrets) assert.ok(!log.some((part) => part.includes(secret)) && !one.output.includes(secret), `a secret in the log: ${secret}`);
    assert.deepEqual(lost, host.mayComplain ? lost : [], "what the surface did that no good app does");
  });
  const start = one.start.bind(one);
  one.start = async () => {
    await start();
    log.push(one.output);
    for (const stream of [one.process.stdout, one.process.stderr]) stream.on("data", (chunk) => log.push((log.pop() ?? "") + chunk));
    if (mode === "http") slack.useHttp(one.origin, { events: "/apps/slack/events", commands: "/apps/slack/commands", interactivity: "/apps/slack/interactivity" });
    await ready(slack, mode);
  };
  await one.start();
  return { slack, host: one };
}
// Connected, or listening.
export const ready = (slack, mode) => mode === "http" || slack.until(() => slack.sockets.open.some(({ state, warned }) => state === "open" && !warned), "a connection");

// How the surface is, as the settings page says it: "" is well.
export async function health(host) {
  const { body } = await request(host.origin, "GET", "/apps/settings/api/overview");
  const { state, error } = body.instances.find(({ name }) => name === "slack");
  return error?.message ?? (state === "running" ? "" : state);
}

// All that the app said in a thread, without its marks of work: joined in order.
export const said = (slack, where, thread) => slack.answers(where, thread).map(({ text }) => text).join("\n");
// Waits for an answer to `text` in this thread: its last post is no open stream, and it is whole.
export const answered = (slack, where, thread, text) =>
  slack.until(() => said(slack, where, thread).includes(response(text)) && slack.answers(where, thread).every(({ stream }) => !stream?.open), `an answer to "${text}"`);

// Something said after everything else has come to an end: what was said before it, twice even, has been answered when this is.
export async function sentinel(slack, host, where, thread, who = "alice") {
  const text = `sentinel ${slack.journal.length}`;
  const direct = where.startsWith("@");
  const post = slack.post(direct ? where.slice(1) : who, where, thread || direct ? text : `@amp ${text}`, thread ? { thread } : {});
  const places = direct ? [undefined, post.ts] : [thread ?? post.ts];
  await until(() => places.some((at) => said(slack, where, at).includes(response(text))), "the sentinel's answer", 120_000);
  await slack.settled();
  return prompts(host).filter((one) => !one.includes("sentinel"));
}
// A session in a thread of its own, by a mention: { ts, ask(text) }.
export async function talk(slack, text = "hello", { who = "alice", where = "general" } = {}) {
  const first = slack.post(who, where, `@amp ${text}`);
  await answered(slack, where, first.ts, text);
  return {
    ts: first.ts, first,
    ask: async (next, by = who) => {
      const post = slack.post(by, where, next, { thread: first.ts });
      await answered(slack, where, first.ts, next);
      return post;
    },
  };
}
// The newest message of a thread (or whisper of a person) that has a control whose name matches.
export const withButton = (all, name) => [...all].reverse().find((one) => !one.deleted && JSON.stringify(one.body?.blocks ?? one.blocks ?? []).match(name));
export const reactions = (post) => post.reactions.filter(({ users }) => users.includes("U0AMP")).map(({ name }) => name);
export { visible };
