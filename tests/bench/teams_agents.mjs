// What the surface `teams` is put beside: a bot on Microsoft's Agents SDK that takes everything and does nothing else. TEAMS: the stand-in's port, app id, secret and tenant, as JSON.
// Prints its port.
import { lead, serveBot } from "../support/agents_sdk.mjs";

const { port, appId, appPassword, tenant } = JSON.parse(process.env.TEAMS);
lead(port);
const { server } = await serveBot({ clientId: appId, tenantId: tenant, clientSecret: appPassword }, async () => {});
console.log(server.address().port);
