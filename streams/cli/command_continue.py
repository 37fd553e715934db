"""`flumina continue`: lets a cell go on in another, empty Kafka, from what the store has of it.

The one thing to know: this writes one record, the first of a new log, and nothing else; whoever
runs the cell's processes starts them afterwards.
"""

import asyncio
from typing import Annotated

import msgspec
import typer

from streams.cli.common import (
    DataDirOption,
    JsonOption,
    installation_here,
    settings_here,
    version,
)
from streams.cli.quiet import speak_by_errors
from streams.cli.render import clock, out, print_json
from streams.cli.store_words import told_by_sentences
from streams.errors import OperatorError
from streams.snapshots.moving import continue_cell


def continue_(
    generation: Annotated[
        str | None,
        typer.Option(metavar="ID", help="The log to continue; default the one written to last."),
    ] = None,
    as_json: JsonOption = False,
    data_dir: DataDirOption = None,
) -> None:
    """Let a cell go on in another, empty Kafka, from its snapshots and its archive.

    KAFKA_BROKERS names the new Kafka, FLUMINA_STORE the store. With `flumina up` on this computer,
    `flumina up --continue` does the same.

    Example: KAFKA_BROKERS=new:9092 flumina continue
    """
    speak_by_errors()
    settings = installation_here(settings_here(), data_dir)
    if settings.kafka_brokers is None:
        raise OperatorError(
            "It is not said in which Kafka the cell is to go on.",
            "KAFKA_BROKERS is not set, and nothing runs on the data directory.",
            "Set it to the new Kafka; or use `flumina up --continue`.",
        )
    with told_by_sentences():
        moved = asyncio.run(continue_cell(settings, version(), generation))
    if as_json:
        print_json(msgspec.to_builtins(moved))
        return
    out().print(
        f"Cell {moved.cell} goes on as generation {moved.generation}, behind offset "
        f"{moved.previous_offset} of generation {moved.previous_generation} "
        f"({clock(moved.at_ms)}).\n"
        f"{moved.jobs} jobs and {moved.tasks_on_hosts} tasks on hosts are known. Start its "
        "processes now; what Mesos says of the tasks is compared with this state.",
        markup=False,
    )
