// What an agent asks: a card with buttons for the one who asked and for operators, answered once, and never left open for an agent that is gone.
import assert from "node:assert/strict";
import { test } from "node:test";
import { act, Agent, configFor } from "../../support/acp.mjs";
import { button, noPlugin, said, teamsHost, told, transports, withButton } from "../../support/teams_surface.mjs";

const one = (name, run) => test(name, { skip: noPlugin }, run);
const both = (name, run) => {
  for (const transport of transports) test(`${name} (${transport})`, { skip: noPlugin }, (t) => run(t, transport));
};
const withAgent = async (t, { script = {}, ...options } = {}) => {
  const agent = Agent.for(t, script);
  const { teams, host } = await teamsHost(t, { backend: "agent", more: { backends: { agent: { plugin: "acp", config: configFor(agent) } } }, ...options });
  return { agent, teams, host };
};
const kAllow = /once|allow/i;
const ask = (id = 0) => act({ permission: { id, toolCall: { toolCallId: "t", title: "rm -rf build", kind: "execute" } } }, { say: "on" });
const titles = (message) => message.actions.map(({ title }) => title);

both("a request is a card with its options, which who decided what replaces for everybody", async (t, transport) => {
  const { agent, teams } = await withAgent(t, { transport });
  const head = teams.post("alice", "general", `@amp ${ask()}`);
  const request = await button(teams, "general", kAllow, head.id);
  assert.match(request.text, /rm -rf build/);
  assert.ok(titles(request).length >= 3, `${titles(request)}`);
  for (const action of request.actions) assert.ok(action.type !== "Action.Execute" || (action.verb && action.fallback?.type === "Action.Submit"), "with a fallback for clients that need it");
  const pressed = await teams.click("alice", request, kAllow);
  assert.deepEqual([pressed.error, pressed.took < 3000], [null, true]);
  await teams.until(() => !withButton(teams, "general", kAllow, head.id), "the buttons are gone for everybody");
  await teams.until(() => /rm -rf build\nAllow once, decided by Alice/.test(request.text), () => `who decided what, in ${request.text}`);
  await told(teams, "general", /Permission: once\. on/, { thread: head.id });
  assert.equal(agent.answersTo(0).length, 1);
});

one("others may not decide, an operator may, and it goes by their ids and not by their names", async (t) => {
  const { agent, teams } = await withAgent(t, { config: (stand) => ({ operators: [stand.person("carol").aadObjectId] }) });
  const head = teams.post("alice", "general", `@amp ${ask(7)}`);
  const request = await button(teams, "general", kAllow, head.id);
  teams.person("bob").display = "Alice";
  const refused = await teams.click("bob", request, kAllow);
  assert.match(`${refused.error} ${refused.text} ${JSON.stringify(refused.card)} ${said(teams, "general", head.id)}`, /Only the person who asked, or an operator/);
  assert.deepEqual(agent.answersTo(7), []);
  assert.ok(withButton(teams, "general", kAllow, head.id), "it is still open");
  const both = await Promise.all([teams.click("carol", request, kAllow), teams.click("carol", request, kAllow)]);
  assert.ok(both.every(({ ok }) => ok), JSON.stringify(both.map(({ error }) => error)));
  await agent.until(() => agent.answersTo(7).length === 1, "an answer");
  await told(teams, "general", /Allow once, decided by Carol/, { thread: head.id });
  assert.equal(agent.answersTo(7).length, 1);
});

one("a second click, and the same click again, are told what was decided, and do nothing", async (t) => {
  const { agent, teams } = await withAgent(t);
  teams.post("alice", "dm", ask(8));
  const request = await button(teams, "@alice", kAllow);
  const old = request.body;
  const first = await teams.click("alice", request, kAllow);
  await agent.until(() => agent.answersTo(8).length === 1, "an answer");
  assert.equal(await first.delivery.more(), null);
  const copy = first.delivery.attempts.at(-1);
  assert.deepEqual(JSON.parse(copy.text), first.body, "the same answer");
  assert.ok(copy.took < 1500, `${copy.took} ms`);
  await teams.until(() => !withButton(teams, "@alice", kAllow), "the buttons are gone");
  request.body = old; // a page that has not heard of it
  const second = await teams.click("alice", request, titles(request).find((title) => !kAllow.test(title)));
  assert.equal(second.ok, true, second.error);
  assert.match(`${second.text} ${JSON.stringify(second.card)}`, /Alice|decided|already/);
  assert.equal(agent.answersTo(8).length, 1);
});

one("a client that does not know Action.Execute decides by its fallback", async (t) => {
  const { agent, teams } = await withAgent(t);
  teams.post("alice", "dm", ask(9));
  const request = await button(teams, "@alice", kAllow);
  assert.equal((await teams.click("alice", request, kAllow, { fallback: true })).ok, true);
  await agent.until(() => agent.answersTo(9).length === 1, "an answer");
  await teams.until(() => !withButton(teams, "@alice", kAllow), "the buttons are gone");
});

one("when the agent has died the request says `expired`, and its button does no harm", async (t) => {
  const { agent, teams } = await withAgent(t);
  teams.post("alice", "dm", ask("gone"));
  const request = await button(teams, "@alice", kAllow);
  const old = request.body;
  agent.kill();
  await teams.until(() => !withButton(teams, "@alice", kAllow) && /expired/i.test(request.text), "expired");
  request.body = old;
  const pressed = await teams.click("alice", request, kAllow);
  assert.equal(pressed.ok, true, pressed.error);
  assert.deepEqual(agent.answersTo("gone"), []);
});

both("a request survives a restart of the host: it is answered or marked as expired, and never hangs", async (t, transport) => {
  const { agent, teams, host } = await withAgent(t, { transport });
  teams.post("alice", "dm", ask("kept"));
  const request = await button(teams, "@alice", kAllow);
  await host.kill();
  await host.start();
  await teams.until(() => /expired|interrupted/i.test(said(teams, "@alice")) || !request.actions.length, "what became of it");
  assert.ok(agent.answersTo("kept").length <= 1);
  teams.post("alice", "dm", act({ say: "well again" }));
  await teams.until(() => said(teams, "@alice").includes("well again"));
});

one("several requests at once each have their own buttons and answers", async (t) => {
  const { agent, teams } = await withAgent(t);
  const ids = ["a", "b", "c"];
  teams.post("alice", "dm", act({ permission: ids.map((id, i) => ({ id, toolCall: { toolCallId: id, title: `step ${id}`, kind: "execute" }, options: [{ optionId: `yes-${i}`, name: `Yes ${i}`, kind: "allow_once" }, { optionId: `no-${i}`, name: `No ${i}`, kind: "reject_once" }] })) }));
  const all = await teams.until(() => {
    const found = teams.answers("@alice").filter((message) => titles(message).some((title) => /^Yes \d/.test(title)));
    return found.flatMap(titles).filter((title) => /^Yes/.test(title)).length === 3 && found;
  }, "three requests", 60_000);
  for (const i of [2, 0, 1]) assert.equal((await teams.click("alice", all.find((message) => titles(message).includes(`Yes ${i}`)), i === 1 ? `No ${i}` : `Yes ${i}`)).error, null);
  await agent.until(() => ids.every((id) => agent.answersTo(id).length === 1), "an answer to each");
  assert.deepEqual(ids.map((id) => agent.answersTo(id)[0].result.outcome.optionId), ["yes-0", "no-1", "yes-2"]);
});

for (const [where, place] of [["in a personal chat", "dm"], ["in a channel", "general"]])
  one(`a request that may not have arrived ${where} can be had again, and is decided there`, async (t) => {
    const { agent, teams } = await withAgent(t, { mayComplain: true });
    const direct = place === "dm";
    const at = direct ? "@alice" : "general";
    teams.fault(/^(send|reply)$/, { cut: "before" }, { when: (body) => JSON.stringify(body).includes("rm -rf build") });
    const head = teams.post("alice", place, `${direct ? "" : "@amp "}${ask("lost")}`);
    const thread = direct ? undefined : head.id;
    const note = await button(teams, at, /show the question again/i, thread);
    assert.match(note.text, /may be missing/);
    assert.equal((await teams.click("alice", note, /again/i)).error, null);
    const request = await button(teams, at, kAllow, thread);
    assert.match(request.text, /rm -rf build/);
    assert.equal((await teams.click("alice", request, kAllow)).error, null);
    await agent.until(() => agent.answersTo("lost").length === 1, "an answer");
    await teams.until(() => !withButton(teams, at, kAllow, thread), "the buttons are gone");
    await told(teams, at, /Permission: once\. on/, { thread });
    assert.equal(agent.answersTo("lost").length, 1);
  });

one("a button that is none of the bot's gets a short answer, and nothing is done", async (t) => {
  const { teams } = await withAgent(t);
  for (const data of [{ viaduct: 1, action: "format-disk", value: "now" }, { viaduct: 1, action: "permit:0", value: "nonsense" }, { viaduct: 1, action: "retry", value: "" }, { viaduct: 1, action: "pick:dance:0", value: "s_1" }]) {
    const { body } = await teams.invoke("alice", "dm", "adaptiveCard/action", { action: { type: "Action.Execute", id: "x", verb: "x", data }, trigger: "manual" }).done;
    assert.match(`${body.value?.message ?? body.value}`, /nothing like that/, JSON.stringify(data));
  }
});
