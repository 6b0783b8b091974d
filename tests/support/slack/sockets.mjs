// Socket Mode: WebSockets of the stand-in, as many as Slack allows, with everything that they do to a client.
import { createHash } from "node:crypto";
import { firstFrame, frameHead } from "../websocket.mjs";
import { secret } from "./workspace.mjs";

const kGuid = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
const kMost = 10;

const frame = (opcode, payload) => Buffer.concat([frameHead(opcode, payload.length), payload]);

export class Connection {
  state = "open"; // "frozen" | "closing" | "closed"
  readyAt = null; // of its hello, and when nothing could come any more, as performance.now() says it
  goneAt = null;
  warned = null; // why it was told to go
  acks = [];
  pings = 0; // of the client
  pongs = []; // what the client answered
  closedBy = null;
  closeCode = null;
  #buffer = Buffer.alloc(0);
  #parts = [];
  #timer;

  constructor(sockets, socket, number) {
    Object.assign(this, { sockets, socket, number });
    socket.setNoDelay(true);
    socket.on("data", (chunk) => this.#read(chunk));
    socket.on("error", () => {});
    // A half is enough: who ended it is gone.
    socket.on("end", () => this.state !== "frozen" && socket.end());
    socket.on("close", () => this.#gone());
    const { ping } = sockets.slack.times;
    if (ping) this.#timer = setInterval(() => this.#write(9, Buffer.from(`Ping from stand-in ${Date.now()}`)), ping).unref();
  }
  send(message) {
    this.sendText(typeof message === "string" ? message : JSON.stringify(message));
  }
  sendText(text) {
    this.#write(1, Buffer.from(text));
  }
  sendBinary(bytes) {
    this.#write(2, bytes);
  }
  #write(opcode, payload) {
    if (this.state === "frozen" || this.state === "closed") return;
    this.socket.write(frame(opcode, payload));
  }

  // "warning" and "refresh_requested": it goes some seconds later. "link_disabled" and "too_many_websockets": at once.
  disconnect(reason = "warning") {
    this.warned = reason;
    this.send({ type: "disconnect", reason, debug_info: { host: "applink-stand-in" } });
    const later = ["warning", "refresh_requested"].includes(reason) ? this.sockets.slack.times.warning : 0;
    setTimeout(() => this.close(), later).unref();
  }
  // The close handshake. TCP stays open until the client closes it.
  close(code = 1000) {
    if (this.state !== "open") return;
    this.#leave("closing");
    const payload = Buffer.alloc(2);
    payload.writeUInt16BE(code);
    this.socket.write(frame(8, payload));
  }
  // The network is cut.
  drop() {
    this.socket.destroy();
  }
  // Half open: nothing is read or written any more, and nobody is told.
  freeze() {
    this.#leave("frozen");
    this.socket.pause();
  }
  #leave(state) {
    this.state = state;
    this.goneAt ??= performance.now();
  }
  get ready() {
    return this.readyAt !== null;
  }
  get takesPayloads() {
    return this.state === "open" || this.state === "frozen";
  }
  #gone() {
    clearInterval(this.#timer);
    this.#leave("closed");
    this.sockets.gone(this);
  }

  #read(chunk) {
    if (this.state === "frozen") return;
    this.#buffer = this.#buffer.length ? Buffer.concat([this.#buffer, chunk]) : chunk;
    for (let next; (next = firstFrame(this.#buffer)); ) {
      if (!next.masked) {
        this.sockets.slack.complain("a frame without a mask");
        return this.drop();
      }
      this.#buffer = next.rest;
      this.#frame(next.opcode, next.final, next.payload);
      if (this.state === "closed") return;
    }
  }
  #frame(opcode, final, payload) {
    if (opcode === 9) {
      this.pings += 1;
      return this.#write(10, payload);
    }
    if (opcode === 10) return void this.pongs.push(payload.toString());
    if (opcode === 8) {
      this.closeCode = payload.length >= 2 ? payload.readUInt16BE(0) : 1005;
      if (this.state === "open") {
        this.closedBy = "client";
        this.#leave("closing");
        this.socket.write(frame(8, payload.subarray(0, 2))); // and TCP stays open, as Slack leaves it
      }
      return this.sockets.slack.look();
    }
    this.#parts.push(payload);
    if (!final) return;
    const text = Buffer.concat(this.#parts).toString();
    this.#parts = [];
    this.sockets.text(this, text);
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
      socket.end(`HTTP/1.1 ${status} Refused\r\nContent-Length: 0\r\nConnection: close\r\n\r\n`);
      return this.slack.look();
    }
    this.#tickets.set(ticket, true);
    const accept = createHash("sha1").update(request.headers["sec-websocket-key"] + kGuid).digest("base64");
    socket.write(`HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`);
    if (head.length) socket.unshift(head);
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
