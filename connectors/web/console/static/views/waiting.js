/**
 * What waits for a host, and why.
 *
 * The one thing to know: the sentences are those of `flumina why`, word for word; each rests on an
 * event of the log, which can be opened beside it.
 */

import { h } from "../core/dom.js";
import { empty, figures, section, to } from "../core/parts.js";
import { path } from "../core/address.js";
import { register } from "../core/views.js";
import { table } from "../core/table.js";
import { age, count, instant, several } from "../core/words.js";
import { Failure } from "../core/api.js";
import { eventWhole, placeOf } from "./events.js";

register({
  name: "waiting",
  title: "Why is it waiting",
  path: "/waiting",
  key: "y",
  section: "Cell",
  order: 5,
  summary: "tasks without a host, and why",
  selections: ["event"],
  load: async (context) => {
    const waiting = await context.get("/api/flumina/glance/waiting");
    const wanted = context.query("task") || waiting.items[0]?.taskIds[0] || "";
    return { waiting, wanted, why: wanted ? await whyOf(context, wanted) : null };
  },
  render: ({ waiting, wanted, why }, context) => [
    figures([
      { label: "tasks wait", value: count(waiting.tasks), tone: waiting.tasks ? "waiting" : "" },
      { label: "jobs have some", value: count(waiting.jobs) },
      ...Object.entries(waiting.tiers).map(([tier, number]) => ({
        label: `in tier ${tier || "none"}`,
        value: count(number),
      })),
    ]),
    h(
      "div",
      { class: "split" },
      section("Who waits", null, list(waiting, wanted, context)),
      reasons(wanted, why, context),
    ),
  ],
});

async function whyOf(context, id) {
  try {
    return await context.get(`/api/v3/tasks/${encodeURIComponent(id)}/why`);
  } catch (error) {
    if (error instanceof Failure && error.status === 404) return null;
    throw error;
  }
}

function list(waiting, wanted, context) {
  return table({
    label: "Jobs with tasks that wait",
    rows: waiting.items,
    key: (job) => job.taskIds[0],
    selected: waiting.items.find((job) => job.taskIds.includes(wanted))?.taskIds[0] ?? null,
    onSelect: (job) => context.set({ task: job.taskIds[0] }),
    columns: [
      { name: "job", title: "Job", cell: (job) => to(path("jobs", job.jobId), job.jobId) },
      { name: "tier", title: "Tier, group", cell: (job) => `${job.tier}, ${job.group}` },
      { name: "tasks", title: "Tasks", isNumber: true, cell: (job) => count(job.tasks) },
      {
        name: "since",
        title: "Longest",
        isNumber: true,
        cell: (job) => age(job.oldestSinceMs, waiting.atMs),
      },
    ],
    blank: empty("Nothing waits.", `Every task had a host at ${instant(waiting.atMs)} UTC.`),
  });
}

function reasons(wanted, why, context) {
  const form = h(
    "form",
    {
      class: "bar-of-tools",
      onsubmit: (event) => {
        event.preventDefault();
        context.set({ task: event.target.elements.task.value.trim() || null });
      },
    },
    h(
      "label",
      null,
      "Task",
      h("input", {
        name: "task",
        key: "task",
        value: wanted,
        size: 34,
        spellcheck: "false",
        autocomplete: "off",
      }),
    ),
    h("button", { type: "submit" }, "Why?"),
    wanted && to(`${path("tasks", wanted)}/timeline`, "timeline"),
  );
  return section("Why", null, form, whyParts(why, wanted, context));
}

/** The answer of `why` as the parts of a page. */
export function whyParts(why, wanted, context) {
  if (!wanted)
    return empty("No task is chosen.", "Choose a job on the left, or write a task's id.");
  if (!why)
    return empty(
      `Nothing is known of ${wanted} at this instant.`,
      "It may have come later; go live or to a later instant.",
    );
  const opened = context.query("event");
  return [
    h(
      "div",
      { class: "sentences", key: "sentences" },
      why.sentences.map((each) => h("p", { class: "sentence" }, each)),
    ),
    why.placement && placement(why.placement),
    h(
      "table",
      { class: "events", "aria-label": "Chain of causes, oldest first" },
      h(
        "thead",
        null,
        h(
          "tr",
          null,
          h("th", { scope: "col" }, "Time (UTC)"),
          h("th", { scope: "col" }, "What"),
          h("th", { scope: "col" }, "Event"),
        ),
      ),
      h(
        "tbody",
        null,
        (why.chain ?? []).map((link, place) => linkRow(link, place, opened, context)),
      ),
    ),
    why.chainDropped &&
      h("p", { class: "muted" }, `${several(why.chainDropped, "link")} more only in the log.`),
  ];
}

function linkRow(link, place, opened, context) {
  const isOpen = opened === `${link.address} ${place}`;
  return [
    h(
      "tr",
      { key: `${link.address} ${place}`, class: isOpen ? "chosen" : null },
      h("td", { class: "time" }, instant(link.atMs)),
      h(
        "td",
        { class: "said" },
        link.text,
        h("span", { class: "places" }, link.source ? `record ${link.source}` : ""),
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
            onclick: () => context.set({ event: isOpen ? null : `${link.address} ${place}` }),
          },
          placeOf(link.address),
        ),
      ),
    ),
    isOpen &&
      h(
        "tr",
        { key: `${link.address} ${place} whole` },
        h("td", { colspan: 3 }, eventWhole(link.address, context)),
      ),
  ];
}

function placement(found) {
  return h(
    "p",
    { class: "muted" },
    `Placed on ${found.hostname || found.hostId} by the round at `,
    found.round ? placeOf(found.round) : "an address before this log",
    `, policy ${count(found.policyVersion ?? 0)}.`,
  );
}
