// Runs before the page's own script: notes each state of the screen, and the id of each event that an EventSource gets.
window.witness = { states: [], ids: [] };

window.EventSource = class extends EventSource {
  constructor(...parameters) {
    super(...parameters);
    for (const name of ["status-update", "log", "reset", "completed", "failed", "cancelled"]) {
      this.addEventListener(name, (event) => witness.ids.push(event.lastEventId));
    }
  }
};

addEventListener("DOMContentLoaded", () => {
  const id = (name) => document.getElementById(name);
  const note = () => {
    const now = {
      percent: id("whole").hasAttribute("aria-valuenow") ? Number(id("whole").getAttribute("aria-valuenow")) : null,
      status: id("operation").dataset.status ?? null,
      connection: id("connection").dataset.state ?? null,
      phases: [...id("phases").children].map((row) => row.dataset.status).join(" "),
    };
    if (JSON.stringify(now) !== JSON.stringify(witness.states.at(-1))) witness.states.push(now);
  };
  new MutationObserver(note).observe(document.body, { subtree: true, childList: true, attributes: true });
});
