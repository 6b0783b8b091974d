// Files of persons: download addresses that need no token, places to upload to, which must get none, and pictures that were pasted.
import { secret } from "./tokens.mjs";

export const files = {
  // Kept by the connector, where only the bot's token reads it: its id.
  keepAttachment({ name, type, bytes }) {
    const id = `0-${secret(16)}`;
    this.attachments.set(id, { name, type, bytes });
    return id;
  },
  // What stands in a message for a file that somebody sent: { name, bytes, type } or { name, url }.
  fileAttachment({ name = "notes.txt", bytes = Buffer.from("notes"), url } = {}) {
    const ticket = secret(16);
    const data = Buffer.from(bytes);
    this.downloads.set(ticket, { name, bytes: data, asked: [] });
    return {
      contentType: "application/vnd.microsoft.teams.file.download.info", contentUrl: `https://example.sharepoint.com/personal/files/${encodeURIComponent(name)}`, name,
      content: { downloadUrl: url ?? `${this.origin}/download/${ticket}`, uniqueId: secret(16), fileType: name.split(".").pop() },
    };
  },
  // A picture that somebody pasted: only with the bot's token.
  pictureAttachment({ name = "image", type = "image/png", bytes = Buffer.from("89504e470d0a1a0a", "hex"), conversation, url } = {}) {
    const id = this.keepAttachment({ name, type, bytes: Buffer.from(bytes) });
    return { contentType: type.replace(/\/.*/, "/*"), contentUrl: url ?? `${this.serviceUrl(conversation)}v3/attachments/${id}/views/original`, name };
  },
  // Somebody accepts (or declines) that the bot uploads a file: the invoke is under way, and the file is where `uploads` has it.
  consent(who, message, { accept = true, ...options } = {}) {
    const card = message.body.attachments.find(({ contentType }) => contentType === "application/vnd.microsoft.teams.card.file.consent");
    if (!card) throw new Error("no card that asks for consent");
    const ticket = secret(16);
    const upload = { name: card.name, size: card.content.sizeInBytes, parts: [], bytes: Buffer.alloc(0), whole: false, url: `${this.origin}/upload/${ticket}` };
    if (accept) this.uploads.set(ticket, upload);
    const uploadInfo = { contentUrl: `https://example.sharepoint.com/personal/files/${encodeURIComponent(card.name)}`, name: card.name, uploadUrl: upload.url, uniqueId: secret(16), fileType: card.name.split(".").pop() };
    const value = { type: "fileUpload", action: accept ? "accept" : "decline", context: accept ? card.content.acceptContext : card.content.declineContext, ...(accept ? { uploadInfo } : {}) };
    return Object.assign(this.invoke(who, message.conversation, "fileConsent/invoke", value, { replyToId: message.id, ...options }), { upload });
  },
};

const last = (url) => url.pathname.split("/").pop();

export function download(teams, { url, request }) {
  const file = teams.downloads.get(last(url));
  if (!file) return { status: 404, body: { error: { code: "itemNotFound", message: "no such file" } } };
  file.asked.push({ authorization: request.headers.authorization ?? null });
  return { status: 200, raw: file.bytes, headers: { "content-type": "application/octet-stream" } };
}
export function putFile(teams, { url, request, raw }) {
  const upload = teams.uploads.get(last(url));
  // What is whole is no place to upload to any more.
  if (!upload || upload.whole || upload.expired) return { status: 404, body: { error: { code: "itemNotFound", message: "no such upload" } } };
  if (request.headers.authorization) teams.complain("a token at an address to upload to");
  if (request.method === "GET") return { status: 200, body: { nextExpectedRanges: [`${upload.bytes.length}-`] } };
  const [, from, to, size] = /^bytes (\d+)-(\d+)\/(\d+)$/.exec(request.headers["content-range"] ?? "")?.map(Number) ?? [];
  if (from === undefined || from !== upload.bytes.length || to - from + 1 !== raw.length || to >= size) return { status: 416, body: { error: { code: "invalidRange", message: "Content-Range" } } };
  upload.bytes = Buffer.concat([upload.bytes, raw]);
  if (raw.length % (320 * 1024) && upload.bytes.length !== size) teams.complain("a part of an upload that is no multiple of 320 KiB");
  upload.parts.push(raw.length);
  upload.whole = upload.bytes.length === size;
  return upload.whole ? { status: 201, body: { id: secret(), name: upload.name, size } } : { status: 202, body: { nextExpectedRanges: [`${upload.bytes.length}-`] } };
}
