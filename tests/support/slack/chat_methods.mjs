// chat.* and reactions.*: what an app posts, changes and streams.
import { checkChunks, checkContent, checkMetadata, isTs, kText, refuse, size } from "./checks.mjs";
import { Post } from "./workspace.mjs";

// Where an app may post. `asOf`: a person's id stands for the direct messages with them.
function target({ team, token, args }, { post = false } = {}) {
  const me = team.bot.id;
  const id = String(args.channel).replace(/^#/, "");
  let channel = team.channels.get(id) ?? (post ? [...team.channels.values()].find(({ name }) => name === id) : undefined);
  if (!channel && post && team.users.has(id)) channel = team.direct(id);
  if (!channel || (channel.kind !== "channel" && !channel.members.has(me))) refuse("channel_not_found");
  if (post && channel.archived) refuse("is_archived");
  if (post && channel.isDirect && team.messagesTabDisabled) refuse("messages_tab_disabled");
  if (post && !channel.members.has(me) && !token.scopes.has("chat:write.public")) refuse("not_in_channel");
  return channel;
}
const postOf = (channel, ts, error = "message_not_found") => {
  const post = channel.posts.get(ts);
  if (!post || post.deleted) refuse(error);
  return post;
};
const own = ({ team }, post) => post.body.bot_id === team.botId;

// The thread of a new message. What answers something that is no parent is stored, and nobody sees it.
function threadOf(slack, channel, thread_ts) {
  if (thread_ts === undefined || thread_ts === "") return {};
  if (!isTs(thread_ts)) refuse("invalid_thread_ts", `${thread_ts} is not a valid thread_ts`);
  const parent = channel.posts.get(thread_ts);
  if (parent?.deleted) refuse("thread_not_found");
  if (parent?.locked) refuse("restricted_action_thread_locked");
  const orphan = !parent || parent.isReply;
  if (orphan) slack.complain(`an answer to ${thread_ts}, which is ${parent ? "an answer itself" : "no message"}`);
  return { thread_ts, orphan };
}

export function botBody(slack, team, channel, fields) {
  return {
    type: "message", user: team.bot.id, bot_id: team.botId, app_id: slack.appId, team: team.id, ts: slack.ids.ts(), ...fields,
    bot_profile: { id: team.botId, app_id: slack.appId, user_id: team.bot.id, name: "amp", deleted: false, updated: 1, team_id: team.id },
  };
}
function tidy(slack, text) {
  if (text?.includes("\ufffd")) slack.complain("a text with a broken character");
  return text;
}
// Stores a bot's message and tells everybody, the bot itself included.
export function publish(slack, team, channel, content, { thread_ts, orphan, broadcast, metadata = null, custom, unfurl } = {}) {
  const { warnings, ...fields } = content;
  const body = botBody(slack, team, channel, { ...fields, ...(thread_ts ? { thread_ts } : {}), ...(broadcast ? { subtype: "thread_broadcast" } : {}) });
  if (custom) {
    Object.assign(body, { subtype: "bot_message", ...custom });
    delete body.user;
  }
  const post = new Post(channel, body, { metadata });
  Object.assign(post, { orphan: orphan ?? false, unfurl });
  channel.posts.set(body.ts, post);
  slack.noticePings(post);
  if (thread_ts) channel.statuses.delete(thread_ts);
  slack.event(team, `message.${channel.type}`, slack.messageEvent(post));
  const link = /https?:\/\/[^\s|>)]+/.exec(body.text ?? "")?.[0];
  if (link && (unfurl?.links || unfurl?.media !== false)) slack.unfurl(channel.id, body.ts, { team: team.id, url: link });
  slack.look();
  return post;
}

const posting = {
  scope: "chat:write", needs: ["channel"], json: true,
  run(call) {
    const { slack, team, args, token } = call;
    const channel = target(call, { post: true });
    const { thread_ts, orphan } = threadOf(slack, channel, args.thread_ts);
    const content = checkContent(args);
    tidy(slack, visibleText(content));
    const metadata = checkMetadata(args.metadata);
    const custom = args.username || args.icon_url || args.icon_emoji ? { username: args.username ?? "amp" } : null;
    if (custom && !token.scopes.has("chat:write.customize")) refuse("missing_scope");
    if (size(content.text) > kText / 10 && !content.blocks) slack.advise("a text of more than 4,000 characters");
    const post = publish(slack, team, channel, content, {
      thread_ts, orphan, metadata, custom, broadcast: thread_ts && args.reply_broadcast === true,
      unfurl: { links: args.unfurl_links === true, media: args.unfurl_media },
    });
    return { channel: channel.id, ts: post.ts, message: post.body, ...warned(content.warnings) };
  },
};
const visibleText = ({ text, blocks }) => text + JSON.stringify(blocks ?? "");
const warned = (warnings) => (warnings.length ? { warning: warnings.join(","), response_metadata: { warnings } } : {});

const update = {
  scope: "chat:write", tier: 3, needs: ["channel", "ts"], json: true,
  run(call) {
    const { slack, args } = call;
    const channel = target(call);
    if (channel.archived) refuse("is_archived");
    const post = postOf(channel, args.ts);
    if (!own(call, post)) refuse("cant_update_message");
    if (post.stream?.open) refuse("streaming_state_conflict");
    if (post.locked) refuse("edit_window_closed");
    const { warnings, ...content } = checkContent(args, { update: true });
    tidy(slack, visibleText(content));
    if (args.metadata !== undefined) post.metadata = checkMetadata(args.metadata);
    const before = { ...post.body };
    // Blocks and attachments stay unless they are named.
    Object.assign(post.body, content, { edited: { user: call.team.bot.id, ts: slack.ids.ts() } });
    if (args.markdown_text === undefined && args.blocks?.length === 0) delete post.body.blocks;
    post.keep();
    slack.noticePings(post);
    slack.changed(call.team, post, before);
    return { channel: channel.id, ts: post.ts, text: post.body.text, message: post.body };
  },
};
const remove = {
  scope: "chat:write", tier: 3, needs: ["channel", "ts"], json: true,
  run(call) {
    const channel = target(call);
    const post = postOf(channel, call.args.ts);
    if (!own(call, post)) refuse("cant_delete_message");
    call.slack.erase(call.team, post);
    return { channel: channel.id, ts: post.ts };
  },
};
const ephemeral = {
  scope: "chat:write", tier: 4, needs: ["channel", "user"], json: true,
  run(call) {
    const { slack, team, args } = call;
    const channel = target(call, { post: true });
    if (!channel.members.has(args.user)) refuse("user_not_in_channel");
    const { thread_ts } = threadOf(slack, channel, args.thread_ts);
    const { warnings, ...content } = checkContent(args);
    const shown = slack.whisper(team, channel, args.user, content, { thread_ts });
    return { message_ts: shown.ts };
  },
};
const permalink = {
  scope: null, tier: null, needs: ["channel", "message_ts"],
  run(call) {
    const channel = target(call);
    const post = postOf(channel, call.args.message_ts);
    const link = `https://${call.team.domain}.slack.com/archives/${channel.id}/p${post.ts.replace(".", "")}`;
    return { channel: channel.id, permalink: post.isReply ? `${link}?thread_ts=${post.thread}&cid=${channel.id}` : link };
  },
};

// ---------------------------------------------------------------- streams

// Of this workspace, this app, and still open. A stream ends by itself some minutes after its start, whatever is appended.
function streamOf(call) {
  const channel = target(call);
  const post = postOf(channel, call.args.ts);
  if (!own(call, post)) refuse("message_not_owned_by_app");
  const { stream } = post;
  if (stream?.stoppedBy) refuse("stopped_by_user");
  if (stream?.open && Date.now() - stream.started > call.slack.times.stream) call.slack.expireStream(channel.id, post.ts);
  if (!stream?.open) refuse("message_not_in_streaming_state");
  return post;
}
function grow(call, post) {
  const { text, tasks, plan, blocks } = checkChunks(call.args);
  tidy(call.slack, text);
  const { stream } = post;
  const bytes = Buffer.byteLength(text) + tasks.reduce((sum, { title, details = "", output = "" }) => sum + Buffer.byteLength(title + details + output), 0);
  if (stream.bytes + bytes > call.slack.limits.streamBytes) {
    if (stream.tooLong) call.slack.complain("an append to a stream that was full before");
    stream.tooLong = true;
    refuse("msg_too_long");
  }
  stream.bytes += bytes;
  for (const task of tasks) stream.tasks.set(task.id, { ...stream.tasks.get(task.id), ...task });
  if (plan !== null) stream.plan = plan;
  post.body.text += text;
  if (blocks.length) stream.footer = [...(stream.footer ?? []), ...blocks];
  if (text) post.keep();
  if (text) call.slack.noticePings(post);
  call.slack.look();
  return text || tasks.length || plan !== null || blocks.length;
}
const start = {
  scope: "chat:write", tier: 2, needs: ["channel"], json: true,
  run(call) {
    const { slack, team, args } = call;
    const channel = target(call, { post: true });
    if (channel.shared && slack.limits.noStreamsInShared) refuse("channel_type_not_supported");
    const { thread_ts, orphan } = threadOf(slack, channel, args.thread_ts);
    if (!channel.isDirect) {
      if (!args.recipient_user_id) refuse("missing_recipient_user_id");
      if (!args.recipient_team_id) refuse("missing_recipient_team_id");
      if (!team.users.has(args.recipient_user_id)) refuse("user_not_found");
    }
    if (args.task_display_mode !== undefined && !["timeline", "plan"].includes(args.task_display_mode)) refuse("invalid_arguments");
    checkChunks(args); // before anything is there
    const post = publish(slack, team, channel, { text: "" }, { thread_ts, orphan, unfurl: { links: false, media: false } });
    post.stream = { started: Date.now(), bytes: 0, open: true, tasks: new Map(), to: args.recipient_user_id };
    grow(call, post);
    return { channel: channel.id, ts: post.ts };
  },
};
const append = {
  scope: "chat:write", tier: 4, needs: ["channel", "ts"], json: true,
  run(call) {
    const post = streamOf(call);
    if (call.args.markdown_text === undefined && call.args.chunks === undefined) refuse("no_text");
    if (!grow(call, post)) refuse("no_text");
    return { channel: post.channel.id, ts: post.ts };
  },
};
const stop = {
  scope: "chat:write", tier: 2, needs: ["channel", "ts"], json: true,
  run(call) {
    const post = streamOf(call);
    const before = { ...post.body };
    const metadata = checkMetadata(call.args.metadata);
    const { warnings, ...footer } = call.args.blocks === undefined ? { blocks: undefined } : checkContent({ blocks: call.args.blocks, text: " " });
    grow(call, post);
    post.stream.open = false;
    if (metadata) post.metadata = metadata;
    const blocks = [...(post.body.text ? [{ type: "markdown", text: post.body.text, block_id: "stream" }] : []), ...(post.stream.footer ?? []), ...(footer.blocks ?? [])];
    if (blocks.length) post.body.blocks = blocks;
    call.slack.changed(call.team, post, before);
    if (call.args.session_status) call.slack.setSession(call.team, post.channel, post.thread, { status: call.args.session_status });
    return { channel: post.channel.id, ts: post.ts, message: post.body };
  },
};

// ---------------------------------------------------------------- reactions

const reacting = (change) => ({
  scope: "reactions:write", tier: change === "added" ? 3 : 2, needs: ["name", "channel", "timestamp"], json: true,
  run(call) {
    const { slack, team, args } = call;
    if (!/^[a-z0-9_+'-]+(::skin-tone-[2-6])?$/.test(args.name)) refuse("invalid_name");
    const channel = target(call);
    if (!channel.members.has(team.bot.id)) refuse(channel.kind === "channel" ? "not_in_channel" : "channel_not_found");
    const post = postOf(channel, args.timestamp);
    if (channel.archived) refuse("is_archived");
    if (change === "added" && post.reactions.length >= 23 && !post.reactions.some(({ name }) => name === args.name)) refuse("too_many_emoji");
    if (!slack.mark(team, post, team.bot.id, args.name, change)) refuse(change === "added" ? "already_reacted" : "no_reaction");
    return {};
  },
});

export const chatMethods = {
  "chat.postMessage": posting, "chat.postEphemeral": ephemeral, "chat.update": update, "chat.delete": remove, "chat.getPermalink": permalink,
  "chat.startStream": start, "chat.appendStream": append, "chat.stopStream": stop,
  "reactions.add": reacting("added"), "reactions.remove": reacting("removed"),
};
