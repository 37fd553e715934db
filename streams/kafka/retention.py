"""Whether Kafka keeps topics long enough for what still has to be read of them.

The one thing to know: Kafka drops by its own clock and asks nobody. So this compares, at the start
and every hour, what is needed with what is there, and a topic's retention with how far behind the
archive is; what it finds is paged, and changes nothing.
"""

from collections.abc import Iterable, Mapping, Sequence

import msgspec
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from connectors.cancelling import to_its_end
from streams.kafka.security import client_options
from streams.kafka.topics import FOREVER_MS

REQUEST_TIMEOUT_MS = 15_000
LAGS_KEPT = 4
"""A retention of less than so many times the archive's lag is too short to be safe."""
LAG_MS_LEAST = 60 * 60 * 1000
"""A retention shorter than four hours leaves nobody time to look at a store that is away."""


class Standing(msgspec.Struct, frozen=True):
    """What Kafka has of one partition, and what is needed of it."""

    topic: str
    partition: int
    begin: int
    needed_offset: int
    """The first offset that is not archived yet."""
    lag_ms: int
    """How long the oldest record that is not archived has waited."""


def retention_faults(
    standings: Iterable[Standing], retentions_ms: Mapping[str, int], differences: Sequence[str]
) -> list[str]:
    """What is wrong, as sentences; ``differences`` are those of the topics' other settings."""
    faults = list(differences)
    lags_ms: dict[str, int] = {}
    for each in standings:
        if each.begin > each.needed_offset:
            faults.append(
                f"{each.topic}[{each.partition}] begins at {each.begin}, and records from "
                f"{each.needed_offset} on are not archived: they are lost"
            )
        lags_ms[each.topic] = max(lags_ms.get(each.topic, LAG_MS_LEAST), each.lag_ms)
    for topic, lag_ms in sorted(lags_ms.items()):
        retention_ms = retentions_ms.get(topic, FOREVER_MS)
        if retention_ms != FOREVER_MS and retention_ms < LAGS_KEPT * lag_ms:
            faults.append(
                f"{topic} keeps records for {retention_ms / 3_600_000:.1f} h, and its archive is "
                f"up to {lag_ms / 3_600_000:.1f} h behind or may be: at least "
                f"{LAGS_KEPT * lag_ms / 3_600_000:.1f} h are wanted"
            )
    return faults


async def retentions_ms(bootstrap: str, topics: Sequence[str]) -> dict[str, int]:
    """How long Kafka keeps records of these topics, which exist, as it is set there."""
    client = AIOKafkaAdminClient(
        **client_options(bootstrap),
        client_id="flumina-retention",
        request_timeout_ms=REQUEST_TIMEOUT_MS,
    )
    try:
        await client.start()
        answers = await client.describe_configs(
            [
                ConfigResource(ConfigResourceType.TOPIC, each, {"retention.ms": None})
                for each in topics
            ]
        )
    finally:
        await to_its_end(client.close())
    return {
        resource["resource_name"]: int(entry["config_value"])
        for answer in answers
        for resource in answer.to_object()["resources"]
        for entry in resource["config_entries"]
        if entry["config_names"] == "retention.ms"
    }
