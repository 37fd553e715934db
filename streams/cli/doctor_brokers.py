"""The checks of `flumina doctor` of Kafka's copies, of what waits in it, and of who leads by it.

The one thing to know: every figure is Kafka's or the log's own; nobody who may be wrong about
himself is asked.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from connectors.cancelling import to_its_end
from scheduler.machine import FOLD_VERSION
from streams.cli.doctor_checks import Finding, failed, ok, skipped, warning
from streams.cli.log_look import ends_of_topics
from streams.kafka.generations import INBOUND
from streams.kafka.security import client_options

REQUEST_TIMEOUT_MS: Final = 5_000
WAITING_WISE: Final = 1_000
WAITING_MAX: Final = 10_000
"""Records of an inbound topic that the cell has not copied: ten seconds of a busy leader's work."""
NAMED_MAX: Final = 5
DANGEROUS: Final = {
    "unclean.leader.election.enable": (
        "true",
        "a broker that lacks records may lead, and acknowledged ones are lost",
    ),
    "auto.create.topics.enable": ("true", "a misspelt topic is made, with the wrong settings"),
}
"""Settings of brokers, with the value that hurts, and how."""


class Mark(msgspec.Struct, frozen=True):
    """How far an inbound topic has been copied."""

    topic: str
    offset: int


class FoldState(msgspec.Struct, frozen=True, rename="camel"):
    """Of the API's answer about the cell, what is compared with Kafka and with this build."""

    watermarks: tuple[Mark, ...] = ()
    fold_version: int = 0
    epoch: int = -1


async def cell_findings(
    bootstrap: str, prefix: str, partition: int, state: FoldState, builds_of: tuple[str, str]
) -> list[Finding]:
    """What waits for the cell; and ``builds_of`` this command and of the leader, compared."""
    ends = await ends_of_topics(bootstrap, prefix, INBOUND, partition)
    return [waiting(state, ends), builds(*builds_of, state.fold_version)]


async def broker_findings(bootstrap: str, prefix: str) -> list[Finding]:
    """How Kafka keeps copies of our topics, and what its brokers would do to them."""
    client = AIOKafkaAdminClient(
        **client_options(bootstrap),
        client_id="flumina-doctor",
        request_timeout_ms=REQUEST_TIMEOUT_MS,
    )
    try:
        await client.start()
        topics = await client.describe_topics()
        brokers = (await client.describe_cluster())["brokers"]
        asked = [
            ConfigResource(
                ConfigResourceType.BROKER, str(each["node_id"]), dict.fromkeys(DANGEROUS)
            )
            for each in brokers
        ]
        answers = await client.describe_configs(asked)
    finally:
        await to_its_end(client.close())
    configs: dict[str, dict[str, str | None]] = {
        resource["resource_name"]: {
            each["config_names"]: each["config_value"] for each in resource["config_entries"]
        }
        for answer in answers
        for resource in answer.to_object()["resources"]
    }
    ours = [each for each in topics if each["topic"].startswith(prefix)]
    return [copies(ours), *dangers(configs)]


def copies(topics: Iterable[Mapping[str, Any]]) -> Finding:
    """Whether each partition has a leader, and all of its copies are in step."""
    without, behind, count = [], [], 0
    for topic in topics:
        for partition in topic["partitions"]:
            count += 1
            name = f"{topic['topic']}[{partition['partition']}]"
            if partition["leader"] < 0:
                without.append(name)
            elif len(partition["isr"]) < len(partition["replicas"]):
                behind.append(
                    f"{name} ({len(partition['isr'])} of {len(partition['replicas'])} copies)"
                )
    if without:
        remedy = "Start the brokers that have them, and read their logs; never elect one uncleanly."
        return failed("copies", f"no leader: {_some(without)}", remedy)
    if behind:
        remedy = "A broker is down, slow or full: look at it before a second one is."
        return warning("copies", f"under-replicated: {_some(behind)}", remedy)
    return ok("copies", f"all copies of {count} partitions are in step")


def dangers(configs: Mapping[str, Mapping[str, str | None]]) -> list[Finding]:
    """Settings of brokers by which records or topics can be hurt."""
    found = []
    for name, (value, why) in DANGEROUS.items():
        where = [broker for broker, config in configs.items() if config.get(name) == value]
        if where:
            text = f"{name}={value} on broker {', '.join(where)}: {why}"
            found.append(warning("brokers", text, f"Set {name}=false on all brokers."))
    return found or [ok("brokers", "their settings lose nothing")]


def waiting(state: FoldState, ends: Mapping[str, tuple[str, int]]) -> Finding:
    """How many inbound records the cell has not copied; ``ends`` are the topics' own."""
    marks = {each.topic: each.offset for each in state.watermarks}
    behind = {topic: end - 1 - marks[topic] for topic, (_, end) in ends.items() if topic in marks}
    if not behind:
        return skipped("inbound", "the cell has copied nothing yet")
    topic, count = max(behind.items(), key=lambda each: each[1])
    text = f"{max(0, count)} record(s) of {topic} wait to be copied"
    remedy = "docs/runbooks/consumer-lag.md: a flood in that topic, a slow leader, or a slow Kafka."
    if count > WAITING_MAX:
        return failed("inbound", text, remedy)
    if count > WAITING_WISE:
        return warning("inbound", text, remedy)
    return ok("inbound", text if count > 0 else "all that was written has been copied")


def builds(ours: str, leaders: str, fold_version: int, ours_fold: int = FOLD_VERSION) -> Finding:
    """Whether this build and the leader's are the same, and fold by the same rules."""
    text = f"this is {ours}, the leader's is {leaders or 'unknown'}; the log is folded by rules "
    text += f"{fold_version}, this build knows {ours_fold}"
    if fold_version > ours_fold:
        remedy = "Use the build that the cell runs: this one cannot fold its log."
        return failed("builds", text, remedy)
    if leaders and leaders != ours:
        remedy = "During an upgrade that is as it should be; else run one build everywhere."
        return warning("builds", text, remedy)
    return ok("builds", text)


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - NAMED_MAX} more" if len(names) > NAMED_MAX else ""
    return ", ".join(names[:NAMED_MAX]) + more
