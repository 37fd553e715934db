"""Answers to questions about other instants, as the JSON that REST and commands show.

The one thing to know: this is the one place where a question meets the time machine; the worker
process, commands without an API and tests all come here.
"""

from collections.abc import Mapping
from typing import NamedTuple, assert_never

import msgspec

from connectors.archive.archive import DamagedRange
from connectors.ports import NoSuchObject, StoreFailed
from projections.masking import Masker
from projections.travel.diff import Difference
from projections.travel.instants import AtOffset, AtTime, InstantUnclear, Newest, parse_instant
from projections.travel.questions import (
    ChainOf,
    CostOf,
    DiffOf,
    EventAt,
    EventsAt,
    FailingAt,
    Forensic,
    Glance,
    HostAt,
    HostsAt,
    IncidentOf,
    IncidentPageOf,
    LinesOf,
    MarksOf,
    Question,
    ReadAt,
    SliceOf,
    StateAt,
    TimelineOf,
    ToldAfter,
    TraceOf,
    WaitingAt,
    WaitsOf,
    WhyAt,
)
from streams.clock import now_ms
from streams.history.reading import LogHole, LogReader
from streams.travel.costing import Costing, fixed_time, with_fixed_times
from streams.travel.errors import LogHalted, TravelError
from streams.travel.glancing import Glancing, LineSource
from streams.travel.incidents import Incidents, IncidentSlice
from streams.travel.machine import Earlier, TimeMachine
from streams.travel.notes import NoteSource
from streams.travel.rewinding import Then, read_at
from streams.travel.sources import NoSnapshots, NoteReader, SnapshotSource
from streams.travel.telling import Telling
from streams.travel.tracing import Tracer
from streams.travel.traveller import TimelinePage, Traveller


class Answering:
    """Answers of one cell."""

    def __init__(
        self,
        reader: LogReader,
        snapshots: SnapshotSource | None = None,
        notes: NoteReader | None = None,
        skips: Mapping[int, str] | None = None,
        earlier: "EarlierAnswers | None" = None,
        *,
        lines: LineSource | None = None,
        masker: Masker | None = None,
        build: str = "",
    ) -> None:
        """``earlier`` answers for the generation that this log goes on from, if it is one."""
        self.snapshots: SnapshotSource = snapshots or NoSnapshots()
        self.earlier = earlier
        before = None
        if earlier is not None:
            before = Earlier(earlier.answering.machine, earlier.generation, earlier.end)
        self.machine: TimeMachine = TimeMachine(reader, self.snapshots, skips, before)
        self.notes = NoteSource(self.machine, notes)
        self.traveller = Traveller(self.machine, self.notes)
        self.tracer = Tracer(self.machine, self.notes)
        self.telling = Telling(self.machine)
        self.incidents = Incidents(self, masker, build)
        self.glancing = Glancing(self.machine, self.notes, self.traveller, lines)

    async def ask(self, question: Question) -> bytes:
        """The answer as JSON; raises `TravelError`."""
        answer = await self.answer(question)
        if isinstance(answer, IncidentSlice | Then):
            return answer.data
        return msgspec.json.encode(answer)

    async def answer(self, question: Question) -> msgspec.Struct:  # noqa: PLR0911 - one a question
        """The answer as a value; raises `TravelError`."""
        match question:
            case StateAt():
                there = await self._at(question.at)
                return await there.traveller.state(question.at)
            case DiffOf():
                return await self._diff(question)
            case TimelineOf():
                return await self._timeline(question)
            case WhyAt():
                there = await self._at(question.at)
                return await there.traveller.why(question.name, question.at)
            case EventsAt():
                there = await self._at(question.at)
                return await there.traveller.events(
                    question.name, question.at, is_with_tasks=question.is_with_tasks
                )
            case TraceOf():
                there = await self._at(question.address)
                return await there.tracer.trace(question.address, question.direction)
            case CostOf():
                fixed = with_fixed_times(question)
                newer, older = await self._at(fixed.second), await self._at(fixed.first)
                return await Costing(newer, older).cost(fixed)
            case ToldAfter():
                return await self.telling.told(question)
            case ReadAt():
                there = await self._at(question.at)
                return await read_at(there.machine, there.traveller, question)
            case (
                HostsAt() | HostAt() | WaitingAt() | FailingAt()
                | WaitsOf() | MarksOf() | LinesOf() | EventAt()
            ):  # fmt: skip
                return await self._glance(question)
            case IncidentOf() | ChainOf() | IncidentPageOf() | SliceOf():
                return await self._forensic(question)
            case _:
                assert_never(question)

    async def _forensic(self, question: Forensic) -> msgspec.Struct:
        """What is asked of an incident, by whoever has its end; the newest state has the notes."""
        fixed = msgspec.structs.replace(
            question, first=fixed_time(question.first), second=fixed_time(question.second)
        )
        there = await self._at(fixed.second)
        end, halted = await self.machine.end_of(Newest()), None
        try:
            newest = await self.machine.machine_at(end, is_proving=False)
        except LogHalted as error:
            halted = error
            newest = await self.machine.machine_at(error.offset, is_proving=False)
        if halted is None or there is not self:
            return await there.incidents.answer(fixed, newest.state)
        if await self.traveller.begin_of(fixed.first) >= halted.offset:
            raise halted  # Nothing of that stretch can be read.
        if await self.machine.end_of(parse_instant(fixed.second, now_ms())) <= halted.offset:
            return await self.incidents.answer(fixed, newest.state)
        until_then = msgspec.structs.replace(fixed, second=str(halted.offset - 1))
        return await self.incidents.answer(until_then, newest.state, halted.what)

    async def _glance(self, question: Glance) -> msgspec.Struct:
        """What is shown at a glance; of a range by whoever has its end."""
        match question:
            case HostsAt() | HostAt() | WaitingAt() | FailingAt():
                there = await self._at(question.at)
            case WaitsOf() | MarksOf() | LinesOf():
                there = await self._at(question.second)
            case EventAt():
                there = await self._at(question.address)
            case _:
                assert_never(question)
        return await there.glancing.glance(question)

    async def _at(self, text: str) -> "Answering":
        """Who answers for this instant: we, or whoever answers for the generation before ours."""
        if self.earlier is None:
            return self
        try:
            instant = parse_instant(text, now_ms())
        except InstantUnclear:
            return self  # Which will say so.
        if isinstance(instant, AtOffset):
            is_earlier = instant.generation in self.earlier.generations()
        else:
            is_earlier = isinstance(instant, AtTime) and await self._is_before(instant.at_ms)
        return await self.earlier.answering._at(text) if is_earlier else self  # noqa: SLF001 - one of us

    async def _is_before(self, at_ms: int) -> bool:
        return await self.machine.reader.offset_at(at_ms + 1) == 0

    async def _diff(self, question: DiffOf) -> Difference:
        older, newer = await self._at(question.first), await self._at(question.second)
        limit, skip = question.limit, question.skip
        if older is newer:
            return await newer.traveller.diff(question.first, question.second, limit, skip)
        begins = await older.traveller.end_of(question.first)
        before = await older.machine.machine_at(begins, is_proving=False)
        end = await newer.traveller.end_of(question.second)
        # Of the events between the two, those of the second one's own log are named.
        begin = 0
        if older.earlier is not None and newer in older.earlier.chain():
            begin = (await newer.machine.reader.bounds()).end_offset
        return await newer.traveller.diff_from(before, (begin, end), limit, skip)

    async def _timeline(self, question: TimelineOf) -> TimelinePage:
        """The page, with what the generations before this one tell before it."""
        if self.earlier is None or (question.first and await self._at(question.first) is self):
            return await self._own_timeline(question)
        if question.second and await self._at(question.second) is not self:
            return await self.earlier.answering._timeline(question)  # noqa: SLF001 - one of us
        try:
            older = await self.earlier.answering._timeline(  # noqa: SLF001 - one of us
                msgspec.structs.replace(question, second="")
            )
        except TravelError as error:
            older = TimelinePage("", question.name, (), 0)
            if error.kind != "unknown":
                older = msgspec.structs.replace(older, lacking=self._lacking(error))
        except (LogHole, DamagedRange, NoSuchObject, StoreFailed) as error:
            older = TimelinePage("", question.name, (), 0, lacking=self._lacking(error))
        own = msgspec.structs.replace(
            question,
            first="",
            limit=question.limit - len(older.lines),
            skip=max(0, question.skip - older.total),
        )
        try:
            newer = await self._own_timeline(own)
        except TravelError as error:
            if error.kind != "unknown" or not older.total:
                raise
            newer = TimelinePage(older.kind, older.id, (), 0)
        return _joined(older, newer, question.skip)

    async def _own_timeline(self, question: TimelineOf) -> TimelinePage:
        return await self.traveller.timeline(
            question.name, question.first, question.second, question.limit, question.skip
        )

    def _lacking(self, error: Exception) -> str:
        assert self.earlier is not None
        return f"what happened in generation {self.earlier.generation}: {error}"


class EarlierAnswers(NamedTuple):
    """Who answers for the generation that a log goes on from."""

    answering: Answering
    generation: str
    end: int
    """Behind its last record that counts."""

    def chain(self) -> list[Answering]:
        """Who answers for this generation, and for each before it."""
        before = self.answering.earlier
        return [self.answering, *(before.chain() if before else ())]

    def generations(self) -> frozenset[str]:
        """The name of this generation, and of all before it."""
        before = self.answering.earlier
        return frozenset((self.generation,)) | (before.generations() if before else frozenset())


def _joined(older: TimelinePage, newer: TimelinePage, skip: int) -> TimelinePage:
    lines, total = older.lines + newer.lines, older.total + newer.total
    following = skip + len(lines)
    return TimelinePage(
        newer.kind if newer.total else older.kind or newer.kind,
        newer.id,
        lines,
        total,
        following if following < total else 0,
        older.lacking,
    )
