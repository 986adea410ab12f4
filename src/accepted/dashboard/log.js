// The log of an operation: as it was, and as it grows.

import { download, jobOf } from "./api.js";
import { el, empty, fill, framed } from "./dom.js";
import { clock } from "./format.js";

const KEPT = 2000; // lines in the page; the rest is in the file

export class LogPanel {
  #lines = [];
  #seen = 0;
  #dropped = 0;
  #list = el("ol.log", { role: "log", "aria-live": "off", "aria-label": "Log", tabindex: "0" });
  #follow = el("input", { type: "checkbox", checked: true });
  #note = el("p.note", { hidden: true });

  constructor(id) {
    const file = () => download(`jobs/${jobOf(id)}/logs`, `${id}.log`, "text/plain");
    this.node = el(
      "section.card",
      { "aria-labelledby": "log" },
      el(
        "div.head",
        {},
        el("h2", { id: "log" }, "Log"),
        el("div.buttons", {}, el("label.check", {}, this.#follow, "Follow"), el("button.quiet", { type: "button", onclick: file }, "Download")),
      ),
      this.#note,
      this.#list,
    );
    fill(this.#list, empty("No line yet", "What the function logs comes here at once."));
    this.#follow.addEventListener("change", () => this.#follow.checked && this.#toEnd());
  }

  add(line) {
    if (line.sequence <= this.#seen) return;
    this.#seen = line.sequence;
    this.#lines.push(line);
    this.#draw();
  }

  #draw = framed(() => {
    const lines = this.#lines.splice(0);
    if (this.#list.querySelector(".empty")) fill(this.#list);
    this.#list.append(...lines.map(lineItem));
    while (this.#list.children.length > KEPT) {
      this.#list.firstElementChild.remove();
      this.#dropped += 1;
    }
    this.#note.hidden = !this.#dropped;
    this.#note.textContent = `The first ${this.#dropped.toLocaleString("en")} lines are left out here.`;
    if (this.#follow.checked) this.#toEnd();
  });

  #toEnd() {
    this.#list.scrollTop = this.#list.scrollHeight;
  }
}

function lineItem({ timestamp, level, message, attempt, fields }) {
  const more = fields && Object.entries(fields).map(([name, value]) => `${name}=${typeof value === "string" ? value : JSON.stringify(value)}`);
  return el(
    "li",
    { "data-level": level },
    el("time", { datetime: timestamp }, clock(timestamp)),
    el("span.level", {}, level),
    el("span.message", {}, message, more ? el("span.more", {}, ` ${more.join(" ")}`) : null, attempt > 1 ? el("span.more", {}, ` attempt ${attempt}`) : null),
  );
}
