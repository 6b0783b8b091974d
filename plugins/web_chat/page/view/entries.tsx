// How each kind of entry looks.
import { Component, type ComponentChildren, type JSX } from "preact";
import type { Chat } from "../model/chat.ts";
import type { Item } from "../model/outbox.ts";
import type { Entry } from "../model/session-json.ts";
import type { Exchange } from "../model/state.ts";
import { ContentView } from "./content.tsx";
import * as format from "./format.ts";
import { Alert, Check, Chevron, Clock, Cross, Dot, Restore, Shield, Thought, Tool } from "./icons.tsx";
import { Markdown } from "./markdown-view.tsx";

export interface EntryProps {
  entry: Entry;
  chat: Chat;
  running: boolean; // its turn runs
  waiting: boolean; // its turn is in the queue
  again: ((how: format.Again) => void) | null; // of the last turn, where it can be asked for once more
  chosen: string | undefined; // the option of a permission request that was pressed here
  failure: string | undefined;
  usable: boolean; // connected
}

export class EntryView extends Component<EntryProps> {
  override shouldComponentUpdate(next: EntryProps): boolean {
    const { props } = this;
    return (Object.keys(next) as (keyof EntryProps)[]).some((name) => {
      if (name === "again") return (next.again === null) !== (props.again === null);
      return next[name] !== props[name];
    });
  }
  override render(): JSX.Element | null {
    const { entry } = this.props;
    switch (entry.type) {
      case "user_message":
        return <UserMessage {...this.props} />;
      case "text":
        return entry.text.trim() === "" ? null : (
          <article class="answer" aria-label="Answer">
            <Markdown text={entry.text} />
          </article>
        );
      case "content":
        return <ContentView entry={entry} />;
      case "thought":
        return <ThoughtView entry={entry} running={this.props.running} />;
      case "tool_call":
        return <ToolCall entry={entry} running={this.props.running} />;
      case "plan":
        return <Plan entry={entry} />;
      case "permission":
        return <Permission {...this.props} />;
      case "usage": {
        const text = format.usage(entry.data);
        return text ? <p class="line">{text}</p> : null;
      }
      case "notice":
        return <Line icon={<Alert />}>{entry.text}</Line>;
      case "context_restored":
        return (
          <Line icon={<Restore />}>
            {entry.text || "The agent was given the conversation again"}
            {entry.data.reason && !entry.text.includes(entry.data.reason) ? ` (${entry.data.reason})` : ""}
          </Line>
        );
      case "turn_end":
        return <TurnEnd {...this.props} />;
      default:
        return null; // a newer host; what it means is not known here
    }
  }
}

function Line({ icon, children }: { icon: JSX.Element; children: ComponentChildren }): JSX.Element {
  return (
    <p class="line">
      {icon}
      <span>{children}</span>
    </p>
  );
}

function UserMessage({ entry, chat, waiting, usable }: EntryProps): JSX.Element {
  const name = format.authorName(entry.data.author);
  const elsewhere = entry.data.author?.surface && entry.data.author.surface !== chat.state.product.surface;
  return (
    <article class="said" aria-label="You said">
      <div class="bubble" title={new Date(entry.at).toLocaleString()}>
        {entry.text}
      </div>
      {elsewhere && <span class="under">{name ? `${name}, ` : ""}from {entry.data.author?.surface}</span>}
      {waiting && (
        <span class="under">
          <Clock /> Waiting for its turn ·{" "}
          <button type="button" class="link" disabled={!usable} onClick={() => void chat.cancel(entry.turn)}>
            Remove
          </button>
        </span>
      )}
    </article>
  );
}

// What the person said and the server has not confirmed.
interface PendingProps {
  item: Item;
  chat: Chat;
  sending: boolean;
  refused?: string; // why not yet
  elsewhere?: boolean;
}
export function PendingMessage({ item, chat, sending, refused, elsewhere }: PendingProps): JSX.Element {
  const { failure } = item;
  const restart = failure && (failure.code === "session_dead" || failure.code === "not_found");
  return (
    <article class="said pending" aria-label="You said, not sent yet" data-key={item.key}>
      <div class="bubble">{item.text}</div>
      {failure ? (
        <div class="under failed" role="alert">
          <span>
            <Alert /> Not sent: {failure.message}
          </span>
          <span class="buttons">
            {restart ? (
              <button type="button" onClick={() => chat.restartItem(item.key)}>Send in a new session</button>
            ) : (
              <button type="button" onClick={() => chat.retryItem(item.key)}>Try again</button>
            )}
            <button type="button" class="plain" onClick={() => chat.discardItem(item.key)}>Discard</button>
          </span>
        </div>
      ) : refused !== undefined ? (
        <div class="under failed" role="alert">
          <span>
            <Clock /> Not sent yet: {refused}
          </span>
          <span class="buttons">
            <button type="button" disabled={sending} onClick={() => chat.retryItem(item.key)}>{sending ? "Trying again…" : "Try now"}</button>
            <button type="button" class="plain" disabled={sending} onClick={() => chat.discardItem(item.key)}>Discard</button>
          </span>
        </div>
      ) : (
        <span class="under">
          <Clock /> {sending ? "Sending…" : elsewhere ? "Waiting to be sent to another session" : "Kept here until the host is reached"}
          {!sending && (
            <>
              {" · "}
              <button type="button" class="link" onClick={() => chat.discardItem(item.key)}>
                Discard
              </button>
            </>
          )}
        </span>
      )}
    </article>
  );
}

// Confirmed, but the log has not shown it yet.
export function DeliveredMessage({ item }: { item: Item }): JSX.Element {
  return (
    <article class="said" aria-label="You said">
      <div class="bubble">{item.text}</div>
    </article>
  );
}

export function ExchangeView({ exchange }: { exchange: Exchange }): JSX.Element {
  return (
    <>
      <article class="said" aria-label="You said">
        <div class="bubble">{exchange.text}</div>
      </article>
      <article class="answer" aria-label="Memory">
        <p class="line"><Thought /> <span>From your memory, not from the agent</span></p>
        <p class="verbatim">{exchange.response}</p>
      </article>
    </>
  );
}

function ThoughtView({ entry, running }: { entry: Entry; running: boolean }): JSX.Element | null {
  if (entry.text.trim() === "") return null;
  const growing = running && !entry.complete;
  return (
    <details class="fold">
      <summary>
        <Chevron />
        <Thought />
        <span class="grow">{growing ? "Thinking…" : "Thought"}</span>
      </summary>
      <div class="inside muted">
        <Markdown text={entry.text} />
      </div>
    </details>
  );
}

const kToolStatus: Record<string, [string, () => JSX.Element]> = {
  pending: ["Waiting", Clock],
  in_progress: ["Running", Dot],
  completed: ["Done", Check],
  failed: ["Failed", Cross],
};

function ToolCall({ entry, running }: { entry: Entry; running: boolean }): JSX.Element {
  const { data } = entry;
  let status = data.status ?? "pending";
  // Its turn is over: whatever it was doing, it does no more.
  const abandoned = !running && (status === "pending" || status === "in_progress");
  if (abandoned) status = "abandoned";
  const [label, Icon] = kToolStatus[status] ?? ["Not finished", Clock];
  const input = format.pretty(data.rawInput);
  const output = format.toolText(data.content) || format.pretty(data.rawOutput);
  const head = (
    <>
      <Tool />
      <span class="grow">{data.title || data.kind || "Tool"}</span>
      <span class={`status ${status}`}>
        <Icon />
        {label}
      </span>
    </>
  );
  if (!input && !output) return <div class="fold"><div class="summary">{head}</div></div>;
  return (
    <details class="fold">
      <summary>
        <Chevron />
        {head}
      </summary>
      <div class="inside">
        {input && (
          <>
            <h3>Input</h3>
            <pre tabIndex={0}>{input}</pre>
          </>
        )}
        {output && (
          <>
            <h3>Output</h3>
            <pre tabIndex={0}>{output}</pre>
          </>
        )}
      </div>
    </details>
  );
}

const kPlanStatus: Record<string, [string, () => JSX.Element]> = {
  completed: ["Done", Check],
  in_progress: ["In progress", Dot],
  pending: ["To do", Clock],
};

function Plan({ entry }: { entry: Entry }): JSX.Element {
  const steps = entry.data.entries ?? [];
  return (
    <section class="card plan" aria-label="Plan">
      <h3>Plan</h3>
      <ol>
        {steps.map((step) => {
          const [label, Icon] = kPlanStatus[step.status ?? "pending"] ?? ["To do", Clock];
          return (
            <li class={step.status}>
              <Icon />
              <span class="visually-hidden">{label}: </span>
              <span>{step.content}</span>
            </li>
          );
        })}
      </ol>
    </section>
  );
}

function Permission({ entry, chat, running, again, chosen, failure, usable }: EntryProps): JSX.Element {
  const { data } = entry;
  const options = data.options ?? [];
  const call = data.toolCall;
  const details = call ? format.pretty(call.rawInput) || format.toolText(call.content) : "";
  const title = data.title || (typeof call?.title === "string" ? call.title : "The agent asks for permission");
  const by = format.authorName(data.by);
  const first = options.findIndex((option) => option.kind?.startsWith("allow"));
  let body: JSX.Element;
  if (data.status === "pending") {
    body = (
      <>
        <div class="buttons">
          {options.map((option, at) => (
            <button
              type="button"
              class={at === first ? "primary" : ""}
              disabled={!usable || chosen !== undefined}
              aria-busy={chosen === option.optionId}
              onClick={() => void chat.answer(entry.entry, option.optionId)}
            >
              {option.name || option.optionId}
            </button>
          ))}
        </div>
        {!usable && <p class="under">You can answer when the host is reached again.</p>}
      </>
    );
  } else if (data.status === "selected") {
    const option = options.find((each) => each.optionId === data.option_id);
    body = (
      <p class="under">
        {option?.kind?.startsWith("reject") ? <Cross /> : <Check />} {option?.name ?? data.option_id}
        {by && `, decided by ${by}`}
      </p>
    );
  } else {
    const expired = data.status === "expired";
    body = (
      <p class="under">
        <Clock /> {expired ? "Expired, which is not a refusal" : "Withdrawn"}
        {data.reason && `: ${data.reason}`}
        {expired && again && (
          <button type="button" onClick={() => again("retry")}>Ask again</button>
        )}
      </p>
    );
  }
  const open = data.status === "pending" && running;
  return (
    <section class={`card permission ${open ? "open" : ""}`} aria-label="Permission request">
      <h3>
        <Shield /> {title}
      </h3>
      {details && <pre tabIndex={0}>{details}</pre>}
      {body}
      {failure && <p class="under failed" role="alert"><Alert /> {failure}</p>}
    </section>
  );
}

function TurnEnd({ entry, again, usable }: EntryProps): JSX.Element | null {
  const outcome = format.outcome(entry.data);
  if (!outcome) return null;
  return (
    <div class={`ended ${outcome.tone}`}>
      <p>
        {outcome.tone !== "muted" && <Alert />}
        <span>{outcome.text}</span>
      </p>
      {again && outcome.again.length > 0 && (
        <span class="buttons">
          {outcome.again.includes("continue") && (
            <button type="button" disabled={!usable} onClick={() => again("continue")}>Continue</button>
          )}
          {outcome.again.includes("retry") && (
            <button type="button" disabled={!usable} onClick={() => again("retry")}>Try again</button>
          )}
        </span>
      )}
    </div>
  );
}
