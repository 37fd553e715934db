/**
 * Why something is where it is, and what happened to it: sentences, chains, histories.
 *
 * The one thing to know: the sentences are the API's own (`flumina why` prints the same); here they
 * are only laid out, with their addresses as links.
 */

import { h } from "./dom.js";
import { section, to } from "./parts.js";
import { table } from "./table.js";
import { instant, spaced } from "./words.js";

/** The sentences of a why, and the chain of causes below them. */
export function whySection(why) {
  return section(
    "Why",
    null,
    h(
      "div",
      { class: "why" },
      why.sentences.map((text, index) => h("p", { key: index }, text)),
    ),
    why.chain?.length
      ? h(
          "details",
          null,
          h("summary", null, "The chain of causes"),
          h(
            "ol",
            { class: "chain" },
            why.chain.map((link, index) =>
              h(
                "li",
                { key: index },
                h("span", { class: "muted mono" }, instant(link.atMs).slice(11)),
                ` ${link.text} `,
                address(link.address),
              ),
            ),
          ),
        )
      : null,
  );
}

/** A history's lines as a table. */
export function historyTable(title, lines) {
  return section(
    title,
    null,
    table({
      label: title,
      rows: lines,
      key: (line) => line.address + (line.taskId ?? "") + line.what,
      columns: [
        {
          name: "at",
          title: "At (UTC)",
          cell: (line) => h("span", { class: "mono" }, instant(line.atMs)),
        },
        { name: "what", title: "What", cell: (line) => line.what },
        { name: "state", title: "State", cell: (line) => spaced(line.state) },
        { name: "reason", title: "Says", cell: (line) => saying(line) },
        { name: "host", title: "Host", cell: (line) => line.hostname ?? "" },
        { name: "actor", title: "By", cell: (line) => line.actor ?? "" },
        { name: "address", title: "Address", cell: (line) => address(line.address) },
      ],
      blank: h("p", { class: "muted" }, "Nothing is remembered."),
    }),
  );
}

const saying = (line) => [line.mesosState, line.reason, line.message].filter(Boolean).join(", ");

/** An event's address as a link to the event. */
export function address(text) {
  if (!text) return null;
  return h("span", { class: "mono" }, to("/event", text, { address: text }));
}
