"""Live queries on a real Kafka: killed in the middle, read too slowly, asked wrongly.

How: lines of hosts are written to the topic as a tail agent writes them; the query process is
started as `up` starts it, and asked as `flumina query` asks it. Every line has a number, so that a
gap and a repeat show.
"""

import asyncio
import json
import os
import socket
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from aiokafka import AIOKafkaProducer

from streams.cli.query_client import STREAM, LiveQuery
from streams.errors import OperatorError
from streams.kafka.topic_admin import ensure_topics
from streams.settings import settings_of
from streams.supervise.ports import free_block
from tests.support.api_process import asked
from tests.support.metric_page import unnamed

pytestmark = pytest.mark.integration

PARTITIONS = 12
PATIENCE_S = 90.0
LINES = 1_500
FLOOD = 16_000
FLOOD_BYTES = 1_000


class QueryProcess:
    """The query process, which can be killed and started again on its port."""

    def __init__(self, kafka: str, prefix: str, home: Path) -> None:
        self.port = free_block(1)
        self.environment = os.environ | {
            "KAFKA_BROKERS": kafka,
            "FLUMINA_TOPIC_PREFIX": prefix,
            "FLUMINA_API": "http://127.0.0.1:9",
            "FLUMINA_DATA": str(home),
        }
        self.kafka, self.prefix = kafka, prefix
        self.address = f"127.0.0.1:{self.port}"
        self._process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        """Return when it listens."""
        words = ["-m", "streams.cli.main", "query", "serve", "--port", str(self.port)]
        self._process = subprocess.Popen(
            [sys.executable, *words], env=self.environment, stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == f"ready http://{self.address}/\n"

    def kill(self) -> None:
        """End it as a crash does; again is nothing."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None

    def query(self, mql: str, **parameters: str) -> LiveQuery:
        """A question, as the command asks it."""
        names = {"begin": "from"}
        given = {names.get(name, name): value for name, value in parameters.items()}
        return LiveQuery(self.address, {"mql": mql, **given}, lambda _: None, PATIENCE_S)


@pytest.fixture(scope="module")
def process(kafka: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[QueryProcess]:
    """The query process of an installation with its topics and nothing else."""
    prefix = f"q{uuid.uuid4().hex[:8]}."
    there = QueryProcess(kafka, prefix, tmp_path_factory.mktemp("query"))
    asyncio.run(ensure_topics(kafka, settings_of(there.environment)))
    there.start()
    try:
        yield there
    finally:
        there.kill()


async def write(process: QueryProcess, host: str, count: int, pace_s: float, fill: int = 0) -> None:
    """So many numbered lines of a host, over all partitions; a pause after each hundred."""
    producer = AIOKafkaProducer(bootstrap_servers=process.kafka, linger_ms=5)
    await producer.start()
    try:
        for number in range(count):
            line = f"{'ERROR' if number % 3 else 'INFO'} disk {number} {'x' * fill}"
            value = json.dumps({"host_id": host, "lines": [line]}).encode()
            topic = f"{process.prefix}host-logs"
            await producer.send(topic, value, partition=number % PARTITIONS)
            if pace_s and number % 100 == 99:
                await asyncio.sleep(pace_s)
    finally:
        await producer.stop()


def number_of(row: dict[str, Any]) -> int:
    """The number of the line."""
    return int(row["message"].split()[2])


def until(condition: Callable[[], bool], what: str) -> None:
    """Return when it holds."""
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.05)


def status(process: QueryProcess) -> Any:
    """How the process says it stands."""
    return asked(process.address, "GET", "/api/flumina/query/status").json


def test_a_query_goes_on_when_the_process_is_killed(process: QueryProcess) -> None:
    """In the middle of lines that come: each line once, and counted as if nothing had been.

    Afterwards nobody asks, and the process lets go of Kafka.
    """
    query = process.query("select message from host-logs where host == 'k'", delivery="all")
    events = query.events()
    assert next(events).kind == "meta"
    writing = threading.Thread(target=asyncio.run, args=(write(process, "k", LINES, pace_s=0.08),))
    writing.start()
    numbers: list[int] = []
    kills = [LINES // 3]
    for event in events:
        if event.kind == "row":
            numbers.append(number_of(event.data))
        if kills and len(numbers) >= kills[0]:
            kills.pop(0)
            process.kill()
            process.start()
        if len(numbers) >= LINES:
            break
    writing.join()
    events.close()
    assert not kills
    assert sorted(numbers) == list(range(LINES))
    assert query.dropped == 0
    whole = process.query(
        "select level, count(*) as 'n' from host-logs where host == 'k' group by level",
        begin="begin",
        to="live",
    )
    rows = {each.data["level"]: each.data["n"] for each in whole.events() if each.kind == "row"}
    assert rows == {"INFO": LINES // 3, "ERROR": LINES - LINES // 3}
    until(lambda: status(process)["readers"] == 0, "the readers are gone")
    until(
        lambda: not any(each["is_running"] for each in status(process)["hubs"].values()),
        "no consumer is left",
    )


def test_a_slow_reader_loses_and_counts_and_holds_nobody_up(process: QueryProcess) -> None:
    """One reads nothing while 16 MB come; one that wants all gets all meanwhile."""
    mql = "select host, message from host-logs where host == 'f'"
    slow = socket.socket()
    slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
    slow.settimeout(PATIENCE_S)
    slow.connect(("127.0.0.1", process.port))
    target = f"{STREAM}?{urlencode({'mql': mql})}"
    slow.sendall(f"GET {target} HTTP/1.1\r\nHost: {process.address}\r\n\r\n".encode())
    until(lambda: status(process)["readers"] == 1, "the slow reader is there")
    query = process.query(mql, delivery="all")
    events = query.events()
    assert next(events).kind == "meta"
    writing = threading.Thread(
        target=asyncio.run, args=(write(process, "f", FLOOD, 0, FLOOD_BYTES),)
    )
    writing.start()
    numbers = []
    for event in events:
        if event.kind == "row":
            numbers.append(number_of(event.data))
            if len(numbers) == FLOOD:
                break
    events.close()
    writing.join()
    assert sorted(numbers) == list(range(FLOOD))
    with slow, slow.makefile("rb") as lines:
        rows = 0
        meta: dict[str, Any] = {"dropped": 0, "state": ""}
        for line in lines:
            if line.startswith(b"event: row"):
                rows += 1
            elif line.startswith(b'data: {"state"'):
                meta = json.loads(line.removeprefix(b"data: "))
                if meta["dropped"] and meta["state"] == "live" and meta["rate"] == 0:
                    break
    assert meta["dropped"] > 0
    assert rows + meta["dropped"] == FLOOD


def test_bad_questions_are_refused_before_they_begin(process: QueryProcess) -> None:
    """With a place and a caret; places that are not in Kafka with what to do."""
    with pytest.raises(OperatorError, match=r"line: 1 column: 15(.|\n)*\^"):
        next(process.query("select * from tsks").events())
    with pytest.raises(OperatorError, match="made anew"):
        next(process.query("select * from tasks", begin="job-events:0:999").events())
    with pytest.raises(OperatorError, match="12 partitions"):
        next(process.query("select * from host-logs", begin="5").events())
    checked = asked(
        process.address, "POST", "/api/flumina/query/check", {"mql": "select hst from host-logs"}
    )
    assert checked.json["plan"]["unknown_fields"] == ["hst"]
    away = asked(process.address, "GET", "/api/v3/jobs")
    assert (away.status, away.json["code"]) == (503, "api-away")
    sources = asked(process.address, "GET", "/api/flumina/query/sources").json["sources"]
    assert {"jobs", "tasks", "host-logs", "events"} <= {each["name"] for each in sources}
    page = asked(process.address, "GET", "/api/flumina/query/metrics").body.decode()
    assert "flumina_query_readers" in page
    assert unnamed(page) == []
