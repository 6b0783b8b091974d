import type { JSX } from "preact";
import { Markdown } from "../../web_chat/page/view/markdown-view.tsx";
import type { Block, Control, TextPart, World } from "./model.ts";
import { Mrkdwn } from "./text.tsx";

// What a press does; without it the controls are only shown.
export type Press = (action: string, option?: string) => void;

interface Props {
  blocks: Block[];
  world: World;
  press?: Press | undefined;
}

export function Blocks({ blocks, world, press }: Props): JSX.Element {
  return <>{blocks.map((block, at) => <One key={at} block={block} world={world} press={press} />)}</>;
}

const words = (part: TextPart | string | undefined): string => (typeof part === "string" ? part : (part?.text ?? ""));

function Text({ part, world }: { part: TextPart | string | undefined; world: World }): JSX.Element {
  if (typeof part === "object" && part.type === "plain_text") return <div class="mrkdwn">{part.text}</div>;
  return <Mrkdwn text={words(part)} world={world} />;
}

function One({ block, world, press }: { block: Block; world: World; press?: Press | undefined }): JSX.Element | null {
  switch (block.type) {
    case "markdown":
      return <Markdown text={words(block.text)} />;
    case "header":
      return <h4>{words(block.text)}</h4>;
    case "divider":
      return <hr />;
    case "section":
      return (
        <div class="section">
          <div class="grow">
            {block.text && <Text part={block.text} world={world} />}
            {block.fields && <div class="fields">{block.fields.map((field, at) => <Text key={at} part={field} world={world} />)}</div>}
          </div>
          {block.accessory && <Controls all={[block.accessory]} press={press} />}
        </div>
      );
    case "context":
      return <div class="context">{(block.elements ?? []).map((part, at) => (part.type === "image" ? <span key={at}>[{part.alt_text}]</span> : <Text key={at} part={part as TextPart} world={world} />))}</div>;
    case "actions":
      return <Controls all={block.elements ?? []} press={press} />;
    case "image":
      return <p class="muted">[{block.alt_text}]</p>;
    default:
      return <p class="muted small">A block of type {block.type}</p>;
  }
}

function Controls({ all, press }: { all: Control[]; press?: Press | undefined }): JSX.Element {
  return (
    <div class="controls">
      {all.map((control, at) => {
        const action = control.action_id ?? "";
        const look = control.style === "primary" ? "primary" : control.style === "danger" ? "danger" : "";
        if (control.type === "button")
          return <button key={at} type="button" class={look} disabled={!press} onClick={() => press?.(action)}>{words(control.text)}</button>;
        if (control.type === "static_select" || control.type === "overflow")
          return (
            <select key={at} disabled={!press} aria-label={words(control.placeholder) || "Choose"} value=""
              onChange={(event) => event.currentTarget.value && press?.(action, event.currentTarget.value)}>
              <option value="">{words(control.placeholder) || "Choose…"}</option>
              {(control.options ?? []).map((option) => <option key={option.value} value={option.value}>{words(option.text)}</option>)}
            </select>
          );
        return <span key={at} class="muted small">{control.alt_text ?? `A control of type ${control.type}`}</span>;
      })}
    </div>
  );
}
