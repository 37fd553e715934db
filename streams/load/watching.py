"""What happens to the tasks of a load, as a follower of the cell log sees it.

The one thing to know: it is a fold of its own, as the api's is, so that its digest at the end is a
witness; memory is bounded, for of tasks only the jobs' counts and a histogram are kept.
"""

from bisect import bisect_left
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Final

from scheduler.digest import Digest
from scheduler.machine import Machine
from scheduler.model.changes import TaskChanged
from scheduler.model.events import CellRecord, Checkpoint
from scheduler.model.ids import TaskId
from streams.cell.follower import BareFold, Changes, Follower, LogRecord
from streams.cell.lane import Lane
from streams.clock import elapsed_s

POLL_S: Final = 0.2
_STEP: Final = 1.05
_LEAST_S: Final = 0.001
BOUNDS_S: Final = tuple(_LEAST_S * _STEP**number for number in range(300))
"""Bounds of the histogram's buckets, 5 % apart, from a millisecond to over half an hour."""


class Histogram:
    """Times, counted in buckets 5 % apart; a percentile is its bucket's upper bound."""

    def __init__(self) -> None:
        self._counts = [0] * (len(BOUNDS_S) + 1)
        self.count = 0

    def add(self, seconds: float) -> None:
        """Count one time."""
        self._counts[bisect_left(BOUNDS_S, seconds)] += 1
        self.count += 1

    def percentile(self, share: float) -> float | None:
        """The time in seconds that this share of all is not above; None where there is none."""
        wanted, seen = share * self.count, 0
        for place, count in enumerate(self._counts):
            seen += count
            if count and seen >= wanted:
                return BOUNDS_S[min(place, len(BOUNDS_S) - 1)]
        return None


class _Sent:
    """A job that was submitted: when, and which of its indexes were seen running, as bits."""

    __slots__ = ("at_s", "left", "seen")

    def __init__(self, at_s: float, tasks: int) -> None:
        self.at_s, self.left, self.seen = at_s, tasks, 0


def _index_of(task_id: str) -> int:
    """The index in ``JOB-worker-INDEX-NUMBER``."""
    return int(task_id.rsplit("-", 2)[1])


class WitnessDigest(Digest):
    """A digest that is made of the whole state whenever it is asked for, and of nothing meanwhile.

    It proves more than one that is kept up to date, and is asked for at each mark, some ten times
    in a million launches. To keep it up to date was a fifth of what the load itself cost, and that
    is measured with all the rest.
    """

    def take_in(self, stale_max: int = 0) -> None:  # noqa: ARG002 - of the digest
        """Forget what is stale: the next value looks at everything."""
        for stale in self._state.dirty.values():
            stale.clear()

    def values(self) -> dict[int, str]:
        """The digest of the state as it is now, in every version."""
        self.forget()
        return super().values()


def _witness() -> BareFold:
    machine = Machine()
    machine.digest = WitnessDigest(machine.state)
    return BareFold(machine)


class Watch:
    """Follows the cell log, counts starts, and times each from its job's submission."""

    def __init__(self, bootstrap: str, topic: str, clock: Callable[[], float] = elapsed_s) -> None:
        self.follower = Follower(topic, 0, _witness)
        self.follower.listeners.append(self._folded)
        self._bootstrap = bootstrap
        self.lane = Lane(self.follower, bootstrap, self._deliver)
        self._clock = clock
        self._submitted: dict[str, _Sent] = {}
        """The jobs of which an index has never been seen running."""
        self.ours = 0
        """Tasks of this load that were seen running, each index once."""
        self.again = 0
        """Tasks that took another's place, whose host had died, and were seen running."""
        self.finished = 0
        self._running: set[TaskId] = set()
        self.latency = Histogram()
        self.minute = Histogram()
        """Of the present minute; whoever reports it puts a new one in its place."""
        self.changed_offset = -1
        """The last record that changed anything: so far the leader has to publish changes."""
        self.checkpoints = 0
        """How often the leader's digest was compared with this fold's, each time equal."""

    @asynccontextmanager
    async def watching(self) -> AsyncIterator[None]:
        """Watch as long as the block runs."""
        self.lane = Lane(self.follower, self._bootstrap, self._deliver)
        await self.lane.start()
        try:
            yield
        finally:
            await self.lane.stop()

    def submitted(self, job_id: str, tasks: int) -> None:
        """Note that a job is sent now, for the first time."""
        self._submitted[job_id] = _Sent(self._clock(), tasks)

    def is_starting(self, job_id: str) -> bool:
        """Whether an index of this job was never seen running."""
        return job_id in self._submitted

    def given_up(self, job_id: str) -> None:
        """Note that a job was not taken."""
        self._submitted.pop(job_id, None)

    async def _deliver(self, records: Sequence[LogRecord]) -> None:
        self.follower.take(records)

    def _folded(self, offset: int, record: CellRecord, changes: Changes) -> None:
        now_s = -1.0
        if changes:
            self.changed_offset = offset
        for _index, change in changes:
            if type(change) is not TaskChanged:
                continue
            if change.state == "Started":
                now_s = now_s if now_s >= 0 else self._clock()
                self._running.add(change.task_id)
                self._started(change.job_id, _index_of(change.task_id), now_s)
            elif change.state == "Finished":
                self._running.discard(change.task_id)  # Many end without ever having run.
                self.finished += 1
        if type(record.events[0]) is Checkpoint:
            self.checkpoints += 1

    def _started(self, job_id: str, index: int, now_s: float) -> None:
        sent = self._submitted.get(job_id)
        bit = 1 << index
        if sent is None or sent.seen & bit:
            self.again += 1
            return
        sent.seen |= bit
        sent.left -= 1
        self.ours += 1
        self.latency.add(now_s - sent.at_s)
        self.minute.add(now_s - sent.at_s)
        if sent.left == 0:
            del self._submitted[job_id]

    @property
    def live(self) -> int:
        """Tasks that were seen running and not seen to end."""
        return len(self._running)

    async def until(self, condition: Callable[[], bool], timeout_s: float) -> bool:
        """Whether the condition came true in time, looked at after each batch."""
        deadline = self._clock() + timeout_s
        version = -1
        while not condition():
            if self._clock() > deadline or self.follower.halt is not None:
                return False
            version = await self.follower.newer(version, POLL_S)
        return True
