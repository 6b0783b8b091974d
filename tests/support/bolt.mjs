// Slack's official Bolt against the stand-in, over HTTP or Socket Mode. `why` says why it cannot run here; then tests skip.
import { once } from "node:events";
import { Slack } from "./slack.mjs";

export const { bolt, why } = await import("@slack/bolt").then(
  (module) => ({ bolt: module.default ?? module, why: false }),
  (error) => ({ bolt: null, why: `@slack/bolt does not load here (${error.code ?? error.message}); npm ci installs it, with Node 20` }),
);

const quiet = { debug() {}, info() {}, warn() {}, error() {}, setLevel() {}, getLevel: () => "error", setName() {} };
const kRetries = { retries: 3, minTimeout: 10, maxTimeout: 50 };

// An app and the Slack that it talks to. `register(app)` adds its listeners before it starts; `options` are the stand-in's; `receiver` gives what Bolt's
// HTTP receiver gets besides, for installing.
export async function boltFor(t, register, { mode = "http", options = {}, receiver: extra, ping = 300 } = {}) {
  const slack = await Slack.start(null, options);
  const clientOptions = { slackApiUrl: slack.api, retryConfig: kRetries };
  const common = { token: slack.botToken, logger: quiet, clientOptions };
  // Its pings have a time-out that is also the pause before it connects again.
  const receiver = mode === "socket"
    ? new bolt.SocketModeReceiver({ appToken: slack.appToken, logger: quiet, clientPingTimeout: ping, installerOptions: { clientOptions } })
    : new bolt.HTTPReceiver({ signingSecret: slack.signingSecret, logger: quiet, unhandledRequestTimeoutMillis: 50, ...(extra?.(slack, clientOptions) ?? {}) });
  if (extra) delete common.token; // it has installations instead
  const app = new bolt.App({ ...common, receiver });
  app.error(async (error) => void errors.push(error));
  const errors = [];
  register?.(app, slack);
  let end = () => {};
  t.after(async () => { // the app first: it would look for a Slack that is gone
    end();
    await app.stop();
    clearTimeout(receiver.client?.websocket?.closeHandshakeTimeout); // Bolt leaves it to run for half a minute
    await slack.stop();
  });
  if (mode === "socket") await app.start();
  else {
    const server = await app.start({ port: 0, host: "127.0.0.1" });
    if (!server.listening) await once(server, "listening");
    slack.useHttp(`http://127.0.0.1:${server.address().port}`);
    end = () => server.closeAllConnections();
  }
  return { app, slack, errors, client: app.client };
}
