/**
 * What has most: names and numbers, the longest bar first.
 *
 * The one thing to know: it is a table whose bars only repeat its numbers.
 */

import { h } from "../core/dom.js";
import { empty } from "../core/parts.js";
import { count } from "../core/words.js";

/** A list of `{name, value}`; `format(value)` says a value in words, `link(row)` is a node. */
export function toplist({
  label,
  rows,
  format = count,
  limit = 20,
  link = (row) => row.name,
  unit = "",
}) {
  const shown = [...rows].sort((one, other) => other.value - one.value).slice(0, limit);
  const most = Math.max(...shown.map((row) => row.value), 0);
  if (!shown.length) return empty("Nothing to rank.", "The query has no rows in this range.");
  return h(
    "table",
    { class: "toplist", "aria-label": label },
    h(
      "thead",
      null,
      h(
        "tr",
        null,
        h("th", { scope: "col" }, "Name"),
        h("th", { scope: "col", class: "number" }, unit || "Value"),
        h("th", { scope: "col" }, h("span", { class: "unseen" }, "Share of the largest")),
      ),
    ),
    h(
      "tbody",
      null,
      shown.map((row) =>
        h(
          "tr",
          { key: row.name },
          h("th", { scope: "row", title: row.name }, link(row)),
          h("td", { class: "number" }, format(row.value)),
          h(
            "td",
            null,
            h(
              "span",
              { class: "measure", "aria-hidden": "true" },
              h("i", { style: { width: `${most ? (100 * row.value) / most : 0}%` } }),
            ),
          ),
        ),
      ),
    ),
  );
}
