// Files that the mock agent sends: made in a folder of the test, and the rules that say them.
import { randomBytes } from "node:crypto";
import { writeFileSync } from "node:fs";
import path from "node:path";
import { deflateSync, crc32 as zlibCrc } from "node:zlib";
import { exported, folderFor, forHost } from "./viaduct.mjs";

const crc32 = zlibCrc ?? ((bytes) => {
  let crc = ~0;
  for (const byte of bytes) {
    crc ^= byte;
    for (let i = 0; i < 8; ++i) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
  }
  return ~crc >>> 0;
});
function chunk(type, data) {
  const body = Buffer.concat([Buffer.from(type, "latin1"), data]);
  const size = Buffer.alloc(4);
  size.writeUInt32BE(data.length);
  const sum = Buffer.alloc(4);
  sum.writeUInt32BE(crc32(body));
  return Buffer.concat([size, body, sum]);
}
// A picture that every program shows, of noise: about three bytes a pixel.
export function png(width = 8, height = width) {
  const head = Buffer.alloc(13);
  head.writeUInt32BE(width, 0);
  head.writeUInt32BE(height, 4);
  head.set([8, 2, 0, 0, 0], 8);
  const rows = Buffer.concat(Array.from({ length: height }, () => Buffer.concat([Buffer.from([0]), randomBytes(width * 3)])));
  return Buffer.concat([Buffer.from("89504e470d0a1a0a", "hex"), chunk("IHDR", head), chunk("IDAT", deflateSync(rows)), chunk("IEND", Buffer.alloc(0))]);
}
// Bytes of every value, NUL among them.
export const noise = (size) => randomBytes(size);

// { image(bytes, { name, type }), file(bytes, { name, type }) }: content blocks of the mock, whose bytes lie in a folder that goes with the test.
export function agentFiles(t) {
  const folder = folderFor(t);
  let number = 0;
  const keep = (bytes) => {
    const place = path.join(folder, `f${++number}`);
    writeFileSync(place, bytes);
    return place;
  };
  return {
    image: (bytes, { name = "chart.png", type = "image/png" } = {}) => ({ type: "image", mimeType: type, ...(name ? { uri: `file:///work/${name}` } : {}), path: keep(bytes) }),
    file: (bytes, { name = "report.bin", type = "application/octet-stream" } = {}) => ({ type: "resource", resource: { uri: `file:///work/${name}`, mimeType: type }, path: keep(bytes) }),
  };
}

// What the agents of a host have been given with this prompt: content blocks.
export async function blocksOf(host, prompt) {
  const { out } = await forHost(host, "sessions", "list", "--json");
  const { sessions } = JSON.parse(out);
  const found = [];
  for (const { session_id } of sessions)
    for (const { type, text, data } of await exported(host, session_id)) if (type === "user_message" && text.includes(prompt)) found.push(data?.blocks ?? []);
  return found;
}
