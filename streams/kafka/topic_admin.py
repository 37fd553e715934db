"""Makes a cluster's topics agree with the table, or says where they do not.

The one thing to know: a topic that exists is never changed. A partition more, or another
retention, would change what old records mean, so that is an operator's act; we only compare.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import (
    KafkaError,
    TopicAlreadyExistsError,
    UnknownTopicOrPartitionError,
    for_code,
)

from connectors.cancelling import to_its_end
from streams.errors import OperatorError
from streams.kafka.refusals import not_allowed, refused_because
from streams.kafka.security import client_options
from streams.kafka.topics import TopicPlan, planned_topics, replication_factor_for
from streams.settings import Settings

Result = TypeVar("Result")

REQUEST_TIMEOUT_MS = 15_000
SETTLE_TIMEOUT_S = 15.0
SETTLE_POLL_S = 0.02


async def ensure_topics(bootstrap: str, settings: Settings) -> list[TopicPlan]:
    """The topics of the table, all of them there and as planned; raises `OperatorError` else."""
    return await _asking(bootstrap, lambda client: _ensure(client, settings))


async def differences_of_topics(bootstrap: str, settings: Settings) -> list[str]:
    """Where the topics are not as planned, as sentences; changes nothing and makes none."""
    return await _asking(bootstrap, lambda client: _differences(client, settings))


async def _asking(
    bootstrap: str, work: Callable[[AIOKafkaAdminClient], Awaitable[Result]]
) -> Result:
    """What comes of this work with a client; Kafka's faults become an `OperatorError`."""
    client = AIOKafkaAdminClient(
        **client_options(bootstrap),
        client_id="flumina-topics",
        request_timeout_ms=REQUEST_TIMEOUT_MS,
    )
    try:
        await client.start()
        return await work(client)
    except KafkaError as error:
        refusal = not_allowed(error) or await refused_because(bootstrap)
        if refusal is not None:
            raise refusal from error
        raise OperatorError(
            f"Kafka at {bootstrap} could not be asked for its topics: {error}.",
            "It is not there, not ready, or does not let us in.",
            "Check KAFKA_BROKERS, or unset it to use the embedded Kafka.",
        ) from error
    finally:
        await to_its_end(client.close())


async def _differences(client: AIOKafkaAdminClient, settings: Settings) -> list[str]:
    existing = await _existing(client)
    brokers = len((await client.describe_cluster())["brokers"])
    plans = _plans(settings, existing, brokers)
    there = [plan for plan in plans if plan.name in existing]
    missing = [f"{plan.name} is missing" for plan in plans if plan.name not in existing]
    return [
        *missing,
        *_wrong_partitions(there, existing),
        *(await _wrong_configs(client, there) if there else []),
    ]


async def _ensure(client: AIOKafkaAdminClient, settings: Settings) -> list[TopicPlan]:
    existing = await _existing(client)
    brokers = len((await client.describe_cluster())["brokers"])
    plans = _plans(settings, existing, brokers)
    missing = [plan for plan in plans if plan.name not in existing]
    if missing:
        await _create(client, missing, brokers)
        existing = await _settled(client, plans)
    differences = [
        *_wrong_partitions(plans, existing),
        *await _wrong_configs(client, plans),
    ]
    if differences:
        raise OperatorError(
            "Topics are not as they have to be: " + "; ".join(differences) + ".",
            "They were made by hand, by another release, or for another number of cells.",
            "Nothing was changed. Correct them with Kafka's tools, or set FLUMINA_TOPIC_PREFIX to "
            "begin with new ones.",
        )
    return plans


def _plans(settings: Settings, existing: dict[str, Any], brokers: int) -> list[TopicPlan]:
    """The topics as they have to be, with as many copies as were wanted when they began.

    A broker that is down must not make us want fewer copies than the topics have.
    """
    factor = replication_factor_for(brokers, settings.replication_factor)
    began = existing.get(f"{settings.topic_prefix}cell")
    if began is not None and settings.replication_factor is None:
        copies = min((len(each["replicas"]) for each in began["partitions"]), default=0)
        factor = max(factor, replication_factor_for(copies, None))
    return planned_topics(settings.cells, settings.topic_prefix, factor)


async def _existing(client: AIOKafkaAdminClient) -> dict[str, Any]:
    # All topics and not ours by name: a request by name makes topics where that is automatic.
    return {each["topic"]: each for each in await client.describe_topics()}


async def _create(client: AIOKafkaAdminClient, missing: list[TopicPlan], brokers: int) -> None:
    answer = await client.create_topics(
        [
            NewTopic(plan.name, plan.partitions, plan.replication_factor, topic_configs=plan.config)
            for plan in missing
        ]
    )
    refusals = [
        f"{topic}: {message or for_code(code).__name__}"
        for topic, code, message in answer.topic_errors
        # Another process of ours made it in the meantime; it is compared like any other.
        if code and for_code(code) is not TopicAlreadyExistsError
    ]
    if refusals:
        raise OperatorError(
            f"Kafka refused to make topics: {'; '.join(refusals)}.",
            f"It has {brokers} broker(s), or does not allow this client to make topics.",
            "Set FLUMINA_REPLICATION_FACTOR to at most the number of brokers, or let an "
            "administrator make the topics.",
        )


async def _settled(client: AIOKafkaAdminClient, plans: list[TopicPlan]) -> dict[str, Any]:
    """All topics once every one of ours has a leader for each partition."""
    deadline = time.monotonic() + SETTLE_TIMEOUT_S
    while True:
        existing = await _existing(client)
        waiting = [plan.name for plan in plans if not _has_leaders(existing.get(plan.name))]
        if not waiting:
            return existing
        if time.monotonic() > deadline:
            raise OperatorError(
                f"Topics have no leader after {SETTLE_TIMEOUT_S:.0f} s: {', '.join(waiting)}.",
                "A broker of the cluster is down or overloaded.",
                "Look at the brokers' logs and start again.",
            )
        await asyncio.sleep(SETTLE_POLL_S)


def _has_leaders(topic: dict[str, Any] | None) -> bool:
    return (
        topic is not None
        and bool(topic["partitions"])
        and all(partition["leader"] >= 0 for partition in topic["partitions"])
    )


def _wrong_partitions(plans: list[TopicPlan], existing: dict[str, Any]) -> list[str]:
    differences = []
    for plan in plans:
        partitions = existing[plan.name]["partitions"]
        if len(partitions) != plan.partitions:
            differences.append(
                f"{plan.name} has {len(partitions)} partition(s) where {plan.partitions} are wanted"
            )
        copies = min((len(partition["replicas"]) for partition in partitions), default=0)
        # More copies than wanted harm nobody.
        if copies < plan.replication_factor:
            differences.append(
                f"{plan.name} has {copies} copies where {plan.replication_factor} are wanted"
            )
    return differences


async def _wrong_configs(client: AIOKafkaAdminClient, plans: list[TopicPlan]) -> list[str]:
    found = await _configs(client, plans)
    return [
        f"{plan.name} has {key}={found[plan.name].get(key)} where {value} is wanted"
        for plan in plans
        for key, value in plan.config.items()
        if found[plan.name].get(key) != value
    ]


async def _configs(
    client: AIOKafkaAdminClient, plans: list[TopicPlan]
) -> dict[str, dict[str, str | None]]:
    """The settings of each topic; raises `OperatorError` where Kafka does not tell them.

    Any broker may be asked, and one that has not heard of a new topic yet says that it is unknown.
    """
    deadline = time.monotonic() + SETTLE_TIMEOUT_S
    while True:
        answers = await client.describe_configs(
            [
                ConfigResource(ConfigResourceType.TOPIC, plan.name, dict.fromkeys(plan.config))
                for plan in plans
            ]
        )
        resources = [each for answer in answers for each in answer.to_object()["resources"]]
        faults = {
            each["resource_name"]: for_code(each["error_code"])
            for each in resources
            if each["error_code"]
        }
        if not faults:
            return {
                each["resource_name"]: {
                    entry["config_names"]: entry["config_value"] for entry in each["config_entries"]
                }
                for each in resources
            }
        is_passing = all(fault is UnknownTopicOrPartitionError for fault in faults.values())
        if not is_passing or time.monotonic() > deadline:
            told = ", ".join(f"{name} ({fault.__name__})" for name, fault in sorted(faults.items()))
            raise OperatorError(
                f"Kafka does not tell the settings of topics: {told}.",
                "A broker is behind the others, or this client may not describe topics.",
                "Look at the brokers' logs and ACLs (DESCRIBE_CONFIGS), and start again.",
            )
        await asyncio.sleep(SETTLE_POLL_S)
