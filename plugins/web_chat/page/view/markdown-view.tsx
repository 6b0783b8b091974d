import { Component, createRef, type JSX } from "preact";
import { blocks, render, type Block } from "./markdown.ts";

// While a text grows only its last block changes: the others are not touched again.
export class Markdown extends Component<{ text: string }> {
  override shouldComponentUpdate(next: { text: string }): boolean {
    return next.text !== this.props.text;
  }
  override render(): JSX.Element {
    return (
      <div class="markdown" onClick={copyCode}>
        {blocks(this.props.text).map((block, at) => (
          <BlockView key={at} block={block} />
        ))}
      </div>
    );
  }
}

class BlockView extends Component<{ block: Block }> {
  private readonly place = createRef<HTMLDivElement>();
  override shouldComponentUpdate(next: { block: Block }): boolean {
    return next.block.raw !== this.props.block.raw;
  }
  override componentDidMount(): void {
    this.fill();
  }
  override componentDidUpdate(): void {
    this.fill();
  }
  private fill(): void {
    this.place.current?.replaceChildren(render(this.props.block.token));
  }
  override render(): JSX.Element {
    return <div ref={this.place} />;
  }
}

async function copyCode(event: MouseEvent): Promise<void> {
  const button = event.target instanceof Element ? event.target.closest<HTMLButtonElement>("button.copy") : null;
  const code = button?.closest(".code")?.querySelector("pre");
  if (!button || !code) return;
  button.textContent = (await copyText(code.textContent ?? "")) ? "Copied" : "Not copied";
  setTimeout(() => (button.textContent = "Copy"), 2000);
}

export async function copyText(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    // Without a secure context there is only the old way.
    const area = document.createElement("textarea");
    area.value = text;
    area.className = "visually-hidden";
    document.body.append(area);
    area.select();
    const copied = document.execCommand("copy");
    area.remove();
    return copied;
  }
}
