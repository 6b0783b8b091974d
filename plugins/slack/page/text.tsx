import { createContext, type JSX } from "preact";
import { useContext } from "preact/hooks";
import { emoji, nameOf, type World } from "./model.ts";
import { parse, permalink, type Node } from "./mrkdwn.ts";

// Opens the thread that a link within the workspace leads to.
export const Jump = createContext<(channel: string, ts: string) => void>(() => {});

export function Mrkdwn({ text, world }: { text: string; world: World }): JSX.Element {
  return <div class="mrkdwn">{parse(text).map((node, at) => <Piece key={at} node={node} world={world} />)}</div>;
}

function Piece({ node, world }: { node: Node; world: World }): JSX.Element {
  const inner = (nodes: Node[]): JSX.Element[] => nodes.map((one, at) => <Piece key={at} node={one} world={world} />);
  switch (node.kind) {
    case "text":
      return <>{node.text}</>;
    case "code":
      return <code>{node.text}</code>;
    case "pre":
      return <pre tabIndex={0}>{node.text}</pre>;
    case "bold":
      return <strong>{inner(node.nodes)}</strong>;
    case "italic":
      return <em>{inner(node.nodes)}</em>;
    case "strike":
      return <s>{inner(node.nodes)}</s>;
    case "quote":
      return <blockquote>{inner(node.nodes)}</blockquote>;
    case "emoji":
      return <>{emoji(node.text)}</>;
    case "user":
      return <span class="mention">@{nameOf(world, node.text)}</span>;
    case "channel":
      return <span class="mention">#{world.channels.find(({ id }) => id === node.text)?.name ?? node.text}</span>;
    case "call":
      return <span class="mention">@{node.text}</span>;
    case "link": {
      const to = permalink(node.url);
      return to ? <Inside to={to} text={node.text} /> : <a href={node.url} target="_blank" rel="noopener noreferrer">{node.text}</a>;
    }
  }
}

function Inside({ to, text }: { to: { channel: string; ts: string }; text: string }): JSX.Element {
  const jump = useContext(Jump);
  return <button type="button" class="link" onClick={() => jump(to.channel, to.ts)}>{text}</button>;
}
