/**
 * Where a panel's rows come from: a path of the API asked again and again, or a query's stream.
 *
 * The one thing to know: at an instant nothing moves. A path is asked once, as of then, and a query
 * reads the stretch before it and ends.
 */

import { Failure, get, urlOf } from "../core/api.js";
import { openStream } from "../core/stream.js";
import * as time from "../core/time.js";
import { rfc3339 } from "../core/words.js";
import { itemsOf } from "./fields.js";
import { ARRIVED } from "./panels.js";

const EVERY_S = 5;
const ROWS_MAX = 5000;
/** Of a path that is drawn over time: an hour of polls. */
const SAMPLES_MAX = 720;
/** Rows come in bursts; a panel is drawn at most this often. */
const DRAW_MS = 250;
const TAKES_AT = ["/api/flumina/state", "/api/flumina/glance/hosts", "/api/flumina/glance/waiting"];

/**
 * Begins to fetch; calls `tell({rows, answer, failure, state})` when something came. Answers a
 * function that ends it. `at` is the instant that is looked at, null while live.
 */
export function follow(panel, at, tell) {
  if (panel.kind === "text") {
    tell({ rows: [], answer: null });
    return () => {};
  }
  return panel.query ? followQuery(panel, at, tell) : followPath(panel, at, tell);
}

function followPath(panel, at, tell) {
  const stopping = new AbortController();
  const samples = [];
  let timer = 0;
  const ask = async () => {
    try {
      const answer = await get(...placeOf(panel, at), { signal: stopping.signal });
      const isSampled = panel.kind === "series" && panel.options.items === undefined;
      if (isSampled) samples.push({ ...answer, [ARRIVED]: time.at_ms() ?? time.now_ms() });
      if (samples.length > SAMPLES_MAX) samples.shift();
      const rows = isSampled
        ? [...samples]
        : itemsOf(answer, panel.options.items ?? "", namesOf(panel));
      tell({
        rows: panel.kind === "stat" && panel.options.items === undefined ? [] : rows,
        answer,
      });
    } catch (failure) {
      if (stopping.signal.aborted) return;
      tell({ failure: failure instanceof Failure ? failure : new Failure(failure.message) });
    }
    if (at === null && !stopping.signal.aborted)
      timer = setTimeout(ask, 1000 * (panel.options.every_s ?? EVERY_S));
  };
  ask();
  return () => {
    stopping.abort();
    clearTimeout(timer);
  };
}

/** Path and parameters, as of the instant where the path can be asked for one. */
function placeOf(panel, at) {
  const [path, query = ""] = panel.path.split("?");
  const wanted = Object.fromEntries(new URLSearchParams(query));
  if (at === null) return [path, wanted];
  if (TAKES_AT.some((each) => path.startsWith(each))) return [path, { ...wanted, at }];
  const span = time.spanOf(wanted.from);
  const at_ms = time.at_ms();
  if (span !== null && at_ms !== null)
    return [path, { ...wanted, from: rfc3339(at_ms - span), to: rfc3339(at_ms) }];
  return [path, wanted];
}

function followQuery(panel, at, tell) {
  const rows = [];
  let timer = 0;
  let state = "connecting";
  const soon = () => {
    timer ||= setTimeout(() => {
      timer = 0;
      tell({ rows: [...rows], answer: null, state });
    }, DRAW_MS);
  };
  const stream = openStream(
    urlOf("/api/flumina/query/stream", { mql: panel.query, ...stretchOf(panel, at) }),
    {
      onEvent: (event) => {
        if (event.name !== "row") return;
        rows.push({ ...JSON.parse(event.data), [ARRIVED]: time.now_ms() });
        if (rows.length > ROWS_MAX) rows.splice(0, rows.length - ROWS_MAX);
        soon();
      },
      onState: (next) => {
        state = next.state;
        if (next.failure) tell({ rows: [...rows], failure: next.failure, state });
        else soon();
      },
      isEnd: (event) => event.name === "meta" && JSON.parse(event.data).state === "ended",
    },
  );
  return () => {
    stream.close();
    clearTimeout(timer);
  };
}

function stretchOf(panel, at) {
  const { from = "live", to } = panel.options;
  const at_ms = time.at_ms();
  if (at === null || at_ms === null) return { from, to };
  const span = time.spanOf(from) ?? time.SPAN_MS;
  return { from: rfc3339(at_ms - span), to: rfc3339(at_ms) };
}

/** The fields that a panel draws. */
function namesOf(panel) {
  const { label, value, columns, values, text, time: at, level } = panel.options;
  const named = [
    label,
    value,
    text,
    at,
    level,
    ...(columns ?? []).map((each) => each.field),
    ...(values ?? []).map((each) => each.field),
  ];
  return named.filter(Boolean);
}
