// What comes in is dealt with once and what goes out is posted once, whatever is killed in between. The other network is a folder (see
// fixtures/post_office.cpp): `posts.log` has a line for each post.
import assert from "node:assert/strict";
import { once } from "node:events";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { fixtures, forHost, Host, metric, plugins, request } from "../support/viaduct.mjs";
import { until } from "../support/wait.mjs";

class PostOffice {
  #up = null;
  constructor(t, surfaces) {
    this.host = new Host();
    t.after(() => this.host.remove());
    this.world = path.join(this.host.home, "world");
    mkdirSync(this.world);
    this.host.options.config = {
      plugins: { path: [plugins, fixtures] },
      surfaces: surfaces?.(this.world) ?? { post: { plugin: "post_office", config: { world: this.world } } },
    };
  }
  static async start(t) {
    const office = new PostOffice(t);
    await office.host.start();
    return office;
  }
  call(route, body) {
    return this.#insist(() => request(this.host.origin, "POST", `/apps/post/${route}`, { body }));
  }
  event(keys, text = "hello", target = "everybody") {
    return this.call("event", { keys: [keys].flat(), text, target });
  }
  post(key, payload, more = {}) {
    return this.call("post", { key, target: "t", payload, ...more });
  }
  async state(key) {
    return (await this.call("find", { key })).body.state;
  }
  sent(key, state = "sent") {
    return until(async () => (await this.state(key)) === state, `${key} to be ${state}`);
  }
  async unhandled() {
    return (await this.call("unhandled", {})).body.events.map((event) => event.key);
  }
  lines(name) {
    const file = path.join(this.world, name);
    return existsSync(file) ? readFileSync(file, "utf8").split("\n").filter(Boolean) : [];
  }
  get posts() {
    return this.lines("posts.log").map((line) => line.split(" ")[0]);
  }
  once(name, text) {
    writeFileSync(path.join(this.world, name), text);
  }
  command(...args) {
    return forHost(this.host, "deliveries", ...args);
  }
  // What a network does that was not answered: it says it again, also to the next process.
  async #insist(work) {
    for (;;) {
      try {
        return await work();
      } catch (error) {
        if (error instanceof assert.AssertionError) throw error;
        this.#up ??= this.#again();
        await this.#up;
      }
    }
  }
  async #again() {
    for (let started = false; !started;) {
      const { process } = this.host;
      if (process.exitCode === null && process.signalCode === null) await once(process, "exit");
      started = await this.host.start().then(() => true, () => false); // it may be killed while it starts
    }
    this.#up = null;
  }
}

test("an event is new once by any of its keys, also when it comes many times at once and after a restart", async (t) => {
  const office = await PostOffice.start(t);
  const answers = await Promise.all(Array.from({ length: 20 }, (_, i) => office.event(["Ev1", `retry-${i}`])));
  assert.deepEqual([...new Set(answers.map((answer) => answer.status))], [200]);
  assert.equal(answers.filter((answer) => answer.body.new).length, 1);
  await office.sent("answer/Ev1");
  await office.host.kill();
  await office.host.start();
  assert.deepEqual((await office.event(["retry-7"])).body, { new: false });
  assert.deepEqual((await office.event(["Ev2"])).body, { new: true });
  await office.sent("answer/Ev2");
  assert.deepEqual(office.posts, ["answer/Ev1", "answer/Ev2"]);
  assert.deepEqual(await office.unhandled(), []);
});

for (const step of ["event", "received", "acknowledged", "posted", "handled", "send", "sent", "completed"])
  test(`kill -9 at "${step}": the event is answered, once`, async (t) => {
    const office = await PostOffice.start(t);
    office.once("kill", step);
    const answer = await office.event("Ev1");
    assert.equal(answer.status, 200);
    await office.sent("answer/Ev1");
    await until(async () => (await office.unhandled()).length === 0, "it to be handled");
    assert.ok(!existsSync(path.join(office.world, "kill")), "it was killed");
    assert.deepEqual(office.posts, ["answer/Ev1"]);
    assert.deepEqual((await office.event("Ev1")).body, { new: false });
    assert.equal((await office.command("list")).out, "nothing is missing\n");
  });

test("kill -9 at every step of many events, one after the other: each is answered once, and those of a target in their order", async (t) => {
  const office = await PostOffice.start(t);
  const steps = ["received", "send", "sent", "posted", "completed", "acknowledged", "reconcile", "handled"];
  const targets = ["a", "b"];
  for (const [i, step] of steps.entries()) {
    office.once("kill", step);
    for (const target of targets) await office.event(`${target}${i}`, "hello", target);
  }
  for (const i of steps.keys()) for (const target of targets) await office.sent(`answer/${target}${i}`);
  for (const target of targets)
    assert.deepEqual(office.posts.filter((key) => key.startsWith(`answer/${target}`)), steps.map((_, i) => `answer/${target}${i}`));
});

test("a post whose answer is lost is looked for, and not posted a second time", async (t) => {
  const office = await PostOffice.start(t);
  office.once("fault", "lost");
  await office.post("a", 1);
  await office.sent("a");
  assert.deepEqual(office.posts, ["a"]);
  assert.deepEqual((await office.call("find", { key: "a" })).body.result, { found: true });
});

for (const fault of ["vanished", "forgotten"])
  test(`a post that never arrived (${fault}) is posted when that was found out`, async (t) => {
    const office = await PostOffice.start(t);
    office.once("fault", fault);
    await office.post("a", 1);
    await office.post("behind", 2);
    await office.sent("behind");
    assert.deepEqual(office.lines("posts.log"), ["a 2 1", "behind 1 2"]);
    assert.equal(office.lines("asked.log").length, 1);
  });

test("what is put off is posted after its time, in its place, and holds up no other target", async (t) => {
  const office = await PostOffice.start(t);
  office.once("fault", "limited 1500");
  const begin = Date.now();
  await office.post("a", 1);
  await office.sent("a", "ready");
  await office.post("behind", 2);
  await office.post("elsewhere", 3, { target: "u" });
  await office.sent("behind");
  assert.ok(Date.now() - begin >= 1500);
  assert.deepEqual(office.posts, ["elsewhere", "a", "behind"]);
});

test("an edit is posted until its last text has arrived", async (t) => {
  const office = await PostOffice.start(t);
  office.once("fault", "lost");
  await office.post("e", "one", { edit: true });
  await until(() => office.posts.length > 0, "the first");
  await office.post("e", "two", { edit: true });
  await office.post("e", "three", { edit: true });
  await office.sent("e");
  assert.match(office.lines("posts.log").at(-1), /"three"$/);
  assert.equal(office.lines("asked.log").length, 0);
});

test("what may be missing is told to the surface and shown to a person, who has it sent again or drops it", async (t) => {
  const office = await PostOffice.start(t);
  office.once("fault", "lost");
  office.once("blind", "yes");
  await office.post("a", "hello");
  await office.sent("a", "ambiguous");
  office.once("fault", "refused");
  await office.post("b", { activities: [{ type: "typing" }, { text: `${"word ".repeat(8)}and more` }] });
  await office.sent("b", "failed");
  await office.post("c", "you");
  await office.sent("c");
  await until(() => office.lines("told.log").length === 2, "two lines");
  assert.deepEqual(office.lines("told.log"), ["a ambiguous: history is not readable", "b failed: not_in_channel"]);

  const shown = await office.command("list");
  assert.equal(shown.code, 0, shown.err);
  assert.match(shown.out, /^ID +STATE +SURFACE +POSTED +WORDS +TARGET +WHY\n2 +failed +post +\S+Z +(word ){8}… +t +not_in_channel\n1 +ambiguous +post +\S+Z +hello +t +history is not readable\n$/);
  assert.match((await forHost(office.host, "doctor")).out, /^FAIL deliveries +2 messages are possibly missing: `viaduct deliveries list` shows them/m);
  const ready = async () => (await fetch(`${office.host.origin}/readyz`)).text();
  await until(async () => (await ready()).startsWith("ready\n2 messages are possibly missing: "), "the count in readyz");
  const { deliveries } = JSON.parse((await office.command("list", "--state", "ambiguous", "--json")).out);
  assert.deepEqual(deliveries.map(({ id, key, state, payload }) => ({ id, key, state, payload })), [{ id: 1, key: "a", state: "ambiguous", payload: "hello" }]);
  assert.equal(await metric(office.host, 'viaduct_delivery_outcomes_total{instance="post",outcome="ambiguous"}'), 1);

  assert.equal((await office.command("retry", "1")).out, "delivery 1 is sent once more\n");
  await office.sent("a");
  assert.equal((await office.command("drop", "2")).out, "delivery 2 is given up\n");
  assert.equal((await office.command("list")).out, "nothing is missing\n");
  const wrong = await office.command("retry", "3", "--json");
  assert.deepEqual([wrong.code, JSON.parse(wrong.out).error.code], [1, "failed_precondition"]);
  assert.equal((await office.command("drop", "99")).code, 1);
  assert.equal((await office.command("retry", "x")).code, 2);
  assert.deepEqual(office.posts, ["a", "c", "a"]);
});

test("what is being sent when the host is stopped is found out at the next start", async (t) => {
  const office = await PostOffice.start(t);
  office.once("fault", "open");
  await office.post("a", 1);
  await office.sent("a", "sending");
  await until(() => !existsSync(path.join(office.world, "fault")), "the sending");
  await office.host.stop();
  assert.equal(office.host.process.exitCode, 0);
  await office.host.start();
  await office.sent("a");
  assert.deepEqual(office.posts, ["a"]);
  assert.equal(office.lines("asked.log").length, 1);
});

test("two instances never use one credential at the same time", async (t) => {
  const office = new PostOffice(t, (world) => Object.fromEntries(["post", "other"].map((name) => [name, { plugin: "post_office", config: { world, credential: "xapp-secret-1" } }])));
  await office.host.start();
  const [, loser, winner] = await until(() => /^  (post|other): does not run: the instance (post|other) uses the same credential already/m.exec(office.host.output), "the word of it");
  assert.notEqual(loser, winner);
  assert.equal(await (await fetch(`${office.host.origin}/readyz`)).text(), `ready\nnot running: ${loser}\n`);
  assert.ok(!office.host.output.includes("xapp-secret-1"));
});
