"""Answers at a glance: hosts, what waits, waits, marks, lines and single events, at any instant.

The one thing to know: states come from the time machine and ranges from notes, read some thousands
of records at a time, so that a day is not held in memory.
"""

from collections.abc import Iterator
from typing import Final, Protocol, assert_never

import msgspec

from projections.glance.event import EventWhole, event_whole
from projections.glance.failing import FailingGlance, failing_glance
from projections.glance.hosts import HostGlance, HostsGlance, host_glance, hosts_glance
from projections.glance.lines import LineCounting, LinesGlance
from projections.glance.marks import KINDS, Marks, MarksGlance
from projections.glance.waiting import WaitingGlance, waiting_glance
from projections.glance.waits import Waits, WaitsGlance
from projections.health.blocks import LineRecord
from projections.travel.instants import (
    AtTime,
    Instant,
    InstantUnclear,
    address_of,
    parse_instant,
)
from projections.travel.questions import (
    EventAt,
    FailingAt,
    Glance,
    HostAt,
    HostsAt,
    LinesOf,
    MarksOf,
    WaitingAt,
    WaitsOf,
)
from scheduler.model.codec import Undecodable, decode_record
from streams.clock import now_ms
from streams.health.records import Unreadable, line_records
from streams.travel.errors import LogHalted, TravelError
from streams.travel.machine import TimeMachine
from streams.travel.notes import NoteSource
from streams.travel.traveller import Traveller

STRETCH_RECORDS: Final = 10_000
"""Records whose notes are held at once, some tens of MB."""
BEFORE_MS_LEAST: Final = 15 * 60 * 1_000
"""How long before a range lines are looked at, at least, to tell what is new in it."""
TOPIC: Final = "host-logs"


class LineMessages(msgspec.Struct, frozen=True):
    """One record of host logs as Kafka or the archive has it."""

    partition: int
    offset: int
    at_ms: int
    key: bytes | None
    value: bytes


class LineSource(Protocol):
    """Who reads the topic of host logs."""

    async def messages(self, first_ms: int, end_ms: int) -> tuple[list[LineMessages], list[str]]:
        """Records made between these times, in the order of time, and what could not be read."""
        ...


class NoLines:
    """No topic of host logs is at hand."""

    async def messages(self, first_ms: int, end_ms: int) -> tuple[list[LineMessages], list[str]]:
        """None, and says so."""
        del first_ms, end_ms
        return [], ["host logs: they are not read here"]


class Glancing:
    """Answers about one generation of a cell's log."""

    def __init__(
        self,
        machine: TimeMachine,
        notes: NoteSource,
        traveller: Traveller,
        lines: LineSource | None = None,
    ) -> None:
        self._machine = machine
        self._notes = notes
        self._traveller = traveller
        self._lines: LineSource = lines or NoLines()

    async def glance(self, question: Glance) -> msgspec.Struct:
        """The answer as a value; raises `TravelError`."""
        match question:
            case HostsAt():
                return await self._hosts(question.at)
            case HostAt():
                return await self._host(question.name, question.at)
            case WaitingAt():
                return await self._waiting(question.at)
            case FailingAt():
                return await self._failing(question.at)
            case WaitsOf():
                return await self._waits(question.first, question.second)
            case MarksOf():
                return await self._marks(question.first, question.second)
            case LinesOf():
                return await self._lines_of(question.first, question.second)
            case EventAt():
                return await self._event(question.address)
            case _:
                assert_never(question)

    async def _hosts(self, at: str) -> HostsGlance:
        end = await self._traveller.end_of(at)
        return hosts_glance((await self._machine.machine_at(end, is_proving=False)).state)

    async def _host(self, name: str, at: str) -> HostGlance:
        end = await self._traveller.end_of(at)
        found = host_glance((await self._machine.machine_at(end, is_proving=False)).state, name)
        if found is None:
            raise TravelError("unknown", f"No host {name!r} was known then.", "")
        return found

    async def _waiting(self, at: str) -> WaitingGlance:
        end = await self._traveller.end_of(at)
        return waiting_glance((await self._machine.machine_at(end, is_proving=False)).state)

    async def _failing(self, at: str) -> FailingGlance:
        end = await self._traveller.end_of(at)
        return failing_glance((await self._machine.machine_at(end, is_proving=False)).state)

    async def _waits(self, first: str, second: str) -> WaitsGlance:
        begin, end = await self._ends(first, second)
        before = (await self._machine.machine_at(begin, is_proving=False)).state
        waits, from_ms = Waits(before), _time_ms(first, before.clock.now_ms)
        for low, high in _stretches(begin, end):
            waits.take(await self._notes.rows(low, high))
        after = (await self._machine.machine_at(end, is_proving=False)).state
        return waits.glance(after, from_ms, max(from_ms, _time_ms(second, after.clock.now_ms)))

    async def _marks(self, first: str, second: str) -> MarksGlance:
        begin, end = await self._ends(first, second)
        halted = None
        try:
            after = (await self._machine.machine_at(end, is_proving=False)).state
        except LogHalted as error:
            if error.offset < begin:
                raise
            halted, end = error, error.offset
            after = (await self._machine.machine_at(end, is_proving=False)).state
        from_ms = await self._time_ms(first, begin)
        marks = Marks(after)
        for low, high in _stretches(begin, end):
            marks.take(row for row in await self._notes.rows(low, high) if row.kind in KINDS)
        if halted is not None:
            marks.halt(halted.offset, halted.what)
        return marks.glance(from_ms, max(from_ms, _time_ms(second, after.clock.now_ms)))

    async def _lines_of(self, first: str, second: str) -> LinesGlance:
        begin, end = await self._ends(first, second)
        from_ms = await self._time_ms(first, begin)
        to_ms = max(from_ms, await self._time_ms(second, end, is_wall=True))
        before_ms = from_ms - max(BEFORE_MS_LEAST, to_ms - from_ms)
        counting = LineCounting(before_ms, from_ms, to_ms)
        messages, missing = await self._lines.messages(before_ms, to_ms)
        unreadable = 0
        for each in messages:
            try:
                for record in _records(each):
                    counting.take(record)
            except Unreadable:
                unreadable += 1  # The health process has it in the dead letters.
        if unreadable:
            missing = [*missing, f"{unreadable} records that are no lines, see dead-letters"]
        return counting.glance(missing)

    async def _event(self, text: str) -> EventWhole:
        try:
            address = address_of(text)
        except InstantUnclear as error:
            raise TravelError("unclear", f"{error}.", "Copy it from an answer.") from error
        await self._machine.end_of(parse_instant(text, 0))  # Of this log, and within it.
        async for batch in self._machine.reader.records(address.offset, address.offset + 1):
            for each in batch:
                try:
                    found = event_whole(address, decode_record(each.value))
                except Undecodable as error:
                    raise TravelError(
                        "unavailable", f"{address} cannot be read: {error}.", "Use a newer build."
                    ) from error
                if found is not None:
                    return found
        raise TravelError(
            "unknown", f"There is no event at {address}.", "Its record holds fewer events."
        )

    async def _time_ms(self, text: str, end: int, *, is_wall: bool = False) -> int:
        """As `_time_ms`, which folds nothing for a time that has passed."""
        now = now_ms()
        instant = _instant(text, now)
        if isinstance(instant, AtTime) and instant.at_ms <= now:
            return instant.at_ms
        folded = await self._machine.machine_at(end, is_proving=False)
        return _time_ms(text, folded.state.clock.now_ms, is_wall=is_wall)

    async def _ends(self, first: str, second: str) -> tuple[int, int]:
        begin = await self._traveller.begin_of(first)
        # A range that lies wholly before the log is empty, and no mistake.
        end = await self._traveller.begin_of(second)
        if end < begin:
            raise TravelError("unclear", "The range ends before it begins.", "Swap the instants.")
        return begin, end


def _stretches(begin: int, end: int) -> Iterator[tuple[int, int]]:
    for low in range(begin, end, STRETCH_RECORDS):
        yield low, min(end, low + STRETCH_RECORDS)


def _records(message: LineMessages) -> list[LineRecord]:
    lane = f"{TOPIC}:{message.partition}"
    source = f"{lane}:{message.offset}"
    return line_records(message.value, message.key, source, lane, message.at_ms)


def _time_ms(text: str, folded_ms: int, *, is_wall: bool = False) -> int:
    """The time that the text names; an offset's is the log's clock there.

    Lines go on while the cell's log is silent, so their ``now`` is the wall's (``is_wall``).
    """
    now = now_ms()
    instant = _instant(text, now)
    if isinstance(instant, AtTime):
        return min(instant.at_ms, max(now, folded_ms))
    is_now = is_wall and text.strip() in {"", "now", "latest"}
    return max(now, folded_ms) if is_now else folded_ms


def _instant(text: str, now: int) -> Instant:
    try:
        return parse_instant(text, now)
    except InstantUnclear as error:
        raise TravelError("unclear", f"{error}.", "") from error
