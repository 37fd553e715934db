/**
 * The table under a chart: the same numbers, for people who do not see the drawing.
 *
 * The one thing to know: it is made when it is opened, so ten thousand rows cost nothing before.
 */

import { clear, h, render } from "../core/dom.js";
import { table } from "../core/table.js";

const open = new WeakMap();

/** A folded table of `rows()`; `columns` are as `core/table.js` takes them. */
export function under(label, columns, rows, options = {}) {
  return h("div", {
    class: "under",
    key: `under ${label}`,
    widget: WIDGET,
    data: { label, columns, rows, options },
  });
}

const WIDGET = {
  mount(element, data) {
    open.set(element, false);
    this.update(element, data);
  },
  update(element, data) {
    const isOpen = open.get(element);
    const flip = () => {
      open.set(element, !open.get(element));
      this.update(element, data);
    };
    render(
      element,
      h(
        "button",
        {
          type: "button",
          class: "fold",
          key: "fold",
          "aria-expanded": String(isOpen),
          onclick: flip,
        },
        `${isOpen ? "Hide" : "Show"} the numbers: ${data.label}`,
      ),
      isOpen &&
        table({ label: data.label, columns: data.columns, rows: data.rows(), ...data.options }),
    );
  },
  unmount(element) {
    open.delete(element);
    clear(element);
  },
};
