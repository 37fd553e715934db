/**
 * All hosts as a map, and one host whole.
 *
 * The one thing to know: the map's columns are one answer of `/api/flumina/glance/hosts`, of one
 * record of the log; what is searched for, coloured and chosen stands in the address.
 */

import * as address from "../core/address.js";
import { h } from "../core/dom.js";
import { empty, facts, figures, section, share, state, to } from "../core/parts.js";
import { table } from "../core/table.js";
import { register } from "../core/views.js";
import {
  age,
  count,
  duration,
  instant,
  mebibytes,
  ofMilli,
  percent,
  several,
  spaced,
} from "../core/words.js";
import { heatmap, legend } from "../charts/heatmap.js";
import { under } from "../charts/under.js";
import { hostActions } from "./host_actions.js";
import { eventsTable, loadTimeline } from "./events.js";

const COLOURS = { cpu: "cpus held", memory: "memory held", score: "anomaly score" };
const BLOCKS = { group: "group", zone: "zone", health: "health", standing: "standing" };

register({
  name: "hosts",
  title: "Hosts",
  path: "/hosts",
  key: "h",
  section: "Cell",
  order: 4,
  summary: "a map of all hosts: load, health, anomalies",
  selections: ["host", "by", "colour", "q"],
  load: (context) => context.get("/api/flumina/glance/hosts"),
  render: (hosts, context) => {
    if (!hosts.total) return empty("No hosts.", "They come with the offers of Mesos' agents.");
    return [
      counts(hosts),
      tools(hosts, context),
      mapOf(hosts, context),
      tableOf(hosts, matching(hosts, context)),
    ];
  },
});

function counts(hosts) {
  const away = countOf(hosts.health, hosts.healths.indexOf("away"));
  const lost = countOf(hosts.health, hosts.healths.indexOf("lost"));
  const suspect = countOf(hosts.health, hosts.healths.indexOf("suspect"));
  const ordered = hosts.standing.filter(Boolean).length;
  const [used, whole] = [sum(hosts.cpuMilliUsed), sum(hosts.cpuMilli)];
  return figures([
    {
      label: "hosts",
      value: count(hosts.total),
      note: hosts.total > hosts.id.length ? `${count(hosts.id.length)} are shown` : null,
    },
    { label: "tasks on them", value: count(sum(hosts.tasks)) },
    {
      label: "of their cpus held",
      value: percent(used, whole) || "none",
      note: `${count(Math.round(used / 1000))} of ${count(Math.round(whole / 1000))}`,
    },
    { label: "suspect", value: count(suspect), tone: suspect ? "waiting" : "" },
    { label: "away for their health", value: count(away), tone: away ? "bad" : "" },
    { label: "lost by Mesos", value: count(lost), tone: lost ? "bad" : "" },
    { label: "under an operator's order", value: count(ordered), tone: ordered ? "waiting" : "" },
  ]);
}

function tools(hosts, context) {
  const choice = (name, label, options, usual) =>
    h(
      "label",
      null,
      label,
      h(
        "select",
        {
          name,
          onchange: (event) =>
            context.set({ [name]: event.target.value === usual ? null : event.target.value }),
        },
        Object.entries(options).map(([value, text]) =>
          h("option", { value, selected: context.query(name, usual) === value }, text),
        ),
      ),
    );
  const found = matching(hosts, context).length;
  return h(
    "div",
    { class: "bar-of-tools", key: "tools" },
    choice("colour", "Colour", COLOURS, "cpu"),
    choice("by", "Blocks", BLOCKS, "group"),
    h(
      "label",
      null,
      "Find",
      h("input", {
        type: "search",
        name: "q",
        key: "q",
        placeholder: "name, id, group or zone",
        value: context.query("q"),
        oninput: (event) => context.set({ q: event.target.value || null }),
      }),
    ),
    h(
      "span",
      { class: "aside", role: "status" },
      context.query("q")
        ? `${several(found, "host")} found`
        : `as of ${instant(hosts.atMs)} UTC, record ${count(hosts.offset)}`,
    ),
  );
}

/** Numbers of the rows that fit what is searched for. */
function matching(hosts, context) {
  const wanted = context.query("q").toLowerCase();
  const rows = hosts.id.map((_, row) => row);
  if (!wanted) return rows;
  return rows.filter((row) =>
    [
      hosts.name[row],
      hosts.id[row],
      hosts.groups[hosts.group[row]],
      hosts.zones[hosts.zone[row]],
    ].some((text) => text.toLowerCase().includes(wanted)),
  );
}

function mapOf(hosts, context) {
  const shown = context.query("colour", "cpu");
  const wanted = context.query("q") ? new Set(matching(hosts, context)) : null;
  const selected = hosts.id.indexOf(context.query("host"));
  return [
    legend(
      shown === "score" ? "score" : "load",
      shown === "score" ? "no verdict" : "nothing held",
      shown === "score" ? "certain" : "all held",
      [
        ["cross", "away or lost"],
        ["bar", "disabled"],
        ["chevron", "draining"],
        ["triangle", "suspect"],
        ["ring", "on trial or spared"],
        ["dot", "last choice"],
      ],
    ),
    heatmap({
      label: [
        `Map of ${several(hosts.id.length, "host")} by ${BLOCKS[context.query("by", "group")]},`,
        `coloured by ${COLOURS[shown]}. The table below has the same numbers.`,
        "Arrows move, Enter opens.",
      ].join(" "),
      blocks: blocksOf(hosts, context.query("by", "group")),
      ramp: shown === "score" ? "score" : "load",
      share: (row) => shareOf(hosts, row, shown),
      mark: (row) => markOf(hosts, row),
      number: (row) => String(Math.round(100 * (shareOf(hosts, row, shown) ?? 0))),
      dimmed: wanted ? (row) => !wanted.has(row) : null,
      text: (row) => sentence(hosts, row),
      hint: "Point at a square, or move with the arrows; a second click or Enter opens the host.",
      selected: selected < 0 ? null : selected,
      onSelect: (row) => context.set({ host: hosts.id[row] }),
      onOpen: (row) => address.go(address.path("hosts", hosts.id[row])),
    }),
  ];
}

function blocksOf(hosts, by) {
  const words = {
    group: hosts.groups,
    zone: hosts.zones,
    health: hosts.healths,
    standing: hosts.standings,
  }[by];
  const columns = hosts[by];
  const blocks = words.map((name) => ({
    name: name ? (spaced(name) === name ? name : spaced(name)) : `no ${by}`,
    items: [],
  }));
  columns.forEach((word, row) => blocks[word].items.push(row));
  return blocks.filter((block) => block.items.length);
}

function shareOf(hosts, row, shown) {
  if (shown === "score") return hosts.scoreMilli[row] / 1000;
  const [used, whole] =
    shown === "memory"
      ? [hosts.memoryMibUsed[row], hosts.memoryMib[row]]
      : [hosts.cpuMilliUsed[row], hosts.cpuMilli[row]];
  return whole ? used / whole : null;
}

function markOf(hosts, row) {
  const health = hosts.healths[hosts.health[row]];
  const standing = hosts.standings[hosts.standing[row]];
  if (health === "away" || health === "lost") return "cross";
  if (standing === "disabled") return "bar";
  if (standing === "draining") return "chevron";
  if (health === "suspect") return "triangle";
  if (health === "trial" || health === "spared") return "ring";
  return standing === "lastChoice" ? "dot" : "";
}

function sentence(hosts, row) {
  const place = [hosts.groups[hosts.group[row]] || "no group", hosts.zones[hosts.zone[row]]];
  const words = [
    `${hosts.name[row]} (${place.filter(Boolean).join(", ")})`,
    several(hosts.tasks[row], "task"),
    `${ofMilli(hosts.cpuMilliUsed[row])} of ${ofMilli(hosts.cpuMilli[row])} cpus`,
    `${mebibytes(hosts.memoryMibUsed[row])} of ${mebibytes(hosts.memoryMib[row])}`,
    spaced(hosts.standings[hosts.standing[row]]),
    spaced(hosts.healths[hosts.health[row]]),
    hosts.scoreMilli[row] ? `anomaly score ${ofMilli(hosts.scoreMilli[row])}` : "",
  ];
  return words.filter(Boolean).join(", ");
}

function tableOf(hosts, rows) {
  const word = (name, words) => (row) => spaced(hosts[words][hosts[name][row]]);
  return under(
    "Hosts",
    [
      {
        name: "name",
        title: "Host",
        cell: (row) => to(address.path("hosts", hosts.id[row]), hosts.name[row]),
      },
      { name: "group", title: "Group", cell: (row) => hosts.groups[hosts.group[row]] },
      { name: "zone", title: "Zone", cell: (row) => hosts.zones[hosts.zone[row]] },
      { name: "health", title: "Health", cell: word("health", "healths") },
      { name: "standing", title: "Standing", cell: word("standing", "standings") },
      { name: "tasks", title: "Tasks", isNumber: true, cell: (row) => count(hosts.tasks[row]) },
      {
        name: "cpu",
        title: "Cpus held",
        isNumber: true,
        cell: (row) => `${ofMilli(hosts.cpuMilliUsed[row])} of ${ofMilli(hosts.cpuMilli[row])}`,
      },
      {
        name: "memory",
        title: "Memory held",
        isNumber: true,
        cell: (row) =>
          `${mebibytes(hosts.memoryMibUsed[row])} of ${mebibytes(hosts.memoryMib[row])}`,
      },
      {
        name: "score",
        title: "Score",
        isNumber: true,
        cell: (row) => ofMilli(hosts.scoreMilli[row]),
      },
    ],
    () => rows,
    { key: (row) => hosts.id[row] },
  );
}

register({
  name: "host",
  title: ({ id }) => `Host ${id}`,
  path: "/hosts/:id",
  refresh_ms: 5000,
  selections: ["event"],
  load: async (context) => {
    const id = context.parameters.id;
    const host = await context.get(`/api/flumina/glance/hosts/${encodeURIComponent(id)}`);
    return { host, timeline: await loadTimeline(context, host.hostId) };
  },
  render: ({ host, timeline }, context) => [
    hostActions(host.hostId, host.hostname, host.standing, context),
    aboutHost(host),
    section("What speaks against it", null, evidence(host)),
    section("Tasks there", { aside: several(host.tasksTotal, "task") }, tasksOf(host)),
    section("What happened to it", null, eventsTable(timeline, context)),
  ],
});

function aboutHost(host) {
  const attributes = Object.entries(host.attributes).map(([name, value]) => `${name}=${value}`);
  const order = [host.orderedBy && `by ${host.orderedBy}`, host.orderedWhy]
    .filter(Boolean)
    .join(": ");
  return h(
    "div",
    { class: "columns" },
    facts([
      ["Name", host.hostname],
      ["Id", h("code", null, host.hostId)],
      ["Group", host.group || "none"],
      ["Standing", h("span", null, state(host.standing), order && ` ${order}`)],
      [
        "Health",
        h(
          "span",
          null,
          state(host.health.standing, toneOfHealth(host.health.standing)),
          host.health.why && ` ${host.health.why}`,
          host.health.isLost && h("b", { class: "bad" }, " Mesos lost it; nothing was heard since"),
        ),
      ],
      ["As of", `${instant(host.atMs)} UTC, record ${count(host.offset)}`],
    ]),
    facts([
      [
        "Cpus held",
        share(
          host.cpuMilliUsed,
          host.cpuMilli,
          `${ofMilli(host.cpuMilliUsed)} of ${ofMilli(host.cpuMilli)}`,
        ),
      ],
      [
        "Memory held",
        share(
          host.memoryMibUsed,
          host.memoryMib,
          `${mebibytes(host.memoryMibUsed)} of ${mebibytes(host.memoryMib)}`,
        ),
      ],
      ["Offers", count(host.offers)],
      [
        "Noise",
        host.noiseMilli
          ? `${ofMilli(host.noiseMilli)} of what its tasks wanted to run`
          : "none measured",
      ],
      ["Quality", `${ofMilli(host.health.qualityMilli)} of 1`],
      ["Attributes", attributes.join(", ") || "none"],
      [
        "Marks",
        Object.entries(host.marks)
          .map(([name, value]) => `${name}=${value}`)
          .join(", "),
      ],
    ]),
  );
}

const toneOfHealth = (standing) =>
  ({ well: "good", suspect: "waiting", trial: "busy", spared: "waiting", away: "bad" })[standing] ??
  "plain";

function evidence(host) {
  const { verdicts, probes } = host.health;
  const rows = [
    ...verdicts.flatMap((each) =>
      each.evidence.map((piece, place) => ({
        key: `${each.detector} ${place}`,
        who: each.detector,
        says: `${each.standing}, score ${ofMilli(each.scoreMilli)}`,
        tone: each.standing === "sick" ? "bad" : "waiting",
        since_ms: each.sinceMs,
        text: piece.count > 1 ? `${piece.text} (${piece.count} times)` : piece.text,
        source: piece.source || each.address,
      })),
    ),
    ...probes.map((each) => ({
      key: `probe ${each.name}`,
      who: `check ${each.name}`,
      says: each.state,
      tone: each.isFailing ? "bad" : "good",
      since_ms: each.heardMs,
      text: each.detail,
      source: each.address,
    })),
  ];
  return table({
    label: "Evidence",
    rows,
    key: (row) => row.key,
    columns: [
      { name: "who", title: "Says", cell: (row) => row.who },
      { name: "says", title: "Verdict", cell: (row) => state(row.says, row.tone) },
      { name: "since", title: "Since", cell: (row) => age(row.since_ms, host.atMs) },
      { name: "text", title: "Because", cell: (row) => row.text },
      { name: "source", title: "Record", cell: (row) => h("code", null, row.source) },
    ],
    blank: empty(
      "Nothing speaks against it.",
      "No detector and no check has said anything that still counts.",
    ),
  });
}

function tasksOf(host) {
  return table({
    label: "Tasks on this host",
    rows: host.tasks,
    key: (task) => task.taskId,
    columns: [
      {
        name: "task",
        title: "Task",
        cell: (task) => to(address.path("tasks", task.taskId), task.taskId),
      },
      {
        name: "job",
        title: "Job",
        cell: (task) => to(address.path("jobs", task.jobId), task.jobId),
      },
      { name: "application", title: "Application", cell: (task) => task.application },
      { name: "state", title: "State", cell: (task) => state(task.state) },
      {
        name: "since",
        title: "For",
        isNumber: true,
        cell: (task) => duration(host.atMs - task.sinceMs),
      },
      { name: "cpu", title: "Cpus", isNumber: true, cell: (task) => ofMilli(task.cpuMilli) },
      {
        name: "memory",
        title: "Memory",
        isNumber: true,
        cell: (task) => mebibytes(task.memoryMib),
      },
    ],
    blank: empty("No task of ours is there."),
  });
}

const sum = (numbers) => numbers.reduce((total, each) => total + each, 0);
const countOf = (numbers, wanted) => numbers.filter((each) => each === wanted).length;
