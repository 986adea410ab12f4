// What went into an operation, what came out of it, and who was told.

import { ask, download, get, post } from "./api.js";
import { el, empty, failed, fill } from "./dom.js";
import { bytes, clock, moment } from "./format.js";

const SHOWN = 64 * 1024; // characters of a document that are shown; all of it can be saved

/** A JSON document to read, and to save whole. */
function reading(label, text, save) {
  const cut = text.length > SHOWN;
  return [
    el("pre", { tabindex: "0", role: "region", "aria-label": label }, cut ? `${text.slice(0, SHOWN)}\n…` : text),
    cut && el("p.note", {}, `The first ${bytes(SHOWN)} of ${bytes(text.length)}.`),
    save && el("div.buttons", {}, el("button.quiet", { type: "button", onclick: save }, "Download")),
  ];
}

function card(title, name, ...children) {
  return el("section.card", { "aria-labelledby": name }, el("h2", { id: name }, title), ...children);
}

// --- input

export function inputPanel(path, id) {
  const inside = el("div");
  const load = async () => {
    try {
      const text = await (await ask(`${path}/input`)).text();
      const save = () => download(`${path}/input`, `${id}-input.json`);
      fill(inside, text === "null" ? empty("It takes no input") : reading("Input", pretty(text), save));
    } catch (error) {
      fill(inside, failed(error, load));
    }
  };
  load();
  return card("Input", "input", inside);
}

/** Laid out for reading where that changes nothing: a number that JavaScript cannot hold stays as it was written. */
function pretty(text) {
  if (text.length > SHOWN * 4 || /\d{16,}/.test(text)) return text;
  return JSON.stringify(JSON.parse(text), null, 2);
}

// --- outcome

export function outcomePanel(document, id) {
  if (document.error) return errorPanel(document.error);
  if (document.status === "CANCELLED") return cancelledPanel(document);
  return resultPanel(document.result ?? {}, id);
}

function resultPanel(result, id) {
  const { url, warnings, ...members } = result;
  const file = members.filename;
  const save = () => download(`operations/${id}/result`, file ?? `${id}-result.json`);
  const value = Object.keys(members).length === 1 && "value" in members ? members.value : members;
  return card(
    "Result",
    "result",
    warnings?.length && el("ul.warnings", { "aria-label": "Warnings" }, warnings.map(warning)),
    file
      ? el("div.file", {}, el("p.file-name", {}, file), el("p.note", {}, [members.mediaType, members.size !== undefined && bytes(members.size)].filter(Boolean).join(" · ")))
      : null,
    Object.keys(members).length ? reading("Result", JSON.stringify(value, null, 2)) : el("p.note", {}, "It is too large to be shown here, or there is none."),
    el("div.buttons", {}, el("button.primary", { type: "button", onclick: save }, file ? "Download file" : "Download")),
  );
}

function warning({ code, message, affectedRecords }) {
  return el("li", {}, el("code", {}, code), ` ${message}`, affectedRecords === undefined ? null : el("span.note", {}, ` ${affectedRecords.toLocaleString("en")} records`));
}

function errorPanel({ title, detail, type, status, instance, retryable, retryAfter, ...members }) {
  const again = retryable === undefined ? null : retryable ? "It may work when tried again." : "Trying again will not help.";
  return card(
    "Error",
    "error",
    el(
      "div.problem",
      {},
      el("p.problem-title", {}, title),
      detail !== title && el("p.problem-detail", {}, detail),
      el("p.note", {}, [again, retryAfter && `Not before ${retryAfter} s have passed.`].filter(Boolean).join(" ")),
      el("p.note", {}, el("code", {}, type)),
    ),
    Object.keys(members).length ? reading("More about the error", JSON.stringify(members, null, 2)) : null,
  );
}

function cancelledPanel({ reason, workStopped, partialResult }) {
  return card(
    "Cancelled",
    "cancelled",
    el("p", {}, reason ?? "No reason was given."),
    el("p.note", {}, workStopped ? "Its work had stopped by then." : "Its work may have gone on for a while."),
    partialResult !== undefined && [el("h3", {}, "What it left"), ...reading("Partial result", JSON.stringify(partialResult, null, 2))],
  );
}

// --- deliveries

const WORDS = { PENDING: "To be sent", DELIVERED: "Delivered", FAILED: "Given up" };

export function deliveriesPanel(context, path) {
  const rows = el("ul.deliveries");
  const node = el("section.card", { "aria-labelledby": "deliveries", hidden: true }, el("h2", { id: "deliveries" }, "Webhook deliveries"), rows);

  async function load(document) {
    if (!document.links.deliveries) return;
    node.hidden = false;
    try {
      const { data } = await get(`${path}/deliveries`);
      fill(rows, data.length ? data.map((delivery) => row(delivery, document)) : empty("Nothing to deliver yet"));
    } catch (error) {
      fill(rows, failed(error, () => load(document)));
    }
  }

  function row(delivery, document) {
    const last = delivery.attempts.at(-1);
    const answer = last && (last.statusCode ? `HTTP ${last.statusCode}` : last.error);
    return el(
      "li.delivery",
      {},
      el("span.badge", { "data-delivery": delivery.status }, WORDS[delivery.status]),
      el("span.grow", {}, delivery.event),
      el("span.note", {}, `${delivery.attempts.length} ${delivery.attempts.length === 1 ? "try" : "tries"}${answer ? `, last ${answer} at ${clock(last.time)}` : ""}`),
      delivery.nextAttempt && el("span.note", {}, "next ", el("time", { datetime: delivery.nextAttempt }, moment(delivery.nextAttempt))),
      el("button", { type: "button", onclick: () => again(delivery, document) }, "Redeliver"),
    );
  }

  async function again(delivery, document) {
    try {
      await post(`${path}/deliveries/${delivery.deliveryId}/redeliver`);
      context.say("It is being delivered again");
    } catch (error) {
      context.say(error.message, "failed");
    }
    load(document);
  }

  return { node, load };
}

