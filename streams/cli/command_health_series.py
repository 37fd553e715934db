"""`health series`, `health peers`: what metrics tell of a host, by itself and among its peers.

The one thing to know: both work on a file alone, and say of a row only what it and earlier rows
make known; nothing needs to run.
"""

from contextlib import ExitStack
from itertools import groupby
from pathlib import Path
from typing import Annotated, Final

import orjson
import typer

from projections.health.peers import PeerWatch
from projections.health.series import SeriesDetector
from streams.cli.render import errors
from streams.errors import OperatorError
from streams.health.series_files import hosts_of, series_of

SCORE_DIGITS: Final = 4
FileArgument = Annotated[
    Path, typer.Argument(metavar="FILE", help="CSV with a first line of names; may be gzipped.")
]
TimeColumnOption = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="The column of the times: ISO 8601, or s, ms, µs, ns."),
]


def series(
    file: FileArgument,
    column: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="The column of the values; default value, or the only."),
    ] = None,
    time_column: TimeColumnOption = None,
) -> None:
    """Print how surprising each value of a metric is, by itself and earlier ones.

    One JSON object for each row: timestamp as it stands in the file, and score from 0 to 1; a half
    or more is an alarm. A row without a number has score 0, and is counted at the end.

    Example: flumina health series cpu.csv.gz
    """
    detector = SeriesDetector(has_season=True)
    rows, without = 0, []
    for row in series_of(file, column, time_column):
        rows += 1
        score = 0.0
        if row.value is None:
            without.append(row.number)
        else:
            score = round(detector.feed(row.value, row.at_ms / 1_000).score, SCORE_DIGITS)
        print(orjson.dumps({"timestamp": row.timestamp, "score": score}).decode())
    if rows == len(without):
        raise OperatorError(
            f"{file} has no row with a number in that column.",
            f"It has {rows} rows." if rows else "It has no rows behind its first line.",
            "Name the column of the values with --column.",
        )
    if without:
        told = f"{len(without)} of {rows} rows have no number; the first is line {without[0]}."
        errors().print(told, markup=False)


def peers(
    file: FileArgument,
    column: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="A metric; may be repeated. Default all numbers."),
    ] = None,
) -> None:
    """Print which hosts are unlike the others of their group, round by round.

    Rows of the same timestamp are a round, and stand together; columns are timestamp, host, group
    and the metrics. One JSON object for each host of a round: timestamp, host, group, score from 0
    to 1, and sick, which is who stays beyond its peers; with why where there is something to say.

    Example: flumina health peers hosts.csv
    """
    judged = 0
    with ExitStack() as held:
        table = hosts_of(file, tuple(column or ()), held)
        watch = PeerWatch(table.metrics)
        for timestamp, rows in groupby(table.rows, key=lambda row: row.timestamp):
            for row in rows:
                watch.feed(row.host, row.group, row.values)
            for each in watch.judged():
                judged += 1
                said: dict[str, object] = {
                    "timestamp": timestamp,
                    "host": each.host,
                    "group": each.group,
                    "score": round(each.score, SCORE_DIGITS),
                    "sick": each.is_sick,
                }
                if each.is_sick:
                    said["why"] = (
                        f"{each.metric} is {each.distance:+.1f} usual distances from the middle"
                        f" of {each.peers} peers"
                    )
                print(orjson.dumps(said).decode())
    if not judged:
        raise OperatorError(
            f"{file} has no rows behind its first line.",
            "It is empty, or cut short.",
            "Name a file with a row for each host and time.",
        )
