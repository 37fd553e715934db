/**
 * Colours of charts, from the theme's variables, and what stands beside colour for those who see
 * few of them: dashes of lines, patterns of bars, shapes on the map.
 *
 * The one thing to know: a colour is read when something is drawn, never kept, and charts are drawn
 * again when the reader's preference changes.
 */

/** Dashes of lines, in the order of `--series-1` and on: a line is known without its colour. */
export const DASHES = [[], [7, 4], [2, 3], [10, 3, 2, 3], [5, 2], [1, 2]];

/** The value of a variable of the theme. */
export function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

/** The colour of the series with this number, from 0. */
export function seriesColour(number) {
  return colour(`--series-${(number % 6) + 1}`);
}

/** The colours of a scale of amounts, from little to much; lightness alone tells them apart. */
export function ramp(name = "load") {
  return [0, 1, 2, 3, 4, 5, 6, 7, 8, 9].map((step) => colour(`--${name}-${step}`));
}

/** Colours of levels, from the gravest on. */
export const LEVEL_COLOURS = {
  critical: "--level-critical",
  error: "--level-error",
  warning: "--level-warning",
  info: "--level-info",
  debug: "--level-debug",
  none: "--level-none",
};

const listeners = new Set();

/** Calls `listener()` when the theme changes; answers a function that ends it. */
export function onTheme(listener) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
  for (const listener of listeners) listener();
});
