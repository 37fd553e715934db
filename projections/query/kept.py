"""Queries that are kept by name: saved ones, and streams, which run for ever.

The one thing to know: this is a fold of topic ``queries``. The last record of a name counts, one
without content takes it away, and each tells who wrote it and when. A record that cannot be read is
counted and passed over: a query that is gone harms nobody, a list that is gone does.
"""

import re
from typing import Any, Final, Literal, assert_never

import msgspec

from projections.query.engine import Running
from projections.query.parser import parse
from projections.query.syntax import Query
from scheduler.model.reading.bad_bytes import BAD_BYTES
from scheduler.model.reading.checks import name_check, pattern_check, words_check
from scheduler.model.reading.faults import nearest_name, shown
from scheduler.model.reading.fields import Fields

Sort = Literal["saved", "stream"]
Severity = Literal["page", "warning"]
KEPT_MAX: Final = 1_000
"""Of each sort."""
STREAMS_MAX: Final = 20
LABELS_MAX: Final = 4
NAME_CHECK: Final = pattern_check("[a-z0-9][a-z0-9-]*", 63, "lost-tasks-by-host")
BEGINNINGS: Final = ("now", "begin")
SEVERITIES: Final[tuple[Severity, ...]] = ("page", "warning")
_WORDS: Final = words_check(1_000)
_METRIC: Final = pattern_check("[a-z][a-z0-9_]*", 63, "lost_tasks")
_FIELD: Final = name_check(200)
_LABEL: Final = re.compile("[a-zA-Z_][a-zA-Z0-9_]*")
METRIC_KINDS: Final = ("counter", "gauge")


class ToTopic(msgspec.Struct, frozen=True, tag="topic"):
    """Rows become records of the stream's own topic."""


class ToMetric(msgspec.Struct, frozen=True, tag="metric"):
    """Rows change a Prometheus metric: counted, or by the value of a field."""

    name: str
    kind: Literal["counter", "gauge"] = "counter"
    value: str = ""
    """The field that is added, or shown; without it rows are counted."""
    labels: tuple[str, ...] = ()


class ToAlert(msgspec.Struct, frozen=True, tag="alert"):
    """Each row raises an alert, or keeps it up."""

    severity: Severity = "warning"
    summary: str = ""
    key: tuple[str, ...] = ()
    """Fields that tell one alert from another; none: the stream has one."""


Sink = ToTopic | ToMetric | ToAlert


class Kept(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """What a record of topic ``queries`` says: what is kept by a name from now on."""

    sort: Sort
    name: str
    actor: str
    at_ms: int
    mql: str = ""
    """Empty: the name is taken away."""
    description: str = ""
    start: str = "now"
    """Where a stream begins that has never run: ``now``, or at the ``begin`` of its topics."""
    sink: Sink | None = None


class Entry(msgspec.Struct, frozen=True):
    """What is kept, and the offset of the record that says so: its version."""

    kept: Kept
    version: int


class KeptBook:
    """All that is kept now, folded from records in their order."""

    def __init__(self) -> None:
        self.entries: dict[tuple[Sort, str], Entry] = {}
        self.next_offset = 0
        self.unreadable = 0

    def take(self, offset: int, value: bytes) -> None:
        """Fold a record; one that was folded before changes nothing."""
        if offset < self.next_offset:
            return
        self.next_offset = offset + 1
        try:
            kept = msgspec.json.decode(value, type=Kept)
        except BAD_BYTES:
            self.unreadable += 1
            return
        place = kept.sort, kept.name
        if kept.mql:
            self.entries[place] = Entry(kept, offset)
        else:
            self.entries.pop(place, None)

    def of(self, sort: Sort) -> list[Entry]:
        """All of a sort, by name."""
        return [self.entries[place] for place in sorted(self.entries) if place[0] == sort]


def encoded(kept: Kept) -> bytes:
    """The record that says so."""
    return msgspec.json.encode(kept)


def checked(mql: str) -> Query:
    """The query, if it can be asked; raises `QueryError`."""
    query = parse(mql)
    Running(query, lambda: 0.5)
    return query


def _mql_complaint(mql: str) -> tuple[str, str] | None:
    """An empty query would take the name away; that is asked for in another way."""
    return None if mql else ("is empty", "write a query, such as select * from tasks")


def read_saved(name: str, fields: Fields, actor: str, at_ms: int) -> Kept:
    """What a body says of a query that shall be saved; raises `QueryError`."""
    mql = fields.text("mql", _mql_complaint)
    description = fields.text("description", _WORDS, "")
    fields.close()
    if mql:
        checked(mql)
    return Kept(sort="saved", name=name, actor=actor, at_ms=at_ms, mql=mql, description=description)


def read_stream(name: str, fields: Fields, actor: str, at_ms: int) -> Kept:
    """What a body says of a query that shall run for ever; raises `QueryError`."""
    mql = fields.text("mql", _mql_complaint)
    description = fields.text("description", _WORDS, "")
    start = _choice(fields, "start", BEGINNINGS, "now")
    sink = _sink(fields)
    fields.close()
    query = checked(mql) if mql else None
    if query is not None and _is_endless(query):
        text = "holds all events for ever: it groups or counts and has no window"
        fields.fault("mql", text, "add a window, such as: window 60")
    return Kept(
        sort="stream",
        name=name,
        actor=actor,
        at_ms=at_ms,
        mql=mql,
        description=description,
        start=start,
        sink=sink,
    )


def _is_endless(query: Query) -> bool:
    """Whether its rows would come at the end of the stream, which never comes."""
    is_held = query.is_aggregate or bool(query.group) or query.order is not None
    return is_held and query.window is None


def _sink(fields: Fields) -> Sink | None:
    inner = fields.inner("sink")
    given = [name for name in ("topic", "metric", "alert") if inner.has(name)]
    if len(given) != 1:
        hint = 'like {"topic": true}, {"metric": {"name": "rows"}} or {"alert": {}}'
        inner.fault_here(f"names {len(given)} places for rows; one is needed", hint)
        for name in given:
            inner.raw(name)
        inner.close()
        return None
    sink: Sink | None = None
    if given[0] == "topic":
        if not inner.truth("topic", True):
            inner.fault("topic", "is false", "write true")
        sink = ToTopic()
    elif given[0] == "metric":
        sink = _metric(inner.inner("metric"))
    else:
        sink = _alert(inner.inner("alert"))
    inner.close()
    return sink


def _metric(fields: Fields) -> ToMetric:
    name = fields.text("name", _METRIC)
    kind = _choice(fields, "kind", METRIC_KINDS, "counter")
    value = fields.text("value", _FIELD, "")
    labels = fields.texts("labels", _label_complaint, LABELS_MAX, 1_000)
    if kind == "gauge" and not value:
        fields.fault("value", "is missing", "name the field that a gauge shows")
    fields.close()
    return ToMetric(name, "gauge" if kind == "gauge" else "counter", value, labels)


def _alert(fields: Fields) -> ToAlert:
    word = _choice(fields, "severity", SEVERITIES, "warning")
    summary = fields.text("summary", _WORDS, "")
    key = fields.texts("key", _FIELD, LABELS_MAX, 1_000)
    fields.close()
    return ToAlert("page" if word == "page" else "warning", summary, key)


def _label_complaint(text: str) -> tuple[str, str] | None:
    if _LABEL.fullmatch(text) is None or text.startswith("__"):
        return (f"is {shown(text)}, no label of Prometheus", "give the field a name with AS")
    return _FIELD(text)


def _choice(fields: Fields, name: str, choices: tuple[str, ...], default: str) -> str:
    word = fields.text(name, _WORDS, default)
    if word not in choices:
        fields.fault(name, f"is {shown(word)}", nearest_name(word, choices))
        return default
    return word


def told(entry: Entry) -> dict[str, Any]:
    """An entry as the API tells it."""
    kept = entry.kept
    found: dict[str, Any] = {
        "name": kept.name,
        "mql": kept.mql,
        "description": kept.description,
        "actor": kept.actor,
        "atMs": kept.at_ms,
        "version": entry.version,
    }
    if kept.sort == "stream":
        found |= {"start": kept.start, "sink": sink_told(kept.sink)}
    return found


def sink_told(sink: Sink | None) -> dict[str, Any]:
    """A sink in the form in which it is given."""
    match sink:
        case None:
            return {}
        case ToTopic():
            return {"topic": True}
        case ToMetric() | ToAlert():
            content = msgspec.to_builtins(sink)
            return {content.pop("type"): content}
    assert_never(sink)
