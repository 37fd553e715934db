/**
 * What is different between two instants, and the events that made it so.
 *
 * The one thing to know: the two instants are `first` and `second` of the address; left out, they
 * are the beginning of the bar's range and the instant that is looked at.
 */

import { h } from "../core/dom.js";
import { empty, section, to } from "../core/parts.js";
import { path } from "../core/address.js";
import { register } from "../core/views.js";
import { count, instant, rfc3339, several } from "../core/words.js";
import { eventWhole, placeOf } from "./events.js";

const PAGE = 200;
/** As many as the API names of a job, a task or a host. */
const ADDRESSES = 5;
const SIGNS = { appeared: "+", went: "−", changed: "~" };

register({
  name: "diff",
  title: "Difference of two instants",
  path: "/diff",
  key: "d",
  section: "Forensics",
  order: 30,
  refresh_ms: 0,
  summary: "what changed between two instants, and by which events",
  selections: ["event", "kind"],
  load: async (context) => {
    const { first, second } = instants(context);
    const found = await context.ask("/api/flumina/diff", {
      from: first,
      to: second,
      limit: PAGE,
      skip: context.query("skip"),
    });
    return { ...found, entities: await withCellEvents(found, context) };
  },
  render: (found, context) => [
    form(context),
    h("p", { class: "muted wide" }, sides(found)),
    counts(found, context),
    entities(found, context),
  ],
});

/** What happened to the cell as a whole stands in its marks; of two logs there are none. */
async function withCellEvents(found, context) {
  const wanted = { policy: ["policy"], cell: ["leader", "safe", "time gap"] };
  const isOfOneLog =
    logOf(found.before.address) === logOf(found.after.address) &&
    found.before.offset < found.after.offset;
  if (!isOfOneLog || !found.entities.some((each) => each.kind in wanted)) return found.entities;
  const { marks } = await context.ask("/api/flumina/glance/marks", {
    from: found.before.offset,
    to: found.after.offset,
  });
  return found.entities.map((each) => {
    if (!(each.kind in wanted)) return each;
    const addresses = marks
      .filter((mark) => mark.kind === "cell" && wanted[each.kind].includes(mark.what))
      .map((mark) => mark.address);
    return {
      ...each,
      addresses: [...new Set(addresses)].slice(-ADDRESSES),
      hasOlder: addresses.length > ADDRESSES,
    };
  });
}

const logOf = (address) => address.slice(0, address.lastIndexOf(":"));

function instants(context) {
  return {
    first: context.query("first") || rfc3339(context.range.from_ms),
    second: context.query("second") || context.at || "now",
  };
}

function form(context) {
  const { first, second } = instants(context);
  const field = (name, label, value) =>
    h(
      "label",
      null,
      label,
      h("input", { name, key: name, value, size: 30, spellcheck: "false", autocomplete: "off" }),
    );
  return h(
    "form",
    {
      class: "bar-of-tools",
      key: "instants",
      onsubmit: (event) => {
        event.preventDefault();
        const { first: from, second: until } = event.target.elements;
        context.set({
          first: from.value.trim() || null,
          second: until.value.trim() || null,
          skip: null,
          kind: null,
          event: null,
        });
      },
    },
    field("first", "From", first),
    field("second", "to", second),
    h("button", { type: "submit" }, "Compare"),
    h("span", { class: "aside" }, "times (UTC), -5m, offsets or addresses"),
  );
}

const sides = ({ before, after }) => `From ${placed(before)} to ${placed(after)}.`;

const placed = (side) => `${instant(side.atMs)} UTC (record ${count(side.offset)})`;

function counts(found, context) {
  const kinds = Object.entries(found.counts);
  const chosen = context.query("kind");
  return h(
    "div",
    { class: "buttons-row", role: "group", "aria-label": "Kinds" },
    kinds.map(([kind, numbers]) =>
      h(
        "button",
        {
          type: "button",
          key: kind,
          "aria-pressed": String(chosen === kind),
          onclick: () => context.set({ kind: chosen === kind ? null : kind }),
        },
        `${kind}: ${Object.entries(numbers)
          .map(([change, number]) => `${SIGNS[change]}${count(number)}`)
          .join(" ")}`,
      ),
    ),
  );
}

function entities(found, context) {
  const wanted = context.query("kind");
  const rows = found.entities.filter((each) => !wanted || each.kind === wanted);
  if (!found.entities.length) return empty("Nothing is different.", "Both states are the same.");
  const skip = Number(context.query("skip", "0"));
  return section(
    "What is different",
    { aside: found.dropped || skip ? pages(found, skip, context) : several(rows.length, "thing") },
    h(
      "table",
      { class: "events", "aria-label": "Differences" },
      h(
        "thead",
        null,
        h(
          "tr",
          null,
          ["What", "Before", "After", "Events that did it, newest last"].map((each) =>
            h("th", { scope: "col" }, each),
          ),
        ),
      ),
      h(
        "tbody",
        null,
        rows.map((each) => row(each, context)),
      ),
    ),
  );
}

function pages(found, skip, context) {
  return [
    h(
      "button",
      {
        type: "button",
        disabled: skip === 0,
        onclick: () => context.set({ skip: Math.max(0, skip - PAGE) || null }),
      },
      "Before",
    ),
    ` ${count(skip + 1)} to ${count(skip + found.entities.length)} `,
    h(
      "button",
      {
        type: "button",
        disabled: !found.dropped,
        onclick: () => context.set({ skip: skip + PAGE }),
      },
      "Next",
    ),
  ];
}

const PLACES = { job: "jobs", task: "tasks", host: "hosts" };

function row(each, context) {
  const opened = context.query("event");
  const name = PLACES[each.kind] ? to(path(PLACES[each.kind], each.id), each.id) : each.id;
  const mine = (each.addresses ?? []).find(
    (address) => opened === `${each.kind} ${each.id} ${address}`,
  );
  return [
    h(
      "tr",
      {
        key: `${each.kind} ${each.id}`,
        "data-kind": each.kind,
        "data-id": each.id,
        "data-change": each.change,
      },
      h(
        "td",
        { class: "said" },
        h("span", { class: "change-sign", title: each.change }, SIGNS[each.change]),
        `${each.kind} `,
        name,
        h("span", { class: "unseen" }, ` ${each.change}`),
      ),
      h("td", { class: "said" }, each.before ?? "", fields(each, "before")),
      h("td", { class: "said" }, each.after ?? "", fields(each, "after")),
      h(
        "td",
        null,
        (each.addresses ?? []).map((address) => [
          h(
            "button",
            {
              type: "button",
              class: "link mono",
              "aria-expanded": String(address === mine),
              onclick: () =>
                context.set({
                  event: address === mine ? null : `${each.kind} ${each.id} ${address}`,
                }),
            },
            placeOf(address),
          ),
          " ",
        ]),
        each.hasOlder && h("span", { class: "places" }, "and older ones"),
      ),
    ),
    mine &&
      h(
        "tr",
        { key: `${each.kind} ${each.id} whole` },
        h("td", { colspan: 4 }, eventWhole(mine, context)),
      ),
  ];
}

/** Whether the sentence above the fields says the same: a task's state, the numbers of a group. */
const isTold = (each, { field }) =>
  Boolean(each.before) && ((each.kind === "task" && field === "state") || field === "value");

/** A list as people write it; anything else as it is. */
function listed(text) {
  try {
    const value = JSON.parse(text);
    const isList = Array.isArray(value) && value.every((each) => typeof each !== "object");
    return isList ? value.join(", ") || "none" : text;
  } catch {
    return text; // Most fields are no JSON, and long ones are cut.
  }
}

function fields(each, side) {
  if (each.change !== "changed") return null;
  const told = (each.fields ?? []).filter((field) => !isTold(each, field));
  if (!told.length) return null;
  const tag = side === "before" ? "del" : "ins";
  return h(
    "ul",
    { class: "fields" },
    told.map((field) =>
      h(
        "li",
        null,
        h("span", { class: "muted" }, `${field.field} `),
        h(tag, null, listed(field[side]) || "empty"),
      ),
    ),
  );
}
