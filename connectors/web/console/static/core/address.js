/**
 * The address: view, instant or range, query and selection, all behind the `#`.
 *
 * The one thing to know: what is not in the address is not in the page. A reload, a second browser
 * and a link in a chat show the same; so state of a view is written here, never kept beside it.
 */

/** What stays when another view is opened. */
const STAYS = ["at", "from", "to"];

const listeners = new Set();

/** Where we are: `{path, query}`; `query` is a URLSearchParams of its own. */
export function here() {
  const text = location.hash.replace(/^#/, "") || "/";
  const mark = text.indexOf("?");
  const path = mark < 0 ? text : text.slice(0, mark);
  return { path: path || "/", query: new URLSearchParams(mark < 0 ? "" : text.slice(mark + 1)) };
}

/** The link to a view: a path made of `parts`, with what stays and with `changes` of the query. */
export function link(path, changes = {}) {
  const query = new URLSearchParams();
  const now = here().query;
  for (const name of STAYS) if (now.has(name)) query.set(name, now.get(name));
  return `#${path}${asText(changed(query, changes))}`;
}

/** A path of parts, each written so that it stays one part: `path("tasks", id)`. */
export function path(...parts) {
  return `/${parts.map((part) => encodeURIComponent(part)).join("/")}`;
}

/** Opens a view. */
export function go(to, changes = {}) {
  location.hash = link(to, changes);
}

/**
 * Changes the query where we are; null takes a name out. `isStep` makes it a place to come back to
 * with the browser's arrow.
 */
export function set(changes, { isStep = false } = {}) {
  const { path: now, query } = here();
  const text = `#${now}${asText(changed(query, changes))}`;
  if (text === location.hash) return;
  if (isStep) history.pushState(null, "", text);
  else history.replaceState(null, "", text);
  tell();
}

/** Calls `listener()` after each change of the address. */
export function onChange(listener) {
  listeners.add(listener);
}

function changed(query, changes) {
  for (const [name, value] of Object.entries(changes)) {
    if (value === null || value === undefined || value === "") query.delete(name);
    else query.set(name, String(value));
  }
  query.sort(); // One state has one address.
  return query;
}

function asText(query) {
  const text = query.toString();
  return text ? `?${text}` : "";
}

function tell() {
  for (const listener of listeners) listener();
}

addEventListener("hashchange", tell);
addEventListener("popstate", tell);
