"""`cost`: what owners, applications, groups or jobs held of the cell, for those who share its bill.

The one thing to know: it is counted from the log, in Kafka and the archive alike; no API is asked
and nothing has to run. Figures in CSV and Parquet are exact whole numbers beside rounded hours.
"""

import asyncio
import csv
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import typer
from rich.console import Console

from projections.cost.ledger import COLUMNS, CostRow, Costs, together
from projections.travel.questions import CostOf
from streams.cli.common import DataDirOption, settings_here
from streams.cli.each_cell import installations_here
from streams.cli.quiet import speak_by_errors
from streams.cli.render import cell_text, clock, out, print_json, show, table
from streams.cli.store_words import told_by_sentences
from streams.errors import OperatorError
from streams.settings import Settings
from streams.travel.answering import Answering
from streams.travel.opening import opened_travel

INSTANT = "-5m, 2026-01-31T12:00:00Z, an offset, an address, or now"


class ByWord(StrEnum):
    """What the rows are of."""

    owner = "owner"
    app = "app"
    group = "group"
    job = "job"


class FormatWord(StrEnum):
    """How the rows are written."""

    table = "table"
    csv = "csv"
    parquet = "parquet"
    json = "json"


def cost(  # noqa: PLR0917 - options, all by name
    by: Annotated[ByWord, typer.Option("--by", help="What each row is of.")] = ByWord.owner,
    first: Annotated[str, typer.Option("--from", metavar="FROM", help=INSTANT)] = "-24h",
    second: Annotated[str, typer.Option("--to", metavar="TO", help=INSTANT)] = "now",
    form: Annotated[FormatWord, typer.Option("--format", help="How to write it.")] = (
        FormatWord.table
    ),
    as_json: Annotated[bool, typer.Option("--json", help="The same as --format json.")] = False,
    file: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="Write to this file.")
    ] = None,
    data_dir: DataDirOption = None,
) -> None:
    """Show cpu, memory and device hours that were held: reserved amounts times time.

    A task holds what its job asked for from the launch to the end that the log has of it. Of
    several cells all are added up, unless --cell names one.

    Example: flumina cost --by app --from -7d --format csv --out week.csv
    """
    word = FormatWord.json if as_json else form
    if word is FormatWord.parquet and file is None:
        raise OperatorError(
            "Parquet is no text.", "It was to be printed.", "Name a file with --out FILE."
        )
    cells = installations_here(settings_here(), data_dir)
    speak_by_errors()
    question = CostOf(first, second, by.value, None)
    with told_by_sentences():
        found = [asyncio.run(_asked(each, question)) for each in cells]
    write_costs(together(found), word, file)


async def _asked(settings: Settings, question: CostOf) -> Costs:
    async with opened_travel(settings) as answering:
        return await costs_of(answering, question)


async def costs_of(answering: Answering, question: CostOf) -> Costs:
    """The answer to a question about costs."""
    found = await answering.answer(question)
    assert isinstance(found, Costs)
    return found


def write_costs(found: Costs, form: FormatWord, file: Path | None) -> None:
    """Write the costs in a form, to a file or standard output; raises `OperatorError`."""
    try:
        _write(found, form, file)
    except OSError as error:
        if file is None:
            raise  # The terminal's end of a pipe: `main` knows about those.
        raise OperatorError(
            f"{file} cannot be written: {error.strerror}.",
            "Its folder is not there, or is not yours to write.",
            "Name another file with --out FILE.",
        ) from error


def _write(found: Costs, form: FormatWord, file: Path | None) -> None:
    match form:
        case FormatWord.table:
            if file is None:
                print_costs(found, out())
                return
            with file.open("w", encoding="utf-8") as text:
                print_costs(found, Console(file=text, width=1_000))
        case FormatWord.csv:
            if file is None:
                _write_csv(found, sys.stdout)
                return
            with file.open("w", encoding="utf-8", newline="") as text:
                _write_csv(found, text)
        case FormatWord.parquet:
            assert file is not None
            pq.write_table(arrow_of(found), file)
        case FormatWord.json:
            if file is None:
                print_json(msgspec.to_builtins(found))
            else:
                file.write_bytes(msgspec.json.format(msgspec.json.encode(found)) + b"\n")


def print_costs(found: Costs, console: Console) -> None:
    """Print the rows, the dearest first, and their total."""
    title = f"held from {clock(found.from_ms)} to {clock(found.to_ms)}, by {found.by}"
    console.print(cell_text(title, "bold"))
    names: tuple[str, ...] = ("owner", "app", "group") if found.by == "job" else ()
    columns = (found.by, *names, "tasks #", "cpu h #", "GiB h #", "gpu h #")
    rows = [_cells(each, names) for each in found.items]
    show(console, table("", columns, [*rows, _cells(found.total, names, "total")]))


def _cells(row: CostRow, names: tuple[str, ...], name: str = "") -> tuple[str, ...]:
    hours = (row.cpu_hours, row.memory_gib_hours, row.gpu_hours)
    words = (str(getattr(row, each)) for each in names)
    return (name or row.name, *words, str(row.tasks), *(f"{each:.3f}" for each in hours))


def _values(row: CostRow) -> tuple[object, ...]:
    return msgspec.structs.astuple(row)


def _write_csv(found: Costs, text: object) -> None:
    writer = csv.writer(text, lineterminator="\n")  # type: ignore[arg-type] # any text stream
    writer.writerow(COLUMNS)
    writer.writerows(_values(each) for each in found.items)


def arrow_of(found: Costs) -> pa.Table:
    """The rows as a table of Arrow, with the range in its metadata."""
    columns = list(zip(*(_values(each) for each in found.items), strict=True))
    columns = columns or [() for _ in COLUMNS]
    types = [_ARROW[each.type] for each in msgspec.structs.fields(CostRow)]
    arrays = [pa.array(each, kind) for each, kind in zip(columns, types, strict=True)]
    metadata = {"from_ms": str(found.from_ms), "to_ms": str(found.to_ms), "by": found.by}
    return pa.table(arrays, names=list(COLUMNS)).replace_schema_metadata(metadata)


_ARROW = {str: pa.string(), int: pa.int64(), float: pa.float64()}
