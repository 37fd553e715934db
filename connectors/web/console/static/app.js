/**
 * The console: one page, whose address says what it shows.
 *
 * The one thing to know: a view is loaded and rendered here and nowhere else. When the address
 * changes, what was asked for before is dropped, so an old answer can never overwrite a new one.
 */

import * as address from "./core/address.js";
import { enter, showLogin } from "./core/access.js";
import { Failure, get, getText } from "./core/api.js";
import { h, render } from "./core/dom.js";
import { bindKeys } from "./core/help.js";
import { showNavigation } from "./core/navigation.js";
import { failed, loading } from "./core/parts.js";
import { say } from "./core/say.js";
import { showStanding } from "./core/standing.js";
import * as time from "./core/time.js";
import { showTimeBar } from "./core/timebar.js";
import { titleOf, viewOf } from "./core/views.js";
import "./views/all.js";

export { register } from "./core/views.js";

const main = document.getElementById("main");

/** What is shown: view, context, data, failure of the last refresh, and the timer of the next. */
let shown = null;
/** Resolved when the view has shown the address, or failed to. */
let settled = Promise.resolve();

function show() {
  const { path, query } = address.here();
  const found = viewOf(path);
  if (!found) return showNothing(path);
  const { view, parameters } = found;
  const key = loadKey(view, path, query);
  if (shown?.key === key) {
    draw(); // Only a selection changed.
    return;
  }
  const isNew = shown?.path !== path;
  leave();
  const data = isNew ? undefined : shown?.data;
  shown = { key, path, view, data, failure: null, timer: 0, isStale: true };
  main.setAttribute("aria-busy", "true");
  shown.context = contextOf(view, parameters, query);
  document.title = `${titleOf(view, parameters)} · flumina`;
  if (isNew) {
    main.scrollTop = 0;
    say(titleOf(view, parameters));
  }
  settled = load();
}

/** What of the address makes a view load again. */
function loadKey(view, path, query) {
  const wanted = new URLSearchParams(query);
  for (const name of view.selections) wanted.delete(name);
  return `${path}?${wanted}`;
}

function leave() {
  if (!shown) return;
  clearTimeout(shown.timer);
  shown.context.leaving.abort();
  if (shown.path !== address.here().path) shown.view.leave?.(shown.context);
}

function contextOf(view, parameters, query) {
  const leaving = new AbortController();
  const { signal } = leaving;
  const at = query.get("at");
  return {
    name: view.name,
    parameters,
    /** The instant that is looked at, as the API reads it; null while live. */
    at,
    /** The same in milliseconds; while live it is now. */
    get at_ms() {
      return time.at_ms() ?? time.now_ms();
    },
    isLive: at === null,
    /** `{from_ms, to_ms}` of the time bar. */
    get range() {
      return time.range();
    },
    /** A word of the address's query. */
    query: (name, otherwise = "") => address.here().query.get(name) ?? otherwise,
    /** Writes words of the address's query; null takes one out. */
    set: (changes, options) => address.set(changes, options),
    /** GET as the cell is at the instant that is looked at. */
    get: (path, wanted = {}) => get(path, at === null ? wanted : { at, ...wanted }, { signal }),
    /** GET of what has no instant. */
    ask: (path, wanted = {}) => get(path, wanted, { signal }),
    askText: (path, wanted = {}) => getText(path, wanted, { signal }),
    /** Loads again at once. */
    refresh: () => load(),
    /** Renders again what is loaded. */
    redraw: () => draw(),
    say,
    signal,
    leaving,
  };
}

async function load() {
  const own = shown;
  clearTimeout(own.timer);
  if (own.data === undefined) draw();
  try {
    await time.learn(own.context.signal);
    const data = await own.view.load(own.context);
    if (own !== shown) return;
    Object.assign(own, { data, failure: null, isStale: false });
  } catch (error) {
    if (own !== shown || own.context.signal.aborted) return;
    own.failure = error instanceof Failure ? error : broken(error);
    // What is still there is of another instant, or was asked for otherwise.
    if (own.isStale) own.data = undefined;
  }
  draw();
  plan(own);
}

/** Loads again after a while, as long as the page is live and somebody can see it. */
function plan(own) {
  if (own.timer) clearTimeout(own.timer);
  if (!own.view.refresh_ms || (own.context.at !== null && !own.failure)) return;
  own.timer = setTimeout(() => {
    if (own !== shown) return;
    if (document.hidden) plan(own);
    else load();
  }, own.view.refresh_ms);
}

function draw() {
  const { view, context, data, failure, isStale } = shown;
  const title = h("h1", { key: "title" }, titleOf(view, context.parameters));
  main.dataset.view = view.name;
  main.setAttribute("aria-busy", String(isStale && !failure));
  if (data === undefined) {
    const instead = failure
      ? failed(failure, () => context.refresh())
      : loading(`Loading ${titleOf(view, context.parameters)}`);
    render(main, title, instead);
    return;
  }
  try {
    const nodes = view.render(data, context);
    render(main, view.hasOwnTitle ? null : title, failure && banner(failure, context), nodes);
  } catch (error) {
    render(
      main,
      title,
      failed(broken(error), () => context.refresh()),
    );
  }
}

/** What is shown above data that are still there when a refresh failed. */
function banner(failure, context) {
  return h(
    "div",
    { class: "banner bad", role: "alert", key: "banner" },
    h("span", null, `What you see may be old. ${failure.message} ${failure.remedy}`),
    h("button", { type: "button", onclick: () => context.refresh() }, "Try again"),
  );
}

/** A mistake of this page, told like any other fault; the browser's console has its place. */
function broken(error) {
  console.error(error);
  return new Failure(`This page made a mistake: ${error.message}`, {
    remedy: "Reload it. If it comes again, the browser's console has what to report.",
  });
}

function showNothing(path) {
  leave();
  shown = null;
  document.title = "No such page · flumina";
  render(
    main,
    h("h1", null, "No such page"),
    h("p", null, "Nothing is shown at ", h("code", null, path), ". "),
    h("p", null, h("a", { href: address.link("/") }, "To the overview")),
  );
}

/** A promise that the view has shown what the address says, for whoever plays. */
const whenShown = () => settled;

document.getElementById("skip").addEventListener("click", (event) => {
  event.preventDefault(); // The part behind the # is the view's.
  main.focus();
});
function begin() {
  showNavigation(document.getElementById("navigation"));
  showTimeBar(document.getElementById("time"), whenShown);
  showStanding(document.getElementById("standing"));
  address.onChange(show);
  show();
}

// Before it is known who looks: a key pressed in the first instant is meant as well.
bindKeys(whenShown, () => shown);
enter().then((isIn) => (isIn ? begin() : showLogin(main)));
