// The page's live connection: the whole workspace first, then what changes; again and again.
import type { Change } from "./model.ts";

export const kUnreachable = "The host cannot be reached";
const kPauses = [500, 1000, 2000, 4000];

export function connect(told: (change: Change) => void, connected: (is: boolean) => void): () => void {
  let ended = false;
  let failures = 0;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let socket: WebSocket | undefined;
  const open = (): void => {
    const url = new URL("api/ws", document.baseURI);
    url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
    socket = new WebSocket(url);
    socket.onmessage = ({ data }) => {
      failures = 0;
      connected(true);
      told(JSON.parse(String(data)) as Change);
    };
    socket.onclose = () => {
      connected(false);
      if (!ended) timer = setTimeout(open, kPauses[Math.min(failures++, kPauses.length - 1)]);
    };
  };
  open();
  return () => {
    ended = true;
    clearTimeout(timer);
    socket?.close();
  };
}

// Nothing: it is done. Otherwise why not, for the person.
export async function act(what: Record<string, string>): Promise<string | null> {
  try {
    const response = await fetch("api/act", { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(what) });
    if (response.ok) return null;
    const { error } = (await response.json().catch(() => ({}))) as { error?: string };
    return error ?? `The host answered ${response.status}`;
  } catch {
    return kUnreachable;
  }
}
