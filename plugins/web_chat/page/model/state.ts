// Everything that the page shows, as one value, and how each event changes it. Pure: the same events make the same page.
import type { Status } from "./connection.ts";
import type { Item } from "./outbox.ts";
import type { Agent, Current, Failure, Hello, HistoryPage, SessionPage } from "./protocol.ts";
import type { Change, Entry, Session } from "./session-json.ts";
import { applyChange, emptyTranscript, prependHistory, resubscribing, type Transcript } from "./transcript.ts";

// A question to the memory and its answer. They are in no log, so they are gone with the page.
export interface Exchange {
  key: string;
  text: string;
  response: string;
  after: number; // the entry below which it was asked; 0: none
  sessionId: string | null;
}

export interface SessionList {
  sessions: readonly Session[];
  next: string | null;
  loading: boolean;
  loaded: boolean;
  failure: string | null;
}

export interface Notice {
  id: number;
  text: string;
  failure: boolean;
}

export interface State {
  connection: Status;
  everConnected: boolean;
  // The server has said what holds since the connection was made. Until then nothing is known of the agent.
  synced: boolean;
  product: { title: string; version: string; surface: string };
  agent: Agent | null;
  backends: readonly string[]; // that may be picked for a new session, the default first
  transcript: Transcript | null; // of the current session, or of the one that was it
  past: null | "ended" | "dead" | "gone"; // nothing more comes of the transcript
  outOfStep: boolean; // a delta did not fit: subscribe again
  pending: readonly Item[];
  delivered: readonly Item[]; // confirmed, but the entry has not been seen yet
  sending: ReadonlySet<string>;
  refused: ReadonlyMap<string, string>; // why what is sent again by itself was not taken yet
  own: ReadonlySet<string>; // keys of what this page has sent
  news: Entry | null; // the last turn_end that the person has not had before: of a live turn, or of one of their own
  exchanges: readonly Exchange[];
  list: SessionList;
  history: { loading: boolean; failure: string | null };
  answering: ReadonlyMap<number, string>; // entry of a permission request → the option chosen here
  answerFailures: ReadonlyMap<number, string>;
  stopping: number; // the turn that was asked to stop; 0: none
  busy: string | null; // a session being made, resumed or ended: what is going on, in words
  notices: readonly Notice[];
}

export type Event =
  | { on: "connection"; status: Status }
  | { on: "hello"; hello: Hello }
  | { on: "current"; current: Current }
  | { on: "change"; sessionId: string; change: Change }
  | { on: "resubscribe"; fresh: boolean }
  | { on: "outbox"; items: readonly Item[] }
  | { on: "sending"; key: string; active: boolean }
  | { on: "refused"; key: string; reason: string }
  | { on: "delivered"; item: Item }
  | { on: "exchange"; exchange: Omit<Exchange, "after" | "sessionId"> }
  | { on: "list"; loading: true }
  | { on: "list"; loading: false; page: SessionPage; append: boolean }
  | { on: "list"; loading: false; failure: string }
  | { on: "session"; session: Session }
  | { on: "history"; loading: true }
  | { on: "history"; loading: false; sessionId: string; page: HistoryPage }
  | { on: "history"; loading: false; failure: string }
  | { on: "answering"; entry: number; option: string }
  | { on: "answered"; entry: number; failure: Failure | null }
  | { on: "stopping"; turn: number }
  | { on: "busy"; what: string | null }
  | { on: "notice"; notice: Notice }
  | { on: "dismiss"; id: number };

export const initialState: State = {
  connection: { is: "connecting", attempt: 0 },
  everConnected: false,
  synced: false,
  product: { title: "Viaduct", version: "", surface: "web-chat" },
  agent: null,
  backends: [],
  transcript: null,
  past: null,
  outOfStep: false,
  pending: [],
  delivered: [],
  sending: new Set(),
  refused: new Map(),
  own: new Set(),
  news: null,
  exchanges: [],
  list: { sessions: [], next: null, loading: false, loaded: false, failure: null },
  history: { loading: false, failure: null },
  answering: new Map(),
  answerFailures: new Map(),
  stopping: 0,
  busy: null,
  notices: [],
};

// Where the next message goes: the session that the person sees; null when it would begin one; undefined before the server has said.
export function target(state: State): string | null | undefined {
  if (!state.everConnected) return undefined;
  const { transcript, past } = state;
  if (!transcript || past || transcript.session?.ended) return null;
  return transcript.sessionId;
}

// The turn that runs, as the server says; 0 when none does, and when the server has not said.
export function runningTurn(state: State): number {
  return state.synced && !state.past ? (state.transcript?.runningTurn ?? 0) : 0;
}

export function reduce(state: State, event: Event): State {
  switch (event.on) {
    case "connection": {
      if (event.status.is === "open") return { ...state, connection: event.status };
      const transcript = state.transcript && resubscribing(state.transcript);
      return { ...state, connection: event.status, synced: false, stopping: 0, busy: null, transcript, sending: new Set(), refused: new Map() };
    }
    case "hello": {
      const { hello } = event;
      const before = state.transcript;
      const same = before !== null && before.sessionId === hello.session?.session_id;
      const next: State = {
        ...state,
        everConnected: true,
        product: { title: hello.title, version: hello.version, surface: hello.surface },
        agent: hello.agent,
        backends: hello.backends ?? [],
      };
      if (hello.session) {
        const kept = same ? resubscribing(before) : emptyTranscript(hello.session.session_id);
        const here = same ? next : withoutSession(next, hello.session);
        return { ...withSession(here, { ...kept, session: hello.session }), past: null, outOfStep: false, synced: false };
      }
      // No session is current. What was on the page stays, as past.
      return { ...next, past: before ? (state.past ?? "gone") : null, synced: true };
    }
    case "current": {
      const { session, reason } = event.current;
      if (!session) {
        const past = reason === "dead" ? "dead" : "ended";
        return { ...state, past: state.transcript ? past : null, synced: true, stopping: 0, busy: null };
      }
      const { transcript: old } = state;
      const same = old !== null && old.sessionId === session.session_id;
      const transcript = same && !state.past ? resubscribing(old) : emptyTranscript(session.session_id);
      return { ...withSession(same ? state : withoutSession(state, session), { ...transcript, session }), past: null, synced: false, busy: null };
    }
    case "change": {
      const { transcript } = state;
      if (!transcript || state.past || transcript.sessionId !== event.sessionId) return state;
      const applied = applyChange(transcript, event.change);
      if (applied.mismatch) return { ...state, outOfStep: true };
      let next: State = { ...state, transcript: applied.transcript };
      if (event.change.change === "state") {
        next = { ...next, synced: true };
        if (next.stopping !== applied.transcript.runningTurn) next.stopping = 0;
        next.list = replaceInList(next.list, event.change.session);
      }
      if (event.change.change === "entry") {
        next = seen(next, event.change.entry.data?.key, event.change.entry.entry);
        if (event.change.entry.type === "turn_end" && isNews(next, event.change.entry)) next.news = event.change.entry;
      }
      if (event.change.change === "reset") next.history = { loading: false, failure: null };
      return next;
    }
    case "resubscribe": {
      if (!state.transcript) return state;
      const transcript = event.fresh
        ? { ...emptyTranscript(state.transcript.sessionId), session: state.transcript.session }
        : resubscribing(state.transcript);
      return { ...state, transcript, outOfStep: false };
    }
    case "outbox":
      return { ...state, pending: event.items };
    case "sending": {
      const sending = new Set(state.sending);
      if (event.active) sending.add(event.key);
      else sending.delete(event.key);
      return { ...state, sending, own: event.active ? new Set(state.own).add(event.key) : state.own };
    }
    case "refused":
      return { ...state, refused: new Map(state.refused).set(event.key, event.reason) };
    case "delivered": {
      const shown = state.transcript?.entries.some((entry) => entry.data?.key === event.item.key) ?? false;
      return shown ? state : { ...state, delivered: [...state.delivered, event.item] };
    }
    case "exchange": {
      const entries = state.transcript?.entries ?? [];
      const after = entries[entries.length - 1]?.entry ?? 0;
      const sessionId = state.transcript?.sessionId ?? null;
      return { ...state, exchanges: [...state.exchanges, { ...event.exchange, after, sessionId }] };
    }
    case "list": {
      if (event.loading) return { ...state, list: { ...state.list, loading: true, failure: null } };
      if ("failure" in event) return { ...state, list: { ...state.list, loading: false, failure: event.failure } };
      const old = event.append ? state.list.sessions : [];
      const ids = new Set(old.map((session) => session.session_id));
      const sessions = [...old, ...event.page.sessions.filter((session) => !ids.has(session.session_id))];
      return { ...state, list: { sessions, next: event.page.next, loading: false, loaded: true, failure: null } };
    }
    case "session": {
      const list = replaceInList(state.list, event.session);
      const here = state.transcript?.sessionId === event.session.session_id;
      return { ...state, list, transcript: here && state.transcript ? { ...state.transcript, session: event.session } : state.transcript };
    }
    case "history": {
      if (event.loading) return { ...state, history: { loading: true, failure: null } };
      if ("failure" in event) return { ...state, history: { loading: false, failure: event.failure } };
      const done = { ...state, history: { loading: false, failure: null } };
      if (state.transcript?.sessionId !== event.sessionId) return done;
      return { ...done, transcript: prependHistory(state.transcript, event.page.entries, event.page.more) };
    }
    case "answering": {
      const failures = new Map(state.answerFailures);
      failures.delete(event.entry);
      return { ...state, answering: new Map(state.answering).set(event.entry, event.option), answerFailures: failures };
    }
    case "answered": {
      const answering = new Map(state.answering);
      answering.delete(event.entry);
      if (!event.failure) return { ...state, answering };
      return { ...state, answering, answerFailures: new Map(state.answerFailures).set(event.entry, event.failure.message) };
    }
    case "stopping":
      return { ...state, stopping: event.turn };
    case "busy":
      return { ...state, busy: event.what };
    case "notice":
      return { ...state, notices: [...state.notices.slice(-3), event.notice] };
    case "dismiss":
      return { ...state, notices: state.notices.filter((notice) => notice.id !== event.id) };
  }
}

// Forgets what belonged to the session that was here before `session`.
function withoutSession(state: State, session: Session): State {
  return {
    ...state,
    outOfStep: false,
    news: null,
    delivered: state.delivered.filter((item) => item.session === session.session_id),
    exchanges: state.exchanges.filter((exchange) => exchange.sessionId === null),
    answering: new Map(),
    answerFailures: new Map(),
    history: { loading: false, failure: null },
    stopping: 0,
  };
}

function withSession(state: State, transcript: Transcript): State {
  const { session } = transcript;
  return { ...state, transcript, list: session ? replaceInList(state.list, session) : state.list };
}

// An entry that carries the key of a message shows that message: the page's own copy goes.
function seen(state: State, key: string | undefined, entry: number): State {
  const answering = state.answering;
  let next = state;
  if (answering.has(entry)) {
    const left = new Map(answering);
    left.delete(entry);
    next = { ...next, answering: left };
  }
  if (key !== undefined && next.delivered.some((item) => item.key === key)) {
    next = { ...next, delivered: next.delivered.filter((item) => item.key !== key) };
  }
  return next;
}

function isNews({ transcript, own }: State, end: Entry): boolean {
  if (!transcript || transcript.live) return true;
  return transcript.entries.some((entry) => entry.turn === end.turn && entry.data?.key !== undefined && own.has(entry.data.key));
}

function replaceInList(list: SessionList, session: Session): SessionList {
  if (!list.loaded) return list;
  const others = list.sessions.filter((other) => other.session_id !== session.session_id);
  const at = others.findIndex((other) => other.last_active < session.last_active);
  const sessions = at < 0 ? [...others, session] : [...others.slice(0, at), session, ...others.slice(at)];
  // Beyond the last page that was fetched the list is not known.
  return { ...list, sessions: at < 0 && list.next !== null ? others : sessions };
}
