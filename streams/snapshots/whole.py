"""A cell's snapshots and all of its log, opened together: for whoever makes a state anew.

The one thing to know: the log is Kafka's where that is this cell's, with what is archived before
it, and else the archive's newest generation alone: a state can be made without any Kafka.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from connectors.archive.archive import Archive
from scheduler.model.events import CellContinued
from streams.history.archived_log import ArchivedLog
from streams.history.joined_log import AnotherLog, JoinedLog, generation_in_kafka, generations_of
from streams.history.kafka_log import KafkaLog
from streams.history.reading import LogReader
from streams.settings import Settings
from streams.snapshots.loading import Bases, CannotFold, first_event
from streams.snapshots.shelf import Shelf
from streams.store import store_of


@dataclass(frozen=True)
class Opened:
    """A cell's snapshots and its log."""

    shelf: Shelf
    reader: LogReader
    bases: Bases


def bases_of(archive: Archive, cell: str, reader: LogReader) -> Bases:
    """Where folds of this log can begin; earlier generations are read from the archive."""
    return Bases(
        Shelf(archive.store, cell),
        reader,
        lambda generation: ArchivedLog(archive, cell, generation),
    )


@asynccontextmanager
async def history_of(settings: Settings) -> AsyncIterator[Opened]:
    """What the settings mean, until the end of the block; raises `CannotFold` without any log."""
    archive = Archive(store_of(settings))
    reader = await _reader(settings, archive)
    bases = bases_of(archive, settings.cell, reader)
    try:
        yield Opened(bases.shelf, reader, bases)
    finally:
        await reader.close()


async def _reader(settings: Settings, archive: Archive) -> LogReader:
    cell, shelf = settings.cell, Shelf(archive.store, settings.cell)
    if settings.kafka_brokers is not None:
        kafka = KafkaLog(settings.kafka_brokers, settings.topic_prefix + "cell", settings.partition)
        if generation := await _generation(archive, shelf, kafka):
            return JoinedLog(ArchivedLog(archive, cell, generation), kafka)
    known = await asyncio.to_thread(generations_of, archive, cell)
    kept = [each for each in await asyncio.to_thread(shelf.generations) if each in known]
    if not kept:
        raise CannotFold(
            f"The log of cell {cell} is neither in Kafka nor archived in {archive.store.url}"
        )
    return ArchivedLog(archive, cell, kept[-1])


async def _generation(archive: Archive, shelf: Shelf, kafka: KafkaLog) -> str:
    """The generation of Kafka's log, where that is this cell's; else empty."""
    try:
        generation = await generation_in_kafka(archive, shelf.cell, kafka)
    except AnotherLog as error:
        await kafka.close()
        raise CannotFold(str(error)) from error
    known = await asyncio.to_thread(shelf.known_generations, generation)
    if not known or generation in known:
        return generation
    if generation and (await kafka.ends()).begin == 0:
        first = await first_event(kafka)
        if isinstance(first, CellContinued) and first.previous_generation in known:
            return generation  # Too young for a snapshot and for the archive.
    await kafka.close()
    return ""
