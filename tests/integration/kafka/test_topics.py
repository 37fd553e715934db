"""Topics on a real broker: made once, compared ever after, never changed; and a record in one."""

import asyncio
import json
from collections.abc import Callable

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from streams.cli.main import main
from streams.errors import OperatorError
from streams.kafka.topic_admin import ensure_topics
from streams.kafka.topics import TOPICS
from streams.settings import Settings, settings_of

pytestmark = pytest.mark.integration


@pytest.fixture
def settings(kafka: str, topic_prefix: str) -> Callable[..., Settings]:
    def with_changes(**changes: str) -> Settings:
        environment = {
            "KAFKA_BROKERS": kafka,
            "FLUMINA_TOPIC_PREFIX": topic_prefix,
            "FLUMINA_CELLS": "2",
        }
        return settings_of(environment | changes)

    return with_changes


async def _partitions(bootstrap: str, prefix: str) -> dict[str, int]:
    client = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await client.start()
    try:
        return {
            topic["topic"]: len(topic["partitions"])
            for topic in await client.describe_topics()
            if topic["topic"].startswith(prefix)
        }
    finally:
        await client.close()


async def _create(bootstrap: str, topic: NewTopic) -> None:
    client = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await client.start()
    try:
        await client.create_topics([topic])
    finally:
        await client.close()


def test_all_topics_of_the_table_are_made_and_found_again(
    kafka: str, topic_prefix: str, settings: Callable[..., Settings]
) -> None:
    async def scenario() -> None:
        assert await _partitions(kafka, topic_prefix) == {}
        made = await ensure_topics(kafka, settings())
        found = await _partitions(kafka, topic_prefix)
        assert found == {plan.name: plan.partitions for plan in made}
        assert len(found) == len(TOPICS)
        assert found[f"{topic_prefix}cell"] == 2
        assert await ensure_topics(kafka, settings()) == made

    asyncio.run(scenario())


def test_two_processes_may_make_them_at_once(kafka: str, settings: Callable[..., Settings]) -> None:
    async def scenario() -> None:
        first, second = await asyncio.gather(
            ensure_topics(kafka, settings()), ensure_topics(kafka, settings())
        )
        assert first == second

    asyncio.run(scenario())


def test_another_number_of_cells_is_refused_and_nothing_changes(
    kafka: str, topic_prefix: str, settings: Callable[..., Settings]
) -> None:
    async def scenario() -> None:
        await ensure_topics(kafka, settings())
        before = await _partitions(kafka, topic_prefix)
        with pytest.raises(OperatorError, match=r"cell has 2 partition\(s\) where 3 are wanted"):
            await ensure_topics(kafka, settings(FLUMINA_CELLS="3"))
        assert await _partitions(kafka, topic_prefix) == before

    asyncio.run(scenario())


def test_a_topic_with_another_retention_is_refused(
    kafka: str, topic_prefix: str, settings: Callable[..., Settings]
) -> None:
    async def scenario() -> None:
        cell_log = NewTopic(f"{topic_prefix}cell", 2, 1, topic_configs={"retention.ms": "1000"})
        await _create(kafka, cell_log)
        with pytest.raises(OperatorError, match=r"cell has retention.ms=1000 where -1 is wanted"):
            await ensure_topics(kafka, settings())

    asyncio.run(scenario())


def test_more_copies_than_brokers_are_refused(
    kafka: str, settings: Callable[..., Settings]
) -> None:
    with pytest.raises(OperatorError, match="FLUMINA_REPLICATION_FACTOR"):
        asyncio.run(ensure_topics(kafka, settings(FLUMINA_REPLICATION_FACTOR="9")))


def test_no_kafka_is_a_sentence(settings: Callable[..., Settings]) -> None:
    with pytest.raises(OperatorError, match="KAFKA_BROKERS"):
        asyncio.run(ensure_topics("127.0.0.1:1", settings()))


def test_a_record_is_written_and_read(
    kafka: str, topic_prefix: str, settings: Callable[..., Settings]
) -> None:
    """By an idempotent producer with all acknowledgements, at offset 0, byte for byte."""
    value = bytes(range(256)) * 2048  # 512 KiB, the most that a record of ours may hold

    async def scenario() -> None:
        await ensure_topics(kafka, settings())
        cell_log = TopicPartition(f"{topic_prefix}cell", 1)
        producer = AIOKafkaProducer(
            bootstrap_servers=kafka,
            acks="all",
            enable_idempotence=True,
            max_request_size=1024 * 1024,
        )
        await producer.start()
        try:
            written = await producer.send_and_wait(
                cell_log.topic, value, key=b"key", partition=1, headers=[("kind", b"test")]
            )
        finally:
            await producer.stop()
        assert written.offset == 0
        consumer = AIOKafkaConsumer(bootstrap_servers=kafka, auto_offset_reset="earliest")
        await consumer.start()
        try:
            consumer.assign([cell_log])
            record = await asyncio.wait_for(consumer.getone(), timeout=20)
        finally:
            await consumer.stop()
        assert (record.offset, record.key, record.value) == (0, b"key", value)
        assert record.headers == (("kind", b"test"),)

    asyncio.run(scenario())


def test_the_command_makes_them_once_and_says_where_they_differ(
    kafka: str,
    topic_prefix: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """As the chart's hook runs it: before an installation, and again before each upgrade."""

    def left(*words: str) -> tuple[int, dict[str, list[str]]]:
        with pytest.raises(SystemExit) as ended:
            main(["topics", *words, "--json"])
        assert isinstance(ended.value.code, int)
        return ended.value.code, json.loads(capsys.readouterr().out)

    monkeypatch.setenv("KAFKA_BROKERS", kafka)
    monkeypatch.setenv("FLUMINA_TOPIC_PREFIX", topic_prefix)
    monkeypatch.setenv("FLUMINA_CELLS", "2")
    code, told = left("check")
    assert (code, f"{topic_prefix}cell is missing" in told["differences"]) == (1, True)
    code, first = left("ensure")
    assert (code, len(first["created"])) == (0, len(TOPICS))
    assert left("ensure") == (0, {"created": [], "topics": len(TOPICS)})
    assert left("check") == (0, {"differences": []})
    monkeypatch.setenv("FLUMINA_CELLS", "3")
    code, refused = left("ensure")
    assert code == 1
    assert "cell has 2 partition(s) where 3 are wanted" in str(refused["error"])
