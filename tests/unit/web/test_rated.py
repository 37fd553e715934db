"""Above the size that a cell is rated for new jobs are refused, and nothing else is."""

import pytest

from connectors.web.problems import Problem
from connectors.web.rated import FULL, WINDOW_MS, RatedDoor
from projections.rated import Rated
from streams.setting_texts import rated as read
from tests.support.cell import CellInMemory, batch, running_cell


@pytest.fixture
def cell() -> CellInMemory:
    """A cell with a job of ten tasks."""
    cell = running_cell()
    cell.submit(batch(10), "there")
    cell.launched()
    return cell


def test_tasks_count_with_those_that_are_asked_for(cell: CellInMemory) -> None:
    state = cell.machine.state
    door = RatedDoor(Rated(tasks=len(state.tasks) + 5))
    door.demand(state, 5)
    with pytest.raises(Problem) as refused:
        door.demand(state, 6)
    assert refused.value.status == 429
    assert refused.value.headers[FULL] == "tasks"
    assert int(refused.value.headers["Retry-After"]) > 0
    assert door.refused == 1


def test_hosts_count_as_they_are(cell: CellInMemory) -> None:
    hosts = len(cell.machine.state.hosts)
    RatedDoor(Rated(hosts=hosts)).demand(cell.machine.state, 1)
    with pytest.raises(Problem) as refused:
        RatedDoor(Rated(hosts=hosts - 1)).demand(cell.machine.state, 1)
    assert refused.value.headers[FULL] == "hosts"


def test_launches_are_counted_over_a_minute_and_forgotten_after_it(cell: CellInMemory) -> None:
    now_ms = 1_000
    state = cell.machine.state
    door = RatedDoor(Rated(launches_per_s=1), lambda: now_ms)
    door.demand(state, 40)
    door.demand(state, 20)
    assert door.full_ppm(state) == 1_000_000
    with pytest.raises(Problem, match="launches within a minute"):
        door.demand(state, 1)
    now_ms += WINDOW_MS
    assert door.full_ppm(state) == 0
    door.demand(state, 1)


def test_one_large_job_passes_an_idle_door(cell: CellInMemory) -> None:
    door = RatedDoor(Rated(launches_per_s=1), lambda: 0)
    door.demand(cell.machine.state, 1_000)
    with pytest.raises(Problem):
        door.demand(cell.machine.state, 1)


def test_without_a_size_nothing_is_refused(cell: CellInMemory) -> None:
    door = RatedDoor()
    door.demand(cell.machine.state, 1_000_000)
    assert door.full_ppm(cell.machine.state) == 0


def test_the_part_that_is_used_most_is_what_alerts_look_at(cell: CellInMemory) -> None:
    state = cell.machine.state
    door = RatedDoor(Rated(hosts=len(state.hosts) * 4, tasks=len(state.tasks) * 2))
    assert door.full_ppm(state) == 500_000


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("hosts=5,tasks=7,launches_per_s=3", Rated(5, 7, 3)),
        ("tasks=7", Rated(0, 7, 0)),
        ("hosts=0", Rated()),
    ],
)
def test_the_setting_reads(text: str, expected: Rated) -> None:
    assert read(text) == expected


@pytest.mark.parametrize("text", ["hosts", "hosts=-1", "cpus=3", "hosts=1,hosts=2", "hosts=many"])
def test_what_the_setting_refuses(text: str) -> None:
    with pytest.raises(ValueError, match="NAME=NUMBER"):
        read(text)
