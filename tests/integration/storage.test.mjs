// What the host stands on may fail: the port, the folder, the file, the disk. It says so, and loses nothing.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { closeSync, existsSync, mkdtempSync, openSync, readdirSync, readFileSync, rmSync, writeFileSync, writeSync } from "node:fs";
import net from "node:net";
import os from "node:os";
import path from "node:path";
import { test } from "node:test";
import { ChatClient } from "../support/chat_client.mjs";
import { chat, exported, folderFor, forHost, Host, hostFor, plugins, viaduct, words } from "../support/viaduct.mjs";

const configuration = (home, more = {}) => ({
  server: { listen: "127.0.0.1:0" }, plugins: { path: [plugins] }, store: { path: path.join(home, "viaduct.db") },
  backends: { echo: { plugin: "mock" } }, surfaces: { "web-chat": { plugin: "web_chat", backend: "echo" } }, ...more,
});
function serve(home, config) {
  const file = path.join(home, "other.yaml");
  writeFileSync(file, JSON.stringify(config));
  return viaduct(["serve", "--config", file], { home });
}

test("a port in use is named, and nothing that is stored is touched", async (t) => {
  const other = net.createServer().listen(0, "127.0.0.1");
  await new Promise((resolve) => other.once("listening", resolve));
  t.after(() => other.close());
  const address = `127.0.0.1:${other.address().port}`;
  const home = folderFor(t);
  const { code, err } = await serve(home, configuration(home, { server: { listen: address } }));
  assert.equal(code, 1);
  assert.match(err, new RegExp(`cannot listen on ${address}.*in use`));
  assert.equal(existsSync(path.join(home, "control.sock")), false);
});

test("a second host on the same home is refused, and the first goes on", async (t) => {
  const host = await hostFor(t);
  const { session_id } = (await chat(host, "POST", "api/session", {})).body;
  const { code, err } = await serve(host.home, configuration(host.home));
  assert.equal(code, 1);
  assert.match(err, new RegExp(`another viaduct .*${host.pid}`));
  assert.equal((await chat(host, "POST", "api/chat", { message: "still here" })).status, 200);
  assert.equal(JSON.parse((await forHost(host, "sessions", "show", session_id, "--json")).out).session_id, session_id, "the control socket is still the first one's");
});

test("after kill -9 the home is free again at once", async (t) => {
  const host = await hostFor(t);
  await host.kill();
  assert.ok(existsSync(path.join(host.home, "control.sock")), "left over");
  await host.start();
  assert.equal((await forHost(host, "sessions", "list")).code, 0);
});

for (const [what, damage] of [
  ["that is no database", (file) => writeFileSync(file, "this was a conversation\n".repeat(1000))],
  ["of which the middle is overwritten", (file) => {
    const descriptor = openSync(file, "r+");
    writeSync(descriptor, Buffer.alloc(16384, 0xab), 0, 16384, 4096);
    closeSync(descriptor);
  }],
]) {
  test(`a file ${what} is set aside, loudly, and the host begins anew`, async (t) => {
    const host = await hostFor(t);
    await chat(host, "POST", "api/session", {});
    await chat(host, "POST", "api/chat", { message: "precious" });
    await host.stop();
    const file = path.join(host.home, "viaduct.db");
    damage(file);
    const damaged = readFileSync(file);
    const said = host.output.length;
    await host.start();
    assert.deepEqual((await chat(host, "GET", "api/sessions")).body.sessions, []);
    assert.equal((await chat(host, "GET", "api/session")).body.connected, false);
    const aside = readdirSync(host.home).filter((name) => /^viaduct\.db.+/.test(name) && readFileSync(path.join(host.home, name)).equals(damaged));
    assert.equal(aside.length, 1, `${readdirSync(host.home)}`);
    const loud = host.output.slice(said).split("\n").find((line) => line.includes(aside[0]));
    assert.match(loud ?? "", / error .*(damaged|aside)/, host.output.slice(said));
    await chat(host, "POST", "api/session", {});
    assert.equal((await chat(host, "POST", "api/chat", { message: "again" })).status, 200);
    // It is not found damaged a second time.
    await host.stop();
    await host.start();
    assert.equal((await chat(host, "GET", "api/sessions")).body.sessions.length, 1);
    assert.ok(existsSync(path.join(host.home, aside[0])));
  });
}

test("a home folder that cannot be made is an error with its name", async (t) => {
  const home = folderFor(t);
  writeFileSync(path.join(home, "file"), "");
  const { code, err } = await serve(home, configuration(path.join(home, "file", "deep")));
  assert.equal(code, 1);
  assert.match(err, /file\/deep/);
});

test("everything is as it was after a restart: sessions, current one, transcript, memories, work log", async (t) => {
  const host = await hostFor(t, { rules: [{ match: "^deploy", plan: ["a"], thought: "hm", tool: { title: "make" }, reply: "done", usage: { inputTokens: 3 } }] });
  await chat(host, "POST", "api/session", { description: "first" });
  await chat(host, "POST", "api/chat", { message: "deploy" });
  await chat(host, "POST", "api/session", { description: "second", working_dir: "/tmp" });
  await chat(host, "POST", "api/chat", { message: "hello\n\u{1f980} \"quoted\" \u0001" });
  await chat(host, "POST", "api/chat", { message: "remember this: the cat is called Ada" });
  await chat(host, "POST", "api/memory/work-log", { items: [{ task: "ship", status: "done" }] });
  const look = async () => ({
    sessions: (await chat(host, "GET", "api/sessions")).body,
    current: (await chat(host, "GET", "api/session")).body,
    memories: (await chat(host, "GET", "api/memory/recall?q=ada")).body,
    work: (await chat(host, "GET", "api/memory/work-status")).body,
    logs: await Promise.all((await chat(host, "GET", "api/sessions")).body.sessions.map(({ session_id }) => exported(host, session_id))),
  });
  const before = await look();
  assert.deepEqual(before.logs.map((log) => log.length), [3, 7]);
  for (const how of ["stop", "kill"]) {
    await host[how]();
    await host.start();
    assert.deepEqual(await look(), before, how);
  }
});

test("a full disk: the turn is refused before it is accepted, all is readable, and it goes on when there is space", async (t) => {
  const disk = mkdtempSync(path.join(os.tmpdir(), "viaduct-it-disk-"));
  try {
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=16m,mode=0700", "tmpfs", disk], { stdio: "ignore" });
  } catch {
    rmSync(disk, { recursive: true });
    return t.skip("a small disk cannot be mounted here");
  }
  const host = new Host({ chunkDelay: "0ms", config: { store: { path: path.join(disk, "viaduct.db") } } });
  t.after(async () => {
    await host.remove();
    execFileSync("umount", [disk]);
    rmSync(disk, { recursive: true });
  });
  await host.start();
  const { session_id } = (await chat(host, "POST", "api/session", {})).body;
  await chat(host, "POST", "api/chat", { message: "before" });
  const viewer = await ChatClient.open(host.origin);
  await viewer.until(() => viewer.live);

  const filler = openSync(path.join(disk, "filler"), "w");
  for (let size = 1 << 20; size >= 1; size = size > 1 && Math.floor(size / 2))
    try {
      for (;;) if (writeSync(filler, Buffer.alloc(size)) < size) break;
    } catch (error) {
      assert.equal(error.code, "ENOSPC");
    }
  closeSync(filler);

  // What fits into what is written over and over may still be taken; a message of 200 KB does not.
  const large = words(20_000);
  const answer = await chat(host, "POST", "api/chat", { message: large });
  assert.equal(answer.status, 503, answer.text);
  assert.match(answer.body.error, /full/);
  await assert.rejects(viewer.send(large, { key: "large" }), { code: "unavailable" });
  assert.equal((await chat(host, "GET", "api/session")).body.connected, true, "the session is kept");
  assert.deepEqual((await exported(host, session_id)).filter((entry) => entry.turn === 1).map((entry) => [entry.type, entry.text]), [
    ["user_message", "before"], ["text", "[Mock response to: before]"], ["turn_end", ""],
  ]);
  assert.ok(!viewer.texts("user_message").includes(large), "nobody was shown what was refused");
  assert.ok(!(await exported(host, session_id)).some((entry) => entry.text === large));
  assert.equal((await chat(host, "GET", "api/sessions")).body.sessions.length, 1);
  assert.match(host.output, /error .*full/);

  rmSync(path.join(disk, "filler"));
  const { turn, duplicate } = await viewer.send(large, { key: "large" });
  assert.equal(duplicate, false, "the refused one was not kept");
  assert.equal((await viewer.ended(turn)).data.stop_reason, "end_turn");
  const after = await chat(host, "POST", "api/chat", { message: "after" });
  assert.equal(after.status, 200, after.text);
  await host.kill();
  await host.start();
  const log = await exported(host, session_id);
  assert.deepEqual(log.map((entry) => entry.entry), log.map((_, i) => i + 1));
  assert.deepEqual(log.filter((entry) => entry.type === "user_message").map((entry) => entry.text).filter((text) => text.length < 100), ["before", "after"]);
  assert.equal(log.filter((entry) => entry.text === large).length, 1);
  assert.deepEqual(viewer.faults, []);
});
