// A certificate that signs itself, for an app that proves itself with one (Node makes keys, but no certificates).
import { createHash, randomBytes, sign } from "node:crypto";

const der = (tag, ...parts) => {
  const body = Buffer.concat(parts.map((part) => (Buffer.isBuffer(part) ? part : Buffer.from(part))));
  const size = body.length;
  const head = size < 128 ? [size] : size < 256 ? [0x81, size] : [0x82, size >> 8, size & 0xff];
  return Buffer.concat([Buffer.from([tag, ...head]), body]);
};
const kSha256WithRsa = der(0x30, Buffer.from("06092a864886f70d01010b0500", "hex"));
const named = (name) => der(0x30, der(0x31, der(0x30, Buffer.from("0603550403", "hex"), der(0x0c, name))));
const time = (ms) => der(0x17, `${new Date(ms).toISOString().replaceAll(/[-:T]/g, "").slice(2, 14)}Z`);

// {der, pem, sha1, sha256} of the two keys' certificate.
export function certificate({ publicKey, privateKey }, { name = "stand-in", from = Date.now() - 86_400_000, until = Date.now() + 30 * 86_400_000 } = {}) {
  const serial = randomBytes(8);
  serial[0] &= 0x7f;
  serial[0] |= 0x01;
  const body = der(0x30, der(0xa0, Buffer.from("020102", "hex")), der(0x02, serial), kSha256WithRsa, named(name), der(0x30, time(from), time(until)), named(name), publicKey.export({ type: "spki", format: "der" }));
  const whole = der(0x30, body, kSha256WithRsa, der(0x03, [0], sign("sha256", body, privateKey)));
  const hash = (kind) => createHash(kind).update(whole).digest("base64url");
  const lines = whole.toString("base64").match(/.{1,64}/g).join("\n");
  return { der: whole, pem: `-----BEGIN CERTIFICATE-----\n${lines}\n-----END CERTIFICATE-----\n`, sha1: hash("sha1"), sha256: hash("sha256") };
}
