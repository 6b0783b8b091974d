// The Slack surface without Slack: channels, threads and direct messages of a workspace that is only in this host's memory.
import { render, type JSX } from "preact";
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import "../../../web/base.css";
import { effectiveTheme, toggleTheme } from "../../../web/theme.ts";
import { Markdown } from "../../web_chat/page/view/markdown-view.tsx";
import { Blocks } from "./blocks.tsx";
import { act, connect, kUnreachable } from "./connection.ts";
import * as model from "./model.ts";
import "./style.css";
import { Jump, Mrkdwn } from "./text.tsx";

const kHome = "home";
const kEnd = 80; // pixels from the end that count as the end

interface Here {
  world: model.World;
  me: string;
  channel: model.Channel;
  act: (what: string, more: Record<string, string>) => Promise<boolean>;
  openThread: (ts: string) => void;
}

function Page(): JSX.Element {
  const [world, setWorld] = useState<model.World | null>(null);
  const [live, setLive] = useState(true);
  const [me, setMe] = useState("U0ALICE");
  const [place, setPlace] = useState("C0GENERAL");
  const [thread, setThread] = useState("");
  const [failure, setFailure] = useState("");
  const [menu, setMenu] = useState(false);
  const [dark, setDark] = useState(effectiveTheme() === "dark");
  const [seen, setSeen] = useState<Record<string, string>>({});
  useEffect(() => connect((change) => setWorld((before) => model.merged(before, change)), (is) => {
    setLive(is);
    if (is) setFailure((before) => (before === kUnreachable ? "" : before));
  }), []);

  const channels = world ? model.channelsOf(world, me) : [];
  const channel = channels.find(({ id }) => id === place);
  const latest = world && channel ? model.newest(world, channel.id, me) : "";
  useEffect(() => {
    if (channel) setSeen((before) => ({ ...before, [`${me}/${channel.id}`]: latest }));
  }, [channel?.id, latest, me]);

  const doing = async (what: string, more: Record<string, string>): Promise<boolean> => {
    const why = await act({ as: me, do: what, ...more });
    setFailure(why ?? "");
    return why === null;
  };
  const go = (id: string): void => {
    setPlace(id);
    setThread("");
    setMenu(false);
    setFailure("");
    if (id === kHome) void doing("home", {});
  };
  const become = (person: string): void => {
    const direct = world?.channels.find((one) => one.person === person);
    setMe(person);
    setThread("");
    if (channel?.person) setPlace(direct?.id ?? "C0GENERAL");
    if (place === kHome) void act({ as: person, do: "home" });
  };
  const jump = (to: string, ts: string): void => {
    if (!channels.some(({ id }) => id === to)) return setFailure("That is in somebody else's direct messages");
    go(to);
    setThread(world?.messages.find((one) => one.ts === ts && one.channel === to)?.thread || ts);
  };
  const here = world && channel ? { world, me, channel, act: doing, openThread: setThread } : null;
  return (
    <Jump.Provider value={jump}>
      <div class="frame">
        <header class="banner">
          <button type="button" class="plain menu" aria-expanded={menu} onClick={() => setMenu(!menu)}>Channels</button>
          <h1>Simulator: nothing here is on Slack</h1>
          <button type="button" class="plain" onClick={() => setDark(toggleTheme() === "dark")}>{dark ? "Light" : "Dark"}</button>
        </header>
        {!live && <p class="strip" role="status">Not connected to the host. What is shown may be old.</p>}
        {failure && (live || failure !== kUnreachable) && (
          <p class="strip" role="alert">
            <span>{failure}.</span>
            <button type="button" class="link" onClick={() => setFailure("")}>Dismiss</button>
          </p>
        )}
        <div class={thread ? "panes with-thread" : "panes"} data-ready={world ? "yes" : "no"}>
          <nav aria-label="Channels" class={menu ? "open" : ""}>
            {world && (
              <label class="who">
                <span class="muted small">You are</span>
                <select value={me} onChange={(event) => become(event.currentTarget.value)}>
                  {world.people.map(({ id, name, guest }) => <option key={id} value={id}>{name}{guest ? " (guest)" : ""}</option>)}
                </select>
              </label>
            )}
            <ul>
              {world && channels.map((one) => {
                const isNew = one.id !== place && model.newest(world, one.id, me) > (seen[`${me}/${one.id}`] ?? "");
                return (
                  <li key={one.id}>
                    <button type="button" class="plain" aria-current={one.id === place ? "page" : undefined} onClick={() => go(one.id)}>
                      <span>{one.person ? `@ ${world.bot.name}` : `# ${one.name}`}</span>
                      {isNew && <span class="dot"><span class="visually-hidden">has news</span></span>}
                    </button>
                  </li>
                );
              })}
              {world && <li><button type="button" class="plain" aria-current={place === kHome ? "page" : undefined} onClick={() => go(kHome)}>Home of {world.bot.name}</button></li>}
            </ul>
          </nav>
          {!world && <main><p class="muted empty">Loading…</p></main>}
          {world && place === kHome && <Home world={world} me={me} />}
          {here && <ChannelPane {...here} key={`${me}/${place}`} hidden={thread !== ""} />}
          {here && thread && <ThreadPane {...here} key={`${me}/${thread}`} ts={thread} close={() => setThread("")} />}
        </div>
      </div>
    </Jump.Provider>
  );
}

function Home({ world, me }: { world: model.World; me: string }): JSX.Element {
  const blocks = world.homes[me];
  return (
    <main class="pane" aria-label="Home">
      <div class="scroll">{blocks ? <Blocks blocks={blocks} world={world} /> : <p class="muted">The app has not shown its home yet.</p>}</div>
    </main>
  );
}

function ChannelPane({ hidden, ...here }: Here & { hidden: boolean }): JSX.Element {
  const { world, me, channel } = here;
  const messages = model.top(world, channel.id, me);
  const status = messages.map(({ ts }) => world.statuses[`${channel.id}/${ts}`]).filter(Boolean).at(-1);
  const bot = world.bot.name;
  const ideas = channel.person
    ? [...(world.prompts[channel.id] ?? []).map(({ message }) => message), `${world.command} help`]
    : [`@${bot} hello`, `${world.command} new`, `${world.command} list`, `${world.command} sessions`, `${world.command} help`];
  return (
    <main class={hidden ? "pane behind" : "pane"} aria-label={channel.person ? `Direct messages with ${bot}` : `Channel ${channel.name}`}>
      <h2>{channel.person ? `@ ${bot}` : `# ${channel.name}`}</h2>
      {!channel.has_bot && (
        <p class="strip">
          <span>{bot} is not in this channel: it hears only {world.command}.</span>
          <button type="button" onClick={() => void here.act("invite", { channel: channel.id })}>Invite {bot}</button>
        </p>
      )}
      <Messages {...here} messages={messages} label="Messages" />
      {status && <p class="status muted small" role="status">{bot} {status}</p>}
      <Composer {...here} name="Message" thread="" ideas={ideas} />
    </main>
  );
}

function ThreadPane({ ts, close, ...here }: Here & { ts: string; close: () => void }): JSX.Element {
  const { world, me, channel } = here;
  const messages = model.thread(world, channel.id, ts, me);
  const status = world.statuses[`${channel.id}/${ts}`];
  return (
    <aside class="pane" aria-label="Thread">
      <div class="title">
        <h2>Thread</h2>
        <button type="button" class="plain" onClick={() => void here.act("stop", { channel: channel.id, message: ts })}>Stop the agent</button>
        <button type="button" class="plain" onClick={close}>Close</button>
      </div>
      <Messages {...here} messages={messages} label="Replies" inThread />
      {status && <p class="status muted small" role="status">{world.bot.name} {status}</p>}
      <Composer {...here} name="Reply" thread={ts} ideas={["stop", "status", "end"].map((word) => `@${world.bot.name} ${word}`)} />
    </aside>
  );
}

function Messages({ messages, label, inThread, ...here }: Here & { messages: model.Message[]; label: string; inThread?: boolean }): JSX.Element {
  const list = useRef<HTMLDivElement>(null);
  const follows = useRef(true);
  const top = useRef(0);
  const own = useRef("");
  const [seen, setSeen] = useState("");
  const newest = messages.at(-1);
  const follow = (): void => {
    if (follows.current && list.current) list.current.scrollTop = list.current.scrollHeight;
  };
  useLayoutEffect(() => {
    // Once for each message of one's own: it may change while one reads further up.
    if (newest?.user === here.me && newest.ts !== own.current) {
      own.current = newest.ts;
      follows.current = true;
    }
    follow();
    if (follows.current) setSeen(newest?.ts ?? "");
  }, [messages]);
  // A message is drawn, and grows, after this: what is followed stays at its end.
  useEffect(() => {
    if (!list.current) return;
    const grown = new MutationObserver(follow);
    grown.observe(list.current, { childList: true, subtree: true, characterData: true });
    const resized = new ResizeObserver(follow);
    resized.observe(list.current);
    return () => (grown.disconnect(), resized.disconnect());
  }, []);
  const scrolled = ({ scrollTop, scrollHeight, clientHeight }: HTMLDivElement): void => {
    // Only a person goes up.
    if (scrollHeight - scrollTop - clientHeight < kEnd) follows.current = true;
    else if (scrollTop < top.current) follows.current = false;
    top.current = scrollTop;
    if (follows.current) setSeen(newest?.ts ?? "");
  };
  return (
    <div class="scrolling">
      <div class="scroll" role="log" aria-label={label} tabIndex={0} ref={list} onScroll={({ currentTarget }) => scrolled(currentTarget)}>
        {messages.length === 0 && <p class="muted empty">Nothing has been said here.</p>}
        {messages.map((message) => <One key={message.ts} {...here} message={message} inThread={inThread ?? false} />)}
      </div>
      {newest && newest.ts > seen && (
        <button type="button" class="news" onClick={() => ((follows.current = true), follow(), setSeen(newest.ts))}>New messages ↓</button>
      )}
    </div>
  );
}

function One({ message, inThread, ...here }: Here & { message: model.Message; inThread: boolean }): JSX.Element {
  const { world, me } = here;
  const name = model.nameOf(world, message.user);
  const isBot = message.user === world.bot.id;
  const of = { channel: message.channel, message: message.ts };
  const answers = inThread || message.thread ? 0 : model.replies(world, message, me);
  return (
    <article class={message.to ? "message whisper" : "message"} aria-label={name}>
      <p class="from">
        <strong>{name}</strong>
        {isBot && <span class="app">APP</span>}
        <time class="muted small">{model.clock(message.ts)}</time>
        {message.edited && <span class="muted small">edited</span>}
        {message.streams && <span class="muted small">still writing</span>}
      </p>
      {message.to && <p class="muted small">Only visible to you</p>}
      {message.blocks.length > 0
        ? <Blocks blocks={message.blocks} world={world} press={(action, option) => void here.act("press", { ...of, action, ...(option ? { option } : {}) })} />
        : isBot && message.streams ? <Markdown text={message.text} /> : <Mrkdwn text={message.text} world={world} />}
      {message.file && (message.file.text.startsWith("data:image/")
        ? <img class="picture" src={message.file.text} alt={message.file.words || message.file.name} title={message.file.name} />
        : <details><summary>{message.file.name}</summary><pre tabIndex={0}>{message.file.text}</pre></details>)}
      {message.reactions.length > 0 && (
        <p class="reactions">
          {message.reactions.map(({ name: one, users }) => (
            <span key={one} title={`${one}: ${users.map((user) => model.nameOf(world, user)).join(", ")}`} aria-label={`Reaction ${one}`}>{model.emoji(one)} {users.length}</span>
          ))}
        </p>
      )}
      <p class="tools">
        {answers > 0 && <button type="button" class="link" onClick={() => here.openThread(message.ts)}>{answers === 1 ? "1 reply" : `${answers} replies`}</button>}
        {answers === 0 && !inThread && !message.to && <button type="button" class="link quiet" onClick={() => here.openThread(message.ts)}>Reply in a thread</button>}
        {!message.to && !isBot && <button type="button" class="link quiet" onClick={() => void here.act("send_to_agent", of)}>Send to agent</button>}
      </p>
    </article>
  );
}

function Composer({ name, thread, ideas, ...here }: Here & { name: string; thread: string; ideas: string[] }): JSX.Element {
  const [text, setText] = useState("");
  const input = useRef<HTMLTextAreaElement>(null);
  const send = async (): Promise<void> => {
    if (text.trim() === "") return;
    if (await here.act("say", { channel: here.channel.id, thread, text })) setText("");
  };
  return (
    <form class="composer" onSubmit={(event) => (event.preventDefault(), void send())}>
      <p class="ideas">
        {[...new Set(ideas)].map((idea) => (
          <button key={idea} type="button" class="idea" onClick={() => (setText(idea), input.current?.focus())}>{idea}</button>
        ))}
      </p>
      <div class="line">
        <textarea aria-label={name} rows={2} ref={input} value={text} onInput={(event) => setText(event.currentTarget.value)}
          placeholder={thread ? "Reply in this thread" : here.channel.person ? `Write to ${here.world.bot.name}` : `@${here.world.bot.name} …, or ${here.world.command} …`}
          onKeyDown={(event) => {
            if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
            event.preventDefault();
            void send();
          }} />
        <button type="submit" class="primary" disabled={text.trim() === ""}>Send</button>
      </div>
    </form>
  );
}

const place = document.getElementById("app");
if (place) render(<Page />, place);
