// What the surface `slack` is put beside: an app on Slack's official Bolt that acknowledges everything and does nothing else.
// SLACK_API, SLACK_BOT_TOKEN, and SLACK_SIGNING_SECRET (HTTP) or SLACK_APP_TOKEN (Socket Mode). Prints its port, or 0.
import bolt from "@slack/bolt";

const { SLACK_API, SLACK_BOT_TOKEN, SLACK_SIGNING_SECRET, SLACK_APP_TOKEN } = process.env;
const quiet = { debug() {}, info() {}, warn() {}, error() {}, setLevel() {}, getLevel: () => "error", setName() {} };
const clientOptions = { slackApiUrl: SLACK_API };
const app = new bolt.App({
  token: SLACK_BOT_TOKEN, logger: quiet, clientOptions,
  ...(SLACK_APP_TOKEN ? { socketMode: true, appToken: SLACK_APP_TOKEN } : { signingSecret: SLACK_SIGNING_SECRET }),
});
app.command("/amp", async ({ ack }) => ack("ok"));
app.event("app_mention", async () => {});
app.event("message", async () => {});
const server = await app.start(SLACK_APP_TOKEN ? undefined : { port: 0, host: "127.0.0.1" });
console.log(SLACK_APP_TOKEN ? 0 : server.address().port);
