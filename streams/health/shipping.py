"""The tail agent as a process or as a part of one: which files are whose, and its way to Kafka.

The one thing to know: a host is named by its agent's id, because that is what the cell knows. A
real Mesos agent keeps it in its work directory; an agent of the dev cluster beside its log.
"""

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import msgspec
from aiokafka.errors import KafkaError

from scheduler.model.reading.bad_bytes import BAD_BYTES
from streams.cell.writer import our_producer
from streams.errors import OperatorError
from streams.health.tail import Source, Tail
from streams.kafka.topic_admin import ensure_topics
from streams.settings import Settings
from streams.stopping import stop_event

TOPIC: Final = "host-logs"
MARKS: Final = Path("health") / "marks.json"
DEV_AGENTS_MAX: Final = 64
"""As many as a dev cluster has as processes."""


class _AgentFile(msgspec.Struct):
    """What of an agent's own file is read."""

    agent_id: str


async def tail_until_signal(
    settings: Settings, sources: Sequence[Source], marks: Path, *, is_from_start: bool
) -> None:
    """Ship until SIGTERM or SIGINT; raises `OperatorError` where it cannot begin."""
    if settings.kafka_brokers is None:
        raise OperatorError(
            "The tail agent needs a Kafka.",
            "KAFKA_BROKERS is not set.",
            "Set it to host:port, with commas between several.",
        )
    stop = stop_event()
    await ensure_topics(settings.kafka_brokers, settings)
    print(f"ready {settings.topic_prefix}{TOPIC}", flush=True)
    await ship_logs(settings, sources, marks, stop, is_from_start=is_from_start)


async def ship_logs(
    settings: Settings,
    sources: Sequence[Source],
    marks: Path,
    stop: asyncio.Event,
    *,
    is_from_start: bool = True,
) -> None:
    """Ship what is new in these files until it is stopped."""
    assert settings.kafka_brokers is not None
    tail = Tail(sources, marks, is_from_start=is_from_start)
    while not stop.is_set():
        producer = our_producer(settings.kafka_brokers, "flumina-tail")
        try:
            await producer.start()
        except (KafkaError, OSError):
            await producer.stop()
            await asyncio.sleep(1.0)
            continue
        try:
            await tail.run(producer, settings.topic_prefix + TOPIC, stop)
        finally:
            await producer.stop()


def agents_of(dev_cluster: Path) -> list[Source]:
    """The logs of a dev cluster's agents, each with the id that its agent has at that time."""
    return [
        Source(
            str(dev_cluster / f"agent{number}.log"),
            _id_in(dev_cluster / f"agent{number}" / "meta" / "agent.json"),
        )
        for number in range(1, DEV_AGENTS_MAX + 1)
    ]


def id_of_work_dir(work_dir: Path) -> Callable[[], str | None]:
    """The id of the Mesos agent with this work directory, which it links to as its latest."""

    def found() -> str | None:
        try:
            return (work_dir / "meta" / "slaves" / "latest").readlink().name
        except OSError:
            return None  # It has not registered yet.

    return found


def _id_in(path: Path) -> Callable[[], str | None]:
    def found() -> str | None:
        try:
            return msgspec.json.decode(path.read_bytes(), type=_AgentFile).agent_id
        except (OSError, *BAD_BYTES):
            return None  # It has not registered yet, or is just writing it.

    return found
