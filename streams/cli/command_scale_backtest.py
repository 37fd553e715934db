"""`scale backtest`: what the forecast of the fleet would have provisioned for a recorded load.

The one thing to know: it works on a file alone; each minute stands beside what was said of it a
horizon earlier, and the last line has the figures, beside those of the plain rule.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Final

import orjson
import typer

from scheduler.fleet.backtest import UNCOUNTED_MINUTES, Tally
from scheduler.fleet.backtest import backtest as minutes_of
from scheduler.fleet.forecast import DAY_MINUTES, MINUTE_MS
from streams.cli.render import errors
from streams.errors import OperatorError
from streams.health.series_files import series_of

_HORIZON: Final = re.compile(r"(\d{1,6})\s*(s|m|min|h)?")
_SECONDS: Final = {"s": 1, "m": 60, "min": 60, "h": 3_600, "": 60}
PARTS: Final = 1_000
"""Loads are counted in thousandths, so that metrics with a point can be forecast too."""


def backtest(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="CSV with a load a minute; may be gzipped.")
    ],
    horizon: Annotated[
        str, typer.Option(metavar="TIME", help="How far ahead: 15m, 1h; whole minutes.")
    ] = "15m",
    column: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="The column of the load; default value, count, the only"),
    ] = None,
    time_column: Annotated[
        str | None, typer.Option(metavar="NAME", help="The column of the times.")
    ] = None,
) -> None:
    """Print what would have been provisioned for each minute of a recorded load.

    One JSON object a minute: timestamp as in the file, actual, and provisioned, said a horizon
    before (0 in the first one). The last has error, short (share of minutes above 1.2 of what was
    provisioned) and bought (provisioned / actual) from the third day on, and in maximum_short and
    maximum_bought those of the largest load of the last horizon.

    Example: flumina scale backtest requests.csv --horizon 15m
    """
    ahead = minutes_in(horizon)
    names: dict[int, str] = {}
    own, plain, first = Tally(), Tally(), None
    for minute in minutes_of(_loads(file, column, time_column, names), ahead):
        first = minute.at_ms if first is None else first
        if minute.at_ms >= first + UNCOUNTED_MINUTES * MINUTE_MS:
            own.count(minute.load, minute.provisioned)
            plain.count(minute.load, minute.maximum)
        said = {
            "timestamp": names.pop(minute.at_ms),
            "actual": minute.load / PARTS,
            "provisioned": minute.provisioned / PARTS,
        }
        print(orjson.dumps(said).decode())
    if not own.minutes:
        raise OperatorError(
            f"{file} does not reach a third day: nothing can be counted.",
            "A forecast has to have seen a day and its night.",
            "Name a longer record, with a row a minute.",
        )
    rule = plain.figures()
    told = {"maximum_short": rule["short"], "maximum_bought": rule["bought"]}
    print(orjson.dumps({**own.figures(), **told, "minutes": own.minutes}).decode())


def minutes_in(text: str) -> int:
    """The minutes of a time such as 15m; raises `OperatorError` where it is none."""
    found = _HORIZON.fullmatch(text.strip().lower())
    seconds = int(found[1]) * _SECONDS[found[2] or ""] if found else 0
    if seconds % 60 or not 60 <= seconds <= DAY_MINUTES * 60 // 2:
        raise OperatorError(
            f"{text!r} is no horizon.",
            "It has to be whole minutes, from one to half a day.",
            "Write for example 15m or 1h.",
        )
    return seconds // 60


def _loads(
    file: Path, column: str | None, time_column: str | None, names: dict[int, str]
) -> Iterator[tuple[int, int]]:
    """Time and load of each row that has both and is later than all before; the rest is told."""
    without, late, latest = 0, 0, -1
    for row in series_of(file, column, time_column):
        if row.value is None:
            without += 1
        elif row.at_ms // MINUTE_MS <= latest:
            late += 1
        elif row.value < 0:
            raise OperatorError(
                f"Line {row.number} of {file} has a load of {row.value:g}.",
                "No load is below 0; the column is another.",
                "Name the column of the load with --column.",
            )
        else:
            latest = row.at_ms // MINUTE_MS
            names[row.at_ms] = row.timestamp
            yield row.at_ms, round(row.value * PARTS)
    for count, what in ((without, "have no number"), (late, "are no later than one before")):
        if count:
            errors().print(f"{count} rows {what}, and were left out.", markup=False)
