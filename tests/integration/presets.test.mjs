// The real agent programs in the real host, each by its preset, with a stand-in for its vendor's model server. A program is looked for in the
// folders of the environment's VIADUCT_AGENTS (where `npm install @anthropic-ai/claude-code @openai/codex @google/gemini-cli opencode-ai` was
// run), then on the PATH; where it is not installed its tests are skipped. They have their own home folder and only talk to the stand-in.
import assert from "node:assert/strict";
import { existsSync, rmSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { ChatClient } from "../support/chat_client.mjs";
import { inOrder, installed, kKey, kTurn, of, said, say, settle, whyNot } from "../support/real_agents.mjs";
import { VendorServer } from "../support/vendor_servers.mjs";
import { exported, forHost, hostFor, request, root } from "../support/viaduct.mjs";
import { until } from "../support/wait.mjs";

// How each program is pointed at the stand-in, which of its tools is harmless, and where its sessions lie.
const kPrograms = {
  claude: {
    config: (origin) => ({
      env: { ANTHROPIC_BASE_URL: origin, ANTHROPIC_API_KEY: kKey, CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: "1", CLAUDE_CODE_MAX_RETRIES: "1" },
    }),
    tool: { name: "Bash", input: { command: "ls", description: "List the folder" } },
    sessions: ".claude/projects",
    thinks: true,
    streams: true,
    compacts: true,
    checksLogin: true,
  },
  codex: {
    config: () => ({ model: "stand-in", env: { CODEX_API_KEY: kKey } }),
    files: (origin) => ({
      ".codex/config.toml": `model_provider = "standin"
[model_providers.standin]
name = "Stand-in"
base_url = "${origin}/v1"
wire_api = "responses"
env_key = "CODEX_API_KEY"
request_max_retries = 0
stream_max_retries = 0
[analytics]
enabled = false
`,
    }),
    tool: { name: "exec_command", input: { cmd: "ls" } },
    sessions: ".codex/sessions",
    thinks: true,
    checksLogin: true,
  },
  gemini: {
    config: (origin) => ({ model: "gemini-2.5-flash", env: { GOOGLE_GEMINI_BASE_URL: origin, GEMINI_API_KEY: kKey } }),
    files: () => ({
      ".gemini/settings.json": JSON.stringify({
        security: { auth: { selectedType: "gemini-api-key" } },
        privacy: { usageStatisticsEnabled: false },
        telemetry: { enabled: false },
        general: { enableAutoUpdate: false },
      }),
    }),
    tool: { name: "list_directory", input: { dir_path: "." } },
    sessions: ".gemini/tmp",
    streams: true,
  },
  opencode: {
    config: () => ({ model: "standin/stand-in", env: { OPENCODE_DISABLE_MODELS_FETCH: "1", OPENCODE_DISABLE_LSP_DOWNLOAD: "1" } }),
    files: (origin) => ({
      ".config/opencode/opencode.json": JSON.stringify({
        autoupdate: false,
        share: "disabled",
        provider: {
          standin: { npm: "@ai-sdk/openai-compatible", name: "Stand-in", options: { baseURL: `${origin}/v1`, apiKey: kKey }, models: { "stand-in": { name: "Stand-in", reasoning: true } } },
        },
      }),
    }),
    tool: { name: "bash", input: { command: "ls", description: "List the folder" } },
    sessions: ".local/share/opencode",
    thinks: true,
  },
};

// A host with the program as its only backend.
async function start(t, name, more = {}) {
  const program = kPrograms[name];
  const vendor = await VendorServer.start(t);
  const host = await hostFor(t, {
    config: {
      backends: { agent: { plugin: "bridge", config: { driver: "cli", preset: name, program: installed(name), timeout: "2m", ...program.config(vendor.origin), ...more } } },
      surfaces: { "web-chat": { plugin: "web_chat", backend: "agent" } },
    },
  });
  settle(host, program.files?.(vendor.origin));
  return { vendor, host, forget: () => rmSync(path.join(host.home, program.sessions), { recursive: true, force: true }) };
}
for (const [name, program] of Object.entries(kPrograms)) {
  const skip = whyNot(name);
  const it = (words, run) => test(`${name}: ${words}`, { skip, timeout: 600_000 }, run);

  it("two turns are one conversation, with thoughts, text, a tool call and what they used", async (t) => {
    const { vendor, host } = await start(t, name);
    vendor.script = [
      { think: ["Is it ", "so?"], say: ["I ", "look. "], tool: program.tool },
      { say: ["I have ", "looked."] },
      { say: ["Second ", "answer."] },
    ];
    const client = await ChatClient.open(host.origin);
    const end = await say(client, "--help me with this");
    assert.equal(end.data.stop_reason, "end_turn", JSON.stringify(end.data));
    assert.deepEqual(client.texts().map((text) => text.trim()), ["I look.", "I have looked."]);
    assert.deepEqual(client.texts("thought"), program.thinks ? ["Is it so?"] : []);
    const [call] = client.of("tool_call");
    assert.equal(call.data.status, "completed", JSON.stringify(call));
    assert.ok(call.data.title.length > 3, call.data.title);
    const used = () => client.of("usage").map(({ data }) => [data.inputTokens, data.outputTokens]);
    assert.deepEqual(used(), [[24, 6]]);
    assert.deepEqual(client.list().map(({ type }) => type).filter((type) => ["text", "tool_call"].includes(type)), ["text", "tool_call", "text"]);
    if (program.streams) assert.ok(client.changes.filter(({ change, text }) => change === "delta" && text).length >= 2, "in pieces");

    assert.equal((await say(client, "and again")).data.stop_reason, "end_turn");
    assert.equal(client.texts().at(-1), "Second answer.");
    assert.deepEqual(used(), [[24, 6], [12, 3]]);
    inOrder(said(vendor.requests.at(-1)), ["user: --help me with this", "I look.", "I have looked.", "and again"]);
    assert.equal(client.of("context_restored").length, 0);
    assert.equal(vendor.requests.length, 3, "nothing was asked twice");
    assert.doesNotMatch(host.output, new RegExp(kKey));
    assert.deepEqual(client.faults, []);
  });

  it("goes on with its own session after a kill of the host", async (t) => {
    const { vendor, host } = await start(t, name);
    const client = await ChatClient.open(host.origin);
    await say(client, "the first");
    await host.kill();
    await host.start();
    const back = await ChatClient.open(host.origin, { like: client });
    await back.until(() => back.live, "live");
    assert.equal((await say(back, "the second")).data.stop_reason, "end_turn");
    const lines = said(vendor.requests.at(-1));
    inOrder(lines, ["user: the first", "assistant: You said: the first", "the second"]);
    assert.ok(lines.some((line) => /^user: the second$/.test(line)), `the prompt alone: ${lines}`);
    const resumes = (await request(host.origin, "GET", "/metrics")).text.split("\n").filter((line) => line.startsWith("viaduct_resumes_total"));
    assert.equal(resumes.length, 1, resumes.join("\n"));
    assert.match(resumes[0], /outcome="ok".*rung="native".* 1$/);
  });

  for (const restarted of [false, true])
    it(`a session that it has lost ${restarted ? "while the host was away " : ""}goes on with the transcript`, async (t) => {
      const { vendor, host, forget } = await start(t, name);
      const client = await ChatClient.open(host.origin);
      await say(client, "remember the blue door");
      if (restarted) await host.stop();
      assert.ok(existsSync(path.join(host.home, program.sessions)), "its files lie where the test thinks");
      forget();
      if (restarted) await host.start();
      const back = restarted ? await ChatClient.open(host.origin, { like: client }) : client;
      await back.until(() => back.live, "live");
      const end = await say(back, "what was it?");
      assert.equal(end.data.stop_reason, "end_turn", JSON.stringify(end.data));
      const last = said(vendor.requests.at(-1)).join("\n");
      assert.match(last, /remember the blue door[^]*You said: remember the blue door[^]*what was it\?/);
      assert.equal(back.of("context_restored").length, 1);
      assert.equal(back.of("context_restored")[0].data.rung, "transcript");
      // and from then on it knows by itself
      assert.equal((await say(back, "and then?")).data.stop_reason, "end_turn");
      inOrder(said(vendor.requests.at(-1)), ["remember the blue door", "what was it?", "user: and then?"]);
      assert.equal(back.of("context_restored").length, 1);
      assert.equal((await exported(host, back.session.session_id)).filter(({ type }) => type === "user_message").length, 3);
    });

  it("what the model's server refuses is shown in its words, and the conversation goes on", async (t) => {
    const { vendor, host } = await start(t, name);
    const client = await ChatClient.open(host.origin);
    await say(client, "the first");
    vendor.script = ({ said: lines }) => (/the second/.test(lines.at(-1)) ? { status: 401, message: "the stand-in knows you not" } : undefined);
    const end = await say(client, "the second");
    assert.equal(end.data.stop_reason, "error");
    assert.match(end.data.error.message, new RegExp(`^${name}: .*the stand-in knows you not`, "s"));
    assert.doesNotMatch(end.data.error.message, /\x1b|\n\s+at /);
    vendor.script = null;
    assert.equal((await say(client, "the third")).data.stop_reason, "end_turn");
    inOrder(said(vendor.requests.at(-1)), ["user: the first", "You said: the first", "the third"]);
  });

  it("Stop ends the program in the middle of an answer, and the conversation goes on", async (t) => {
    const { vendor, host } = await start(t, name);
    const client = await ChatClient.open(host.origin);
    await say(client, "the first");
    vendor.script = [{ say: ["half an "], hang: true }];
    const { turn } = await client.send("the second");
    const hanging = await vendor.until((request) => request.said.at(-1)?.includes("the second"), kTurn);
    assert.ok(of(host).length > 0, "it runs");
    await client.request("cancel", { turn });
    const end = await client.until(() => client.ends(turn)[0], "the end of the cancelled turn", kTurn);
    assert.equal(end.data.stop_reason, "cancelled");
    await vendor.until((request) => request === hanging && request.ended === "cut", kTurn);
    assert.equal((await say(client, "the third")).data.stop_reason, "end_turn");
    inOrder(said(vendor.requests.at(-1)), ["user: the first", "You said: the first", "the third"]);
    await until(() => of(host).length === 0 || assert.fail(`${name} is left: ${of(host)}`), "its processes gone");
  });

  if (program.compacts)
    it("compacts when it is told to, says so, and goes on", async (t) => {
      const { vendor, host } = await start(t, name, { compact_after: 2 });
      const client = await ChatClient.open(host.origin);
      await say(client, "remember the blue door");
      vendor.aside = () => ({ say: ["<summary>They spoke of a door.</summary>"] });
      vendor.script = ({ said: lines }) => (/TEXT ONLY/.test(lines.at(-1)) ? { say: ["<summary>They spoke of a door.</summary>"] } : undefined);
      await say(client, "the second");
      await client.until(() => client.of("notice").length > 0, "the notice", kTurn);
      assert.equal((await say(client, "the third")).data.stop_reason, "end_turn");
      const last = said(vendor.requests.at(-1)).join("\n");
      assert.match(last, /They spoke of a door\.[^]*the third/);
    });

  it("doctor finds it", async (t) => {
    const { host } = await start(t, name);
    const { out } = await forHost(host, "doctor", "--json");
    const checks = JSON.parse(out).checks.filter((check) => JSON.stringify(check).includes("agent"));
    assert.ok(checks.some(({ ok, name: of }) => ok && /program|installed/.test(of)), out);
    if (program.checksLogin) assert.ok(checks.some(({ ok, name: of }) => ok && /login/.test(of)), out);
    assert.doesNotMatch(out, new RegExp(kKey));
  });
}

test("amplifier, as its documentation has it: two turns, a lost session and an error", async (t) => {
  const program = path.join(root, "tests/support/amplifier.mjs");
  const host = await hostFor(t, {
    config: {
      backends: { agent: { plugin: "bridge", config: { driver: "cli", preset: "amplifier", program } } },
      surfaces: { "web-chat": { plugin: "web_chat", backend: "agent" } },
    },
  });
  const client = await ChatClient.open(host.origin);
  assert.equal((await say(client, "--help")).data.stop_reason, "end_turn");
  assert.deepEqual(client.texts(), ["I was told: --help"]);
  assert.deepEqual(client.of("tool_call").map(({ data }) => [data.title, data.status]), [["bash ls", "completed"]]);
  await say(client, "the second");
  assert.equal(client.texts().at(-1), "I was told: --help | the second");
  const failed = await say(client, "fail");
  assert.equal(failed.data.error.message, "amplifier: the provider does not answer");

  rmSync(path.join(host.home, ".amplifier"), { recursive: true });
  assert.equal((await say(client, "the third")).data.stop_reason, "end_turn");
  assert.match(client.texts().at(-1), /^I was told: The conversation so far[^]*User \(local\):\n {4}--help[^]*\n {4}the second[^]*the third$/);
  assert.equal(client.of("context_restored")[0].data.rung, "transcript");
});
