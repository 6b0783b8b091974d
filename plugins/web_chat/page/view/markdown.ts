// Markdown of a model to DOM that can do no harm: raw HTML is shown as the text that it is, the rest goes through DOMPurify with a short
// list of what may stay, links leave the page without telling it, and pictures of other hosts are links until somebody follows them.
import DOMPurify from "dompurify";
import { Marked, type Token, type TokensList } from "marked";

const kTags = [
  "a", "blockquote", "br", "code", "del", "em", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "img", "input", "li", "ol", "p", "pre",
  "strong", "table", "tbody", "td", "th", "thead", "tr", "ul",
];
const kAttributes = ["href", "title", "src", "alt", "align", "start", "type", "checked", "disabled", "class"];
const kPicture = /^data:image\/(?:png|jpeg|gif|webp);base64,/i;

const marked = new Marked({
  gfm: true,
  breaks: true,
  renderer: {
    html({ text }) {
      return /^<br\s*\/?>$/i.test(text.trim()) ? "<br>" : escapeHtml(text);
    },
  },
});

export interface Block {
  raw: string; // equal source is equal output, so a block that did not change is not rendered again
  token: Token;
}

export function blocks(text: string): Block[] {
  const tokens: TokensList = marked.lexer(text);
  return tokens.filter((token) => token.type !== "space" && token.type !== "def").map((token) => ({ raw: token.raw, token }));
}

export function render(token: Token): DocumentFragment {
  const fragment = DOMPurify.sanitize(marked.parser([token]), {
    ALLOWED_TAGS: kTags,
    ALLOWED_ATTR: kAttributes,
    ALLOW_DATA_ATTR: false,
    ALLOW_ARIA_ATTR: false,
    // Without this their values would have to look like addresses.
    ADD_URI_SAFE_ATTR: ["align", "start", "type", "checked", "disabled"],
    ALLOWED_URI_REGEXP: /^(?:https?:|mailto:|data:image\/)/i,
    RETURN_DOM_FRAGMENT: true,
  });
  for (const element of fragment.querySelectorAll<HTMLElement>("[class]")) {
    // Classes are the page's; a model may only name the language of its code.
    const language = /^language-([\w+#.-]{1,30})/.exec(element.className)?.[1];
    element.removeAttribute("class");
    if (language && element.tagName === "CODE") element.dataset.language = language;
  }
  for (const image of fragment.querySelectorAll("img")) {
    if (kPicture.test(image.getAttribute("src") ?? "")) continue;
    image.replaceWith(outside(image.getAttribute("src") ?? "", image.alt ? `Image: ${image.alt}` : "Image"));
  }
  for (const anchor of fragment.querySelectorAll("a")) {
    const href = anchor.getAttribute("href") ?? "";
    if (!isOutside(href)) anchor.replaceWith(...anchor.childNodes);
    else leave(anchor);
  }
  for (const input of fragment.querySelectorAll("input")) {
    if (input.type !== "checkbox") input.remove();
    else {
      input.disabled = true;
      input.setAttribute("aria-label", input.checked ? "Done" : "Not done");
    }
  }
  for (const table of fragment.querySelectorAll("table")) {
    const frame = document.createElement("div");
    frame.className = "table";
    frame.tabIndex = 0;
    table.replaceWith(frame);
    frame.append(table);
  }
  for (const pre of fragment.querySelectorAll("pre")) pre.replaceWith(codeBlock(pre));
  return fragment;
}

function codeBlock(pre: HTMLPreElement): HTMLElement {
  const frame = document.createElement("div");
  frame.className = "code";
  const bar = document.createElement("div");
  bar.className = "code-bar";
  const language = document.createElement("span");
  language.textContent = pre.querySelector("code")?.dataset.language ?? "";
  const copy = document.createElement("button");
  copy.type = "button";
  copy.className = "plain copy";
  copy.textContent = "Copy";
  copy.setAttribute("aria-label", "Copy code");
  bar.append(language, copy);
  const body = document.createElement("pre");
  body.append(...pre.childNodes);
  body.tabIndex = 0;
  frame.append(bar, body);
  return frame;
}

function isOutside(href: string): boolean {
  return /^(?:https?:\/\/|mailto:)/i.test(href.trim());
}

function outside(href: string, text: string): Node {
  if (!isOutside(href)) return document.createTextNode(text);
  const anchor = document.createElement("a");
  anchor.href = href;
  anchor.textContent = text;
  return leave(anchor);
}

function leave(anchor: HTMLAnchorElement): HTMLAnchorElement {
  anchor.target = "_blank";
  anchor.rel = "noopener noreferrer";
  return anchor;
}

function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`);
}
