"""A dashboard from a document: every fault is found in one pass and named by its field.

The one thing to know: a query has to parse and every placeholder has to be one of the dashboard's
variables, so that a dashboard that was read can be drawn.
"""

import re
from collections.abc import Sequence
from typing import Final

from projections.dashboards.model import COLUMNS, VARIABLES, Dashboard, Kind, Panel, Variable
from projections.dashboards.options import KINDS, read_options
from projections.query.parser import parse
from projections.query.scanner import QueryError
from scheduler.model.reading.checks import name_check, pattern_check, words_check
from scheduler.model.reading.faults import Faults, nearest_name, shown, shown_text
from scheduler.model.reading.fields import Fields

PANELS_MAX: Final = 64
ROWS_MAX: Final = 1_000
HEIGHT_MAX: Final = 100
NAME_CHECK: Final = pattern_check("[a-z0-9][a-z0-9-]*", 63, "queue-and-waits")
PLACEHOLDER: Final = re.compile(r"\{([a-z_]+)\}", re.ASCII)
PATHS: Final = "/api/"
_TITLE: Final = name_check(120)
_WORDS: Final = words_check(1_000)
_QUERY_BYTES_MAX: Final = 65_536
_QUOTES: Final = ("'", '"')


def read_dashboard(document: object, faults: Faults) -> Dashboard:
    """The dashboard that a document describes; it counts only if no fault was found."""
    fields = Fields(document, "", faults)
    name = fields.text("name", NAME_CHECK)
    title = fields.text("title", _TITLE)
    description = fields.text("description", _WORDS, "")
    variables = _variables(fields)
    names = [each.name for each in variables]
    panels = tuple(_panel(each, names) for each in fields.objects("panels", PANELS_MAX))
    if not panels and not faults:
        fields.fault("panels", "is empty", "show something")
    fields.close()
    _find_repeated(panels, faults)
    _find_overlaps(panels, faults)
    return Dashboard(name, title, description, variables, panels)


def _variables(fields: Fields) -> tuple[Variable, ...]:
    found: dict[str, Variable] = {}
    value = fields.raw("variables")
    if value is None:
        return ()
    if not isinstance(value, list):
        fields.fault("variables", f"is {shown(value)}; a list is needed", "write [job]")
        return ()
    for place, each in enumerate(value):
        name = each if isinstance(each, str) else ""
        kind = VARIABLES.get(name)
        if kind is None:
            text = f"is {shown(each)}, nothing a dashboard can be about"
            hint = nearest_name(name, VARIABLES)
            fields.fault_at(f"{fields.path_of('variables')}[{place}]", text, hint)
        else:
            found[name] = Variable(name, name.capitalize(), kind)
    return tuple(found.values())


def _panel(fields: Fields, variables: Sequence[str]) -> Panel:
    known = _kind(fields)
    kind = known or "text"
    panel_id = fields.text("id", NAME_CHECK)
    title = fields.text("title", _TITLE)
    query, path = _query(fields, variables), _path(fields, variables)
    wanted = 0 if kind == "text" else 1
    if known and fields.has("query") + fields.has("path") != wanted:
        text = "is there" if kind == "text" else "and path: one of both is needed, and not both"
        fields.fault("query", text, "leave it out" if kind == "text" else "keep one of them")
    inner = fields.inner_if_given("options") or Fields({}, fields.path_of("options"), fields.faults)
    options = read_options(kind, inner, is_query=bool(query)) if known else {}
    panel = Panel(
        panel_id,
        title,
        kind,
        x=fields.whole("x", 0, COLUMNS - 1),
        y=fields.whole("y", 0, ROWS_MAX),
        width=fields.whole("width", 1, COLUMNS),
        height=fields.whole("height", 1, HEIGHT_MAX),
        options=options,
        query=query,
        path=path,
    )
    if panel.x + panel.width > COLUMNS:
        text = f"is {panel.width} from column {panel.x} on"
        fields.fault("width", text, f"the grid has {COLUMNS} columns")
    fields.close()
    return panel


def _kind(fields: Fields) -> Kind | None:
    word = fields.text("kind", lambda _: None)
    for each in KINDS:
        if each == word:
            return each
    if word:
        fields.fault("kind", f"is {shown_text(word)}", nearest_name(word, KINDS))
    return None


def _query(fields: Fields, variables: Sequence[str]) -> str:
    text = fields.text("query", lambda _: None, "")
    if not text:
        return ""
    if len(text.encode("utf-8", "surrogatepass")) > _QUERY_BYTES_MAX:
        fields.fault("query", f"is longer than {_QUERY_BYTES_MAX} bytes", "make several panels")
        return ""
    _check_placeholders(fields, "query", text, variables)
    for found in PLACEHOLDER.finditer(text):
        around = text[found.start() - 1 : found.start()], text[found.end() : found.end() + 1]
        if around[0] not in _QUOTES or around[0] != around[1]:
            what = f"has {found[0]} without quotes about it"
            fields.fault("query", what, f"write '{found[0]}'")
    try:
        parse(text)
    except QueryError as error:
        what = f"does not read at its line {error.line}, column {error.column}: {error.what}"
        fields.fault("query", what, "docs/mql.md has the grammar")
    return text


def _path(fields: Fields, variables: Sequence[str]) -> str:
    text = fields.text("path", words_check(1_000), "")
    if not text:
        return ""
    if not text.startswith(PATHS) or ".." in text or "//" in text or "#" in text:
        fields.fault("path", f"is {shown_text(text)}", f"name a path of the API, {PATHS}…")
    _check_placeholders(fields, "path", text, variables)
    return text


def _check_placeholders(fields: Fields, name: str, text: str, variables: Sequence[str]) -> None:
    for found in PLACEHOLDER.finditer(text):
        if found[1] not in variables:
            hint = f"add it: variables: [{', '.join([*variables, found[1]])}]"
            fields.fault(name, f"has {found[0]}, which is no variable of the dashboard", hint)


def _find_repeated(panels: Sequence[Panel], faults: Faults) -> None:
    first: dict[str, int] = {}
    for place, panel in enumerate(panels):
        if first.setdefault(panel.id, place) != place:
            text = f"is also that of panels[{first[panel.id]}]"
            faults.add(f"panels[{place}].id", text, "give it another one")


def _find_overlaps(panels: Sequence[Panel], faults: Faults) -> None:
    """Two panels in one place would hide each other."""
    if faults:
        return
    taken: dict[tuple[int, int], int] = {}
    for place, panel in enumerate(panels):
        cells = [
            (x, y)
            for x in range(panel.x, panel.x + panel.width)
            for y in range(panel.y, panel.y + panel.height)
        ]
        other = next((taken[each] for each in cells if each in taken), None)
        if other is not None:
            text = f"has a place that panels[{other}] has too"
            faults.add(f"panels[{place}].y", text, "move one of them")
        taken |= dict.fromkeys(cells, place)
