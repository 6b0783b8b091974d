// Where the person writes. Enter sends, Shift+Enter begins a new line, and a word that an input method is still composing is left alone.
import type { JSX } from "preact";
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import type { Chat } from "../model/chat.ts";
import { fitting, type Command } from "../model/commands.ts";
import { kMaxMessageBytes } from "../model/protocol.ts";
import { runningTurn, target, type State } from "../model/state.ts";
import { utf8Length } from "../model/utf8.ts";
import { commandId, Commands, kCommandList } from "./commands.tsx";
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

  const offered = target(state) ? (state.transcript?.commands ?? []) : [];
  const [focused, setFocused] = useState(false);
  const [dismissed, setDismissed] = useState(false); // until the message begins anew
  const [active, setActive] = useState(0);
  const commands = focused && !dismissed ? fitting(offered, text) : [];
  const at = Math.min(active, commands.length - 1);

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
    setActive(0);
    if (!value.startsWith("/")) setDismissed(false);
  };
  const choose = (command: Command): void => {
    change(`/${command.name} `);
    area.current?.focus();
  };
  // Whether the key was for the list.
  const inList = (event: KeyboardEvent): boolean => {
    const command = commands[at];
    if (!command || event.shiftKey || event.ctrlKey || event.altKey || event.metaKey) return false;
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      setActive((at + (event.key === "ArrowDown" ? 1 : commands.length - 1)) % commands.length);
    } else if (event.key === "Escape") {
      setDismissed(true);
    } else if (event.key === "Tab" || (event.key === "Enter" && text !== `/${command.name}`)) {
      choose(command);
    } else {
      return false;
    }
    event.preventDefault();
    event.stopPropagation();
    return true;
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
          {commands.length > 0 && <Commands commands={commands} active={at} onChoose={choose} />}
          <textarea
            ref={area}
            rows={1}
            value={text}
            aria-label="Message"
            placeholder={placeholder(state)}
            enterkeyhint="send"
            aria-autocomplete={offered.length > 0 ? "list" : undefined}
            aria-haspopup={offered.length > 0 ? "listbox" : undefined}
            aria-controls={commands.length > 0 ? kCommandList : undefined}
            aria-activedescendant={commands.length > 0 ? commandId(at) : undefined}
            onFocus={() => setFocused(true)}
            onBlur={() => setFocused(false)}
            onInput={(event) => change(event.currentTarget.value)}
            onCompositionStart={() => (composing.current = true)}
            onCompositionEnd={() => (composing.current = false)}
            onKeyDown={(event) => {
              // 229: a key that went to the input method; Safari ends the composition before its Enter.
              if (event.isComposing || composing.current || event.keyCode === 229 || inList(event)) return;
              if (event.key !== "Enter" || event.shiftKey) return;
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
          {tooLong ? "Too long: at most 1 MB can be sent at once" : <span class="wide-only">Enter sends, Shift+Enter begins a new line{offered.length > 0 && ", / lists commands"}</span>}
        </p>
        <p class="visually-hidden" role="status">
          {commands.length > 0 && `${commands.length} ${commands.length === 1 ? "command" : "commands"}, up and down to choose`}
        </p>
      </div>
    </form>
  );
}

function placeholder(state: State): string {
  if (state.connection.is !== "open") return "Sent when the host is reached";
  return "Write a message";
}
