// Loads a server with requests that were signed before: `node slack_load.mjs PORT FILE CONNECTIONS`. Each is sent once, one at a time on each
// connection, which stays open. FILE has them whole, each behind its length in four bytes. Prints one line of JSON.
import { readFileSync } from "node:fs";
import net from "node:net";

const [port, file, connections] = process.argv.slice(2);
const bytes = readFileSync(file);
const requests = [];
for (let at = 0; at < bytes.length; ) {
  const size = bytes.readUInt32LE(at);
  requests.push(bytes.subarray(at + 4, at + 4 + size));
  at += 4 + size;
}
const took = new Float64Array(requests.length);
const statuses = {};
let next = 0;
let done = 0;

// The end of the first answer in `text`, or -1.
function endOf(text) {
  const head = text.indexOf("\r\n\r\n");
  if (head < 0) return -1;
  const size = /\r\ncontent-length: *(\d+)/i.exec(text.slice(0, head))?.[1];
  if (size !== undefined) return text.length >= head + 4 + Number(size) ? head + 4 + Number(size) : -1;
  if (!/\r\ntransfer-encoding: *chunked/i.test(text.slice(0, head))) return head + 4;
  const end = text.indexOf("0\r\n\r\n", head + 4);
  return end < 0 ? -1 : end + 5;
}
function run() {
  return new Promise((resolve, reject) => {
    const socket = net.connect(Number(port), "127.0.0.1");
    socket.setNoDelay(true);
    socket.setEncoding("latin1");
    let text = "";
    let mine = -1;
    let began = 0;
    const send = () => {
      if (next === requests.length) return socket.end(), resolve();
      mine = next++;
      began = performance.now();
      socket.write(requests[mine]);
    };
    socket.on("connect", send);
    socket.on("error", reject);
    socket.on("close", () => (next === requests.length || mine < 0 ? resolve() : reject(new Error("the server closed a connection"))));
    socket.on("data", (chunk) => {
      text += chunk;
      const end = endOf(text);
      if (end < 0) return;
      took[mine] = performance.now() - began;
      done += 1;
      const status = text.slice(9, 12);
      statuses[status] = (statuses[status] ?? 0) + 1;
      text = text.slice(end);
      send();
    });
  });
}
const begin = performance.now();
await Promise.all(Array.from({ length: Number(connections) }, run));
const seconds = (performance.now() - begin) / 1000;
const sorted = took.subarray(0, done).slice().sort();
const at = (share) => sorted[Math.min(done - 1, Math.floor(done * share))];
console.log(JSON.stringify({ by: "node", count: done, seconds, rate: done / seconds, p50_ms: at(0.5), p99_ms: at(0.99), most_ms: sorted[done - 1], statuses }));
