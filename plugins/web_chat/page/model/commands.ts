// The commands that an agent offers ("/model NAME"), and those of them that fit what is being typed.
import type { Json } from "./session-json.ts";

export interface Command {
  name: string; // without the slash
  description: string;
  hint: string; // what may be written behind it
}

// Nobody promises what an agent sent: what has no name is left out.
export function commandsOf(json: Json | undefined): Command[] {
  const found = new Map<string, Command>();
  for (const each of Array.isArray(json) ? json : []) {
    const given = objectOf(each);
    const name = textOf(given.name).replace(/^\//, "");
    if (name === "" || /\s/.test(name) || found.has(name)) continue;
    found.set(name, { name, description: textOf(given.description), hint: textOf(objectOf(given.input).hint) });
  }
  return [...found.values()];
}

// While the message is a slash and the beginning of one word. Names that begin with the word come first, then those that have it.
export function fitting(commands: readonly Command[], text: string): Command[] {
  const word = /^\/(\S*)$/.exec(text)?.[1]?.toLowerCase();
  if (word === undefined) return [];
  const begins = (command: Command): boolean => command.name.toLowerCase().startsWith(word);
  const has = (command: Command): boolean => !begins(command) && command.name.toLowerCase().includes(word);
  return [...commands.filter(begins), ...commands.filter(has)];
}

function objectOf(json: Json | undefined): { [key: string]: Json } {
  return typeof json === "object" && json !== null && !Array.isArray(json) ? json : {};
}
function textOf(json: Json | undefined): string {
  return typeof json === "string" ? json : "";
}
