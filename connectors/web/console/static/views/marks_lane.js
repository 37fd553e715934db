/**
 * The lane below the time bar: what fell ill, went, was elected or ordered; `n` and `p` jump along.
 *
 * The one thing to know: a mark's shape says its grade as its colour does: a diamond is grave, a
 * triangle notable, a dot somebody's order. Jumping shows the state right after the event.
 */

import * as address from "../core/address.js";
import { get } from "../core/api.js";
import { h, svg } from "../core/dom.js";
import { bind } from "../core/keys.js";
import { say } from "../core/say.js";
import * as time from "../core/time.js";
import { registerLane } from "../core/timebar.js";
import { instant, rfc3339, several } from "../core/words.js";

const SHAPES = {
  grave: "M6 0l6 6-6 6-6-6z",
  notable: "M6 1l5.5 10H.5z",
  change: "M6 2.5a3.5 3.5 0 100 7 3.5 3.5 0 000-7z",
};
const GRADES = ["change", "notable", "grave"];
/** Marks that are nearer than this share of the bar are drawn as one. */
const NEAR = 0.006;

let known = { marks: [], dropped: 0 };

registerLane({
  name: "marks",
  title: "Marks: n and p jump to the next and the one before",
  refresh_ms: 10000,
  load: async ({ from_ms, to_ms, signal }) => {
    const to = to_ms >= time.now_ms() - 1000 ? "now" : rfc3339(to_ms);
    known = await get("/api/flumina/glance/marks", { from: rfc3339(from_ms), to }, { signal });
    return known;
  },
  render: (data, place) => {
    const here = chosen(data.marks);
    return [
      h(
        "div",
        { class: "marks", key: "marks" },
        data.marks.length
          ? groups(data.marks, place).map((group) => flag(group, here))
          : h("span", { class: "none" }, "no marks in this range"),
      ),
      h("div", { class: "marks-line", key: "line" }, here ? told(here, data) : counted(data)),
    ];
  },
});

bind("n", "the next mark of the lane", () => jump(1));
bind("p", "the mark of the lane before", () => jump(-1));

/** One event can be several marks: what a detector said, and what became of the host. */
const keyOf = (mark) => `${mark.address} ${mark.what} ${mark.subject}`;

/** The mark at the instant that is looked at: the one that was jumped to, or the last one there. */
function chosen(marks) {
  const at = time.at_ms();
  if (at === null) return null;
  const named = address.here().query.get("mark");
  const there = marks.filter((mark) => mark.atMs === at);
  return there.find((mark) => keyOf(mark) === named) ?? there.at(-1) ?? null;
}

function groups(marks, place) {
  const found = [];
  for (const mark of marks) {
    const share = place(mark.atMs);
    if (share < 0 || share > 1) continue;
    const last = found.at(-1);
    if (last && share - last.share < NEAR) {
      last.marks.push(mark);
      if (GRADES.indexOf(mark.grade) > GRADES.indexOf(last.grade)) last.grade = mark.grade;
    } else found.push({ share, marks: [mark], grade: mark.grade });
  }
  return found;
}

function flag({ share, marks, grade }, here) {
  const first = marks[0];
  const label =
    marks.length > 1 ? `${several(marks.length, "mark")}, the first: ${first.text}` : first.text;
  return h(
    "button",
    {
      type: "button",
      key: keyOf(first),
      class: `mark ${grade}`,
      style: { left: `${100 * share}%` },
      title: `${instant(first.atMs)} ${label}`,
      "aria-label": `${instant(first.atMs)} ${label}`,
      "aria-pressed": String(marks.includes(here)),
      onclick: () => go(first),
    },
    svg(
      "svg",
      { viewBox: "0 0 12 12", "aria-hidden": "true", focusable: "false" },
      svg("path", { d: SHAPES[grade] }),
    ),
  );
}

function told(mark, data) {
  const number = data.marks.indexOf(mark) + 1;
  return [
    h("b", null, `${number} of ${data.marks.length}`),
    h("span", { class: "text", title: mark.text }, mark.text),
    mark.kind === "host" &&
      h("a", { href: address.link(address.path("hosts", mark.subject)) }, "host"),
    mark.kind === "task" &&
      h("a", { href: address.link(`${address.path("tasks", mark.subject)}/timeline`) }, "timeline"),
  ];
}

function counted(data) {
  const parts = GRADES.toReversed()
    .map(
      (grade) =>
        data.counts?.[grade] && `${data.counts[grade]} ${grade === "change" ? "ordered" : grade}`,
    )
    .filter(Boolean);
  const left = data.dropped ? `, ${data.dropped} not shown` : "";
  return h(
    "span",
    { class: "text" },
    parts.length ? `${parts.join(", ")}${left}; n and p jump` : "",
  );
}

/** Goes to the next mark behind (1) or before (-1) the one that is looked at. */
function jump(direction) {
  const { marks } = known;
  const here = chosen(marks);
  const at = time.at_ms() ?? Infinity;
  let next;
  if (here) next = marks[marks.indexOf(here) + direction];
  else if (direction > 0) next = marks.find((mark) => mark.atMs > at);
  else next = marks.findLast((mark) => mark.atMs < at);
  if (next) go(next);
  else
    say(
      direction > 0
        ? "There is no later mark in this range."
        : "There is no earlier mark in this range.",
    );
}

function go(mark) {
  time.stop();
  time.seek(mark.atMs);
  address.set({ mark: keyOf(mark) });
  say(`${instant(mark.atMs)}: ${mark.text}`);
}
