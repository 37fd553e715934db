"""Rows that follow from a cell's log, found by job, task or host without folding anything.

The one thing to know: a derived series may end before the log's own ranges do, as while a fold is
halted. `end` says up to where rows are complete; behind it somebody has to fold.
"""

import asyncio
from typing import Final, Literal

from connectors.archive.archive import Archive, DamagedRange
from connectors.archive.columns import DamagedFile, RowFile, log_order
from connectors.archive.ranges import Manifest, Piece, Series, covering
from connectors.archive.rows import ArchivedChange

Derived = Literal["changes", "notes"]
_FILTERED: Final = ("job_id", "task_id", "host_id", "kind")


class DerivedReader:
    """Reads one derived series of one generation of a cell from the archive."""

    def __init__(self, archive: Archive, cell: str, generation: str, kind: Derived) -> None:
        self.archive = archive
        self.series = Series(kind, cell, generation)

    async def end(self) -> int:
        """Rows of every record below this offset are in the archive, from its beginning on."""
        return await asyncio.to_thread(self._end)

    def _end(self) -> int:
        end = 0
        for piece in covering(self.archive.spans(self.series), 0, 2**62):
            if piece.first_offset > end:
                break
            end = piece.end_offset
        return end

    async def rows(
        self,
        first_offset: int,
        end_offset: int,
        *,
        job_id: str = "",
        task_id: str = "",
        host_id: str = "",
        kind: str = "",
    ) -> list[ArchivedChange]:
        """The rows of these offsets that agree with everything that was given, in log order."""
        given = zip(_FILTERED, (job_id, task_id, host_id, kind), strict=True)
        wanted = {name: value for name, value in given if value}
        return await asyncio.to_thread(self._rows, first_offset, end_offset, wanted)

    def _rows(
        self, first_offset: int, end_offset: int, wanted: dict[str, str]
    ) -> list[ArchivedChange]:
        found: list[ArchivedChange] = []
        for piece in covering(self.archive.spans(self.series), first_offset, end_offset):
            manifest = self.archive.manifest(self.series, piece.span)
            if manifest.file:
                found += self._rows_of(manifest, piece, wanted)
        found.sort(key=log_order)
        return found

    def _rows_of(
        self, manifest: Manifest, piece: Piece, wanted: dict[str, str]
    ) -> list[ArchivedChange]:
        try:
            file = self.archive.open(manifest)
            return [
                row
                for group in range(file.groups)
                if _may_have(file, group, wanted)
                for row in _matching(file, group, wanted)
                if piece.first_offset <= row.offset < piece.end_offset
            ]
        except DamagedFile as error:
            raise DamagedRange(
                f"{manifest.file} is damaged: {error}. `flumina archive verify` tells what to do"
            ) from error


def _may_have(file: RowFile, group: int, wanted: dict[str, str]) -> bool:
    """Whether the bounds of a row group let it have what is wanted: files are sorted by job."""
    for name, value in wanted.items():
        least, most = file.bounds(group, name)
        if least is None or not least <= value <= most:
            return False
    return True


def _matching(file: RowFile, group: int, wanted: dict[str, str]) -> list[ArchivedChange]:
    for name, value in wanted.items():
        if value not in file.column(group, name):
            return []
    return [
        row
        for row in file.rows(group)
        if isinstance(row, ArchivedChange)
        and all(getattr(row, name) == value for name, value in wanted.items())
    ]
