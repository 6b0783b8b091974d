// Images and files that the agent sends: pictures in the chat, files into a person's OneDrive when they have agreed, and words where Teams takes none.
import assert from "node:assert/strict";
import { test } from "node:test";
import { agentFiles, noise, png } from "../../support/agent_files.mjs";
import { button, noPlugin, plain, prompts, said, sentinel, talk, teamsHost, told } from "../../support/teams_surface.mjs";

const one = (name, run) => test(name, { skip: noPlugin }, run);
const kConsent = "application/vnd.microsoft.teams.card.file.consent";
const kInfo = "application/vnd.microsoft.teams.card.file.info";
const attached = (teams, where, type, thread) => teams.answers(where, thread).filter(({ body, deleted }) => !deleted && (body.attachments ?? []).some(({ contentType }) => (typeof type === "string" ? contentType === type : type.test(contentType))));
const offers = (teams) => attached(teams, "@alice", kConsent);
const infos = (teams) => attached(teams, "@alice", kInfo);
const picture = ({ body }) => Buffer.from(body.attachments[0].contentUrl.replace(/^data:image\/\w+;base64,/, ""), "base64");

const places = { "a chat": ["@alice", "dm", ""], "a group chat": ["project", "project", "@amp "], "a channel": ["general", "general", "@amp "] };
for (const [name, [where, to, mention]] of Object.entries(places))
  one(`a picture is shown in ${name}, with its words`, async (t) => {
    const files = agentFiles(t);
    const bytes = png(60);
    const { teams, host } = await teamsHost(t, { rules: [{ match: "draw", reply: "Here it is:", content: [files.image(bytes), "That was it."] }] });
    const asked = teams.post("alice", to, `${mention}draw`);
    const thread = asked.conversation.isChannel ? asked.id : undefined;
    await teams.until(() => attached(teams, where, /^image\//, thread).length > 0 && said(teams, where, thread).includes("That was it."), "the picture", 60_000);
    await sentinel(teams, host, where, thread);
    const shown = attached(teams, where, /^image\//, thread);
    assert.equal(shown.length, 1);
    assert.ok(picture(shown[0]).equals(bytes));
    assert.equal(shown[0].body.attachments[0].name, "chart.png");
    assert.match(said(teams, where, thread), /Here it is:/);
    assert.doesNotMatch(said(teams, where, thread), /nothing to say|\[an image\]/);
  });

for (const [name, [where, to, mention]] of Object.entries(places).slice(1))
  one(`what Teams takes from no bot in ${name} is said in words, with what to do`, async (t) => {
    const files = agentFiles(t);
    const { teams, host } = await teamsHost(t, { rules: [{ match: "send", reply: "Look:", content: [files.file(noise(20_000), { name: "build.log", type: "text/plain" }), files.image(noise(1_200_000), { name: "big.png" })] }] });
    const asked = teams.post("alice", to, `${mention}send`);
    const thread = asked.conversation.isChannel ? asked.id : undefined;
    await teams.until(() => /big\.png/.test(said(teams, where, thread)), "the words", 60_000);
    await sentinel(teams, host, where, thread);
    const read = said(teams, where, thread);
    assert.match(read, /build\.log.*a file, 20 kB.*takes no such files from bots in group chats and channels.*chat with me alone.*viaduct sessions export/s);
    assert.equal(read.match(/cannot be sent here/g).length, 2, read);
    assert.deepEqual(attached(teams, where, kConsent, thread), []);
  });

// A file of the agent has been offered to alice.
async function offered(t, bytes, more = {}) {
  const files = agentFiles(t);
  const { teams, host } = await teamsHost(t, { rules: [{ match: "send", reply: "Here:", content: [files.file(bytes, more)] }] });
  teams.post("alice", "dm", "send");
  await teams.until(() => offers(teams).length > 0, "the offer", 90_000);
  return { teams, host, offer: offers(teams)[0] };
}
const whole = async (teams, upload, bytes) => {
  await teams.until(() => upload.whole && infos(teams).length > 0 && offers(teams).length === 0, () => `the file, in ${said(teams, "@alice")}`, 120_000);
  assert.ok(upload.bytes.equals(bytes));
};

one("6 MB are offered, uploaded in parts when the person agrees, and then a card leads to them", async (t) => {
  const bytes = noise(6_000_000);
  const { teams, host, offer } = await offered(t, bytes, { name: "build.tar.gz", type: "application/gzip" });
  const card = offer.body.attachments[0];
  assert.equal(card.name, "build.tar.gz");
  assert.equal(card.content.sizeInBytes, bytes.length);
  const { done, upload } = teams.consent("alice", offer);
  assert.equal((await done).status, 200);
  await whole(teams, upload, bytes);
  assert.deepEqual(upload.parts, [2_621_440, 2_621_440, 757_120]);
  const [info] = infos(teams);
  assert.equal(info.body.attachments[0].name, "build.tar.gz");
  assert.match(info.body.attachments[0].contentUrl, /^https:\/\/example\.sharepoint\.com\//);
  await sentinel(teams, host);
  assert.equal(infos(teams).length, 1);
  assert.equal(prompts(host).filter((text) => text === "send").length, 1);
});

one("a file that is declined is not sent, and the card says so", async (t) => {
  const { teams, host, offer } = await offered(t, noise(10_000));
  const asked = offer.body;
  const { done } = teams.consent("alice", offer, { accept: false });
  assert.equal((await done).status, 200);
  await teams.until(() => offers(teams).length === 0 && /was declined/.test(said(teams, "@alice")), "the card");
  await sentinel(teams, host);
  assert.deepEqual(teams.calls("putFile"), []);
  await teams.consent("alice", { ...offer, body: asked }).done; // on another device, say
  await told(teams, "@alice", /not there any more/);
});

one("a file that is agreed to twice is sent once", async (t) => {
  const bytes = noise(3_000_000);
  const { teams, host, offer } = await offered(t, bytes);
  const gate = teams.gate("putFile");
  const first = teams.consent("alice", offer);
  await first.done;
  await teams.until(() => gate.reached > 0, "the upload");
  const second = teams.consent("alice", offer);
  await second.done;
  gate.open();
  await whole(teams, first.upload, bytes);
  await sentinel(teams, host);
  assert.equal(second.upload.bytes.length, 0);
  assert.equal(infos(teams).length, 1);
  const third = teams.consent("alice", offer);
  await third.done;
  await sentinel(teams, host);
  assert.doesNotMatch(said(teams, "@alice"), /not there any more/);
});

one("a file that was offered before a restart is sent after it", async (t) => {
  const bytes = noise(1_500_000);
  const { teams, host, offer } = await offered(t, bytes);
  await host.stop();
  await host.start();
  const { done, upload } = teams.consent("alice", offer);
  assert.equal((await done).status, 200);
  await whole(teams, upload, bytes);
});

one("where the place for it is gone, it is offered once more", async (t) => {
  const bytes = noise(200_000);
  const { teams, offer } = await offered(t, bytes, { name: "notes.bin" });
  const first = teams.consent("alice", offer);
  first.upload.expired = true;
  await first.done;
  await told(teams, "@alice", /notes\.bin\W+could not be put into your OneDrive: .*is gone/, { limit: 60_000 });
  await teams.until(() => offers(teams).some(({ id }) => id !== offer.id), "another offer");
  const { done, upload } = teams.consent("alice", offers(teams).find(({ id }) => id !== offer.id));
  await done;
  await whole(teams, upload, bytes);
});

one("trouble that passes is waited for, and the upload goes on where it was", async (t) => {
  const bytes = noise(6_000_000);
  const { teams, offer } = await offered(t, bytes);
  let puts = 0;
  teams.fault("putFile", { status: 503 }, { when: () => ++puts === 2 });
  const { upload } = teams.consent("alice", offer);
  await whole(teams, upload, bytes);
  assert.equal(upload.parts[0], 2_621_440);
  assert.equal(upload.parts.reduce((sum, size) => sum + size, 0), bytes.length, "no part twice");
  assert.ok(teams.calls("askFile").length >= 1);
});

one("nothing is uploaded to where Teams keeps no files", async (t) => {
  const { teams, host, offer } = await offered(t, noise(1000));
  const forged = (uploadUrl) => teams.invoke("alice", offer.conversation, "fileConsent/invoke", { type: "fileUpload", action: "accept", context: offer.body.attachments[0].content.acceptContext, uploadInfo: { contentUrl: "https://evil.example.test/x", name: "x", uploadUrl, uniqueId: "x", fileType: "bin" } }, { replyToId: offer.id });
  await forged(`http://localhost:${teams.port}/steal`).done;
  await told(teams, "@alice", /could not be put into your OneDrive: .*not where Teams keeps files/, { limit: 60_000 });
  await sentinel(teams, host);
  assert.deepEqual(teams.journal.filter(({ path }) => path.startsWith("/steal")), []);
});

one("a picture that Teams does not take is offered as a file", async (t) => {
  const files = agentFiles(t);
  const bytes = png(20);
  const { teams } = await teamsHost(t, { rules: [{ match: "draw", content: [files.image(bytes)] }] });
  teams.fault(/^(send|reply)$/, { status: 413, code: "MessageSizeTooBig", message: "too large" }, { when: (body) => body?.attachments?.some(({ contentType }) => contentType === "image/png") });
  teams.post("alice", "dm", "draw");
  await teams.until(() => offers(teams).length === 1, "the offer", 60_000);
  const { upload } = teams.consent("alice", offers(teams)[0]);
  await whole(teams, upload, bytes);
});

one("a picture that Teams does not take in a group is said to be so, and nothing else later", async (t) => {
  const files = agentFiles(t);
  const { teams, host } = await teamsHost(t, { config: { keep_files: "1s" }, rules: [{ match: "draw", content: [files.image(png(20))] }, { match: "send", content: [files.file(noise(900_000), { name: "late.bin" })] }] });
  teams.fault(/^(send|reply)$/, { status: 413, code: "MessageSizeTooBig", message: "too large" }, { when: (body) => body?.attachments?.some(({ contentType }) => contentType === "image/png") });
  teams.post("alice", "project", "@amp draw");
  await teams.until(() => /chart\.png.*cannot be sent here/.test(said(teams, "project")), "the words", 60_000);
  // What is offered after it and taken back would have come later.
  teams.post("alice", "dm", "send");
  await told(teams, "@alice", /late\.bin\W+was offered and not taken/, { limit: 60_000 });
  await sentinel(teams, host, "project");
  assert.match(said(teams, "project"), /chart\.png.*cannot be sent here/);
  assert.doesNotMatch(said(teams, "project"), /not taken/);
});

one("of more than 10 MB in a message the file that is too much is named, and the agent has the rest", async (t) => {
  const { teams, host } = await teamsHost(t);
  const bytes = Buffer.alloc(5_100_000, 65);
  teams.post("alice", "dm", "read these", { files: ["a.bin", "b.bin", "c.bin"].map((name) => ({ name, bytes })) });
  await told(teams, "@alice", /Not given to the agent:\s+\W*c\.bin: all files of a message may have 10 MB together/, { limit: 60_000 });
  await teams.until(() => prompts(host).some((text) => text.includes("read these")), "the prompt", 60_000);
  assert.doesNotMatch(said(teams, "@alice"), /[ab]\.bin: /);
});

one("a picture that may be missing is shown again when the person asks for it", async (t) => {
  const files = agentFiles(t);
  const bytes = png(20);
  const { teams, host } = await teamsHost(t, { rules: [{ match: "draw", content: [files.image(bytes)] }] });
  await talk(teams, "hello");
  const cut = teams.fault(/^(send|reply)$/, { cut: "after" }, { when: (body) => body?.attachments?.some(({ contentType }) => contentType === "image/png") });
  teams.post("alice", "dm", "draw");
  const note = await button(teams, "@alice", /Show the answer again/);
  assert.equal(cut.reached, 1);
  assert.equal(attached(teams, "@alice", /^image\//).length, 1, "not doubled blindly");
  await teams.click("alice", note, /Show the answer again/);
  await teams.until(() => attached(teams, "@alice", /^image\//).length === 2, "the picture again", 60_000);
  await sentinel(teams, host);
  for (const message of attached(teams, "@alice", /^image\//)) assert.ok(picture(message).equals(bytes));
  assert.equal(plain(said(teams, "@alice")).match(/may be missing/g).length, 1);
});

one("an offer that nobody has answered is taken back, and what was kept for it is gone", async (t) => {
  const files = agentFiles(t);
  const { teams, host } = await teamsHost(t, { config: { keep_files: "2s" }, rules: [{ match: "send", content: [files.file(noise(900_000), { name: "late.bin" })] }] });
  teams.post("alice", "dm", "send");
  await teams.until(() => teams.calls(/^(send|reply)$/).some(({ args }) => JSON.stringify(args ?? {}).includes(kConsent)), "the offer", 60_000);
  await told(teams, "@alice", /late\.bin\W+was offered and not taken/, { limit: 60_000 });
  assert.deepEqual(offers(teams), []);
  await sentinel(teams, host);
});
