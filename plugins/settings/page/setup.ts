// The steps by which a surface is set up, and what of them is still missing: from the overview and from what the
// instance's own checks say (viaduct.status/1). Pure.
import type { Instance, Overview, Setting } from "./overview.ts";

export interface Check {
  name: string;
  ok: boolean;
  message: string;
  skipped?: boolean;
}
export interface Line {
  text: string;
  gap?: boolean; // still missing in the configuration of a surface that is there
}
export interface Step {
  title: string;
  words: string[]; // `code` in backticks
  lines?: Line[]; // to copy
  done: boolean | null; // null: cannot be seen from here
  missing: string[];
}
export interface Guide {
  steps: Step[];
  rest: Check[]; // which belong to no step
}
export type Network = "slack" | "teams";

export const kNetworks: Record<Network, string> = { slack: "Slack", teams: "Microsoft Teams" };

export function networkOf(plugin: string): Network | null {
  const name = plugin.replace(/^org\.viaduct\./, "");
  return name === "slack" || name === "teams" ? name : null;
}

// The surface of this name, or where there is none: what it would be.
export function networkFor(name: string, instance: Instance | undefined): Network | null {
  return instance ? networkOf(instance.plugin) : networkOf(name);
}

// What stands in the configuration of a surface.
export class Config {
  readonly name: string;
  readonly #settings: Setting[];
  readonly #all: Setting[];
  readonly #first: string | undefined;

  constructor(overview: Overview, name: string) {
    const prefix = `surfaces.${name}.config.`;
    this.name = name;
    this.#first = overview.instances.find(({ kind }) => kind === "backend")?.name;
    this.#all = overview.configuration;
    this.#settings = overview.configuration
      .filter(({ path }) => path.startsWith(prefix)).map((one) => ({ ...one, path: one.path.slice(prefix.length) }));
  }
  #of(key: string): Setting[] {
    return this.#settings.filter(({ path }) => path === key || path.startsWith(`${key}.`) || path.startsWith(`${key}[`));
  }
  has(key: string): boolean {
    return this.#of(key).some(({ value, secret }) => secret || (value !== null && value !== ""));
  }
  text(key: string): string {
    const value = this.#settings.find(({ path, secret }) => path === key && !secret)?.value;
    return typeof value === "string" ? value : "";
  }
  is(key: string, what = true): boolean {
    return this.#settings.some(({ path, value }) => path === key && value === what);
  }
  // The environment variable that a value comes from.
  variable(key: string): string | null {
    return /\$\{env:([A-Za-z_][A-Za-z0-9_]*)/.exec(this.#of(key)[0]?.origin ?? "")?.[1] ?? null;
  }
  // As it may be written into YAML; never a secret.
  yaml(key: string): string | null {
    const found = this.#of(key);
    if (found.length === 0) return null;
    const variable = this.variable(key);
    if (variable) return `"\${env:${variable}}"`;
    if (found.some(({ secret }) => secret)) return null;
    const whole = found.length === 1 && found[0]?.path === key;
    return whole ? scalar(found[0]?.value) : null;
  }
  #whole(path: string): string {
    const value = this.#all.find((one) => one.path === path)?.value;
    return typeof value === "string" ? value : "";
  }
  // The lines that say who answers: the surface's own, else one that is there.
  get backend(): string[] {
    const its = this.#whole(`surfaces.${this.name}.backend`);
    if (its) return [`backend: ${its}`];
    const several = this.#all.flatMap(({ path, value }) => (path.startsWith(`surfaces.${this.name}.backends[`) && typeof value === "string" ? [value] : []));
    if (several.length) return [`backends: [${several.join(", ")}]`];
    return [this.#first ? `backend: ${this.#first}   # or another of your backends` : "backend: NAME   # one of your backends"];
  }
  get hasWebhooks(): boolean {
    return this.#whole("server.webhooks.listen") !== "";
  }
  // Where requests of the network come in; empty: at a port that the system chooses.
  get listens(): string {
    const all = this.#whole("server.webhooks.listen") || this.#whole("server.listen");
    return all.endsWith(":0") ? "" : all;
  }
}

function scalar(value: unknown): string {
  const plain = typeof value === "string" && /^[A-Za-z/][\w./:@-]*$/.test(value) && !/:$|^(true|false|null|yes|no|on|off)$/i.test(value);
  return plain ? value : JSON.stringify(value);
}

export function guide(network: Network, config: Config, instance: Instance | undefined, checks: Check[] | null): Guide {
  const left = new Set(checks ?? []);
  const take = (pattern: RegExp): Check[] => {
    const found = [...left].filter(({ name }) => pattern.test(name));
    for (const one of found) left.delete(one);
    return found;
  };
  const steps = network === "slack" ? slack(config, instance, take) : teams(config, instance, take);
  return { steps, rest: [...left] };
}

type Take = (pattern: RegExp) => Check[];
type Key = { key: string; variable?: string; value?: string; optional?: boolean };

// Done when something was looked at and all of it is well.
function outcome(checks: Check[]): Pick<Step, "done" | "missing"> {
  const looked = checks.filter(({ skipped }) => !skipped);
  const missing = looked.filter(({ ok }) => !ok).map(({ message }) => message);
  return { done: missing.length > 0 ? false : looked.length > 0 ? true : null, missing };
}

function lines(network: Network, config: Config, keys: Key[], instance: Instance | undefined): Line[] {
  const all: Line[] = [{ text: "surfaces:" }, { text: `  ${config.name}:` }, { text: `    plugin: ${network}` }];
  for (const text of config.backend) all.push({ text: `    ${text}` });
  all.push({ text: "    config:" });
  for (const { key, variable, value, optional } of keys) {
    const there = config.has(key);
    const text = config.yaml(key) ?? (variable ? `"\${env:${config.variable(key) ?? variable}}"` : (value ?? ""));
    all.push({ text: there && config.yaml(key) === null && !variable ? `      # ${key}: as it is` : `      ${key}: ${text}`, gap: Boolean(instance) && !there && !optional });
  }
  return all;
}

function inYaml(network: Network, config: Config, keys: Key[], instance: Instance | undefined): Step {
  const missing = instance ? keys.filter(({ key, optional }) => !optional && !config.has(key)).map(({ key }) => key) : [`a surface "${config.name}"`];
  const wrong = instance?.state === "failed" && !isOfCredentials(instance) ? [instance.error?.message || "the surface does not run"] : [];
  return {
    title: "Write it into the YAML",
    words: [
      "Secrets stay in the environment; the file only names them.",
      "Without `allow`, the bot answers nobody.",
    ],
    lines: lines(network, config, keys, instance),
    done: missing.length + wrong.length === 0,
    missing: [...(missing.length ? [`${missing.join(", ")} in the configuration`] : []), ...wrong],
  };
}

// What keeps a surface from running is most often in its file.
function isOfCredentials({ error }: Instance): boolean {
  return /AADSTS|\b(password|secret|token|certificate|login)\b|_(password|secret|token)\b/.test(error?.message ?? "");
}

function inEnvironment(config: Config, keys: Key[], instance: Instance | undefined, checks: Check[]): Step {
  const result = outcome(checks);
  if (!instance) result.missing = ["there is no such surface yet"];
  else if (instance.state === "failed" && isOfCredentials(instance)) result.missing = [instance.error?.message || "the surface does not run"];
  if (result.missing.length) result.done = false;
  // What stands in the YAML for everybody to see is not asked for again.
  const secrets = keys.filter(({ key, variable }) => variable && (config.variable(key) || config.yaml(key) === null));
  return {
    title: "Put the values into the environment and start",
    words: [
      "In the shell or the service in which Viaduct is started. A variable that is named in the YAML and is not there keeps the host from starting.",
      "After a change of the environment, start the host anew; after one of the YAML, `viaduct reload` is enough.",
    ],
    lines: [
      ...secrets.map(({ key, variable }) => ({ text: `export ${config.variable(key) ?? variable}=…`, gap: Boolean(instance) && !config.has(key) })),
      { text: "viaduct serve" },
    ],
    ...result,
  };
}

// An address of this host as the network sees it.
function address(config: Config, path: string): Line {
  const base = config.text("public_url").replace(/\/+$/, "");
  return { text: `${base || "https://bots.example.org"}${path}`, gap: !base };
}

function reach(config: Config, whose: string, where: string, paths: string[], checks: Check[]): Step {
  const result = outcome(checks);
  if (!config.has("public_url") && result.missing.length === 0) {
    result.missing = ["public_url in the configuration"];
    result.done = false;
  }
  return {
    title: `Let ${whose} reach this host`,
    words: [
      `A proxy or a tunnel with a certificate passes \`public_url\` on to ${config.listens || "this host"}.`,
      ...(config.hasWebhooks ? [] : ["With `server: { webhooks: { listen: 127.0.0.1:8411 } }` in the YAML it goes to a listener of its own, by which nobody reaches these pages."]),
      where,
    ],
    lines: paths.map((path) => address(config, path)),
    ...result,
  };
}

function connects(whose: string, checks: Check[]): Step {
  return { title: "Let the host connect", words: [`This host connects to ${whose} by itself; it needs no public address, but a way out by HTTPS.`], ...outcome(checks) };
}

function byHand(title: string, words: string[], text?: string): Step {
  return { title, words, lines: text ? [{ text }] : undefined, done: null, missing: [] };
}

function teams(config: Config, instance: Instance | undefined, take: Take): Step[] {
  const over = config.text("transport") || "http";
  const credentials = take(/^app id and secret/);
  const keys: Key[] = [
    { key: "app_id", variable: "TEAMS_APP_ID" },
    config.has("certificate") ? { key: "certificate" } : { key: "app_password", variable: "TEAMS_APP_PASSWORD" },
    { key: "tenant_id", variable: "TEAMS_TENANT_ID" },
    { key: "transport", value: over, optional: over === "http" },
    ...(over === "http" ? [{ key: "public_url", value: "https://bots.example.org" }] : []),
    { key: "allow", value: "everyone" },
  ];
  const isTenantless = instance && !config.has("tenant_id"); // a bot for many tenants, which is fine
  const needed = isTenantless ? keys.filter(({ key }) => key !== "tenant_id") : keys;
  const anonymous = config.is("allow_anonymous_loopback");
  return [
    {
      title: "Register the bot",
      words: [
        "In the Azure portal, make an “Azure Bot” of the type Single Tenant, and add the channel “Microsoft Teams” to it. Or let the Teams CLI do both: `teams app create`.",
        "You get an application id, a client secret (its value, not its id) and the id of your tenant.",
        "To try it on this computer without an account there is Microsoft's Agents Playground: the README of the plugin `teams` says how.",
      ],
      ...(config.has("app_id") ? { ...outcome(credentials), missing: [] } : { done: false, missing: ["an application id"] }),
      ...(credentials.some(({ ok }) => !ok) ? { done: null } : {}),
    },
    (() => {
      const step = inYaml("teams", config, needed, instance);
      return { ...step, words: [...step.words, ...(over === "http" ? ["`transport: socket` needs no public address (a preview of Microsoft's, for new bots): then leave out `public_url`."] : [])] };
    })(),
    inEnvironment(config, needed, instance, credentials),
    over === "socket"
      ? connects("Teams", take(/^socket/))
      : anonymous
        ? byHand("Let Teams reach this host", ["Not with `allow_anonymous_loopback`: only what runs on this computer can talk to this bot."])
        : reach(config, "Teams", "In Azure, in the bot's “Configuration”, this is the “Messaging endpoint”:", [`${config.is("messages_alias", false) ? `/apps/${config.name}` : ""}/api/messages`], take(/^public address/)),
    {
      title: "Check who is speaking: keys and clock",
      words: ["What Teams sends is signed. This host fetches the keys for that from login.botframework.com, and its clock must be right."],
      ...outcome(take(/^(keys|clock)/)),
    },
    byHand("Make the app package", ["On the computer with the host. Raise `app: {version}` in the YAML whenever you change what is in the package."], `viaduct ${config.name} manifest --out viaduct-${config.name}.zip`),
    byHand("Upload it to Teams", ["In Teams: Apps, Manage your apps, Upload an app. Then write to the bot: it answers."]),
  ];
}

function slack(config: Config, instance: Instance | undefined, take: Take): Step[] {
  if (config.is("simulator"))
    return [byHand("Nothing is on Slack here", [
      "This surface is the simulator. Its manifest is that of the app, so that you can make the app now: at Slack, “Create New App”, “From a manifest”.",
      "Then put mode and tokens into the YAML in place of `simulator: true`, and the steps for Slack appear here.",
    ], `viaduct ${config.name} manifest`)];
  const over = config.text("mode") || "socket";
  const byBrowser = config.has("client_id");
  const keys: Key[] = [
    { key: "mode", value: "socket" },
    ...(over === "socket" ? [{ key: "app_token", variable: "SLACK_APP_TOKEN" }] : [{ key: "signing_secret", variable: "SLACK_SIGNING_SECRET" }]),
    ...(byBrowser ? [{ key: "client_id", variable: "SLACK_CLIENT_ID" }, { key: "client_secret", variable: "SLACK_CLIENT_SECRET" }] : [{ key: "bot_token", variable: "SLACK_BOT_TOKEN" }]),
    ...(over === "http" || byBrowser ? [{ key: "public_url", value: "https://bots.example.org" }] : []),
    { key: "allow", value: "everyone" },
  ];
  return [
    {
      title: "Make the app at Slack",
      words: [
        "This prints the app's manifest; at api.slack.com/apps, “Create New App”, “From a manifest”, paste it, and install the app in your workspace.",
        ...(instance ? [] : ["There are no tokens yet: let the surface run with `config: {simulator: true, allow: everyone}` first, which takes none and prints the same manifest."]),
      ],
      lines: [{ text: `viaduct ${config.name} manifest` }],
      ...outcome(take(/^scopes/)),
    },
    inYaml("slack", config, keys.filter(({ key }) => key !== "mode" || !instance), instance),
    (() => {
      const step = inEnvironment(config, keys, instance, take(/^(bot token|app token)/));
      const where = over === "socket"
        ? "“OAuth & Permissions” has the bot's token (xoxb-…). “Basic Information”, “App-Level Tokens” makes the app's (xapp-…), with the scope `connections:write`."
        : "“OAuth & Permissions” has the bot's token (xoxb-…), “Basic Information” the signing secret.";
      return { ...step, words: [where, ...step.words] };
    })(),
    over === "socket"
      ? connects("Slack", take(/^socket/))
      : reach(config, "Slack", "The app's manifest has these addresses already, for events, commands and buttons:", ["/events", "/commands", "/interactivity"].map((path) => `/apps/${config.name}${path}`), take(/^public address/)),
    { title: "Check the clock", words: ["Slack's requests are refused when this host's clock is five minutes off."], ...outcome(take(/^clock/)) },
    byHand("Invite it", ["In a channel of Slack, invite the bot by its name and mention it; or write it a direct message."]),
  ];
}

// "4 of 7 steps are done; 1 still misses something."
export function summary(all: Guide): string {
  const done = all.steps.filter((one) => one.done).length;
  const missing = all.steps.filter((one) => one.missing.length > 0).length + all.rest.filter(({ ok, skipped }) => !ok && !skipped).length;
  const seen = `${done} of ${all.steps.length} ${all.steps.length === 1 ? "step is" : "steps are"} done`;
  return missing === 0 ? `${seen}, and nothing that can be seen from here is missing.` : `${seen}; ${missing} still ${missing === 1 ? "misses" : "miss"} something.`;
}
