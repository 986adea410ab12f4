// Operations, newest first, with filters. The address holds all of the state. Rows change where they stand; new ones
// come in by themselves only while nobody points at the rows, for a row must not move away under a finger.

import { get, operationOf } from "./api.js";
import { Selection } from "./bulk.js";
import { el, empty, failed, fill, keyed, loading, say } from "./dom.js";
import { ENDED, LABELS, STATUSES, badge, compact, count, now, rebadge, shape, since, span } from "./format.js";

const PAGE = 50;
const SPANS = { "": "any time", "15": "15 minutes", "60": "hour", "1440": "day" };
const CALM = 2000; // ms between two looks at the whole page while more happens than a stream can tell

export function list(context, given) {
  let parameters = given;
  let jobs = [];
  let next = null;
  let asked = null;
  let looked = 0;
  let later = 0;

  const rows = el("tbody");
  const table = el("table.list", { "aria-label": "Operations" }, head(), rows);
  const state = el("div");
  const total = el("p.note", { role: "status" });
  const fresh = el("button.fresh", { type: "button", hidden: true, onclick: () => load() }, "Show new operations");
  const older = el("a.button", { hidden: true }, "Older");
  const newest = el("a.button", { hidden: true }, "Newest");
  const selection = new Selection(context, rows, () => load());
  const filters = makeFilters(context, () => parameters);
  const node = el(
    "div.view",
    {},
    el("div.head", {}, el("h1", {}, "Operations"), total),
    filters.node,
    selection.node,
    el("div.card.table", {}, fresh, table, state),
    el("nav.pages", { "aria-label": "Pages" }, newest, older),
  );

  // --- reading

  async function load({ quiet = false } = {}) {
    asked?.abort();
    asked = new AbortController();
    looked = Date.now();
    if (!quiet) fill(state, jobs.length ? null : loading("operations"));
    try {
      const page = await get("jobs", query(parameters), asked.signal);
      jobs = page.data;
      next = page.pagination.next;
      fresh.hidden = true;
      filters.onJobs(jobs);
      show(page.pagination.totalElements);
    } catch (error) {
      if (error.name === "AbortError") return;
      [jobs, next] = [[], null];
      show();
      fill(state, failed(error, () => load()));
    }
  }

  function show(all) {
    table.hidden = !jobs.length;
    const filtered = ["status", "type", "owner", "search", "span"].some((name) => parameters.get(name));
    fill(state, jobs.length ? null : nothing(filtered));
    keyed(rows, jobs, (job) => job.jobId, row, update);
    selection.refresh();
    say(total, all === undefined ? `${count(jobs.length)}${next ? " and more" : ""}` : `${count(all)} in all`);
    turn(older, next && { cursor: next });
    turn(newest, parameters.get("cursor") && { cursor: null });
  }

  function turn(link, change) {
    link.hidden = !change;
    if (change) link.href = changed(parameters, change);
  }

  // --- living

  const pointed = () => table.matches(":hover") || table.contains(document.activeElement) || selection.size;

  function onChanges(changes, more) {
    const known = new Map(jobs.map((job, index) => [job.jobId, index]));
    let strangers = more && !parameters.get("cursor");
    for (const job of changes) {
      const place = known.get(job.jobId);
      if (place !== undefined) jobs[place] = job;
      else strangers ||= !parameters.get("cursor") && fits(parameters, job) && (!jobs.length || job.jobId > jobs.at(-1).jobId);
    }
    for (const child of rows.children) {
      const place = known.get(child.dataset.key);
      if (place !== undefined) update(child, jobs[place]);
    }
    selection.refresh();
    if (strangers) renew();
  }

  /** Look again, not too often; or offer to, where that would move what somebody points at. */
  function renew() {
    if (pointed()) {
      fresh.hidden = false;
      return;
    }
    clearTimeout(later);
    later = setTimeout(() => (pointed() ? (fresh.hidden = false) : load({ quiet: true })), Math.max(CALM - (Date.now() - looked), 0));
  }

  function step(by) {
    const links = [...rows.querySelectorAll("a.type")];
    const place = links.findIndex((link) => link.closest("tr").contains(document.activeElement));
    links[Math.max(0, Math.min(links.length - 1, place < 0 ? 0 : place + by))]?.focus();
    return true;
  }

  const KEYS = {
    "/": () => filters.search.focus() ?? true,
    j: () => step(1),
    k: () => step(-1),
    ArrowDown: () => rows.contains(document.activeElement) && step(1),
    ArrowUp: () => rows.contains(document.activeElement) && step(-1),
    x: () => document.activeElement.closest("tr")?.querySelector("input")?.click() ?? true,
    c: () => selection.size && (selection.cancel(), true),
    r: () => selection.size && (selection.retry(), true),
    Escape: () => selection.size && (selection.clear(), true),
  };

  load();
  if (parameters.has("search") && !parameters.get("search")) setTimeout(() => filters.search.focus());
  return {
    title: "Operations",
    node,
    onChanges,
    onReconnected: () => load({ quiet: true }),
    onStatistics: filters.onStatistics,
    onKey: (name) => KEYS[name]?.(),
    onTick: () => jobs.forEach((job, index) => !ENDED.has(job.status) && rows.children[index] && lasted(rows.children[index], job)),
    onParameters(changed) {
      parameters = changed;
      selection.clear();
      filters.onParameters();
      load();
      return true;
    },
    close() {
      asked?.abort();
      clearTimeout(later);
    },
  };
}

// --- the address

function query(parameters) {
  const search = (parameters.get("search") ?? "").trim();
  const minutes = Number(parameters.get("span")) || 0;
  return {
    status: parameters.get("status"),
    type: parameters.get("type"),
    cursor: parameters.get("cursor"),
    owner: parameters.get("owner"),
    id: search && (/^(op|job)-/.test(search) ? search : `op-${search}`),
    submittedAfter: minutes ? new Date(now() - minutes * 60_000).toISOString() : null,
    limit: PAGE,
  };
}

function changed(parameters, change) {
  const made = new URLSearchParams(parameters);
  made.set("view", "operations");
  if (!("cursor" in change)) made.delete("cursor");
  for (const [name, value] of Object.entries(change)) value ? made.set(name, value) : made.delete(name);
  return `?${made}`;
}

function fits(parameters, job) {
  const statuses = parameters.get("status")?.split(",");
  const search = parameters.get("search")?.trim();
  return (
    (!statuses || statuses.includes(job.status)) &&
    (!parameters.get("type") || parameters.get("type") === job.type) &&
    (!search || operationOf(job.jobId).startsWith(search))
  );
}

function nothing(filtered) {
  return filtered
    ? empty("Nothing fits these filters", el("a", { href: "?view=operations" }, "Show all operations"))
    : empty("No operation yet", "Submit one, and it shows up here at once.");
}

// --- filters

function makeFilters(context, parameters) {
  const go = (change) => context.go(changed(parameters(), change));
  const search = el("input", { type: "search", placeholder: "Id, or how it begins", "aria-label": "Search by id", autocomplete: "off", spellcheck: "false" });
  const type = el("select", { "aria-label": "Type", onchange: () => go({ type: type.value }) }, el("option", { value: "" }, "all types"));
  const span = el("select", { "aria-label": "Submitted within", onchange: () => go({ span: span.value }) }, Object.entries(SPANS).map(([value, words]) => el("option", { value }, words)));
  const owner = el("input", { type: "search", placeholder: "Owner", "aria-label": "Owner", autocomplete: "off", spellcheck: "false" });
  const owned = el("form.owned", { hidden: true, onsubmit: (event) => (event.preventDefault(), go({ owner: owner.value.trim() })) }, owner);
  const chips = STATUSES.map((status) => {
    const number = el("span.number");
    const chip = el("button.chip", { type: "button", "data-status": status, "aria-pressed": "false", onclick: () => toggle(status) }, shape(status), LABELS[status], number);
    return { status, chip, number };
  });
  const node = el(
    "div.filters",
    { role: "search", "aria-label": "Filter operations" },
    el("form.searching", { onsubmit: (event) => (event.preventDefault(), found()) }, search),
    owned,
    el("div.selects", {}, type, span),
    el("div.chips", { role: "group", "aria-label": "Status" }, chips.map((each) => each.chip)),
  );

  function found() {
    const text = search.value.trim();
    if (/^(op|job)-[0-9a-hjkmnp-tv-z]{26}$/.test(text)) context.go(`?operation=${operationOf(text)}`);
    else go({ search: text });
  }

  function toggle(status) {
    const chosen = new Set(parameters().get("status")?.split(",") ?? []);
    chosen.has(status) ? chosen.delete(status) : chosen.add(status);
    go({ status: STATUSES.filter((each) => chosen.has(each)).join(",") });
  }

  function onParameters() {
    const chosen = parameters().get("status")?.split(",") ?? [];
    for (const each of chips) each.chip.setAttribute("aria-pressed", chosen.includes(each.status));
    search.value = parameters().get("search") ?? "";
    owner.value = parameters().get("owner") ?? "";
    choose(type, parameters().get("type") ?? "");
    choose(span, parameters().get("span") ?? "");
  }

  for (const [name, field] of Object.entries({ search, owner })) {
    field.addEventListener("search", () => !field.value && parameters().get(name) && go({ [name]: "" }));
  }
  onParameters();
  return {
    node,
    search,
    onParameters,
    /** Only an admin is told whose they are, and only an admin may ask for somebody's. */
    onJobs: (jobs) => (owned.hidden &&= !jobs.some((job) => job.owner !== undefined)),
    onStatistics(statistics) {
      for (const each of chips) say(each.number, compact(statistics.operations[each.status]));
      const known = new Set([...type.options].map((option) => option.value));
      for (const one of statistics.types) if (!known.has(one.type)) type.append(el("option", { value: one.type }, one.type));
      choose(type, parameters().get("type") ?? "");
    },
  };
}

function choose(select, value) {
  if (![...select.options].some((option) => option.value === value)) select.append(el("option", { value }, value));
  select.value = value;
}

// --- rows

function head() {
  const words = ["Status", "Type", "Submitted", "Took", "Attempt"];
  const all = el("input", { type: "checkbox", "aria-label": "Select all on this page", "data-all": "" });
  return el("thead", {}, el("tr", {}, el("th.pick", { scope: "col" }, all), words.map((word) => el(`th.of-${word.toLowerCase()}`, { scope: "col" }, word))));
}

function row(job) {
  const id = operationOf(job.jobId);
  return el(
    "tr",
    {},
    el("td.pick", {}, el("input", { type: "checkbox", "aria-label": `Select ${job.type} ${id}`, value: id })),
    el("td.status", {}, badge(job.status)),
    el("td.what", {}, el("a.type", { href: `?operation=${id}` }, job.type), el("span.id", {}, id), job.owner ? el("span.owner", {}, job.owner) : null),
    el("td.submitted", {}, since(job.submittedAt)),
    el("td.took"),
    el("td.attempt"),
  );
}

function update(node, job) {
  rebadge(node.querySelector(".badge"), job.status);
  node.dataset.status = job.status;
  lasted(node, job);
  say(node.querySelector(".attempt"), job.attempt > 1 ? count(job.attempt) : "");
}

/** How long it took, or how far it is and for how long it has been running. */
function lasted(node, job) {
  const cell = node.querySelector(".took");
  if (job.status === "PROCESSING") {
    const seconds = Math.max((now() - Date.parse(job.startedAt ?? job.submittedAt)) / 1000, 0);
    say(cell, job.percentage === undefined ? span(Math.floor(seconds) || 0.5) : `${job.percentage} %`);
  } else say(cell, job.duration === undefined ? "–" : span(job.duration));
}
