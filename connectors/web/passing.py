"""Who waits until the fold has passed a place: of an inbound topic, or of the cell log itself.

The one thing to know: an acknowledgement by Kafka is no answer. A POST waits here until the fold
has passed its record, and finds the answer in the view then.
"""

import asyncio
import heapq
import itertools
from collections.abc import Mapping

Lane = tuple[str, int]
"""Topic and partition."""


class Passing:
    """Told of every folded record, in order; tells those who wait."""

    def __init__(self) -> None:
        self._reached: dict[Lane, int] = {}
        self._waiting: dict[Lane, list[tuple[int, int, asyncio.Future[None]]]] = {}
        self._numbers = itertools.count()

    def folded(self, cell: Lane, offset: int, inbound: Mapping[Lane, int]) -> None:
        """Note that ``offset`` of the cell log was folded, and how far each inbound lane is now."""
        if offset <= self._reached.get(cell, -1):
            self._reached.clear()  # The log is being folded anew, from its beginning.
        for lane, reached in ((cell, offset), *inbound.items()):
            if self._reached.get(lane) != reached:
                self._reached[lane] = reached
                self._tell(lane, reached)

    def _tell(self, lane: Lane, reached: int) -> None:
        waiting = self._waiting.get(lane)
        while waiting and waiting[0][0] <= reached:
            _, _, future = heapq.heappop(waiting)
            if not future.done():
                future.set_result(None)

    def reached(self, lane: Lane) -> int:
        """The last offset of the lane that the fold has passed; -1 for none."""
        return self._reached.get(lane, -1)

    async def until(self, lane: Lane, offset: int, timeout_s: float) -> bool:
        """Whether the fold has passed ``offset`` of ``lane``, now or within the time-out."""
        if self._reached.get(lane, -1) >= offset:
            return True
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        entry = (offset, next(self._numbers), future)
        waiting = self._waiting.setdefault(lane, [])
        heapq.heappush(waiting, entry)
        try:
            async with asyncio.timeout(timeout_s):
                await future
        except TimeoutError:
            return False
        finally:
            if entry in waiting:  # Timed out or cancelled: nobody is left to be told.
                waiting.remove(entry)
                heapq.heapify(waiting)
        return True
