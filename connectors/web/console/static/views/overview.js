/**
 * The cell at a glance: what runs, what waits, what is wrong.
 *
 * The one thing to know: all of it is one answer of `/api/flumina/state`, so its numbers fit
 * together and are those of the instant that is looked at.
 */

import { h } from "../core/dom.js";
import { empty, facts, figures, section, state, to } from "../core/parts.js";
import { path } from "../core/address.js";
import { register } from "../core/views.js";
import { table } from "../core/table.js";
import { age, count, instant, mebibytes, ofMilli, spaced } from "../core/words.js";

register({
  name: "overview",
  title: "Overview",
  path: "/",
  key: "o",
  section: "Cell",
  order: 1,
  summary: "what runs, what waits, what is wrong",
  load: (context) => context.get("/api/flumina/state"),
  render: (cell, context) => [
    warnings(cell),
    figures(numbers(cell)),
    h("div", { class: "columns" }, tasks(cell), about(cell)),
    hosts(cell),
    decisions(cell, context),
    orphans(cell),
  ],
});

function warnings(cell) {
  const said = [
    cell.fatal && `Mesos will never take this framework again: ${cell.fatal}`,
    !cell.leader && "Nobody leads. Nothing is decided until somebody is elected.",
    cell.leader && !cell.isJudging && "The leader is catching up, and judges nobody by time yet.",
    cell.lostZones.length && `Zones that count as lost: ${cell.lostZones.join(", ")}`,
    cell.isSuppressed && cell.queueLength > 0 && "No offers are wanted although tasks wait.",
  ].filter(Boolean);
  return said.map((text) =>
    h("div", { class: "banner waiting", key: text }, h("span", null, text)),
  );
}

function numbers(cell) {
  const busy = cell.hosts.filter((host) => host.tasks).length;
  return [
    { label: "active jobs", value: count(cell.jobs.Accepted ?? 0), path: "/jobs" },
    {
      label: "running tasks",
      value: count(cell.tasks.Started ?? 0),
      path: "/tasks",
      changes: { state: "Started" },
    },
    {
      label: "waiting tasks",
      value: count(cell.queueLength),
      tone: cell.queueLength ? "waiting" : "",
      path: "/tasks",
      changes: { state: "Accepted" },
    },
    {
      label: "hosts",
      value: count(cell.hostsTotal),
      note: `${count(busy)} with tasks`,
      path: "/hosts",
    },
    {
      label: "crash loops",
      value: count(cell.crashLoops),
      tone: cell.crashLoops ? "bad" : "",
      path: "/jobs",
      changes: { sort: "state" },
    },
    { label: "decisions under way", value: count(cell.decisionsTotal) },
    { label: "orphans", value: count(cell.orphansTotal), tone: cell.orphansTotal ? "bad" : "" },
  ];
}

function tasks(cell) {
  const counted = Object.entries(cell.tasks);
  return section(
    "Tasks by state",
    null,
    table({
      label: "Tasks by state",
      rows: counted,
      key: ([name]) => name,
      columns: [
        {
          name: "state",
          title: "State",
          cell: ([name]) => to("/tasks", state(name), { state: name }),
        },
        { name: "tasks", title: "Tasks", isNumber: true, cell: ([, number]) => count(number) },
      ],
      blank: empty("No tasks.", "A job brings them: flumina submit FILE."),
    }),
  );
}

function about(cell) {
  return section(
    "The cell",
    null,
    facts([
      ["Cell", cell.cell],
      ["As of", `${instant(cell.atMs)} UTC`],
      ["Leader", cell.leader || "nobody"],
      ["Elected at", cell.electedAt && h("code", null, cell.electedAt)],
      [
        "Record",
        h(
          "span",
          null,
          count(cell.nextOffset - 1),
          h("span", { class: "muted" }, ` of generation ${cell.generation}`),
        ),
      ],
      ["Placement", `${cell.mode}, policy version ${count(cell.policyVersion)}`],
      ["Framework", h("code", null, cell.frameworkId)],
      ["Digest", cell.digest ? h("code", null, cell.digest) : null],
      [
        "Read of topics",
        cell.watermarks
          .map((mark) => `${mark.topic} ${mark.partition}: ${count(mark.offset)}`)
          .join(", "),
      ],
    ]),
  );
}

function hosts(cell) {
  return section(
    "Hosts",
    {
      aside: [
        to("/hosts", "All hosts, by load"),
        cell.hostsTotal > cell.hosts.length &&
          ` (${count(cell.hosts.length)} of ${count(cell.hostsTotal)} here)`,
      ],
    },
    table({
      label: "Hosts",
      rows: cell.hosts,
      key: (host) => host.hostId,
      columns: [
        {
          name: "host",
          title: "Host",
          cell: (host) => to(path("hosts", host.hostId), host.hostname),
        },
        { name: "zone", title: "Zone", cell: (host) => host.zone },
        { name: "standing", title: "Standing", cell: stands },
        { name: "tasks", title: "Tasks", isNumber: true, cell: (host) => count(host.tasks) },
        {
          name: "cpu",
          title: "Cpus used",
          isNumber: true,
          cell: (host) => ofMilli(host.usedCpuMilli),
        },
        {
          name: "cpu-offered",
          title: "Cpus on offer",
          isNumber: true,
          cell: (host) => ofMilli(host.offeredCpuMilli),
        },
        {
          name: "memory",
          title: "Memory used",
          isNumber: true,
          cell: (host) => mebibytes(host.usedMemoryMib),
        },
        {
          name: "memory-offered",
          title: "Memory on offer",
          isNumber: true,
          cell: (host) => mebibytes(host.offeredMemoryMib),
        },
        { name: "offers", title: "Offers", isNumber: true, cell: (host) => count(host.offers) },
      ],
      blank: empty(
        "No host has been heard of.",
        "The cell learns of hosts by the offers of Mesos.",
      ),
    }),
  );
}

function decisions(cell) {
  if (!cell.decisionsTotal) return null;
  return section(
    "Decisions under way",
    null,
    table({
      label: "Decisions under way",
      rows: cell.decisions,
      key: (each) => each.proposal,
      columns: [
        { name: "kind", title: "Kind", cell: (each) => spaced(each.kind) },
        { name: "age", title: "For", cell: (each) => age(each.acceptedAtMs, cell.atMs) },
        {
          name: "started",
          title: "Step",
          cell: (each) => (each.isStarted ? "being carried out" : "accepted"),
        },
        { name: "proposal", title: "Proposal", cell: (each) => h("code", null, each.proposal) },
      ],
    }),
  );
}

function orphans(cell) {
  if (!cell.orphansTotal) return null;
  return section(
    "Tasks without history in the log",
    { aside: to("/safe", "Deal with them") },
    table({
      label: "Orphans",
      rows: cell.orphans,
      key: (each) => each.taskId,
      columns: [
        { name: "task", title: "Task", cell: (each) => each.taskId },
        { name: "host", title: "Host", cell: (each) => each.hostname },
        { name: "state", title: "State", cell: (each) => spaced(each.state) },
        { name: "seen", title: "First seen", cell: (each) => instant(each.firstSeenAtMs) },
      ],
    }),
  );
}

/** What operators let a host be used for; of one that Mesos lost that comes first. */
const stands = (host) => (host.isLost ? state("lost by Mesos", "bad") : state(host.standing));
