/**
 * What stands above lists: a field to search, choices, how many there are.
 *
 * The one thing to know: they write into the address, and a view reads it there.
 */

import { h } from "./dom.js";
import { count, several } from "./words.js";

/** A field that filters what is loaded by text, as `search` of the address. */
export function search(context, label) {
  return h("input", {
    type: "search",
    key: "search",
    placeholder: label,
    "aria-label": label,
    value: context.query("search"),
    oninput: (event) => context.set({ search: event.target.value }),
  });
}

/** Whether one of the texts has all words that are searched for. */
export function found(context, texts) {
  const wanted = context.query("search").toLowerCase().split(/\s+/).filter(Boolean);
  const all = texts.filter(Boolean).join(" ").toLowerCase();
  return wanted.every((word) => all.includes(word));
}

/** A choice of some values, as `name` of the address; a value of "" is the usual one. */
export function choice(context, name, label, options) {
  const now = context.query(name);
  return h(
    "label",
    { key: name },
    label,
    h(
      "select",
      { onchange: (event) => context.set({ [name]: event.target.value }) },
      options.map(([value, text]) => h("option", { value, selected: value === now }, text)),
    ),
  );
}

/** How many are shown, and of how many where the API gave only its first page. */
export function truncation(shown, page, most, one) {
  const { hasMore, totalItems } = page.pagination ?? {};
  if (!hasMore) return several(shown, one);
  const all = several(totalItems, one);
  return `${count(shown)} of the first ${count(most)} of ${all}; search by the API for the rest`;
}
