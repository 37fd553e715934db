/**
 * What is wrong with hosts and tasks, and what heals them.
 *
 * The one thing to know: a run that waits for a word waits here too: it can be approved or stopped.
 */

import { path } from "../core/address.js";
import { action } from "../core/dialog.js";
import { h } from "../core/dom.js";
import { number, registerLists, text } from "../core/lists.js";
import { state, to } from "../core/parts.js";
import { age, count, duration, instant, several } from "../core/words.js";

const host = (each) => to(path("hosts", each.hostId), each.hostname || each.hostId);

registerLists({
  name: "health",
  title: "Health",
  path: "/health",
  key: "e",
  section: "Operate",
  order: 43,
  summary: "sick hosts, silent tasks, and what heals them",
  lists: [
    {
      title: "Hosts that are not simply well",
      path: "/api/flumina/health",
      rows: (answer) => answer.hosts,
      key: (each) => each.hostId,
      aside: (answer) =>
        `${count(answer.hosts.length)} of ${several(answer.hostsTotal, "host")}, ` +
        `${count(answer.awayTotal)} away`,
      blank: "All hosts are well.",
      columns: (context) => [
        { name: "host", title: "Host", cell: host },
        { name: "standing", title: "Standing", cell: (each) => state(each.standing) },
        text("why", "Why", (each) => each.why),
        number("tasks", "Tasks", (each) => each.tasks, count),
        number("falls", "Falls", (each) => each.falls, count),
        text("away", "Away for", (each) => age(each.awaySinceMs, context.at_ms)),
        {
          name: "act",
          title: "Action",
          cell: (each) =>
            context.isLive &&
            post(
              "Release",
              `/api/flumina${path("health", "hosts", each.hostId)}/release`,
              `What was said against ${each.hostname} is forgotten, and it is on trial.`,
              context,
            ),
        },
      ],
    },
    {
      title: "Tasks that are silent",
      path: "/api/flumina/health",
      rows: (answer) => answer.silentTasks,
      key: (each) => each.taskId,
      blank: "No task is silent.",
      columns: () => [
        {
          name: "task",
          title: "Task",
          cell: (each) => to(path("tasks", each.taskId), each.taskId),
        },
        text("since", "Since", (each) => instant(each.sinceMs)),
        text("silent", "Silent for", (each) => duration(each.silentMs)),
        text("detail", "Says", (each) => each.detail),
      ],
    },
    {
      title: "Ways in which tasks of several jobs fail",
      path: "/api/flumina/health",
      rows: (answer) => answer.failingKinds,
      key: (each) => each.name,
      blank: "None.",
      columns: () => [
        text("name", "Way", (each) => each.name),
        number("failures", "Failures", (each) => each.failures, count),
        text("jobs", "Jobs", (each) => each.jobs.join(", ")),
        text("hosts", "Hosts", (each) => each.hosts.join(", ")),
        text("last", "Last", (each) => instant(each.lastMs)),
      ],
    },
    {
      title: "Runs of runbooks",
      path: "/api/flumina/healing/runs",
      key: (each) => each.runId,
      blank: "None is remembered.",
      columns: (context) => [
        { name: "run", title: "Run", cell: (each) => h("code", null, each.runId) },
        { name: "host", title: "Host", cell: host },
        text("runbook", "Runbook", (each) => each.runbook + (each.isDryRun ? " (dry run)" : "")),
        { name: "state", title: "State", cell: (each) => state(each.state) },
        text("step", "Step", (each) => each.step),
        text("why", "Why", (each) => each.why),
        text("began", "Began", (each) => instant(each.beganMs)),
        {
          name: "act",
          title: "Action",
          cell: (each) => context.isLive && !each.endedMs && runActions(each, context),
        },
      ],
    },
    {
      title: "Runbooks",
      path: "/api/flumina/healing/runbooks",
      key: (each) => each.name,
      blank: "None.",
      blankThen: "flumina heal set FILE brings them.",
      columns: (context) => [
        text("name", "Runbook", (each) => each.name),
        number("runs", "Runs in the last hour", (each) => each.runsLastHour, count),
        number("failures", "Failures", (each) => each.failures, count),
        text("stopped", "Stopped", (each) => each.stoppedWhy),
        text("held", "Held back from", (each) =>
          each.held?.map(({ hostname, why }) => `${hostname}: ${why}`).join("; "),
        ),
        {
          name: "act",
          title: "Action",
          cell: (each) =>
            context.isLive &&
            each.stoppedWhy &&
            post(
              "Resume",
              `/api/flumina${path("healing", "runbooks", each.name)}/resume`,
              "It had stopped by itself and may run again.",
              context,
            ),
        },
      ],
    },
  ],
});

function post(label, where, words, context, isDangerous = false) {
  return action(
    label,
    () => ({
      title: `${label}?`,
      text: words,
      reasonIn: "body",
      request: () => ({ method: "POST", path: where, body: {} }),
      onDone: () => context.refresh(),
    }),
    { isDangerous },
  );
}

function runActions(run, context) {
  const root = `/api/flumina${path("healing", "runs", run.runId)}`;
  return [
    run.state === "waiting" && post("Approve", `${root}/approve`, "The run goes on.", context),
    post(
      "Stop",
      `${root}/stop`,
      "The run ends; a script under way is not taken back.",
      context,
      true,
    ),
  ];
}
