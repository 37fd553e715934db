"""What waits for one reader: bounded, in order; what has no room is dropped and counted, or held.

The one thing to know: a lossy reader loses the oldest, so that it sees what is now. One that wants
all is told instead that the hub runs ahead of it, and reads for itself from where it is.
"""

import asyncio
from collections import deque
from typing import Final

from streams.query.running import Batch

ROWS_MAX: Final = 10_000
BYTES_MAX: Final = 2 * 1024 * 1024
"""Of one reader: a hundred slow ones hold 200 MiB at most, and less where they share events."""
EVENT_BYTES: Final = 200
"""What an event takes beside its own text."""


class Inbox:
    """Batches from the hubs, until the reader takes them."""

    def __init__(
        self, *, is_lossy: bool, rows_max: int = ROWS_MAX, bytes_max: int = BYTES_MAX
    ) -> None:
        self._is_lossy = is_lossy
        self._rows_max, self._bytes_max = rows_max, bytes_max
        self._batches: deque[Batch] = deque()
        self._rows = self._bytes = 0
        self._news = asyncio.Event()
        self.dropped = 0
        """Events that there was no room for."""
        self.is_overrun = False
        """There was no room, and nothing may be dropped: what follows is not here."""

    def __len__(self) -> int:
        return len(self._batches)

    def put(self, batch: Batch) -> None:
        """Take a batch in."""
        if self.is_overrun:
            return
        if not self._is_lossy and not self._has_room(batch):
            self.is_overrun = True
            self._news.set()
            return
        if not batch.found and self._batches and not self._batches[-1].found:
            # Two that say only how far was read are one; else an idle query would fill up.
            last = self._batches[-1]
            ends = {**last.ends, **batch.ends}
            at_ms = max(last.at_ms, batch.at_ms)
            self._batches[-1] = Batch([], ends, at_ms, last.read + batch.read)
            self._news.set()
            return
        self._batches.append(batch)
        self._count(batch, 1)
        while len(self._batches) > 1 and not self._has_room():
            self._drop()
        self._news.set()

    def _drop(self) -> None:
        """Let go of the oldest batch; how far it went is in the next one."""
        oldest = self._batches.popleft()
        self._count(oldest, -1)
        self.dropped += len(oldest.found)
        following = self._batches[0]
        self._batches[0] = following._replace(
            ends={**oldest.ends, **following.ends}, read=oldest.read + following.read
        )

    def take(self) -> Batch | None:
        """The oldest batch; None if there is none."""
        if not self._batches:
            return None
        batch = self._batches.popleft()
        self._count(batch, -1)
        if not self._batches:
            self._news.clear()
        return batch

    async def wait(self, timeout_s: float) -> None:
        """Return when there is something, or the reader was overrun, or after the time."""
        if self._batches or self.is_overrun:
            return
        self._news.clear()
        try:
            async with asyncio.timeout(max(0.0, timeout_s)):
                await self._news.wait()
        except TimeoutError:
            return

    def begin_again(self) -> None:
        """Forget all that waits, and that there was no room."""
        self._batches.clear()
        self._rows = self._bytes = 0
        self.is_overrun = False
        self._news.clear()

    def _has_room(self, further: Batch | None = None) -> bool:
        rows = self._rows + (len(further.found) if further else 0)
        size = self._bytes + (_size(further) if further else 0)
        is_within = rows <= self._rows_max and size <= self._bytes_max
        # One batch that is larger than all the room there is goes through alone.
        return is_within or (further is not None and not self._batches)

    def _count(self, batch: Batch, sign: int) -> None:
        self._rows += sign * len(batch.found)
        self._bytes += sign * _size(batch)


def _size(batch: Batch) -> int:
    return sum([each.size + EVENT_BYTES for each in batch.found])
