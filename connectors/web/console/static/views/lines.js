/**
 * Lines of hosts by level and by template; what was never written before is marked.
 *
 * The one thing to know: dragging over the chart makes that stretch the range of the time bar, so
 * it stands in the address and every other view shows it too.
 */

import { h, svg } from "../core/dom.js";
import { empty, section } from "../core/parts.js";
import { register } from "../core/views.js";
import { count, duration, instant, several } from "../core/words.js";
import { colour, LEVEL_COLOURS } from "../charts/palette.js";
import { printable } from "../charts/printable.js";
import { series } from "../charts/series.js";
import { rangeOf, selectRange, width } from "./range.js";

const SPARK_PX = 160;

register({
  name: "lines",
  title: "Host logs",
  path: "/lines",
  key: "l",
  section: "Ask",
  order: 21,
  refresh_ms: 15000,
  summary: "lines of hosts by level and template, new ones marked",
  selections: ["template", "new"],
  load: (context) => context.ask("/api/flumina/glance/lines", rangeOf(context)),
  render: (found, context) => {
    const span = `${instant(found.fromMs)} to ${instant(found.toMs)} UTC`;
    const lacking = found.missing.map((each) =>
      h("div", { class: "banner waiting", key: each }, h("span", null, `Not counted: ${each}`)),
    );
    if (!found.lines)
      return [
        lacking,
        empty(
          "No lines in this range.",
          `${span}. Lines come from flumina health tail, Fluent Bit or Vector.`,
        ),
      ];
    return [
      lacking,
      h(
        "p",
        { class: "muted wide" },
        `${several(found.lines, "line")}, ${several(found.templatesTotal, "template")}, `,
        `${known(found)}. ${span}.`,
      ),
      section(
        "Lines by level",
        { aside: `in each ${width(found.bucketMs)}` },
        linesChart(found, context),
      ),
      section("Templates", { aside: filter(found, context) }, templates(found, context)),
    ];
  },
});

function known(found) {
  const since = width(found.fromMs - found.beforeMs);
  if (!found.linesBefore) return `none called new: nothing was written in the ${since} before`;
  return `${count(found.newTotal)} new against the ${since} before`;
}

/** The histogram by level of an answer of `glance/lines`. */
export function linesChart(found, context) {
  const levels = found.levels.filter((each) => each.lines);
  return series({
    label: "Lines by level",
    times_ms: found.levels[0].counts.map(
      (_, place) => found.firstBucketMs + place * found.bucketMs,
    ),
    series: levels.map((each) => ({
      name: each.level === "none" ? "no level" : each.level,
      values: each.counts,
      colour: colour(LEVEL_COLOURS[each.level]),
    })),
    isStacked: true,
    onSelect: context ? selectRange : null,
    marks_ms: context?.at ? [context.at_ms] : [],
  });
}

function filter(found, context) {
  const isOn = context.query("new") === "1";
  return h(
    "button",
    {
      type: "button",
      "aria-pressed": String(isOn),
      onclick: () => context.set({ new: isOn ? null : "1" }),
    },
    `New only (${count(found.newTotal)})`,
  );
}

function templates(found, context) {
  const rows = found.templates.filter((each) => context.query("new") !== "1" || each.isNew);
  if (!rows.length) return empty("No template is new in this range.");
  const left = found.templatesTotal - found.templates.length;
  return [
    h(
      "table",
      { class: "events", "aria-label": "Templates, new ones first" },
      h(
        "thead",
        null,
        h(
          "tr",
          null,
          ["Template", "Level", "Lines", "Hosts", "Over time", "First line"].map((each) =>
            h("th", { scope: "col" }, each),
          ),
        ),
      ),
      h(
        "tbody",
        null,
        rows.map((each) => row(each, context)),
      ),
    ),
    left > 0 && h("p", { class: "muted" }, `${several(left, "template")} more with fewer lines.`),
  ];
}

function row(each, context) {
  const isOpen = context.query("template") === each.templateId;
  return [
    h(
      "tr",
      {
        key: each.templateId,
        class: ["template-row", isOpen && "chosen"].filter(Boolean).join(" "),
        "data-template": each.templateId,
        "data-new": String(each.isNew),
      },
      h(
        "td",
        { class: "said" },
        each.isNew && h("span", { class: "tag-new" }, "new"),
        h(
          "button",
          {
            type: "button",
            class: "link",
            "aria-expanded": String(isOpen),
            onclick: () => context.set({ template: isOpen ? null : each.templateId }),
          },
          h("span", { class: "text" }, printable(each.text)),
        ),
      ),
      h("td", null, each.level === "none" ? "" : each.level),
      h("td", { class: "gap" }, count(each.lines)),
      h("td", { class: "gap" }, count(each.hosts)),
      h("td", null, spark(each.counts)),
      h("td", { class: "time" }, instant(each.firstMs)),
    ),
    isOpen &&
      h(
        "tr",
        { key: `${each.templateId} whole` },
        h(
          "td",
          { colspan: 6 },
          h("p", { class: "mono" }, `${each.templateId} · first line at ${each.source}`),
          h("pre", { class: "json" }, printable(each.sample)),
        ),
      ),
  ];
}

function spark(counts) {
  const most = Math.max(1, ...counts);
  const width = SPARK_PX / counts.length;
  return svg(
    "svg",
    { class: "spark", viewBox: `0 0 ${SPARK_PX} 20`, "aria-hidden": "true", focusable: "false" },
    counts.map((value, place) => {
      if (!value) return null;
      const height = Math.max(2, (20 * value) / most);
      return svg("rect", {
        x: (place * width).toFixed(2),
        y: (20 - height).toFixed(2),
        width: Math.max(1, width - 0.5).toFixed(2),
        height: height.toFixed(2),
      });
    }),
  );
}
