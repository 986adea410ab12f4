// What the server says, by its documented HTTP interface and nothing else. All addresses are relative to where this page
// stands, so that they hold under every mount point.

const KEY = "accepted-key";
const HERE = new URL(".", location.href);

/** An address of the server: `at("jobs", {status: ["FAILED"], limit: 50})`. */
export function at(path, query = {}) {
  const url = new URL(path, HERE);
  for (const [name, values] of Object.entries(query)) {
    for (const value of [values].flat()) {
      if (value !== undefined && value !== null && value !== "") url.searchParams.append(name, value);
    }
  }
  return url;
}

/** What the server refused, as its problem says. */
export class Problem extends Error {
  constructor(status, document) {
    super(document.detail ?? `The server answered ${status}.`);
    this.status = status;
    this.title = document.title ?? `HTTP ${status}`;
  }
}

/** The server could not be reached at all. */
export class Unreachable extends Error {
  title = "The server cannot be reached";
  constructor() {
    super("It may be restarting. This page tries again by itself.");
  }
}

/** The key that the user has given, for as long as this tab lives. It goes into a header and never into an address. */
export const key = {
  get: () => sessionStorage.getItem(KEY),
  set: (value) => sessionStorage.setItem(KEY, value),
  forget: () => sessionStorage.removeItem(KEY),
};

/** A request with the user's key. Raises `Problem` or `Unreachable`; who is not known is asked to sign in. */
export async function ask(path, { query, method = "GET", body, headers = {}, signal } = {}) {
  const given = { ...headers };
  if (key.get()) given.Authorization = `Bearer ${key.get()}`;
  if (method === "POST") given["Content-Type"] = "application/json";
  let answer;
  try {
    const sent = body === undefined ? undefined : JSON.stringify(body);
    answer = await fetch(at(path, query), { method, body: sent, headers: given, signal, redirect: "manual", cache: "no-store" });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Unreachable();
  }
  if (answer.ok) return answer;
  const document = await answer.json().catch(() => ({}));
  if (answer.status === 401) dispatchEvent(new CustomEvent("unauthenticated", { detail: document.detail }));
  throw new Problem(answer.status, document);
}

/** The JSON at a path. */
export async function get(path, query, signal) {
  return (await ask(path, { query, signal })).json();
}

/** Ask for a change. */
export async function post(path, body = {}) {
  return (await ask(path, { method: "POST", body })).json();
}

/** Save what is at a path as a file. A browser does not send a key with a link, so it is fetched here where there is one. */
export async function download(path, name, accept = null) {
  const link = document.createElement("a");
  link.download = name;
  if (!key.get() && !accept) {
    link.href = at(path);
    link.click();
    return;
  }
  const url = URL.createObjectURL(await (await ask(path, { headers: accept ? { Accept: accept } : {} })).blob());
  link.href = url;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}

export const jobOf = (id) => `job-${id.slice(id.indexOf("-") + 1)}`;
export const operationOf = (id) => `op-${id.slice(id.indexOf("-") + 1)}`;
