/**
 * What the page tells people who hear it instead of seeing it.
 *
 * The one thing to know: it is polite, so it waits for the end of what is being read, and only what
 * somebody waits for is said; numbers that change each second are not.
 */

/** Says a sentence once. */
export function say(text) {
  document.getElementById("said").textContent = text;
}
