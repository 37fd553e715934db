/**
 * The time that the page looks at: live, or an instant T, and how it is played.
 *
 * The one thing to know: the instant stands in the address (`at`) and nowhere else; playing writes
 * the next instant there when the view has shown the last one, so a slow answer slows the film
 * down and never tears it.
 */

import * as address from "./address.js";
import { Failure, get, onAnswer } from "./api.js";
import { rfc3339 } from "./words.js";

/** How fast time can go, against the clock; negative is backwards. */
export const SPEEDS = [1, 10, 100, 1000];
/** The window of the time bar, where the address names none. */
export const SPAN_MS = 15 * 60 * 1000;
/** Between two instants of a film, at least: what people see as motion without asking more. */
const FRAME_MS = 200;

const OFFSET = /^\d+$|^[^/]+\/[0-9a-f]+:\d+(\[\d+\])?$/;

let skew_ms = 0;
let film = null;
/** What instants that are places in the log mean in time; asked once each. */
const times = new Map();
const listeners = new Set();

onAnswer((headers) => {
  const date = Date.parse(headers?.get("date") ?? "");
  // The header has whole seconds, so what is less than two is no difference.
  if (date && Math.abs(date - Date.now()) > 2000) skew_ms = date - Date.now();
});

/** The server's clock, as far as its answers tell. */
export function now_ms() {
  return Date.now() + skew_ms;
}

/** The instant looked at: null for live, else a text that every `at` of the API takes. */
export function at() {
  return address.here().query.get("at");
}

/** The same in milliseconds; null while live, and while that of a place in the log is unknown. */
export function at_ms() {
  const text = at();
  if (text === null) return null;
  const known = times.get(text);
  if (known !== undefined) return known;
  const parsed = OFFSET.test(text) ? NaN : Date.parse(text);
  return Number.isNaN(parsed) ? null : parsed;
}

/** The range of the time bar and of charts: `{from_ms, to_ms, isMoving}`. */
export function range() {
  const { query } = address.here();
  const [from_ms, to_ms] = [Date.parse(query.get("from")), Date.parse(query.get("to"))];
  if (from_ms < to_ms) return { from_ms, to_ms, isMoving: false };
  const span = spanOf(query.get("from")) ?? SPAN_MS;
  const middle = at_ms();
  if (middle === null) return { from_ms: now_ms() - span, to_ms: now_ms(), isMoving: true };
  const end = Math.min(Math.max(now_ms(), middle), middle + span / 2);
  return { from_ms: end - span, to_ms: end, isMoving: false };
}

/** The milliseconds of `-15m`; null of anything else. */
export function spanOf(text) {
  const match = /^-(\d+(?:\.\d+)?)(ms|s|m|h|d)$/.exec(text ?? "");
  const unit_ms = { ms: 1, s: 1000, m: 60000, h: 3600000, d: 86400000 };
  return match ? Number(match[1]) * unit_ms[match[2]] : null;
}

/** Goes to an instant: milliseconds, or a text that the API reads; null is live. */
export function seek(instant, { isStep = true } = {}) {
  if (instant === null) {
    stop();
    address.set({ at: null, ...(isRange() ? { from: null, to: null } : {}) }, { isStep });
    return;
  }
  const text = typeof instant === "number" ? rfc3339(instant) : instant;
  const { from_ms, to_ms } = range();
  // The bar stands still from now on, or what somebody drags would run away below the mouse.
  const frame = at() === null ? { from: rfc3339(from_ms), to: rfc3339(to_ms) } : {};
  address.set({ at: text, ...frame }, { isStep });
}

/** Sets the range of bar and charts; a text such as `-1h` moves along while live. */
export function setRange(from, to = null) {
  address.set({ from, to }, { isStep: true });
}

const isRange = () => address.here().query.has("to");

/** The speed that is played at; 0 while it stands. */
export function speed() {
  return film?.speed ?? 0;
}

/** Calls `listener()` when playing begins or ends, and when an instant's time becomes known. */
export function onPlay(listener) {
  listeners.add(listener);
}

/**
 * Plays from the instant on; backwards with a negative speed. `shown()` is a promise that the view
 * has shown the instant of the address.
 */
export function play(speed, shown) {
  stop();
  const own = { speed, isStopped: false };
  film = own;
  for (const listener of listeners) listener();
  if (at() === null) seek(now_ms(), { isStep: false });
  run(own, shown);
}

/** Stops playing. */
export function stop() {
  if (!film) return;
  film.isStopped = true;
  film = null;
  for (const listener of listeners) listener();
}

async function run(own, shown) {
  await shown();
  let before = performance.now();
  while (!own.isStopped) {
    await new Promise((resolve) => setTimeout(resolve, FRAME_MS));
    if (own.isStopped) return;
    const here = at_ms();
    if (here === null) return stop();
    const passed = performance.now() - before;
    before = performance.now();
    const next = here + own.speed * passed;
    if (own.speed > 0 && next >= now_ms()) return seek(null, { isStep: false });
    seek(next, { isStep: false });
    await shown();
  }
}

let stepping = Promise.resolve();

/** One record of the log on (1) or back (-1) from the instant; raises `Failure`. */
export function step(direction) {
  stop();
  // A key that is pressed twice is two steps, the second from where the first has led.
  const stepped = stepping.catch(() => {}).then(() => stepOnce(direction));
  stepping = stepped;
  return stepped;
}

async function stepOnce(direction) {
  const standing = await get("/api/flumina/state", { at: at() });
  const offset = standing.nextOffset - 1 + direction;
  if (offset < 0) throw new Failure("This is the log's first record.");
  const there = await get("/api/flumina/state", { at: offset }).catch((error) => {
    if (error.status === 400 && direction > 0) return null; // Behind the last record is live.
    throw error;
  });
  if (there === null) return seek(null);
  times.set(String(offset), there.atMs);
  keepInRange(there.atMs);
  return seek(String(offset), { isStep: false });
}

/** Learns the time of an instant that is a place in the log, so that the bar can show it. */
export async function learn(signal) {
  const text = at();
  if (text === null || at_ms() !== null) return;
  const there = await get("/api/flumina/state", { at: text }, { signal });
  times.set(text, there.atMs);
  for (const listener of listeners) listener();
}

function keepInRange(ms) {
  const { from_ms, to_ms } = range();
  if (at() === null || (ms >= from_ms && ms <= to_ms)) return;
  const span = to_ms - from_ms;
  address.set({ from: rfc3339(ms - span / 2), to: rfc3339(ms + span / 2) });
}
