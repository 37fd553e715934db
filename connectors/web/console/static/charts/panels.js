/**
 * Panels of dashboards: rows of one question, drawn as the panel's kind says.
 *
 * The one thing to know: a panel is drawn from `{rows, answer}` alone, wherever they are from; what
 * fetches them is `charts/sources.js`.
 */

import { h } from "../core/dom.js";
import { empty, share } from "../core/parts.js";
import { table } from "../core/table.js";
import { clock, count, several } from "../core/words.js";
import { fieldOf, numberOf, textOf, timeOf, wordsOf } from "./fields.js";
import { heatmap } from "./heatmap.js";
import { histogram } from "./histogram.js";
import { series } from "./series.js";
import { toplist } from "./toplist.js";
import { under } from "./under.js";
import { printable } from "./printable.js";

const LINES_MAX = 6;
const BINS = 12;
const NOTHING = () => empty("Nothing yet.", "It comes with the first row.");

/** The nodes of a panel; `isQuery`: its rows came one after another. */
export function drawn(panel, { rows, answer }, isQuery) {
  return (
    DRAWN[panel.kind]?.(panel, rows, answer, isQuery) ??
    empty(`This console cannot draw ${panel.kind}.`, "It is of another release.")
  );
}

const DRAWN = {
  text: (panel) => panel.options.text.split(/\n\s*\n/).map((each) => h("p", null, each)),
  stat: (panel, rows, answer) => stat(panel, rows.at(-1) ?? answer),
  series: lines,
  histogram: bins,
  top: ranked,
  heatmap: squares,
  table: listed,
  log: tail,
};

function stat(panel, row) {
  const { value, of, unit = "", warn_above: warn, alarm_above: alarm } = panel.options;
  if (!row) return NOTHING();
  const number = numberOf(row, value);
  const isAlarm = alarm !== undefined && number > alarm;
  const isWarning = !isAlarm && warn !== undefined && number > warn;
  const words =
    unit === "ms" || unit === "bytes" || unit === "%"
      ? wordsOf(unit)(number ?? 0) || "0"
      : `${number === null ? textOf(fieldOf(row, value)) || "none" : wordsOf(unit)(number)}`;
  const whole = of ? numberOf(row, of) : null;
  return [
    h(
      "p",
      { class: `stat ${isAlarm ? "alarm" : isWarning ? "warning" : ""}` },
      words,
      unit && !["ms", "bytes", "%"].includes(unit)
        ? h("span", { class: "unit" }, ` ${unit}`)
        : null,
    ),
    (isAlarm || isWarning) && h("p", { class: "note" }, `above ${count(isAlarm ? alarm : warn)}`),
    whole !== null && share(number ?? 0, whole, `of ${wordsOf(unit)(whole)}`),
  ];
}

function lines(panel, rows, answer, isQuery) {
  const { values, time, by, unit = "" } = panel.options;
  const points = new Map();
  const totals = new Map();
  for (const row of rows) {
    const at_ms = (time ? timeOf(row, time) : null) ?? row[ARRIVED];
    for (const { field, title } of values) {
      const number = numberOf(row, field);
      if (number === null || at_ms === undefined || at_ms === null) continue;
      const name = by ? textOf(fieldOf(row, by)) || "none" : title;
      const key = by && values.length > 1 ? `${name}, ${title}` : name;
      if (!points.has(at_ms)) points.set(at_ms, new Map());
      points.get(at_ms).set(key, number);
      totals.set(key, (totals.get(key) ?? 0) + Math.abs(number));
    }
  }
  if (!points.size) return NOTHING();
  const names = [...totals.keys()].sort((one, other) => totals.get(other) - totals.get(one));
  const times_ms = [...points.keys()].sort((one, other) => one - other);
  return [
    series({
      label: panel.title,
      times_ms,
      series: names.slice(0, LINES_MAX).map((name) => ({
        name,
        values: times_ms.map((at_ms) => points.get(at_ms).get(name) ?? null),
      })),
      format: wordsOf(unit),
      isGapless: true,
      height: Math.max(120, 44 * panel.height - 110),
    }),
    names.length > LINES_MAX &&
      h("p", { class: "note" }, `${several(names.length - LINES_MAX, "smaller line")} not drawn.`),
  ];
}

function bins(panel, rows) {
  const { value, scale = "linear", unit = "" } = panel.options;
  const numbers = rows.map((row) => numberOf(row, value)).filter((each) => each !== null);
  if (!numbers.length) return NOTHING();
  const [low, high] = [Math.min(...numbers), Math.max(...numbers)];
  const isLog = scale === "log" && low >= 0;
  const [from, until] = isLog ? [Math.log10(low + 1), Math.log10(high + 1)] : [low, high];
  // Whole numbers have edges that are whole.
  const isWhole = !isLog && numbers.every(Number.isInteger);
  const step = isWhole ? Math.ceil((high - low + 1) / BINS) : (until - from) / BINS || 1;
  const edges = Array.from({ length: BINS }, (_, place) =>
    isLog ? 10 ** (from + place * step) - 1 : from + place * step,
  );
  const counts = edges.map(() => 0);
  for (const each of numbers) {
    const at = isLog ? Math.log10(each + 1) : each;
    counts[Math.min(BINS - 1, Math.floor((at - from) / step))] += 1;
  }
  return histogram({
    label: panel.title,
    bins: edges.map((edge) => wordsOf(unit)(edge) || "0"),
    series: [{ name: panel.title, counts }],
  });
}

function ranked(panel, rows, answer, isQuery) {
  const { label, value, unit = "", count: limit = 10 } = panel.options;
  const totals = new Map();
  for (const row of rows) {
    const name = textOf(fieldOf(row, label)) || "none";
    const number = numberOf(row, value) ?? 0;
    totals.set(name, isQuery ? (totals.get(name) ?? 0) + number : number);
  }
  const ranking = [...totals].map(([name, number]) => ({ name: printable(name), value: number }));
  return toplist({
    label: panel.title,
    rows: ranking,
    format: wordsOf(unit),
    limit,
    unit: unit === "ppm" ? "%" : unit,
  });
}

function squares(panel, rows) {
  const { label, value, max, unit = "" } = panel.options;
  if (!rows.length) return NOTHING();
  const numbers = rows.map((row) => numberOf(row, value));
  const most = max ?? Math.max(1, ...numbers.map((each) => each ?? 0));
  const name = (row) => printable(textOf(fieldOf(rows[row], label)));
  const map = heatmap({
    label: `${panel.title}: ${several(rows.length, "square")}, up to ${wordsOf(unit)(most)}`,
    blocks: [{ name: panel.title, items: rows.map((_, row) => row) }],
    room: Math.max(100, 44 * panel.height - 120),
    share: (row) => (numbers[row] === null ? null : numbers[row] / most),
    mark: () => "",
    number: (row) => wordsOf(unit)(numbers[row]),
    text: (row) =>
      `${name(row)}: ${wordsOf(unit)(numbers[row])}${unit && unit !== "ms" ? ` ${unit}` : ""}`,
    onSelect: () => {},
    onOpen: () => {},
  });
  const columns = [
    { name: "name", title: label, cell: name },
    { name: "value", title: value, isNumber: true, cell: (row) => wordsOf(unit)(numbers[row]) },
  ];
  return [map, under(panel.title, columns, () => rows.map((_, row) => row))];
}

function listed(panel, rows) {
  const { columns, count: limit = 100 } = panel.options;
  return table({
    label: panel.title,
    rows: rows.slice(-limit),
    columns: columns.map(({ field, title, unit }) => ({
      name: field,
      title,
      isNumber:
        rows.length > 0 &&
        rows.every((row) => ["number", "undefined"].includes(typeof fieldOf(row, field))),
      cell: (row) =>
        printable(
          unit || typeof fieldOf(row, field) === "number"
            ? wordsOf(unit)(fieldOf(row, field))
            : textOf(fieldOf(row, field)),
        ),
    })),
    blank: empty("No rows."),
  });
}

function tail(panel, rows) {
  const { text, time, level, count: limit = 500 } = panel.options;
  if (!rows.length) return NOTHING();
  return h(
    "div",
    { class: "panel-log", tabindex: "0", role: "log", "aria-label": panel.title },
    rows.slice(-limit).map((row) => {
      const at_ms = time ? timeOf(row, time) : null;
      return h(
        "p",
        null,
        at_ms !== null && h("span", { class: "muted" }, `${clock(at_ms)} `),
        level && h("b", null, `${printable(textOf(fieldOf(row, level)))} `),
        printable(textOf(fieldOf(row, text))),
      );
    }),
  );
}

/** When a row came, for those that carry no time of their own. */
export const ARRIVED = Symbol("arrived");
