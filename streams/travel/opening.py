"""Opening a time machine over an installation: its log, its snapshots and its table of notes.

The one thing to know: all of them are found by the settings, as every other reader of the history
finds them (`streams.history.opening`).
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version

from connectors.archive.archive import Archive
from projections.masking import Masker
from scheduler.model.codec import Undecodable, decode_record
from scheduler.model.events import CellContinued, CellEvent
from streams.history.archived_log import ArchivedLog
from streams.history.joined_log import generations_of
from streams.history.notes import ArchivedNotes
from streams.history.opening import open_archive, open_archived, open_log
from streams.history.reading import LogHole, LogReader
from streams.settings import Settings
from streams.travel.answering import Answering, EarlierAnswers
from streams.travel.glancing import LineSource
from streams.travel.host_lines import HostLines
from streams.travel.stored_snapshots import StoredSnapshots


@asynccontextmanager
async def opened_travel(settings: Settings) -> AsyncIterator[Answering]:
    """Answers about the cell of these settings; raises `OperatorError` where there is no log."""
    archive = open_archive(settings)
    log = await _opened_log(settings, archive)
    try:
        lines = HostLines(archive, settings.kafka_brokers, settings.topic_prefix)
        yield await answering_of(log, archive, settings.cell, lines, Masker(settings.masked_keys))
    finally:
        await log.close()


async def _opened_log(settings: Settings, archive: Archive) -> LogReader:
    """The cell's log; without a Kafka the archived one that no other goes on from."""
    if settings.kafka_brokers is None:
        names = await asyncio.to_thread(generations_of, archive, settings.cell)
        firsts = [await _first_event(ArchivedLog(archive, settings.cell, each)) for each in names]
        before = {each.previous_generation for each in firsts if isinstance(each, CellContinued)}
        newest = [each for each in names if each not in before]
        if len(newest) == 1:
            return await open_archived(settings, archive, newest[0])
    return await open_log(settings, archive)


async def answering_of(
    log: LogReader,
    archive: Archive,
    cell: str,
    lines: LineSource | None = None,
    masker: Masker | None = None,
) -> Answering:
    """Answers about a log, and about the generations before it that the archive has."""
    bounds = await log.bounds()
    generation, earlier = bounds.generation, None
    if bounds.first_offset == 0 < bounds.end_offset:
        first = await _first_event(log)
        if isinstance(first, CellContinued) and first.previous_generation != generation:
            before = ArchivedLog(archive, cell, first.previous_generation)
            earlier = EarlierAnswers(
                await answering_of(before, archive, cell, masker=masker),
                first.previous_generation,
                first.previous_offset + 1,
            )
    notes = ArchivedNotes(archive, cell, generation)
    snapshots = StoredSnapshots(archive.store, cell, generation)
    return Answering(
        log,
        snapshots,
        notes,
        earlier=earlier,
        lines=lines,
        masker=masker,
        build=version("flumina"),
    )


async def _first_event(log: LogReader) -> CellEvent | None:
    """What the log's first record begins with; None where it is not there or not readable."""
    try:
        async for batch in log.records(0, 1):
            return decode_record(batch[0].value).events[0]
    except (LogHole, Undecodable):
        return None  # Whoever folds it says so.
    return None
