#!/usr/bin/env node
// A stand-in for an agent program such as claude: it speaks the same JSON lines, keeps its conversations under HOME and changes the id with every
// operation. Each id is a snapshot: who goes on with an old one has forgotten what came later. What it does is said by directives in the last
// message, or in the file `script` of its folder:
//
//   [[words 50]] [[slow 20]]  so many words, so many ms apart      [[think]] [[tool]] [[noise]]  also these
//   [[hang]]      the first word, then nothing                     [[stubborn]]   the same, and TERM is ignored
//   [[child]]     starts a program of its own, which stays         [[silent]]     says nothing at all
//   [[crash WORDS]]  the first word, WORDS on stderr, exit 3       [[die]]        the first word, then SIGKILL
//   [[error WORDS]]  a result that is an error                     [[limit]]      a result without more turns
//   [[long N]]    a line of N MiB, which is skipped                [[nodone]]     exits with 0 and no result
//   [[noid]]      tells no id      [[unsafe ID]]  tells this one, and does not keep it
//   [[same ID]]   tells this one   [[linger]]     stays when all is said
//   [[login]]     is not logged in                                 [[fill N]]     N MiB of answer
//
// "recall" is answered with all that it knows. `/compact` compacts, unless there is a file `no-compaction`.
import { spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { appendFileSync, existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import path from "node:path";

const folder = path.join(process.env.HOME, ".claude/projects/stand-in");
mkdirSync(folder, { recursive: true });
// Everything that happens, for tests to look at.
const note = (what) => appendFileSync(path.join(folder, "notes.jsonl"), JSON.stringify({ pid: process.pid, at: Date.now(), ...what }) + "\n");
const file = (id) => path.join(folder, `${id}.jsonl`);
function keep(id, messages) {
  writeFileSync(`${file(id)}.tmp`, JSON.stringify(messages));
  renameSync(`${file(id)}.tmp`, file(id));
}
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const forever = () => new Promise(() => setInterval(() => {}, 1 << 30));
const say = (line) => new Promise((resolve) => process.stdout.write(JSON.stringify(line) + "\n", resolve));
const event = (event) => say({ type: "stream_event", event, parent_tool_use_id: null });
const block = (...content) => say({ type: "assistant", message: { role: "assistant", content }, parent_tool_use_id: null });
const textDelta = (text) => event({ type: "content_block_delta", delta: { type: "text_delta", text } });

const args = process.argv.slice(2);
if (args.includes("--version")) {
  console.log("2.1.0 (stand-in)");
  process.exit(0);
}
if (args[0] === "auth") {
  const out = existsSync(path.join(folder, "logged-out"));
  console.log(out ? "Not logged in" : "Logged in");
  process.exit(out ? 1 : 0);
}

let read = "";
for await (const chunk of process.stdin.setEncoding("utf8")) read += chunk;
const asked = args.includes("--resume") ? args[args.indexOf("--resume") + 1] : null;
note({ start: asked, args, read, cwd: process.cwd(), variables: Object.keys(process.env).sort(),
  cmdline: readFileSync("/proc/self/cmdline", "utf8").split("\0").slice(0, -1) });

const script = existsSync(path.join(folder, "script")) ? readFileSync(path.join(folder, "script"), "utf8") : "";
const message = read.split("The next message is:\n\n").at(-1);
const does = new Map([...(script + message).matchAll(/\[\[(\w+)(?: ([^\]]*))?\]\]/g)].map(([, name, value]) => [name, value ?? ""]));
const id = does.get("unsafe") ?? does.get("same") ?? randomUUID();
const usage = { input_tokens: 10, cache_read_input_tokens: 5, cache_creation_input_tokens: 0, output_tokens: 3 };
const result = (fields) => say({ type: "result", subtype: "success", is_error: false, session_id: id, usage, total_cost_usd: 0.25, stop_reason: "end_turn", ...fields });

if (does.has("login")) {
  console.error("\x1b[31mNot logged in\x1b[0m · Please run /login");
  process.exit(1);
}
if (asked !== null && !existsSync(file(asked))) {
  note({ lost: asked });
  const words = `No conversation found with session ID: ${asked}`;
  await result({ subtype: "error_during_execution", is_error: true, errors: [words] });
  console.error(words);
  process.exit(1);
}
const known = asked === null ? [] : JSON.parse(readFileSync(file(asked), "utf8"));
if (does.has("silent")) await forever();
if (does.has("stubborn")) process.on("SIGTERM", () => note({ ignored: "TERM" }));

const told = async () => {
  if (!does.has("noid")) await say({ type: "system", subtype: "init", session_id: id, tools: [] });
  note({ told: id, from: asked });
};
if (read === "/compact") {
  if (does.has("slow")) await pause(Number(does.get("slow")));
  if (existsSync(path.join(folder, "no-compaction"))) {
    await result({ subtype: "error_during_execution", is_error: true, errors: ["nothing to compact"] });
    process.exit(1);
  }
  keep(id, [{ role: "summary", text: known.map(({ text }) => text).join(" | ") }]);
  await told();
  await result({ result: "" });
  note({ ended: "compacted" });
  process.exit(0);
}

const mine = [...known, { role: "user", text: read }];
if (!does.has("unsafe")) keep(id, mine);
await told();
if (does.has("child")) note({ child: spawn("sleep", ["1000"], { stdio: "inherit" }).pid });
if (does.has("noise")) process.stdout.write("Loading…\n\n{not json\n7\n");
if (does.has("think")) {
  await event({ type: "content_block_delta", delta: { type: "thinking_delta", thinking: "Let me " } });
  await block({ type: "thinking", thinking: "Let me see" });
}
if (does.has("tool")) {
  await block({ type: "text", text: "I will look." });
  await block({ type: "tool_use", id: "tool-1", name: "Bash", input: { command: "ls" } });
  await say({ type: "user", message: { role: "user", content: [{ type: "tool_result", tool_use_id: "tool-1", content: [{ type: "text", text: "a file" }] }] } });
}
if (does.has("long")) {
  const piece = "x".repeat(1 << 20);
  process.stdout.write('{"type":"user","message":{"content":"');
  for (let i = 0; i < Number(does.get("long")); ++i) await new Promise((resolve) => process.stdout.write(piece, resolve));
  process.stdout.write('"}}\n');
}

const first = message.replaceAll(/\[\[[^\]]*\]\]/g, "").trim();
const recall = first.endsWith("recall");
const answer = does.has("words") ? Array.from({ length: Number(does.get("words")) }, (_, i) => `w${i}`).join(" ")
  : recall ? `I know: ${known.map(({ text }) => text).filter((text) => !text.startsWith("I know: ")).join(" | ")}${read === message ? "" : ` | ${read}`}`
  : `You said: ${first}`;
let said = "";
for (const word of recall ? [answer] : (answer.match(/\S+\s*/g) ?? [])) {
  await textDelta(word);
  said += word;
  keep(id, [...mine, { role: "assistant", text: said }]);
  if (does.has("hang") || does.has("stubborn")) await forever();
  if (does.has("die")) process.kill(process.pid, "SIGKILL");
  if (does.has("crash")) {
    console.error(`Warning: about to crash\n\x1b[1mboom:\x1b[0m ${does.get("crash")} ${process.env.AGENT_KEY ?? ""}`);
    process.exit(3);
  }
  if (does.has("slow")) await pause(Number(does.get("slow")));
}
for (let i = 0; i < Number(does.get("fill") ?? 0) * 64; ++i) {
  await textDelta("x".repeat(16 << 10));
  if (i % 64 === 63) note({ filled: (i + 1) / 64 });
}
if (!does.has("fill")) await block({ type: "text", text: answer });
if (does.has("nodone")) process.exit(0);
if (does.has("error")) await result({ subtype: "error_during_execution", is_error: true, errors: [does.get("error")] });
else if (does.has("limit")) await result({ subtype: "error_max_turns", stop_reason: null });
else await result({ result: answer });
note({ ended: "answered" });
if (does.has("linger")) await forever();
process.exit(does.has("error") ? 1 : 0);
