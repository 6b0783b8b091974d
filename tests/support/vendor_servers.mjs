// A stand-in for the model servers of the agent programs' vendors, on any free port of the loopback: Anthropic's messages (claude), OpenAI's
// responses (codex) and chat completions (opencode), Gemini's streamGenerateContent (gemini), with tool calls. What it answers is said by
// `script`, a function of the request or a list that is used up; without one it says what it was told. Requests that a program makes for
// itself (titles, summaries, routing; they offer no tools) get a plain answer and are kept in `asides`, the others in `requests`.
//
//   { say: ["one ", "two"], think: ["hm"], tool: { name: "list", input: {…} }, usage: { input: 12, output: 3 }, wait: promise }
//   { status: 429, headers: {…}, message: "slow down" }     an answer that is an error, in the words of the vendor
//   { say: […], hang: true }                                then silence, with the connection open
import { LocalServer } from "./local_server.mjs";

const sse = { "content-type": "text/event-stream; charset=utf-8", "cache-control": "no-cache" };
// What the programs tell the model by themselves: dates, folders, lists of tools.
const kOwnWords = /^\s*(<[a-z][a-z_-]*[ >]|# AGENTS\.md|This is the Gemini CLI)/;
const partText = (part) => {
  if (typeof part === "string") return part;
  if (part.functionResponse) return `[result: ${JSON.stringify(part.functionResponse)}]`;
  if (part.functionCall) return `[call: ${part.functionCall.name}]`;
  if (part.type === "tool_use") return `[call: ${part.name}]`;
  if (part.type === "tool_result") return `[result: ${partsText(part.content ?? "")}]`;
  if (part.type === "thinking" || part.thought) return "";
  const text = part.text ?? `[${part.type ?? "?"}]`;
  return kOwnWords.test(text) ? "" : text;
};
const partsText = (content) => (content == null ? "" : Array.isArray(content) ? content.map(partText).filter(Boolean).join("\n") : partText(content));

// The least that a JSON schema accepts, where a program wants its answer so.
const least = ({ type = "string", properties = {}, required = [] }) =>
  ({ object: () => Object.fromEntries(required.map((name) => [name, least(properties[name])])), array: () => [], integer: () => 1, number: () => 1, boolean: () => false })[type.toLowerCase()]?.() ?? "so";

// How each vendor's API looks: what was said in a request, which tools it offers, and how an answer and an error are written.
const kApis = {
  messages: {
    path: /^\/v1\/messages$/,
    said: (body) => body.messages.map(({ role, content }) => `${role}: ${partsText(content)}`),
    tools: (body) => (body.tools ?? []).map(({ name }) => name),
    error: (status, message) => ({ type: "error", error: { type: { 401: "authentication_error", 404: "not_found_error", 429: "rate_limit_error" }[status] ?? "api_error", message } }),
    async answer(write, body, { think, say, tool, usage }, number) {
      const event = (type, fields) => write(`event: ${type}\ndata: ${JSON.stringify({ type, ...fields })}\n\n`);
      const tokens = { input_tokens: usage.input, output_tokens: usage.output, cache_creation_input_tokens: 0, cache_read_input_tokens: 0 };
      await event("message_start", { message: { id: `msg_${number}`, type: "message", role: "assistant", model: body.model, content: [], stop_reason: null, stop_sequence: null, usage: { ...tokens, output_tokens: 1 } } });
      let index = 0;
      const block = async (start, deltas) => {
        await event("content_block_start", { index, content_block: start });
        for (const delta of deltas) await event("content_block_delta", { index, delta });
        await event("content_block_stop", { index: index++ });
      };
      if (think) await block({ type: "thinking", thinking: "", signature: "" }, [...think.map((thinking) => ({ type: "thinking_delta", thinking })), { type: "signature_delta", signature: "c2lnbmVk" }]);
      if (say) await block({ type: "text", text: "" }, say.map((text) => ({ type: "text_delta", text })));
      return async () => {
        if (tool) await block({ type: "tool_use", id: `toolu_${number}`, name: tool.name, input: {} }, [{ type: "input_json_delta", partial_json: JSON.stringify(tool.input) }]);
        await event("message_delta", { delta: { stop_reason: tool ? "tool_use" : "end_turn", stop_sequence: null }, usage: tokens });
        await event("message_stop", {});
      };
    },
  },
  responses: {
    path: /^\/v1\/responses$/,
    said: (body) =>
      body.input.flatMap((item) => {
        if (item.type === "function_call" || item.type === "custom_tool_call") return [`assistant: [call: ${item.name}]`];
        if (/_output$/.test(item.type)) return [`tool: [result: ${partsText(item.output)}]`];
        return item.role ? [`${item.role}: ${partsText(item.content)}`] : [];
      }),
    tools: (body) => (body.tools ?? []).map(({ name, type }) => name ?? type),
    error: (status, message) => ({ error: { message, type: "error", code: null } }),
    async answer(write, body, { think, say, tool, usage }, number) {
      const output = [];
      const event = (type, fields) => write(`event: ${type}\ndata: ${JSON.stringify({ type, ...fields })}\n\n`);
      const item = async (added, done, deltas = []) => {
        const output_index = output.length;
        await event("response.output_item.added", { output_index, item: added });
        for (const delta of deltas) await event(delta.type, { output_index, item_id: added.id, ...delta });
        await event("response.output_item.done", { output_index, item: done });
        output.push(done);
      };
      await event("response.created", { response: { id: `resp_${number}`, object: "response", status: "in_progress", output: [] } });
      if (think) {
        const id = `rs_${number}`;
        const summary = [{ type: "summary_text", text: think.join("") }];
        await item({ id, type: "reasoning", summary: [] }, { id, type: "reasoning", summary }, think.map((delta) => ({ type: "response.reasoning_summary_text.delta", summary_index: 0, delta })));
      }
      if (say) {
        const id = `msg_${number}`;
        const message = (content) => ({ id, type: "message", role: "assistant", content });
        await item(message([]), message([{ type: "output_text", text: say.join(""), annotations: [] }]), say.map((delta) => ({ type: "response.output_text.delta", content_index: 0, delta })));
      }
      return async () => {
        if (tool) {
          const call = { id: `fc_${number}`, type: "function_call", call_id: `call_${number}`, name: tool.name, arguments: JSON.stringify(tool.input) };
          await item({ ...call, arguments: "" }, call);
        }
        const tokens = { input_tokens: usage.input, input_tokens_details: { cached_tokens: 0 }, output_tokens: usage.output, output_tokens_details: { reasoning_tokens: 0 }, total_tokens: usage.input + usage.output };
        await event("response.completed", { response: { id: `resp_${number}`, object: "response", status: "completed", output, usage: tokens } });
      };
    },
  },
  completions: {
    path: /^\/v1\/chat\/completions$/,
    said: (body) => body.messages.map(({ role, content, tool_calls }) => `${role}: ${partsText(content)}${(tool_calls ?? []).map((call) => `[call: ${call.function.name}]`).join("")}`),
    tools: (body) => (body.tools ?? []).map((tool) => tool.function.name),
    error: (status, message) => ({ error: { message, type: "error", code: null } }),
    async answer(write, body, { think, say, tool, usage }, number) {
      const base = { id: `chatcmpl-${number}`, object: "chat.completion.chunk", created: 0, model: body.model };
      const chunk = (delta, finish_reason = null) => write(`data: ${JSON.stringify({ ...base, choices: [{ index: 0, delta, finish_reason }] })}\n\n`);
      await chunk({ role: "assistant", content: "" });
      for (const reasoning_content of think ?? []) await chunk({ reasoning_content });
      for (const content of say ?? []) await chunk({ content });
      return async () => {
        if (tool) await chunk({ tool_calls: [{ index: 0, id: `call_${number}`, type: "function", function: { name: tool.name, arguments: JSON.stringify(tool.input) } }] });
        await chunk({}, tool ? "tool_calls" : "stop");
        const tokens = { prompt_tokens: usage.input, completion_tokens: usage.output, total_tokens: usage.input + usage.output };
        await write(`data: ${JSON.stringify({ ...base, choices: [], usage: tokens })}\n\ndata: [DONE]\n\n`);
      };
    },
  },
  gemini: {
    path: /^\/v1(beta)?\/models\/[^:]+:(stream)?[gG]enerateContent$/,
    said: (body) => body.contents.map(({ role, parts }) => `${role === "model" ? "assistant" : role}: ${partsText(parts)}`),
    tools: (body) => (body.tools ?? []).flatMap((tool) => (tool.functionDeclarations ?? []).map(({ name }) => name)),
    error: (status, message) => ({ error: { code: status, message, status: { 401: "UNAUTHENTICATED", 429: "RESOURCE_EXHAUSTED" }[status] ?? "INTERNAL" } }),
    async answer(write, body, { think, say, tool, usage, whole }) {
      const usageMetadata = { promptTokenCount: usage.input, candidatesTokenCount: usage.output, totalTokenCount: usage.input + usage.output };
      const answer = (parts, fields = {}) => ({ candidates: [{ index: 0, content: { role: "model", parts }, ...fields }], modelVersion: "stand-in", usageMetadata });
      const wanted = body.generationConfig?.responseJsonSchema ?? body.generationConfig?.responseSchema;
      if (wanted) say = [JSON.stringify(least(wanted))];
      const all = [...(think ?? []).map((text) => ({ text, thought: true })), ...(say ?? []).map((text) => ({ text }))];
      if (whole) return () => write(JSON.stringify(answer(all, { finishReason: "STOP" })));
      for (const part of all) await write(`data: ${JSON.stringify(answer([part]))}\r\n\r\n`);
      return () => write(`data: ${JSON.stringify(answer(tool ? [{ functionCall: { name: tool.name, args: tool.input } }] : [{ text: "" }], { finishReason: "STOP" }))}\r\n\r\n`);
    },
  },
};

export class VendorServer extends LocalServer {
  // requests: { api, path, headers, body, said: ["user: …"], tools: ["name"], ended: null | "finished" | "cut" }
  asides = [];
  others = []; // "METHOD path" of all that is none of the APIs

  // Waits for a request for which `check` holds.
  until(check, limit = 60_000) {
    const said = () => JSON.stringify(this.requests.map((request) => request.said.at(-1)));
    return this.wait(() => this.requests.find(check), limit, () => `no such request, there were ${said()},`);
  }

  async serve(request, response) {
    const chunks = [];
    for await (const chunk of request) chunks.push(chunk);
    const { pathname } = new URL(request.url, this.origin);
    const [name, api] = Object.entries(kApis).find(([, { path }]) => path.test(pathname)) ?? [];
    if (request.method !== "POST" || !api) return this.#other(request, response, pathname);

    const body = JSON.parse(Buffer.concat(chunks));
    const kept = { api: name, path: pathname, headers: request.headers, body, said: api.said(body).filter((line) => /^(user|assistant|tool): ./.test(line)), tools: api.tools(body), ended: null };
    const aside = kept.tools.length === 0;
    (aside ? this.asides : this.requests).push(kept);
    response.on("close", () => {
      kept.ended = response.writableFinished ? "finished" : "cut";
      this.look();
    });
    this.look();
    const step = (aside ? this.aside?.(kept) : Array.isArray(this.script) ? this.script.shift() : this.script?.(kept, this.requests.length)) ?? {
      say: aside ? ["An aside"] : ["You said: ", kept.said.at(-1).replace(/^\w+: /, "")],
    };
    if (step.wait) await step.wait;
    if (step.status) {
      response.writeHead(step.status, { "content-type": "application/json", ...step.headers });
      return response.end(JSON.stringify(api.error(step.status, step.message ?? `told to answer ${step.status}`)));
    }
    const whole = /:generateContent$/.test(pathname);
    response.writeHead(200, whole ? { "content-type": "application/json" } : sse);
    const write = (text) => new Promise((resolve) => (response.destroyed ? resolve() : response.write(text, () => resolve())));
    const finish = await api.answer(write, body, { usage: { input: 12, output: 3 }, whole, ...step }, this.requests.length + this.asides.length);
    if (step.hang) return;
    await finish();
    response.end();
  }
  #other(request, response, pathname) {
    const tokens = /count_?tokens$/i.test(pathname);
    if (!tokens) this.others.push(`${request.method} ${pathname}`);
    response.writeHead(tokens ? 200 : 404, { "content-type": "application/json" });
    response.end(tokens ? JSON.stringify({ input_tokens: 12, totalTokens: 12 }) : "{}");
  }
}
