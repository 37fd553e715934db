"""All live queries of the process: who may ask, what is shared, and where a question begins.

The one thing to know: a question is refused before its stream begins, or not at all. Limits of
readers, of queries and of what they hold are here; everything ends with its last reader.
"""

import asyncio
import itertools
import random
from collections.abc import Sequence
from http import HTTPStatus
from typing import Final
from zlib import crc32

import structlog

from connectors.web.query.problems import QueryProblem, problem_of
from projections.query.limits import SUBSCRIPTIONS_MAX
from projections.query.scanner import QueryError
from projections.query.subscriptions import SubscriptionsFullError
from streams.clock import now_ms
from streams.query.asked import Asked, When
from streams.query.budget import Budget
from streams.query.hub import Hub
from streams.query.kafka import Kafka
from streams.query.masking import EventMasker
from streams.query.matching import Matcher
from streams.query.places import Lane, Place, Spots
from streams.query.ports import History
from streams.query.running import Found
from streams.query.session import Session

logger = structlog.get_logger(__name__)

READERS_MAX: Final = 200
"""Connections with a query at once; the server takes 500 of one address."""
READERS_OF_ALL_MAX: Final = 32
"""Of those that want all: each may have a reader of Kafka of its own for as long as it is slow."""
BEGIN_S_MAX: Final = 20.0


class Serving:
    """The hubs and the sessions of this process."""

    def __init__(self, kafka: Kafka, history: History, masker: EventMasker) -> None:
        self.kafka, self.history = kafka, history
        self.draw = random.random
        self.budget = Budget()
        self._masker = masker
        self._hubs: dict[str, Hub] = {}
        self.sessions: dict[str, Session] = {}
        self._numbers = itertools.count(1)
        self.is_closing = False
        self.refused = 0
        self.begun = 0
        self.dropped = 0
        """Of sessions that have ended."""
        self.sent = 0

    @property
    def hubs(self) -> dict[str, Hub]:
        """The shared readers, by topic."""
        return self._hubs

    def matcher(self) -> Matcher:
        """A matcher of a reader's own."""
        return Matcher(self._masker, self.draw)

    async def hubs_of(self, topics: Sequence[str]) -> list[Hub]:
        """The hubs of these topics, each reading."""
        found = []
        for topic in topics:
            hub = self._hubs.get(topic)
            if hub is None:
                hub = self._hubs[topic] = Hub(self.kafka, topic, self._masker, self.draw)
            hub.touch()
            if not hub.is_running or not hub.ends:
                await hub.start()
            found.append(hub)
        return found

    async def open(self, asked: Asked) -> Session:
        """The session of a question; raises `QueryProblem` where it cannot begin."""
        self._check_room(asked)
        try:
            async with asyncio.timeout(BEGIN_S_MAX):
                return await self._opened(asked)
        except (TimeoutError, OSError) as error:
            raise self._no_kafka(error) from error
        except QueryError as error:
            raise problem_of(error) from error
        except SubscriptionsFullError as error:
            raise self._full(f"{SUBSCRIPTIONS_MAX} queries of a stream") from error
        except Exception as error:
            from aiokafka.errors import KafkaError  # noqa: PLC0415 - see `Kafka.place`

            if isinstance(error, KafkaError):
                raise self._no_kafka(error) from error
            raise

    async def close(self, session: Session) -> None:
        """A reader goes; again is nothing."""
        if self.sessions.pop(session.name, None) is not None:
            self.dropped += session.inbox.dropped
            self.sent += session.sent
        await session.close()

    async def close_all(self) -> None:
        """End everything."""
        self.is_closing = True
        for session in list(self.sessions.values()):
            await self.close(session)
        for hub in self._hubs.values():
            await hub.close()
        await self.history.close()

    def _check_room(self, asked: Asked) -> None:
        if self.is_closing:
            raise QueryProblem(
                "closing", "This process stops; ask again.", HTTPStatus.SERVICE_UNAVAILABLE
            )
        if len(self.sessions) >= READERS_MAX:
            raise self._full(f"{READERS_MAX} readers")
        of_all = sum(each.asked.delivery == "all" for each in self.sessions.values())
        if asked.delivery == "all" and of_all >= READERS_OF_ALL_MAX:
            raise self._full(f"{READERS_OF_ALL_MAX} readers with delivery=all")

    def _full(self, of_what: str) -> QueryProblem:
        self.refused += 1
        return QueryProblem(
            "full",
            f"There are {of_what} already. Close a page that is not looked at, or start another "
            "`flumina query serve`.",
            HTTPStatus.TOO_MANY_REQUESTS,
        )

    def _no_kafka(self, error: BaseException) -> QueryProblem:
        logger.warning("a query could not begin", why=repr(error))
        return QueryProblem(
            "kafka",
            f"Kafka did not answer ({type(error).__name__}); ask again in a moment.",
            HTTPStatus.SERVICE_UNAVAILABLE,
        )

    async def _opened(self, asked: Asked) -> Session:
        lanes = self.kafka.lanes(asked.topics)
        hubs: list[Hub] = []
        if asked.resumed is not None:
            place = await self._resumed(asked.resumed, lanes)
        elif asked.begin.kind == "live":
            hubs = await self.hubs_of(asked.topics)
            place = Place({lane: (at, 0) for each in hubs for lane, at in each.ends.items()})
        else:
            place = Place(await self._spots(asked.begin, lanes))
        name = f"{asked.client or 'reader'}-{next(self._numbers)}"
        session = Session(name, asked, self, place)
        session.bounded = await self._ends(asked.end, lanes)
        await self._warm(session)
        if asked.subscription:
            session.share = lambda found: self.is_share(session, found)
        session.is_closing = lambda: self.is_closing
        self.sessions[name] = session
        self.begun += 1
        if hubs and session.bounded is None:
            session.join(hubs)
        return session

    def is_share(self, session: Session, found: Found) -> bool:
        """Whether an event is this reader's, of all with the same client and query."""
        asked = session.asked
        names = {
            each.asked.subscription
            for each in self.sessions.values()
            if each.asked.client == asked.client and each.asked.query.text == asked.query.text
        }
        if len(names) < 2:
            return True
        place = f"{found.lane[0]}:{found.lane[1]}:{found.offset}:{found.number}"
        return sorted(names)[crc32(place.encode()) % len(names)] == asked.subscription

    async def _warm(self, session: Session) -> None:
        since_ms = session.run.warm_from_ms
        if since_ms is None:
            return
        lanes = list(session.run.spots)
        session.run.warm(await self._spots(When("time", since_ms), lanes))

    async def _spots(self, when: When, lanes: list[Lane]) -> Spots:
        """Where to begin, by what was asked; raises `QueryProblem` where that is nowhere."""
        bounds = await self.kafka.bounds(lanes)
        if when.kind == "begin":
            begins = {lane: await self._first(lane, bounds[lane][0]) for lane in lanes}
            return {lane: (begin, 0) for lane, begin in begins.items()}
        if when.kind == "time":
            return await self._spots_at(when.at_ms, lanes, bounds)
        if len(lanes) > 1:
            raise QueryProblem(
                "parameter",
                f"The streams have {len(lanes)} partitions: name each offset, as "
                f"{lanes[0][0]}:{lanes[0][1]}:{when.offset},…",
            )
        return await self._resumable({lanes[0]: (when.offset, 0)}, lanes, bounds)

    async def _spots_at(
        self, at_ms: int, lanes: list[Lane], bounds: dict[Lane, tuple[int, int]]
    ) -> Spots:
        offsets = await self.kafka.offsets_at(lanes, at_ms)
        spots: Spots = {}
        for lane in lanes:
            begin, end = bounds[lane]
            found = offsets[lane]
            offset = end if found is None else found
            if offset <= begin and await self._first(lane, begin) < begin:
                archived = await self.history.offset_at(*lane, at_ms)
                offset = offset if archived is None else min(archived, offset)
            spots[lane] = (offset, 0)
        return spots

    async def _first(self, lane: Lane, begin: int) -> int:
        """The first offset that there is, in the archive or in Kafka."""
        if begin == 0:
            return 0
        archived = await self.history.begin(*lane)
        return begin if archived is None else min(archived, begin)

    async def _resumed(self, place: Place, lanes: list[Lane]) -> Place:
        bounds = await self.kafka.bounds(lanes)
        return place._replace(spots=await self._resumable(place.spots, lanes, bounds))

    async def _resumable(
        self, spots: Spots, lanes: list[Lane], bounds: dict[Lane, tuple[int, int]]
    ) -> Spots:
        """The spots, of every lane; raises `QueryProblem` where one is no more, or not yet."""
        strange = sorted(set(spots) - set(lanes))
        if strange:
            raise QueryProblem("place", f"The place names {strange[0][0]}, which is not asked of.")
        found: Spots = {}
        for lane in lanes:
            begin, end = bounds[lane]
            # A partition that was added since is read from its beginning.
            spot = spots.get(lane, (begin, 0))
            if spot[0] > end:
                raise QueryProblem(
                    "gone",
                    f"{lane[0]} has {end} records in partition {lane[1]} and not {spot[0]}: the "
                    "topic was made anew, or it is another installation. Ask without the old id.",
                    HTTPStatus.GONE,
                )
            if spot[0] < begin and spot[0] < await self._first(lane, begin):
                raise QueryProblem(
                    "gone",
                    f"Record {spot[0]} of {lane[0]}, partition {lane[1]}, is no longer kept; the "
                    f"first one is {await self._first(lane, begin)}. Ask from=begin, or later.",
                    HTTPStatus.GONE,
                )
            found[lane] = spot
        return found

    async def _ends(self, end: When | None, lanes: list[Lane]) -> dict[Lane, int] | None:
        """The offsets at which a question ends, where they are known already."""
        if end is None:
            return None
        bounds = await self.kafka.bounds(lanes)
        if end.kind == "offset":
            if len(lanes) > 1:
                raise QueryProblem(
                    "parameter", f"The streams have {len(lanes)} partitions: give to as a time."
                )
            return {lanes[0]: min(end.offset, bounds[lanes[0]][1])}
        if end.kind == "time":
            if end.at_ms > now_ms():
                return None
            found = await self.kafka.offsets_at(lanes, end.at_ms)
            ends = {lane: found[lane] for lane in lanes}
            return {lane: bounds[lane][1] if at is None else at for lane, at in ends.items()}
        return {lane: at for lane, (_, at) in bounds.items()}
