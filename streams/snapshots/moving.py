"""Continuing a cell in another Kafka: its last state from the store, and record 0 of a new log.

The one thing to know: the log that is continued ends where the store ends. Everything in it is
kept (jobs, tasks, policy, orphans); what only the lost Kafka had is gone, and how much that can be
is the archive's lag. Nothing is written into a log that is not empty.
"""

import asyncio
import uuid

import msgspec
import structlog

from connectors.archive.archive import Archive
from projections.snapshot.format import capture
from scheduler.digest import Digest
from scheduler.model.events import CellContinued
from scheduler.model.ids import Generation
from streams.cell.follower import BareFold, Base, Follower
from streams.cell.lane import log_end
from streams.cell.writer import CellLog, our_producer
from streams.errors import OperatorError
from streams.history.archived_log import ArchivedLog
from streams.history.joined_log import generations_of
from streams.history.reading import LogHole
from streams.kafka.generations import ensure_generations
from streams.kafka.topic_admin import ensure_topics
from streams.settings import Settings
from streams.snapshots.loading import CannotFold, followed_to
from streams.snapshots.shelf import Shelf
from streams.snapshots.whole import bases_of
from streams.store import store_of

logger = structlog.get_logger(__name__)


class Moved(msgspec.Struct, frozen=True, rename="camel"):
    """A cell that goes on in a new log."""

    cell: str
    previous_generation: str
    previous_offset: int
    generation: str
    digest: str
    at_ms: int
    """The clock of the log that was continued, where it ends."""
    jobs: int
    tasks_on_hosts: int
    snapshot: str
    """The key of the snapshot that every reader of the new log begins at."""


async def continue_cell(settings: Settings, build: str, generation: str | None = None) -> Moved:
    """Let the cell go on in the empty Kafka of these settings, from what the store has of it.

    ``generation``: which log to continue; None: the one that was written to last. Raises
    `OperatorError` where the new log is not empty, or the store has nothing to go on from.
    """
    bootstrap = settings.kafka_brokers
    assert bootstrap is not None, "the command demands it"
    await ensure_topics(bootstrap, settings)
    topic = settings.topic_prefix + "cell"
    if await log_end(bootstrap, topic, settings.partition) > 0:
        raise OperatorError(
            f"The log {topic}[{settings.partition}] in {bootstrap} is not empty.",
            "It is a cell's already, or the cell was continued before.",
            "Name an empty Kafka, or another FLUMINA_TOPIC_PREFIX. Nothing was written.",
        )
    store = store_of(settings)
    shelf, archive = Shelf(store, settings.cell), Archive(store)
    if generation is None:
        generation = await asyncio.to_thread(_latest, shelf, archive)
    try:
        follower = await _at_end(shelf, archive, generation)
    except (CannotFold, LogHole) as error:
        raise OperatorError(
            f"The end of generation {generation} of cell {settings.cell} cannot be rebuilt.",
            str(error),
            "Look at `flumina snapshots list` and `flumina archive verify`. Nothing was written.",
        ) from error
    machine = follower.machine
    captured = capture(machine, follower.chain.hex, build=build)
    name = await asyncio.to_thread(lambda: shelf.put(captured))
    event = CellContinued(
        cell=machine.state.cell,
        cell_uuid=machine.state.cell_uuid,
        generation=Generation(uuid.uuid4().hex[:8]),
        previous_generation=machine.state.generation,
        previous_offset=machine.state.next_offset - 1,
        digest_version=Digest.version,
        digest=captured.header.digest,
    )
    await ensure_generations(bootstrap, settings.topic_prefix, settings.cells)
    await _begin(bootstrap, topic, settings.partition, event)
    logger.warning(
        "a cell goes on in another Kafka",
        cell=event.cell,
        generation=event.generation,
        previous_generation=generation,
        previous_offset=event.previous_offset,
    )
    return Moved(
        cell=event.cell,
        previous_generation=generation,
        previous_offset=event.previous_offset,
        generation=event.generation,
        digest=event.digest,
        at_ms=machine.state.clock.now_ms,
        jobs=len(machine.state.jobs),
        tasks_on_hosts=captured.header.counts["tasks_on_hosts"],
        snapshot=name.key,
    )


def _latest(shelf: Shelf, archive: Archive) -> str:
    """The generation that was written to last."""
    of_snapshots = shelf.generations()
    if of_snapshots:
        return of_snapshots[-1]
    archived = generations_of(archive, shelf.cell)
    if len(archived) == 1:
        return archived[0]
    raise OperatorError(
        f"{shelf.store.url} does not say which log of cell {shelf.cell} to continue.",
        f"Archived are generations {', '.join(archived)}."
        if archived
        else "It has neither a snapshot nor an archived record of this cell.",
        "Name one with --generation, or look at FLUMINA_STORE and FLUMINA_CELL.",
    )


async def _at_end(shelf: Shelf, archive: Archive, generation: str) -> Follower:
    """A follower that has folded all that the store has of this generation."""
    reader = ArchivedLog(archive, shelf.cell, generation)
    try:
        end = (await reader.bounds()).end_offset
        newest = await asyncio.to_thread(shelf.newest_good, generation)
        if newest is not None and newest.header.next_offset >= end:
            follower = Follower("cell", 0, BareFold)
            header = newest.header
            follower.begin_at(Base(BareFold(newest.machine), header.next_offset, header.chain))
            return follower
        if end == 0:
            raise CannotFold(f"generation {generation} has no good snapshot and no archived record")
        return await followed_to(bases_of(archive, shelf.cell, reader), end)
    finally:
        await reader.close()


async def _begin(bootstrap: str, topic: str, partition: int, event: CellContinued) -> None:
    producer = our_producer(bootstrap, "flumina-continue")
    await producer.start()
    try:
        offset = await CellLog(producer, topic, partition, "continue").append(-1, [event])
    finally:
        await producer.stop()
    if offset != 0:
        raise OperatorError(
            f"Another process began the log {topic}[{partition}] while the cell was being "
            "continued.",
            f"Our record has offset {offset}; only the one at offset 0 counts.",
            "End what began it, delete the topic, and continue the cell again.",
        )
