"""A generation of a cell's log as it was archived, read like any other log.

The one thing to know: this needs no Kafka, and reads generations that no Kafka has any more. The
store is asked in threads, one row group ahead of whoever folds.
"""

import asyncio
from bisect import bisect_left
from collections import OrderedDict
from collections.abc import AsyncIterator, Sequence
from typing import Final

from connectors.archive.archive import Archive, DamagedRange
from connectors.archive.columns import DamagedFile, RowFile
from connectors.archive.ranges import Manifest, Piece, Series, Span, covering
from connectors.ports import NoSuchObject
from streams.cell.follower import LogRecord
from streams.history.reading import LogBounds, LogHole

FILES_OPEN_MAX: Final = 4
"""An open file is in memory, some 3 MiB of it."""


class ArchivedLog:
    """Reads one generation of a cell's log from the archive alone."""

    def __init__(self, archive: Archive, cell: str, generation: str) -> None:
        self.archive = archive
        self.series = Series("records", cell, generation)
        self._spans: list[Span] | None = None
        self._files: OrderedDict[Span, RowFile] = OrderedDict()
        self._reading = asyncio.Lock()
        """A file that is open is read by one thread at a time."""

    @property
    def generation(self) -> str:
        """Which generation it is."""
        return self.series.generation

    async def refresh(self) -> None:
        """List the ranges anew; of a log that has not begun, and so has no name, there are none."""
        if not self.generation:
            self._spans = []
            return
        self._spans = await asyncio.to_thread(self.archive.spans, self.series)

    async def spans(self) -> list[Span]:
        """The ranges as they were last listed."""
        if self._spans is None:
            await self.refresh()
        assert self._spans is not None
        return self._spans

    async def bounds(self) -> LogBounds:
        """What there is now, without a gap from the first archived record on."""
        await self.refresh()
        return await self.known_bounds()

    async def known_bounds(self) -> LogBounds:
        """The same by the last listing."""
        spans = await self.spans()
        if not spans:
            return LogBounds(self.generation, 0, 0)
        first = spans[0].first_offset
        return LogBounds(self.generation, first, _end_without_gap(spans, first))

    async def records(
        self, first_offset: int, end_offset: int
    ) -> AsyncIterator[Sequence[LogRecord]]:
        """The records of these offsets, in batches; raises `LogHole` where one is not archived."""
        position = first_offset
        while position < end_offset:
            piece = await self._piece_at(position, end_offset)
            if piece is None:
                raise LogHole(f"record {position} of {self.series} is not archived")
            try:
                async for batch in self._piece(piece):
                    yield batch
                    position = batch[-1].offset + 1
            except NoSuchObject:
                # Small ranges were put together to a larger one since they were listed.
                before = await self.spans()
                await self.refresh()
                if self._spans == before:
                    raise

    async def _piece_at(self, position: int, end_offset: int) -> Piece | None:
        """The piece that has this record, by the last listing or a new one."""
        for is_new in (False, True):
            if is_new:
                await self.refresh()
            pieces = covering(await self.spans(), position, end_offset)
            if pieces and pieces[0].first_offset == position:
                return pieces[0]
        return None

    async def end_of_span_at(self, position: int) -> int:
        """Where the range ends that this record is read from; the next offset if there is none."""
        pieces = covering(await self.spans(), position, 2**62)
        has_it = bool(pieces) and pieces[0].first_offset == position
        return pieces[0].end_offset if has_it else position + 1

    async def _piece(self, piece: Piece) -> AsyncIterator[Sequence[LogRecord]]:
        manifest = await asyncio.to_thread(self.archive.manifest, self.series, piece.span)
        file = await self._open(manifest)
        groups = [
            group for group in range(file.groups) if _has_some(file.bounds(group, "offset"), piece)
        ]
        if not groups:
            raise _lacking(manifest, piece.first_offset)
        position = piece.first_offset
        ahead = asyncio.create_task(self._read(file, groups[0], manifest))
        try:
            for number in range(len(groups)):
                found = await ahead
                if number + 1 < len(groups):
                    ahead = asyncio.create_task(self._read(file, groups[number + 1], manifest))
                batch = [
                    each for each in found if piece.first_offset <= each.offset < piece.end_offset
                ]
                if not batch or batch[0].offset != position:
                    raise _lacking(manifest, position)
                position = batch[-1].offset + 1
                if position - batch[0].offset != len(batch):
                    raise _lacking(manifest, batch[0].offset)
                yield batch
        finally:
            ahead.cancel()
        if position != piece.end_offset:
            raise _lacking(manifest, position)

    async def _read(self, file: RowFile, group: int, manifest: Manifest) -> list[LogRecord]:
        async with self._reading:
            return await asyncio.to_thread(_records_of, file, group, manifest)

    async def _open(self, manifest: Manifest) -> RowFile:
        async with self._reading:
            file = self._files.pop(manifest.span, None)
            if file is None:
                file = await asyncio.to_thread(self.archive.open, manifest)
            self._files[manifest.span] = file
            while len(self._files) > FILES_OPEN_MAX:
                self._files.popitem(last=False)
        return file

    async def at_ms_max(self) -> int | None:
        """The largest time of all records that are archived without a gap; None where none is."""
        last = await self.last_manifest()
        return None if last is None else last.at_ms_max

    async def last_manifest(self) -> Manifest | None:
        """The manifest of the range that ends where the archive first has no more."""
        spans = await self.spans()
        if not spans:
            return None
        end = _end_without_gap(spans, spans[0].first_offset)
        last = next(each for each in reversed(spans) if each.last_offset == end - 1)
        return await asyncio.to_thread(self.archive.manifest, self.series, last)

    async def offset_at(self, at_ms: int) -> int:
        """The first offset at which this time is reached, or the end of what is archived."""
        bounds = await self.known_bounds()
        pieces = covering(await self.spans(), bounds.first_offset, bounds.end_offset)
        spans = [each.span for each in pieces]
        found = await asyncio.to_thread(self._first_reaching, spans, at_ms)
        if found is None:
            return bounds.end_offset
        manifest = await asyncio.to_thread(self.archive.manifest, self.series, found)
        file = await self._open(manifest)
        async with self._reading:
            return await asyncio.to_thread(_offset_in, file, at_ms, manifest)

    def _first_reaching(self, spans: Sequence[Span], at_ms: int) -> Span | None:
        """The first range in which the time is reached: the maximum never falls."""
        found = bisect_left(
            spans, at_ms, key=lambda span: self.archive.manifest(self.series, span).at_ms_max
        )
        return spans[found] if found < len(spans) else None

    async def close(self) -> None:
        """Forget every open file."""
        self._files.clear()


def _end_without_gap(spans: Sequence[Span], first_offset: int) -> int:
    end = first_offset
    for span in sorted(spans):
        if span.first_offset > end:
            break
        end = max(end, span.last_offset + 1)
    return end


def _has_some(bounds: tuple[int, int], piece: Piece) -> bool:
    return bounds[1] >= piece.first_offset and bounds[0] < piece.end_offset


def _records_of(file: RowFile, group: int, manifest: Manifest) -> list[LogRecord]:
    try:
        return list(map(LogRecord, *file.values(group)))
    except DamagedFile as error:
        raise DamagedRange(_damage(manifest, str(error))) from error


def _offset_in(file: RowFile, at_ms: int, manifest: Manifest) -> int:
    try:
        for group in range(file.groups):
            if file.bounds(group, "at_ms_max")[1] >= at_ms:
                maxima = file.column(group, "at_ms_max")
                offsets: list[int] = file.column(group, "offset")
                return offsets[bisect_left(maxima, at_ms)]
    except DamagedFile as error:
        raise DamagedRange(_damage(manifest, str(error))) from error
    raise DamagedRange(_damage(manifest, f"no record reaches {at_ms}, as its manifest says"))


def _damage(manifest: Manifest, why: str) -> str:
    return f"{manifest.file} is damaged: {why}. `flumina archive verify` tells what to do"


def _lacking(manifest: Manifest, offset: int) -> DamagedRange:
    return DamagedRange(_damage(manifest, f"it has no record {offset}, which it should have"))
