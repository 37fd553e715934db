/**
 * How often values fell between edges: bars side by side, one colour and pattern a series.
 *
 * The one thing to know: it is drawn as elements, so every bar has its number as text.
 */

import { h } from "../core/dom.js";
import { count } from "../core/words.js";
import { under } from "./under.js";

/**
 * A chart and its table: `label`; `bins`: a name for each; `series`: `{name, counts}`; `marks`:
 * `{bin, text}`, flags above the bar of that number.
 */
export function histogram({ label, bins, series, marks = [] }) {
  const most = Math.max(1, ...series.flatMap((each) => each.counts));
  const first = Math.max(
    0,
    bins.findIndex((_, place) => series.some((each) => each.counts[place])),
  );
  const last = bins.findLastIndex((_, place) => series.some((each) => each.counts[place]));
  const shown = bins
    .map((name, place) => ({ name, place }))
    .slice(Math.max(0, first - 1), Math.max(last + 2, first + 4));
  return h(
    "figure",
    { class: "chart", key: `chart ${label}`, "aria-label": label },
    legend(series.map((each) => each.name)),
    h(
      "div",
      { class: "bins", role: "img", "aria-label": summary(label, bins, series) },
      shown.map(({ name, place }) =>
        h(
          "div",
          { class: "bin", key: name },
          h(
            "span",
            { class: "flag" },
            marks
              .filter((each) => each.bin === place)
              .map((each) => each.text)
              .join(" "),
          ),
          h(
            "span",
            { class: "columns" },
            series.map((each, number) =>
              h(
                "span",
                { class: "column", title: `${each.name}, ${name}: ${count(each.counts[place])}` },
                each.counts[place] ? h("b", null, count(each.counts[place])) : null,
                h("i", {
                  class: `series-${(number % 6) + 1}`,
                  style: { height: `${(100 * each.counts[place]) / most}%` },
                }),
              ),
            ),
          ),
          h("span", { class: "name" }, name),
        ),
      ),
    ),
    under(
      label,
      [
        { name: "bin", title: "From", cell: (row) => row.name },
        ...series.map((each) => ({
          name: each.name,
          title: each.name,
          isNumber: true,
          cell: (row) => count(each.counts[row.place]),
        })),
      ],
      () => bins.map((name, place) => ({ name, place })),
    ),
  );
}

/** Names of series beside their colour and pattern. */
export function legend(names) {
  return h(
    "ul",
    { class: "legend" },
    names.map((name, number) =>
      h(
        "li",
        { key: name },
        h("i", { class: `series-${(number % 6) + 1}`, "aria-hidden": "true" }),
        name,
      ),
    ),
  );
}

function summary(label, bins, series) {
  const parts = series.map((each) => {
    const total = each.counts.reduce((sum, number) => sum + number, 0);
    const most = each.counts.indexOf(Math.max(...each.counts));
    return total ? `${each.name}: ${count(total)}, most at ${bins[most]}` : `${each.name}: nothing`;
  });
  return `${label}. ${parts.join("; ")}`;
}
