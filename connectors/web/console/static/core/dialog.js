/**
 * Dialogs, and the one that everything that changes the cell goes through.
 *
 * The one thing to know: nothing is sent without a reason and without who asks, and the button says
 * what it does; what the cell refuses stays in the dialog, in its own words.
 */

import { may, whoLooks } from "./access.js";
import { Failure, change } from "./api.js";
import { h, render } from "./dom.js";
import { faults } from "./parts.js";
import { say } from "./say.js";

/** Where the browser keeps who somebody is, so that it is written once. */
const ACTOR = "flumina actor";

/** Opens a dialog; the function returned closes it. */
export function dialog({ title, content, onClose = () => {} }) {
  const before = document.activeElement;
  const holder = h("dialog", { "aria-labelledby": "dialog-title" });
  const close = () => holder.close();
  const show = (nodes) =>
    render(
      holder,
      h(
        "header",
        { key: "head" },
        h("h2", { id: "dialog-title" }, title),
        h("button", { type: "button", class: "quiet", onclick: close }, "Close"),
      ),
      h("div", { key: "content", class: "content" }, nodes),
    );
  holder.addEventListener("close", () => {
    holder.remove();
    before?.focus?.();
    onClose();
  });
  document.body.append(holder);
  show(content);
  holder.showModal();
  return { close, show, holder };
}

/**
 * Asks whether something shall be done, and does it:
 * - `title`, `text`: what, and what follows from it
 * - `act`: the button's words; `isDangerous`: it ends what runs
 * - `fields`: inputs `{name, label, type, value, hint, options, isRequired}` beside the reason
 * - `request(values)`: `{method, path, parameters, body, version}`; `values.why` is the reason
 * - `onDone(answer, values)`: afterwards
 * `reasonIn`: `query` (parameter `why`, the default), `body`, `reason` (evictions call it so), or
 *   `none` where nothing of the cell is changed
 */
export function ask({
  title,
  text,
  act,
  isDangerous,
  fields = [],
  request,
  onDone,
  reasonIn = "query",
}) {
  let failure = null;
  let isBusy = false;
  const box = dialog({ title, content: [] });
  const draw = () => box.show(form());

  async function submit(event) {
    event.preventDefault();
    const values = valuesOf(event.target, fields);
    if (values.actor) keepActor(values.actor);
    isBusy = true;
    failure = null;
    draw();
    try {
      const answer = await send(request(values), values, reasonIn);
      box.close();
      const sentence = doneSentence(answer, act);
      say(sentence);
      showNotice(sentence);
      onDone?.(answer, values);
    } catch (error) {
      failure = error instanceof Failure ? error : new Failure(error.message);
      isBusy = false;
      draw();
    }
  }

  const form = () =>
    h(
      "form",
      { class: "ask", onsubmit: submit },
      text && h("p", null, text),
      fields.map(field),
      reasonIn !== "none" &&
        field({ name: "why", label: "Reason", hint: "It is kept in the log.", isRequired: true }),
      whoLooks() === null &&
        field({
          name: "actor",
          label: "You are",
          value: actor(),
          hint: "As others know you, such as ada@example.org.",
          isRequired: true,
        }),
      failure &&
        h(
          "div",
          { class: "refusal", role: "alert" },
          h("p", null, failure.message),
          failure.remedy && h("p", { class: "muted" }, failure.remedy),
          faults(failure),
        ),
      h(
        "div",
        { class: "actions" },
        h("button", { type: "button", onclick: box.close }, "Leave it"),
        h(
          "button",
          { type: "submit", class: isDangerous ? "danger" : "primary", disabled: isBusy },
          isBusy ? "Asking the cell" : act,
        ),
      ),
    );
  draw();
  box.holder.querySelector("input, select, textarea")?.focus();
}

/** A button that opens such a question; greyed for whoever may not do what it `needs`. */
export function action(
  label,
  question,
  { isDangerous = false, isDisabled = false, title = null, needs = "operate" } = {},
) {
  return h(
    "button",
    {
      type: "button",
      class: isDangerous ? "danger quiet" : "quiet",
      disabled: isDisabled || !may(needs),
      title: may(needs) ? title : `You were not granted to ${needs}.`,
      onclick: () => ask({ act: label, isDangerous, ...question() }),
    },
    label,
  );
}

function field({ name, label, type = "text", value = "", hint, options, isRequired, min, max }) {
  const id = `field-${name}`;
  const shared = { id, name, required: isRequired, "aria-describedby": hint ? `${id}-hint` : null };
  const input = options
    ? h(
        "select",
        shared,
        options.map(([key, text]) => h("option", { value: key, selected: key === value }, text)),
      )
    : type === "checkbox"
      ? h("input", { ...shared, required: null, type, checked: Boolean(value) })
      : h("input", { ...shared, type, value, min, max, autocomplete: "off" });
  return h(
    "div",
    { class: `field ${type}`, key: name },
    h("label", { for: id }, label),
    input,
    hint && h("span", { class: "muted", id: `${id}-hint` }, hint),
  );
}

function valuesOf(form, fields) {
  const values = {
    why: form.elements.why?.value.trim() ?? "",
    actor: form.elements.actor?.value.trim() ?? "",
  };
  for (const { name, type } of fields) {
    const element = form.elements[name];
    if (type === "checkbox") values[name] = element.checked;
    else values[name] = type === "number" ? Number(element.value) : element.value.trim();
  }
  return values;
}

function send({ method, path, parameters = {}, body, version }, { why, actor: who }, reasonIn) {
  if (reasonIn === "none") return change(method, path, { parameters, body, actor: who, version });
  if (reasonIn === "body")
    return change(method, path, { parameters, body: { ...body, why }, actor: who, version });
  const name = reasonIn === "reason" ? "reason" : "why";
  return change(method, path, {
    parameters: { ...parameters, [name]: why },
    body,
    actor: who,
    version,
  });
}

function doneSentence(answer, act) {
  if (answer.content?.allowed === false) return `Not done: ${answer.content.reasonMessage}`;
  return answer.status === 202
    ? `${act}: it is in the log's queue and will be taken.`
    : `${act}: done.`;
}

function showNotice(text) {
  const notice = h("div", { class: "notice" }, text);
  document.body.append(notice);
  setTimeout(() => notice.remove(), 6000);
}

function actor() {
  try {
    return localStorage.getItem(ACTOR) ?? "";
  } catch {
    return ""; // A browser may keep nothing for a page; then it is written each time.
  }
}

function keepActor(name) {
  try {
    localStorage.setItem(ACTOR, name);
  } catch {
    // See above.
  }
}
