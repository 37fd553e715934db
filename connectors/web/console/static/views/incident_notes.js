/**
 * Notes of people on an incident, and the form that writes one.
 *
 * The one thing to know: a note is an event of the log with its author; it is of the range that is
 * looked at, and cannot be taken back, only followed by another.
 */

import { change, Failure } from "../core/api.js";
import { h } from "../core/dom.js";
import { faults, section } from "../core/parts.js";
import { instant, rfc3339 } from "../core/words.js";

/** Where the browser keeps who somebody is; the same as in core/dialog.js. */
const ACTOR = "flumina actor";
const TEXT_MAX = 2000;

/** What a form says of its last try; it belongs to the page and to no address. */
let failure = null;
let isBusy = false;

/** The notes of the range, and the form. */
export function notesOf({ found }, context) {
  return section(
    "Notes",
    { key: "notes", "data-section": "notes" },
    found.notes.length
      ? h("ul", { class: "notes" }, found.notes.map(note))
      : h("p", { class: "muted" }, "Nobody has written about this range."),
    form(found, context),
  );
}

function note(each) {
  const until = each.toMs > each.fromMs ? ` to ${instant(each.toMs).slice(11)}` : "";
  return h(
    "li",
    { key: each.address },
    h(
      "span",
      { class: "muted" },
      [instant(each.fromMs) + until, each.actor, each.about].filter(Boolean).join(" · "),
    ),
    h("div", null, each.text),
  );
}

function form(found, context) {
  const input = (name, label, attributes) =>
    h("label", null, label, h("input", { name, key: name, autocomplete: "off", ...attributes }));
  return h(
    "form",
    {
      class: "bar-of-tools note-form",
      key: "form",
      onsubmit: (event) => write(event, found, context),
    },
    input("text", "Note", { size: 60, maxlength: TEXT_MAX, required: true }),
    input("about", "about", {
      size: 22,
      placeholder: "job, task, host, or nothing",
      spellcheck: "false",
    }),
    input("actor", "You are", { size: 18, required: true, value: remembered() }),
    h("button", { type: "submit", disabled: isBusy }, isBusy ? "Writing" : "Write note"),
    failure &&
      h(
        "div",
        { class: "refusal", role: "alert" },
        h("p", null, failure.message),
        failure.remedy && h("p", { class: "muted" }, failure.remedy),
        faults(failure),
      ),
  );
}

async function write(event, found, context) {
  event.preventDefault();
  const { text, about, actor } = event.target.elements;
  remember(actor.value.trim());
  const body = {
    text: text.value.trim(),
    from: rfc3339(found.first.atMs),
    to: rfc3339(found.last.atMs),
  };
  if (about.value.trim()) body.about = about.value.trim();
  isBusy = true;
  failure = null;
  context.redraw();
  try {
    await change("POST", "/api/flumina/incident/notes", { body, actor: actor.value.trim() });
    text.value = "";
    about.value = "";
    context.say("The note is written.");
  } catch (error) {
    failure = error instanceof Failure ? error : new Failure(error.message);
  }
  isBusy = false;
  context.redraw();
  if (!failure) await context.refresh();
}

function remembered() {
  try {
    return localStorage.getItem(ACTOR) ?? "";
  } catch {
    return ""; // A browser may keep nothing for a page; then it is written each time.
  }
}

function remember(name) {
  try {
    localStorage.setItem(ACTOR, name);
  } catch {
    // See above.
  }
}
