/**
 * The rows of a running query: how the stream stands, what was counted, the list, one row whole.
 *
 * The one thing to know: the part owns its element and draws itself when rows come; the page around
 * it is not touched by ten thousand rows a second.
 */

import { h, render } from "../core/dom.js";
import { json, section, state } from "../core/parts.js";
import { showStream } from "../core/standing.js";
import { table } from "../core/table.js";
import { ROWS_MAX, Tail } from "../core/tail.js";
import { count, duration, instant, several } from "../core/words.js";

/** Columns that a list has room for; the rest is seen in the row. */
const COLUMNS_MAX = 8;
/** What an operator looks for first, where a row has it. */
const FIRST = [
  "at_ms",
  "kind",
  "level",
  "host",
  "hostname",
  "task_id",
  "job_id",
  "host_id",
  "state",
  "reason",
  "message",
  "line",
];
const CELL_CHARACTERS_MAX = 300;

/** In pixels; what has no width of its own has `WIDTH`, and a list wider than the page scrolls. */
const WIDTHS = {
  at_ms: 190,
  kind: 150,
  level: 80,
  message: 460,
  line: 460,
  task_id: 190,
  host_id: 190,
  job_id: 150,
};
const WIDTH = 130;

const parts = new Map();

/** The running query as a part of the page. */
export function tailPart(parameters, context) {
  return h("div", {
    key: "tail",
    class: "tail",
    widget: WIDGET,
    data: { parameters, context, again: context.query("again") },
  });
}

/** Pauses or goes on, if a query runs; whether one does. */
export function togglePause() {
  const part = [...parts.values()][0];
  if (!part) return false;
  part.tail.pause(!part.tail.isPaused);
  return true;
}

const WIDGET = {
  mount(element, data) {
    begin(element, data);
  },
  update(element, data) {
    const part = parts.get(element);
    if (part.key === keyOf(data)) {
      part.context = data.context;
      draw(element, part);
    } else {
      part.tail.close();
      begin(element, data);
    }
  },
  unmount(element) {
    parts.get(element)?.tail.close();
    parts.delete(element);
    showStream("query", null);
    render(element);
  },
};

const keyOf = ({ parameters, again }) => JSON.stringify([parameters, again]);

function begin(element, data) {
  const part = { key: keyOf(data), context: data.context, columns: [] };
  part.tail = new Tail(data.parameters, () => draw(element, part));
  parts.set(element, part);
  draw(element, part);
}

function draw(element, part) {
  const { tail, context } = part;
  const standing = standingOf(tail);
  showStream("query", standing);
  const selected = context.query("select");
  render(
    element,
    status(part, standing),
    tail.state.state === "refused" ? refused(tail.state.failure) : null,
    h(
      "div",
      { class: `tail-rows ${selected ? "with-row" : ""}`, key: "rows" },
      rows(part, selected),
      selected && oneRow(part, selected),
    ),
  );
}

/** The stream in a word and a sentence. */
export function standingOf(tail) {
  const { state: now, attempts, wait_ms: wait, failure } = tail.state;
  if (now === "refused") return { state: "refused", tone: "bad", text: failure.message };
  if (now === "reconnecting") {
    return {
      state: "reconnecting",
      tone: "bad",
      text: `attempt ${attempts}${wait ? `, in ${duration(wait)}` : ""}; no row is lost`,
    };
  }
  if (now === "ended") return { state: "ended", tone: "done", text: "all of the range was read" };
  if (now === "connecting") return { state: "connecting", tone: "busy", text: "" };
  const { state: said = "live", behind_ms: behind = 0 } = tail.meta;
  if (said === "behind" || said === "catching-up")
    return { state: said, tone: "waiting", text: `${duration(behind)} behind` };
  return { state: "live", tone: "good", text: "" };
}

function status({ tail, context }, standing) {
  const { meta } = tail;
  return h(
    "div",
    { class: "bar-of-tools tail-status", key: "status" },
    h(
      "span",
      { "data-tail": "state" },
      state(standing.state, standing.tone),
      standing.text ? ` ${standing.text}` : "",
    ),
    figure("rate", "rows a second", count(Math.round(tail.rate()))),
    figure("total", "rows", count(tail.total)),
    meta.read !== undefined && figure("read", "events read", count(meta.read)),
    figure("dropped", "dropped", count(meta.dropped ?? 0), meta.dropped ? "waiting" : ""),
    tail.isPaused && figure("waiting", "came since the pause", count(tail.waiting.length)),
    tail.missed > 0 && figure("missed", "had no room", count(tail.missed), "waiting"),
    tail.letGo > 0 &&
      h("span", { class: "muted" }, `the last ${several(ROWS_MAX, "row")} are kept`),
    h(
      "span",
      { class: "aside" },
      h(
        "button",
        {
          type: "button",
          "aria-pressed": String(tail.isPaused),
          onclick: () => tail.pause(!tail.isPaused),
        },
        tail.isPaused ? "Go on" : "Pause",
      ),
      " ",
      h(
        "button",
        { type: "button", onclick: () => (context.set({ select: null }), tail.clear()) },
        "Clear",
      ),
    ),
  );
}

function figure(name, label, value, tone = "") {
  return h(
    "span",
    { key: name },
    h("b", { "data-tail": name, class: tone }, value),
    h("span", { class: "muted" }, ` ${label}`),
  );
}

function refused(failure) {
  return h(
    "div",
    { class: "refusal query-fault", role: "alert", key: "refused" },
    failure.problem?.caret && h("pre", null, failure.problem.caret),
    h("p", null, failure.message),
    failure.remedy && h("p", null, failure.remedy),
  );
}

function rows(part, selected) {
  const { tail, context } = part;
  learnColumns(part);
  return table({
    id: "tail",
    label: "Rows of the query",
    rows: tail.rows,
    columns: part.columns.map(column),
    width: `${part.columns.map(widthOf).reduce((sum, width) => sum + width, 0)}px`,
    isPositional: true,
    isFollowing: !tail.isPaused,
    height: "100%",
    isSelected: (row) => row.id === selected,
    onSelect: (row) => context.set({ select: row.id === selected ? null : row.id }),
    blank: h("div", { class: "blank", key: "blank" }, h("p", null, blankText(tail))),
  });
}

function blankText(tail) {
  if (tail.state.state === "ended") return "No event of the range fits.";
  if (tail.state.state === "refused") return "Nothing was asked.";
  return "No row yet. They are shown as they come.";
}

/** A list's columns are those of its first rows, in one order, and stay. */
function learnColumns(part) {
  const { tail } = part;
  const known = new Set(part.columns);
  if (part.columns.length >= COLUMNS_MAX || part.learntTo === tail.total || !tail.rows.length)
    return;
  part.learntTo = tail.total;
  for (const row of tail.rows.slice(-40)) {
    for (const name of Object.keys(decoded(row))) known.add(name);
  }
  const place = (name) => (FIRST.includes(name) ? FIRST.indexOf(name) : FIRST.length);
  const found = [...known].sort((one, other) => place(one) - place(other));
  part.columns = found.slice(0, COLUMNS_MAX);
}

function column(name) {
  return {
    name,
    title: name,
    width: `${widthOf(name)}px`,
    cell: (row) => shown(name, decoded(row)[name]),
  };
}

const widthOf = (name) => WIDTHS[name] ?? WIDTH;

function shown(name, value) {
  if (value === null || value === undefined) return "";
  if (name === "at_ms" && typeof value === "number") return instant(value);
  const text = typeof value === "object" ? JSON.stringify(value) : String(value);
  return text.length > CELL_CHARACTERS_MAX ? `${text.slice(0, CELL_CHARACTERS_MAX)}…` : text;
}

function decoded(row) {
  // Kept for as long as the row is in sight; a drawn row is asked for once for each column.
  if (last.row !== row) Object.assign(last, { row, value: JSON.parse(row.text) });
  return last.value;
}

const last = { row: null, value: null };

function oneRow(part, id) {
  const row =
    part.tail.rows.find((each) => each.id === id) ??
    part.tail.waiting.find((each) => each.id === id);
  return section(
    "Row",
    {
      key: "row",
      aside: h(
        "button",
        { type: "button", class: "quiet", onclick: () => part.context.set({ select: null }) },
        "Close",
      ),
    },
    h("p", { class: "mono muted" }, id),
    row
      ? json(decoded(row), "The row")
      : h("p", { class: "muted" }, "It is not among the rows that are kept here."),
  );
}
