/**
 * Lines of a timeline as a table, each event once, with its place in the log and its JSON.
 *
 * The one thing to know: a line names the event of the cell log by its address and the inbound
 * record that it is a copy of; which event is opened stands in the address (`event`).
 */

import { Failure } from "../core/api.js";
import { h, render } from "../core/dom.js";
import { empty, failed, json, loading, to } from "../core/parts.js";
import { path } from "../core/address.js";
import { count, duration, instant, spaced } from "../core/words.js";

/** Lines of one answer; a longer timeline says so, and its end is shown. */
const LINES_MAX = 1000;

/** What happened to a job, task or host up to the instant: `{lines, total, lacking}`. */
export async function loadTimeline(context, id) {
  const where = `/api/flumina/timeline/${encodeURIComponent(id)}`;
  const wanted = { to: context.at ?? "", limit: LINES_MAX };
  try {
    const page = await context.ask(where, wanted);
    if (!page.nextSkip) return page;
    return await context.ask(where, { ...wanted, skip: page.total - LINES_MAX });
  } catch (error) {
    // Of a host of which nothing was noted the answer is that nobody knows it.
    if (error instanceof Failure && error.status === 404) return { lines: [], total: 0 };
    throw error;
  }
}

/** A table of the lines; `withTasks`: they are of several tasks. */
export function eventsTable(page, context, { withTasks = page.kind !== "task" } = {}) {
  if (!page.lines.length)
    return empty("Nothing is noted of it.", "The log says nothing up to this instant.");
  const opened = context.query("event");
  const left = page.total - page.lines.length;
  return [
    page.lacking &&
      h(
        "div",
        { class: "banner waiting", key: "lacking" },
        h("span", null, `Not told: ${page.lacking}`),
      ),
    left > 0 &&
      h(
        "p",
        { class: "muted", key: "left" },
        `${count(left)} older events are not shown; flumina timeline has them.`,
      ),
    h(
      "table",
      { class: "events", "aria-label": "Events, oldest first", key: "events" },
      h(
        "thead",
        null,
        h(
          "tr",
          null,
          h("th", { scope: "col" }, "Time (UTC)"),
          h("th", { scope: "col" }, "After"),
          h("th", { scope: "col" }, "What"),
          h("th", { scope: "col" }, "State"),
          h("th", { scope: "col" }, "Event"),
        ),
      ),
      h(
        "tbody",
        null,
        page.lines.map((line, place) =>
          row(line, page.lines[place - 1], place, opened, context, withTasks),
        ),
      ),
    ),
  ];
}

function row(line, before, place, opened, context, withTasks) {
  const isOpen = opened === `${line.address} ${place}`;
  const key = `${line.address} ${line.what} ${line.taskId ?? ""} ${place}`;
  return [
    h(
      "tr",
      {
        key,
        class: [line.state && "state-event", isOpen && "chosen"].filter(Boolean).join(" "),
        "data-address": line.address,
        "data-state": line.state ?? null,
      },
      h("td", { class: "time" }, instant(line.atMs)),
      h("td", { class: "gap" }, before ? duration(line.atMs - before.atMs) : ""),
      h(
        "td",
        { class: "said" },
        said(line, withTasks),
        h("span", { class: "places" }, places(line)),
      ),
      h(
        "td",
        null,
        line.state ? `${spaced(line.state)}${line.reason ? ` (${line.reason})` : ""}` : "",
      ),
      h(
        "td",
        null,
        h(
          "button",
          {
            type: "button",
            class: "link mono",
            "aria-expanded": String(isOpen),
            onclick: () => context.set({ event: isOpen ? null : `${line.address} ${place}` }),
          },
          placeOf(line.address),
        ),
      ),
    ),
    isOpen &&
      h("tr", { key: `${key} whole` }, h("td", { colspan: 5 }, eventWhole(line.address, context))),
  ];
}

/** `record 1042, event 3` of an address. */
export function placeOf(address) {
  const match = /:(\d+)\[(\d+)\]$/.exec(address);
  return match ? `offset ${match[1]}[${match[2]}]` : address;
}

function said(line, withTasks) {
  const who = line.actor ? ` by ${line.actor}` : "";
  const more = line.message ? `: ${line.message}` : "";
  const times = line.count > 1 ? ` (${line.count} times, last ${instant(line.lastAtMs)})` : "";
  const name = line.mesosState ? `Mesos said ${line.mesosState}` : line.what;
  const of = withTasks && line.taskId ? [" ", to(path("tasks", line.taskId), line.taskId)] : null;
  return [name, of, who, more, times, refusals(line)];
}

/** What a round's rules refused, in the words of its record. */
export function refusals(line) {
  if (!line.refusals?.length) return null;
  return h(
    "ul",
    { class: "fields" },
    line.refusals.map((each) =>
      h(
        "li",
        null,
        `rule ${each.rule} refused ${count(each.hosts)} ${each.hosts === 1 ? "host" : "hosts"}`,
        each.missing
          ? `; nearest ${each.nearestHostname || each.nearestHostId || "host"}: ${each.missing}`
          : "",
      ),
    ),
  );
}

function places(line) {
  const words = [
    line.hostname && `host ${line.hostname}`,
    line.source && `record ${line.source}`,
    line.cause && `because of ${placeOf(line.cause)}`,
    line.wake && `could change with ${line.wake}`,
  ];
  return words.filter(Boolean).join(" · ");
}

/** The event at an address: where it stands, and all of it as JSON. */
export function eventWhole(address, context) {
  return h("div", {
    class: "event-whole",
    key: `whole ${address}`,
    widget: WHOLE,
    data: { address, context },
  });
}

const WHOLE = {
  async mount(element, { address, context }) {
    render(element, loading(`Reading ${address}`));
    try {
      const event = await context.ask("/api/flumina/event", { address });
      render(
        element,
        h(
          "p",
          { class: "mono" },
          `${event.address} · topic ${event.topic}, partition ${event.partition}, `,
          `offset ${event.offset}, event ${event.index} of ${event.events} · `,
          `epoch ${event.epoch} · ${instant(event.atMs)} UTC`,
        ),
        json(event.event, `The event ${event.kind}`),
      );
    } catch (failure) {
      if (!context.signal.aborted) render(element, failed(failure));
    }
  },
  update() {},
};
