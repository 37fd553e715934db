"""A host that Mesos lost is told as such, until an offer or a task's word says that it is back."""

from typing import Final

import pytest

from projections.glance.hosts import hosts_glance
from projections.host_health import host_json
from projections.summary import summary
from scheduler.model.ids import HostId
from scheduler.model.mesos import HostFailed
from tests.support.cell import service
from tests.unit.projections.watched import WatchedCell, watched_cell

HOST: Final = HostId("host1")


@pytest.fixture
def cell() -> WatchedCell:
    """A cell of which Mesos lost the only host, with two tasks on it."""
    cell = watched_cell()
    cell.offer("host1")
    for task_id in cell.run(service(2), "svc"):
        cell.status(task_id, "TASK_UNREACHABLE")
    cell.copy("mesos", HostFailed(stream_id=cell.stream_id, host_id=HOST))
    return cell


def _told(cell: WatchedCell) -> bool:
    """What all three say."""
    glance = hosts_glance(cell.state)
    (at,) = (n for n, each in enumerate(glance.id) if each == HOST)
    (row,) = (each for each in summary(cell.view).hosts if each.host_id == HOST)
    assert host_json(cell.state, HOST)["isLost"] == row.is_lost
    assert (glance.healths[glance.health[at]] == "lost") == row.is_lost
    return row.is_lost


def test_a_host_that_was_never_lost_is_not() -> None:
    cell = watched_cell()
    cell.run(service(2), "svc")
    cell.offer("host1")
    assert not _told(cell)


def test_it_is_lost_while_its_tasks_are_disconnected(cell: WatchedCell) -> None:
    assert _told(cell)


def test_an_offer_says_that_it_is_back(cell: WatchedCell) -> None:
    cell.offer("host1")
    assert not _told(cell)


def test_the_word_of_a_task_says_that_it_is_back(cell: WatchedCell) -> None:
    cell.status(next(iter(cell.state.host_tasks[HOST])), "TASK_RUNNING")
    assert not _told(cell)
