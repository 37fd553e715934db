/**
 * Chains: how a task came to its end, or what led to any event, step by step back to what somebody
 * sent.
 *
 * The one thing to know: a link is one that the log itself carries; nothing is guessed, so a chain
 * that begins in the middle says which record it begins with.
 */

import { Failure } from "../core/api.js";
import { h } from "../core/dom.js";
import { empty, section, to } from "../core/parts.js";
import { path } from "../core/address.js";
import { count, duration, instant } from "../core/words.js";
import { eventsTable, placeOf } from "./events.js";

const TEXTS_MAX = 6;

/** The chain that the address names, of a task or of an event; null where it names none. */
export async function loadChain(context, fixed) {
  const [task, address] = [context.query("task"), context.query("address")];
  try {
    if (task)
      return await context.ask(`/api/flumina/incident/tasks/${encodeURIComponent(task)}`, {
        to: fixed.to,
      });
    if (address)
      return { causes: await context.ask("/api/flumina/trace", { address }), lines: [], total: 0 };
  } catch (failure) {
    // A name that was typed wrong must not take the page away.
    if (failure instanceof Failure && failure.status && failure.status < 500) return { failure };
    throw failure;
  }
  return null;
}

/** The chain as a list, oldest first, and what happened to the task. */
export function chainOf(chain, context) {
  const close = h(
    "button",
    { type: "button", onclick: () => context.set({ task: null, address: null, event: null }) },
    "Close",
  );
  const title = chain.taskId
    ? `Chain of ${chain.taskId}`
    : `What led to ${placeOf(context.query("address"))}`;
  if (chain.failure) {
    return section(
      "Chain",
      { key: "chain", "data-section": "chain", aside: close },
      empty(chain.failure.message, chain.failure.remedy),
    );
  }
  return section(
    title,
    {
      key: "chain",
      "data-section": "chain",
      aside: [chain.taskId && to(path("tasks", chain.taskId), "The task"), close],
    },
    chain.causes ? steps(chain.causes) : empty("Nothing of it is an event of this range."),
    chain.lines.length > 0 &&
      h(
        "details",
        { class: "chain-lines", key: "lines" },
        h("summary", null, `All that happened to it (${count(chain.total)})`),
        eventsTable({ ...chain, kind: "task" }, context),
      ),
  );
}

function steps(trace) {
  const known = new Set(trace.steps.map((each) => each.address));
  return [
    (trace.dropped > 0 || trace.tasksDropped > 0) &&
      h(
        "p",
        { class: "muted" },
        `${count((trace.dropped ?? 0) + (trace.tasksDropped ?? 0))} more are not followed.`,
      ),
    h(
      "ol",
      { class: "chain", "aria-label": "Causes, oldest first" },
      trace.steps.map((each, number) =>
        step(each, trace.steps[number - 1], each.address === trace.address, known),
      ),
    ),
  ];
}

function step(each, before, isLast, known) {
  const gap = before?.atMs && each.atMs ? duration(each.atMs - before.atMs) : "";
  const texts = each.texts ?? [];
  return h(
    "li",
    {
      key: each.address,
      class: isLast ? "asked" : null,
      "data-address": each.address,
      "aria-current": isLast ? "step" : null,
    },
    h(
      "div",
      { class: "when" },
      each.atMs ? instant(each.atMs) : "",
      gap && h("span", { class: "muted" }, ` +${gap}`),
    ),
    h(
      "div",
      { class: "what" },
      texts.slice(0, TEXTS_MAX).map((text) => h("div", null, text)),
      texts.length > TEXTS_MAX &&
        h("div", { class: "muted" }, `and ${count(texts.length - TEXTS_MAX)} more`),
      h(
        "div",
        { class: "muted mono" },
        placeOf(each.address),
        each.ledToBy?.length
          ? ` ← ${each.ledToBy.map((by) => (known.has(by) ? placeOf(by) : by)).join(", ")}`
          : "",
        each.sources?.length ? ` ← record ${each.sources.join(", ")}` : "",
      ),
    ),
  );
}
