// How things are written: numbers, times, spans, statuses. One place, so that a thing looks the same everywhere.

import { el, svg } from "./dom.js";

export const STATUSES = ["PENDING", "PROCESSING", "COMPLETED", "COMPLETED_WITH_ERRORS", "FAILED", "CANCELLED"];
export const LABELS = {
  PENDING: "Pending",
  PROCESSING: "Processing",
  COMPLETED: "Completed",
  COMPLETED_WITH_ERRORS: "With errors",
  FAILED: "Failed",
  CANCELLED: "Cancelled",
};
export const ENDED = new Set(STATUSES.slice(2));

// A shape for each status: colour alone tells some people nothing.
const SHAPES = {
  PENDING: ["M8 1.8a6.2 6.2 0 1 0 0 12.4A6.2 6.2 0 0 0 8 1.8Z", "M8 4.6V8l2.4 1.6"],
  PROCESSING: ["M14.2 8A6.2 6.2 0 1 1 8 1.8", "M8 5.4v5.2M5.4 8h5.2"],
  COMPLETED: ["M8 1.8a6.2 6.2 0 1 0 0 12.4A6.2 6.2 0 0 0 8 1.8Z", "M5.2 8.2l2 2 3.7-4.2"],
  COMPLETED_WITH_ERRORS: ["M8 1.9 14.6 13.6H1.4Z", "M8 6.3v3.3M8 11.6v.1"],
  FAILED: ["M5.2 1.8h5.6l3.4 3.4v5.6l-3.4 3.4H5.2l-3.4-3.4V5.2Z", "M5.8 5.8l4.4 4.4M10.2 5.8l-4.4 4.4"],
  CANCELLED: ["M8 1.8a6.2 6.2 0 1 0 0 12.4A6.2 6.2 0 0 0 8 1.8Z", "M3.7 3.7l8.6 8.6"],
};

/** The shape of a status. */
export function shape(status) {
  const paths = (SHAPES[status] ?? SHAPES.PENDING).map((d) => svg("path", { d }));
  return svg("svg.shape", { viewBox: "0 0 16 16", "aria-hidden": "true" }, ...paths);
}

/** A status as shape and word. */
export function badge(status) {
  return el("span.badge", { "data-status": status }, shape(status), LABELS[status] ?? status);
}

/** Let an existing badge say another status. */
export function rebadge(node, status) {
  if (node.dataset.status === status) return;
  node.dataset.status = status;
  node.replaceChildren(shape(status), LABELS[status] ?? status);
}

const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const short = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });

/** 12,345 */
export const count = (number) => whole.format(number);

/** 12.3K, for where there is little room. */
export const compact = (number) => (number < 10_000 ? whole.format(number) : short.format(number));

/** 97.5 % */
export function percent(share) {
  if (share === undefined || share === null) return "–";
  const value = Math.floor(share * 1000) / 10; // 100 % is said only of all
  return `${value === 100 ? "100" : value.toFixed(1)} %`;
}

/** Seconds: 850 ms, 12.4 s, 3 min 05 s, 2 h 14 min, 3 d 4 h. */
export function span(seconds) {
  if (seconds === undefined || seconds === null || Number.isNaN(seconds)) return "–";
  if (seconds < 0.0005) return "0 ms";
  if (seconds < 1) return `${Math.max(Math.round(seconds * 1000), 1)} ms`;
  if (seconds < 59.95) return `${seconds.toFixed(1)} s`;
  const total = Math.round(seconds);
  if (total < 3600) return `${Math.floor(total / 60)} min ${String(total % 60).padStart(2, "0")} s`;
  const minutes = Math.floor(total / 60);
  if (minutes < 1440) return `${Math.floor(minutes / 60)} h ${String(minutes % 60).padStart(2, "0")} min`;
  return `${Math.floor(minutes / 1440)} d ${Math.floor((minutes % 1440) / 60)} h`;
}

// The server's clock is what its times are about; ours may be wrong by hours.
let skew = 0;

/** Learn what time it is on the server. */
export function setClock(timestamp) {
  skew = Date.parse(timestamp) - Date.now();
}

/** Milliseconds since the epoch, as the server has it. */
export const now = () => Date.now() + skew;

/** How long ago, coarse: now, 12 s, 5 min, 3 h, 2 d. */
export function ago(timestamp) {
  const seconds = Math.max((now() - Date.parse(timestamp)) / 1000, 0);
  if (seconds < 1.5) return "now";
  if (seconds < 60) return `${Math.floor(seconds)} s ago`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ago`;
  if (seconds < 86400) return `${Math.floor(seconds / 3600)} h ago`;
  return `${Math.floor(seconds / 86400)} d ago`;
}

const clockFormat = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const minuteFormat = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit" });
const dayFormat = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", year: "numeric" });

/** 14:03:22 */
export const clock = (timestamp) => clockFormat.format(new Date(timestamp));

/** 14:03 */
export const minute = (timestamp) => minuteFormat.format(new Date(timestamp));

/** 31 Jan 2026, 14:03:22 */
export const moment = (timestamp) => `${dayFormat.format(new Date(timestamp))}, ${clock(timestamp)}`;

/** A time that says how long ago it was, keeps doing so, and has the exact moment in its title. */
export function since(timestamp) {
  return el("time", { datetime: timestamp, title: moment(timestamp), "data-since": "" }, ago(timestamp));
}

/** Bring all of them up to date. */
export function refreshTimes() {
  for (const node of document.querySelectorAll("time[data-since]")) {
    const text = ago(node.dateTime);
    if (node.textContent !== text) node.textContent = text;
  }
}

/** 1.4 MB */
export function bytes(size) {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let step = 0;
  while (size >= 1000 && step < units.length - 1) [size, step] = [size / 1000, step + 1];
  return `${step && size < 100 ? size.toFixed(1) : Math.round(size)} ${units[step]}`;
}
