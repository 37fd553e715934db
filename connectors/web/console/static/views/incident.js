/**
 * An incident: all that matters of a range of time, the chain of any task, notes, files to keep.
 *
 * The one thing to know: the range is that of the time bar; what is saved is of the very records
 * that are shown. Which section is whole, and whose chain is open, stands in the address.
 */

import { urlOf } from "../core/api.js";
import { h } from "../core/dom.js";
import { facts, figures, section } from "../core/parts.js";
import { register } from "../core/views.js";
import { count, duration, instant, several } from "../core/words.js";
import { chainOf, loadChain } from "./incident_chain.js";
import { lanesOf, linesOf, moversOf, ruleAlertsOf } from "./incident_parts.js";
import { notesOf } from "./incident_notes.js";
import { rangeOf } from "./range.js";

const PATH = "/api/flumina/incident";
/** Lines of each section until one is opened, and of that one. */
const FEW = 8;
const PAGE = 100;

register({
  name: "incident",
  title: "Incident",
  path: "/incident",
  key: "i",
  section: "Forensics",
  order: 10,
  refresh_ms: 15000,
  summary: "what happened in a range: alerts, verdicts, decisions, changes, movers, notes",
  selections: ["event"],
  load,
  render: (data, context) => [
    tools(data, context),
    data.found.halt && halted(data.found.halt),
    numbers(data.found),
    data.chain && chainOf(data.chain, context),
    lanesOf(data.found),
    notesOf(data, context),
    ruleAlertsOf(data.found.ruleAlerts ?? []),
    ends(data.found),
    data.found.sections
      .filter((each) => each.total)
      .map((each) => linesOf(data.whole?.name === each.name ? data.whole : each, context, PAGE)),
    quiet(data.found),
    moversOf(data.found.movers, context),
  ],
});

async function load(context) {
  const range = rangeOf(context);
  const found = await context.ask(PATH, { ...range, limit: FEW });
  // What follows is asked of the same records, also while the range goes on.
  const fixed = { from: found.replayFrom, to: found.replayTo };
  const name = context.query("section");
  const [whole, chain] = await Promise.all([
    name
      ? context.ask(PATH, { ...fixed, section: name, limit: PAGE, skip: context.query("skip") })
      : null,
    loadChain(context, fixed),
  ]);
  return { found, fixed, whole, chain };
}

/** Why nothing is told of the rest of the range: a record at which the fold stands. */
function halted(why) {
  return h(
    "p",
    { class: "banner bad", role: "status", key: "halt" },
    h("b", null, "Nothing is told of what came later. "),
    why,
  );
}

function tools({ found, fixed, chain }, context) {
  const tasks = chain?.taskId ? [chain.taskId] : [];
  const file = (what, label, more = {}) =>
    h(
      "a",
      {
        class: "button",
        key: what,
        href: urlOf(`${PATH}/${what}`, { ...fixed, ...more }),
        download: "",
      },
      label,
    );
  return h(
    "div",
    { class: "bar-of-tools", key: "tools" },
    h(
      "span",
      null,
      `${instant(found.first.atMs)} UTC and the `,
      `${duration(found.last.atMs - found.first.atMs)} since`,
    ),
    file("page", "Save page", { task: tasks }),
    file("slice", "Save events"),
    h(
      "form",
      { class: "of-task", key: "task", onsubmit: (event) => openTask(event, context) },
      h(
        "label",
        null,
        "Chain of task",
        h("input", {
          name: "task",
          size: 26,
          spellcheck: "false",
          autocomplete: "off",
          value: context.query("task"),
        }),
      ),
      h("button", { type: "submit" }, "Open"),
    ),
    h("span", { class: "aside" }, h("code", null, `flumina replay FILE`), " runs the events again"),
  );
}

function openTask(event, context) {
  event.preventDefault();
  context.set(
    { task: event.target.elements.task.value.trim() || null, address: null, event: null },
    { isStep: true },
  );
}

function numbers(found) {
  const total = (name) => found.sections.find((each) => each.name === name)?.total ?? 0;
  const alerts = total("alerts") + (found.ruleAlerts?.length ?? 0);
  const bad = (name) => (total(name) ? "bad" : "");
  return figures([
    { label: "alerts", value: count(alerts), tone: alerts ? "bad" : "" },
    { label: "tasks that ended badly", value: count(total("endings")), tone: bad("endings") },
    { label: "hosts lost or ordered", value: count(total("hosts")), tone: bad("hosts") },
    { label: "verdicts", value: count(total("verdicts")) },
    { label: "policies set", value: count(total("policy")) },
    { label: "decisions", value: count(total("decisions")) },
    { label: "records", value: count(found.records) },
  ]);
}

function ends({ first, last, steps, ends: ended }) {
  const pair = (before, after) =>
    String(before) === String(after) ? String(before) : `${before} → ${after}`;
  const listed = (numbers) =>
    Object.entries(numbers)
      .map(([name, number]) => `${count(number)} ${name}`)
      .join(", ");
  return section(
    "Before and after",
    null,
    facts([
      ["Leader", pair(first.leader || "nobody", last.leader || "nobody")],
      ["Policy version", pair(first.policyVersion, last.policyVersion)],
      ["Hosts", pair(first.hosts, last.hosts)],
      ["Tasks on hosts", pair(first.tasksOnHosts, last.tasksOnHosts)],
      ["Tasks waiting", pair(first.waiting, last.waiting)],
      ["Safe mode", pair(first.isSafe ? "on" : "off", last.isSafe ? "on" : "off")],
      ["Tasks entered", listed(steps) || "no state"],
      ["Tasks ended", listed(ended) || "none"],
    ]),
  );
}

function quiet(found) {
  const none = found.sections.filter((each) => !each.total).map((each) => each.title.toLowerCase());
  if (!none.length) return null;
  return h(
    "p",
    { class: "muted", key: "quiet" },
    `Nothing in ${several(none.length, "section")}: ${none.join("; ")}.`,
  );
}
