/**
 * What an operator can order of a host.
 *
 * The one thing to know: an order is a record of topic `commands`; draining moves its tasks within
 * their disruption budgets, disabling leaves them where they are.
 */

import { action } from "../core/dialog.js";
import { h } from "../core/dom.js";

const ORDERS = [
  [
    "draining",
    "Drain",
    "Its tasks are moved to other hosts, within their disruption budgets, and it gets no new ones.",
    true,
  ],
  ["disabled", "Take out of use", "It gets no new tasks; those that run go on.", true],
  ["lastChoice", "Use last", "It gets tasks where no other host will do.", false],
  ["enabled", "Use again", "It gets tasks like any other.", false],
];

/** The buttons of a host: all orders but the one that stands; none in the past. */
export function hostActions(hostId, hostname, standing, context) {
  if (!context.isLive) return null;
  return h(
    "div",
    {
      class: "buttons-row",
      role: "group",
      "aria-label": `Actions on ${hostname}`,
      key: "host-actions",
    },
    ORDERS.filter(([name]) => name !== standing).map(([name, label, text, isDangerous]) =>
      action(
        label,
        () => ({
          title: `${label}: ${hostname}?`,
          text,
          reasonIn: "body",
          request: () => ({
            method: "POST",
            path: "/api/flumina/commands/host",
            body: { hostId, standing: name },
          }),
          onDone: () => context.refresh(),
        }),
        { isDangerous },
      ),
    ),
  );
}
