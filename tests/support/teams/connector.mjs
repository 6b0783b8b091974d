// The connector: what an app does in conversations, and what it asks of them. Each operation gives { status, body, headers? } or refuses.
import { checkActivity, refuse } from "./checks.mjs";
import { finish, frame, streamInfo } from "./streams.mjs";
import { Conversation, ids, Message } from "./world.mjs";

// ---------------------------------------------------------------- messages

// The message of an id that is the bot's own.
function own(teams, conversation, id) {
  const message = conversation.messages.get(id);
  if (!message || message.deleted) refuse(404, "ActivityNotFoundInConversation", "The activity was not found in the conversation");
  if (message.from !== teams.bot) refuse(403, "ForbiddenOperationException", "The bot is not the author of the activity");
  return message;
}
const targetedFor = (teams, call) => {
  if (call.url.searchParams.get("isTargetedActivity") !== "true") return null;
  if (call.conversation.kind === "personal" || !teams.features.targeted) refuse(400, "BadArgument", "Targeted messages are not supported here");
  const person = teams.people.find(({ id, aadObjectId }) => id === call.body.recipient?.id || aadObjectId === call.body.recipient?.id);
  if (!person || !call.conversation.members.has(person)) refuse(400, "BadArgument", "recipient of a targeted message");
  return person;
};
const spoken = (body) => body.text || (body.attachments ?? []).some(({ content, contentUrl }) => content || contentUrl);

function send(teams, call) {
  const { conversation, body } = call;
  checkActivity(teams, body, { stream: call.op === "stream" || call.op === "final" });
  if (call.op === "stream") return frame(teams, call);
  if (call.op === "final") return finish(teams, call);
  if (body.type === "typing") {
    const last = conversation.typings.at(-1);
    if (conversation.isChannel) teams.advise("typing in a channel shows nothing");
    else if (last && Date.now() - last < 3 * teams.times.second * 0.9) teams.advise("typing more often than every three seconds");
    conversation.typings.push(Date.now());
    return { status: 202, body: {} };
  }
  const replyTo = call.activity ?? body.replyToId;
  if (call.thread && !conversation.messages.has(call.thread)) refuse(404, "ConversationNotFound", "The thread was not found");
  // In a channel an answer to a message is in its thread.
  const answered = conversation.isChannel && replyTo ? conversation.messages.get(replyTo) : null;
  const root = call.thread ?? (answered ? (answered.root ?? answered.id) : null);
  const targeted = targetedFor(teams, call);
  const message = new Message(conversation, teams.nextId(), teams.bot, body, { root });
  Object.assign(message, { targeted, replyTo, by: call.entry });
  conversation.messages.set(message.id, message);
  if (targeted) teams.whispers.push(message);
  const split = body.text && (body.attachments ?? []).some(({ contentType }) => /card/.test(contentType));
  if (split) teams.complain("text and a card in one activity: Teams makes two of it, and tells no id");
  return { status: 201, body: { id: split ? `1:${message.id}` : message.id } };
}
function update(teams, call) {
  const message = own(teams, call.conversation, call.activity);
  checkActivity(teams, call.body);
  if (!spoken(call.body)) refuse(400, "BadSyntax", "the message is empty");
  if (message.stream?.open) {
    teams.complain("an update of a stream that is open");
    Object.assign(message.stream, { open: false, ends: "update" });
  }
  message.keep(call.body);
  message.shownTo.clear();
  return { status: 200, body: { id: message.id } };
}
function remove(teams, call) {
  const message = own(teams, call.conversation, call.activity);
  if (message.open) teams.complain("a stream is deleted while it is open: it stays"); // 2xx, and the bubble stays
  else message.deleted = true;
  return { status: 200, body: {} };
}
function create(teams, call) {
  const { body } = call;
  const tenant = body.tenantId ?? body.channelData?.tenant?.id;
  if (body.isGroup && body.channelData?.channel?.id) {
    const channel = teams.conversations.get(body.channelData.channel.id);
    if (!channel?.isChannel) refuse(404, "ConversationNotFound", "The channel was not found");
    if (!channel.installed) refuse(403, "ForbiddenOperationException", "The bot is not installed in the team");
    if (!body.activity) refuse(400, "BadArgument", "A channel needs its first activity");
    checkActivity(teams, body.activity);
    const message = new Message(channel, teams.nextId(), teams.bot, body.activity);
    channel.messages.set(message.id, message);
    return { status: 201, body: { id: `${channel.id};messageid=${message.id}`, activityId: message.id } };
  }
  if (body.isGroup) refuse(403, "ForbiddenOperationException", "Bots cannot make group chats");
  if (!Array.isArray(body.members) || body.members.length !== 1) refuse(400, "BadArgument", "Exactly one member is required");
  if (!tenant) refuse(400, "BadArgument", "tenant.id is missing");
  const person = teams.people.find(({ id, aadObjectId }) => id === body.members[0].id || (aadObjectId && aadObjectId === body.members[0].id));
  if (!person || person.tenant !== tenant) refuse(403, "ForbiddenOperationException", "The bot is not installed for the user");
  const chat = teams.personal(person);
  if (!chat.installed) refuse(403, "ForbiddenOperationException", "The bot is not installed for the user");
  if (!body.activity) return { status: 201, body: { id: chat.id } };
  checkActivity(teams, body.activity);
  const message = new Message(chat, teams.nextId(), teams.bot, body.activity);
  chat.messages.set(message.id, message);
  return { status: 201, body: { id: chat.id, activityId: message.id } };
}
const reacting = (change) => (teams, call) => {
  const message = call.conversation.messages.get(call.activity);
  if (!message || message.deleted) refuse(404, "ActivityNotFoundInConversation", "The activity was not found in the conversation");
  const same = ({ who, type }) => who === teams.bot && type === call.last;
  message.reactions = message.reactions.filter((one) => !same(one));
  if (change === "add") message.reactions.push({ who: teams.bot, type: call.last });
  return { status: 200, body: {} };
};

// ---------------------------------------------------------------- members, teams, attachments

const membersOf = (conversation) => [...conversation.members].filter(({ bot }) => !bot).map(({ member }) => member);
const members = (teams, { conversation }) => ({ status: 200, body: membersOf(conversation) });
const member = (teams, { conversation, last }) => {
  const found = membersOf(conversation).find(({ id, aadObjectId }) => id === last || aadObjectId === last);
  if (!found) refuse(404, "MemberNotFoundInConversation", "The member was not found in the conversation");
  return { status: 200, body: found };
};
const paged = (teams, { conversation, url }) => {
  const all = membersOf(conversation);
  const start = Number(url.searchParams.get("continuationToken") ?? 0);
  const size = Math.min(500, Number(url.searchParams.get("pageSize") ?? 200) || 200);
  return { status: 200, body: { members: all.slice(start, start + size), ...(start + size < all.length ? { continuationToken: String(start + size) } : {}) } };
};
const teamOf = (teams, id) => [...teams.teams.values()].find((one) => one.id === id) ?? refuse(404, "NotFound", "no such team");
const team = (teams, { last }) => {
  const one = teamOf(teams, last);
  return { status: 200, body: { id: one.id, name: one.name, aadGroupId: one.group, tenantId: one.tenant, channelCount: one.channels.length, memberCount: one.channels[0].members.size } };
};
const channels = (teams, call) => ({
  status: 200, body: { conversations: teamOf(teams, call.last).channels.map((one, i) => ({ id: one.id, name: i === 0 ? null : one.name, type: "standard" })) },
});
function upload(teams, { body }) {
  if (!body?.type || !body.originalBase64) refuse(400, "BadArgument", "an attachment has type and originalBase64");
  return { status: 201, body: { id: teams.keepAttachment({ name: body.name ?? "attachment", type: body.type, bytes: Buffer.from(body.originalBase64, "base64") }) } };
}
const kept = (teams, id) => teams.attachments.get(id) ?? refuse(404, "NotFound", "no such attachment");
const attachment = (teams, { last }) => {
  const { name, type, bytes } = kept(teams, last);
  return { status: 200, body: { name, type, views: [{ viewId: "original", size: bytes.length }] } };
};
const view = (teams, { activity, last }) => {
  const { type, bytes } = kept(teams, activity);
  if (last !== "original") refuse(404, "NotFound", "no such view");
  return { status: 200, raw: bytes, headers: { "content-type": type } };
};

// ---------------------------------------------------------------- addresses

const kOperations = { send, reply: send, typing: send, stream: send, final: send, update, delete: remove, create, react: reacting("add"), unreact: reacting("remove"), members, member, paged, team, channels, upload, attachment, view };
// Method and what stands after "v3/": C a conversation, A an activity or attachment, L the last word.
const kRoutes = [
  ["POST", "conversations", "create"], ["POST", "conversations/C/activities", "send"], ["POST", "conversations/C/activities/A", "reply"], ["PUT", "conversations/C/activities/A", "update"], ["DELETE", "conversations/C/activities/A", "delete"],
  ["PUT", "conversations/C/activities/A/reactions/L", "react"], ["DELETE", "conversations/C/activities/A/reactions/L", "unreact"], ["GET", "conversations/C/activities/A/members", "members"], ["GET", "conversations/C/members", "members"],
  ["GET", "conversations/C/members/L", "member"], ["GET", "conversations/C/pagedmembers", "paged"], ["POST", "conversations/C/attachments", "upload"], ["GET", "attachments/L", "attachment"], ["GET", "attachments/A/views/L", "view"],
  ["GET", "teams/L", "team"], ["GET", "teams/L/conversations", "channels"],
];

// {op, base, conversation id, thread, activity, last} of a request; null: no address of the connector.
export function route(method, pathname) {
  const at = pathname.indexOf("/v3/");
  if (at < 0) return null;
  let words;
  try {
    words = pathname.slice(at + 4).split("/").map(decodeURIComponent);
  } catch {
    return null;
  }
  for (const [wanted, pattern, op] of kRoutes) {
    const parts = pattern.split("/");
    if (wanted !== method || parts.length !== words.length) continue;
    const found = { op, base: pathname.slice(0, at), cid: null, thread: null, activity: null, last: null };
    const fits = parts.every((part, i) => {
      if (part === "C") [found.cid, found.thread = null] = words[i].split(";messageid=");
      else if (part === "A") found.activity = words[i];
      else if (part === "L") found.last = words[i];
      else return part === words[i];
      return words[i] !== "";
    });
    if (fits) return found;
  }
  return null;
}
// Sends have different names by what they carry.
export function nameOf({ op }, body) {
  if (op !== "send" && op !== "reply") return op;
  const info = body && typeof body === "object" ? streamInfo(body) : null;
  if (body?.type === "typing") return info ? "stream" : "typing";
  return info ? "final" : op;
}

// Who calls: a bearer that is good here and now, or 401.
function checkBearer(teams, call) {
  const given = /^Bearer (\S+)$/.exec(call.request.headers.authorization ?? "")?.[1];
  const token = teams.tokens.get(given);
  const unauthorized = (words) => refuse(401, "AuthorizationError", words, { "www-authenticate": 'Bearer realm="botframework.com"' });
  if (!given) {
    teams.complain(`${call.op} without a token`);
    unauthorized("Authorization has been denied for this request.");
  }
  if (!token) {
    teams.complain(`${call.op} with a token that nobody issued`);
    unauthorized("Authorization has been denied for this request.");
  }
  call.entry.token = token;
  if (token.state === "live" && token.until <= teams.now()) token.state = "expired";
  if (token.state !== "live") unauthorized("Authorization has been denied for this request.");
}

export function connect(teams, call) {
  checkBearer(teams, call);
  if (call.broken) refuse(400, "BadSyntax", "the body is no JSON");
  if (call.cid !== null) {
    call.conversation = teams.conversations.get(call.cid) ?? null;
    if (call.conversation && `/${call.conversation.region}/${call.conversation.tenant}` !== call.base) {
      teams.complain(`${call.op} at ${call.base || "/"}, which is not the service URL of ${call.conversation.name}`);
      call.conversation = null;
    }
    if (!call.conversation) refuse(404, "ConversationNotFound", "Conversation not found.");
    if (call.thread && !call.conversation.isChannel) refuse(404, "ConversationNotFound", "Conversation not found.");
    if (call.conversation.refusal) return call.conversation.refusal;
    if (!call.conversation.installed) refuse(403, "BotNotInConversationRoster", "The bot is not part of the conversation roster.");
  } else if (call.op === "create") call.conversation = teams.conversations.get(call.body?.channelData?.channel?.id) ?? teams.creating(call.body);
  const wait = teams.budget.check(call);
  if (wait) {
    teams.limited.push({ op: call.op, at: Date.now(), wait });
    const headers = teams.limits.silent ? {} : { "retry-after": String(Math.max(1, Math.ceil(wait / 1000))) };
    return { status: 429, headers, body: { error: { code: call.op === "stream" ? "Throttled" : "Throttled", message: call.op === "stream" ? "API calls quota exceeded" : "Too many requests" } } };
  }
  const stream = call.op === "stream" || call.op === "final" ? call.conversation?.messages.get(streamInfo(call.body)?.streamId)?.stream : null;
  if (stream && stream.busy > 1) teams.complain("two requests of a stream at once");
  return kOperations[call.op](teams, call);
}
export { Conversation, ids };
