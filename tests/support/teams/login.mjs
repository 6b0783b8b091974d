// Who somebody is: the OpenID documents, the keys, and the tokens that the app gets for itself.
import { createHash, createPublicKey, verify, constants } from "node:crypto";
import { b64, kIssuer, secret, seconds } from "./tokens.mjs";
import { guid } from "./world.mjs";

const kScope = "https://api.botframework.com/.default";

export function openId(teams, { path = "/v1/.well-known/keys", issuer = kIssuer } = {}) {
  return {
    issuer, authorization_endpoint: "https://invalid.botframework.com", jwks_uri: teams.jwksUri ?? teams.origin + path, id_token_signing_alg_values_supported: ["RS256"],
    token_endpoint_auth_methods_supported: ["private_key_jwt"],
  };
}

// Azure AD's way to say no.
export function aadError(status, error, code, words) {
  const trace_id = guid(secret());
  const timestamp = new Date().toISOString().replace("T", " ").replace(/\..*/, "Z");
  return {
    status,
    body: {
      error, error_description: `AADSTS${code}: ${words} Trace ID: ${trace_id} Correlation ID: ${trace_id} Timestamp: ${timestamp}`, error_codes: [code], timestamp, trace_id, correlation_id: trace_id,
      error_uri: `https://login.microsoftonline.com/error?code=${code}`,
    },
  };
}

// Why the proof by a certificate is none, or null.
function wrongAssertion(teams, text, audience) {
  const parts = String(text).split(".");
  if (parts.length !== 3) return aadError(401, "invalid_client", 50027, "JWT token is invalid or malformed.");
  let header, claims;
  try {
    [header, claims] = parts.slice(0, 2).map((part) => JSON.parse(Buffer.from(part, "base64url").toString()));
  } catch {
    return aadError(401, "invalid_client", 50027, "JWT token is invalid or malformed.");
  }
  const known = teams.certificates.find(({ sha256, sha1 }) => (header["x5t#S256"] ?? header.x5t) === (header["x5t#S256"] ? sha256 : sha1));
  const notRegistered = (why) => aadError(401, "invalid_client", 700027, `The certificate with identifier used to sign the client assertion is not registered on application. [Reason - ${why}]`);
  if (!known) return notRegistered("The key was not found.");
  const hash = { alg: { RS256: {}, PS256: { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 32 } }[header.alg] };
  if (!hash.alg) return aadError(401, "invalid_client", 50027, "JWT token is invalid or malformed.");
  const key = createPublicKey(known.pem);
  if (!verify("sha256", Buffer.from(`${parts[0]}.${parts[1]}`), { key, ...hash.alg }, Buffer.from(parts[2], "base64url"))) return notRegistered("The key used is expired or the signature is wrong.");
  if (header.x5c && createHash("sha256").update(Buffer.from(header.x5c[0], "base64")).digest("base64url") !== known.sha256) return notRegistered("x5c is another certificate.");
  const now = seconds(teams.now());
  if (claims.iss !== teams.appId || claims.sub !== teams.appId) return aadError(401, "invalid_client", 700021, "Client assertion application identifier doesn't match 'client_id' parameter.");
  if (claims.aud !== audience) return aadError(401, "invalid_client", 700023, "Client assertion audience claim does not match Realm issuer.");
  if (!(claims.exp > now) || (claims.nbf ?? 0) > now + 300) return aadError(401, "invalid_client", 700024, "Client assertion is not within its valid time range.");
  if (claims.exp > now + 600 + 60) teams.complain("a client assertion that is good for more than ten minutes");
  if (!claims.jti || teams.assertions.has(claims.jti)) return aadError(401, "invalid_client", 700025, "Client assertion was used before, or has no jti.");
  teams.assertions.add(claims.jti);
  return null;
}

// POST {tenant}/oauth2/v2.0/token
export function tokenAnswer(teams, { url, args, request }) {
  const [, tenant] = url.pathname.split("/");
  if (!/^application\/x-www-form-urlencoded/.test(request.headers["content-type"] ?? "")) return aadError(400, "invalid_request", 900144, "The request body must contain the following parameter: 'grant_type'.");
  if (args.grant_type !== "client_credentials") return aadError(400, "unsupported_grant_type", 70003, "The app requested an unsupported grant type.");
  if (tenant !== teams.loginTenant) return aadError(400, "invalid_request", 90002, `Tenant '${tenant}' not found. Check to make sure you have the correct tenant ID and are signing into the correct cloud.`);
  if (args.client_id !== teams.appId) return aadError(400, "unauthorized_client", 700016, `Application with identifier '${args.client_id}' was not found in the directory '${tenant}'.`);
  if (args.scope !== kScope) return aadError(400, "invalid_scope", 1002012, `The provided value for scope ${args.scope} is not valid. Client credential flows must have a scope value with /.default suffixed to the resource identifier (application ID URI).`);
  if (args.client_assertion !== undefined) {
    if (args.client_assertion_type !== "urn:ietf:params:oauth:client-assertion-type:jwt-bearer") return aadError(400, "invalid_request", 900144, "The request body must contain the following parameter: 'client_assertion_type'.");
    const wrong = wrongAssertion(teams, args.client_assertion, teams.audience ?? teams.origin + url.pathname);
    if (wrong) return wrong;
  } else if (args.client_secret === undefined) return aadError(401, "invalid_client", 7000218, "The request body must contain the following parameter: 'client_assertion' or 'client_secret'.");
  else if (args.client_secret !== teams.appPassword)
    return aadError(401, "invalid_client", 7000215, `Invalid client secret provided. Ensure the secret being sent in the request is the client secret value, not the client secret ID, for a secret added to app '${teams.appId}'.`);
  const fresh = [...teams.tokens.values()].find((one) => one.state === "live" && one.until - teams.now() > 300_000 && !one.idle);
  if (fresh && teams.askedOften++ > 20) teams.complain("a token is asked for again and again");
  return { status: 200, body: { token_type: "Bearer", expires_in: teams.times.token, ext_expires_in: teams.times.token, access_token: issue(teams) } };
}

// A bearer token for the connector. It only looks like a JWT: nobody but its issuer may read it.
export function issue(teams, { state = "live", lasts = teams.times.token } = {}) {
  const at = seconds(teams.now());
  const payload = { aud: kIssuer, iss: `https://sts.windows.net/${teams.tenant}/`, iat: at, nbf: at, exp: at + lasts, appid: teams.appId, tid: teams.tenant };
  const value = `${b64({ typ: "JWT", alg: "RS256", kid: "entra-outbound" })}.${b64(payload)}.${secret(64)}`;
  teams.tokens.set(value, { value, state, until: teams.now() + lasts * 1000, issued: teams.now() });
  return value;
}
