/**
 * Values over time: lines, or bars that stand on each other.
 *
 * The one thing to know: uPlot draws it, and owns what is inside its element; a stretch that is
 * dragged over is told to `onSelect` and not zoomed, for the range belongs to the address.
 */

import uPlot from "../vendor/uplot/uPlot.esm.js";
import { h } from "../core/dom.js";
import { clock, count, instant } from "../core/words.js";
import { colour, DASHES, onTheme, seriesColour } from "./palette.js";
import { under } from "./under.js";

const HEIGHT_PX = 190;
/** Of the scale of time: ticks have whole seconds. */
const SPAN_S_LEAST = 10;

/**
 * A chart and its table:
 * - `label`: what it is of; `times_ms`: instants, ascending
 * - `series`: `{name, values, colour}`; a value of null is a gap; `colour` is a CSS colour
 * - `isStacked`: bars on each other; else lines. `format(value)`: a value in words
 * - `onSelect(from_ms, to_ms)`: a stretch was dragged over
 * - `isGapless`: a line goes on over instants at which it has no value
 * - `marks_ms`: instants with an upright line; `height`
 */
export function series(data) {
  return h(
    "figure",
    { class: "chart", key: `chart ${data.label}`, "aria-label": data.label },
    h("div", { class: "plot", role: "img", "aria-label": summaryOf(data), widget: WIDGET, data }),
    data.onSelect && h("p", { class: "hint" }, "Drag over a stretch to look at it alone."),
    under(data.label, columnsOf(data), () => rowsOf(data)),
  );
}

function summaryOf(data) {
  const format = data.format ?? count;
  const parts = data.series.map((each) => {
    const known = each.values.filter((value) => value !== null);
    return known.length
      ? `${each.name} up to ${format(Math.max(...known))}`
      : `${each.name}: nothing`;
  });
  return `${data.label}: ${parts.join("; ")}`;
}

function columnsOf(data) {
  const format = data.format ?? count;
  return [
    {
      name: "time",
      title: "Time (UTC)",
      cell: (row) => instant(row.at_ms),
      sort: (row) => row.at_ms,
    },
    ...data.series.map((each, number) => ({
      name: each.name,
      title: each.name,
      isNumber: true,
      cell: (row) => (row.values[number] === null ? "" : format(row.values[number])),
    })),
  ];
}

function rowsOf(data) {
  return data.times_ms
    .map((at_ms, place) => ({
      at_ms,
      values: data.series.map((each) => each.values[place] ?? null),
    }))
    .filter((row) => row.values.some((value) => value));
}

const charts = new WeakMap();

const WIDGET = {
  mount(element, data) {
    const own = { data, plot: null, width: 0 };
    charts.set(element, own);
    draw(element, own); // At once: what stands below must not move under somebody's hand.
    own.observer = new ResizeObserver(() => {
      if (element.clientWidth && element.clientWidth !== own.width) draw(element, own);
    });
    own.observer.observe(element);
    own.off = onTheme(() => draw(element, own));
  },
  update(element, data) {
    const own = charts.get(element);
    const isSame = own.plot && shapeOf(own.data) === shapeOf(data);
    own.data = data;
    element.setAttribute("aria-label", summaryOf(data));
    if (isSame) own.plot.setData(columns(data));
    else if (element.clientWidth) draw(element, own);
  },
  unmount(element) {
    const own = charts.get(element);
    own?.observer.disconnect();
    own?.off();
    own?.plot?.destroy();
    charts.delete(element);
  },
};

/** What of a chart cannot be changed without drawing it anew. */
const shapeOf = (data) =>
  JSON.stringify([
    data.series.map((each) => [each.name, each.colour]),
    data.isStacked,
    data.height,
    data.marks_ms,
  ]);

function columns(data) {
  const times = data.times_ms.map((at_ms) => at_ms / 1000);
  // Of one instant alone uPlot makes no scale; one without values is put before it.
  if (times.length === 1)
    return [
      [times[0] - SPAN_S_LEAST, times[0]],
      ...data.series.map((each) => [null, each.values[0]]),
    ];
  if (!data.isStacked) return [times, ...data.series.map((each) => each.values)];
  // uPlot draws what comes first behind what comes later: the highest sums first.
  const sums = [];
  let before = data.times_ms.map(() => 0);
  for (const each of data.series) {
    before = before.map((value, place) => value + (each.values[place] ?? 0));
    sums.unshift(before);
  }
  return [times, ...sums];
}

function draw(element, own) {
  own.plot?.destroy();
  own.width = element.clientWidth;
  if (!own.width) return;
  own.plot = new uPlot(optionsOf(own), columns(own.data), element);
}

function optionsOf(own) {
  const { data } = own;
  const format = data.format ?? count;
  const grid = { stroke: colour("--line"), width: 1 };
  const axis = { stroke: colour("--muted"), font: "11px system-ui, sans-serif", grid, ticks: grid };
  const named = data.isStacked ? [...data.series].reverse() : data.series;
  return {
    width: own.width,
    height: data.height ?? HEIGHT_PX,
    padding: [10, 28, 0, 0],
    tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), "Etc/UTC"),
    scales: {
      x: { range: (plot, low, high) => [Math.min(low, high - SPAN_S_LEAST), high] },
      y: { range: (plot, low, high) => [Math.min(0, low ?? 0), high > 0 ? high * 1.08 : 1] },
    },
    cursor: { drag: { x: Boolean(data.onSelect), y: false, setScale: false }, points: { size: 6 } },
    select: { show: Boolean(data.onSelect) },
    legend: { live: true },
    axes: [
      { ...axis, space: 90, values: (plot, ticks) => ticks.map((each) => clock(each * 1000)) },
      { ...axis, size: 62, values: (plot, ticks) => ticks.map((each) => format(each)) },
    ],
    series: [
      { label: "UTC", value: (plot, at) => (at === null ? "" : instant(at * 1000).slice(11)) },
      ...named.map((each, place) =>
        lineOf(data, each, data.isStacked ? named.length - 1 - place : place, format),
      ),
    ],
    hooks: {
      setSelect: [(plot) => selected(plot, data)],
      draw: [(plot) => uprights(plot, data.marks_ms ?? [])],
    },
  };
}

function lineOf(data, each, number, format) {
  const stroke = each.colour ?? seriesColour(number);
  const bars = { paths: uPlot.paths.bars({ size: [0.9, 60], align: 1 }), fill: stroke, width: 0 };
  const line = { width: 2, dash: DASHES[number % DASHES.length] };
  return {
    label: each.name,
    stroke,
    points: { show: !data.isStacked && each.values.filter((value) => value !== null).length < 3 },
    // What is drawn is a sum; what is told is the value itself.
    value: (plot, drawn, series, place) =>
      place === null || place === undefined ? "" : format(each.values[place] ?? 0),
    spanGaps: Boolean(data.isGapless),
    ...(data.isStacked ? bars : line),
  };
}

function selected(plot, data) {
  const { left, width } = plot.select;
  if (!data.onSelect || width < 4) return;
  const [from, to] = [plot.posToVal(left, "x"), plot.posToVal(left + width, "x")];
  plot.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
  data.onSelect(Math.round(from * 1000), Math.round(to * 1000));
}

function uprights(plot, marks_ms) {
  const { ctx, bbox } = plot;
  ctx.save();
  ctx.strokeStyle = colour("--accent");
  ctx.setLineDash([4, 3]);
  for (const at_ms of marks_ms) {
    const x = plot.valToPos(at_ms / 1000, "x", true);
    if (x < bbox.left || x > bbox.left + bbox.width) continue;
    ctx.beginPath();
    ctx.moveTo(x, bbox.top);
    ctx.lineTo(x, bbox.top + bbox.height);
    ctx.stroke();
  }
  ctx.restore();
}
