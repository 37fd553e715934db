/**
 * The time bar: live or an instant, dragged, typed, stepped or played.
 *
 * The one thing to know: it shows what the address says and changes the address, nothing else;
 * views may hang lanes below it, which share its scale.
 */

import * as address from "./address.js";
import { h, render, svg } from "./dom.js";
import { say } from "./say.js";
import * as time from "./time.js";
import { clock, duration, instant, rfc3339 } from "./words.js";

/** While somebody drags, views are asked for a new instant at most this often. */
const DRAG_MS = 120;
const SPANS = [
  ["-5m", "5 min"],
  ["-15m", "15 min"],
  ["-1h", "1 h"],
  ["-6h", "6 h"],
  ["-1d", "1 day"],
  ["-7d", "7 days"],
];
/** A moving bar is drawn this often. */
const MOVE_MS = 1000;

/** So long a range must stand before lanes are asked for it: the view comes first. */
const CALM_MS = 200;
const lanes = [];
let speed = 1;
let message = "";
let draw = () => {};

/**
 * Hangs a lane below the bar: `{name, title, load({from_ms, to_ms, signal}), render(data, place),
 * refresh_ms}`; `place(at_ms)` is the share of the width (0 to 1) where an instant lies.
 */
export function registerLane(lane) {
  lanes.push({ refresh_ms: 10000, ...lane, data: null, key: "", timer: 0 });
}

/** Shows the bar in `holder`; `whenShown()` is a promise that the view has shown the instant. */
export function showTimeBar(holder, whenShown) {
  draw = () => {
    render(holder, controls(whenShown), track(), ...lanes.map(laneRow));
    loadLanes();
  };
  address.onChange(() => {
    message = "";
    draw();
  });
  time.onPlay(draw);
  setInterval(() => time.range().isMoving && !document.hidden && draw(), MOVE_MS);
  draw();
}

/** Plays forwards (1) or backwards (-1), or stops what plays; what is live stands still first. */
export function toggle(direction, whenShown) {
  if (Math.sign(time.speed()) === direction) time.stop();
  else if (direction > 0 && time.at() === null) time.seek(time.now_ms());
  else time.play(direction * speed, whenShown);
}

/** The next faster (1) or slower (-1) speed. */
export function changeSpeed(direction, whenShown) {
  const place = time.SPEEDS.indexOf(speed) + direction;
  setSpeed(time.SPEEDS[Math.max(0, Math.min(time.SPEEDS.length - 1, place))], whenShown);
}

/** One record on or back; says why where there is none. */
export async function step(direction) {
  try {
    await time.step(direction);
  } catch (failure) {
    message = `${failure.message} ${failure.remedy ?? ""}`;
    say(message);
    draw();
  }
}

function setSpeed(wanted, whenShown) {
  speed = wanted;
  if (time.speed()) time.play(Math.sign(time.speed()) * speed, whenShown);
  else draw();
}

function controls(whenShown) {
  const at_ms = time.at_ms();
  const isLive = time.at() === null;
  const playing = Math.sign(time.speed());
  return h(
    "div",
    { class: "controls", key: "controls" },
    h(
      "div",
      { class: "buttons", role: "group", "aria-label": "Play" },
      icon("One record back (left arrow)", ICONS.back, () => step(-1)),
      icon(
        "Play backwards (b)",
        playing < 0 ? ICONS.pause : ICONS.reverse,
        () => toggle(-1, whenShown),
        playing < 0,
      ),
      icon(
        "Play (space)",
        playing > 0 ? ICONS.pause : ICONS.play,
        () => toggle(1, whenShown),
        playing > 0,
      ),
      icon("One record on (right arrow)", ICONS.on, () => step(1)),
    ),
    h(
      "select",
      {
        "aria-label": "Speed",
        onchange: (event) => setSpeed(Number(event.target.value), whenShown),
      },
      time.SPEEDS.map((value) => h("option", { value, selected: value === speed }, `${value}×`)),
    ),
    h(
      "button",
      {
        type: "button",
        class: `live ${isLive ? "on" : ""}`,
        "aria-pressed": String(isLive),
        onclick: () => time.seek(null),
      },
      "Live",
    ),
    h(
      "form",
      { class: "instant", onsubmit: typed },
      h("input", {
        key: "instant",
        name: "instant",
        "aria-label": "Instant, such as 2026-01-31 03:12:07, -5m or an offset; UTC",
        placeholder: "instant: 03:12:07, -5m, offset",
        autocomplete: "off",
        spellcheck: "false",
        value: isLive ? "" : at_ms === null ? time.at() : instant(at_ms),
      }),
      h("span", { class: "muted" }, "UTC"),
    ),
    h("output", { class: "message", key: "message" }, message || position(at_ms)),
    h(
      "select",
      { "aria-label": "Range of the bar", onchange: (event) => spanned(event.target.value) },
      spanOptions(),
    ),
  );
}

function position(at_ms) {
  if (at_ms === null) return "";
  const offset = /^\d+$/.test(time.at() ?? "") ? `, after record ${time.at()}` : "";
  return `${duration(time.now_ms() - at_ms)} ago${offset}`;
}

function spanOptions() {
  const { from_ms, to_ms } = time.range();
  const from = address.here().query.get("from");
  const isNamed = SPANS.some(([value]) => value === (from ?? "-15m"));
  const options = SPANS.map(([value, text]) =>
    h("option", { value, selected: isNamed && value === (from ?? "-15m") }, text),
  );
  if (!isNamed)
    options.unshift(h("option", { value: "", selected: true }, duration(to_ms - from_ms)));
  return options;
}

function spanned(value) {
  if (!value) return;
  const at_ms = time.at_ms();
  if (at_ms === null) return void time.setRange(value);
  const span = time.spanOf(value);
  const to_ms = Math.min(Math.max(time.now_ms(), at_ms), at_ms + span / 2);
  time.setRange(rfc3339(to_ms - span), rfc3339(to_ms));
}

function typed(event) {
  event.preventDefault();
  const text = event.target.elements.instant.value.trim();
  document.activeElement?.blur();
  if (!text || text === "live" || text === "now") return time.seek(null);
  const span = time.spanOf(text);
  if (span !== null) return time.seek(time.now_ms() - span);
  if (/^\d+$/.test(text) || text.includes("/")) return time.seek(text);
  const parsed = Date.parse(zoned(text));
  if (Number.isNaN(parsed)) {
    message = `${text} is no instant. Write 2026-01-31 03:12:07, 03:12:07, -5m or an offset.`;
    say(message);
    return draw();
  }
  return time.seek(parsed);
}

/** A time as people write it, with day and zone. */
function zoned(text) {
  const day = instant(time.at_ms() ?? time.now_ms()).slice(0, 10);
  const whole = /^\d{1,2}:\d{2}/.test(text) ? `${day} ${text.padStart(8, "0")}` : text;
  return /[zZ]$|[+-]\d{2}:?\d{2}$/.test(whole) ? whole : `${whole.replace(" ", "T")}Z`;
}

const ICONS = {
  back: "M4 3v10M13 3l-7 5 7 5z",
  on: "M12 3v10M3 3l7 5-7 5z",
  play: "M4 2l9 6-9 6z",
  reverse: "M12 2l-9 6 9 6z",
  pause: "M4 2h3v12H4zM9 2h3v12H9z",
};

function icon(label, path, act, isPressed = false) {
  return h(
    "button",
    {
      type: "button",
      title: label,
      "aria-label": label,
      "aria-pressed": String(isPressed),
      onclick: act,
    },
    svg(
      "svg",
      { viewBox: "0 0 16 16", "aria-hidden": "true", focusable: "false" },
      svg("path", { d: path }),
    ),
  );
}

function track() {
  const { from_ms, to_ms } = time.range();
  const at_ms = time.at_ms() ?? time.now_ms();
  const place = (ms) => (ms - from_ms) / (to_ms - from_ms);
  const percent = (ms) => `${100 * Math.max(0, Math.min(1, place(ms)))}%`;
  const isLive = time.at() === null;
  return h(
    "div",
    {
      class: `track ${isLive ? "live" : ""}`,
      key: "track",
      role: "slider",
      tabindex: "0",
      "aria-label": "Instant",
      "aria-valuemin": Math.round(from_ms / 1000),
      "aria-valuemax": Math.round(to_ms / 1000),
      "aria-valuenow": Math.round(Math.max(from_ms, Math.min(to_ms, at_ms)) / 1000),
      "aria-valuetext": isLive ? "live" : instant(at_ms),
      onpointerdown: grabbed,
      onkeydown: moved,
    },
    ticks(from_ms, to_ms).map(({ ms, text }) =>
      h("span", { class: "tick", key: `tick ${ms}`, style: { left: percent(ms) } }, text),
    ),
    to_ms > time.now_ms() &&
      h("span", { class: "future", key: "future", style: { left: percent(time.now_ms()) } }),
    h("span", { class: "hand", key: "hand", style: { left: percent(at_ms) } }),
  );
}

const STEPS_MS = [
  1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400, 172800,
  604800,
].map((seconds) => 1000 * seconds);

/** Instants with round numbers, about eight. */
function ticks(from_ms, to_ms) {
  const step_ms = STEPS_MS.find((each) => (to_ms - from_ms) / each <= 8) ?? STEPS_MS.at(-1);
  const found = [];
  for (let ms = Math.ceil(from_ms / step_ms) * step_ms; ms <= to_ms; ms += step_ms) {
    // At the very ends the text would be cut off.
    const share = (ms - from_ms) / (to_ms - from_ms);
    if (share > 0.015 && share < 0.97) found.push({ ms, text: tickText(ms, step_ms) });
  }
  return found;
}

function tickText(ms, step_ms) {
  if (step_ms >= 86400000) return instant(ms).slice(5, 10);
  return step_ms >= 60000 ? clock(ms).slice(0, 5) : clock(ms);
}

function grabbed(event) {
  if (event.button !== 0) return;
  const element = event.currentTarget;
  const { from_ms, to_ms } = time.range();
  const box = element.getBoundingClientRect();
  const instantAt = (x) => {
    const share = Math.max(0, Math.min(1, (x - box.left) / box.width));
    return Math.min(time.now_ms(), from_ms + share * (to_ms - from_ms));
  };
  let asked_at = 0;
  const follow = (moving) => {
    if (performance.now() - asked_at < DRAG_MS) return;
    asked_at = performance.now();
    time.seek(instantAt(moving.clientX), { isStep: false });
  };
  const leave = (ending) => {
    element.removeEventListener("pointermove", follow);
    element.removeEventListener("pointerup", leave);
    element.removeEventListener("pointercancel", leave);
    const there = instantAt(ending.clientX);
    // At its very end the bar is live again.
    time.seek(ending.clientX >= box.right - 1 && to_ms >= time.now_ms() - 1000 ? null : there);
  };
  time.stop();
  element.setPointerCapture(event.pointerId);
  element.addEventListener("pointermove", follow);
  element.addEventListener("pointerup", leave);
  element.addEventListener("pointercancel", leave);
  follow(event);
}

/** Keys of the slider, when it has the focus. */
function moved(event) {
  const { from_ms, to_ms } = time.range();
  const here = time.at_ms() ?? time.now_ms();
  const steps = {
    ArrowLeft: -0.01,
    ArrowDown: -0.01,
    ArrowRight: 0.01,
    ArrowUp: 0.01,
    PageDown: -0.1,
    PageUp: 0.1,
  };
  if (event.key in steps) {
    const next = here + steps[event.key] * (to_ms - from_ms);
    time.seek(next >= time.now_ms() ? null : next, { isStep: false });
  } else if (event.key === "Home") time.seek(from_ms);
  else if (event.key === "End") time.seek(null);
  else return;
  event.preventDefault();
}

function laneRow(lane) {
  const { from_ms, to_ms } = time.range();
  const place = (ms) => (ms - from_ms) / (to_ms - from_ms);
  return h(
    "div",
    { class: "lane", key: `lane ${lane.name}`, role: "group", "aria-label": lane.title },
    lane.data === null ? null : lane.render(lane.data, place),
  );
}

function loadLanes() {
  const { from_ms, to_ms, isMoving } = time.range();
  for (const lane of lanes) {
    const age = Math.floor(time.now_ms() / lane.refresh_ms);
    const key = isMoving
      ? `moving ${to_ms - from_ms > 0 ? Math.round((to_ms - from_ms) / 1000) : 0} ${age}`
      : `${from_ms} ${to_ms}`;
    if (lane.key === key) continue;
    lane.key = key;
    lane.leaving?.abort();
    clearTimeout(lane.timer);
    lane.timer = setTimeout(() => loadLane(lane, from_ms, to_ms), CALM_MS);
  }
}

function loadLane(lane, from_ms, to_ms) {
  lane.leaving = new AbortController();
  const { signal } = lane.leaving;
  lane.load({ from_ms, to_ms, signal }).then(
    (data) => {
      if (signal.aborted) return;
      lane.data = data;
      draw();
    },
    () => signal.aborted || (lane.data = null), // The foot of the page says that the API is away.
  );
}
