import assert from "node:assert/strict";
import test from "node:test";
import { afterClose, Connection, kOpenLimit, kPingEvery, kPongLimit, retryDelay, type Action } from "../model/connection.ts";

function connection(random = 0.5): Connection {
  return new Connection(() => 1000, () => random);
}
function opened(): Connection {
  const c = connection();
  c.next({ on: "start" });
  c.next({ on: "opened" });
  c.next({ on: "greeted" });
  return c;
}
const does = (actions: Action[]): string[] => actions.map((action) => ("timer" in action ? `${action.do} ${action.timer}` : action.do));

test("it opens, says hello, and is open when that is answered", () => {
  const c = connection();
  assert.ok(does(c.next({ on: "start" })).includes("open"));
  assert.ok(does(c.next({ on: "opened" })).includes("greet"));
  assert.equal(c.status.is, "connecting");
  assert.deepEqual(c.next({ on: "greeted" }), [{ do: "clear", timer: "deadline" }, { do: "set", timer: "ping", ms: kPingEvery }]);
  assert.equal(c.status.is, "open");
});

test("delays are spread between one second and a bound that doubles up to 16 s", () => {
  assert.deepEqual([0, 1, 2, 3, 4, 5, 60].map((attempt) => retryDelay(attempt, 0.999999)), [1000, 2000, 4000, 8000, 16000, 16000, 16000]);
  for (const attempt of [0, 1, 4, 1000]) assert.equal(retryDelay(attempt, 0), 1000);
});

test("it tries for ever, ever less often, and starts over once it was greeted", () => {
  const c = connection(0.999999);
  c.next({ on: "start" });
  const delays: number[] = [];
  for (let i = 0; i < 50; i++) {
    const set = c.next({ on: "closed", code: 1006, reason: "" }).find((action) => action.do === "set" && action.timer === "retry");
    assert.ok(set && set.do === "set");
    delays.push(set.ms);
    assert.ok(does(c.next({ on: "timer", timer: "retry" })).includes("open"));
  }
  assert.deepEqual(delays.slice(0, 6), [1000, 2000, 4000, 8000, 16000, 16000]);
  assert.equal(delays[49], 16000);
  c.next({ on: "opened" });
  c.next({ on: "greeted" });
  const again = c.next({ on: "closed", code: 1001, reason: "" }).find((action) => action.do === "set");
  assert.ok(again && again.do === "set" && again.ms === 1000);
});

for (const event of ["visible", "network", "start"] as const) {
  test(`while waiting, ${event} connects at once`, () => {
    const c = opened();
    c.next({ on: "closed", code: 1006, reason: "" });
    assert.equal(c.status.is, "waiting");
    assert.ok(does(c.next({ on: event })).includes("open"));
  });
}

for (const event of ["visible", "network"] as const) {
  test(`while open, ${event} asks whether the other end is still there, and comes back at once if it is not`, () => {
    const c = opened();
    assert.deepEqual(does(c.next({ on: event })), ["clear ping", "set deadline", "ping"]);
    assert.deepEqual(c.next({ on: event }), [], "one ping at a time");
    const actions = does(c.next({ on: "timer", timer: "deadline" }));
    assert.equal(actions[0], "drop");
    assert.ok(actions.includes("open"));
  });
}

test("anything that is heard answers a ping", () => {
  const c = opened();
  const set = c.next({ on: "timer", timer: "ping" }).find((action) => action.do === "set");
  assert.ok(set && set.do === "set" && set.ms === kPongLimit);
  assert.deepEqual(does(c.next({ on: "heard" })), ["clear deadline", "set ping"]);
  assert.equal(c.status.is, "open");
});

test("a socket that does not open within the limit is given up", () => {
  const c = connection();
  const set = c.next({ on: "start" }).find((action) => action.do === "set");
  assert.ok(set && set.do === "set" && set.ms === kOpenLimit);
  assert.equal(does(c.next({ on: "timer", timer: "deadline" }))[0], "drop");
  assert.equal(c.status.is, "waiting");
});

test("a hello that is not answered within the limit is given up", () => {
  const c = connection();
  c.next({ on: "start" });
  c.next({ on: "opened" });
  assert.equal(does(c.next({ on: "timer", timer: "deadline" }))[0], "drop");
  assert.equal(c.status.is, "waiting");
});

test("the codes of PROTOCOL.md are retried or not as it says", () => {
  const verdicts = [1000, 1001, 1003, 1006, 1007, 1008, 1009, 1011, 1012, 1013, 4000, 4999].map(afterClose);
  const r = "retry", d = "defect";
  assert.deepEqual(verdicts, ["person", r, d, r, d, "refused", d, r, r, r, d, r]);
});

for (const code of [1000, 1003, 1007, 1008, 1009, 4000]) {
  test(`after ${code} it stops, until a person starts it again`, () => {
    const c = opened();
    c.next({ on: "closed", code, reason: "why" });
    assert.equal(c.status.is, "stopped");
    assert.deepEqual(c.next({ on: "visible" }), []);
    assert.deepEqual(c.next({ on: "timer", timer: "retry" }), []);
    assert.ok(does(c.next({ on: "start" })).includes("open"));
  });
}

test("a person's stop holds, whatever happens", () => {
  const c = opened();
  c.next({ on: "closed", code: 1006, reason: "" });
  assert.ok(does(c.next({ on: "stop" })).includes("clear retry"));
  for (const event of [{ on: "visible" }, { on: "network" }, { on: "timer", timer: "retry" }] as const) assert.deepEqual(c.next(event), []);
  assert.deepEqual(c.status, { is: "stopped", why: "person", reason: "" });
});

test("when it cannot even open twice it asks over HTTP, and stops on a refusal only", () => {
  const c = connection();
  c.next({ on: "start" });
  assert.ok(!does(c.next({ on: "closed", code: 1006, reason: "" })).includes("probe"));
  c.next({ on: "timer", timer: "retry" });
  assert.ok(does(c.next({ on: "closed", code: 1006, reason: "" })).includes("probe"));
  c.next({ on: "probed", status: 0 });
  c.next({ on: "probed", status: 200 });
  assert.equal(c.status.is, "waiting");
  c.next({ on: "probed", status: 403 });
  assert.equal(c.status.is, "stopped");
});

test("what a forgotten socket says late does nothing", () => {
  const c = opened();
  c.next({ on: "closed", code: 1006, reason: "" });
  for (const event of [{ on: "opened" }, { on: "greeted" }, { on: "heard" }, { on: "closed", code: 1008, reason: "" }] as const) {
    assert.deepEqual(c.next(event), []);
  }
  assert.equal(c.status.is, "waiting");
});
