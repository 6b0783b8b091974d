// What a plugin says about its configuration may quote a secret of it: nobody gets to see that.
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { folderFor, forHost, hostFor, plugins, reconfigure, viaduct } from "../support/viaduct.mjs";

const secret = "hunter2-and-more";
const broken = (folder) => {
  writeFileSync(path.join(folder, "secret"), secret);
  return { match: `(\${file:${path.join(folder, "secret")}}`, reply: "never" };
};

test("a reload that fails does not show the secret that the plugin quotes", async (t) => {
  const host = await hostFor(t);
  reconfigure(host, (config) => config.backends.echo.config.rules.push(broken(host.home)));
  const { code, out, err } = await forHost(host, "reload");
  assert.notEqual(code, 0);
  assert.match(err, /no regular expression/);
  assert.ok(!(out + err + host.output).includes(secret), err);
});

test("a start that fails does not show it either", async (t) => {
  const folder = folderFor(t);
  const file = path.join(folder, "viaduct.yaml");
  writeFileSync(file, JSON.stringify({
    server: { listen: "127.0.0.1:0" }, plugins: { path: [plugins] }, store: { path: path.join(folder, "viaduct.db") },
    backends: { echo: { plugin: "mock", config: { rules: [broken(folder)] } } }, surfaces: { "web-chat": { plugin: "web_chat", backend: "echo" } },
  }));
  const { code, out, err } = await viaduct(["serve", "--config", file], { home: folder });
  assert.notEqual(code, 0);
  assert.match(err, /no regular expression/);
  assert.ok(!(out + err).includes(secret), err);
});
