import assert from "node:assert/strict";
import test from "node:test";
import * as overview from "../overview.ts";

test("a secret's value is never shown, whatever was sent", () => {
  assert.equal(overview.settingValue({ path: "p", value: "hunter2", secret: true }), "hidden");
});

test("values are shown as they are", () => {
  const values = ["a", "", null, 3, false, ["x"]].map((value) => overview.settingValue({ path: "p", value }));
  assert.deepEqual(values, ["a", "(empty)", "not set", "3", "false", '["x"]']);
});

test("an origin is a file and a line", () => {
  assert.equal(overview.originInWords({ path: "p", value: 1, origin: "C:/a b/viaduct.yaml:3:11" }), "C:/a b/viaduct.yaml, line 3");
  assert.equal(overview.originInWords({ path: "p", value: 1, origin: "viaduct.yaml:24:9 ${env:HOME}" }), "viaduct.yaml, line 24, ${env:HOME}");
  assert.equal(overview.originInWords({ path: "p", value: 1, origin: "default" }), "default");
  assert.equal(overview.originInWords({ path: "p", value: 1 }), "default");
});

test("an instance that runs with an error does not look well", () => {
  const instance = { name: "a", kind: "backend", plugin: "mock", state: "running" };
  assert.equal(overview.stateInWords(instance).tone, "ok");
  assert.equal(overview.stateInWords({ ...instance, error: { message: "no route" } }).tone, "warn");
  assert.equal(overview.stateInWords({ ...instance, state: "failed" }).tone, "danger");
});

test("only paths of this host become links", () => {
  const link = (mount: string | null): string | null => overview.mountLink({ name: "a", kind: "surface", plugin: "p", state: "running", mount });
  assert.equal(link("/apps/web-chat/"), "/apps/web-chat/");
  for (const mount of [null, "//evil.example", "/\\evil.example", "javascript:alert(1)", "https://evil.example"]) assert.equal(link(mount), null);
  const to = (page: string | null): string | null => overview.mountLink({ name: "a", kind: "surface", plugin: "p", state: "running", mount: "/apps/a/", page });
  assert.deepEqual([to("/apps/a/simulator/"), to(null), to("//evil.example")], ["/apps/a/simulator/", null, null], "where people begin goes first");
});

test("uptime is in the two largest units", () => {
  assert.deepEqual([5, 65, 3700, 90_000, 180_000].map(overview.uptime), ["5 s", "1 min", "1 h 1 min", "1 day 1 h", "2 days 2 h"]);
});

test("a sentence begins with a capital letter, a key of the YAML does not", () => {
  assert.equal(overview.sentence("the clock is wrong"), "The clock is wrong");
  assert.equal(overview.sentence("app_password is wrong"), "app_password is wrong");
  assert.equal(overview.sentence("allow.teams: must be a list"), "allow.teams: must be a list");
  assert.equal(overview.sentence(undefined), "");
});
