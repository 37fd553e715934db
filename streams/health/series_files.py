"""Rows of metrics from a CSV file, plain or gzipped, or from standard input.

The one thing to know: columns that are not named are found by what the first rows hold, never by
the file's name; and a row whose value is no number is handed on as one without a value, so that
rows of the file and rows of an answer stay the same ones.
"""

import csv
import gzip
import math
import sys
import zlib
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import chain, islice
from pathlib import Path
from typing import Final, NamedTuple, TextIO

from streams.errors import OperatorError
from streams.health.log_files import time_ms

LOOKED_AT_ROWS: Final = 50
TIMES: Final = ("timestamp", "time", "period", "date", "datetime", "at", "ts")
VALUES: Final = ("value", "count", "load", "requests")
HOSTS: Final = ("host", "host_id", "hostname", "node", "instance")
GROUPS: Final = ("group", "cluster", "asg")
_GZIP: Final = b"\x1f\x8b"


class SeriesRow(NamedTuple):
    """One row of one series; ``value`` is None where there was no number."""

    number: int
    timestamp: str
    at_ms: int
    value: float | None


class HostRow(NamedTuple):
    """One row of one host: its metrics in the order of the columns, None where there is none."""

    number: int
    timestamp: str
    at_ms: int
    host: str
    group: str
    values: tuple[float | None, ...]


class HostTable(NamedTuple):
    """The names of the metrics, and the rows."""

    metrics: tuple[str, ...]
    rows: Iterator[HostRow]


def series_of(
    path: Path, column: str | None = None, time_column: str | None = None
) -> Iterator[SeriesRow]:
    """The rows of a series in the file's order; raises `OperatorError` where that cannot be."""
    with ExitStack() as held:
        names, rows = _table(path, held)
        first = list(islice(rows, LOOKED_AT_ROWS))
        time = _named(path, names, time_column, "--time-column") or _time(path, names, first)
        named = _named(path, names, column, "--column")
        wanted = named or _value(path, names, first, time)
        at, value = names.index(time), names.index(wanted)
        for number, row in chain(first, rows):
            moment = _cell(row, at)
            yield SeriesRow(
                number, moment, _moment(path, number, moment), _float(_cell(row, value))
            )


def hosts_of(path: Path, columns: tuple[str, ...], held: ExitStack) -> HostTable:
    """The rows of many hosts; without ``columns`` every column of numbers is a metric."""
    names, rows = _table(path, held)
    first = list(islice(rows, LOOKED_AT_ROWS))
    time = _time(path, names, first)
    host = _one_of(names, HOSTS)
    if host is None:
        raise OperatorError(
            f"{path} has no column of hosts.",
            f"Its first line names {', '.join(names)}.",
            f"Call the column one of {', '.join(HOSTS)}.",
        )
    group = _one_of(names, GROUPS)
    other = [name for name in names if name not in {time, host, group}]
    for each in columns:
        _named(path, names, each, "--column")
    metrics = columns or tuple(each for each in other if _is_numeric(first, names.index(each)))
    if not metrics:
        raise OperatorError(
            f"{path} has no column of numbers beside times, hosts and groups.",
            f"Its first line names {', '.join(names)}.",
            "Name the columns of the metrics with --column, once for each.",
        )
    places = [names.index(each) for each in metrics]
    at, who, where = names.index(time), names.index(host), names.index(group) if group else -1

    def found() -> Iterator[HostRow]:
        for number, row in chain(first, rows):
            moment = _cell(row, at)
            yield HostRow(
                number,
                moment,
                _moment(path, number, moment),
                _cell(row, who),
                _cell(row, where) if where >= 0 else "",
                tuple(_float(_cell(row, place)) for place in places),
            )

    return HostTable(metrics, found())


def _table(path: Path, held: ExitStack) -> tuple[list[str], Iterator[tuple[int, list[str]]]]:
    """The names of the first line, and the rows behind it with their lines' numbers."""
    try:
        reader = csv.reader(held.enter_context(_opened(path)))
        names = [each.strip() for each in next(reader, [])]
    except (OSError, EOFError, UnicodeDecodeError, csv.Error, zlib.error) as error:
        raise _unreadable(path, 1, error) from error
    if len(names) < 2:
        raise OperatorError(
            f"{path} has no columns of times and values.",
            f"Its first line is {','.join(names)!r}.",
            "Name a CSV file whose first line names its columns.",
        )
    return names, _rows(path, reader)


def _rows(path: Path, reader: Iterator[list[str]]) -> Iterator[tuple[int, list[str]]]:
    number = 1
    try:
        for number, row in enumerate(reader, start=2):
            if row:
                yield number, row
    except (OSError, EOFError, UnicodeDecodeError, csv.Error, zlib.error) as error:
        raise _unreadable(path, number, error) from error


def _unreadable(path: Path, number: int, error: Exception) -> OperatorError:
    return OperatorError(
        f"{path} cannot be read behind line {number}: {error}.",
        "The name is misspelt, the file is cut short, or it is no CSV, plain or gzipped.",
        "Name a CSV file whose first line names its columns.",
    )


def _opened(path: Path) -> TextIO:
    if str(path) == "-":
        return sys.stdin
    with path.open("rb") as probe:
        is_packed = probe.read(len(_GZIP)) == _GZIP
    if is_packed:
        return gzip.open(path, "rt", encoding="utf-8-sig", newline="")
    return path.open(encoding="utf-8-sig", newline="")


def _named(path: Path, names: list[str], wanted: str | None, option: str) -> str | None:
    if wanted is not None and wanted not in names:
        raise OperatorError(
            f"{path} has no column {wanted!r}.",
            f"Its first line names {', '.join(names)}.",
            f"Name one of them with {option}.",
        )
    return wanted


def _one_of(names: list[str], known: tuple[str, ...]) -> str | None:
    by_lower = {name.lower(): name for name in reversed(names)}
    return next((by_lower[each] for each in known if each in by_lower), None)


def _time(path: Path, names: list[str], first: list[tuple[int, list[str]]]) -> str:
    known = _one_of(names, TIMES)
    if known is not None:
        return known
    for at, name in enumerate(names):
        if first and all(time_ms(_cell(row, at)) for _, row in first):
            return name
    raise OperatorError(
        f"{path} has no column of times.",
        f"Its first line names {', '.join(names)}.",
        "Name it with --time-column, or call it timestamp.",
    )


def _value(path: Path, names: list[str], first: list[tuple[int, list[str]]], time: str) -> str:
    known = _one_of(names, VALUES)
    if known is not None:
        return known
    found = [name for at, name in enumerate(names) if name != time and _is_numeric(first, at)]
    if len(found) == 1:
        return found[0]
    raise OperatorError(
        f"It is not clear which column of {path} is the series.",
        f"Columns of numbers beside the times are {', '.join(found) or 'none'}.",
        "Name one with --column.",
    )


def _is_numeric(first: list[tuple[int, list[str]]], at: int) -> bool:
    cells = [_float(_cell(row, at)) for _, row in first]
    return 2 * sum(each is not None for each in cells) >= len(cells)


def _cell(row: list[str], at: int) -> str:
    return row[at].strip() if at < len(row) else ""


def _float(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _moment(path: Path, number: int, text: str) -> int:
    found = time_ms(text)
    # The epoch itself is a time too: a counter of minutes may begin there.
    if found == 0 and _float(text) != 0.0:
        raise OperatorError(
            f"Line {number} of {path} has {text!r} where its time should be.",
            "The row is cut short, or the column of the times is another.",
            "Mend the line, or name the column with --time-column.",
        )
    return found
