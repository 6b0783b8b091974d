// conversations.*, users.*, bots.*: what an app reads of a workspace, and the channels that it makes.
import { isTs, refuse } from "./checks.mjs";

// A channel that this app may know of.
function known({ team, args }) {
  const channel = team.channels.get(args.channel);
  if (!channel || (channel.kind !== "channel" && !channel.members.has(team.bot.id))) refuse("channel_not_found");
  return channel;
}
// Each kind of channel has a scope of its own: channels:read, groups:history…
function allowed(call, channel, what) {
  const need = `${{ channel: "channels", group: "groups" }[channel.kind] ?? channel.kind}:${what}`;
  if (!call.token.scopes.has(need)) call.missing(need);
  return channel;
}
function readable(call) {
  const channel = allowed(call, known(call), "history");
  if (!channel.members.has(call.team.bot.id)) refuse("not_in_channel");
  return channel;
}
// One page of `all`; a cursor says how many were given before.
export function page(all, { limit, cursor }, usual, most) {
  const from = cursor ? Number(Buffer.from(cursor, "base64").toString().replace(/^next:/, "")) : 0;
  if (!Number.isInteger(from)) refuse("invalid_cursor");
  const wanted = limit === undefined ? usual : Number(limit);
  if (!Number.isInteger(wanted) || wanted < 1 || wanted > most) refuse("invalid_limit");
  const shown = all.slice(from, from + wanted);
  const more = from + shown.length < all.length;
  return { shown, has_more: more, response_metadata: { next_cursor: more ? Buffer.from(`next:${from + shown.length}`).toString("base64") : "" } };
}
const within = ({ oldest, latest, inclusive }) => ({ ts }) =>
  (oldest === undefined || Number(oldest) === 0 || (inclusive ? ts >= oldest : ts > oldest)) && (latest === undefined || (inclusive ? ts <= latest : ts < latest));

export const shownTo = (post, { include_all_metadata }) => {
  const replies = post.isReply ? [] : post.channel.thread(post.ts).filter((one) => one !== post);
  return {
    ...post.body, ...(include_all_metadata && post.metadata ? { metadata: post.metadata } : {}),
    ...(post.reactions.length ? { reactions: post.reactions.map(({ name, users }) => ({ name, users: [...users], count: users.length })) } : {}),
    ...(replies.length ? { thread_ts: post.ts, reply_count: replies.length, reply_users_count: new Set(replies.map(({ body }) => body.user)).size, latest_reply: replies.at(-1).ts,
      reply_users: [...new Set(replies.map(({ body }) => body.user))], is_locked: false, subscribed: false } : {}),
  };
};

const history = {
  scope: null, tier: 3, needs: ["channel"],
  run(call) {
    const channel = readable(call);
    const { shown, ...rest } = page(channel.top().filter(within(call.args)).reverse(), call.args, 100, 999);
    return { messages: shown.map((post) => shownTo(post, call.args)), pin_count: 0, ...rest };
  },
};
const replies = {
  scope: null, tier: 3, needs: ["channel", "ts"],
  run(call) {
    const channel = readable(call);
    if (!isTs(call.args.ts)) refuse("invalid_ts_latest");
    const first = channel.posts.get(call.args.ts);
    if (!first || first.deleted) refuse("thread_not_found");
    const [parent, ...rest] = channel.thread(first.isReply ? first.thread : first.ts);
    const { shown, ...more } = page(rest.filter(within(call.args)), call.args, 1000, 1000);
    return { messages: [parent, ...shown].map((post) => shownTo(post, call.args)), ...more };
  },
};

const typeOf = { channel: "public_channel", group: "private_channel", im: "im", mpim: "mpim" };
const listing = (mine) => ({
  scope: "channels:read", tier: mine ? 3 : 2,
  run({ team, args }) {
    const types = String(args.types ?? "public_channel").split(",").map((one) => one.trim());
    if (types.some((one) => !Object.values(typeOf).includes(one))) refuse("invalid_types");
    const all = [...team.channels.values()].filter((channel) => types.includes(typeOf[channel.kind]) && !(args.exclude_archived && channel.archived)
      && (channel.members.has(team.bot.id) || (!mine && channel.kind === "channel")));
    const { shown, response_metadata } = page(all, args, 100, 1000);
    return { channels: shown.map((channel) => channel.describe(team.bot.id, { members: true })), response_metadata };
  },
});

export const conversationMethods = {
  "conversations.history": history,
  "conversations.replies": replies,
  "conversations.list": listing(false),
  "users.conversations": listing(true),
  "conversations.info": {
    scope: null, tier: 3, needs: ["channel"],
    run: (call) => ({ channel: allowed(call, known(call), "read").describe(call.team.bot.id, { members: call.args.include_num_members }) }),
  },
  "conversations.members": {
    scope: null, tier: 4, needs: ["channel"],
    run(call) {
      const { shown, response_metadata } = page([...allowed(call, known(call), "read").members], call.args, 100, 1000);
      return { members: shown, response_metadata };
    },
  },
  "conversations.open": {
    scope: "im:write", tier: 3, json: true,
    run({ team, args }) {
      if (args.channel) {
        const channel = team.channels.get(args.channel);
        if (!channel) refuse("channel_not_found");
        return { no_op: true, already_open: true, channel: { id: channel.id } };
      }
      const ids = String(args.users ?? "").split(",").filter(Boolean);
      if (!ids.length) refuse("users_list_not_supplied");
      for (const id of ids) {
        if (!team.users.has(id)) refuse("user_not_found");
        if (team.users.get(id).deleted) refuse("user_disabled");
      }
      if (ids.length > 1) refuse("method_not_supported_for_channel_type");
      const channel = team.direct(ids[0]);
      return { channel: args.return_im ? channel.describe(team.bot.id) : { id: channel.id } };
    },
  },
  "conversations.create": {
    scope: "channels:manage", tier: 2, needs: ["name"], json: true,
    run({ slack, team, args }) {
      if (!/^[a-z0-9_-]+$/.test(args.name)) refuse("invalid_name_specials");
      if (args.name.length > 80) refuse("invalid_name_maxlength");
      if ([...team.channels.values()].some(({ name }) => name === args.name)) refuse("name_taken");
      const channel = team.channel(args.name, { kind: args.is_private ? "group" : "channel", members: ["amp"] });
      slack.look();
      return { channel: channel.describe(team.bot.id) };
    },
  },
  "conversations.invite": {
    scope: "channels:manage", tier: 3, needs: ["channel", "users"], json: true,
    run(call) {
      const channel = known(call);
      if (!channel.members.has(call.team.bot.id)) refuse("not_in_channel");
      for (const id of String(call.args.users).split(",")) {
        if (!call.team.users.has(id)) refuse("user_not_found");
        if (channel.members.has(id)) refuse("already_in_channel");
        channel.members.add(id);
      }
      call.slack.look();
      return { channel: channel.describe(call.team.bot.id) };
    },
  },
  "conversations.join": {
    scope: "channels:join", tier: 3, needs: ["channel"], json: true,
    run(call) {
      const channel = known(call);
      if (channel.archived) refuse("is_archived");
      const already = channel.members.has(call.team.bot.id);
      channel.members.add(call.team.bot.id);
      return { channel: channel.describe(call.team.bot.id), ...(already ? { warning: "already_in_channel" } : {}) };
    },
  },
  "conversations.setTopic": {
    scope: "channels:manage", tier: 2, needs: ["channel", "topic"], json: true,
    run(call) {
      const channel = known(call);
      if (call.args.topic.length > 250) refuse("too_long");
      channel.topic = call.args.topic;
      return { channel: channel.describe(call.team.bot.id) };
    },
  },
  "conversations.archive": {
    scope: "channels:manage", tier: 2, needs: ["channel"], json: true,
    run(call) {
      const channel = known(call);
      if (channel.archived) refuse("already_archived");
      channel.archived = true;
      return {};
    },
  },
  "users.info": {
    scope: "users:read", tier: 4, needs: ["user"],
    run({ team, args }) {
      const user = team.users.get(args.user);
      if (!user) refuse("user_not_found");
      return { user: team.describe(user) };
    },
  },
  "users.list": {
    scope: "users:read", tier: 2,
    run({ team, args }) {
      const { shown, response_metadata } = page([...team.users.values()].map((user) => team.describe(user)), args, 1000, 1000);
      return { members: shown, cache_ts: 1, response_metadata };
    },
  },
  "bots.info": {
    scope: "users:read", tier: 3,
    run({ slack, team, args }) {
      if (args.bot !== team.botId) refuse("bot_not_found");
      return { bot: { id: team.botId, deleted: false, name: "amp", updated: 1, app_id: slack.appId, user_id: team.bot.id, icons: {} } };
    },
  },
  "team.info": { scope: "team:read", tier: 3, run: ({ team }) => ({ team: { id: team.id, name: team.name, domain: team.domain, email_domain: "" } }) },
};
