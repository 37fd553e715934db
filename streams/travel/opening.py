"""Opening a time machine over an installation: its log, its snapshots and its table of notes.

The one thing to know: all of them are found by the settings, as every other reader of the history
finds them (`streams.history.opening`).
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from connectors.archive.archive import Archive
from scheduler.model.codec import Undecodable, decode_record
from scheduler.model.events import CellContinued, CellEvent
from streams.history.archived_log import ArchivedLog
from streams.history.notes import ArchivedNotes
from streams.history.opening import open_archive, open_log
from streams.history.reading import LogReader
from streams.settings import Settings
from streams.travel.answering import Answering, EarlierAnswers
from streams.travel.stored_snapshots import StoredSnapshots


@asynccontextmanager
async def opened_travel(settings: Settings) -> AsyncIterator[Answering]:
    """Answers about the cell of these settings; raises `OperatorError` where there is no log."""
    archive = open_archive(settings)
    log = await open_log(settings, archive)
    try:
        yield await answering_of(log, archive, settings.cell)
    finally:
        await log.close()


async def answering_of(log: LogReader, archive: Archive, cell: str) -> Answering:
    """Answers about a log, and about the generations before it that the archive has."""
    bounds = await log.bounds()
    generation, earlier = bounds.generation, None
    if bounds.first_offset == 0 < bounds.end_offset:
        first = await _first_event(log)
        if isinstance(first, CellContinued) and first.previous_generation != generation:
            before = ArchivedLog(archive, cell, first.previous_generation)
            earlier = EarlierAnswers(
                await answering_of(before, archive, cell),
                first.previous_generation,
                first.previous_offset + 1,
            )
    notes = ArchivedNotes(archive, cell, generation)
    snapshots = StoredSnapshots(archive.store, cell, generation)
    return Answering(log, snapshots, notes, earlier=earlier)


async def _first_event(log: LogReader) -> CellEvent | None:
    async for batch in log.records(0, 1):
        try:
            return decode_record(batch[0].value).events[0]
        except Undecodable:
            return None  # Whoever folds it says so.
    return None
