// Which thread has which session: who may start one, what goes to it, where the answer stands, and how it ends.
import assert from "node:assert/strict";
import { test } from "node:test";
import { answered, count, modes, noPlugin, prompts, reactions, response, said, sentinel, slackHost, talk, withButton } from "../../support/slack_surface.mjs";
import { ModelServer, textOf } from "../../support/model_server.mjs";
import { kScopes } from "../../support/slack.mjs";
import { forHost, viaduct } from "../../support/viaduct.mjs";
import { until } from "../../support/wait.mjs";

const one = (name, run) => test(name, { skip: noPlugin }, run);
const both = (name, run) => {
  for (const mode of modes) test(`${name} (${mode})`, { skip: noPlugin }, (t) => run(t, mode));
};
const kDead = /Session has ended\. Start a new one with `\/amp new`\./;

both("in a bound thread everybody who may goes on without a mention, and answers stay in the thread", async (t, mode) => {
  const { slack, host } = await slackHost(t, { mode });
  const thread = await talk(slack, "hello");
  await thread.ask("and now");
  await thread.ask("me, too", "bob");
  assert.deepEqual(slack.answers("general").filter(({ text }) => /Mock response/.test(text)), [], "nothing in the channel itself");
  const other = slack.post("bob", "general", "lunch?");
  slack.post("carol", "general", "yes", { thread: other.ts });
  assert.deepEqual(await sentinel(slack, host, "general", thread.ts), ["hello", "and now", "me, too"]);
  assert.deepEqual(slack.read("general", other.ts), ["bob: lunch?", "carol: yes"]);
});

one("what begins by addressing somebody else is not for the session, and what mentions somebody later is", async (t) => {
  const { slack, host } = await slackHost(t);
  const thread = await talk(slack, "hello");
  slack.post("alice", "general", "@bob what do you think?", { thread: thread.ts });
  const asked = slack.post("alice", "general", "tell me about @bob", { thread: thread.ts });
  await until(() => prompts(host).length === 2);
  assert.match(prompts(host)[1], /^tell me about @?bob$/i, "by the name");
  assert.doesNotMatch(prompts(host)[1], /U0BOB/);
  assert.ok(asked.ts);
  assert.equal((await sentinel(slack, host, "general", thread.ts)).length, 2);
});

one("the bot's own mention and Slack's escapes do not reach the agent", async (t) => {
  const { slack, host } = await slackHost(t);
  slack.post("alice", "general", "@amp is a < b && b > c in #random? see https://example.org/?a=1&b=2");
  await until(() => prompts(host).length === 1);
  assert.equal(prompts(host)[0], "is a < b && b > c in #random? see https://example.org/?a=1&b=2");
});

both("a direct message starts a session by itself, which goes on with the next one", async (t, mode) => {
  const { slack, host } = await slackHost(t, { mode });
  slack.post("alice", "dm", "hello there");
  await until(() => prompts(host).length === 1);
  slack.post("alice", "dm", "what did I say before?");
  await until(() => prompts(host).length === 2);
  const [direct] = [slack.team.direct("alice")];
  await until(() => [...direct.posts.values()].some(({ text }) => text.includes("hello there") && /recall|said|hello there/.test(text)));
  assert.deepEqual([...direct.posts.values()].filter(({ orphan }) => orphan), []);
});

both("`new` at top level opens a thread and binds it, also from the slash command; the channel is never bound", async (t, mode) => {
  const { slack, host } = await slackHost(t, { mode });
  slack.post("alice", "general", "@amp new first thing");
  await slack.command("bob", "general", "/amp new second thing");
  const heads = await until(() => {
    const all = slack.posts("general").filter((post) => slack.posts("general", post.ts).some(({ text }) => /Started new session/.test(text)));
    return all.length === 2 && all;
  });
  for (const [i, head] of heads.entries()) {
    slack.post(i === 0 ? "alice" : "bob", "general", `to session ${i}`, { thread: head.ts });
    await answered(slack, "general", head.ts, `to session ${i}`);
  }
  slack.post("carol", "general", "just talking");
  assert.deepEqual((await sentinel(slack, host, "general", heads[0].ts)).sort(), ["to session 0", "to session 1"]);
});

both("two `new` at once in one channel make two threads with a session each, which never cross", async (t, mode) => {
  const { slack, host } = await slackHost(t, { mode });
  const people = ["alice", "bob", "carol"];
  await Promise.all(people.map((who) => slack.command(who, "general", `/amp new by ${who}`)));
  const started = await until(() => {
    const all = slack.posts("general").flatMap((post) => slack.posts("general", post.ts)).filter(({ text }) => /Started new session `/.test(text));
    return all.length === 3 && all;
  });
  const sessions = started.map(({ text }) => /Started new session `([^`]+)`/.exec(text)[1]);
  const threads = started.map((post) => post.thread ?? post.ts);
  assert.equal(new Set(sessions).size, 3);
  assert.equal(new Set(threads).size, 3);
  threads.forEach((thread, i) => slack.post(people[i], "general", `only for ${i}`, { thread }));
  for (const [i, thread] of threads.entries()) await answered(slack, "general", thread, `only for ${i}`);
  for (const [i, thread] of threads.entries())
    for (const other of [0, 1, 2]) assert.equal(count(said(slack, "general", thread), response(`only for ${other}`)), i === other ? 1 : 0);
  assert.ok(host.port);
});

// With a model that tells what it was sent.
const withModel = async (t) => {
  const model = await ModelServer.start(t);
  const { slack } = await slackHost(t, { backend: "local", more: { backends: { local: { plugin: "bridge", config: { driver: "llm", base_url: model.url, model: "stand-in" } } } } });
  return { slack, sent: async (number) => textOf((await model.until(number)).body.messages.at(-1).content) };
};
one("summoned in the middle of a thread it is told what was said before, and no more than that", async (t) => {
  const { slack, sent } = await withModel(t);
  const head = slack.post("bob", "general", "the build is red");
  slack.post("carol", "general", "since the change to the parser", { thread: head.ts });
  slack.post("alice", "general", "@amp what do you say?", { thread: head.ts });
  const prompt = await sent(1);
  for (const text of ["the build is red", "since the change to the parser", "what do you say?"]) assert.ok(prompt.includes(text), prompt);
  assert.match(prompt, /bob/i);
  await slack.until(() => /You said/.test(said(slack, "general", head.ts)));
  slack.post("alice", "general", "thanks", { thread: head.ts });
  assert.doesNotMatch(await sent(2), /the build is red/, "only the first time");
});

one("a long thread is given in part: its newest, and not without end", async (t) => {
  const { slack, sent } = await withModel(t);
  const head = slack.post("bob", "general", "the beginning");
  for (let i = 0; i < 400; ++i) slack.post("bob", "general", `line ${i} ${"x".repeat(400)}`, { thread: head.ts });
  await slack.settled();
  slack.post("alice", "general", "@amp sum it up", { thread: head.ts });
  const prompt = await sent(1);
  assert.ok(prompt.length < 60_000, `${prompt.length}`);
  assert.ok(prompt.includes("line 399"), "the newest");
});

one("a message during a turn waits, is shown as waiting, and comes next; never two at once in a session", async (t) => {
  const { slack, host } = await slackHost(t);
  const thread = await talk(slack, "hello");
  const busy = slack.post("alice", "general", "slow one", { thread: thread.ts });
  await slack.until(() => reactions(busy).length, "a sign of life");
  const queued = slack.post("bob", "general", "and then me", { thread: thread.ts });
  await slack.until(() => reactions(queued).length && reactions(queued)[0] !== reactions(busy)[0], "a sign that it waits");
  await answered(slack, "general", thread.ts, "and then me");
  assert.ok(said(slack, "general", thread.ts).indexOf(response("slow one")) < said(slack, "general", thread.ts).indexOf(response("and then me")));
  await slack.until(() => reactions(queued).every((name) => !["eyes", "hourglass_flowing_sand"].includes(name)), "its sign is gone");
  assert.deepEqual(await sentinel(slack, host, "general", thread.ts), ["hello", "slow one", "and then me"]);
});

one("a message that is deleted while it waits is not run; one that is edited runs once, whether it waits, runs or has run", async (t) => {
  const { slack, host } = await slackHost(t);
  const thread = await talk(slack, "hello");
  slack.edit("alice", thread.first, "@amp hello again");
  const busy = slack.post("alice", "general", "wait for me", { thread: thread.ts });
  await slack.until(() => reactions(busy).length);
  const gone = slack.post("alice", "general", "never mind this", { thread: thread.ts });
  const changed = slack.post("alice", "general", "old words", { thread: thread.ts });
  await slack.until(() => reactions(gone).length && reactions(changed).length);
  slack.remove("alice", gone);
  slack.edit("alice", changed, "new words");
  slack.edit("alice", busy, "wait no more");
  await slack.settled();
  slack.post("alice", "general", "stop", { thread: thread.ts });
  const all = await sentinel(slack, host, "general", thread.ts);
  assert.deepEqual(all.filter((text) => !/^wait/.test(text)).map((text) => text.replace(/old|new/, "some")), ["hello", "some words"]);
  assert.ok(all.filter((text) => /^wait/.test(text)).length <= 1);
});

one("unfurls, edits, joins, its own posts and other bots start nothing", async (t) => {
  const { slack, host } = await slackHost(t);
  const thread = await talk(slack, "see https://example.org/");
  slack.unfurl(thread.first.channel.id, thread.ts);
  slack.unfurl(thread.first.channel.id, slack.answers("general", thread.ts)[0].ts);
  slack.post("rob", "general", "@amp build finished", { thread: thread.ts });
  slack.post("rob", "general", "@amp build finished");
  slack.join("sue", "general");
  for (const subtype of ["channel_topic", "huddle_thread", "tombstone", "pinned_item"]) slack.post("alice", "general", "@amp something happened", { thread: thread.ts, subtype });
  await slack.settled();
  assert.deepEqual(await sentinel(slack, host, "general", thread.ts), ["see https://example.org/"]);
});

one("guests and strangers are refused even where everyone is allowed, with the line that lets them in; and nothing runs", async (t) => {
  const { slack, host } = await slackHost(t);
  const guest = slack.post("gus", "general", "@amp hello");
  slack.post("sue", "shared", "@amp hello");
  await slack.until(() => slack.heard("gus").length || slack.answers("general", guest.ts).length, "words for the guest");
  const words = [...slack.heard("gus"), ...slack.answers("general", guest.ts)][0].text;
  assert.match(words, /allow/);
  assert.match(words, /U0GUS/);
  assert.deepEqual(await sentinel(slack, host, "general"), []);
});

one("without `allow` it answers nobody, and says what to add; with users and channels just those", async (t) => {
  const { slack, host } = await slackHost(t, { config: { allow: { users: ["U0BOB"], channels: ["G0PRIVATE"] } } });
  slack.post("alice", "general", "@amp hello");
  await slack.until(() => slack.heard("alice").some(({ text }) => /U0ALICE/.test(text)));
  const fine = slack.post("bob", "general", "@amp mine");
  await answered(slack, "general", fine.ts, "mine");
  const there = slack.post("alice", "private", "@amp in here");
  await answered(slack, "private", there.ts, "in here");
  assert.deepEqual(prompts(host), ["mine", "in here"]);
  const nobody = await slackHost(t, { config: { allow: undefined } });
  nobody.slack.post("bob", "general", "@amp hello");
  await nobody.slack.until(() => nobody.slack.heard("bob").some(({ text }) => /allow/.test(text)));
  assert.deepEqual(prompts(nobody.host), []);
});

one("no zombies: a dead session is said once, its thread is free again, and its slot, too", async (t) => {
  const { slack, host } = await slackHost(t, { config: { max_sessions_per_user: 2 } });
  const first = await talk(slack, "one");
  const second = await talk(slack, "two");
  const third = slack.post("alice", "general", "@amp three");
  await slack.until(() => [...slack.answers("general", third.ts), ...slack.heard("alice")].some(({ text }) => text.includes("Session limit reached (2). End an existing session first.")), "the limit");
  slack.post("alice", "general", "die", { thread: first.ts });
  await slack.until(() => kDead.test(said(slack, "general", first.ts)), "the end of the session");
  slack.post("alice", "general", "anybody?", { thread: first.ts });
  const again = await talk(slack, "four");
  await again.ask("five");
  assert.equal(count(said(slack, "general", first.ts), "Session has ended."), 1, "once");
  assert.deepEqual(prompts(host).filter((text) => text === "anybody?"), [], "it goes nowhere");
  const full = slack.post("alice", "general", "@amp six");
  await slack.until(() => [...slack.answers("general", full.ts), ...slack.heard("alice")].filter(({ text }) => text.includes("Session limit reached (2)")).length >= 2);
  slack.post("alice", "general", "@amp end", { thread: second.ts });
  await slack.until(() => /Session ended\./.test(said(slack, "general", second.ts)));
  await talk(slack, "seven");
});

one("a failure that may pass keeps the thread, says so, and can be tried again with a button", async (t) => {
  const { slack, host } = await slackHost(t);
  const thread = await talk(slack, "hello");
  slack.post("alice", "general", "flaky", { thread: thread.ts });
  await slack.until(() => /Error: Failed to get response from the session\. Try again\./.test(said(slack, "general", thread.ts)), "the words");
  const before = prompts(host).length;
  const message = await slack.until(() => withButton(slack.answers("general", thread.ts), /retry/i), "a retry button");
  await slack.click("alice", message, /retry|try again/i);
  await until(() => prompts(host).length > before);
  await thread.ask("and on");
});

one("threads and their sessions survive a restart, also a sudden one, and slots are counted as before", async (t) => {
  const { slack, host } = await slackHost(t, { config: { max_sessions_per_user: 2 } });
  const first = await talk(slack, "one");
  const second = await talk(slack, "two");
  await host.stop();
  await host.start();
  await first.ask("three");
  await host.kill();
  await host.start();
  await second.ask("four");
  const full = slack.post("alice", "general", "@amp five");
  await slack.until(() => [...slack.answers("general", full.ts), ...slack.heard("alice")].some(({ text }) => text.includes("Session limit reached (2)")));
  assert.equal(slack.read("general", first.ts).filter((line) => line.includes(response("one"))).length, 1);
});

one("where it is no member it says what to do", async (t) => {
  const { slack } = await slackHost(t);
  slack.post("alice", "random", "@amp hello");
  await slack.until(() => [...slack.heard("alice"), ...[...slack.team.direct("alice").posts.values()]].some(({ text }) => /invite/i.test(text)), "a hint");
  await talk(slack, "all is well");
});

for (const [what, where, away] of [
  ["an archived channel", "private", (slack) => slack.archive("private")],
  ["a deleted thread", "general", (slack, { first }) => slack.remove("alice", first)],
])
  one(`${what} in the middle of an answer ends what is sent there, and nothing else`, async (t) => {
    const reply = Array.from({ length: 400 }, (_, i) => `w${i}`).join(" ");
    const { slack, host } = await slackHost(t, { rules: [{ match: "^tell", reply }], chunkDelay: "5ms", options: { limits: { off: true } } });
    const thread = await talk(slack, "hello", { where });
    slack.post("alice", where, "tell me", { thread: thread.ts });
    await slack.until(() => slack.answers(where, thread.ts).some(({ stream }) => stream?.bytes > 0), "a stream");
    const { length } = slack.journal;
    const before = slack.posts(where).map(({ ts }) => ts);
    away(slack, thread);
    await until(async () => JSON.parse((await forHost(host, "sessions", "list", "--json")).out).sessions.every(({ state }) => state === "idle"), "the end of the turn");
    const here = () => slack.journal.slice(length).filter(({ args }) => (args?.channel ?? args?.channel_id) === slack.where(where).id);
    const posted = () => here().filter(({ method, args }) => /^chat\./.test(method) && (args.thread_ts === thread.ts || method !== "chat.postMessage"));
    await talk(slack, "all is well", { where: "general", who: "bob" });
    // What was on its way, and the end of the answer, which says what became of it.
    const { length: refused } = posted();
    assert.ok(refused <= 8, posted().map(({ method, body }) => `${method} ${body?.error}`).join());
    await talk(slack, "and on", { where: "general", who: "bob" });
    assert.equal(posted().length, refused, "nothing after its end");
    const meant = slack.posts(where).filter(({ ts, body }) => !before.includes(ts) && body.user !== "U0BOB");
    assert.deepEqual(meant.map(({ text }) => text), [], "nothing of it in the channel itself");
  });

one("an assistant's thread gets prompts, a status and a title", async (t) => {
  const { slack } = await slackHost(t);
  slack.home("alice", "messages");
  const direct = slack.team.direct("alice");
  await slack.until(() => direct.prompts?.prompts.length, "suggested prompts");
  const root = slack.assistant("alice");
  const asked = slack.post("alice", "dm", "slow plan for my week", { thread: root.ts });
  await slack.until(() => slack.shown.some(({ text, thread }) => text && thread === root.ts), "a status");
  await answered(slack, "@alice", root.ts, "slow plan for my week");
  await slack.until(() => !direct.statuses.size, "the status is gone");
  await slack.until(() => direct.titles?.get(root.ts), "a title");
  assert.ok(asked.ts);
});

one("the home tab shows a person's own sessions, with links, as they are now", async (t) => {
  const { slack } = await slackHost(t, { options: { limits: { off: true } } });
  const home = async (who) => {
    const { length } = slack.calls("views.publish");
    slack.home(who, "home");
    await slack.until(() => slack.calls("views.publish").length > length && slack.calls("views.publish").at(-1).done, `${who}'s home`);
    return JSON.stringify(slack.team.homes.get(slack.team.person(who).id).blocks);
  };
  const thread = await talk(slack, "feed the cat");
  const link = `p${thread.ts.replace(".", "")}`;
  assert.ok((await home("alice")).includes("feed the cat"));
  assert.ok((await home("alice")).includes(link));
  const bobs = await home("bob");
  assert.ok(!bobs.includes("feed the cat") && !bobs.includes(link), bobs);
  await talk(slack, "paint the fence", { who: "bob" });
  assert.match(await home("bob"), /paint the fence/);
  slack.post("alice", "general", "@amp end", { thread: thread.ts });
  await slack.until(() => /Session ended\./.test(said(slack, "general", thread.ts)));
  assert.ok(!(await home("alice")).includes("feed the cat"));
});

one("breakout moves the session to a channel of its own", async (t) => {
  const { slack } = await slackHost(t);
  const thread = await talk(slack, "hello");
  slack.post("alice", "general", "@amp breakout quiet-room", { thread: thread.ts });
  const room = await slack.until(() => [...slack.team.channels.values()].find(({ name }) => name === "quiet-room"), "the channel");
  await slack.until(() => said(slack, "general", thread.ts).includes(`<#${room.id}>`));
  await slack.until(() => room.members.has("U0ALICE"));
  slack.post("alice", "quiet-room", "here now");
  await slack.until(() => [...room.posts.values()].some(({ text }) => text.includes(response("here now"))));
});

one("several workspaces are installed from a browser, and never mixed; an uninstalled one is forgotten", async (t) => {
  const { slack, host } = await slackHost(t, { mode: "http", config: { client_id: "1234.5678", client_secret: "filled below", workspaces: ["T0OTHER"] } });
  const other = slack.addTeam("other");
  slack.clientSecret = "filled below";
  slack.installInto = other.id;
  const go = (url, headers = {}) => fetch(url, { redirect: "manual", headers });
  const install = await go(`${host.origin}/apps/slack/install`);
  const ask = install.headers.get("location");
  const cookie = install.headers.get("set-cookie").split(";")[0];
  const back = (await go(ask)).headers.get("location");
  assert.equal((await go(back)).status >= 400, true, "not without the cookie of the browser that asked");
  const second = (await go((await go(`${host.origin}/apps/slack/install`)).headers.get("location"))).headers.get("location");
  assert.ok((await go(second, { cookie })).status >= 400, "not with another one's state");
  const done = await go((await go(ask)).headers.get("location"), { cookie });
  assert.ok(done.status < 400, await done.text());
  const asked = slack.post("alice", "general", "@amp over there", { team: other });
  await slack.until(() => slack.answers("general", asked.ts, { team: other }).some(({ text }) => text.includes(response("over there"))));
  assert.deepEqual(slack.answers("general"), []);
  slack.revoke(other.id);
  await slack.settled();
  await talk(slack, "still here");
});

one("with `mention_only` a bound thread answers to mentions alone", async (t) => {
  const { slack, host } = await slackHost(t, { config: { mention_only: true } });
  const thread = await talk(slack, "hello");
  slack.post("alice", "general", "only talking", { thread: thread.ts });
  slack.post("alice", "general", "@amp and this", { thread: thread.ts });
  await answered(slack, "general", thread.ts, "and this");
  assert.deepEqual(prompts(host), ["hello", "and this"]);
});

one("the manifest asks for what is used, and for every event: with no more than that all works", async (t) => {
  const { slack, host } = await slackHost(t);
  const { code, out, err } = await viaduct(["slack", "manifest", "--config", `${host.home}/viaduct.yaml`], { home: host.home });
  assert.equal(code, 0, err);
  for (const name of ["/amp", "message.channels", "message.im", "app_mention"]) assert.ok(out.includes(name), name);
  const asked = kScopes.filter((scope) => out.includes(scope));
  slack.tokens.get(slack.botToken).scopes = new Set(asked);
  slack.subscribed = new Set([...slack.subscribed].filter((event) => out.includes(event)));
  const thread = await talk(slack, "hello");
  await thread.ask("and on");
  await talk(slack, "in private", { where: "private" });
  slack.post("alice", "dm", "directly");
  await until(() => prompts(host).includes("directly"));
  slack.home("alice");
  for (const word of ["list", "status", "new something"]) await slack.command("alice", "general", `/amp ${word}`);
  slack.post("alice", "general", "@amp breakout somewhere", { thread: thread.ts });
  await slack.until(() => [...slack.team.channels.values()].some(({ name }) => name === "somewhere"), "the channel");
  await sentinel(slack, host, "general");
  assert.deepEqual(slack.journal.filter(({ body }) => body?.error === "missing_scope").map(({ method }) => method), []);
});
