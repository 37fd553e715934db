"""The time machine: a cell's state after any record of its log.

The one thing to know: a state is the nearest snapshot below it and the records since. States that
were looked at lately are kept, and the next one begins at a copy of the nearest. It folds in the
thread that asks; the api asks through a process of its own (`streams.travel.worker`).
"""

from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

import structlog

from projections.cell_view import CellView
from projections.travel.instants import AtOffset, AtTime, Instant
from projections.words import instant as instant_text
from scheduler.machine import Machine
from scheduler.model.codec import Undecodable, decode_record, digest_of
from scheduler.model.events import CellRecord, Copied
from scheduler.model.inbound import RecordSkipped
from streams.history.reading import LogBounds, LogReader
from streams.travel.errors import LogHalted, TravelError
from streams.travel.sources import NoSnapshots, SnapshotPlace, SnapshotSource

logger = structlog.get_logger(__name__)

STATES_KEPT: Final = 4
"""States that are kept ready. They share what is equal; each takes the containers, about 10 MB for
100,000 tasks, and the histories of what was folded for it."""

Apply = Callable[[int, CellRecord], object]


class Begun(NamedTuple):
    """Where a fold begins: its machine, and the record that it wants first.

    Where the log goes on from another Kafka, the machine has folded the generation before, and
    wants record 0.
    """

    machine: Machine
    offset: int


class Earlier(NamedTuple):
    """The generation that a log goes on from, as its first record says."""

    machine: "TimeMachine"
    generation: str
    end: int
    """Behind its last record that counts."""


class SkippedLater(Exception):
    """A record could not be folded, and the log holds an operator's order to leave it out."""


class TimeMachine:
    """One cell's states, by the offset that would be folded next."""

    def __init__(
        self,
        reader: LogReader,
        snapshots: SnapshotSource | None = None,
        skips: Mapping[int, str] | None = None,
        earlier: Earlier | None = None,
    ) -> None:
        """``skips`` are records known to be left out, by offset, with the digests of their bytes.

        Others are found in the log when they are met. ``earlier`` is the generation at whose end
        the log's first record goes on.
        """
        self.reader = reader
        self._snapshots: SnapshotSource = snapshots or NoSnapshots()
        self._machines: OrderedDict[int, Machine] = OrderedDict()
        self._views: dict[int, CellView] = {}
        """Of kept machines those that somebody wanted to read as a view."""
        self._skips: dict[int, str] = dict(skips or {})
        self.earlier = earlier
        self._first_view: CellView | None = None
        self.records_folded = 0

    async def end_of(self, instant: Instant, *, is_clamped: bool = False) -> int:
        """The offset that is folded next at this instant; raises `TravelError`.

        ``is_clamped``: a time before the log's first record means that record.
        """
        bounds = await self.reader.bounds()
        match instant:
            case AtOffset():
                _check_log(instant, bounds)
                end = instant.offset + 1
            case AtTime():
                end = await self.reader.offset_at(instant.at_ms + 1)
                if end <= bounds.first_offset and is_clamped:
                    end = max(1, bounds.first_offset)
                if end == 0:
                    raise TravelError(
                        "unclear",
                        f"That instant is before the log's first record{await self._begins()}.",
                        "Ask for a later one.",
                    )
            case _:
                end = bounds.end_offset
        first = max(1, bounds.first_offset)
        if not first <= end <= bounds.end_offset:
            last = bounds.end_offset - 1
            raise TravelError(
                "unclear",
                f"Offset {end - 1} is not in the log, which has {first - 1} to {last}.",
                "Ask for an offset of those.",
            )
        return end

    async def _begins(self) -> str:
        """When the first record was written, in words; empty where that cannot be read."""
        bounds = await self.reader.bounds()
        if bounds.first_offset == bounds.end_offset:
            return ""
        async for batch in self.reader.records(bounds.first_offset, bounds.first_offset + 1):
            try:
                at_ms = decode_record(batch[0].value).at_ms
            except Undecodable:
                return ""
            return f", of {instant_text(at_ms)}"
        return ""

    async def first_view(self) -> CellView | None:
        """The view where this log begins; None where the cell itself began there.

        What it knows was made before the log's first record, so no note says how it began.
        """
        bounds = await self.reader.bounds()
        if bounds.first_offset == 0 and self.earlier is None:
            return None
        if self._first_view is None:
            self._first_view = await self.view_at(max(1, bounds.first_offset))
        return self._first_view

    async def view_at(self, end: int, *, is_proving: bool = True) -> CellView:
        """The view before record ``end`` is folded; to be read only.

        Only the machine was folded, which is the quickest: what histories the view is asked for
        must be completed (`streams.travel.traveller`).
        """
        machine = await self.machine_at(end, is_proving=is_proving)
        if end not in self._views:
            self._views[end] = CellView.restored(machine)
        return self._views[end]

    async def machine_at(self, end: int, *, is_proving: bool) -> Machine:
        """The machine before record ``end`` is folded; to be read only.

        Without ``is_proving`` it may lack the digests at marks, which take half of a fold's time
        behind a snapshot: the first looks at the whole state.
        """
        kept = self._machines.get(end)
        if kept is None or (is_proving and not kept.is_proving):
            kept = await self._made(end, is_proving=is_proving)
            self._views.pop(end, None)
            self._machines[end] = kept
        self._machines.move_to_end(end)
        while len(self._machines) > STATES_KEPT:
            self._views.pop(self._machines.popitem(last=False)[0], None)
        return kept

    async def _made(self, end: int, *, is_proving: bool) -> Machine:
        machine, first = await self.begin_below(end, is_proving=is_proving)
        machine.is_proving = is_proving
        try:
            await self.fold(machine.apply, machine.pass_over, first, end)
        except SkippedLater:
            # What was folded into must not be used again, and neither must what began above it.
            for offset in [each for each in self._machines if each > min(self._skips)]:
                del self._machines[offset]
                self._views.pop(offset, None)
            return await self._made(end, is_proving=is_proving)
        return machine

    async def begin_below(self, end: int, *, is_proving: bool = True) -> Begun:
        """A machine at the nearest known state that is not above ``end``; its caller's own."""
        known = (
            offset
            for offset, machine in self._machines.items()
            if offset <= end and (machine.is_proving or not is_proving)
        )
        kept = max(known, default=0)
        places = [each for each in await self._snapshots.places() if each.next_offset <= end]
        for place in sorted(places, key=lambda each: -each.next_offset):
            if place.next_offset <= kept:
                break
            machine = await self._loaded(place)
            if machine is not None:
                return Begun(machine, place.next_offset)
        if kept:
            return Begun(Machine.restored(self._machines[kept].kept()), kept)
        return await self.beginning()

    async def beginning(self) -> Begun:
        """The machine that wants the log's record 0; its caller's own."""
        if self.earlier is None:
            return Begun(Machine(), 0)
        before = await self.earlier.machine.machine_at(self.earlier.end, is_proving=True)
        return Begun(Machine.restored(before.kept()), 0)

    async def _loaded(self, place: SnapshotPlace) -> Machine | None:
        machine = await self._snapshots.load(place)
        if machine is not None and machine.state.next_offset != place.next_offset:
            logger.error("a snapshot is not where its name says", key=place.key)
            return None
        return machine

    async def fold(
        self, apply: Apply, pass_over: Callable[[int], None], first: int, end: int
    ) -> None:
        """Fold the records of a range; raises `SkippedLater` where it has to begin anew."""
        if first >= end:
            return  # Of a log that is known by its snapshots alone, no record is at hand.
        async for batch in self.reader.records(first, end):
            for record in batch:
                if self.is_skipped(record.offset, record.value):
                    pass_over(record.offset)
                    continue
                try:
                    apply(record.offset, decode_record(record.value))
                except Exception as error:
                    await self.find_skip(record.offset, digest_of(record.value), error)
                    raise SkippedLater from error
            self.records_folded += len(batch)

    def is_skipped(self, offset: int, data: bytes) -> bool:
        """Whether an operator's order that was found leaves this record out."""
        digest = self._skips.get(offset)
        return digest is not None and digest == digest_of(data)

    async def find_skip(self, offset: int, digest: str, error: Exception) -> None:
        """Learn of the operator's order to leave the record out; raises `LogHalted` else."""
        if offset not in self._skips:
            end = (await self.reader.bounds()).end_offset
            async for batch in self.reader.records(offset + 1, end):
                for record in batch:
                    if _skips(record.value, offset, digest):
                        self._skips[offset] = digest
                        return
        raise LogHalted(offset, error) from error


def _skips(data: bytes, offset: int, digest: str) -> bool:
    try:
        record = decode_record(data)
    except Undecodable:
        return False
    return any(
        isinstance(event, Copied)
        and isinstance(event.body, RecordSkipped)
        and (event.body.offset, event.body.digest) == (offset, digest)
        for event in record.events
    )


def _check_log(instant: AtOffset, bounds: LogBounds) -> None:
    if instant.generation and instant.generation != bounds.generation:
        raise TravelError(
            "unclear",
            f"The address is of generation {instant.generation}, this log's is "
            f"{bounds.generation}.",
            "Ask the cell that wrote it, or give the archive of that generation.",
        )
