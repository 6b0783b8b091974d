// The host's side of PROTOCOL.md in memory, as far as the page's tests need it: sessions with a log, subscriptions from a cursor,
// idempotent sends. What a test wants to happen between it does itself.
import type { Change, Entry, Session } from "../model/session-json.ts";
import { utf8Length } from "../model/utf8.ts";
import { entry, session } from "./support.ts";

interface Held {
  session: Session;
  epoch: number;
  seq: number;
  running: number;
  turns: number;
  entries: Entry[];
  keys: Map<string, number>;
}

type Request = { id: number; type: string } & Record<string, unknown>;

export class FakeHost {
  sessions = new Map<string, Held>();
  current: string | null = null;
  received: Request[] = [];
  agent = { backend: "echo", plugin: "mock", mock: true };
  // Replaces what the host would do with a request; undefined lets it go on.
  intercept: (request: Request) => { result: unknown } | { error: { code: string; message: string } } | "silent" | undefined = () => undefined;
  private readonly viewers = new Set<(text: string) => void>();
  private starters = new Map<string, string>(); // key → the session that it began

  connect(send: (text: string) => void): { receive(text: string): void; close(): void } {
    return {
      receive: (text) => this.receive(JSON.parse(text) as Request, send),
      close: () => void this.viewers.delete(send),
    };
  }

  held(id: string): Held {
    const held = this.sessions.get(id);
    if (!held) throw new Error(`no session ${id}`);
    return held;
  }

  create(fields: Partial<Session> = {}): Held {
    const id = `s_${this.sessions.size + 1}`;
    const held: Held = { session: session(id, fields), epoch: 1, seq: 0, running: 0, turns: 0, entries: [], keys: new Map() };
    this.sessions.set(id, held);
    this.makeCurrent(id, "new");
    return held;
  }
  makeCurrent(id: string | null, reason: string): void {
    this.current = id;
    this.tell({ type: "current", session: id === null ? null : this.held(id).session, reason });
    if (id !== null) for (const viewer of this.viewers) this.replay(viewer, this.held(id), null);
  }

  put(held: Held, fields: Partial<Entry>): Entry {
    const number = fields.entry ?? held.entries.length + 1;
    const made = entry(number, { turn: held.running, ...fields, seq: ++held.seq });
    held.entries[number - 1] = made;
    this.change(held, { change: "entry", epoch: held.epoch, seq: held.seq, entry: made });
    return made;
  }
  grow(held: Held, of: Entry, text: string, complete = false): void {
    const offset = utf8Length(of.text);
    Object.assign(of, { text: of.text + text, complete, seq: ++held.seq });
    this.change(held, { change: "delta", epoch: held.epoch, seq: held.seq, entry: of.entry, offset, text, complete });
  }
  run(held: Held, turn: number, state: Session["state"] = turn ? "running" : "idle"): void {
    held.running = turn;
    held.session = { ...held.session, state, last_active: new Date().toISOString() };
    held.seq += 1;
    this.change(held, this.state(held));
  }
  change(held: Held, change: Change): void {
    if (held.session.session_id === this.current) this.tell({ ...change, type: "change", session_id: held.session.session_id });
  }

  // What the mock does with a message; tests replace it.
  prompt = (held: Held, turn: number, text: string): void => {
    this.run(held, turn);
    this.put(held, { type: "text", text: `[Mock response to: ${text}]` });
    this.put(held, { type: "turn_end", data: { stop_reason: "end_turn", duration_ms: 12 } });
    this.run(held, 0);
  };

  private tell(message: unknown): void {
    for (const viewer of this.viewers) viewer(JSON.stringify(message));
  }
  private state(held: Held): Change {
    return { change: "state", epoch: held.epoch, seq: held.seq, session: held.session, running_turn: held.running, waiting_turns: [] };
  }
  private replay(viewer: (text: string) => void, held: Held, cursor: { epoch: number; seq: number } | null): void {
    const say = (change: Change): void => viewer(JSON.stringify({ ...change, type: "change", session_id: held.session.session_id }));
    say(this.state(held));
    const known = cursor && cursor.epoch === held.epoch ? cursor.seq : 0;
    if (cursor && known === 0) say({ change: "reset", epoch: held.epoch, seq: held.seq, first: 1 });
    for (const each of held.entries) if (each.seq > known) say({ change: "entry", epoch: held.epoch, seq: known, entry: { ...each } });
    say({ change: "live", epoch: held.epoch, seq: held.seq });
  }

  private receive(request: Request, send: (text: string) => void): void {
    this.received.push(request);
    const reply = (answer: object): void => send(JSON.stringify({ type: "reply", id: request.id, ...answer }));
    const instead = this.intercept(request);
    if (instead === "silent") return;
    if (instead) return reply(instead);
    const id = (request.session_id as string | undefined) ?? this.current;
    const held = id === null ? undefined : this.sessions.get(id);
    switch (request.type) {
      case "hello": {
        const now = this.current === null ? null : this.held(this.current);
        reply({ result: { protocol: 1, version: "0.1.0", surface: "web-chat", title: "Viaduct", agent: this.agent, session: now?.session ?? null } });
        this.viewers.add(send);
        const same = now !== null && request.session === this.current;
        if (now) this.replay(send, now, same ? (request.cursor as { epoch: number; seq: number }) : null);
        return;
      }
      case "send": {
        const key = request.key as string;
        let to = request.session_id === undefined ? this.sessions.get(this.starters.get(key) ?? "") : held;
        if (request.session_id === undefined && !to) {
          to = this.create();
          this.starters.set(key, to.session.session_id);
        }
        if (!to) return reply({ error: { code: "not_found", message: "No such session" } });
        const known = to.keys.get(key);
        const turn = known ?? ++to.turns;
        to.keys.set(key, turn);
        if (known === undefined) {
          this.put(to, { type: "user_message", turn, text: request.text as string, at: new Date().toISOString(), data: { key, author: { surface: "web-chat" } } });
        }
        reply({ result: { session_id: to.session.session_id, turn, duplicate: known !== undefined } });
        if (known === undefined) this.prompt(to, turn, request.text as string);
        return;
      }
      case "new":
        return reply({ result: this.create(request as Partial<Session>).session });
      case "resume":
        if (!held) return reply({ error: { code: "not_found", message: "No such session" } });
        held.session = { ...held.session, ended: false };
        this.makeCurrent(held.session.session_id, "resumed");
        return reply({ result: { ...held.session, context: "live" } });
      case "end":
        if (!held) return reply({ error: { code: "not_found", message: "No such session" } });
        held.session = { ...held.session, ended: true };
        if (this.current === held.session.session_id) this.makeCurrent(null, "ended");
        return reply({ result: { ended: true, session_id: held.session.session_id } });
      case "rename":
        if (!held) return reply({ error: { code: "not_found", message: "No such session" } });
        held.session = { ...held.session, title: request.title as string };
        return reply({ result: held.session });
      case "list":
        return reply({ result: { sessions: [...this.sessions.values()].map((each) => each.session).reverse(), next: null } });
      case "history": {
        const before = (request.before as number) || Infinity;
        const entries = held?.entries.filter((each) => each.entry < before) ?? [];
        const limit = (request.limit as number) ?? 100;
        return reply({ result: { entries: entries.slice(-limit), more: entries.length > limit } });
      }
      case "ping":
        return reply({ result: { pong: true } });
      default:
        return reply({ result: {} });
    }
  }
}
