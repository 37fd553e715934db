"""One `flumina up` for all tests of this folder that do not end it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.command_line import UpProcess


@pytest.fixture(scope="package")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[UpProcess]:
    """Everything that `up` starts, with two processes for the cell and quick pings."""
    running = UpProcess(
        tmp_path_factory.mktemp("up") / "data",
        *("--cell-processes", "2", "--ping-timeout", "1s", "--masters", "2"),
        *("--policy", "unreachable_timeout_ms=3000"),
    )
    try:
        running.until_up()
        yield running
    finally:
        running.close()


@pytest.fixture
def here(up: UpProcess) -> Path:
    """The data directory by which commands find that `up`."""
    return up.data_dir
