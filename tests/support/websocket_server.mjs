// The other end of a WebSocket, for stand-ins that have one: it accepts, reads and writes frames, and ends in every way there is.
import { createHash } from "node:crypto";
import { firstFrame, frameHead } from "./websocket.mjs";

const kGuid = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
const frame = (opcode, payload) => Buffer.concat([frameHead(opcode, payload.length), payload]);

export function accept(request, socket, head) {
  const key = createHash("sha1").update(request.headers["sec-websocket-key"] + kGuid).digest("base64");
  socket.write(`HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${key}\r\n\r\n`);
  if (head.length) socket.unshift(head);
}
export const refuseUpgrade = (socket, status) => socket.end(`HTTP/1.1 ${status} Refused\r\nContent-Length: 0\r\nConnection: close\r\n\r\n`);

// `owner` is a stand-in that takes complaints and is watched. Whoever extends it has `text`, and may have `gone`.
export class ServerSocket {
  state = "open"; // "frozen" | "closing" | "closed"
  readyAt = null; // when everything was said that comes first, and when nothing could come any more, as performance.now() says it
  goneAt = null;
  pings = 0; // of the client
  pongs = []; // what the client answered
  closedBy = null;
  closeCode = null;
  #buffer = Buffer.alloc(0);
  #parts = [];

  constructor(owner, socket, number) {
    Object.assign(this, { owner, socket, number });
    socket.setNoDelay(true);
    socket.on("data", (chunk) => this.#read(chunk));
    socket.on("error", () => {});
    // A half is enough: who ended it is gone.
    socket.on("end", () => this.state !== "frozen" && socket.end());
    socket.on("close", () => this.#gone());
  }
  send(message) {
    this.sendText(typeof message === "string" ? message : JSON.stringify(message));
  }
  sendText(text) {
    this.write(1, Buffer.from(text));
  }
  sendBinary(bytes) {
    this.write(2, bytes);
  }
  write(opcode, payload) {
    if (this.state === "frozen" || this.state === "closed") return;
    this.socket.write(frame(opcode, payload));
  }
  text() {}
  gone() {}

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
    this.#leave("closed");
    this.gone();
    this.owner.look();
  }

  #read(chunk) {
    if (this.state === "frozen") return;
    this.#buffer = this.#buffer.length ? Buffer.concat([this.#buffer, chunk]) : chunk;
    for (let next; (next = firstFrame(this.#buffer)); ) {
      if (!next.masked) {
        this.owner.complain("a frame without a mask");
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
      return this.write(10, payload);
    }
    if (opcode === 10) return void this.pongs.push(payload.toString());
    if (opcode === 8) {
      this.closeCode = payload.length >= 2 ? payload.readUInt16BE(0) : 1005;
      if (this.state === "open") {
        this.closedBy = "client";
        this.#leave("closing");
        this.socket.write(frame(8, payload.subarray(0, 2))); // and TCP stays open, as Slack leaves it
      }
      return this.owner.look();
    }
    this.#parts.push(payload);
    if (!final) return;
    const text = Buffer.concat(this.#parts).toString();
    this.#parts = [];
    this.text(text);
  }
}
