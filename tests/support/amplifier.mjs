#!/usr/bin/env node
// A stand-in for the program `amplifier`, as its documentation has it: `run --output-format json-trace [--resume ID]`, the prompt from standard
// input, words for people and then one indented object on standard output, its sessions below ~/.amplifier. It answers with all that it was
// ever told in the session; told to «fail», it does.
import { randomUUID } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { parseArgs } from "node:util";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { "output-format": { type: "string" }, resume: { type: "string" }, model: { type: "string" }, version: { type: "boolean" } },
});
if (values.version) {
  console.log("amplifier, version 0 (stand-in)");
  process.exit(0);
}
if (positionals.join() !== "run" || values["output-format"] !== "json-trace") {
  console.error(`not understood: ${process.argv.slice(2).join(" ")}`);
  process.exit(2);
}
const id = values.resume ?? randomUUID();
const folder = path.join(process.env.HOME, ".amplifier/projects", process.cwd().replaceAll("/", "-"), "sessions", id);
const file = path.join(folder, "transcript.jsonl");
if (values.resume && !existsSync(file)) {
  console.log(`Error: No session found matching '${id}'`);
  process.exit(1);
}
const messages = values.resume ? readFileSync(file, "utf8").trim().split("\n").map((line) => JSON.parse(line)) : [];
if (values.resume) console.log(`✓ Resuming session: ${id}\n  Messages: ${messages.length}`);
const prompt = readFileSync(0, "utf8");
const common = { session_id: id, timestamp: new Date().toISOString() };
if (prompt === "fail") {
  console.log(JSON.stringify({ status: "error", error: "the provider does not answer", error_type: "LLMError", ...common }, null, 2));
  process.exit(1);
}
messages.push({ role: "user", content: prompt });
const response = `I was told: ${messages.filter(({ role }) => role === "user").map(({ content }) => content).join(" | ")}`;
messages.push({ role: "assistant", content: response });
mkdirSync(folder, { recursive: true });
writeFileSync(file, messages.map((one) => `${JSON.stringify(one)}\n`).join(""));
const trace = [{ type: "tool_call", tool: "bash", arguments: { command: "ls" }, result: { success: true, output: "note.txt" }, timestamp: common.timestamp, duration_ms: 1, sequence: 1 }];
console.log(JSON.stringify({ status: "success", response, bundle: "foundation", model: "stand-in", ...common, execution_trace: trace, metadata: { total_tool_calls: 1 } }, null, 2));
