"""What is asked: MQL and what it is asked of, parameters, cursors, ids, instants, times."""

import json
from typing import Any, Final
from urllib.parse import parse_qsl

import orjson

from connectors.devcluster.wire.calls import is_uuid
from connectors.federation.paging import BadCursor, Place, cursor_of, places_of
from connectors.tasklogs.layout import NameRefused, checked_name, decoded, part_of
from connectors.web.event_stream import place_of
from connectors.web.query.problems import QueryProblem
from projections.query.engine import Running
from projections.query.parser import parse as parse_query
from projections.query.scanner import QueryError
from projections.travel.instants import InstantUnclear, parse_instant
from projections.v3_query import QueryRefusedError
from projections.v3_query import parse_query as parse_v3
from scheduler.model.address import parse_address
from scheduler.model.foreign_updates import share_of
from streams.health.log_files import time_ms
from streams.query.asked import asked_of, fields_of
from streams.query.depth import is_too_deep
from tests.fuzz.parser import Parser, Refused, text_of

_AT_MS: Final = 1_763_800_000_000
_EVENTS: Final[list[dict[str, Any]]] = [
    {"a": 1, "b": "x" * 200, "n": 5, "s": "ab", "l": [{"k": 1}], "kind": "x"},
    {},
    {"a": None, "b": {"k": [None]}, "n": 2**63, "s": "\ud800", "l": 1e308},
]
QUERY_STRING_BYTES_MAX: Final = 16 * 1024
"""Of a query string here; the API refuses longer ones before any parser sees them."""


def _mql(data: bytes) -> object:
    running = Running(parse_query(text_of(data)), lambda: 0.5)
    for at_ms, event in enumerate(_EVENTS):
        running.push(event, at_ms)
    return running.close()


_ASKED: Final = parse_query(
    "select a, count(b), p99(n), e['l'][0]['k'] from s window 3 where (a > 1 || s ==~ /a.*b/ || "
    "n != null) && b != 'q' group by a, s having a > 0 order by a limit 10"
)


def _event(data: bytes) -> object:
    """Any JSON object as an event under a query of every kind."""
    try:
        event = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise Refused("it is no JSON") from error
    if not isinstance(event, dict):
        raise Refused("it is no object")
    if is_too_deep(data, event):
        raise Refused("it is nested too deeply")  # as every reader of events has it
    running = Running(_ASKED, lambda: 0.5)
    for at_ms in range(4):
        running.push(dict(event), at_ms)
    return running.close()


def _parameters(data: bytes) -> dict[str, str]:
    if len(data) > QUERY_STRING_BYTES_MAX:
        raise Refused("it is too long a query string")
    try:
        return dict(parse_qsl(text_of(data), keep_blank_values=True, max_num_fields=100))
    except ValueError as error:
        raise Refused("it is no query string") from error


def _v3(data: bytes) -> object:
    return parse_v3(_parameters(data))


def _stream(data: bytes) -> object:
    parameters = _parameters(data)
    return asked_of(parameters, parameters.pop("id", ""), _AT_MS), fields_of(str(parameters))


def _cursor(data: bytes) -> object:
    return places_of(text_of(data), ("a", "b"))


def _event_id(data: bytes) -> object:
    found = place_of(text_of(data))
    if found is None:
        raise Refused("it is no id")
    return found


def _time(data: bytes) -> object:
    found = time_ms(text_of(data))
    if not found:
        raise Refused("it is no time")
    return json.dumps(found)


def _name(data: bytes) -> object:
    return checked_name(text_of(data))


def _part(data: bytes) -> object:
    text = text_of(data)
    decoded(text)
    found = part_of(text)
    if found is None:
        raise Refused("it is no part")
    return found


def _share(data: bytes) -> object:
    found = share_of(text_of(data))
    if found is None:
        raise Refused("it is no share")
    return found


def _uuid(data: bytes) -> object:
    if not is_uuid(text_of(data)):
        raise Refused("it is none")
    return None


_QUERIES: Final = (
    b"select * from tasks",
    (
        b"select a, count(b) as 'n', e['l'][0]['k'] from s window 10 where a > 1 && b ==~ /x.*/ "
        b"group by a having n > 1 order by n limit 5"
    ),
    (
        b"select a from s where not (a == 1 || b != 'x') sample {'strategy':'STICKY','keys':['a'],"
        b"'threshold':100,'factor':1000}"
    ),
    b"select e[^'x'], p99(n) from s window 5 sample 10%",
    b"select a from s join t 5 seconds on a where a ==+ 'x'",
)
_LISTS: Final = (
    b"jobIds=a,b&owner=ada&taskStates=Started&pageSize=10&fields=id,status.state&cursor=c1f",
    b"attributes=a:b,c&attributes.op=or&jobType=batch&needsMigration=true",
)
_STREAMS: Final = (
    b"mql=select%20*%20from%20tasks&from=-5m&delivery=all&client=a",
    b"mql=select%20*%20from%20jobs&from=2026-11-22T12:00:00Z&to=2026-11-22T13:00:00Z&sample=100",
)
PARSERS: Final = (
    Parser("mql", "text", _mql, (QueryError,), _QUERIES),
    Parser("mql-event", "json", _event, (), (orjson.dumps(_EVENTS[0]),)),
    Parser("list-parameters", "text", _v3, (QueryRefusedError,), _LISTS),
    Parser("stream-parameters", "text", _stream, (QueryProblem,), _STREAMS),
    Parser(
        "federation-cursor",
        "text",
        _cursor,
        (BadCursor,),
        (cursor_of({"a": Place("c1f"), "b": Place("", True)}).encode(),),
    ),
    Parser("event-id", "text", _event_id, (), (b"main/1a2b3c4d:1042[3]", b"main/1a2b3c4d:7")),
    Parser(
        "instant",
        "text",
        lambda data: parse_instant(text_of(data), _AT_MS),
        (InstantUnclear,),
        (b"-5m", b"2026-11-22T12:00:00Z", b"main/1a2b3c4d:1042[3]", b"1042"),
    ),
    Parser(
        "address",
        "text",
        lambda data: parse_address(text_of(data)),
        (ValueError,),
        (b"main/1a2b3c4d:1042[3]",),
    ),
    Parser("log-time", "text", _time, (), (b"2026-11-22T12:00:00,5Z", b"1763800000.5")),
    Parser("log-file-name", "text", _name, (NameRefused,), (b"stdout", b"logs/a/b.txt")),
    Parser("log-part", "text", _part, (), (b"0000000000000000-0000000000000010-1.gz",)),
    Parser("share", "text", _share, (), (b"25%", b"3")),
    Parser("uuid-of-mesos", "text", _uuid, (ValueError,), (b"C4fhokxtSlSdNR9kovDAAQ==",)),
)
