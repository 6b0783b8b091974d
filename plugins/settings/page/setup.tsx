// How one surface is set up, step by step, with what is still missing; of any other instance, its checks.
import type { JSX } from "preact";
import { useCallback, useEffect, useRef, useState } from "preact/hooks";
import { sentence, stateInWords, type Overview } from "./overview.ts";
import * as setup from "./setup.ts";

type Looked = { checks: setup.Check[] | null; failure: string | null; busy: boolean };

async function ask(name: string): Promise<setup.Check[]> {
  const response = await fetch(`api/check/${encodeURIComponent(name)}`, { method: "POST", cache: "no-store" });
  const body = (await response.json().catch(() => null)) as { checks?: setup.Check[]; error?: string } | null;
  if (!response.ok || !body?.checks) throw new Error(body?.error ?? `The host answered ${response.status}`);
  return body.checks;
}

export function Setup({ data, name, refresh }: { data: Overview; name: string; refresh: () => Promise<void> }): JSX.Element {
  const [{ checks, failure, busy }, set] = useState<Looked>({ checks: null, failure: null, busy: false });
  const heading = useRef<HTMLHeadingElement>(null);
  const turn = useRef(0);
  const instance = data.instances.find((one) => one.name === name);
  const state = instance?.state ?? "";

  const look = useCallback(async () => {
    const mine = ++turn.current;
    const say = (now: Looked): void => void (mine === turn.current && set(now));
    if (state !== "running") return say({ checks: null, failure: null, busy: false });
    set((before) => ({ ...before, busy: true }));
    try {
      say({ checks: await ask(name), failure: null, busy: false });
    } catch (error) {
      say({ checks: null, failure: error instanceof TypeError ? "The host cannot be reached" : (error as Error).message, busy: false });
    }
  }, [name, state]);
  useEffect(() => void look(), [look]);
  useEffect(() => heading.current?.focus(), [name]);

  const network = setup.networkFor(name, instance);
  if (!instance && !network)
    return <p>There is no surface or backend “{name}”. <a href="#/">Back to the settings</a></p>;
  const guide = network
    ? setup.guide(network, new setup.Config(data, name), instance, checks)
    : { steps: [], rest: checks ?? [] };
  const words = instance ? stateInWords(instance) : { text: "Not there yet", tone: "muted" };
  return (
    <section aria-labelledby="setup" aria-busy={busy}>
      <div class="instance">
        <h2 id="setup" ref={heading} tabIndex={-1}>{network ? `Set up ${setup.kNetworks[network]}` : "Checks"}: {name}</h2>
        <span class={`state ${words.tone}`}>{words.text}</span>
      </div>
      <div class="again">
        <p role="status">{busy ? "Looking…" : guide.steps.length ? setup.summary(guide) : ""}</p>
        <button type="button" aria-disabled={busy} onClick={() => void (busy || refresh().then(look))}>Check again</button>
      </div>
      {failure && <p class="strip" role="alert">{sentence(failure)}.</p>}
      {!network && instance?.error && <p class={`trouble ${words.tone}`}>{sentence(instance.error.message)}</p>}
      {guide.steps.length > 0 && <ol class="steps">{guide.steps.map((step) => <StepView key={step.title} step={step} open={!instance ? "Not yet" : busy && !checks ? "Looking…" : "Not seen from here"} />)}</ol>}
      {guide.rest.length > 0 && (
        <>
          {network && <h3>Also looked at</h3>}
          <ul class="instances">{guide.rest.map((check) => <CheckView key={check.name} check={check} />)}</ul>
        </>
      )}
      {!network && !busy && checks?.length === 0 && <p>It offers no checks.</p>}
    </section>
  );
}

// `open`: what is said of a step that is neither done nor known to miss something.
function StepView({ step, open }: { step: setup.Step; open: string }): JSX.Element {
  const state = step.done === null ? { text: open, tone: "muted" } : step.done ? { text: "✓ Done", tone: "ok" } : { text: "Still missing", tone: "warn" };
  return (
    <li>
      <div class="instance">
        <h3>{step.title}</h3>
        <span class={`mark ${state.tone}`}>{state.text}</span>
      </div>
      {step.missing.map((one) => <p class="trouble warn">Still missing: {one}</p>)}
      {step.words.map((one) => <p class="small">{one.split("`").map((part, at) => (at % 2 ? <code>{part}</code> : part))}</p>)}
      {step.lines && <Copyable title={step.title} lines={step.lines} />}
    </li>
  );
}

function Copyable({ title, lines }: { title: string; lines: setup.Line[] }): JSX.Element {
  const [copied, setCopied] = useState(false);
  const copy = async (): Promise<void> => {
    await navigator.clipboard.writeText(lines.map(({ text }) => text).join("\n") + "\n").then(() => setCopied(true), () => undefined);
  };
  return (
    <div class="copyable">
      <pre tabIndex={0} role="region" aria-label={`To copy: ${title}`}>
        {lines.map(({ text, gap }) => (
          <span class={gap ? "line gap" : "line"}>{text}{gap && <em> ← still missing</em>}{"\n"}</span>
        ))}
      </pre>
      {"clipboard" in navigator && (
        <button type="button" onClick={() => void copy()} onBlur={() => setCopied(false)}>
          {copied ? "Copied" : "Copy"}<span class="visually-hidden"> the lines of: {title}</span>
        </button>
      )}
    </div>
  );
}

function CheckView({ check }: { check: setup.Check }): JSX.Element {
  const state = check.skipped ? { text: "Not looked at", tone: "muted" } : check.ok ? { text: "✓ Fine", tone: "ok" } : { text: "Still missing", tone: "warn" };
  return (
    <li>
      <div class="instance">
        <span class="name">{sentence(check.name)}</span>
        <span class={`mark ${state.tone}`}>{state.text}</span>
      </div>
      <p class={`trouble ${check.ok || check.skipped ? "muted" : "warn"}`}>{sentence(check.message)}</p>
    </li>
  );
}
