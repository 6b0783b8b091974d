// Keys, and the tokens that are made with them: those of Microsoft's channel service, of Entra, and whatever an attacker would make.
import { createHmac, generateKeyPair, sign } from "node:crypto";
import { promisify } from "node:util";
import { constants, randomBytes } from "node:crypto";
import { certificate } from "./certificate.mjs";

const generate = promisify(generateKeyPair);
export const secret = (bytes = 12) => randomBytes(bytes).toString("hex");
export const b64 = (value) => Buffer.from(typeof value === "string" || Buffer.isBuffer(value) ? value : JSON.stringify(value)).toString("base64url");

export const kIssuer = "https://api.botframework.com";
export const kGovIssuer = "https://api.botframework.us";
// The tenants whose Entra tokens the emulators use: botframework.com and Microsoft's own.
export const kEmulatorTenants = ["d6d49420-f39b-4df7-a1dc-d59a935871db", "f8cdef31-a31e-4b4a-93e4-5f571e91255a"];

// A key pair. `endorsements` undefined: the key has none.
export class Key {
  static async rsa(kid, { bits = 2048, ...more } = {}) {
    return new Key({ kid, type: "RSA", ...(await generate("rsa", { modulusLength: bits })), ...more });
  }
  static async ec(kid, more = {}) {
    return new Key({ kid, type: "EC", ...(await generate("ec", { namedCurve: "P-256" })), ...more });
  }
  constructor(parts) {
    Object.assign(this, parts);
  }
  get certificate() {
    return (this.made ??= certificate(this));
  }
  get pem() {
    return this.privateKey.export({ type: "pkcs8", format: "pem" });
  }
  get publicPem() {
    return this.publicKey.export({ type: "spki", format: "pem" });
  }
  jwk() {
    const { kid, type, endorsements } = this;
    const x5c = type === "RSA" ? { x5t: this.certificate.sha1, x5c: [this.certificate.der.toString("base64")] } : {};
    return { ...this.publicKey.export({ format: "jwk" }), use: "sig", kid, ...x5c, ...(endorsements ? { endorsements } : {}), ...this.extra };
  }
  signature(alg, text) {
    switch (alg) {
      case "RS256":
      case "RS384":
      case "RS512":
        return sign(`sha${alg.slice(2)}`, Buffer.from(text), this.privateKey);
      case "PS256":
        return sign("sha256", Buffer.from(text), { key: this.privateKey, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 32 });
      case "ES256":
        return sign("sha256", Buffer.from(text), { key: this.privateKey, dsaEncoding: "ieee-p1363" });
      default:
        throw new Error(`nobody signs with ${alg}`);
    }
  }
}
export const hmac = (key, text) => createHmac("sha256", key).update(text).digest();

// A token: header and payload are said whole; `by` is a key, a function of the text that is signed, or the bytes of a signature.
export function jwt(header, payload, by) {
  const text = `${b64(header)}.${b64(payload)}`;
  const bytes = typeof by === "function" ? by(text) : by instanceof Key ? by.signature(header.alg, text) : by;
  return `${text}.${b64(bytes ?? "")}`;
}
export const seconds = (ms = Date.now()) => Math.floor(ms / 1000);

// What the channel service sends with an activity. `claims` and `header` change it; undefined takes a claim away.
export function channelToken({ key, appId, serviceUrl, now = Date.now(), claims = {}, header = {} }) {
  const at = seconds(now);
  const whole = { serviceurl: serviceUrl, nbf: at - 60, exp: at + 3540, iss: kIssuer, aud: appId, ...claims };
  return jwt({ alg: "RS256", kid: key.kid, x5t: key.type === "RSA" ? key.certificate.sha1 : undefined, typ: "JWT", ...header }, whole, key);
}
// What an emulator sends when it has credentials: version 1 or 2 of Entra's tokens.
export function entraToken({ key, appId, tenant, version = 2, now = Date.now(), claims = {}, header = {} }) {
  const at = seconds(now);
  const own = version === 2 ? { ver: "2.0", iss: `https://login.microsoftonline.com/${tenant}/v2.0`, azp: appId, azpacr: "1" } : { ver: "1.0", iss: `https://sts.windows.net/${tenant}/`, appid: appId, appidacr: "1" };
  return jwt({ typ: "JWT", alg: "RS256", kid: key.kid, ...header }, { aud: appId, iat: at - 60, nbf: at - 60, exp: at + 3540, tid: tenant, ...own, ...claims }, key);
}
