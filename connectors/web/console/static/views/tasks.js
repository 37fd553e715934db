/**
 * All tasks of the cell.
 *
 * The one thing to know: ended tasks are left out unless their state is asked for, as in the API.
 */

import { path } from "../core/address.js";
import { h } from "../core/dom.js";
import { empty, state, to } from "../core/parts.js";
import { table } from "../core/table.js";
import { choice, found, search, truncation } from "../core/tools.js";
import { register } from "../core/views.js";
import { age, count, instant, spaced } from "../core/words.js";

/** The most that one page of the API has. */
const ROWS_MAX = 5000;
const STATES = [
  "Accepted",
  "Launched",
  "StartInitiated",
  "Started",
  "Disconnected",
  "KillInitiated",
  "Finished",
];

register({
  name: "tasks",
  title: "Tasks",
  path: "/tasks",
  key: "t",
  section: "Cell",
  order: 3,
  summary: "what runs and what waits",
  selections: ["search", "sort"],
  load: (context) =>
    context.get("/api/v3/tasks", { taskStates: context.query("state"), pageSize: ROWS_MAX }),
  render: (page, context) => {
    const rows = page.items.filter((task) => found(context, wordsOf(task)));
    return [
      h(
        "div",
        { class: "bar-of-tools" },
        search(context, "Find a task by id, job or host"),
        choice(context, "state", "State", [
          ["", "not ended"],
          ...STATES.map((name) => [name, spaced(name)]),
          ["Any", "all"],
        ]),
        h("span", { class: "aside" }, truncation(rows.length, page, ROWS_MAX, "task")),
      ),
      table({
        label: "Tasks",
        rows,
        key: (task) => task.id,
        columns: taskColumns(context),
        sorted: context.query("sort"),
        onSort: (sort) => context.set({ sort }),
        blank: page.items.length
          ? empty("No task fits.", "Look for something else, or show all states.")
          : empty(
              "No tasks in these states.",
              "Jobs bring them; ended ones are shown by their state.",
            ),
      }),
    ];
  },
});

const wordsOf = (task) => [
  task.id,
  task.jobId,
  task.taskContext["agent.host"],
  task.taskContext["agent.zone"],
];

/** The columns of a list of tasks. */
export function taskColumns(context) {
  return [
    {
      name: "task",
      title: "Task",
      sort: (task) => task.id,
      cell: (task) => to(path("tasks", task.id), task.id),
      width: "26%",
    },
    {
      name: "job",
      title: "Job",
      sort: (task) => task.jobId,
      cell: (task) => to(path("jobs", task.jobId), task.jobId),
      width: "16%",
    },
    {
      name: "state",
      title: "State",
      sort: (task) => task.status.state,
      cell: (task) => state(task.status.state),
      width: "11%",
    },
    { name: "host", title: "Host", sort: hostOf, cell: (task) => hostLink(task), width: "12%" },
    { name: "zone", title: "Zone", sort: zoneOf, cell: zoneOf, width: "7%" },
    { name: "said", title: "Says", cell: said, width: "18%" },
    {
      name: "since",
      title: "Since",
      isNumber: true,
      sort: (task) => task.status.timestamp,
      cell: (task) =>
        h(
          "span",
          { title: `${instant(task.status.timestamp)} UTC` },
          age(task.status.timestamp, context.at_ms),
        ),
      width: "10%",
    },
  ];
}

/** Where a task is, as a link to its host. */
export function hostLink(task) {
  const { "agent.instanceId": id, "agent.host": name } = task.taskContext;
  return id ? to(path("hosts", id), name ?? id) : "";
}

const hostOf = (task) => task.taskContext["agent.host"] ?? "";
const zoneOf = (task) => task.taskContext["agent.zone"] ?? "";

/** Why a task is in its state, where that is not the usual. */
export function said(task) {
  const { reasonCode, reasonMessage } = task.status;
  return [reasonCode === "normal" ? "" : reasonCode, reasonMessage].filter(Boolean).join(": ");
}

/** `5 started, 2 accepted` of some tasks. */
export function taskCounts(tasks) {
  const counts = new Map();
  for (const task of tasks) counts.set(task.status.state, (counts.get(task.status.state) ?? 0) + 1);
  return [...counts].map(([name, number]) => `${count(number)} ${spaced(name)}`).join(", ");
}
