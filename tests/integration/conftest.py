"""What tests of several folders here share: a world of real parts, the api process of its cell."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from streams.supervise.ports import free_block
from tests.support.api_process import ApiProcess
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


@pytest.fixture
def api(world: World) -> Iterator[ApiProcess]:
    """The api of the test's own ``world``, which has a cell by then."""
    process = ApiProcess(world.kafka, world.prefix, world.home)
    try:
        process.until_ready().until_healthy()
        yield process
    finally:
        process.close()
