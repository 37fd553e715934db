"""When a line was written, by its own beginning.

The one thing to know: a line that does not say has the time at which it was read. Times without a
zone are of this host, whose programs wrote them.
"""

import re
from datetime import datetime
from typing import Final

_ISO: Final = re.compile(
    r"[\[\"]?(\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d)(?:[.,](\d{1,6})\d*)?(Z|[+-]\d\d:?\d\d)?"
)
_SYSLOG: Final = re.compile(r"(?:<\d{1,3}>)?([A-Z][a-z]{2}) ([ \d]\d) (\d\d):(\d\d):(\d\d) ")
_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov")
_DAY_MS: Final = 24 * 60 * 60 * 1_000


def line_time_ms(line: str, now_ms: int) -> int:
    """The line's time in milliseconds, as it says it; else ``now_ms``."""
    found = _ISO.match(line)
    try:
        if found is not None:
            zone = "+00:00" if found[3] == "Z" else found[3] or ""
            moment = datetime.fromisoformat(f"{found[1].replace(' ', 'T')}{zone}")
            fraction_ms = int((found[2] or "0").ljust(3, "0")[:3])
            return int(moment.timestamp()) * 1_000 + fraction_ms
        found = _SYSLOG.match(line)
        return now_ms if found is None else _syslog_ms(found, now_ms)
    except (ValueError, OverflowError):
        return now_ms


def _syslog_ms(found: re.Match[str], now_ms: int) -> int:
    """A time without a year: of this year, or of the last one where that would be tomorrow."""
    months = (*_MONTHS, "Dec")
    month = months.index(found[1]) + 1
    year = datetime.fromtimestamp(now_ms / 1_000).year  # noqa: DTZ006 - syslog's own zone
    rest = (int(found[2]), int(found[3]), int(found[4]), int(found[5]))
    at_ms = int(datetime(year, month, *rest).timestamp()) * 1_000  # noqa: DTZ001 - as above
    if at_ms > now_ms + _DAY_MS:
        at_ms = int(datetime(year - 1, month, *rest).timestamp()) * 1_000  # noqa: DTZ001
    return at_ms
