/**
 * Dashboards: files of panels, drawn.
 *
 * The one thing to know: what a panel asks stands in its file; names that a dashboard wants (a job,
 * a task, a host) stand in the address, and the server writes them into paths and queries.
 */

import * as address from "../core/address.js";
import { h, render } from "../core/dom.js";
import { empty, failed, loading } from "../core/parts.js";
import { register } from "../core/views.js";
import { rfc3339, several } from "../core/words.js";
import { drawn } from "../charts/panels.js";
import { follow } from "../charts/sources.js";
import { rangeOf } from "./range.js";

const PATH = "/api/flumina/dashboards";
/** Of a row of the grid, with its gap: as the styles have it. */
const ROW_PX = 44;

register({
  name: "dashboards",
  title: "Dashboards",
  path: "/dashboards",
  key: "b",
  section: "Cell",
  order: 8,
  refresh_ms: 15000,
  summary: "panels from files: delivered ones and your own",
  load: (context) => context.ask(PATH),
  render: ({ dashboards, faults = [] }) => [
    faults.map((fault) =>
      h(
        "div",
        { class: "banner bad", key: `${fault.file} ${fault.line} ${fault.field}` },
        h(
          "span",
          null,
          fault.file,
          fault.line ? `, line ${fault.line}` : "",
          `: ${[fault.field, fault.text].filter(Boolean).join(" ")}. ${fault.hint ?? ""}`,
        ),
      ),
    ),
    dashboards.length
      ? h(
          "ul",
          { class: "cards" },
          dashboards.map((each) =>
            h(
              "li",
              { key: each.name },
              h(
                "a",
                { href: address.link(address.path("dashboards", each.name)) },
                h("b", null, each.title),
                each.description,
                each.isOwn ? " (your own)" : "",
              ),
            ),
          ),
        )
      : empty(
          "There are no dashboards.",
          "They are files: flumina dashboard says where they belong.",
        ),
  ],
});

register({
  name: "dashboard",
  title: ({ name }) => `Dashboard ${name}`,
  path: "/dashboards/:name",
  refresh_ms: 0,
  hasOwnTitle: true,
  load: async (context) => {
    const where = `${PATH}/${encodeURIComponent(context.parameters.name)}`;
    const found = await context.ask(where);
    if (!found.variables.length) return found;
    // What it is about is asked for by name: it refuses what it does not know.
    const range = rangeOf(context);
    if (range.to === "now") range.to = rfc3339(context.at_ms);
    const known = {
      job: context.query("job"),
      task: context.query("task"),
      host: context.query("host"),
      ...range,
    };
    return context.ask(
      where,
      Object.fromEntries(found.variables.map(({ name }) => [name, known[name]])),
    );
  },
  render: (found, context) => [
    h("h1", { key: "title" }, found.title),
    h("p", { class: "muted wide", key: "description" }, found.description),
    variables(found, context),
    found.missing?.length
      ? empty(`It is about a ${found.missing.join(" and a ")}: name it above.`)
      : h(
          "div",
          { class: "dashboard" },
          found.panels.map((each) => panelOf(each, context)),
        ),
    h("p", { class: "note" }, several(found.panels.length, "panel")),
  ],
});

function variables(found, context) {
  const asked = found.variables.filter((each) => each.kind === "id");
  if (!asked.length) return null;
  return h(
    "form",
    {
      class: "bar-of-tools",
      key: "variables",
      onsubmit: (event) => {
        event.preventDefault();
        const { elements } = event.target;
        context.set(
          Object.fromEntries(
            asked.map((each) => [each.name, elements[each.name].value.trim() || null]),
          ),
          { isStep: true },
        );
      },
    },
    asked.map((each) =>
      h(
        "label",
        { key: each.name },
        each.title,
        h("input", {
          name: each.name,
          value: context.query(each.name),
          size: 32,
          spellcheck: "false",
          autocomplete: "off",
        }),
      ),
    ),
    h("button", { type: "submit" }, "Show"),
  );
}

function panelOf(panel, context) {
  return h(
    "section",
    {
      class: "panel",
      key: panel.id,
      "aria-label": panel.title,
      "data-panel": panel.id,
      style: {
        "grid-column": `${panel.x + 1} / span ${panel.width}`,
        "grid-row": `${panel.y + 1} / span ${panel.height}`,
        "max-height": `${panel.height * ROW_PX - 12}px`,
      },
    },
    h("h2", null, panel.title),
    h("div", { class: "inside", widget: PANEL, data: { panel, at: context.at } }),
  );
}

const ends = new WeakMap();

const PANEL = {
  mount(element, data) {
    render(element, data.panel.kind === "text" ? null : loading("Asking"));
    this.begin(element, data);
  },
  begin(element, { panel, at }) {
    const end = follow(panel, at, ({ rows, answer, failure, state }) => {
      if (failure && !rows?.length) return render(element, failed(failure));
      const said = failure ? failure.message : state === "reconnecting" ? "reconnecting" : "";
      const nodes = (rows || answer) && drawn(panel, { rows, answer }, Boolean(panel.query));
      return render(
        element,
        said && h("span", { class: "panel-state", role: "status" }, said),
        nodes,
      );
    });
    ends.set(element, { end, key: JSON.stringify([panel, at]) });
  },
  update(element, data) {
    if (ends.get(element)?.key === JSON.stringify([data.panel, data.at])) return;
    ends.get(element)?.end();
    this.begin(element, data);
  },
  unmount(element) {
    ends.get(element)?.end();
    ends.delete(element);
    render(element);
  },
};
