/**
 * Who held how much of the cell in the range of the time bar.
 *
 * The one thing to know: it is counted from the log; nothing is sampled, so a range of the past
 * always costs the same.
 */

import { h } from "../core/dom.js";
import { empty, section } from "../core/parts.js";
import { table } from "../core/table.js";
import { choice } from "../core/tools.js";
import { number, text } from "../core/lists.js";
import { register } from "../core/views.js";
import { count, instant, rfc3339 } from "../core/words.js";

/** Rows of the answer; the rest is in the total. */
const ROWS = 500;

register({
  name: "cost",
  title: "Cost",
  path: "/cost",
  key: "u",
  section: "Cell",
  order: 11,
  refresh_ms: 10000,
  summary: "who held how much in the range of the bar",
  selections: ["sort"],
  load: (context) => {
    const { from_ms, to_ms, isMoving } = context.range;
    const range = isMoving
      ? { from: `-${Math.round((to_ms - from_ms) / 1000)}s` }
      : { from: rfc3339(from_ms), to: rfc3339(to_ms) };
    return context.ask("/api/flumina/cost", {
      ...range,
      by: context.query("by", "owner"),
      limit: ROWS,
    });
  },
  render: (cost, context) => [
    h(
      "div",
      { class: "bar-of-tools" },
      choice(context, "by", "By", [
        ["", "owner"],
        ["app", "application"],
        ["group", "capacity group"],
        ["job", "job"],
      ]),
      h(
        "span",
        { class: "aside" },
        `${instant(cost.fromMs).slice(0, 19)} to ${instant(cost.toMs).slice(0, 19)} UTC`,
      ),
    ),
    section(
      "Held",
      { aside: cost.dropped ? `${count(cost.dropped)} more in the total` : null },
      table({
        label: "Cost",
        rows: [...cost.items, { ...cost.total, name: "In all" }],
        key: (row) => row.name,
        sorted: context.query("sort"),
        onSort: (sort) => context.set({ sort }),
        columns: [
          text("name", "Name", (row) => row.name),
          number("tasks", "Tasks", (row) => row.tasks, count),
          number("hours", "Hours of tasks", (row) => row.taskHours, hours),
          number("cpu", "Hours of cpus", (row) => row.cpuHours, hours),
          number("memory", "Hours of GiB", (row) => row.memoryGibHours, hours),
          number("gpu", "Hours of gpus", (row) => row.gpuHours, hours),
        ],
        blank: empty("Nothing was held."),
      }),
    ),
  ],
});

const hours = (value) => (value ? value.toFixed(2) : "");
