// What the person said and the server has not confirmed. Each message is one item of localStorage under its own key, so that tabs do
// not overwrite each other's and a reload loses nothing; it goes only when the server has confirmed it, or the person discards it. Two
// tabs may send the same item: its idempotency key makes that one turn.
import type { Failure, Sent } from "./protocol.ts";

export interface Item {
  key: string;
  text: string;
  // The session it is for; null: it begins one; "?": whichever is current, once the server has said.
  session: string | null;
  after: string | null; // the key of the message whose session it follows
  at: number;
  failure: Failure | null; // the person has to decide
}

export interface Storage {
  readonly length: number;
  key(index: number): string | null;
  getItem(key: string): string | null;
  setItem(key: string, value: string): void;
  removeItem(key: string): void;
}

const kUndecided = "?";
const kTransient = new Set(["unavailable", "busy", "timeout"]);
export const isTransient = (failure: Failure): boolean => kTransient.has(failure.code);

export class Outbox {
  private readonly unstored = new Map<string, Item>(); // when the browser stores nothing (full, or forbidden)

  constructor(
    private readonly storage: Storage | null,
    private readonly prefix: string,
  ) {}

  // Oldest first.
  items(): Item[] {
    const items = [...this.unstored.values()];
    for (let i = 0; i < (this.storage?.length ?? 0); i++) {
      const name = this.storage?.key(i);
      if (!name?.startsWith(this.prefix)) continue;
      const item = parse(this.storage?.getItem(name) ?? null);
      if (item && !this.unstored.has(item.key)) items.push(item);
    }
    return items.sort((a, b) => a.at - b.at || (a.key < b.key ? -1 : 1));
  }

  // `session`: the one that the person sees; null: none, so the message begins one; undefined: the server has not said yet.
  add(key: string, text: string, session: string | null | undefined, now: number): Item {
    const items = this.items();
    const last = items[items.length - 1];
    let after: string | null = null;
    if (typeof session !== "string") {
      const head = items.filter((item) => (item.session === null || item.session === kUndecided) && !item.failure).pop();
      after = head?.key ?? null;
    }
    const item: Item = {
      key,
      text,
      session: session === undefined ? kUndecided : session,
      after,
      at: Math.max(now, (last?.at ?? 0) + 1),
      failure: null,
    };
    this.write(item);
    return item;
  }

  // The server has said which session is current.
  decide(current: string | null): void {
    for (const item of this.items()) {
      if (item.session === kUndecided) this.write({ ...item, session: current, after: current === null ? item.after : null });
    }
  }

  // What can go now: the first of each session, in order; each thing after the one whose session it follows.
  sendable(): Item[] {
    const seen = new Set<string>();
    const items = this.items();
    const waiting = new Set(items.map((item) => item.key));
    return items.filter((item) => {
      if (item.failure || item.session === kUndecided) return false;
      if (item.after !== null && waiting.has(item.after)) return false;
      const lane = item.session ?? `new:${item.key}`;
      if (seen.has(lane)) return false;
      seen.add(lane);
      return true;
    });
  }

  // The server has it. What follows it learns its session first, so that no moment is left in which that would be lost.
  confirm(key: string, sent: Sent): void {
    for (const item of this.items()) {
      if (item.after === key) this.write({ ...item, after: null, session: sent.session_id ?? item.session });
    }
    this.erase(key);
  }

  fail(key: string, failure: Failure): void {
    const item = this.find(key);
    if (item) this.write({ ...item, failure });
  }

  retry(key: string): void {
    const item = this.find(key);
    if (item) this.write({ ...item, failure: null });
  }

  // The same words in a new session: another message, under another key.
  restart(key: string, newKey: string): void {
    const item = this.find(key);
    if (!item) return;
    this.write({ ...item, key: newKey, session: null, after: null, failure: null });
    this.erase(key);
  }

  discard(key: string): void {
    const item = this.find(key);
    for (const other of this.items()) {
      if (other.after === key) this.write({ ...other, after: item?.after ?? null });
    }
    this.erase(key);
  }

  private find(key: string): Item | undefined {
    return this.items().find((item) => item.key === key);
  }

  private write(item: Item): void {
    try {
      if (!this.storage) throw new Error("no storage");
      this.storage.setItem(this.prefix + item.key, JSON.stringify(item));
      this.unstored.delete(item.key);
    } catch {
      this.unstored.set(item.key, item);
    }
  }

  private erase(key: string): void {
    this.unstored.delete(key);
    try {
      this.storage?.removeItem(this.prefix + key);
    } catch {
      // Then it is sent once more, which the key makes harmless.
    }
  }
}

function parse(text: string | null): Item | null {
  if (text === null) return null;
  try {
    const item = JSON.parse(text) as Partial<Item>;
    if (typeof item.key !== "string" || typeof item.text !== "string") return null;
    return {
      key: item.key,
      text: item.text,
      session: typeof item.session === "string" ? item.session : null,
      after: typeof item.after === "string" ? item.after : null,
      at: typeof item.at === "number" ? item.at : 0,
      failure: item.failure ?? null,
    };
  } catch {
    return null;
  }
}
