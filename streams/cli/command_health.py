"""`health`: what log lines and series tell of hosts; templates, odd lines, rules, suspects.

The one thing to know: commands with a FILE work on that file alone and print one JSON object for
each line, each made from that line and earlier ones only; nothing needs to run.
"""

from pathlib import Path
from typing import Annotated, Final

import orjson
import typer

from projections.health.lines import LineScorer
from projections.health.templates import TemplateMiner
from streams.health.log_files import Columns, lines_of

app = typer.Typer(
    help="Find templates and odd lines in logs, try rules, and see what made hosts ill.\n\n"
    "Example: flumina health templates app.log",
    no_args_is_help=True,
)
SCORE_DIGITS: Final = 4
FileArgument = Annotated[
    Path,
    typer.Argument(metavar="FILE", help="Text with a line each, or CSV; plain or gzipped; or -."),
]
ColumnOption = Annotated[
    str | None,
    typer.Option("--column", metavar="NAME", help="FILE is CSV; the column of the lines."),
]
HostColumnOption = Annotated[
    str | None, typer.Option(metavar="NAME", help="The column of the hosts.")
]
LevelColumnOption = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="The column of the levels; else as lines name them."),
]
TimeColumnOption = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="The column of the times: s, ms, µs, ns or ISO 8601."),
]


@app.command()
def templates(file: FileArgument, column: ColumnOption = None) -> None:
    """Print the template of each line: what it has in common with lines of its kind.

    One JSON object for each line: line (its number from 1; of CSV the row's, without the header),
    template_id and template. An id stands once it is printed, and is the same in every run. There
    are no settings: one form of masking serves all logs.

    Example: flumina health templates app_structured.csv.gz --column Content
    """
    miner = TemplateMiner()
    for each in lines_of(file, Columns(column)):
        found = miner.template(each.text)
        _print(
            {"line": each.number, "template_id": found.template_id, "template": found.text},
        )


@app.command()
def lines(
    file: FileArgument,
    column: ColumnOption = None,
    host_column: HostColumnOption = None,
    level_column: LevelColumnOption = None,
    time_column: TimeColumnOption = None,
) -> None:
    """Print how much each line deserves a look, made from it and earlier lines only.

    One JSON object for each line: line (its number from 1; of CSV the row's, without the header),
    host, score in [0, 1], and alert, which is a score of a half or more.

    Example: flumina health lines BGL.csv --column Content --host-column Node --level-column Level
    """
    scorer = LineScorer()
    for each in lines_of(file, Columns(column, host_column, level_column, time_column)):
        found = scorer.score(each.text, each.host, each.level, each.at_ms)
        score = round(found.score, SCORE_DIGITS)
        _print({"line": each.number, "host": each.host, "score": score, "alert": found.is_alert})


def _print(found: dict[str, object]) -> None:
    print(orjson.dumps(found).decode())
