"""What a reader asks for: the query and the parameters beside it, checked before anything is read.

The one thing to know: whatever is wrong is said here, with its place where it has one; a stream
that has begun is not refused any more.
"""

import re
from collections.abc import Mapping
from datetime import datetime
from difflib import get_close_matches
from http import HTTPStatus
from typing import Any, Final, Literal

import msgspec

from connectors.web.query.problems import QueryProblem, problem_of
from projections.query.engine import Running
from projections.query.limits import QUERY_CHARACTERS_MAX
from projections.query.parser import parse
from projections.query.rows import named
from projections.query.scanner import QueryError
from projections.query.syntax import Prefixed, Query
from streams.query.matching import streams_of
from streams.query.places import Place, place_of
from streams.query.sources import SOURCES

Delivery = Literal["lossy", "all"]
SAMPLE_MS_MAX: Final = 3_600_000
NAME_CHARACTERS_MAX: Final = 100
_AGO: Final = re.compile(r"-([0-9]{1,9})(ms|s|m|h|d)", re.ASCII)
_UNITS_MS: Final = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_OFFSET: Final = re.compile(r"[0-9]{1,15}", re.ASCII)
_NAME: Final = re.compile(r"[A-Za-z0-9._-]{1,100}", re.ASCII)
PARAMETERS: Final = frozenset(
    {
        *("mql", "from", "to", "delivery", "sample", "client", "subscription", "saved"),
        # What a browser's own EventSource cannot send as a header.
        "last_event_id",
    }
)


class When(msgspec.Struct, frozen=True):
    """A place in time or in a topic, as it was asked for."""

    kind: Literal["live", "begin", "time", "offset", "place"]
    at_ms: int = 0
    offset: int = 0
    place: Place | None = None


LIVE: Final = When("live")


class Asked(msgspec.Struct, frozen=True):
    """A whole question."""

    query: Query
    begin: When
    end: When | None
    """None: as long as somebody reads."""
    delivery: Delivery
    sample_ms: int
    client: str
    subscription: str
    resumed: Place | None
    """Where the reader left off."""

    @property
    def topics(self) -> tuple[str, ...]:
        """The topics that are read."""
        return tuple(dict.fromkeys(SOURCES[each].topic for each in streams_of(self.query)))


def asked_of(parameters: Mapping[str, str], last_event_id: str, now_ms: int) -> Asked:
    """The question that the parameters are; raises `QueryProblem`."""
    unknown = sorted(set(parameters) - PARAMETERS)
    if unknown:
        near = get_close_matches(unknown[0], sorted(PARAMETERS), 1)
        hint = f" Did you mean {near[0]}?" if near else ""
        raise QueryProblem("parameter", f"There is no parameter {unknown[0]}.{hint}")
    query = checked_query(parameters.get("mql", ""))
    delivery = parameters.get("delivery", "lossy")
    if delivery not in {"lossy", "all"}:
        raise QueryProblem("parameter", "delivery is lossy (drops and counts) or all.")
    begin = when_of(parameters.get("from", "live"), "from", now_ms)
    end = when_of(parameters["to"], "to", now_ms) if parameters.get("to") else None
    if end is not None and end.kind in {"begin", "place"}:
        raise QueryProblem("parameter", "to is a time, -5m, live (now) or an offset.")
    last = last_event_id or parameters.get("last_event_id", "")
    resumed = place_of(last) if last else None
    if last and resumed is None:
        raise QueryProblem("place", "Last-Event-ID is no id of a row of a query.")
    if resumed is None and begin.kind == "place":
        resumed = begin.place
    _check_end(query, begin, end)
    if parameters.get("subscription"):
        _check_shared(query, parameters.get("client", ""))
    return Asked(
        query,
        begin,
        end,
        "all" if delivery == "all" else "lossy",
        _sample_of(parameters.get("sample", "0")),
        _name_of(parameters, "client"),
        _name_of(parameters, "subscription"),
        resumed,
    )


def checked_query(text: str) -> Query:
    """The query, which can be asked of streams that there are; raises `QueryProblem`."""
    if not text.strip():
        raise QueryProblem("query", "There is no query: give mql=select … from STREAM.")
    if len(text) > QUERY_CHARACTERS_MAX:
        raise QueryProblem("query", f"A query has at most {QUERY_CHARACTERS_MAX} characters.")
    try:
        query = parse(text)
        Running(query, lambda: 0.0, "client")
    except QueryError as error:
        raise problem_of(error, fields_of(text)) from error
    for name in streams_of(query):
        if name not in SOURCES:
            _refuse_stream(name, text)
    return query


def _refuse_stream(name: str, text: str) -> None:
    near = get_close_matches(name, list(SOURCES), 1)
    hint = f"Did you mean {near[0]}? " if near else ""
    position = max(0, text.find(name))
    what = f"There is no stream {name}. {hint}Streams are {', '.join(SOURCES)}."
    if name == "stream" and name not in text:
        what = f"The query names no stream: add FROM and one of {', '.join(SOURCES)}."
        position = len(text)
    raise problem_of(QueryError(what, text, position))


def fields_of(text: str) -> list[dict[str, Any]]:
    """The fields of the streams that a text seems to name, for completion."""
    words = set(re.findall(r"[A-Za-z-]+", text))
    return [
        {"name": each.name, "type": each.type, "stream": name}
        for name, source in SOURCES.items()
        if name in words
        for each in source.fields
    ]


def unknown_fields(query: Query) -> list[str]:
    """Flat keys that the query names and no stream of it is described with; null to the query."""
    known = {each.name for name in streams_of(query) for each in SOURCES[name].fields}
    known |= {_alias(each) for each in query.items}
    firsts = [
        each[0]
        for each in named(query)
        if not isinstance(each, Prefixed) and each and isinstance(each[0], str)
    ]
    return sorted({each for each in firsts if each not in known})


def _alias(item: object) -> str:
    """What the query itself calls an item, in its conditions on rows and in its order."""
    return getattr(item, "alias", None) or getattr(item, "name", "") or ""


def when_of(text: str, name: str, now_ms: int) -> When:
    """The place in time or in a topic that a text names; raises `QueryProblem`."""
    if text in {"live", "now"}:
        return LIVE
    if text == "begin":
        return When("begin")
    found = _AGO.fullmatch(text)
    if found is not None:
        return When("time", max(0, now_ms - int(found[1]) * _UNITS_MS[found[2]]))
    if _OFFSET.fullmatch(text):
        return When("offset", offset=int(text))
    place = place_of(text if ";" in text else f"{text};0")
    if place is not None:
        return When("place", place=place)
    try:
        at = datetime.fromisoformat(text)
    except ValueError as error:
        raise QueryProblem(
            "parameter",
            f"{name}={text[:NAME_CHARACTERS_MAX]} is no place: give live, begin, -5m, a time such "
            "as 2026-11-22T12:00:00Z, an offset, or topic:partition:offset.",
        ) from error
    if at.tzinfo is None:
        raise QueryProblem("parameter", f"{name} needs a time zone, such as {text}Z.")
    return When("time", max(0, round(at.timestamp() * 1_000)))


def _check_end(query: Query, begin: When, end: When | None) -> None:
    """Refuse what would never say anything, or end before it begins."""
    needs_end = query.window is None and (
        query.is_aggregate or query.group or query.order is not None
    )
    if needs_end and end is None:
        raise QueryProblem(
            "endless",
            "The query says something only when its stream ends, and this one does not: give it a "
            "window (WINDOW 10 behind FROM …), or an end (to=live: up to now).",
        )
    if end is not None and end.kind == "live" and begin.kind == "live":
        raise QueryProblem("parameter", "From now up to now is nothing: give another from.")
    if end is not None and end.kind == begin.kind == "time" and end.at_ms <= begin.at_ms:
        raise QueryProblem("parameter", "to lies before from.")
    if end is not None and end.kind == begin.kind == "offset" and end.offset <= begin.offset:
        raise QueryProblem(
            "parameter",
            f"to={end.offset} is not behind from={begin.offset}: the offset of to is the first "
            "that is not read.",
        )


def _check_shared(query: Query, client: str) -> None:
    """Refuse to share between readers what only one of them can say."""
    if not client:
        raise QueryProblem("parameter", "subscription shares a client's rows: name the client too.")
    is_single = not (query.joins or query.window or query.group or query.is_aggregate)
    if not is_single or query.limit is not None or query.order is not None:
        raise QueryProblem(
            "parameter",
            "Only rows of single events can be shared between subscriptions: leave out windows, "
            "functions, joins and limits, or subscription.",
        )


def _sample_of(text: str) -> int:
    if not _OFFSET.fullmatch(text) or int(text) > SAMPLE_MS_MAX:
        raise QueryProblem(
            "parameter", f"sample is in milliseconds, from 0 (all) to {SAMPLE_MS_MAX}."
        )
    return int(text)


def _name_of(parameters: Mapping[str, str], name: str) -> str:
    found = parameters.get(name, "")
    if found and not _NAME.fullmatch(found):
        raise QueryProblem(
            "parameter",
            f"{name} has up to {NAME_CHARACTERS_MAX} letters, digits, points, dashes.",
            HTTPStatus.BAD_REQUEST,
        )
    return found
