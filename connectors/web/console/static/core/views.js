/**
 * The views that there are, and which one an address means.
 *
 * The one thing to know: a module under `views/` calls `register` once, when it is imported by
 * `views/all.js`; nothing else knows a view by name.
 */

const views = [];

/**
 * Makes a view known:
 * - `name`: its word, unique; `title`: what it is called, a text or a function of its parameters
 * - `path`: `/jobs/:id`; parts with a colon are `context.parameters`, decoded
 * - `key`: the letter behind `g` that opens it; `section`: the heading of the navigation that it
 *   stands under (left out: it stands nowhere); `order`: its place there
 * - `summary`: a sentence about what it shows, for the list of keys and the empty page
 * - `refresh_ms`: how often it is loaded again while live (2,000; 0: never)
 * - `load(context)`: its data, a promise; `render(data, context)`: nodes. Both see `context.at`.
 * - `selections`: names of the query whose change renders again and does not load again
 */
export function register(view) {
  if (views.some((each) => each.name === view.name)) throw new Error(`two views: ${view.name}`);
  const parts = view.path.split("/").filter(Boolean);
  views.push({ refresh_ms: 2000, order: 50, selections: [], ...view, parts });
}

/** All views, in the order of the navigation. */
export function allViews() {
  return [...views].sort((one, other) => one.order - other.order);
}

/** The view of a path and its parameters; null where there is none. */
export function viewOf(path) {
  const parts = path.split("/").filter(Boolean).map(decoded);
  const fitting = views.filter((view) => fits(view, parts));
  // A path that is written out wins over one with a parameter.
  const view = fitting.sort((one, other) => parametersIn(one) - parametersIn(other))[0];
  if (!view) return null;
  const parameters = {};
  view.parts.forEach((part, index) => {
    if (part.startsWith(":")) parameters[part.slice(1)] = parts[index];
  });
  return { view, parameters };
}

/** What a view is called, with these parameters. */
export function titleOf(view, parameters) {
  return typeof view.title === "function" ? view.title(parameters) : view.title;
}

const parametersIn = (view) => view.parts.filter((part) => part.startsWith(":")).length;

const fits = (view, parts) =>
  view.parts.length === parts.length &&
  view.parts.every((part, index) => part.startsWith(":") || part === parts[index]);

function decoded(part) {
  try {
    return decodeURIComponent(part);
  } catch {
    return part; // A lone percent sign is somebody's typing, and means itself.
  }
}
