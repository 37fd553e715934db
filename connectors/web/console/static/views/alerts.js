/**
 * What a cell alerts of, who is kept quiet, and how much of each objective's budget is left.
 *
 * The one thing to know: the API tells the alerts of the last day as they are now; at an instant
 * those of them are shown that went on then, and objectives as they stood.
 */

import { path } from "../core/address.js";
import { action } from "../core/dialog.js";
import { number, text } from "../core/lists.js";
import { empty, section, state } from "../core/parts.js";
import { table } from "../core/table.js";
import { register } from "../core/views.js";
import { age, count, duration, instant, rfc3339, several } from "../core/words.js";

const ROOT = "/api/flumina/alerts";
const PPM = 1_000_000;
const TONES = { firing: "bad", pending: "waiting", resolved: "done" };

register({
  name: "alerts",
  title: "Alerts and objectives",
  path: "/alerts",
  key: "a",
  section: "Operate",
  order: 39,
  refresh_ms: 4000,
  summary: "what fires, what is silenced, and the budgets of the objectives",
  selections: ["sort"],
  load: async (context) => {
    const [alerts, { rules }, slo] = await Promise.all([
      context.ask(ROOT),
      context.ask(`${ROOT}/rules`),
      // Objectives are counted by time; the bar may stand at an offset.
      context.ask("/api/flumina/slo", context.isLive ? {} : { at: rfc3339(context.at_ms) }),
    ]);
    return { alerts, rules, slo };
  },
  render: ({ alerts, rules, slo }, context) => [
    alertPart(alerts, context),
    silencePart(alerts.silences, context),
    objectivePart(slo.items, context),
    rulePart(rules, context),
  ],
});

/** What stands between an alert's labels and a reader: those that are empty say nothing. */
const labelled = (labels) =>
  Object.entries(labels)
    .filter(([, value]) => value !== "")
    .map(([name, value]) => `${name} ${value}`)
    .join(", ");

/** As an alert stood then: null where it was over, or had not begun. */
function stateAt(each, context) {
  if (context.isLive) return each.state;
  const at_ms = context.at_ms;
  if (each.sinceMs > at_ms || (each.resolvedMs && each.resolvedMs <= at_ms)) return null;
  return each.firedMs && each.firedMs <= at_ms ? "firing" : "pending";
}

function list(title, rows, columns, context, { key, blank, then, aside }) {
  return section(
    title,
    { key: title, aside },
    table({
      label: title,
      rows,
      key,
      columns: columns.filter(Boolean),
      sorted: context.query("sort"),
      onSort: (sort) => context.set({ sort }),
      blank: empty(blank, then),
    }),
  );
}

function alertPart({ items, dropped }, context) {
  const rows = items.filter((each) => stateAt(each, context));
  const columns = [
    {
      name: "state",
      title: "State",
      sort: (each) => stateAt(each, context),
      cell: (each) => {
        const word = stateAt(each, context);
        return state(each.isFlapping && context.isLive ? `${word}, flapping` : word, TONES[word]);
      },
    },
    text("severity", "Severity", (each) => each.severity),
    text("rule", "Rule", (each) => each.rule),
    text("summary", "Says", saidOf),
    context.isLive && text("value", "Is", (each) => each.value),
    text("since", "Since", (each) => age(each.sinceMs, context.at_ms)),
    context.isLive && text("quiet", "Seen by", quietOf),
    context.isLive && {
      name: "act",
      title: "Action",
      cell: (each) => each.state !== "resolved" && alertActions(each, context),
    },
  ];
  return list("Alerts", rows, columns, context, {
    key: (each) => each.key,
    blank: context.isLive ? "Nothing alerts." : "Nothing is known to have alerted then.",
    then: "What was over more than a day ago is told by the page of an incident.",
    aside: dropped ? `${count(dropped)} more found no room` : null,
  });
}

/**
 * Its sentence, and what there is to say beside it (of a page, what was paged); labels that it has
 * already, and those of the whole cell, are left out.
 */
function saidOf(each) {
  const { slo, window, scope, ...others } = each.labels;
  const about = labelled(scope === "cell" ? others : { ...others, scope: scope ?? "" });
  const said = about ? `${each.summary} (${about})` : each.summary;
  return each.note ? `${said}: ${each.note}` : said;
}

const quietOf = (each) =>
  [each.acknowledgedBy, each.silencedBy && `silenced: ${each.silencedBy}`]
    .filter(Boolean)
    .join("; ");

function alertActions(each, context) {
  const onDone = () => context.refresh();
  return [
    each.state === "firing" &&
      !each.acknowledgedBy &&
      action("Look at it", () => ({
        title: `Do you look at ${each.rule}?`,
        text: "It is not told again until it is over.",
        reasonIn: "body",
        request: () => ({
          method: "POST",
          path: `${ROOT}/acknowledge`,
          body: { key: each.key },
        }),
        onDone,
      })),
    !each.silencedBy && action("Silence", () => silenceOf(each, onDone)),
  ];
}

function silenceOf(each, onDone) {
  return {
    title: `Silence ${each.rule}?`,
    text: "Nobody is told of alerts of this rule for so long; they are shown all the same.",
    fields: [
      {
        name: "id",
        label: "Name",
        value: each.rule,
        hint: "Small letters, digits and dashes.",
        isRequired: true,
      },
      { name: "minutes", label: "Minutes", type: "number", value: 60, min: 1, isRequired: true },
    ],
    reasonIn: "body",
    request: ({ id, minutes }) => ({
      method: "PUT",
      path: ROOT + path("silences", id),
      body: { matches: { rule: each.rule }, forS: minutes * 60 },
    }),
    onDone,
  };
}

function silencePart(silences, context) {
  const rows = silences.filter((each) => context.isLive || each.sinceMs <= context.at_ms);
  const columns = [
    text("name", "Silence", (each) => each.name),
    text("matches", "Of", (each) => labelled(each.matches)),
    text("until", "Until", (each) => instant(each.untilMs).slice(0, 19)),
    text("actor", "By", (each) => each.actor),
    text("why", "Why", (each) => each.why),
    context.isLive && {
      name: "act",
      title: "Action",
      cell: (each) =>
        action("End", () => ({
          title: `End silence ${each.name}?`,
          text: "Alerts that match are told again.",
          request: () => ({ method: "DELETE", path: ROOT + path("silences", each.name) }),
          onDone: () => context.refresh(),
        })),
    },
  ];
  return list("Silences", rows, columns, context, {
    key: (each) => each.name,
    blank: "Nothing is silenced.",
  });
}

function objectivePart(items, context) {
  const columns = [
    text("objective", "Objective", (each) => each.slo),
    {
      name: "met",
      title: "Is",
      cell: (each) => (each.isMet ? state("kept", "good") : state("not kept", "bad")),
    },
    number("promised", "Promised", (each) => each.targetPpm, share),
    number("good", "Good", (each) => each.goodPpm, share),
    number("left", "Budget left", (each) => each.budgetLeftPpm, budget),
    number("bad", "Bad", (each) => each.bad, count),
    number("total", "Of", (each) => each.total, count),
    ...["fast", "slow", "drip"].map((name) => burnColumn(name, items)),
  ];
  return list("Objectives", items, columns, context, {
    key: (each) => `${each.slo} ${each.scope} ${each.name}`,
    blank: "None is counted.",
    aside: items.length
      ? `of the last ${several(items[0].periodMs / 86_400_000, "day")}` +
        (context.isLive ? "" : " before the end of that hour")
      : null,
  });
}

const share = (ppm) => `${(Math.floor(ppm / 10) / 1000).toFixed(3)} %`;
/** Overdrawn without measure says no more than that it is overdrawn. */
const budget = (ppm) => (ppm < -PPM ? "overdrawn" : `${Math.floor(ppm / 10_000)} %`);

/** How fast a budget burns; the lesser of its two windows counts. */
function burnColumn(name, items) {
  const of = (each) => each.burns.find((burn) => burn.name === name);
  const sample = items[0] && of(items[0]);
  const milli = (each) => Math.min(of(each)?.longMilli ?? 0, of(each)?.shortMilli ?? 0);
  return {
    name,
    title: sample ? `Burns, ${duration(sample.longMs).replace(/ 00 .$/, "")}` : name,
    isNumber: true,
    sort: milli,
    cell: (each) => {
      const rate = `${(milli(each) / 1000).toFixed(1)}×`;
      return of(each)?.isTooFast ? state(rate, "bad") : rate;
    },
  };
}

function rulePart(rules, context) {
  const columns = [
    text("rule", "Rule", (each) => each.name),
    text("severity", "Severity", (each) => each.severity),
    text("says", "Says", (each) => each.summary),
    text("condition", "Alerts of", (each) =>
      [each.condition, labelled(each.where)].filter(Boolean).join(", "),
    ),
    text("clear", "Over at", (each) => each.clear),
    text("told", "Told", (each) => each.receivers.join(", ") || "all"),
  ];
  return list("Rules in force", rules, columns, context, {
    key: (each) => each.name,
    blank: "No rule is in force.",
    aside: context.isLive ? several(rules.length, "rule") : "those of now",
  });
}
