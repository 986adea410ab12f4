// Charts over the last hour, drawn by hand: bars that stand on each other, and lines. Each says in words what it shows,
// and can be read minute by minute with the pointer or with the arrow keys.

import { el, fill, framed, say, svg } from "./dom.js";
import { minute } from "./format.js";

const HEIGHT = 150;
const PAD = { left: 46, right: 10, top: 10, bottom: 22 };

/**
 * A card with a chart. `series` are {name, tone, of(minute)}; `stacked` makes them bars; `write` writes a value;
 * `most` fixes the top of the scale.
 */
export function chart({ title, series, stacked = false, write, most = null, none = "Nothing in the last hour" }) {
  const readout = el("p.readout", { "aria-live": "off" });
  const area = el("div.plot", { tabindex: "0", role: "img" });
  const nothing = el("p.plot-empty", { "aria-hidden": "true" }, none);
  const card = el(
    "figure.card.chart",
    {},
    el("figcaption", {}, el("h2", {}, title), legend(series)),
    readout,
    el("div.plot-frame", {}, area, nothing),
  );
  let minutes = [];
  let pointed = null;

  const value = (part, one) => part.of(one) ?? null;

  function top() {
    const totals = minutes.map((one) => {
      const values = series.map((part) => value(part, one) ?? 0);
      return stacked ? values.reduce((sum, each) => sum + each, 0) : Math.max(...values);
    });
    return most ?? nice(Math.max(...totals, 0));
  }

  function draw() {
    const width = area.clientWidth;
    if (!width || !minutes.length) return;
    const scale = top() || 1;
    const inner = width - PAD.left - PAD.right;
    const step = inner / minutes.length;
    const x = (index) => PAD.left + step * index;
    const y = (amount) => PAD.top + (HEIGHT - PAD.top - PAD.bottom) * (1 - amount / scale);
    const marks = [0, 0.5, 1].map((share) => gridline(share * scale, y, width, write));
    const times = minutes
      .map((one, index) => [one, index])
      .filter(([, index]) => index % 15 === 14)
      .map(([one, index]) => svg("text.axis", { x: x(index) + step / 2, y: HEIGHT - 6, "text-anchor": "middle" }, minute(one.at)));
    const shapes = stacked ? bars(x, y, step) : lines(x, y, step);
    const guide = pointed === null ? null : svg("rect.guide", { x: x(pointed), y: PAD.top, width: step, height: HEIGHT - PAD.top - PAD.bottom });
    fill(area, svg("svg", { width, height: HEIGHT, "aria-hidden": "true" }, ...[guide, ...marks, ...times, ...shapes].filter(Boolean)));
  }

  function bars(x, y, step) {
    return minutes.flatMap((one, index) => {
      let below = 0;
      return series.map((part) => {
        const amount = value(part, one) ?? 0;
        const upper = y(below + amount);
        const bar = amount && svg("rect", { x: x(index) + step * 0.14, y: upper, width: step * 0.72, height: Math.max(y(below) - upper, 0.5), rx: Math.min(step * 0.12, 1.5), "data-tone": part.tone });
        below += amount;
        return bar || null;
      });
    });
  }

  function lines(x, y, step) {
    return series.flatMap((part) => {
      const runs = [];
      let run = null;
      minutes.forEach((one, index) => {
        const amount = value(part, one);
        if (amount === null) run = null;
        else (run ??= (runs.push([]), runs.at(-1))).push([x(index) + step / 2, y(Math.min(amount, top()))]);
      });
      return runs.map((points) =>
        points.length === 1
          ? svg("circle", { cx: points[0][0], cy: points[0][1], r: 2, "data-tone": part.tone })
          : svg("polyline", { points: points.map((point) => point.join(",")).join(" "), "data-tone": part.tone }),
      );
    });
  }

  function tell() {
    const index = pointed ?? lastWithSomething();
    if (index < 0) {
      say(readout, " ");
      return;
    }
    const one = minutes[index];
    const values = series.filter((part) => value(part, one) !== null).map((part) => `${part.name} ${write(value(part, one))}`);
    say(readout, `${minute(one.at)}   ${values.join("   ") || "nothing"}`);
  }

  function lastWithSomething() {
    return minutes.findLastIndex((one) => series.some((part) => value(part, one) !== null));
  }

  const redraw = framed(() => {
    draw();
    tell();
  });

  function point(index) {
    pointed = index === null ? null : Math.max(0, Math.min(minutes.length - 1, index));
    redraw();
  }

  area.addEventListener("pointermove", (event) => {
    const inner = area.clientWidth - PAD.left - PAD.right;
    point(Math.floor(((event.offsetX - PAD.left) / inner) * minutes.length));
  });
  area.addEventListener("pointerleave", () => point(null));
  area.addEventListener("focus", () => readout.setAttribute("aria-live", "polite"));
  area.addEventListener("blur", () => {
    readout.setAttribute("aria-live", "off");
    point(null);
  });
  area.addEventListener("keydown", (event) => {
    const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (by === undefined) return;
    event.preventDefault();
    point((pointed ?? minutes.length) + by);
  });
  new ResizeObserver(redraw).observe(area);

  return {
    node: card,
    update(given) {
      minutes = given;
      const something = lastWithSomething() >= 0;
      nothing.hidden = something;
      const words = something ? readable(series, given, write) : none;
      if (area.getAttribute("aria-label") !== `${title}. ${words}`) area.setAttribute("aria-label", `${title}. ${words}`);
      redraw();
    },
  };
}

function legend(series) {
  if (series.length < 2) return null;
  return el("ul.legend", {}, series.map((part) => el("li", { "data-tone": part.tone }, part.name)));
}

function gridline(amount, y, width, write) {
  return svg(
    "g.grid",
    {},
    svg("line", { x1: PAD.left, x2: width - PAD.right, y1: y(amount), y2: y(amount) }),
    svg("text.axis", { x: PAD.left - 8, y: y(amount) + 4, "text-anchor": "end" }, write(amount).replace(".0 ", " ")),
  );
}

/** What a chart says, for who cannot see it: the newest value of each series, and the highest. */
function readable(series, minutes, write) {
  const parts = series.map((part) => {
    const values = minutes.map((one) => part.of(one) ?? null).filter((one) => one !== null);
    return values.length ? `${part.name}: ${write(values.at(-1))}, at most ${write(Math.max(...values))}` : null;
  });
  return `The last hour by the minute. ${parts.filter(Boolean).join("; ")}.`;
}

/** The next round number: 1, 2, 5, 10, 20, 50 ... */
function nice(amount) {
  if (amount <= 0) return 1;
  const power = 10 ** Math.floor(Math.log10(amount));
  return [1, 1.2, 1.6, 2, 3, 4, 6, 8, 10].map((step) => step * power).find((step) => step >= amount * 0.999);
}
