"""What each kind of panel may be told: its options, their types and which of them it needs.

The one thing to know: every field that a panel draws is named by an option of kind ``field``, so
that `fields_of` knows all of them; a test holds delivered panels against what their sources have.
"""

from collections.abc import Iterator
from typing import Any, Final, Literal, NamedTuple

from projections.dashboards.model import Kind, Panel
from scheduler.model.reading.checks import name_check, words_check
from scheduler.model.reading.faults import nearest_name, shown, shown_text
from scheduler.model.reading.fields import Fields

OptionKind = Literal["field", "titled", "place", "text", "span", "count", "number", "scale"]
FIELD_BYTES_MAX: Final = 200
TEXT_BYTES_MAX: Final = 8_192
FIELDS_MAX: Final = 32
COUNT_MAX: Final = 10_000
SECONDS_MAX: Final = 3_600
NUMBER_MAX: Final = 10**15
SCALES: Final = ("linear", "log")
_FIELD: Final = name_check(FIELD_BYTES_MAX)
_WORDS: Final = words_check(FIELD_BYTES_MAX)


class Option(NamedTuple):
    """What an option is, and whether the panel makes no sense without it."""

    kind: OptionKind
    is_required: bool = False


NEEDED: Final = True
_COMMON: Final = {"unit": Option("text"), "items": Option("place"), "every_s": Option("count")}
_SPAN: Final = {"from": Option("span"), "to": Option("span")}
OPTIONS: Final[dict[Kind, dict[str, Option]]] = {
    "series": {"values": Option("titled", NEEDED), "time": Option("field"), "by": Option("field")},
    "histogram": {"value": Option("field", NEEDED), "scale": Option("scale")},
    "top": {
        "label": Option("field", NEEDED),
        "value": Option("field", NEEDED),
        "count": Option("count"),
    },
    "heatmap": {
        "label": Option("field", NEEDED),
        "value": Option("field", NEEDED),
        "max": Option("number"),
    },
    "table": {"columns": Option("titled", NEEDED), "count": Option("count")},
    "log": {
        "text": Option("field", NEEDED),
        "time": Option("field"),
        "level": Option("field"),
        "count": Option("count"),
    },
    "stat": {
        "value": Option("field", NEEDED),
        "of": Option("field"),
        "warn_above": Option("number"),
        "alarm_above": Option("number"),
    },
    "text": {},
}
KINDS: Final = tuple(OPTIONS)


def read_options(kind: Kind, fields: Fields, *, is_query: bool) -> dict[str, Any]:
    """The options of a panel of that kind; faults are remembered with their fields."""
    if kind == "text":
        found: dict[str, Any] = {"text": _long_text(fields, "text")}
        fields.close()
        return found
    known = OPTIONS[kind] | _COMMON | (_SPAN if is_query else {})
    found = {}
    for name, option in known.items():
        if fields.has(name):
            found[name] = _read(fields, name, option.kind)
        elif option.is_required:
            fields.fault(name, "is missing", f"a panel of kind {kind} needs it")
    fields.close()
    return found


def fields_of(panel: Panel) -> Iterator[str]:
    """Every field of the answers that the panel draws."""
    for name, option in OPTIONS[panel.kind].items():
        value = panel.options.get(name)
        if value is None:
            continue
        if option.kind == "field":
            yield value
        elif option.kind == "titled":
            yield from (each["field"] for each in value)


def _read(fields: Fields, name: str, kind: OptionKind) -> object:
    match kind:
        case "field":
            return fields.text(name, _FIELD)
        case "place" | "text":
            return fields.text(name, _WORDS, "")
        case "span":
            return fields.text(name, _FIELD)
        case "titled":
            return _titled(fields, name)
        case "count":
            most = SECONDS_MAX if name == "every_s" else COUNT_MAX
            return fields.whole(name, 1, most)
        case "number":
            return _number(fields, name)
        case _:
            return _scale(fields, name)


def _titled(fields: Fields, name: str) -> list[dict[str, str]]:
    """Fields with a title each: a text alone is both."""
    value = fields.raw(name)
    if not isinstance(value, list) or not value:
        fields.fault(name, f"is {shown(value)}; a list of fields is needed", "write [a, b]")
        return []
    if len(value) > FIELDS_MAX:
        fields.fault(name, f"has {len(value)} entries", f"keep at most {FIELDS_MAX}")
        return []
    found = []
    for place, each in enumerate(value):
        inner = fields.below(name, place, {"field": each} if isinstance(each, str) else each)
        field = inner.text("field", _FIELD)
        entry = {"field": field, "title": inner.text("title", _WORDS, field)}
        unit = inner.text("unit", _WORDS, "")
        inner.close()
        found.append(entry | ({"unit": unit} if unit else {}))
    return found


def _number(fields: Fields, name: str) -> float:
    value = fields.raw(name)
    if isinstance(value, bool) or not isinstance(value, int | float):
        fields.fault(name, f"is {shown(value)}; a number is needed", "write it without quotes")
        return 0
    if not -NUMBER_MAX <= value <= NUMBER_MAX:
        fields.fault(name, f"is {shown(value)}", f"give a number up to {NUMBER_MAX}")
        return 0
    return value


def _scale(fields: Fields, name: str) -> str:
    return fields.text(name, _complaint_of_scale)


def _complaint_of_scale(word: str) -> tuple[str, str] | None:
    return None if word in SCALES else (f"is {shown_text(word)}", nearest_name(word, SCALES))


def _long_text(fields: Fields, name: str) -> str:
    """Text of several lines."""
    value = fields.raw(name)
    if not isinstance(value, str) or not value.strip():
        fields.fault(name, f"is {shown(value)}; a text is needed", "write |- and lines below it")
        return ""
    if len(value.encode("utf-8", "surrogatepass")) > TEXT_BYTES_MAX:
        fields.fault(name, f"is longer than {TEXT_BYTES_MAX} bytes", "link to a page instead")
    return value
