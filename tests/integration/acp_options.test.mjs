// The backend `acp`: what people choose of an agent (options, modes, models), and what it asks them.
import assert from "node:assert/strict";
import { test } from "node:test";
import { act, answer, die, say, talking } from "../support/acp.mjs";

const ended = (end) => [end.data.stop_reason, end.data.error?.code];

// ---------------------------------------------------------------- options, modes and models

const chosen = (client, id) => client.state.options.find((option) => option.id === id)?.currentValue;

test("configuration options are shown, and set by /model, /mode and by their ids", async (t) => {
  const { agent, client } = await talking(t, { options: ["mode", "model", "grouped", "boolean", "odd"] });
  await say(client, "hello");
  await client.until(() => client.state.options.length >= 4, "the options");
  assert.deepEqual(["mode", "model", "effort"].map((id) => chosen(client, id)), ["ask", "small", "low"]);
  await client.until(() => ["model", "mode"].every((name) => client.state.commands.some((command) => command.name === name)), "the commands for it");
  await say(client, "/model huge");
  await client.until(() => chosen(client, "model") === "huge" && chosen(client, "effort") === "high", "what changes with it");
  await say(client, "/mode Plan");
  await client.until(() => chosen(client, "mode") === "plan", "the mode by its name");
  assert.deepEqual(agent.got("session/set_config_option").map(({ params }) => [params.configId, params.value]), [["model", "huge"], ["mode", "plan"]]);
  assert.equal(agent.got("session/prompt").length, 1, "the agent is not prompted with them");
  const before = agent.got("session/set_config_option").length;
  await say(client, "/model gigantic");
  assert.match(client.list().at(-2).text + JSON.stringify(client.ends().at(-1).data), /small.*large.*huge/is, "what there is");
  assert.equal(agent.got("session/set_config_option").length, before);
  await say(client, "/model");
  assert.match(client.list().at(-2).text, /huge/, "which one it is");
});

test("legacy modes and models are set by the same commands", async (t) => {
  const { agent, client } = await talking(t, { modes: true, models: true });
  await say(client, "hello");
  await say(client, "/model large");
  await say(client, "/mode yolo");
  assert.deepEqual(agent.got("session/set_model").map(({ params }) => params.modelId), ["large"]);
  assert.deepEqual(agent.got("session/set_mode").map(({ params }) => params.modeId), ["yolo"]);
  await client.until(() => chosen(client, "model") === "large" && chosen(client, "mode") === "yolo", "the state");
});

test("the model and mode of the configuration are applied to every new session", async (t) => {
  const { agent, client } = await talking(t, { options: ["model"], modes: true }, { model: "large", mode: "plan" });
  await say(client, act({ where: true }));
  const where = JSON.parse(answer(client));
  assert.deepEqual([where.mode, where.options], ["plan", [["model", "large"]]]);
  assert.ok(agent.methods.indexOf("session/set_config_option") < agent.methods.indexOf("session/prompt"));
});

test("a model that the agent does not have is said, and nothing fails", async (t) => {
  const { client } = await talking(t, { options: ["model"] }, { model: "gigantic" });
  assert.deepEqual(ended(await say(client, "hello")), ["end_turn", undefined]);
  assert.match(client.texts("notice").join(), /gigantic/);
});

test("an agent that changes its options and mode by itself is followed", async (t) => {
  const { client } = await talking(t, { options: ["model"], modes: true });
  const option = { id: "model", name: "Model", category: "model", type: "select", currentValue: "large", options: [{ value: "large", name: "Large" }] };
  await say(client, act({ mode: "plan" }, { options: [option] }));
  await client.until(() => chosen(client, "model") === "large" && chosen(client, "mode") === "plan", "the state");
  await say(client, act({ mode: "yolo", legacy: true }));
  await client.until(() => chosen(client, "mode") === "yolo", "with the field of the documentation, too");
});

test("a boolean option is set with its type", async (t) => {
  const { agent, client } = await talking(t, { options: ["boolean", "model"] });
  await say(client, "hello");
  await client.until(() => client.state.options.length === 2, "the options");
  assert.equal(client.state.options.find(({ id }) => id === "fast").type, "boolean");
  assert.ok(agent.got("initialize")[0].params.clientCapabilities.session.configOptions.boolean);
});

test("commands of the agent are its own: /go reaches it as text", async (t) => {
  const { client } = await talking(t, { commands: [{ name: "go", description: "Goes", input: { hint: "where" } }] });
  await say(client, "/go north");
  assert.equal(answer(client), "You said: /go north");
});

test("options without a command of their own are set by their ids, switches by on and off, and kept", async (t) => {
  const { agent, host, client } = await talking(t, { options: ["model", "grouped", "boolean"] });
  await say(client, "hello");
  await client.until(() => ["model", "effort", "fast"].every((name) => client.state.commands.some((command) => command.name === name)), "the commands");
  const chosen = (id) => client.state.options.find((option) => option.id === id)?.currentValue;
  await say(client, "/fast on");
  await client.until(() => chosen("fast") === true, "the switch");
  assert.equal(answer(client), "Fast: On");
  await say(client, "/effort high");
  await client.until(() => chosen("effort") === "high", "the effort");
  await say(client, "/fast perhaps");
  assert.match(answer(client), /perhaps.*true.*false/is);
  await say(client, "/fast");
  assert.match(answer(client), /`true` On \(now\)/);
  assert.deepEqual(agent.got("session/set_config_option").map(({ params: { configId, type, value } }) => [configId, type, value]), [["fast", "boolean", true], ["effort", undefined, "high"]]);
  await die(agent, host);
  await say(client, act({ where: true }));
  assert.deepEqual(Object.fromEntries(JSON.parse(answer(client)).options), { model: "small", effort: "high", fast: true });
  await say(client, "/fast off");
  await client.until(() => chosen("fast") === false, "the switch");
  assert.deepEqual(agent.got("session/prompt").map(({ params }) => params.prompt[0].text.slice(0, 5)), ["hello", "do [{"], "the agent sees none of these");
});

test("a command that the agent has itself goes to it, also if there is an option of that name", async (t) => {
  const { agent, client } = await talking(t, { options: ["boolean"], commands: [{ name: "fast", description: "The agent's own" }] });
  await say(client, "hello");
  await client.until(() => client.state.commands.some(({ name }) => name === "fast"), "the command");
  await say(client, "/fast on");
  assert.equal(answer(client), "You said: /fast on");
  assert.deepEqual(agent.got("session/set_config_option"), []);
});

// ---------------------------------------------------------------- elicitation

test("an elicitation is a question to the user, whose answer has the type of its field", async (t) => {
  const { client } = await talking(t);
  const { turn } = await client.send(act({
    elicit: { mode: "form", message: "How shall it be?", requestedSchema: { type: "object", properties: { size: { type: "string", title: "Size", enum: ["big", "small"] }, sure: { type: "boolean", title: "Sure" } }, required: ["size", "sure"] } },
  }));
  for (const [n, wanted] of [[1, /^small$/i], [2, /^(true|yes)$/i]]) {
    const asked = await client.until(() => client.of("permission").filter(({ data }) => data.status === "pending").length && client.of("permission")[n - 1], `question ${n}`);
    assert.match(JSON.stringify(asked.data), /How shall it be|Size|Sure/);
    const option = asked.data.options.find(({ name, optionId }) => wanted.test(name) || wanted.test(optionId)) ?? assert.fail(JSON.stringify(asked.data.options));
    await client.request("answer", { entry: asked.entry, option_id: option.optionId });
  }
  await client.ended(turn);
  assert.match(answer(client), /Elicitation: \{"action":"accept","content":\{"size":"small","sure":true\}\}/);
});

test("an elicitation may be declined; one that asks for what no button can say is declined with a notice", async (t) => {
  const { client } = await talking(t);
  const { turn } = await client.send(act({ elicit: { mode: "form", message: "Which?", requestedSchema: { type: "object", properties: { size: { type: "string", enum: ["big"] } }, required: ["size"] } } }));
  const asked = await client.until(() => client.of("permission")[0], "the question");
  const decline = asked.data.options.find(({ kind }) => kind === "reject_once") ?? assert.fail(JSON.stringify(asked.data.options));
  await client.request("answer", { entry: asked.entry, option_id: decline.optionId });
  await client.ended(turn);
  assert.match(answer(client), /Elicitation: \{"action":"(decline|cancel)"\}/);
  await say(client, act({ elicit: { mode: "form", message: "Your name?", requestedSchema: { type: "object", properties: { name: { type: "string" } }, required: ["name"] } } }));
  assert.match(answer(client), /Elicitation: \{"action":"(decline|cancel)"\}/);
  assert.match(client.texts("notice").join() + JSON.stringify(client.of("permission")), /Your name/);
});

test("an elicitation by URL shows the whole address and is accepted by the user", async (t) => {
  const { client } = await talking(t);
  const url = "https://example.org/authorize?client=1&scope=a%20b";
  const { turn } = await client.send(act({ elicit: { mode: "url", message: "Please sign in", elicitationId: "e1", url }, complete: true }));
  const asked = await client.until(() => client.of("permission")[0], "the question");
  assert.ok(JSON.stringify(client.list()).includes(url), "the full address is shown");
  await client.request("answer", { entry: asked.entry, option_id: asked.data.options.find(({ kind }) => kind.startsWith("allow")).optionId });
  await client.ended(turn);
  assert.match(answer(client), /Elicitation: \{"action":"accept"/);
});

test("an elicitation whose turn is cancelled is answered with cancel", async (t) => {
  const { agent, client } = await talking(t);
  const { turn } = await client.send(act({ elicit: { mode: "url", message: "Please sign in", elicitationId: "e1", url: "https://example.org/" } }));
  await client.until(() => client.of("permission")[0], "the question");
  await client.request("cancel", { turn });
  assert.equal((await client.ended(turn)).data.stop_reason, "cancelled");
  await agent.until(() => agent.answersTo(0).length === 1, "its answer");
  assert.equal(agent.answersTo(0)[0].result.action, "cancel");
});

test("a question about a request, without a session, is asked in the turn that the request is; of any other nobody is asked", async (t) => {
  const { host, client } = await talking(t);
  const form = { mode: "form", message: "Which?", requestedSchema: { type: "object", properties: { size: { type: "string", enum: ["big"] } }, required: ["size"] } };
  const { turn } = await client.send(act({ elicit: form, of: "prompt" }, { elicit: form, of: 424242 }, { elicit: form, of: "1" }));
  const asked = await client.until(() => client.of("permission")[0], "the question");
  assert.match(asked.data.title, /Which/);
  await client.request("answer", { entry: asked.entry, option_id: asked.data.options[0].optionId });
  await client.ended(turn);
  assert.equal(answer(client), 'Elicitation: {"action":"accept","content":{"size":"big"}}. Elicitation: {"action":"cancel"}. Elicitation: {"action":"cancel"}. ');
  assert.equal(client.of("permission").length, 1);
  assert.match(host.output, /nobody was there to be asked/);
});
