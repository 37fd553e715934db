"""What was told of late, in order, so that who was away for a moment misses nothing.

The one thing to know: there is one ring for each stream and none for a reader. A reader is a
number, its place in the ring; one that falls behind the ring's oldest has lost its place. So
readers cost no memory, however many there are and however slow.
"""

from bisect import bisect_right
from collections import deque
from collections.abc import Iterable
from itertools import islice
from typing import Final

import msgspec

from projections.v3 import TaskSeen
from scheduler.model.ids import JobId
from scheduler.model.task import Task
from scheduler.state import Job

EVENTS_MAX: Final = 20_000
"""Of one stream: the steps of two thousand tasks that start and end."""
BYTES_MAX: Final = 16 * 1024 * 1024
"""Of one stream; six streams are 96 MiB at the very most."""
VALUES_BYTES: Final = 700
"""What an event of a task holds of its own until it is written out: the task as it was, the list of
its history's entries. Measured: 650 bytes for a task with four entries; all else is the fold's."""
WHOLE_RECORD: Final = 2**31
"""An index behind every event of a record."""

Spot = tuple[int, int]
"""Offset, and number of the event among those that the record told the stream."""


class Told(msgspec.Struct, gc=False):
    """One event of a stream: what was so when its record had been folded."""

    offset: int
    number: int
    kind: str
    data: bytes
    """The event's JSON; of a task empty until a reader is to be sent it, and then kept."""
    job_id: str = ""
    task_id: str = ""
    job: Job | None = None
    """The job, or the task's job, as it was then; for the criteria of a reader."""
    task: Task | None = None
    about: str = ""
    """What it shows, where that is no job and no task."""
    is_over: bool = False
    moved_from: JobId | None = None
    needs_migration: bool = False
    seen: TaskSeen | None = None
    """What the event's JSON is written from, where it is of a task."""
    bytes_counted: int = 0
    """What the ring thinks that it holds."""

    @property
    def bytes_total(self) -> int:
        """What it holds, about."""
        if self.seen is None:
            return len(self.data)
        own = 0
        for name, value in self.seen.task.attributes:
            own += len(name) + len(value)
        return VALUES_BYTES + own + len(self.data)

    @property
    def spot(self) -> Spot:
        """Where it stands."""
        return (self.offset, self.number)

    @property
    def name(self) -> str:
        """What it shows: a later event of the same name and kind takes its place."""
        return self.task_id or self.job_id or self.about


class Ring:
    """The last events of one stream."""

    def __init__(self, events_max: int = EVENTS_MAX, bytes_max: int = BYTES_MAX) -> None:
        self._events_max, self._bytes_max = events_max, bytes_max
        self._events: deque[Told] = deque()
        self._bytes = 0
        self._begins = 0
        """The place of the oldest event that is still here."""
        self._floor: Spot = (-1, 0)
        """Every event above this spot is here."""

    def __len__(self) -> int:
        return len(self._events)

    @property
    def end(self) -> int:
        """The place behind the newest event."""
        return self._begins + len(self._events)

    def begin(self, offset: int) -> None:
        """Forget everything; what follows the record of this offset will be here."""
        self._begins = self.end + 1  # No reader's place from before is a place any more.
        self._events.clear()
        self._bytes, self._floor = 0, (offset, WHOLE_RECORD)

    def add(self, told: Told) -> None:
        """Take one more event, and drop the oldest where there are too many."""
        events = self._events
        events.append(told)
        told.bytes_counted = counted = told.bytes_total
        self._bytes += counted
        while len(events) > self._events_max or self._bytes > self._bytes_max:
            oldest = events.popleft()
            self._begins += 1
            self._bytes -= oldest.bytes_counted
            self._floor = (oldest.offset, oldest.number)

    def count_written(self, events: Iterable[Told]) -> None:
        """Note that some events may have been written out since they came."""
        for told in events:
            if told.seen is not None and told.spot > self._floor:
                now = told.bytes_total
                self._bytes += now - told.bytes_counted
                told.bytes_counted = now

    @property
    def floor_offset(self) -> int:
        """Every event of the records behind this one is here."""
        return self._floor[0]

    def place_after(self, spot: Spot) -> int | None:
        """The place of the first event behind the spot; None where some of those are gone."""
        if spot < self._floor:
            return None
        return self._begins + bisect_right(self._events, spot, key=lambda each: each.spot)

    def read(self, place: int, most: int) -> list[Told] | None:
        """Up to so many events from a place on; None where the place has been lost."""
        if place < self._begins:
            return None
        first = place - self._begins
        return list(islice(self._events, first, first + most))
