"""Replay of a stretch of the log: folded again and proven, or decided anew by other rules.

The one thing to know: a replay changes nothing and asks nobody. It proves itself against what the
log and the snapshots recorded: every checkpoint that stands in the stretch, and the digest of every
snapshot that was taken within it.
"""

import time
from collections import deque
from typing import Final

import msgspec

from projections.simulate.recorded import RecordedDay
from projections.travel.shadow import LOOK_AHEAD_RECORDS, Comparison, Shadow
from scheduler.machine import Machine
from scheduler.model.codec import decode_record, digest_of
from scheduler.model.events import CellRecord, Checkpoint
from scheduler.model.rules import PlacementRules
from streams.cell.follower import LogRecord
from streams.travel.errors import TravelError
from streams.travel.machine import Begun, SkippedLater, TimeMachine
from streams.travel.sources import SnapshotPlace, SnapshotSource

ATTEMPTS_MAX: Final = 20
"""Begun anew so often, once for each record that an operator had skipped."""


class Replayed(msgspec.Struct, frozen=True, rename="camel"):
    """What a replay proved."""

    first_offset: int
    end_offset: int
    began_at: str
    """Where the fold began: a snapshot's key, or the log's beginning."""
    records: int
    events: int
    checkpoints_equal: int
    checkpoints_unknown: int
    """Whose mark stands before the stretch, so that there was nothing to compare."""
    snapshots_equal: int
    snapshots_different: tuple[str, ...]
    digest: str
    """Of the state at the end."""
    wall_s: float
    comparison: Comparison | None = None

    @property
    def is_proven(self) -> bool:
        """Whether nothing that was recorded says otherwise."""
        return not self.snapshots_different


class Replaying:
    """One replay; `run` folds the stretch."""

    def __init__(
        self,
        machine: TimeMachine,
        snapshots: SnapshotSource,
        *,
        rules: PlacementRules | None = None,
        is_shadow: bool = False,
        is_traced: bool = False,
    ) -> None:
        """``is_shadow`` asks for each round's decision anew, by ``rules`` or those in force."""
        self._time_machine = machine
        self._snapshots = snapshots
        self._rules = rules
        self._is_shadow = is_shadow or rules is not None
        self._is_traced = is_traced
        self.day: RecordedDay | None = None
        """The stretch as a trace, where that was asked for."""

    async def run(self, first: int, end: int) -> Replayed:
        """Fold the records from ``first`` up to, and without, ``end``; raises `TravelError`."""
        for _ in range(ATTEMPTS_MAX):
            try:
                return await self._run(first, end)
            except SkippedLater:
                continue
        raise TravelError("unavailable", "The log skips too many records.", "Replay less of it.")

    async def _run(self, first: int, end: int) -> Replayed:
        began_s = time.perf_counter()
        began_at, (machine, begin) = await self._beginning(first)
        shadow = Shadow(machine, self._rules)
        if first == begin:
            self._begin_trace(machine)
        proof = _Proof(machine, await self._places(begin, end))
        waiting: deque[tuple[LogRecord, CellRecord | None]] = deque()

        async def fold_oldest() -> None:
            taken, decoded = waiting.popleft()
            if decoded is None:
                machine.pass_over(taken.offset)
                return
            following = [(each.offset, record) for each, record in waiting if record is not None]
            try:
                if self._is_shadow and taken.offset >= first:
                    changes = shadow.take(taken.offset, decoded, following)
                else:
                    changes = machine.apply(taken.offset, decoded)
            except Exception as error:
                await self._skip(taken, error)
                raise SkippedLater from error
            if self.day is not None:
                self.day.take(decoded, changes)
            elif taken.offset == first - 1:
                self._begin_trace(machine)
            proof.folded(decoded)

        ahead = LOOK_AHEAD_RECORDS if self._is_shadow else 0
        async for batch in self._time_machine.reader.records(begin, end):
            for record in batch:
                waiting.append((record, await self._decoded(record)))
                if len(waiting) > ahead:
                    await fold_oldest()
        while waiting:
            await fold_oldest()
        return Replayed(
            first_offset=first,
            end_offset=end,
            began_at=began_at,
            records=proof.records,
            events=proof.events,
            checkpoints_equal=proof.checkpoints_equal,
            checkpoints_unknown=proof.checkpoints_unknown,
            snapshots_equal=proof.snapshots_equal,
            snapshots_different=tuple(proof.snapshots_different),
            digest=machine.digest.value(),
            wall_s=round(time.perf_counter() - began_s, 3),
            comparison=shadow.comparison() if self._is_shadow else None,
        )

    def _begin_trace(self, machine: Machine) -> None:
        if self._is_traced:
            self.day = RecordedDay(machine)

    async def _beginning(self, first: int) -> tuple[str, Begun]:
        places = [each for each in await self._snapshots.places() if each.next_offset <= first]
        for place in sorted(places, key=lambda each: -each.next_offset):
            machine = await self._snapshots.load(place)
            if machine is not None:
                return place.key, Begun(machine, place.next_offset)
        earlier = self._time_machine.earlier
        where = f"the end of generation {earlier.generation}" if earlier else "the log's beginning"
        return where, await self._time_machine.beginning()

    async def _places(self, first: int, end: int) -> dict[int, SnapshotPlace]:
        return {
            each.next_offset: each
            for each in await self._snapshots.places()
            if first < each.next_offset <= end and each.digest
        }

    async def _decoded(self, record: LogRecord) -> CellRecord | None:
        """The record; None where an operator had it skipped."""
        if self._time_machine.is_skipped(record.offset, record.value):
            return None
        try:
            return decode_record(record.value)
        except ValueError as error:
            await self._skip(record, error)
            raise SkippedLater from error

    async def _skip(self, record: LogRecord, error: Exception) -> None:
        await self._time_machine.find_skip(record.offset, digest_of(record.value), error)


class _Proof:
    """What has been compared so far."""

    def __init__(self, machine: Machine, places: dict[int, SnapshotPlace]) -> None:
        self._machine = machine
        self._places = places
        self.records = self.events = 0
        self.checkpoints_equal = self.checkpoints_unknown = 0
        self.snapshots_equal = 0
        self.snapshots_different: list[str] = []

    def folded(self, record: CellRecord) -> None:
        """Count a record; the machine itself halts at a checkpoint that differs."""
        self.records += 1
        self.events += len(record.events)
        for event in record.events:
            if isinstance(event, Checkpoint):
                is_known = (
                    event.mark_offset in self._machine.marks
                    and event.digest_version == self._machine.digest.version
                )
                self.checkpoints_equal += is_known
                self.checkpoints_unknown += not is_known
        place = self._places.get(self._machine.state.next_offset)
        if place is None:
            return
        if self._machine.digest.value() == place.digest:
            self.snapshots_equal += 1
        else:
            self.snapshots_different.append(place.key)
