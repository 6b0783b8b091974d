// The rows of the surface `slack`, each beside an app on Slack's official Bolt in the same run. The Slack that they talk to is the tests' stand-in, in
// this process, which must not be kept from answering meanwhile: both ask it who somebody is.
import assert from "node:assert/strict";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { Slack, signed } from "../support/slack.mjs";
import { writeRequests } from "./requests.mjs";

const here = (name) => fileURLToPath(new URL(name, import.meta.url));
const kConnections = 64;

export function slackRows({ short, host, serving, load, onDisk, figure, atMost, atLeast, median, number }) {
  // The Slack, and the surface that talks to it, in `mode`.
  async function surface(mode, use, options = {}) {
    const slack = await Slack.start(null, { limits: { off: true }, ...options });
    try {
      return await onDisk((folder) => host(folder, { surfaces: { slack: { plugin: "slack", backend: "echo", config: { ...slack.config, mode, allow: "everyone", ...(mode === "http" ? { public_url: "http://127.0.0.1:9" } : {}) } } } }, async ({ port }) => {
        if (mode === "http") slack.useHttp(`http://127.0.0.1:${port}`, { events: "/apps/slack/events", commands: "/apps/slack/commands", interactivity: "/apps/slack/interactivity" });
        return use({ slack, port, folder });
      }));
    } finally {
      await slack.stop();
    }
  }
  async function bolt(mode, use, options = {}) {
    const slack = await Slack.start(null, { limits: { off: true }, ...options });
    const env = { SLACK_API: slack.api, SLACK_BOT_TOKEN: slack.botToken, ...(mode === "http" ? { SLACK_SIGNING_SECRET: slack.signingSecret } : { SLACK_APP_TOKEN: slack.appToken }) };
    try {
      return await onDisk((folder) => serving(process.execPath, [here("slack_bolt.mjs")], /^(\d+)$/m, env, ({ port }) => {
        if (mode === "http") slack.useHttp(`http://127.0.0.1:${port}`);
        return use({ slack, port, folder });
      }));
    } finally {
      await slack.stop();
    }
  }
  // Requests as Slack would send them, each with ids of its own, signed now.
  function write(slack, folder, what, count, body) {
    const { pathname } = new URL(slack.requestUrls[what]);
    const type = what === "events" ? "application/json" : "application/x-www-form-urlencoded";
    return writeRequests(path.join(folder, `${what}.requests`), count, (i) => {
      const text = body(i);
      return { path: pathname, headers: { "content-type": type, ...signed(text, { secret: slack.signingSecret }) }, text };
    });
  }
  const command = (slack, text) => (i) => new URLSearchParams({
    token: "x", team_id: slack.team.id, team_domain: "acme", channel_id: "C0GENERAL", channel_name: "general", user_id: "U0ALICE", user_name: "alice", command: "/amp", text, api_app_id: slack.appId,
    is_enterprise_install: "false", ...slack.handles(slack.team, slack.team.place("general"), "U0ALICE"), trigger_id: `${Date.now()}.${i}.${"0".repeat(20)}`,
  }).toString();
  async function commands() {
    const count = short ? 2000 : 60_000;
    // Every one is new, as Slack's are.
    const measure = ({ slack, port, folder }) => load("replay", port, write(slack, folder, "commands", count, command(slack, "help")), kConnections);
    const theirs = await bolt("http", measure);
    const ours = await surface("http", measure);
    for (const { statuses } of [theirs, ours]) assert.deepEqual(statuses, { 200: count }, "a figure of what was refused is none");
    const more = { ours, theirs };
    figure("slack", `signed slash commands acknowledged, durable, ${kConnections} connections`, ours.rate, "/s", { beside: { what: "Bolt, in memory", value: theirs.rate, unit: "/s" }, target: atLeast(20_000, "/s", ours.rate), more });
    figure("slack", "  p99", ours.p99_ms, "ms", { beside: { what: "Bolt", value: theirs.p99_ms, unit: "ms" }, target: atMost(10, "ms", ours.p99_ms) });
  }

  async function burst() {
    const count = short ? 200 : 2000;
    const mention = (slack) => () => {
      const ts = slack.ids.ts();
      return JSON.stringify({
        token: "x", team_id: slack.team.id, api_app_id: slack.appId, type: "event_callback", event_id: `Ev${ts.replace(".", "")}`, event_time: Math.floor(Date.now() / 1000),
        event: { type: "app_mention", user: "U0ALICE", text: `<@${slack.team.bot.id}> help`, ts, event_ts: ts, channel: "C0GENERAL", team: slack.team.id },
        authorizations: [{ enterprise_id: null, team_id: slack.team.id, user_id: slack.team.bot.id, is_bot: true, is_enterprise_install: false }],
      });
    };
    const measure = ({ slack, port, folder }) => load("replay", port, write(slack, folder, "events", count, mention(slack)), kConnections);
    const theirs = await bolt("http", measure);
    const ours = await surface("http", measure);
    for (const { statuses } of [theirs, ours]) assert.deepEqual(statuses, { 200: count }, "a figure of what was refused is none");
    figure("slack", `a burst of ${number(count)} events, all acknowledged`, ours.seconds * 1000, "ms", {
      beside: { what: "Bolt, in memory", value: theirs.seconds * 1000, unit: "ms" }, target: atMost(1000, "ms", ours.seconds * 1000), more: { ours, theirs } });
  }

  async function reconnect() {
    const rounds = short ? 1 : 5;
    const kinds = { "refresh_requested": (one) => one.disconnect("refresh_requested"), "a cut connection": (one) => one.drop() };
    const options = { times: { warning: 1000, retries: [] } };
    // From when nothing can come any more to when it can again: 0 where the new one was there before.
    const measure = async ({ slack }) => {
      const usable = () => slack.sockets.open.filter(({ state }) => state === "open");
      const gaps = {};
      for (const [kind, away] of Object.entries(kinds)) {
        gaps[kind] = [];
        for (let i = 0; i < rounds; ++i) {
          await slack.until(() => usable().some(({ warned }) => !warned), "a connection", 60_000);
          const old = usable().find(({ warned }) => !warned);
          away(old);
          const next = await slack.until(() => usable().find(({ number: of }) => of > old.number), "another connection", 60_000);
          gaps[kind].push(old.goneAt === null ? 0 : Math.max(0, next.readyAt - old.goneAt));
        }
      }
      return gaps;
    };
    const theirs = await bolt("socket", measure, options);
    const ours = await surface("socket", measure, options);
    for (const kind of Object.keys(kinds))
      figure("slack", `without a connection after ${kind}, longest of ${rounds}`, Math.max(...ours[kind]), "ms", {
        beside: { what: "Bolt, p50", value: median(theirs[kind]), unit: "ms" }, target: atMost(1000, "ms", Math.max(...ours[kind])), more: { ours: ours[kind], theirs: theirs[kind] } });
  }

  return {
    async slack() {
      await commands();
      await burst();
      await reconnect();
    },
  };
}
