// What Slack says of arguments that it does not take.
export class Refusal extends Error {
  constructor(error, more = {}) {
    super(error);
    Object.assign(this, { error, more });
  }
}
export function refuse(error, ...messages) {
  throw new Refusal(error, messages.length ? { response_metadata: { messages: messages.map((one) => `[ERROR] ${one}`) } } : {});
}

// In characters as people count them.
export const size = (text) => [...text].length;
export const kText = 40_000;
export const kUpdateText = 4_000;
export const kMarkdown = 12_000;
export const kAllBlocks = 13_200;
const kMetadata = 16_000;
const kTs = /^\d{10}\.\d{6}$/;
export const isTs = (ts) => kTs.test(ts);

const kElements = new Set(["button", "static_select", "external_select", "users_select", "conversations_select", "channels_select", "multi_static_select", "multi_users_select",
  "multi_conversations_select", "multi_channels_select", "overflow", "checkboxes", "radio_buttons", "datepicker", "timepicker", "datetimepicker", "plain_text_input",
  "email_text_input", "url_text_input", "number_input", "rich_text_input", "file_input", "feedback_buttons", "icon_button", "workflow_button", "image", "mrkdwn", "plain_text"]);
const kBlocks = new Set(["section", "header", "divider", "image", "context", "actions", "input", "file", "video", "rich_text", "markdown", "table", "context_actions", "card", "carousel",
  "alert", "plan", "task_card", "data_table", "container"]);

// Blocks of a message, or of a view. Throws what Slack would answer.
export function checkBlocks(blocks, { view = false, at = "/blocks" } = {}) {
  const wrong = (message, where) => refuse("invalid_blocks", `${message} [json-pointer:${where}]`);
  if (!Array.isArray(blocks)) refuse("invalid_blocks_format");
  if (blocks.length > (view ? 100 : 50)) wrong(`no more than ${view ? 100 : 50} items allowed`, at);
  const string = (value, most, where, least = 1) => {
    if (typeof value !== "string") wrong("must be a string", where);
    if (size(value) < least) wrong(`must be more than ${least - 1} characters`, where);
    if (size(value) > most) wrong(`must be less than ${most + 1} characters`, where);
  };
  const text = (value, most, where, kinds = ["plain_text", "mrkdwn"]) => {
    if (value === undefined) wrong("missing required field: text", where.replace(/\/text$/, ""));
    if (!kinds.includes(value?.type)) wrong(`unsupported type: ${value?.type}`, `${where}/type`);
    if (value.type === "mrkdwn" && value.emoji !== undefined) wrong("additional property: emoji", where);
    string(value.text, most, `${where}/text`);
  };
  const option = (value, where) => {
    text(value.text, 75, `${where}/text`);
    string(value.value, 150, `${where}/value`);
    if (value.description) text(value.description, 75, `${where}/description`);
  };
  const confirm = (value, where) => {
    if (!value) return;
    text(value.title, 100, `${where}/title`, ["plain_text"]);
    text(value.text, 300, `${where}/text`);
    text(value.confirm, 30, `${where}/confirm`, ["plain_text"]);
    text(value.deny, 30, `${where}/deny`, ["plain_text"]);
  };
  const element = (value, where) => {
    if (!kElements.has(value?.type)) wrong(`unsupported type: ${value?.type}`, where);
    if (value.action_id !== undefined) string(value.action_id, 255, `${where}/action_id`);
    if (value.type === "button") {
      text(value.text, 75, `${where}/text`, ["plain_text"]);
      if (value.value !== undefined) string(value.value, 2000, `${where}/value`, 0);
      if (value.url !== undefined) string(value.url, 3000, `${where}/url`);
      if (value.style !== undefined && !["primary", "danger"].includes(value.style)) wrong("failed to match all allowed schemas", `${where}/style`);
      confirm(value.confirm, `${where}/confirm`);
    }
    if (value.type === "image") {
      string(value.alt_text, 2000, `${where}/alt_text`);
      if (!value.slack_file) string(value.image_url, 3000, `${where}/image_url`);
    }
    if (value.options || value.type === "static_select" || value.type === "overflow") {
      const most = value.type === "overflow" ? 5 : value.type === "checkboxes" || value.type === "radio_buttons" ? 10 : 100;
      const groups = value.option_groups ?? [{ options: value.options }];
      for (const { options } of groups) {
        if (!Array.isArray(options) || !options.length) wrong("no fewer than 1 items required", `${where}/options`);
        if (options.length > most) wrong(`no more than ${most} items allowed`, `${where}/options`);
        options.forEach((one, i) => option(one, `${where}/options/${i}`));
      }
    }
    if (value.placeholder) text(value.placeholder, 150, `${where}/placeholder`, ["plain_text"]);
  };
  const several = (value, most, where, each, least = 1) => {
    if (!Array.isArray(value)) wrong("missing required field: elements", where.replace(/\/\w+$/, ""));
    if (value.length < least) wrong(`no fewer than ${least} items required`, where);
    if (value.length > most) wrong(`no more than ${most} items allowed`, where);
    value.forEach((one, i) => each(one, `${where}/${i}`));
    const ids = value.map(({ action_id }) => action_id).filter(Boolean);
    if (new Set(ids).size !== ids.length) wrong("`action_id` already exists in this block", where);
  };

  const seen = new Set();
  let all = 0;
  let markdown = 0;
  let tables = 0;
  const count = (value) => {
    if (Array.isArray(value)) value.forEach(count);
    else if (value && typeof value === "object") for (const [key, inner] of Object.entries(value)) key === "text" && typeof inner === "string" ? (all += size(inner)) : count(inner);
  };
  blocks.forEach((block, i) => {
    const where = `${at}/${i}`;
    if (!kBlocks.has(block?.type)) wrong(`unsupported type: ${block?.type}`, where);
    if (block.block_id !== undefined) {
      string(block.block_id, 255, `${where}/block_id`);
      if (seen.has(block.block_id)) wrong("`block_id` already exists in this message", where);
      seen.add(block.block_id);
    }
    count(block);
    switch (block.type) {
      case "section":
        if (!block.text && !block.fields) wrong("missing required field: text or fields", where);
        if (block.text) text(block.text, 3000, `${where}/text`);
        if (block.fields) several(block.fields, 10, `${where}/fields`, (field, there) => text(field, 2000, there));
        if (block.accessory) element(block.accessory, `${where}/accessory`);
        break;
      case "header":
        text(block.text, 150, `${where}/text`, ["plain_text"]);
        break;
      case "context":
        several(block.elements, 10, `${where}/elements`, (one, there) => (one.type === "image" ? element(one, there) : text(one, 2000, there)));
        break;
      case "actions":
        several(block.elements, 25, `${where}/elements`, element);
        break;
      case "context_actions":
        several(block.elements, 5, `${where}/elements`, element);
        break;
      case "markdown":
        string(block.text, kMarkdown, `${where}/text`);
        markdown += size(block.text);
        break;
      case "image":
        string(block.alt_text, 2000, `${where}/alt_text`);
        break;
      case "input":
        if (!view && !["plain_text_input", "static_select"].includes(block.element?.type)) wrong(`unsupported type: ${block.element?.type}`, `${where}/element`);
        text(block.label, 2000, `${where}/label`, ["plain_text"]);
        element(block.element, `${where}/element`);
        break;
      case "table":
        several(block.rows, 100, `${where}/rows`, (row, there) => several(row, 20, there, (cell, place) => {
          if (!["raw_text", "raw_number", "rich_text"].includes(cell?.type)) wrong(`unsupported type: ${cell?.type}`, place);
          if (cell.type === "raw_text") string(cell.text, kAllBlocks, `${place}/text`);
        }));
        if (++tables > 1) refuse("invalid_attachments", "only_one_table_allowed");
        break;
      case "rich_text":
        if (!Array.isArray(block.elements)) wrong("missing required field: elements", where);
        break;
      default:
    }
  });
  if (markdown > kMarkdown) wrong(`the markdown blocks together must be less than ${kMarkdown + 1} characters`, at);
  if (!view && all > kAllBlocks) refuse("msg_blocks_too_long");
  return blocks.map((block) => ({ ...block, block_id: block.block_id ?? Math.random().toString(36).slice(2, 7) }));
}

export function checkMetadata(metadata) {
  if (metadata === undefined) return null;
  if (typeof metadata !== "object" || metadata === null || Array.isArray(metadata)) refuse("invalid_metadata_format");
  if (typeof metadata.event_type !== "string" || !metadata.event_type || typeof metadata.event_payload !== "object" || metadata.event_payload === null) refuse("invalid_metadata_schema");
  if (JSON.stringify(metadata).length > kMetadata) refuse("metadata_too_large");
  return { event_type: metadata.event_type, event_payload: metadata.event_payload };
}

// The text, blocks and the rest of a message that an app sends: {text, blocks?, attachments?, warnings}.
export function checkContent(args, { update = false } = {}) {
  const { text, markdown_text, attachments } = args;
  let { blocks } = args;
  const warnings = [];
  if (markdown_text !== undefined) {
    if (text !== undefined || blocks !== undefined) refuse("markdown_text_conflict");
    if (size(markdown_text) > kMarkdown) refuse("msg_too_long");
    if (!markdown_text) refuse("no_text");
    return { text: markdown_text, blocks: [{ type: "markdown", text: markdown_text, block_id: "markdown" }], warnings };
  }
  if (attachments !== undefined) {
    if (!Array.isArray(attachments)) refuse("invalid_attachments");
    if (attachments.length > 100) refuse("too_many_attachments");
  }
  if (blocks !== undefined) blocks = checkBlocks(blocks);
  if (!text && !blocks?.length && !attachments?.length) refuse("no_text");
  let kept = text ?? "";
  if (update && size(kept) > kUpdateText) refuse("msg_too_long");
  if (size(kept) > kText) {
    kept = [...kept].slice(0, kText).join("");
    warnings.push("message_truncated");
  }
  return { text: kept, ...(blocks === undefined ? {} : { blocks }), ...(attachments === undefined ? {} : { attachments }), warnings };
}

// Chunks of a stream: {text, tasks, blocks}.
export function checkChunks({ markdown_text, chunks }) {
  const content = { text: markdown_text ?? "", tasks: [], plan: null, blocks: [] };
  if (size(content.text) > kMarkdown) refuse("msg_too_long");
  if (chunks === undefined) return content;
  if (!Array.isArray(chunks)) refuse("invalid_chunks");
  for (const chunk of chunks) {
    if (chunk?.type === "markdown_text" && typeof chunk.text === "string" && chunk.text) content.text += chunk.text;
    else if (chunk?.type === "task_update" && chunk.id && chunk.title && ["pending", "in_progress", "complete", "error"].includes(chunk.status)) content.tasks.push(chunk);
    else if (chunk?.type === "plan_update" && typeof chunk.title === "string") content.plan = chunk.title;
    else if (chunk?.type === "blocks" && Array.isArray(chunk.blocks)) content.blocks.push(...checkBlocks(chunk.blocks));
    else refuse("invalid_chunks", `a chunk of type ${chunk?.type} is not valid`);
  }
  if (content.blocks.length > 50) refuse("msg_blocks_too_many");
  if (size(content.text) > kMarkdown) refuse("msg_too_long");
  return content;
}

export function checkView(view) {
  if (typeof view !== "object" || view === null) refuse("invalid_arguments", "missing required field: view");
  if (!["modal", "home"].includes(view.type)) refuse("invalid_arguments", `unsupported type: ${view.type} [json-pointer:/view/type]`);
  if (view.type === "modal") {
    for (const part of ["title", "submit", "close"])
      if (view[part] && size(view[part].text) > 24) refuse("invalid_arguments", `must be less than 25 characters [json-pointer:/view/${part}/text]`);
    if (!view.title) refuse("invalid_arguments", "missing required field: title [json-pointer:/view]");
  }
  if (view.private_metadata && size(view.private_metadata) > 3000) refuse("invalid_arguments", "must be less than 3001 characters [json-pointer:/view/private_metadata]");
  if (view.callback_id && size(view.callback_id) > 255) refuse("invalid_arguments", "must be less than 256 characters [json-pointer:/view/callback_id]");
  if (Buffer.byteLength(JSON.stringify(view)) > 250_000) refuse("view_too_large");
  return { ...view, blocks: checkBlocks(view.blocks, { view: true, at: "/view/blocks" }) };
}
