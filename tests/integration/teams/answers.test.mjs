// What people read: whole answers however Teams behaves, grown while they come, in its own formatting; and what the bot never does with its token.
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { LocalServer } from "../../support/local_server.mjs";
import { answered, button, count, noPlugin, plain, prompts, response, said, sentinel, talk, teamsHost, told, withButton } from "../../support/teams_surface.mjs";
import { folderFor, metric } from "../../support/viaduct.mjs";
import { until } from "../../support/wait.mjs";

const one = (name, run) => test(name, { skip: noPlugin }, run);
// Paragraphs of a size, of which each word stands there once.
const text = (bytes) => {
  let out = "";
  for (let i = 0; out.length < bytes; ++i) out += `w${i}${i % 12 === 11 ? "\n\n" : " "}`;
  return out.trim();
};
const words = (all) => all.match(/\bw\d+\b/g) ?? [];
const settledAnswer = (teams, where, thread, last, limit = 120_000) =>
  teams.until(() => said(teams, where, thread).includes(last) && teams.answers(where, thread).every(({ open }) => !open), () => `the end of the answer, which is ${JSON.stringify(said(teams, where, thread).slice(-300))}`, limit);
const streamed = (teams, where = "@alice") => teams.answers(where).filter(({ stream }) => stream);
const labelled = ({ body }) => (body.entities ?? []).some(({ additionalType }) => additionalType?.includes("AIGeneratedContent"));

one("in a personal chat an answer grows by the rules: cumulative, at most one frame in a second, one end", async (t) => {
  const long = text(4000);
  const { teams } = await teamsHost(t, { rules: [{ match: "^tell", reply: long }], chunkDelay: "12ms" });
  teams.post("alice", "dm", "tell me");
  await settledAnswer(teams, "@alice", undefined, words(long).at(-1));
  const [answer] = streamed(teams);
  assert.ok(answer, "a stream");
  assert.equal(answer.stream.ends, "final");
  assert.deepEqual(words(said(teams, "@alice")), words(long));
  const { frames } = answer.stream;
  assert.ok(frames.length >= 3, `${frames.length} frames`);
  frames.slice(1).forEach(({ at }, i) => assert.ok(at - frames[i].at >= 900, `${at - frames[i].at} ms between two frames`));
  assert.deepEqual(frames.map(({ sequence }) => sequence), frames.map((_, i) => i + 1));
  assert.equal(teams.calls("stream").at(-1).args.from?.id ?? teams.bot.id, teams.bot.id);
  assert.ok(labelled(answer), "the label says that a machine wrote it");
  assert.equal(teams.calls("final")[0].args.entities.find(({ type }) => type === "streaminfo").streamSequence, undefined);
  assert.deepEqual(teams.advice, []);
});

for (const where of ["project", "general"])
  one(`elsewhere (${where}) it is there at once or grows by updates at a bounded rate, without streams`, async (t) => {
    const long = text(4000);
    const { teams } = await teamsHost(t, { rules: [{ match: "^tell", reply: long }], chunkDelay: "12ms" });
    const head = teams.post("alice", where, "@amp tell me");
    const thread = head.conversation.isChannel ? head.id : undefined;
    await settledAnswer(teams, where, thread, words(long).at(-1));
    assert.deepEqual(words(said(teams, where, thread)), words(long));
    assert.deepEqual(teams.calls(/^(stream|final)$/), []);
    // Of each message but for its last, which waits for nothing.
    for (const id of new Set(teams.calls("update").map(({ activity }) => activity))) {
      const times = teams.calls("update").filter(({ activity }) => activity === id).map(({ at }) => at).slice(0, -1);
      times.slice(1, -1).forEach((at, i) => assert.ok(at - times[i] >= 500, `${at - times[i]} ms between two updates before the last`));
    }
    assert.ok(teams.answers(where, thread).filter(({ text: shown }) => /\bw\d/.test(shown)).every(labelled));
    assert.deepEqual([teams.limited, teams.advice], [[], []]);
    if (where === "general") assert.deepEqual(teams.calls("typing"), [], "typing shows nothing there");
  });

const kNever = "Content stream is not allowed";
const troubles = {
  "that run out of time": (teams) => teams.fault("stream", { do: () => teams.advance(125_000) }, { when: ({ entities }) => entities?.[0]?.streamSequence === 3 }),
  "that run out of time just before their end": (teams) => teams.fault("final", { do: () => teams.advance(125_000) }),
  "that Teams never allows": (teams) => teams.fault("stream", { status: 403, code: "ContentStreamNotAllowed", message: kNever }, { times: Infinity }),
  "that are not switched on": (teams) => (teams.features.streaming = false),
  "with a Teams that has trouble": (teams) => ["stream", "final", "send", "reply"].forEach((op) => teams.fault(op, { status: 503 }, { times: 2 })),
  "whose answers are lost": (teams) => {
    teams.times.stream = 10_000; // until the one that nobody knows of is over
    ["stream", "final"].forEach((op) => teams.fault(op, { cut: "after" }));
  },
  "whose frames are slow": (teams) => teams.fault("stream", { do: () => new Promise((resolve) => setTimeout(resolve, 2500)) }, { times: 2 }),
  "that are throttled": (teams) => ["stream", "final"].forEach((op) => teams.fault(op, { status: 429, retryAfter: 1 }, { times: 2 })),
};
for (const [name, trouble] of Object.entries(troubles))
  one(`streams ${name} lose nothing and double nothing`, async (t) => {
    const long = text(6000);
    const { teams } = await teamsHost(t, { rules: [{ match: "^tell", reply: long }], chunkDelay: "8ms", mayComplain: true });
    trouble(teams);
    teams.post("alice", "dm", "tell me");
    const cut = /lost|throttled|trouble/.test(name);
    if (cut) await teams.until(() => said(teams, "@alice").includes(words(long).at(-1)), "the end", 120_000).then(() => teams.advance(125_000)); // a stream that nobody knows of ends by itself
    await settledAnswer(teams, "@alice", undefined, words(long).at(-1));
    const seen = words(said(teams, "@alice"));
    // Where an end was cut off nobody knows whether it arrived; then what was there before may be there twice, as a whole.
    if (cut) assert.deepEqual([...new Set(seen)], words(long));
    else assert.deepEqual(seen.slice(-words(long).length), words(long));
    assert.deepEqual(new Set(seen), new Set(words(long)));
  });

one("an answer of more than two minutes goes on in another stream before Teams ends the first, at a paragraph", async (t) => {
  const long = text(4500); // far from what one message takes
  const { teams } = await teamsHost(t, { rules: [{ match: "^tell", reply: long }], chunkDelay: "160ms" });
  const before = Date.now();
  teams.post("alice", "dm", "tell me");
  await settledAnswer(teams, "@alice", undefined, words(long).at(-1), 240_000);
  assert.ok(Date.now() - before > 130_000, `${Date.now() - before} ms`);
  const all = streamed(teams);
  assert.ok(all.length >= 2, `${all.length} streams`);
  assert.deepEqual(teams.answers("@alice").filter(({ text: shown, stream }) => words(shown).length && !stream), [], "nothing but streams");
  const lasted = all.map(({ id, stream, bodies }) => {
    const end = teams.calls("final").find(({ args, done }) => done && args.entities.some(({ streamId }) => streamId === id));
    assert.equal(stream.ends, "final");
    assert.ok(stream.frames.length > 1 && bodies.length > 1, "it has grown");
    return end.at - stream.frames[0].at;
  });
  for (const ms of lasted) assert.ok(ms < 115_000, `${lasted}`);
  assert.ok(lasted[0] > 60_000, `not before it must: ${lasted}`);
  assert.deepEqual(words(said(teams, "@alice")), words(long));
  for (const { text: shown } of all.slice(0, -1)) assert.equal((Number(words(shown).at(-1).slice(1)) + 1) % 12, 0, `where a paragraph ends: ${shown.slice(-30)}`);
  assert.deepEqual([teams.advice, teams.limited], [[], []]);
});

one("whoever stops an answer stops the agent, too, and nothing is sent again", async (t) => {
  const { teams } = await teamsHost(t, { rules: [{ match: "^tell", reply: text(60_000) }], chunkDelay: "20ms" });
  teams.post("alice", "dm", "tell me");
  await teams.until(() => streamed(teams)[0]?.stream.frames.length >= 2, "a stream");
  const [answer] = streamed(teams);
  teams.cancel(answer);
  const stopped = answer.text;
  teams.post("alice", "dm", "hello");
  await answered(teams, "@alice", undefined, "hello", 60_000);
  assert.equal(answer.text, stopped);
  assert.equal(count(said(teams, "@alice"), "w0 "), 1);
});

one("an answer of 1 MB arrives in parts that join to the same text, each small enough", async (t) => {
  const long = text(1_000_000);
  const { teams } = await teamsHost(t, { rules: [{ match: "^tell", reply: long }], chunkDelay: "0ms", options: { limits: { off: true } } });
  teams.post("alice", "project", "@amp tell me");
  await settledAnswer(teams, "project", undefined, words(long).at(-1), 600_000);
  const parts = teams.answers("project").filter(({ text: shown }) => /w\d/.test(shown));
  assert.ok(parts.length >= 20 && parts.length < 200, `${parts.length}`);
  assert.deepEqual(words(said(teams, "project")), words(long));
  const squeeze = (all) => all.replaceAll(/\s+/g, " ").trim();
  assert.equal(squeeze(parts.map(({ text: shown }) => plain(shown)).join(" ")), squeeze(long));
  assert.deepEqual(teams.journal.filter(({ status }) => status === 413), []);
});

one("a long fence is closed and opened again where it is split, and no character is cut in two", async (t) => {
  const code = Array.from({ length: 1600 }, (_, i) => `  f${i}("😀 <x>"); // ${"ü".repeat(10)}`).join("\n");
  const { teams } = await teamsHost(t, { rules: [{ match: "^tell", reply: `Look:\n\n\`\`\`cpp\n${code}\n\`\`\`\nThe end.` }], chunkDelay: "0ms" });
  teams.post("alice", "project", "@amp tell me");
  await settledAnswer(teams, "project", undefined, "The end.");
  const parts = teams.answers("project").map(({ text: shown }) => shown).filter((part) => /f\d+\(/.test(part));
  assert.ok(parts.length >= 2);
  for (const part of parts) assert.equal(count(part, "```") % 2, 0, part.slice(-200));
  assert.deepEqual(parts.join("\n").match(/ {2}f\d+\(.*$/gm), code.split("\n"));
});

// From now on Teams takes only so much.
const takesOnly = (teams, size) => {
  const when = ({ text: given }) => (given ?? "").length > size;
  teams.fault(/^(send|reply|update)$/, { status: 413, code: "MessageSizeTooBig", message: "Message size too large." }, { times: Infinity, when });
  teams.fault(/^(stream|final)$/, { status: 403, code: "ContentStreamNotAllowed", message: "Message size too large" }, { times: Infinity, when });
};
for (const [name, where, chunkDelay] of [["a message", "project", "0ms"], ["a message that has grown", "project", "6ms"], ["a stream", "@alice", "6ms"]])
  one(`${name} that is refused as too large is sent in smaller parts, with each word once`, async (t) => {
    const long = text(9_000);
    const { teams } = await teamsHost(t, { rules: [{ match: "^tell", reply: long }], chunkDelay });
    takesOnly(teams, 5000);
    teams.post("alice", where, where === "@alice" ? "tell me" : "@amp tell me");
    await settledAnswer(teams, where, undefined, words(long).at(-1));
    await teams.until(() => words(said(teams, where)).length === words(long).length, () => `each word once, of ${words(long).length} not ${words(said(teams, where)).length}`);
    assert.deepEqual(words(said(teams, where)), words(long));
    assert.ok(teams.journal.some(({ status }) => status === 413 || status === 403), "something was refused");
    if (chunkDelay !== "0ms") assert.ok(teams.answers(where).some(({ versions }) => versions.length > 1), "it has grown");
  });

one("a card that is refused as too large is not lost without a word", async (t) => {
  const { teams } = await teamsHost(t);
  await talk(teams, "hello");
  teams.fault("send", { status: 413, code: "MessageSizeTooBig", message: "Message size too large." }, { when: ({ attachments }) => attachments?.length > 0 });
  teams.post("alice", "dm", "list");
  await told(teams, "@alice", /too (large|long|big)/i);
});

one("Markdown looks as Teams can show it, and what it cannot show is text", async (t) => {
  const reply = '# Title\n\n**bold** and _this_, `a < b && c` [link](https://example.org/?a=1&b=2)\n\n- one\n- two\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n```cpp\nif (a < b && *p) { f<int>("**x**"); }\n```\n\n![a picture](https://example.org/x.png)\n\nthe end';
  for (const extended of [false, true]) {
    const { teams } = await teamsHost(t, { rules: [{ match: "^tell", reply }], config: { extended_markdown: extended } });
    teams.post("alice", "project", "@amp tell me");
    await settledAnswer(teams, "project", undefined, "the end");
    const [answer] = teams.answers("project").filter(({ text: shown }) => shown.includes("the end"));
    assert.equal(answer.body.textFormat ?? "markdown", extended ? "extendedmarkdown" : "markdown");
    assert.ok(answer.text.includes('if (a < b && *p) { f<int>("**x**"); }'), answer.text);
    assert.ok(answer.text.includes("https://example.org/?a=1&b=2") || answer.text.includes("https://example.org/?a=1&amp;b=2"), answer.text);
    if (!extended) assert.doesNotMatch(answer.text, /^#|^\|---/m);
  }
});

one("the model's text mentions nobody", async (t) => {
  const { teams } = await teamsHost(t, { rules: [{ match: "^tell", reply: "Hello <at>Bob</at> and <at>everyone</at>, the end" }] });
  for (const where of ["@alice", "project"]) {
    teams.post("alice", where, where === "project" ? "@amp tell" : "tell");
    await settledAnswer(teams, where, undefined, "the end");
    for (const { body } of teams.answers(where)) assert.ok(!(body.entities ?? []).some(({ type, mentioned }) => type === "mention" && mentioned?.id !== teams.person("alice").id));
    assert.doesNotMatch(teams.answers(where).map(({ text: shown }) => shown).join(), /<at>(Bob|everyone)<\/at>/);
  }
});

one("tool calls and the plan are one card that changes, and goes quiet at the end", async (t) => {
  const { teams } = await teamsHost(t, { rules: [{ match: "^work", plan: ["look", "build"], tool: { title: "make all", kind: "execute" }, permission: { title: "Make it?", options: ["Allow", "Deny"] }, reply: "built, the end" }] });
  teams.post("alice", "project", "@amp work");
  const asked = await button(teams, "project", /Allow/);
  await teams.until(() => /make all/.test(said(teams, "project")));
  await teams.click("alice", asked, /Allow/);
  await settledAnswer(teams, "project", undefined, "the end");
  const cards = teams.answers("project").filter((message) => message.cards.length && message !== asked);
  assert.equal(cards.length, 1, said(teams, "project"));
  await teams.until(() => !cards[0].actions.some(({ title }) => /stop/i.test(title)), "no stop button is left");
  const { versions } = cards[0];
  assert.ok(versions.length >= 2 && versions.every((shown) => /look[^]*build[^]*make all/.test(shown)), `plan and tool, ${JSON.stringify(versions)}`);
  assert.match(versions[0], /· make all/);
  assert.match(versions.at(-1), /✓ make all/);
  const buttons = ({ attachments }) => JSON.stringify(attachments).includes('"Stop"');
  assert.deepEqual([buttons(cards[0].bodies[0]), buttons(cards[0].bodies.at(-1))], [true, false]);
});

one("a token that was revoked is got anew once, and the user notices nothing", async (t) => {
  const { teams, host } = await teamsHost(t);
  const chat = await talk(teams, "hello");
  const tokens = teams.calls("token").length;
  teams.revokeTokens();
  await chat.ask("after the revocation");
  assert.equal(teams.calls("token").length, tokens + 1);
  assert.equal(count(said(teams, "@alice"), response("after the revocation")), 1);
  assert.deepEqual(await sentinel(teams, host), ["hello", "after the revocation"]);
});

one("a token that is never good is not asked for in a storm, and when it is good again what waited arrives once", async (t) => {
  const { teams } = await teamsHost(t);
  await talk(teams, "hello");
  const tokens = teams.calls("token").length;
  const entry = teams.fault(/^(send|reply|stream|final|typing|update)$/, { status: 401, code: "AuthorizationError", message: "denied" }, { times: Infinity });
  teams.post("alice", "dm", "while nothing works");
  await teams.until(() => entry.reached >= 2);
  assert.ok(teams.calls("token").length <= tokens + 3, `${teams.calls("token").length - tokens}`);
  entry.left = 0;
  teams.post("alice", "dm", "works again");
  await answered(teams, "@alice", undefined, "works again", 150_000);
  assert.ok(count(said(teams, "@alice"), response("while nothing works")) <= 1);
});

one("a token is renewed before it expires, and not without need", async (t) => {
  const { teams } = await teamsHost(t, { options: { times: { token: 16 } } });
  const chat = await talk(teams, "hello");
  await chat.ask("soon after");
  assert.equal(teams.calls("token").length, 1);
  const [first] = teams.tokens.values();
  for (let n = 0; teams.calls("token").length < 2; ++n) {
    assert.ok(first.until > teams.now(), "it is renewed before its end");
    await chat.ask(`later ${n}`);
  }
  await chat.ask("and on");
  assert.notEqual(teams.calls(/^(send|final)$/).at(-1).token, first);
  assert.deepEqual(teams.journal.filter(({ status }) => status === 401), []);
});

one("a wrong secret is told in Azure's words, and not asked again and again", async (t) => {
  const { teams, host } = await teamsHost(t, { config: { app_password: "wrong" } });
  teams.post("alice", "dm", "hello");
  await until(() => /AADSTS7000215|7000215/.test(host.output), "the words in the log");
  assert.ok(!host.output.includes("wrong\""));
  assert.ok(teams.calls("token").length <= 6, `${teams.calls("token").length}`);
});

one("with a certificate it proves itself, and its key is nowhere to be read", async (t) => {
  const folder = folderFor(t);
  const { teams, host } = await teamsHost(t, {
    config: async (stand) => {
      const { cert, key } = await stand.useCertificate();
      const certificate = { cert: path.join(folder, "app.pem"), key: path.join(folder, "app.key") };
      writeFileSync(certificate.cert, cert);
      writeFileSync(certificate.key, key, { mode: 0o600 });
      return { app_password: undefined, certificate };
    },
  });
  const chat = await talk(teams, "hello");
  await chat.ask("and on");
  assert.ok(teams.calls("token").every(({ status, args }) => status === 200 && args.client_assertion && !args.client_secret));
  assert.doesNotMatch(host.output, /PRIVATE KEY/);
});

const storms = {
  "429 with Retry-After": { status: 429, retryAfter: 1, code: "Throttled", message: "too many" }, "429 without": { status: 429, code: "Throttled", message: "too many" }, 502: { status: 502 }, 503: { status: 503 }, 504: { status: 504 }, 412: { status: 412, code: "PreconditionFailed", message: "again" },
};
for (const [name, fault] of Object.entries(storms))
  one(`a storm of ${name} delays, and loses nothing`, async (t) => {
    const { teams, host } = await teamsHost(t, { mayComplain: true });
    await talk(teams, "hello", { where: "project" });
    for (const op of ["send", "reply", "update", "typing"]) teams.fault(op, fault, { times: 3 });
    teams.post("alice", "project", "@amp through the storm");
    // A gateway's failure says not whether it was done: then it is said that an answer may be missing, and it is not sent blindly.
    await teams.until(() => said(teams, "project").includes(response("through the storm")) || /may be missing|possibly missing/i.test(said(teams, "project")), "the answer, or what became of it", 120_000);
    await sentinel(teams, host, "project");
    assert.ok(count(said(teams, "project"), response("through the storm")) === 1 || withButton(teams, "project", /show the answer again/i), said(teams, "project"));
    assert.ok(count(said(teams, "project"), response("through the storm")) <= 1);
    if (/^(429|412|503)/.test(name)) assert.equal(count(said(teams, "project"), response("through the storm")), 1, said(teams, "project"));
  });

one("a message whose answer was cut off is never sent again blindly", async (t) => {
  const { teams, host } = await teamsHost(t);
  await talk(teams, "hello", { where: "project" });
  teams.fault(/^(send|reply)$/, { cut: "after" }, { when: ({ type }) => type === "message" });
  teams.post("alice", "project", "@amp cut off");
  await teams.until(() => said(teams, "project").includes(response("cut off")));
  await sentinel(teams, host, "project");
  assert.equal(count(said(teams, "project"), response("cut off")), 1, said(teams, "project"));
});

one("an answer that may be missing is named in a note, whose button shows it", async (t) => {
  const { teams, host } = await teamsHost(t);
  await talk(teams, "hello", { where: "project" });
  teams.fault(/^(send|reply)$/, { cut: "before" }, { when: ({ text: given }) => given?.includes("get lost") });
  teams.post("alice", "project", "@amp get lost");
  const note = await button(teams, "project", /show the answer again/i);
  assert.match(note.text, /may be missing/);
  assert.equal(count(said(teams, "project"), response("get lost")), 0);
  const pressed = await teams.click("alice", note, /show the answer again/i);
  assert.equal(pressed.error, null);
  await answered(teams, "project", undefined, "get lost");
  assert.deepEqual(await sentinel(teams, host, "project"), ["hello", "get lost"], "the agent is not asked again");
  assert.equal(count(said(teams, "project"), response("get lost")), 1);
});

one("its limits are kept for a thread: 30 answers at once, and not one refusal", async (t) => {
  const { teams, host } = await teamsHost(t);
  await talk(teams, "hello", { where: "project" });
  for (let i = 0; i < 30; ++i) teams.post("alice", "project", `@amp status`);
  await teams.until(() => teams.answers("project").length + teams.heard("alice").length >= 31, "all answers", 120_000);
  assert.deepEqual(teams.limited, []);
  assert.ok(prompts(host).length >= 1);
});

one("the bot's token goes nowhere but to the service: not to hosts of strangers, not after a redirection", async (t) => {
  const { teams, host } = await teamsHost(t);
  const stranger = await LocalServer.start(t, {
    seen: [],
    async serve(request, response) {
      this.seen.push({ url: request.url, authorization: request.headers.authorization ?? null });
      response.writeHead(200, { "content-type": "application/json" }).end('{"id":"1"}');
    },
  });
  const elsewhere = stranger.origin.replace("127.0.0.1", "localhost");
  for (const serviceUrl of [`${elsewhere}/amer/`, `http://127.0.0.1.nip.example.test:${stranger.port}/`, `http://127.0.0.1@localhost:${stranger.port}/`]) {
    const activity = teams.activity("bob", "dm", { fields: { text: "answer me there", textFormat: "plain", serviceUrl } });
    const answer = await teams.send(activity, { authorization: `Bearer ${teams.mint({ serviceUrl })}` });
    assert.ok([200, 401, 403].includes(answer.status), `${answer.status}`);
  }
  teams.fault(/^(send|reply|stream|typing)$/, { redirect: `${elsewhere}/v3/conversations/x/activities` }, { times: 2 });
  teams.post("alice", "dm", "hello");
  teams.post("alice", "dm", "look", { files: [{ name: "a.txt", url: `${elsewhere}/file` }], pictures: [{ url: `${elsewhere}/v3/attachments/1/views/original` }] });
  await until(() => prompts(host).includes("hello"));
  await sentinel(teams, host, "@carol");
  assert.deepEqual(stranger.seen.filter(({ authorization }) => authorization !== null), []);
  assert.ok(prompts(host).every((prompt) => !prompt.includes("answer me there")));
});

one("feedback buttons are below an answer, and what somebody says with them is taken", async (t) => {
  const { teams, host } = await teamsHost(t);
  const chat = await talk(teams, "hello");
  const [answer] = teams.answers("@alice").filter(({ text: shown }) => shown.includes("Mock response"));
  assert.ok(answer.body.channelData?.feedbackLoop?.type || answer.body.channelData?.feedbackLoopEnabled, JSON.stringify(answer.body.channelData));
  assert.equal((await teams.feedback("alice", answer, "like", "well said")).error, null);
  assert.equal((await teams.feedback("alice", answer, "dislike")).error, null);
  for (const type of ["like", "heart", "surprised"]) await teams.react("alice", answer, type).settled;
  await teams.react("alice", answer, "like", { away: true }).settled;
  const counted = (what, reaction) => metric(host, `viaduct_plugin_teams_${what}_total{instance="teams",reaction="${reaction}"}`);
  assert.deepEqual([await counted("feedback", "like"), await counted("feedback", "dislike"), await counted("reactions", "like"), await counted("reactions", "other")], [1, 1, 1, 2]);
  assert.match(host.output, new RegExp(`feedback reaction=like message=${answer.id} text="well said"`));
  await chat.ask("and on");
});

one("something shows that it works while it works, and not where that shows nothing", async (t) => {
  const { teams } = await teamsHost(t, { rules: [{ match: "^slow", delay: "9s" }] });
  const begin = Date.now();
  teams.post("alice", "dm", "slow please");
  const head = teams.post("bob", "general", "@amp slow here");
  await teams.until(() => teams.where("@alice").typings.length || streamed(teams).some(({ stream }) => stream.informative.length), "a sign of life");
  assert.ok(Date.now() - begin < 5000);
  await answered(teams, "@alice", undefined, "slow please");
  await answered(teams, "general", head.id, "slow here");
  assert.equal(teams.where("general").typings.length, 0);
  assert.ok(!teams.advice.some((words) => /typing/.test(words)), `${teams.advice}`);
});

one("footnotes and numbered references are citations, where their numbers stand", async (t) => {
  const reply = "The milk is white [^1], says the cow [2].\n\n[^1]: [The milk book](https://milk.example/book) of May\n[2]: https://cow.example/says \"The cow\"\n";
  const { teams } = await teamsHost(t, { rules: [{ match: "^tell", reply }] });
  for (const where of ["dm", "project"]) {
    const place = where === "dm" ? "@alice" : where;
    teams.post("alice", where, where === "dm" ? "tell me" : "@amp tell me");
    await settledAnswer(teams, place, undefined, "cow.example");
    const [answer] = teams.answers(place).filter(({ text: shown }) => shown.includes("milk is white"));
    assert.match(answer.body.text, /white \[1\], says the cow \[2\]/);
    const roots = answer.body.entities.filter(({ type }) => type === "https://schema.org/Message");
    assert.equal(roots.length, 1);
    assert.deepEqual(roots[0].citation.map(({ position, appearance }) => [position, appearance.name, appearance.url]), [[1, "The milk book", "https://milk.example/book"], [2, "The cow", "https://cow.example/says"]]);
    for (const { appearance } of roots[0].citation) assert.ok(appearance.name.length <= 80 && appearance.abstract.length <= 160);
  }
});

for (const where of ["dm", "project"])
  one(`feedback is asked for once, below the last message of an answer (${where}); each says that a machine wrote it`, async (t) => {
    const long = text(50_000);
    const { teams } = await teamsHost(t, { rules: [{ match: "^tell", reply: long }], chunkDelay: "1ms" });
    const place = where === "dm" ? "@alice" : where;
    teams.post("alice", where, where === "dm" ? "tell me" : "@amp tell me");
    await settledAnswer(teams, place, undefined, words(long).at(-1));
    const asks = ({ body }) => body.channelData?.feedbackLoop !== undefined;
    const parts = () => teams.answers(place).filter(({ text: shown }) => /\bw\d/.test(shown));
    await teams.until(() => parts().some(asks), "the buttons");
    assert.ok(parts().length >= 3, `${parts().length}`);
    assert.deepEqual(parts().map(asks), parts().map((_, i) => i === parts().length - 1));
    assert.ok(parts().every(labelled));
    assert.deepEqual(words(said(teams, place)), words(long));
  });
