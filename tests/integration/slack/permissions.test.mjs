// What an agent asks: buttons for the one who asked and for operators, answered once, and never left open for an agent that is gone.
import assert from "node:assert/strict";
import { test } from "node:test";
import { act, Agent, configFor } from "../../support/acp.mjs";
import { noPlugin, said, slackHost, withButton } from "../../support/slack_surface.mjs";
import { controls } from "../../support/slack.mjs";

const one = (name, run) => test(name, { skip: noPlugin }, run);
const withAgent = async (t, { script = {}, ...options } = {}) => {
  const agent = Agent.for(t, script);
  const { slack, host } = await slackHost(t, { backend: "agent", more: { backends: { agent: { plugin: "acp", config: configFor(agent) } } }, ...options });
  return { agent, slack, host };
};
const buttons = (post) => controls(post.body.blocks).map(({ control }) => control.text?.text);
const asked = (slack, thread) => slack.until(() => withButton(slack.answers("general", thread), /permit/), "the buttons");
const ask = (id = 0) => act({ permission: { id, toolCall: { toolCallId: "t", title: "rm -rf build", kind: "execute" } } }, { say: "on" });

one("a request is shown with its options as buttons, and replaced by who decided what", async (t) => {
  const { agent, slack } = await withAgent(t);
  const post = slack.post("alice", "general", `@amp ${ask()}`);
  const request = await asked(slack, post.ts);
  assert.match(request.text, /rm -rf build/);
  assert.ok(buttons(request).length >= 3);
  await slack.click("alice", request, /once|allow/i);
  await slack.until(() => /on$/.test(said(slack, "general", post.ts).trim()) || said(slack, "general", post.ts).includes("on"));
  await slack.until(() => !withButton(slack.answers("general", post.ts), /permit/), "the buttons are gone");
  assert.match(said(slack, "general", post.ts), /U0ALICE|alice/i);
  assert.equal(agent.answersTo(0).length, 1);
});

one("others may not decide, an operator may, and a double click is one answer", async (t) => {
  const { agent, slack } = await withAgent(t, { config: { operators: ["U0CAROL"] } });
  const post = slack.post("alice", "general", `@amp ${ask(7)}`);
  const request = await asked(slack, post.ts);
  await slack.click("bob", request, /once|allow/i);
  await slack.until(() => slack.heard("bob").some(({ text }) => /Only the person who asked, or an operator/.test(text)), "why not");
  assert.deepEqual(agent.answersTo(7), []);
  const both = await Promise.allSettled([slack.click("carol", request, /once|allow/i), slack.click("carol", request, /once|allow/i)]);
  assert.ok(both.some(({ status }) => status === "fulfilled"));
  await agent.until(() => agent.answersTo(7).length === 1, "an answer");
  await slack.until(() => /U0CAROL|carol/i.test(said(slack, "general", post.ts)));
  assert.equal(agent.answersTo(7).length, 1);
});

one("when the agent has died the request says `expired`, with a way to try again, and its button does no harm", async (t) => {
  const { agent, slack } = await withAgent(t);
  const post = slack.post("alice", "general", `@amp ${ask("gone")}`);
  const request = await asked(slack, post.ts);
  const old = structuredClone(request.body.blocks);
  agent.kill();
  await slack.until(() => !withButton(slack.answers("general", post.ts), /permit/), "its buttons are gone");
  assert.match(request.text, /expired/i);
  await slack.until(() => withButton(slack.answers("general", post.ts), /retry/i), "a way to try again");
  request.body.blocks = old; // a page that has not heard of it
  await slack.click("alice", request, /once|allow/i);
  assert.deepEqual(agent.answersTo("gone"), []);
});

one("a request survives a restart of the host: it is answered or marked as expired, and never hangs", async (t) => {
  const { agent, slack, host } = await withAgent(t);
  const post = slack.post("alice", "general", `@amp ${ask("kept")}`);
  const request = await asked(slack, post.ts);
  await host.kill();
  await host.start();
  await slack.until(() => /expired|interrupted/i.test(said(slack, "general", post.ts)) || !withButton([request], /permit/), "what became of it");
  assert.ok(agent.answersTo("kept").length <= 1);
  slack.post("alice", "general", act({ say: "well again" }), { thread: post.ts });
  await slack.until(() => said(slack, "general", post.ts).includes("well again"));
});

one("several requests at once each have their own buttons and answers", async (t) => {
  const { agent, slack } = await withAgent(t);
  const ids = ["a", "b", "c"];
  const post = slack.post("alice", "general", `@amp ${act({ permission: ids.map((id, i) => ({ id, toolCall: { toolCallId: id, title: `step ${id}`, kind: "execute" }, options: [{ optionId: `yes-${i}`, name: `Yes ${i}`, kind: "allow_once" }, { optionId: `no-${i}`, name: `No ${i}`, kind: "reject_once" }] })) })}`);
  const all = await slack.until(() => {
    const found = slack.answers("general", post.ts).filter((one) => buttons(one).some((name) => /^(Yes|No) \d/.test(name ?? "")));
    return found.flatMap(buttons).filter((name) => /^Yes/.test(name)).length === 3 && found;
  });
  for (const i of [2, 0, 1]) await slack.click("alice", all.find((one) => buttons(one).includes(`Yes ${i}`)), i === 1 ? `No ${i}` : `Yes ${i}`);
  await agent.until(() => ids.every((id) => agent.answersTo(id).length === 1), "an answer to each");
  assert.deepEqual(ids.map((id) => agent.answersTo(id)[0].result.outcome.optionId), ["yes-0", "no-1", "yes-2"]);
});
