"""`flumina sql`: a question in SQL over all of history, archived or still in Kafka.

The one thing to know: it reads. A question is one SELECT, sees the tables of history and nothing of
this computer, and ends at its limits.
"""

import asyncio
import json
import sys
from datetime import date, datetime, time, timedelta
from typing import Annotated, Any

import typer
from rich.table import Table

from connectors.archive.sql import SqlAnswer, SqlLimits, csv_text
from streams.cli.common import DataDirOption, JsonOption, installation_here, settings_here
from streams.cli.quiet import speak_by_errors
from streams.cli.render import cell_text, errors, out, show
from streams.cli.store_words import told_by_sentences
from streams.errors import OperatorError
from streams.history.asking import ask
from streams.history.opening import open_archive


def sql(  # noqa: PLR0917 - options, all by name
    question: Annotated[str, typer.Argument(metavar="SELECT", help="One SELECT, quoted.")],
    as_json: JsonOption = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV.")] = False,
    rows: Annotated[int, typer.Option(min=1, max=1_000_000, help="Rows at most.")] = 10_000,
    memory: Annotated[
        int, typer.Option(min=64, max=65_536, metavar="MIB", help="Memory at most.")
    ] = 512,
    seconds: Annotated[float, typer.Option(min=0.1, max=3_600, help="Time at most.")] = 60.0,
    data_dir: DataDirOption = None,
) -> None:
    """Ask all of history: archived ranges and what Kafka has behind them, as one.

    Tables: records, events, changes, notes, and one for each topic: jobs, commands, mesos, hosts,
    verdicts, metrics, host_logs, job_events, dead_letters. Times are UTC in at_time, and
    milliseconds since 1970 in at_ms; a record's place is log_offset.

    Example: flumina sql "SELECT kind, count(*) FROM events GROUP BY kind ORDER BY 2 DESC"
    """
    if as_json and as_csv:
        raise OperatorError("--json and --csv exclude each other.", "Both were given.", "Take one.")
    settings = installation_here(settings_here(), data_dir)
    limits = SqlLimits(rows_max=rows, memory_mib=memory, seconds_max=seconds)
    speak_by_errors()
    with told_by_sentences():
        found = asyncio.run(ask(settings, open_archive(settings), question, limits))
    if as_json:
        print(json.dumps(_object(found)))
    elif as_csv:
        sys.stdout.write(csv_text(found))
    else:
        show(out(), _table(found))
    if found.is_cut and not as_json:
        errors().print(f"Only the first {rows} rows are shown; --rows allows more.")


def _object(found: SqlAnswer) -> dict[str, Any]:
    rows = [
        {name: _plain(value) for name, value in zip(found.columns, row, strict=True)}
        for row in found.rows
    ]
    columns = [
        {"name": name, "type": kind} for name, kind in zip(found.columns, found.types, strict=True)
    ]
    return {"columns": columns, "items": rows, "isCut": found.is_cut}


def _plain(value: object) -> object:
    """A value as JSON has it; times are UTC, as the log's are."""
    match value:
        case None | bool() | int() | float() | str():
            return value
        case datetime():
            return value.isoformat(timespec="milliseconds") + ("Z" if value.tzinfo is None else "")
        case date() | time():
            return value.isoformat()
        case timedelta():
            return value.total_seconds()
        case bytes():
            return value.hex()
        case list() | tuple():
            return [_plain(each) for each in value]
        case dict():
            return {str(name): _plain(each) for name, each in value.items()}
        case _:
            return str(value)


def _table(found: SqlAnswer) -> Table:
    shown = Table(box=None, pad_edge=False)
    for name in found.columns:
        shown.add_column(cell_text(name, "bold"), overflow="fold")
    for row in found.rows:
        shown.add_row(*(cell_text("" if each is None else _plain(each)) for each in row))
    return shown
