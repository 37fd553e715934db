/**
 * The confirm guard: what a safe cell has found, orphans, and what waits for an operator's word.
 *
 * The one thing to know: a confirmation names how many tasks somebody saw on the list; a list that
 * has grown since is refused by the cell, not by this page.
 */

import { action } from "../core/dialog.js";
import { h } from "../core/dom.js";
import { empty, facts, figures, section } from "../core/parts.js";
import { address } from "../core/story.js";
import { table } from "../core/table.js";
import { register } from "../core/views.js";
import { count, instant, several, spaced } from "../core/words.js";

register({
  name: "safe",
  title: "Safe mode",
  path: "/safe",
  key: "s",
  section: "Operate",
  order: 40,
  summary: "what the cell does not dare without you",
  load: async (context) => {
    const [safe, orphans] = await Promise.all([
      context.get("/api/flumina/safe"),
      context.get("/api/flumina/orphans"),
    ]);
    return { safe, orphans: orphans.items };
  },
  render: ({ safe, orphans }, context) => [
    safe.isSafe
      ? findingPart(safe, context)
      : empty("The cell trusts what it hears.", "It does what it infers, within its budgets."),
    figures([
      { label: "kills held", value: count(safe.killsHeld), tone: safe.killsHeld ? "waiting" : "" },
      { label: "inferred kills left this hour", value: count(safe.inferredKillsLeft) },
      { label: "kills of the stuck left", value: count(safe.stuckKillsLeft) },
      { label: "orphans", value: count(orphans.length), tone: orphans.length ? "bad" : "" },
    ]),
    orphanPart(orphans, context),
  ],
});

function findingPart(safe, context) {
  const onDone = () => context.refresh();
  const order = (label, path, text, isDangerous) =>
    action(
      label,
      () => ({
        title: `${label}?`,
        text,
        reasonIn: "body",
        request: () => ({
          method: "POST",
          path,
          body: path.endsWith("confirm-finding")
            ? { finding: safe.finding, tasks: safe.tasks }
            : { finding: safe.finding },
        }),
        onDone,
      }),
      { isDangerous },
    );
  return section(
    "The cell is safe",
    null,
    h("div", { class: "banner bad" }, h("span", null, safe.why)),
    facts([
      ["Since", `${instant(safe.sinceMs)} UTC`],
      ["Finding", h("span", null, `${safe.finding} at `, address(safe.address))],
      ["Tasks on the list", several(safe.tasks, "task")],
    ]),
    context.isLive &&
      h(
        "div",
        { class: "buttons-row", role: "group", "aria-label": "Actions" },
        order(
          "Confirm the finding",
          "/api/flumina/commands/confirm-finding",
          `You say that the ${several(safe.tasks, "task")} you saw are dealt with as found.`,
          true,
        ),
        order(
          "Reject the finding",
          "/api/flumina/commands/reject-finding",
          "You say that it is wrong: nothing of the list is touched.",
          false,
        ),
      ),
    list("Missing", safe.missing, safe.missingTotal),
    list("Orphans of the finding", safe.orphans, safe.orphansTotal),
  );
}

function list(title, tasks, total) {
  if (!tasks.length) return null;
  return section(
    title,
    {
      aside:
        tasks.length < total ? `${count(tasks.length)} of ${count(total)}` : several(total, "task"),
    },
    table({
      label: title,
      rows: tasks,
      key: (each) => each.taskId,
      columns: [
        { name: "task", title: "Task", cell: (each) => each.taskId },
        { name: "job", title: "Job", cell: (each) => each.jobId },
        { name: "host", title: "Host", cell: (each) => each.hostname },
        { name: "state", title: "Mesos says", cell: (each) => spaced(each.state) },
        { name: "since", title: "Since", cell: (each) => instant(each.sinceMs) },
      ],
    }),
  );
}

function orphanPart(orphans, context) {
  return section(
    "Tasks that run without history in the log",
    null,
    table({
      label: "Orphans",
      rows: orphans,
      key: (each) => each.taskId,
      columns: [
        { name: "task", title: "Task", cell: (each) => each.taskId },
        { name: "host", title: "Host", cell: (each) => each.hostname },
        { name: "state", title: "State", cell: (each) => spaced(each.state) },
        { name: "seen", title: "First seen", cell: (each) => instant(each.firstSeenAtMs) },
        { name: "address", title: "Address", cell: (each) => address(each.address) },
        {
          name: "act",
          title: "Action",
          cell: (each) =>
            context.isLive &&
            forget(each, context),
        },
      ],
      blank: empty("None.", "Every task that runs has its history in the log."),
    }),
  );
}

function forget(each, context) {
  return action(
    "Forget",
    () => ({
      title: `Forget ${each.taskId}?`,
      text: "You say that it was dealt with. The cell does not end it.",
      reasonIn: "body",
      request: () => ({
        method: "POST",
        path: "/api/flumina/commands/forget-orphan",
        body: { taskId: each.taskId, hostId: each.hostId },
      }),
      onDone: () => context.refresh(),
    }),
    { needs: "administer" },
  );
}
