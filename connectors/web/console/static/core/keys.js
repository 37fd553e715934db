/**
 * Keys: one letter, or `g` and a letter.
 *
 * The one thing to know: nothing here fires while somebody types in a field, holds Control, Alt or
 * Meta, or while a dialog is open; there keys belong to what is there.
 */

/** A chord's second key is waited for so long. */
const CHORD_MS = 1200;

const bindings = new Map();
/** When a chord began; a page is younger than a chord may take, so never is not 0. */
let began_at = -Infinity;

/** Makes `key` (`?`, `ArrowLeft`, `g j`) do something; `text` is what the list of keys says. */
export function bind(key, text, act) {
  bindings.set(key, { key, text, act });
}

/** Takes it away again. */
export function unbind(key) {
  bindings.delete(key);
}

/** All keys that do something: `{key, text}`. */
export function allKeys() {
  return [...bindings.values()];
}

/** Whether keys belong to what has the focus. */
export function isTyping(target) {
  if (!(target instanceof Element)) return false;
  const field = target.closest("input, textarea, select, [contenteditable]");
  return Boolean(field) || Boolean(document.querySelector("dialog[open]"));
}

/** Begins to listen. */
export function listen() {
  document.addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.ctrlKey || event.altKey || event.metaKey) return;
    if (isTyping(event.target)) return;
    // The space bar presses a button that has the focus.
    if (event.key === " " && event.target.closest?.("button, a, summary, [role=slider]")) return;
    // Arrows move along what has arrows of its own.
    if (
      event.key.startsWith("Arrow") &&
      event.target.closest?.("[role=slider], .scrolling, [role=tab]")
    )
      return;
    const isChord = performance.now() - began_at < CHORD_MS;
    began_at = -Infinity;
    if (!isChord && event.key === "g") {
      began_at = performance.now();
      event.preventDefault();
      return;
    }
    const name = isChord ? `g ${event.key}` : event.key === " " ? "Space" : event.key;
    const binding = bindings.get(name);
    if (!binding) return;
    event.preventDefault();
    binding.act(event);
  });
}
