/**
 * One task: where it is, why, what it writes, and what can be done with it.
 *
 * The one thing to know: what it wrote is read as it is now, also while an instant is looked at;
 * all else is of the instant.
 */

import { path } from "../core/address.js";
import { action as anyAction } from "../core/dialog.js";
import { h } from "../core/dom.js";
import { facts, json, section, state, to } from "../core/parts.js";
import { whySection } from "../core/story.js";
import { register } from "../core/views.js";
import { age, count, instant } from "../core/words.js";
import { taskTimeline } from "./task_timeline.js";
import { hostLink, said } from "./tasks.js";

const action = (label, question, options = {}) =>
  anyAction(label, question, { ...options, needs: "run" });

/** Of the end of an output so much is shown. */
const OUTPUT_BYTES = 16384;

register({
  name: "task",
  title: ({ id }) => `Task ${id}`,
  path: "/tasks/:id",
  under: "tasks",
  selections: ["event"],
  load: async (context) => {
    const { id } = context.parameters;
    const root = `/api/v3${path("tasks", id)}`;
    const file = context.query("file", "stdout");
    const [task, why, timeline, output] = await Promise.all([
      context.get(root),
      context.get(`${root}/why`),
      taskTimeline(id).load(context),
      context
        .askText(`${root}/log`, { file, tail: "true", length: OUTPUT_BYTES })
        .catch((failure) => ({ failure })),
    ]);
    return { task, why, timeline, output };
  },
  render: (data, context) => [
    actions(data.task, context),
    h("div", { class: "columns" }, about(data.task, context), whySection(data.why)),
    outputSection(data.output, context),
    // Its first part names the task and its job, as this page does.
    taskTimeline(data.task.id).render(data.timeline, context).slice(1),
    section(
      "Record",
      null,
      h("details", null, h("summary", null, "Show all that is known"), json(data.task, "The task")),
    ),
  ],
});

function about(task, context) {
  const { taskContext: known, status } = task;
  return section(
    "What it is",
    null,
    facts([
      ["State", h("span", null, state(status.state), ` ${said(task)}`)],
      ["Since", `${instant(status.timestamp)} UTC (${age(status.timestamp, context.at_ms)})`],
      ["Job", to(path("jobs", task.jobId), task.jobId)],
      ["Host", hostLink(task)],
      ["Zone", known["agent.zone"]],
      [
        "Address",
        known["task.containerIp"] &&
          [known["task.containerIp"], known["flumina.ports"]].filter(Boolean).join(", ports "),
      ],
      ["Health", status.containerState?.map((each) => each.containerHealth).join(", ")],
      ["Tier", known["task.tier"]],
      ["Number", `${known["task.index"]}, start ${known["flumina.startNumber"]}`],
      [
        "In place of",
        known["task.resubmitOf"] &&
          to(path("tasks", known["task.resubmitOf"]), known["task.resubmitOf"]),
      ],
      [
        "Must move",
        task.migrationDetails?.needsMigration
          ? `until ${instant(task.migrationDetails.deadline)}`
          : null,
      ],
      [
        "A shell in it",
        context.isLive &&
          status.state === "Started" &&
          h("code", null, `flumina exec ${task.id} --why "…"`),
      ],
      ["Decided at", known["flumina.proposal"] && h("code", null, known["flumina.proposal"])],
      ["Version", count(task.version.version)],
    ]),
  );
}

function outputSection(output, context) {
  const file = context.query("file", "stdout");
  const tab = (name) =>
    h(
      "button",
      {
        type: "button",
        "aria-pressed": String(file === name),
        onclick: () => context.set({ file: name === "stdout" ? null : name }),
      },
      name,
    );
  const shown = output.failure
    ? h("p", { class: "muted" }, `${output.failure.message} ${output.failure.remedy}`)
    : output
      ? h(
          "pre",
          { class: "output", tabindex: "0", role: "region", "aria-label": `${file} of the task` },
          output,
        )
      : h("p", { class: "muted" }, `Nothing was written to ${file}.`);
  return section(
    "Output",
    {
      aside: [
        context.isLive ? null : h("span", { class: "muted" }, "as it is now"),
        tab("stdout"),
        tab("stderr"),
      ],
    },
    shown,
  );
}

function actions(task, context) {
  if (!context.isLive || ["Finished", "KillInitiated"].includes(task.status.state)) return null;
  const root = `/api/v3${path("tasks", task.id)}`;
  const version = task.version.version;
  const onDone = () => context.refresh();
  return h(
    "div",
    { class: "buttons-row", role: "group", "aria-label": "Actions" },
    action("Evict", () => ({
      title: `Evict ${task.id}?`,
      text: "It is ended if all disruption budgets allow it, and another takes its place.",
      reasonIn: "reason",
      request: () => ({ method: "DELETE", path: `/api/v3/eviction${path("tasks", task.id)}` }),
      onDone,
    })),
    action("Move to another job", () => ({
      title: `Move ${task.id}`,
      text: "A started task goes from one service to another of the same work.",
      fields: [{ name: "target", label: "To job", isRequired: true }],
      request: ({ target }) => ({
        method: "POST",
        path: "/api/v3/tasks/move",
        body: { taskId: task.id, sourceJobId: task.jobId, targetJobId: target },
      }),
      onDone,
    })),
    action(
      "End the task",
      () => ({
        title: `End ${task.id}?`,
        text: "Another takes its place, unless the job shall shrink by it.",
        fields: [{ name: "shrink", label: "The job shrinks by one", type: "checkbox" }],
        request: ({ shrink }) => ({
          method: "DELETE",
          path: root,
          parameters: { shrink: shrink ? "true" : "" },
          version,
        }),
        onDone,
      }),
      { isDangerous: true },
    ),
  );
}
