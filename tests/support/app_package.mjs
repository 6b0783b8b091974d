// What is in the zip of an app for Teams, and what Microsoft's own schema says of its manifest. `why` says why that cannot be asked here.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import zlib from "node:zlib";
import { root } from "./viaduct.mjs";

const folder = path.join(root, "node_modules/@microsoft/app-manifest");
const load = () => {
  const from = createRequire(path.join(folder, "package.json"));
  return { Ajv: from("ajv-draft-04").default, formats: from("ajv-formats").default };
};
export const { tools, why } = (() => {
  try {
    return { tools: load(), why: false };
  } catch (error) {
    return { tools: null, why: `@microsoft/app-manifest does not load here (${error.code ?? error.message}); npm ci installs it` };
  }
})();

// What is wrong with a manifest: [] when it is good.
export function schemaErrors(manifest) {
  const schema = JSON.parse(readFileSync(path.join(folder, `build/json-schemas/teams/v${manifest.manifestVersion}/MicrosoftTeams.schema.json`), "utf8"));
  const ajv = new tools.Ajv({ strict: false, allErrors: true });
  tools.formats(ajv, ["uri", "email", "regex"]);
  const validate = ajv.compile(schema);
  return validate(manifest) ? [] : validate.errors.map(({ instancePath, message, params }) => `${instancePath} ${message} ${JSON.stringify(params)}`);
}

// The files of a zip, name → bytes; throws where it is none, or a file is not what its sum says.
export function unzip(bytes) {
  const end = bytes.lastIndexOf(Buffer.from("504b0506", "hex"));
  if (end < 0) throw new Error("no zip");
  const files = new Map();
  let at = bytes.readUInt32LE(end + 16);
  for (let left = bytes.readUInt16LE(end + 10); left > 0; --left) {
    if (bytes.readUInt32LE(at) !== 0x02014b50) throw new Error("no entry of a zip");
    const [method, crc, packed, size] = [bytes.readUInt16LE(at + 10), bytes.readUInt32LE(at + 16), bytes.readUInt32LE(at + 20), bytes.readUInt32LE(at + 24)];
    const [nameSize, extra, comment, local] = [bytes.readUInt16LE(at + 28), bytes.readUInt16LE(at + 30), bytes.readUInt16LE(at + 32), bytes.readUInt32LE(at + 42)];
    const name = bytes.subarray(at + 46, at + 46 + nameSize).toString();
    const start = local + 30 + bytes.readUInt16LE(local + 26) + bytes.readUInt16LE(local + 28);
    const raw = bytes.subarray(start, start + packed);
    const data = method === 0 ? raw : zlib.inflateRawSync(raw);
    if (data.length !== size) throw new Error(`${name} has another size`);
    if (zlib.crc32 && zlib.crc32(data) !== crc) throw new Error(`${name} has another sum`); // Node has it since 20.15
    files.set(name, data);
    at += 46 + nameSize + extra + comment;
  }
  return files;
}
// {width, height, alpha} of a PNG.
export function png(bytes) {
  if (bytes.subarray(0, 8).toString("hex") !== "89504e470d0a1a0a") throw new Error("no PNG");
  return { width: bytes.readUInt32BE(16), height: bytes.readUInt32BE(20), alpha: [4, 6].includes(bytes[25]) || bytes.includes("tRNS") };
}
