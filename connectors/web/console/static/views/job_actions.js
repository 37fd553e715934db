/**
 * What can be done with a job.
 *
 * The one thing to know: each is an existing request of the REST API, with the version that the
 * page shows, so that it does nothing where the job has changed since somebody looked.
 */

import { path } from "../core/address.js";
import { action as anyAction } from "../core/dialog.js";
import { h } from "../core/dom.js";

const action = (label, question, options = {}) =>
  anyAction(label, question, { ...options, needs: "run" });

/** The buttons of a job; none in the past and none of a job that has ended. */
export function jobActions(job, context) {
  if (!context.isLive || job.status.state !== "Accepted") return null;
  const root = `/api/v3${path("jobs", job.id)}`;
  const version = job.version.version;
  const onDone = () => context.refresh();
  const { service } = job.jobDescriptor;
  return h(
    "div",
    { class: "buttons-row", role: "group", "aria-label": "Actions" },
    service && scale(job, root, version, onDone),
    service &&
      service.enabled === false &&
      simple(
        "Put in service",
        "It is scaled by its policies again.",
        "POST",
        `${root}/enable`,
        version,
        onDone,
      ),
    service &&
      service.enabled !== false &&
      simple(
        "Take out of service",
        "Its tasks go on; nothing scales it by itself.",
        "POST",
        `${root}/disable`,
        version,
        onDone,
      ),
    service && hold(job, root, version, onDone),
    action(
      "End the job",
      () => ({
        title: `End job ${job.id}?`,
        text: "All its tasks are ended. A job that has ended does not come back.",
        request: () => ({ method: "DELETE", path: root, version }),
        onDone,
      }),
      { isDangerous: true },
    ),
  );
}

function scale(job, root, version, onDone) {
  const { min, desired, max } = job.jobDescriptor.service.capacity;
  const number = (name, label, value) => ({
    name,
    label,
    value,
    type: "number",
    min: 0,
    isRequired: true,
  });
  return action("Scale", () => ({
    title: `Scale ${job.id}`,
    text: "Where it gets smaller, tasks are ended.",
    fields: [
      number("desired", "Desired", desired),
      number("min", "At least", min),
      number("max", "At most", max),
    ],
    request: ({ min: least, desired: wanted, max: most }) => ({
      method: "PUT",
      path: `${root}/instances`,
      body: { min: least, desired: wanted, max: most },
      version,
    }),
    onDone,
  }));
}

function hold(job, root, version, onDone) {
  const now = job.jobDescriptor.service.serviceJobProcesses ?? {};
  return action("Hold its size", () => ({
    title: `Hold the size of ${job.id}`,
    fields: [
      {
        name: "disableIncreaseDesired",
        label: "It does not grow",
        type: "checkbox",
        value: now.disableIncreaseDesired,
      },
      {
        name: "disableDecreaseDesired",
        label: "It does not shrink",
        type: "checkbox",
        value: now.disableDecreaseDesired,
      },
    ],
    request: ({ disableIncreaseDesired, disableDecreaseDesired }) => ({
      method: "PUT",
      path: `${root}/jobprocesses`,
      body: { disableIncreaseDesired, disableDecreaseDesired },
      version,
    }),
    onDone,
  }));
}

function simple(label, text, method, where, version, onDone) {
  return action(label, () => ({
    title: `${label}?`,
    text,
    request: () => ({ method, path: where, version }),
    onDone,
  }));
}
