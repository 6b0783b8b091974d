// What the connector accepts: the size of an activity, its mentions, cards and labels.
import { cardActions, isCard } from "./world.mjs";

export class Refusal extends Error {
  constructor(status, code, words, headers) {
    super(`${code}: ${words}`);
    Object.assign(this, { status, headers, body: { error: { code, message: words } } });
  }
}
export function refuse(status, code, words, headers) {
  throw new Refusal(status, code, words, headers);
}

const kMost = 100 * 1024; // bytes, of two for each unit of UTF-16
const kFormats = ["markdown", "plain", "xml", "extendedmarkdown"];
const kRoot = "https://schema.org/Message";
const kAction = { "Action.Execute": ["verb"], "Action.Submit": [], "Action.OpenUrl": ["url"], "Action.ShowCard": ["card"], "Action.ToggleVisibility": ["targetElements"] };

export const utf16Size = (body) => 2 * JSON.stringify(body, (key, value) => (typeof value === "string" && value.startsWith("data:image/") ? "" : value)).length;

function checkCard(teams, card) {
  const bad = (words) => refuse(400, "BadSyntax", `Invalid adaptive card: ${words}`);
  if (!card || typeof card !== "object" || card.type !== "AdaptiveCard") bad("no AdaptiveCard");
  if (!/^1\.\d$/.test(card.version ?? "")) bad("version");
  if (Number(card.version) > 1.5) teams.advise(`a card of version ${card.version}`);
  const all = cardActions(card);
  for (const action of all) {
    if (!kAction[action.type]) bad(`action ${action.type}`);
    for (const field of kAction[action.type]) if (action[field] === undefined) bad(`${action.type} without ${field}`);
    if (action.type !== "Action.ToggleVisibility" && !action.title && (card.actions ?? []).includes(action)) bad("an action without a title");
  }
  if ((card.actions ?? []).length > 6) teams.advise("more than six actions in a row");
}

// Pictures that are inside of a message do not count for its size, and have a limit of their own.
const kPicture = /^data:(image\/(?:png|jpeg|gif));base64,([A-Za-z0-9+/]+=*)$/;
const isPicture = ({ contentUrl }) => typeof contentUrl === "string" && contentUrl.startsWith("data:");
const withoutPictures = (body) => (Array.isArray(body.attachments) ? { ...body, attachments: body.attachments.map((one) => (isPicture(one) ? { ...one, contentUrl: "" } : one)) } : body);
function checkPictures(teams, { attachments }) {
  for (const { contentType, contentUrl } of (Array.isArray(attachments) ? attachments : []).filter(isPicture)) {
    const [, type, data] = kPicture.exec(contentUrl) ?? refuse(400, "BadSyntax", "a picture that is none");
    if (type !== contentType) refuse(400, "BadSyntax", "a picture of another type than it says");
    if (Buffer.byteLength(data, "base64") > 1024 * 1024) refuse(413, "MessageSizeTooBig", "the picture is larger than 1 MB");
  }
}

// Throws, or says in complaints and advice what a user would not see as it was meant.
export function checkActivity(teams, body, { stream = false } = {}) {
  if (!body || typeof body !== "object" || Array.isArray(body)) refuse(400, "BadSyntax", "the body is no activity");
  if (typeof body.type !== "string") refuse(400, "BadArgument", "activity.type is missing");
  checkPictures(teams, body);
  if (utf16Size(withoutPictures(body)) > kMost) {
    if (stream) refuse(403, "ContentStreamNotAllowed", "Message size too large");
    refuse(413, "MessageSizeTooBig", "Message size too large.");
  }
  for (const part of ["attachments", "entities"]) if (body[part] !== undefined && !Array.isArray(body[part])) refuse(400, "BadSyntax", `${part} is no array`);
  if (body.type !== "message" && body.type !== "typing") refuse(400, "BadArgument", `Unknown activity type ${body.type}`);
  if (body.from?.id !== undefined && body.from.id !== teams.bot.id) refuse(403, "ForbiddenOperationException", "from is somebody else");
  if (body.textFormat !== undefined && !kFormats.includes(body.textFormat)) refuse(400, "BadArgument", `textFormat ${body.textFormat}`);
  const text = body.text ?? "";
  if (typeof text !== "string") refuse(400, "BadSyntax", "text is no string");
  if (!text.isWellFormed?.() && /[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/.test(text)) teams.complain("a text with half a character");
  if (text.includes("\ufffd")) teams.complain("a text with a broken character");
  const cards = (body.attachments ?? []).filter(isCard);
  for (const { content } of cards) checkCard(teams, content);
  if (body.type !== "message") return;
  if (!stream && !text && !body.attachments?.length && !body.suggestedActions) refuse(400, "BadSyntax", "Activity resulted into multiple skype activities: the message is empty");
  const entities = body.entities ?? [];
  for (const one of entities.filter(({ type }) => type === "mention")) if (!one.mentioned?.id || !text.includes(one.text)) teams.advise(`a mention that is not in its text: ${one.text}`);
  const roots = entities.filter(({ type }) => type === kRoot);
  if (roots.length > 1) refuse(400, "BadArgument", "more than one message entity");
  for (const one of roots) {
    const citations = one.citation ?? [];
    if (citations.length > 20) refuse(400, "BadArgument", "more than 20 citations");
    for (const { appearance = {}, position } of citations) {
      if (!Number.isInteger(position) || !appearance.name || appearance.name.length > 80 || !appearance.abstract || appearance.abstract.length > 160) refuse(400, "BadArgument", "a citation without position, name or abstract, or too long");
      if ((appearance.keywords ?? []).length > 3 || (appearance.keywords ?? []).some((word) => word.length > 28)) refuse(400, "BadArgument", "keywords of a citation");
    }
  }
  if ((body.suggestedActions?.actions ?? []).some(({ title, type }) => !title || !type)) refuse(400, "BadArgument", "a suggested action without title or type");
}
