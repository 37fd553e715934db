"""When a receiver may be asked again: at once while it takes what comes, later and later else.

The one thing to know: while it fails, only one request at a time tries it, however many events
wait; so a receiver that comes back is not met by a crowd.
"""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final, NamedTuple

from connectors.webhooks.client import DeliveryFailed


class Pace(NamedTuple):
    """How long to wait after failures: doubled from one to the next, between two bounds."""

    least_s: float = 1.0
    most_s: float = 300.0

    def pause_s(self, failures: int) -> float:
        """After so many failures in a row, half of it by chance, so that no two march in step."""
        whole = min(self.least_s * 2.0 ** min(failures - 1, 20), self.most_s)
        return whole * random.uniform(0.5, 1.0)  # noqa: S311 - spreads load


PACE: Final = Pace()


class Circuit:
    """The state of one receiver."""

    def __init__(self, pace: Pace = PACE) -> None:
        self._pace = pace
        self._open_until_s = 0.0
        self._probing = asyncio.Lock()
        self.failures = 0
        """In a row."""
        self.taken = 0
        self.detail = ""

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """One request: begins when it may, and what it raises counts as a failure."""
        if not self.failures:
            async with self._counted():
                yield
            return
        async with self._probing:
            loop = asyncio.get_running_loop()
            if self.failures:
                await asyncio.sleep(max(0.0, self._open_until_s - loop.time()))
            async with self._counted():
                yield

    @asynccontextmanager
    async def _counted(self) -> AsyncIterator[None]:
        try:
            yield
        except DeliveryFailed as error:
            self.failures += 1
            self.detail = str(error)
            pause_s = max(self._pace.pause_s(self.failures), error.retry_after_s)
            self._open_until_s = asyncio.get_running_loop().time() + pause_s
            raise
        self.failures, self.detail = 0, ""
        self.taken += 1
