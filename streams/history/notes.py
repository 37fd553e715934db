"""The table of notes in the archive, as time travel reads it.

The one thing to know: it obeys `streams.travel.sources.NoteReader`. Rows of one job are together
in each file, so its timeline reads little; the newest places of many entities are found by columns,
from the end backwards, and no body is read.
"""

import asyncio
from collections.abc import Sequence

from connectors.archive.archive import Archive
from connectors.archive.rows import ArchivedChange
from projections.travel.notes import Note
from projections.travel.wanted import EVERYTHING, NewestSpots, Wanted
from streams.history.derived import DerivedReader


class ArchivedNotes:
    """Reads the notes of one generation of a cell."""

    def __init__(self, archive: Archive, cell: str, generation: str) -> None:
        self._reader = DerivedReader(archive, cell, generation, "notes")

    async def notes(
        self, first_offset: int, end_offset: int, wanted: Wanted = EVERYTHING
    ) -> Sequence[Note]:
        """Rows of these offsets, in the order of the log, of those that are wanted."""
        rows = await self._reader.rows(first_offset, end_offset, wanted)
        return [_note(each) for each in rows]

    async def find(self, first_offset: int, end_offset: int, newest: NewestSpots) -> None:
        """Find the places in these offsets that are lacking, from their end backwards."""
        await asyncio.to_thread(self._reader.find, first_offset, end_offset, newest)

    async def notes_end(self) -> int:
        """Notes of every record below this offset are in the table."""
        return await self._reader.end()


def _note(row: ArchivedChange) -> Note:
    return Note(
        row.offset,
        row.index,
        row.at_ms,
        row.kind,
        row.job_id or "",
        row.task_id or "",
        row.host_id or "",
        row.body,
    )
