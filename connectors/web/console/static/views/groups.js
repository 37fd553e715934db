/**
 * Capacity groups: what each is promised, and what it holds.
 *
 * The one thing to know: a group's promise is a part of the policy, so an instant shows the promise
 * of then.
 */

import { number, registerLists, text } from "../core/lists.js";
import { share, to } from "../core/parts.js";
import { count, mebibytes, ofMilli } from "../core/words.js";

const cpus = (dimension) => dimension?.cpu ?? 0;

registerLists({
  name: "groups",
  title: "Capacity",
  path: "/groups",
  key: "c",
  section: "Cell",
  order: 8,
  summary: "what groups and tiers are promised and hold",
  lists: [
    {
      title: "Capacity groups",
      path: "/api/v2/management/applications",
      parameters: { extended: "true" },
      rows: (answer) => answer,
      key: (group) => group.appName,
      blank: "No capacity group.",
      columns: () => [
        text("name", "Group", (group) => group.appName),
        text("tier", "Tier", (group) => group.tier),
        number(
          "promised",
          "Cpus promised",
          (group) => group.instanceCount * cpus(group.resourceDimension),
          (value) => ofMilli(1000 * value),
        ),
        {
          name: "held",
          title: "Cpus held",
          cell: (group) => {
            const promised = group.instanceCount * cpus(group.resourceDimension);
            const held = cpus(group.reservationUsage);
            return promised
              ? share(held, promised, `${ofMilli(1000 * held)} of ${ofMilli(1000 * promised)}`)
              : ofMilli(1000 * held);
          },
        },
        text("memory", "Memory held", (group) => mebibytes(group.reservationUsage?.memoryMB ?? 0)),
        number(
          "most",
          "Service size, most",
          (group) => group["flumina.serviceSizeMax"],
          (value) => (value ? count(value) : ""),
        ),
        {
          name: "jobs",
          title: "Jobs",
          cell: (group) => to("/jobs", "its jobs", { search: group.appName }),
        },
      ],
    },
    {
      title: "Tiers",
      path: "/api/flumina/capacity",
      rows: (answer) => answer.tiers,
      key: (tier) => tier.tier,
      blank: "No tier has guarantees.",
      blankThen: "Tiers without are filled as there is room.",
      columns: () => [
        text("tier", "Tier", (tier) => tier.tier),
        text("groups", "Groups", (tier) => tier.groups.join(", ")),
        number(
          "guarantee",
          "Cpus guaranteed",
          (tier) => cpus(tier.guarantee),
          (value) => ofMilli(1000 * value),
        ),
        number(
          "buffer",
          "Buffer",
          (tier) => cpus(tier.buffer),
          (value) => ofMilli(1000 * value),
        ),
        {
          name: "held",
          title: "Held of what it must have",
          cell: (tier) =>
            share(
              cpus(tier.held),
              cpus(tier.total),
              `${cpus(tier.held)} of ${cpus(tier.total)} cpus`,
            ),
        },
      ],
    },
  ],
});
