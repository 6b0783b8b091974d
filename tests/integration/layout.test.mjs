// The dependency rule of the layout: plugins → sdk, host → sdk's abi.h, and nothing else. Looks at every #include.
import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";

const root = path.resolve(path.dirname(new URL(import.meta.url).pathname), "../..");
const isSource = /\.(c|cc|cpp|h|hpp|inc)$/;

function sources(folder) {
  return readdirSync(path.join(root, folder), { withFileTypes: true }).flatMap((entry) => {
    const file = path.join(folder, entry.name);
    if (entry.isDirectory()) return entry.name === "node_modules" ? [] : sources(file);
    return isSource.test(entry.name) ? [file] : [];
  });
}
// Each include of a file, as a path from the root when it is of this tree.
function includes(file) {
  return [...readFileSync(path.join(root, file), "utf8").matchAll(/^[ \t]*#[ \t]*include[ \t]*(?:"([^"]+)"|<([^>]+)>)/gm)].map(([, quoted, angled]) => {
    const name = quoted ?? angled;
    const beside = path.join(path.dirname(file), name);
    if (quoted && existsSync(path.join(root, beside))) return beside;
    if (name.startsWith("viaduct/testing/")) return `sdk/testing/include/${name}`;
    if (name.startsWith("viaduct/")) return `sdk/include/${name}`;
    return name;
  });
}
function violations(folder, forbidden) {
  const files = sources(folder);
  assert.ok(files.length > 3, `${folder} has sources`);
  return files.flatMap((file) => includes(file).filter((include) => forbidden(include, file)).map((include) => `${file} includes ${include}`));
}
const isOurs = (include) => /^(sdk|host|plugins|tests)\//.test(include);

test("a plugin includes the SDK and itself, nothing of the host and of no other plugin", () => {
  for (const plugin of readdirSync(path.join(root, "plugins"), { withFileTypes: true }).filter((entry) => entry.isDirectory()).map((entry) => entry.name))
    if (sources(`plugins/${plugin}`).length > 0)
      assert.deepEqual(
        sources(`plugins/${plugin}`).flatMap((file) => includes(file)
          .filter((include) => isOurs(include) && !include.startsWith("sdk/include/viaduct/") && !include.startsWith("sdk/net/") && !include.startsWith(`plugins/${plugin}/`))
          .map((include) => `${file} includes ${include}`)),
        [],
      );
});

test("the host includes of the SDK the ABI alone, and nothing of a plugin; main has the validator, too", () => {
  const allowed = (include, file) => include.startsWith("host/") || include === "sdk/include/viaduct/abi.h" || (file === "host/main.cpp" && include === "sdk/testing/include/viaduct/testing/check.hpp");
  assert.deepEqual(violations("host", (include, file) => isOurs(include) && !allowed(include, file)), []);
});

test("the SDK includes nothing of host and plugins", () => {
  assert.deepEqual(violations("sdk", (include) => isOurs(include) && !include.startsWith("sdk/")), []);
});

test("what plugin authors include needs nothing but the language", () => {
  const standard = /^[a-z_0-9]+(\.h)?$/;
  assert.deepEqual(violations("sdk/include", (include) => !standard.test(include) && !include.startsWith("sdk/include/viaduct/")), []);
  assert.deepEqual(violations("sdk/testing/include", (include) => !standard.test(include) && !include.startsWith("sdk/")), []);
  assert.deepEqual(includes("sdk/include/viaduct/abi.h").filter((include) => !/^std[a-z]+\.h$/.test(include)), [], "C alone");
  assert.deepEqual(sources("sdk/examples").flatMap(includes).filter((include) => !standard.test(include) && !include.startsWith("sdk/include/viaduct/")), []);
});

test("JSON is the business of *_json.cpp, SQLite of the store, Beast of the HTTP server", () => {
  const only = (library, place) => (include, file) => library.test(include) && !place.test(file);
  for (const folder of ["host", "plugins"]) assert.deepEqual(violations(folder, only(/^nlohmann\//, /_json\.cpp$|^host\/pch\.hpp$/)), []);
  assert.deepEqual(violations("host", only(/^sqlite3/, /^host\/store\//)), []);
  assert.deepEqual(violations("host", only(/^boost\/beast/, /^host\/http\//)), []);
});

test("headers say #pragma once, and what they are for", () => {
  for (const file of ["sdk/include/viaduct/sdk", "host", "plugins"].flatMap(sources).filter((name) => name.endsWith(".hpp"))) {
    const text = readFileSync(path.join(root, file), "utf8");
    assert.match(text, /^(\/\/|\/\*)/, `${file} begins with a comment`);
    assert.match(text, /^#pragma once$/m, file);
  }
});
