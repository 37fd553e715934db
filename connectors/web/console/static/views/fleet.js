/**
 * The fleet: groups of hosts in their clouds, what the next look would do, deployments.
 *
 * The one thing to know: what a cloud says of a group may be old; each row says when it was heard.
 */

import { path } from "../core/address.js";
import { action } from "../core/dialog.js";
import { h } from "../core/dom.js";
import { number, registerLists, text } from "../core/lists.js";
import { state, to } from "../core/parts.js";
import { age, count, several } from "../core/words.js";

registerLists({
  name: "fleet",
  title: "Fleet",
  path: "/fleet",
  key: "f",
  section: "Operate",
  order: 42,
  summary: "groups of hosts, their sizes and deployments",
  lists: [
    {
      title: "Groups of hosts",
      path: "/api/flumina/fleet/groups",
      key: (group) => group.name,
      blank: "No group is known.",
      blankThen: "flumina fleet rules name the groups that are looked at.",
      columns: (context) => [
        text("name", "Group", (group) => group.name),
        text("provider", "Of", (group) => `${group.provider} ${group.region}`),
        text("tier", "Tier", (group) => group.tier),
        text("size", "Size", (group) => `${group.desired} of ${group.min} to ${group.max}`),
        number("busy", "Busy", (group) => group.busy, count),
        number("idle", "Idle", (group) => group.idle, count),
        number("starting", "Starting", (group) => group.starting, count),
        number("ending", "Ending", (group) => group.ending, count),
        text("warm", "Warm pool", warmPool),
        text("held", "Held or at fault", trouble),
        text("heard", "Heard", (group) => `${age(group.heardAtMs, context.at_ms)} ago`),
        {
          name: "act",
          title: "Action",
          cell: (group) => context.isLive && groupActions(group, context),
        },
      ],
    },
    {
      title: "What the next look would do",
      path: "/api/flumina/fleet/plan",
      rows: (answer) => answer.groups,
      key: (group) => group.name,
      blank: "Nothing: no group is scaled.",
      before: (plan) => notes(plan),
      columns: () => [
        text("name", "Group", (group) => group.name),
        number("size", "Size", (group) => group.size, count),
        number("target", "Target", (group) => group.target, count),
        text("floor", "At least", (group) => `${group.floor} by ${group.floorBy}`),
        text("why", "Why", (group) => group.why),
        text("held", "Held by", (group) => group.held),
      ],
    },
    {
      title: "Deployments",
      path: "/api/flumina/fleet/deployments",
      key: (each) => each.name,
      blank: "None.",
      columns: (context) => [
        text("name", "Deployment", (each) => each.name),
        text("groups", "From, to", (each) => `${each.old} to ${each.new}`),
        {
          name: "step",
          title: "Step",
          cell: (each) =>
            state(each.isPaused ? "paused" : each.step, each.isPaused ? "waiting" : "busy"),
        },
        text("hosts", "Hosts", (each) => `${each.oldHosts} old, ${each.newHosts} new`),
        text("tasks", "Tasks", (each) => `${each.oldTasks} old, ${each.newTasks} new`),
        text("why", "Says", (each) => each.why),
        {
          name: "act",
          title: "Action",
          cell: (each) => context.isLive && deploymentActions(each, context),
        },
      ],
    },
  ],
});

function notes(plan) {
  const said = [
    plan.isPaused && "Scaling is paused.",
    plan.isSafe && "The cell is safe, so nothing is taken away.",
    ...plan.uncured.map((each) => [
      to(path("jobs", each.jobId), each.jobId),
      `: ${several(each.tasks, "task")} that no host would help: ${each.why}`,
    ]),
    ...plan.shortages.map((each) => `Tier ${each.tier} lacks ${each.amount.join(", ")}`),
  ].filter(Boolean);
  return said.map((each, index) => h("p", { key: index }, each));
}

function trouble(group) {
  return group.fault || group.held || group.warmPool.fault;
}

function groupActions(group, context) {
  return [resize(group, context), group.isScaled && pool(group, context)].filter(Boolean);
}

function warmPool(group) {
  const { asked, seen, wanted } = group.warmPool;
  const rule = asked || seen;
  return rule ? `${group.warm} of ${wanted} ${rule.state}` : "";
}

function pool(group, context) {
  const rule = group.warmPool.asked || group.warmPool.seen || { minSize: 0 };
  return action("Warm pool", () => ({
    title: `Warm pool of ${group.name}`,
    text: "Instances that stand by, stopped, and start faster than new ones.",
    fields: [
      { name: "minSize", label: "At least", type: "number", value: rule.minSize, min: 0 },
      {
        name: "maxPrepared",
        label: "Group and pool together",
        type: "number",
        value: rule.maxPrepared ?? group.max,
        min: 0,
        max: group.max,
      },
    ],
    reasonIn: "body",
    request: ({ minSize, maxPrepared }) => ({
      method: "PUT",
      path: `/api/flumina${path("fleet", "groups", group.name)}/warm-pool`,
      body: {
        pool: {
          minSize,
          maxPrepared,
          state: rule.state || "stopped",
          reuseOnScaleIn: Boolean(rule.reuseOnScaleIn),
        },
      },
    }),
    onDone: () => context.refresh(),
  }));
}

function resize(group, context) {
  return action("Size", () => ({
    title: `Size of ${group.name}`,
    text: "Smaller ends only hosts without tasks.",
    fields: [
      {
        name: "desired",
        label: "Hosts",
        type: "number",
        value: group.desired,
        min: group.min,
        max: group.max,
        isRequired: true,
      },
    ],
    reasonIn: "body",
    request: ({ desired }) => ({
      method: "PUT",
      path: `/api/flumina${path("fleet", "groups", group.name)}/size`,
      body: { desired },
    }),
    onDone: () => context.refresh(),
  }));
}

function deploymentActions(each, context) {
  const order = (label, word, text, isDangerous = false) =>
    action(
      label,
      () => ({
        title: `${label}: ${each.name}?`,
        text,
        reasonIn: "body",
        request: () => ({
          method: "POST",
          path: `/api/flumina${path("fleet", "deployments", each.name)}/${word}`,
          body: {},
        }),
        onDone: () => context.refresh(),
      }),
      { isDangerous },
    );
  return [
    each.isPaused
      ? order("Resume", "resume", "It goes on.")
      : order("Pause", "pause", "Nothing more is moved."),
    order("Go back", "rollback", "Tasks go back to the old group.", true),
  ];
}
