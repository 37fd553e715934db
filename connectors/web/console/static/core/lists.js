/**
 * Pages that are made of lists: each list is a path of the API and its columns.
 *
 * The one thing to know: a list that cannot be loaded says so in its own place, and the others of
 * the page stand.
 */

import { Failure } from "./api.js";
import { empty, failed, section } from "./parts.js";
import { table } from "./table.js";
import { register } from "./views.js";

/**
 * Registers a page of `lists`: `{title, path, rows(answer), columns(context, answer), key(row),
 * blank, blankThen, aside(answer, context), before(answer, context)}`; all else is the view's.
 */
export function registerLists({ lists, refresh_ms = 4000, ...view }) {
  register({
    refresh_ms,
    selections: ["sort"],
    ...view,
    load: (context) => Promise.all(lists.map((list) => loaded(list, context))),
    render: (answers, context) => lists.map((list, index) => part(list, answers[index], context)),
  });
}

async function loaded(list, context) {
  try {
    return await context.get(list.path, list.parameters ?? {});
  } catch (error) {
    if (error instanceof Failure) return { failure: error };
    throw error;
  }
}

function part(list, answer, context) {
  if (answer.failure)
    return section(
      list.title,
      { key: list.title },
      failed(answer.failure, () => context.refresh()),
    );
  const rows = list.rows ? list.rows(answer) : answer.items;
  return section(
    list.title,
    { key: list.title, aside: list.aside?.(answer, context) },
    list.before?.(answer, context),
    list.columns &&
      table({
        label: list.title,
        rows,
        key: list.key,
        columns: list.columns(context, answer),
        sorted: context.query("sort"),
        onSort: (sort) => context.set({ sort }),
        blank: empty(list.blank, list.blankThen),
      }),
  );
}

/** A column of plain text. */
export function text(name, title, of, attributes = {}) {
  return { name, title, cell: (row) => of(row) ?? "", sort: (row) => of(row) ?? "", ...attributes };
}

/** A column of numbers. */
export function number(name, title, of, shown = (value) => value) {
  return {
    name,
    title,
    isNumber: true,
    cell: (row) => shown(of(row)) ?? "",
    sort: (row) => of(row) ?? 0,
  };
}
