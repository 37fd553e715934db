"""Where the rows of perpetual queries go: a topic of their own, a metric, an alert.

The one thing to know: `take` returns once the rows are where they belong, and only then is their
place committed. A row that is taken twice is recognised: in a topic by its id, as an alert by its
key and day; a counter begins anew with its process, as Prometheus expects.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, Protocol

import orjson
import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge

from connectors.cancelling import to_its_end
from connectors.pager.translate import Page
from projections.query.kept import Kept, ToAlert, ToMetric
from streams.clock import now_ms
from streams.kafka.headers import header_texts
from streams.kafka.security import client_options
from streams.pages.desk import Desk
from streams.query.kafka import Kafka
from streams.query.places import Place, place_of
from streams.query.running import Said

if TYPE_CHECKING:
    from aiokafka import AIOKafkaProducer

logger = structlog.get_logger(__name__)

TOPIC_BEGINS: Final = "derived-"
ID_HEADER: Final = "flumina-id"
ROW_HEADER: Final = "flumina-row"
METRIC_BEGINS: Final = "flumina_stream_"
SERIES_MAX: Final = 1_000
"""Sets of labels of one metric; rows beyond are counted as ``other``."""
LABEL_CHARACTERS_MAX: Final = 200
DAY_MS: Final = 86_400_000
KEEP_MS: Final = 7 * DAY_MS
TIMEOUT_MS: Final = 15_000


class SinkFailed(Exception):
    """Rows cannot go there at all, however often it is tried; the text says why."""


class SinkAtWork(Protocol):
    """Takes rows."""

    async def open(self) -> Place | None:
        """Begin; the place behind the last row that is there, where that can be known."""
        ...

    async def take(self, said: Sequence[Said]) -> None:
        """Return once the rows are there; raises what Kafka's client raises."""
        ...

    async def close(self) -> None:
        """Give back what is open."""
        ...


class TopicSink:
    """A topic of the stream's own: a record a row, in order, and its id in a header."""

    def __init__(self, kafka: Kafka, name: str, version: int) -> None:
        self._kafka, self._name, self._version = kafka, name, version
        self.topic = kafka.prefix + TOPIC_BEGINS + name
        self._producer: AIOKafkaProducer | None = None

    async def open(self) -> Place | None:
        """Make the topic if it is not there; the place behind its last row of this stream."""
        from streams.cell.writer import our_producer  # noqa: PLC0415 - see `Kafka.place`

        await self._make()
        self._producer = our_producer(self._kafka.bootstrap, "flumina-stream")
        await self._producer.start()
        return await self._last()

    async def take(self, said: Sequence[Said]) -> None:
        """Write the rows to all replicas."""
        assert self._producer is not None
        for each in said:
            place = place_of(each.id)
            sequence = place.sequence if place else 0
            row = f"{self._name}@{self._version}:{sequence}"
            # One after the other has to stay in order, and a batch is sent at once.
            await self._producer.send(
                self.topic,
                each.data,
                partition=0,
                headers=[(ID_HEADER, each.id.encode()), (ROW_HEADER, row.encode())],
            )
        await self._producer.flush()

    async def close(self) -> None:
        """Give the connection back."""
        if self._producer is not None:
            producer, self._producer = self._producer, None
            await to_its_end(producer.stop())

    async def _make(self) -> None:
        from aiokafka.admin import AIOKafkaAdminClient, NewTopic  # noqa: PLC0415 - as above
        from aiokafka.errors import TopicAlreadyExistsError, for_code  # noqa: PLC0415

        client = AIOKafkaAdminClient(
            **client_options(self._kafka.bootstrap),
            client_id="flumina-stream",
            request_timeout_ms=TIMEOUT_MS,
        )
        try:
            await client.start()
            topics = {each["topic"]: each for each in await client.describe_topics()}
            if self.topic in topics:
                return
            # As many copies as the topic has that says what this stream is.
            known = topics.get(f"{self._kafka.prefix}queries")
            copies = len(known["partitions"][0]["replicas"]) if known else 1
            config = {"retention.ms": str(KEEP_MS), "cleanup.policy": "delete"}
            new = NewTopic(self.topic, 1, copies, topic_configs=config)
            answer = await client.create_topics([new])
        finally:
            await to_its_end(client.close())
        for topic, code, message in answer.topic_errors:
            if code and for_code(code) is not TopicAlreadyExistsError:
                raise SinkFailed(f"Kafka does not make topic {topic}: {message}")

    async def _last(self) -> Place | None:
        from aiokafka import TopicPartition  # noqa: PLC0415 - as above

        place = TopicPartition(self.topic, 0)
        async with self._kafka.consumer() as consumer:
            consumer.assign([place])
            end = (await consumer.end_offsets([place]))[place]
            begin = (await consumer.beginning_offsets([place]))[place]
            if begin == end:
                return None
            consumer.seek(place, end - 1)
            record = await consumer.getone(place)
        headers = header_texts(record.headers)
        is_own = headers.get(ROW_HEADER, "").startswith(f"{self._name}@{self._version}:")
        return place_of(headers.get(ID_HEADER, "")) if is_own else None


class MetricSink:
    """A Prometheus metric that rows change."""

    def __init__(self, registry: CollectorRegistry, sink: ToMetric, description: str) -> None:
        self._registry, self._sink = registry, sink
        self._description = description or "Made of the rows of a stream."
        self._metric: Counter | Gauge | None = None
        self._series: set[tuple[str, ...]] = set()
        self.passed_over = 0
        """Rows whose value is no number, or makes a counter smaller."""

    async def open(self) -> Place | None:
        """Show the metric; raises `SinkFailed` where there is one of that name."""
        kind = Gauge if self._sink.kind == "gauge" else Counter
        try:
            self._metric = kind(
                METRIC_BEGINS + self._sink.name,
                self._description,
                self._sink.labels,
                registry=self._registry,
            )
        except ValueError as error:
            raise SinkFailed(f"the metric cannot be shown: {error}") from error
        return None

    async def take(self, said: Sequence[Said]) -> None:
        """Change the metric by each row."""
        for each in said:
            self._count(orjson.loads(each.data))

    async def close(self) -> None:
        """Show the metric no longer."""
        if self._metric is not None:
            self._registry.unregister(self._metric)
            self._metric = None

    def _count(self, row: Mapping[str, Any]) -> None:
        assert self._metric is not None
        value = row.get(self._sink.value) if self._sink.value else 1
        is_gauge = isinstance(self._metric, Gauge)
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if not is_number or value is None or (value < 0 and not is_gauge):
            self.passed_over += 1
            return
        labels = tuple(label_of(row.get(name)) for name in self._sink.labels)
        if labels not in self._series and len(self._series) >= SERIES_MAX:
            labels = tuple("other" for _ in labels)
        self._series.add(labels)
        series = self._metric.labels(*labels) if labels else self._metric
        if isinstance(series, Gauge):
            series.set(value)
        else:
            series.inc(value)


def label_of(value: object) -> str:
    """A value as a label's, short; empty for nothing."""
    text = (
        value if isinstance(value, str) else "" if value is None else orjson.dumps(value).decode()
    )
    return text.encode("utf-8", "replace").decode()[:LABEL_CHARACTERS_MAX]


class AlertSink:
    """A page, or a warning in the log, for each key and day that has a row."""

    def __init__(self, desk: Desk, cell: str, kept: Kept, sink: ToAlert) -> None:
        self._desk, self._cell, self._kept, self._sink = desk, cell, kept, sink
        self.raised = 0

    async def open(self) -> Place | None:
        """Nothing is to be opened."""
        return None

    async def take(self, said: Sequence[Said]) -> None:
        """Raise the alert of each row; the desk sends one that it has sent before no more."""
        for each in said:
            self._raise(orjson.loads(each.data), each.data)

    async def close(self) -> None:
        """Nothing is open."""

    def _raise(self, row: Mapping[str, Any], data: bytes) -> None:
        key = "|".join(label_of(row.get(name)) for name in self._sink.key)
        what = self._sink.summary or self._kept.description or f"Stream {self._kept.name} has rows"
        if key:
            what = f"{what}: {key.replace('|', ', ')}"
        at_ms = now_ms()
        self.raised += 1
        logger.warning("stream alerts", stream=self._kept.name, what=what, row=data.decode())
        if self._sink.severity != "page":
            return
        self._desk.put(
            Page(
                id=f"{self._cell}|stream {self._kept.name}|{key}|{at_ms // DAY_MS}",
                what=what,
                why=data.decode("utf-8", "replace"),
                kind="stream",
                cell=self._cell,
                process="query",
                at_ms=at_ms,
            )
        )
