// An image, a sound or a file of the agent.
import { Component, createRef, type JSX } from "preact";
import { blobOf, contentOf, sizeText, type Content } from "../model/content.ts";
import type { Entry } from "../model/session-json.ts";
import { sentence } from "./format.ts";
import { Close, File, Save } from "./icons.tsx";

interface ContentState {
  url: string; // of the bytes, while it is on the page; empty: none yet
  broken: boolean; // it is not what it says it is
  large: boolean;
}

export class ContentView extends Component<{ entry: Entry }, ContentState> {
  override state: ContentState = { url: "", broken: false, large: false };
  private readonly content: Content | null = contentOf(this.props.entry.data);
  private readonly dialog = createRef<HTMLDialogElement>();

  override componentDidMount(): void {
    if (!this.content) return;
    try {
      this.setState({ url: URL.createObjectURL(blobOf(this.content)) });
    } catch {
      this.setState({ broken: true });
    }
  }
  override componentDidUpdate(): void {
    if (this.state.large && this.dialog.current?.open === false) this.dialog.current.showModal();
  }
  override componentWillUnmount(): void {
    if (this.state.url) URL.revokeObjectURL(this.state.url);
  }

  private readonly failed = (): void => this.setState({ broken: true });
  private readonly open = (): void => this.setState({ large: true });
  private readonly close = (): void => this.setState({ large: false });

  override render(): JSX.Element | null {
    const { content } = this;
    const words = this.props.entry.text;
    if (!content) return <p class="line">{words}</p>;
    const { url, broken, large } = this.state;
    const plain = words.replace(/^\[(.*)\]$/, "$1");
    if (url !== "" && content.is === "image" && !broken) {
      return (
        <figure class="content image" aria-label={plain}>
          <button type="button" class="plain" aria-label={`Show large: ${plain}`} onClick={this.open}>
            <img src={url} alt={plain} onError={this.failed} />
          </button>
          {large && (
            <dialog class="large" ref={this.dialog} aria-label={plain} onClose={this.close} onClick={(event) => event.target === event.currentTarget && this.dialog.current?.close()}>
              <img src={url} alt={plain} />
              <p class="large-bar">
                <a class="download" href={url} download={content.name}>
                  <Save /> Save {content.name}
                </a>
                <button type="button" class="icon" aria-label="Close" onClick={() => this.dialog.current?.close()}>
                  <Close />
                </button>
              </p>
            </dialog>
          )}
        </figure>
      );
    }
    return (
      <figure class="content" aria-label={plain}>
        {content.is === "audio" && url !== "" && !broken && <audio controls preload="metadata" src={url} aria-label={plain} onError={this.failed} />}
        {url === "" ? (
          <p class="line">{words}</p>
        ) : (
          <a class="download card" href={url} download={content.name}>
            <File />
            <span class="grow">{content.name}</span>
            <span class="size">{sizeText(content.size)}</span>
            <Save />
          </a>
        )}
        {url !== "" && (broken || this.props.entry.data.type === "image") && <p class="line">{`${sentence(plain)}: it cannot be shown here, only saved`}</p>}
      </figure>
    );
  }
}
