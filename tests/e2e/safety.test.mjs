// What a model says can do no harm, and the page can be used without a mouse and without eyes.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { ChatPage, launch, until } from "./support/browser.mjs";
import { Host } from "./support/host.mjs";

let browser;
before(async () => (browser = await launch()));
after(() => browser?.close());

async function bench(t, options, contextOptions) {
  const host = await Host.start(options);
  t.after(() => host.remove());
  const context = await browser.newContext(contextOptions);
  t.after(() => context.close());
  return { host, open: () => ChatPage.open(context, host.chat) };
}

const kCorpus = [
  "<script>window.hacked=1</script>",
  "<img src=x onerror=window.hacked=1>",
  "<svg onload=window.hacked=1><animate onbegin=window.hacked=1 attributeName=x></svg>",
  "<iframe srcdoc='<script>parent.hacked=1</script>'></iframe>",
  "<math><mtext><table><mglyph><style><img src=x onerror=window.hacked=1></style></mglyph></table></mtext></math>",
  "<a href='javascript:window.hacked=1'>raw link</a>",
  "[markdown link](javascript:window.hacked=1)",
  "[spaced link](java\nscript:window.hacked=1)",
  "[encoded](&#106;avascript:window.hacked=1)",
  "[data](data:text/html,<script>window.hacked=1</script>)",
  "[vb](vbscript:hacked)",
  "![image](javascript:window.hacked=1)",
  "![svg](data:image/svg+xml;base64,PHN2ZyBvbmxvYWQ9ImFsZXJ0KDEpIi8+)",
  "![title](https://x.example/a.png \"onerror=window.hacked=1\")",
  "<form action=https://evil.example><input name=password><button>go</button></form>",
  "<style>body{display:none}</style>",
  "<div style='position:fixed;inset:0;background:red' class='permission card open'>spoof</div>",
  "<base href=https://evil.example/>",
  "<meta http-equiv=refresh content='0;url=https://evil.example/'>",
  "<object data=https://evil.example/></object><embed src=https://evil.example/>",
  "<details open ontoggle=window.hacked=1><summary>s</summary></details>",
  "```html\n<script>window.hacked=1</script>\n```",
  "```\" onmouseover=window.hacked=1 x=\"\ncode\n```",
  "`<img src=x onerror=window.hacked=1>`",
  "<http://autolink.example/\"onmouseover=window.hacked=1>",
  "| a |\n| --- |\n| <img src=x onerror=window.hacked=1> |",
  "<a id=app name=app href=https://ok.example>clobber</a><img name=body>",
  "<noscript><p title=\"</noscript><img src=x onerror=window.hacked=1>\"></noscript>",
  "<template><script>window.hacked=1</script></template>",
  "<textarea><img title=\"</textarea><img src=x onerror=window.hacked=1>\">",
];

test("nothing that a model says runs, loads, navigates or pretends to be the page", async (t) => {
  const rules = kCorpus.map((reply, i) => ({ match: `^attack ${i}$`, reply: reply.replaceAll("$", "$$$$") }));
  const { host, open } = await bench(t, { rules });
  const chat = await open();
  await chat.ready();
  for (let i = 0; i < kCorpus.length; i++) {
    await chat.say(`attack ${i}`);
    await until(async () => assert.equal(await chat.said.count(), i + 1));
  }
  await until(async () => assert.equal((await host.api("GET", "api/session")).body.connected, true));
  await chat.ready();
  await until(async () => assert.equal(await chat.said.count(), kCorpus.length));
  const { page } = chat;
  // Everything that can be pointed at or pressed in what it said.
  const found = await page.evaluate(() => {
    const answers = [...document.querySelectorAll(".answer")];
    const all = answers.flatMap((answer) => [...answer.querySelectorAll("*")]);
    for (const element of all) {
      for (const type of ["mouseover", "toggle", "load", "error"]) element.dispatchEvent(new Event(type, { bubbles: true }));
    }
    return {
      count: answers.length,
      hacked: window.hacked,
      tags: [...new Set(all.map((element) => element.tagName.toLowerCase()))],
      handlers: all.flatMap((element) => [...element.attributes].filter((a) => /^on|^style$|^id$|^name$/i.test(a.name)).map((a) => `${element.tagName} ${a.name}`)),
      links: all.filter((element) => element.tagName === "A").map((a) => [a.getAttribute("href"), a.rel, a.target]),
      sources: all.map((element) => element.getAttribute("src")).filter(Boolean),
      classes: [...new Set(all.flatMap((element) => [...element.classList]))],
    };
  });
  assert.ok(found.count >= kCorpus.length - 1, `${found.count} answers`);
  assert.equal(found.hacked, undefined);
  const harmless = ["a", "article", "blockquote", "br", "button", "code", "del", "div", "em", "h1", "h2", "h3", "hr", "img", "input", "li", "ol", "p", "pre", "span", "strong", "table", "tbody", "td", "th", "thead", "tr", "ul"];
  assert.deepEqual(found.tags.filter((tag) => !harmless.includes(tag)), []);
  assert.deepEqual(found.handlers, []);
  assert.deepEqual(found.classes.filter((name) => !["markdown", "code", "code-bar", "plain", "copy", "table"].includes(name)), []);
  for (const [href, rel, target] of found.links) {
    assert.match(href, /^(https?:\/\/|mailto:)/);
    assert.deepEqual([rel, target], ["noopener noreferrer", "_blank"]);
  }
  assert.deepEqual(found.sources, []);
  assert.equal(page.url(), host.chat);
  const foreign = chat.requests.filter((url) => !url.startsWith("data:") && new URL(url).host !== new URL(host.origin).host);
  assert.deepEqual(foreign, []);
  chat.fine();
});

test("what is said anywhere else is text, too", async (t) => {
  const nasty = "<img src=x onerror=window.hacked=1>";
  const rules = [{ match: "^all", thought: nasty, plan: [nasty], tool: { title: nasty, rawInput: { x: nasty } }, permission: { title: nasty, options: [nasty] }, reply: "done" }];
  const { open } = await bench(t, { rules });
  const chat = await open();
  await chat.say(`all ${nasty}`);
  await chat.page.getByRole("button", { name: nasty, exact: true }).click();
  await chat.answered("done");
  assert.equal(await chat.page.evaluate(() => window.hacked), undefined);
  assert.equal(await chat.page.locator("img").count(), 0);
  chat.fine();
});

test("the page is served with a policy that forbids inline script and other hosts", async (t) => {
  const { host, open } = await bench(t);
  const response = await fetch(host.chat);
  const policy = response.headers.get("content-security-policy") ?? "";
  assert.match(policy, /default-src 'none'/);
  assert.match(policy, /script-src 'self'/);
  assert.doesNotMatch(policy, /unsafe/);
  assert.match(response.headers.get("cache-control") ?? "", /no-cache/);
  const html = await response.text();
  for (const [, asset] of html.matchAll(/(?:src|href)="(assets\/[^"]+)"/g)) {
    const answer = await fetch(host.chat + asset, { headers: { "accept-encoding": "gzip" } });
    assert.equal(answer.status, 200, asset);
    assert.match(answer.headers.get("cache-control") ?? "", /immutable/, asset);
    assert.equal(answer.headers.get("content-encoding"), "gzip", asset);
  }
  const chat = await open();
  await chat.ready();
  chat.fine();
});

// By hand what an accessibility checker would look at first.
async function check(page) {
  return page.evaluate(() => {
    const problems = [];
    const visible = (element) => element.checkVisibility?.() ?? true;
    const name = (element) =>
      (element.getAttribute("aria-label") || [...(element.labels ?? [])].map((label) => label.innerText).join(" ") || element.innerText || element.getAttribute("title") || "").trim();
    for (const element of document.querySelectorAll("button, a[href], input, textarea, select, summary")) {
      if (visible(element) && !name(element)) problems.push(`no name: ${element.outerHTML.slice(0, 120)}`);
      const box = element.getBoundingClientRect();
      if (visible(element) && element.matches("button:not(.link)") && (box.width < 24 || box.height < 24)) problems.push(`small: ${element.outerHTML.slice(0, 120)}`);
    }
    const ids = [...document.querySelectorAll("[id]")].map((element) => element.id);
    if (new Set(ids).size !== ids.length) problems.push(`repeated ids: ${ids}`);
    if (!document.documentElement.lang) problems.push("no language");
    if (!document.title) problems.push("no title");
    if (document.querySelectorAll("h1").length !== 1) problems.push("not one h1");
    if (document.querySelectorAll("main").length !== 1) problems.push("not one main");
    if (!document.querySelector("[aria-live=polite]") && !document.querySelector(".facts")) problems.push("no live region");
    for (const element of document.querySelectorAll("[tabindex]")) if (element.tabIndex > 0) problems.push("positive tabindex");

    // Contrast of every text against what is behind it.
    const parse = (color) => (/rgba?\(([^)]+)\)/.exec(color)?.[1] ?? "0 0 0 0").split(/[ ,/]+/).map(Number);
    const luminance = ([r, g, b]) => {
      const [x, y, z] = [r, g, b].map((value) => (value / 255 <= 0.03928 ? value / 255 / 12.92 : ((value / 255 + 0.055) / 1.055) ** 2.4));
      return 0.2126 * x + 0.7152 * y + 0.0722 * z;
    };
    const behind = (element) => {
      for (let at = element; at; at = at.parentElement) {
        const color = parse(getComputedStyle(at).backgroundColor);
        if ((color[3] ?? 1) > 0.5) return color;
      }
      return parse(getComputedStyle(document.documentElement).backgroundColor);
    };
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
      const element = walker.currentNode.parentElement;
      if (!walker.currentNode.textContent.trim() || !visible(element) || element.closest("button:disabled, .visually-hidden, script, noscript")) continue;
      const [one, two] = [luminance(parse(getComputedStyle(element).color)), luminance(behind(element))];
      const ratio = (Math.max(one, two) + 0.05) / (Math.min(one, two) + 0.05);
      if (ratio < 4.5) problems.push(`contrast ${ratio.toFixed(2)}: ${element.className} ${walker.currentNode.textContent.slice(0, 40)}`);
    }
    return problems;
  });
}

for (const colorScheme of ["light", "dark"]) {
  test(`names, sizes, headings and contrast are in order (${colorScheme})`, async (t) => {
    const rules = [{ match: "^all", thought: "T", plan: ["One"], tool: { title: "Tool", rawInput: { a: 1 } }, permission: { title: "May I?", options: ["Allow", "Deny"] }, reply: "## Head\n\n`code` [link](https://x.example/) \n\n```js\nx\n```\n\n> quote",
      content: [{ type: "image", mimeType: "image/gif", data: "R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7" }, { type: "resource", resource: { uri: "file:///a.txt", text: "a" } }] }, { match: "^flaky", fail: "unavailable" }];
    const { host, open } = await bench(t, { rules }, { colorScheme, viewport: { width: 1280, height: 800 } });
    const chat = await open();
    await chat.ready();
    assert.deepEqual(await check(chat.page), [], "welcome");
    await chat.say("flaky");
    await chat.page.getByRole("button", { name: "Try again" }).waitFor();
    assert.deepEqual(await check(chat.page), [], "failed");
    await chat.say("all");
    await chat.page.getByRole("button", { name: "Allow" }).waitFor();
    assert.deepEqual(await check(chat.page), [], "asking");
    await chat.page.getByRole("button", { name: "Allow" }).click();
    await chat.ready();
    await chat.answered("Head");
    await until(async () => assert.equal(await chat.page.locator("figure.content").count(), 2));
    assert.deepEqual(await check(chat.page), [], "answered");
    await host.kill();
    await chat.is("lost");
    await chat.say("unsent");
    await chat.unsent.waitFor();
    assert.deepEqual(await check(chat.page), [], "offline");
    await host.start();
    await chat.page.goto(host.settings);
    await chat.page.getByRole("heading", { name: "Configuration" }).waitFor();
    assert.deepEqual(await check(chat.page), [], "settings");
  });
}

test("the chosen colours stay, on both pages", async (t) => {
  const { host, open } = await bench(t, {}, { colorScheme: "light" });
  const chat = await open();
  const { page } = chat;
  const background = () => page.evaluate(() => getComputedStyle(document.documentElement).backgroundColor);
  const light = await background();
  await page.getByRole("button", { name: "Dark colours" }).click();
  const dark = await background();
  assert.notEqual(dark, light);
  await page.reload();
  assert.equal(await background(), dark);
  await page.goto(host.settings);
  assert.equal(await background(), dark);
  await page.getByRole("button", { name: "Light" }).click();
  assert.equal(await background(), light);
  await page.goto(host.chat);
  assert.equal(await background(), light);
});

test("everything is reached with the keyboard, and the focus is seen", async (t) => {
  const { open } = await bench(t, {}, { viewport: { width: 1280, height: 800 } });
  const chat = await open();
  await chat.ready();
  await chat.page.evaluate(() => document.activeElement.blur());
  const seen = [];
  for (let i = 0; i < 12; i++) {
    await chat.page.keyboard.press("Tab");
    seen.push(await chat.page.evaluate(() => {
      const element = document.activeElement;
      const name = element.getAttribute("aria-label") || element.innerText;
      const style = getComputedStyle(element);
      const ringed = style.outlineStyle !== "none" || getComputedStyle(element.closest(".box") ?? element).boxShadow !== "none";
      return `${name}${ringed || element === document.body ? "" : " (unseen)"}`;
    }));
  }
  for (const wanted of ["Sessions", "Dark colours", "Settings", "New", "Message"]) assert.ok(seen.includes(wanted), `${wanted} in ${seen}`);
  assert.deepEqual(seen.filter((name) => name.endsWith("(unseen)")), []);
});

test("a screen reader is told whole answers and the state, not every word", async (t) => {
  const { open } = await bench(t);
  const chat = await open();
  await chat.ready();
  await chat.say("hello");
  await chat.answered("[Mock response to: hello]");
  const live = chat.page.locator("[aria-live=polite]");
  await live.filter({ hasText: "[Mock response to: hello]" }).waitFor({ state: "attached" });
  await live.filter({ hasText: "Connected" }).first().waitFor({ state: "attached" });
});
