"""A world whose processes may be of another build, for each test of this folder."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from streams.supervise.ports import free_block
from tests.integration.upgrade.builds import MixedWorld


@pytest.fixture
def world(kafka: str, topic_prefix: str, tmp_path: Path) -> Iterator[MixedWorld]:
    """Kafka and a dev cluster of two agents; processes are of this build unless a test says so."""
    there = MixedWorld(kafka, topic_prefix, tmp_path)
    try:
        there.start_cluster(free_block(3))
        yield there
    finally:
        there.close()
