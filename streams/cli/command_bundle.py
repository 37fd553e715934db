"""`bundle`: one file with everything of an incident, to be looked at elsewhere.

The one thing to know: values of jobs' environments are masked, and what stands under or behind
names of secrets, unless they are asked for. All else is as it was.
"""

import asyncio
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from projections.masking import Masker
from streams.cli.command_diff import INSTANT
from streams.cli.common import (
    DataDirOption,
    JsonOption,
    installation_here,
    settings_here,
    version,
)
from streams.cli.render import cell_text, out, print_json, show, table
from streams.history.opening import open_archive
from streams.travel.bundle_file import Manifest
from streams.travel.bundling import Bundling
from streams.travel.opening import opened_travel
from streams.travel.topic_slices import TopicSlices


def bundle(  # noqa: PLR0917 - options, all by name
    path: Annotated[
        Path, typer.Argument(metavar="FILE", help="The file to write; it must be new.")
    ],
    first: Annotated[str, typer.Option("--from", metavar="INSTANT", help=INSTANT)],
    second: Annotated[str, typer.Option("--to", metavar="INSTANT", help=INSTANT)] = "now",
    with_environment: Annotated[
        bool,
        typer.Option("--with-environment", help="Leave values of jobs' environments unmasked."),
    ] = False,
    as_json: JsonOption = False,
    data_dir: DataDirOption = None,
) -> None:
    """Write slices of all topics, a snapshot, the policy and a report into one file.

    Example: flumina bundle incident.zip --from -1h --to -30m
    """
    manifest = asyncio.run(_bundle(path, first, second, data_dir, is_masked=not with_environment))
    if as_json:
        print_json(msgspec.to_builtins(manifest))
        return
    rows = [(each.name, each.records or "", each.bytes_total) for each in manifest.members]
    show(out(), table("", ("member", "records #", "bytes #"), rows))
    masked = "masked" if manifest.is_masked else "NOT masked"
    out().print(
        cell_text(
            f"{path}: records {manifest.first_offset} to {manifest.end_offset - 1}, "
            f"{manifest.checkpoints_proven} checkpoints proven, environments {masked}. "
            f"`flumina replay {path}` looks into it."
        )
    )
    for each in manifest.missing:
        out().print(cell_text(f"missing: {each}", "yellow"))


async def _bundle(
    path: Path, first: str, second: str, data_dir: Path | None, *, is_masked: bool
) -> Manifest:
    settings = installation_here(settings_here(), data_dir)
    slices = TopicSlices(open_archive(settings), settings.kafka_brokers, settings.topic_prefix)
    masker = Masker(settings.masked_keys)
    async with opened_travel(settings) as answering:
        bundling = Bundling(answering, slices, is_masked=is_masked, build=version(), masker=masker)
        return await bundling.write(path, first, second)
