// Microsoft's own Agents SDK as a bot of the stand-in Teams. It knows the addresses of login by heart; two of them lead to the stand-in here, in this process only.
// `why` says why it cannot run here; then tests skip.
import http from "node:http";
import https from "node:https";
import { Teams } from "./teams.mjs";

export const { sdk, why } = await import("@microsoft/agents-hosting").then(
  (module) => ({ sdk: module.default ?? module, why: false }),
  (error) => ({ sdk: null, why: `@microsoft/agents-hosting does not load here (${error.code ?? error.message}); npm ci installs it, with Node 20` }),
);

// What the SDK asks over https goes to the stand-in on this port; nothing else leaves. The result undoes it.
export function lead(port) {
  const { request } = https;
  const { fetch } = globalThis;
  https.request = (options, ...rest) => {
    if (options.hostname !== "login.botframework.com") throw new Error(`a request to ${options.hostname}`);
    return http.request({ ...options, protocol: "http:", hostname: "127.0.0.1", host: "127.0.0.1", port, agent: undefined }, ...rest);
  };
  globalThis.fetch = (address, options) => {
    const url = new URL(address);
    if (url.hostname === "127.0.0.1") return fetch(address, options);
    if (url.hostname !== "login.microsoftonline.com") return Promise.reject(new Error(`a request to ${url.hostname}`));
    return fetch(`http://127.0.0.1:${port}${url.pathname}`, options);
  };
  return () => {
    https.request = request;
    globalThis.fetch = fetch;
  };
}
// A bot that does `turn` with each activity: { server, adapter, errors }, which are what went wrong in turns.
export async function serveBot(settings, turn) {
  const errors = [];
  const auth = sdk.getAuthConfigWithDefaults(settings);
  const adapter = new sdk.CloudAdapter(auth);
  adapter.onTurnError = async (context, error) => void errors.push(error);
  const authorize = sdk.authorizeJWT(auth);
  sdk.clearJwksClients();
  // What it needs of Express.
  const server = http.createServer(async (request, response) => {
    let body = "";
    for await (const chunk of request.setEncoding("utf8")) body += chunk;
    request.body = body ? JSON.parse(body) : undefined;
    response.status = (code) => Object.assign(response, { statusCode: code });
    response.send = (value) => response.end(typeof value === "string" ? value : JSON.stringify(value));
    authorize(request, response, () => adapter.process(request, response, turn).catch((error) => (errors.push(error), response.headersSent || response.status(500).end())));
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  return { server, adapter, errors };
}

// A bot and the stand-in that it talks to. `options` are the stand-in's, `auth` more of the SDK's configuration, or makes it of the stand-in.
export async function botFor(t, turn, { options = {}, auth = {} } = {}) {
  const teams = await Teams.start(null, options);
  const restore = lead(teams.port);
  const more = typeof auth === "function" ? await auth(teams) : auth;
  const { server, adapter, errors } = await serveBot({ clientId: teams.appId, tenantId: teams.tenant, ...(more.certPemFile ? {} : { clientSecret: teams.appPassword }), ...more }, turn);
  teams.endpoint = `http://127.0.0.1:${server.address().port}/api/messages`;
  t.after(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
    restore();
    await teams.stop();
  });
  return { teams, errors, adapter };
}
