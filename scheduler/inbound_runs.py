"""Copies of topic ``mesos`` for the cell log: runs of offers become differences.

The one thing to know: this decides nothing and forgets nothing of what it was given. Whoever reads
the topic hands over one record after another, and writes what comes back, in that order. After a
failed write, or wherever the fold's watermark is not what was written, a new `InboundRuns` begins
at the watermark; the gap rule makes the repetition harmless.

A run is any number of ``OffersReceived`` and ``OfferRescinded`` of one stream in a row. It becomes
one `OffersChanged`, and is closed by the first record of another kind, by another stream, by its
size, or by the caller's `flush` (5 ms). An offer that was made and taken back inside a run is in
neither list: Mesos never uses an offer's id a second time, so nobody had heard of it.
"""

from collections.abc import Iterator, Mapping
from typing import Final, assert_never

from msgspec.structs import replace

from scheduler.model.address import Source
from scheduler.model.codec import encode_value
from scheduler.model.events import Copied
from scheduler.model.ids import Generation, HostId, OfferId, StreamId
from scheduler.model.inbound import InboundBody, InboundLost, OffersChanged, PartitionBegan
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
from scheduler.state import NO_OFFSET, Watermark

RUN_OFFERS_MAX: Final = 1_000
"""Offers and rescissions of one difference."""
RUN_BYTES_MAX: Final = 256 * 1024
"""Half of what a record of the cell log may hold. One `OffersReceived` is never split, since a
copy stands for whole records; the connector keeps it below the same number."""
_RESCISSION_BYTES: Final = 64
"""An offer's id in quotes; Mesos' own have 38 to 45 characters."""


class _Run:
    """The difference that is being collected: which offers, on which stream, from which record."""

    def __init__(self, stream_id: StreamId, first_offset: int) -> None:
        self.stream_id = stream_id
        self.first_offset = first_offset
        self.added: dict[OfferId, Offer] = {}
        self.removed: dict[OfferId, None] = {}
        self.bytes_total = 0
        """What the run took in, those offers included that cancelled out since."""
        self.observed_at_ms = 0

    def take(self, record: OffersReceived | OfferRescinded, size: int) -> None:
        """Take one record's offers, or its rescission, into the difference."""
        self.bytes_total += size
        if isinstance(record, OffersReceived):
            for offer in record.offers:
                # Last in order, if it ever came twice: the fold takes the last word as well.
                self.added.pop(offer.offer_id, None)
                self.added[offer.offer_id] = offer
        elif self.added.pop(record.offer_id, None) is None:
            self.removed[record.offer_id] = None

    def takes(self, record: OffersReceived | OfferRescinded, size: int) -> bool:
        """Whether the record is of this stream, and the run stays within its limits with it."""
        more = len(record.offers) if isinstance(record, OffersReceived) else 1
        return (
            self.stream_id == record.stream_id
            and len(self.added) + len(self.removed) + more <= RUN_OFFERS_MAX
            and self.bytes_total + size <= RUN_BYTES_MAX
        )


def _size(record: OffersReceived | OfferRescinded) -> int:
    """How many bytes the record adds to a difference at most."""
    if isinstance(record, OfferRescinded):
        return _RESCISSION_BYTES
    return len(encode_value(record.offers))


class InboundRuns:
    """Copies of one partition of topic ``mesos``, made from a watermark on."""

    def __init__(
        self,
        partition: int,
        watermark: Watermark | None,
        facts: Mapping[HostId, HostFacts],
        topic: str = "mesos",
    ) -> None:
        """``facts`` is what the fold knows of hosts; it may be the fold's own, and change."""
        self._topic = topic
        self._partition = partition
        self._generation: Generation | None = watermark.generation if watermark else None
        self._previous_offset = watermark.offset if watermark else NO_OFFSET
        """Of the last copy that was handed out; the next one names it."""
        self._last_offset = self._previous_offset
        """Of the last record that was taken in."""
        self._facts = facts
        self._subscriptions = 0
        self._told: dict[HostId, tuple[StreamId, int, HostFacts]] = {}
        """Facts handed out, on which stream and after how many subscriptions. The fold may not have
        read them back yet, and it keeps only those of the stream that it listens to. So they count
        as known on their own stream and until the next one begins; elsewhere they are told again,
        since two leaders' streams may stand in each other's way here."""
        self._run: _Run | None = None

    @property
    def next_offset(self) -> int:
        """The offset that `add` expects next."""
        return self._last_offset + 1

    @property
    def run_offers(self) -> int:
        """How many offers and rescissions wait for the run's end."""
        return len(self._run.added) + len(self._run.removed) if self._run else 0

    @property
    def has_open_run(self) -> bool:
        """Whether records were taken in that no copy stands for yet."""
        return self._run is not None

    def add(
        self, offset: int, record: MesosRecord | PartitionBegan, observed_at_ms: int
    ) -> tuple[Copied, ...]:
        """The copies that are complete now that this record has come; often none.

        Raises ValueError where records are missing (say so with `lost` first), were given before,
        or where the partition does not begin with the name of its generation.
        """
        if isinstance(record, PartitionBegan) and record.generation != self._generation:
            return tuple(self._begin(offset, record, observed_at_ms))
        self._check(offset)
        return tuple(self._copies(offset, record, observed_at_ms))

    def lost(self, first_offset: int, last_offset: int, observed_at_ms: int) -> tuple[Copied, ...]:
        """The copies that say that Kafka dropped these records before anybody copied them."""
        self._check(first_offset)
        if last_offset < first_offset:
            raise ValueError(f"records {first_offset} to {last_offset} are none; check the order")
        closed = self.flush()
        self._last_offset = last_offset
        body = InboundLost(first_offset=first_offset, last_offset=last_offset)
        return (*closed, self._copy(last_offset, body, observed_at_ms))

    def flush(self) -> tuple[Copied, ...]:
        """The difference of the open run, if there is one; the run is over."""
        run, self._run = self._run, None
        if run is None:
            return ()
        body = OffersChanged(
            stream_id=run.stream_id,
            first_offset=run.first_offset,
            added=tuple(
                self._without_known_facts(run.stream_id, offer) for offer in run.added.values()
            ),
            removed=tuple(run.removed),
        )
        return (self._copy(self._last_offset, body, run.observed_at_ms),)

    def _begin(self, offset: int, record: PartitionBegan, observed_at_ms: int) -> Iterator[Copied]:
        """Another incarnation of the partition: its offsets have nothing to do with the old."""
        yield from self.flush()
        self._generation = Generation(record.generation)
        self._previous_offset = NO_OFFSET
        self._last_offset = offset
        self._subscriptions += 1
        yield self._copy(offset, record, observed_at_ms)

    def _check(self, offset: int) -> None:
        if self._generation is None:
            raise ValueError(
                f"record {offset} of {self._topic}:{self._partition} comes before the partition's "
                "first record, which names its generation; read the partition from its beginning"
            )
        if offset <= self._last_offset:
            raise ValueError(
                f"record {offset} of {self._topic}:{self._partition} was given before; the last "
                f"one was {self._last_offset}. Begin anew at the fold's watermark"
            )
        if offset != self.next_offset:
            raise ValueError(
                f"records {self.next_offset} to {offset - 1} of {self._topic}:{self._partition} "
                "are missing; read them, or say that they are lost"
            )

    def _copies(
        self, offset: int, record: MesosRecord | PartitionBegan, observed_at_ms: int
    ) -> Iterator[Copied]:
        match record:
            case OffersReceived() | OfferRescinded():
                size = _size(record)
                if self._run is not None and not self._run.takes(record, size):
                    yield from self.flush()
                self._last_offset = offset
                if self._run is None:
                    self._run = _Run(record.stream_id, offset)
                self._run.take(record, size)
                self._run.observed_at_ms = observed_at_ms
            case (
                Subscribed()
                | InverseOffersReceived()
                | InverseOfferRescinded()
                | StatusUpdate()
                | HostFailed()
                | StreamEnded()
                | Unrecognised()
                | PartitionBegan()
            ):
                yield from self.flush()
                self._last_offset = offset
                self._subscriptions += isinstance(record, Subscribed)
                yield self._copy(offset, record, observed_at_ms)
            case _:
                assert_never(record)

    def _copy(self, offset: int, body: InboundBody, observed_at_ms: int) -> Copied:
        assert self._generation is not None
        source = Source(
            self._topic, self._generation, self._partition, offset, self._previous_offset
        )
        self._previous_offset = offset
        return Copied(source=source, body=body, observed_at_ms=observed_at_ms)

    def _without_known_facts(self, stream_id: StreamId, offer: Offer) -> Offer:
        """The offer, with its host's facts only where they are new, changed or in doubt."""
        host_id, facts = offer.host_id, offer.facts
        if facts is None:
            return offer
        told = self._told.get(host_id)
        now_told = (stream_id, self._subscriptions, facts)
        if told == now_told or (told is None and self._facts.get(host_id) == facts):
            return replace(offer, facts=None)
        self._told[host_id] = now_told
        return offer
