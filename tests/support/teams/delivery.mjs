// How the stand-in brings activities to the app: signed HTTP, or envelopes over Socket Mode; and again while nobody takes them.
import http from "node:http";
import { secret } from "./tokens.mjs";

const kAgain = (status) => status === 408 || status === 412 || status === 429 || status >= 500;

export class Delivery {
  state = "under way"; // "acknowledged" | "lost"
  attempts = []; // { n, by, at, took, reason, status, text }
  response = null; // of an invoke: { status, body }
  #settle;
  settled = new Promise((resolve) => (this.#settle = resolve));
  #timer;

  constructor(teams, activity, { what = activity.type, authorization, headers = {} } = {}) {
    Object.assign(this, { teams, activity, what, authorization, headers });
  }
  get isInvoke() {
    return this.activity.type === "invoke";
  }
  // At once, then once more for each pause of `times.retries`. An invoke comes once: a person waits for it.
  async run() {
    for (let n = 0; ; ++n) {
      const reason = await this.attempt(n);
      if (this.state !== "under way") return this;
      if (reason === null) return this.#end("acknowledged");
      const { retries } = this.teams.times;
      const { status } = this.attempts.at(-1);
      if (this.isInvoke || n >= retries.length || this.teams.stopped || (status !== null && !kAgain(status))) return this.#end("lost", reason);
      await new Promise((resolve) => {
        this.#timer = setTimeout(resolve, retries[n]);
        this.hurry = () => (clearTimeout(this.#timer), resolve());
      });
      if (this.teams.stopped) return this.#end("lost", reason);
    }
  }
  // Once more, whatever became of it: null, or why it was not taken.
  more() {
    return this.attempt(this.attempts.length);
  }
  hurry() {}
  #end(state, reason = null) {
    Object.assign(this, { state, reason });
    this.#settle(this);
    this.teams.look();
    return this;
  }
  async attempt(n) {
    const attempt = { n, at: Date.now(), reason: null, status: null, by: null };
    this.attempts.push(attempt);
    const activity = n === 0 ? this.activity : { ...this.activity, timestamp: new Date().toISOString() }; // the same, of another time
    const reason = this.teams.endpoint ? await this.#post(attempt, activity) : await this.#envelope(attempt, activity);
    Object.assign(attempt, { reason, took: Date.now() - attempt.at });
    this.teams.look();
    return reason;
  }

  #took(attempt, status, text) {
    Object.assign(attempt, { status, text });
    let body;
    try {
      body = text ? JSON.parse(text) : undefined;
    } catch {
      body = text;
    }
    this.response ??= { status, body, took: Date.now() - attempt.at };
    return status >= 200 && status < 300 ? null : "http_error";
  }
  get #limit() {
    return this.isInvoke ? this.teams.times.invoke : this.teams.times.ack;
  }

  #post(attempt, activity) {
    const { teams } = this;
    attempt.by = "http";
    const text = JSON.stringify(activity);
    const authorization = this.authorization === undefined ? `Bearer ${teams.mint(activity)}` : this.authorization;
    const headers = {
      "content-type": "application/json; charset=utf-8", "content-length": Buffer.byteLength(text), "user-agent": "Microsoft-SkypeBotApi (Microsoft-BotFramework/3.0)", "x-ms-conversation-id": activity.conversation?.id ?? "",
      "x-ms-tenant-id": activity.conversation?.tenantId ?? "", "ms-cv": `${secret(8)}.0`, ...(authorization === null ? {} : { authorization }), ...this.headers,
    };
    return new Promise((resolve) => {
      const request = http.request(teams.endpoint, { method: "POST", headers, agent: teams.agent }, (response) => {
        const chunks = [];
        response.on("data", (chunk) => chunks.push(chunk));
        response.on("error", () => {});
        response.on("end", () => {
          clearTimeout(timer);
          attempt.headers = response.headers;
          resolve(this.#took(attempt, response.statusCode, Buffer.concat(chunks).toString()));
        });
      });
      const timer = setTimeout(() => {
        resolve("http_timeout");
        request.destroy();
      }, this.#limit);
      request.on("error", () => {
        clearTimeout(timer);
        resolve("connection_failed");
      });
      request.end(text);
    });
  }
  #envelope(attempt, activity) {
    const { teams } = this;
    const connection = teams.sockets.pick(teams.regionOf(activity));
    attempt.by = connection ? `connection ${connection.number}` : null;
    if (!connection) return Promise.resolve("no_connection");
    return new Promise((resolve) => {
      const end = (reason) => {
        clearTimeout(timer);
        resolve(reason);
      };
      const timer = setTimeout(() => end("timeout"), this.#limit);
      const envelope = connection.bring(activity, { deadlineMs: this.#limit, ackRequired: true }, (answer) => end(answer === null ? "connection_lost" : this.#took(attempt, answer.status, answer.body === undefined || answer.body === null ? "" : JSON.stringify(answer.body))));
      attempt.envelope = envelope;
    });
  }
}
