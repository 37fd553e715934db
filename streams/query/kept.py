"""Topic ``queries`` as the query process has it: what is kept by name, read and written.

The one thing to know: nothing is open between two questions. Each reads what has come since the
last one, over a connection of its own, so that a process that nobody asks has none.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final

from connectors.cancelling import to_its_end
from connectors.web.kept.ports import NotKept
from projections.dashboards.model import Dashboard
from projections.query.kept import Entry, Kept, KeptBook, Sort, encoded
from streams.dashboards.files import PLACE, Dashboards
from streams.kafka.security import client_options
from streams.query.asked import checked_query
from streams.settings import Settings

if TYPE_CHECKING:
    from aiokafka import AIOKafkaConsumer

TOPIC: Final = "queries"
READ_S_MAX: Final = 15.0
POLL_MS: Final = 500


class KeptQueries:
    """All that is kept; one object a process."""

    def __init__(self, settings: Settings) -> None:
        assert settings.kafka_brokers is not None
        self._bootstrap = settings.kafka_brokers
        self._topic = settings.topic_prefix + TOPIC
        self._book = KeptBook()
        self._lock = asyncio.Lock()
        self.listeners: list[Callable[[], None]] = []
        """Told when something was written here."""
        self.status_of: Callable[[str], dict[str, Any]] = lambda _: {}
        """How a stream of that name does, as whoever runs streams says."""

    async def entries(self, sort: Sort) -> Sequence[Entry]:
        """All of a sort by name, as they are now; raises `NotKept`."""
        async with self._lock:
            await self._catch_up()
            return self._book.of(sort)

    async def saved(self, name: str) -> Entry | None:
        """The saved query of that name; raises `NotKept`."""
        for each in await self.entries("saved"):
            if each.kept.name == name:
                return each
        return None

    async def put(self, kept: Kept) -> int:
        """Write it to all replicas, and its version; raises `NotKept` and `QueryProblem`."""
        if kept.mql:
            checked_query(kept.mql)  # Of streams that there are.
        # Kafka's client is some 20 MiB: a process that is only asked for pages has none.
        from aiokafka.errors import KafkaError  # noqa: PLC0415

        from streams.cell.writer import our_producer  # noqa: PLC0415

        try:
            async with asyncio.timeout(READ_S_MAX):
                producer = our_producer(self._bootstrap, "flumina-queries")
                await producer.start()
                try:
                    sent = await producer.send_and_wait(
                        self._topic, encoded(kept), key=kept.name.encode(), partition=0
                    )
                finally:
                    await to_its_end(producer.stop())
        except (KafkaError, OSError, TimeoutError) as error:
            raise NotKept(f"Topic {self._topic} cannot be written now: {error!r}.") from error
        async with self._lock:
            await self._catch_up()
        for listener in self.listeners:
            listener()
        return int(sent.offset)

    def stream_status(self, name: str) -> dict[str, Any]:
        """How a stream does; empty where none of the name runs here."""
        return self.status_of(name)

    async def _catch_up(self) -> None:
        """Fold what has come since the last look."""
        from aiokafka import TopicPartition  # noqa: PLC0415
        from aiokafka.errors import KafkaError  # noqa: PLC0415

        place = TopicPartition(self._topic, 0)
        try:
            async with asyncio.timeout(READ_S_MAX), self._consumer() as consumer:
                consumer.assign([place])
                end = (await consumer.end_offsets([place]))[place]
                if end < self._book.next_offset:
                    self._book = KeptBook()  # The topic was made anew.
                consumer.seek(place, self._book.next_offset)
                while self._book.next_offset < end:
                    found = await consumer.getmany(place, timeout_ms=POLL_MS)
                    for record in found.get(place, ()):
                        self._book.take(record.offset, record.value or b"")
        except (KafkaError, OSError, TimeoutError) as error:
            raise NotKept(f"Topic {self._topic} cannot be read now: {error!r}.") from error

    @asynccontextmanager
    async def _consumer(self) -> AsyncIterator["AIOKafkaConsumer"]:
        from aiokafka import AIOKafkaConsumer  # noqa: PLC0415

        consumer = AIOKafkaConsumer(
            **client_options(self._bootstrap),
            client_id="flumina-queries",
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            request_timeout_ms=10_000,
        )
        try:
            await consumer.start()
            yield consumer
        finally:
            await to_its_end(consumer.stop())


class DashboardFiles:
    """Dashboards as the routes ask for them."""

    def __init__(self, settings: Settings) -> None:
        self._files = Dashboards(settings.dashboards or settings.data_dir / PLACE)

    def all(self) -> tuple[list[tuple[Dashboard, bool]], list[dict[str, Any]]]:
        """Every dashboard, with whether it is an own one, and every fault of files."""
        found = self._files.all()
        good = [(each.dashboard, each.is_own) for each in found if each.dashboard is not None]
        faults = [
            {
                "file": str(fault.path),
                "line": fault.place.line if fault.place else None,
                "column": fault.place.column if fault.place else None,
                "field": fault.fault.field,
                "text": fault.fault.text,
                "hint": fault.fault.hint,
            }
            for each in found
            for fault in each.faults
        ]
        return good, faults
