// The Microsoft 365 Agents Playground without its page: people write and press in it through what its page uses, and what the bot says is read as the page would show it.
// `why` says why it cannot run here; then tests skip.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { cardActions, guid, visible } from "./teams.mjs";
import { request, root } from "./viaduct.mjs";
import { until } from "./wait.mjs";
import { WebSocketClient } from "./websocket.mjs";

const program = path.join(root, "node_modules/@microsoft/m365agentsplayground/cli.js");
export const why = existsSync(program) ? false : "@microsoft/m365agentsplayground is not installed; npm ci installs it";

const person = (id, name) => {
  const [givenName, surname] = name.split(" ");
  const email = `${givenName.toLowerCase()}@example.org`;
  return { id: `29:1${id}`, name, userPrincipleName: email, aadObjectId: guid(`playground ${id}`), givenName, surname, email };
};
// Its own world has ids that no Teams has; this one's could be.
export function world(appId) {
  const me = person("alex", "Alex Wilber");
  const users = ["Megan Bowen", "Adele Vance", "Isaiah Langer", "Patti Fernandez", "Lynne Robbins"].map((name) => person(name.split(" ")[0].toLowerCase(), name)); // it wants five
  return {
    version: "0.1.1", tenantId: guid("tenant playground"), bot: { id: `28:${appId}`, name: "Amp" }, currentUser: me, users, personalChat: { id: "a:1personal" }, groupChat: { id: "19:group@thread.v2", name: "Group Chat" },
    team: { id: "19:team@thread.tacv2", name: "My Team", aadGroupId: guid("playground team"), channels: [{ id: "19:news@thread.tacv2", name: "Announcements" }] },
  };
}

export class Playground {
  messages = []; // of the bot, as they stand: { conversation, id, text, attachments, versions, stream }
  typings = [];
  actions = []; // everything that its page was told
  #output = "";

  // `endpoint` is the bot's address; `of` the world that it shows, null: the one that it makes for whoever just starts it.
  static async start(t, endpoint, of) {
    const one = new Playground();
    one.world = of;
    one.home = mkdtempSync(path.join(os.tmpdir(), "viaduct-playground-"));
    const config = path.join(one.home, "playground.yml");
    if (of) writeFileSync(config, JSON.stringify(of));
    const args = ["--require", path.join(root, "tests/support/loopback_only.cjs"), program, "start", "--app-endpoint", endpoint, "--channel-id", "msteams", "--port", "0", "--disable-telemetry"];
    const own = { HOME: one.home, TEAMSAPPTESTER_BROWSER: "none", ...(of ? { M365_AGENTS_PLAYGROUND_CONFIG_PATH: config } : {}), M365_AGENTS_PLAYGROUND_LOGFILE: path.join(one.home, "log") };
    one.process = spawn(process.execPath, args, { cwd: one.home, env: { ...process.env, ...own }, stdio: ["ignore", "pipe", "pipe"] });
    const ended = once(one.process, "exit");
    for (const stream of [one.process.stdout, one.process.stderr]) stream.setEncoding("utf8").on("data", (text) => (one.#output += text));
    t.after(async () => {
      one.socket?.destroy();
      one.process.kill("SIGKILL");
      await ended;
      rmSync(one.home, { recursive: true, force: true });
    });
    const port = await until(() => {
      if (one.process.exitCode !== null) throw new Error(`the Playground has ended:\n${one.#output}`);
      return /Listening on (\d+)/.exec(one.#output)?.[1];
    }, "the Playground's port");
    one.origin = `http://127.0.0.1:${port}`;
    one.world ??= (await request(one.origin, "GET", "/_internal/v1/config")).body.config;
    one.socket = await WebSocketClient.connect(`ws://127.0.0.1:${port}/_ws_conversation/v1/conversations/stream`);
    one.socket.onText = (text) => one.#told(JSON.parse(text));
    return one;
  }
  get output() {
    return this.#output;
  }
  #told(action) {
    this.actions.push(action);
    const { message } = action;
    if (action.action === "typing") this.typings.push(action.actionConversationId);
    if (!message) return;
    const found = this.messages.find(({ id }) => id === message.messageId);
    const now = { conversation: message.postConversationId ?? action.actionConversationId, text: message.text ?? "", attachments: message.attachments ?? [], stream: message.streamEntity ?? null };
    if (found) Object.assign(found, now, { versions: [...found.versions, visible(now)] });
    else this.messages.push({ id: message.messageId, ...now, versions: [visible(now)] });
  }
  async #post(where, body) {
    const { status, body: answer, text } = await request(this.origin, "POST", where, { body });
    if (status !== 200) throw new Error(`the Playground answered ${status}: ${text}`);
    return answer;
  }
  get me() {
    return { id: this.world.currentUser.id };
  }
  // "personal", "group" or "channel"; also an id.
  place(where) {
    const { personalChat, groupChat, groupChats, team } = this.world;
    return { personal: personalChat.id, group: (groupChat ?? groupChats[0]).id, channel: team?.id }[where] ?? where;
  }
  // Writes; in a group or channel it names the bot. The id of the conversation, with its thread.
  async say(text, where = "personal") {
    const mention = `<at>${this.world.bot.name}</at>`;
    const names = where !== "personal";
    const answer = await this.#post(`/_conversation/v1/conversations/${encodeURIComponent(this.place(where))}/messages`, {
      from: this.me, textFormat: "plain", text: names ? `${mention} ${text}` : text, ...(names ? { mentions: [{ mentioned: { id: this.world.bot.id }, text: mention }] } : {}),
    });
    return answer.postConversationId ?? this.place(where);
  }
  // Adds the app: an installationUpdate and a conversationUpdate.
  install(where = "personal") {
    return this.#post(`/_debug/conversation/${encodeURIComponent(this.place(where))}/installation`, {}).catch((error) => {
      if (!/answered 200/.test(error.message)) throw error;
    });
  }
  // Presses a button of a card: what the bot answers.
  press(message, title) {
    const action = cardActions(message.attachments.map(({ content }) => content)).find((one) => one.title === title);
    if (!action) throw new Error(`no button ${title} in ${JSON.stringify(message.attachments)}`);
    const value = { action: { type: action.type, title: action.title, id: action.id, verb: action.verb, data: action.data ?? {} }, trigger: "manual" };
    return this.#post("/_conversation/v1/invoke", { name: "adaptiveCard/action", conversation: { id: message.conversation }, from: this.me, replyToId: message.id, value });
  }
  // The first message of the bot in a conversation that fits.
  bot(fits, what = "a message of the bot", limit) {
    return until(() => this.messages.find((one) => fits(visible(one), one)), what, limit);
  }
}
