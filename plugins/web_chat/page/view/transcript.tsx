// The log of the session, with what is not in it yet below. Scrolling follows the newest only while the reader is there.
import { Component, createRef, type JSX } from "preact";
import type { Chat } from "../model/chat.ts";
import type { Entry } from "../model/session-json.ts";
import { runningTurn, type State } from "../model/state.ts";
import { DeliveredMessage, EntryView, ExchangeView, PendingMessage } from "./entries.tsx";
import * as format from "./format.ts";
import { Down } from "./icons.tsx";
import { Welcome } from "./welcome.tsx";

const kNear = 64; // pixels from the end that still count as being there
const kGap = 3_600_000; // between messages, for the time to be shown

interface Props {
  chat: Chat;
  state: State;
  sent: number; // grows with every message of the person, who then wants to see it
}

export class TranscriptView extends Component<Props, { away: boolean; unread: boolean }> {
  override state = { away: false, unread: false };
  private readonly frame = createRef<HTMLDivElement>();
  private readonly content = createRef<HTMLDivElement>();
  private readonly top = createRef<HTMLDivElement>();
  private following = true;
  private watching: ResizeObserver | null = null;
  private nearing: IntersectionObserver | null = null;
  private scrolled = false; // by the reader, since the session was opened

  override componentDidMount(): void {
    this.watching = new ResizeObserver(() => this.follow());
    if (this.content.current) this.watching.observe(this.content.current);
    if (this.frame.current) this.watching.observe(this.frame.current);
    this.nearing = new IntersectionObserver(
      (seen) => {
        if (this.scrolled && seen.some((each) => each.isIntersecting)) this.earlier();
      },
      { root: this.frame.current, rootMargin: "200px 0px 0px 0px" },
    );
    if (this.top.current) this.nearing.observe(this.top.current);
    this.follow();
  }
  override componentWillUnmount(): void {
    this.watching?.disconnect();
    this.nearing?.disconnect();
  }

  // Where the reader looks, before entries are put above.
  override getSnapshotBeforeUpdate(before: Props): number | null {
    const frame = this.frame.current;
    const old = before.state.transcript;
    const now = this.props.state.transcript;
    if (!frame || !old || !now || old.sessionId !== now.sessionId) return null;
    const first = old.entries[0]?.entry;
    const above = first !== undefined && (now.entries[0]?.entry ?? first) < first;
    return above ? frame.scrollHeight - frame.scrollTop : null;
  }
  override componentDidUpdate(before: Props, _state: unknown, fromEnd: number | null): void {
    const frame = this.frame.current;
    if (!frame) return;
    if (fromEnd !== null) frame.scrollTop = frame.scrollHeight - fromEnd;
    const old = before.state.transcript;
    const now = this.props.state.transcript;
    if (old?.sessionId !== now?.sessionId || before.sent !== this.props.sent) {
      this.following = true;
      this.scrolled = false;
    } else if (this.state.away && !this.state.unread && now && (old?.cursor?.seq ?? 0) < (now.cursor?.seq ?? 0)) {
      this.setState({ unread: true });
    }
    this.follow();
  }

  private follow(): void {
    const frame = this.frame.current;
    if (!frame || !this.following) return;
    frame.scrollTop = frame.querySelector(".welcome") ? 0 : frame.scrollHeight; // a welcome is read from its top
  }
  private readonly onScroll = (): void => {
    const frame = this.frame.current;
    if (!frame) return;
    this.following = frame.scrollHeight - frame.scrollTop - frame.clientHeight < kNear;
    if (!this.following) this.scrolled = true;
    const away = !this.following;
    if (away !== this.state.away) this.setState({ away, unread: false });
  };
  private readonly toEnd = (): void => {
    this.following = true;
    this.follow();
    this.setState({ away: false, unread: false });
  };
  private readonly earlier = (): void => void this.props.chat.loadEarlier();

  private again(entries: readonly Entry[], turn: number, how: format.Again): void {
    const asked = entries.find((entry) => entry.turn === turn && entry.type === "user_message");
    if (how === "continue") this.props.chat.say("Please continue.");
    else if (asked) this.props.chat.say(asked.text);
  }

  override render(): JSX.Element {
    const { chat, state } = this.props;
    const { transcript } = state;
    const usable = state.connection.is === "open";
    const running = runningTurn(state);
    const entries = transcript?.entries ?? [];
    const shown = new Set(entries.map((entry) => entry.data?.key).filter(Boolean));
    const here = (session: string | null): boolean => session === null || session === "?" || session === transcript?.sessionId;
    const pending = state.pending.filter((item) => !shown.has(item.key));
    const delivered = state.delivered.filter((item) => !shown.has(item.key) && !pending.some((each) => each.key === item.key));
    const waiting = new Set(state.synced ? (transcript?.waitingTurns ?? []) : []);
    const last = entries[entries.length - 1];
    const lastTurn = last?.type === "turn_end" && !state.past && pending.length === 0 ? last.turn : 0;
    const lastAsked = entries.some((entry) => entry.turn === lastTurn && entry.type === "user_message");
    const empty = entries.length === 0 && pending.length === 0 && delivered.length === 0 && state.exchanges.length === 0;
    const loading = transcript !== null && !state.synced && entries.length === 0;

    const rows: JSX.Element[] = [];
    let previous = 0;
    const exchanges = [...state.exchanges];
    const takeExchanges = (until: number): void => {
      while (exchanges[0] && exchanges[0].after < until) {
        const exchange = exchanges.shift();
        if (exchange) rows.push(<ExchangeView key={`x${exchange.key}`} exchange={exchange} />);
      }
    };
    for (const entry of entries) {
      takeExchanges(entry.entry);
      if (entry.type === "user_message") {
        const at = Date.parse(entry.at);
        if (at - previous > kGap) rows.push(<p key={`t${entry.entry}`} class="when">{format.moment(entry.at, Date.now())}</p>);
        previous = at;
      }
      const retriable = entry.turn !== 0 && entry.turn === lastTurn && lastAsked && (entry === last || entry.type === "permission");
      rows.push(
        <EntryView
          key={entry.entry}
          entry={entry}
          chat={chat}
          running={running !== 0 && entry.turn === running}
          waiting={entry.type === "user_message" && waiting.has(entry.turn)}
          again={retriable ? (how) => this.again(entries, entry.turn, how) : null}
          chosen={state.answering.get(entry.entry)}
          failure={state.answerFailures.get(entry.entry)}
          usable={usable}
        />,
      );
    }
    takeExchanges(Infinity);

    const growing = running !== 0 && last?.turn === running && last.type === "text" && !last.complete && last.text !== "";
    const asking = transcript?.session?.state === "waiting";
    return (
      <div class="transcript" ref={this.frame} onScroll={this.onScroll} tabIndex={0} role="region" aria-label="Conversation">
        <div class="column" ref={this.content}>
          <div ref={this.top} />
          {transcript && transcript.first > 1 && (
            <p class="when">
              <button type="button" class="plain" disabled={state.history.loading || !usable} onClick={this.earlier}>
                {state.history.loading ? "Loading…" : "Show earlier"}
              </button>
              {state.history.failure && <span class="failed"> {state.history.failure}</span>}
            </p>
          )}
          {empty && !loading && <Welcome state={state} />}
          {loading && <p class="when">Loading the conversation…</p>}
          {rows}
          {delivered.filter((item) => here(item.session)).map((item) => <DeliveredMessage key={`d${item.key}`} item={item} />)}
          {running !== 0 && !growing && !asking && (
            <p class="working">
              <span class="dots" aria-hidden="true"><i /><i /><i /></span> {state.stopping === running ? "Stopping…" : "Working…"}
            </p>
          )}
          {pending.map((item) => (
            <PendingMessage key={`p${item.key}`} item={item} chat={chat} sending={state.sending.has(item.key)} refused={state.refused.get(item.key)} elsewhere={!here(item.session)} />
          ))}
          {(state.past || transcript?.session?.ended) && entries.length > 0 && <p class="when">{pastText(state.past)} Your next message begins a new one.</p>}
        </div>
        {this.state.away && (
          <button type="button" class="to-end" onClick={this.toEnd}>
            <Down /> {this.state.unread ? "New below" : "To the end"}
          </button>
        )}
      </div>
    );
  }
}

function pastText(past: State["past"]): string {
  if (past === "dead") return "This session cannot be continued.";
  if (past === "gone") return "This session is not current any more.";
  return "This session has ended.";
}
