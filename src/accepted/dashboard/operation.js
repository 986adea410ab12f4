// One operation: where it stands, how it came there, what went in, what came out, what it said, whom it told.

import { get, post } from "./api.js";
import { confirm } from "./dialog.js";
import { el, failed, fill, framed, loading, say } from "./dom.js";
import { ENDED, badge, moment, now, rebadge, span } from "./format.js";
import { LogPanel } from "./log.js";
import { deliveriesPanel, inputPanel, outcomePanel } from "./panels.js";
import { History, timeline } from "./timeline.js";

export function operation(context, parameters) {
  const id = parameters.get("operation");
  const path = `operations/${id}`;
  const history = new History();
  const log = new LogPanel(id);
  const told = deliveriesPanel(context, path);
  const outcome = el("div");
  const status = badge("PENDING");
  const title = el("h1", {}, "Operation");
  const buttons = el("div.buttons");
  const facts = el("dl.facts");
  const progress = progressBlock();
  const story = timeline();
  const body = el(
    "div.operation",
    {},
    progress.node,
    el("section.card", { "aria-labelledby": "facts" }, el("h2.hidden", { id: "facts" }, "Facts"), facts),
    outcome,
    story.node,
    log.node,
    inputPanel(path, id),
    told.node,
  );
  const node = el(
    "div.view",
    {},
    el("p.crumb", {}, el("a", { href: "?view=operations" }, "Operations")),
    el("div.head.operation-head", {}, el("div.title", {}, title, status), buttons),
    el("div.identity", {}, el("code", {}, id), copyButton(context, id)),
    loading("the operation"),
  );
  let shown = null;
  let present = null;
  let closed = false;

  // --- reading

  async function load() {
    try {
      const document = await get(path, { redirect: "false" });
      if (closed) return;
      if (!shown) {
        node.lastElementChild.replaceWith(body);
        shown = true;
      }
      show(document);
      told.load(document);
    } catch (error) {
      if (!shown && !closed) node.lastElementChild.replaceWith(failed(error, load));
    }
  }

  /** Its own stream, from the first event on: history, then news. When it has ended, the page goes back to all. */
  function follow() {
    context.follow(
      `${path}/stream`,
      { after: "0-0", logs: "true" },
      (name, data, lastId) => {
        if (name === "log") return log.add(data);
        history.add(data, lastId, name === "reset");
        if (ENDED.has(data.status)) load().then(() => !closed && context.followAll());
        redraw();
      },
      () => !closed && context.followAll(),
    );
  }

  const redraw = framed(() => {
    if (closed || !present) return;
    const last = history.last;
    if (last && !ENDED.has(present.status)) {
      present = { ...present, status: last.status, attempt: last.attempt ?? present.attempt, progress: last.data ?? present.progress };
      if (last.status === "PROCESSING") present.startedAt ??= last.timestamp;
      if (!ENDED.has(last.status)) show(present);
    }
    story.update(history, present);
  });

  // --- showing

  function show(document) {
    present = document;
    say(title, document.type);
    globalThis.document.title = `${document.type} · Accepted`;
    rebadge(status, document.status);
    progress.update(document);
    showFacts(facts, document);
    fill(outcome, ENDED.has(document.status) ? outcomePanel(document, id) : null);
    showButtons();
    story.update(history, document);
  }

  function showButtons() {
    const cancellable = !ENDED.has(present.status);
    const again = present.links.retriedBy && operationIn(present.links.retriedBy);
    const retryable = !again && (present.links.retry || present.status === "CANCELLED");
    const wanted = `${cancellable} ${retryable} ${again}`;
    if (buttons.dataset.wanted === wanted) return; // a button that is pointed at stays where it is
    buttons.dataset.wanted = wanted;
    fill(
      buttons,
      cancellable && el("button.danger", { type: "button", onclick: cancel }, "Cancel"),
      retryable && el("button.primary", { type: "button", onclick: retry }, "Retry"),
      again && el("a.button", { href: `?operation=${again}` }, "Its retry"),
    );
  }

  async function cancel() {
    const text = "It is told to stop; what it has done so far may stay done. This cannot be undone.";
    const reason = await confirm({ title: `Cancel this ${present.type}?`, text, action: "Cancel it", danger: true, reason: true });
    if (reason === null) return;
    await act(async () => {
      const answer = await post(`${path}/cancel`, reason ? { reason } : {});
      context.say(answer.workStopped ? "Cancelled; its work has stopped" : "Cancelled");
    });
  }

  async function retry() {
    const text = "It is submitted again with the same input, as a new operation.";
    if (!(await confirm({ title: `Retry this ${present.type}?`, text, action: "Retry it" }))) return;
    await act(async () => {
      const made = await post(`${path}/retry`);
      context.say("Submitted again");
      context.go(`?operation=${made.operationId}`);
    });
  }

  async function act(action) {
    try {
      await action();
    } catch (error) {
      context.say(error.message, "failed");
    }
    if (!closed) load();
  }

  load();
  follow();
  return {
    title: "Operation",
    node,
    follows: true,
    onChanges: (changes, more) => (more || changes.some((job) => job.jobId.slice(4) === id.slice(3))) && load(),
    onReconnected: load,
    onTick: () => present && !ENDED.has(present.status) && (showFacts(facts, present), story.update(history, present)),
    onKey(name) {
      if (!present) return false;
      if (name === "c" && !ENDED.has(present.status)) return cancel(), true;
      if (name === "r" && buttons.querySelector(".primary")) return retry(), true;
      return false;
    },
    onParameters: (changed) => changed.get("operation") === id,
    close: () => (closed = true),
  };
}

// --- parts

const operationIn = (url) => url.slice(url.lastIndexOf("/") + 1);

function copyButton(context, text) {
  const copy = () => navigator.clipboard?.writeText(text).then(() => context.say("Copied"));
  return el("button.quiet", { type: "button", onclick: copy }, "Copy id");
}

function progressBlock() {
  const bar = el("span");
  const meter = el("div.progress", { role: "progressbar", "aria-label": "Progress", "aria-valuemin": "0", "aria-valuemax": "100" }, bar);
  const words = el("p.progress-words");
  const number = el("p.figure");
  const phases = el("ol.phases", { "aria-label": "Phases" });
  const node = el("section.card.progress-card", { "aria-label": "Progress", hidden: true }, el("div.head", {}, words, number), meter, phases);
  return {
    node,
    update({ status, progress, queuePosition }) {
      node.hidden = !progress && status !== "PROCESSING" && queuePosition === undefined;
      const known = progress?.percentage;
      if (known === undefined) meter.removeAttribute("aria-valuenow");
      else meter.setAttribute("aria-valuenow", known);
      meter.dataset.status = status;
      meter.toggleAttribute("data-unknown", known === undefined && status === "PROCESSING");
      bar.style.width = `${known ?? 0}%`;
      say(number, known === undefined ? "" : `${known} %`);
      const amount = progress?.current === undefined ? "" : `${progress.current.toLocaleString("en")}${progress.total === undefined ? "" : ` of ${progress.total.toLocaleString("en")}`}`;
      const place = status === "PENDING" && queuePosition !== undefined ? `Number ${queuePosition} in the queue` : "";
      say(words, [progress?.message, amount, place].filter(Boolean).join(" · ") || (ENDED.has(status) ? "How far it came" : status === "PENDING" ? "Waiting" : "Running"));
      fill(phases, (progress?.phases ?? []).map((phase) => phaseItem(phase)));
    },
  };
}

function phaseItem(phase) {
  const words = { PENDING: "to come", IN_PROGRESS: phase.percentage === undefined ? "running" : `${phase.percentage} %`, COMPLETED: span(phase.duration) };
  return el("li", { "data-phase": phase.status }, el("span.phase-name", {}, phase.name), el("span.note", {}, words[phase.status] ?? phase.status));
}

function showFacts(list, document) {
  const end = document.completedAt ?? document.failedAt ?? document.cancelledAt;
  const between = (from, to) => (from ? span(Math.max(((to ? Date.parse(to) : now()) - Date.parse(from)) / 1000, 0)) : "–");
  const time = (at) => at && el("span", {}, el("time", { datetime: at, title: at }, moment(at)));
  const rows = [
    ["Submitted", time(document.createdAt)],
    ["Waited", document.startedAt || !end ? between(document.createdAt, document.startedAt) : between(document.createdAt, end)],
    ["Started", time(document.startedAt)],
    [end ? "Took" : "Running for", document.startedAt && between(document.startedAt, end)],
    [end ? "Ended" : "Expected", time(end ?? document.estimatedCompletion)],
    ["Attempt", document.attempt ? String(document.attempt) : null],
    ["Retry of", document.retryOf && el("a", { href: `?operation=${document.retryOf}` }, document.retryOf)],
    ["Owner", document.owner],
    ["Kept until", time(document.expiresAt)],
  ];
  const wanted = rows.filter(([, value]) => value);
  const key = JSON.stringify(wanted.map(([name, value]) => [name, value.textContent ?? value]));
  if (list.dataset.shown === key) return;
  list.dataset.shown = key;
  fill(list, wanted.map(([name, value]) => el("div", {}, el("dt", {}, name), el("dd", {}, value))));
}

