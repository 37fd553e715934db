/**
 * Who looks at the page: the login, who one is, and which buttons are grey for want of a role.
 *
 * The one thing to know: the page never keeps the token. It is sent once, and from then on the
 * browser sends a cookie that no script can read. What is greyed here is a courtesy: the server
 * decides about every request by itself.
 */

import { Failure, change, get, onNobody } from "./api.js";
import { h, render } from "./dom.js";

const ME = "/api/flumina/access/me";
const OPEN = { isGuarded: false, name: null, actions: [], grants: [] };

let me = OPEN;

/** Asks who looks; true where the page may be shown. */
export async function enter() {
  try {
    me = (await get(ME)) ?? OPEN;
  } catch {
    // An API without this path lets everybody in; what does not answer is told by the views.
    me = OPEN;
  }
  // A login that ends while the page is open begins anew.
  onNobody(() => me.name !== null && location.reload());
  return !me.isGuarded || me.name !== null;
}

/** Whether a button for this kind of action is of use to who looks. */
export const may = (needed) => !me.isGuarded || me.actions.includes(needed);

/** The name of who has logged in; null where nobody has to. */
export const whoLooks = () => me.name;

/** What the foot of the page says of who looks. */
export function whoParts() {
  if (me.name === null) return [];
  const roles = [...new Set(me.grants.map((each) => each.role))].join(", ") || "no role";
  const isSome = me.grants.every((each) => each.owners.length || each.applications.length);
  return [
    h(
      "span",
      { key: "who" },
      h("span", { class: "muted" }, "you are "),
      h("b", { "data-standing": "who" }, me.name),
      ` (${roles}${isSome ? ", of some jobs" : ""}) `,
      h("button", { type: "button", class: "quiet", onclick: leave }, "Log out"),
    ),
  ];
}

/** Shows the login in `holder`. */
export function showLogin(holder) {
  document.title = "Log in · flumina";
  let failure = null;
  let isBusy = false;
  const submit = async (event) => {
    event.preventDefault();
    const token = event.target.elements.token.value.trim();
    isBusy = true;
    failure = null;
    draw();
    try {
      await change("POST", "/api/flumina/access/login", { body: { token } });
      location.reload();
    } catch (error) {
      failure = error instanceof Failure ? error : new Failure(error.message);
      isBusy = false;
      draw();
    }
  };
  const draw = () =>
    render(
      holder,
      h("h1", { key: "title" }, "Log in"),
      h(
        "form",
        { key: "form", class: "ask", onsubmit: submit },
        h("p", null, "This console shows itself to those it knows."),
        h(
          "div",
          { class: "field password" },
          h("label", { for: "field-token" }, "Token"),
          h("input", {
            id: "field-token",
            name: "token",
            type: "password",
            required: true,
            autocomplete: "off",
            "aria-describedby": "field-token-hint",
          }),
          h(
            "span",
            { class: "muted", id: "field-token-hint" },
            "Yours, as `flumina token new` printed it, or one of your identity provider.",
          ),
        ),
        failure &&
          h("div", { class: "refusal", role: "alert" }, h("p", null, failure.message)),
        h(
          "div",
          { class: "actions" },
          h("button", { type: "submit", class: "primary", disabled: isBusy }, "Log in"),
        ),
      ),
    );
  draw();
  holder.setAttribute("aria-busy", "false");
  holder.querySelector("input")?.focus();
}

async function leave() {
  try {
    await change("POST", "/api/flumina/access/logout", { body: {} });
  } finally {
    location.reload();
  }
}
