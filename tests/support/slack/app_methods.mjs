// What an app does besides talking: it proves who it is, is installed, connects, shows views and assistant threads, and moves files.
import { checkContent, checkView, isTs, refuse, size } from "./checks.mjs";
import { publish } from "./chat_methods.mjs";
import { secret } from "./workspace.mjs";

// ---------------------------------------------------------------- who it is

const connect = {
  scope: "connections:write", tier: 3, token: "app", json: true,
  run({ slack, args }) {
    if (args.token !== undefined) refuse("invalid_arguments", "additional property: token");
    if (slack.socketModeOff) refuse("socket_mode_not_enabled");
    return { url: slack.sockets.ticket() };
  },
};

const authTest = {
  scope: null, json: true, token: "any",
  run({ slack, team, token }) {
    if (token.kind === "app") return { app_name: "amp", app_id: slack.appId };
    return { url: `https://${team.domain}.slack.com/`, team: team.name, user: "amp", team_id: team.id, user_id: team.bot.id, bot_id: team.botId, is_enterprise_install: false };
  },
};

const access = {
  scope: null, json: false, token: "none",
  run({ slack, args, basic }) {
    const [id, key] = basic ?? [args.client_id, args.client_secret];
    if (id !== slack.clientId) refuse("invalid_client_id");
    if (key !== slack.clientSecret) refuse("bad_client_secret");
    if (args.grant_type === "refresh_token") {
      const old = slack.refreshTokens.get(args.refresh_token);
      if (!old || old.used) refuse("invalid_refresh_token");
      old.used = true;
      return slack.granted(old.team, null);
    }
    const code = slack.codes.get(args.code);
    if (!code) refuse("invalid_code");
    if (code.used) refuse("code_already_used");
    if (Date.now() - code.at > slack.times.code) refuse("code_expired");
    if ((args.redirect_uri ?? code.redirect) !== code.redirect) refuse("bad_redirect_uri");
    code.used = true;
    slack.look();
    return slack.granted(code.team, code.user, code.scopes);
  },
};

// ---------------------------------------------------------------- views

const showing = (kind) => ({
  scope: null, tier: 4, needs: ["view"], json: true,
  run({ slack, team, args }) {
    const view = checkView(args.view);
    if (kind === "publish") {
      if (!team.users.has(args.user_id)) refuse("user_not_found");
      if (view.type !== "home") refuse("invalid_arguments", "view.type must be home");
      const before = team.homes.get(args.user_id);
      if (args.hash && before && before.hash !== args.hash) refuse("hash_conflict");
      const kept = slack.viewOf(team, view, args.user_id, before?.id);
      team.homes.set(args.user_id, kept);
      slack.look();
      return { view: kept };
    }
    if (kind === "update") {
      const before = args.view_id ? team.views.get(args.view_id) : [...team.views.values()].find(({ external_id }) => external_id && external_id === args.external_id);
      if (!before) refuse("not_found");
      if (args.hash && before.hash !== args.hash) refuse("hash_conflict");
      const kept = slack.viewOf(team, view, before.user, before.id);
      slack.look();
      return { view: kept };
    }
    const user = slack.useTrigger(args.trigger_id);
    const kept = slack.viewOf(team, view, user);
    slack.look();
    return { view: kept };
  },
});

// ---------------------------------------------------------------- assistants and agents

function place({ team, args }) {
  const channel = team.channels.get(args.channel_id);
  if (!channel || !channel.members.has(team.bot.id)) refuse("channel_not_found");
  return channel;
}
function threadIn(channel, ts) {
  if (!isTs(ts ?? "") || !channel.posts.has(ts)) refuse("invalid_thread_ts");
  return ts;
}
const setStatus = {
  scope: "chat:write", needs: ["channel_id", "thread_ts", "status"], json: true,
  run(call) {
    const { slack, args } = call;
    const channel = place(call);
    const thread = threadIn(channel, args.thread_ts);
    if (args.loading_messages !== undefined && (!Array.isArray(args.loading_messages) || args.loading_messages.length > 10)) refuse("invalid_arguments");
    if (args.status === "") channel.statuses.delete(thread);
    else channel.statuses.set(thread, { text: args.status, at: Date.now(), loading: args.loading_messages ?? [] });
    slack.shown.push({ what: "status", channel: channel.id, thread, text: args.status });
    slack.look();
    return {};
  },
};
const setTitle = {
  scope: "assistant:write", tier: 4, needs: ["channel_id", "thread_ts", "title"], json: true,
  run(call) {
    const channel = place(call);
    if (!channel.isDirect) refuse("not_agent_app");
    const thread = threadIn(channel, call.args.thread_ts);
    channel.titles = new Map([...(channel.titles ?? []), [thread, call.args.title]]);
    call.slack.look();
    return {};
  },
};
const setPrompts = {
  scope: "assistant:write", tier: 4, needs: ["channel_id", "prompts"], json: true,
  run(call) {
    const channel = place(call);
    const { prompts, thread_ts, title } = call.args;
    if (!channel.isDirect) refuse("not_agent_app");
    if (thread_ts !== undefined) threadIn(channel, thread_ts);
    if (!Array.isArray(prompts) || prompts.length > 4 || prompts.some((one) => !one.title || !one.message)) refuse("invalid_arguments", "prompts");
    channel.prompts = { prompts, title, thread: thread_ts ?? null };
    call.slack.look();
    return {};
  },
};
const setSession = {
  scope: "chat:write", tier: 3, needs: ["status"], json: true,
  run(call) {
    const { slack, team, args } = call;
    if (!slack.features.agentSessions) refuse("feature_disabled");
    const channel = place({ team, args: { channel_id: args.channel_id ?? args.channel } });
    if (!args.thread_ts) refuse("thread_ts_required");
    const thread = threadIn(channel, args.thread_ts);
    if (!["active", "processing", "suspended", "closed"].includes(args.status)) refuse("invalid_status");
    if (args.title !== undefined && size(args.title) > 200) refuse("invalid_arguments");
    slack.setSession(team, channel, thread, { status: args.status, ...(args.title === undefined ? {} : { title: args.title }) });
    const unseen = args.status === "processing" && !slack.subscribed.has("agent_session_stopped");
    return unseen ? { warning: "missing_agent_session_stopped_event_subscription" } : {};
  },
};
const renameSession = {
  scope: "chat:write", tier: 3, needs: ["title"], json: true,
  run(call) {
    const { slack, team, args } = call;
    if (!slack.features.agentSessions) refuse("feature_disabled");
    const channel = place({ team, args: { channel_id: args.channel_id ?? args.channel } });
    slack.setSession(team, channel, threadIn(channel, args.thread_ts), { title: args.title });
    return {};
  },
};

// ---------------------------------------------------------------- files

const uploadUrl = {
  scope: "files:write", tier: 4, needs: ["filename", "length"],
  run({ slack, team, args }) {
    const length = Number(args.length);
    if (!Number.isInteger(length)) refuse("invalid_arguments", "length must be an integer");
    if (length <= 0) refuse("missing_argument", "length");
    if (args.snippet_type && length > 1_000_000) refuse("snippet_too_large");
    const file = { id: slack.ids.of("F", `${args.filename}`), name: args.filename, length, ticket: secret(), bytes: null, done: false, team, snippet: args.snippet_type ?? null, alt: args.alt_txt ?? null };
    slack.uploads.set(file.ticket, file);
    return { upload_url: `${slack.origin}/upload/v1/${file.ticket}`, file_id: file.id };
  },
};
const complete = {
  scope: "files:write", tier: 4, needs: ["files"], json: true,
  run(call) {
    const { slack, team, args } = call;
    if (!Array.isArray(args.files) || !args.files.length) refuse("invalid_arguments", "files");
    const files = args.files.map(({ id, title }) => {
      const file = [...slack.uploads.values()].find((one) => one.id === id && one.team === team && !one.done);
      if (!file) refuse("file_not_found");
      if (!file.bytes) refuse("file_not_uploaded");
      return Object.assign(file, { title: title ?? file.name });
    });
    const where = args.channel_id ?? args.channels;
    const channel = where ? team.channels.get(where) : null;
    if (where) {
      if (!channel || (channel.kind !== "channel" && !channel.members.has(team.bot.id))) refuse("channel_not_found");
      if (!channel.members.has(team.bot.id)) refuse("not_in_channel");
      if (channel.archived) refuse("is_archived");
      if (args.thread_ts !== undefined && !isTs(args.thread_ts)) refuse("invalid_thread_ts");
      if (args.blocks !== undefined && args.initial_comment !== undefined) refuse("invalid_arguments");
    }
    for (const file of files) file.done = true;
    const shared = files.map((file) => slack.keepFile(team, { ...file, user: team.bot.id }));
    // Slack shares it later, and tells no ts.
    if (channel) setImmediate(() => {
      const content = args.blocks ? checkContent({ blocks: args.blocks, text: " " }) : { text: args.initial_comment ?? "" };
      const gone = args.thread_ts && channel.posts.get(args.thread_ts)?.deleted;
      if (!gone) publish(slack, team, channel, { ...content, files: shared, subtype: "file_share", upload: true }, { thread_ts: args.thread_ts, orphan: args.thread_ts && !channel.posts.has(args.thread_ts) });
    });
    return { files: shared };
  },
};

export const appMethods = {
  "apps.connections.open": connect, "auth.test": authTest, "oauth.v2.access": access,
  "auth.revoke": {
    scope: null, json: false, token: "bot",
    run({ slack, team, args }) {
      if (!args.test) slack.revoke(team.id);
      return { revoked: !args.test };
    },
  },
  "views.open": showing("open"), "views.push": showing("push"), "views.publish": showing("publish"), "views.update": showing("update"),
  "assistant.threads.setStatus": setStatus, "assistant.threads.setTitle": setTitle, "assistant.threads.setSuggestedPrompts": setPrompts,
  "agents.sessions.setStatus": setSession, "agents.sessions.rename": renameSession,
  "files.getUploadURLExternal": uploadUrl, "files.completeUploadExternal": complete,
  "files.info": {
    scope: "files:read", tier: 4, needs: ["file"],
    run({ slack, team, args }) {
      const file = slack.files.get(args.file);
      if (!file || file.team !== team) refuse("file_not_found");
      return { file: file.body };
    },
  },
};
