"""A world of real parts for each test of this folder."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from streams.supervise.ports import free_block
from tests.support.world import World


@pytest.fixture
def world(kafka: str, topic_prefix: str, tmp_path: Path) -> Iterator[World]:
    """Kafka and a dev cluster of one agent; the test starts the cell processes."""
    there = World(kafka, topic_prefix, tmp_path)
    try:
        there.start_cluster(free_block(2), agents=1)
        yield there
    finally:
        there.close()
