"""The usage process: one round each interval, published to the topic ``metrics``, until a signal.

The one thing to know: a record that cannot be written is dropped and counted; the next one is as
good. The key is the task's or host's id, so the figures of one stay in order.
"""

import asyncio
from typing import Final

import msgspec
import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from connectors.mesos.usage import Usage, usage_key
from scheduler.model.foreign_records import encode_note_noise
from scheduler.model.ids import HostId
from streams.errors import OperatorError
from streams.kafka.generations import ensure_generations
from streams.kafka.patience import REQUEST_TIMEOUT_MS
from streams.kafka.security import client_options
from streams.kafka.topic_admin import ensure_topics
from streams.probes import Probes
from streams.settings import Settings
from streams.stopping import stop_event
from streams.usage.noise import ACTOR, NoiseNews
from streams.usage.poller import Poller, PollError

logger = structlog.get_logger(__name__)

TOPIC: Final = "metrics"
COMMANDS: Final = "commands"
LINGER_MS: Final = 20


async def publish_usage(settings: Settings, probes: Probes | None = None) -> None:
    """Ask and publish until SIGTERM or SIGINT; raises `OperatorError` where it cannot begin."""
    if settings.kafka_brokers is None or settings.mesos_masters is None:
        raise OperatorError(
            "The usage process needs a Kafka and a Mesos.",
            "KAFKA_BROKERS or MESOS_MASTER is not set; `flumina up` starts both and sets them.",
            "Set them to host:port, or use `flumina up`.",
        )
    await ensure_topics(settings.kafka_brokers, settings)
    # Noise is told as a command, and whoever writes first to a partition has to begin it.
    await ensure_generations(settings.kafka_brokers, settings.topic_prefix, settings.cells)
    stop = stop_event()
    poller = Poller(settings.mesos_masters, settings.cell_names)
    producer = AIOKafkaProducer(
        **client_options(settings.kafka_brokers),
        client_id="flumina-usage",
        acks=1,
        linger_ms=LINGER_MS,
        request_timeout_ms=REQUEST_TIMEOUT_MS,
    )
    await producer.start()
    try:
        probes = probes or Probes()
        probes.begun(f"ready {settings.topic_prefix}{TOPIC}")
        await _rounds(poller, producer, settings, stop, probes)
    finally:
        await poller.close()
        await producer.stop()


async def _rounds(
    poller: Poller,
    producer: AIOKafkaProducer,
    settings: Settings,
    stop: asyncio.Event,
    probes: Probes,
) -> None:
    loop = asyncio.get_running_loop()
    noise = NoiseNews(is_load_counted=settings.is_load_noise)
    told = ""
    while not stop.is_set():
        began = loop.time()
        said = ""
        try:
            usages = await poller.round()
            probes.trouble = ""
            lost = await _publish(producer, settings.topic_prefix + TOPIC, usages)
            commands = settings.topic_prefix + COMMANDS
            lost += await _tell_noise(producer, commands, noise, usages, settings.cells)
            said = "; ".join([*poller.failed.values(), *([f"{lost} not written"] if lost else [])])
        except PollError as error:
            said = probes.trouble = str(error)
        if said != told:
            # Once for each change: a host that stays away is no news.
            logger.warning("usage is incomplete", why=said) if said else logger.info("usage whole")
            told = said
        left = max(0.0, began + settings.usage_interval_s - loop.time())
        try:
            await asyncio.wait_for(stop.wait(), timeout=left)
        except TimeoutError:
            continue


async def _publish(producer: AIOKafkaProducer, topic: str, usages: list[Usage]) -> int:
    """How many records could not be written."""
    results = await asyncio.gather(
        *(_send(producer, topic, usage) for usage in usages), return_exceptions=True
    )
    faults = [each for each in results if isinstance(each, BaseException)]
    for fault in faults:
        if not isinstance(fault, KafkaError | TimeoutError):
            raise fault
    return len(faults)


async def _tell_noise(
    producer: AIOKafkaProducer, topic: str, noise: NoiseNews, usages: list[Usage], cells: int
) -> int:
    """Tell the cells whose noise has changed; how many records could not be written."""
    lost = 0
    for host_id, noise_milli in noise.of(usages).items():
        value = encode_note_noise(host_id, noise_milli, ACTOR)
        try:
            # Every cell may have offers of the host.
            for partition in range(cells):
                await producer.send_and_wait(topic, value, partition=partition)
        except (KafkaError, TimeoutError):
            lost += 1
        else:
            noise.was_told(HostId(host_id), noise_milli)
    return lost


async def _send(producer: AIOKafkaProducer, topic: str, usage: Usage) -> None:
    key = usage_key(usage)
    await producer.send_and_wait(
        topic, msgspec.json.encode(usage), key=key.encode(), timestamp_ms=usage.at_ms
    )
