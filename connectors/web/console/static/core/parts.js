/**
 * Small parts that views are made of: states in colour and shape, lists of facts, empty, loading
 * and failed states, sections.
 *
 * The one thing to know: a state is never told by colour alone; each tone has a shape of its own.
 */

import { h } from "./dom.js";
import { spaced, toneOf } from "./words.js";
import { link } from "./address.js";

/** A state: a shape, a colour and its word. */
export function state(name, tone = toneOf(name)) {
  return h("span", { class: `state ${tone}` }, h("i", { "aria-hidden": "true" }), spaced(name));
}

/** A link to a view that keeps the instant. */
export function to(path, text, changes = {}) {
  return h("a", { href: link(path, changes) }, text);
}

/** Facts as pairs `[term, content]`; those without content are left out. */
export function facts(pairs) {
  const known = pairs.filter(
    ([, content]) => content !== null && content !== undefined && content !== "",
  );
  return h(
    "dl",
    { class: "facts" },
    known.map(([term, content]) => [h("dt", null, term), h("dd", null, content)]),
  );
}

/** A part of a page with a heading; `aside` stands at the right of it. */
export function section(title, attributes, ...children) {
  const { aside, ...others } = attributes ?? {};
  return h(
    "section",
    { class: "part", ...others },
    h("header", null, h("h2", null, title), aside && h("div", { class: "aside" }, aside)),
    children,
  );
}

/** Numbers large, with what they count beside them: `{label, value, tone, path, note}`. */
export function figures(items) {
  return h(
    "ul",
    { class: "figures" },
    items.map(({ label, value, tone, path, changes, note }) => {
      const inside = [
        h("span", { class: `value ${tone ?? ""}` }, value),
        h("span", { class: "label" }, label),
        note && h("span", { class: "note" }, note),
      ];
      return h("li", { key: label }, path ? h("a", { href: link(path, changes) }, inside) : inside);
    }),
  );
}

/** What is shown where there is nothing: what that means, and what to do. */
export function empty(what, then = "") {
  return h("div", { class: "blank" }, h("p", null, what), then && h("p", { class: "muted" }, then));
}

/** What is shown while the first data are on their way. */
export function loading(what) {
  return h("div", { class: "blank loading" }, h("p", null, what));
}

/** What is shown where loading failed: the sentence, the remedy, the faults, and another try. */
export function failed(failure, retry) {
  return h(
    "div",
    { class: "blank failed", role: "alert" },
    h("p", null, failure.message),
    failure.remedy && h("p", { class: "muted" }, failure.remedy),
    faults(failure),
    retry && h("button", { type: "button", onclick: retry }, "Try again"),
  );
}

/** The faults of a refusal by field. */
export function faults(failure) {
  const named = (failure.faults ?? []).filter((fault) => fault.field);
  if (!named.length) return null;
  return h(
    "ul",
    { class: "faults" },
    named.map((fault) =>
      h(
        "li",
        null,
        h("code", null, fault.field),
        ` ${fault.text}`,
        fault.hint ? ` (${fault.hint})` : "",
      ),
    ),
  );
}

/** A JSON value, laid out. */
export function json(value, label = "JSON") {
  const text = JSON.stringify(value, null, 2);
  return h("pre", { class: "json", tabindex: "0", role: "region", "aria-label": label }, text);
}

/** A share of a whole as a bar with its numbers in words. */
export function share(part, whole, words) {
  const percent = whole ? Math.min(100, (100 * part) / whole) : 0;
  return h(
    "span",
    { class: "share" },
    h(
      "span",
      { class: "bar", "aria-hidden": "true" },
      h("span", { style: { width: `${percent}%` } }),
    ),
    h("span", null, words),
  );
}
