import type { Change, Entry, Session } from "../model/session-json.ts";

export function session(id: string, fields: Partial<Session> = {}): Session {
  return {
    session_id: id, title: "", description: "Web chat session", project_id: "p", working_dir: "~", backend: "echo", state: "idle",
    ended: false, created_at: "2026-01-01T00:00:00.000000Z", last_active: "2026-01-01T00:00:00.000000Z", turns_waiting: 0, ...fields,
  };
}

export function entry(number: number, fields: Partial<Entry> = {}): Entry {
  return { entry: number, seq: number, turn: 1, type: "text", at: "2026-01-01T00:00:00.000000Z", complete: true, text: "", data: {}, ...fields };
}

export const change = {
  state: (seq: number, of: Session, running = 0, waiting: number[] = []): Change =>
    ({ change: "state", epoch: 1, seq, session: of, running_turn: running, waiting_turns: waiting, commands: [], options: [] }),
  reset: (seq: number, first: number, epoch = 1): Change => ({ change: "reset", epoch, seq, first }),
  entry: (seq: number, of: Entry): Change => ({ change: "entry", epoch: 1, seq, entry: { ...of, seq } }),
  delta: (seq: number, of: number, offset: number, text: string, complete = false): Change =>
    ({ change: "delta", epoch: 1, seq, entry: of, offset, text, complete }),
  live: (seq: number, epoch = 1): Change => ({ change: "live", epoch, seq }),
};

// A storage as a browser has it, that can be full.
export class MemoryStorage {
  private readonly values = new Map<string, string>();
  full = false;
  get length(): number {
    return this.values.size;
  }
  key(index: number): string | null {
    return [...this.values.keys()][index] ?? null;
  }
  getItem(key: string): string | null {
    return this.values.get(key) ?? null;
  }
  setItem(key: string, value: string): void {
    if (this.full) throw new Error("QuotaExceededError");
    this.values.set(key, value);
  }
  removeItem(key: string): void {
    this.values.delete(key);
  }
}
