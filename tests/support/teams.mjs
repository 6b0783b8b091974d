// A stand-in Microsoft Teams on any free port of this machine: login with its keys and tokens, the connector with its rules, limits and errors, Socket Mode, signed
// activities that come again while nobody takes them, and people who write, press and install. Everything that happened can be looked at.
//
//   const teams = await Teams.start(t, { http: origin of the app })   // without `http` it is Socket Mode
//   teams.post("alice", "dm", "hello")                                  // what Teams would send of it follows by itself
//   await teams.until(() => teams.answers("@alice").length)
//   teams.fault("send", { cut: "after" })                               // and see `fault`
//
// Durations are those of Teams, divided by `speed`; any of them may be said in `times`.
import http from "node:http";
import { StandIn } from "./stand_in.mjs";
import { Delivery } from "./teams/delivery.mjs";
import { files } from "./teams/files.mjs";
import { Limits } from "./teams/limits.mjs";
import { issue } from "./teams/login.mjs";
import { people } from "./teams/people.mjs";
import { Sockets } from "./teams/sockets.mjs";
import { channelToken, entraToken, Key, secret } from "./teams/tokens.mjs";
import { serve } from "./teams/web.mjs";
import { Conversation, guid, ids, Message, Person, Team, visible } from "./teams/world.mjs";

export { visible };
export { badTokens, goodTokens } from "./teams/bad_tokens.mjs";
export { channelToken, entraToken, jwt, Key } from "./teams/tokens.mjs";
export { cardActions, cardText, guid } from "./teams/world.mjs";

// `token` and `socketToken` are seconds that tokens say they last.
const kTimes = { ack: 15_000, invoke: 10_000, retries: [1000, 5000, 15_000, 30_000], stream: 120_000, second: 1000, ping: 15_000, silence: 30_000 };
const kLasting = { token: 3599, socketToken: 3600 };

// They take their time to be made: all stand-ins of a process have the same.
let allKeys = null;
function makeKeys() {
  const endorsements = ["msteams", "webchat", "directline"];
  return Promise.all([
    Key.rsa("channel-1", { endorsements }), Key.rsa("channel-2", { endorsements }), Key.rsa("web-1", { endorsements: ["webchat"] }), Key.rsa("plain-1"), Key.rsa("gov-1", { endorsements }), Key.rsa("entra-1"), Key.rsa("stranger-1", { endorsements }),
    Key.ec("curve-1", { endorsements }),
  ]);
}

// Its journal has { op, method, path, query, headers, args, conversation, thread, activity, at, ended, status, body, result, done, token?, fault? }.
export class Teams extends StandIn {
  appId = guid("app amp");
  appPassword = `${secret(8)}~secret`;
  tenant = guid("tenant acme");
  features = { targeted: true, streaming: true, looseFinal: false, rsc: false, sockets: true, pascal: false };
  limits = {}; // { off: true }, { silent: true } without Retry-After, and windows for send, read, tenant, reactions, stream
  endpoint = null; // where activities go; null: over Socket Mode
  people = [];
  teams = new Map();
  conversations = new Map();
  tokens = new Map(); // what the app got for itself
  certificates = []; // with which it may prove itself
  assertions = new Set();
  askedOften = 0;
  whispers = []; // messages for one person
  attachments = new Map();
  downloads = new Map();
  uploads = new Map();
  #last = 0;
  #skew = 0;

  static async start(t, { times = {}, speed = 1, limits = {}, features = {}, http: origin, endpoint, ...options } = {}) {
    const teams = new Teams();
    teams.times = { ...kLasting, ...Object.fromEntries(Object.entries(kTimes).map(([name, ms]) => [name, Array.isArray(ms) ? ms.map((one) => one / speed) : ms / speed])), ...times };
    Object.assign(teams.limits, limits);
    Object.assign(teams.features, features);
    Object.assign(teams, options);
    teams.loginTenant ??= teams.tenant;
    await teams.#takeKeys();
    teams.budget = new Limits(teams);
    teams.sockets = new Sockets(teams);
    teams.agent = new http.Agent({ keepAlive: true });
    teams.#fill();
    await teams.listen(options.port);
    if (endpoint || origin) teams.endpoint = endpoint ?? `${origin}/apps/teams/api/messages`;
    t?.after(() => teams.stop());
    return teams;
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
  // What the surface's YAML says.
  get config() {
    return {
      app_id: this.appId, app_password: this.appPassword, tenant_id: this.loginTenant, transport: this.endpoint ? "http" : "socket",
      endpoints: { openid_metadata: `${this.origin}/v1/.well-known/openidconfiguration`, token: `${this.origin}/${this.loginTenant}/oauth2/v2.0/token`, service_hosts: ["127.0.0.1"], connect: this.origin },
    };
  }
  // The clock of tokens and streams.
  now() {
    return Date.now() + this.#skew;
  }
  advance(ms) {
    this.#skew += ms;
  }

  // ---------------------------------------------------------------- keys and tokens

  // `channel` signs; `next` is not published yet; `unendorsed` and `plain` are published, but not for Teams; `stranger` is nobody's.
  async #takeKeys() {
    const [channel, next, unendorsed, plain, gov, entra, stranger, curve] = await (allKeys ??= makeKeys());
    this.keys = { channel, next, unendorsed, plain, gov, entra, stranger, curve };
    this.published = [curve, channel, unendorsed, plain];
  }
  // From now on the service signs with the next key; the old one is published as long as `keep` says so.
  rotate({ keep = true } = {}) {
    const { channel, next } = this.keys;
    Object.assign(this.keys, { channel: next, next: channel });
    this.published = [...this.published.filter((key) => key !== channel || keep), next];
  }
  // The token that comes with an activity.
  mint(activity = {}, { key = this.keys.channel, claims = {}, header = {} } = {}) {
    return channelToken({ key, appId: this.appId, serviceUrl: activity.serviceUrl, now: this.now(), claims, header });
  }
  mintEntra({ tenant = this.tenant, key = this.keys.entra, ...more } = {}) {
    return entraToken({ key, appId: this.appId, tenant, now: this.now(), ...more });
  }
  // A token for the connector that no request has asked for.
  issue(options) {
    return issue(this, options);
  }
  // Every token that the app has is refused from now on.
  revokeTokens(state = "revoked") {
    for (const token of this.tokens.values()) token.state = state;
  }
  // The app proves itself with a certificate from now on: { cert, key } in PEM.
  async useCertificate() {
    const key = await Key.rsa("app-certificate");
    this.certificates.push(key.certificate);
    return { cert: key.certificate.pem, key: key.pem };
  }

  // ---------------------------------------------------------------- the world

  #fill() {
    this.bot = this.#add(new Person("amp", { tenant: this.tenant, bot: true, id: `28:${this.appId}` }));
    for (const name of ["alice", "bob", "carol"]) this.#add(new Person(name, { tenant: this.tenant }));
    this.#add(new Person("gus", { tenant: this.tenant, role: "guest" }));
    this.#add(new Person("sue", { tenant: guid("tenant elsewhere") }));
    this.#add(new Person("rob", { tenant: this.tenant, bot: true }));
    const all = ["alice", "bob", "carol", "gus", "rob", "amp"];
    for (const person of this.people) if (!person.bot) this.personal(person);
    this.addTeam("acme", { channels: ["general", "random"], members: all });
    this.chat("project", { members: ["alice", "bob", "amp"] });
    this.chat("standup", { members: ["alice", "bob", "carol", "amp"], meeting: true });
    this.chat("mixed", { members: ["alice", "sue", "gus", "amp"] });
  }
  #add(person) {
    this.people.push(person);
    return person;
  }
  #keep(conversation) {
    this.conversations.set(conversation.id, conversation);
    return conversation;
  }
  personal(person) {
    const id = ids.personal(person.name);
    return this.conversations.get(id) ?? this.#keep(new Conversation({ id, kind: "personal", name: `@${person.name}`, tenant: person.tenant, members: [person, this.bot] }));
  }
  chat(name, { members, meeting = false, region } = {}) {
    const id = meeting ? ids.meeting(name) : ids.chat(name);
    return this.#keep(new Conversation({ id, kind: "groupChat", name, tenant: this.tenant, meeting, region, members: members.map((who) => this.person(who)) }));
  }
  addTeam(name, { channels, members, tenant = this.tenant, region }) {
    const team = new Team(name, tenant);
    for (const [i, channel] of channels.entries()) {
      // The first channel has the id of its team.
      const id = i === 0 ? team.id : ids.channel(`${name} ${channel}`);
      team.channels.push(this.#keep(new Conversation({ id, kind: "channel", name: channel, tenant, region, team, members: members.map((who) => this.person(who)) })));
    }
    this.teams.set(name, team);
    return team;
  }
  // By name, or already somebody.
  person(who) {
    const found = who instanceof Person ? who : this.people.find(({ name, id, aadObjectId }) => [name, id, aadObjectId].includes(who));
    if (!found) throw new Error(`nobody is called ${who}`);
    return found;
  }
  // "dm": the chat of `person` with the bot; "@bob": bob's; else by name.
  where(where, person) {
    if (where instanceof Conversation) return where;
    if (where === "dm") return this.personal(person);
    if (where.startsWith("@")) return this.personal(this.person(where.slice(1)));
    const found = [...this.conversations.values()].find(({ name, id }) => name === where || id === where);
    if (!found) throw new Error(`no chat or channel is called ${where}`);
    return found;
  }
  serviceUrl(conversation) {
    return `${this.origin}/${conversation.region}/${conversation.tenant}/`;
  }
  regionOf(activity) {
    return this.conversations.get(activity.conversation?.id?.split(";")[0])?.region ?? "amer";
  }
  // Where a chat that is asked for would be.
  creating(body) {
    const person = this.people.find(({ id, aadObjectId }) => id === body?.members?.[0]?.id || (aadObjectId && aadObjectId === body?.members?.[0]?.id));
    return person ? this.personal(person) : null;
  }
  // Ids are the time, in milliseconds, and no two alike.
  nextId() {
    this.#last = Math.max(this.#last + 1, Date.now());
    return String(this.#last);
  }
  // Every call for a conversation is refused from now on, as when somebody blocks the bot; null: no more.
  refuseAll(where, code, { status = 403, body } = {}) {
    this.where(where).refusal = code === null ? null : { status, body: body ?? { error: { code, message: `${code}.` } } };
  }
  writesBlocked(where) {
    this.refuseAll(where, "MessageWritesBlocked", { body: { errorCode: 209, message: JSON.stringify({ subCode: "MessageWritesBlocked", details: "Thread is disabled" }) } });
  }

  // ---------------------------------------------------------------- faults

  // A fault of an operation is { status, code, message, retryAfter, headers, after: true when it is done all the same } { hang: true | "after" } { cut: "before" | "after" }
  // { redirect: address } { text, of any answer } { huge: bytes } { wait: promise } { waitAfter: promise } { do: function of the call }.
  // Operations: openid jwks token connect negotiate; send reply typing stream final update delete create react unreact members member paged team channels upload attachment view; download
  // putFile askFile.

  // ---------------------------------------------------------------- what happens is told

  deliver(activity, options) {
    return this.setOut(new Delivery(this, activity, options), activity.type !== "invoke");
  }

  // ---------------------------------------------------------------- looking

  calls(op) {
    return this.journal.filter((one) => (op instanceof RegExp ? op.test(one.op) : one.op === op));
  }
  // Every request of the app to the connector or for its own token: what a refused activity must not cause.
  get outbound() {
    return this.journal.filter(({ op }) => !/^(openid|jwks|entraOpenid|entraJwks|govOpenid|govJwks)$/.test(op));
  }
  // A thread of a channel with its head, or a whole chat.
  messages(where, thread) {
    return this.where(where).all(typeof thread === "object" && thread !== null ? (thread.root ?? thread.id) : thread);
  }
  // Only what the bot wrote.
  answers(where, thread) {
    return this.messages(where, thread).filter(({ from }) => from === this.bot);
  }
  // What a person reads there, each with who wrote it.
  read(where, thread) {
    return this.messages(where, thread).map(({ from, text }) => `${from.name}: ${text}`);
  }
  // Messages that only this person sees.
  heard(who) {
    const person = this.person(who);
    return this.whispers.filter(({ targeted, deleted }) => targeted === person && !deleted);
  }
}
Object.assign(Teams.prototype, people, files);
export { Message };
