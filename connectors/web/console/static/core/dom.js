/**
 * Elements made of text, and patched in place.
 *
 * The one thing to know: text only ever becomes a text node, and no function here takes markup, so
 * whatever a log line or a job's name holds is shown as it is and can run nothing.
 */

const SVG = "http://www.w3.org/2000/svg";

/** What belongs to an element and stands in no attribute: its handlers, its key, its widget. */
const extras = new WeakMap();

/** Attributes that say only how a field began; how it stands is the property of the same name. */
const PROPERTIES = new Set(["checked", "selected", "disabled", "open"]);

const extrasOf = (node) => extras.get(node) ?? { handlers: {}, key: undefined, widget: undefined };

/**
 * An element. `attributes` may be null; of them
 * - `onclick` and other `on…` are functions,
 * - `style` is an object of CSS properties (a text would need a laxer content security policy),
 * - `key` makes an element of a list the same one at its next rendering,
 * - `widget` is `{mount(element, data), update(element, data), unmount(element)}`: it owns the
 *   element's children, and `data` is what it is given,
 * - true is an attribute without value; null, undefined and false are none.
 * Children are nodes, texts, numbers, lists of those; null, undefined and false are nothing.
 */
export function h(tag, attributes, ...children) {
  return made(document.createElement(tag), attributes, children);
}

/** The same for a drawing. */
export function svg(tag, attributes, ...children) {
  return made(document.createElementNS(SVG, tag), attributes, children);
}

function made(element, attributes, children) {
  const extra = {
    handlers: {},
    key: undefined,
    widget: undefined,
    data: undefined,
    class: attributes?.class,
  };
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (name === "key" || name === "widget" || name === "data") extra[name] = value;
    else if (name.startsWith("on")) {
      if (typeof value === "function") extra.handlers[name] = element[name] = value;
    } else if (name === "style") {
      for (const [property, text] of Object.entries(value ?? {})) {
        element.style.setProperty(property, String(text));
      }
    } else if (value === true) element.setAttribute(name, "");
    else if (value !== null && value !== undefined && value !== false) {
      element.setAttribute(name, String(value));
    }
  }
  extras.set(element, extra);
  element.append(...flat(children));
  return element;
}

function flat(children) {
  return children
    .flat(Infinity)
    .filter((child) => child !== null && child !== undefined && child !== false && child !== "")
    .map((child) => (child instanceof Node ? child : document.createTextNode(String(child))));
}

/**
 * Makes `holder` hold these nodes. What was there and is still the same stays, with its focus, its
 * scroll position and what somebody selected of it; widgets are told of their new data.
 */
export function render(holder, ...nodes) {
  patchChildren(holder, flat(nodes));
}

/** Takes everything out of `holder`; widgets are told. */
export function clear(holder) {
  patchChildren(holder, []);
}

function patchChildren(holder, wanted) {
  const keyed = new Map();
  for (const child of holder.childNodes) {
    const key = extrasOf(child).key;
    if (key !== undefined) keyed.set(key, child);
  }
  let place = holder.firstChild;
  for (const node of wanted) {
    const key = extrasOf(node).key;
    const kept = key === undefined ? place : keyed.get(key);
    if (kept && isSame(kept, node)) {
      if (kept === place) place = place.nextSibling;
      else holder.insertBefore(kept, place);
      patch(kept, node);
    } else {
      holder.insertBefore(node, place);
      mountAll(node);
    }
  }
  while (place) {
    const next = place.nextSibling;
    unmountAll(place);
    place.remove();
    place = next;
  }
}

function isSame(one, other) {
  if (one.nodeType !== other.nodeType || one.nodeName !== other.nodeName) return false;
  const [first, second] = [extrasOf(one), extrasOf(other)];
  return first.key === second.key && first.widget === second.widget;
}

function patch(node, wanted) {
  if (node === wanted) return;
  if (node.nodeType === Node.TEXT_NODE) {
    if (node.data !== wanted.data) node.data = wanted.data;
    return;
  }
  if (node.nodeType !== Node.ELEMENT_NODE) return;
  const [extra, other] = [extrasOf(node), extrasOf(wanted)];
  for (const name of Object.keys(extra.handlers)) {
    if (!(name in other.handlers)) node[name] = null;
  }
  Object.assign(node, other.handlers);
  extras.set(node, other);
  if (other.widget) {
    // Its element is the widget's; it may have classes of its own.
    if (extra.class !== other.class) node.setAttribute("class", other.class ?? "");
    patchAttributes(node, wanted, ["aria-label"]);
    other.widget.update(node, other.data);
    return;
  }
  patchAttributes(node, wanted);
  patchChildren(node, [...wanted.childNodes]);
}

function patchAttributes(node, wanted, only) {
  const names = new Set([...node.getAttributeNames(), ...wanted.getAttributeNames()]);
  for (const name of only ?? names) {
    if (name === "style") {
      // Set as a property: a text in the attribute is what the content security policy forbids.
      if (node.style.cssText !== wanted.style.cssText) node.style.cssText = wanted.style.cssText;
      continue;
    }
    const value = wanted.getAttribute(name);
    if (PROPERTIES.has(name) && node[name] !== (value !== null)) node[name] = value !== null;
    if (value === null) node.removeAttribute(name);
    else if (node.getAttribute(name) !== value) {
      node.setAttribute(name, value);
      // What somebody types is theirs until they leave the field.
      if (name === "value" && node !== document.activeElement) node.value = value;
    }
  }
}

function mountAll(node) {
  if (node.nodeType !== Node.ELEMENT_NODE) return;
  const { widget, data } = extrasOf(node);
  if (widget) widget.mount(node, data);
  else for (const child of node.childNodes) mountAll(child);
}

function unmountAll(node) {
  if (node.nodeType !== Node.ELEMENT_NODE) return;
  const { widget } = extrasOf(node);
  if (widget) widget.unmount?.(node);
  else for (const child of node.childNodes) unmountAll(child);
}
