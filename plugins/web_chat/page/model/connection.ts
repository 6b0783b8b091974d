// When to connect, when to wait and when to give up: a state machine that does no input or output itself. Feed it events, perform the
// actions that it returns. Any socket but the newest one is silent to it.

export type Status =
  | { is: "connecting"; attempt: number } // also while the server's hello is awaited
  | { is: "open" }
  | { is: "waiting"; attempt: number; until: number; network: boolean } // until: when it tries again, as `now`
  | { is: "stopped"; why: "person" | "refused" | "defect"; reason: string };

export type ConnectionEvent =
  | { on: "start" } // also: a person says "try now"
  | { on: "opened" }
  | { on: "greeted" }
  | { on: "heard" } // any message of the server
  | { on: "closed"; code: number; reason: string }
  | { on: "visible" }
  | { on: "network" } // it returned, or it changed
  | { on: "timer"; timer: Timer }
  | { on: "probed"; status: number } // of an HTTP request after refusals; 0: no answer
  | { on: "stop" };

export type Timer = "retry" | "deadline" | "ping";

export type Action =
  | { do: "open" }
  | { do: "greet" }
  | { do: "ping" }
  | { do: "drop" } // close the socket and forget it
  | { do: "probe" }
  | { do: "set"; timer: Timer; ms: number }
  | { do: "clear"; timer: Timer };

export const kOpenLimit = 10_000;
export const kPingEvery = 20_000;
export const kPongLimit = 5_000;
const kFirstDelay = 1_000;
const kLastDelay = 16_000;

// Between one second and a bound that doubles to 16 s; `random` in [0, 1).
export function retryDelay(attempt: number, random: number): number {
  const bound = Math.min(kLastDelay, kFirstDelay * 2 ** Math.min(attempt, 10));
  return Math.round(kFirstDelay + random * (bound - kFirstDelay));
}

// What to do when the server closed with this code: PROTOCOL.md, "Closing".
export function afterClose(code: number): "retry" | "person" | "refused" | "defect" {
  switch (code) {
    case 1000:
      return "person";
    case 1008:
      return "refused";
    case 1003:
    case 1007:
    case 1009:
    case 4000:
      return "defect";
    default:
      return "retry";
  }
}

export class Connection {
  status: Status = { is: "stopped", why: "person", reason: "" };
  private failures = 0; // since the last hello
  private greeting = false;
  private checking = false; // a ping is on its way

  constructor(
    private readonly now: () => number,
    private readonly random: () => number,
  ) {}

  next(event: ConnectionEvent): Action[] {
    const { status } = this;
    switch (event.on) {
      case "start":
        return status.is === "stopped" || status.is === "waiting" ? this.connect() : [];
      case "visible":
      case "network":
        if (status.is === "waiting") return this.connect();
        return status.is === "open" ? this.check() : [];
      case "opened":
        if (status.is !== "connecting") return [];
        this.greeting = true;
        return [{ do: "set", timer: "deadline", ms: kOpenLimit }, { do: "greet" }];
      case "greeted":
        if (status.is !== "connecting") return [];
        this.status = { is: "open" };
        this.greeting = false;
        this.checking = false;
        this.failures = 0;
        return [{ do: "clear", timer: "deadline" }, { do: "set", timer: "ping", ms: kPingEvery }];
      case "heard":
        if (status.is !== "open" || !this.checking) return [];
        this.checking = false;
        return [{ do: "clear", timer: "deadline" }, { do: "set", timer: "ping", ms: kPingEvery }];
      case "timer":
        if (event.timer === "retry") return status.is === "waiting" ? this.connect() : [];
        if (event.timer === "ping") return status.is === "open" ? this.check() : [];
        // The deadline: whoever does not answer is not there. After a silent ping the way back is short.
        if (status.is === "open") return [{ do: "drop" }, ...this.connect()];
        return status.is === "connecting" ? [{ do: "drop" }, ...this.wait()] : [];
      case "closed": {
        if (status.is !== "connecting" && status.is !== "open") return [];
        const verdict = afterClose(event.code);
        if (verdict === "retry") return this.wait();
        return this.halt(verdict, event.reason);
      }
      case "probed":
        if (status.is !== "waiting" || (event.status !== 401 && event.status !== 403)) return [];
        return this.halt("refused", event.status === 401 ? "Signing in is required" : "This page is not allowed to connect");
      case "stop":
        if (status.is === "stopped") return [];
        return [{ do: "drop" }, ...this.halt("person", "")];
    }
  }

  private connect(): Action[] {
    this.status = { is: "connecting", attempt: this.failures };
    this.greeting = false;
    return [
      { do: "clear", timer: "retry" },
      { do: "clear", timer: "ping" },
      { do: "set", timer: "deadline", ms: kOpenLimit },
      { do: "open" },
    ];
  }

  private check(): Action[] {
    if (this.checking) return [];
    this.checking = true;
    return [{ do: "clear", timer: "ping" }, { do: "set", timer: "deadline", ms: kPongLimit }, { do: "ping" }];
  }

  private wait(): Action[] {
    const wasOpen = this.status.is === "open" || this.greeting;
    const ms = retryDelay(this.failures, this.random());
    this.failures += 1;
    this.greeting = false;
    this.checking = false;
    this.status = { is: "waiting", attempt: this.failures, until: this.now() + ms, network: !wasOpen };
    const actions: Action[] = [
      { do: "clear", timer: "deadline" },
      { do: "clear", timer: "ping" },
      { do: "set", timer: "retry", ms },
    ];
    // A refused upgrade looks like a dead network: an ordinary request tells them apart.
    if (!wasOpen && this.failures >= 2) actions.push({ do: "probe" });
    return actions;
  }

  private halt(why: "person" | "refused" | "defect", reason: string): Action[] {
    this.status = { is: "stopped", why, reason };
    this.greeting = false;
    this.checking = false;
    return (["retry", "deadline", "ping"] as const).map((timer) => ({ do: "clear", timer }));
  }
}
