"""The offers of a cell that cannot decide: given back, so that nobody else starves for them.

The one thing to know: a fold that is halted uses no offer, and without this would hold every host
of the cluster until an operator comes. After a few seconds the shield goes up: the offers that
are held are declined with a long filter, and so is each that comes. What was given back is written
to topic ``mesos`` as rescinded, behind the offer itself, so that the log stays true: when the fold
goes on it takes the offers and loses them again. The shield stays up, and nothing is decided, until
it has; then Mesos is asked to offer anew.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from itertools import islice
from typing import Final

import structlog
from aiokafka.structs import RecordMetadata

from connectors.ports import ClusterManager
from scheduler.model.effects import DeclineOffers, Revive
from scheduler.model.ids import OfferId, ProposalId, StreamId
from scheduler.model.mesos import (
    MesosRecord,
    OfferRescinded,
    OffersReceived,
    StreamEnded,
    Subscribed,
)
from streams.cell.follower import Follower
from streams.cell.lead import Lead
from streams.clock import elapsed_s

logger = structlog.get_logger(__name__)

UP_AFTER_S: Final = 5.0
"""A fold that is begun anew is often whole again within this time, and then needs the offers."""
REFUSE_MS: Final = 3_600_000
"""Each host is offered once an hour, and we decline it again; REVIVE and a new stream end it."""
OFFERS_TOGETHER_MAX: Final = 500
RECENT_S: Final = 60.0
"""The fold may not have read the last offers yet: those so young are given back unseen."""
RECENT_OFFERS_MAX: Final = 20_000
NO_PROPOSAL: Final = ProposalId("shield")
"""Nobody proposed it: the fold cannot, and that is why."""

Write = Callable[[MesosRecord], Awaitable[asyncio.Future[RecordMetadata]]]
"""Puts a record behind all others of topic ``mesos``; the future is done when it is durable."""


class OfferShield:
    """Gives back the offers of one leadership while its fold is halted or folded anew."""

    def __init__(self, lead: Lead, follower: Follower, manager: ClusterManager) -> None:
        self._lead = lead
        self._follower = follower
        self._manager = manager
        self._stream: StreamId | None = None
        self._recent: deque[tuple[float, OfferId]] = deque(maxlen=RECENT_OFFERS_MAX)
        self._behind_since_s: float | None = None
        self._rescinded_offset = -1
        self.is_up = False
        """Offers are given back; nothing may be decided with those that the fold knows."""
        self.offers_declined = 0

    async def heard(self, record: MesosRecord, write: Write) -> None:
        """Take note of a record that was written; give its offers back while the shield is up."""
        match record:
            case Subscribed():
                self._begin_stream(record.stream_id)
            case StreamEnded():
                self._begin_stream(None)
            case OffersReceived():
                offer_ids = [each.offer_id for each in record.offers]
                if self.is_up:
                    await self._give_back(offer_ids, write)
                else:
                    now_s = elapsed_s()
                    self._recent.extend((now_s, each) for each in offer_ids)
            case _:
                pass

    def _begin_stream(self, stream_id: StreamId | None) -> None:
        """Every offer of the stream before it is void, and so is what we said of them."""
        self._stream = stream_id
        self._recent.clear()
        self._rescinded_offset = -1
        self.is_up = False

    async def run(self, write: Write) -> None:
        """Watch the fold until cancelled."""
        while True:
            await asyncio.sleep(self._lead.pace.tick_s)
            if not self._lead.is_behind():
                self._behind_since_s = None
                self._forget_old()
                if self.is_up and self._is_told():
                    await self._lower()
                continue
            if self._behind_since_s is None:
                self._behind_since_s = elapsed_s()
            waited_s = elapsed_s() - self._behind_since_s
            if not self.is_up and self._stream is not None and waited_s >= UP_AFTER_S:
                await self._raise(write)

    def _forget_old(self) -> None:
        oldest_s = elapsed_s() - RECENT_S
        while self._recent and self._recent[0][0] < oldest_s:
            self._recent.popleft()

    async def _raise(self, write: Write) -> None:
        state = self._follower.machine.state
        offer_ids = dict.fromkeys(each for _, each in self._recent)
        if state.stream.stream_id == self._stream:
            # Not those of decisions that were accepted: they are no longer among these.
            offer_ids |= dict.fromkeys(state.offers)
        self._recent.clear()
        self.is_up = True
        logger.warning(
            "the fold cannot decide; offers are given back until it goes on",
            offers=len(offer_ids),
            halted=self._follower.halt is not None,
        )
        await self._give_back(offer_ids, write)

    async def _give_back(self, offer_ids: Iterable[OfferId], write: Write) -> None:
        """Decline these on the stream that is open, and write that they are gone."""
        left = iter(offer_ids)
        while some := tuple(islice(left, OFFERS_TOGETHER_MAX)):
            stream_id = self._stream
            if stream_id is None:
                return
            self._lead.check()
            decline = DeclineOffers(NO_PROPOSAL, some, REFUSE_MS)
            called = await self._manager.carry_out(decline, stream_id)
            if called.fate == "refused" or self._stream != stream_id:
                return  # That stream is over, and all its offers with it.
            self.offers_declined += len(some)
            written = [await write(OfferRescinded(stream_id, each)) for each in some]
            offset = (await written[-1]).offset
            if self._stream == stream_id:
                self._rescinded_offset = max(self._rescinded_offset, offset)

    def _is_told(self) -> bool:
        """Whether the fold has read that what we gave back is gone."""
        marks = self._follower.machine.state.watermarks
        mark = marks.get(("mesos", self._follower.partition))
        return mark is not None and mark.offset >= self._rescinded_offset

    async def _lower(self) -> None:
        """Have Mesos offer again what was declined, if offers are wanted at all."""
        self.is_up = False
        stream = self._follower.machine.state.stream
        logger.info("the fold goes on; offers are asked for again")
        if stream.stream_id != self._stream or self._stream is None or stream.is_suppressed:
            return
        called = await self._manager.carry_out(Revive(NO_PROPOSAL), self._stream)
        if called.fate != "sent":
            logger.warning("offers could not be asked for", why=called.detail)
