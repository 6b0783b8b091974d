// What people do in the stand-in Slack: each act stores what it leaves behind, and sends what Slack would send of it.
import { randomUUID } from "node:crypto";
import { refuse } from "./checks.mjs";
import { publish } from "./chat_methods.mjs";
import { signed } from "./delivery.mjs";
import { bareRequest } from "../stand_in.mjs";
import { controls, Post, secret } from "./workspace.mjs";

const said = (element) => (element.type === "button" || element.type === "icon_button" ? element.text?.text : element.placeholder?.text);

export const people = {
  // Writes as `who` in a channel ("@alice" are alice's direct messages with the bot). `text` is what a person types; raw: as Slack stores it.
  post(who, where, text, { thread, files = [], raw = false, team = this.team, broadcast = false, subtype, event: extra = {} } = {}) {
    const user = team.person(who);
    const channel = this.where(where === "dm" ? `@${who}` : where, team);
    if (!channel.members.has(user.id)) throw new Error(`${who} is not in ${channel.name}`);
    if (channel.archived) throw new Error(`${channel.name} is archived`);
    const stored = raw ? text : team.encode(text);
    const body = {
      type: "message", user: user.id, text: stored, ts: this.ids.ts(), client_msg_id: randomUUID(), team: user.team_id, ...(user.team_id !== team.id ? { user_team: user.team_id, source_team: user.team_id } : {}),
      ...(thread ? { thread_ts: thread, parent_user_id: channel.posts.get(thread)?.body.user } : {}), ...(broadcast ? { subtype: "thread_broadcast" } : {}), ...(subtype ? { subtype } : {}),
      ...(files.length ? { subtype: "file_share", files: files.map((file) => this.keepFile(team, { ...file, user: user.id })), upload: false } : {}),
      ...(user.is_bot ? { bot_id: `B${user.id.slice(1)}`, app_id: "A0ROBOT" } : {}),
      blocks: [{ type: "rich_text", block_id: "typed", elements: [{ type: "rich_text_section", elements: [{ type: "text", text }] }] }],
    };
    const post = new Post(channel, body);
    channel.posts.set(body.ts, post);
    const delivered = [this.event(team, `message.${channel.kind}`, { ...this.messageEvent(post), ...extra })];
    if (!channel.isDirect && !subtype && stored.includes(`<@${team.bot.id}`)) delivered.push(this.mention(team, post, extra));
    post.deliveries = delivered.filter(Boolean);
    this.look();
    return post;
  },
  mention(team, post, extra = {}) {
    const { subtype, ...body } = post.body;
    return this.event(team, "app_mention", { ...body, ...(subtype === "file_share" ? { upload: false } : {}), type: "app_mention", channel: post.channel.id, event_ts: post.ts, ...extra });
  },
  edit(who, post, text, { team = this.team } = {}) {
    const before = { ...post.body };
    const stored = team.encode(text);
    const named = `<@${team.bot.id}`;
    Object.assign(post.body, { text: stored, edited: { user: team.person(who).id, ts: this.ids.ts() }, blocks: [{ type: "rich_text", block_id: "typed", elements: [{ type: "rich_text_section", elements: [{ type: "text", text }] }] }] });
    post.keep();
    this.changed(team, post, before);
    if (!post.channel.isDirect && stored.includes(named)) this.mention(team, post);
  },
  remove(who, post, { team = this.team } = {}) {
    this.erase(team, post);
  },
  react(who, post, name, { team = this.team } = {}) {
    return this.mark(team, post, team.person(who).id, name, "added");
  },
  unreact(who, post, name, { team = this.team } = {}) {
    return this.mark(team, post, team.person(who).id, name, "removed");
  },
  join(who, where, { team = this.team } = {}) {
    const channel = this.where(where, team);
    const { id } = team.person(who);
    channel.members.add(id);
    return this.event(team, "member_joined_channel", { type: "member_joined_channel", user: id, channel: channel.id, channel_type: channel.kind === "channel" ? "C" : "G", team: team.id }, { channel });
  },
  archive(where, { team = this.team } = {}) {
    this.where(where, team).archived = true;
  },
  home(who, tab = "home", { team = this.team } = {}) {
    const { id } = team.person(who);
    const channel = team.direct(who);
    return this.event(team, "app_home_opened", { type: "app_home_opened", user: id, channel: channel.id, tab, ...(tab === "home" && team.homes.has(id) ? { view: team.homes.get(id) } : {}) }, { channel });
  },
  // Opens a thread with the assistant, as workspaces do that do not have the newer way yet. Its root is nobody's message.
  assistant(who, { team = this.team } = {}) {
    const { id } = team.person(who);
    const channel = team.direct(who);
    const root = new Post(channel, { type: "message", subtype: "assistant_app_thread", user: team.bot.id, bot_id: team.botId, team: team.id, ts: this.ids.ts(), text: "New assistant thread" });
    root.body.thread_ts = root.ts;
    channel.posts.set(root.ts, root);
    const assistant_thread = { user_id: id, channel_id: channel.id, thread_ts: root.ts, context: { channel_id: team.place("general").id, team_id: team.id, enterprise_id: null } };
    this.event(team, "assistant_thread_started", { type: "assistant_thread_started", assistant_thread }, { channel });
    return root;
  },
  // The stop button beside an agent's status, and what becomes of its streams.
  stopAgent(who, where, thread, { team = this.team } = {}) {
    const channel = this.where(where, team);
    const streams = channel.thread(thread).filter(({ stream }) => stream?.open);
    for (const post of streams) Object.assign(post.stream, { open: false, stoppedBy: who });
    return this.event(team, "agent_session_stopped", { type: "agent_session_stopped", channel: channel.id, user: team.person(who).id, thread_ts: thread, streaming_message_ts: streams.map(({ ts }) => ts) }, { channel });
  },

  // ---------------------------------------------------------------- commands, clicks, dialogs

  // A response_url and a trigger_id for somebody.
  handles(team, channel, user, message = null, thread = null) {
    const key = secret(16);
    this.responses.set(key, { team, channel, user, message, thread, uses: 0, at: Date.now(), expired: false });
    const trigger_id = `${Date.now()}.${secret(4)}.${secret(8)}`;
    this.triggers.set(trigger_id, { user, at: Date.now(), used: false });
    return { response_url: `${this.origin}/response/${key}`, trigger_id };
  },
  useTrigger(id) {
    const trigger = this.triggers.get(id);
    if (!trigger) refuse("invalid_trigger_id");
    if (trigger.used) refuse("exchanged_trigger_id");
    if (Date.now() - trigger.at > this.times.trigger) refuse("expired_trigger_id");
    trigger.used = true;
    return trigger.user;
  },
  expireResponses() {
    for (const place of this.responses.values()) place.expired = true;
  },
  // Types a slash command. The result is how it was acknowledged: { ok, error?, payload?, delivery }.
  async command(who, where, line, { team = this.team } = {}) {
    const user = team.person(who);
    const channel = this.where(where === "dm" ? `@${who}` : where, team);
    const [command, ...words] = line.split(" ");
    const body = {
      token: "deprecated", team_id: team.id, team_domain: team.domain, channel_id: channel.id, channel_name: channel.isDirect ? "directmessage" : channel.kind === "channel" ? channel.name : "privategroup",
      user_id: user.id, user_name: user.name, command, text: words.join(" ").replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;"), api_app_id: this.appId,
      is_enterprise_install: "false", ...this.handles(team, channel, user.id),
    };
    const delivery = this.deliver("command", body, { what: line, form: new URLSearchParams(body).toString() });
    await delivery.settled;
    const error = delivery.state === "acknowledged" ? null : /timeout/.test(delivery.reason) ? "operation_timeout" : "dispatch_failed";
    const { payload } = delivery;
    if (error) this.whisper(team, channel, user.id, { text: `${command} failed with the error "${error}"` }, { by: "slackbot" });
    else if (payload && (payload.text || payload.blocks)) {
      if (payload.response_type === "in_channel") publish(this, team, channel, { text: payload.text ?? "", blocks: payload.blocks, warnings: [] }, {});
      else this.whisper(team, channel, user.id, payload, { by: "command" });
    }
    return { ok: !error, error, payload, delivery, response_url: body.response_url };
  },
  // Presses a button (or chooses in a menu) of a message, a whisper or a view. `which` is its text, action_id or value,
  // or matches one of them; with several, the first.
  async click(who, message, which, { team = this.team, value, values = {} } = {}) {
    const user = team.person(who);
    const isPost = message instanceof Post;
    const isView = !isPost && message.type !== undefined && message.callback_id !== undefined;
    const blocks = isPost ? (message.body.blocks ?? []) : (message.blocks ?? []);
    const named = (name) => (which instanceof RegExp ? which.test(name ?? "") : which === name);
    const found = controls(blocks).find(({ control }) => [control.action_id, control.value, said(control)].some(named) || control.options?.some((option) => named(option.value) || named(option.text.text)));
    if (!found || message.deleted) throw new Error(`no control ${which} in ${JSON.stringify(blocks)}`);
    const { control, block_id } = found;
    const chosen = control.options?.find((option) => option.value === value || named(option.value) || named(option.text.text));
    const action = {
      type: control.type, action_id: control.action_id, block_id, action_ts: this.ids.ts(), ...(control.text ? { text: control.text } : {}), ...(control.value === undefined ? {} : { value: control.value }),
      ...(chosen ? { selected_option: chosen } : {}),
    };
    const channel = isView ? null : isPost ? message.channel : team.channels.get(message.channel);
    const thread = isPost ? message.thread : (message.thread ?? null);
    const { response_url, trigger_id } = this.handles(team, channel, user.id, isPost ? { post: message } : { ephemeral: message }, thread);
    const body = {
      type: "block_actions", user: { id: user.id, username: user.name, name: user.name, team_id: user.team_id }, api_app_id: this.appId, token: "deprecated", trigger_id, team: { id: team.id, domain: team.domain },
      enterprise: null, is_enterprise_install: false, state: { values }, actions: [action],
      ...(isView ? { container: { type: "view", view_id: message.id }, view: message } : {
        container: { type: "message", message_ts: message.ts, channel_id: channel.id, is_ephemeral: !isPost, ...(thread ? { thread_ts: thread } : {}) },
        channel: { id: channel.id, name: channel.isDirect ? "directmessage" : channel.name }, response_url, ...(isPost ? { message: message.body } : {}) }),
    };
    return this.interact(body);
  },
  // The messages' own menu: "Send to agent".
  shortcut(who, post, callback_id, { team = this.team } = {}) {
    const user = team.person(who);
    const { response_url, trigger_id } = this.handles(team, post.channel, user.id, { post }, post.thread);
    return this.interact({
      type: "message_action", callback_id, user: { id: user.id, username: user.name, name: user.name, team_id: user.team_id }, api_app_id: this.appId, token: "deprecated", trigger_id, response_url, action_ts: this.ids.ts(),
      team: { id: team.id, domain: team.domain }, channel: { id: post.channel.id, name: post.channel.name }, message_ts: post.ts, message: post.body, enterprise: null, is_enterprise_install: false,
    });
  },
  // Sends a dialog. `values` is { block_id: { action_id: value } }.
  submit(who, view, values = {}, { team = this.team } = {}) {
    const user = team.person(who);
    const state = Object.fromEntries(Object.entries(values).map(([block, inner]) => [block, Object.fromEntries(Object.entries(inner).map(([action, value]) =>
      [action, typeof value === "string" ? { type: "plain_text_input", value } : value]))]));
    const { trigger_id } = this.handles(team, null, user.id);
    return this.interact({
      type: "view_submission", user: { id: user.id, username: user.name, name: user.name, team_id: user.team_id }, api_app_id: this.appId, token: "deprecated", trigger_id, team: { id: team.id, domain: team.domain },
      view: { ...view, state: { values: state } }, response_urls: [], enterprise: null, is_enterprise_install: false,
    });
  },
  async interact(body) {
    const delivery = this.deliver("interaction", body, { what: body.type, form: new URLSearchParams({ payload: JSON.stringify(body) }).toString() });
    await delivery.settled;
    return { ok: delivery.state === "acknowledged", payload: delivery.payload, delivery, response_url: body.response_url };
  },

  // ---------------------------------------------------------------- bare requests

  // Any body, signed as it is told: { status, headers, text }. `what` is events, commands or interactivity, or an address.
  send(what, body, { type = "application/json", headers = {}, unsigned = false, ...signing } = {}) {
    const url = this.requestUrls?.[what] ?? what;
    const text = typeof body === "string" || Buffer.isBuffer(body) ? body : JSON.stringify(body);
    return bareRequest(url, text, { headers: { "content-type": type, ...(unsigned ? {} : signed(text, { secret: this.signingSecret, ...signing })), ...headers } });
  },
  async verifyUrl() {
    const challenge = secret();
    const { status, text } = await this.send("events", { token: "deprecated", challenge, type: "url_verification" });
    return status === 200 && (text === challenge || text === `challenge=${challenge}` || (text.startsWith("{") && JSON.parse(text).challenge === challenge));
  },
};
