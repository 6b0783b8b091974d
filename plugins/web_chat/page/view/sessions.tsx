// The panel of sessions: which there are, a new one, going back to an old one.
import type { JSX } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import type { Chat } from "../model/chat.ts";
import type { Session } from "../model/session-json.ts";
import type { State } from "../model/state.ts";
import * as format from "./format.ts";
import { Close, Pencil, Plus } from "./icons.tsx";

interface Props {
  chat: Chat;
  state: State;
  onClose: () => void;
  onChosen: () => void;
}

export function Sessions({ chat, state, onClose, onChosen }: Props): JSX.Element {
  const { list } = state;
  const usable = state.connection.is === "open" && state.busy === null;
  const current = state.past ? null : (state.transcript?.sessionId ?? null);
  const [making, setMaking] = useState(false);
  useEffect(() => void chat.loadList(false), []);
  return (
    <nav class="sessions" aria-label="Sessions">
      <div class="sessions-head">
        <h2>Sessions</h2>
        <button type="button" disabled={!usable} aria-expanded={making} onClick={() => setMaking(!making)}>
          <Plus /> New
        </button>
        <button type="button" class="plain icon only-narrow" aria-label="Close the sessions panel" onClick={onClose}>
          <Close />
        </button>
      </div>
      {making && (
        <NewSession
          usable={usable}
          backends={state.backends}
          onCancel={() => setMaking(false)}
          onMake={async (folder, description, backend) => {
            if (!(await chat.newSession(folder, description, backend))) return;
            setMaking(false);
            onChosen();
          }}
        />
      )}
      <ul>
        {list.sessions.map((session) => (
          <Row
            key={session.session_id}
            session={session}
            current={session.session_id === current}
            several={state.backends.length > 1}
            usable={usable}
            known={state.connection.is === "open" && (state.synced || session.session_id !== current)}
            chat={chat}
            onOpen={async () => {
              if (session.session_id === current && !session.ended) onChosen();
              else if (await chat.resume(session)) onChosen();
            }}
          />
        ))}
      </ul>
      {list.loaded && list.sessions.length === 0 && <p class="muted small pad">No sessions yet. Your first message starts one.</p>}
      {list.failure && <p class="failed small pad" role="alert">{list.failure}</p>}
      {list.next && (
        <p class="pad">
          <button type="button" class="plain" disabled={!usable || list.loading} onClick={() => void chat.loadList(true)}>
            {list.loading ? "Loading…" : "Show more"}
          </button>
        </p>
      )}
    </nav>
  );
}

function NewSession({ usable, backends, onMake, onCancel }: {
  usable: boolean;
  backends: readonly string[];
  onMake: (folder: string, description: string, backend: string) => void;
  onCancel: () => void;
}): JSX.Element {
  const first = useRef<HTMLInputElement>(null);
  const [description, setDescription] = useState("");
  const [folder, setFolder] = useState("~");
  const [picked, setPicked] = useState("");
  const backend = backends.includes(picked) ? picked : (backends[0] ?? "");
  useEffect(() => first.current?.focus(), []);
  return (
    <form
      class="form pad"
      onSubmit={(event) => {
        event.preventDefault();
        onMake(folder.trim(), description.trim(), backends.length > 1 ? backend : "");
      }}
      onKeyDown={(event) => event.key === "Escape" && (event.stopPropagation(), onCancel())}
    >
      <label>
        Description <span class="muted">(optional)</span>
        <input ref={first} type="text" value={description} maxLength={200} onInput={(e) => setDescription(e.currentTarget.value)} />
      </label>
      <label>
        Working folder
        <input type="text" value={folder} autocapitalize="off" autocomplete="off" spellcheck={false} onInput={(e) => setFolder(e.currentTarget.value)} />
      </label>
      {backends.length > 1 && (
        <label>
          Backend
          <select value={backend} onChange={(e) => setPicked(e.currentTarget.value)}>
            {backends.map((name) => <option key={name} value={name}>{name}</option>)}
          </select>
        </label>
      )}
      <span class="buttons">
        <button type="submit" class="primary" disabled={!usable}>Start</button>
        <button type="button" class="plain" onClick={onCancel}>Cancel</button>
      </span>
    </form>
  );
}

function Row({ session, current, several, usable, known, chat, onOpen }: {
  session: Session;
  current: boolean;
  several: boolean; // backends: say which one it has
  usable: boolean;
  known: boolean; // what its agent does; else it is only remembered, and not shown
  chat: Chat;
  onOpen: () => void;
}): JSX.Element {
  const [mode, setMode] = useState<"shown" | "renaming" | "ending">("shown");
  const [title, setTitle] = useState("");
  const name = format.sessionName(session);
  if (mode === "renaming") {
    return (
      <li class="editing">
        <form
          class="form"
          onSubmit={async (event) => {
            event.preventDefault();
            if (title.trim() === "" || (await chat.rename(session, title.trim()))) setMode("shown");
          }}
          onKeyDown={(event) => event.key === "Escape" && (event.stopPropagation(), setMode("shown"))}
        >
          <label>
            Title
            <input type="text" value={title} maxLength={200} ref={(input) => void (document.activeElement?.closest("li.editing") || input?.focus())} onInput={(e) => setTitle(e.currentTarget.value)} />
          </label>
          <span class="buttons">
            <button type="submit" class="primary" disabled={!usable}>Save</button>
            <button type="button" class="plain" onClick={() => setMode("shown")}>Cancel</button>
          </span>
        </form>
      </li>
    );
  }
  if (mode === "ending") {
    return (
      <li class="editing">
        <p>End “{name}”? It can still be resumed later.</p>
        <span class="buttons">
          <button
            type="button"
            class="danger"
            disabled={!usable}
            onClick={async () => {
              await chat.end(session);
              setMode("shown");
            }}
          >
            End
          </button>
          <button type="button" class="plain" onClick={() => setMode("shown")}>Keep</button>
        </span>
      </li>
    );
  }
  const state = session.ended ? "Ended" : !known ? "" : session.state === "running" ? "Working" : session.state === "waiting" ? "Needs an answer" : "";
  return (
    <li class={current ? "current" : ""}>
      <button type="button" class="plain open" aria-current={current ? "true" : undefined} disabled={!usable && !current} onClick={onOpen} title={session.session_id}>
        <span class="name">{name}</span>
        <span class="muted small facts">
          {state && <span class={`state ${session.ended ? "over" : session.state}`}>{state}</span>}
          {several && <span class="backend">{session.backend}</span>}
          <span>{format.moment(session.last_active, Date.now())}</span>
          <span class="folder">{session.working_dir}</span>
        </span>
      </button>
      <span class="row-buttons">
        <button type="button" class="plain icon" aria-label={`Rename ${name}`} title="Rename" disabled={!usable} onClick={() => (setTitle(format.givenName(session)), setMode("renaming"))}>
          <Pencil />
        </button>
        {!session.ended && (
          <button type="button" class="plain icon" aria-label={`End ${name}`} title="End" disabled={!usable} onClick={() => setMode("ending")}>
            <Close />
          </button>
        )}
      </span>
    </li>
  );
}
