"""Takes snapshots of a fold while it goes on: a copy on the loop, all else in a thread.

The one thing to know: a snapshot counts when it was read back from the store and is, value by
value, the copy that was made of the fold, whose digest it bears. Only then are older ones dropped.
"""

import asyncio
import random
from collections.abc import Callable
from time import monotonic, perf_counter
from typing import Final

import msgspec
import structlog

from connectors.ports import NoSuchObject, StoreFailed
from projections.snapshot.format import BadSnapshot, Captured, capture
from streams.cell.follower import Follower
from streams.snapshots.metrics import SnapshotMetrics
from streams.snapshots.names import SnapshotName
from streams.snapshots.retention import Retention, to_drop
from streams.snapshots.shelf import Shelf

logger = structlog.get_logger(__name__)

Page = Callable[[str, str], None]
"""Tells an operator: what it is (a word that stays the same), and why, in sentences."""
LOOK_S: Final = 1.0


class TakingPolicy(msgspec.Struct, frozen=True):
    """When a snapshot is due, and when its absence is an alarm."""

    events: int = 20_000
    """Folded since the last one: a fifth of a second of folding lies between any two of them, so
    that an old state is made within a second, the reading of both snapshot and tail included."""
    interval_s: float = 600.0
    """Since the last one, if anything at all was folded."""
    records_least: int = 1
    retry_s: float = 15.0
    retry_s_max: float = 300.0
    page_after_s: float = 1_800.0
    """Without a snapshot for so long while one is due, an operator is paged."""
    retention: Retention = Retention()


class Taken(msgspec.Struct, frozen=True):
    """A snapshot that is in the store and was proven there."""

    name: SnapshotName
    pause_s: float
    """How long the fold stood still."""
    total_s: float
    events_total: int = 0
    counts: dict[str, int] = {}
    dropped: tuple[str, ...] = ()


def page_to_log(what: str, why: str) -> None:
    """Write a page to the log, where nobody else sends it."""
    logger.critical(what, page=True, why=why)


class SnapshotTaker:
    """Takes the snapshots of one follower's fold, until cancelled."""

    def __init__(
        self,
        shelf: Shelf,
        follower: Follower,
        policy: TakingPolicy | None = None,
        metrics: SnapshotMetrics | None = None,
        *,
        page: Page = page_to_log,
        build: str = "",
    ) -> None:
        self.shelf = shelf
        self.follower = follower
        self.policy = policy or TakingPolicy()
        self.last: Taken | None = None
        self._metrics = metrics
        self._page = page
        self._build = build
        self._previous = ""
        self._seen = (follower.machine.state.next_offset, follower.events_folded)
        """Records and events at the last snapshot, ours or the one the fold began at."""
        self._due_since_s: float | None = None
        self._at_s = monotonic()
        self._failures = 0
        self._is_paged = False

    async def run(self) -> None:
        """Take a snapshot whenever one is due; faults of the store are tried again for ever."""
        while True:
            await asyncio.sleep(LOOK_S)
            if not self.is_due():
                continue
            try:
                await self.take()
            except (StoreFailed, NoSuchObject, BadSnapshot) as failure:
                await self._failed(failure)

    def is_due(self) -> bool:
        """Whether enough was folded, or enough time has passed, since the last one."""
        if self.follower.halt is not None:
            return False  # What an exception left behind is no state.
        records = self.follower.machine.state.next_offset - self._seen[0]
        events = self.follower.events_folded - self._seen[1]
        waited_s = monotonic() - self._at_s
        is_late = records >= self.policy.records_least and waited_s >= self.policy.interval_s
        return events >= self.policy.events or is_late

    async def take(self) -> Taken:
        """Take one now; raises `StoreFailed` or `BadSnapshot` where it could not be proven.

        Raises `ValueError` while the fold is halted.
        """
        follower = self.follower
        if follower.halt is not None:
            raise ValueError(f"no snapshot is taken of a halted fold: {follower.halt.sentence()}")
        began_s = perf_counter()
        self._due_since_s = self._due_since_s or monotonic()
        seen = (follower.machine.state.next_offset, follower.events_folded)
        captured = capture(follower.machine, follower.chain.hex, self._previous, self._build)
        pause_s = perf_counter() - began_s
        name, dropped = await asyncio.to_thread(self._write, captured)
        taken = Taken(
            name=name,
            pause_s=pause_s,
            total_s=perf_counter() - began_s,
            events_total=follower.events_folded,
            counts=captured.header.counts,
            dropped=tuple(each.key for each in dropped),
        )
        self._seen, self._previous, self.last = seen, name.key, taken
        self._at_s, self._due_since_s = monotonic(), None
        self._failures, self._is_paged = 0, False
        self._say(taken)
        return taken

    def _write(self, captured: Captured) -> tuple[SnapshotName, list[SnapshotName]]:
        """Write, read back, prove, and only then drop what is too old; in a thread."""
        name = self.shelf.put(captured)
        names = self.shelf.names()
        self._compare(name, names)
        dropped = to_drop(names, name, self.policy.retention)
        for each in dropped:
            self.shelf.delete(each)
        return name, dropped

    def _compare(self, name: SnapshotName, names: list[SnapshotName]) -> None:
        """Page where another fold has another state at the same offset of the same log."""
        place = (name.generation, name.next_offset)
        for each in names:
            if (each.generation, each.next_offset) == place and each.digest != name.digest:
                self._page(
                    "snapshots-differ",
                    f"At offset {name.next_offset} of cell {name.cell} one fold has digest "
                    f"{name.digest} and another had {each.digest} ({each.key}). One of the two is "
                    "wrong, or of another build: compare them with `flumina snapshots verify`.",
                )

    async def _failed(self, failure: Exception) -> None:
        self._failures += 1
        why = "store" if isinstance(failure, StoreFailed) else "bad"
        if self._metrics is not None:
            self._metrics.failed.labels(self.shelf.cell, why).inc()
        logger.warning("a snapshot could not be taken; trying again", why=str(failure))
        late_s = monotonic() - (self._due_since_s or monotonic())
        if (late_s >= self.policy.page_after_s or why == "bad") and not self._is_paged:
            self._is_paged = True
            self._page(
                "snapshot-failed" if why == "bad" else "snapshot-late",
                f"No snapshot of cell {self.shelf.cell} could be taken for {late_s:.0f} s: "
                f"{failure}. Scheduling goes on; a restart would fold more of the log.",
            )
        most_s = min(self.policy.retry_s * 2 ** (self._failures - 1), self.policy.retry_s_max)
        # Several processes that failed together must not come again together.
        await asyncio.sleep(random.uniform(most_s / 2, most_s))  # noqa: S311 - no secret

    def _say(self, taken: Taken) -> None:
        name, metrics, cell = taken.name, self._metrics, self.shelf.cell
        if metrics is not None:
            metrics.taken.labels(cell).inc()
            metrics.offset.labels(cell).set(name.next_offset)
            metrics.at_seconds.labels(cell).set_to_current_time()
            metrics.bytes_total.labels(cell).set(name.bytes_total)
            metrics.pause_seconds.labels(cell).set(taken.pause_s)
            metrics.seconds.labels(cell).set(taken.total_s)
        logger.info(
            "snapshot taken",
            key=name.key,
            bytes_total=name.bytes_total,
            pause_ms=round(taken.pause_s * 1_000, 1),
            seconds=round(taken.total_s, 2),
            dropped=len(taken.dropped),
        )
