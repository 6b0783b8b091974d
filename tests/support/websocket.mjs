// A WebSocket client as small as it can be (Node 18 has none), which shows everything: close codes, refusals, slow reading.
import { createHash, randomBytes } from "node:crypto";
import net from "node:net";

const kGuid = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
const kLimit = 20_000;

export class Refused extends Error {
  constructor(status, headers, body) {
    super(`the server answered ${status}: ${body}`);
    Object.assign(this, { status, headers, body });
  }
}

// The head of an HTTP answer.
export function parseHead(text) {
  const [first, ...lines] = text.split("\r\n");
  const headers = {};
  for (const line of lines) {
    const colon = line.indexOf(":");
    headers[line.slice(0, colon).toLowerCase()] = line.slice(colon + 1).trim();
  }
  return { status: Number(first.split(" ")[1]), headers };
}

// What stands before the payload of a frame, without a mask.
export function frameHead(opcode, size) {
  const head = size < 126 ? Buffer.alloc(2) : size < 65536 ? Buffer.alloc(4) : Buffer.alloc(10);
  head[0] = 0x80 | opcode;
  head[1] = size < 126 ? size : size < 65536 ? 126 : 127;
  if (size >= 65536) head.writeBigUInt64BE(BigInt(size), 2);
  else if (size >= 126) head.writeUInt16BE(size, 2);
  return head;
}
// The first frame in these bytes, unmasked: {opcode, final, masked, payload, rest}; null while it is not whole.
export function firstFrame(data) {
  if (data.length < 2) return null;
  let size = data[1] & 0x7f;
  let at = 2;
  if (size === 126) {
    if (data.length < 4) return null;
    size = data.readUInt16BE(2);
    at = 4;
  } else if (size === 127) {
    if (data.length < 10) return null;
    size = Number(data.readBigUInt64BE(2));
    at = 10;
  }
  const masked = (data[1] & 0x80) !== 0;
  const start = masked ? at + 4 : at;
  if (data.length < start + size) return null;
  const payload = masked ? Buffer.from(data.subarray(start, start + size)) : data.subarray(start, start + size);
  if (masked) for (let i = 0; i < size; ++i) payload[i] ^= data[at + (i % 4)];
  return { opcode: data[0] & 0x0f, final: (data[0] & 0x80) !== 0, masked, payload, rest: data.subarray(start + size) };
}

export class WebSocketClient {
  onText = () => {};
  // {code, reason}, once; 1006 when there was no close frame.
  #resolveClosed;
  closed = new Promise((resolve) => (this.#resolveClosed = resolve));
  isClosed = false;
  #socket;
  #buffer = Buffer.alloc(0);
  #fragments = [];
  #close = { code: 1006, reason: "" };

  static connect(url, headers = {}) {
    const { hostname, port, host, pathname, search } = new URL(url);
    const key = randomBytes(16).toString("base64");
    const fields = { Host: host, Upgrade: "websocket", Connection: "Upgrade", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": key, ...headers };
    return new Promise((resolve, reject) => {
      const socket = net.connect(Number(port), hostname);
      socket.setNoDelay(true);
      const timer = setTimeout(() => socket.destroy(new Error("no answer to the upgrade")), kLimit);
      let text = Buffer.alloc(0);
      const fail = (error) => (clearTimeout(timer), reject(error));
      socket.once("error", fail);
      socket.once("close", () => fail(new Error("closed before the upgrade")));
      socket.write(`GET ${pathname}${search} HTTP/1.1\r\n${Object.entries(fields).map(([name, value]) => `${name}: ${value}\r\n`).join("")}\r\n`);
      const read = (chunk) => {
        text = Buffer.concat([text, chunk]);
        const end = text.indexOf("\r\n\r\n");
        if (end < 0) return;
        const { status, headers: answer } = parseHead(text.subarray(0, end).toString());
        const rest = text.subarray(end + 4);
        if (status !== 101) {
          if (rest.length < Number(answer["content-length"] ?? 0)) return;
          socket.destroy();
          return fail(new Refused(status, answer, rest.toString()));
        }
        clearTimeout(timer);
        socket.removeAllListeners();
        if (answer["sec-websocket-accept"] !== createHash("sha1").update(key + kGuid).digest("base64")) {
          socket.destroy();
          return fail(new Error("a wrong Sec-WebSocket-Accept"));
        }
        const client = new WebSocketClient(socket);
        resolve(client);
        if (rest.length) queueMicrotask(() => client.#read(rest));
      };
      socket.on("data", read);
    });
  }

  constructor(socket) {
    this.#socket = socket;
    socket.on("data", (chunk) => this.#read(chunk));
    socket.on("error", () => {});
    socket.on("close", () => {
      this.isClosed = true;
      this.#resolveClosed(this.#close);
    });
  }

  send(text) {
    this.frame(1, Buffer.from(text));
  }
  frame(opcode, payload) {
    const head = frameHead(opcode, payload.length);
    head[1] |= 0x80;
    const mask = randomBytes(4);
    const masked = Buffer.from(payload);
    for (let i = 0; i < masked.length; ++i) masked[i] ^= mask[i % 4];
    this.#socket.write(Buffer.concat([head, mask, masked]));
  }
  close(code = 1000) {
    const payload = Buffer.alloc(2);
    payload.writeUInt16BE(code);
    this.frame(8, payload);
    return this.closed;
  }
  // The network is cut.
  destroy() {
    this.#socket.destroy();
    return this.closed;
  }
  // Reads nothing until resume(): a slow reader.
  pause() {
    this.#socket.pause();
  }
  resume() {
    this.#socket.resume();
  }

  #read(chunk) {
    this.#buffer = this.#buffer.length ? Buffer.concat([this.#buffer, chunk]) : chunk;
    for (let next; (next = firstFrame(this.#buffer)); ) {
      this.#buffer = next.rest;
      this.#frame(next.opcode, next.final, next.payload);
    }
  }
  #frame(opcode, final, payload) {
    if (opcode === 9) return this.frame(10, payload);
    if (opcode === 10) return;
    if (opcode === 8) {
      this.#close = { code: payload.length >= 2 ? payload.readUInt16BE(0) : 1005, reason: payload.subarray(2).toString() };
      this.frame(8, payload);
      this.#socket.end();
      return;
    }
    this.#fragments.push(payload);
    if (!final) return;
    const text = Buffer.concat(this.#fragments).toString();
    this.#fragments = [];
    this.onText(text);
  }
}
