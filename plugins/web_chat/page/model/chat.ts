// Carries out what the state machines decide: owns the socket, the timers and the outbox, and publishes the page's state. All of the
// browser comes in through `World`, so that tests bring their own.
import { Connection, type Action, type ConnectionEvent, type Timer } from "./connection.ts";
import { isTransient, Outbox, type Item, type Storage } from "./outbox.ts";
import { parseServerMessage, type Failure, type Hello, type HistoryPage, type Sent, type SessionPage } from "./protocol.ts";
import type { Change, Session } from "./session-json.ts";
import { initialState, reduce, runningTurn, target, type Event, type State } from "./state.ts";

export interface Socket {
  send(text: string): void;
  close(): void;
}

export interface SocketEvents {
  opened(): void;
  message(text: string): void;
  closed(code: number, reason: string): void;
}

export interface World {
  now(): number;
  random(): number;
  randomKey(): string;
  storage: Storage | null;
  prefix: string; // of this page's keys in the storage
  open(events: SocketEvents): Socket;
  probe(): Promise<number>; // the status of an ordinary request; 0: no answer
  after(ms: number, run: () => void): () => void; // returns what cancels it
}

class RequestError extends Error {
  constructor(readonly failure: Failure) {
    super(failure.message);
  }
}

const kLost: Failure = { code: "lost", message: "The connection was lost" };
const kSlowRequest = 120_000;

export class Chat {
  state: State = initialState;
  private readonly listeners = new Set<() => void>();
  private readonly connection: Connection;
  private readonly outbox: Outbox;
  private socket: Socket | null = null;
  private generation = 0; // of the socket; older ones are not heard
  private readonly timers = new Map<Timer, () => void>();
  private readonly open = new Map<number, { resolve(value: unknown): void; reject(error: RequestError): void }>();
  private lastId = 0;
  private greeting = 0; // the id of the hello that awaits its reply
  private mismatches = 0; // since the transcript was live
  private readonly backoff = new Map<string, () => void>(); // messages that wait to be sent again
  private attempts = new Map<string, number>();
  private noticeId = 0;
  private listTimer: (() => void) | null = null;

  constructor(private readonly world: World) {
    this.connection = new Connection(world.now, world.random);
    this.outbox = new Outbox(world.storage, `${world.prefix}outbox:`);
    this.dispatch({ on: "outbox", items: this.outbox.items() });
  }

  subscribe(listener: () => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  // ---- what happens to the page

  start = (): void => this.step({ on: "start" });
  stop = (): void => this.step({ on: "stop" });
  visible = (): void => this.step({ on: "visible" });
  network = (): void => this.step({ on: "network" });
  // Another tab has written to the storage.
  stored = (): void => {
    this.publishOutbox();
    this.flush();
  };

  // ---- what the person does

  say(text: string): void {
    this.outbox.add(this.world.randomKey(), text, target(this.state), this.world.now());
    this.publishOutbox();
    this.flush();
  }
  retryItem(key: string): void {
    this.outbox.retry(key);
    this.attempts.delete(key);
    this.backoff.get(key)?.();
    this.backoff.delete(key);
    this.publishOutbox();
    this.flush();
  }
  restartItem(key: string): void {
    this.outbox.restart(key, this.world.randomKey());
    this.publishOutbox();
    this.flush();
  }
  discardItem(key: string): void {
    this.outbox.discard(key);
    this.publishOutbox();
    this.flush();
  }

  async cancel(turn: number): Promise<void> {
    const session = this.state.transcript?.sessionId;
    if (!session || turn === 0) return;
    if (turn === runningTurn(this.state)) this.dispatch({ on: "stopping", turn });
    try {
      await this.request("cancel", { session_id: session, turn });
    } catch (error) {
      this.dispatch({ on: "stopping", turn: 0 });
      this.complain("Could not stop", error);
    }
  }

  async answer(entry: number, option: string): Promise<void> {
    const session = this.state.transcript?.sessionId;
    if (!session) return;
    this.dispatch({ on: "answering", entry, option });
    try {
      await this.request("answer", { session_id: session, entry, option_id: option });
      this.dispatch({ on: "answered", entry, failure: null });
    } catch (error) {
      this.dispatch({ on: "answered", entry, failure: failureOf(error) });
    }
  }

  // One key for one press of the button: trying again makes no second session.
  async newSession(workingDir: string, description: string, backend = ""): Promise<boolean> {
    const fields: Record<string, unknown> = { key: this.world.randomKey() };
    if (workingDir) fields.working_dir = workingDir;
    if (description) fields.description = description;
    if (backend) fields.backend = backend;
    return this.during("Starting a session…", "Could not start a session", () => this.request("new", fields));
  }
  async resume(session: Session): Promise<boolean> {
    return this.during("Resuming…", "Could not resume", () => this.request("resume", { session_id: session.session_id }));
  }
  async end(session: Session): Promise<boolean> {
    const ended = await this.during("Ending…", "Could not end the session", () => this.request("end", { session_id: session.session_id }));
    this.refreshList();
    return ended;
  }
  async rename(session: Session, title: string): Promise<boolean> {
    try {
      const renamed = (await this.request("rename", { session_id: session.session_id, title })) as Session;
      this.dispatch({ on: "session", session: renamed });
      return true;
    } catch (error) {
      this.complain("Could not rename", error);
      return false;
    }
  }

  async loadEarlier(): Promise<void> {
    const { transcript, history } = this.state;
    if (!transcript || transcript.first <= 1 || history.loading || this.connection.status.is !== "open") return;
    this.dispatch({ on: "history", loading: true });
    try {
      const before = transcript.entries[0]?.entry ?? transcript.first;
      const fields = { session_id: transcript.sessionId, before, limit: 100 };
      const page = (await this.request("history", fields)) as HistoryPage;
      this.dispatch({ on: "history", loading: false, sessionId: transcript.sessionId, page });
    } catch (error) {
      this.dispatch({ on: "history", loading: false, failure: failureOf(error).message });
    }
  }

  async loadList(more: boolean): Promise<void> {
    const { list } = this.state;
    if (list.loading || this.connection.status.is !== "open") return;
    this.dispatch({ on: "list", loading: true });
    try {
      const fields = more && list.next ? { before: list.next, limit: 50 } : { limit: Math.min(200, Math.max(50, list.sessions.length)) };
      const page = (await this.request("list", fields)) as SessionPage;
      this.dispatch({ on: "list", loading: false, page, append: "before" in fields });
    } catch (error) {
      this.dispatch({ on: "list", loading: false, failure: failureOf(error).message });
    }
  }

  dismiss(id: number): void {
    this.dispatch({ on: "dismiss", id });
  }
  notice(text: string, failure = false): void {
    const id = ++this.noticeId;
    this.dispatch({ on: "notice", notice: { id, text, failure } });
    this.world.after(failure ? 12_000 : 6_000, () => this.dismiss(id));
  }

  // ---- the machinery

  private dispatch(event: Event): void {
    const before = this.state;
    this.state = reduce(before, event);
    if (this.state !== before) for (const listener of this.listeners) listener();
  }

  private step(event: ConnectionEvent): void {
    const before = this.connection.status;
    const actions = this.connection.next(event);
    if (this.connection.status !== before) this.dispatch({ on: "connection", status: this.connection.status });
    for (const action of actions) this.perform(action);
  }

  private perform(action: Action): void {
    switch (action.do) {
      case "open": {
        this.drop();
        const generation = this.generation;
        const current = (): boolean => generation === this.generation;
        this.socket = this.world.open({
          opened: () => current() && this.step({ on: "opened" }),
          message: (text) => current() && this.receive(text),
          closed: (code, reason) => {
            if (!current()) return;
            this.drop();
            this.step({ on: "closed", code, reason });
          },
        });
        return;
      }
      case "greet":
        void this.greet();
        return;
      case "ping":
        this.request("ping", {}).catch(() => undefined);
        return;
      case "drop":
        this.drop();
        return;
      case "probe": {
        void this.world.probe().then((status) => this.step({ on: "probed", status }));
        return;
      }
      case "set":
        this.timers.get(action.timer)?.();
        this.timers.set(
          action.timer,
          this.world.after(action.ms, () => this.step({ on: "timer", timer: action.timer })),
        );
        return;
      case "clear":
        this.timers.get(action.timer)?.();
        this.timers.delete(action.timer);
        return;
    }
  }

  // Forgets the socket, with everything that was asked on it.
  private drop(): void {
    this.generation += 1;
    this.socket?.close();
    this.socket = null;
    this.greeting = 0;
    const open = [...this.open.values()];
    this.open.clear();
    for (const request of open) request.reject(new RequestError(kLost));
    for (const cancel of this.backoff.values()) cancel();
    this.backoff.clear();
    this.attempts.clear();
  }

  private async greet(): Promise<void> {
    const { transcript } = this.state;
    const fields: Record<string, unknown> = {};
    if (transcript?.cursor && !this.state.past) {
      fields.session = transcript.sessionId;
      fields.cursor = transcript.cursor;
    }
    this.greeting = this.lastId + 1;
    try {
      await this.request("hello", fields);
    } catch (error) {
      const { code } = failureOf(error);
      if (code === kLost.code) return;
      this.notice(failureOf(error).message, true);
      this.drop();
      this.step({ on: "closed", code: code === "permission_denied" || code === "unauthenticated" ? 1008 : 1013, reason: failureOf(error).message });
    }
  }

  // At once, before the next message is read: what follows the reply belongs to the new subscription.
  private greeted(hello: Hello): void {
    this.greeting = 0;
    this.outbox.decide(hello.session?.session_id ?? null);
    this.dispatch({ on: "hello", hello });
    this.step({ on: "greeted" });
    this.publishOutbox();
    this.flush();
    this.refreshList();
  }

  private receive(text: string): void {
    const message = parseServerMessage(text);
    if (!message) return;
    if (message.type === "reply") {
      const request = this.open.get(message.id);
      this.open.delete(message.id);
      if (!message.error && message.id === this.greeting) this.greeted(message.result as Hello);
      if (message.error) request?.reject(new RequestError(message.error));
      else request?.resolve(message.result);
    } else if (this.greeting === 0) {
      // While a hello is open, what comes still belongs to the subscription that it replaces.
      if (message.type === "current") {
        this.dispatch({ on: "current", current: message });
        this.mismatches = 0;
        this.refreshList();
        // Only a hello says what answers: a session of another backend needs a new one.
        if (message.session && message.session.backend !== this.state.agent?.backend) void this.greet();
      } else this.change(message.session_id, message);
    }
    this.step({ on: "heard" });
  }

  private change(sessionId: string, change: Change): void {
    this.dispatch({ on: "change", sessionId, change });
    if (change.change === "live") this.mismatches = 0;
    if (!this.state.outOfStep) return;
    // The first time what is here is completed from the cursor; should that not help, it is fetched anew.
    this.dispatch({ on: "resubscribe", fresh: this.mismatches > 0 });
    this.mismatches += 1;
    void this.greet();
  }

  private request(type: string, fields: Record<string, unknown>): Promise<unknown> {
    const { socket } = this;
    if (!socket) return Promise.reject(new RequestError(kLost));
    const id = ++this.lastId;
    return new Promise((resolve, reject) => {
      const cancel = this.world.after(kSlowRequest, () => {
        this.open.delete(id);
        reject(new RequestError({ code: "timeout", message: "The server did not answer in time" }));
      });
      this.open.set(id, {
        resolve: (value) => {
          cancel();
          resolve(value);
        },
        reject: (error) => {
          cancel();
          reject(error);
        },
      });
      socket.send(JSON.stringify({ ...fields, id, type }));
    });
  }

  // Sends what the outbox allows. Called whenever that may have changed.
  private flush(): void {
    if (this.connection.status.is !== "open") return;
    for (const item of this.outbox.sendable()) {
      if (this.state.sending.has(item.key) || this.backoff.has(item.key)) continue;
      void this.deliver(item);
    }
  }

  private async deliver(item: Item): Promise<void> {
    this.dispatch({ on: "sending", key: item.key, active: true });
    const fields: Record<string, unknown> = { key: item.key, text: item.text };
    if (item.session !== null) fields.session_id = item.session;
    try {
      const sent = (await this.request("send", fields)) as Sent;
      this.outbox.confirm(item.key, sent);
      this.attempts.delete(item.key);
      if (sent.response !== undefined) {
        this.dispatch({ on: "exchange", exchange: { key: item.key, text: item.text, response: sent.response } });
      } else if (sent.session_id !== undefined) {
        const here = this.state.transcript?.sessionId === sent.session_id;
        if (here || item.session === null) this.dispatch({ on: "delivered", item: { ...item, session: sent.session_id } });
        else this.notice("Your message went to the session that you wrote it in");
      }
    } catch (error) {
      const failure = failureOf(error);
      // What was lost is sent again after the next hello, with the same key.
      if (failure.code === kLost.code) return;
      if (isTransient(failure)) this.again(item.key, failure.message);
      else this.outbox.fail(item.key, failure);
    } finally {
      this.dispatch({ on: "sending", key: item.key, active: false });
      this.publishOutbox();
    }
    this.flush();
  }

  private again(key: string, reason: string): void {
    this.dispatch({ on: "refused", key, reason });
    const attempt = this.attempts.get(key) ?? 0;
    this.attempts.set(key, attempt + 1);
    const ms = Math.min(16_000, 1000 * 2 ** attempt) * (0.5 + this.world.random() / 2);
    const cancel = this.world.after(ms, () => {
      this.backoff.delete(key);
      this.flush();
    });
    this.backoff.set(key, cancel);
  }

  private publishOutbox(): void {
    this.dispatch({ on: "outbox", items: this.outbox.items() });
  }

  // Soon, and once for many occasions.
  private refreshList(): void {
    this.listTimer?.();
    this.listTimer = this.world.after(150, () => {
      this.listTimer = null;
      void this.loadList(false);
    });
  }

  private async during(what: string, failed: string, run: () => Promise<unknown>): Promise<boolean> {
    this.dispatch({ on: "busy", what });
    try {
      await run();
      return true;
    } catch (error) {
      this.complain(failed, error);
      return false;
    } finally {
      this.dispatch({ on: "busy", what: null });
    }
  }

  private complain(what: string, error: unknown): void {
    this.notice(`${what}: ${failureOf(error).message}`, true);
  }
}

function failureOf(error: unknown): Failure {
  if (error instanceof RequestError) return error.failure;
  return { code: "internal", message: error instanceof Error ? error.message : String(error) };
}
