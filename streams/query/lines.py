"""Lines of hosts as events: one a line, with its level where it has one.

The one thing to know: a record of any shipper that `health` reads is read here as well, by the
same code; what it cannot read is counted and passed over, as there.
"""

import re
from typing import Any, Final

from projections.health.severity import LEVELS
from streams.health.records import Unreadable as NoLines
from streams.health.records import line_records
from streams.query.record import Record, Unreadable

_WORD: Final = re.compile(r"[A-Za-z]+")
_BEGIN: Final = 120
"""Characters of a line in which its level is looked for."""
_NAMES: Final = {0.9: "FATAL", 0.6: "ERROR", 0.3: "WARN", 0.08: "INFO", 0.04: "DEBUG"}
_SHORT: Final = 2
"""Levels of one letter are none of a line in words."""
_LEVELS: Final = {word: _NAMES[score] for word, score in LEVELS.items() if len(word) > _SHORT}


def line_events(record: Record) -> list[dict[str, Any]]:
    """The lines of a record; raises `Unreadable`."""
    source = f"host-logs:{record.partition}:{record.offset}"
    try:
        found = line_records(record.value, record.key, source, source, record.at_ms)
    except NoLines as error:
        raise Unreadable(str(error)) from error
    events: list[dict[str, Any]] = []
    for each in found:
        times = each.times_ms
        for number, line in enumerate(each.lines):
            event = {
                "kind": "HostLine",
                "host": each.host_id,
                "message": line,
                "at_ms": times[number] if len(times) > 1 else times[0],
            }
            level = level_of(line)
            if level:
                event["level"] = level
            events.append(event)
    return events


def level_of(line: str) -> str:
    """FATAL, ERROR, WARN, INFO or DEBUG, by the line's first word that is a level; or empty."""
    for word in _WORD.findall(line[:_BEGIN]):
        found = _LEVELS.get(word.lower())
        if found is not None:
            return found
    return ""
