// What a workspace of the stand-in Slack holds: people, channels, posts, and what a person sees of them.
import { randomBytes } from "node:crypto";

export const secret = (bytes = 12) => randomBytes(bytes).toString("hex");

// Ids that can be read: alice is U0ALICE, #general is C0GENERAL.
export class Ids {
  #taken = new Set();
  #last = 0;
  of(kind, name) {
    const wanted = `${kind}0${name.toUpperCase().replaceAll(/[^A-Z0-9]/g, "")}`;
    for (let n = 1; ; ++n) {
      const id = n === 1 ? wanted : `${wanted}${n}`;
      if (this.#taken.has(id)) continue;
      this.#taken.add(id);
      return id;
    }
  }
  // The id of a message: microseconds, and no two alike.
  ts(at = Date.now()) {
    this.#last = Math.max(this.#last + 1, at * 1000);
    return `${Math.floor(this.#last / 1e6)}.${String(this.#last % 1e6).padStart(6, "0")}`;
  }
}

// One message. `body` is what Slack's methods and events say of it; the rest is Slack's own knowledge.
export class Post {
  deleted = false;
  orphan = false; // an answer to what is no thread: stored, and nobody sees it
  stream = null; // { started, bytes, open, tasks }
  versions = []; // every text it had
  reactions = []; // { name, users }
  unfurl = null; // what the app said of unfurling
  constructor(channel, body, { metadata = null } = {}) {
    Object.assign(this, { channel, body, metadata });
    this.keep();
  }
  get ts() {
    return this.body.ts;
  }
  get thread() {
    return this.body.thread_ts ?? null;
  }
  get isReply() {
    return this.thread !== null && this.thread !== this.ts;
  }
  get text() {
    return visible(this.body);
  }
  keep() {
    const text = this.text;
    if (this.versions.at(-1) !== text) this.versions.push(text);
  }
}

// What a person reads, without its decoration.
export function visible({ text = "", blocks = [], attachments = [], files = [] }) {
  const shown = blocks.length ? blocks.map(blockText).filter(Boolean).join("\n") : text;
  const rest = [...attachments.map(({ text: inner, fallback, blocks: more }) => (more ? more.map(blockText).join("\n") : (inner ?? fallback ?? ""))),
    ...files.map(({ name }) => `[file ${name}]`)];
  return [shown, ...rest].filter(Boolean).join("\n");
}
export function blockText(block) {
  const text = (part) => (typeof part === "string" ? part : (part?.text ?? ""));
  const rich = (part) => (part.elements ? part.elements.map(rich).join("") : (part.text ?? (part.user_id ? `<@${part.user_id}>` : part.name ? `:${part.name}:` : (part.url ?? ""))));
  switch (block.type) {
    case "section":
      return [text(block.text), ...(block.fields ?? []).map(text)].filter(Boolean).join("\n");
    case "context":
      return block.elements.map((part) => text(part) || (part.alt_text ?? "")).join(" ");
    case "rich_text":
      return block.elements.map(rich).join("\n");
    case "table":
      return block.rows.map((row) => row.map((cell) => cell.text ?? rich(cell)).join(" | ")).join("\n");
    case "actions":
    case "context_actions":
    case "divider":
      return "";
    case "image":
      return block.alt_text;
    default:
      return text(block.text) || (block.title ? text(block.title) : "");
  }
}
// The controls of a message or a view, each with the block that it is in.
export function controls(blocks = []) {
  return blocks.flatMap((block) => {
    const all = [...(block.type === "actions" || block.type === "context_actions" ? block.elements : []), ...(block.accessory ? [block.accessory] : []), ...(block.element ? [block.element] : [])];
    return all.filter(({ type }) => type !== "image").map((control) => ({ block_id: block.block_id, control }));
  });
}

export class Channel {
  archived = false;
  posts = new Map();
  title = "";
  topic = "";
  prompts = null; // assistant threads
  statuses = new Map(); // of threads, as they stand
  constructor(team, { id, name, kind = "channel", members = [], user = null, shared = false }) {
    Object.assign(this, { team, id, name, kind, members: new Set(members), user, shared, created: Math.floor(Date.now() / 1000) });
  }
  get isDirect() {
    return this.kind === "im";
  }
  // The name of the events and in events.
  get type() {
    return this.kind;
  }
  thread(ts) {
    return [...this.posts.values()].filter((post) => !post.deleted && !post.orphan && (post.ts === ts || post.thread === ts));
  }
  top() {
    return [...this.posts.values()].filter((post) => !post.deleted && !post.orphan && (!post.isReply || post.body.subtype === "thread_broadcast"));
  }
  describe(me, { members = false } = {}) {
    return {
      id: this.id, name: this.isDirect ? undefined : this.name, name_normalized: this.isDirect ? undefined : this.name,
      is_channel: this.kind === "channel", is_group: this.kind === "group", is_im: this.isDirect, is_mpim: this.kind === "mpim",
      is_private: this.kind !== "channel", is_archived: this.archived, is_general: this.name === "general", is_ext_shared: this.shared, is_shared: this.shared, is_org_shared: false,
      is_member: this.isDirect ? undefined : this.members.has(me), created: this.created, creator: "U0ADMIN", context_team_id: this.team.id,
      ...(this.isDirect ? { user: this.user, is_open: true } : { topic: { value: this.topic, creator: "", last_set: 0 }, purpose: { value: "", creator: "", last_set: 0 } }),
      ...(members ? { num_members: this.members.size } : {}),
    };
  }
}

export class Team {
  users = new Map();
  channels = new Map();
  views = new Map(); // by id
  homes = new Map(); // user -> view
  sessions = new Map(); // agents.sessions, by channel:thread
  installed = false;
  constructor(ids, { id, name, domain = name }) {
    Object.assign(this, { ids, id, name, domain });
    this.bot = this.user("amp", { bot: true });
    this.botId = ids.of("B", name === "acme" ? "AMP" : `AMP${id.slice(2)}`);
  }
  user(name, { bot = false, guest = false, deleted = false, team = this.id, ...more } = {}) {
    const user = {
      id: this.ids.of("U", name), name, real_name: name[0].toUpperCase() + name.slice(1), team_id: team, deleted, tz: "Europe/Berlin", tz_offset: 3600,
      is_bot: bot, is_admin: false, is_owner: false, is_restricted: guest, is_ultra_restricted: false, is_app_user: false, updated: 1,
      profile: { real_name: name[0].toUpperCase() + name.slice(1), display_name: name, team, ...(bot ? { bot_id: this.botId, api_app_id: "" } : { email: `${name}@example.org` }) }, ...more,
    };
    this.users.set(user.id, user);
    return user;
  }
  channel(name, { kind = "channel", members = [], shared = false, archived = false } = {}) {
    const channel = new Channel(this, { id: this.ids.of(kind === "group" || kind === "mpim" ? "G" : "C", name), name, kind, members: members.map((who) => this.person(who).id), shared });
    channel.archived = archived;
    this.channels.set(channel.id, channel);
    return channel;
  }
  // What users.info says of somebody: a stranger is in no channel that is shared with this workspace and its app.
  describe(user) {
    const shared = [...this.channels.values()].some(({ shared: isShared, members }) => isShared && members.has(user.id) && members.has(this.bot.id));
    return { ...user, ...(user.team_id === this.id ? {} : { is_stranger: !shared }) };
  }
  // By id or by name.
  person(who) {
    const found = this.users.get(who) ?? [...this.users.values()].find(({ name }) => name === who);
    if (!found) throw new Error(`nobody is called ${who}`);
    return found;
  }
  place(where) {
    const found = this.channels.get(where) ?? [...this.channels.values()].find(({ name }) => name && name === where.replace(/^#/, ""));
    if (!found) throw new Error(`no channel is called ${where}`);
    return found;
  }
  // The direct messages of somebody with the bot.
  direct(who) {
    const { id, name } = this.person(who);
    const found = [...this.channels.values()].find((channel) => channel.isDirect && channel.user === id);
    if (found) return found;
    const channel = new Channel(this, { id: this.ids.of("D", name), name: null, kind: "im", members: [id, this.bot.id], user: id });
    this.channels.set(channel.id, channel);
    return channel;
  }
  // As people type it, to what Slack stores.
  encode(text) {
    const escaped = text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
    return escaped
      .replaceAll(/\bhttps?:\/\/[^\s)]+/g, (url) => `<${url}>`)
      .replaceAll(/(?<![\w@])@([a-z0-9_-]+)/g, (all, name) => {
        if (["here", "channel", "everyone"].includes(name)) return `<!${name}>`;
        const user = [...this.users.values()].find((one) => one.name === name);
        return user ? `<@${user.id}>` : all;
      })
      .replaceAll(/(?<![\w#&])#([a-z0-9_-]+)/g, (all, name) => {
        const channel = [...this.channels.values()].find((one) => one.name === name);
        return channel ? `<#${channel.id}|${name}>` : all;
      });
  }
}
