// What the tests with real agent programs share: where a program is, what runs of it, and what was said to its model.
import assert from "node:assert/strict";
import { accessSync, constants, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";

export const kTurn = 120_000; // a program that starts for the first time takes its time
export const kKey = "sk-standin-2718281828";

// In one of the folders of VIADUCT_AGENTS (separated by colons; where `npm install` was run), then on the PATH; null: nowhere.
export function installed(name) {
  const folders = (process.env.VIADUCT_AGENTS ?? "").split(":").filter(Boolean).map((folder) => path.join(folder, "node_modules/.bin"));
  for (const folder of [...folders, ...(process.env.PATH ?? "").split(":").filter(Boolean)])
    try {
      accessSync(path.join(folder, name), constants.X_OK);
      return path.join(folder, name);
    } catch {
      // the next one
    }
  return null;
}
export const whyNot = (name) =>
  installed(name) ? false : `${name} is not installed: set VIADUCT_AGENTS to the folder in which it was installed with npm`;

// Writes the program's own files into the host's home folder.
export function settle(host, files = {}) {
  for (const [file, text] of Object.entries(files)) {
    mkdirSync(path.dirname(path.join(host.home, file)), { recursive: true });
    writeFileSync(path.join(host.home, file), text);
  }
}
// What runs with the host's home folder and is not the host.
export function of(host) {
  return readdirSync("/proc").filter((pid) => {
    if (!/^\d+$/.test(pid) || Number(pid) === host.pid) return false;
    try {
      return readFileSync(`/proc/${pid}/environ`, "utf8").split("\0").includes(`HOME=${host.home}`);
    } catch {
      return false; // gone, or somebody else's
    }
  });
}
export async function say(client, text) {
  const { turn } = await client.send(text);
  return client.until(() => client.ends(turn)[0], `the end of the turn «${text}»`, kTurn);
}
// What was said in a request, without empty lines: the programs add some of their own.
export const said = (request) => request.said.map((line) => line.replace(/\s+/g, " ").trim());
// That these stand in what was said, in this order.
export function inOrder(lines, wanted) {
  const text = lines.join("\n");
  let at = 0;
  for (const one of wanted) {
    const found = text.indexOf(one, at);
    assert.ok(found >= 0, `«${one}» is missing, or not in its place, in ${JSON.stringify(lines, null, 1)}`);
    at = found + one.length;
  }
}
