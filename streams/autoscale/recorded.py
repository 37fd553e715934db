"""A recorded series from a CSV file, plain or gzipped, for a backtest.

The one thing to know: rows count as evenly spaced. Where the file has a column of times, the
season's length in rows is found from their usual distance; nothing is known of a file by its name.
"""

import csv
import gzip
import math
import zlib
from collections import Counter
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Final, NamedTuple

from streams.errors import OperatorError

DAY_S: Final = 86_400
ROWS_MAX: Final = 2_000_000
LOAD_MAX: Final = 1e15
"""A load beyond it cannot be told in thousandths exactly."""
_GZIP: Final = b"\x1f\x8b"
_TIMES: Final = ("timestamp", "time", "period", "date", "at")


class Recorded(NamedTuple):
    """A series in thousandths, and how many seconds its rows are apart, where that is known."""

    loads: list[int]
    step_s: int | None


def read_series(path: Path, column: str) -> Recorded:
    """The column's numbers; raises `OperatorError` that names the row where there is none."""
    try:
        with path.open("rb") as probe:
            is_packed = probe.read(len(_GZIP)) == _GZIP
        open_ = gzip.open if is_packed else open
        with open_(path, "rt", encoding="utf-8", newline="") as file:
            return _read(path, csv.DictReader(file), column)
    except (OSError, EOFError, UnicodeDecodeError, csv.Error, zlib.error) as error:
        raise OperatorError(
            f"{path} cannot be read: {error}.",
            "The name is misspelt, or the file is no CSV, plain or gzipped.",
            "Name a CSV file whose first line names its columns.",
        ) from error


def _read(path: Path, rows: "csv.DictReader[str]", column: str) -> Recorded:
    names = rows.fieldnames or []
    if column not in names:
        raise OperatorError(
            f"{path} has no column {column!r}.",
            f"Its first line names {', '.join(names) or 'none'}.",
            "Name one of them with --column.",
        )
    times = next((each for each in names if each.lower() in _TIMES and each != column), None)
    loads, instants = [], []
    for number, row in enumerate(rows, start=2):
        value = _number(row[column] or "", path, number)
        loads.append(round(value * 1_000))
        if times is not None:
            instants.append(row[times] or "")
        if len(loads) > ROWS_MAX:
            raise OperatorError(
                f"{path} has more than {ROWS_MAX} rows.", "It is too long to be held.", "Cut it."
            )
    return Recorded(loads, _step_s(instants))


def _number(text: str, path: Path, number: int) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not abs(value) <= LOAD_MAX:
        raise OperatorError(
            f"Line {number} of {path} has {text!r}, which is no number up to {LOAD_MAX:.0e}.",
            "A value is missing or damaged, or the column is another.",
            "Mend the line, or name another column with --column.",
        )
    return value


def _step_s(instants: list[str]) -> int | None:
    """The commonest distance of two rows in seconds; None where the times cannot be read."""
    try:
        moments = [datetime.fromisoformat(each) for each in instants]
        apart = [(after - before).total_seconds() for before, after in pairwise(moments)]
    except (ValueError, TypeError):
        return None  # Some have a time zone and some have none: nobody knows how far apart.
    steps = Counter(map(round, apart))
    if not steps:
        return None
    common, _ = steps.most_common(1)[0]
    return common if common > 0 else None
