// One session's log as this viewer has it: changes of the server folded into a value by a pure function. It knows no socket and no
// page.
import { commandsOf, type Command } from "./commands.ts";
import type { Change, Cursor, Entry, Session } from "./session-json.ts";
import { utf8Length } from "./utf8.ts";

export interface Transcript {
  sessionId: string;
  session: Session | null;
  runningTurn: number; // 0: none
  waitingTurns: readonly number[];
  commands: readonly Command[];
  entries: readonly Entry[]; // by number, oldest first
  bytes: ReadonlyMap<number, number>; // UTF-8 length of the text of entries that grow
  first: number; // entries below this number are not here but can be asked for; 1: all are here
  live: boolean; // what was missed has arrived
  cursor: Cursor | null; // where to subscribe again; moves only with what is whole
}

export function emptyTranscript(sessionId: string): Transcript {
  return {
    sessionId,
    session: null,
    runningTurn: 0,
    waitingTurns: [],
    commands: [],
    entries: [],
    bytes: new Map(),
    first: 1,
    live: false,
    cursor: null,
  };
}

// A delta that does not begin where the text ends that is here: something was lost, and the cursor says from where to ask again.
export interface Applied {
  transcript: Transcript;
  mismatch: boolean;
}

export function applyChange(transcript: Transcript, change: Change): Applied {
  switch (change.change) {
    case "state":
      return fine({
        ...transcript,
        session: change.session,
        runningTurn: change.running_turn ?? 0,
        waitingTurns: change.waiting_turns ?? [],
        commands: commandsOf(change.commands),
        cursor: moved(transcript, change),
      });
    case "reset":
      return fine({ ...transcript, entries: [], bytes: new Map(), first: Math.max(1, change.first), live: false, cursor: null });
    case "entry":
      return fine({ ...putEntry(transcript, change.entry), cursor: moved(transcript, change) });
    case "delta": {
      const at = indexOf(transcript.entries, change.entry);
      const old = transcript.entries[at];
      if (!old || old.entry !== change.entry) return { transcript, mismatch: true };
      const size = transcript.bytes.get(change.entry) ?? utf8Length(old.text);
      if (size !== change.offset) return { transcript, mismatch: true };
      const entries = transcript.entries.slice();
      entries[at] = { ...old, text: old.text + change.text, seq: change.seq, complete: change.complete ?? false };
      const bytes = new Map(transcript.bytes).set(change.entry, size + utf8Length(change.text));
      return fine({ ...transcript, entries, bytes, cursor: moved(transcript, change) });
    }
    case "live":
      return fine({ ...transcript, live: true, cursor: { epoch: change.epoch, seq: change.seq } });
    default:
      return fine(transcript);
  }
}

// What is known stays on the page while a new subscription catches up, but the cursor waits for its `live`.
export function resubscribing(transcript: Transcript): Transcript {
  return transcript.live ? { ...transcript, live: false } : transcript;
}

// Older entries, as history answers them. What is here already is newer than what was asked for.
export function prependHistory(transcript: Transcript, older: readonly Entry[], more: boolean): Transcript {
  const known = new Set(transcript.entries.map((entry) => entry.entry));
  const added = older.filter((entry) => !known.has(entry.entry));
  const entries = [...added, ...transcript.entries].sort((a, b) => a.entry - b.entry);
  const first = more ? (entries[0]?.entry ?? transcript.first) : 1;
  return { ...transcript, entries, first };
}

function fine(transcript: Transcript): Applied {
  return { transcript, mismatch: false };
}

// While catching up, entries arrive in no promised order: only `live` says that everything up to its seq is here.
function moved(transcript: Transcript, change: Cursor): Cursor | null {
  if (!transcript.live) return transcript.cursor;
  const { cursor } = transcript;
  if (cursor && cursor.epoch === change.epoch && cursor.seq >= change.seq) return cursor;
  return { epoch: change.epoch, seq: change.seq };
}

function putEntry(transcript: Transcript, entry: Entry): Transcript {
  const entries = transcript.entries.slice();
  const at = indexOf(entries, entry.entry);
  if (entries[at]?.entry === entry.entry) entries[at] = entry;
  else entries.splice(at, 0, entry);
  const bytes = new Map(transcript.bytes);
  if (entry.complete) bytes.delete(entry.entry);
  else bytes.set(entry.entry, utf8Length(entry.text));
  return { ...transcript, entries, bytes };
}

// Where the entry with this number is, or would be.
function indexOf(entries: readonly Entry[], entry: number): number {
  let low = 0;
  let high = entries.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((entries[middle] as Entry).entry < entry) low = middle + 1;
    else high = middle;
  }
  return low;
}
