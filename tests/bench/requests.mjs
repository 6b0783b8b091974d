// What `viaduct_load replay` reads: POST requests whole, each behind its length in four bytes.
import { writeFileSync } from "node:fs";

// Of `count` requests `request(i)` gives { path, headers, text }. The file.
export function writeRequests(file, count, request) {
  const parts = [];
  for (let i = 0; i < count; ++i) {
    const { path, headers, text } = request(i);
    const all = { host: "127.0.0.1", "content-length": Buffer.byteLength(text), ...headers };
    const whole = Buffer.from(`POST ${path} HTTP/1.1\r\n${Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`).join("")}\r\n${text}`);
    const size = Buffer.alloc(4);
    size.writeUInt32LE(whole.length);
    parts.push(size, whole);
  }
  writeFileSync(file, Buffer.concat(parts));
  return file;
}
