// Teams Socket Mode: an address for a socket, SignalR's negotiation, and its JSON hub protocol, with everything that goes wrong in it.
import { randomUUID } from "node:crypto";
import { accept, refuseUpgrade, ServerSocket } from "../websocket_server.mjs";
import { refuse } from "./checks.mjs";
import { secret } from "./tokens.mjs";

const kEnd = "\x1e";
const kGeos = ["amer", "emea", "apac"];
const pascal = (value) => Object.fromEntries(Object.entries(value).map(([key, inner]) => [key[0].toUpperCase() + key.slice(1), inner]));
const either = (value, key) => value?.[key] ?? value?.[key[0].toUpperCase() + key.slice(1)];

export class HubConnection extends ServerSocket {
  shaken = false; // the handshake of the hub protocol
  hubPings = 0; // of the client
  answers = []; // all completions
  waiting = new Map(); // invocation -> { envelopeId, done }
  lastHeard = Date.now();
  #text = "";
  #next = 1;
  #timers = [];

  constructor(sockets, socket, number, geo) {
    super(sockets.teams, socket, number);
    Object.assign(this, { sockets, geo });
    const { ping, silence, socketToken } = sockets.teams.times;
    this.#timers.push(setInterval(() => this.say({ type: 6 }), ping).unref());
    this.#timers.push(setInterval(() => Date.now() - this.lastHeard > silence && this.end("Client timeout"), Math.max(20, silence / 10)).unref());
    this.#timers.push(setTimeout(() => this.end("the token has expired"), socketToken * 1000).unref());
  }
  // One or several messages of the hub protocol, in one frame.
  say(...all) {
    if (this.shaken && this.state === "open") this.sendText(all.map((one) => (typeof one === "string" ? one : JSON.stringify(one)) + kEnd).join(""));
  }
  // SignalR's close. Without `allowReconnect`, as SignalR's server sends it of itself, it means that its own client does not reconnect by itself.
  end(error, { allowReconnect } = {}) {
    if (this.state !== "open") return;
    this.say({ type: 7, error, allowReconnect });
    this.close();
  }
  // Brings an activity; `done` gets the answer, or null when the connection goes before. The envelope's id.
  bring(activity, { deadlineMs, ackRequired }, done) {
    const invocationId = String(this.#next++);
    const envelopeId = randomUUID();
    const { teams } = this.sockets;
    const envelope = { protocolVersion: 1, envelopeId, type: activity.type, ackRequired, payload: activity, cv: `${secret(8)}.0`, botKey: teams.appId, deadlineMs, headers: { "x-ms-tenant-id": activity.conversation?.tenantId ?? "" } };
    this.waiting.set(invocationId, { envelopeId, done });
    this.say({ type: 1, invocationId, target: "Activity", arguments: [teams.features.pascal ? pascal(envelope) : envelope] });
    return envelopeId;
  }
  text(text) {
    this.lastHeard = Date.now();
    const all = (this.#text + text).split(kEnd);
    this.#text = all.pop();
    for (const one of all) {
      let message;
      try {
        message = JSON.parse(one);
      } catch {
        this.owner.complain("a hub message that is no JSON");
        continue;
      }
      this.#heard(message);
    }
    this.owner.look();
  }
  #heard(message) {
    if (!this.shaken) {
      if (message.protocol !== "json" || message.version !== 1) {
        this.owner.complain("a handshake that is none");
        this.sendText(JSON.stringify({ error: "The protocol is not supported." }) + kEnd);
        return this.close();
      }
      this.sendText(`{}${kEnd}`);
      this.shaken = true;
      return void Promise.resolve(this.sockets.readyLate).then(() => this.#ready());
    }
    if (message.type === 6) return void (this.hubPings += 1);
    if (message.type === 7) {
      this.closedBy ??= "client";
      return this.close();
    }
    if (message.type !== 3) return this.owner.complain(`a hub message of type ${message.type}`);
    this.answers.push(message);
    const waits = this.waiting.get(message.invocationId);
    if (!waits) return this.owner.complain(`an answer to the invocation ${message.invocationId}, which nobody waits for`);
    this.waiting.delete(message.invocationId);
    const { result, error } = message;
    if (error !== undefined) return waits.done({ status: 500, body: { error } });
    if (either(result, "envelopeId") !== waits.envelopeId) this.owner.complain("an answer with another envelope's id");
    if (either(result, "botKey") !== this.owner.appId) this.owner.complain("an answer without the bot's key");
    waits.done({ status: either(result, "status"), body: either(result, "body") });
  }
  #ready() {
    if (this.state !== "open") return;
    if (this.sockets.silent > 0) return void (this.sockets.silent -= 1);
    const ready = { botKey: this.owner.appId, connectionId: `connection-${this.number}` };
    this.say({ type: 1, target: "SocketReady", arguments: [this.owner.features.pascal ? pascal(ready) : ready] });
    this.readyAt = performance.now();
    this.owner.look();
  }
  gone() {
    for (const timer of this.#timers) (clearInterval(timer), clearTimeout(timer));
    for (const { done } of this.waiting.values()) done(null);
    this.waiting.clear();
  }
}

export class Sockets {
  all = []; // every connection that there was
  upgrades = []; // what each asked for: { status, at }
  refuse = []; // statuses that the next upgrades get
  redirects = 0; // so many of the next negotiations lead elsewhere
  silent = 0; // so many of the next connections get no SocketReady
  readyLate = null; // a promise that SocketReady waits for
  accesses = new Map(); // access token of a hub -> { geo, until }
  #connections = new Map(); // connection token -> geo, once
  #next = 0;

  constructor(teams) {
    this.teams = teams;
  }
  get open() {
    return this.all.filter((one) => one.takesPayloads && one.ready);
  }
  // One of the region's, else any; the newest is the one that counts, as the service has it.
  pick(region) {
    const { open } = this;
    const here = open.filter(({ geo }) => geo === region);
    return (here.length ? here : open).at(-1) ?? null;
  }
  access(geo) {
    const token = secret(24);
    this.accesses.set(token, { geo, until: Date.now() + this.teams.times.socketToken * 1000 });
    return { url: `${this.teams.origin}/hub/${geo}-${++this.#next}`, accessToken: token };
  }
  connectionToken(geo) {
    const token = secret(16);
    this.#connections.set(token, geo);
    return token;
  }
  upgrade(request, socket, head) {
    const url = new URL(request.url, this.teams.origin);
    const id = url.searchParams.get("id");
    const access = url.searchParams.get("access_token") ?? /^Bearer (\S+)$/.exec(request.headers.authorization ?? "")?.[1];
    const geo = this.#connections.get(id);
    const good = url.pathname.startsWith("/hub/") && geo && (this.accesses.get(access)?.until ?? 0) > Date.now();
    const status = this.refuse.shift() ?? (good ? 101 : this.#connections.has(id) ? 401 : 404);
    this.upgrades.push({ status, at: Date.now() });
    if (status !== 101) refuseUpgrade(socket, status);
    else {
      this.#connections.delete(id);
      accept(request, socket, head);
      this.all.push(new HubConnection(this, socket, this.all.length + 1, geo));
    }
    this.teams.look();
  }
  stop() {
    for (const connection of this.all) connection.drop();
  }
}

// POST {geo}/v3/websockets/connect, with the bot's own token.
export function openSocket(teams, { url, request }) {
  const geo = url.pathname.split("/").at(-4) || "amer";
  const token = teams.tokens.get(/^Bearer (\S+)$/.exec(request.headers.authorization ?? "")?.[1]);
  if (!token || token.state !== "live" || token.until <= teams.now()) refuse(401, "AuthorizationError", "Authorization has been denied for this request.");
  if (!kGeos.includes(geo)) refuse(404, "NotFound", "no such geography");
  if (!teams.features.sockets) refuse(403, "Forbidden", "The bot has no socket mode");
  return { status: 200, body: { ...teams.sockets.access(geo), expiresIn: teams.times.socketToken } };
}
// POST {hub}/negotiate?negotiateVersion=1, with the token that came with the address.
export function negotiate(teams, { url, request }) {
  const { sockets } = teams;
  const access = sockets.accesses.get(/^Bearer (\S+)$/.exec(request.headers.authorization ?? "")?.[1]);
  if (!access || access.until <= Date.now()) return { status: 401, body: "" };
  if (url.searchParams.get("negotiateVersion") !== "1") teams.complain("a negotiation of another version");
  if (sockets.redirects > 0) {
    sockets.redirects -= 1;
    return { status: 200, body: sockets.access(access.geo) };
  }
  return {
    status: 200,
    body: { negotiateVersion: 1, connectionId: secret(8), connectionToken: sockets.connectionToken(access.geo), availableTransports: [{ transport: "WebSockets", transferFormats: ["Text", "Binary"] }] },
  };
}
