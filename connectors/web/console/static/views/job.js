/**
 * One job: what it is, what runs of it, why it is where it is, and what can be done with it.
 *
 * The one thing to know: actions are there only while the page is live, for nothing can be done to
 * the past.
 */

import { path } from "../core/address.js";
import { h } from "../core/dom.js";
import { facts, json, section, state, to } from "../core/parts.js";
import { historyTable, whySection } from "../core/story.js";
import { table } from "../core/table.js";
import { register } from "../core/views.js";
import { age, count, duration, instant, mebibytes, several } from "../core/words.js";
import { jobActions } from "./job_actions.js";
import { jobTone, sizeOf } from "./jobs.js";
import { taskColumns, taskCounts } from "./tasks.js";

const TASKS_MAX = 5000;
/** Lines of the history, the newest. */
const LINES = 200;

register({
  name: "job",
  title: ({ id }) => `Job ${id}`,
  path: "/jobs/:id",
  under: "jobs",
  selections: ["ended", "sort", "search"],
  load: async (context) => {
    const { id } = context.parameters;
    const root = `/api/v3${path("jobs", id)}`;
    const [job, tasks, why, history, updates] = await Promise.all([
      context.get(root),
      context.get("/api/v3/tasks", { jobIds: id, taskStates: "Any", pageSize: TASKS_MAX }),
      context.get(`${root}/why`),
      context.get(`${root}/events`),
      context.get(`/api/flumina${path("jobs", id)}/updates`),
    ]);
    const cron = job.jobDescriptor.cron
      ? await context.get(`/api/flumina${path("jobs", id)}/cron`)
      : null;
    return { job, tasks, why, history, updates, cron };
  },
  render: (data, context) => [
    jobActions(data.job, context),
    h("div", { class: "columns" }, about(data.job, context), whySection(data.why)),
    cronSection(data.cron, context),
    tasks(data.tasks, context),
    updates(data.updates),
    historyTable("What happened", data.history.lines.slice(-LINES).reverse()),
    section(
      "Descriptor",
      null,
      h(
        "details",
        null,
        h("summary", null, "Show the descriptor"),
        json(data.job.jobDescriptor, "Descriptor of the job"),
      ),
    ),
  ],
});

function about(job, context) {
  const { jobDescriptor: wanted, status } = job;
  const { resources, image, command, entryPoint } = wanted.container;
  const size = sizeOf(job);
  const capacity = wanted.service?.capacity;
  return section(
    "What it is",
    null,
    facts([
      ["State", h("span", null, state(status.state, jobTone(job)), ` ${status.reasonMessage}`)],
      ["Since", `${instant(status.timestamp)} UTC (${age(status.timestamp, context.at_ms)})`],
      ["Owner", wanted.owner?.teamEmail],
      ["Created by", wanted.attributes["titus.createdBy"]],
      ["Application", wanted.applicationName],
      ["Capacity group", to("/groups", wanted.capacityGroup)],
      [
        "Size",
        capacity
          ? `${capacity.desired} of ${capacity.min} to ${capacity.max}`
          : size === null
            ? null
            : count(size),
      ],
      ["In service", wanted.service ? (wanted.service.enabled === false ? "no" : "yes") : null],
      ["Each task", amounts(resources)],
      ["Image", image?.name ? h("code", null, imageName(image)) : null],
      ["Command", h("code", null, [...(entryPoint ?? []), ...(command ?? [])].join(" "))],
      [
        "Attributes",
        Object.entries(wanted.attributes)
          .filter(([name]) => !name.startsWith("titus."))
          .map(([name, value]) => `${name}: ${value}`)
          .join(", "),
      ],
      ["Version", count(job.version.version)],
    ]),
  );
}

function amounts({ cpu, memoryMB, diskMB, gpu }) {
  const found = [`${cpu} cpus`, `${mebibytes(memoryMB)} of memory`, `${mebibytes(diskMB)} of disk`];
  return [...found, ...(gpu ? [`${gpu} gpus`] : [])].join(", ");
}

function imageName({ name, digest, tag }) {
  if (digest) return `${name}@${digest}`;
  return tag ? `${name}:${tag}` : name;
}

function tasks(page, context) {
  const isWithEnded = context.query("ended") === "yes";
  const rows = page.items.filter((task) => isWithEnded || task.status.state !== "Finished");
  const ended =
    page.items.length - page.items.filter((task) => task.status.state !== "Finished").length;
  return section(
    "Tasks",
    {
      aside: ended
        ? h(
            "button",
            {
              type: "button",
              "aria-pressed": String(isWithEnded),
              onclick: () => context.set({ ended: isWithEnded ? null : "yes" }),
            },
            `with ${several(ended, "ended one")}`,
          )
        : null,
    },
    h("p", { class: "muted" }, taskCounts(page.items)),
    table({
      label: "Tasks of the job",
      rows,
      key: (task) => task.id,
      columns: taskColumns(context).filter((column) => column.name !== "job"),
      sorted: context.query("sort"),
      onSort: (sort) => context.set({ sort }),
      blank: h("p", { class: "muted" }, "None that has not ended."),
    }),
  );
}

function updates({ versions, updates: found }) {
  if (!found.length && versions.length < 2) return null;
  return section(
    "Versions and updates",
    null,
    table({
      label: "Versions",
      rows: versions,
      key: (version) => version.version,
      columns: [
        { name: "version", title: "Version", isNumber: true, cell: (each) => count(each.version) },
        { name: "image", title: "Image", cell: (each) => each.image },
        {
          name: "wanted",
          title: "Is",
          cell: (each) =>
            [each.wanted && "wanted", each.serves && "in service"].filter(Boolean).join(", "),
        },
        { name: "tasks", title: "Tasks", isNumber: true, cell: (each) => count(each.tasks) },
        { name: "started", title: "Started", isNumber: true, cell: (each) => count(each.started) },
        { name: "healthy", title: "Healthy", isNumber: true, cell: (each) => count(each.healthy) },
      ],
    }),
    found.map((update) =>
      h(
        "details",
        { key: update.number },
        h("summary", null, `Update ${update.number}: ${update.state}`),
        json(update, `Update ${update.number}`),
      ),
    ),
  );
}

function cronSection(cron, context) {
  if (!cron) return null;
  return section(
    "Schedule",
    null,
    facts([
      ["Schedule", h("code", null, `${cron.schedule} ${cron.timeZone}`)],
      [
        "Fires",
        cron.enabled
          ? cron.next
              .map((at) => `${instant(at).slice(0, 16)} (in ${duration(at - context.at_ms)})`)
              .join(", ")
          : "not while it is disabled",
      ],
      ["Left out", cron.skipped ? `${count(cron.skipped)}, last because ${cron.lastSkip}` : "none"],
      ["Runs", cron.runs.length ? cron.runs.map((run) => json(run, "Run")) : "none yet"],
    ]),
  );
}
