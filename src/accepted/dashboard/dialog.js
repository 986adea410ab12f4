// What has to be answered before anything else: confirmations, the list of shortcuts, the way in.

import { key } from "./api.js";
import { el, say } from "./dom.js";

function shown(dialog) {
  const before = document.activeElement;
  document.body.append(dialog);
  dialog.showModal();
  return new Promise((resolve) =>
    dialog.addEventListener("close", () => {
      dialog.remove();
      before?.focus?.();
      resolve(dialog.returnValue);
    }),
  );
}

/** Whether the user wants it; with `reason`, what they gave as one (possibly empty), or null where they do not want it. */
export async function confirm({ title, text, action, danger = false, reason = false }) {
  const input = el("input", { id: "reason", type: "text", maxlength: 1000, autocomplete: "off" });
  const form = el(
    "form",
    {
      onsubmit: (event) => {
        event.preventDefault();
        dialog.close("yes");
      },
    },
    el("h2", { id: "dialog-title" }, title),
    el("p", { id: "dialog-text" }, text),
    reason && el("label.field", { for: "reason" }, "Reason, for the record", input),
    el(
      "div.buttons",
      {},
      el("button", { type: "button", onclick: () => dialog.close("no") }, "Keep it as it is"),
      el(danger ? "button.danger" : "button.primary", { type: "submit" }, action),
    ),
  );
  const about = { "aria-labelledby": "dialog-title", "aria-describedby": "dialog-text" };
  const dialog = el("dialog", about, form);
  const answer = await shown(dialog);
  if (answer !== "yes") return null;
  return reason ? input.value.trim() : true;
}

const SHORTCUTS = [
  ["/", "Search"],
  ["g then o", "Overview"],
  ["g then l", "List of operations"],
  ["g then w", "Workers"],
  ["j and k", "Next and previous row"],
  ["Enter", "Open the row"],
  ["x", "Select the row"],
  ["c", "Cancel: the operation, or what is selected"],
  ["r", "Retry: the operation, or what is selected"],
  ["Esc", "Clear the selection"],
  ["?", "This list"],
];

/** Whether single keys do something: who dictates, or types by accident, may turn them off. */
export const shortcuts = {
  on: () => localStorage.getItem("accepted-shortcuts") !== "off",
  set: (on) => localStorage.setItem("accepted-shortcuts", on ? "on" : "off"),
};

/** The list of shortcuts, and the switch for all of them. */
export function help() {
  const toggle = el("input", { type: "checkbox", checked: shortcuts.on(), onchange: () => shortcuts.set(toggle.checked) });
  const rows = SHORTCUTS.map(([keys, what]) => [el("dt", {}, el("kbd", {}, keys)), el("dd", {}, what)]);
  const dialog = el(
    "dialog",
    { "aria-labelledby": "dialog-title" },
    el("h2", { id: "dialog-title" }, "Keyboard shortcuts"),
    el("dl.keys", {}, rows),
    el("label.check", {}, toggle, "Single keys are shortcuts"),
    el("div.buttons", {}, el("button.primary", { type: "button", onclick: () => dialog.close() }, "Close")),
  );
  return shown(dialog);
}

/** The view for who is not known: a key is pasted, kept for this tab, and sent as a header. */
export function signIn(reason, done) {
  const input = el("input", {
    id: "key",
    type: "password",
    autocomplete: "off",
    spellcheck: "false",
    required: true,
    "aria-describedby": "key-note",
  });
  const complaint = el("p.complaint", { role: "alert" }, key.get() ? (reason ?? "This key is not accepted.") : "");
  const form = el(
    "form.sign-in",
    {
      onsubmit: (event) => {
        event.preventDefault();
        const given = input.value.trim();
        if (!/^[\x21-\x7e]+$/.test(given)) {
          say(complaint, "A key is one word of letters, digits and signs.");
          return;
        }
        key.set(given);
        done();
      },
    },
    el("h1", {}, "Sign in"),
    el("p", {}, "This server wants to know who asks. Paste an API key or a token; operators need the role admin."),
    el("label.field", { for: "key" }, "Key", input),
    complaint,
    el("p.note", { id: "key-note" }, "It is kept until this tab is closed, and sent to this server only."),
    el("button.primary", { type: "submit" }, "Sign in"),
  );
  setTimeout(() => input.focus());
  return form;
}
