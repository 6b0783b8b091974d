// The stand-in's HTTP side: finds what a request is for, keeps it in the journal, does the faults that a test asked for, and answers.
import { connect, nameOf, route } from "./connector.mjs";
import { download, putFile } from "./files.mjs";
import { Refusal } from "./checks.mjs";
import { openId, tokenAnswer } from "./login.mjs";
import { kGovIssuer } from "./tokens.mjs";
import { negotiate, openSocket } from "./sockets.mjs";
import { streamInfo } from "./streams.mjs";

async function bodyOf(request) {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  return Buffer.concat(chunks);
}
const found = (body) => ({ status: 200, body });

// What is not the connector: method, path, name, and what it does.
const kPages = [
  ["GET", /^\/v1\/\.well-known\/openidconfiguration$/, "openid", (teams) => found(openId(teams))],
  ["GET", /^\/v1\/\.well-known\/keys$/, "jwks", (teams) => found({ keys: teams.published.map((key) => key.jwk()) })],
  ["GET", /^\/gov\/v1\/\.well-known\/openidconfiguration$/, "govOpenid", (teams) => found(openId(teams, { path: "/gov/v1/.well-known/keys", issuer: kGovIssuer }))],
  ["GET", /^\/gov\/v1\/\.well-known\/keys$/, "govJwks", (teams) => found({ keys: [teams.keys.gov.jwk()] })],
  ["GET", /^\/([^/]+)\/v2\.0\/\.well-known\/openid-configuration$/, "entraOpenid",
    (teams) => found({ ...openId(teams, { path: "/common/discovery/v2.0/keys", issuer: "https://login.microsoftonline.com/{tenantid}/v2.0" }), token_endpoint: `${teams.origin}/${teams.loginTenant}/oauth2/v2.0/token` })],
  ["GET", /^\/[^/]+\/discovery\/v2\.0\/keys$/, "entraJwks", (teams) => found({ keys: [teams.keys.entra.jwk()] })],
  ["POST", /^\/[^/]+\/oauth2\/v2\.0\/token$/, "token", tokenAnswer],
  ["POST", /^(?:\/[^/]+)*\/v3\/websockets\/connect$/, "connect", openSocket],
  ["POST", /^\/hub\/[^/]+\/negotiate$/, "negotiate", negotiate],
  ["PUT", /^\/upload\/[^/]+$/, "putFile", putFile],
  ["GET", /^\/upload\/[^/]+$/, "askFile", putFile],
  ["GET", /^\/download\/[^/]+$/, "download", download],
];
function argsOf(request, raw) {
  if (/^application\/x-www-form-urlencoded/.test(request.headers["content-type"] ?? "")) return Object.fromEntries(new URLSearchParams(raw.toString()));
  try {
    return raw.length ? JSON.parse(raw.toString()) : undefined;
  } catch {
    return null;
  }
}

export async function serve(teams, request, response) {
  const url = new URL(request.url, teams.origin);
  const arrived = Date.now();
  const place = route(request.method, url.pathname);
  const page = place ? null : kPages.find(([method, path]) => method === request.method && path.test(url.pathname));
  const raw = await bodyOf(request);
  const args = page?.[2] === "putFile" ? undefined : argsOf(request, raw);
  const op = place ? nameOf(place, args) : (page?.[2] ?? "unknown");
  const entry = {
    n: teams.journal.length + 1, op, method: request.method, path: url.pathname, query: Object.fromEntries(url.searchParams), headers: request.headers, args, size: raw.length, at: arrived, conversation: place?.cid ?? null,
    thread: place?.thread ?? null, activity: place?.activity ?? null, status: null, body: null, done: false,
  };
  teams.journal.push(entry);
  const call = { teams, request, url, raw, entry, args, ...place, op, body: args, broken: args === null };
  const stream = place?.cid && args && (op === "stream" || op === "final") ? teams.conversations.get(place.cid)?.messages.get(streamInfo(args)?.streamId)?.stream : null;
  if (stream) stream.busy += 1;
  teams.look();
  try {
    await answer(teams, call, entry, page, response);
  } finally {
    if (stream) stream.busy -= 1;
  }
}

async function answer(teams, call, entry, page, response) {
  const { op, request } = call;
  const end = (status, body, headers = {}) => {
    const bytes = Buffer.isBuffer(body) ? body : Buffer.from(typeof body === "string" ? body : JSON.stringify(body));
    Object.assign(entry, { status, body, ended: Date.now() });
    const type = typeof body === "string" ? "text/html" : Buffer.isBuffer(body) ? "application/octet-stream" : "application/json; charset=utf-8";
    if (!response.headersSent) response.writeHead(status, { "content-type": type, "content-length": bytes.length, ...headers });
    response.end(bytes);
    teams.look();
  };
  const cut = () => {
    entry.status = "cut";
    request.socket.destroy();
    teams.look();
  };
  const told = (fault) => end(fault.status, fault.body ?? { error: { code: fault.code ?? "ServiceError", message: fault.message ?? "told to" } }, { ...(fault.retryAfter === undefined ? {} : { "retry-after": String(fault.retryAfter) }), ...fault.headers });
  const fault = teams.nextFault(op, call.args, entry);
  if (fault) entry.fault = fault;
  if (fault?.wait) await fault.wait;
  if (fault?.cut === "before") return cut();
  if (fault?.hang === true) return void (entry.status = "hangs");
  if (fault?.redirect) return end(302, "", { location: fault.redirect });
  if (fault?.text !== undefined) return end(fault.status ?? 200, fault.text, { "content-type": "application/json", ...fault.headers });
  if (fault?.huge) return end(200, Buffer.alloc(fault.huge, " "), { "content-type": "application/json" });
  if (fault?.status && !fault.after) return told(fault);
  if (fault?.do) await fault.do(call);
  let result;
  try {
    result = call.cid !== undefined ? connect(teams, call) : page ? page[3](teams, call) : { status: 404, body: { error: { code: "NotFound", message: `no ${request.method} ${call.url.pathname}` } } };
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    result = error;
  }
  if (op === "unknown") teams.complain(`nobody serves ${request.method} ${call.url.pathname}`);
  entry.done = result.status < 300;
  entry.result = result.body;
  teams.look();
  if (fault?.waitAfter) await fault.waitAfter;
  if (fault?.cut === "after") return cut();
  if (fault?.hang === "after") return void (entry.status = "hangs");
  if (fault?.after && fault.status) return told(fault);
  end(result.status, result.raw ?? result.body ?? "", result.headers);
}
