// Many operations at once: what is selected, and what is done with it after a question.

import { post } from "./api.js";
import { confirm } from "./dialog.js";
import { el, say } from "./dom.js";
import { ENDED } from "./format.js";

const AT_ONCE = 6;

export class Selection {
  #context;
  #rows;
  #done;
  #chosen = new Set();
  #number = el("span.chosen");
  #cancel = el("button.danger", { type: "button", onclick: () => this.cancel() });
  #retry = el("button", { type: "button", onclick: () => this.retry() });

  constructor(context, rows, done) {
    [this.#context, this.#rows, this.#done] = [context, rows, done];
    this.node = el(
      "div.bulk",
      { role: "region", "aria-label": "Selected operations", hidden: true },
      this.#number,
      this.#cancel,
      this.#retry,
      el("button", { type: "button", onclick: () => this.clear() }, "Clear"),
    );
    rows.addEventListener("change", (event) => this.#toggle(event.target.value, event.target.checked));
    queueMicrotask(() => this.#all()?.addEventListener("change", (event) => this.#toggleAll(event.target.checked)));
  }

  get size() {
    return this.#chosen.size;
  }

  #all() {
    return this.#rows.parentElement?.querySelector("[data-all]");
  }

  #boxes() {
    return [...this.#rows.querySelectorAll("input[type=checkbox]")];
  }

  #toggle(id, on) {
    on ? this.#chosen.add(id) : this.#chosen.delete(id);
    this.refresh();
  }

  #toggleAll(on) {
    for (const box of this.#boxes()) on ? this.#chosen.add(box.value) : this.#chosen.delete(box.value);
    this.refresh();
  }

  clear() {
    this.#chosen.clear();
    this.refresh();
  }

  /** Bring everything in line with what is selected and what has become of it. */
  refresh() {
    const boxes = this.#boxes();
    const there = new Set(boxes.map((box) => box.value));
    for (const id of this.#chosen) if (!there.has(id)) this.#chosen.delete(id);
    for (const box of boxes) {
      box.checked = this.#chosen.has(box.value);
      box.closest("tr").toggleAttribute("data-chosen", box.checked);
    }
    const all = this.#all();
    if (all) {
      all.checked = boxes.length > 0 && this.size === boxes.length;
      all.indeterminate = this.size > 0 && this.size < boxes.length;
    }
    const [running, retryable] = [this.#in((status) => !ENDED.has(status)), this.#in((status) => RETRYABLE.has(status))];
    this.node.hidden = !this.size;
    say(this.#number, `${this.size} selected`);
    say(this.#cancel, `Cancel ${running.length}`);
    say(this.#retry, `Retry ${retryable.length}`);
    this.#cancel.disabled = !running.length;
    this.#retry.disabled = !retryable.length;
  }

  #in(wanted) {
    return this.#boxes()
      .filter((box) => this.#chosen.has(box.value) && wanted(box.closest("tr").dataset.status))
      .map((box) => box.value);
  }

  async cancel() {
    const ids = this.#in((status) => !ENDED.has(status));
    if (!ids.length) return;
    const text = "What runs is told to stop; what waits never starts. This cannot be undone.";
    const reason = await confirm({ title: `Cancel ${many(ids)}?`, text, action: `Cancel ${many(ids)}`, danger: true, reason: true });
    if (reason !== null) await this.#each(ids, "cancel", reason ? { reason } : {}, "cancelled");
  }

  async retry() {
    const ids = this.#in((status) => RETRYABLE.has(status));
    if (!ids.length) return;
    const text = "Each is submitted again as a new operation with the same input. Those that cannot be tried again are left as they are.";
    if (await confirm({ title: `Retry ${many(ids)}?`, text, action: `Retry ${many(ids)}` })) await this.#each(ids, "retry", {}, "submitted again");
  }

  async #each(ids, action, body, word) {
    let [good, bad, why] = [0, 0, ""];
    const left = [...ids];
    const lane = async () => {
      for (let id = left.shift(); id; id = left.shift()) {
        try {
          await post(`operations/${id}/${action}`, body);
          good += 1;
        } catch (error) {
          bad += 1;
          why = error.message;
        }
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, lane));
    this.clear();
    if (good) this.#context.say(`${good} ${word}`);
    if (bad) this.#context.say(`${bad} not: ${why}`, "failed");
    this.#done();
  }
}

const RETRYABLE = new Set(["FAILED", "CANCELLED"]);
const many = (ids) => `${ids.length} operation${ids.length === 1 ? "" : "s"}`;
