"""Real parts for the tests of this folder: Kafka, a dev cluster, cell and api processes."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from streams.supervise.ports import free_block
from tests.support.api_process import ApiProcess
from tests.support.world import World

StartApi = Callable[[], ApiProcess]


@pytest.fixture
def world(kafka: str, topic_prefix: str, tmp_path: Path) -> Iterator[World]:
    """Kafka and room for a dev cluster; the test starts what it needs."""
    there = World(kafka, topic_prefix, tmp_path)
    try:
        yield there
    finally:
        there.close()


@pytest.fixture
def cluster_port() -> int:
    """The first of three free ports in a row."""
    return free_block(3)


@pytest.fixture
def start_api(kafka: str, topic_prefix: str, tmp_path: Path) -> Iterator[StartApi]:
    """Starts an api process and waits until it listens; all of them end with the test."""
    started: list[ApiProcess] = []

    def start() -> ApiProcess:
        started.append(ApiProcess(kafka, topic_prefix, tmp_path))
        return started[-1].until_ready()

    yield start
    for each in started:
        each.close()
