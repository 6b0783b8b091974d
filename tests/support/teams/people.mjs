// What persons do in the stand-in Teams: each act stores what it leaves behind, and sends what Teams would send of it.
import { bareRequest } from "../stand_in.mjs";
import { guid, Message } from "./world.mjs";
import { secret } from "./tokens.mjs";

const escape = (text) => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
const kCard = "application/vnd.microsoft.card.adaptive";
const kMessage = "application/vnd.microsoft.activity.message";
const kSomethingWrong = "Something went wrong. Please try again.";

export const people = {
  // An activity of somebody, somewhere, with everything that Teams says in each; `fields` change it.
  activity(who, where, { type = "message", root = null, fields = {} } = {}) {
    const person = this.person(who);
    const conversation = this.where(where, person);
    const now = new Date();
    return {
      type, id: this.nextId(), timestamp: now.toISOString(), localTimestamp: now.toISOString().replace("Z", "+00:00"), serviceUrl: this.serviceUrl(conversation), channelId: "msteams", from: person.account,
      conversation: conversation.describe(root), recipient: this.bot.account, locale: "en-US", localTimezone: "Etc/UTC", channelData: conversation.channelData,
      entities: [{ type: "clientInfo", locale: "en-US", country: "US", platform: "Web", timezone: "Etc/UTC" }], ...fields,
    };
  },
  // As people type it, "@amp" and "@bob" are mentions: { text, html, entities }.
  encode(text, { conversation, loses = false } = {}) {
    const entities = [];
    let html = "";
    let plain = "";
    let at = 0;
    for (const found of text.matchAll(/(?<![\w@])@([a-z0-9_-]+)/g)) {
      const person = this.people.find(({ name }) => name === found[1]);
      if (!person || (conversation && !conversation.members.has(person) && person !== this.bot)) continue;
      const name = `<at>${escape(person.display)}</at>`;
      const before = text.slice(at, found.index);
      plain += before + name;
      html += `${escape(before)}<span itemscope="" itemtype="http://schema.skype.com/Mention" itemid="${entities.length}">${escape(person.display)}</span>`;
      entities.push({ type: "mention", mentioned: { id: person.id, name: person.display }, text: name });
      at = found.index + found[0].length;
    }
    plain += text.slice(at);
    html += escape(text.slice(at));
    // A paragraph for each line, as the clients write them.
    const paragraphs = html.split("\n").map((one) => `<p>${one.replaceAll("  ", "&nbsp; ") || "&nbsp;"}</p>`).join("\n");
    return { text: loses ? plain.replaceAll("\n", "") : plain, html: paragraphs, entities };
  },
  // Writes as `who` in a chat or channel ("dm": the chat with the bot, "@bob": bob's). thread: a root, or any message of it. quote: a message. loses: Teams drops the ends of lines
  // in `text`. raw: the text as it comes, without mentions. targeted: as a private command. fields: of the activity.
  post(who, where, text, { thread, files = [], pictures = [], quote, loses = false, raw = false, targeted = false, fields = {}, html = true } = {}) {
    const person = this.person(who);
    const conversation = this.where(where, person);
    if (!conversation.members.has(person)) throw new Error(`${who} is not in ${conversation.name}`);
    const typed = raw ? { text, html: null, entities: [] } : this.encode(text, { conversation, loses });
    const head = thread === undefined ? null : typeof thread === "string" ? thread : (thread.root ?? thread.id);
    const id = this.nextId();
    const root = conversation.isChannel ? (head ?? id) : null;
    const activity = this.activity(person, conversation, { root });
    const attachments = [
      ...pictures.map((one) => this.pictureAttachment({ ...one, conversation })), ...files.map((one) => this.fileAttachment(one)),
      ...(html && typed.html !== null ? [{ contentType: "text/html", content: typed.html }] : []),
    ];
    const quoted = quote ? [{ type: "quotedReply", quotedReply: { messageId: quote.id, senderId: quote.from.id, senderName: quote.from.display, preview: quote.text.slice(0, 100), time: quote.id, isReplyDeleted: false } }] : [];
    Object.assign(activity, { id, textFormat: "plain", text: typed.text, attachments, entities: [...typed.entities, ...quoted, ...activity.entities] });
    if (root && root !== id) activity.replyToId = root;
    if (targeted) activity.recipient = { ...activity.recipient, isTargeted: true };
    Object.assign(activity, fields);
    const message = new Message(conversation, id, person, activity, { root: root === id ? null : root });
    message.said = text;
    if (targeted) message.targeted = person;
    conversation.messages.set(id, message);
    // Without the permission to read all, the bot hears in chats and channels only what names it.
    const heard = conversation.kind === "personal" || targeted || this.features.rsc || activity.entities.some(({ type, mentioned }) => type === "mention" && mentioned.id === this.bot.id);
    message.delivery = heard && conversation.installed ? this.deliver(activity) : null;
    this.look();
    return message;
  },
  // The thread that a message is in or begins, as an activity's conversation has it.
  threadOf: (message) => (message.conversation.isChannel ? (message.root ?? message.id) : undefined),
  // Anything else that happens; the delivery.
  event(who, where, type, fields = {}, { root = null } = {}) {
    return this.deliver(this.activity(who, where, { type, root, fields }));
  },
  edit(who, message, text) {
    const typed = this.encode(text, { conversation: message.conversation });
    const activity = {
      ...message.body, type: "messageUpdate", text: typed.text, attachments: [{ contentType: "text/html", content: typed.html }], timestamp: new Date().toISOString(), entities: [...typed.entities, ...message.body.entities.filter(({ type }) => type === "clientInfo")],
      channelData: { ...message.body.channelData, eventType: "editMessage" },
    };
    message.keep(activity);
    return this.deliver(activity);
  },
  remove(who, message) {
    message.deleted = true;
    const { text, attachments, entities, ...rest } = message.body;
    this.look();
    return this.deliver({ ...rest, type: "messageDelete", timestamp: new Date().toISOString(), channelData: { ...rest.channelData, eventType: "softDeleteMessage" } });
  },
  react(who, message, type = "like", { away = false } = {}) {
    const person = this.person(who);
    message.reactions = message.reactions.filter((one) => one.who !== person || one.type !== type);
    if (!away) message.reactions.push({ who: person, type });
    return this.event(person, message.conversation, "messageReaction", { replyToId: message.id, [away ? "reactionsRemoved" : "reactionsAdded"]: [{ type }] }, { root: this.threadOf(message) });
  },
  // The stop button beside an answer that grows.
  cancel(message) {
    Object.assign(message.stream, { open: false, ends: "cancelled" });
    this.look();
  },

  // ---------------------------------------------------------------- installing

  // The app is added to a chat, a team or for somebody: an installationUpdate and a conversationUpdate come, in this order.
  install(who, where = "dm", { action = "add", update = true } = {}) {
    const person = this.person(who);
    const conversation = this.where(where, person);
    for (const one of conversation.team?.channels ?? [conversation]) one.installed = true;
    conversation.members.add(this.bot);
    const channelData = { ...conversation.channelData, settings: { selectedChannel: { id: conversation.id } } };
    const made = [this.event(person, conversation, "installationUpdate", { action, id: `f:${guid(secret())}`, channelData })];
    if (update) made.push(this.event(person, conversation, "conversationUpdate", { id: `f:${guid(secret())}`, membersAdded: [{ id: this.bot.id }], channelData: { ...conversation.channelData, ...(conversation.isChannel ? { eventType: "teamMemberAdded" } : {}) } }));
    return made;
  },
  uninstall(who, where = "dm", { action = "remove" } = {}) {
    const conversation = this.where(where, this.person(who));
    for (const one of conversation.team?.channels ?? [conversation]) one.installed = false;
    return this.event(who, conversation, "installationUpdate", { action, id: `f:${guid(secret())}` });
  },

  // ---------------------------------------------------------------- invokes

  // An activity that somebody waits for; `done` is how it ended: { ok, status, body, error }. `error` is what the person reads.
  invoke(who, where, name, value, { replyToId, root = null, check = () => null, fields = {} } = {}) {
    const activity = this.activity(who, where, { type: "invoke", root, fields: { name, value, id: `f:${guid(secret())}`, ...(replyToId ? { replyToId } : {}), ...fields } });
    const delivery = this.deliver(activity);
    const done = delivery.settled.then(() => {
      const { status, body } = delivery.response ?? { status: null };
      const none = delivery.state !== "acknowledged";
      const error = none ? "Unable to reach app" : check(status, body);
      return { ok: !error, error, status, body, took: delivery.attempts[0].took, delivery };
    });
    return { delivery, done };
  },
  actionOf(message, which) {
    const named = (name) => name !== undefined && (which instanceof RegExp ? which.test(name) : which === name);
    const found = message.actions.find(({ title, verb, id }) => [title, verb, id].some(named));
    if (!found || message.deleted) throw new Error(`no action ${which} in ${JSON.stringify(message.cards)}`);
    return found;
  },
  // Presses a button of a card: Action.Execute comes as an invoke, or, with `fallback`, as clients do that do not know it. `inputs` are what was typed into the card.
  async click(who, message, which, { inputs = {}, fallback = false } = {}) {
    const person = this.person(who);
    let action = this.actionOf(message, which);
    const root = this.threadOf(message) ?? null;
    if (fallback && action.type === "Action.Execute") action = action.fallback ?? action;
    const msteams = action.data?.msteams;
    if (action.type === "Action.Submit" && msteams?.type === "imBack") return this.post(person, message.conversation, msteams.value, { thread: root ?? undefined });
    if (action.type === "Action.Submit") {
      const delivery = this.event(person, message.conversation, "message", { id: `f:${guid(secret())}`, value: { ...action.data, ...inputs }, replyToId: message.id, text: undefined }, { root });
      await delivery.settled;
      return { ok: delivery.state === "acknowledged", error: delivery.state === "acknowledged" ? null : "Unable to reach app", delivery };
    }
    if (action.type !== "Action.Execute") throw new Error(`nobody presses ${action.type}`);
    const value = { action: { type: "Action.Execute", id: action.id, verb: action.verb, data: { ...action.data, ...inputs } }, trigger: "manual" };
    const pressed = this.invoke(person, message.conversation, "adaptiveCard/action", value, { replyToId: message.id, root, check: (status, body) => this.checkCardAnswer(status, body) });
    const result = await pressed.done;
    if (result.ok && result.body.type === kCard) message.shownTo.set(person, result.body.value);
    this.look();
    return { ...result, card: result.ok && result.body.type === kCard ? result.body.value : null, text: result.ok && result.body.type === kMessage ? result.body.value : null };
  },
  // What the client says of an answer to a card's action, null when it is good.
  checkCardAnswer(status, body) {
    if (status !== 200 || !body || typeof body !== "object") return status === 501 ? "Unable to reach app" : kSomethingWrong;
    const { statusCode, type, value } = body;
    if (!Number.isInteger(statusCode) || typeof type !== "string") return kSomethingWrong;
    if (statusCode !== 200) return value?.message ?? kSomethingWrong;
    if (type === kCard) return value?.type === "AdaptiveCard" ? null : kSomethingWrong;
    return type === kMessage && typeof value === "string" ? null : kSomethingWrong;
  },
  // The thumbs below an answer.
  feedback(who, message, reaction = "like", text = "") {
    const value = { actionName: "feedback", actionValue: { reaction, feedback: JSON.stringify({ feedbackText: text }) } };
    return this.invoke(who, message.conversation, "message/submitAction", value, { replyToId: message.id, root: this.threadOf(message) ?? null, check: (status) => (status === 200 ? null : kSomethingWrong) }).done;
  },

  // ---------------------------------------------------------------- bare requests

  // Any body with any header: { status, headers, text }. `authorization` null: none; without it: a token that is right.
  send(body, { authorization, headers = {}, path, method = "POST" } = {}) {
    const text = typeof body === "string" || Buffer.isBuffer(body) ? body : JSON.stringify(body);
    const url = new URL(this.endpoint);
    if (path) url.pathname = path;
    const bearer = authorization === undefined ? `Bearer ${this.mint(typeof body === "object" && !Buffer.isBuffer(body) ? body : {})}` : authorization;
    return bareRequest(url, text, { method, headers: { "content-type": "application/json; charset=utf-8", ...(bearer === null ? {} : { authorization: bearer }), ...headers } });
  },
};
