/**
 * The rules that the cell decides by, as they are or were.
 *
 * The one thing to know: a number is changed by a command with a reason; the whole document is the
 * business of `flumina policy`, which can compare it first.
 */

import { action as anyAction } from "../core/dialog.js";
import { h } from "../core/dom.js";
import { facts, json, section } from "../core/parts.js";
import { found, search } from "../core/tools.js";
import { table } from "../core/table.js";
import { register } from "../core/views.js";
import { count } from "../core/words.js";

const action = (label, question, options = {}) =>
  anyAction(label, question, { ...options, needs: "administer" });

register({
  name: "policy",
  title: "Policy",
  path: "/policy",
  key: "p",
  section: "Operate",
  order: 45,
  summary: "the rules that the cell decides by",
  selections: ["search"],
  load: async (context) => {
    const [policy, cell] = await Promise.all([
      context.get("/api/flumina/policy"),
      context.get("/api/flumina/state"),
    ]);
    return { policy, numbers: Object.entries(cell.policy), cell };
  },
  render: ({ policy, numbers, cell }, context) => [
    facts([
      ["Version", count(policy.version)],
      ["Placement", cell.mode],
    ]),
    section(
      "Numbers",
      { aside: search(context, "Find a number by name") },
      table({
        label: "Numbers of the policy",
        rows: numbers.filter(([name]) => found(context, [name])),
        key: ([name]) => name,
        height: "24rem",
        columns: [
          { name: "name", title: "Name", cell: ([name]) => h("code", null, name), width: "46%" },
          {
            name: "value",
            title: "Is",
            isNumber: true,
            cell: ([, value]) => count(value),
            width: "24%",
          },
          {
            name: "act",
            title: "Action",
            cell: ([name, value]) => context.isLive && change(name, value, context),
          },
        ],
        blank: h("p", { class: "muted" }, "No number of that name."),
      }),
    ),
    section("Document", null, json(policy.document, "The policy as a document")),
  ],
});

function change(name, value, context) {
  return action("Change", () => ({
    title: `Change ${name}`,
    text: `It is ${count(value)}. The cell decides by the new number from the next record on.`,
    fields: [{ name: "value", label: "New number", type: "number", value, isRequired: true }],
    reasonIn: "body",
    request: ({ value: wanted }) => ({
      method: "POST",
      path: "/api/flumina/commands/policy",
      body: { values: { [name]: wanted } },
    }),
    onDone: () => context.refresh(),
  }));
}
