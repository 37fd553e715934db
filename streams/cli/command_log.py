"""`flumina log`: looks at a cell's log as a log: its records, their kinds, what folding costs.

The one thing to know: it reads the log where it lies, archive and Kafka joined, and asks no process
of ours; nothing is written anywhere.
"""

import asyncio
from typing import Annotated, Final, NamedTuple

import typer
from rich.table import Table

from scheduler.model.codec import Undecodable, decode_record, digest_of
from streams.cli.common import DataDirOption, JsonOption, installation_here, settings_here
from streams.cli.quiet import speak_by_errors
from streams.cli.render import errors, out, print_json
from streams.cli.store_words import told_by_sentences
from streams.errors import OperatorError
from streams.history.log_stats import LogStats, MeasuringMachine, fold_measured
from streams.history.opening import open_archive, open_log
from streams.settings import Settings
from streams.snapshots.whole import bases_of

app = typer.Typer(
    help="Look at the cell's log as a log.\n\nExample: flumina log stats", no_args_is_help=True
)

RECORDS_MAX: Final = 10_000_000
SHOWN_MAX: Final = 1_000
TEXT_CHARACTERS_MAX: Final = 2_000
"""Of one record on the terminal; `--json` has all of it."""
PROGRESS_RECORDS: Final = 20_000


@app.command()
def stats(
    records: Annotated[
        int, typer.Option(min=1, max=RECORDS_MAX, help="At most so many, from the first one on.")
    ] = RECORDS_MAX,
    as_json: JsonOption = False,
    data_dir: DataDirOption = None,
) -> None:
    """Count the log's events by kind, their bytes, and the time it takes to fold them here.

    Example: flumina log stats --json
    """
    speak_by_errors()
    settings = installation_here(settings_here(), data_dir)
    with told_by_sentences():
        found = asyncio.run(_measured(settings, records, is_quiet=as_json))
    if as_json:
        print_json(_as_document(found))
    else:
        _print(found)


async def _measured(settings: Settings, records: int, *, is_quiet: bool) -> LogStats:
    archive = open_archive(settings)
    reader = await open_log(settings, archive)
    try:
        # A log that continues another one begins at that one's last state.
        bases = bases_of(archive, settings.cell, reader)
        machine = MeasuringMachine.restored((await bases.at_or_below(0)).fold.machine.kept())
        bounds = await reader.bounds()
        end = min(bounds.end_offset, bounds.first_offset + records)
        async for batch in reader.records(bounds.first_offset, end):
            for record in batch:
                fold_measured(machine, record)
                if not is_quiet and machine.stats.records % PROGRESS_RECORDS == 0:
                    done = machine.stats.records
                    errors().print(f"{done:,} of {end - bounds.first_offset:,} records")
    finally:
        await reader.close()
    return machine.stats


class RecordShown(NamedTuple):
    """A record as it lies in the log."""

    offset: int
    bytes_total: int
    digest: str
    problem: str
    """Why this build cannot read it; empty where it can."""
    text: str
    """Its bytes; what is no UTF-8, and no visible character, is escaped."""


@app.command()
def show(
    offset: Annotated[int, typer.Argument(metavar="OFFSET", min=0, help="Of the first record.")],
    count: Annotated[int, typer.Option(min=1, max=SHOWN_MAX, help="How many records.")] = 1,
    as_json: JsonOption = False,
    data_dir: DataDirOption = None,
) -> None:
    """Show records of the log as they lie there, also those that no build can read.

    Nothing is folded and nothing is masked: it reads Kafka and the archive with your own rights.

    Example: flumina log show 1042
    """
    speak_by_errors()
    settings = installation_here(settings_here(), data_dir)
    with told_by_sentences():
        found = asyncio.run(_shown(settings, offset, count))
    if as_json:
        names = ("offset", "bytesTotal", "digest", "problem", "text")
        print_json([dict(zip(names, each, strict=True)) for each in found])
        return
    for each in found:
        stands = each.problem or "this build can read it"
        out().print(
            f"record {each.offset}, {each.bytes_total:,} bytes, digest {each.digest}: {stands}",
            style="bold",
            markup=False,
        )
        rest = len(each.text) - TEXT_CHARACTERS_MAX
        out().print(each.text[:TEXT_CHARACTERS_MAX], markup=False, highlight=False, soft_wrap=True)
        if rest > 0:
            out().print(f"… and {rest:,} characters more, which --json has", style="dim")


async def _shown(settings: Settings, offset: int, count: int) -> list[RecordShown]:
    reader = await open_log(settings)
    try:
        bounds = await reader.bounds()
        if not bounds.first_offset <= offset < bounds.end_offset:
            raise OperatorError(
                f"Offset {offset} is not in the log of cell {settings.cell}.",
                f"It has {bounds.first_offset} to {bounds.end_offset - 1}.",
                "Ask for an offset of those.",
            )
        end = min(bounds.end_offset, offset + count)
        return [
            RecordShown(
                each.offset,
                len(each.value),
                digest_of(each.value),
                _problem(each.value),
                _text(each.value),
            )
            async for batch in reader.records(offset, end)
            for each in batch
        ]
    finally:
        await reader.close()


def _problem(value: bytes) -> str:
    try:
        decode_record(value)
    except Undecodable as error:
        return f"{error}"
    return ""


def _text(value: bytes) -> str:
    text = value.decode("utf-8", "backslashreplace")
    return "".join(each if each.isprintable() else repr(each)[1:-1] for each in text)


def _as_document(stats: LogStats) -> dict[str, object]:
    return {
        "records": stats.records,
        "events": stats.events,
        "bytesTotal": stats.bytes_total,
        "decodeMicroseconds": round(stats.decode_ns / 1_000),
        "applyMicroseconds": round(stats.apply_ns / 1_000),
        "eventsPerSecond": round(stats.events_per_s),
        "kinds": [
            {
                "kind": each.kind,
                "events": each.events,
                "bytesTotal": each.bytes_total,
                "microseconds": round(each.microseconds, 3),
                "share": round(each.apply_ns / stats.apply_ns, 4) if stats.apply_ns else 0.0,
            }
            for each in sorted(stats.kinds.values(), key=lambda each: -each.apply_ns)
        ],
    }


def _print(stats: LogStats) -> None:
    table = Table("kind", "events", "bytes", "bytes each", "µs each", "share of apply", box=None)
    for each in sorted(stats.kinds.values(), key=lambda each: -each.apply_ns):
        table.add_row(
            each.kind,
            f"{each.events:,}",
            f"{each.bytes_total:,}",
            f"{each.bytes_total / each.events:,.0f}",
            f"{each.microseconds:,.1f}",
            f"{100 * each.apply_ns / max(1, stats.apply_ns):.1f} %",
        )
    out().print(table)
    out().print(
        f"{stats.records:,} records, {stats.events:,} events, {stats.bytes_total:,} bytes; "
        f"decode {stats.decode_ns / 1e6:,.0f} ms, apply {stats.apply_ns / 1e6:,.0f} ms: "
        f"{stats.events_per_s:,.0f} events a second while measuring each one."
    )
