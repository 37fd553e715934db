"""One `flumina up` for all tests of this folder that do not end it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.command_line import UpProcess
from tests.support.webhook import Receiver, receiver


@pytest.fixture(scope="package")
def pages() -> Iterator[Receiver]:
    """Where the pages of that `up` arrive."""
    with receiver() as server:
        yield server


@pytest.fixture(scope="package")
def up(tmp_path_factory: pytest.TempPathFactory, pages: Receiver) -> Iterator[UpProcess]:
    """Everything that `up` starts, with two processes for the cell and quick pings."""
    running = UpProcess(
        tmp_path_factory.mktemp("up") / "data",
        *("--cell-processes", "2", "--ping-timeout", "1s", "--masters", "2"),
        *("--policy", "unreachable_timeout_ms=3000"),
        FLUMINA_PAGE_URL=pages.url,
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
