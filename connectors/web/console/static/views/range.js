/**
 * The range of the time bar as the API reads it.
 *
 * The one thing to know: a view of a range shows what was known at the instant that is looked at,
 * so a range never goes beyond it.
 */

import * as time from "../core/time.js";
import { duration, rfc3339 } from "../core/words.js";

/** `{from, to}` of the bar, up to the instant that is looked at. */
export function rangeOf(context) {
  const { from_ms, to_ms } = context.range;
  const end = context.at === null ? to_ms : Math.min(to_ms, context.at_ms);
  const begin = Math.min(from_ms, end);
  return { from: rfc3339(begin), to: end >= time.now_ms() - 1000 ? "now" : rfc3339(end) };
}

/** Makes a stretch that was dragged over the range of the bar. */
export function selectRange(from_ms, to_ms) {
  time.setRange(rfc3339(from_ms), rfc3339(Math.max(to_ms, from_ms + 1000)));
}

/** A round span without what is nought of it: `1 s`, `15 m`. */
export function width(ms) {
  return duration(ms)
    .replace(".0 s", " s")
    .replace(" 00 s", "")
    .replace(" 00 m", "")
    .replace(" 00 h", "");
}
