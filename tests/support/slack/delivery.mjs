// How the stand-in brings events, commands and clicks to the app: signed HTTP with Slack's retries, or envelopes over Socket Mode.
import { createHmac, randomUUID } from "node:crypto";
import http from "node:http";

const kTypes = { event: "events_api", command: "slash_commands", interaction: "interactive" };

// The headers of a request that Slack signed; a test may say any part wrong.
export function signed(body, { secret, timestamp = Math.floor(Date.now() / 1000), version = "v0", signature } = {}) {
  const made = `${version}=${createHmac("sha256", secret).update(`${version}:${timestamp}:${body}`).digest("hex")}`;
  return { "x-slack-request-timestamp": String(timestamp), "x-slack-signature": signature ?? made };
}

export class Delivery {
  state = "under way"; // "acknowledged" | "lost"
  attempts = []; // { n, by, at, reason, status, body, late? }
  payload = undefined; // of the acknowledgement
  #settle;
  settled = new Promise((resolve) => (this.#settle = resolve));
  #timer;

  constructor(slack, kind, body, { what = kind, form = null } = {}) {
    Object.assign(this, { slack, kind, body, what, form });
  }
  get eventId() {
    return this.body.event_id ?? null;
  }
  // Slack's plan: at once, then its retries. `more` brings it once more, whatever became of it.
  async run() {
    for (let n = 0; ; ++n) {
      const reason = await this.attempt(n);
      if (this.state !== "under way") return this;
      const { retries } = this.slack.times;
      if (reason === null) return this.#end("acknowledged");
      if (this.kind !== "event" || n >= retries.length || this.attempts.at(-1).noRetry || this.slack.stopped) return this.#end("lost", reason);
      await new Promise((resolve) => {
        this.#timer = setTimeout(resolve, retries[n]);
        this.hurry = () => (clearTimeout(this.#timer), resolve());
      });
    }
  }
  more(reason = "http_timeout") {
    return this.attempt(this.attempts.length, reason);
  }
  hurry() {}
  #end(state, reason) {
    Object.assign(this, { state, reason });
    this.#settle(this);
    this.slack.look();
    return this;
  }
  // Null: acknowledged. Otherwise why not.
  async attempt(n, told) {
    const attempt = { n, at: Date.now(), reason: null, status: null, by: null };
    const before = told ?? this.attempts.at(-1)?.reason;
    this.attempts.push(attempt);
    const reason = this.slack.requestUrls ? await this.#post(attempt, n, before) : await this.#envelope(attempt, n, before);
    attempt.reason = reason;
    attempt.took = Date.now() - attempt.at;
    this.slack.look();
    return reason;
  }

  #post(attempt, n, before) {
    const { slack } = this;
    const text = this.form ?? JSON.stringify(this.body);
    attempt.by = "http";
    const url = new URL(slack.requestUrls[this.kind === "event" ? "events" : this.kind === "command" ? "commands" : "interactivity"]);
    return new Promise((resolve) => {
      const headers = {
        "content-type": this.form ? "application/x-www-form-urlencoded" : "application/json", "content-length": Buffer.byteLength(text), "user-agent": "Slackbot 1.0 (+https://api.slack.com/robots)",
        ...signed(text, { secret: slack.signingSecret }), ...(n ? { "x-slack-retry-num": String(n), "x-slack-retry-reason": before ?? "http_timeout" } : {}),
      };
      const request = http.request(url, { method: "POST", headers, agent: slack.agent }, (response) => {
        const chunks = [];
        response.on("data", (chunk) => chunks.push(chunk));
        response.on("error", () => {});
        response.on("end", () => {
          clearTimeout(timer);
          attempt.status = response.statusCode;
          attempt.text = Buffer.concat(chunks).toString();
          attempt.noRetry = response.headers["x-slack-no-retry"] === "1";
          const good = response.statusCode >= 200 && response.statusCode < 300;
          if (good && !attempt.reason) this.payload = /json/.test(response.headers["content-type"] ?? "") && attempt.text ? JSON.parse(attempt.text) : attempt.text ? { text: attempt.text } : undefined;
          resolve(good ? null : response.statusCode >= 300 && response.statusCode < 400 ? "too_many_redirects" : "http_error");
        });
      });
      const timer = setTimeout(() => {
        resolve("http_timeout");
        attempt.reason = "http_timeout";
        request.destroy();
      }, slack.times.ack);
      request.on("error", () => {
        clearTimeout(timer);
        resolve("connection_failed");
      });
      request.end(text);
    });
  }

  #envelope(attempt, n, before) {
    const { slack } = this;
    const connection = slack.sockets.pick();
    if (!connection) return Promise.resolve("connection_failed");
    attempt.by = connection.number;
    const envelope = randomUUID(); // a retry is a new one with the same event in it
    const response = this.kind === "command" || ["view_submission", "block_suggestion"].includes(this.body.type);
    return new Promise((resolve) => {
      const end = (reason) => {
        clearTimeout(timer);
        slack.waiting.delete(envelope);
        resolve(reason);
      };
      const timer = setTimeout(() => end("timeout"), slack.times.ack);
      slack.waiting.set(envelope, {
        connection, gone: () => end("timeout"),
        acknowledge: (by, message) => {
          if (by !== connection) return slack.complain("an acknowledgement on another connection");
          if (message.payload !== undefined && Object.keys(message.payload).length) this.payload = message.payload;
          end(null);
        },
      });
      connection.send({
        envelope_id: envelope, type: kTypes[this.kind], payload: this.body, accepts_response_payload: response,
        ...(this.kind === "event" ? { retry_attempt: n, retry_reason: n ? (before ?? "timeout") : "" } : {}),
      });
    });
  }
}
