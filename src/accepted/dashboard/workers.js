// Who works, on what, and how old the queue is.

import { operationOf } from "./api.js";
import { el, empty, fill, keyed, say } from "./dom.js";
import { count, now, since, span } from "./format.js";

export function workers(context) {
  const queues = el("tbody");
  const cards = el("div.workers");
  const nothing = el("div");
  let statistics = null;

  const heads = ["Waiting", "Oldest due", "Running"].map((head) => el("th", { scope: "col" }, head));
  const node = el(
    "div.view",
    {},
    el("h1", {}, "Workers"),
    el("section", { "aria-label": "Workers" }, nothing, cards),
    el(
      "section.card",
      { "aria-labelledby": "queues" },
      el("h2", { id: "queues" }, "Queue by type"),
      el("div.scroll", { tabindex: "0", role: "region", "aria-label": "Queue by type" }, el("table.figures", {}, el("thead", {}, el("tr", {}, el("th", { scope: "col" }, "Type"), heads)), queues)),
    ),
  );

  function showQueues() {
    const waiting = statistics.types.filter((one) => one.operations.PENDING || one.operations.PROCESSING);
    if (!waiting.length) {
      fill(queues, el("tr", { "data-key": "" }, el("td", { colspan: "4" }, empty("Nothing waits and nothing runs"))));
      return;
    }
    keyed(queues, waiting, (one) => one.type, queueRow, (row, one) => {
      const oldest = one.queue.oldestDueAt;
      const age = oldest ? span(Math.max(Math.floor((now() - Date.parse(oldest)) / 1000), 0) || 0.5) : "–";
      [count(one.operations.PENDING), age, count(one.operations.PROCESSING)].forEach((text, index) => say(row.children[index + 1], text));
    });
  }

  function showWorkers() {
    const known = statistics.workers;
    if (!known) fill(nothing, empty("Workers are for operators", "The key that you signed in with has no role admin."));
    else if (!known.length) fill(nothing, empty("No worker is registered", "Operations wait until one starts: accepted worker module:app"));
    else fill(nothing);
    keyed(cards, known ?? [], (one) => one.workerId, workerCard, updateCard);
  }

  return {
    title: "Workers",
    node,
    onTick: () => statistics && showQueues(),
    onStatistics(given) {
      statistics = given;
      showWorkers();
      showQueues();
    },
  };
}

function queueRow(one) {
  const href = `?${new URLSearchParams({ view: "operations", type: one.type, status: "PENDING" })}`;
  return el("tr", {}, el("th", { scope: "row" }, el("a", { href }, one.type)), Array.from({ length: 3 }, () => el("td")));
}

function workerCard(worker) {
  const id = `worker-${worker.workerId}`;
  return el(
    "article.card.worker",
    { "aria-labelledby": id },
    el("div.head", {}, el("h2", { id }, `${worker.host ?? "Worker"}${worker.pid ? ` · ${worker.pid}` : ""}`), el("span.alive")),
    el("p.note.types"),
    el("div.meter", { role: "meter", "aria-label": "Slots in use", "aria-valuemin": "0" }, el("span")),
    el("p.note.used"),
    el("ul.rows"),
  );
}

function updateCard(card, worker) {
  const slots = worker.slots ?? 0;
  const busy = worker.running.length;
  card.dataset.alive = worker.alive;
  say(card.querySelector(".alive"), worker.alive ? "Alive" : "Lost");
  say(card.querySelector(".types"), (worker.types ?? []).join(", "));
  say(card.querySelector(".used"), slots ? `${busy} of ${slots} slots in use` : `${busy} running`);
  const meter = card.querySelector(".meter");
  meter.setAttribute("aria-valuemax", Math.max(slots, 1));
  meter.setAttribute("aria-valuenow", Math.min(busy, Math.max(slots, 1)));
  meter.firstElementChild.style.width = `${Math.min((100 * busy) / Math.max(slots, 1), 100)}%`;
  keyed(
    card.querySelector("ul"),
    worker.running,
    (one) => one.jobId,
    (one) => el("li.row", {}, el("a.grow", { href: `?operation=${operationOf(one.jobId)}` }, one.type), el("span.quiet-text", {}, since(one.since))),
    () => {},
  );
}
