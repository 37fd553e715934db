"""The table of access against a real broker: everybody may do what it says, and nothing else.

Every component tries to write to every topic, and to read every topic; the broker decides.
"""

import asyncio
from collections.abc import Sequence

import msgspec
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import (
    GroupAuthorizationFailedError,
    TopicAuthorizationFailedError,
)

from streams.cell.writer import our_producer
from streams.errors import OperatorError
from streams.kafka.acl_admin import applied, compared
from streams.kafka.acl_table import COMPONENTS, EVERY_TOPIC, READ, RULES, WRITE, Binding, bindings
from streams.kafka.refusals import not_allowed
from streams.kafka.security import client_options
from streams.kafka.topic_admin import ensure_topics
from tests.integration.kafka_security.conftest import PREFIX, settings_as
from tests.support.secured_kafka import SecuredKafka

pytestmark = pytest.mark.integration


def _expected(component: str, operation: str) -> set[str]:
    return {
        name
        for rule in RULES
        if (rule.component, rule.operation, rule.resource) == (component, operation, "topic")
        for name in rule.names
    } & set(EVERY_TOPIC)


async def _writable(secured: SecuredKafka, component: str) -> set[str]:
    # Not idempotent: who may write nothing gets no producer id, and would try nothing.
    producer = AIOKafkaProducer(**client_options(secured.brokers(component)), acks="all")
    await producer.start()
    found = set()
    try:
        for topic in EVERY_TOPIC:
            try:
                await producer.send_and_wait(PREFIX + topic, b"{}")
            except TopicAuthorizationFailedError:
                continue
            found.add(topic)
    finally:
        await producer.stop()
    return found


async def _readable(secured: SecuredKafka, component: str) -> set[str]:
    tried = await asyncio.gather(*(_may_read(secured, component, each) for each in EVERY_TOPIC))
    return {topic for topic, may in zip(EVERY_TOPIC, tried, strict=True) if may}


async def _may_read(secured: SecuredKafka, component: str, topic: str) -> bool:
    place = TopicPartition(PREFIX + topic, 0)
    consumer = AIOKafkaConsumer(**client_options(secured.brokers(component)))
    await consumer.start()
    try:
        consumer.assign([place])
        consumer.seek(place, 0)
        return bool(await consumer.getmany(timeout_ms=20_000))
    except TopicAuthorizationFailedError:
        return False
    finally:
        await consumer.stop()


async def _fill(secured: SecuredKafka, topics: Sequence[str]) -> None:
    """One record in each partition that is read, so that a reader needs not wait."""
    producer = our_producer(secured.brokers(), "filled")
    await producer.start()
    try:
        for topic in topics:
            await producer.send_and_wait(PREFIX + topic, b"{}", partition=0)
    finally:
        await producer.stop()


@pytest.mark.parametrize("component", sorted(COMPONENTS))
def test_a_component_writes_what_the_table_says_and_nothing_else(
    allowed: SecuredKafka, component: str
) -> None:
    assert asyncio.run(_writable(allowed, component)) == _expected(component, WRITE)


def test_the_cell_log_has_one_writer() -> None:
    """The rule that the rest of the design rests on, said once without the broker."""
    writers = {each.component for each in RULES if each.operation == WRITE and "cell" in each.names}
    assert writers == {"cell"}


@pytest.mark.parametrize("component", sorted(COMPONENTS))
def test_a_component_reads_what_the_table_says_and_nothing_else(
    allowed: SecuredKafka, component: str
) -> None:
    asyncio.run(_fill(allowed, EVERY_TOPIC))
    assert asyncio.run(_readable(allowed, component)) == _expected(component, READ)


def test_another_component_cannot_take_the_seat_of_the_cell(allowed: SecuredKafka) -> None:
    """Who joins the leader's consumer group would be assigned cells to lead."""

    async def joined() -> None:
        consumer = AIOKafkaConsumer(
            f"{PREFIX}leaders",
            **client_options(allowed.brokers("operator")),
            group_id=f"{PREFIX}flumina-cell",
        )
        try:
            await asyncio.wait_for(consumer.start(), 30)
            await asyncio.wait_for(consumer.getone(), 30)
        finally:
            await consumer.stop()

    with pytest.raises(GroupAuthorizationFailedError) as refused:
        asyncio.run(joined())
    told = not_allowed(refused.value)
    assert told is not None
    assert "flumina acl apply" in told.remedy


def test_applying_twice_is_applying_once_and_what_is_beyond_is_told(
    allowed: SecuredKafka,
) -> None:
    wanted = bindings(PREFIX, {})
    again = asyncio.run(applied(allowed.brokers(), wanted))
    assert (len(again.there), again.missing, again.beyond) == (len(wanted), (), ())
    # A right that somebody gave by hand, of another installation: it hurts no test here.
    extra = Binding("User:flumina-dashboard", "Write", "topic", "by-hand", is_prefix=False)
    asyncio.run(applied(allowed.brokers(), [extra]))
    found = asyncio.run(compared(allowed.brokers(), wanted))
    assert found.beyond == ("User:flumina-dashboard may Write topic by-hand",)


def test_who_is_no_administrator_cannot_change_the_lists(allowed: SecuredKafka) -> None:
    with pytest.raises(OperatorError, match="does not allow us the cluster"):
        asyncio.run(applied(allowed.brokers("api"), bindings("other.", {})))


def test_who_may_not_make_topics_is_told_so(allowed: SecuredKafka) -> None:
    settings = settings_as(allowed, "api")
    with pytest.raises(OperatorError, match="refused to make topics"):
        asyncio.run(
            ensure_topics(
                allowed.brokers("api"), msgspec.structs.replace(settings, topic_prefix="x.")
            )
        )
