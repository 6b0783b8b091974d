// What an agent sent that is no text, as the page may show it. Names and types are the agent's word: only a few types are drawn or
// played, all others are files, which the browser saves and never opens. Pure.
import type { EntryData } from "./session-json.ts";
import { utf8Length } from "./utf8.ts";

export interface Content {
  is: "image" | "audio" | "file";
  type: string; // media type
  name: string; // for saving
  size: number; // bytes
  base64: string; // or
  text: string;
}

const kDrawn = /^image\/(?:png|jpeg|gif|webp|avif|bmp)$/;
const kPlayed = /^audio\/[a-z0-9.+-]+$/;
const kEndings: Record<string, string> = {
  "image/png": "png", "image/jpeg": "jpg", "image/gif": "gif", "image/webp": "webp", "image/avif": "avif", "image/bmp": "bmp", "image/svg+xml": "svg",
  "audio/mpeg": "mp3", "audio/wav": "wav", "audio/ogg": "ogg", "audio/mp4": "m4a", "audio/flac": "flac", "audio/webm": "webm",
  "text/plain": "txt", "text/markdown": "md", "text/csv": "csv", "text/html": "html", "application/json": "json", "application/pdf": "pdf", "application/zip": "zip",
};

// Null: there is nothing that could be shown or saved.
export function contentOf(data: EntryData): Content | null {
  const whole = record(data);
  const inner = whole.type === "resource" ? record(whole.resource) : whole;
  const base64 = string(whole.type === "resource" ? inner.blob : inner.data);
  const text = whole.type === "resource" ? string(inner.text) : "";
  if (base64 === "" && text === "") return null;
  const type = string(inner.mimeType).split(";")[0]?.trim().toLowerCase() ?? "";
  // Text is never drawn: an SVG is a program.
  const is = base64 !== "" && kDrawn.test(type) ? "image" : base64 !== "" && kPlayed.test(type) ? "audio" : "file";
  const size = base64 === "" ? utf8Length(text) : (base64.length / 4) * 3 - (/=*$/.exec(base64)?.[0].length ?? 0);
  return { is, type, name: nameOf(string(inner.uri), type, String(whole.type)), size, base64, text };
}

// The last part of the address, as a file name that means the same on every system.
function nameOf(uri: string, type: string, kind: string): string {
  let last = uri.replace(/^[a-z][a-z0-9+.-]*:/i, "").replace(/[?#].*$/, "").replace(/\/+$/, "").split("/").pop() ?? "";
  try {
    last = decodeURIComponent(last);
  } catch {
    // As it is.
  }
  const name = last.replace(/[\u0000-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069"*/:<>?\\|]/g, "_").replace(/^\.+/, "").slice(-120);
  if (name !== "" && /[^_ ]/.test(name)) return name;
  const plain = kind === "resource" ? "file" : kind === "audio" ? "sound" : "image";
  return kEndings[type] ? `${plain}.${kEndings[type]}` : plain;
}

export function blobOf(content: Content): Blob {
  if (content.base64 === "") return new Blob([content.text], { type: safeType(content) });
  const bytes = Uint8Array.from(atob(content.base64), (c) => c.charCodeAt(0));
  return new Blob([bytes], { type: safeType(content) });
}

// Should a browser open a file instead of saving it, nothing in it runs.
function safeType(content: Content): string {
  return content.is === "file" ? "application/octet-stream" : content.type;
}

export function sizeText(bytes: number): string {
  if (bytes < 1000) return `${bytes} bytes`;
  const kilo = bytes / 1000;
  return kilo < 999.5 ? `${kilo < 10 ? kilo.toFixed(1) : Math.round(kilo)} KB` : `${(kilo / 1000).toFixed(1)} MB`;
}

function record(value: unknown): Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : {};
}

function string(value: unknown): string {
  return typeof value === "string" ? value : "";
}
