"""What a stream was told of records that its ring no longer holds: told again, from the log.

The one thing to know: events follow from the log, so whoever folds the same records tells the same
events at the same places. Pages of them go from one process to another; a page ends where a record
ends, so that the next one, or the ring, goes on behind it without a gap.
"""

from typing import Final

import msgspec

from projections.cell_view import CellView
from projections.observe.names import Stream
from projections.observe.observer import Observer, data_of
from projections.observe.ring import WHOLE_RECORD, Spot, Told
from scheduler.model.events import CellRecord
from scheduler.model.ids import JobId
from scheduler.model.task import Task
from scheduler.state import Job

PAGE_BYTES: Final = 1024 * 1024
"""After so much a page ends: a tenth of a second's work, and some seconds of a slow reader's."""
NO_JOB: Final = -1


class WalkedEvent(msgspec.Struct, frozen=True, omit_defaults=True):
    """One event of a page; see `projections.observe.ring.Told`."""

    offset: int
    number: int
    kind: str
    data: msgspec.Raw
    job_id: str = ""
    task_id: str = ""
    job: int = NO_JOB
    """Which of the page's jobs."""
    task: Task | None = None
    about: str = ""
    is_over: bool = False
    moved_from: JobId | None = None
    needs_migration: bool = False


class WalkedPage(msgspec.Struct, frozen=True):
    """All events of a stream between two places, or as many as a page holds."""

    events: tuple[WalkedEvent, ...]
    jobs: tuple[Job, ...]
    next_offset: int
    """The record that the next page begins with: all of those before it were told."""

    def told(self) -> list[Told]:
        """The events as a ring would have them."""
        return [
            Told(
                each.offset,
                each.number,
                each.kind,
                bytes(each.data),
                each.job_id,
                each.task_id,
                self.jobs[each.job] if each.job != NO_JOB else None,
                each.task,
                each.about,
                each.is_over,
                each.moved_from,
                each.needs_migration,
            )
            for each in self.events
        ]


class Walk:
    """A fold of old records that says again what the streams were told of them."""

    def __init__(self, view: CellView) -> None:
        """``view`` stands before the first record that is to be told; it is the walk's own."""
        self.view = view
        self._observer = Observer()
        self._observer.begin(view)
        self._stream: Stream = "jobs"
        self._after: Spot = (-1, 0)
        self._events: list[WalkedEvent] = []
        self._jobs: dict[int, Job] = {}
        self._places: dict[int, int] = {}
        self.bytes_total = 0

    def begin_page(self, stream: Stream, after: Spot) -> None:
        """Gather what one stream is told behind a place from here on."""
        self._stream, self._after = stream, after
        self._events, self._jobs, self._places, self.bytes_total = [], {}, {}, 0

    def apply(self, offset: int, record: CellRecord) -> None:
        """Fold one record, and gather what it tells."""
        changes = self.view.apply(offset, record)
        told = self._observer.told(self.view, offset, record, changes)
        for each in told.get(self._stream, ()):
            if each.spot > self._after:
                self._gather(each)

    def _gather(self, told: Told) -> None:
        data = data_of(self.view, told)
        self.bytes_total += len(data)
        self._events.append(
            WalkedEvent(
                told.offset,
                told.number,
                told.kind,
                msgspec.Raw(data),
                told.job_id,
                told.task_id,
                NO_JOB if told.job is None else self._number_of(told.job),
                told.task,
                told.about,
                told.is_over,
                told.moved_from,
                told.needs_migration,
            )
        )

    def _number_of(self, job: Job) -> int:
        """The job's number in the page; a thousand tasks of one job name it once."""
        found = self._places.get(job.accepted_offset)
        if found is None or self._jobs[found] is not job:
            found = self._places[job.accepted_offset] = len(self._jobs)
            self._jobs[found] = job
            self.bytes_total += len(msgspec.json.encode(job))
        return found

    def page(self) -> WalkedPage:
        """What was gathered."""
        return WalkedPage(tuple(self._events), tuple(self._jobs.values()), self.view.next_offset)


def end_of(page: WalkedPage) -> Spot:
    """The place that the next page goes on behind."""
    return (page.next_offset - 1, WHOLE_RECORD)
