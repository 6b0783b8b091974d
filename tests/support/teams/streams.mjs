// Answers that grow while they are written, with every rule that the service has for them.
import { refuse } from "./checks.mjs";
import { Message } from "./world.mjs";

const kInformative = 1000; // characters
const kNotAllowed = "ContentStreamNotAllowed";

// What an activity says of the stream it belongs to; null: it is none.
export function streamInfo({ entities = [], channelData = {} }) {
  const found = (Array.isArray(entities) ? entities : []).find(({ type } = {}) => type === "streaminfo");
  if (found) return found;
  return channelData?.streamType ? { type: "streaminfo", streamType: channelData.streamType, streamId: channelData.streamId, streamSequence: channelData.streamSequence } : null;
}
const expired = (teams, message) => teams.now() - message.stream.started > teams.times.stream;

// The stream that a frame or an end belongs to, if it may go on.
function going(teams, conversation, info) {
  const message = conversation.messages.get(info.streamId);
  if (!message?.stream) refuse(403, kNotAllowed, "Content stream is not allowed");
  const { stream } = message;
  if (stream.ends === "cancelled") refuse(403, kNotAllowed, "Content stream was canceled by user.");
  if (stream.open && expired(teams, message)) Object.assign(stream, { open: false, ends: "time" });
  if (stream.ends === "time") refuse(403, kNotAllowed, "Content stream finished due to exceeded streaming time.");
  if (!stream.open) refuse(403, kNotAllowed, "Content stream is not allowed on an already completed streamed message");
  return message;
}

// A frame: { status, body }.
export function frame(teams, call) {
  const { conversation, body } = call;
  const info = streamInfo(body);
  const text = body.text ?? "";
  if (!teams.features.streaming) refuse(400, "BadArgument", "Streaming api is not enabled for this bot: the streaming api is not enabled");
  if (conversation.kind !== "personal") refuse(403, kNotAllowed, "Content stream is not allowed");
  if (!["informative", "streaming"].includes(info.streamType)) refuse(400, "BadArgument", "streamType of a typing activity is informative or streaming");
  if (body.attachments?.length) refuse(400, "BadArgument", "attachments are allowed on the final message only");
  if (!Number.isInteger(info.streamSequence) || info.streamSequence < 1) refuse(400, "BadRequest", "streamSequence is a whole number from 1 on");
  if (info.streamType === "informative" && text.length > kInformative) refuse(400, "BadArgument", "an informative text has at most 1000 characters");
  if (info.streamId === undefined || info.streamId === null || info.streamId === "") {
    if (info.streamSequence !== 1) refuse(400, "BadRequest", "the first of a stream has the sequence 1");
    if (!text) refuse(400, "BadRequest", "Start streaming activities should include text");
    if ([...conversation.messages.values()].some(({ open }) => open)) {
      teams.complain("a second stream in a chat");
      refuse(403, kNotAllowed, "Content stream is not allowed");
    }
    const message = new Message(conversation, teams.nextId(), teams.bot, body);
    message.stream = { sequence: 1, started: teams.now(), open: true, ends: null, informative: [], content: "", frames: [], busy: 0, isOver: () => expired(teams, message) };
    conversation.messages.set(message.id, message);
    note(teams, message, info, text);
    return { status: 201, body: { id: message.id } };
  }
  const message = going(teams, conversation, info);
  const { stream } = message;
  if (info.streamSequence <= stream.sequence) {
    teams.complain(`a frame with the sequence ${info.streamSequence} after ${stream.sequence}`);
    return { status: 202, body: { error: { code: "ContentStreamSequenceOrderPreConditionFailed", message: "PreCondition failed exception when processing streaming activity." } } };
  }
  if (info.streamType === "informative" && stream.content) refuse(403, kNotAllowed, "Content stream is not allowed: informative after content");
  if (info.streamType === "streaming" && !text.startsWith(stream.content)) refuse(403, kNotAllowed, "Request streamed content should contain the previously streamed content");
  stream.sequence = info.streamSequence;
  message.keep(body);
  note(teams, message, info, text);
  return { status: 202, body: {} };
}
function note(teams, { stream }, info, text) {
  if (info.streamType === "informative") stream.informative.push(text);
  else stream.content = text;
  stream.frames.push({ at: Date.now(), type: info.streamType, sequence: info.streamSequence, length: text.length });
}

// Its end, an ordinary message from now on.
export function finish(teams, call) {
  const { conversation, body } = call;
  const info = streamInfo(body);
  if (info.streamType !== "final") refuse(400, "BadArgument", "streamType of a message is final");
  const message = going(teams, conversation, info);
  if (info.streamSequence !== undefined) teams.advise("the end of a stream with a sequence");
  if (!body.text && !body.attachments?.length) refuse(400, "BadRequest", "the final message should include text");
  if (!(body.text ?? "").startsWith(message.stream.content) && !teams.features.looseFinal) refuse(403, kNotAllowed, "Request streamed content should contain the previously streamed content");
  Object.assign(message.stream, { open: false, ends: "final" });
  message.keep(body);
  return { status: 202, body: {} };
}
