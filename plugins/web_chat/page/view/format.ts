// Words for values. Pure.
import type { Author, EntryData, Session } from "../model/session-json.ts";

const kDefaultDescription = "Web chat session";

export function givenName(session: Pick<Session, "title" | "description">): string {
  if (session.title) return session.title;
  return session.description !== kDefaultDescription ? session.description : "";
}

export function sessionName(session: Pick<Session, "title" | "description">): string {
  return givenName(session) || "Untitled session";
}

export function authorName(author: string | Author | undefined): string {
  if (!author) return "";
  if (typeof author === "string") return author;
  return author.display_name || author.user_id || "";
}

export function count(value: number): string {
  if (value < 1000) return String(value);
  if (value < 999_950) return `${trim(value / 1000)}K`;
  return `${trim(value / 1_000_000)}M`;
}

export function duration(ms: number): string {
  if (ms < 1000) return `${Math.round(ms)} ms`;
  if (ms < 59_950) return `${trim(ms / 1000)} s`;
  const seconds = Math.round(ms / 1000);
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
  return `${Math.floor(seconds / 3600)} h ${Math.floor((seconds % 3600) / 60)} min`;
}

function trim(value: number): string {
  return value.toFixed(1).replace(/\.0$/, "");
}

export function usage(data: EntryData): string {
  const parts: string[] = [];
  if (typeof data.inputTokens === "number") parts.push(`${count(data.inputTokens)} tokens in`);
  if (typeof data.outputTokens === "number") parts.push(`${count(data.outputTokens)} out`);
  const cost = data.cost;
  if (typeof cost === "number") parts.push(`cost ${cost}`);
  else if (cost && typeof cost === "object" && !Array.isArray(cost) && typeof cost.amount === "number") {
    const currency = typeof cost.currency === "string" ? ` ${cost.currency}` : "";
    parts.push(`${cost.amount}${currency}`);
  }
  return parts.join(" · ");
}

// "14:05" today, "Tue 14:05" this week, else the date.
export function moment(at: string, now: number): string {
  const date = new Date(at);
  if (Number.isNaN(date.getTime())) return "";
  const time = date.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
  const today = new Date(now);
  if (date.toDateString() === today.toDateString()) return time;
  const age = now - date.getTime();
  if (age >= 0 && age < 6 * 86_400_000) return `${date.toLocaleDateString([], { weekday: "short" })} ${time}`;
  const year = date.getFullYear() === today.getFullYear() ? undefined : "numeric";
  return date.toLocaleDateString([], { day: "numeric", month: "short", year });
}

export type Again = "retry" | "continue";

// How a turn ended, where that is worth a line, and what can be done about it.
export function outcome(data: EntryData): { text: string; tone: "muted" | "warn" | "danger"; again: Again[] } | null {
  const message = sentence(data.error?.message ?? "");
  switch (data.stop_reason) {
    case "end_turn":
      return null;
    case "cancelled":
      return { text: "Stopped", tone: "muted", again: ["retry", "continue"] };
    case "interrupted":
      return {
        text: `Interrupted: ${interruption(data.error?.message ?? "")} What had arrived is kept; nothing is run again by itself.`,
        tone: "warn",
        again: ["retry", "continue"],
      };
    case "max_tokens":
      return { text: "The answer stopped at the token limit", tone: "warn", again: ["continue"] };
    case "max_turn_requests":
      return { text: "The agent stopped at its limit of steps for one turn", tone: "warn", again: ["continue"] };
    case "refusal":
      return { text: message || "The agent declined to go on", tone: "warn", again: [] };
    case "timeout":
      return { text: message || "The agent took too long", tone: "danger", again: ["retry", "continue"] };
    default:
      return { text: message || "The turn failed", tone: "danger", again: ["retry"] };
  }
}

function interruption(why: string): string {
  if (why !== "" && !why.startsWith("The host was ")) return /[.!?]$/.test(why) ? why : `${why}.`;
  return `${why.replace("The", "the") || "the host was restarted"} before the answer was finished.`;
}

// Messages of the host begin in lower case, for they may stand after a colon.
export function sentence(message: string): string {
  return message.charAt(0).toUpperCase() + message.slice(1);
}

export function pretty(value: unknown): string {
  if (value === undefined || value === null) return "";
  return typeof value === "string" ? value : JSON.stringify(value, null, 2);
}

// The text of ACP tool content: [{type:"content",content:{type:"text",text}}, {type:"diff",path,oldText,newText}, …]
export function toolText(content: unknown): string {
  if (typeof content === "string") return content;
  if (!Array.isArray(content)) return content ? pretty(content) : "";
  return content
    .map((part) => {
      if (typeof part !== "object" || part === null) return String(part);
      const { type, content: inner, path, oldText, newText } = part as Record<string, unknown>;
      if (type === "diff") return `${String(path ?? "")}\n${diff(lines(oldText), lines(newText)).join("\n")}`.trimEnd();
      if (type === "content" && typeof inner === "object" && inner !== null) {
        if ("text" in inner) return String(inner.text);
        const words = blockWords(inner as Record<string, unknown>);
        if (words) return words;
      }
      return pretty(part);
    })
    .join("\n\n");
}

// People see an image of a tool below it; its bytes are for nobody's eyes.
function blockWords(block: Record<string, unknown>): string {
  if (block.type === "image") return "[an image]";
  if (block.type === "audio") return "[a sound]";
  if (block.type !== "resource" || typeof block.resource !== "object" || block.resource === null) return "";
  const { uri, text } = block.resource as Record<string, unknown>;
  return [`[a file${typeof uri === "string" && uri ? `: ${uri}` : ""}]`, ...(typeof text === "string" ? [text] : [])].join("\n");
}

function lines(text: unknown): string[] {
  if (typeof text !== "string" || text === "") return [];
  return (text.endsWith("\n") ? text.slice(0, -1) : text).split("\n");
}

// Agents tell whole files: what is the same at both ends is shown for a few lines only.
const kAround = 3;
function diff(before: string[], after: string[]): string[] {
  const most = Math.min(before.length, after.length);
  let head = 0;
  while (head < most && before[head] === after[head]) head++;
  let tail = 0;
  while (tail < most - head && before[before.length - 1 - tail] === after[after.length - 1 - tail]) tail++;
  const marked = (mark: string, all: string[]): string[] => all.map((line) => `${mark} ${line}`.trimEnd());
  return [
    ...(head > kAround ? ["  …"] : []),
    ...marked(" ", before.slice(Math.max(0, head - kAround), head)),
    ...marked("-", before.slice(head, before.length - tail)),
    ...marked("+", after.slice(head, after.length - tail)),
    ...marked(" ", after.slice(after.length - tail, after.length - tail + kAround)),
    ...(tail > kAround ? ["  …"] : []),
  ];
}

export function closeReason(why: "person" | "refused" | "defect", reason: string): string {
  if (why === "person") return "Not connected, as you asked.";
  if (why === "refused") return reason || "The host does not allow this page to connect.";
  return `The host closed the connection${reason ? `: ${reason}` : ""}. Reloading the page may help.`;
}
