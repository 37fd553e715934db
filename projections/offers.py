"""The offer set of a cell, twice: from topic ``mesos``, and from the cell log.

The one thing to know: both sets are the offers that were **made and not taken back** on a stream:
added by OFFERS, removed by RESCIND, all of them void when the stream ends or the cell opens the
next one. What the cell itself did with them (used by an ACCEPT, declined) is no part of either,
for Mesos tells nobody about it; that is in `scheduler.state.State.offers`, which is always a part
of the set from the log. For the same reason these sets grow as long as a stream lasts: they
are for checking and for looking back, not for a view that runs for months.

Two differences between the sources are settled here:

- Topic ``mesos`` may hold several streams at once: a leader that was replaced does not know it
  yet. Which one the cell listens to is decided in the cell log, by the epoch. So the fold of the
  topic keeps a set for each stream, and `CellOffers.stream_id` says which of them to compare.
- The log names a host's facts only where they are new. Both folds answer with whole offers, each
  with the facts that it was made with.
"""

from collections.abc import Mapping
from typing import Final, assert_never

from msgspec.structs import replace

from projections.obeyed import Obedience
from scheduler.model.events import CellRecord, Copied, LeaderElected
from scheduler.model.ids import HostId, OfferId, StreamId
from scheduler.model.inbound import InboundBody, OffersChanged, PartitionBegan
from scheduler.model.mesos import (
    HostFacts,
    HostFailed,
    InverseOfferRescinded,
    InverseOffersReceived,
    MesosRecord,
    Offer,
    OfferRescinded,
    OffersReceived,
    StatusUpdate,
    StreamEnded,
    Subscribed,
    Unrecognised,
)
from scheduler.state import NO_OFFSET

STREAMS_MAX: Final = 8
"""Streams of one topic that are remembered; beyond, the one subscribed first is dropped."""

Offers = Mapping[OfferId, Offer]


class MesosOffers:
    """The offers of each stream that has not ended, from the records of topic ``mesos``."""

    def __init__(self) -> None:
        self.next_offset = 0
        self._generation = ""
        self._streams: dict[StreamId, dict[OfferId, Offer]] = {}

    def offers_of(self, stream_id: StreamId | None) -> Offers:
        """The offers made and not taken back on this stream; none of one that is not open."""
        return {} if stream_id is None else self._streams.get(stream_id, {})

    def apply(self, offset: int, record: MesosRecord | PartitionBegan) -> None:
        """Fold one record of the topic; one that was folded before changes nothing."""
        is_begun = isinstance(record, PartitionBegan) and record.generation != self._generation
        if offset < self.next_offset and not is_begun:
            return
        self.next_offset = offset + 1
        self._fold(record)

    def _fold(self, record: MesosRecord | PartitionBegan) -> None:
        streams = self._streams
        match record:
            case PartitionBegan():
                if record.generation != self._generation:
                    self._generation = record.generation
                    streams.clear()
            case OffersReceived():
                there = streams.get(record.stream_id)
                if there is not None:
                    there.update((offer.offer_id, offer) for offer in record.offers)
            case OfferRescinded():
                streams.get(record.stream_id, {}).pop(record.offer_id, None)
            case Subscribed():
                streams[record.stream_id] = {}
                while len(streams) > STREAMS_MAX:
                    del streams[next(iter(streams))]
            case StreamEnded():
                streams.pop(record.stream_id, None)
            case InverseOffersReceived() | InverseOfferRescinded():
                pass  # They ask for a host, and offer nothing.
            case StatusUpdate() | HostFailed() | Unrecognised():
                pass  # Says nothing of offers; Mesos rescinds those of a host that is gone.
            case _:
                assert_never(record)


class CellOffers:
    """The offers of the stream that the cell listens to, from the records of the cell log."""

    def __init__(self) -> None:
        self.next_offset = 0
        self.mesos_offset = NO_OFFSET
        """The last record of topic ``mesos`` that is in this set."""
        self.stream_id: StreamId | None = None
        """The stream of the present leader; None while there is none, as after an election."""
        self.offers: dict[OfferId, Offer] = {}
        self._facts: dict[HostId, HostFacts] = {}
        self._obedience = Obedience()

    def apply(self, offset: int, record: CellRecord) -> None:
        """Fold one record of the cell log; one that was folded before changes nothing."""
        if offset < self.next_offset:
            return
        self.next_offset = offset + 1
        for obeyed in self._obedience.events(offset, record, record.at_ms):
            event = obeyed.event
            if isinstance(event, Copied):
                if event.source.topic == "mesos":
                    self.mesos_offset = event.source.offset
                    self._copied(event.body)
            elif isinstance(event, LeaderElected):
                self._close()

    def _copied(self, body: InboundBody) -> None:
        match body:
            case OffersChanged() if body.stream_id == self.stream_id:
                for offer_id in body.removed:
                    self.offers.pop(offer_id, None)
                for offer in body.added:
                    self.offers[offer.offer_id] = self._whole(offer)
            case Subscribed() if body.epoch == self._obedience.epoch:
                self._close()
                self.stream_id = body.stream_id
            case StreamEnded() if body.stream_id == self.stream_id:
                self._close()
            case _:
                pass  # Another stream's, or nothing about offers.

    def _whole(self, offer: Offer) -> Offer:
        if offer.facts is None:
            return replace(offer, facts=self._facts.get(offer.host_id))
        self._facts[offer.host_id] = offer.facts
        return offer

    def _close(self) -> None:
        self.stream_id = None
        self.offers.clear()
