// The web chat in a browser: gives the model its socket, clock and storage, and draws it.
import { render } from "preact";
import "../../../web/base.css";
import "./style.css";
import { Chat, type World } from "./model/chat.ts";
import { App } from "./view/app.tsx";

// Several chats may be mounted on one host.
const prefix = `viaduct:${location.pathname}:`;
const storage = storageIfAllowed();

const world: World = {
  now: () => Date.now(),
  random: () => Math.random(),
  // randomUUID is only there in secure contexts.
  randomKey: () => Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join(""),
  storage,
  prefix,
  open(events) {
    const url = new URL("api/ws", location.href);
    url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
    const socket = new WebSocket(url);
    socket.onopen = () => events.opened();
    socket.onmessage = (event) => typeof event.data === "string" && events.message(event.data);
    socket.onclose = (event) => events.closed(event.code, event.reason);
    return { send: (text) => socket.send(text), close: () => socket.close(1000) };
  },
  async probe() {
    try {
      return (await fetch("api/session", { cache: "no-store" })).status;
    } catch {
      return 0;
    }
  },
  after(ms, run) {
    const timer = setTimeout(run, ms);
    return () => clearTimeout(timer);
  },
};

const draft = {
  load: () => storage?.getItem(`${prefix}draft`) ?? "",
  save(text: string) {
    try {
      if (text === "") storage?.removeItem(`${prefix}draft`);
      else storage?.setItem(`${prefix}draft`, text);
    } catch {
      // Full: the draft lives as long as the page.
    }
  },
};

const chat = new Chat(world);
document.addEventListener("visibilitychange", () => !document.hidden && chat.visible());
addEventListener("pageshow", (event) => event.persisted && chat.visible());
addEventListener("online", chat.network);
addEventListener("offline", chat.network);
addEventListener("storage", (event) => (event.key === null || event.key.startsWith(prefix)) && chat.stored());

const place = document.getElementById("app");
if (place) render(<App chat={chat} draft={draft} />, place);
chat.start();

function storageIfAllowed(): Storage | null {
  try {
    return localStorage;
  } catch {
    return null;
  }
}
