"""`flumina log`: looks at a cell's log as a log: what it is made of, and what it costs to fold.

The one thing to know: it reads all of the log, archive and Kafka joined, and folds it in this
process; nothing is written anywhere.
"""

import asyncio
from typing import Annotated, Final

import typer
from rich.table import Table

from streams.cli.common import DataDirOption, JsonOption, installation_here, settings_here
from streams.cli.quiet import speak_by_errors
from streams.cli.render import errors, out, print_json
from streams.cli.store_words import told_by_sentences
from streams.history.log_stats import LogStats, MeasuringMachine, fold_measured
from streams.history.opening import open_archive, open_log
from streams.settings import Settings
from streams.snapshots.whole import bases_of

app = typer.Typer(
    help="Look at the cell's log as a log.\n\nExample: flumina log stats", no_args_is_help=True
)

RECORDS_MAX: Final = 10_000_000
PROGRESS_RECORDS: Final = 20_000


@app.callback()
def _log() -> None:
    """Keep `stats` a word of its own: a `typer.Typer` of one command drops the command's name."""


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
