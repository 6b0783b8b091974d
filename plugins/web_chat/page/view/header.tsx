import type { JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import { effectiveTheme, toggleTheme } from "../../../../web/theme.ts";
import type { Chat } from "../model/chat.ts";
import { runningTurn, type State } from "../model/state.ts";
import * as format from "./format.ts";
import { Logo, Moon, Panel, Sliders, Sun } from "./icons.tsx";

export function Header({ state, panel, onPanel }: { state: State; panel: boolean; onPanel: () => void }): JSX.Element {
  const session = state.past ? null : state.transcript?.session;
  const status = statusOf(state);
  const backend = session?.backend ?? state.backends[0];
  return (
    <header class="header">
      <button type="button" class="plain icon" id="panel-button" aria-label="Sessions" title="Sessions" aria-expanded={panel} onClick={onPanel}>
        <Panel />
      </button>
      <span class="brand">
        <Logo />
        <span class="wide-only">{state.product.title}</span>
      </span>
      <h1 title={session ? `${session.working_dir} · ${session.backend}` : undefined}>{session ? format.sessionName(session) : "New conversation"}</h1>
      {state.backends.length > 1 && backend && (
        <span class="backend muted small" title={`The backend ${backend} answers here`}>
          <span class="visually-hidden">Backend: </span>{backend}
        </span>
      )}
      <span class={`pill ${status.tone}`} data-status={status.tone}>
        <i aria-hidden="true" />
        <span>{status.text}</span>
      </span>
      <ThemeButton />
      <a class="button plain icon" href="/apps/settings/" aria-label="Settings" title="Settings">
        <Sliders />
      </a>
    </header>
  );
}

export function statusOf(state: State): { tone: string; text: string } {
  const { connection } = state;
  if (connection.is === "stopped") return { tone: "off", text: "Not connected" };
  if (connection.is === "waiting") return { tone: "lost", text: "Reconnecting" };
  if (connection.is === "connecting") return { tone: "lost", text: state.everConnected ? "Reconnecting" : "Connecting" };
  if (state.busy) return { tone: "working", text: state.busy };
  if (!state.synced) return { tone: "lost", text: "Catching up" };
  if (!state.past && state.transcript?.session?.state === "waiting") return { tone: "waiting", text: "Needs your answer" };
  if (runningTurn(state) !== 0) return { tone: "working", text: "Working" };
  return { tone: "ready", text: "Connected" };
}

function ThemeButton(): JSX.Element {
  const [theme, setTheme] = useState(effectiveTheme);
  useEffect(() => {
    const query = matchMedia("(prefers-color-scheme: dark)");
    const changed = (): void => setTheme(effectiveTheme());
    query.addEventListener("change", changed);
    return () => query.removeEventListener("change", changed);
  }, []);
  const label = theme === "dark" ? "Light colours" : "Dark colours";
  return (
    <button type="button" class="plain icon" aria-label={label} title={label} onClick={() => setTheme(toggleTheme())}>
      {theme === "dark" ? <Sun /> : <Moon />}
    </button>
  );
}

// What is wrong with the connection, and what the person can do about it.
export function ConnectionStrip({ state, chat }: { state: State; chat: Chat }): JSX.Element | null {
  const { connection } = state;
  const [, tick] = useState(0);
  const counting = connection.is === "waiting";
  useEffect(() => {
    if (!counting) return;
    const timer = setInterval(() => tick((n) => n + 1), 500);
    return () => clearInterval(timer);
  }, [counting]);
  if (connection.is === "stopped") {
    return (
      <div class="strip" role="status">
        <span>{format.closeReason(connection.why, connection.reason)}</span>
        <span class="buttons">
          <button type="button" onClick={chat.start}>Connect</button>
        </span>
      </div>
    );
  }
  const again = connection.is === "connecting" && connection.attempt > 0;
  if (connection.is !== "waiting" && !again) return null;
  const seconds = connection.is === "waiting" ? Math.max(0, Math.ceil((connection.until - Date.now()) / 1000)) : 0;
  return (
    <div class="strip">
      <span>
        {state.everConnected ? "The connection to the host is lost." : "The host cannot be reached."}{" "}
        {connection.is === "waiting" && seconds > 0 ? `Trying again in ${seconds} s.` : "Trying again…"}
      </span>
      <span class="buttons">
        <button type="button" disabled={again} onClick={chat.start}>Try now</button>
        <button type="button" class="plain" onClick={chat.stop}>Stop trying</button>
      </span>
    </div>
  );
}
