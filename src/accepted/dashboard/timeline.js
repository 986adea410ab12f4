// What happened to an operation, as bars over time and in words: waiting, attempts, and the phases of each.

import { el, empty, fill } from "./dom.js";
import { ENDED, LABELS, clock, now, span } from "./format.js";

/** The events of one operation, kept as what they mean: stretches of time and a few notable moments. */
export class History {
  #sequence = 0;
  stretches = [];
  moments = [];
  last = null;
  cut = false;

  add(event, id, reset) {
    const sequence = Number.parseInt(id, 10);
    if (!reset && sequence <= this.#sequence) return; // told again after a reconnect
    this.#sequence = sequence;
    this.cut ||= reset;
    const at = Date.parse(event.timestamp);
    const before = this.last;
    this.last = event;
    if (!before || before.status !== event.status || before.attempt !== event.attempt) this.#turn(event, before, at);
    if (event.status === "PROCESSING") this.#phases(event, at);
  }

  #turn(event, before, at) {
    for (const open of this.stretches) open.to ??= at;
    if (event.status === "PENDING") {
      this.#note(at, before ? `Handed back after attempt ${before.attempt ?? 1}` : "Submitted", event);
      this.stretches.push({ kind: "wait", name: "Waiting", from: at });
    } else if (event.status === "PROCESSING") {
      this.#note(at, `Attempt ${event.attempt ?? 1} began`, event);
      this.stretches.push({ kind: "attempt", name: `Attempt ${event.attempt ?? 1}`, from: at });
    } else this.#note(at, LABELS[event.status], event);
  }

  #note(at, text, { status }) {
    this.moments.push({ at, text, status });
  }

  #phases(event, at) {
    for (const phase of event.data?.phases ?? []) {
      const known = this.stretches.findLast((one) => one.kind === "phase" && one.name === phase.name && one.attempt === event.attempt);
      if (phase.status === "IN_PROGRESS" && !known) {
        this.stretches.push({ kind: "phase", name: phase.name, attempt: event.attempt, from: at });
      } else if (phase.status === "COMPLETED" && !known) {
        const from = at - (phase.duration ?? 0) * 1000; // it came and went between two events
        this.stretches.push({ kind: "phase", name: phase.name, attempt: event.attempt, from, to: at });
      } else if (phase.status === "COMPLETED" && !known.to) {
        known.to = at;
        known.from = Math.min(known.from, at - (phase.duration ?? 0) * 1000); // it began before an event said so
      }
    }
  }
}

export function timeline() {
  const bars = el("ol.bars");
  const scale = el("p.scale", { "aria-hidden": "true" });
  const moments = el("ol.moments");
  const cut = el("p.note", { hidden: true }, "Its first events are no longer kept.");
  const node = el("section.card", { "aria-labelledby": "timeline" }, el("h2", { id: "timeline" }, "Timeline"), cut, bars, scale, moments);
  let drawn = "";

  return {
    node,
    update(history, document) {
      const ended = ENDED.has(document.status);
      if (!history.stretches.length) {
        if (!drawn) fill(moments, empty("Nothing has been told yet"));
        return;
      }
      cut.hidden = !history.cut;
      const from = history.stretches[0].from;
      const until = Math.max(ended ? Date.parse(history.last.timestamp) : now(), from + 1);
      drawBars(bars, history.stretches, from, until, document.status);
      fill(scale, el("span", {}, clock(from)), el("span", {}, span((until - from) / 1000)), el("span", {}, ended ? clock(until) : "now"));
      const key = `${history.moments.length}`;
      if (drawn !== key) {
        drawn = key;
        fill(moments, history.moments.map((one) => el("li", { "data-status": one.status }, el("time", { datetime: new Date(one.at).toISOString() }, clock(one.at)), el("span", {}, one.text))));
      }
    },
  };
}

function drawBars(list, stretches, from, until, status) {
  while (list.children.length < stretches.length) {
    list.append(el("li", {}, el("span.bar-name"), el("span.track", { "aria-hidden": "true" }, el("span.stretch")), el("span.bar-span")));
  }
  stretches.forEach((one, index) => {
    const row = list.children[index];
    const end = one.to ?? until;
    row.dataset.kind = one.kind;
    row.dataset.state = one.to || ENDED.has(status) ? "over" : "open";
    if (one.kind === "attempt" && index === stretches.findLastIndex((each) => each.kind === "attempt")) row.dataset.status = status;
    else delete row.dataset.status;
    const [name, track, length] = row.children;
    if (name.textContent !== one.name) name.textContent = one.name;
    const words = span((end - one.from) / 1000);
    if (length.textContent !== words) length.textContent = words;
    const stretch = track.firstElementChild.style;
    stretch.left = `${Math.min((100 * (one.from - from)) / (until - from), 99.4)}%`;
    stretch.width = `${Math.max((100 * (end - one.from)) / (until - from), 0.6)}%`;
  });
}
