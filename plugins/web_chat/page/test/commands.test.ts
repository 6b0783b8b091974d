import assert from "node:assert/strict";
import test from "node:test";
import { commandsOf, fitting } from "../model/commands.ts";

const offered = commandsOf([
  { name: "model", description: "Model", input: { hint: "NAME" } },
  { name: "mode", description: "Mode" },
  { name: "create-commit", description: "Commit what was done" },
  { name: "Compact" },
]);
const names = (text: string): string[] => fitting(offered, text).map((command) => command.name);

test("commands are read whatever else an agent puts there", () => {
  assert.deepEqual(commandsOf([null, 7, "x", {}, { name: "" }, { name: "two words" }, { name: 1 }, { name: "/web", input: null }, { name: "web", description: "again" }, { name: "plan", description: {}, input: { hint: "what" } }]), [
    { name: "web", description: "", hint: "" },
    { name: "plan", description: "", hint: "what" },
  ]);
  for (const none of [undefined, null, {}, "x"]) assert.deepEqual(commandsOf(none), []);
});

test("a slash lists all commands, more letters those that begin so and then those that have them", () => {
  assert.deepEqual(names("/"), ["model", "mode", "create-commit", "Compact"]);
  assert.deepEqual(names("/MOD"), ["model", "mode"]);
  assert.deepEqual(names("/com"), ["Compact", "create-commit"]);
  assert.deepEqual(names("/model"), ["model"]);
});

test("nothing is listed in the middle of a message, behind the command, and for a path", () => {
  for (const text of ["", "a /mo", " /mo", "/model ", "/model big", "/mo\n", "/home/me", "model"]) assert.deepEqual(names(text), [], JSON.stringify(text));
});
