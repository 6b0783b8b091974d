// Where the person writes. Enter sends, Shift+Enter begins a new line, and a word that an input method is still composing is left alone.
import type { JSX } from "preact";
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import type { Chat } from "../model/chat.ts";
import { kMaxMessageBytes } from "../model/protocol.ts";
import { runningTurn, type State } from "../model/state.ts";
import { utf8Length } from "../model/utf8.ts";
import { Send, Stop } from "./icons.tsx";

interface Props {
  chat: Chat;
  state: State;
  draft: { load(): string; save(text: string): void };
  onSent: () => void;
}

export function Composer({ chat, state, draft, onSent }: Props): JSX.Element {
  const area = useRef<HTMLTextAreaElement>(null);
  const composing = useRef(false);
  const [text, setText] = useState(draft.load);
  const turn = runningTurn(state);
  const connected = state.connection.is === "open";
  // As JSON on the wire.
  const tooLong = text.length > kMaxMessageBytes / 6 && utf8Length(JSON.stringify(text)) > kMaxMessageBytes;

  useEffect(() => {
    if (matchMedia("(hover: hover)").matches) area.current?.focus();
  }, []);
  useLayoutEffect(() => {
    const box = area.current;
    if (!box) return;
    box.style.height = "auto";
    box.style.height = `${box.scrollHeight + 2}px`;
  }, [text, connected]);

  const change = (value: string): void => {
    setText(value);
    draft.save(value);
  };
  const send = (): void => {
    if (text.trim() === "" || tooLong) return;
    chat.say(text.trim());
    change("");
    onSent();
    area.current?.focus();
  };

  return (
    <form
      class="composer"
      onSubmit={(event) => {
        event.preventDefault();
        send();
      }}
    >
      <div class="column">
        <div class="box">
          <textarea
            ref={area}
            rows={1}
            value={text}
            aria-label="Message"
            placeholder={placeholder(state)}
            enterkeyhint="send"
            onInput={(event) => change(event.currentTarget.value)}
            onCompositionStart={() => (composing.current = true)}
            onCompositionEnd={() => (composing.current = false)}
            onKeyDown={(event) => {
              // 229: a key that went to the input method; Safari ends the composition before its Enter.
              if (event.key !== "Enter" || event.shiftKey || event.isComposing || composing.current || event.keyCode === 229) return;
              event.preventDefault();
              send();
            }}
          />
          {turn !== 0 && (
            <button
              type="button"
              class="icon round stop"
              aria-label="Stop the answer"
              title="Stop the answer"
              disabled={!connected || state.stopping === turn}
              onClick={() => void chat.cancel(turn)}
            >
              <Stop />
            </button>
          )}
          <button type="submit" class="primary icon round" aria-label="Send" title="Send" disabled={text.trim() === "" || tooLong}>
            <Send />
          </button>
        </div>
        <p class={`hint ${tooLong ? "failed" : "muted"}`}>
          {tooLong ? "Too long: at most 1 MB can be sent at once" : <span class="wide-only">Enter sends, Shift+Enter begins a new line</span>}
        </p>
      </div>
    </form>
  );
}

function placeholder(state: State): string {
  if (state.connection.is !== "open") return "Sent when the host is reached";
  return "Write a message";
}
