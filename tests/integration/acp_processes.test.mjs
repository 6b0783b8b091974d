// The processes of the backend `acp`: when they start, how they end, what is left of them (nothing), and what people are told.
import assert from "node:assert/strict";
import { once } from "node:events";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { act, Agent, alive, answer, die, fresh, hostWith, say, talking } from "../support/acp.mjs";
import { ChatClient } from "../support/chat_client.mjs";
import { configOf, forHost, Host, plugins, viaduct } from "../support/viaduct.mjs";
import { until, within } from "../support/wait.mjs";

// How a message failed, wherever that is said.
async function trouble(client, text) {
  try {
    return (await say(client, text)).data.error;
  } catch (error) {
    if (!error.code) throw error;
    return { code: error.code, message: error.reason };
  }
}
const descriptors = (host) => readdirSync(`/proc/${host.pid}/fd`).length;
const count = (text, part) => text.split(part).length - 1;

// ---------------------------------------------------------------- start

test("nothing is started before somebody needs it; then one process serves all sessions", async (t) => {
  const { agent, host, client } = await talking(t);
  assert.deepEqual(agent.starts, []);
  for (let i = 0; i < 5; ++i) {
    await fresh(client, { description: `s${i}` });
    await say(client, `hello ${i}`);
  }
  assert.equal(agent.starts.length, 1);
  assert.equal(agent.got("session/new").length, 5);
  assert.deepEqual(agent.running, [agent.starts[0].pid]);
  assert.equal((await forHost(host, "doctor")).code, 0);
});

test("with share: false each session has a process of its own, which ends with it", async (t) => {
  const { agent, client } = await talking(t, { single: true }, { share: false });
  for (let i = 0; i < 3; ++i) {
    await fresh(client, { description: `s${i}` });
    await say(client, `hello ${i}`);
  }
  assert.equal(agent.starts.length, 3);
  assert.equal(agent.running.length, 3);
  await client.request("end");
  await agent.until(() => agent.running.length === 2, "the end of one");
});

test("sessions that are opened at once share one start", async (t) => {
  const { agent, client } = await talking(t, { delays: { initialize: 200 } });
  const made = await Promise.all(Array.from({ length: 8 }, (_, i) => client.request("new", { description: `s${i}` })));
  assert.equal(new Set(made.map(({ session_id }) => session_id)).size, 8);
  for (const [i, { session_id }] of made.entries()) await client.request("send", { key: `k${i}`, text: `hello ${i}`, session_id });
  await agent.until(() => agent.got("session/prompt").length === 8, "the prompts");
  assert.equal(agent.starts.length, 1);
});

test("100 sessions work on one process at once, and none gets the text of another", async (t) => {
  const { agent, client } = await talking(t);
  const sessions = [];
  for (let i = 0; i < 100; ++i) sessions.push((await client.request("new", { description: `s${i}` })).session_id);
  for (const [i, session_id] of sessions.entries()) await client.request("send", { key: `k${i}`, text: act({ until: "go" }, { say: Array.from({ length: 20 }, (_, n) => `${i}.${n} `) }), session_id });
  await agent.until(() => agent.got("session/prompt").length === 100, "all prompts");
  agent.open("go");
  for (const [i, session_id] of sessions.entries()) {
    const entries = await until(async () => {
      const page = await client.request("history", { session_id, before: 0, limit: 20 });
      return page.entries.at(-1)?.type === "turn_end" && page.entries;
    }, `the end of session ${i}`);
    assert.equal(entries.filter(({ type }) => type === "text").map(({ text }) => text).join(""), Array.from({ length: 20 }, (_, n) => `${i}.${n} `).join(""));
  }
  assert.equal(agent.starts.length, 1);
});

test("an agent gets a clean environment: what the configuration names, and none of the host's secrets", async (t) => {
  process.env.SECRET_OF_THE_HOST = "must not be seen";
  t.after(() => delete process.env.SECRET_OF_THE_HOST);
  const agent = Agent.for(t);
  const host = await hostWith(t, agent, { env: { ...agent.env, GIVEN: "${env:SECRET_OF_THE_HOST}" } });
  const client = await ChatClient.open(host.origin);
  await say(client, act({ environment: ["GIVEN", "SECRET_OF_THE_HOST", "HOME"] }));
  assert.deepEqual(JSON.parse(answer(client)), { GIVEN: "must not be seen", SECRET_OF_THE_HOST: null, HOME: host.home });
  const names = agent.starts[0].env.filter((name) => !["PATH", "HOME", "LANG", "TERM", "TMPDIR"].includes(name) && !name.startsWith("VIADUCT_CHILD"));
  assert.deepEqual(names, ["ACP_SCRIPT", "ACP_STATE", "GIVEN"]);
  assert.doesNotMatch(host.output, /must not be seen/);
});

// ---------------------------------------------------------------- the handshake

test("a program that is not there: how to install it, at first use and at doctor time", async (t) => {
  const agent = Agent.for(t);
  const host = await hostWith(t, agent, { command: ["no-such-agent-of-this-test", "--acp"] });
  const client = await ChatClient.open(host.origin);
  const { code, message } = await trouble(client, "hello");
  assert.equal(code, "failed_precondition");
  assert.match(message, /no-such-agent-of-this-test/);
  const doctor = await forHost(host, "doctor");
  assert.equal(doctor.code, 1);
  assert.match(doctor.out + doctor.err, /no-such-agent-of-this-test/);
});

test("a preset whose program is missing says how to install it", async (t) => {
  const folder = path.join(process.cwd(), "no", "such", "folder");
  const saved = process.env.PATH;
  const host = new Host({ config: { backends: { agent: { plugin: "acp", config: { preset: "opencode", env: { PATH: folder } } } }, surfaces: { "web-chat": { plugin: "web_chat", backend: "agent" } } } });
  t.after(() => host.remove());
  process.env.PATH = folder;
  try {
    await host.start();
  } finally {
    process.env.PATH = saved;
  }
  const client = await ChatClient.open(host.origin);
  const { code, message } = await trouble(client, "hello");
  assert.equal(code, "failed_precondition");
  assert.match(message, /opencode.*npm install|npm i /is);
});

for (const [at, script] of [["before initialize", { crash: [{ at: "start", code: 3, stderr: "cannot open the database" }] }], ["in the handshake", { crash: [{ at: "initialize", signal: "SIGKILL", stderr: "cannot open the database" }] }]])
  test(`an agent that crashes ${at}: that is the answer, with its last words, and not a silent retry`, async (t) => {
    const { agent, client } = await talking(t, script, { resume: { attempts: 1 } });
    const { code, message } = await trouble(client, "hello");
    assert.equal(code, "unavailable");
    assert.match(message, /cannot open the database/);
    assert.equal(agent.starts.length, 1);
    agent.script({});
    await say(client, "hello again");
    assert.match(answer(client), /hello again$/);
  });

test("an agent that crashes in session/new: that is the answer, and the next message finds it there", async (t) => {
  const { agent, client } = await talking(t, { crash: [{ at: "session/new", starts: [1], stderr: "out of ideas" }] }, { resume: { attempts: 1 } });
  const { code, message } = await trouble(client, "hello");
  assert.equal(code, "unavailable");
  assert.match(message, /out of ideas/);
  await say(client, "hello again");
  assert.match(answer(client), /hello again$/);
  assert.deepEqual(agent.running, [agent.starts.at(-1).pid]);
});

for (const at of ["start", "initialize", "session/new"])
  test(`an agent that hangs at ${at} is given up in time, and its process ends`, async (t) => {
    const { agent, client } = await talking(t, { hang: [{ at }], ignore: ["term", "eof"] }, { handshake_timeout: "3s", resume: { attempts: 1 } });
    const begin = Date.now();
    const { code } = await trouble(client, "hello");
    assert.ok(["unavailable", "timeout"].includes(code), code);
    assert.ok(Date.now() - begin < 25_000);
    if (at !== "session/new") await agent.until(() => agent.running.length === 0, "the end of the process");
    agent.script({});
    await say(client, "hello again");
    assert.match(answer(client), /hello again$/);
  });

test("an agent that reads nothing does not hold up the host", async (t) => {
  const { client, host } = await talking(t, { ignore: ["input"] }, { handshake_timeout: "3s", resume: { attempts: 1 } });
  const sent = trouble(client, "x".repeat(500_000));
  assert.deepEqual(await client.request("ping"), { pong: true });
  const { code } = await sent;
  assert.ok(["unavailable", "timeout"].includes(code), code);
  assert.equal((await fetch(`${host.origin}/healthz`)).status, 200);
});

// ---------------------------------------------------------------- crashes

test("a crash loop is reported once, in words, with the last lines of stderr; then no more processes are started", async (t) => {
  const { agent, host, client } = await talking(t, { crash: [{ at: "initialize", code: 9, stderr: "license expired" }] }, { resume: { attempts: 1 } });
  let last;
  for (let i = 0; i < 9; ++i) last = await trouble(client, `hello ${i}`);
  assert.equal(last.code, "failed_precondition", "the operator has to do something");
  assert.match(last.message, /crashed \d+ times.*license expired/s);
  const { length } = agent.starts;
  assert.ok(length >= 2 && length < 9, `${length} starts`);
  assert.equal(count(host.output, "crash loop"), 1);
  const paced = agent.starts.map(({ at }) => at);
  for (let i = 2; i < paced.length; ++i) assert.ok(paced[i] - paced[i - 1] >= 200, "with a backoff");
  await trouble(client, "and again");
  assert.equal(agent.starts.length, length);
});

test("an agent in a crash loop can be restarted by one command", async (t) => {
  const { agent, host, client } = await talking(t, {}, { resume: { attempts: 1, give_up_after: 100 } });
  await say(client, "the sky is green");
  agent.script({ crash: [{ at: "initialize", code: 9, stderr: "license expired" }] });
  await die(agent, host);
  for (let i = 0; i < 6; ++i) await trouble(client, `hello ${i}`);
  assert.match((await trouble(client, "hello")).message, /crashed \d+ times/);
  const doctor = await forHost(host, "doctor");
  assert.equal(doctor.code, 1);
  assert.match(doctor.out + doctor.err, /license expired/);
  agent.script({});
  const restarted = await viaduct(["--config", configOf(host), "agent", "restart"], { home: host.home });
  assert.equal(restarted.code, 0, restarted.err);
  await say(client, "recall");
  assert.match(answer(client), /I know: the sky is green/);
});

test("a few crashes over time are no loop: each is followed by a restored session", async (t) => {
  const { agent, host, client } = await talking(t);
  await say(client, "the sky is green");
  for (let i = 0; i < 2; ++i) {
    await die(agent, host);
    await say(client, "recall");
    assert.match(answer(client), /I know: the sky is green/);
  }
  assert.equal(agent.starts.length, 3);
});

// ---------------------------------------------------------------- idle

test("an idle process is stopped, and the next message finds the session restored", async (t) => {
  const { agent, host, client } = await talking(t, {}, { idle_timeout: "300ms" });
  await say(client, "the sky is green");
  await agent.until(() => agent.running.length === 0, "the end of the idle process");
  assert.equal(agent.events("eof").length, 1, "gently");
  assert.equal(client.state.session.state, "idle");
  await say(client, "recall");
  assert.match(answer(client), /I know: the sky is green/);
  assert.deepEqual([agent.starts.length, agent.got("session/resume").length], [2, 1]);
  assert.deepEqual(client.of("context_restored"), []);
  assert.doesNotMatch(host.output, /crash/);
});

test("a turn in flight is not idle, however long it is silent, and whether anybody watches or not", async (t) => {
  const { agent, host, client } = await talking(t, {}, { idle_timeout: "200ms" });
  const { turn } = await client.send(act({ say: "a" }, { until: "go" }, { say: "b" }));
  await client.until(() => answer(client, turn) === "a", "the beginning");
  await client.cut();
  await new Promise((resolve) => setTimeout(resolve, 1000)); // it is the time that is tested: five times the limit
  assert.equal(agent.running.length, 1);
  agent.open("go");
  const again = await ChatClient.open(host.origin, { like: client });
  await again.ended(turn);
  assert.equal(answer(again, turn), "ab");
  await agent.until(() => agent.running.length === 0, "its end after the turn");
});

test("viewers that come and go neither keep a process nor end it", async (t) => {
  const { agent, host, client } = await talking(t, {}, { idle_timeout: "600ms" });
  await say(client, "hello");
  let ended = false;
  const gone = agent.until(() => agent.running.length === 0, "the end of the idle process").then(() => (ended = true));
  while (!ended) {
    const other = await ChatClient.open(host.origin);
    await other.cut();
  }
  await gone;
  assert.equal(agent.starts.length, 1);
});

// ---------------------------------------------------------------- cancel

test("an agent that does not listen to a cancel is killed after the grace, and the next message finds the session restored", async (t) => {
  const { agent, client } = await talking(t, { ignore: ["cancel", "term", "eof"] }, { cancel_grace: "500ms" });
  await say(client, "the sky is green");
  const { turn } = await client.send(act({ say: "on and on" }, { hang: true }));
  await client.until(() => answer(client, turn) === "on and on", "the beginning");
  const begin = Date.now();
  await client.request("cancel", { turn });
  assert.equal((await client.ended(turn)).data.stop_reason, "cancelled");
  const took = Date.now() - begin;
  assert.ok(took >= 450 && took < 10_000, `${took} ms`);
  assert.equal(client.ends(turn).length, 1);
  await agent.until(() => agent.running.length === 0, "the end of the process");
  await say(client, "recall");
  assert.match(answer(client), /I know: the sky is green/);
});

test("a cancel that is listened to kills nothing", async (t) => {
  const { agent, client } = await talking(t);
  for (let i = 0; i < 3; ++i) {
    const { turn } = await client.send(act({ say: "x" }, { hang: true }));
    await client.until(() => answer(client, turn) === "x", "the beginning");
    await client.request("cancel", { turn });
    assert.equal((await client.ended(turn)).data.stop_reason, "cancelled");
  }
  assert.equal(agent.starts.length, 1);
  await say(client, "hello");
  assert.equal(answer(client), "You said: hello");
});

test("a silent turn whose agent does not listen is killed; the other sessions of the process are restored", async (t) => {
  const { agent, client } = await talking(t, { ignore: ["cancel"] }, { timeout: "1s", cancel_grace: "500ms" });
  const other = await fresh(client, { description: "other" });
  await say(client, "fact of the other");
  await fresh(client, { description: "mine" });
  const end = await say(client, act({ say: "hm" }, { hang: true }));
  assert.equal(end.data.stop_reason, "timeout");
  await client.request("resume", { session_id: other });
  await client.until(() => client.session.session_id === other && client.live, "the session");
  await say(client, "recall");
  assert.match(answer(client), /I know: fact of the other/);
  assert.equal(agent.starts.length, 2);
});

// ---------------------------------------------------------------- the end

const stubborn = [
  ["an agent that ends by itself", {}],
  ["an agent that ignores end-of-file", { ignore: ["eof"] }],
  ["an agent that ignores end-of-file and TERM", { ignore: ["eof", "term"] }],
  ["an agent whose grandchild holds its output", { grandchild: "group" }],
  ["an agent whose grandchild in another group holds its output", { grandchild: "away" }],
  ["a stubborn agent with a grandchild", { ignore: ["eof", "term"], grandchild: "group" }],
];
for (const [what, script] of stubborn)
  test(`the host stops within 5 s, and nothing is left but what went away: ${what}`, async (t) => {
    const { agent, host, client } = await talking(t, script);
    await say(client, "hello");
    const children = agent.events("child").filter(({ how }) => how === "away").map(({ child }) => child);
    const exited = once(host.process, "exit");
    const begin = Date.now();
    host.process.kill("SIGTERM");
    const [code] = await within(exited, "the end of the host", 15_000);
    const took = Date.now() - begin;
    t.diagnostic(`${took} ms`);
    assert.equal(code, 0);
    assert.ok(took < 6500, `${took} ms`); // 5 s for the agents, and the host's own
    await agent.until(() => agent.running.every((pid) => children.includes(pid)), "the end of all");
    if (!script.ignore) assert.equal(agent.events("eof").length, 1, "gently");
  });

test("a turn that runs when the host stops is interrupted, and goes on from there", async (t) => {
  const { agent, host, client } = await talking(t);
  const { turn } = await client.send(act({ say: "half" }, { hang: true }));
  await client.until(() => answer(client, turn) === "half", "the beginning");
  await host.stop();
  await host.start();
  const again = await ChatClient.open(host.origin, { like: client });
  await again.until(() => again.live && again.ends(turn).length, "its end");
  assert.equal(again.ends(turn)[0].data.stop_reason, "interrupted");
  await say(again, "recall");
  assert.match(answer(again), /I know: do \[/);
  assert.equal(agent.got("session/prompt").length, 2);
});

for (const [what, script] of [["", {}], [" that ignore end-of-file and TERM, with a child", { ignore: ["eof", "term"], grandchild: "group" }]])
  test(`after kill -9 of the host its agents${what} are gone, and the next host works`, async (t) => {
    const { agent, host, client } = await talking(t, script, { share: false });
    for (let i = 0; i < 2; ++i) {
      await fresh(client, { description: `s${i}` });
      await say(client, `hello ${i}`);
    }
    await client.send(act({ hang: true }));
    await agent.until(() => agent.got("session/prompt").length === 3, "the prompt");
    assert.equal(agent.running.length, script.grandchild ? 4 : 2);
    await host.kill();
    await agent.until(() => agent.running.length === 0, "the end of all", 15_000);
    await host.start();
    const again = await ChatClient.open(host.origin, { like: client });
    await say(again, "recall");
    assert.match(answer(again), /I know: hello 1/);
  });

test("an agent that ends while a grandchild holds its output is known to have ended", async (t) => {
  for (const how of ["group", "away"]) {
    const { agent, client } = await talking(t, { grandchild: how });
    await say(client, "the sky is green");
    const { turn } = await client.send(act({ say: "x" }, { hang: true }));
    await client.until(() => answer(client, turn) === "x", "the beginning");
    agent.kill();
    assert.equal((await client.ended(turn)).data.stop_reason, "interrupted");
    await say(client, "recall");
    assert.match(answer(client), /I know: the sky is green/);
    assert.equal(agent.starts.length, 2);
    if (how === "group") await until(() => !alive(agent.events("child")[0].child), "the end of what was left of its group");
  }
});

// ---------------------------------------------------------------- leaks

test("1,000 reconnects leak nothing", { timeout: 300_000 }, async (t) => {
  const { agent, host, client } = await talking(t);
  await say(client, "hello");
  const warm = async (n) => {
    for (let i = 0; i < n; i += 10) {
      const some = await Promise.all(Array.from({ length: 10 }, () => ChatClient.open(host.origin)));
      await Promise.all(some.map((one, j) => (j % 2 ? one.cut() : one.socket.close())));
    }
  };
  const settled = () => until(() => {
    const sockets = readdirSync(`/proc/${host.pid}/fd`).length;
    return sockets <= before + 3 && sockets;
  }, "the descriptors of before");
  await warm(50);
  const before = await until(async () => {
    const first = descriptors(host);
    await new Promise((resolve) => setTimeout(resolve, 50));
    return descriptors(host) === first && first;
  }, "a steady number of descriptors");
  const threads = () => readdirSync(`/proc/${host.pid}/task`).length;
  const rss = () => Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${host.pid}/status`, "utf8"))[1]);
  const [threadsBefore, rssBefore] = [threads(), rss()];
  await warm(1000);
  t.diagnostic(`${before} descriptors before, ${await settled()} after; ${rssBefore} KiB before, ${rss()} after`);
  assert.ok(threads() <= threadsBefore);
  // The address sanitizer keeps what was freed.
  if (!process.env.ASAN_OPTIONS) assert.ok(rss() < rssBefore + 30_000, `${rssBefore} KiB before, ${rss()} after`);
  assert.equal(agent.starts.length, 1);
  assert.equal(agent.got("session/new").length, 1);
  assert.deepEqual(agent.methods.filter((name) => /load|resume/.test(name)), []);
  await say(client, "recall");
  assert.match(answer(client), /I know: hello/);
});

test("50 agents that come and go leave no descriptor, thread or zombie", async (t) => {
  const { agent, host, client } = await talking(t, { grandchild: "group" }, { share: false });
  const cycle = async (i) => {
    await fresh(client, { description: `s${i}` });
    await say(client, "hello");
    await client.request("end");
  };
  const all = [];
  for (let i = 0; i < 5; ++i) all.push(await cycle(i));
  await agent.until(() => agent.running.length === 0, "the end of all", 60_000);
  const [before, threads] = [descriptors(host), readdirSync(`/proc/${host.pid}/task`).length];
  for (let i = 0; i < 45; ++i) await cycle(i);
  await agent.until(() => agent.running.length === 0, "the end of all", 60_000);
  await until(() => descriptors(host) <= before, "the descriptors of before");
  assert.ok(readdirSync(`/proc/${host.pid}/task`).length <= threads);
  const zombies = readdirSync("/proc").filter((name) => /^\d+$/.test(name)).filter((pid) => {
    try {
      const status = readFileSync(`/proc/${pid}/status`, "utf8");
      return /^State:\s+Z/m.test(status) && new RegExp(`^PPid:\\s+${host.pid}$`, "m").test(status);
    } catch {
      return false;
    }
  });
  assert.deepEqual(zombies, []);
});

// ---------------------------------------------------------------- the command line

test("a preset that nobody knows keeps the host from starting, with the names that there are", async (t) => {
  const host = new Host({ config: { backends: { agent: { plugin: "acp", config: { preset: "opencodes" } } }, surfaces: { "web-chat": { plugin: "web_chat", backend: "agent" } } } });
  t.after(() => host.remove());
  await assert.rejects(host.start(), /preset: must be one of .*\bopencode\b.*did you mean opencode\?/s);
});

test("a configuration that is wrong is an error with its place", async (t) => {
  const agent = Agent.for(t);
  const host = await hostWith(t, agent);
  const check = async (config) => {
    const file = path.join(host.home, "other.yaml");
    writeFileSync(file, `plugins: { path: [${plugins}] }\nsurfaces: {}\nbackends:\n  agent:\n    plugin: acp\n    config: ${JSON.stringify(config)}\n`);
    return viaduct(["check", "--config", file], { home: host.home, env: { SOME_API_KEY: "x-of-the-test" } });
  };
  assert.equal((await check({ command: ["/bin/cat"] })).code, 0);
  for (const [config, says] of [
    [{}, /config/], [{ command: [] }, /command/], [{ command: ["a"], permissions: { read: "maybe" } }, /permissions\.read/], [{ command: ["a"], tiemout: "1s" }, /tiemout.*timeout/],
    [{ command: ["a", "${env:SOME_API_KEY}"] }, /secret in a command/], [{ command: ["a"], mcp_servers: [{ name: "x" }] }, /mcp_servers/],
  ]) {
    const { code, err } = await check(config);
    assert.equal(code, 2, JSON.stringify(config));
    assert.match(err, says);
  }
});
