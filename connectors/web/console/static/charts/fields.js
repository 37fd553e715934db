/**
 * Fields of answers by the names that dashboards use, and values in the words of their units.
 *
 * The one thing to know: a flat name wins, else dots descend; values of strangers become text here
 * and nowhere else.
 */

import { count, duration, instant, mebibytes } from "../core/words.js";

/** The field of a row; undefined where there is none. */
export function fieldOf(row, name) {
  if (row === null || typeof row !== "object" || !name) return undefined;
  if (Object.hasOwn(row, name)) return row[name];
  return name
    .split(".")
    .reduce(
      (value, part) =>
        value !== null && typeof value === "object" && Object.hasOwn(value, part)
          ? value[part]
          : undefined,
      row,
    );
}

/** The field as a number; null where it is none. */
export function numberOf(row, name) {
  const value = fieldOf(row, name);
  const number = typeof value === "string" && value.trim() ? Number(value) : value;
  return typeof number === "number" && Number.isFinite(number) ? number : null;
}

/** The field as milliseconds since 1970; null where it is no time. */
export function timeOf(row, name) {
  const value = fieldOf(row, name);
  if (typeof value === "number") return value;
  const parsed = Date.parse(value);
  return Number.isNaN(parsed) ? null : parsed;
}

/**
 * The items of an answer: the list that `place` names ("": the answer itself); the entries of an
 * object as `{key, value}`; columns of one length as rows.
 */
export function itemsOf(answer, place, names) {
  const found = place ? fieldOf(answer, place) : answer;
  if (Array.isArray(found)) return found;
  if (found === null || typeof found !== "object") return [];
  const columns = names.map((name) => fieldOf(found, name));
  if (
    columns.length &&
    columns.every(Array.isArray) &&
    columns.every((each) => each.length === columns[0].length)
  ) {
    return columns[0].map((_, row) =>
      Object.fromEntries(names.map((name, place_) => [name, columns[place_][row]])),
    );
  }
  return Object.entries(found).map(([key, value]) => ({ key, value }));
}

/** A function that says values of a unit in words. */
export function wordsOf(unit) {
  if (unit === "ms")
    return (value) =>
      value === null || value === undefined || value === 0
        ? ""
        : value > 1e11
          ? instant(value)
          : duration(value);
  if (unit === "bytes")
    return (value) => (value === null || value === undefined ? "" : mebibytes(value / 1048576));
  if (unit === "ppm") return (value) => (numeric(value) ? `${rounded(value / 10_000)} %` : "");
  if (unit === "%") return (value) => `${rounded(value)} %`;
  return rounded;
}

const numeric = (value) => typeof value === "number";

function rounded(value) {
  if (!numeric(value)) return textOf(value);
  return Number.isInteger(value) ? count(value) : count(Number(value.toPrecision(4)));
}

/** Any value as text. */
export function textOf(value) {
  if (value === null || value === undefined) return "";
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}
