// The JSON of sessions, as sdk/SESSION-JSON.md says. Readers ignore fields and types that they do not know.

export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

export interface Session {
  session_id: string;
  title: string;
  description: string;
  project_id: string;
  working_dir: string;
  backend: string;
  state: "idle" | "running" | "waiting";
  ended: boolean;
  created_at: string;
  last_active: string;
  turns_waiting: number;
}

export interface Author {
  user_id?: string;
  display_name?: string;
  surface?: string;
}

export interface PermissionOption {
  optionId: string;
  name: string;
  kind?: string;
}

export interface PlanStep {
  content: string;
  priority?: string;
  status?: string;
}

// `data` has the fields of the entry's type; all are optional, for nobody promises that an agent sent them.
export interface EntryData {
  author?: Author;
  key?: string;
  toolCallId?: string;
  title?: string;
  kind?: string;
  status?: string;
  content?: Json;
  locations?: Json;
  rawInput?: Json;
  rawOutput?: Json;
  entries?: PlanStep[];
  toolCall?: { [key: string]: Json };
  options?: PermissionOption[];
  option_id?: string;
  by?: string | Author;
  reason?: string;
  rung?: string;
  stop_reason?: string;
  error?: { code?: string | number; message?: string } | null;
  duration_ms?: number;
  inputTokens?: number;
  outputTokens?: number;
  cost?: Json;
  [key: string]: unknown;
}

export interface Entry {
  entry: number;
  seq: number;
  turn: number;
  type: string;
  at: string;
  complete: boolean;
  text: string;
  data: EntryData;
}

export interface StateChange {
  change: "state";
  epoch: number;
  seq: number;
  session: Session;
  running_turn?: number;
  waiting_turns?: number[];
  commands?: Json;
  options?: Json;
}
export interface ResetChange {
  change: "reset";
  epoch: number;
  seq: number;
  first: number;
}
export interface EntryChange {
  change: "entry";
  epoch: number;
  seq: number;
  entry: Entry;
}
export interface DeltaChange {
  change: "delta";
  epoch: number;
  seq: number;
  entry: number;
  offset: number;
  text: string;
  complete?: boolean;
}
export interface LiveChange {
  change: "live";
  epoch: number;
  seq: number;
}
export type Change = StateChange | ResetChange | EntryChange | DeltaChange | LiveChange;

export interface Cursor {
  epoch: number;
  seq: number;
}
