// Everything at a glance: what waits, what runs, how fast, how well; the last hour; types; what has failed last.

import { get, operationOf } from "./api.js";
import { chart } from "./chart.js";
import { el, empty, failed, fill, keyed, loading, say } from "./dom.js";
import { badge, compact, count, now, percent, since, span } from "./format.js";

const PERCENTILES = ["p50", "p95", "p99"];

export function overview(context) {
  const tiles = {
    waiting: tile("Waiting", "?view=operations&status=PENDING"),
    running: tile("Running", "?view=operations&status=PROCESSING"),
    rate: tile("Ended a minute"),
    success: tile("Succeeded", "?view=operations&status=FAILED"),
    time: tile("Median run time"),
  };
  const charts = makeCharts();
  const types = el("tbody");
  const failures = el("ul.rows", {}, loading("failures"));
  let statistics = null;

  const node = el(
    "div.view",
    {},
    el("h1.hidden", {}, "Overview"),
    el("section.tiles", { "aria-label": "Now" }, Object.values(tiles).map((each) => each.node)),
    el("section.charts", { "aria-label": "The last hour" }, Object.values(charts).map((each) => each.node)),
    el(
      "div.columns",
      {},
      el("section.card", { "aria-labelledby": "types" }, el("h2", { id: "types" }, "By type"), typesTable(types)),
      el(
        "section.card",
        { "aria-labelledby": "failures" },
        el("div.head", {}, el("h2", { id: "failures" }, "Failed last"), el("a", { href: "?view=operations&status=FAILED" }, "All failed")),
        failures,
      ),
    ),
  );

  async function loadFailures() {
    try {
      const page = await get("jobs", { status: "FAILED", limit: 6 });
      if (!page.data.length) fill(failures, empty("Nothing has failed", "Failed operations are kept for as long as their retention says."));
      else showFailures(page.data);
    } catch (error) {
      fill(failures, failed(error, loadFailures));
    }
  }

  function showFailures(jobs) {
    if (failures.querySelector(".empty")) fill(failures);
    keyed(failures, jobs, (job) => job.jobId, failureRow, () => {});
  }

  function onTick() {
    if (statistics) waiting(tiles.waiting, statistics.queue);
  }

  loadFailures();
  return {
    title: "Overview",
    node,
    onTick,
    onReconnected: loadFailures,
    onStatistics(given) {
      const failedBefore = statistics?.operations.FAILED;
      statistics = given;
      showTiles(tiles, given);
      for (const each of Object.values(charts)) each.update(given.minutes);
      showTypes(types, given.types);
      if (failedBefore !== undefined && failedBefore !== given.operations.FAILED) loadFailures();
    },
  };
}

// --- figures

function tile(label, href) {
  const number = el("span.figure", {}, "–");
  const note = el("span.note", {}, " ");
  const inside = [el("span.label", {}, label), number, note];
  const node = href ? el("a.tile", { href }, ...inside) : el("div.tile", {}, ...inside);
  return { node, number, note };
}

function put(tile, number, note) {
  say(tile.number, number);
  say(tile.note, note);
}

function showTiles(tiles, { operations, queue, lastHour, minutes, workers }) {
  waiting(tiles.waiting, queue);
  const slots = workers?.filter((worker) => worker.alive).reduce((sum, worker) => sum + (worker.slots ?? 0), 0);
  put(tiles.running, compact(operations.PROCESSING), workers ? (slots ? `of ${count(slots)} slots` : "no worker is alive") : " ");
  const ended = sum(lastHour.ended);
  put(tiles.rate, compact(sum(minutes.at(-2)?.ended)), `${compact(ended)} in the last hour`);
  const bad = lastHour.ended?.FAILED ?? 0;
  put(tiles.success, percent(lastHour.successRate), ended ? `${compact(bad)} failed in the last hour` : "nothing has ended yet");
  tiles.success.node.dataset.alarm = lastHour.successRate < 0.9 ? "yes" : "no";
  put(tiles.time, span(lastHour.run?.p50), lastHour.run ? `95 % within ${span(lastHour.run.p95)}` : "nothing has run yet");
}

function waiting(tile, queue) {
  const oldest = queue.oldestDueAt && Math.max((now() - Date.parse(queue.oldestDueAt)) / 1000, 0);
  put(tile, compact(queue.depth), oldest === undefined ? (queue.depth ? "not due yet" : "nothing is due") : `oldest ${span(Math.floor(oldest) || 0.5)}`);
}

const sum = (ended = {}) => Object.values(ended).reduce((total, each) => total + each, 0);

// --- charts

function makeCharts() {
  const ended = (status) => (one) => one.ended?.[status] ?? (one.ended ? 0 : null);
  const of = (name) => (each) => ({ name: each, tone: each, of: (one) => one[name]?.[each] });
  return {
    rate: chart({
      title: "Ended a minute",
      stacked: true,
      write: compact,
      series: [
        { name: "Completed", tone: "COMPLETED", of: ended("COMPLETED") },
        { name: "With errors", tone: "COMPLETED_WITH_ERRORS", of: ended("COMPLETED_WITH_ERRORS") },
        { name: "Failed", tone: "FAILED", of: ended("FAILED") },
        { name: "Cancelled", tone: "CANCELLED", of: ended("CANCELLED") },
      ],
    }),
    success: chart({
      title: "Success rate",
      write: (share) => `${Math.round(share * 1000) / 10} %`,
      most: 1,
      series: [{ name: "Succeeded", tone: "COMPLETED", of: (one) => one.successRate }],
    }),
    wait: chart({ title: "Wait", write: span, series: PERCENTILES.map(of("wait")) }),
    run: chart({ title: "Run time", write: span, series: PERCENTILES.map(of("run")) }),
  };
}

// --- types and failures

function typesTable(body) {
  const heads = ["Waiting", "Oldest", "Running", "Ended, 1 h", "Success", "Run p50", "Run p95"];
  return el(
    "div.scroll",
    { tabindex: "0", role: "region", "aria-label": "By type" },
    el("table.figures", {}, el("thead", {}, el("tr", {}, el("th", { scope: "col" }, "Type"), heads.map((head) => el("th", { scope: "col" }, head)))), body),
  );
}

function showTypes(body, types) {
  if (!types.length) {
    fill(body, el("tr", { "data-key": "" }, el("td", { colspan: "8" }, empty("No operation yet", "Submit one, and it shows up here at once."))));
    return;
  }
  keyed(body, types, (one) => one.type, typeRow, (row, one) => {
    const cells = [
      count(one.operations.PENDING),
      one.queue.oldestDueAt ? span(Math.floor((now() - Date.parse(one.queue.oldestDueAt)) / 1000) || 0.5) : "–",
      count(one.operations.PROCESSING),
      count(sum(one.lastHour.ended)),
      percent(one.lastHour.successRate),
      span(one.lastHour.run?.p50),
      span(one.lastHour.run?.p95),
    ];
    cells.forEach((text, index) => say(row.children[index + 1], text));
  });
}

function typeRow(one) {
  const href = `?${new URLSearchParams({ view: "operations", type: one.type })}`;
  return el("tr", {}, el("th", { scope: "row" }, el("a", { href }, one.type)), Array.from({ length: 7 }, () => el("td")));
}

function failureRow(job) {
  return el(
    "li.row",
    {},
    badge(job.status),
    el("a.grow", { href: `?operation=${operationOf(job.jobId)}` }, job.type),
    el("span.quiet-text", {}, since(job.completedAt ?? job.submittedAt)),
  );
}

