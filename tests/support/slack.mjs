// A stand-in Slack on any free port of this machine: the Web API with its rules, limits and errors, Socket Mode, signed HTTP with Slack's retries, and
// people who write, click and install. Everything that happened can be looked at. As a program: `node slack.mjs --help`.
//
//   const slack = await Slack.start(t, { speed: 60 });       // or with `http: origin of the app`
//   slack.post("alice", "general", "@amp new hello")          // what Slack would send of it follows by itself
//   await slack.until(() => slack.answers("general", ts).length)
//   slack.fault("chat.postMessage", { cut: "after" })         // and see `fault`
//
// Durations are Slack's, divided by `speed`, but for the three seconds of an acknowledgement; any of them may be said in `times`.
import http from "node:http";
import { fileURLToPath } from "node:url";
import { people } from "./slack/people.mjs";
import { Delivery, signed } from "./slack/delivery.mjs";
import { Sockets } from "./slack/sockets.mjs";
import { Budgets, serve } from "./slack/web.mjs";
import { Ids, Post, secret, Team, visible } from "./slack/workspace.mjs";
import { StandIn } from "./stand_in.mjs";

export { signed, visible };
export { controls } from "./slack/workspace.mjs";

const kTimes = { retries: [0, 60_000, 300_000], stream: 300_000, responseUrl: 1_800_000, minute: 60_000, ping: 10_000, warning: 10_000, trigger: 3_000, code: 600_000 };
export const kScopes = ["app_mentions:read", "assistant:write", "channels:history", "channels:join", "channels:manage", "channels:read", "chat:write", "commands", "files:read", "files:write",
  "groups:history", "groups:read", "im:history", "im:read", "im:write", "mpim:history", "mpim:read", "reactions:read", "reactions:write", "team:read", "users:read"];
const kEvents = ["app_mention", "message.channels", "message.groups", "message.im", "message.mpim", "app_home_opened", "app_context_changed", "assistant_thread_started", "assistant_thread_context_changed", "agent_session_stopped",
  "agent_session_title_changed", "reaction_added", "reaction_removed", "member_joined_channel", "app_uninstalled", "tokens_revoked"];
const kMessageEvents = { channel: "message.channels", group: "message.groups", im: "message.im", mpim: "message.mpim" };

// Its journal has { method, args, token, team, at, status, body, done, fault? }.
export class Slack extends StandIn {
  appId = "A0AMP";
  clientId = "1234.5678";
  clientSecret = secret();
  signingSecret = secret(16);
  appToken = `xapp-1-A0AMP-${secret()}`;
  requestUrls = null; // of an app over HTTP; without them it is Socket Mode
  features = { agentSessions: true, rotation: false };
  limits = { streamBytes: 11_000 }; // also { off: true }, and a number of calls in a minute for any method
  subscribed = new Set(kEvents);
  ids = new Ids();
  teams = new Map();
  tokens = new Map();
  refreshTokens = new Map();
  codes = new Map();
  installs = []; // who came to be asked
  waiting = new Map(); // envelopes, until they are acknowledged
  whispers = []; // messages for one person
  shown = []; // statuses of assistants
  pings = []; // posts of the app that call everybody
  responses = new Map(); // response_url
  answered = []; // what came to them
  uploads = new Map();
  files = new Map();
  downloads = [];
  triggers = new Map();

  static async start(t, { times = {}, speed = 1, limits = {}, http: origin, ...options } = {}) {
    const slack = new Slack();
    slack.times = { ack: 3000, ...Object.fromEntries(Object.entries(kTimes).map(([name, ms]) => [name, Array.isArray(ms) ? ms.map((one) => one / speed) : ms / speed])), ...times };
    Object.assign(slack.limits, limits);
    Object.assign(slack, options);
    slack.budgets = new Budgets(slack);
    slack.sockets = new Sockets(slack);
    slack.agent = new http.Agent({ keepAlive: true });
    slack.addToken(slack.appToken, { kind: "app", scopes: ["connections:write"] });
    slack.team = slack.addTeam("acme");
    slack.botToken = slack.install(slack.team.id);
    if (origin) slack.useHttp(origin);
    await slack.listen(options.port);
    t?.after(() => slack.stop());
    return slack;
  }
  async stop() {
    this.stopped = true;
    for (const delivery of this.deliveries) delivery.hurry();
    this.sockets.stop();
    this.agent.destroy();
    await super.stop();
  }
  serve(request, response) {
    return serve(this, request, response);
  }
  upgrade(request, socket, head) {
    this.sockets.upgrade(request, socket, head);
  }
  get api() {
    return `${this.origin}/api/`;
  }
  // What the surface's YAML says.
  get config() {
    return { mode: this.requestUrls ? "http" : "socket", app_token: this.appToken, bot_token: this.botToken, signing_secret: this.signingSecret, api_base_url: this.api };
  }
  // Where the app hears; `paths` when it has several.
  useHttp(origin, paths = {}) {
    const all = { events: "/slack/events", commands: "/slack/events", interactivity: "/slack/events", ...paths };
    this.requestUrls = Object.fromEntries(Object.entries(all).map(([what, path]) => [what, origin + path]));
  }

  // ---------------------------------------------------------------- workspaces and tokens

  // A workspace with people (alice, bob, carol; the guest gus, sue of another organisation, the robot rob) and channels.
  addTeam(name, { fill = true } = {}) {
    const team = new Team(this.ids, { id: this.ids.of("T", name), name });
    this.teams.set(team.id, team);
    if (!fill) return team;
    for (const who of ["alice", "bob", "carol"]) team.user(who);
    team.user("gus", { guest: true });
    team.user("sue", { team: "T0ELSEWHERE" });
    team.user("rob", { bot: true });
    const all = ["alice", "bob", "carol", "gus", "rob"];
    team.channel("general", { members: [...all, "amp"] });
    team.channel("random", { members: all }); // without the bot
    team.channel("private", { kind: "group", members: ["alice", "bob", "amp"] });
    team.channel("closed", { kind: "group", members: ["alice", "bob"] }); // without the bot
    team.channel("old", { members: [...all, "amp"], archived: true });
    team.channel("shared", { members: ["alice", "sue", "amp"], shared: true });
    return team;
  }
  addToken(value, { kind = "bot", team = null, scopes = kScopes, state = "live" } = {}) {
    this.tokens.set(value, { value, kind, team, scopes: new Set(scopes), state });
    return value;
  }
  install(teamId, { scopes = kScopes, rotated = false } = {}) {
    const team = this.teams.get(teamId);
    team.installed = true;
    return this.addToken(`${rotated ? "xoxe.xoxb-1" : "xoxb"}-${team.id}-${secret()}`, { team, scopes });
  }
  // The answer of oauth.v2.access.
  granted(team, user, scopes = kScopes) {
    const rotated = this.features.rotation;
    const access_token = this.install(team.id, { scopes, rotated });
    const refresh_token = `xoxe-1-${secret()}`;
    if (rotated) this.refreshTokens.set(refresh_token, { team, used: false });
    return {
      app_id: this.appId, ...(user ? { authed_user: { id: user } } : {}), scope: scopes.join(","), token_type: "bot", access_token, bot_user_id: team.bot.id,
      team: { id: team.id, name: team.name }, enterprise: null, is_enterprise_install: false, ...(rotated ? { refresh_token, expires_in: 43_200 } : {}),
    };
  }
  // Every token of a workspace becomes "token_revoked", "token_expired", "account_inactive"…; the first is told by events, too.
  revoke(teamId, state = "token_revoked") {
    const team = this.teams.get(teamId);
    for (const token of this.tokens.values()) if (token.team === team) token.state = state;
    if (state !== "token_revoked") return;
    this.event(team, "tokens_revoked", { type: "tokens_revoked", tokens: { oauth: [], bot: [team.bot.id] } });
    this.event(team, "app_uninstalled", { type: "app_uninstalled" });
    team.installed = false;
  }

  // ---------------------------------------------------------------- faults

  // A fault of a method is { status: 429, retryAfter } { status: 500 } { error: "internal_error", more } { hang: true | "after" } { cut: "before" | "after" } { truncated: true }
  // { wait: promise } { waitAfter: promise } { do: function of the arguments, before it is done }. `after` means: done, but nobody is told. "response_url", "upload" and "download" are also names.

  // ---------------------------------------------------------------- what happens is told

  // `name` is what the app subscribes to; `event` is what it gets.
  event(team, name, event, { channel } = {}) {
    const kind = name.startsWith("message.") ? kMessageEvents[name.slice(8)] : name;
    if (!this.subscribed.has(kind) || !team.installed) return null;
    const place = channel ?? (kind.startsWith("message.") || kind === "app_mention" ? team.channels.get(event.channel) : null);
    if (place && kind !== "app_mention" && !place.members.has(team.bot.id)) return null;
    const number = this.deliveries.length + (this.held?.length ?? 0) + 1;
    const envelope = {
      token: "deprecated", team_id: team.id, context_team_id: team.id, context_enterprise_id: null, api_app_id: this.appId, event: { event_ts: event.ts ?? this.ids.ts(), ...event },
      type: "event_callback", event_id: `Ev${String(number).padStart(9, "0")}${secret(2).toUpperCase()}`, event_time: Math.floor(Date.now() / 1000),
      authorizations: [{ enterprise_id: null, team_id: team.id, user_id: team.bot.id, is_bot: true, is_enterprise_install: false }], is_ext_shared_channel: place?.shared ?? false, event_context: `4-${secret(8)}`,
    };
    return this.deliver("event", envelope, { what: kind });
  }
  deliver(kind, body, options) {
    return this.setOut(new Delivery(this, kind, body, options), kind === "event");
  }
  acknowledged(connection, message) {
    const waits = this.waiting.get(message.envelope_id);
    if (waits) waits.acknowledge(connection, message);
    else if (message.envelope_id === undefined) this.complain("an acknowledgement without envelope_id");
  }
  connectionGone(connection) {
    for (const waits of [...this.waiting.values()]) if (waits.connection === connection) waits.gone();
  }
  // The app is told that it gets too much.
  rateLimited() {
    return this.deliver("event", { token: "deprecated", type: "app_rate_limited", team_id: this.team.id, minute_rate_limited: Math.floor(Date.now() / 60_000) * 60, api_app_id: this.appId }, { what: "app_rate_limited" });
  }
  messageEvent(post) {
    const { upload, ...body } = post.body;
    return { ...body, channel: post.channel.id, channel_type: post.channel.kind, event_ts: post.ts };
  }
  changed(team, post, before) {
    const ts = this.ids.ts();
    this.event(team, `message.${post.channel.kind}`, {
      type: "message", subtype: "message_changed", hidden: true, message: { ...post.body }, previous_message: before, channel: post.channel.id, channel_type: post.channel.kind, ts, event_ts: ts,
    });
    this.look();
  }
  erase(team, post) {
    post.deleted = true;
    const ts = this.ids.ts();
    this.event(team, `message.${post.channel.kind}`, {
      type: "message", subtype: "message_deleted", hidden: true, deleted_ts: post.ts, previous_message: { ...post.body }, channel: post.channel.id, channel_type: post.channel.kind, ts, event_ts: ts,
    });
    this.look();
  }
  unfurl(channelId, ts, { team = this.team.id, url = "https://example.org/" } = {}) {
    const post = this.teams.get(team).channels.get(channelId).posts.get(ts);
    const before = { ...post.body };
    post.body.attachments = [...(post.body.attachments ?? []), { from_url: url, original_url: url, fallback: "An example", title: "An example", id: 1 }];
    this.changed(this.teams.get(team), post, before);
  }
  mark(team, post, user, name, change) {
    const found = post.reactions.find((one) => one.name === name);
    if (change === "added") {
      if (found?.users.includes(user)) return false;
      if (found) found.users.push(user);
      else post.reactions.push({ name, users: [user] });
    } else {
      if (!found?.users.includes(user)) return false;
      found.users = found.users.filter((one) => one !== user);
      post.reactions = post.reactions.filter(({ users }) => users.length);
    }
    this.event(team, `reaction_${change}`, { type: `reaction_${change}`, user, reaction: name, item: { type: "message", channel: post.channel.id, ts: post.ts }, item_user: post.body.user }, { channel: post.channel });
    this.look();
    return true;
  }
  whisper(team, channel, user, content, { thread_ts = null, by = "chat.postEphemeral" } = {}) {
    const { warnings, ...body } = content;
    const whisper = { ts: this.ids.ts(), team: team.id, channel: channel.id, user, thread: thread_ts, by, deleted: false, text: body.text ?? "", blocks: body.blocks ?? [], attachments: body.attachments ?? [] };
    this.whispers.push(whisper);
    this.look();
    return whisper;
  }
  noticePings(post) {
    const found = /<!(?:channel|here|everyone)\b[^>]*>|<!subteam\^[^>]*>/.exec(post.text);
    if (found) this.pings.push({ ts: post.ts, channel: post.channel.id, what: found[0] });
  }
  expireStream(channelId, ts, { team = this.team.id } = {}) {
    const post = this.teams.get(team).channels.get(channelId).posts.get(ts);
    post.stream.open = false;
    post.stream.expired = true;
    this.look();
  }
  setSession(team, channel, thread, fields) {
    const key = `${channel.id}:${thread}`;
    team.sessions.set(key, { ...team.sessions.get(key), ...fields });
    this.look();
  }
  viewOf(team, view, user, id = this.ids.of("V", "view")) {
    const kept = { ...view, id, team_id: team.id, hash: `${Date.now()}.${secret(4)}`, state: { values: {} }, app_id: this.appId, bot_id: team.botId, root_view_id: id, previous_view_id: null, user };
    team.views.set(id, kept);
    return kept;
  }
  keepFile(team, { id = this.ids.of("F", "file"), name, title = name, bytes, mimetype = "text/plain", user, access = null, elsewhere = null, alt = null }) {
    const address = `${this.origin}/files-pri/${id}/${encodeURIComponent(name)}`;
    const body = {
      id, created: Math.floor(Date.now() / 1000), name, title, mimetype, filetype: name.split(".").at(-1), user, size: bytes.length, mode: "hosted", is_external: false,
      url_private: address, url_private_download: address, permalink: `https://${team.domain}.slack.com/files/${user}/${id}/${name}`, ...(access ? { file_access: access } : {}), ...(alt ? { alt_txt: alt } : {}),
    };
    this.files.set(id, { team, body, bytes, elsewhere });
    return access ? { id, file_access: access } : body;
  }

  // ---------------------------------------------------------------- looking

  // What lets somebody speak or read: nothing of it is ever shown or logged.
  get secrets() {
    const all = [this.signingSecret, this.clientSecret, ...this.tokens.keys(), ...this.refreshTokens.keys(), ...this.codes.keys(), ...this.responses.keys(), ...this.uploads.keys(), ...this.sockets.tickets];
    return all.filter((one) => one.length >= 16);
  }

  calls(method) {
    return this.journal.filter((one) => (method instanceof RegExp ? method.test(one.method) : one.method === method));
  }
  where(channel, team = this.team) {
    return typeof channel === "string" ? (channel.startsWith("@") ? team.direct(channel.slice(1)) : team.place(channel)) : channel;
  }
  // A thread with its parent, or without a `thread` all that stands in the channel itself.
  posts(channel, thread, { team = this.team } = {}) {
    const place = this.where(channel, team);
    return thread ? place.thread(thread) : place.top();
  }
  // Only what the app wrote.
  answers(channel, thread, options) {
    return this.posts(channel, thread, options).filter(({ body }) => body.bot_id);
  }
  // What a person reads there, each with who wrote it.
  read(channel, thread, { team = this.team } = {}) {
    return this.posts(channel, thread, { team }).map(({ body, text }) => `${team.users.get(body.user)?.name ?? body.username ?? "somebody"}: ${text}`);
  }
  // Messages that only this person sees.
  heard(who, { team = this.team } = {}) {
    const { id } = team.person(who);
    return this.whispers.filter(({ user, deleted, team: inTeam }) => user === id && !deleted && inTeam === team.id);
  }
}
Object.assign(Slack.prototype, people);

// ---------------------------------------------------------------- as a program

const kHelp = `node slack.mjs [--port N] [--app ORIGIN] [--speed N]
Prints its address and secrets as one line of JSON, then does what it reads: one JSON array in a line, such as
  ["post","alice","general","@amp hello"]   ["command","bob","general","/amp list"]   ["read","general"]   ["heard","bob"]`;

async function main(args) {
  const option = (name) => (args.includes(name) ? args[args.indexOf(name) + 1] : undefined);
  if (args.includes("--help")) return console.log(kHelp);
  const slack = await Slack.start(null, { port: Number(option("--port") ?? 0), speed: Number(option("--speed") ?? 1), http: option("--app") });
  console.log(JSON.stringify({ ...slack.config, client_id: slack.clientId, client_secret: slack.clientSecret, origin: slack.origin }));
  let rest = "";
  for await (const chunk of process.stdin.setEncoding("utf8")) {
    const all = (rest + chunk).split("\n");
    rest = all.pop();
    for (const line of all.filter(Boolean)) {
      try {
        const [what, ...given] = JSON.parse(line);
        const result = await slack[what](...given);
        console.log(JSON.stringify(result instanceof Post ? result.body : (result ?? null), (key, value) => (["slack", "channel", "team", "delivery"].includes(key) && typeof value === "object" ? undefined : value)));
      } catch (error) {
        console.log(JSON.stringify({ error: error.message }));
      }
    }
  }
  await slack.stop();
}
if (process.argv[1] === fileURLToPath(import.meta.url)) await main(process.argv.slice(2));
