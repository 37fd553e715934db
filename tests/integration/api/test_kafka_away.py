"""Kafka goes away under a running api: writes are refused, reads go on and say that they are old.

The leader is a stand-in of one breath: the records of an election and a tick, written by the same
hand that a leader has, so that no cell process is needed.
"""

import asyncio
import time
from pathlib import Path

import pytest

from streams.kafka.embedded import EmbeddedKafka
from tests.support.api_process import ApiProcess
from tests.support.stand_in import lead_once
from tests.support.world import batch_of

pytestmark = pytest.mark.integration

JOBS = "/api/v3/jobs"


def test_without_kafka_writes_are_refused_and_reads_go_on(
    own_kafka: EmbeddedKafka, tmp_path: Path
) -> None:
    bootstrap = own_kafka.start()
    api = ApiProcess(bootstrap, "", tmp_path).until_ready()
    try:
        asyncio.run(lead_once(bootstrap))
        api.until("/health", lambda each: each.json["leader"] == "stand-in", "a leader is known")
        own_kafka.kill()
        begun_s = time.monotonic()
        refused = api.ask("POST", JOBS, batch_of(1, "true"))
        assert refused.status == 503, refused
        assert time.monotonic() - begun_s < 10
        assert refused.json["id"].startswith("job-")
        assert "may have been written" in refused.json["errorDetails"]
        assert api.ask("GET", f"{JOBS}/x").status == 404  # Reads are answered at once.
        health = api.until("/health", lambda each: each.status == 503, "the fold is doubted")
        assert "Kafka does not answer" in health.headers["x-flumina-stale"]
        own_kafka.start()
        api.until_healthy()
        assert api.stop() == 0
    finally:
        api.close()


def test_it_stops_cleanly_while_kafka_is_away(own_kafka: EmbeddedKafka, tmp_path: Path) -> None:
    bootstrap = own_kafka.start()
    api = ApiProcess(bootstrap, "", tmp_path).until_ready()
    try:
        asyncio.run(lead_once(bootstrap))
        api.until("/health", lambda each: each.json["leader"] == "stand-in", "a leader is known")
        own_kafka.kill()
        assert api.ask("POST", JOBS, batch_of(1, "true")).status == 503
        assert api.stop(timeout_s=40) == 0
        assert "Traceback" not in api.log.read_text("utf-8")
    finally:
        api.close()


def test_what_it_cannot_begin_with_is_a_sentence(tmp_path: Path) -> None:
    """Nobody listens where Kafka should be; no traceback, a non-zero exit code."""
    api = ApiProcess("127.0.0.1:1", "", tmp_path)
    try:
        assert api.process.wait(30) == 1
        said = api.log.read_text("utf-8")
        assert "Check KAFKA_BROKERS" in said
        assert "Traceback" not in said
    finally:
        api.close()
