// A headless Chromium with a new profile, and a page as a person sees it.
import assert from "node:assert/strict";
import { chromium } from "playwright-core";

export const kLimit = 30_000;

export function launch() {
  return chromium.launch({
    executablePath: process.env.VIADUCT_CHROMIUM ?? "/usr/bin/chromium",
    headless: true,
    args: [
      "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
      "--disable-component-update", "--disable-sync",
    ],
  });
}

// Waits until `check` is fulfilled; the last reason is the error.
export async function until(check, limit = kLimit) {
  const end = Date.now() + limit;
  for (;;) {
    try {
      return await check();
    } catch (error) {
      if (Date.now() > end) throw error;
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

export class ChatPage {
  errors = [];
  requests = [];

  static async open(context, url) {
    const page = await context.newPage();
    page.setDefaultTimeout(kLimit);
    const chat = new ChatPage(page);
    page.on("pageerror", (error) => chat.errors.push(String(error.stack ?? error)));
    page.on("console", (message) => message.type() === "error" && chat.errors.push(message.text()));
    page.on("request", (request) => chat.requests.push(request.url()));
    page.on("websocket", (socket) => chat.requests.push(socket.url()));
    await page.goto(url);
    return chat;
  }
  constructor(page) {
    this.page = page;
    this.input = page.getByRole("textbox", { name: "Message", exact: true });
    this.conversation = page.getByRole("region", { name: "Conversation" });
    this.status = page.locator("[data-status]");
    this.answers = page.getByRole("article", { name: "Answer" });
    this.said = page.getByRole("article", { name: "You said", exact: true });
    this.unsent = page.getByRole("article", { name: "You said, not sent yet" });
    this.stop = page.getByRole("button", { name: "Stop the answer" });
  }
  async ready() {
    await this.page.locator('[data-status="ready"]').waitFor();
  }
  async is(status) {
    await this.page.locator(`[data-status="${status}"]`).waitFor();
  }
  async say(text) {
    await this.input.fill(text);
    await this.input.press("Enter");
  }
  async answered(text) {
    await this.answers.filter({ hasText: text }).first().waitFor();
  }
  async saidTexts() {
    return (await this.said.locator(".bubble").allInnerTexts()).map((text) => text.trim());
  }
  async answerTexts() {
    return (await this.answers.allInnerTexts()).map((text) => text.trim());
  }
  // Nothing of the page itself went wrong. A lost connection is reported by the browser and is no error of the page.
  fine() {
    assert.deepEqual(this.errors.filter((text) => !/WebSocket connection|net::ERR_|Failed to load resource/.test(text)), []);
  }
}
