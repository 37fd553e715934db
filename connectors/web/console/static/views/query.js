/**
 * Ask the streams: a query in MQL, its rows as they come or as they were.
 *
 * The one thing to know: the address holds the query, from where and to where it is asked, and the
 * row that is looked at. Live, it follows; at an instant T, it is asked of the range of the time
 * bar up to T and ends there.
 */

import * as address from "../core/address.js";
import { Failure, change } from "../core/api.js";
import { queryField, write } from "../core/completion.js";
import { ask } from "../core/dialog.js";
import { h } from "../core/dom.js";
import { section } from "../core/parts.js";
import { register } from "../core/views.js";
import { rfc3339 } from "../core/words.js";
import { tailPart, togglePause } from "./query_tail.js";

/** A text that somebody writes is checked so long after the last key. */
const CHECK_MS = 400;
const STARTS = [
  ["", "live"],
  ["-1m", "1 min ago"],
  ["-5m", "5 min ago"],
  ["-1h", "1 h ago"],
  ["begin", "the beginning"],
];
const EXAMPLES = [
  ["Everything that happens to tasks", "select * from tasks"],
  [
    "Tasks that ended badly",
    "select task_id, reason, message from tasks where state == 'Finished' && reason != 'normal'",
  ],
  ["Decisions as they are made", "select at_ms, kind, task_id, host_id from decisions"],
  [
    "How many events of each kind, each 10 s",
    "select kind, count(*) as 'events' from events window 10 group by kind order by events desc",
  ],
  ["Error lines of hosts", "select * from host-logs where level == 'ERROR'"],
];

let checking = 0;
/** What is wrong with a text, as the server says: `{text, failure}`; shown beside it only. */
let fault = null;
/** What was written and not asked yet; it is let go when the address asks something else. */
let draft = null;
let asked = "";

register({
  name: "query",
  title: "Query",
  path: "/query",
  key: "q",
  section: "Ask",
  order: 20,
  refresh_ms: 0,
  summary: "rows of streams, as they come or as they were",
  selections: ["select", "mql", "start", "delivery", "sample"],
  load: async (context) => {
    const [sources, saved] = await Promise.all([
      context.ask("/api/flumina/query/sources").then((found) => found.sources),
      context
        .ask("/api/flumina/query/saved")
        .then((found) => found.saved)
        .catch((failure) => ({ failure })),
    ]);
    return { sources, saved };
  },
  space: () => togglePause(),
  leave: () => {
    draft = fault = null;
    clearTimeout(checking);
  },
  render: (data, context) => {
    const mql = context.query("mql");
    if (mql !== asked) draft = null;
    asked = mql;
    return [
      bar(data, context, mql),
      fault?.text === (draft ?? mql) && faultPart(fault.failure),
      mql ? tailPart(parametersOf(context, mql), context) : beginnings(data, context),
    ];
  },
});

/** What the stream is asked for; at an instant it ends there. */
function parametersOf(context, mql) {
  const parameters = { mql, delivery: context.query("delivery"), sample: context.query("sample") };
  if (context.isLive) return { ...parameters, from: context.query("start") || "live" };
  const start = context.query("start");
  return {
    ...parameters,
    from: start || rfc3339(context.range.from_ms),
    to: rfc3339(context.at_ms),
  };
}

function bar({ sources }, context, mql) {
  const run = (text) => start(context, text);
  return h(
    "div",
    { key: "bar", class: "query-bar" },
    queryField({
      value: draft ?? mql,
      sources,
      onInput: (text) => written(context, text),
      onRun: run,
    }),
    h(
      "div",
      { class: "bar-of-tools" },
      h(
        "button",
        { type: "button", class: "primary", onclick: () => run(draft ?? mql) },
        mql ? "Ask again" : "Ask",
      ),
      mql &&
        h(
          "button",
          {
            type: "button",
            onclick: () => context.set({ mql: null, select: null }, { isStep: true }),
          },
          "Stop",
        ),
      picker(context, "start", context.isLive ? "From" : "From, up to the instant", STARTS),
      picker(context, "delivery", "Rows", [
        ["", "dropped and counted when I am slow"],
        ["all", "all, however slow"],
      ]),
      picker(context, "sample", "Sample", [
        ["", "every row"],
        ["100", "one each 100 ms"],
        ["1000", "one each second"],
      ]),
      h("button", { type: "button", onclick: () => save(context, draft ?? mql) }, "Save"),
      h("span", { class: "aside" }, "Enter asks, Tab completes, space pauses"),
    ),
  );
}

function picker(context, name, label, options) {
  const now = context.query(name);
  return h(
    "label",
    { key: name },
    label,
    h(
      "select",
      { onchange: (event) => context.set({ [name]: event.target.value, select: null }) },
      options.map(([value, text]) => h("option", { value, selected: value === now }, text)),
    ),
  );
}

async function start(context, text) {
  const wanted = text.trim();
  clearTimeout(checking);
  if (!wanted) return;
  draft = wanted;
  if (!(await check(context, wanted))) return;
  draft = null;
  if (context.query("mql") === wanted)
    context.set({ select: null, again: String(Number(context.query("again", "0")) + 1) });
  else context.set({ mql: wanted, select: null, again: null }, { isStep: true });
}

function written(context, text) {
  draft = text;
  if (fault) {
    fault = null;
    context.redraw();
  }
  clearTimeout(checking);
  if (text.trim()) checking = setTimeout(() => check(context, text), CHECK_MS);
}

/** Asks the server whether the text can be asked; shows where not. */
async function check(context, text) {
  try {
    await change("POST", "/api/flumina/query/check", { body: { mql: text } });
    if (fault) {
      fault = null;
      context.redraw();
    }
    return true;
  } catch (failure) {
    if (!(failure instanceof Failure)) throw failure;
    // While somebody writes on, the fault is of a text that is there no more.
    if (draft !== null && draft !== text) return false;
    fault = { text, failure };
    context.redraw();
    return false;
  }
}

function faultPart(failure) {
  const caret = failure.problem?.caret;
  return h(
    "div",
    { class: "refusal query-fault", role: "alert", key: "fault" },
    caret && h("pre", null, caret),
    h("p", null, failure.message),
    failure.remedy && h("p", null, failure.remedy),
  );
}

function beginnings({ sources, saved }, context) {
  const item = (title, mql, note, extra) =>
    h(
      "li",
      { key: title + mql },
      h("button", { type: "button", class: "quiet", onclick: () => pick(context, mql) }, title),
      note && h("span", { class: "muted" }, ` ${note}`),
      h("code", null, mql),
      extra,
    );
  return h(
    "div",
    { class: "columns beginnings", key: "beginnings" },
    section(
      "Saved queries",
      null,
      saved.failure
        ? h("p", { class: "muted" }, `${saved.failure.message} ${saved.failure.remedy}`)
        : saved.length
          ? h(
              "ul",
              { class: "queries" },
              saved.map((each) =>
                item(each.name, each.mql, each.description, remove(each, context)),
              ),
            )
          : h("p", { class: "muted" }, "None yet: write a query and press Save."),
      h("h2", null, "Examples"),
      h(
        "ul",
        { class: "queries" },
        EXAMPLES.map(([title, mql]) => item(title, mql)),
      ),
    ),
    section(
      "Streams",
      null,
      h(
        "ul",
        { class: "queries" },
        sources.map((source) =>
          h(
            "li",
            { key: source.name },
            h(
              "button",
              {
                type: "button",
                class: "quiet",
                onclick: () => pick(context, `select * from ${source.name}`),
              },
              source.name,
            ),
            h("span", { class: "muted" }, ` ${source.description}`),
            h(
              "details",
              null,
              h("summary", null, `${source.fields.length} fields`),
              h("p", { class: "mono" }, source.fields.map(({ name }) => name).join(", ")),
            ),
          ),
        ),
      ),
    ),
  );
}

function pick(context, mql) {
  draft = null;
  write(mql);
  start(context, mql);
}

function save(context, mql) {
  if (!mql?.trim()) return context.say("There is no query to save.");
  return ask({
    title: "Save the query",
    text: mql,
    act: "Save",
    reasonIn: "none",
    fields: [
      { name: "name", label: "Name", hint: "Letters, digits, dots and dashes.", isRequired: true },
      { name: "description", label: "What it is for" },
    ],
    request: ({ name, description }) => ({
      method: "PUT",
      path: `/api/flumina/query${address.path("saved", name)}`,
      body: { mql: mql.trim(), description },
    }),
    onDone: () => context.refresh(),
  });
}

function remove(each, context) {
  return h(
    "button",
    {
      type: "button",
      class: "quiet",
      "aria-label": `Remove ${each.name}`,
      onclick: () =>
        ask({
          title: `Remove the saved query ${each.name}?`,
          text: each.mql,
          act: "Remove",
          isDangerous: true,
          reasonIn: "none",
          request: () => ({
            method: "DELETE",
            path: `/api/flumina/query${address.path("saved", each.name)}`,
          }),
          onDone: () => context.refresh(),
        }),
    },
    "Remove",
  );
}
