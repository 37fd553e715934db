"""Above the size that a cell is rated for new jobs are refused, and nothing else is."""

import pytest

from connectors.web.rated import FULL
from projections.rated import WINDOW_MS, Full, Rated, RatedDoor
from streams.setting_texts import rated as read
from tests.support.asgi import call
from tests.support.cell import CellInMemory, batch, running_cell
from tests.support.web_cell import WebCell
from tests.support.world import batch_of

BODY = batch_of(1, "true")


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
    with pytest.raises(Full) as refused:
        door.demand(state, 6)
    assert (refused.value.name, refused.value.most) == ("tasks", len(state.tasks) + 5)
    assert door.refused == 1


def test_hosts_count_as_they_are(cell: CellInMemory) -> None:
    hosts = len(cell.machine.state.hosts)
    RatedDoor(Rated(hosts=hosts)).demand(cell.machine.state, 1)
    with pytest.raises(Full) as refused:
        RatedDoor(Rated(hosts=hosts - 1)).demand(cell.machine.state, 1)
    assert refused.value.name == "hosts"


def test_launches_are_counted_over_a_minute_and_forgotten_after_it(cell: CellInMemory) -> None:
    now_ms = 1_000
    state = cell.machine.state
    door = RatedDoor(Rated(launches_per_s=1), lambda: now_ms)
    door.demand(state, 40)
    door.demand(state, 20)
    assert door.full_ppm(state) == 1_000_000
    with pytest.raises(Full, match="launches"):
        door.demand(state, 1)
    now_ms += WINDOW_MS
    assert door.full_ppm(state) == 0
    door.demand(state, 1)


def test_one_large_job_passes_an_idle_door(cell: CellInMemory) -> None:
    door = RatedDoor(Rated(launches_per_s=1), lambda: 0)
    door.demand(cell.machine.state, 1_000)
    with pytest.raises(Full):
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


def test_the_api_answers_429_for_a_new_job_and_knows_an_old_one_again() -> None:
    web = WebCell()
    web.rated.rated = Rated(tasks=1)
    target = "/api/v3/jobs?jobId={}"
    assert call(web.app, "POST", target.format("one"), BODY).status == 201
    assert call(web.app, "POST", target.format("one"), BODY).status == 201, "a repetition"
    full = call(web.app, "POST", target.format("two"), BODY)
    assert full.status == 429
    assert full.headers[FULL.lower()] == "tasks"
    assert int(full.headers["retry-after"]) > 0
    assert "rated size: 2 tasks exceed 1" in full.json["message"]
    assert call(web.app, "GET", "/api/v3/jobs/one").status == 200
