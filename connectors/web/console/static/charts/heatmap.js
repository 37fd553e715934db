/**
 * Thousands of hosts as squares on a canvas, in blocks, with colour for an amount and a shape for
 * what is the matter.
 *
 * The one thing to know: a square is known without its colour: its shape, its number where there
 * is room for one, its place in the table below, and what the line under the map says of it.
 */

import { clear, h } from "../core/dom.js";
import { colour, onTheme, ramp } from "./palette.js";

const GAP_PX = 1;
const SIZE_MAX = 34;
const SIZE_MIN = 4;
const BLOCK_GAP_PX = 14;
const LABEL_PX = 17;
/** From this size on a square has its number written in it. */
const NUMBER_PX = 21;

/** What is the matter, with the shape that says so; the first of them that is so is drawn. */
export const SHAPES = ["cross", "bar", "chevron", "triangle", "ring", "dot"];

const maps = new WeakMap();

/**
 * A map: `{label, blocks, share, mark, number, text, selected, onSelect, onOpen}`
 * - `blocks`: `[{name, items}]`, items are numbers of rows
 * - `share(item)`: 0 to 1, or null where it is not known; `mark(item)`: a word of `SHAPES`, or ""
 * - `number(item)`: two characters or so; `text(item)`: the sentence under the map
 * - `room`: its height, about; left out: most of the window's
 * - `ramp`: `load` or `score`; `dimmed(item)`: does not fit what is searched for
 */
export function heatmap(data) {
  return h("div", { class: "heatmap", key: "heatmap", widget: WIDGET, data });
}

const WIDGET = {
  mount(element, data) {
    const own = {
      data,
      spots: [],
      blocks: [],
      size: 0,
      hovered: null,
      holder: document.createElement("div"),
      canvas: document.createElement("canvas"),
      line: document.createElement("p"),
    };
    maps.set(element, own);
    own.line.className = "readout";
    own.line.setAttribute("aria-live", "polite");
    own.canvas.tabIndex = 0;
    own.canvas.setAttribute("role", "img");
    own.holder.append(own.canvas);
    element.append(own.holder, own.line);
    own.canvas.addEventListener("pointermove", (event) => hover(own, itemAt(own, event)));
    own.canvas.addEventListener("pointerleave", () => hover(own, null));
    own.canvas.addEventListener("click", (event) => choose(own, itemAt(own, event)));
    own.canvas.addEventListener("keydown", (event) => moved(own, event));
    own.element = element;
    own.observer = new ResizeObserver(
      () => own.holder.clientWidth !== own.width && paint(element, own),
    );
    own.observer.observe(own.holder);
    own.off = onTheme(() => paint(element, own));
    paint(element, own);
  },
  update(element, data) {
    const own = maps.get(element);
    own.data = data;
    paint(element, own);
  },
  unmount(element) {
    const own = maps.get(element);
    own?.observer.disconnect();
    own?.off();
    maps.delete(element);
    clear(element);
  },
};

function paint(element, own) {
  const began = performance.now();
  const { data, canvas } = own;
  own.width = own.holder.clientWidth;
  if (!own.width) return;
  layOut(own);
  const ratio = Math.min(2, window.devicePixelRatio || 1);
  canvas.width = Math.round(own.width * ratio);
  canvas.height = Math.round(own.height * ratio);
  canvas.style.setProperty("width", `${own.width}px`);
  canvas.style.setProperty("height", `${own.height}px`);
  canvas.setAttribute("aria-label", data.label);
  const context = canvas.getContext("2d");
  context.scale(ratio, ratio);
  names(context, own);
  squares(context, own);
  marks(context, own);
  if (own.size >= NUMBER_PX) numbers(context, own);
  outline(context, own);
  tell(own);
  // Tests hold this against what the reference promises of ten thousand hosts.
  element.dataset.paintMs = (performance.now() - began).toFixed(1);
  element.dataset.squares = String(own.spots.length);
}

/** The largest size by which all blocks stand in about a screen's height. */
function layOut(own) {
  const room = own.data.room ?? Math.max(320, Math.min(760, innerHeight - 330));
  const total = own.data.blocks.reduce((sum, block) => sum + block.items.length, 0);
  let size = Math.floor(Math.sqrt((own.width * room) / Math.max(1, total)));
  size = Math.max(SIZE_MIN, Math.min(SIZE_MAX, size));
  while (size > SIZE_MIN && heightFor(own, size) > room) size -= 1;
  own.size = size;
  own.spots = [];
  own.blocks = [];
  own.height = placed(own, size, own.spots, own.blocks);
}

const heightFor = (own, size) => placed(own, size, null, null);

/** Small blocks stand beside each other; answers the height, and notes where everything is. */
function placed(own, size, spots, blocks) {
  const across = Math.max(1, Math.floor((own.width + GAP_PX) / size));
  let [x, y, lowest] = [0, 0, 0];
  for (const block of own.data.blocks) {
    const many = block.items.length;
    const least = Math.ceil(Math.min(own.width, 7 * block.name.length + 60) / size);
    // Large blocks take the whole width; small ones stand beside each other.
    const wanted = many > 3 * across ? across : Math.ceil(Math.sqrt(many) * 1.9);
    const columns = Math.min(across, Math.max(least, Math.min(many, wanted)));
    const width = columns * size;
    if (x > 0 && x + width > own.width) [x, y] = [0, lowest + BLOCK_GAP_PX];
    blocks?.push({ name: block.name, many, x, y });
    if (spots) {
      block.items.forEach((item, place) => {
        spots.push({
          item,
          x: x + (place % columns) * size,
          y: y + LABEL_PX + Math.floor(place / columns) * size,
        });
      });
    }
    lowest = Math.max(lowest, y + LABEL_PX + Math.ceil(many / columns) * size);
    x += width + BLOCK_GAP_PX;
  }
  return Math.max(lowest, 40);
}

function names(context, own) {
  context.fillStyle = colour("--muted");
  context.font = "11px system-ui, sans-serif";
  context.textBaseline = "alphabetic";
  for (const block of own.blocks)
    context.fillText(`${block.name} (${block.many})`, block.x, block.y + 12);
}

/** Squares of one colour are one path: ten colours, and not ten thousand fills. */
function squares(context, own) {
  const { data, size } = own;
  const colours = ramp(data.ramp);
  const paths = new Map();
  for (const spot of own.spots) {
    const share = data.share(spot.item);
    const step = share === null ? "unknown" : Math.max(0, Math.min(9, Math.floor(share * 10)));
    const key = data.dimmed?.(spot.item) ? "dimmed" : step;
    if (!paths.has(key)) paths.set(key, new Path2D());
    const inset = key === "dimmed" ? size / 3 : 0;
    paths
      .get(key)
      .rect(spot.x + inset, spot.y + inset, size - GAP_PX - 2 * inset, size - GAP_PX - 2 * inset);
  }
  for (const [key, path] of paths) {
    context.fillStyle =
      key === "unknown" ? colour("--raised") : key === "dimmed" ? colour("--line") : colours[key];
    context.fill(path);
    if (key === "unknown") {
      context.strokeStyle = colour("--line");
      context.lineWidth = 1;
      context.stroke(path);
    }
  }
}

/** Shapes are drawn twice, wide in the ground's colour below, so that they stand out on any. */
function marks(context, own) {
  const { data, size } = own;
  const path = new Path2D();
  for (const spot of own.spots) {
    const shape = data.mark(spot.item);
    if (shape && !data.dimmed?.(spot.item)) traced(path, shape, spot.x, spot.y, size - GAP_PX);
  }
  context.lineCap = "round";
  context.lineJoin = "round";
  for (const [stroke, width] of [
    [colour("--surface"), Math.max(2.5, size / 5)],
    [colour("--text"), Math.max(1.2, size / 11)],
  ]) {
    context.strokeStyle = stroke;
    context.lineWidth = width;
    context.stroke(path);
  }
}

/** Adds a shape to a path; `side` is that of its square. */
export function traced(path, shape, x, y, side) {
  const [left, right, top, bottom] = [
    x + side * 0.25,
    x + side * 0.75,
    y + side * 0.25,
    y + side * 0.75,
  ];
  const [middle, centre] = [x + side / 2, y + side / 2];
  if (shape === "cross") {
    (path.moveTo(left, top),
      path.lineTo(right, bottom),
      path.moveTo(right, top),
      path.lineTo(left, bottom));
  } else if (shape === "bar") {
    (path.moveTo(left, centre), path.lineTo(right, centre));
  } else if (shape === "chevron") {
    (path.moveTo(left, top), path.lineTo(middle, bottom), path.lineTo(right, top));
  } else if (shape === "triangle") {
    (path.moveTo(middle, top),
      path.lineTo(right, bottom),
      path.lineTo(left, bottom),
      path.closePath());
  } else if (shape === "ring") {
    (path.moveTo(right, centre), path.arc(middle, centre, side * 0.25, 0, 2 * Math.PI));
  } else {
    (path.moveTo(middle + side * 0.08, centre),
      path.arc(middle, centre, side * 0.08, 0, 2 * Math.PI));
  }
}

function numbers(context, own) {
  const { data, size } = own;
  context.font = `${Math.min(11, Math.floor(size / 2.4))}px system-ui, sans-serif`;
  context.textAlign = "center";
  context.textBaseline = "middle";
  for (const spot of own.spots) {
    const share = data.share(spot.item);
    if (share === null || data.mark(spot.item)) continue;
    context.fillStyle = colour(share >= 0.5 ? "--load-on-dark" : "--load-on-light");
    context.fillText(
      data.number(spot.item),
      spot.x + (size - GAP_PX) / 2,
      spot.y + (size - GAP_PX) / 2,
    );
  }
  context.textAlign = "start";
}

function outline(context, own) {
  const item = own.hovered ?? own.data.selected;
  const spot =
    item === null || item === undefined ? null : own.spots.find((each) => each.item === item);
  if (!spot) return;
  const side = own.size - GAP_PX;
  context.strokeStyle = colour("--text");
  context.lineWidth = 2;
  context.strokeRect(spot.x - 1, spot.y - 1, side + 2, side + 2);
}

function itemAt(own, event) {
  const found = own.spots.find(
    (spot) =>
      event.offsetX >= spot.x &&
      event.offsetX < spot.x + own.size &&
      event.offsetY >= spot.y &&
      event.offsetY < spot.y + own.size,
  );
  return found ? found.item : null;
}

function hover(own, item) {
  if (own.hovered === item) return;
  own.hovered = item;
  own.canvas.style.setProperty("cursor", item === null ? "default" : "pointer");
  paint(own.element, own);
}

function choose(own, item) {
  if (item === null) return;
  if (own.data.selected === item) own.data.onOpen(item);
  else own.data.onSelect(item);
}

/** Arrows go from square to square, Enter opens. */
function moved(own, event) {
  const { data, spots, size } = own;
  const place = spots.findIndex((spot) => spot.item === data.selected);
  const here = spots[place];
  let next = null;
  if (event.key === "Enter" && here) data.onOpen(here.item);
  else if (!here) next = spots[0];
  else if (event.key === "ArrowRight") next = spots[place + 1];
  else if (event.key === "ArrowLeft") next = spots[place - 1];
  else if (event.key === "ArrowDown")
    next = nearest(spots, here, (spot) => spot.y > here.y + size / 2);
  else if (event.key === "ArrowUp")
    next = nearest(spots, here, (spot) => spot.y < here.y - size / 2);
  if (!event.key.startsWith("Arrow") && event.key !== "Enter") return;
  event.preventDefault();
  event.stopPropagation();
  if (next) data.onSelect(next.item);
}

function nearest(spots, here, isThere) {
  let best = null;
  for (const spot of spots) {
    if (!isThere(spot)) continue;
    const distance = Math.abs(spot.y - here.y) * 4 + Math.abs(spot.x - here.x);
    if (!best || distance < best.distance) best = { distance, spot };
  }
  return best?.spot ?? null;
}

function tell(own) {
  const item = own.hovered ?? own.data.selected;
  const text = item === null || item === undefined ? (own.data.hint ?? "") : own.data.text(item);
  if (own.line.textContent !== text) own.line.textContent = text;
}

/** What colours and shapes mean: `steps` of the scale in words, `shapes` as `[shape, words]`. */
export function legend(name, low, high, shapes) {
  return h(
    "div",
    { class: "map-legend" },
    h("span", null, low),
    h(
      "span",
      { class: "steps", "aria-hidden": "true" },
      [0, 1, 2, 3, 4, 5, 6, 7, 8, 9].map((step) =>
        h("i", { style: { background: `var(--${name}-${step})` } }),
      ),
    ),
    h("span", null, high),
    shapes.map(([shape, words]) =>
      h(
        "span",
        { class: "shape", key: shape },
        h("span", { class: "sign", widget: SIGN, data: shape }),
        words,
      ),
    ),
  );
}

const SIGN = {
  mount(element, shape) {
    const canvas = document.createElement("canvas");
    canvas.width = canvas.height = 32;
    canvas.setAttribute("aria-hidden", "true");
    element.append(canvas);
    const draw = () => {
      const context = canvas.getContext("2d");
      context.clearRect(0, 0, 32, 32);
      const path = new Path2D();
      traced(path, shape, 0, 0, 32);
      context.lineWidth = 3.5;
      context.lineCap = context.lineJoin = "round";
      context.strokeStyle = colour("--text");
      context.stroke(path);
    };
    signs.set(element, onTheme(draw));
    draw();
  },
  update() {},
  unmount(element) {
    signs.get(element)?.();
    signs.delete(element);
  },
};

const signs = new WeakMap();
