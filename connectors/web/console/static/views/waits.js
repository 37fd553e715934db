/**
 * How long tasks waited for a host, and how many were launched, by tier.
 *
 * The one thing to know: quantiles come from the waits themselves, counted in the log of the range
 * of the time bar; the histogram draws the same waits.
 */

import { h } from "../core/dom.js";
import { empty, section } from "../core/parts.js";
import { register } from "../core/views.js";
import { table } from "../core/table.js";
import { count, duration, instant } from "../core/words.js";
import { histogram } from "../charts/histogram.js";
import { series } from "../charts/series.js";
import { rangeOf, selectRange, width } from "./range.js";

register({
  name: "waits",
  title: "Waits and launches",
  path: "/waits",
  key: "w",
  section: "Cell",
  order: 6,
  refresh_ms: 10000,
  summary: "how long tasks wait and how many are launched, by tier",
  load: (context) => context.ask("/api/flumina/glance/waits", rangeOf(context)),
  render: (waits, context) => {
    const tiers = waits.tiers.map((each) => ({ ...each, name: each.tier || "unknown tier" }));
    const total = tiers.reduce((sum, each) => sum + each.launched, 0);
    const span = `${instant(waits.fromMs)} to ${instant(waits.toMs)} UTC`;
    if (!total)
      return [
        empty(
          "Nothing was launched in this range.",
          `${span}. Choose a longer one in the bar above.`,
        ),
      ];
    return [
      h("p", { class: "muted wide" }, `${count(total)} launches, ${span}.`),
      section("Waits by tier", null, quantiles(tiers)),
      section("How long they waited", null, waitsChart(waits, tiers)),
      section(
        "Launches",
        { aside: `in each ${width(waits.bucketMs)}` },
        launchesChart(waits, tiers, context),
      ),
    ];
  },
});

function quantiles(tiers) {
  return table({
    label: "Waits by tier",
    rows: tiers,
    key: (tier) => tier.name,
    columns: [
      { name: "tier", title: "Tier", cell: (tier) => tier.name },
      { name: "launched", title: "Launched", isNumber: true, cell: (tier) => count(tier.launched) },
      ...[
        ["median", "Half waited less than", "medianMs"],
        ["p90", "90 of 100", "p90Ms"],
        ["p99", "99 of 100", "p99Ms"],
        ["most", "Longest", "mostMs"],
      ].map(([name, title, field]) => ({
        name,
        title,
        isNumber: true,
        cell: (tier) =>
          tier.launched
            ? h(
                "span",
                { "data-ms": tier[field], "data-quantile": `${tier.name} ${name}` },
                duration(tier[field]),
              )
            : "",
      })),
    ],
  });
}

/** The histogram of waits of an answer of `glance/waits`. */
export function waitsChart(waits, tiers) {
  const binOf = (ms) => waits.edgesMs.findLastIndex((edge) => edge <= ms);
  return histogram({
    label: "Waits by tier",
    bins: waits.edgesMs.map((edge) => (edge ? width(edge) : "0")),
    series: tiers.map((each) => ({ name: each.name, counts: each.counts })),
    marks: tiers
      .filter((each) => each.launched && tiers.length === 1)
      .map((each) => ({ bin: binOf(each.p99Ms), text: "p99" })),
  });
}

/** Launches over time of the same answer. */
export function launchesChart(waits, tiers, context) {
  return series({
    label: "Launches by tier",
    times_ms: tiers[0].launches.map((_, place) => waits.firstBucketMs + place * waits.bucketMs),
    series: tiers.map((each) => ({ name: each.name, values: each.launches })),
    isStacked: true,
    onSelect: context ? selectRange : null,
    marks_ms: context?.at ? [context.at_ms] : [],
  });
}
