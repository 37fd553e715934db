"""The embedded broker as a child: starts, stops, restarts, dies with its owner, refuses clearly."""

import asyncio
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from streams.errors import OperatorError
from streams.kafka.embedded import EmbeddedKafka
from streams.kafka.node import NodeAddress
from streams.kafka.ports import free_ports, is_free
from streams.kafka.probe import describe
from streams.kafka.serving import new_cluster_id
from tests.processes import is_gone, wait_until

pytestmark = pytest.mark.integration

OWNER = """
import sys
from pathlib import Path
from streams.kafka.embedded import EmbeddedKafka

kafka = EmbeddedKafka(Path(sys.argv[1]))
print(kafka.start(), kafka.pid, flush=True)
sys.stdin.read()
"""


def _port(bootstrap: str) -> int:
    return int(bootstrap.rpartition(":")[2])


def _python(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": str(Path.cwd())},
    )


@pytest.fixture
def owner(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    process = _python("-c", OWNER, str(tmp_path / "kafka"))
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


async def _write(bootstrap: str, topic: str, values: list[bytes]) -> None:
    client = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await client.start()
    try:
        await client.create_topics([NewTopic(topic, 1, 1)])
    finally:
        await client.close()
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all", enable_idempotence=True)
    await producer.start()
    try:
        for value in values:
            await producer.send_and_wait(topic, value)
    finally:
        await producer.stop()


async def _read(bootstrap: str, topic: str, count: int) -> list[bytes]:
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, auto_offset_reset="earliest")
    await consumer.start()
    try:
        consumer.assign([TopicPartition(topic, 0)])
        return [(await asyncio.wait_for(consumer.getone(), 20)).value for _ in range(count)]
    finally:
        await consumer.stop()


def test_records_survive_a_stop_and_a_crash_at_the_same_address(own_kafka: EmbeddedKafka) -> None:
    values = [b"first", b"second"]
    address = own_kafka.start()
    cluster = asyncio.run(describe(address))
    asyncio.run(_write(address, "topic", values))

    broker = own_kafka.pid
    own_kafka.stop()
    assert is_gone(broker)
    assert is_free(_port(address))
    assert own_kafka.start() == address
    assert asyncio.run(_read(address, "topic", 2)) == values

    broker = own_kafka.pid
    own_kafka.kill()
    assert is_gone(broker)
    assert own_kafka.start() == address
    assert asyncio.run(_read(address, "topic", 2)) == values
    assert asyncio.run(describe(address)) == cluster
    assert own_kafka.log_file.stat().st_size > 0


def test_a_broker_that_crashed_by_itself_can_be_started_again(own_kafka: EmbeddedKafka) -> None:
    address = own_kafka.start()
    os.kill(own_kafka.pid, signal.SIGKILL)
    assert own_kafka.wait(timeout_s=10) == 128 + signal.SIGKILL
    assert not own_kafka.is_running
    assert own_kafka.start() == address


def test_it_can_be_started_inside_a_running_event_loop(own_kafka: EmbeddedKafka) -> None:
    async def scenario() -> None:
        bootstrap = own_kafka.start()
        assert len((await describe(bootstrap)).broker_ids) == 1

    asyncio.run(scenario())


def test_kill_9_of_the_owner_ends_the_broker_and_frees_its_directory(
    owner: subprocess.Popen[str], tmp_path: Path
) -> None:
    """The next owner may come at once: it waits for the old broker, and gets the same address."""
    assert owner.stdout is not None
    address, pid = owner.stdout.readline().split()
    owner.kill()
    with EmbeddedKafka(tmp_path / "kafka") as kafka:
        assert is_gone(int(pid))
        assert kafka.bootstrap == address


def test_kill_9_of_an_owner_that_is_still_starting_leaves_nothing(
    owner: subprocess.Popen[str], tmp_path: Path
) -> None:
    console = tmp_path / "kafka" / "broker-1" / "console.log"
    wait_until(console.exists, "the broker process has been started")
    owner.kill()
    marker = str(console.parent / "server.properties").encode()

    def brokers() -> list[Path]:
        found = []
        for command_line in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                if marker in command_line.read_bytes():
                    found.append(command_line)
            except (FileNotFoundError, ProcessLookupError):
                continue
        return found

    wait_until(lambda: not brokers(), "no broker of this directory runs")


def test_a_directory_in_use_is_refused_with_its_holder(
    owner: subprocess.Popen[str], tmp_path: Path
) -> None:
    assert owner.stdout is not None
    owner.stdout.readline()
    with pytest.raises(OperatorError, match=f"in use by .* process {owner.pid}"):
        EmbeddedKafka(tmp_path / "kafka").start()


def test_a_named_port_in_use_is_refused(own_kafka: EmbeddedKafka, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with pytest.raises(OperatorError, match=f"Port {port} of 127.0.0.1 is in use"):
            EmbeddedKafka(tmp_path / "kafka", port=port).start()
    # The refusal kept nothing locked.
    own_kafka.start()


def test_losing_the_race_for_a_port_means_another_port(own_kafka: EmbeddedKafka) -> None:
    own_kafka.start()
    own_kafka.stop()
    node = own_kafka._node()
    with socket.create_server(("127.0.0.1", 0)) as server:
        taken = NodeAddress(1, server.getsockname()[1], free_ports(1)[0])
        own_kafka._lock.acquire(predecessor_wait_s=5)
        assert own_kafka._served(node, taken) is None
        own_kafka._lock.release()
        own_kafka._address = taken
        assert _port(own_kafka.start()) != taken.port


def test_data_of_another_cluster_or_without_identity_are_refused(
    own_kafka: EmbeddedKafka, tmp_path: Path
) -> None:
    own_kafka.start()
    own_kafka.stop()
    data_dir = tmp_path / "kafka"
    with pytest.raises(OperatorError, match="belong to the Kafka cluster"):
        EmbeddedKafka(data_dir, cluster_id=new_cluster_id()).start()
    (data_dir / "broker-1" / "kafka" / "meta.properties").unlink()
    with pytest.raises(OperatorError, match=r"holds partitions .* but no meta\.properties"):
        own_kafka.start()


def test_a_directory_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OperatorError, match="cannot be used: Not a directory"):
        EmbeddedKafka(tmp_path / "file" / "kafka").start()


def test_a_configuration_that_kafka_refuses_is_explained(tmp_path: Path) -> None:
    kafka = EmbeddedKafka(tmp_path / "kafka", overrides={"num.io.threads": "0"})
    with pytest.raises(OperatorError, match=r"num\.io\.threads"):
        kafka.start()
    assert not kafka.is_running


def test_in_the_foreground_it_serves_until_a_signal_or_the_end_of_its_input(tmp_path: Path) -> None:
    data_dir = str(tmp_path / "kafka")
    arguments = ("-m", "streams.kafka.embedded", "--data-dir", data_dir, "--until-stdin-closes")
    addresses = []
    for stop in (signal.SIGTERM, None):
        process = _python(*arguments)
        assert process.stdout is not None
        word, address = process.stdout.readline().split()
        assert word == "ready"
        addresses.append(address)
        if stop:
            process.send_signal(stop)
            process.wait(timeout=20)
        process.communicate(timeout=20)  # closes its input
        assert process.returncode == 0
        assert is_free(_port(address))
    assert addresses[0] == addresses[1]


def test_in_the_foreground_it_ends_when_the_broker_ends(tmp_path: Path) -> None:
    process = _python("-m", "streams.kafka.embedded", "--data-dir", str(tmp_path / "kafka"))
    assert process.stdout is not None
    process.stdout.readline()
    with pytest.raises(OperatorError, match="in use"):
        EmbeddedKafka(tmp_path / "kafka").start()
    identity = f"{tmp_path}/kafka/broker-1/server.properties"
    listed = subprocess.run(
        ["/usr/bin/env", "pgrep", "-f", f"kafka.Kafka {identity}"],
        capture_output=True,
        text=True,
        check=True,
    )
    # The guard names the same command; the broker is its child and so the younger.
    os.kill(max(map(int, listed.stdout.split())), signal.SIGKILL)
    output, _ = process.communicate(timeout=20)
    assert process.returncode == 1
    assert "Kafka ended with code 137" in output


def test_what_it_remembers_may_be_damaged(own_kafka: EmbeddedKafka, tmp_path: Path) -> None:
    own_kafka.start()
    own_kafka.stop()
    memory = tmp_path / "kafka" / "flumina.json"
    for content in ("", "nonsense", json.dumps({"addresses": []})):
        memory.write_text(content)
        again = EmbeddedKafka(tmp_path / "kafka")
        assert again._remembered_address() is None
    shutil.rmtree(tmp_path / "kafka")
    assert own_kafka.start()
