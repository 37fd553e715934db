"""One leadership: its epoch, its right to write and act, and how that right ends.

The one thing to know: two processes may both believe that they lead. Both can write, and the fold
obeys only the newest epoch; so a leader acts on what it has read back, and a leader that has read
back nothing of its own for five seconds stops and ends its process.
"""

from collections.abc import Callable, Sequence
from typing import Protocol

from scheduler.model.events import CellEvent, CellRecord
from streams.cell.follower import Follower
from streams.cell.points import Point, reached
from streams.cell.surroundings import PACE, Pace
from streams.clock import elapsed_s


class Appendable(Protocol):
    """What a leader writes to: `streams.cell.writer.CellLog`, or a log in memory."""

    async def append(self, epoch: int, events: Sequence[CellEvent]) -> int:
        """The offset of the last record that holds these events, once it is durable."""
        ...


class LeadershipLost(Exception):
    """Another was elected, or this process cannot tell whether it leads."""

    def __init__(self, why: str, *, is_outvoted: bool = False) -> None:
        """``is_outvoted``: another was elected, and we have read it in the log."""
        super().__init__(why)
        self.is_outvoted = is_outvoted


class Lead:
    """The right to write with one epoch and to act on what was read back."""

    def __init__(
        self,
        follower: Follower,
        log: Appendable,
        epoch: int,
        clock: Callable[[], float] = elapsed_s,
        pace: Pace = PACE,
    ) -> None:
        self.epoch = epoch
        self.pace = pace
        self._follower = follower
        self._log = log
        self._clock = clock
        self._heard_at_s = clock()

    def heard(self, record: CellRecord) -> None:
        """Note a record that was read back, also while the fold is halted."""
        if record.epoch == self.epoch:
            self._heard_at_s = self._clock()

    def check(self) -> None:
        """Return if this process may act right now; raises `LeadershipLost` else.

        While the fold is halted there is no epoch to compare, and nothing to act on either.
        """
        state = self._follower.fold.machine.state
        if state.epoch > self.epoch and self._follower.halt is None:
            raise LeadershipLost("another leader was elected", is_outvoted=True)
        if state.dismissed_epoch == self.epoch:
            raise LeadershipLost("an operator had this leader stop (stopBeingLeader)")
        silent_s = self._clock() - self._heard_at_s
        if silent_s > self.pace.silence_s_max:
            raise LeadershipLost(
                f"nothing of our own was read back for {silent_s:.1f} s: Kafka does not answer, or "
                "this process was stopped"
            )

    def is_behind(self) -> bool:
        """Whether the fold has not reached this leadership yet (it is being folded anew)."""
        follower = self._follower
        return follower.halt is not None or follower.fold.machine.state.epoch != self.epoch

    async def write(self, events: Sequence[CellEvent]) -> int:
        """The offset of the last record, acknowledged by all replicas, not read back yet.

        Raises `LeadershipLost` where the log gives an offset that was read before: it has lost
        acknowledged records, and waiting for this one to be read back would be waiting for another.
        """
        self.check()
        read_offset = self._follower.seen_offset
        offset = await self._log.append(self.epoch, events)
        if offset <= read_offset:
            raise LeadershipLost(
                f"the log gave offset {offset} to a new record, and records up to {read_offset} "
                "were read from it: Kafka lost acknowledged records"
            )
        return offset

    async def write_and_read_back(
        self, events: Sequence[CellEvent], point: Point | None = None
    ) -> int:
        """The offset of the last record, once the fold has passed it and we still lead."""
        offset = await self.write(events)
        if point is not None:
            reached(point, *events)
        await self._follower.until(offset)
        self.check()
        return offset
