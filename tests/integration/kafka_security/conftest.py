"""One secured broker for the tests of this folder, with the table's lists and the topics."""

import asyncio
from collections.abc import Iterator

import pytest

from streams.kafka.acl_admin import applied
from streams.kafka.acl_table import bindings
from streams.kafka.generations import ensure_generations
from streams.kafka.topic_admin import ensure_topics
from streams.settings import Settings, settings_of
from tests.support.secured_kafka import SecuredKafka

PREFIX = "secured."


@pytest.fixture(scope="package")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecuredKafka]:
    """The broker, on which only its admin may do anything."""
    kafka = SecuredKafka(tmp_path_factory.mktemp("secured"))
    try:
        kafka.start()
        yield kafka
    finally:
        kafka.stop()


@pytest.fixture(scope="package")
def allowed(secured: SecuredKafka) -> SecuredKafka:
    """The same with the table's lists, and topics that the component ``bootstrap`` has made."""
    allow(secured, PREFIX)
    return secured


def allow(secured: SecuredKafka, prefix: str) -> None:
    """Apply the lists for topics of this prefix, and make them as ``bootstrap``."""
    asyncio.run(applied(secured.brokers(), bindings(prefix, {})))
    settings = settings_as(secured, "bootstrap", prefix)
    asyncio.run(ensure_topics(secured.brokers("bootstrap"), settings))
    asyncio.run(ensure_generations(secured.brokers("bootstrap"), prefix, 1))


def settings_as(secured: SecuredKafka, component: str, prefix: str = PREFIX) -> Settings:
    """The settings of a process of that component."""
    return settings_of(secured.environment(component) | {"FLUMINA_TOPIC_PREFIX": prefix})
