// The simulator of the surface `slack` as its page has it: what is there, live, and what people do.
import assert from "node:assert/strict";
import { request } from "./viaduct.mjs";
import { until } from "./wait.mjs";
import { WebSocketClient } from "./websocket.mjs";

export class Simulator {
  world = null;
  #socket;

  static async open(t, host, surface = "slack") {
    const one = new Simulator();
    one.base = `/apps/${surface}/simulator/`;
    one.origin = host.origin;
    one.#socket = await WebSocketClient.connect(`${host.origin}${one.base}api/ws`, { origin: host.origin });
    one.#socket.onText = (text) => one.#take(JSON.parse(text));
    t.after(() => one.#socket.close());
    await until(() => one.world, "the workspace");
    return one;
  }
  #take(change) {
    if (change.whole) return void (this.world = change);
    const { messages = [], gone = [], ...rest } = change;
    Object.assign(this.world, rest);
    const fresh = new Set([...gone, ...messages.map(({ ts }) => ts)]);
    this.world.messages = [...this.world.messages.filter(({ ts }) => !fresh.has(ts)), ...messages].sort((a, b) => (a.ts < b.ts ? -1 : 1));
  }
  act(who, what, more = {}) {
    return request(this.origin, "POST", `${this.base}api/act`, { body: { as: `U0${who.toUpperCase()}`, do: what, ...more } });
  }
  // Where somebody says something: "general", or "@" for the direct messages with the bot.
  channel(who, where) {
    if (where === "@") return `D0${who.toUpperCase()}`;
    return this.world.channels.find(({ name }) => name === where).id;
  }
  // Says it, and gives the message, but for a slash command.
  async say(who, where, text, { thread = "" } = {}) {
    const channel = this.channel(who, where);
    const before = new Set(this.world.messages.map(({ ts }) => ts));
    const { status, body } = await this.act(who, "say", { channel, thread, text });
    assert.equal(status, 200, JSON.stringify(body));
    if (text.startsWith("/")) return null;
    return until(() => this.world.messages.find((one) => !before.has(one.ts) && one.channel === channel && one.user === `U0${who.toUpperCase()}`), "the message");
  }
  async press(who, message, label) {
    const control = controls(message).find(({ text }) => text.text === label);
    assert.ok(control, `no button ${label} in ${JSON.stringify(message.blocks)}`);
    const { status, body } = await this.act(who, "press", { channel: message.channel, message: message.ts, action: control.action_id });
    assert.equal(status, 200, JSON.stringify(body));
  }
  // The first message of the bot that fits.
  bot(fits, what = "a message of the bot") {
    return until(() => this.world.messages.find((one) => one.user === "U0AMP" && !one.streams && fits(one)), what);
  }
  answer(thread, text) {
    return this.bot((one) => one.thread === thread && shown(one).includes(text), `an answer with "${text}"`);
  }
}
export const controls = ({ blocks }) => blocks.flatMap(({ elements = [], accessory }) => [...elements, ...(accessory ? [accessory] : [])]).filter(({ type }) => type === "button");
export const shown = ({ text, blocks }) => (blocks.length ? JSON.stringify(blocks) : text);
