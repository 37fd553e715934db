"""Records to what queries found in them: decoded once, tested once, projected once for all.

The one thing to know: this is the only place where events of topics are decoded for queries, for
the shared readers as for a reader of its own; without a query nothing is.
"""

from collections.abc import Iterable, Mapping
from typing import Final

import structlog

from projections.query.sampling import Draw
from projections.query.subscriptions import Subscriptions
from projections.query.syntax import Query
from streams.clock import now_ms
from streams.query.masking import EventMasker
from streams.query.places import Lane
from streams.query.record import Record, Unreadable
from streams.query.running import Batch, Found
from streams.query.sources import SOURCES, Source, decoded

logger = structlog.get_logger(__name__)

LaneRecord = tuple[Lane, Record]
TOLD_EVERY: Final = 10_000
"""Of unreadable records, so many are told of once."""


def streams_of(query: Query) -> tuple[str, ...]:
    """The names of the streams that a query is of, each once."""
    joined = [name for each in query.joins for name in each.streams]
    return tuple(dict.fromkeys((*query.streams, *joined)))


class Matcher:
    """The queries of some readers, over the records of some topics."""

    def __init__(self, masker: EventMasker, draw: Draw) -> None:
        self._masker = masker
        self._draw = draw
        self._of_topic: dict[str, list[tuple[Source, Subscriptions]]] = {}
        self._streams: dict[str, Subscriptions] = {}
        self.unreadable = 0
        self.read = 0

    def add(self, name: str, query: Query, topic: str | None = None) -> None:
        """Ask for a reader; of one topic only, where one is given. Raises `QueryError`."""
        for stream in streams_of(query):
            source = SOURCES[stream]
            if topic is not None and source.topic != topic:
                continue
            if stream not in self._streams:
                self._streams[stream] = Subscriptions(self._draw)
                self._of_topic.setdefault(source.topic, []).append((source, self._streams[stream]))
            self._streams[stream].add(name, query)

    def alone(self, name: str, query: Query, topic: str | None = None) -> "Matcher":
        """A matcher for one reader."""
        own = Matcher(self._masker, self._draw)
        own.add(name, query, topic)
        return own

    def remove(self, name: str) -> None:
        """Ask no more for a reader."""
        for stream, subscriptions in list(self._streams.items()):
            subscriptions.remove(name)
            if not len(subscriptions):
                del self._streams[stream]
                pairs = self._of_topic[SOURCES[stream].topic]
                pairs[:] = [each for each in pairs if each[1] is not subscriptions]

    def found(self, records: Iterable[LaneRecord], names: Iterable[str]) -> dict[str, Batch]:
        """What each reader is to be handed of these records."""
        now = now_ms()
        hits: dict[str, list[Found]] = {name: [] for name in names}
        ends: dict[Lane, int] = {}
        latest_ms, read = 0, 0
        for lane, record in records:
            ends[lane] = record.offset + 1
            at_ms = min(record.at_ms, now)
            latest_ms = max(latest_ms, at_ms)
            pairs = self._of_topic.get(lane[0])
            if pairs:
                read += self._match(lane, record, at_ms, pairs, hits)
        self.read += read
        return {name: Batch(each, ends, latest_ms, read) for name, each in hits.items()}

    def _match(
        self,
        lane: Lane,
        record: Record,
        at_ms: int,
        pairs: list[tuple[Source, Subscriptions]],
        hits: Mapping[str, list[Found]],
    ) -> int:
        try:
            events = self._masker.masked(record.value, decoded(lane[0], record))
        except Unreadable as error:
            if self.unreadable % TOLD_EVERY == 0:
                logger.info("a record is no event", lane=lane, offset=record.offset, why=str(error))
            self.unreadable += 1
            return 0
        size = len(record.value) // max(1, len(events))
        for event in events:
            for source, subscriptions in pairs:
                if not source.wants(event):
                    continue
                published = subscriptions.match(event, at_ms)
                if published is None:
                    continue
                one = Found(
                    lane, record.offset, event["index"], at_ms, source.name, published.row, size
                )
                for name in published.matched:
                    hits[name].append(one)
        return len(events)
