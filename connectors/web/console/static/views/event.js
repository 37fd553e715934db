/**
 * One event of the cell's log: all of it, what led to it, what followed.
 *
 * The one thing to know: an address names it for ever, so a link to this page stays true.
 */

import { h } from "../core/dom.js";
import { empty, facts, section, to } from "../core/parts.js";
import { address } from "../core/story.js";
import { register } from "../core/views.js";
import { instant } from "../core/words.js";
import { eventWhole } from "./events.js";

register({
  name: "event",
  title: "Event",
  path: "/event",
  refresh_ms: 0,
  load: async (context) => {
    const wanted = context.query("address");
    if (!wanted) return null;
    const trace = (direction) =>
      context
        .ask("/api/flumina/trace", { address: wanted, direction })
        .catch((failure) => ({ failure }));
    const [causes, effects] = await Promise.all([trace("causes"), trace("effects")]);
    return { address: wanted, causes, effects };
  },
  render: (data, context) => {
    if (!data) return form(context);
    const offset = /:(\d+)/.exec(data.address)?.[1];
    return [
      facts([
        ["Address", h("code", null, data.address)],
        [
          "State just after it",
          offset && to("/", `the cell after record ${offset}`, { at: offset }),
        ],
      ]),
      section("All of it", null, eventWhole(data.address, context)),
      h(
        "div",
        { class: "columns" },
        chain("What led to it", data.causes),
        chain("What followed", data.effects),
      ),
    ];
  },
});

function form(context) {
  return [
    empty(
      "Name an event by its address.",
      "Histories, whys and differences have them, such as main/1a2b3c4d:1042[0].",
    ),
    h(
      "form",
      {
        class: "bar-of-tools",
        onsubmit: (event) => {
          event.preventDefault();
          context.set({ address: event.target.elements.address.value.trim() }, { isStep: true });
        },
      },
      h("input", {
        type: "search",
        name: "address",
        "aria-label": "Address of an event",
        placeholder: "cell/generation:offset[index]",
      }),
      h("button", { type: "submit" }, "Show"),
    ),
  ];
}

function chain(title, trace) {
  if (trace.failure)
    return section(
      title,
      null,
      h("p", { class: "muted" }, `${trace.failure.message} ${trace.failure.remedy}`),
    );
  return section(
    title,
    null,
    h(
      "ol",
      { class: "chain" },
      trace.steps.map((step, index) =>
        h(
          "li",
          { key: index },
          h("span", { class: "muted mono" }, instant(step.atMs).slice(11)),
          ` ${step.texts.join("; ")} `,
          address(step.address),
        ),
      ),
    ),
    trace.dropped > 0 && h("p", { class: "muted" }, `${trace.dropped} more links are not shown.`),
  );
}
