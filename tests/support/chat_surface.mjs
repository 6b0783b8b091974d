// What the tests of surfaces of chat networks ask of the mock backend, again and again.
import { existsSync } from "node:fs";
import path from "node:path";
import { recorded } from "./viaduct.mjs";

// A turn that lasts until somebody stops it, one whose session is dead, one that fails and may succeed later, some that ask, one that remembers.
export const rules = [
  { match: "^wait", delay: "60m" },
  { match: "^slow", delay: "2s" },
  { match: "^build", tool: { title: "make all", kind: "execute" }, permission: { title: "Run it?", options: ["Allow", "Deny"] }, reply: "You chose $permission" },
  { match: "^die$", fail: "session_dead" },
  { match: "^flaky", fail: "unavailable" },
  { match: "^what did I say", recall: true },
  { match: "^deploy (.*)", permission: { title: "Deploy $1?", options: ["Allow", "Deny"] }, reply: "You chose $permission" },
];
export const response = (text) => `[Mock response to: ${text}]`;
// What the agent was asked, in the order in which it answered.
export const prompts = (host) => (existsSync(path.join(host.home, "calls.jsonl")) ? recorded(host) : []).filter(({ method }) => method === "send_message").map(({ message, context }) => (context ? `${context}\n${message}` : message));
export const count = (text, part) => text.split(part).length - 1;
