"""A world of real parts for each test of this folder."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from streams.kafka.ports import free_ports, is_free
from tests.support.world import World


@pytest.fixture
def world(kafka: str, topic_prefix: str, tmp_path: Path) -> Iterator[World]:
    """Kafka and a dev cluster of two agents; the test starts the cell processes."""
    there = World(kafka, topic_prefix, tmp_path)
    try:
        there.start_cluster(free_block(3))
        yield there
    finally:
        there.close()


def free_block(count: int) -> int:
    """The first of ``count`` free ports in a row: agents listen right behind their master."""
    for _ in range(100):
        (first,) = free_ports(1)
        if first + count < 65_536 and all(is_free(first + more) for more in range(1, count)):
            return first
    raise AssertionError("no free ports in a row")

