// What a page does on the web chat's WebSocket (plugins/web_chat/PROTOCOL.md), and nothing more: requests with their replies, and the changes
// folded into entries. What the server must never do is collected in `faults`.
import { WebSocketClient } from "./websocket.mjs";
import { kLimit, within } from "./wait.mjs";

export class ReplyError extends Error {
  constructor({ code, message }) {
    super(`${code}: ${message}`);
    this.code = code;
    this.reason = message;
  }
}

export class ChatClient {
  greeting = null;
  session = null; // the current one
  state = null; // the last `state` change
  cursor = null;
  entries = new Map();
  live = false;
  resets = 0;
  changes = []; // all of them, as they came
  currents = [];
  faults = [];
  #socket;
  #next = 0;
  #open = new Map();
  #watchers = new Set();

  // Connects without a word.
  static async connect(origin, { surface = "web-chat", headers = {} } = {}) {
    const client = new ChatClient();
    client.#socket = await WebSocketClient.connect(`${origin}/apps/${surface}/api/ws`, headers);
    client.#socket.onText = (text) => client.#take(text);
    client.#socket.closed.then(() => {
      for (const { reject } of client.#open.values()) reject(new Error("the connection is closed"));
      client.#open.clear();
      client.#look();
    });
    return client;
  }
  // Connects and says hello; with `like` an earlier client's cursor and what it has.
  static async open(origin, { like, ...options } = {}) {
    const client = await ChatClient.connect(origin, options);
    const known = like?.session && like.cursor;
    if (known) {
      client.entries = new Map(like.entries);
      client.cursor = like.cursor;
    }
    await client.hello(known ? { session: like.session.session_id, cursor: like.cursor } : {});
    return client;
  }

  get socket() {
    return this.#socket;
  }
  async hello(fields = {}) {
    this.live = false;
    const promise = this.request("hello", fields);
    const greeting = await promise;
    this.greeting = greeting;
    return greeting;
  }
  request(type, fields = {}) {
    const id = ++this.#next;
    const reply = new Promise((resolve, reject) => this.#open.set(id, { resolve, reject, type }));
    reply.catch(() => {});
    this.#socket.send(JSON.stringify({ id, type, ...fields }));
    return within(reply, `a reply to ${type}`);
  }
  send(text, { key = `k-${Math.random().toString(36).slice(2)}`, session = this.session?.session_id } = {}) {
    return this.request("send", { key, text, ...(session ? { session_id: session } : {}) });
  }

  list() {
    return [...this.entries.values()].sort((a, b) => a.entry - b.entry);
  }
  of(type) {
    return this.list().filter((entry) => entry.type === type);
  }
  texts(type = "text") {
    return this.of(type).map((entry) => entry.text);
  }
  ends(turn) {
    return this.of("turn_end").filter((entry) => turn === undefined || entry.turn === turn);
  }
  // Waits until `check` gives something true, looking after everything that comes.
  until(check, what = "it", limit = kLimit) {
    return within(
      new Promise((resolve, reject) => {
        const look = () => {
          let value;
          try {
            value = check(this);
          } catch (error) {
            this.#watchers.delete(look);
            return reject(error);
          }
          if (!value) {
            if (this.#socket.isClosed) {
              this.#watchers.delete(look);
              reject(new Error(`the connection was closed before ${what}`));
            }
            return;
          }
          this.#watchers.delete(look);
          resolve(value);
        };
        this.#watchers.add(look);
        look();
      }),
      what,
      limit,
    ).catch((error) => {
      error.message += `\nentries: ${JSON.stringify(this.list().slice(-6))}\nstate: ${JSON.stringify(this.state)}`;
      throw error;
    });
  }
  // A turn's only turn_end.
  ended(turn) {
    return this.until(() => this.ends(turn)[0], `the end of turn ${turn}`);
  }
  cut() {
    return this.#socket.destroy();
  }

  #look() {
    for (const look of [...this.#watchers]) look();
  }
  #take(text) {
    const message = JSON.parse(text);
    if (message.type === "reply") {
      const open = this.#open.get(message.id);
      this.#open.delete(message.id);
      if (!open) this.faults.push(`a reply to nothing: ${text}`);
      else if (message.error) open.reject(new ReplyError(message.error));
      else {
        if (open.type === "hello") this.session = message.result.session;
        open.resolve(message.result);
      }
    } else if (message.type === "current") {
      this.currents.push(message);
      this.session = message.session;
      this.entries.clear();
      this.cursor = null;
      this.live = false;
    } else if (message.type === "change") {
      this.changes.push(message);
      this.#fold(message, text);
    } else {
      this.faults.push(`unknown: ${text}`);
    }
    this.#look();
  }
  #fold(change, text) {
    if (change.session_id !== this.session?.session_id) this.faults.push(`a change of another session: ${text}`);
    const before = this.cursor;
    if (change.change === "reset") {
      this.resets += 1;
      this.entries.clear();
    } else if (change.change === "state") {
      this.state = change;
    } else if (change.change === "entry") {
      this.entries.set(change.entry.entry, change.entry);
    } else if (change.change === "delta") {
      const entry = this.entries.get(change.entry);
      if (!entry) this.faults.push(`a delta of nothing: ${text}`);
      else if (Buffer.byteLength(entry.text) !== change.offset) this.faults.push(`a delta beside the end (${Buffer.byteLength(entry.text)}): ${text}`);
      else this.entries.set(change.entry, { ...entry, text: entry.text + change.text, complete: change.complete, seq: change.seq });
    } else if (change.change === "live") {
      this.live = true;
    }
    this.cursor = { epoch: change.epoch, seq: change.seq };
    const backwards = before && before.epoch === change.epoch && before.seq > change.seq && change.change !== "state";
    if (backwards) this.faults.push(`seq went back from ${before.seq}: ${text}`);
  }
}
