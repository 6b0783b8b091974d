// Runs the pages' unit tests (FOLDER/test/*.test.ts) with node's own test runner:
//   node web/test.mjs plugins/web_chat/page …
import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const out = mkdtempSync(path.join(os.tmpdir(), "viaduct-page-test-"));
let status = 1;
try {
  const tests = process.argv.slice(2).flatMap((folder) => {
    const tests = path.resolve(root, folder, "test");
    return readdirSync(tests).filter((name) => name.endsWith(".test.ts")).map((name) => path.join(tests, name));
  });
  if (tests.length === 0) throw new Error("no tests found");
  await build({
    entryPoints: tests, outdir: out, outbase: root, bundle: true, platform: "node", target: "node18", format: "esm",
    outExtension: { ".js": ".mjs" }, sourcemap: "inline", logLevel: "warning",
  });
  const bundles = tests.map((name) => path.join(out, path.relative(root, name).replace(/\.ts$/, ".mjs")));
  status = spawnSync(process.execPath, ["--enable-source-maps", "--test", ...bundles], { stdio: "inherit" }).status ?? 1;
} finally {
  rmSync(out, { recursive: true, force: true });
}
process.exit(status);
