/**
 * How services are reached, what scales them, and who is told of them.
 *
 * The one thing to know: a webhook's secret is named and never shown, here or anywhere.
 */

import { path } from "../core/address.js";
import { action } from "../core/dialog.js";
import { h } from "../core/dom.js";
import { number, registerLists, text } from "../core/lists.js";
import { state, to } from "../core/parts.js";
import { count, instant } from "../core/words.js";

const job = (each) => to(path("jobs", each.jobId), each.jobId);

registerLists({
  name: "services",
  title: "Services",
  path: "/services",
  key: "v",
  section: "Cell",
  order: 9,
  summary: "endpoints, scaling policies, webhooks",
  lists: [
    {
      title: "Where started tasks can be reached",
      path: "/api/flumina/endpoints",
      parameters: { services: "true" },
      key: (each) => each.taskId,
      blank: "No service has a started task.",
      columns: () => [
        {
          name: "task",
          title: "Task",
          cell: (each) => to(path("tasks", each.taskId), each.taskId),
        },
        { name: "job", title: "Job", cell: job },
        text("service", "Service", (each) => each.service),
        text("address", "Address", (each) =>
          [each.address, each.ports.join(", ")].filter(Boolean).join(" : "),
        ),
        {
          name: "healthy",
          title: "Is",
          cell: (each) => (each.isHealthy ? state("healthy") : state("not healthy", "bad")),
        },
        text("balancers", "Load balancers", (each) => each.loadBalancers.join(", ")),
      ],
    },
    {
      title: "Scaling policies",
      path: "/api/v3/autoscaling/scalingPolicies",
      key: (each) => each.id.id,
      blank: "No service scales by itself.",
      columns: () => [
        { name: "policy", title: "Policy", cell: (each) => h("code", null, each.id.id) },
        { name: "job", title: "Job", cell: job },
        { name: "state", title: "State", cell: (each) => state(each.policyState.state, "plain") },
        number("value", "Value", (each) => each["flumina.value"]),
        text("alarm", "Alarm", (each) => each["flumina.alarm"]),
        text("held", "Held by", (each) => each["flumina.held"]),
        text("out", "Last out", (each) => instant(each["flumina.lastScaleOutAtMs"])),
        text("in", "Last in", (each) => instant(each["flumina.lastScaleInAtMs"])),
      ],
    },
    {
      title: "Webhooks",
      path: "/api/flumina/webhooks",
      key: (each) => each.name,
      blank: "Nobody is told by HTTP.",
      columns: (context) => [
        text("name", "Webhook", (each) => each.name),
        text("url", "To", (each) => each.url),
        {
          name: "standing",
          title: "Standing",
          cell: (each) => state(each.isPaused ? "paused" : each.standing || "new", toneOf(each)),
        },
        text("detail", "Says", (each) => each.pauseWhy || each.detail),
        text("test", "Test", (each) => (each.test ? `${each.test.state} ${each.test.detail}` : "")),
        {
          name: "act",
          title: "Action",
          cell: (each) => context.isLive && hookActions(each, context),
        },
      ],
    },
  ],
});

const toneOf = (each) =>
  each.isPaused ? "waiting" : ({ delivering: "good", failing: "bad" }[each.standing] ?? "plain");

function hookActions(each, context) {
  const order = (label, word, words) =>
    action(label, () => ({
      title: `${label}: ${each.name}?`,
      text: words,
      request: () => ({
        method: "POST",
        path: `/api/flumina${path("webhooks", each.name)}/${word}`,
      }),
      onDone: () => context.refresh(),
    }));
  return [
    each.isPaused
      ? order("Resume", "resume", "It goes on where it stopped.")
      : order("Pause", "pause", "Nothing is sent for now."),
    order("Try", "test", "One event is sent; how that went is shown here."),
  ];
}

registerLists({
  name: "storage",
  title: "Storage",
  path: "/storage",
  section: "Cell",
  order: 10,
  summary: "volumes and static addresses",
  lists: [
    {
      title: "Volumes",
      path: "/api/flumina/volumes",
      key: (each) => each.id,
      blank: "No volume.",
      blankThen: "Jobs ask for them in their descriptors.",
      columns: (context) => [
        { name: "id", title: "Volume", cell: (each) => h("code", null, each.id) },
        { name: "job", title: "Job", cell: job },
        {
          name: "state",
          title: "State",
          cell: (each) => state(each.state, each.failure ? "bad" : "plain"),
        },
        text("size", "Used", (each) =>
          each.usedMB === null
            ? `of ${count(each.sizeMB)} MB`
            : `${count(each.usedMB)} of ${count(each.sizeMB)} MB`,
        ),
        text("where", "Where", (each) => each.host || each.zone),
        text("task", "Task", (each) => each.taskId),
        text("work", "Work", (each) => each.failure || each.work),
        {
          name: "act",
          title: "Action",
          cell: (each) => context.isLive && volumeAction(each, context),
        },
      ],
    },
    {
      title: "Static addresses",
      path: "/api/flumina/addresses",
      key: (each) => each.address,
      blank: "No job wants one.",
      columns: () => [
        text("address", "Address", (each) => each.address),
        text("jobs", "Wanted by", (each) => each.jobIds.join(", ")),
        text("task", "Had by", (each) => each.taskId),
        text("host", "Host", (each) => each.hostname),
      ],
    },
  ],
});

const ORDERS = ["snapshot", "clone", "move", "archive", "restore", "delete", "undelete", "retry"];

function volumeAction(volume, context) {
  return action("Order", () => ({
    title: `What shall be done with ${volume.id}?`,
    fields: [
      {
        name: "order",
        label: "Order",
        options: ORDERS.map((each) => [each, each]),
        value: "snapshot",
      },
      {
        name: "argument",
        label: "Argument",
        hint: "Of a snapshot its name, of a clone its id, of a move or restore the host or zone.",
      },
    ],
    reasonIn: "body",
    request: ({ order, argument }) => ({
      method: "POST",
      path: `/api/flumina${path("volumes", volume.id)}`,
      body: { order, ...(argument ? { argument } : {}) },
    }),
    onDone: () => context.refresh(),
  }));
}
