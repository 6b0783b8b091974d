import type { JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import type { Chat } from "../model/chat.ts";
import { runningTurn, type State } from "../model/state.ts";
import { Composer } from "./composer.tsx";
import { ConnectionStrip, Header, statusOf } from "./header.tsx";
import * as format from "./format.ts";
import { Close } from "./icons.tsx";
import { Sessions } from "./sessions.tsx";
import { TranscriptView } from "./transcript.tsx";
import { MockBanner } from "./welcome.tsx";

const kWide = "(min-width: 60rem)";

export function App({ chat, draft }: { chat: Chat; draft: { load(): string; save(text: string): void } }): JSX.Element {
  const state = useChat(chat);
  const [panel, setPanel] = useState(() => matchMedia(kWide).matches);
  const [sent, setSent] = useState(0);
  useTitle(state);

  const closePanel = (): void => {
    setPanel(false);
    document.getElementById("panel-button")?.focus();
  };
  useEffect(() => {
    const escape = (event: KeyboardEvent): void => {
      if (event.key === "Escape" && panel && !matchMedia(kWide).matches) closePanel();
    };
    addEventListener("keydown", escape);
    return () => removeEventListener("keydown", escape);
  }, [panel]);

  return (
    <div class={`app ${panel ? "with-panel" : ""}`}>
      <Header state={state} panel={panel} onPanel={() => setPanel(!panel)} />
      {panel && (
        <>
          <div class="scrim" onClick={closePanel} />
          <Sessions chat={chat} state={state} onClose={closePanel} onChosen={() => !matchMedia(kWide).matches && closePanel()} />
        </>
      )}
      <main>
        <ConnectionStrip state={state} chat={chat} />
        {state.agent?.mock && state.transcript !== null && <MockBanner state={state} />}
        <TranscriptView chat={chat} state={state} sent={sent} />
        <Composer chat={chat} state={state} draft={draft} onSent={() => setSent((n) => n + 1)} />
      </main>
      <div class="notices" role="status">
        {state.notices.map((notice) => (
          <div key={notice.id} class={`notice ${notice.failure ? "failed" : ""}`}>
            <span>{notice.text}</span>
            <button type="button" class="plain icon" aria-label="Dismiss" onClick={() => chat.dismiss(notice.id)}>
              <Close />
            </button>
          </div>
        ))}
      </div>
      <Announcer state={state} />
    </div>
  );
}

// At most once for each frame, however many changes arrive; a hidden page has no frames.
function useChat(chat: Chat): State {
  const [state, setState] = useState(chat.state);
  useEffect(() => {
    let cancel: (() => void) | null = null;
    const publish = (): void => {
      cancel?.();
      cancel = null;
      setState(chat.state);
    };
    const stop = chat.subscribe(() => {
      if (cancel) return;
      if (document.hidden) {
        const timer = setTimeout(publish, 250);
        cancel = () => clearTimeout(timer);
      } else {
        const frame = requestAnimationFrame(publish);
        cancel = () => cancelAnimationFrame(frame);
      }
    });
    document.addEventListener("visibilitychange", publish);
    publish();
    return () => {
      stop();
      cancel?.();
      document.removeEventListener("visibilitychange", publish);
    };
  }, [chat]);
  return state;
}

// The window's title says what waits for the person.
function useTitle(state: State): void {
  const session = state.past ? null : state.transcript?.session;
  const mark = session?.state === "waiting" && state.synced ? "? " : runningTurn(state) !== 0 ? "… " : "";
  const title = session ? `${mark}${format.sessionName(session)} · ${state.product.title}` : state.product.title;
  useEffect(() => {
    document.title = title;
  }, [title]);
}

// For screen readers: whole sentences at the moments that matter, not every token.
function Announcer({ state }: { state: State }): JSX.Element {
  const { news } = state;
  const entries = state.transcript?.entries ?? [];
  const answers = entries.filter((entry) => news && entry.turn === news.turn && entry.type === "text").map((entry) => entry.text);
  const how = news ? (format.outcome(news.data)?.text ?? "") : "";
  return (
    <div class="visually-hidden">
      <p aria-live="polite" role="status">{statusOf(state).text}</p>
      <p aria-live="polite">{[...answers, how].filter(Boolean).join("\n")}</p>
    </div>
  );
}
