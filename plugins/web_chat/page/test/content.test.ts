import assert from "node:assert/strict";
import test from "node:test";
import { blobOf, contentOf, sizeText } from "../model/content.ts";
import { toolText } from "../view/format.ts";

const image = (mimeType: unknown, more = {}): ReturnType<typeof contentOf> => contentOf({ type: "image", data: "AAAA", mimeType, ...more });

test("only pictures that cannot run anything are drawn, whatever the agent calls them", async () => {
  for (const type of ["image/png", "IMAGE/JPEG", "image/gif; x=1", "image/webp"]) assert.equal(image(type)?.is, "image", type);
  for (const type of ["image/svg+xml", "text/html", "application/pdf", "", undefined, 7]) {
    const content = image(type);
    assert.equal(content?.is, "file", String(type));
    assert.equal(content && blobOf(content).type, "application/octet-stream");
  }
  assert.equal(contentOf({ type: "resource", resource: { uri: "file:///a.html", mimeType: "text/html", text: "<script>" } })?.is, "file");
  assert.equal(contentOf({ type: "resource", resource: { uri: "", mimeType: "image/png", text: "not bytes" } })?.is, "file");
});

test("bytes are what was sent, and their number is known", async () => {
  const content = contentOf({ type: "resource", resource: { uri: "file:///a.bin", blob: "AAECAw==" } });
  assert.ok(content);
  assert.equal(content.size, 4);
  assert.deepEqual([...new Uint8Array(await blobOf(content).arrayBuffer())], [0, 1, 2, 3]);
  const text = contentOf({ type: "resource", resource: { uri: "file:///ä.txt", text: "ä€" } });
  assert.ok(text);
  assert.equal(text.size, 5);
  assert.equal(await blobOf(text).text(), "ä€");
  assert.deepEqual([999, 1000, 12_345, 999_600, 5_500_000].map(sizeText), ["999 bytes", "1.0 KB", "12 KB", "1.0 MB", "5.5 MB"]);
});

test("a file is saved by the last part of its address, and by no other path", () => {
  const name = (uri: string, mimeType = "image/png"): string | undefined => image(mimeType, { uri })?.name;
  assert.equal(name("file:///home/me/chart%201.png"), "chart 1.png");
  assert.equal(name("https://h.example/a/b.png?x=/c#d"), "b.png");
  assert.equal(name("file:///x/..%2F..%2Fetc%2Fpasswd"), "_.._etc_passwd");
  assert.equal(name("file:///x/a%E2%80%AEgpj.exe"), "a_gpj.exe");
  assert.equal(name("file:///%ZZ"), "%ZZ");
  assert.equal(name(""), "image.png");
  assert.equal(name("file:///"), "image.png");
  assert.equal(contentOf({ type: "audio", data: "AAAA", mimeType: "audio/mpeg" })?.name, "sound.mp3");
  assert.equal(contentOf({ type: "resource", resource: { text: "a" } })?.name, "file");
});

test("what is empty or of no shape is nothing", () => {
  for (const data of [{}, { type: "image" }, { type: "resource" }, { type: "resource", resource: [] }, { type: "image", data: 7 }])
    assert.equal(contentOf(data), null);
});

test("the bytes of an image in a tool call are not printed", () => {
  const text = toolText([{ type: "content", content: { type: "image", data: "AAAA", mimeType: "image/png" } }, { type: "content", content: { type: "resource", resource: { uri: "file:///a", blob: "AAAA" } } }]);
  assert.equal(text, "[an image]\n\n[a file: file:///a]");
});
