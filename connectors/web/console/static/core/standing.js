/**
 * The foot of every page: how far the API has folded the log, how old that is, who leads.
 *
 * The one thing to know: it asks `/api/v3/status` by itself, whatever the view does, so a page
 * whose view stands still says that it is cut off.
 */

import { whoParts } from "./access.js";
import { get } from "./api.js";
import { h, render } from "./dom.js";
import { state } from "./parts.js";
import { count, duration, several } from "./words.js";
import { at } from "./time.js";
import { onChange } from "./address.js";

const EACH_MS = 2000;
const TIMEOUT_MS = 5000;

let last = null;
let reached_at = performance.now();
const streams = new Map();

/** Shows the line in `holder` from now on. */
export function showStanding(holder) {
  const draw = () => render(holder, ...parts());
  const ask = async () => {
    try {
      last = await get("/api/v3/status", {}, { timeout_ms: TIMEOUT_MS });
      reached_at = performance.now();
    } catch (error) {
      last = { ...last, failure: error };
    }
    draw();
    setTimeout(ask, EACH_MS);
  };
  onChange(draw);
  listeners.add(draw);
  draw();
  ask();
}

const listeners = new Set();

/** Says how a stream of the page stands, in `state` and a sentence; null: it has gone. */
export function showStream(name, standing) {
  if (standing === null) streams.delete(name);
  else streams.set(name, standing);
  for (const listener of listeners) listener();
}

function parts() {
  if (last === null) return [h("span", null, "Asking the API how it stands")];
  const { failure } = last;
  const unreached_ms = performance.now() - reached_at;
  const word = failure ? "reconnecting" : standingWord();
  return [
    h("span", { class: "standing-word", key: "word" }, state(word, toneOf(word))),
    failure &&
      h("span", { key: "failure" }, `No answer for ${duration(unreached_ms)}. ${failure.message}`),
    !failure && last.stale && h("span", { class: "bad", key: "stale" }, `Behind: ${last.stale}`),
    item("cell", last.cell),
    item("offset", count(last.offset)),
    item("lag", last.lagRecords === undefined ? "" : several(last.lagRecords, "record")),
    // The log's clock is its leader's, so its silence is how old everything folded here is.
    item("age", duration(last.leaderSilentMs)),
    item("leader", last.leader || "nobody"),
    last.safe && h("span", { class: "bad", key: "safe" }, `Safe: ${last.safe}`),
    ...[...streams].map(([name, standing]) =>
      h(
        "span",
        { key: `stream ${name}` },
        `${name} `,
        state(standing.state, standing.tone),
        ` ${standing.text ?? ""}`,
      ),
    ),
    ...whoParts(),
    h("span", { class: "aside", key: "help" }, "Press ? for keys"),
  ];
}

function standingWord() {
  if (last.halt) return "halted";
  if (last.isHealthy === false || last.stale) return "behind";
  return at() === null ? "live" : "at an instant";
}

function toneOf(word) {
  return (
    { live: "good", "at an instant": "busy", halted: "bad", reconnecting: "bad" }[word] ?? "waiting"
  );
}

function item(name, value) {
  if (value === undefined || value === "") return null;
  return h(
    "span",
    { key: name },
    h("span", { class: "muted" }, `${name} `),
    h("b", { "data-standing": name }, value),
  );
}
