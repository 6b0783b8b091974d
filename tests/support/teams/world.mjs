// What the stand-in Teams holds: tenants, people, conversations, messages, and what a person sees of them.
import { createHash } from "node:crypto";

// A GUID that can be told from a name, the same in every run.
export function guid(name) {
  const hex = createHash("sha256").update(name).digest("hex");
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(13, 16)}-8${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
}
const opaque = (name, size = 40) => createHash("sha512").update(name).digest("base64url").slice(0, size);

export class Person {
  constructor(name, { tenant, bot = false, role = "user", id, display = name[0].toUpperCase() + name.slice(1) }) {
    const aadObjectId = bot ? undefined : guid(`person ${name}`);
    Object.assign(this, { name, display, tenant, bot, role, aadObjectId, id: id ?? (bot ? `28:${guid(`bot ${name}`)}` : `29:1${name}-${opaque(name)}`) });
  }
  // As an activity names somebody.
  get account() {
    return { id: this.id, name: this.display, ...(this.bot ? {} : { aadObjectId: this.aadObjectId }) };
  }
  get member() {
    const mail = `${this.name}@example.org`;
    return {
      id: this.id, aadObjectId: this.aadObjectId, objectId: this.aadObjectId, name: this.display, givenName: this.display, surname: "Example", email: mail, userPrincipalName: mail, tenantId: this.tenant, userRole: this.role,
    };
  }
}

// What a card says, in one text.
export function cardText(card) {
  if (!card || typeof card !== "object") return "";
  if (Array.isArray(card)) return card.map(cardText).filter(Boolean).join("\n");
  switch (card.type) {
    case "TextBlock":
    case "TextRun":
      return card.text ?? "";
    case "RichTextBlock":
      return (card.inlines ?? []).map((one) => (typeof one === "string" ? one : cardText(one))).join("");
    case "CodeBlock":
      return card.codeSnippet ?? "";
    case "FactSet":
      return (card.facts ?? []).map(({ title, value }) => `${title}: ${value}`).join("\n");
    case "TableRow":
      return (card.cells ?? []).map(cardText).join(" | ");
    case "Image":
      return card.altText ?? "";
    default:
      return ["body", "items", "columns", "rows"].map((part) => cardText(card[part])).filter(Boolean).join("\n");
  }
}
export const isCard = ({ contentType }) => contentType === "application/vnd.microsoft.card.adaptive";
// All actions of a card, wherever they stand.
export function cardActions(card) {
  if (!card || typeof card !== "object") return [];
  if (Array.isArray(card)) return card.flatMap(cardActions);
  const own = [...(card.actions ?? []), ...(card.selectAction ? [card.selectAction] : []), ...(card.inlineAction ? [card.inlineAction] : [])];
  return [...own.flatMap((action) => [action, ...(action.type === "Action.ShowCard" ? cardActions(action.card) : [])]), ...["body", "items", "columns", "rows", "cells"].flatMap((part) => cardActions(card[part]))];
}
// What a person reads, without its decoration.
export function visible({ text = "", attachments = [] }) {
  const rest = attachments.filter(({ contentType }) => contentType !== "text/html").map((one) => (isCard(one) ? cardText(one.content) : `[${one.contentType} ${one.name ?? ""}]`));
  return [text, ...rest].filter(Boolean).join("\n");
}

export class Message {
  deleted = false;
  stream = null; // { sequence, started, open, informative, ends }
  versions = []; // every text it had
  bodies = []; // every activity that it was
  reactions = []; // { who, type }
  targeted = null; // the person who alone sees it
  shownTo = new Map(); // person -> the card that an action put in its place
  delivery = null; // of a person's message
  constructor(conversation, id, from, body, { root = null } = {}) {
    Object.assign(this, { conversation, id, from, root });
    this.keep(body);
  }
  get text() {
    return visible(this.body);
  }
  get cards() {
    return (this.body.attachments ?? []).filter(isCard).map(({ content }) => content);
  }
  get actions() {
    return cardActions(this.cards);
  }
  get open() {
    return (this.stream?.open ?? false) && !this.stream.isOver();
  }
  keep(body) {
    this.body = body;
    this.bodies.push(body);
    if (this.versions.at(-1) !== this.text) this.versions.push(this.text);
  }
}

export class Conversation {
  messages = new Map();
  refusal = null; // { status, body } of every call
  installed = true;
  typings = []; // when somebody saw it type
  constructor({ id, kind, name, tenant, region = "amer", team = null, members = [], meeting = false }) {
    Object.assign(this, { id, kind, name, tenant, region, team, members: new Set(members), meeting });
  }
  get isChannel() {
    return this.kind === "channel";
  }
  // What an activity says of it; `root` is the message at the head of a thread.
  describe(root) {
    const id = this.isChannel && root ? `${this.id};messageid=${root}` : this.id;
    return { ...(this.kind === "personal" ? {} : { isGroup: true }), conversationType: this.kind, tenantId: this.tenant, id };
  }
  get channelData() {
    const tenant = { tenant: { id: this.tenant } };
    if (!this.isChannel) return { ...tenant, ...(this.meeting ? { meeting: { id: Buffer.from(this.id).toString("base64") } } : {}) };
    return { ...tenant, teamsChannelId: this.id, teamsTeamId: this.team.id, channel: { id: this.id }, team: { id: this.team.id, aadGroupId: this.team.group } };
  }
  all(root) {
    return [...this.messages.values()].filter((one) => !one.deleted && !one.targeted && (!this.isChannel || root === undefined || root === null ? true : one.id === root || one.root === root));
  }
}

export class Team {
  channels = [];
  installed = true;
  constructor(name, tenant) {
    Object.assign(this, { name, tenant, id: `19:${opaque(`team ${name}`, 32)}@thread.tacv2`, group: guid(`group ${name}`) });
  }
}
export const ids = {
  personal: (name) => `a:1${name}-${opaque(`personal ${name}`, 60)}`,
  chat: (name) => `19:${opaque(`chat ${name}`, 32)}@thread.v2`,
  meeting: (name) => `19:meeting_${opaque(`meeting ${name}`, 32)}@thread.v2`,
  channel: (name) => `19:${opaque(`channel ${name}`, 32)}@thread.tacv2`,
};
