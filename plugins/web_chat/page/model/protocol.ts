// What goes over the WebSocket, as PROTOCOL.md says.
import type { Change, Entry, Session } from "./session-json.ts";

export interface Agent {
  backend: string;
  plugin: string;
  mock: boolean;
}

export interface Hello {
  protocol: number;
  version: string;
  surface: string;
  title: string;
  agent: Agent | null;
  backends?: string[];
  session: Session | null;
}

export interface Failure {
  code: string;
  message: string;
}

export interface Reply {
  type: "reply";
  id: number;
  result?: unknown;
  error?: Failure;
}

export interface Current {
  type: "current";
  session: Session | null;
  reason: "new" | "resumed" | "ended" | "dead" | string;
}

export type ServerChange = Change & { type: "change"; session_id: string };
export type ServerMessage = Reply | Current | ServerChange;

export interface Sent {
  session_id?: string;
  turn?: number;
  duplicate?: boolean;
  response?: string;
  memory_action?: string;
}

export interface SessionPage {
  sessions: Session[];
  next: string | null;
}

export interface HistoryPage {
  entries: Entry[];
  more: boolean;
}

// The largest text that is sent: the server takes messages of 1 MiB, and JSON may need an escape here and there.
export const kMaxMessageBytes = (1 << 20) - 4096;

// The message, or null for what this page does not know.
export function parseServerMessage(text: string): ServerMessage | null {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return null;
  }
  if (typeof value !== "object" || value === null) return null;
  const message = value as { type?: unknown; id?: unknown; change?: unknown };
  if (message.type === "reply" && typeof message.id === "number") return value as Reply;
  if (message.type === "current") return value as Current;
  if (message.type === "change" && typeof message.change === "string") return value as ServerChange;
  return null;
}
