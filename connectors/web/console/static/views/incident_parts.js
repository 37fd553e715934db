/**
 * Parts of an incident: when things happened, the lines of a section, what moved most.
 *
 * The one thing to know: each line opens the event that it rests on, and the chain of what it is
 * about; how grave it is, is said by a word and a shape beside the colour.
 */

import { h, svg } from "../core/dom.js";
import { section, state, to } from "../core/parts.js";
import { path } from "../core/address.js";
import { count, instant } from "../core/words.js";
import { eventWhole, placeOf } from "./events.js";

const TONES = { critical: "bad", warning: "waiting" };
const WIDTH = 1000;
const LANE = 20;
const LABELS = 190;
const TALL = { critical: 16, warning: 11 };

/** A lane for each section that has lines, with a mark for each line that is shown. */
export function lanesOf({ sections, first, last }) {
  const shown = sections.filter((each) => each.lines.length);
  if (!shown.length) return null;
  const span = Math.max(1, last.atMs - first.atMs);
  const place = (at_ms) =>
    LABELS + (WIDTH - LABELS - 6) * Math.min(1, Math.max(0, (at_ms - first.atMs) / span));
  const height = shown.length * LANE;
  return h(
    "figure",
    { class: "incident-lanes", key: "lanes" },
    svg(
      "svg",
      {
        viewBox: `0 0 ${WIDTH} ${height}`,
        role: "img",
        "aria-label": "When things happened; the tables below say the same",
      },
      shown.map((each, number) => {
        const middle = number * LANE + LANE / 2;
        return [
          svg("text", { x: 0, y: middle + 4 }, each.title),
          svg("line", { x1: LABELS, x2: WIDTH, y1: middle, y2: middle }),
          each.lines.map((line) => mark(line, place(line.atMs), middle)),
        ];
      }),
    ),
  );
}

/** Alerts of rules: they stand beside the log, so they have no event to open. */
export function ruleAlertsOf(alerts) {
  if (!alerts.length) return null;
  const columns = ["Fired (UTC)", "Over (UTC)", "Rule", "About", "Says"];
  return section(
    "Alerts of rules",
    {
      key: "rule alerts",
      "data-section": "rule-alerts",
      aside: h("span", { class: "muted" }, count(alerts.length)),
    },
    h(
      "table",
      { class: "events", "aria-label": "Alerts of rules" },
      h(
        "thead",
        null,
        h(
          "tr",
          null,
          columns.map((each) => h("th", { scope: "col" }, each)),
        ),
      ),
      h(
        "tbody",
        null,
        alerts.map((each) =>
          h(
            "tr",
            { key: `${each.rule} ${each.labels ?? ""} ${each.firedMs}` },
            h("td", { class: "time" }, instant(each.firedMs)),
            h("td", { class: "time" }, each.resolvedMs ? instant(each.resolvedMs) : "fires"),
            h(
              "td",
              null,
              state(`${each.rule}, ${each.severity}`, each.resolvedMs ? "waiting" : "bad"),
            ),
            h("td", { class: "said" }, each.labels ?? ""),
            h(
              "td",
              { class: "said" },
              [
                each.summary,
                each.acknowledgedBy && `${each.acknowledgedBy} looks at it`,
                each.silencedBy && `silenced: ${each.silencedBy}`,
              ]
                .filter(Boolean)
                .join("; "),
            ),
          ),
        ),
      ),
    ),
  );
}

function mark(line, x, middle) {
  const tall = TALL[line.weight] ?? 7;
  return svg(
    "rect",
    {
      class: TONES[line.weight] ?? "plain",
      x: x - 2,
      y: middle - tall / 2,
      width: 4,
      height: tall,
    },
    svg("title", null, `${instant(line.atMs)} ${line.what}: ${line.text}`),
  );
}

/** The lines of a section; `pageSize` of one that is shown whole. */
export function linesOf(found, context, pageSize) {
  const isWhole = context.query("section") === found.name;
  return section(
    found.title,
    {
      key: found.name,
      "data-section": found.name,
      aside: aside(found, context, isWhole, pageSize),
    },
    h(
      "table",
      { class: "events of-incident", "aria-label": found.title },
      h(
        "thead",
        null,
        h(
          "tr",
          null,
          ["Time (UTC)", "What", "About", "By", "", "Event"].map((each) =>
            h("th", { scope: "col" }, each),
          ),
        ),
      ),
      h(
        "tbody",
        null,
        found.lines.map((line, number) => row(line, number, context)),
      ),
    ),
  );
}

function aside(found, context, isWhole, pageSize) {
  const skip = isWhole ? Number(context.query("skip", "0")) : 0;
  const first = found.lines.length ? skip + 1 : 0;
  const words = `${count(first)} to ${count(skip + found.lines.length)} of ${count(found.total)}`;
  const move = (next) => () =>
    context.set({ section: found.name, skip: next || null }, { isStep: true });
  if (!isWhole) {
    return found.total > found.lines.length
      ? [
          h("span", { class: "muted" }, words),
          h("button", { type: "button", onclick: move(0) }, "Show all"),
        ]
      : h("span", { class: "muted" }, count(found.total));
  }
  return [
    h("span", { class: "muted" }, words),
    h(
      "button",
      { type: "button", disabled: !skip, onclick: move(Math.max(0, skip - pageSize)) },
      "Before",
    ),
    h(
      "button",
      { type: "button", disabled: !found.nextSkip, onclick: move(found.nextSkip) },
      "Next",
    ),
    h(
      "button",
      { type: "button", onclick: () => context.set({ section: null, skip: null }) },
      "Fewer",
    ),
  ];
}

function row(line, number, context) {
  const key = `${line.address} ${line.what} ${line.taskId ?? ""} ${number}`;
  const isOpen = context.query("event") === key;
  return [
    h(
      "tr",
      { key, class: isOpen ? "chosen" : null, "data-address": line.address },
      h("td", { class: "time" }, instant(line.atMs)),
      h("td", null, line.weight ? state(line.what, TONES[line.weight]) : line.what),
      h("td", { class: "said about" }, about(line, context)),
      h("td", { class: "said" }, line.actor ?? ""),
      h("td", { class: "said" }, line.text),
      h(
        "td",
        { class: "time" },
        h(
          "button",
          {
            type: "button",
            class: "link mono",
            "aria-expanded": String(isOpen),
            onclick: () => context.set({ event: isOpen ? null : key }),
          },
          placeOf(line.address),
        ),
      ),
    ),
    isOpen &&
      h(
        "tr",
        { key: `${key} whole` },
        h(
          "td",
          { colspan: 6 },
          eventWhole(line.address, context),
          chainButton(context, { address: line.address }, "What led to it"),
        ),
      ),
  ];
}

function about(line, context) {
  const host = line.hostname || line.hostId;
  return [
    line.taskId &&
      h(
        "div",
        null,
        to(path("tasks", line.taskId), line.taskId),
        line.jobId && [" ", chainButton(context, { task: line.taskId }, "chain")],
      ),
    !line.taskId && line.jobId && h("div", null, to(path("jobs", line.jobId), line.jobId)),
    host && h("div", null, to(path("hosts", line.hostId || host), host)),
  ];
}

/** A button that opens the chain of a task or of an event. */
export function chainButton(context, wanted, label) {
  const open = () => {
    context.set({ task: null, address: null, event: null, ...wanted }, { isStep: true });
    context.say(`${label}: ${wanted.task ?? wanted.address}`);
    document.getElementById("main").scrollTop = 0;
  };
  return h("button", { type: "button", class: "link", onclick: open }, label);
}

/** Tables of what moved most. */
export function moversOf(movers, context) {
  const parts = [
    ["Jobs that moved most", movers.jobs, (each) => to(path("jobs", each.name), each.name)],
    ["Hosts that moved most", movers.hosts, (each) => to(path("hosts", each.name), each.name)],
    ["Ways in which tasks failed", movers.failures, (each) => each.name],
    ["What detectors saw", movers.templates, (each) => each.name],
  ].filter(([, rows]) => rows.length);
  if (!parts.length) return null;
  return h(
    "div",
    { class: "columns", key: "movers" },
    parts.map(([title, rows, name]) => moverTable(title, rows, name, context)),
  );
}

function moverTable(title, rows, name, context) {
  const hasEnds = rows.some((each) => each.before !== null && each.before !== undefined);
  return section(
    title,
    { key: title },
    h(
      "table",
      { class: "events", "aria-label": title },
      h(
        "thead",
        null,
        h(
          "tr",
          null,
          h("th", { scope: "col" }, "Name"),
          h("th", { scope: "col" }, "Moved"),
          hasEnds && h("th", { scope: "col" }, "Tasks there"),
          h("th", { scope: "col" }, "First"),
        ),
      ),
      h(
        "tbody",
        null,
        rows.map((each) =>
          h(
            "tr",
            { key: each.name },
            h(
              "td",
              { class: "said" },
              name(each),
              each.example &&
                each.example.includes("-worker-") && [
                  " ",
                  chainButton(context, { task: each.example }, "chain of one"),
                ],
            ),
            h(
              "td",
              { class: "said" },
              Object.entries(each.numbers)
                .map(([what, number]) => `${count(number)} ${what}`)
                .join(", "),
            ),
            hasEnds && h("td", { class: "time" }, `${count(each.before)} → ${count(each.after)}`),
            h(
              "td",
              { class: "time" },
              chainButton(context, { address: each.firstAddress }, placeOf(each.firstAddress)),
            ),
          ),
        ),
      ),
    ),
  );
}
