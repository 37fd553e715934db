"""Rows that follow from a cell's log, found by job, task or host without folding anything.

The one thing to know: a derived series may end before the log's own ranges do, as while a fold is
halted. `end` says up to where rows are complete; behind it somebody has to fold.
"""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Final, Literal

from connectors.archive.archive import Archive, DamagedRange
from connectors.archive.columns import DamagedFile, Footer, Lookup, RowFile, log_order
from connectors.archive.ranges import Manifest, Piece, Series, covering
from connectors.archive.rows import ArchivedChange
from projections.travel.wanted import ENTITY_KINDS, EVERYTHING, NewestSpots, Wanted

Derived = Literal["changes", "notes"]


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
        self, first_offset: int, end_offset: int, wanted: Wanted = EVERYTHING
    ) -> list[ArchivedChange]:
        """The rows of these offsets that are wanted, in log order."""
        return await asyncio.to_thread(self._rows, first_offset, end_offset, wanted.given())

    def _rows(
        self, first_offset: int, end_offset: int, wanted: dict[str, str]
    ) -> list[ArchivedChange]:
        found: list[ArchivedChange] = []
        for piece in covering(self.archive.spans_lately(self.series), first_offset, end_offset):
            manifest = self.archive.manifest(self.series, piece.span)
            if manifest.file:
                found += self._rows_of(manifest, piece, wanted)
        found.sort(key=log_order)
        return found

    def find(self, first_offset: int, end_offset: int, newest: NewestSpots) -> None:
        """Find the places that are lacking, from file to file backwards; blocks, for a thread."""
        pieces = covering(self.archive.spans_lately(self.series), first_offset, end_offset)
        for piece in reversed(pieces):
            manifest = self.archive.manifest(self.series, piece.span)
            wanted = {kind: newest.lacking(kind) for kind in ENTITY_KINDS}
            if not any(wanted.values()):
                return
            if manifest.file:
                _find_in(self.archive, manifest, piece, wanted, newest)

    def _rows_of(
        self, manifest: Manifest, piece: Piece, wanted: dict[str, str]
    ) -> list[ArchivedChange]:
        try:
            groups = _groups(self.archive.footer(manifest), piece, wanted)
            if not groups:
                return []
            file = self.archive.open(manifest)
            return [
                row
                for group in groups
                for row in _matching(file, group, wanted)
                if piece.first_offset <= row.offset < piece.end_offset
            ]
        except DamagedFile as error:
            raise DamagedRange(
                f"{manifest.file} is damaged: {error}. `flumina archive verify` tells what to do"
            ) from error


def _groups(footer: Footer, piece: Piece, wanted: dict[str, str]) -> list[int]:
    """The row groups that may have what is wanted by their bounds: files are sorted by job."""
    return [
        group
        for group in range(footer.groups)
        if _meets(footer.bounds(group, "offset"), piece)
        and all(_is_within(value, footer.bounds(group, name)) for name, value in wanted.items())
    ]


def _meets(bounds: tuple[int, int], piece: Piece) -> bool:
    return bounds[1] >= piece.first_offset and bounds[0] < piece.end_offset


def _is_within(value: str, bounds: tuple[str | None, str | None]) -> bool:
    least, most = bounds
    return least is not None and most is not None and least <= value <= most


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


def _find_in(
    archive: Archive,
    manifest: Manifest,
    piece: Piece,
    wanted: Mapping[str, Sequence[str]],
    newest: NewestSpots,
) -> None:
    file = archive.open(manifest)
    try:
        for kind, ids in wanted.items():
            groups = [n for n in range(file.groups) if _may_have(file, n, piece, kind, ids)]
            if groups:
                of_kind = None if kind == "host" else kind
                lookup = Lookup(_COLUMNS[kind], ids, of_kind, newest.count)
                found = file.newest(groups, lookup, piece.first_offset, piece.end_offset)
                for name, spots in found.items():
                    newest.take((kind, name), spots)
    except DamagedFile as error:
        raise DamagedRange(
            f"{manifest.file} is damaged: {error}. `flumina archive verify` tells what to do"
        ) from error


_COLUMNS: Final = {"job": "job_id", "task": "task_id", "orphan": "task_id", "host": "host_id"}


def _may_have(file: RowFile, group: int, piece: Piece, kind: str, ids: Sequence[str]) -> bool:
    """Whether a row group may have a note about any of these, by its bounds."""
    if not _meets(file.bounds(group, "offset"), piece):
        return False
    bounds = file.bounds(group, _COLUMNS[kind])
    return any(_is_within(each, bounds) for each in ids)
