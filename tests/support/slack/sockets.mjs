// Socket Mode: WebSockets of the stand-in, as many as Slack allows, with everything that they do to a client.
import { accept, refuseUpgrade, ServerSocket } from "../websocket_server.mjs";
import { secret } from "./workspace.mjs";

const kMost = 10;

export class Connection extends ServerSocket {
  warned = null; // why it was told to go
  acks = [];
  #timer;

  constructor(sockets, socket, number) {
    super(sockets.slack, socket, number);
    this.sockets = sockets;
    const { ping } = sockets.slack.times;
    if (ping) this.#timer = setInterval(() => this.write(9, Buffer.from(`Ping from stand-in ${Date.now()}`)), ping).unref();
  }
  // "warning" and "refresh_requested": it goes some seconds later. "link_disabled" and "too_many_websockets": at once.
  disconnect(reason = "warning") {
    this.warned = reason;
    this.send({ type: "disconnect", reason, debug_info: { host: "applink-stand-in" } });
    const later = ["warning", "refresh_requested"].includes(reason) ? this.sockets.slack.times.warning : 0;
    setTimeout(() => this.close(), later).unref();
  }
  text(text) {
    this.sockets.text(this, text);
  }
  gone() {
    clearInterval(this.#timer);
    this.sockets.gone(this);
  }
}

export class Sockets {
  all = []; // every connection that there was
  upgrades = []; // what each asked for: {status, at}
  #tickets = new Map(); // ticket -> used
  #next = 0;
  refuse = []; // statuses that the next upgrades get
  silent = 0; // so many of the next connections get no hello
  helloLate = null; // a promise that the hello waits for

  constructor(slack) {
    this.slack = slack;
  }
  get open() {
    return this.all.filter((one) => one.takesPayloads && one.ready);
  }
  get tickets() {
    return this.#tickets.keys();
  }
  ticket() {
    const ticket = secret(16);
    this.#tickets.set(ticket, false);
    return `ws://127.0.0.1:${this.slack.port}/link/?ticket=${ticket}&app_id=${this.slack.appId}`;
  }
  upgrade(request, socket, head) {
    const url = new URL(request.url, this.slack.origin);
    const ticket = url.searchParams.get("ticket");
    const status = this.refuse.shift() ?? (url.pathname !== "/link/" ? 404 : this.#tickets.get(ticket) === false ? 101 : 408);
    this.upgrades.push({ status, at: Date.now() });
    if (status !== 101) {
      if (this.#tickets.get(ticket)) this.slack.complain("a Socket Mode address used twice");
      refuseUpgrade(socket, status);
      return this.slack.look();
    }
    this.#tickets.set(ticket, true);
    accept(request, socket, head);
    const connection = new Connection(this, socket, this.all.length + 1);
    this.all.push(connection);
    if (this.open.length >= kMost) return connection.disconnect("too_many_websockets");
    if (this.silent > 0) this.silent -= 1;
    else Promise.resolve(this.helloLate).then(() => this.#hello(connection));
  }
  #hello(connection) {
    if (connection.state !== "open") return;
    connection.readyAt = performance.now();
    connection.send({
      type: "hello", num_connections: this.open.length + (this.others ?? 0), connection_info: { app_id: this.slack.appId },
      debug_info: { host: "applink-stand-in", build_number: 10, approximate_connection_time: 18060 },
    });
    this.slack.look();
  }
  // One of those that are open, in turn; one that was told to go gets nothing new while there is another.
  pick() {
    const open = this.open;
    const fresh = open.filter(({ warned }) => !warned);
    const all = fresh.length ? fresh : open;
    return all.length ? all[this.#next++ % all.length] : null;
  }
  text(connection, text) {
    let message;
    try {
      message = JSON.parse(text);
    } catch {
      return this.slack.complain("a text that is no JSON");
    }
    connection.acks.push(message);
    this.slack.acknowledged(connection, message);
    this.slack.look();
  }
  gone(connection) {
    this.slack.connectionGone(connection);
    this.slack.look();
  }
  stop() {
    for (const connection of this.all) connection.drop();
  }
}
