"""Rows that follow from a cell's log, found by job, task or host without folding anything.

The one thing to know: a derived series may end before the log's own ranges do, as while a fold is
halted. `end` says up to where rows are complete; behind it somebody has to fold.
"""

import asyncio
from typing import Literal

from connectors.archive.archive import Archive, DamagedRange
from connectors.archive.columns import DamagedFile, Footer, RowFile, log_order
from connectors.archive.ranges import Manifest, Piece, Series, covering
from connectors.archive.rows import ArchivedChange
from projections.travel.wanted import EVERYTHING, Subjects, Wanted

Derived = Literal["changes", "notes"]

Place = tuple[int, int, int, str, str, str, str]
"""Offset, index, time, kind, job, task and host of a row; empty for none."""


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

    def places(self, first_offset: int, end_offset: int, subjects: Subjects) -> list[Place]:
        """Where rows of any of these jobs or hosts stand, in log order; blocks, for a thread."""
        found: list[tuple[tuple[int, int, int], Place]] = []
        for piece in covering(self.archive.spans_lately(self.series), first_offset, end_offset):
            manifest = self.archive.manifest(self.series, piece.span)
            if manifest.file:
                found += _places_of(self.archive, manifest, piece, subjects)
        found.sort(key=lambda each: each[0])
        return [place for _, place in found]

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


def _places_of(
    archive: Archive, manifest: Manifest, piece: Piece, subjects: Subjects
) -> list[tuple[tuple[int, int, int], Place]]:
    try:
        footer = archive.footer(manifest)
        groups = [n for n in range(footer.groups) if _may_have_any(footer, n, piece, subjects)]
        if not groups:
            return []
        file = archive.open(manifest)
        return [
            each
            for group in groups
            for each in _places_in(file, group, subjects)
            if piece.first_offset <= each[0][0] < piece.end_offset
        ]
    except DamagedFile as error:
        raise DamagedRange(
            f"{manifest.file} is damaged: {error}. `flumina archive verify` tells what to do"
        ) from error


def _may_have_any(footer: Footer, group: int, piece: Piece, subjects: Subjects) -> bool:
    if not _meets(footer.bounds(group, "offset"), piece):
        return False
    jobs = footer.bounds(group, "job_id")
    return bool(subjects.host_ids) or any(_is_within(each, jobs) for each in subjects.job_ids)


def _places_in(
    file: RowFile, group: int, subjects: Subjects
) -> list[tuple[tuple[int, int, int], Place]]:
    """Where the wanted rows of a group stand, by columns; of most groups two columns are read."""
    job_ids, host_ids = subjects.job_ids, subjects.host_ids
    jobs, hosts = file.column(group, "job_id"), file.column(group, "host_id")
    chosen = [
        number
        for number, (job_id, host_id) in enumerate(zip(jobs, hosts, strict=True))
        if job_id in job_ids or host_id in host_ids
    ]
    if not chosen:
        return []
    offsets, indexes, places, times, kinds, tasks = (
        file.column(group, name)
        for name in ("offset", "index", "place", "at_ms", "kind", "task_id")
    )
    return [
        (
            (offsets[n], indexes[n], places[n]),
            (
                offsets[n],
                indexes[n],
                times[n],
                kinds[n],
                jobs[n] or "",
                tasks[n] or "",
                hosts[n] or "",
            ),
        )
        for n in chosen
    ]
