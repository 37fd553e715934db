/**
 * Who leads the cell, who led it, and how far each part has read.
 *
 * The one thing to know: lag is told as the API's process sees it: how many records of the log it
 * has not folded, and how old the newest one is that it has.
 */

import { get } from "../core/api.js";
import { action } from "../core/dialog.js";
import { facts, section, state } from "../core/parts.js";
import { table } from "../core/table.js";
import { register } from "../core/views.js";
import { count, duration, instant, several, spaced } from "../core/words.js";

register({
  name: "leaders",
  title: "Leaders and lag",
  path: "/leaders",
  key: "k",
  section: "Operate",
  order: 44,
  summary: "who leads, and how far everybody has read",
  load: async (context) => {
    const [status, leaders, cell] = await Promise.all([
      context.ask("/api/v3/status"),
      context.ask("/api/v3/supervisor/instances"),
      context.get("/api/flumina/state"),
    ]);
    const queries = await get("/api/flumina/query/status", {}, { signal: context.signal }).catch(
      (failure) => ({ failure }),
    );
    return { status, leaders: leaders.items, cell, queries };
  },
  render: ({ status, leaders, cell, queries }, context) => [
    section(
      "This page's API",
      null,
      facts([
        ["Stands", isCurrent(status) ? state("healthy") : state("behind", "bad")],
        ["Says", status.halt || status.stale],
        ["Offset", count(status.offset)],
        ["Lag", several(status.lagRecords, "record")],
        ["Age of the newest record", duration(status.leaderSilentMs)],
      ]),
      status.halt && context.isLive && skip(status.halt, context),
    ),
    section(
      "Leaders",
      null,
      table({
        label: "Leaders",
        rows: leaders,
        key: (each) => each.instanceId,
        columns: [
          { name: "name", title: "Process", cell: (each) => each.instanceId },
          {
            name: "state",
            title: "State",
            cell: (each) =>
              state(
                spaced(each.status.state),
                each.status.state === "LeaderActivated"
                  ? "good"
                  : each.status.state === "LeaderActivating"
                    ? "busy"
                    : "done",
              ),
          },
          {
            name: "epoch",
            title: "Epoch",
            isNumber: true,
            cell: (each) => each.labels["flumina.epoch"],
          },
          { name: "build", title: "Build", cell: (each) => each.labels["flumina.build"] },
          { name: "since", title: "Since", cell: (each) => instant(each.status.timestamp) },
          {
            name: "act",
            title: "Action",
            cell: (each) =>
              context.isLive && each.status.state === "LeaderActivated" && stop(each, context),
          },
        ],
      }),
    ),
    section(
      "Read of the topics, by the cell",
      null,
      table({
        label: "Watermarks",
        rows: cell.watermarks,
        key: (each) => `${each.topic} ${each.partition}`,
        columns: [
          { name: "topic", title: "Topic", cell: (each) => each.topic },
          { name: "partition", title: "Partition", isNumber: true, cell: (each) => each.partition },
          {
            name: "offset",
            title: "Up to offset",
            isNumber: true,
            cell: (each) => count(each.offset),
          },
          { name: "generation", title: "Generation", cell: (each) => each.generation },
        ],
      }),
    ),
    queryPart(queries),
  ],
});

/** Whether what is shown is the cell as it is: the fold goes on, and the leader is heard. */
const isCurrent = (status) => status.isHealthy && !status.stale;

function queryPart(queries) {
  if (queries.failure) return null;
  return section(
    "Queries that run",
    null,
    facts(
      Object.entries(queries).map(([name, value]) => [
        spaced(name),
        typeof value === "object" ? listed(value) : String(value),
      ]),
    ),
  );
}

const listed = (byName) => Object.keys(byName).join(", ") || "none";

/** The record that the report of a halt names, as `flumina skip` takes it. */
const NAMED = /flumina skip (\d+) --digest ([0-9a-f]+)/;

/** The way on for a halted fold. */
function skip(halt, context) {
  const [, offset = "", digest = ""] = NAMED.exec(halt) ?? [];
  return action(
    "Let the fold pass a record",
    () => ({
      title: "Let the fold pass a record?",
      text:
        "Every fold of this log leaves it out, for ever. Know first what it holds: " +
        "`flumina log show OFFSET` prints it.",
      fields: [
        {
          name: "offset",
          label: "Offset",
          type: "number",
          value: offset,
          min: 0,
          isRequired: true,
        },
        { name: "digest", label: "Digest of its bytes", value: digest, isRequired: true },
      ],
      reasonIn: "body",
      request: ({ offset, digest }) => ({
        method: "POST",
        path: "/api/flumina/commands/skip",
        body: { offset, digest },
      }),
      onDone: () => context.refresh(),
    }),
    { isDangerous: true, needs: "administer" },
  );
}

function stop(each, context) {
  return action(
    "Stop leading",
    () => ({
      title: `Shall ${each.instanceId} stop leading?`,
      text: "Its process is started again, and whoever is elected next goes on.",
      request: () => ({ method: "DELETE", path: "/api/v3/supervisor/self/stopBeingLeader" }),
      onDone: () => context.refresh(),
    }),
    { isDangerous: true },
  );
}
