"""Records of topic ``host-logs``: ours, and those of Fluent Bit and Vector, as lines of hosts.

The one thing to know: a record that cannot be read is nobody's reason to stop. It goes to topic
``dead-letters`` with its bytes and the reason, and the lane goes on.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final

import msgspec

from projections.health.blocks import LineRecord
from projections.health.severity import level_within
from scheduler.model.reading.bad_bytes import BAD_BYTES
from streams.health.log_files import time_ms

LINES_MAX: Final = 1_000
"""Lines in one record; who has more writes several."""
HOST_CHARACTERS_MAX: Final = 255
"""As long as a name can be (RFC 1035)."""
TEXTS: Final = ("message", "log", "MESSAGE", "msg")
HOSTS: Final = ("host_id", "host", "hostname", "_HOSTNAME", "node_name")
LEVELS: Final = ("level", "severity", "log.level")
TIMES: Final = ("timestamp", "@timestamp", "time", "date", "_SOURCE_REALTIME_TIMESTAMP")
"""By the names of Vector, of Fluent Bit's inputs `tail` and `systemd`, and of what people set."""


class HostLines(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Our own record: up to 1,000 lines of one file of one host, in their order."""

    host_id: Annotated[str, msgspec.Meta(min_length=1, max_length=HOST_CHARACTERS_MAX)]
    lines: Annotated[list[str], msgspec.Meta(min_length=1, max_length=LINES_MAX)]
    times_ms: list[int] = []
    """When each was written, or one time for all; left out, when the record was made."""
    file: str = ""


class Unreadable(ValueError):
    """A record is none of a kind that is known."""


_OURS: Final = msgspec.json.Decoder(HostLines)
_ANY: Final = msgspec.json.Decoder()


def encode_lines(record: HostLines) -> bytes:
    """The bytes of a record of ours."""
    return msgspec.json.encode(record)


def line_records(
    value: bytes, key: bytes | None, source: str, lane: str, made_at_ms: int
) -> list[LineRecord]:
    """The lines of a record by their hosts; raises `Unreadable`, with the reason.

    ``source`` is its address, and ``made_at_ms`` Kafka's stamp, which every host has from its
    own producer or broker.
    """
    try:
        found = _OURS.decode(value)
    except BAD_BYTES as error:
        return _foreign(value, key, source, lane, made_at_ms, str(error))
    times: Sequence[int] = found.times_ms or (made_at_ms,)
    if len(times) not in {1, len(found.lines)}:
        raise Unreadable(f"it has {len(found.lines)} lines and {len(times)} times")
    return [LineRecord(found.host_id, found.lines, times, source, lane, made_at_ms)]


def _foreign(  # noqa: PLR0917 - as `line_records`
    value: bytes, key: bytes | None, source: str, lane: str, made_at_ms: int, why: str
) -> list[LineRecord]:
    """The lines of a record of another shipper: an object, an array of them, or one a line."""
    entries = _entries(value)
    lines: dict[str, list[str]] = {}
    times: dict[str, list[int]] = {}
    usual = (key or b"").decode("utf-8", "replace")
    for entry in entries:
        if not isinstance(entry, dict):
            raise Unreadable(f"it holds {type(entry).__name__} where an object is needed")
        if "lines" in entry:
            raise Unreadable(f"it is no record of ours: {why}")
        text = _first(entry, TEXTS)
        host = _first(entry, HOSTS) or _host_within(entry) or usual
        if text is None:
            raise Unreadable(f"it has none of the fields {', '.join(TEXTS)}")
        if not host or len(host) > HOST_CHARACTERS_MAX:
            raise Unreadable(f"it has no host: no key, and none of {', '.join(HOSTS)}")
        level = _first(entry, LEVELS) or ""
        is_named = not level or bool(level_within(text))
        lines.setdefault(host, []).append(text if is_named else f"{level.upper()}: {text}")
        times.setdefault(host, []).append(time_ms(_first(entry, TIMES) or "") or made_at_ms)
    return [LineRecord(host, lines[host], times[host], source, lane, made_at_ms) for host in lines]


def _entries(value: bytes) -> list[Any]:
    try:
        found = _ANY.decode(value)
    except RecursionError as error:
        raise Unreadable("it is nested too deeply") from error
    except BAD_BYTES as error:
        parts = value.splitlines()
        if len(parts) < 2 or len(parts) > LINES_MAX:
            raise Unreadable(f"it is no JSON: {error}") from error
        try:
            return [_ANY.decode(each) for each in parts if each.strip()]
        except BAD_BYTES as inner:
            raise Unreadable(f"it is neither JSON nor lines of JSON: {inner}") from inner
    entries = found if isinstance(found, list) else [found]
    if not 0 < len(entries) <= LINES_MAX:
        raise Unreadable(f"it has {len(entries)} entries; from 1 to {LINES_MAX} are taken")
    return entries


def _first(entry: Mapping[str, Any], names: Sequence[str]) -> str | None:
    """The first of these fields that is there, as a text."""
    for name in names:
        value = entry.get(name)
        if isinstance(value, str):
            return value.rstrip("\n")
        if isinstance(value, int | float) and not isinstance(value, bool):
            return str(value)
    return None


def _host_within(entry: Mapping[str, Any]) -> str | None:
    """The host as Fluent Bit's filter for Kubernetes writes it."""
    inner = entry.get("kubernetes")
    return _first(inner, ("host",)) if isinstance(inner, dict) else None
