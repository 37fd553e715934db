/**
 * One task's life: where its time went, by name, and every event of it once.
 *
 * The one thing to know: the gaps are made from the events' own times. A task waits in the queue
 * until a round places it, is on offer until its launch leaves the cell, launched until Mesos says
 * that it runs.
 */

import { h } from "../core/dom.js";
import { facts, section, to } from "../core/parts.js";
import { path } from "../core/address.js";
import { register } from "../core/views.js";
import { duration, instant, percent } from "../core/words.js";
import { eventsTable, loadTimeline } from "./events.js";

const MEANINGS = {
  queued: "it waited for a host, or for the delay of a retry",
  offered: "a round placed it on an offer; its launch had not left the cell",
  launched: "its launch was sent to Mesos",
  starting: "Mesos said that it was starting",
  running: "Mesos said that it ran",
  disconnected: "its host could not be reached",
  ending: "its end was asked for",
};

register({
  name: "task timeline",
  title: ({ id }) => `Timeline of ${id}`,
  path: "/tasks/:id/timeline",
  selections: ["event"],
  load: (context) => loadTimeline(context, context.parameters.id),
  render: (page, context) => timelineParts(page, context),
});

/** Where a task's time went and all its events: the parts of a page, from its timeline. */
export function timelineParts(page, context) {
  return [
    page.lines.length > 0 &&
      facts([
        ["Task", to(path("tasks", page.id), page.id)],
        ["Job", page.lines[0].jobId && to(path("jobs", page.lines[0].jobId), page.lines[0].jobId)],
      ]),
    section("Where its time went", null, phasesOf(page.lines, context.at_ms)),
    section("Events", { aside: `${page.total}` }, eventsTable(page, context, { withTasks: false })),
  ];
}

/** The stretches of a task's life: `{name, from_ms, to_ms, isOpen}`, oldest first. */
export function gaps(lines, now_ms) {
  const found = [];
  let last = null;
  const begin = (name, at_ms) => {
    if (last?.name === name) return;
    if (last) last.to_ms = at_ms;
    last = name ? { name, from_ms: at_ms, to_ms: at_ms, isOpen: false } : null;
    if (last) found.push(last);
  };
  for (const line of lines) {
    if (line.what === "queued" || line.what === "requeued") begin("queued", line.atMs);
    else if (line.what === "launch proposed") begin("offered", line.atMs);
    else if (line.what === "effect started" && last?.name === "offered")
      begin("launched", line.atMs);
    if (line.state === "Launched" && last?.name !== "offered") begin("launched", line.atMs);
    else if (line.state === "StartInitiated") begin("starting", line.atMs);
    else if (line.state === "Started") begin("running", line.atMs);
    else if (line.state === "Disconnected") begin("disconnected", line.atMs);
    else if (line.state === "KillInitiated") begin("ending", line.atMs);
    else if (line.state === "Finished") begin(null, line.atMs);
  }
  if (last) Object.assign(last, { to_ms: Math.max(last.from_ms, now_ms), isOpen: true });
  return found;
}

function phasesOf(lines, now_ms) {
  const found = gaps(lines, now_ms);
  if (!found.length) return h("p", { class: "muted" }, "Nothing is known of its states.");
  const whole = found.at(-1).to_ms - found[0].from_ms;
  return [
    h(
      "div",
      {
        class: "phases",
        role: "img",
        "aria-label": found
          .map((each) => `${each.name} ${duration(each.to_ms - each.from_ms)}`)
          .join(", "),
      },
      found.map((each, place) => {
        const span = each.to_ms - each.from_ms;
        // The root lets a wait of a second be seen beside a day of running.
        return h(
          "span",
          {
            key: place,
            class: `phase-${each.name}`,
            title: `${each.name} ${duration(span)}`,
            style: { "flex-grow": Math.max(1, Math.sqrt(span)) },
          },
          `${each.name} ${duration(span)}`,
        );
      }),
    ),
    h(
      "p",
      { class: "muted" },
      "Widths go by the root of the time, so that short gaps are seen beside long ones.",
    ),
    h(
      "table",
      { class: "events gaps", "aria-label": "Gaps" },
      h(
        "thead",
        null,
        h(
          "tr",
          null,
          ["Gap", "From (UTC)", "Took", "Share", "Meaning"].map((each) =>
            h("th", { scope: "col" }, each),
          ),
        ),
      ),
      h(
        "tbody",
        null,
        found.map((each, place) =>
          h(
            "tr",
            { key: place, "data-gap": each.name },
            h(
              "td",
              null,
              h("i", { class: `sign-phase phase-${each.name}`, "aria-hidden": "true" }),
              each.name,
            ),
            h("td", { class: "time" }, instant(each.from_ms)),
            h(
              "td",
              { class: "time" },
              `${duration(each.to_ms - each.from_ms)}${each.isOpen ? " so far" : ""}`,
            ),
            h("td", { class: "time" }, percent(each.to_ms - each.from_ms, whole)),
            h("td", null, MEANINGS[each.name]),
          ),
        ),
      ),
    ),
  ];
}

/** The same as a part of another page, as `{load(context), render(data, context)}`. */
export function taskTimeline(id) {
  return { load: (context) => loadTimeline(context, id), render: timelineParts };
}
