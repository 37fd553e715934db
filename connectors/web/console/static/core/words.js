/**
 * Numbers, times and states in words.
 *
 * The one thing to know: times are UTC everywhere, so that two people who look at one link read the
 * same; an age is of the instant that is looked at, never of the browser's clock.
 */

const SECOND_MS = 1000;
const MINUTE_MS = 60 * SECOND_MS;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;

/** `2026-01-31 03:12:07.250`, in UTC; empty where there is no time. */
export function instant(at_ms) {
  if (!at_ms && at_ms !== 0) return "";
  return new Date(at_ms).toISOString().replace("T", " ").replace("Z", "");
}

/** The same without the day. */
export function clock(at_ms) {
  return instant(at_ms).slice(11, 19);
}

/** The same as the API reads it. */
export function rfc3339(at_ms) {
  return new Date(Math.round(at_ms)).toISOString();
}

/** `850 ms`, `12 s`, `4 m 05 s`, `3 h 20 m`, `2 d 4 h`. */
export function duration(ms) {
  if (ms === null || ms === undefined || Number.isNaN(ms)) return "";
  const size = Math.abs(ms);
  const sign = ms < 0 ? "-" : "";
  if (size < SECOND_MS) return `${sign}${Math.round(size)} ms`;
  if (size < 10 * SECOND_MS) return `${sign}${(size / SECOND_MS).toFixed(1)} s`;
  if (size < MINUTE_MS) return `${sign}${Math.floor(size / SECOND_MS)} s`;
  if (size < HOUR_MS) return sign + pair(size, MINUTE_MS, "m", SECOND_MS, "s");
  if (size < DAY_MS) return sign + pair(size, HOUR_MS, "h", MINUTE_MS, "m");
  return sign + pair(size, DAY_MS, "d", HOUR_MS, "h");
}

function pair(size, large_ms, large, small_ms, small) {
  const rest = Math.floor((size % large_ms) / small_ms);
  return `${Math.floor(size / large_ms)} ${large} ${String(rest).padStart(2, "0")} ${small}`;
}

/** How long before `now_ms` something was; empty where it was not. */
export function age(at_ms, now_ms) {
  return at_ms ? duration(Math.max(0, now_ms - at_ms)) : "";
}

/** `12,345`. */
export function count(number) {
  return number === null || number === undefined ? "" : Number(number).toLocaleString("en-US");
}

/** `1 task`, `12 tasks`. */
export function several(number, one, many = `${one}s`) {
  return `${count(number)} ${number === 1 ? one : many}`;
}

/** `0.5`, `64`: thousandths as whole ones. */
export function ofMilli(milli) {
  return String(Math.round(milli) / 1000);
}

/** `512 MiB`, `1.5 GiB`, `2 TiB`. */
export function mebibytes(mib) {
  if (mib < 10) return `${rounded(mib)} MiB`;
  if (mib < 1024) return `${Math.round(mib)} MiB`;
  if (mib < 1024 * 1024) return `${rounded(mib / 1024)} GiB`;
  return `${rounded(mib / 1024 / 1024)} TiB`;
}

/** `73 %` of a share. */
export function percent(part, whole) {
  return whole ? `${Math.round((100 * part) / whole)} %` : "";
}

const rounded = (number) => String(Math.round(number * 10) / 10);

/** `KillInitiated` as `kill initiated`. */
export function spaced(name) {
  return String(name ?? "")
    .replaceAll(/([a-z0-9])([A-Z])/g, "$1 $2")
    .toLowerCase();
}

/** What colour and shape a state has: good, busy, waiting, bad, done or plain. */
export function toneOf(state) {
  const name = String(state ?? "").toLowerCase();
  if (
    ["started", "running", "ok", "live", "healthy", "enabled", "active", "inservice"].includes(name)
  ) {
    return "good";
  }
  if (["launched", "startinitiated", "killinitiated", "starting", "onprobation"].includes(name)) {
    return "busy";
  }
  if (["accepted", "queued", "waiting", "draining", "lastchoice", "behind"].includes(name)) {
    return "waiting";
  }
  if (
    ["failed", "lost", "disconnected", "disabled", "bad", "stale", "halted", "safe"].includes(name)
  ) {
    return "bad";
  }
  return name === "finished" ? "done" : "plain";
}
