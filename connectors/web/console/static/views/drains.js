/**
 * Hosts that are to be emptied, tasks that have to move, and how many may be evicted now.
 *
 * The one thing to know: what a host still waits for is told by the limit that holds it back.
 */

import { path } from "../core/address.js";
import { state, to } from "../core/parts.js";
import { number, registerLists, text } from "../core/lists.js";
import { count, instant } from "../core/words.js";

registerLists({
  name: "drains",
  title: "Drains and evictions",
  path: "/drains",
  key: "m",
  section: "Operate",
  order: 41,
  summary: "hosts that are emptied, and what they wait for",
  lists: [
    {
      title: "Hosts that are emptied",
      path: "/api/flumina/drains",
      rows: (answer) => answer.hosts,
      key: (host) => host.hostId,
      blank: "No host is drained or marked.",
      blankThen: "A host's own page has the order.",
      columns: () => [
        {
          name: "host",
          title: "Host",
          cell: (host) => to(path("hosts", host.hostId), host.hostname),
        },
        text("why", "Why", (host) => host.why),
        text("since", "Since", (host) => instant(host.since)),
        number("tasks", "Tasks", (host) => host.tasks, count),
        number("planned", "To move", (host) => host.planned, count),
        number("ending", "Ending", (host) => host.ending, count),
        number("stay", "May not move", (host) => host.notAllowed, count),
        text("waiting", "Waits for", (host) =>
          Object.entries(host.waiting)
            .map(([word, tasks]) => `${word}: ${tasks}`)
            .join(", "),
        ),
        {
          name: "empty",
          title: "Is",
          cell: (host) => (host.isEmpty ? state("empty", "good") : state("being emptied", "busy")),
        },
      ],
    },
    {
      title: "Tasks that have to leave their hosts",
      path: "/api/v3/relocation/plans",
      parameters: { limit: 1000 },
      rows: (answer) => answer.plans,
      key: (plan) => plan.taskId,
      blank: "No task has to move.",
      columns: () => [
        {
          name: "task",
          title: "Task",
          cell: (plan) => to(path("tasks", plan.taskId), plan.taskId),
        },
        text("host", "Host", (plan) => plan["flumina.hostname"]),
        text("reason", "Because", (plan) => plan.reasonMessage),
        text("by", "By", (plan) => instant(plan.relocationTime)),
        number("attempts", "Attempts", (plan) => plan["flumina.attempts"], count),
        text("limit", "Held by", (plan) => plan["flumina.limitMessage"]),
      ],
    },
    {
      title: "Evictions that are left in the cell",
      path: "/api/v3/eviction/quotas/system",
      rows: (answer) => [answer],
      key: () => "system",
      blank: "",
      columns: () => [
        number("quota", "Tasks that may be evicted now", (quota) => quota.quota, count),
        text("message", "Says", (quota) => quota.message),
      ],
    },
  ],
});
