"""Tasks on their way from being wanted to running: how long they wait, and how long they took.

The one thing to know: it grows and shrinks with the tasks that have not started, and remembers of
those that did only the last ones. Waiting counts from when a task may be placed: the delay of a
retry is no wait. A task that goes back to the queue goes on waiting where it was.
"""

from collections import Counter, deque
from collections.abc import Iterable, Iterator
from heapq import heapify, heappop, heappush
from typing import Final, NamedTuple

import msgspec

from scheduler.model.changes import TaskChanged
from scheduler.model.ids import JobId, TaskId
from scheduler.model.task import Launched, Placed, Queued, StartInitiated
from scheduler.state import State

STEP_MS: Final = 5_000
"""So exactly it is known how many wait for how long; they are counted and not walked over."""
RECENT_MAX: Final = 2_000
RECENT_MS: Final = 600_000


class OnItsWay(msgspec.Struct):
    """A task that has not started."""

    job_id: JobId
    group: str
    since_ms: int
    """From when on it could have been placed."""
    launched_ms: int = 0
    """When its launch was sent last; 0 while it waits for a host."""
    is_late: bool = False
    """Counted already as one that did not start in time."""


class Start(NamedTuple):
    """A task that has started."""

    at_ms: int
    start_ms: int
    """Since it was wanted."""
    launch_ms: int
    """Since its launch was sent."""
    is_late: bool
    job_id: JobId


class Starts:
    """All tasks of a cell that have not started, and the last that did."""

    def __init__(self, tasks: dict[TaskId, OnItsWay] | None = None) -> None:
        self.tasks = tasks or {}
        self.recent: deque[Start] = deque(maxlen=RECENT_MAX)
        self.queued_of_groups: Counter[str] = Counter()
        """How many wait for a host, by capacity group."""
        self._queued: Counter[int] = Counter()
        """The same by the step of time since when."""
        self._due: list[tuple[int, TaskId]] = [
            (each.since_ms, name) for name, each in self.tasks.items()
        ]
        heapify(self._due)
        for each in self.tasks.values():
            if not each.launched_ms:
                self._count(each, 1)

    def begin_late(self, state: State) -> None:
        """Take over what waits in a state of which nothing was folded here."""
        for name in [each for each in self.tasks if each not in state.tasks]:
            self._leave(name)
        for task in state.tasks.values():
            now = task.state
            if task.task_id in self.tasks or not isinstance(
                now, Queued | Placed | Launched | StartInitiated
            ):
                continue
            ready_ms = now.ready_at_ms if isinstance(now, Queued) else 0
            since_ms = max(now.since_ms, ready_ms)
            entry = self._enter(state, task.task_id, task.job_id, since_ms)
            if isinstance(now, Launched | StartInitiated):
                self._launched(entry, now.since_ms)

    def fold(self, state: State, change: TaskChanged, at_ms: int) -> Start | None:
        """Follow one change of a task; the start, if it is one."""
        known = self.tasks.get(change.task_id)
        match change.state:
            case "Accepted":
                self._accepted(state, change, known, at_ms)
            case "Launched" if known is not None:
                self._launched(known, at_ms)
            case "Started" if known is not None:
                self._leave(change.task_id)
                sent_ms = known.launched_ms or at_ms
                took_ms = max(0, at_ms - known.since_ms)
                start = Start(at_ms, took_ms, at_ms - sent_ms, known.is_late, known.job_id)
                self.recent.append(start)
                return start
            case "Finished" | "KillInitiated" if known is not None:
                self._leave(change.task_id)
            case _:
                pass
        return None

    def is_any_late(self, now_ms: int, within_ms: int) -> bool:
        """Whether there may be some to be told of."""
        return bool(self._due) and self._due[0][0] + within_ms < now_ms

    def newly_late(self, now_ms: int, within_ms: int) -> Iterator[OnItsWay]:
        """Those that have not started in time and were not told of before."""
        due = self._due
        while due and due[0][0] + within_ms < now_ms:
            since_ms, name = heappop(due)
            known = self.tasks.get(name)
            if known is not None and known.since_ms == since_ms and not known.is_late:
                known.is_late = True
                yield known

    @property
    def queued(self) -> int:
        """How many wait for a host."""
        return self._queued.total()

    def waiting_over(self, now_ms: int, span_ms: int) -> int:
        """How many have waited for a host for longer than this."""
        last = (now_ms - span_ms) // STEP_MS
        return sum(count for step, count in self._queued.items() if step < last)

    def oldest_wait_ms(self, now_ms: int) -> int:
        """How long the one has waited for a host that waits longest."""
        return max(0, now_ms - min(self._queued) * STEP_MS) if self._queued else 0

    def lately(self, now_ms: int) -> list[Start]:
        """What started within the last ten minutes, as far as it is remembered."""
        return [each for each in self.recent if each.at_ms > now_ms - RECENT_MS]

    def _accepted(
        self, state: State, change: TaskChanged, known: OnItsWay | None, at_ms: int
    ) -> None:
        if known is not None:
            if known.launched_ms:
                known.launched_ms = 0
                self._count(known, 1)
            return
        if change.step != "queued":
            return  # Of a task that is older than what was folded here, or was only renamed.
        task = state.tasks.get(change.task_id)
        now = task.state if task is not None else None
        ready_ms = now.ready_at_ms if isinstance(now, Queued) else 0
        self._enter(state, change.task_id, change.job_id, max(at_ms, ready_ms))

    def _enter(self, state: State, task_id: TaskId, job_id: JobId, since_ms: int) -> OnItsWay:
        job = state.jobs.get(job_id)
        group = job.spec.capacity_group if job is not None else ""
        entry = OnItsWay(job_id, group, since_ms)
        self.tasks[task_id] = entry
        self._count(entry, 1)
        heappush(self._due, (since_ms, task_id))
        return entry

    def _launched(self, entry: OnItsWay, at_ms: int) -> None:
        if not entry.launched_ms:
            self._count(entry, -1)
        entry.launched_ms = max(1, at_ms)

    def _leave(self, task_id: TaskId) -> None:
        entry = self.tasks.pop(task_id)
        if not entry.launched_ms:
            self._count(entry, -1)
        if len(self._due) > 2 * len(self.tasks) + 1_000:
            # Most have gone on: a heap of them would grow with all tasks that ever were.
            self._due = [(each.since_ms, name) for name, each in self.tasks.items()]
            heapify(self._due)

    def _count(self, entry: OnItsWay, by: int) -> None:
        step, group = entry.since_ms // STEP_MS, entry.group
        self._queued[step] += by
        self.queued_of_groups[group] += by
        if not self._queued[step]:
            del self._queued[step]
        if not self.queued_of_groups[group]:
            del self.queued_of_groups[group]


def quantile_ms(values: Iterable[int], per_mille: int) -> int:
    """The value below or at which so many thousandths of them lie; 0 of none."""
    ordered = sorted(values)
    if not ordered:
        return 0
    return ordered[min(len(ordered) - 1, len(ordered) * per_mille // 1_000)]
