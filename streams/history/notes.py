"""The table of notes in the archive, as time travel reads it.

The one thing to know: it obeys `streams.travel.sources.NoteReader`. Rows of one job are together
in each file, so its timeline reads little; places of many jobs or hosts read columns and no bodies.
"""

import asyncio
from collections.abc import Sequence

from connectors.archive.archive import Archive
from connectors.archive.rows import ArchivedChange
from projections.travel.notes import Note
from streams.history.derived import DerivedReader


class ArchivedNotes:
    """Reads the notes of one generation of a cell."""

    def __init__(self, archive: Archive, cell: str, generation: str) -> None:
        self._reader = DerivedReader(archive, cell, generation, "notes")

    async def notes(
        self,
        first_offset: int,
        end_offset: int,
        *,
        job_id: str = "",
        task_id: str = "",
        host_id: str = "",
        kind: str = "",
    ) -> Sequence[Note]:
        """Rows of these offsets, in the order of the log; filters that are given all hold."""
        rows = await self._reader.rows(
            first_offset, end_offset, job_id=job_id, task_id=task_id, host_id=host_id, kind=kind
        )
        return [_note(each) for each in rows]

    async def places(
        self,
        first_offset: int,
        end_offset: int,
        *,
        job_ids: frozenset[str],
        host_ids: frozenset[str],
    ) -> Sequence[Note]:
        """Rows of any of these jobs or hosts, in the order of the log, their bodies left empty."""
        found = await asyncio.to_thread(
            self._reader.places, first_offset, end_offset, job_ids, host_ids
        )
        return [Note(*each, body=b"") for each in found]

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
