// What runs on this host, what went wrong, and how it is configured; and how a surface is set up. Changes nothing.
import { render, type ComponentChildren, type JSX } from "preact";
import { useCallback, useEffect, useState } from "preact/hooks";
import "../../../web/base.css";
import { effectiveTheme, toggleTheme } from "../../../web/theme.ts";
import * as overview from "./overview.ts";
import { kNetworks, networkOf, type Network } from "./setup.ts";
import { Setup } from "./setup.tsx";
import "./style.css";

const kRefresh = 10_000;

type Loaded = { data: overview.Overview | null; failure: string | null };

async function load(): Promise<overview.Overview> {
  const response = await fetch("api/overview", { cache: "no-store" });
  const body = (await response.json().catch(() => null)) as (overview.Overview & { error?: string }) | null;
  if (!response.ok || !body) throw new Error(body?.error ?? `The host answered ${response.status}`);
  return body;
}

// "#/setup/NAME": how that one is set up.
function place(): string | null {
  const found = /^#\/setup\/(.+)$/.exec(location.hash);
  try {
    return found?.[1] ? decodeURIComponent(found[1]) : null;
  } catch {
    return null;
  }
}
const setupLink = (name: string): string => `#/setup/${encodeURIComponent(name)}`;

function Page(): JSX.Element {
  const [name, setName] = useState(place);
  const [{ data, failure }, set] = useState<Loaded>({ data: null, failure: null });
  const [dark, setDark] = useState(effectiveTheme() === "dark");
  const refresh = useCallback(async () => {
    try {
      set({ data: await load(), failure: null });
    } catch (error) {
      // What was read last stays, marked as old.
      const reason = error instanceof TypeError ? "The host cannot be reached" : (error as Error).message;
      set((before) => ({ ...before, failure: reason }));
    }
  }, []);
  useEffect(() => {
    const moved = (): void => setName(place());
    addEventListener("hashchange", moved);
    return () => removeEventListener("hashchange", moved);
  }, []);
  useEffect(() => {
    document.title = `${name === null ? "Settings" : `Set up ${name}`} · Viaduct`;
    scrollTo(0, 0);
  }, [name]);
  useEffect(() => {
    void refresh();
    const timer = setInterval(() => !document.hidden && void refresh(), kRefresh);
    const visible = (): void => void (!document.hidden && refresh());
    document.addEventListener("visibilitychange", visible);
    return () => {
      clearInterval(timer);
      document.removeEventListener("visibilitychange", visible);
    };
  }, [refresh]);

  const chat = data?.instances.find((each) => each.plugin === "web_chat" && overview.mountLink(each));
  return (
    <>
      <header class="header">
        {name === null
          ? <a class="button plain" href={(chat && overview.mountLink(chat)) || "/"}>← {chat ? "Chat" : "Start"}</a>
          : <a class="button plain" href="#/">← Settings</a>}
        <h1>{name === null ? "Settings" : "Set-up"}</h1>
        <button type="button" class="plain" onClick={() => setDark(toggleTheme() === "dark")}>{dark ? "Light" : "Dark"}</button>
      </header>
      <main>
        {failure && (
          <div class="strip" role="alert">
            <span>{failure}. {data ? "What is shown may be old." : ""}</span>
            <button type="button" onClick={() => void refresh()}>Try again</button>
          </div>
        )}
        {!data && !failure && <p class="muted">Loading…</p>}
        {data && (name === null ? <Contents data={data} /> : <Setup key={name} data={data} name={name} refresh={refresh} />)}
      </main>
    </>
  );
}

// Of which no surface is there.
function Missing({ data }: { data: overview.Overview }): JSX.Element | null {
  const missing = (Object.keys(kNetworks) as Network[]).filter((one) => !data.instances.some(({ plugin, kind }) => kind === "surface" && networkOf(plugin) === one));
  if (missing.length === 0) return null;
  return (
    <p class="small more">
      Not set up yet: {missing.map((one, at) => <>{at > 0 && ", "}<a href={setupLink(one)}>{kNetworks[one]}</a></>)}
    </p>
  );
}

function Contents({ data }: { data: overview.Overview }): JSX.Element {
  return (
    <>
      <dl class="facts">
        <Fact name="Version">{data.version}</Fact>
        <Fact name="Running for">{overview.uptime(data.uptime_seconds)}</Fact>
        <Fact name="Sessions">{data.sessions}</Fact>
        <Fact name="Memories">{data.memories}</Fact>
      </dl>
      <Instances title="Surfaces" hint="Where people talk." instances={data.instances.filter((each) => each.kind === "surface")}>
        <Missing data={data} />
      </Instances>
      <Instances title="Backends" hint="What answers." instances={data.instances.filter((each) => each.kind === "backend")} />
      <section aria-labelledby="configuration">
        <h2 id="configuration">Configuration</h2>
        <p class="muted small">What holds now, and where it was said. Secrets never leave the host. To change something, edit the file and run <code>viaduct reload</code>.</p>
        <div class="scroll" tabIndex={0}>
          <table>
            <thead>
              <tr><th scope="col">Setting</th><th scope="col">Value</th><th scope="col">From</th></tr>
            </thead>
            <tbody>
              {data.configuration.map((setting) => (
                <tr>
                  <th scope="row"><code>{setting.path}</code></th>
                  <td class={setting.secret ? "muted" : ""}>{setting.secret ? "hidden" : <code>{overview.settingValue(setting)}</code>}</td>
                  <td class="muted">{overview.originInWords(setting)}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      </section>
    </>
  );
}

function Fact({ name, children }: { name: string; children: string | number }): JSX.Element {
  return (
    <div>
      <dt class="muted small">{name}</dt>
      <dd>{children}</dd>
    </div>
  );
}

type InstancesProps = { title: string; hint: string; instances: overview.Instance[]; children?: ComponentChildren };
function Instances({ title, hint, instances, children }: InstancesProps): JSX.Element {
  const id = title.toLowerCase();
  return (
    <section aria-labelledby={id}>
      <h2 id={id}>{title}</h2>
      <p class="muted small">{hint}</p>
      {instances.length === 0 && <p>None.</p>}
      <ul class="instances">
        {instances.map((instance) => {
          const state = overview.stateInWords(instance);
          const link = overview.mountLink(instance);
          return (
            <li>
              <div class="instance">
                <span class="name">{link ? <a href={link}>{instance.name}</a> : instance.name}</span>
                <span class="muted small">{instance.plugin}{instance.version ? ` ${instance.version}` : ""}</span>
                <a class="small" href={setupLink(instance.name)}>
                  {instance.kind === "surface" && networkOf(instance.plugin) ? "Set-up" : "Checks"}<span class="visually-hidden"> of {instance.name}</span>
                </a>
                <span class={`state ${state.tone}`}>{state.text}</span>
              </div>
              {instance.error && (
                <p class={`trouble ${state.tone}`}>
                  {overview.sentence(instance.error.message) || "No reason was given"}
                  {instance.error.code !== undefined && <span class="muted"> ({instance.error.code})</span>}
                </p>
              )}
            </li>
          );
        })}
      </ul>
      {children}
    </section>
  );
}

const app = document.getElementById("app");
if (app) render(<Page />, app);
