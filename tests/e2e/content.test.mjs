// Images, sounds and files that an agent sends, as a person sees them on the page.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, test } from "node:test";
import { deflateSync } from "node:zlib";
import { ChatPage, launch, until } from "./support/browser.mjs";
import { Host } from "./support/host.mjs";

let browser;
before(async () => (browser = await launch()));
after(() => browser?.close());

// A PNG of one colour.
function png(width, height, rgb) {
  const chunk = (type, data) => {
    const body = Buffer.concat([Buffer.from(type), data]);
    const out = Buffer.alloc(body.length + 8);
    out.writeUInt32BE(data.length, 0);
    body.copy(out, 4);
    out.writeUInt32BE(crc(body), body.length + 4);
    return out;
  };
  const head = Buffer.alloc(13);
  head.writeUInt32BE(width, 0);
  head.writeUInt32BE(height, 4);
  head.set([8, 2, 0, 0, 0], 8);
  const row = Buffer.concat([Buffer.from([0]), Buffer.alloc(width * 3, Buffer.from(rgb))]);
  const rows = Buffer.concat(Array.from({ length: height }, () => row));
  return Buffer.concat([Buffer.from("\x89PNG\r\n\x1a\n", "latin1"), chunk("IHDR", head), chunk("IDAT", deflateSync(rows)), chunk("IEND", Buffer.alloc(0))]);
}
function crc(bytes) {
  let value = 0xffffffff;
  for (const byte of bytes) {
    value ^= byte;
    for (let bit = 0; bit < 8; ++bit) value = (value >>> 1) ^ (value & 1 ? 0xedb88320 : 0);
  }
  return (value ^ 0xffffffff) >>> 0;
}
// A tenth of a second of nothing.
function wav() {
  const data = Buffer.alloc(800, 128);
  const head = Buffer.alloc(44);
  head.write("RIFF");
  head.writeUInt32LE(36 + data.length, 4);
  head.write("WAVEfmt ", 8);
  head.writeUInt32LE(16, 16);
  head.writeUInt16LE(1, 20);
  head.writeUInt16LE(1, 22);
  head.writeUInt32LE(8000, 24);
  head.writeUInt32LE(8000, 28);
  head.writeUInt16LE(1, 32);
  head.writeUInt16LE(8, 34);
  head.write("data", 36);
  head.writeUInt32LE(data.length, 40);
  return Buffer.concat([head, data]);
}

const kImage = { type: "image", mimeType: "image/png", data: png(1600, 1200, [30, 120, 110]).toString("base64"), words: "[a green chart]", uri: "file:///tmp/chart%201.png" };
const kSound = { type: "audio", mimeType: "audio/wav", data: wav().toString("base64") };
const kSvg = { type: "image", mimeType: "image/svg+xml", data: Buffer.from("<svg xmlns='http://www.w3.org/2000/svg' onload='window.hacked=1'/>").toString("base64"), words: "[a drawing]" };
const kPage = { type: "resource", resource: { uri: "file:///tmp/page.html", mimeType: "text/html", text: "<script>window.hacked=1</script>" } };
const kNote = { type: "resource", resource: { uri: "file:///tmp/note.txt", mimeType: "text/plain", text: "grüße" } };
const kBroken = { type: "image", mimeType: "image/png", data: "AAAA", words: "[a broken one]" };

async function bench(t, rules, contextOptions) {
  const host = await Host.start({ rules });
  t.after(() => host.remove());
  const context = await browser.newContext(contextOptions);
  t.after(() => context.close());
  return { host, context, chat: await ChatPage.open(context, host.chat) };
}
const figures = (chat) => chat.page.locator("figure.content");

test("an image is shown in its place and within bounds, opens large, and is there after a reload and a restart", async (t) => {
  const { host, chat } = await bench(t, [{ match: "^draw$", reply: "Here it is:", content: [kImage, "And that was it."] }]);
  await chat.say("draw");
  await chat.answered("And that was it.");
  const shown = async () => {
    const image = chat.page.getByRole("img", { name: "a green chart" });
    await until(async () => assert.equal(await image.evaluate((each) => each.complete && each.naturalWidth), 1600));
    const [box, column] = [await image.boundingBox(), await chat.page.locator(".transcript > .column").boundingBox()];
    assert.ok(box.height <= 384 + 2 && box.width <= column.width, JSON.stringify(box));
    const order = await chat.page.locator("article.answer, figure.content").evaluateAll((all) => all.map((each) => each.tagName));
    assert.deepEqual(order, ["ARTICLE", "FIGURE", "ARTICLE"]);
    return image;
  };
  await shown();
  await chat.page.getByRole("button", { name: "Show large: a green chart" }).click();
  const dialog = chat.page.getByRole("dialog");
  const large = await dialog.getByRole("img").boundingBox();
  const view = chat.page.viewportSize();
  assert.ok(large.height > 384 && large.height <= view.height && large.width <= view.width, JSON.stringify(large));
  const [download] = await Promise.all([chat.page.waitForEvent("download"), dialog.getByRole("link", { name: /Save/ }).click()]);
  assert.equal(download.suggestedFilename(), "chart 1.png");
  assert.deepEqual(readFileSync(await download.path()), Buffer.from(kImage.data, "base64"));
  await chat.page.keyboard.press("Escape");
  await dialog.waitFor({ state: "detached" });
  assert.equal(chat.page.url(), host.chat);
  await chat.page.reload();
  await shown();
  await host.kill();
  await host.start();
  await chat.ready();
  await chat.page.reload();
  await shown();
  assert.equal(await figures(chat).count(), 1);
  chat.fine();
});

test("a sound can be played, a file is saved as it is, and nothing of the agent's is opened or run", async (t) => {
  const { host, chat } = await bench(t, [{ match: "^all$", reply: "All:", content: [kSound, kSvg, kPage, kNote, kBroken] }]);
  await chat.say("all");
  await until(async () => assert.equal(await figures(chat).count(), 5));
  await until(async () => assert.ok((await chat.page.locator("audio").evaluate((each) => each.duration)) > 0));
  await chat.page.getByText("A broken one: it cannot be shown here, only saved").waitFor();
  await chat.page.getByText("A drawing: it cannot be shown here, only saved").waitFor();
  assert.equal(await figures(chat).getByRole("img").count(), 0);
  const saved = {};
  for (const link of await chat.page.locator("a.download").all()) {
    const [download] = await Promise.all([chat.page.waitForEvent("download"), link.click()]);
    saved[download.suggestedFilename()] = readFileSync(await download.path());
  }
  assert.deepEqual(Object.keys(saved).sort(), ["image.png", "image.svg", "note.txt", "page.html", "sound.wav"]);
  assert.equal(saved["note.txt"].toString(), "grüße");
  assert.equal(saved["page.html"].toString(), kPage.resource.text);
  assert.deepEqual(saved["sound.wav"], wav());
  await chat.page.locator("a.download", { hasText: "note.txt" }).getByText("7 bytes").waitFor();
  assert.equal(await chat.page.evaluate(() => window.hacked), undefined);
  assert.equal(chat.page.url(), host.chat);
  assert.equal(chat.page.context().pages().length, 1);
  chat.fine();
});
