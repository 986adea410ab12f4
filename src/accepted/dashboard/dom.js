// Elements, built and updated by hand. Text only ever becomes text: nothing here reads markup, so nothing that a user
// wrote can become part of the page.

const SVG = "http://www.w3.org/2000/svg";

/** An element: `el("p.note", {title: "..."}, "text", child)`. Attributes that are null or false are left out. */
export function el(name, attributes = {}, ...children) {
  return dressed(document.createElement(tagOf(name)), name, attributes, children);
}

/** The same in SVG. */
export function svg(name, attributes = {}, ...children) {
  return dressed(document.createElementNS(SVG, tagOf(name)), name, attributes, children);
}

function tagOf(name) {
  return name.split(".")[0] || "div";
}

function dressed(node, name, attributes, children) {
  const classes = name.split(".").slice(1).join(" ");
  if (classes) node.setAttribute("class", classes);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
    else if (value !== null && value !== undefined && value !== false) node.setAttribute(key, value === true ? "" : value);
  }
  node.append(...children.flat(9).filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

/** Put these in the place of whatever was in there. */
export function fill(node, ...children) {
  node.replaceChildren(...children.flat(9).filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

/** Set a text where it is another one, so that nothing is drawn, or read aloud, for no reason. */
export function say(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/**
 * Let `parent` show `items` in order, each with an element of its own that stays the same one: made by `make(item)`,
 * kept up to date by `update(element, item)`.
 */
export function keyed(parent, items, keyOf, make, update) {
  const kept = new Map([...parent.children].map((child) => [child.dataset.key, child]));
  let place = parent.firstElementChild;
  for (const item of items) {
    const key = String(keyOf(item));
    let child = kept.get(key);
    if (child) kept.delete(key);
    else {
      child = make(item);
      child.dataset.key = key;
    }
    update(child, item);
    if (child === place) place = place.nextElementSibling;
    else parent.insertBefore(child, place);
  }
  for (const child of kept.values()) child.remove();
}

/** At most one call of `draw` for each frame, however often the result is called. */
export function framed(draw) {
  let asked = false;
  return () => {
    if (asked) return;
    asked = true;
    requestAnimationFrame(() => {
      asked = false;
      draw();
    });
  };
}

/** A region that says that it is loading, until it is filled with something else. */
export function loading(what) {
  return el("p.empty", { role: "status" }, `Loading ${what} …`);
}

/** Where there is nothing to show, and what that means. */
export function empty(title, ...more) {
  return el("div.empty", {}, el("p.empty-title", {}, title), more.length ? el("p", {}, ...more) : null);
}

/** What went wrong, and a way to try it again. */
export function failed(error, again) {
  return el(
    "div.empty.failed",
    { role: "alert" },
    el("p.empty-title", {}, error.title ?? "That did not work"),
    el("p", {}, error.message),
    again && el("button", { type: "button", onclick: again }, "Try again"),
  );
}
