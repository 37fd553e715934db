"""Answers to questions about other instants, as the JSON that REST and commands show.

The one thing to know: this is the one place where a question meets the time machine; the worker
process, commands without an API and tests all come here.
"""

from collections.abc import Mapping
from typing import assert_never

import msgspec

from projections.travel.questions import (
    DiffOf,
    EventsAt,
    Question,
    StateAt,
    TimelineOf,
    TraceOf,
    WhyAt,
)
from streams.history.reading import LogReader
from streams.travel.machine import TimeMachine
from streams.travel.notes import NoteSource
from streams.travel.sources import NoSnapshots, NoteReader, SnapshotSource
from streams.travel.tracing import Tracer
from streams.travel.traveller import Traveller


class Answering:
    """Answers of one cell."""

    def __init__(
        self,
        reader: LogReader,
        snapshots: SnapshotSource | None = None,
        notes: NoteReader | None = None,
        skips: Mapping[int, str] | None = None,
    ) -> None:
        self.snapshots: SnapshotSource = snapshots or NoSnapshots()
        self.machine = TimeMachine(reader, self.snapshots, skips)
        self.notes = NoteSource(self.machine, notes)
        self.traveller = Traveller(self.machine, self.notes)
        self.tracer = Tracer(self.machine, self.notes)

    async def ask(self, question: Question) -> bytes:
        """The answer as JSON; raises `TravelError`."""
        return msgspec.json.encode(await self.answer(question))

    async def answer(self, question: Question) -> msgspec.Struct:
        """The answer as a value; raises `TravelError`."""
        match question:
            case StateAt():
                return await self.traveller.state(question.at)
            case DiffOf():
                return await self.traveller.diff(
                    question.first, question.second, question.limit, question.skip
                )
            case TimelineOf():
                return await self.traveller.timeline(
                    question.name, question.first, question.second, question.limit, question.skip
                )
            case WhyAt():
                return await self.traveller.why(question.name, question.at)
            case EventsAt():
                return await self.traveller.events(
                    question.name, question.at, is_with_tasks=question.is_with_tasks
                )
            case TraceOf():
                return await self.tracer.trace(question.address, question.direction)
            case _:
                assert_never(question)
