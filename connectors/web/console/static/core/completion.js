/**
 * A field for a query: what may stand at the cursor is offered, and where it does not parse is
 * shown.
 *
 * The one thing to know: it offers by what stands before the cursor only, so it is right for a
 * query that is half written; whether it parses is the server's word, never this module's.
 */

import { h, render } from "./dom.js";

const WORDS = [
  "select",
  "from",
  "where",
  "and",
  "or",
  "not",
  "group by",
  "order by",
  "having",
  "limit",
  "window",
  "sample",
  "join",
  "seconds on",
  "anomaly",
  "distinct",
  "as",
  "desc",
  "true",
  "false",
  "null",
];
const FUNCTIONS = [
  "count(*)",
  "sum(",
  "min(",
  "max(",
  "average(",
  "list(",
  "p50(",
  "p75(",
  "p90(",
  "p95(",
  "p99(",
];
const OFFERED_MAX = 12;

/** What can stand at `place` of `text`: `{begin, options: [{text, kind, hint}]}`. */
export function completions(text, place, sources) {
  const before = text.slice(0, place);
  const word = /[\w.'[\]-]*$/.exec(before)[0];
  const begin = place - word.length;
  const earlier = before.slice(0, begin).trimEnd().toLowerCase();
  const isSource =
    /(\bfrom|\bjoin)$/.test(earlier) || /\bfrom\s+[\w-]+(\s*,\s*[\w-]+)*\s*,$/.test(earlier);
  const wanted = word.toLowerCase();
  const fits = ({ text: each }) =>
    each.toLowerCase().startsWith(wanted) && each.toLowerCase() !== wanted;
  if (isSource) {
    const named = sources.map(({ name, description }) => ({
      text: name,
      kind: "source",
      hint: description,
    }));
    return { begin, options: named.filter(fits).slice(0, OFFERED_MAX) };
  }
  if (!wanted && !/(\bselect|\bwhere|\band|\bor|\bby|\bhaving|,|\()$/.test(earlier))
    return { begin, options: [] };
  const options = [
    ...fieldsOf(text, sources),
    ...FUNCTIONS.map((each) => ({ text: each, kind: "function", hint: "" })),
    ...WORDS.map((each) => ({ text: each, kind: "word", hint: "" })),
  ];
  return { begin, options: options.filter(fits).slice(0, OFFERED_MAX) };
}

/** The fields of the sources that the text names, or of all where it names none yet. */
function fieldsOf(text, sources) {
  const named = /\bfrom\s+([\w-]+(?:\s*,\s*[\w-]+)*)/i.exec(text)?.[1].split(/\s*,\s*/) ?? [];
  const joined = [...text.matchAll(/\bjoin\s+([\w-]+)/gi)].map((match) => match[1]);
  const wanted = new Set([...named, ...joined]);
  const known = sources.filter(({ name }) => wanted.has(name));
  const found = new Map();
  for (const source of known.length ? known : sources) {
    for (const field of source.fields) {
      if (!found.has(field.name)) {
        const example =
          field.example === null || field.example === undefined
            ? ""
            : `, such as ${String(field.example)}`;
        found.set(field.name, { text: field.name, kind: "field", hint: `${field.type}${example}` });
      }
    }
  }
  return [...found.values()];
}

/**
 * The field as a widget; `data`: `{value, sources, onInput(text), onRun(text)}`. Enter runs, Shift
 * and Enter begins a line; Tab takes what is chosen of the offered.
 */
export function queryField(data) {
  return h("div", { class: "query-field", key: "query-field", widget: WIDGET, data });
}

const fields = new WeakMap();

const WIDGET = {
  mount(element, data) {
    const field = { data, options: [], begin: 0, chosen: -1 };
    fields.set(element, field);
    field.input = h("textarea", {
      id: "query",
      rows: 1,
      spellcheck: "false",
      autocomplete: "off",
      autocapitalize: "off",
      role: "combobox",
      "aria-label": "Query in MQL",
      "aria-autocomplete": "list",
      "aria-controls": "query-options",
      "aria-expanded": "false",
      placeholder: "select * from tasks where state == 'Failed'",
      oninput: () => typed(field),
      onkeydown: (event) => pressed(event, field),
      onblur: () => offer(field, []),
    });
    field.list = h("ul", {
      id: "query-options",
      role: "listbox",
      "aria-label": "What may stand here",
      hidden: true,
    });
    element.append(field.input, field.list);
    field.input.value = data.value;
    grow(field.input);
  },
  update(element, data) {
    const field = fields.get(element);
    field.data = data;
    if (document.activeElement !== field.input && field.input.value !== data.value) {
      field.input.value = data.value;
      grow(field.input);
    }
  },
  unmount(element) {
    fields.delete(element);
    element.replaceChildren();
  },
};

/** Puts a text into the field, as if somebody had written it. */
export function write(text) {
  const input = document.getElementById("query");
  if (!input) return;
  input.value = text;
  grow(input);
  input.focus();
}

function grow(input) {
  const lines = input.value.split("\n").length;
  input.rows = Math.min(8, Math.max(1, lines, Math.ceil(input.value.length / 110)));
}

function typed(field) {
  grow(field.input);
  const { value, selectionStart } = field.input;
  const { begin, options } = completions(value, selectionStart, field.data.sources);
  field.begin = begin;
  offer(field, options);
  field.data.onInput(value);
}

function offer(field, options) {
  field.options = options;
  field.chosen = options.length ? 0 : -1;
  drawOffer(field);
}

function drawOffer(field) {
  const { input, list, options, chosen } = field;
  list.hidden = !options.length;
  input.setAttribute("aria-expanded", String(options.length > 0));
  if (chosen >= 0) input.setAttribute("aria-activedescendant", `query-option-${chosen}`);
  else input.removeAttribute("aria-activedescendant");
  render(
    list,
    options.map((option, index) =>
      h(
        "li",
        {
          id: `query-option-${index}`,
          role: "option",
          "aria-selected": String(index === chosen),
          onmousedown: (event) => {
            event.preventDefault(); // The field keeps the focus.
            take(field, index);
          },
        },
        h("span", { class: "mono" }, option.text),
        h(
          "span",
          { class: "muted" },
          option.kind === "field" || option.kind === "source" ? option.hint : option.kind,
        ),
      ),
    ),
  );
}

function take(field, index) {
  const { input, begin } = field;
  const { text } = field.options[index];
  const end = input.selectionStart;
  input.setRangeText(
    text.endsWith("(") || text.endsWith(")") ? text : `${text} `,
    begin,
    end,
    "end",
  );
  offer(field, []);
  field.data.onInput(input.value);
}

function pressed(event, field) {
  const isOffering = field.options.length > 0;
  if (isOffering && (event.key === "ArrowDown" || event.key === "ArrowUp")) {
    const step = event.key === "ArrowDown" ? 1 : -1;
    field.chosen = (field.chosen + step + field.options.length) % field.options.length;
    drawOffer(field);
  } else if (isOffering && event.key === "Tab") take(field, field.chosen);
  else if (isOffering && event.key === "Escape") offer(field, []);
  else if (event.key === "Enter" && !event.shiftKey) {
    offer(field, []);
    field.data.onRun(field.input.value);
  } else return;
  event.preventDefault();
  event.stopPropagation();
}
