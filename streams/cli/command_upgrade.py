"""`flumina upgrade`: who reads a cell's log, what they can read, and what waits for them.

The one thing to know: a leader writes nothing that a live reader cannot read. What is listed here
is what the readers have announced on topic ``readers`` within the last minute.
"""

import asyncio
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from aiokafka import AIOKafkaConsumer, TopicPartition

from scheduler.machine import FOLD_VERSION
from scheduler.model.codec import RECORD_VERSION
from streams.cli.common import DataDirOption, JsonOption, installation_here, settings_here
from streams.cli.render import out, print_json, show, table
from streams.errors import OperatorError
from streams.kafka.security import client_options
from streams.upgrade.announcing import TOPIC, begin_lately, hear
from streams.upgrade.baseline import BASELINE, FILE, baseline_here, changes_since
from streams.upgrade.reader import Roll

app = typer.Typer(
    help="Show who reads a cell's log, and what an upgrade waits for.\n\n"
    "Example: flumina upgrade status",
    no_args_is_help=True,
)


@app.command()
def status(as_json: JsonOption = False, data_dir: DataDirOption = None) -> None:
    """List the processes that fold the cell's log, and what is not written because of them.

    Example: flumina upgrade status
    """
    settings = installation_here(settings_here(), data_dir)
    if settings.kafka_brokers is None:
        raise OperatorError(
            "It is not known which Kafka is meant.",
            "KAFKA_BROKERS is not set, and nothing runs on the data directory.",
            "Set it, or name what runs with --data-dir.",
        )
    roll = asyncio.run(
        _heard(settings.kafka_brokers, settings.topic_prefix + TOPIC, settings.partition)
    )
    readers, common = roll.live(), roll.common()
    if as_json:
        print_json(
            {
                "cell": settings.cell,
                "records": common.records,
                "here": {"records": RECORD_VERSION, "folds": FOLD_VERSION},
                "holding": list(common.holding),
                "readers": [
                    {**msgspec.to_builtins(each), "kinds": len(each.kinds)} for each in readers
                ],
            }
        )
        return
    rows = [
        (each.name, each.role, each.build, each.records, each.folds, len(each.kinds))
        for each in readers
    ]
    columns = ("reader", "role", "build", "records up to#", "folds up to#", "kinds of events#")
    show(out(), table("", columns, rows))
    said = "; ".join(common.holding) or "everything that this build writes can be read by all"
    out().print(said, markup=False, soft_wrap=True)


async def _heard(bootstrap: str, topic: str, partition: int) -> Roll:
    roll, place = Roll(), TopicPartition(topic, partition)
    consumer = AIOKafkaConsumer(**client_options(bootstrap), enable_auto_commit=False)
    await consumer.start()
    try:
        end = await begin_lately(consumer, place)
        while await consumer.position(place) < end:
            await hear(consumer, place, roll)
    finally:
        await consumer.stop()
    return roll


@app.command()
def changes(as_json: JsonOption = False) -> None:
    """Compare what this build writes with the release that it can run beside.

    Ends with 1 where a shape differs under the same version: such a build may not be released.

    Example: flumina upgrade changes
    """
    added, changed = changes_since()
    if as_json:
        print_json({"baseline": BASELINE.release, "new": added, "changed": changed})
    else:
        here = baseline_here("", "")
        lines = (
            f"baseline {BASELINE.release}, commit {BASELINE.commit[:10]}",
            f"it: records {BASELINE.records}, folds {BASELINE.folds}, schemas {BASELINE.schemas}",
            f"this build: records {here.records}, folds {here.folds}, schemas {here.schemas}",
            f"new kinds, which wait for old readers: {', '.join(added) or 'none'}",
            f"kinds of another shape: {', '.join(changed) or 'none'}",
        )
        for line in lines:
            out().print(line, markup=False, soft_wrap=True)
    if changed and BASELINE.records == RECORD_VERSION:
        raise typer.Exit(1)


@app.command()
def baseline(
    release: Annotated[str, typer.Argument(help="Its name, as its tag will be.")],
    commit: Annotated[str, typer.Argument(help="Its commit.")],
    to: Annotated[Path, typer.Option(metavar="FILE", help="Where to write it.")] = FILE,
) -> None:
    """Make this build the baseline of the next: done once, when a release is made.

    Example: flumina upgrade baseline 0.2.0 0123abc --to baseline.json
    """
    found = baseline_here(release, commit)
    to.write_bytes(msgspec.json.format(msgspec.json.encode(found), indent=1) + b"\n")
    out().print(f"{to}: {len(found.kinds)} kinds, schemas {found.schemas}", markup=False)
