"""`flumina archive`: what is archived, whether it is whole, and a copy of it in a file.

The one thing to know: a look at the archive needs the store and no Kafka. Only `now` reads Kafka.
"""

import asyncio
import sys
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Annotated, Any, BinaryIO

import msgspec
import typer
from rich.progress import Progress, TextColumn

from connectors.archive.ranges import ROOT, Manifest, Series
from streams.cli.common import DataDirOption, JsonOption, installation_here, settings_here
from streams.cli.quiet import speak_by_errors
from streams.cli.render import clock, errors, out, print_json, show, table
from streams.cli.store_words import told_by_sentences
from streams.errors import OperatorError
from streams.history.archiving_now import archive_now
from streams.history.opening import open_archive, open_archived
from streams.history.reading import LogReader
from streams.history.verifying import SeriesReport, verify

app = typer.Typer(
    help="List, prove and export what was archived.\n\nExample: flumina archive verify",
    no_args_is_help=True,
)

PrefixArgument = Annotated[
    str, typer.Argument(metavar="[PREFIX]", help="Only series whose keys in the store begin so.")
]


@app.command("list")
def list_(
    prefix: PrefixArgument = f"{ROOT}/",
    ranges: Annotated[bool, typer.Option("--ranges", help="Each range.")] = False,
    as_json: JsonOption = False,
    data_dir: DataDirOption = None,
) -> None:
    """List what is archived: each series, or each of its ranges.

    Example: flumina archive list --ranges archive/cells/
    """
    archive = open_archive(installation_here(settings_here(), data_dir))
    with told_by_sentences():
        found = [(each, list(archive.manifests(each))) for each in archive.series(prefix)]
    if as_json:
        print_json({"items": [_series_object(*each, with_ranges=ranges) for each in found]})
        return
    if ranges:
        rows = [_range_row(series, each) for series, there in found for each in there]
        columns = ("series", "first #", "last #", "rows #", "bytes #", "from", "to")
    else:
        rows = [_series_row(series, there) for series, there in found]
        columns = ("series", "ranges #", "first #", "last #", "rows #", "bytes #", "to")
    show(out(), table("", columns, rows))


def _series_object(
    series: Series, manifests: Sequence[Manifest], *, with_ranges: bool
) -> dict[str, Any]:
    found = {
        **msgspec.to_builtins(series),
        "ranges": len(manifests),
        "firstOffset": manifests[0].first_offset,
        "lastOffset": manifests[-1].last_offset,
        "rows": sum(each.rows for each in manifests),
        "fileBytes": sum(each.file_bytes for each in manifests),
        "atMsMax": max(each.at_ms_max for each in manifests),
    }
    if with_ranges:
        found["items"] = [msgspec.to_builtins(each) for each in manifests]
    return found


def _series_row(series: Series, manifests: Sequence[Manifest]) -> tuple[object, ...]:
    return (
        series,
        len(manifests),
        manifests[0].first_offset,
        manifests[-1].last_offset,
        sum(each.rows for each in manifests),
        sum(each.file_bytes for each in manifests),
        clock(max(each.at_ms_max for each in manifests)),
    )


def _range_row(series: Series, each: Manifest) -> tuple[object, ...]:
    return (
        series,
        each.first_offset,
        each.last_offset,
        each.rows,
        each.file_bytes,
        clock(each.at_ms_min),
        clock(each.at_ms_max),
    )


@app.command("verify")
def verify_(
    prefix: PrefixArgument = f"{ROOT}/",
    as_json: JsonOption = False,
    data_dir: DataDirOption = None,
) -> None:
    """Read every range back, and prove files, rows, chains and that nothing is missing.

    Leaves with 1 where anything is damaged or missing.

    Example: flumina archive verify archive/cells/main/
    """
    archive = open_archive(installation_here(settings_here(), data_dir))
    columns = TextColumn("{task.description}")
    with told_by_sentences(), Progress(columns, console=errors(), transient=True) as shown:
        line = shown.add_task("reading")
        reports = verify(
            archive,
            prefix,
            lambda each: shown.update(line, description=f"{each.name} {each.last_offset}"),
        )
    if not reports:
        raise OperatorError(
            f"Nothing is archived below {prefix} in {archive.store.url}.",
            "The history process has not run there, or this is another store.",
            "Look at FLUMINA_STORE, and start `flumina history`.",
        )
    if as_json:
        print_json({"items": [_report_object(each) for each in reports]})
    else:
        rows = [
            (
                each.series,
                each.ranges,
                each.rows,
                each.end_offset,
                "whole" if each.is_sound else f"{len(each.gaps)} gaps, {len(each.faults)} faults",
                each.chain[:16],
            )
            for each in reports
        ]
        show(out(), table("", ("series", "ranges #", "rows #", "end #", "is", "chain"), rows))
        for text in (text for each in reports for text in _complaints(each)):
            errors().print(text, soft_wrap=True, markup=False)
    if not all(each.is_sound for each in reports):
        raise typer.Exit(1)


def _complaints(report: SeriesReport) -> list[str]:
    missing = [
        f"{report.series}: offsets {each.first_offset} to {each.last_offset} are missing"
        for each in report.gaps
    ]
    return [*missing, *report.faults]


def _report_object(report: SeriesReport) -> dict[str, Any]:
    found: dict[str, Any] = msgspec.to_builtins(report)
    return {**found, "isSound": report.is_sound}


@app.command()
def export(
    file: Annotated[Path, typer.Argument(help="A new file; - for standard output.")],
    generation: Annotated[str | None, typer.Option(help="Which, where there are several.")] = None,
    first: Annotated[int, typer.Option("--from", min=0, help="The first offset.")] = 0,
    end: Annotated[int | None, typer.Option("--to", min=0, help="The offset behind.")] = None,
    data_dir: DataDirOption = None,
) -> None:
    """Write a cell's archived log into a file: one record a line, its own bytes and nothing else.

    Line n is the record at offset n, from --from on.

    Example: flumina archive export log.jsonl --from 1000 --to 2000
    """
    speak_by_errors()
    settings = installation_here(settings_here(), data_dir)
    archive = open_archive(settings)

    async def work(target: BinaryIO) -> int:
        reader = await open_archived(settings, archive, generation)
        return await _export(reader, target, first, end)

    if str(file) == "-":
        with told_by_sentences():
            asyncio.run(work(sys.stdout.buffer))
        return
    with told_by_sentences(), closing(_new_file(file)) as target:
        count = asyncio.run(work(target))
    out().print(f"{count} records in {file}", highlight=False, markup=False)


def _new_file(path: Path) -> BinaryIO:
    try:
        return path.open("xb")
    except FileExistsError as error:
        raise OperatorError(
            f"{path} exists.", "An export never writes over a file.", "Name a new one."
        ) from error


async def _export(reader: LogReader, target: BinaryIO, first: int, end: int | None) -> int:
    bounds = await reader.bounds()
    last = bounds.end_offset if end is None else min(end, bounds.end_offset)
    count = 0
    async for batch in reader.records(max(first, bounds.first_offset), last):
        for record in batch:
            if b"\n" in record.value:
                raise OperatorError(
                    f"Record {record.offset} holds a line break.",
                    "It is no record of ours, which have none.",
                    "Export the ranges before and behind it.",
                )
            target.write(record.value + b"\n")
        count += len(batch)
    return count


@app.command()
def now(
    timeout: Annotated[float, typer.Option(min=1, help="Seconds at most.")] = 120.0,
    as_json: JsonOption = False,
    data_dir: DataDirOption = None,
) -> None:
    """Archive all that Kafka has at this moment, without waiting for ranges to close.

    Example: flumina archive now --timeout 60
    """
    speak_by_errors()
    settings = installation_here(settings_here(), data_dir)
    if settings.kafka_brokers is None:
        raise OperatorError(
            "There is no Kafka to archive from.",
            "Nothing runs on this data directory, and KAFKA_BROKERS is not set.",
            "Start `flumina up`, or set it.",
        )
    with told_by_sentences():
        found = asyncio.run(archive_now(settings, timeout))
    if as_json:
        print_json(msgspec.to_builtins(found))
        return
    show(
        out(),
        table(
            "",
            ("series", "end #"),
            [(f"cell {found.generation}", found.cell_end), *sorted(found.topics.items())],
        ),
    )
