/**
 * The list of views at the side.
 *
 * The one thing to know: it is made of what views said of themselves when they registered.
 */

import * as address from "./address.js";
import { h, render } from "./dom.js";
import { allViews, viewOf } from "./views.js";

/** Shows the list in `holder` and keeps it at the address. */
export function showNavigation(holder) {
  const draw = () => render(holder, brand(), ...sections());
  address.onChange(draw);
  draw();
}

function brand() {
  return h("a", { class: "brand", href: address.link("/"), key: "brand" }, "flumina");
}

function sections() {
  const listed = allViews().filter((view) => view.section);
  const names = [...new Set(listed.map((view) => view.section))];
  const current = viewOf(address.here().path)?.view;
  return names.map((name) =>
    h(
      "div",
      { key: name },
      h("h2", null, name),
      h(
        "ul",
        null,
        listed.filter((view) => view.section === name).map((view) => entry(view, current)),
      ),
    ),
  );
}

function entry(view, current) {
  const isCurrent = view === current || view.name === current?.under;
  return h(
    "li",
    { key: view.name },
    h(
      "a",
      {
        href: address.link(view.path),
        "aria-current": isCurrent ? "page" : null,
        title: view.key ? `g ${view.key}` : null,
      },
      view.title,
    ),
  );
}
