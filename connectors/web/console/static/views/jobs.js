/**
 * All jobs of the cell.
 *
 * The one thing to know: what is searched for, and how it is sorted, is in the address.
 */

import { path } from "../core/address.js";
import { h } from "../core/dom.js";
import { empty, state, to } from "../core/parts.js";
import { table } from "../core/table.js";
import { choice, found, search, truncation } from "../core/tools.js";
import { register } from "../core/views.js";
import { age, count, instant, ofMilli, several } from "../core/words.js";

/** The most that one page of the API has. */
const ROWS_MAX = 1000;

register({
  name: "jobs",
  title: "Jobs",
  path: "/jobs",
  key: "j",
  section: "Cell",
  order: 2,
  summary: "what was asked for, and how far it is",
  selections: ["search", "sort"],
  load: async (context) => {
    const [page, failing] = await Promise.all([
      context.get("/api/v3/jobs", { jobState: context.query("state"), pageSize: ROWS_MAX }),
      context.get("/api/flumina/glance/failing"),
    ]);
    return { page, loops: new Map(failing.items.map((loop) => [loop.jobId, loop])) };
  },
  render: ({ page, loops }, context) => {
    const rows = page.items.filter((job) => found(context, wordsOf(job)));
    return [
      h(
        "div",
        { class: "bar-of-tools" },
        search(context, "Find a job by name, owner, application or group"),
        choice(context, "state", "State", [
          ["", "active"],
          ["Finished", "finished"],
          ["Any", "all"],
        ]),
        h("span", { class: "aside" }, truncation(rows.length, page, ROWS_MAX, "job")),
      ),
      table({
        label: "Jobs",
        rows,
        key: (job) => job.id,
        columns: columns(context, loops),
        sorted: context.query("sort"),
        onSort: (sort) => context.set({ sort }),
        blank: page.items.length
          ? empty("No job fits.", "Look for something else, or show all states.")
          : empty("No jobs.", "Submit one: flumina submit docs/examples/service-5.json"),
      }),
    ];
  },
});

const kindOf = (job) => {
  const { jobDescriptor } = job;
  if (jobDescriptor.service) return "service";
  return jobDescriptor.cron ? "cron" : jobDescriptor.stream ? "stream" : "batch";
};

const wordsOf = (job) => {
  const { owner, applicationName, capacityGroup, jobGroupInfo } = job.jobDescriptor;
  return [
    job.id,
    owner?.teamEmail,
    applicationName,
    capacityGroup,
    jobGroupInfo?.stack,
    kindOf(job),
  ];
};

function columns(context, loops) {
  return [
    {
      name: "job",
      title: "Job",
      sort: (job) => job.id,
      cell: (job) => to(path("jobs", job.id), job.id),
    },
    {
      name: "state",
      title: "State",
      sort: (job) => (loops.has(job.id) ? "" : job.status.state),
      cell: (job) =>
        loops.has(job.id) ? state("crash loop", "bad") : state(job.status.state, jobTone(job)),
    },
    { name: "kind", title: "Kind", sort: kindOf, cell: kindOf },
    {
      name: "size",
      title: "Tasks",
      isNumber: true,
      sort: sizeOf,
      cell: (job) => count(sizeOf(job)),
    },
    { name: "said", title: "Says", cell: (job) => said(job, loops.get(job.id)) },
    {
      name: "application",
      title: "Application",
      sort: (job) => job.jobDescriptor.applicationName,
      cell: (job) => job.jobDescriptor.applicationName,
    },
    {
      name: "group",
      title: "Group",
      sort: (job) => job.jobDescriptor.capacityGroup,
      cell: (job) => job.jobDescriptor.capacityGroup,
    },
    {
      name: "owner",
      title: "Owner",
      sort: (job) => job.jobDescriptor.owner?.teamEmail ?? "",
      cell: (job) => job.jobDescriptor.owner?.teamEmail ?? "",
    },
    {
      name: "cpu",
      title: "Cpus each",
      isNumber: true,
      sort: (job) => job.jobDescriptor.container.resources.cpu,
      cell: (job) => ofMilli(1000 * job.jobDescriptor.container.resources.cpu),
    },
    {
      name: "since",
      title: "Since",
      isNumber: true,
      sort: (job) => job.status.timestamp,
      cell: (job) =>
        h(
          "span",
          { title: `${instant(job.status.timestamp)} UTC` },
          age(job.status.timestamp, context.at_ms),
        ),
    },
  ];
}

/** What a state says; that a job is accepted tells the size of then, which may be another. */
function said(job, loop) {
  if (loop) return `${several(loop.failures, "task")} ended lately, the last ${loop.lastReason}`;
  return job.status.state === "Accepted" ? "" : job.status.reasonMessage;
}

/** How a job's state is shown; one that is accepted is what a job should be. */
export const jobTone = (job) =>
  ({ Accepted: "good", KillInitiated: "busy" })[job.status.state] ?? "done";

/** How many tasks a job wants. */
export function sizeOf(job) {
  const { service, batch, stream } = job.jobDescriptor;
  return service?.capacity?.desired ?? batch?.size ?? stream?.workers ?? null;
}
