"""A reader's walk through the log: the events of a stream from before its ring begins.

The one thing to know: the time machine folds and tells them, a page at a time, in its own process,
and one reader walks at a time: each walk has a fold of the cell to itself. Who finds another
walking begins with a snapshot instead.
"""

import asyncio
from collections.abc import AsyncIterator

import msgspec

from connectors.web.api import Api
from connectors.web.travelling import TravelRefused
from projections.observe.names import Stream
from projections.observe.ring import Spot
from projections.observe.walked import WalkedPage, end_of
from projections.travel.questions import ToldAfter

_decode = msgspec.json.Decoder(WalkedPage).decode


class Walking:
    """One walk, from behind a place to where the ring begins."""

    def __init__(self, api: Api, stream: Stream, after: Spot) -> None:
        self._api, self._stream, self._after = api, stream, after
        self._first: WalkedPage | None = None
        self._is_held = False

    async def begin(self) -> str:
        """Read the first page; empty, or why there is no walk."""
        observing, limits = self._api.observing, self._api.observing.limits
        records = observing.ring(self._stream).floor_offset - self._after[0]
        if records > limits.walk_records_max:
            return f"that is {records} records ago, and {limits.walk_records_max} are read back"
        try:
            async with asyncio.timeout(self._api.wait_s):
                await observing.walking.acquire()
        except TimeoutError:
            return "another reader is being told of old events just now"
        self._is_held = True
        try:
            self._first = await self._page(self._after)
        except TravelRefused as error:
            return f"the log cannot be read back: {error.what}"
        finally:
            if self._first is None:
                self.close()
        return ""

    async def pages(self) -> AsyncIterator[WalkedPage]:
        """Each page as it is asked for; ends after a while, at the ring or not."""
        page, loop = self._first, asyncio.get_running_loop()
        ends_s = loop.time() + self._api.observing.limits.walk_s_max
        assert page is not None, "the walk was begun"
        while True:
            yield page
            if loop.time() >= ends_s:
                return
            page = await self._page(end_of(page))

    async def _page(self, after: Spot) -> WalkedPage:
        # The ring goes on meanwhile, and drops what is oldest: each page looks anew.
        end = self._api.observing.ring(self._stream).floor_offset + 1
        return _decode(await self._api.travel.ask(ToldAfter(self._stream, *after, end)))

    def close(self) -> None:
        """Let another reader walk."""
        if self._is_held:
            self._is_held = False
            self._api.observing.walking.release()
