// Words for whoever asks, where others read, too: they are in the chat with that person, or in a message that nobody else sees, and never where they were asked for.
import assert from "node:assert/strict";
import { test } from "node:test";
import { noPlugin, plain, said, sentinel, talk, teamsHost, told, withButton } from "../../support/teams_surface.mjs";
import { forHost } from "../../support/viaduct.mjs";

const one = (name, run) => test(name, { skip: noPlugin }, run);
// What only alice may read, and what she asks.
const kSecret = /my salary|s_[\w-]{8}|pin is 1234|Bridge configuration/;
const asks = ["list", "sessions", "config", "recall pin", "projects", "work-status"];

// Alice has a session of her own, and a memory; and a conversation where others read. What was said there before.
async function shared(t, place, options) {
  const { teams, host } = await teamsHost(t, options);
  await talk(teams, "my salary");
  teams.post("alice", "dm", "remember my pin is 1234");
  await told(teams, "@alice", /pin is 1234|Remembered/i);
  const chat = await talk(teams, "hello", { where: place });
  return { teams, host, chat, ask: (word, more = {}) => teams.post("alice", chat.place, `@amp ${word}`, { thread: chat.thread, ...more }) };
}
const heardBy = (teams, chat) => [...teams.where(chat.place).messages.values()].filter(({ from, targeted }) => from === teams.bot && !targeted).map(({ text }) => plain(text)).join("\n");

for (const place of ["general", "project"])
  one(`in ${place} the answer is in the chat with whoever asks, and nobody else reads it`, async (t) => {
    const { teams, chat, ask } = await shared(t, place);
    for (const word of asks) {
      const before = teams.answers("@alice").length;
      ask(word);
      await teams.until(() => teams.answers("@alice").length > before, `${word} in the chat`);
    }
    await told(teams, "@alice", /my salary/);
    await told(teams, "@alice", /pin is 1234/);
    await teams.until(() => heardBy(teams, chat).split("answered you in our chat").length - 1 >= asks.length, "where the answers are");
    assert.doesNotMatch(heardBy(teams, chat), kSecret);
    assert.deepEqual(teams.calls("create").filter(({ status }) => status === 201), [], "the chat is known");
  });

one("what is no secret is said where it was asked", async (t) => {
  const { teams, chat, ask } = await shared(t, "general");
  ask("help");
  await teams.until(() => /remember TEXT/.test(said(teams, chat.place, chat.thread)), "the help");
});

one("the chat is begun where the bot has never heard of it", async (t) => {
  const { teams } = await teamsHost(t);
  const chat = await talk(teams, "hello", { where: "general" });
  teams.post("alice", "general", "@amp config", { thread: chat.thread });
  await told(teams, "@alice", /Bridge configuration/);
  await told(teams, "general", /answered you in our chat/, { thread: chat.thread });
  teams.post("alice", "general", "@amp config", { thread: chat.thread });
  await teams.until(() => said(teams, "@alice").split("Bridge configuration").length === 3, "once more");
  assert.equal(teams.calls("create").length, 1);
  assert.doesNotMatch(heardBy(teams, chat), kSecret);
});

one("where there can be no chat, that is said and nothing else", async (t) => {
  const { teams } = await teamsHost(t);
  const chat = await talk(teams, "hello", { where: "general" });
  teams.refuseAll("@alice", "ForbiddenOperationException", { status: 403 });
  teams.where("@alice").installed = false;
  teams.post("alice", "general", "@amp config", { thread: chat.thread });
  await told(teams, "general", /Ask me in a chat with me/, { thread: chat.thread });
  assert.doesNotMatch(heardBy(teams, chat), kSecret);
  await chat.ask("and on");
});

one("with `targeted_messages` it is a message that nobody else sees, and the chat where Teams takes none", async (t) => {
  const { teams, chat, ask } = await shared(t, "general", { config: { targeted_messages: true } });
  ask("list");
  await teams.until(() => teams.heard("alice").some(({ text }) => /my salary/.test(text)), "for alice alone");
  assert.doesNotMatch(heardBy(teams, chat), kSecret);
  teams.features.targeted = false;
  ask("config");
  await told(teams, "@alice", /Bridge configuration/);
  await told(teams, "general", /answered you in our chat/, { thread: chat.thread });
  assert.doesNotMatch(heardBy(teams, chat), kSecret);
});

one("a chat that cannot be reached now is tried again, and the words come once", async (t) => {
  const { teams, ask } = await shared(t, "general");
  teams.fault("send", { status: 503, code: "ServiceUnavailable" });
  ask("config");
  await told(teams, "@alice", /Bridge configuration/);
  await teams.settled();
  assert.equal(said(teams, "@alice").split("Bridge configuration").length, 2);
});

one("words to the agent that nobody else sees are not given to it", async (t) => {
  const { teams, host, chat, ask } = await shared(t, "general");
  ask("what is my salary?", { targeted: true });
  await teams.until(() => teams.heard("alice").some(({ from, text }) => from === teams.bot && /only be a command/.test(text)), "why not");
  assert.deepEqual((await sentinel(teams, host, chat.place, chat.thread)).sort(), ["hello", "my salary"]);
});

// Alice's own chat has lost an answer, and its session goes on in a group.
async function moved(t, { when }) {
  const { teams, host } = await teamsHost(t, { rules: [{ match: "salary", reply: "your salary is 1234" }], mayComplain: true });
  await talk(teams, "hello");
  teams.features.streaming = false;
  const [{ session_id: id }] = JSON.parse((await forHost(host, "sessions", "list", "--json")).out).sessions;
  let open;
  const gate = new Promise((resolve) => (open = resolve));
  const entry = teams.fault(/^(send|reply)$/, when === "before" ? { cut: "before" } : { status: 502, wait: gate }, { when: (args) => /1234/.test(JSON.stringify(args)) });
  teams.post("alice", "dm", "my salary");
  const missing = () => withButton(teams, "@alice", /Show the answer again/);
  if (when === "before") await teams.until(missing, "the note");
  else await teams.until(() => entry.reached ?? entry.hits ?? entry.count, "the answer on its way");
  teams.post("alice", "project", `@amp resume ${id}`);
  await told(teams, "project", /session|here/i);
  open();
  const note = await teams.until(missing, "the note where the answer was said");
  return { teams, host, note };
}

for (const when of ["before", "after"])
  one(`an answer that is missing in a chat of one's own is noted and shown there, though its session went to a group ${when} that was known`, async (t) => {
    const { teams, host, note } = await moved(t, { when });
    await teams.click("alice", note, /Show the answer again/);
    await told(teams, "@alice", /salary is 1234/);
    await sentinel(teams, host, "project");
    assert.doesNotMatch(said(teams, "project"), /1234/);
    assert.equal(withButton(teams, "project", /again/i), undefined);
  });
