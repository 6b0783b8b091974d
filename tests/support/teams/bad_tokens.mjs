// What an attacker, a confused peer or an old clock sends: tokens that no bot may take, each with the activity that it is for, and some that it must take.
import { b64, channelToken, entraToken, hmac, jwt, kEmulatorTenants, Key, kGovIssuer, kIssuer, seconds } from "./tokens.mjs";
import { guid } from "./world.mjs";

const kMinute = 60;
const without = (object, name) => Object.fromEntries(Object.entries(object).filter(([key]) => key !== name));

// [{ name, authorization, activity, statuses }]; authorization null: none. `statuses` are those that a refusal may have. Each activity has an id of its own.
export async function badTokens(teams, { who = "alice", where = "dm", text = "forged" } = {}) {
  const { appId, keys } = teams;
  const { channel, unendorsed, plain, gov, entra, stranger, curve } = keys;
  const at = seconds(teams.now());
  const { serviceUrl, conversation } = teams.activity(who, where);
  const weak = await Key.rsa(channel.kid, { bits: 1024, endorsements: channel.endorsements });
  const header = { alg: "RS256", kid: channel.kid, x5t: channel.certificate.sha1, typ: "JWT" };
  const payload = { serviceurl: serviceUrl, nbf: at - kMinute, exp: at + 3540, iss: kIssuer, aud: appId };
  const good = () => channelToken({ key: channel, appId, serviceUrl, now: teams.now() });
  const of = (claims, more = {}) => channelToken({ key: channel, appId, serviceUrl, now: teams.now(), claims, ...more });
  const own = (changed, by = channel, claims = payload) => jwt({ ...header, ...changed }, claims, by);
  const entraOf = (more) => entraToken({ key: entra, appId, tenant: teams.tenant, now: teams.now(), ...more });
  const [head, body, signature] = good().split(".");
  const swapped = b64({ ...payload, aud: appId, extra: "tampered" });
  const elsewhere = "https://evil.example.test/amer/";
  const modulus = Buffer.from(channel.publicKey.export({ format: "jwk" }).n, "base64url");
  const forOther = (fields) => ({ fields });

  const all = [
    // No token at all, or not as a token comes.
    ["no header", null], ["an empty header", { raw: "" }], ["Bearer without a token", { raw: "Bearer" }], ["Bearer with an empty token", { raw: "Bearer " }], ["Basic instead of Bearer", { raw: `Basic ${Buffer.from(`${appId}:x`).toString("base64")}` }],
    ["the token without Bearer", { raw: good() }], ["another scheme with a good token", { raw: `Token ${good()}` }], ["two tokens in one header", { raw: `Bearer ${good()} ${good()}` }], ["two tokens with a comma", { raw: `Bearer ${good()}, Bearer ${good()}` }],
    ["garbage", "garbage"], ["two segments", `${head}.${body}`], ["four segments", `${good()}.${signature}`], ["only dots", ".."], ["an empty header segment", `.${body}.${signature}`], ["an empty payload segment", `${head}..${signature}`],
    ["a header that is no JSON", jwtText(Buffer.from("{no json"), payload, channel)], ["a header that is an array", jwtText(Buffer.from("[]"), payload, channel)], ["a payload that is no JSON", jwtText(header, Buffer.from("{no json"), channel)],
    ["a payload that is an array", jwtText(header, Buffer.from("[]"), channel)], ["a payload that is null", jwtText(header, Buffer.from("null"), channel)], ["characters that are not of base64url", `${head}.${body}.${signature.slice(0, -4)}+/==`],
    ["a very long token", `${head}.${b64({ ...payload, filler: "x".repeat(6000) })}.${signature}`, {}, [401, 403, 431]],
    // The signature.
    ["no signature", `${head}.${body}.`], ["a signature that is cut", `${head}.${body}.${signature.slice(0, -8)}`], ["a signature of zeros", `${head}.${body}.${b64(Buffer.alloc(256))}`], ["a signature that is random", `${head}.${body}.${b64(Buffer.alloc(256, 7))}`],
    ["a payload that was changed", `${head}.${swapped}.${signature}`], ["a header that was changed", `${b64({ ...header, extra: 1 })}.${body}.${signature}`], ["a known kid with another key", own({}, stranger)], ["a known kid with a weak key", own({}, weak)],
    // The algorithm.
    ["alg none", own({ alg: "none" }, Buffer.alloc(0))], ["alg NONE", own({ alg: "NONE" }, Buffer.alloc(0))], ["alg nOnE with a signature", own({ alg: "nOnE" }, (one) => channel.signature("RS256", one))], ["no alg", own({ alg: undefined }, (one) => channel.signature("RS256", one))],
    ["alg is a number", own({ alg: 256 }, (one) => channel.signature("RS256", one))], ["alg is an array", own({ alg: ["RS256"] }, (one) => channel.signature("RS256", one))], ["alg in small letters", own({ alg: "rs256" }, (one) => channel.signature("RS256", one))],
    ["HS256 with the public key as PEM", own({ alg: "HS256" }, (one) => hmac(channel.publicPem, one))], ["HS256 with the modulus", own({ alg: "HS256" }, (one) => hmac(modulus, one))], ["HS256 with an empty key", own({ alg: "HS256" }, (one) => hmac("", one))],
    ["HS256 with the app's password", own({ alg: "HS256" }, (one) => hmac(teams.appPassword, one))], ["PS256", own({ alg: "PS256" })], ["RS384", own({ alg: "RS384" })], ["RS512", own({ alg: "RS512" })],
    ["ES256 with the key of a curve that is published", own({ alg: "ES256", kid: curve.kid }, curve)], ["RS256 with the kid of a curve", own({ kid: curve.kid })],
    // The key.
    ["no kid", own({ kid: undefined })], ["an empty kid", own({ kid: "" })], ["an unknown kid", own({ kid: "nobody-knows" }, stranger)], ["a kid that is a number", own({ kid: 1 })], ["a kid that is a path", own({ kid: "../../../../dev/null" })],
    ["a kid like SQL", own({ kid: "x' OR '1'='1" })], ["a kid in other letters", own({ kid: channel.kid.toUpperCase() })], ["a key in the header (jwk)", own({ kid: undefined, jwk: stranger.jwk() }, stranger)], ["a key in the header, beside a known kid", own({ jwk: stranger.jwk() }, stranger)],
    ["a certificate in the header (x5c)", own({ x5c: [stranger.certificate.der.toString("base64")] }, stranger)], ["an address of keys (jku)", own({ kid: "evil-1", jku: `${teams.origin}/evil/keys` }, stranger)],
    ["an address of a certificate (x5u)", own({ kid: "evil-1", x5u: `${teams.origin}/evil/cert` }, stranger)], ["an extension that it must know (crit)", own({ crit: ["exp"], exp: at + 3540 })], ["unencoded payload (b64, crit)", own({ crit: ["b64"], b64: false })],
    ["a key that is endorsed for others", of({}, { key: unendorsed }), {}, [401, 403]], ["a key without endorsements", of({}, { key: plain }), {}, [401, 403]], ["a good token for another channel", good(), forOther({ channelId: "skype" }), [401, 403]],
    ["a good token for no channel", good(), forOther({ channelId: undefined }), [400, 401, 403]],
    // Times.
    ["expired six minutes ago", of({ exp: at - 6 * kMinute, nbf: at - 3600 })], ["expired a year ago", of({ exp: at - 365 * 86_400, nbf: at - 366 * 86_400 })], ["no exp", own({}, channel, without(payload, "exp"))], ["exp is text", of({ exp: String(at + 3540) })],
    ["exp is null", of({ exp: null })], ["exp is true", of({ exp: true })], ["exp is negative", of({ exp: -1 })], ["good in ten minutes only (nbf)", of({ nbf: at + 10 * kMinute })], ["nbf is text", of({ nbf: "soon" })],
    // Who it is for, and from.
    ["another audience", of({ aud: guid("app other") })], ["no audience", own({}, channel, without(payload, "aud"))], ["an empty audience", of({ aud: "" })], ["an audience that begins like the app", of({ aud: appId.slice(0, -1) })], ["an audience that goes on after the app", of({ aud: `${appId}x` })],
    ["the channel service as audience", of({ aud: kIssuer })], ["an audience with another beside it", of({ aud: [guid("app other"), guid("app third")] })], ["an audience that is an object", of({ aud: { [appId]: true } })],
    ["another issuer", of({ iss: "https://evil.example.test" })], ["no issuer", own({}, channel, without(payload, "iss"))], ["an issuer with more at its end", of({ iss: `${kIssuer}.evil.example.test` })], ["an issuer with a slash", of({ iss: `${kIssuer}/` })],
    ["an issuer over http", of({ iss: kIssuer.replace("https", "http") })], ["an issuer in an array", of({ iss: [kIssuer] })], ["the government's issuer, signed by it", of({ iss: kGovIssuer }, { key: gov })], ["the government's issuer, signed here", of({ iss: kGovIssuer })],
    ["signed by the government's key", of({}, { key: gov })],
    // Where answers would go.
    ["another service URL", of({ serviceurl: elsewhere })], ["no service URL", own({}, channel, without(payload, "serviceurl"))], ["an empty service URL", of({ serviceurl: "" })], ["a service URL that is a number", of({ serviceurl: 1 })],
    ["a service URL of which the activity's is the beginning", of({ serviceurl: `${serviceUrl.replace(/\/$/, "")}.evil.example.test/` })], ["the activity goes elsewhere", good(), forOther({ serviceUrl: elsewhere })],
    ["the activity's service URL begins like the token's", good(), forOther({ serviceUrl: `${serviceUrl.replace(/\/amer.*/, "")}@evil.example.test/amer/` })], ["the activity has no service URL", good(), forOther({ serviceUrl: undefined }), [400, 401, 403]],
    ["another path of the service", good(), forOther({ serviceUrl: serviceUrl.replace("/amer/", "/emea/") })], ["the claim's name in other letters", own({}, channel, { ...without(payload, "serviceurl"), serviceUrl })],
    // Entra's tokens, which nobody has switched on.
    ["Entra's token, version 2", entraOf()], ["Entra's token, version 1", entraOf({ version: 1 })], ["Entra's token of the emulator", entraOf({ tenant: kEmulatorTenants[0] })], ["Entra's token with another tenant's issuer", entraOf({ claims: { tid: guid("tenant elsewhere") } })],
    ["Entra's token for another app", entraOf({ claims: { aud: guid("app other"), azp: guid("app other") } })], ["Entra's token with the channel's issuer", entraOf({ claims: { iss: kIssuer, serviceurl: serviceUrl } })],
    ["the Playground's token", own({ alg: "HS256", kid: undefined, x5t: undefined }, (one) => hmac("dummy-secret-key", one), { serviceurl: serviceUrl, iat: at })],
    ["the app's own token for the connector", teams.issue()],
    // A good token of a tenant that is not allowed.
    ["another tenant", good(), forOther({ conversation: { ...conversation, tenantId: guid("tenant other") }, channelData: { tenant: { id: guid("tenant other") } } }), [401, 403]],
  ];
  return all.map(([name, token, { fields = {} } = {}, statuses = [401, 403]], n) => {
    const activity = teams.activity(who, where, { fields: { text: `${text} ${n}: ${name}`, textFormat: "plain", id: `forged-${n}-${teams.nextId()}`, ...fields } });
    return { name, authorization: token === null ? null : typeof token === "object" ? token.raw : `Bearer ${token}`, activity, statuses };
  });
}
// A token whose header or payload is not JSON, signed all the same.
function jwtText(header, payload, key) {
  const part = (value) => (Buffer.isBuffer(value) ? value.toString("base64url") : b64(value));
  const text = `${part(header)}.${part(payload)}`;
  return `${text}.${b64(key.signature("RS256", text))}`;
}

// Tokens that are good, though they look odd.
export function goodTokens(teams, { who = "alice", where = "dm" } = {}) {
  const at = seconds(teams.now());
  const { channel } = teams.keys;
  const { serviceUrl } = teams.activity(who, where);
  const of = (claims = {}, header = {}) => channelToken({ key: channel, appId: teams.appId, serviceUrl, now: teams.now(), claims, header });
  const all = [
    ["as the service sends it", of()], ["expired four minutes ago", of({ exp: at - 240 })], ["good in four minutes", of({ nbf: at + 240 })], ["without nbf", of({ nbf: undefined })], ["with claims that nobody knows", of({ jti: "1", tid: teams.tenant, nested: { deep: [1] } })],
    ["with the audience in an array", of({ aud: [teams.appId] })], ["without x5t and typ", of({}, { x5t: undefined, typ: undefined })], ["with a service URL without its last slash", of({ serviceurl: serviceUrl.replace(/\/$/, "") })],
  ];
  return all.map(([name, token], n) => {
    const activity = teams.activity(who, where, { fields: { text: `good ${n}`, textFormat: "plain" } });
    return { name, authorization: `Bearer ${token}`, activity };
  });
}
