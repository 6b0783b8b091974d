// What GET api/overview answers (viaduct.overview/1 in abi.h), in words. Pure.
export interface Instance {
  name: string;
  kind: "surface" | "backend" | string;
  plugin: string;
  version?: string;
  state: "starting" | "running" | "stopped" | "failed" | string;
  error?: { code?: string | number; message?: string } | null;
  mount?: string | null;
  page?: string | null; // not said by older hosts
}

export interface Setting {
  path: string;
  value: unknown;
  origin?: string;
  secret?: boolean;
}

export interface Overview {
  version: string;
  uptime_seconds: number;
  instances: Instance[];
  configuration: Setting[];
  sessions: number;
  memories: number;
}

export function uptime(seconds: number): string {
  const minutes = Math.floor(seconds / 60);
  const hours = Math.floor(minutes / 60);
  const days = Math.floor(hours / 24);
  if (days > 0) return `${plural(days, "day")} ${hours % 24} h`;
  if (hours > 0) return `${hours} h ${minutes % 60} min`;
  if (minutes > 0) return `${minutes} min`;
  return `${Math.floor(seconds)} s`;
}

export function plural(n: number, word: string): string {
  return `${n} ${word}${n === 1 ? "" : "s"}`;
}

export function stateInWords(instance: Instance): { text: string; tone: "ok" | "warn" | "danger" | "muted" } {
  const trouble = Boolean(instance.error);
  switch (instance.state) {
    case "running":
      return trouble ? { text: "Running, with a problem", tone: "warn" } : { text: "Running", tone: "ok" };
    case "starting":
      return { text: "Starting", tone: "muted" };
    case "stopped":
      return { text: "Stopped", tone: "muted" };
    case "failed":
      return { text: "Failed", tone: "danger" };
    default:
      return { text: instance.state, tone: "muted" };
  }
}

export function settingValue(setting: Setting): string {
  if (setting.secret) return "hidden";
  if (setting.value === null || setting.value === undefined) return "not set";
  if (typeof setting.value === "string") return setting.value === "" ? "(empty)" : setting.value;
  return JSON.stringify(setting.value);
}

// "viaduct.yaml:3:11 ${env:HOME}" → line 3 of viaduct.yaml, and what stands there.
export function originInWords(setting: Setting): string {
  if (!setting.origin || setting.origin === "default") return "default";
  const place = /^(.*):(\d+):\d+(?: (\$\{.*))?$/s.exec(setting.origin);
  return place ? `${place[1]}, line ${place[2]}${place[3] ? `, ${place[3]}` : ""}` : setting.origin;
}

// Where people begin, as this page may link to it: a path of this host and nothing else.
export function mountLink(instance: Instance): string | null {
  const at = instance.page === undefined ? instance.mount : instance.page;
  return at && /^\/(?![/\\])/.test(at) ? at : null;
}

export function sentence(message: string | undefined): string {
  if (!message) return "";
  const isKey = /^\w+[_.][\w.[\]]+/.test(message); // of the YAML, where capitals matter
  return isKey ? message : message.charAt(0).toUpperCase() + message.slice(1);
}
