// The rows of the surface `teams`, each beside a bot on Microsoft's Agents SDK in the same run. The Teams that they talk to is the tests' stand-in, in this process.
import assert from "node:assert/strict";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { badTokens, guid, Teams } from "../support/teams.mjs";
import { writeRequests } from "./requests.mjs";

const here = (name) => fileURLToPath(new URL(name, import.meta.url));
const kConnections = 32;
const kPeople = 200;

export function teamsRows({ short, host, serving, load, onDisk, figure, atMost, atLeast }) {
  const stand = async (use) => {
    const teams = await Teams.start(null, { limits: { off: true } });
    try {
      return await use(teams);
    } finally {
      await teams.stop();
    }
  };
  const ours = (use) => stand((teams) => onDisk((folder) => host(folder, { surfaces: { teams: { plugin: "teams", backend: "echo", config: { ...teams.config, transport: "http", allow: "everyone" } } } }, ({ port }) => {
    teams.endpoint = `http://127.0.0.1:${port}/apps/teams/api/messages`;
    return use(teams, port, folder);
  })));
  const theirs = (use) => stand((teams) => {
    const { port: own, appId, appPassword, tenant } = teams;
    return onDisk((folder) => serving(process.execPath, [here("teams_agents.mjs")], /^(\d+)$/m, { TEAMS: JSON.stringify({ port: own, appId, appPassword, tenant }) }, ({ port }) => {
      teams.endpoint = `http://127.0.0.1:${port}/api/messages`;
      return use(teams, port, folder);
    }));
  });
  // Requests as Teams sends them, or as `token` has it.
  function write(teams, folder, count, token) {
    const { pathname } = new URL(teams.endpoint);
    return writeRequests(path.join(folder, "teams.requests"), count, (i) => {
      const { authorization, activity } = token(i);
      return { path: pathname, headers: { "content-type": "application/json; charset=utf-8", authorization }, text: JSON.stringify(activity) };
    });
  }
  const loaded = (port, file) => load("replay", port, file, kConnections);
  // Messages of many people to the agent, in their chats with the bot. The service has a token for some minutes: `tokens` of them are in use.
  const messages = (count, tokens) => async (teams, port, folder) => {
    const { serviceUrl } = teams.activity("alice", "dm");
    const own = Array.from({ length: tokens }, (_, i) => `Bearer ${teams.mint({ serviceUrl }, { claims: { jti: `${i}` } })}`);
    const warm = teams.post("alice", "dm", "hello");
    await warm.delivery.settled;
    assert.equal(warm.delivery.state, "acknowledged");
    const place = teams.where("@alice");
    const request = (i) => {
      const who = i % kPeople;
      const fields = { text: `number ${i}`, textFormat: "plain", from: { id: `29:1bench${who}`, name: `Person ${who}`, aadObjectId: guid(`bench ${who}`) }, conversation: { ...place.describe(), id: `a:1bench${who}` } };
      return { authorization: own[i % tokens], activity: teams.activity("alice", "dm", { fields }) };
    };
    await loaded(port, write(teams, folder, kPeople, request)); // each has a session from now on
    return loaded(port, write(teams, folder, count, request));
  };
  async function inbound() {
    for (const [name, tokens] of [["", 4], [", each with a token of its own", short ? 200 : 4000]]) {
      const count = tokens === 4 ? (short ? 500 : 20_000) : tokens;
      const peer = await theirs(messages(Math.min(count, short ? 200 : 4000), tokens === 4 ? 4 : Math.min(tokens, 4000)));
      const own = await ours(messages(count, tokens));
      assert.deepEqual(own.statuses, { 200: count });
      const more = { ours: own, theirs: peer };
      figure("teams", `signed messages acknowledged, durable${name}, ${kConnections} connections`, own.rate, "/s", { beside: { what: "Agents SDK, in memory", value: peer.rate, unit: "/s" }, target: atLeast(2000, "/s", own.rate), more });
      figure("teams", "  p99", own.p99_ms, "ms", { beside: { what: "Agents SDK", value: peer.p99_ms, unit: "ms" }, target: atMost(20, "ms", own.p99_ms) });
    }
  }
  async function refused() {
    const count = short ? 500 : 20_000;
    const measure = async (teams, port, folder) => {
      const bad = (await badTokens(teams)).filter(({ authorization, statuses }) => authorization && !statuses.includes(400) && !statuses.includes(431));
      return loaded(port, write(teams, folder, count, (i) => bad[i % bad.length]));
    };
    const peer = await theirs(measure);
    const own = await ours(measure);
    assert.deepEqual(Object.keys(own.statuses).filter((status) => status !== "401" && status !== "403"), []);
    figure("teams", "bad tokens refused", own.rate, "/s", { beside: { what: "Agents SDK, which takes some", value: peer.rate, unit: "/s" }, target: atLeast(5000, "/s", own.rate), more: { ours: own, theirs: peer } });
  }
  return {
    async teams() {
      await inbound();
      await refused();
    },
  };
}
