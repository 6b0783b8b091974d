// Builds one page: bundles it with esbuild, gives the assets hashed names, and writes them three ways: as files
// (OUT/site), as C++ that embeds them plain and gzipped (OUT/page.cpp), and as a depfile (OUT/page.d).
//
//   node web/build.mjs --page plugins/web_chat/page --out OUT --header plugins/web_chat/page_files.hpp --namespace viaduct::web_chat
import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { constants, gzipSync } from "node:zlib";
import { build } from "esbuild";

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const contentTypes = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".svg": "image/svg+xml",
};

// The page's files as {path, contentType, data, immutable}, and the sources they were made of.
export async function bundle(pageDir, { minify = true } = {}) {
  const template = path.join(pageDir, "index.html");
  const options = {
    absWorkingDir: root,
    outdir: "/",
    bundle: true,
    minify,
    target: ["es2020", "chrome100", "firefox100", "safari15.4"],
    jsx: "automatic",
    jsxImportSource: "preact",
    charset: "utf8",
    legalComments: "none",
    metafile: true,
    write: false,
    logLevel: "warning",
  };
  const page = await build({ ...options, entryPoints: { page: path.join(pageDir, "main.tsx") }, format: "esm" });
  const early = await build({ ...options, entryPoints: { early: path.join(root, "web/early.ts") }, format: "iife" });
  const files = [];
  let html = readFileSync(template, "utf8");
  for (const output of [...page.outputFiles, ...early.outputFiles]) {
    const { name, ext } = path.parse(output.path);
    const hash = createHash("sha256").update(output.contents).digest("hex").slice(0, 12);
    const asset = `assets/${name}-${hash}${ext}`;
    files.push({ path: `/${asset}`, contentType: contentTypes[ext], data: Buffer.from(output.contents), immutable: true });
    html = html.replace(name === "early" ? "{early}" : ext === ".css" ? "{style}" : "{script}", asset);
  }
  files.unshift({ path: "/", contentType: contentTypes[".html"], data: Buffer.from(html), immutable: false });
  const inputs = [...Object.keys(page.metafile.inputs), ...Object.keys(early.metafile.inputs)];
  return { files, sources: [template, ...inputs.map((name) => path.resolve(root, name))] };
}

function array(name, data) {
  if (data.length === 0) return `constexpr unsigned char ${name}[1] = {};\n`;
  const lines = [];
  for (let at = 0; at < data.length; at += 32) lines.push(data.subarray(at, at + 32).join(","));
  return `constexpr unsigned char ${name}[] = {\n${lines.join(",\n")}};\n`;
}

function cpp(files, header, namespace) {
  const rows = [];
  let text = `// Made by web/build.mjs. Do not edit.\n#include "${header}"\n\nnamespace {\n`;
  files.forEach((file, i) => {
    const zipped = gzipSync(file.data, { level: constants.Z_BEST_COMPRESSION });
    zipped[9] = 255; // the byte that names the operating system, for the same result everywhere
    const gzip = zipped.length < file.data.length ? zipped : Buffer.alloc(0);
    text += array(`kData${i}`, file.data) + array(`kGzip${i}`, gzip);
    const view = (name, size) => `{reinterpret_cast<const char*>(${name}), ${size}}`;
    rows.push(
      `      {"${file.path}", "${file.contentType}", ${view(`kData${i}`, file.data.length)},\n` +
        `       ${view(`kGzip${i}`, gzip.length)}, ${file.immutable}},\n`,
    );
  });
  text += `}  // namespace\n\nnamespace ${namespace} {\nstd::span<const PageFile> page_files() {\n`;
  text += `  static const PageFile kFiles[] = {\n${rows.join("")}  };\n  return kFiles;\n}\n}  // namespace ${namespace}\n`;
  return text;
}

async function main() {
  const { values } = parseArgs({
    options: { page: { type: "string" }, out: { type: "string" }, header: { type: "string" }, namespace: { type: "string" } },
  });
  const { files, sources } = await bundle(path.resolve(values.page));
  const site = path.join(values.out, "site");
  rmSync(site, { recursive: true, force: true });
  for (const file of files) {
    const target = path.join(site, file.path === "/" ? "index.html" : file.path);
    mkdirSync(path.dirname(target), { recursive: true });
    writeFileSync(target, file.data);
  }
  const output = path.join(values.out, "page.cpp");
  const escaped = sources.map((name) => name.replaceAll(" ", "\\ "));
  writeFileSync(path.join(values.out, "page.d"), `${path.resolve(output)}: ${escaped.join(" \\\n  ")}\n`);
  writeFileSync(output, cpp(files, values.header, values.namespace));
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main();
