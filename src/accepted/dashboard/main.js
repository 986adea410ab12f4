// The frame around the views: which one the address names, the one stream, the keys, the signs of life.

import { get, key } from "./api.js";
import { help, shortcuts, signIn } from "./dialog.js";
import { el, failed, fill, say } from "./dom.js";
import { refreshTimes, setClock } from "./format.js";
import { list } from "./list.js";
import { Live } from "./live.js";
import { operation } from "./operation.js";
import { overview } from "./overview.js";
import { workers } from "./workers.js";

const main = document.querySelector("#main");
const connection = document.querySelector("#connection");
const lost = document.querySelector("#lost");
const said = document.querySelector("#said");

let view = null;
let live = null;
let lostAt = 0;

// --- what views may use

const context = {
  statistics: null,

  /** Go to another view, or to this one with other parameters. */
  go(query, { replace = false } = {}) {
    history[replace ? "replaceState" : "pushState"](null, "", query || "?");
    if (!replace) show();
  },

  /** Tell the user what has come of something; it goes by itself. */
  say(text, kind = "done") {
    const note = el("p.toast", { "data-kind": kind }, text);
    said.append(note);
    setTimeout(() => note.remove(), kind === "failed" ? 12_000 : 5_000);
  },

  /** Have this page's one stream be another one: an operation's own while it is looked at, everything's otherwise. */
  follow(path, query, heard, ended) {
    live?.close();
    live = new Live(path, query, heard, (state, detail) => {
      if (state === "ended") ended?.(detail);
      else connected(state, detail);
    });
  },

  followAll() {
    context.follow("statistics/stream", {}, (name, data) => {
      if (name === "statistics") {
        setClock(data.timestamp);
        context.statistics = data;
        view?.onStatistics?.(data);
      } else if (name === "operations") view?.onChanges?.(data.data, data.more);
    }, (problem) => problem && connected("refused", problem));
  },
};

// --- views

function pick(parameters) {
  if (parameters.get("operation")) return ["operations", operation];
  return { operations: ["operations", list], workers: ["workers", workers] }[parameters.get("view")] ?? ["overview", overview];
}

function show() {
  const parameters = new URLSearchParams(location.search);
  const [name, make] = pick(parameters);
  for (const link of document.querySelectorAll("nav a")) {
    if (link.dataset.view === name) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  const same = view?.make === make && view.onParameters?.(parameters);
  if (same) return;
  view?.close?.();
  view = { make, ...make(context, parameters) };
  document.title = `${view.title} · Accepted`;
  fill(main, view.node);
  scrollTo(0, 0);
  if (!view.follows) context.followAll();
  if (context.statistics) view.onStatistics?.(context.statistics);
}

async function start() {
  document.querySelector("#leave").hidden = !key.get();
  try {
    const statistics = await get("statistics"); // also asks who we are, before anything is shown
    setClock(statistics.timestamp);
    context.statistics = statistics;
    show();
  } catch (error) {
    if (error.status === 401) return;
    connected("refused", error);
    fill(main, failed(error, start));
  }
}

addEventListener("popstate", show);

addEventListener("unauthenticated", (event) => {
  live?.close();
  view?.close?.();
  view = null;
  connected("signed-out");
  document.title = "Sign in · Accepted";
  fill(main, signIn(event.detail, start));
});

document.addEventListener("click", (event) => {
  const link = event.target.closest("a");
  const plain = event.button === 0 && !event.metaKey && !event.ctrlKey && !event.shiftKey && !event.altKey;
  if (!link || !plain || !link.getAttribute("href")?.startsWith("?")) return;
  event.preventDefault();
  context.go(link.getAttribute("href"));
  main.focus({ preventScroll: true });
});

document.querySelector("#leave").addEventListener("click", () => {
  key.forget();
  location.replace(location.pathname);
});

// --- the connection

const WORDS = { connecting: "Connecting", live: "Live", reconnecting: "Reconnecting", "signed-out": "Signed out", refused: "Offline" };

function connected(state, detail) {
  connection.dataset.state = state;
  say(connection, WORDS[state]);
  if (state === "reconnecting") lostAt ||= Date.now();
  if (state === "live") {
    if (lostAt) view?.onReconnected?.();
    lostAt = 0;
  }
  const gone = state === "reconnecting" && detail - Date.now() > 900;
  if (gone) {
    const again = el("button", { type: "button", onclick: () => live?.hurry() }, "Try now");
    fill(lost, el("span", {}, "The connection is lost. What you see may be out of date."), again);
  }
  if (gone || state !== "reconnecting") lost.hidden = !gone;
}

// --- keys

let leader = 0;

document.addEventListener("keydown", (event) => {
  const typing = event.target.closest("input, textarea, select, [contenteditable]");
  if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
  if (typing) {
    if (event.key === "Escape") event.target.blur();
    return;
  }
  if (!shortcuts.on() && event.key.length === 1) return;
  const led = Date.now() - leader < 1200;
  leader = event.key === "g" ? Date.now() : 0;
  const place = led ? { o: "?", l: "?view=operations", w: "?view=workers" }[event.key] : undefined;
  if (place !== undefined) context.go(place);
  else if (event.key === "?") help();
  else if (event.key === "/" && !view?.onKey?.("/")) context.go("?view=operations&search=");
  else if (event.key !== "/" && !view?.onKey?.(event.key, event)) return;
  event.preventDefault();
});

document.querySelector("#help").addEventListener("click", help);

// --- light and dark

const theme = {
  read: () => localStorage.getItem("accepted-theme") ?? "",
  apply: (value) => (document.documentElement.style.colorScheme = value),
};
theme.apply(theme.read());
document.querySelector("#theme").addEventListener("click", () => {
  const dark = theme.read() ? theme.read() === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  localStorage.setItem("accepted-theme", dark ? "light" : "dark");
  theme.apply(theme.read());
});

setInterval(() => {
  refreshTimes();
  view?.onTick?.();
}, 1000);

start();
