// The real agents that speak the Agent Client Protocol, each by its preset in the real host, with a stand-in for its vendor's model server. A program
// is looked for in the folders of the environment's VIADUCT_AGENTS (where `npm install @agentclientprotocol/claude-agent-acp
// @agentclientprotocol/codex-acp @zed-industries/codex-acp @google/gemini-cli opencode-ai` was run), then on the PATH; where it is not installed its
// tests are skipped. They have their own home folder and only talk to the stand-in.
import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { Agent, hostWith } from "../support/acp.mjs";
import { ChatClient } from "../support/chat_client.mjs";
import { inOrder, installed, kKey, kTurn, of, said, say, settle, whyNot } from "../support/real_agents.mjs";
import { VendorServer } from "../support/vendor_servers.mjs";
import { forHost, hostFor, request } from "../support/viaduct.mjs";
import { until } from "../support/wait.mjs";

const codexFiles = (origin, policy) => ({
  ".codex/config.toml": `model = "stand-in"
model_provider = "standin"
approval_policy = "${policy}"
sandbox_mode = "read-only"
[model_providers.standin]
name = "Stand-in"
base_url = "${origin}/v1"
wire_api = "responses"
env_key = "OPENAI_API_KEY"
requires_openai_auth = false
supports_websockets = false
request_max_retries = 0
stream_max_retries = 0
[analytics]
enabled = false
`,
});
const kMake = "touch made-by-agent && echo made by an agent";

// How each agent is pointed at the stand-in, which of its tools makes the file, whether it asks first, where its sessions lie, whether it restores and
// lists them, another model of it, and what is said where nobody has logged in (`atOnce`: when a session is opened).
const kAgents = {
  claude: {
    program: "claude-agent-acp",
    config: (origin) => ({
      env: { ANTHROPIC_BASE_URL: origin, ANTHROPIC_API_KEY: kKey, CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: "1", CLAUDE_CODE_MAX_RETRIES: "1", IS_SANDBOX: "1" },
    }),
    tool: { name: "Bash", input: { command: kMake, description: "Make a file" } },
    sessions: ".claude/projects",
    asks: true,
    native: true,
    lists: true,
    otherModel: /haiku/,
    bare: (origin) => ({ ANTHROPIC_BASE_URL: origin, CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: "1" }),
    login: /ANTHROPIC_API_KEY.*\/login/, // which it misses at the first message
  },
  codex: {
    program: "codex-acp",
    config: () => ({ mode: "read-only", env: { OPENAI_API_KEY: kKey, MODEL_PROVIDER: "standin" } }),
    files: (origin) => codexFiles(origin, "on-request"),
    tool: { name: "exec_command", input: { cmd: kMake, sandbox_permissions: "require_escalated", justification: "May I make the file?" } },
    sessions: ".codex/sessions",
    asks: true,
    native: true,
    lists: true,
    otherModel: /^gpt-5\.5/,
    toldBeside: true, // what a program says
    login: /OPENAI_API_KEY.*codex login/,
    atOnce: true,
  },
  "codex of Zed": {
    preset: "codex",
    program: "codex-acp-linux-x64",
    config: () => ({ auth_method: "openai-api-key", env: { OPENAI_API_KEY: kKey } }),
    files: (origin) => codexFiles(origin, "untrusted"),
    tool: { name: "exec_command", input: { cmd: kMake } },
    sessions: ".codex/sessions",
    asks: true,
    native: true,
    lists: true,
    holdsOn: true, // to the answer of the model, when it is cancelled
  },
  gemini: {
    program: "gemini",
    arguments: ["--acp"],
    config: (origin) => ({ env: { GOOGLE_GEMINI_BASE_URL: origin, GEMINI_API_KEY: kKey } }),
    files: () => ({
      ".gemini/settings.json": JSON.stringify({
        security: { auth: { selectedType: "gemini-api-key" }, folderTrust: { enabled: false } },
        privacy: { usageStatisticsEnabled: false },
        telemetry: { enabled: false },
        general: { enableAutoUpdate: false },
      }),
    }),
    tool: { name: "run_shell_command", input: { command: kMake, description: "Make a file" } },
    sessions: ".gemini/tmp",
    asks: true,
    native: false, // what it loads within a minute it loses
    otherModel: /flash/,
    login: /GEMINI_API_KEY.*`gemini`/,
    atOnce: true,
  },
  opencode: {
    program: "opencode",
    arguments: ["acp"],
    config: () => ({ env: { OPENCODE_DISABLE_MODELS_FETCH: "1", OPENCODE_DISABLE_LSP_DOWNLOAD: "1" } }),
    files: (origin) => ({
      ".config/opencode/opencode.json": JSON.stringify({
        autoupdate: false,
        share: "disabled",
        permission: { bash: "ask" },
        model: "standin/stand-in",
        small_model: "standin/stand-in",
        enabled_providers: ["standin"],
        provider: {
          standin: { npm: "@ai-sdk/openai-compatible", name: "Stand-in", options: { baseURL: `${origin}/v1`, apiKey: kKey }, models: { "stand-in": { name: "Stand-in" }, second: { name: "Second" } } },
        },
      }),
    }),
    tool: { name: "bash", input: { command: kMake, description: "Make a file" } },
    sessions: ".local/share/opencode",
    asks: true,
    native: true, // and lists only sessions of the folder in which it was started
    otherModel: /second/,
  },
};

// A host with the agent as its only backend; `bare`: nobody has logged in.
async function start(t, name, { bare = false } = {}) {
  const agent = kAgents[name];
  const program = installed(agent.program);
  const vendor = await VendorServer.start(t);
  const config = bare ? { env: agent.bare?.(vendor.origin) } : agent.config(vendor.origin);
  // A program may be a script for the node of its own folder.
  const env = { PATH: `${path.dirname(program)}:${process.env.PATH}`, ...config.env };
  const host = await hostFor(t, {
    config: {
      backends: { agent: { plugin: "acp", config: { preset: agent.preset ?? name, command: [program, ...(agent.arguments ?? [])], timeout: "2m", ...config, env } } },
      surfaces: { "web-chat": { plugin: "web_chat", backend: "agent" } },
    },
  });
  if (!bare) settle(host, agent.files?.(vendor.origin));
  return { vendor, host, made: () => existsSync(path.join(host.home, "made-by-agent")) };
}
const pending = (client) => client.until(() => client.of("permission").find(({ data }) => data.status === "pending"), "a request for permission", kTurn);
function choose(client, entry, kind) {
  const option = entry.data.options.find((one) => one.kind === kind);
  assert.ok(option, JSON.stringify(entry.data.options));
  return client.request("answer", { entry: entry.entry, option_id: option.optionId });
}
const resumes = async (host) =>
  (await request(host.origin, "GET", "/metrics")).text.split("\n").filter((line) => line.startsWith("viaduct_resumes_total"));
// Without what an agent says of its own accord.
const answers = (client) => client.texts().map((text) => text.replace(/Model metadata for[^.]*\.[^.]*\./g, "").trim()).filter(Boolean);
// Agents write their own files a moment after the end of the turn.
function written(host, agent, text) {
  const folder = path.join(host.home, agent.sessions);
  const files = () => (existsSync(folder) ? readdirSync(folder, { recursive: true }).map((file) => path.join(folder, file)) : []);
  return until(() => files().some((file) => statSync(file).isFile() && readFileSync(file).includes(text)), `«${text}» in ${agent.sessions}`);
}

for (const [name, agent] of Object.entries(kAgents)) {
  const skip = whyNot(agent.program);
  const it = (words, run) => test(`${name}: ${words}`, { skip, timeout: 600_000 }, run);

  it("two turns are one conversation, streamed, and it ends with the host", async (t) => {
    const { vendor, host } = await start(t, name);
    vendor.script = [{ say: ["The first ", "answer, ", "in pieces."] }, { say: ["Second ", "answer."] }];
    const client = await ChatClient.open(host.origin);
    const end = await say(client, "--help me with this");
    assert.equal(end.data.stop_reason, "end_turn", JSON.stringify(end.data));
    assert.match(client.texts().at(-1), /The first answer, in pieces\.$/);
    assert.ok(client.changes.filter(({ change, text }) => change === "delta" && text).length >= 2, "in pieces");
    assert.equal((await say(client, "and again")).data.stop_reason, "end_turn");
    assert.match(client.texts().at(-1), /Second answer\.$/);
    inOrder(said(vendor.requests.at(-1)), ["--help me with this", "The first answer, in pieces.", "and again"]);
    for (const text of ["--help me with this", "and again"])
      assert.equal(vendor.requests.filter((one) => said(one).at(-1).endsWith(text)).length, 1, "nothing was asked twice");
    assert.equal(client.of("context_restored").length, 0);
    assert.doesNotMatch(host.output, new RegExp(kKey));
    assert.deepEqual(client.faults, []);
    await host.stop();
    await until(() => of(host).length === 0 || assert.fail(`it is left: ${of(host)}`), "its processes gone");
  });

  it("a tool is run when it is allowed, not when it is refused", async (t) => {
    const { vendor, host, made } = await start(t, name);
    vendor.script = ({ said: lines }) => (lines.at(-1).startsWith("tool: ") || /\[result/.test(lines.at(-1)) ? { say: ["Done."] } : { say: ["I try. "], tool: agent.tool });
    const client = await ChatClient.open(host.origin);
    const turn = async (text, kind) => {
      const { turn: number } = await client.send(text);
      if (agent.asks) {
        const entry = await pending(client);
        assert.match(JSON.stringify(entry.data), /made-by-agent/, "it says what it is about");
        assert.equal(made(), false, "not before");
        await choose(client, entry, kind);
      }
      return client.until(() => client.ends(number)[0], "the end of the turn", kTurn);
    };
    if (agent.asks) {
      assert.equal((await turn("make it", "reject_once")).data.stop_reason, "end_turn");
      assert.equal(made(), false);
      assert.ok(client.of("permission").every(({ data }) => data.status === "selected"));
    }
    const end = await turn("make it now", "allow_once");
    assert.equal(end.data.stop_reason, "end_turn", JSON.stringify(end.data));
    if (agent.asks) assert.equal(made(), true);
    const call = client.of("tool_call").filter((entry) => entry.turn === end.turn).at(-1);
    assert.ok(["completed", "failed"].includes(call.data.status), JSON.stringify(call));
    if (agent.asks) assert.equal(call.data.status, "completed");
    if (agent.toldBeside) assert.match(JSON.stringify(call.data.content), /made by an agent/);
    assert.match(client.texts().at(-1), /Done\.$/);
    assert.deepEqual(client.faults, []);
  });

  it("Stop ends a turn in the middle of an answer, and the conversation goes on", async (t) => {
    const { vendor, host } = await start(t, name);
    const client = await ChatClient.open(host.origin);
    await say(client, "the first");
    vendor.script = [{ say: ["half an "], hang: true }];
    const { turn } = await client.send("the second");
    const hanging = await vendor.until((one) => one.said.at(-1)?.includes("the second"), kTurn);
    await client.until(() => /half an/.test(client.texts().at(-1)), "the half of it", kTurn);
    await client.request("cancel", { turn });
    const end = await client.until(() => client.ends(turn)[0], "the end of the cancelled turn", kTurn);
    assert.equal(end.data.stop_reason, "cancelled");
    if (!agent.holdsOn) await vendor.until((one) => one === hanging && one.ended === "cut", kTurn);
    assert.equal((await say(client, "the third")).data.stop_reason, "end_turn");
    inOrder(said(vendor.requests.at(-1)), ["the first", "You said: the first", "the third"]);
    assert.doesNotMatch(host.output, /killed because/);
  });

  if (agent.asks)
    it("Stop while it asks for permission ends the turn, and nothing was done", async (t) => {
      const { vendor, host, made } = await start(t, name);
      const client = await ChatClient.open(host.origin);
      vendor.script = [{ tool: agent.tool }];
      const { turn } = await client.send("make it");
      await pending(client);
      await client.request("cancel", { turn });
      const end = await client.until(() => client.ends(turn)[0], "the end of the cancelled turn", kTurn);
      assert.equal(end.data.stop_reason, "cancelled");
      assert.notEqual(client.of("permission")[0].data.status, "pending");
      vendor.script = null;
      assert.equal((await say(client, "the third")).data.stop_reason, "end_turn");
      assert.equal(made(), false);
      assert.doesNotMatch(host.output, /killed because/);
    });

  it("goes on with what was said after a kill of the host", async (t) => {
    const { vendor, host } = await start(t, name);
    const client = await ChatClient.open(host.origin);
    await say(client, "the first");
    await written(host, agent, "You said: the first");
    const before = of(host);
    assert.ok(before.length > 0);
    await host.kill();
    await host.start();
    const back = await ChatClient.open(host.origin, { like: client });
    await back.until(() => back.live, "live");
    const texts = answers(back);
    assert.equal((await say(back, "the second")).data.stop_reason, "end_turn");
    inOrder(said(vendor.requests.at(-1)), ["the first", "You said: the first", "the second"]);
    assert.deepEqual(answers(back).slice(0, texts.length), texts, "nothing is there twice");
    assert.equal(answers(back).length, texts.length + 1, JSON.stringify(back.list()));
    assert.ok(of(host).every((pid) => !before.includes(pid)), "those of the killed host have ended");
    if (agent.native) {
      const lines = await resumes(host);
      assert.equal(lines.length, 1, lines.join("\n"));
      assert.match(lines[0], /outcome="ok".*rung="native".* 1$/);
      assert.ok(said(vendor.requests.at(-1)).some((line) => /^user: the second$/.test(line)), "the prompt alone");
    }
  });

  it("goes on with what was said after its own death", async (t) => {
    const { vendor, host } = await start(t, name);
    const client = await ChatClient.open(host.origin);
    await say(client, "the first");
    await written(host, agent, "You said: the first");
    for (const pid of of(host)) process.kill(pid, "SIGKILL");
    await until(() => /agent ended by itself/.test(host.output), "the host has seen its end");
    assert.equal((await say(client, "the second")).data.stop_reason, "end_turn");
    inOrder(said(vendor.requests.at(-1)), ["the first", "You said: the first", "the second"]);
    assert.deepEqual([answers(client).length, answers(client)[0]], [2, "You said: the first"], "nothing is there twice");
    if (agent.native) assert.ok(said(vendor.requests.at(-1)).some((line) => /^user: the second$/.test(line)), "the prompt alone");
  });

  if (agent.lists)
    it("a session that it has by itself becomes the host's, with what was said", async (t) => {
      const { vendor, host } = await start(t, name);
      const client = await ChatClient.open(host.origin);
      vendor.script = [{ say: ["Blue, ", "of course."] }];
      await say(client, "which colour has the door?");
      await written(host, agent, "of course.");
      await host.stop();
      for (const file of readdirSync(host.home).filter((one) => one.startsWith("viaduct.db"))) rmSync(path.join(host.home, file));
      await host.start(); // which knows of nothing
      const found = await forHost(host, "sessions", "discover", "--json");
      const [session, ...others] = JSON.parse(found.out).sessions;
      assert.deepEqual([session?.backend, others.length], ["agent", 0], found.out + found.err);
      const taken = await forHost(host, "sessions", "adopt", session.native_id, "--surface", "web-chat");
      assert.equal(taken.code, 0, taken.err);
      const back = await ChatClient.open(host.origin);
      const { session_id } = (await back.request("list")).sessions[0];
      await back.request("resume", { session_id });
      await back.until(() => back.session?.session_id === session_id && back.live, "live");
      assert.deepEqual(back.of("user_message").map(({ text }) => text), ["which colour has the door?"]);
      assert.deepEqual(answers(back), ["Blue, of course."]);
      await say(back, "and the wall?");
      inOrder(said(vendor.requests.at(-1)), ["which colour has the door?", "Blue, of course.", "and the wall?"]);
      assert.equal(answers(back).length, 2);
    });

  if (agent.otherModel)
    it("/model shows the models and chooses one, also after a kill of the host", async (t) => {
      const { vendor, host } = await start(t, name);
      const client = await ChatClient.open(host.origin);
      await say(client, "the first");
      await say(client, "/model");
      const list = client.texts().at(-1);
      const other = list.match(/[\w./[\]-]+/g).find((one) => agent.otherModel.test(one));
      assert.ok(other, list);
      const asked = vendor.requests.length;
      await say(client, `/model ${other}`);
      assert.equal(vendor.requests.length, asked, "that is no message");
      const model = () => JSON.stringify([vendor.requests.at(-1).body.model, vendor.requests.at(-1).path]);
      const first = model();
      await say(client, "the second");
      const second = model();
      assert.notEqual(second, first);
      await host.kill();
      await host.start();
      const back = await ChatClient.open(host.origin, { like: client });
      await back.until(() => back.live, "live");
      await say(back, "the third");
      assert.equal(model(), second);
    });

  if (agent.login)
    it("without a login people are told what to run on the host", async (t) => {
      const { host } = await start(t, name, { bare: true });
      const client = await ChatClient.open(host.origin);
      const failed = await say(client, "hello").then((end) => end.data.error, (error) => error);
      assert.equal(failed.code, "failed_precondition", JSON.stringify(failed));
      assert.match(failed.message, agent.login);
      if (agent.atOnce) {
        const { code, out } = await forHost(host, "doctor");
        assert.equal(code, 1, out);
        assert.match(out, agent.login);
      }
    });

  it("doctor says that it is there, and which version", async (t) => {
    const { host } = await start(t, name);
    const { out } = await forHost(host, "doctor", "--json");
    const checks = JSON.parse(out).checks.filter((check) => JSON.stringify(check).includes("agent"));
    assert.ok(checks.some(({ ok, message }) => ok && /\d+\.\d+/.test(message)), out);
    assert.doesNotMatch(out, new RegExp(kKey));
  });
}

// The real one forgets a session that is loaded in the minute in which it was begun, so that this shows only after that.
test("what an agent replays on both sides of its answer to session/load, as gemini does, is not told again", async (t) => {
  const agent = Agent.for(t, { without: ["resume"], replay: "around" });
  const host = await hostWith(t, agent);
  const client = await ChatClient.open(host.origin);
  await say(client, "the first");
  const before = client.list();
  await host.kill();
  await host.start();
  const back = await ChatClient.open(host.origin, { like: client });
  await back.until(() => back.live, "live");
  await say(back, "recall");
  assert.deepEqual(back.list().slice(0, before.length), before);
  assert.deepEqual(back.list().slice(before.length).map(({ type }) => type), ["user_message", "text", "turn_end"]);
  assert.match(back.texts().at(-1), /^I know: .*the first/);
  assert.equal(agent.got("session/load").length, 1);
});
