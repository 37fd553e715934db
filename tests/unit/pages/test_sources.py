"""Which changes and log lines become pages, and that one thing has one name everywhere."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import structlog
from prometheus_client import CollectorRegistry

from connectors.pager.translate import Page
from scheduler.model.codec import decode_record
from scheduler.model.ids import TaskId
from streams.cell.follower import BareFold, Follower, LogRecord
from streams.logs import configure_logging, page_by
from streams.pages.desk import Desk
from streams.pages.metrics import PageMetrics
from streams.pages.sources import LogPages, pages_of, put_changes
from tests.support.cell import CellInMemory, running_cell


class KeepingDesk(Desk):
    """A desk that sends nothing, and can be looked at."""

    def __init__(self) -> None:
        super().__init__("main", None, None, PageMetrics(CollectorRegistry()))
        self.put_pages: list[Page] = []

    def put(self, page: Page) -> None:
        """Keep the page."""
        self.put_pages.append(page)


@pytest.fixture
def desk() -> Iterator[KeepingDesk]:
    """A desk, closed when the test is over."""
    found = KeepingDesk()
    yield found
    found.close()


def safe_cell() -> CellInMemory:
    """A cell that paged for three orphans."""
    cell = running_cell()
    for number in range(3):
        cell.status(TaskId(f"stranger-{number}"), "TASK_RUNNING")
    return cell


def all_pages(cell: CellInMemory) -> list[Page]:
    """What a fold of the log pages for."""
    follower, found = Follower("cell", 0, BareFold), list[Page]()
    follower.listeners.append(lambda *each: found.extend(pages_of(follower.machine.state, *each)))
    follower.take([LogRecord(offset, data) for offset, data in enumerate(cell.log)])
    return found


def test_every_follower_of_a_log_makes_the_same_pages() -> None:
    cell = safe_cell()
    (page,) = all_pages(cell)
    assert all_pages(cell) == [page]
    assert page.kind == "safe"
    assert page.address == f"test/0a0b0c0d:{len(cell.log) - 1}[0]"
    assert (page.tasks, page.tasks_total) == (tuple(f"stranger-{n}" for n in range(3)), 3)


def test_what_happened_long_ago_is_not_paged(
    desk: KeepingDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    cell = safe_cell()
    offset = len(cell.log) - 1
    record = decode_record(cell.log[offset])
    changes = [(index, change) for at, index, change in cell.changes if at == offset]
    for age_ms, wanted in ((0, 1), (3_600_000, 2), (86_400_001, 2)):
        monkeypatch.setattr("streams.pages.sources.now_ms", lambda age=age_ms: record.at_ms + age)
        put_changes(desk, cell.state, offset, record, changes)
        assert len(desk.put_pages) == wanted


@contextmanager
def logging_to(desk: Desk, process: str) -> Iterator[None]:
    """Log as a process does, with its pages at this desk."""
    configure_logging(process)
    page_by(LogPages((desk,), "main", process))
    try:
        yield
    finally:
        page_by(None)
        structlog.reset_defaults()


def halted(log: list[bytes]) -> None:
    """A follower that meets a record that nobody can read."""
    follower = Follower("cell", 0, BareFold)
    follower.take([LogRecord(offset, data) for offset, data in enumerate([*log, b"{poison"])])
    assert follower.halt is not None


def test_a_halt_of_two_processes_is_one_thing(desk: KeepingDesk) -> None:
    cell = running_cell()
    for process in ("cell-0", "api"):
        with logging_to(desk, process):
            halted(cell.log)
    first, second = desk.put_pages
    assert first.id == second.id
    assert (first.process, second.process) == ("cell-0", "api")
    assert f"cell[0] halted at offset {len(cell.log)}" in first.why
    assert "flumina skip" in first.why


def test_lines_without_page_and_lines_of_no_process_page_nobody(desk: KeepingDesk) -> None:
    with logging_to(desk, "api"):
        structlog.get_logger().warning("something", why="else")
        structlog.get_logger().critical("something", page=True, why="wrong", topic="jobs")
    structlog.get_logger().critical("after the end", page=True)
    (page,) = desk.put_pages
    assert (page.what, page.why) == ("something", "wrong")


def test_a_line_without_why_says_what_it_has(desk: KeepingDesk) -> None:
    with logging_to(desk, "cell-0"):
        structlog.get_logger().critical("lost", page=True, topic="jobs", first=3)
        structlog.get_logger().critical("failed", page=True, exc_info=ValueError("broken"))
    assert [each.why for each in desk.put_pages] == ["first 3, topic jobs", "ValueError('broken')"]


def test_a_worker_with_several_cells_pages_under_the_name_of_each(desk: KeepingDesk) -> None:
    with logging_to(desk, "cell-0"):
        logger = structlog.get_logger("test")
        with structlog.contextvars.bound_contextvars(cell="west"):
            logger.critical("the cell failed here", page=True, why="a test")
        logger.critical("the cell failed here", page=True, why="a test")
    west, own = desk.put_pages
    assert (west.cell, own.cell) == ("west", "main")
    assert west.id != own.id
