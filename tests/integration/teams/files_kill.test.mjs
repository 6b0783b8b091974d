// kill -9 between any two steps of a file's way, to people and from them: once and whole afterwards.
import assert from "node:assert/strict";
import { test } from "node:test";
import { agentFiles, blocksOf, noise } from "../../support/agent_files.mjs";
import { noPlugin, prompts, response, said, sentinel, teamsHost } from "../../support/teams_surface.mjs";

const kConsent = "application/vnd.microsoft.teams.card.file.consent";
const kInfo = "application/vnd.microsoft.teams.card.file.info";
const attached = (teams, type) => teams.answers("@alice").filter(({ body, deleted }) => !deleted && (body.attachments ?? []).some(({ contentType }) => contentType === type));
const has = (type) => (body) => body?.attachments?.some(({ contentType }) => contentType === type);

async function dieAt({ teams, host }, op, { after = false, when } = {}, begin) {
  const gate = teams.gate(op, { after, when });
  const begun = begin();
  await teams.until(() => gate.reached > 0, "the step", 60_000);
  if (after) await teams.until(() => teams.calls(op).some(({ done }) => done), "it is done");
  await host.kill();
  gate.open();
  return begun;
}

const bytes = noise(6_000_000);
// Each gets the offer of a file, and leaves the host killed and the consent given.
const steps = {
  "as soon as the card is answered": async ({ teams, host, offer }) => {
    const consent = teams.consent("alice", offer);
    await consent.done;
    await host.kill();
    return consent;
  },
  "before the first part is there": ({ teams, host, offer }) => dieAt({ teams, host }, "putFile", {}, () => teams.consent("alice", offer)),
  "in the middle of the parts": ({ teams, host, offer }) => {
    let parts = 0;
    return dieAt({ teams, host }, "putFile", { after: true, when: () => ++parts === 2 }, () => teams.consent("alice", offer));
  },
  "when the last part is there, and not noted": ({ teams, host, offer }) => {
    let parts = 0;
    return dieAt({ teams, host }, "putFile", { after: true, when: () => ++parts === 3 }, () => teams.consent("alice", offer));
  },
  "before the card that leads to the file": ({ teams, host, offer }) => dieAt({ teams, host }, /^(send|reply)$/, { when: has(kInfo) }, () => teams.consent("alice", offer)),
  "before the card that asked is taken away": ({ teams, host, offer }) => dieAt({ teams, host }, "delete", {}, () => teams.consent("alice", offer)),
};
for (const [name, step] of Object.entries(steps))
  test(`killed ${name}: the agent's file is there once, and whole`, { skip: noPlugin }, async (t) => {
    const files = agentFiles(t);
    const { teams, host } = await teamsHost(t, { rules: [{ match: "^send$", reply: "Here:", content: [files.file(bytes)] }] });
    teams.post("alice", "dm", "send");
    await teams.until(() => attached(teams, kConsent).length > 0, "the offer", 90_000);
    await sentinel(teams, host);
    const { upload } = await step({ teams, host, offer: attached(teams, kConsent)[0] });
    await host.start();
    await teams.until(() => upload.whole && (attached(teams, kInfo).length > 0 || /may be missing/.test(said(teams, "@alice"))), () => `the file, in ${said(teams, "@alice")}`, 120_000);
    await sentinel(teams, host);
    assert.ok(upload.bytes.equals(bytes));
    assert.ok(attached(teams, kInfo).length <= 1);
    assert.equal(prompts(host).filter((text) => text === "send").length, 1);
  });

for (const after of [false, true])
  test(`killed when the card that offers a file is on its way, ${after ? "after" : "before"} Teams has it: it is offered once, or may be missing`, { skip: noPlugin }, async (t) => {
    const files = agentFiles(t);
    const { teams, host } = await teamsHost(t, { rules: [{ match: "^send$", reply: "Here:", content: [files.file(bytes)] }] });
    await dieAt({ teams, host }, /^(send|reply)$/, { after, when: has(kConsent) }, () => teams.post("alice", "dm", "send"));
    await host.start();
    await teams.until(() => attached(teams, kConsent).length > 0 || /may be missing/.test(said(teams, "@alice")), "the offer, or what became of it", 90_000);
    await sentinel(teams, host);
    assert.ok(attached(teams, kConsent).length <= 1);
    if (attached(teams, kConsent).length === 0) return;
    const { upload } = teams.consent("alice", attached(teams, kConsent)[0]);
    await teams.until(() => upload.whole && attached(teams, kInfo).length === 1, "the file", 120_000);
    assert.ok(upload.bytes.equals(bytes));
  });

for (const after of [false, true])
  test(`killed while a person's file is fetched, ${after ? "after" : "before"} it was given: the agent has it once, and whole`, { skip: noPlugin }, async (t) => {
    const sent = noise(300_000);
    const { teams, host } = await teamsHost(t);
    await dieAt({ teams, host }, "download", { after }, () => teams.post("alice", "dm", "look at it", { files: [{ name: "scan.png", bytes: sent }] }));
    await host.start();
    await teams.until(() => said(teams, "@alice").includes(response("look at it")), "the answer", 90_000);
    await sentinel(teams, host);
    const given = await blocksOf(host, "look at it");
    assert.equal(given.length, 1, "one turn");
    const images = given[0].filter(({ type }) => type === "image");
    assert.equal(images.length, 1);
    assert.ok(Buffer.from(images[0].data, "base64").equals(sent));
  });
