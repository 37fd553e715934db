"""Opening a time machine over an installation: its log, its snapshots and its table of notes.

The one thing to know: all of them are found by the settings, as every other reader of the history
finds them (`streams.history.opening`).
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from streams.history.notes import ArchivedNotes
from streams.history.opening import open_archive, open_log
from streams.settings import Settings
from streams.travel.answering import Answering
from streams.travel.stored_snapshots import StoredSnapshots


@asynccontextmanager
async def opened_travel(settings: Settings) -> AsyncIterator[Answering]:
    """Answers about the cell of these settings; raises `OperatorError` where there is no log."""
    archive = open_archive(settings)
    log = await open_log(settings, archive)
    try:
        generation = (await log.bounds()).generation
        notes = ArchivedNotes(archive, settings.cell, generation)
        snapshots = StoredSnapshots(archive.store, settings.cell, generation)
        yield Answering(log, snapshots, notes)
    finally:
        await log.close()
