// Slack's mrkdwn as a tree; what it does not know is the text that it is. Pure.
export type Node =
  | { kind: "text" | "code" | "pre" | "user" | "channel" | "call" | "emoji"; text: string }
  | { kind: "bold" | "italic" | "strike" | "quote"; nodes: Node[] }
  | { kind: "link"; url: string; text: string };

export const unescaped = (text: string): string => text.replaceAll("&lt;", "<").replaceAll("&gt;", ">").replaceAll("&amp;", "&");

// Where a link to a message of this workspace leads: https://simulator.invalid/archives/C1/p1729000000000100
export function permalink(url: string): { channel: string; ts: string } | null {
  const found = /^https:\/\/simulator\.invalid\/archives\/([A-Z0-9]+)\/p(\d+)(\d{6})(?:\?.*)?$/.exec(url);
  return found ? { channel: found[1] as string, ts: `${found[2]}.${found[3]}` } : null;
}

const kMarks = { "*": "bold", _: "italic", "~": "strike" } as const;
// In their order: fences, code, what is in angle brackets, emoji, and marks that enclose words.
const kPiece = /```\n?([\s\S]+?)```|`([^`\n]+)`|<([^<>\s][^<>\n]*)>|:([a-z0-9_+-]{1,40}):|([*_~])(?!\s)([^\n]*?[^\s])\5(?![A-Za-z0-9])/g;

export function parse(text: string): Node[] {
  const nodes: Node[] = [];
  // Lines that are quoted are one node; fences go before, whatever their lines begin with.
  for (const part of text.split(/(```[\s\S]+?```)/)) {
    if (part.startsWith("```")) {
      nodes.push(...inline(part));
      continue;
    }
    const lines = part.split("\n");
    for (let at = 0; at < lines.length; ++at) {
      const isQuote = (line: string | undefined): boolean => /^(?:&gt;|>) ?/.test(line ?? "") && !/^>[^ ]*>/.test(line ?? "");
      if (isQuote(lines[at])) {
        const quoted = [];
        while (isQuote(lines[at])) quoted.push((lines[at++] as string).replace(/^(?:&gt;|>) ?/, ""));
        nodes.push({ kind: "quote", nodes: inline(quoted.join("\n")) });
        at -= 1;
        continue;
      }
      nodes.push(...inline((lines[at] as string) + (at + 1 < lines.length ? "\n" : "")));
    }
  }
  return nodes;
}

function inline(text: string): Node[] {
  const nodes: Node[] = [];
  let last = 0;
  const plain = (to: number): void => {
    if (to > last) nodes.push({ kind: "text", text: unescaped(text.slice(last, to)) });
  };
  const piece = new RegExp(kPiece);
  for (let match = piece.exec(text); match; match = piece.exec(text)) {
    const [all, fence, code, angle, name, mark, inner] = match;
    if (mark !== undefined && /[A-Za-z0-9*_~]/.test(text.charAt(match.index - 1))) {
      piece.lastIndex = match.index + 1; // within a word it is no mark
      continue;
    }
    plain(match.index);
    last = match.index + all.length;
    if (fence !== undefined) nodes.push({ kind: "pre", text: unescaped(fence) });
    else if (code !== undefined) nodes.push({ kind: "code", text: unescaped(code) });
    else if (angle !== undefined) nodes.push(bracketed(angle));
    else if (name !== undefined) nodes.push({ kind: "emoji", text: name });
    else nodes.push({ kind: kMarks[mark as keyof typeof kMarks], nodes: inline(inner ?? "") });
  }
  plain(text.length);
  return nodes;
}

// <@U1|name>, <#C1|name>, <!here|label>, <https://…|label>
function bracketed(text: string): Node {
  const bar = text.indexOf("|");
  const target = bar < 0 ? text : text.slice(0, bar);
  const label = bar < 0 ? "" : unescaped(text.slice(bar + 1));
  if (target.startsWith("@")) return { kind: "user", text: target.slice(1) };
  if (target.startsWith("#")) return { kind: "channel", text: target.slice(1) };
  if (target.startsWith("!")) return { kind: "call", text: label || target.slice(1).split("^").pop() || "" };
  const url = unescaped(target);
  // Nothing but addresses that a person may follow.
  return /^(?:https?:\/\/|mailto:)/i.test(url) ? { kind: "link", url, text: label || url } : { kind: "text", text: unescaped(`<${text}>`) };
}
