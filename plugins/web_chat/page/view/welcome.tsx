import type { JSX } from "preact";
import { useState } from "preact/hooks";
import type { State } from "../model/state.ts";
import { Alert, Logo } from "./icons.tsx";

export function Welcome({ state }: { state: State }): JSX.Element {
  return (
    <div class="welcome">
      <span class="mark"><Logo /></span>
      <h2>{state.agent?.mock ? "This is the mock backend" : "What can I do for you?"}</h2>
      <p class="muted">
        {state.agent?.mock
          ? "No agent is connected: the mock only repeats what you write. Everything around it is real, so try it: close this tab or restart the host, and the conversation stays."
          : "Your first message starts a session. It goes on where you left it, also after a closed tab or a restart."}
      </p>
      {state.agent?.mock && <Connect surface={state.product.surface} />}
    </div>
  );
}

// Always there, so that nobody takes the mock for an agent.
export function MockBanner({ state }: { state: State }): JSX.Element {
  const [open, setOpen] = useState(false);
  return (
    <div class="banner" role="note">
      <p>
        <Alert />
        <span>
          <strong>This is the mock backend.</strong> <span class="wide-only">It repeats what you write; no agent is connected. </span>
          <button type="button" class="link" aria-expanded={open} onClick={() => setOpen(!open)}>
            {open ? "Close" : "Connect an agent"}
          </button>
        </span>
      </p>
      {open && <Connect surface={state.product.surface} />}
    </div>
  );
}

function Connect({ surface }: { surface: string }): JSX.Element {
  const lines = [
    "backends:",
    "  local-model:       # Ollama, or any other server with this API",
    "    plugin: bridge",
    "    config:",
    "      driver: llm",
    "      api: openai    # or anthropic",
    "      base_url: http://127.0.0.1:11434/v1",
    "      model: qwen3",
    "surfaces:",
    `  ${surface}:`,
    "    plugin: web_chat",
    "    backend: local-model",
  ];
  return (
    <div class="connect">
      <p>
        To connect a model, put these lines into the configuration (config/viaduct.yaml); <code>viaduct reload</code> takes them up:
      </p>
      <pre tabIndex={0}>{lines.join("\n")}</pre>
      <p class="muted small">
        Programs such as claude or gemini: <code>{"config: { driver: cli, preset: claude }"}</code>. <code>viaduct init</code> writes a whole
        configuration out of what is installed. A backend that you write yourself answers here as well: sdk/README.md shows how.
      </p>
    </div>
  );
}
