// The backend `acp`: the files and programs that an agent may use, in the session's folder and nowhere else.
import assert from "node:assert/strict";
import { existsSync, mkdirSync, readFileSync, realpathSync, symlinkSync, writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { act, answer, fresh, say, talking } from "../support/acp.mjs";
import { until } from "../support/wait.mjs";

async function withFolder(t, config, script) {
  const things = await talking(t, script, config);
  const folder = realpathSync(things.host.home) + "/work";
  mkdirSync(folder);
  await fresh(things.client, { working_dir: folder });
  return { ...things, folder };
}

test("files are read and written inside of the working folder only, where the configuration allows it", async (t) => {
  const { agent, client, folder, host } = await withFolder(t, { files: "allow", max_file_size: "64KiB" });
  const outside = path.join(host.home, "secret.txt");
  writeFileSync(outside, "secret-of-the-test");
  writeFileSync(path.join(folder, "a.txt"), "one\ntwo\nthree\nfour\n");
  writeFileSync(path.join(folder, "big.txt"), "x".repeat(100_000));
  symlinkSync(outside, path.join(folder, "link.txt"));
  symlinkSync(host.home, path.join(folder, "up"));
  symlinkSync(path.join(host.home, "made-through-link.txt"), path.join(folder, "dangling.txt"));
  await say(client, act({ read: { path: `${folder}/a.txt` } }, { read: { path: `${folder}/a.txt`, line: 2, limit: 2 } }, { read: { path: `${folder}/a.txt`, line: 100 } }, { write: { path: `${folder}/b.txt`, content: "grün" } }, { read: { path: `${folder}/b.txt` } }));
  const said = answer(client);
  assert.deepEqual(agent.got("initialize")[0].params.clientCapabilities.fs, { readTextFile: true, writeTextFile: true });
  assert.match(said, /Read: \{"content":"one\\ntwo\\nthree\\nfour\\n"\}\. Read: \{"content":"two\\nthree\\n?"\}\. Read: \{"content":""\}\./);
  assert.equal(readFileSync(path.join(folder, "b.txt"), "utf8"), "grün");
  assert.match(said, /"content":"grün"/);
  await say(client, act(
    { read: { path: outside } }, { read: { path: `${folder}/link.txt` } }, { read: { path: `${folder}/up/secret.txt` } }, { read: { path: `${folder}/../secret.txt` } }, { read: { path: `${folder}/big.txt` } },
    { read: { path: "a.txt" } }, { read: { path: folder } }, { read: { path: "/dev/zero" } }, { read: { path: `${folder}/none.txt` } },
    { write: { path: outside, content: "x" } }, { write: { path: `${folder}/link.txt`, content: "x" } }, { write: { path: `${folder}/up/c.txt`, content: "x" } }, { write: { path: `${folder}/dangling.txt`, content: "x" } },
    { write: { path: `${folder}/huge.txt`, content: "x".repeat(100_000) } },
  ));
  const answers = [...answer(client).matchAll(/(?:Read|Written): (\{.*?\})\. (?=Read|Written|$)/g)].map(([, json]) => JSON.parse(json));
  assert.equal(answers.length, 14, answer(client));
  for (const [i, one] of answers.entries()) assert.ok(one.error < 0, `${i}: ${JSON.stringify(one)}`);
  assert.equal(answers[8].error, -32002, "what is not there");
  assert.doesNotMatch(answer(client), /secret-of-the-test/);
  assert.equal(readFileSync(outside, "utf8"), "secret-of-the-test");
  for (const name of ["c.txt", "made-through-link.txt"]) assert.ok(!existsSync(path.join(host.home, name)), name);
  assert.ok(!existsSync(path.join(folder, "huge.txt")));
});

test("with `ask` a person decides about each file; denied it is an error to the agent", async (t) => {
  const { client, folder } = await withFolder(t, { files: "ask" });
  for (const [kind, written] of [["allow", true], ["reject", false]]) {
    const file = path.join(folder, `${kind}.txt`);
    const { turn } = await client.send(act({ write: { path: file, content: "x" } }));
    const asked = await client.until(() => client.of("permission").find(({ data }) => data.status === "pending"), "the question");
    assert.match(JSON.stringify(asked.data), new RegExp(`${kind}\\.txt`));
    await client.request("answer", { entry: asked.entry, option_id: asked.data.options.find((option) => option.kind.startsWith(kind)).optionId });
    await client.ended(turn);
    assert.equal(existsSync(file), written);
    assert.match(answer(client), written ? /Written: (\{\}|null)/ : /Written: \{"error":-32/);
  }
});

test("programs run in the working folder, with limits on their output, where the configuration allows it", async (t) => {
  const { agent, client, folder } = await withFolder(t, { terminals: "allow", max_output_size: "4KiB" });
  await say(client, act({ terminal: { command: "printf '%s ' \"$PWD\"; printf ü; exit 3" }, then: ["wait", "output", "release"] }));
  assert.equal(agent.got("initialize")[0].params.clientCapabilities.terminal, true);
  assert.match(answer(client), /wait: \{"exitCode":3(,"signal":null)?\}/);
  assert.ok(answer(client).includes(`"output":"${folder} ü"`), answer(client));
  assert.match(answer(client), /"truncated":false/);
  await say(client, act({ terminal: { command: "printf 'Password: '; sleep 600" }, then: ["some", "kill", "release"] }));
  assert.match(answer(client), /"output":"Password: "/, "what is no whole line yet");
  await say(client, act({ terminal: { command: "/bin/echo", args: ["$HOME", "a b"], env: [{ name: "X", value: "1" }] } }));
  assert.match(answer(client), /"output":"\$HOME a b\\n"/, "arguments are no shell line");
  await say(client, act({ terminal: { command: "i=0; while [ $i -lt 3000 ]; do printf 'äöü'; i=$((i+1)); done; echo END" }, then: ["wait", "output", "release"] }));
  const output = /output: (\{.*\})\. release/.exec(answer(client));
  const { output: kept, truncated } = JSON.parse(output[1]);
  assert.ok(truncated && Buffer.byteLength(kept) <= 4096 && kept.endsWith("END\n") && !kept.includes("\ufffd"), "from the beginning, on a character");
  await say(client, act({ terminal: { command: "echo 1234567890", outputByteLimit: 4 }, then: ["wait", "output", "release"] }));
  assert.match(answer(client), /"output":"890\\n"/);
  await say(client, act({ terminal: { command: "sleep 600" }, then: ["kill", "wait", "output", "release", "output"] }));
  assert.match(answer(client), /kill: (\{\}|null)\. wait: \{.*"signal":"(SIG)?(KILL|TERM)".*output: \{.*"exitStatus":.*release: (\{\}|null)\. output: \{"error":-32/);
  await say(client, act({ terminal: { command: "/no/such/program", args: [] } }, { terminal: { command: "true", cwd: "/" } }));
  assert.match(answer(client), /"error":-32/);
});

test("what an agent leaves running in a terminal ends with its session", async (t) => {
  const { client, folder, host } = await withFolder(t, { terminals: "allow" });
  await say(client, act({ terminal: { command: "echo $$ > pid; sleep 600 & wait" }, then: [] }));
  const pid = await until(() => existsSync(path.join(folder, "pid")) && Number(readFileSync(path.join(folder, "pid"), "utf8")), "the pid");
  assert.ok(existsSync(`/proc/${pid}`));
  await client.request("end");
  await until(() => !existsSync(`/proc/${pid}`), "its end");
  assert.ok(host.process.exitCode === null);
});

// ---------------------------------------------------------------- folders behind symbolic links

test("a working folder that is a symbolic link is the session's folder by either name, for files and for programs", async (t) => {
  const { host, client } = await talking(t, {}, { files: "allow", terminals: "allow" });
  const [real, link] = [path.join(host.home, "real"), path.join(host.home, "link")];
  mkdirSync(path.join(real, "sub"), { recursive: true });
  symlinkSync(real, link);
  symlinkSync(path.join(real, "sub"), path.join(real, "absolute"));
  symlinkSync("sub", path.join(real, "inside"));
  symlinkSync("..", path.join(real, "outside"));
  symlinkSync("/", path.join(real, "root"));
  await fresh(client, { working_dir: link });
  await say(client, act({ write: { path: `${link}/a.txt`, content: "one" } }, { read: { path: `${real}/a.txt` } }, { write: { path: `${real}/inside/b.txt`, content: "two" } }, { read: { path: `${link}/sub/b.txt` } }));
  assert.match(answer(client), /"content":"one".*"content":"two"/);
  const pwd = (cwd) => ({ terminal: { command: "pwd -P", ...(cwd ? { cwd } : {}) }, then: ["wait", "output", "release"] });
  for (const [cwd, where] of [[undefined, real], [link, real], [real, real], [`${link}/sub`, `${real}/sub`], [`${real}/sub`, `${real}/sub`], [`${link}/inside`, `${real}/sub`]]) {
    await say(client, act(pwd(cwd)));
    assert.ok(answer(client).includes(`"output":"${where}\\n"`), `${cwd}: ${answer(client)}`);
  }
  for (const cwd of [`${link}/outside`, `${link}/root`, `${link}/root/tmp`, `${real}/../`, host.home, "/", "sub", `${link}/none`, `${link}/a.txt`]) {
    await say(client, act(pwd(cwd)));
    assert.match(answer(client), /^Terminal: \{"error":-32/, `${cwd}: ${answer(client)}`);
  }
  await say(client, act({ read: { path: `${link}/outside/viaduct.yaml` } }, { write: { path: `${link}/outside/c.txt`, content: "x" } }));
  assert.doesNotMatch(answer(client), /content|\{\}/);
  assert.ok(!existsSync(path.join(host.home, "c.txt")));
});

test("what a person is asked about a program names the folder that it really runs in", async (t) => {
  const { host, client } = await talking(t, {}, { terminals: "ask" });
  const folder = path.join(host.home, "work");
  mkdirSync(path.join(folder, "deep"), { recursive: true });
  symlinkSync("deep", path.join(folder, "shallow"));
  await fresh(client, { working_dir: folder });
  const { turn } = await client.send(act({ terminal: { command: "pwd -P", cwd: `${folder}/shallow` } }));
  const asked = await client.until(() => client.of("permission")[0], "the question");
  assert.equal(asked.data.toolCall.rawInput.cwd, `${folder}/deep`);
  await client.request("answer", { entry: asked.entry, option_id: asked.data.options[0].optionId });
  await client.ended(turn);
  assert.match(answer(client), /work\/deep\\n/);
});
