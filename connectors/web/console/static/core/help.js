/**
 * The keys of every page, and the list of them.
 *
 * The one thing to know: `g` and a letter opens a view; views register
 * their letters.
 */

import * as address from "./address.js";
import { dialog } from "./dialog.js";
import { h } from "./dom.js";
import { allKeys, bind, listen } from "./keys.js";
import * as time from "./time.js";
import { changeSpeed, step, toggle } from "./timebar.js";
import { allViews } from "./views.js";

/** Binds them; `shown()` is what the page shows. */
export function bindKeys(whenShown, shown) {
  bind("?", "this list", showKeys);
  bind("/", "write a query", () => {
    address.go("/query");
    focusSoon("#query");
  });
  bind("l", "live", () => time.seek(null));
  bind("Space", "stand still, or play; in a live tail: pause it", () => {
    const view = shown();
    if (view?.view.space?.(view.context)) return;
    toggle(1, whenShown);
  });
  bind("b", "play backwards", () => toggle(-1, whenShown));
  bind("ArrowLeft", "one record of the log back", () => moved(-1, shown));
  bind("ArrowRight", "one record of the log on", () => moved(1, shown));
  bind("[", "slower", () => changeSpeed(-1, whenShown));
  bind("]", "faster", () => changeSpeed(1, whenShown));
  bind("Escape", "nothing selected", () => address.set({ select: null }));
  for (const view of allViews().filter((each) => each.key)) {
    bind(`g ${view.key}`, typeof view.title === "string" ? view.title : view.name, () =>
      address.go(view.path),
    );
  }
  listen();
}

/** A view may have events of its own to step along: `view.steps(direction, context)`. */
function moved(direction, shown) {
  const view = shown();
  if (view?.view.steps?.(direction, view.context)) return;
  step(direction);
}

/** Gives the focus to what the next view has, once it has it. */
function focusSoon(selector, tries = 60) {
  const found = document.querySelector(selector);
  if (found) found.focus();
  else if (tries) requestAnimationFrame(() => focusSoon(selector, tries - 1));
}

function showKeys() {
  const keys = allKeys();
  const chords = keys.filter(({ key }) => key.startsWith("g "));
  const others = keys.filter(({ key }) => !key.startsWith("g "));
  dialog({
    title: "Keys",
    content: [
      h("p", { class: "muted" }, "None of them does anything while you type in a field."),
      h("div", { class: "two" }, list("Everywhere", others), list("Go to", chords)),
    ],
  });
}

function list(title, keys) {
  return h(
    "div",
    null,
    h("h3", null, title),
    h(
      "dl",
      { class: "keys" },
      keys.map(({ key, text }) => [
        h(
          "dt",
          null,
          key.split(" ").map((each) => h("kbd", null, NAMES[each] ?? each)),
        ),
        h("dd", null, text),
      ]),
    ),
  );
}

const NAMES = { ArrowLeft: "←", ArrowRight: "→", Space: "space", Escape: "esc" };
