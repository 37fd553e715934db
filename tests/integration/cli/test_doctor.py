"""`flumina doctor` on a real broker that is wrong: it says what, what to do, and ends with 1."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from streams.kafka.security import client_options
from streams.kafka.topic_admin import ensure_topics
from streams.settings import settings_of
from tests.processes import wait_until
from tests.support.command_line import flumina

pytestmark = pytest.mark.integration


async def _set(kafka: str, kind: ConfigResourceType, name: str, values: dict[str, str]) -> None:
    client = AIOKafkaAdminClient(**client_options(kafka))
    await client.start()
    try:
        await client.alter_configs([ConfigResource(kind, name, values)])
    finally:
        await client.close()


def _checks(kafka: str, prefix: str, home: Path) -> tuple[int, dict[str, dict[str, Any]]]:
    done = flumina(home, "doctor", "--json", KAFKA_BROKERS=kafka, FLUMINA_TOPIC_PREFIX=prefix)
    return done.returncode, {each["check"]: each for each in json.loads(done.stdout)["checks"]}


def test_a_broker_and_topics_that_are_wrong_are_named(
    kafka: str, topic_prefix: str, tmp_path: Path
) -> None:
    code, missing = _checks(kafka, topic_prefix, tmp_path)
    assert code == 1
    assert f"{topic_prefix}cell is missing" in missing["topics"]["text"]

    settings = settings_of({"KAFKA_BROKERS": kafka, "FLUMINA_TOPIC_PREFIX": topic_prefix})
    asyncio.run(ensure_topics(kafka, settings))
    _, empty = _checks(kafka, topic_prefix, tmp_path)
    assert empty["topics"]["status"] == "ok"
    assert empty["copies"]["status"] == "ok"
    assert empty["cell log"]["text"] == "is empty: no cell has begun"

    wrong = {"retention.ms": "60000", "unclean.leader.election.enable": "true"}
    asyncio.run(_set(kafka, ConfigResourceType.TOPIC, f"{topic_prefix}mesos", wrong))

    def are_named() -> bool:  # Brokers take a moment to act on new settings.
        code, found = _checks(kafka, topic_prefix, tmp_path)
        names = [f"{topic_prefix}mesos has {name}={value}" for name, value in wrong.items()]
        topics = found["topics"]
        return (
            code == 1 and bool(topics["remedy"]) and all(each in topics["text"] for each in names)
        )

    wait_until(are_named, "both wrong settings are named")


def test_a_broker_that_may_elect_uncleanly_is_warned_of(
    kafka: str, topic_prefix: str, tmp_path: Path
) -> None:
    broker, name = ConfigResourceType.BROKER, "unclean.leader.election.enable"
    _, before = _checks(kafka, topic_prefix, tmp_path)
    asyncio.run(_set(kafka, broker, "1", {name: "true"}))

    def is_warned_of() -> bool:
        _, found = _checks(kafka, topic_prefix, tmp_path)
        brokers = found["brokers"]
        return brokers["status"] == "warning" and f"{name}=true on broker 1" in brokers["text"]

    try:
        wait_until(is_warned_of, "the broker's setting is warned of")
    finally:
        asyncio.run(_set(kafka, broker, "1", {}))
    assert name not in before["brokers"]["text"]


def test_a_broker_that_is_not_there_fails_with_the_way_on(tmp_path: Path) -> None:
    code, found = _checks("127.0.0.1:1", "", tmp_path)
    assert code == 1
    assert found["kafka"]["status"] == "failed"
    assert "KAFKA_BROKERS" in found["kafka"]["remedy"]
