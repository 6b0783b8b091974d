// The stand-in's HTTP side: /api/METHOD, uploads and files, response_url, the page where an app is installed.
import { checkContent, refuse, Refusal } from "./checks.mjs";
import { appMethods } from "./app_methods.mjs";
import { chatMethods, publish } from "./chat_methods.mjs";
import { conversationMethods } from "./conversation_methods.mjs";
import { secret } from "./workspace.mjs";

export const methods = { ...chatMethods, ...conversationMethods, ...appMethods };
// Calls in a minute, by tier; posts have a rule of their own: one in a second in a channel, short bursts are fine.
const kTiers = { 1: 1, 2: 20, 3: 50, 4: 100 };
const kPostBurst = 10;
const kWorkspacePosts = 300;

const json = (response, status, body, headers = {}) => {
  const text = JSON.stringify(body);
  response.writeHead(status, { "content-type": "application/json; charset=utf-8", "content-length": Buffer.byteLength(text), ...headers });
  response.end(text);
};
async function bodyOf(request) {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  return Buffer.concat(chunks);
}
const own = (object, key) => (Object.hasOwn(object, key) ? object[key] : undefined);

// What a form says: arrays and objects are JSON, and so are truths.
function fromForm(text) {
  const args = {};
  for (const [key, value] of new URLSearchParams(text)) {
    if (/^[[{]/.test(value) && !["text", "markdown_text", "initial_comment", "status", "title"].includes(key)) {
      try {
        args[key] = JSON.parse(value);
        continue;
      } catch {
        args[key] = value;
      }
    } else args[key] = value === "true" ? true : value === "false" ? false : value;
  }
  return args;
}

// Buckets that fill again with time.
export class Budgets {
  #buckets = new Map();
  constructor(slack) {
    this.slack = slack;
  }
  // Milliseconds to wait; 0: it is allowed.
  take(key, perMinute, capacity = perMinute, now = Date.now()) {
    const minute = this.slack.times.minute;
    const bucket = this.#buckets.get(key) ?? { left: capacity, at: now, until: 0 };
    this.#buckets.set(key, bucket);
    bucket.left = Math.min(capacity, bucket.left + ((now - bucket.at) * perMinute) / minute);
    bucket.at = now;
    if (bucket.left >= 1) {
      bucket.left -= 1;
      return 0;
    }
    if (now < bucket.until) this.slack.complain(`a call before the end of Retry-After: ${key}`);
    const wait = ((1 - bucket.left) * minute) / perMinute;
    bucket.until = now + wait - 50; // clocks differ
    return wait;
  }
  check(method, spec, team, args) {
    const { limits } = this.slack;
    if (limits.off) return 0;
    const set = limits[method];
    if (method === "chat.postMessage") {
      const perChannel = this.take(`${method} ${team.id} ${args.channel}`, set ?? 60, set ?? kPostBurst);
      return perChannel || this.take(`${method} ${team.id}`, kWorkspacePosts);
    }
    const perMinute = set ?? kTiers[spec.tier];
    return perMinute ? this.take(`${method} ${team?.id}`, perMinute) : 0;
  }
}

// One call: {status?, headers?, body} of the answer.
function answer(slack, call, spec) {
  const { method, token } = call;
  if (!spec) refuse("unknown_method");
  if (spec.token !== "none") {
    if (!call.given) refuse("not_authed");
    if (!token) refuse("invalid_auth");
    if (token.state !== "live") refuse(token.state);
    const kinds = { app: ["app"], any: ["app", "bot"] }[spec.token] ?? ["bot"];
    if (!kinds.includes(token.kind)) refuse("not_allowed_token_type");
  }
  call.missing = (needed) => {
    throw new Refusal("missing_scope", { needed, provided: [...token.scopes].join(",") });
  };
  if (spec.scope && !token.scopes.has(spec.scope)) call.missing(spec.scope);
  const wait = slack.budgets.check(method, spec, call.team, call.args);
  if (wait) {
    slack.limited.push({ method, at: Date.now(), wait });
    return { status: 429, headers: { "retry-after": String(Math.max(1, Math.ceil(wait / 1000))) }, body: { ok: false, error: "ratelimited" } };
  }
  const absent = (spec.needs ?? []).filter((name) => call.args[name] === undefined || call.args[name] === "");
  // An empty status is one, and an empty title is none.
  const lacking = absent.filter((name) => !(name === "status" && call.args.status === "" && method.startsWith("assistant.")));
  if (lacking.length) refuse("invalid_arguments", ...lacking.map((name) => `missing required field: ${name}`));
  return { body: { ok: true, ...spec.run(call) } };
}

function readCall(slack, request, url, raw) {
  const method = url.pathname.slice("/api/".length);
  const type = request.headers["content-type"] ?? "";
  const spec = own(methods, method);
  const warnings = [];
  let args = {};
  let given = /^Bearer\s+(\S+)$/i.exec(request.headers.authorization ?? "")?.[1] ?? null;
  if (type.startsWith("application/json")) {
    if (!/charset/i.test(type)) warnings.push("missing_charset");
    try {
      args = raw.length ? JSON.parse(raw.toString()) : {};
    } catch {
      args = null;
    }
    if (spec && !spec.json) args = {}; // methods that read ignore it
  } else if (type.startsWith("application/x-www-form-urlencoded")) {
    args = fromForm(raw.toString());
    if (given === null && typeof args.token === "string") given = args.token;
    if (method !== "apps.connections.open") delete args.token;
  } else if (raw.length) args = undefined;
  if (url.search && args) args = { ...fromForm(url.search.slice(1)), ...args };
  if (url.searchParams.has("token")) slack.complain("a token in an address");
  const token = given === null ? null : slack.tokens.get(given);
  const basic = /^Basic\s+(\S+)$/i.exec(request.headers.authorization ?? "")?.[1];
  return {
    slack, method, spec, args, given, token, team: token?.team ?? null, warnings,
    basic: basic ? Buffer.from(basic, "base64").toString().split(":").map(decodeURIComponent) : null,
  };
}

async function api(slack, request, response, url) {
  const raw = await bodyOf(request);
  const call = readCall(slack, request, url, raw);
  const { method, spec } = call;
  const entry = { n: slack.journal.length + 1, method, args: call.args, token: call.token?.kind ?? null, team: call.team?.id ?? null, at: Date.now(), status: null, body: null, done: false };
  slack.journal.push(entry);
  slack.look();
  const fault = slack.nextFault(method, call.args);
  if (fault) entry.fault = fault;
  const cut = () => {
    entry.status = "cut";
    slack.look();
    request.socket.destroy();
  };
  const end = (status, body, headers = {}) => {
    Object.assign(entry, { status, body });
    slack.look();
    if (response.destroyed) return;
    const text = typeof body === "string" ? body : JSON.stringify(body);
    const type = typeof body === "string" ? "text/html; charset=utf-8" : "application/json; charset=utf-8";
    response.writeHead(status, { "content-type": type, "content-length": Buffer.byteLength(text), "x-slack-req-id": secret(16),
      ...(call.token ? { "x-oauth-scopes": [...call.token.scopes].join(",") } : {}), ...(spec?.scope ? { "x-accepted-oauth-scopes": spec.scope } : {}), ...headers });
    if (fault?.truncated) response.write(text.slice(0, text.length / 2), () => request.socket.destroy());
    else response.end(text);
  };
  if (fault?.wait) await fault.wait;
  if (fault?.do) await fault.do(call.args);
  if (fault?.cut === "before") return cut();
  if (fault?.hang === true) return void (entry.status = "hangs");
  if (fault?.status) {
    const html = fault.status >= 500 ? "<!DOCTYPE html><html><body>Server Error</body></html>" : { ok: false, error: fault.status === 429 ? "ratelimited" : "told_to" };
    return end(fault.status, fault.body ?? html, fault.status === 429 ? { "retry-after": String(fault.retryAfter ?? 1) } : {});
  }
  if (fault?.error) return end(200, { ok: false, ...fault.more, error: fault.error });
  let result;
  try {
    if (call.args === undefined) refuse("invalid_post_type");
    if (call.args === null) refuse("invalid_json");
    result = answer(slack, call, spec);
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    result = { body: { ok: false, error: error.error, ...error.more } };
  }
  entry.done = result.body.ok;
  if (call.warnings.length && !result.body.warning) Object.assign(result.body, { warning: call.warnings.join(","), response_metadata: { ...result.body.response_metadata, warnings: call.warnings } });
  slack.look();
  if (fault?.waitAfter) await fault.waitAfter;
  if (fault?.cut === "after") return cut();
  if (fault?.hang === "after") return void (entry.status = "hangs");
  end(result.status ?? 200, result.body, result.headers);
}

// ---------------------------------------------------------------- response_url

async function respond(slack, request, response, key) {
  const raw = (await bodyOf(request)).toString();
  const place = slack.responses.get(key);
  const refused = (status, words) => (slack.answered.push({ key, status, words }), slack.look(), json(response, status, { ok: false, error: words }));
  if (!place) return refused(404, "expired_url");
  if (place.expired || Date.now() - place.at > slack.times.responseUrl) return refused(404, "expired_url");
  const fault = slack.nextFault("response_url", {});
  if (fault?.cut) return request.socket.destroy();
  if (fault?.status) return refused(fault.status, fault.body ?? "told_to");
  if (place.uses >= 5) {
    slack.complain("a response_url used more than five times");
    return refused(404, "used_url");
  }
  const { team, channel, user, message } = place;
  let args;
  try {
    args = JSON.parse(raw);
    place.uses += 1;
    if (args.delete_original) {
      if (message?.ephemeral) Object.assign(message.ephemeral, { deleted: true });
      else if (message?.post) slack.erase(team, message.post);
    } else {
      const { warnings, ...content } = checkContent(args);
      if (args.replace_original && message?.ephemeral) Object.assign(message.ephemeral, content, { blocks: content.blocks ?? [] });
      else if (args.replace_original && message?.post) {
        const before = { ...message.post.body };
        Object.assign(message.post.body, content, { blocks: content.blocks ?? [] });
        message.post.keep();
        slack.changed(team, message.post, before);
      } else if (args.response_type === "in_channel") publish(slack, team, channel, content, { thread_ts: args.thread_ts });
      else slack.whisper(team, channel, user, content, { thread_ts: args.thread_ts ?? place.thread, by: "response_url" });
    }
  } catch (error) {
    if (!(error instanceof Refusal || error instanceof SyntaxError)) throw error;
    return refused(400, error.error ?? "invalid_payload");
  }
  slack.answered.push({ key, status: 200, args });
  slack.look();
  response.writeHead(200, { "content-type": "text/plain" });
  response.end("ok");
}

// ---------------------------------------------------------------- files and installing

const kLogin = "<!DOCTYPE html><html><head><title>Sign in | Slack</title></head><body><h1>Sign in to your workspace</h1></body></html>";

async function upload(slack, request, response, ticket) {
  const file = slack.uploads.get(ticket);
  let bytes = await bodyOf(request);
  const boundary = /boundary="?([^";]+)/.exec(request.headers["content-type"] ?? "")?.[1];
  if (boundary) {
    const start = bytes.indexOf("\r\n\r\n") + 4;
    bytes = bytes.subarray(start, bytes.indexOf(`\r\n--${boundary}`, start));
  }
  const fault = slack.nextFault("upload", {});
  if (fault?.wait) await fault.wait;
  if (fault?.cut === "before" || fault?.cut === true) return request.socket.destroy();
  const ok = file && !file.bytes && bytes.length === file.length && !fault?.status;
  if (ok) Object.assign(file, { bytes, mimetype: boundary ? undefined : request.headers["content-type"] });
  if (fault?.waitAfter) await fault.waitAfter;
  if (fault?.cut) return request.socket.destroy();
  response.writeHead(ok ? 200 : (fault?.status ?? 400), { "content-type": "text/plain" });
  response.end(ok ? `OK - ${bytes.length}` : "upload failed");
}
async function download(slack, request, response, id) {
  const file = slack.files.get(id);
  const given = /^Bearer\s+(\S+)$/.exec(request.headers.authorization ?? "")?.[1];
  const token = slack.tokens.get(given);
  slack.downloads.push({ id, authorization: request.headers.authorization ?? null });
  slack.look();
  const fault = slack.nextFault("download", {});
  if (fault?.wait) await fault.wait;
  if (fault?.cut === "before") return request.socket.destroy();
  if (!file || !token || token.state !== "live" || token.team !== file.team || !token.scopes.has("files:read")) {
    response.writeHead(302, { location: `${slack.origin}/?redir=%2Ffiles-pri%2F${id}` });
    return response.end();
  }
  if (file.elsewhere) {
    response.writeHead(302, { location: file.elsewhere });
    return response.end();
  }
  response.writeHead(200, { "content-type": file.body.mimetype, "content-length": file.bytes.length });
  if (fault?.waitAfter) response.write(file.bytes.subarray(0, file.bytes.length / 2));
  await fault?.waitAfter;
  if (fault?.cut) return request.socket.destroy();
  response.end(file.bytes);
}
function authorize(slack, request, response, url) {
  const { client_id, state, redirect_uri, scope = "", team } = Object.fromEntries(url.searchParams);
  slack.installs.push({ client_id, state, redirect_uri, scope, team });
  if (client_id !== slack.clientId || !redirect_uri) return json(response, 400, { ok: false, error: "invalid_client_id" });
  const back = new URL(redirect_uri);
  if (slack.denies) back.searchParams.set("error", "access_denied");
  else {
    const code = secret();
    const into = slack.teams.get(team ?? slack.installInto ?? [...slack.teams.keys()][0]);
    slack.codes.set(code, { team: into, user: [...into.users.values()].find(({ is_bot }) => !is_bot).id, scopes: scope.split(",").filter(Boolean), redirect: redirect_uri, at: Date.now(), used: false });
    back.searchParams.set("code", code);
  }
  if (state !== undefined) back.searchParams.set("state", state);
  response.writeHead(302, { location: back.href });
  response.end();
}

export async function serve(slack, request, response) {
  const url = new URL(request.url, slack.origin);
  const [, first, second, third] = url.pathname.split("/");
  if (first === "api") return api(slack, request, response, url);
  if (first === "response") return respond(slack, request, response, second);
  if (first === "upload") return upload(slack, request, response, third);
  if (first === "files-pri") return download(slack, request, response, second);
  if (url.pathname === "/oauth/v2/authorize") return authorize(slack, request, response, url);
  response.writeHead(url.pathname === "/" ? 200 : 404, { "content-type": "text/html; charset=utf-8" });
  response.end(kLogin);
}
