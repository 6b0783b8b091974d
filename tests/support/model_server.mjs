// A stand-in for a model server: OpenAI's chat completions and Anthropic's messages, streamed, on any free port. What it does is said by
// `script`, a function of the request or a list that is used up; without one it answers with what it was told. Every request is kept in
// `requests`, with how its connection ended.
//
//   { say: ["one ", "two"], think: ["hm"], stop: "stop" | "end_turn"…, usage: {…}, delay: ms between pieces, wait: promise before the answer }
//                                    a piece may be the promise of one
//   { status: 429, headers: { "retry-after": "1" }, body: {…} }       an answer that is an error
//   { say: […], cut: true }          the connection is cut behind what is said (with nothing said: before the first token)
//   { say: […], malformed: true }    then an event that is none
//   { say: […], error: "Overloaded" }  then an error event
//   { tool: "search" }  { refuse: "I will not" }  { overflow: true }  { whole: true, say: […] } (not streamed)
//   { say: […], hang: true }         then silence, with the connection open
import { LocalServer } from "./local_server.mjs";

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

// The text of a message's content, whichever way it is written.
export const textOf = (content) => (typeof content === "string" ? content : content.map((part) => part.text ?? "[image]").join("\n\n"));

export class ModelServer extends LocalServer {
  models = ["stand-in"];
  key = null; // when set, requests without it are refused

  get url() {
    return `${this.origin}/v1`;
  }
  // The conversations that were sent, as "role: text".
  get conversations() {
    return this.requests.map(({ body }) => body.messages.map((message) => `${message.role}: ${textOf(message.content)}`));
  }
  // Waits for a request number (from 1) for which `check` holds.
  until(number, check = () => true, limit = 30_000) {
    const find = () => {
      const request = this.requests[number - 1];
      return request && check(request) ? request : null;
    };
    return this.wait(find, limit, () => `request ${number} has not come about`);
  }

  async serve(request, response) {
    const chunks = [];
    for await (const chunk of request) chunks.push(chunk);
    const received = performance.now();
    const anthropic = request.url.startsWith("/v1/messages");
    const key = request.headers["x-api-key"] ?? request.headers.authorization?.replace(/^Bearer /, "");
    if (this.key !== null && key !== this.key)
      return this.#error(response, 401, anthropic, "authentication_error", `Incorrect API key provided: ${key}`);
    if (request.method === "GET" && request.url === "/v1/models")
      return this.#json(response, 200, { object: "list", data: this.models.map((id) => ({ id, object: "model" })) });
    if (request.method !== "POST" || !/^\/v1\/(messages|chat\/completions)$/.test(request.url))
      return this.#error(response, 404, anthropic, "not_found_error", "no such address");

    const kept = { url: request.url, headers: request.headers, body: JSON.parse(Buffer.concat(chunks)), at: Date.now(), received, ended: null, endedAt: null };
    this.requests.push(kept);
    response.on("close", () => {
      kept.ended = response.writableFinished ? "finished" : "cut";
      kept.endedAt = performance.now();
      this.look();
    });
    this.look();
    const last = kept.body.messages.at(-1);
    const step = (Array.isArray(this.script) ? this.script.shift() : this.script?.(kept, this.requests.length)) ?? { say: [`You said: ${textOf(last.content)}`] };
    if (step.wait) await step.wait;
    if (step.status) {
      response.writeHead(step.status, { "content-type": "application/json", ...step.headers });
      return response.end(JSON.stringify(step.body ?? { error: { type: "api_error", message: `told to answer ${step.status}` } }));
    }
    if (step.overflow) {
      const words = anthropic ? "prompt is too long: 300 tokens > 200 maximum" : "This model's maximum context length is 200 tokens";
      return this.#error(response, 400, anthropic, "invalid_request_error", words, "context_length_exceeded");
    }
    if (step.whole) return this.#whole(response, step, anthropic);
    if (anthropic) await this.#messages(response, step);
    else await this.#completions(response, step);
  }

  #json(response, status, body) {
    response.writeHead(status, { "content-type": "application/json" });
    response.end(JSON.stringify(body));
  }
  #error(response, status, anthropic, type, message, code = null) {
    this.#json(response, status, anthropic ? { type: "error", error: { type, message } } : { error: { message, type, code } });
  }
  #whole(response, { say }, anthropic) {
    const text = say.join("");
    this.#json(response, 200, anthropic
      ? { type: "message", role: "assistant", content: [{ type: "text", text }], stop_reason: "end_turn", usage: { input_tokens: 1, output_tokens: 1 } }
      : { object: "chat.completion", choices: [{ index: 0, message: { role: "assistant", content: text }, finish_reason: "stop" }] });
  }

  // Writes, waits until it is on its way (a slow reader makes it wait), and then as long as was said. False: the reader is gone.
  async #write(response, text, delay = 0) {
    if (response.destroyed) return false;
    await new Promise((resolve) => {
      response.once("close", resolve);
      response.write(text, () => (response.off("close", resolve), resolve()));
    });
    if (delay) await pause(delay);
    return !response.destroyed;
  }
  // What all scripts may do behind what they said. True: there is nothing more to come.
  async #trouble(response, step, event) {
    if (step.cut) {
      response.socket?.destroy();
      return true;
    }
    if (step.hang) return true;
    if (step.malformed) await this.#write(response, 'data: {"choices":[{"delta":{"content":"x"\n\n');
    if (step.error) await this.#write(response, event);
    if (!step.malformed && !step.error) return false;
    response.end();
    return true;
  }

  async #completions(response, step) {
    const base = { id: "chatcmpl-1", object: "chat.completion.chunk", created: 0, model: "stand-in" };
    const chunk = (delta, reason = null) => `data: ${JSON.stringify({ ...base, choices: [{ index: 0, delta, finish_reason: reason }] })}\n\n`;
    response.writeHead(200, { "content-type": "text/event-stream; charset=utf-8", "cache-control": "no-cache" });
    if (!(await this.#write(response, chunk({ role: "assistant", content: "" })))) return;
    for await (const piece of step.think ?? []) if (!(await this.#write(response, chunk({ reasoning_content: piece }), step.delay))) return;
    for await (const piece of step.say ?? []) if (!(await this.#write(response, chunk({ content: piece }), step.delay))) return;
    if (await this.#trouble(response, step, `data: ${JSON.stringify({ error: { message: step.error, type: "server_error" } })}\n\n`)) return;
    if (step.refuse) await this.#write(response, chunk({ refusal: step.refuse }));
    if (step.tool) await this.#write(response, chunk({ tool_calls: [{ index: 0, id: "call_1", type: "function", function: { name: step.tool, arguments: "{}" } }] }));
    await this.#write(response, chunk({}, step.stop ?? (step.tool ? "tool_calls" : "stop")));
    const usage = step.usage ?? { prompt_tokens: 12, completion_tokens: 3, total_tokens: 15 };
    await this.#write(response, `data: ${JSON.stringify({ ...base, choices: [], usage })}\n\n`);
    response.end("data: [DONE]\n\n");
  }

  async #messages(response, step) {
    const event = (type, fields) => `event: ${type}\ndata: ${JSON.stringify({ type, ...fields })}\n\n`;
    const usage = step.usage ?? { input_tokens: 12, output_tokens: 3 };
    response.writeHead(200, { "content-type": "text/event-stream; charset=utf-8" });
    const start = event("message_start", { message: { id: "msg_1", type: "message", role: "assistant", content: [], usage: { ...usage, output_tokens: 1 } } });
    if (!(await this.#write(response, start + event("ping", {})))) return;
    let index = 0;
    const block = async (type, pieces, member) => {
      await this.#write(response, event("content_block_start", { index, content_block: { type, [member]: "" } }));
      for await (const piece of pieces)
        if (!(await this.#write(response, event("content_block_delta", { index, delta: { type: `${member}_delta`, [member]: piece } }), step.delay))) return false;
      return true;
    };
    for (const [type, pieces] of [["thinking", step.think], ["text", step.say ?? (step.refuse ? [step.refuse] : undefined)]]) {
      if (!pieces) continue;
      if (!(await block(type, pieces, type))) return;
      if (type === "text" && (await this.#trouble(response, step, event("error", { error: { type: "overloaded_error", message: step.error } })))) return;
      await this.#write(response, event("content_block_stop", { index: index++ }));
    }
    if (step.cut) return response.socket?.destroy();
    if (step.tool) await this.#write(response, event("content_block_start", { index, content_block: { type: "tool_use", id: "toolu_1", name: step.tool, input: {} } }));
    const reason = step.stop ?? (step.tool ? "tool_use" : step.refuse ? "refusal" : "end_turn");
    await this.#write(response, event("message_delta", { delta: { stop_reason: reason, stop_sequence: null }, usage: { output_tokens: usage.output_tokens } }));
    response.end(event("message_stop", {}));
  }
}
