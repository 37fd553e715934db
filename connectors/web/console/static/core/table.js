/**
 * Tables: few rows whole, many rows as the window that is in sight.
 *
 * The one thing to know: rows of one height are what makes it cheap: a hundred thousand rows cost
 * what the forty in sight cost, and a real `table` with counted rows stays readable aloud.
 */

import { clear, h, render } from "./dom.js";

/** Of `--row` in the styles. */
const ROW_PX = 26;
/** Rows above and below the window, so that a wheel's turn finds them there. */
const SPARE = 12;
/** Up to so many rows are simply all there. */
const WHOLE_MAX = 120;

const tables = new WeakMap();

/**
 * A table of `rows`:
 * - `columns`: `{name, title, cell(row), width, isNumber, sort(row)}`; `sort` makes its head
 *   a button
 * - `key(row)`: what makes a row the same one later
 * - `label`: what it is a table of, for people who hear it
 * - `sorted` (`name` or `-name`) and `onSort(text)`: the view keeps it in the address
 * - `selected` and `onSelect(row)`: a row can be chosen, by click, arrows or Enter
 * - `isPositional`: rows run past; `isSelected(row)` says which one is chosen
 * - `isFollowing`: the end stays in sight while it is there; `height`: of the window, CSS
 * - `width`: what it needs at least; a narrower page scrolls it
 * - `blank`: nodes that stand there without rows
 */
export function table(data) {
  if (!data.rows.length && data.blank) return data.blank;
  const { id, label } = data;
  return h("div", {
    class: "table",
    role: "region",
    "aria-label": label,
    key: id ?? label,
    widget: WIDGET,
    data,
  });
}

const WIDGET = {
  mount(element, data) {
    // Asking the browser while it draws costs a layout each time, so both are kept.
    const frame = { data, pending: 0, atEnd: true, top: 0, height: 0, first: 0 };
    tables.set(element, frame);
    element.addEventListener("scroll", () => {
      frame.top = element.scrollTop;
      frame.atEnd = frame.top + frame.height >= (frame.data.rows.length - 1) * ROW_PX;
      if (inSight(frame, frame.data.rows.length).first !== frame.first) schedule(element, frame);
    });
    frame.observer = new ResizeObserver(([entry]) => {
      frame.height = entry.contentRect.height;
      schedule(element, frame);
    });
    frame.observer.observe(element);
    draw(element, frame);
  },
  update(element, data) {
    const frame = tables.get(element);
    frame.data = data;
    draw(element, frame);
  },
  unmount(element) {
    const frame = tables.get(element);
    frame?.observer.disconnect();
    cancelAnimationFrame(frame?.pending);
    tables.delete(element);
    clear(element);
  },
};

function schedule(element, frame) {
  if (frame.pending) return;
  frame.pending = requestAnimationFrame(() => {
    frame.pending = 0;
    draw(element, frame);
  });
}

function draw(element, frame) {
  const { data } = frame;
  const rows = sortedRows(data);
  const isWhole = rows.length <= WHOLE_MAX && !data.height;
  if (frame.isWhole !== isWhole) frameOf(element, data, isWhole);
  frame.isWhole = isWhole;
  if (data.isFollowing && frame.atEnd)
    frame.top = Math.max(0, (rows.length + 1) * ROW_PX - frame.height);
  const { first, last } = isWhole ? { first: 0, last: rows.length } : inSight(frame, rows.length);
  frame.first = first;
  const seen = [];
  for (let index = first; index < last; index += 1) {
    seen.push(line(data, rows[index], index, index - first));
  }
  render(
    element,
    h(
      "table",
      {
        "aria-rowcount": rows.length + 1,
        "aria-label": data.label,
        style: data.width && { "min-width": data.width },
      },
      h(
        "colgroup",
        null,
        data.columns.map((each) => h("col", { style: { width: each.width ?? "auto" } })),
      ),
      head(data),
      h(
        "tbody",
        null,
        first > 0 && spacer("above", first, data.columns.length),
        seen,
        last < rows.length && spacer("below", rows.length - last, data.columns.length),
      ),
    ),
  );
  // As far down as it goes; the browser cuts off what is too much.
  if (data.isFollowing && frame.atEnd && frame.scrolledTo !== rows.length) {
    frame.scrolledTo = rows.length;
    element.scrollTop = (rows.length + 10) * ROW_PX;
  }
}

function inSight({ top, height }, total) {
  const first = Math.max(0, Math.floor(top / ROW_PX) - SPARE);
  const last = Math.min(total, Math.ceil((top + (height || 600)) / ROW_PX) + SPARE);
  // Rows may have gone since it was scrolled to where it is.
  return first < total ? { first, last } : { first: Math.max(0, total - 60), last: total };
}

/** What the element around a table is: one that scrolls must be reachable without a mouse. */
function frameOf(element, data, isWhole) {
  element.classList.toggle("scrolling", !isWhole);
  element.style.setProperty("height", isWhole ? "auto" : (data.height ?? "min(70vh, 60rem)"));
  if (isWhole) element.removeAttribute("tabindex");
  else element.setAttribute("tabindex", "0");
}

/** So many rows of empty height, as one row that nobody is told of. */
function spacer(key, rows, columns) {
  return h(
    "tr",
    { key, class: "spacer", "aria-hidden": "true" },
    h("td", { colspan: columns, style: { height: `${rows * ROW_PX}px` } }),
  );
}

function head(data) {
  return h(
    "thead",
    null,
    h(
      "tr",
      { "aria-rowindex": 1 },
      data.columns.map((column) => {
        const order = orderOf(data, column);
        const attributes = {
          scope: "col",
          class: column.isNumber ? "number" : null,
          "aria-sort": order,
        };
        if (!column.sort || !data.onSort) return h("th", attributes, column.title);
        const next = order === "ascending" ? `-${column.name}` : column.name;
        return h(
          "th",
          attributes,
          h(
            "button",
            { type: "button", class: "sort", onclick: () => data.onSort(next) },
            column.title,
          ),
        );
      }),
    ),
  );
}

function orderOf(data, column) {
  if (!column.sort || !data.onSort) return null;
  if (data.sorted === column.name) return "ascending";
  return data.sorted === `-${column.name}` ? "descending" : "none";
}

function line(data, row, index, slot) {
  // Rows that run past are written into the lines that are there; making new ones costs more.
  const key = data.isPositional ? slot : data.key ? data.key(row) : index;
  const isSelected = data.isSelected?.(row) ?? (data.selected ?? null) === key;
  const choose = data.onSelect ? () => data.onSelect(row) : null;
  return h(
    "tr",
    {
      key: `row ${key}`,
      "aria-rowindex": index + 2,
      class:
        [isSelected && "selected", choose && "choosable", data.rowClass?.(row)]
          .filter(Boolean)
          .join(" ") || null,
      "aria-selected": data.onSelect ? String(isSelected) : null,
      tabindex: choose ? "0" : null,
      onclick: choose && ((event) => event.target.closest("a, button") || choose()),
      onkeydown: choose && ((event) => onKey(event, choose)),
    },
    data.columns.map((column) => {
      const content = column.cell(row);
      const title = typeof content === "string" && content.length > 24 ? content : null;
      return h("td", { class: column.isNumber ? "number" : null, title }, content);
    }),
  );
}

function onKey(event, choose) {
  const row = event.currentTarget;
  if (event.target !== row) return;
  if (event.key === "Enter") choose();
  else if (event.key === "ArrowDown") row.nextElementSibling?.focus();
  else if (event.key === "ArrowUp") row.previousElementSibling?.focus();
  else return;
  event.preventDefault();
  event.stopPropagation();
}

function sortedRows(data) {
  const name = (data.sorted ?? "").replace(/^-/, "");
  const column = data.columns.find((each) => each.name === name && each.sort);
  if (!column) return data.rows;
  const sign = data.sorted.startsWith("-") ? -1 : 1;
  return [...data.rows].sort((one, other) => sign * compared(column.sort(one), column.sort(other)));
}

function compared(one, other) {
  if (typeof one === "number" && typeof other === "number") return one - other;
  const [first, second] = [String(one ?? ""), String(other ?? "")];
  if (first === second) return 0;
  return first < second ? -1 : 1;
}
