"""Scheduling results: what rounds said of a task, now and at an address."""

from projections.scheduling import Json, scheduling_result
from scheduler.model.address import parse_address
from scheduler.model.ids import TaskId
from scheduler.model.resources import Need
from tests.support.cell import batch
from tests.unit.projections.watched import WatchedCell, watched_cell


def result(cell: WatchedCell, task_id: str, address: str = "") -> Json:
    """What is told, at the round of an address or now."""
    spot = None
    if address:
        parsed = parse_address(address)
        spot = (parsed.offset, parsed.index)
    found = scheduling_result(cell.view, TaskId(task_id), spot)
    assert found is not None
    return found


def test_an_unknown_task_has_no_result() -> None:
    assert scheduling_result(watched_cell().view, TaskId("no-worker-0-1")) is None


def test_before_any_round_nothing_is_told() -> None:
    cell = watched_cell()
    cell.submit(batch(1))
    found = result(cell, "job-worker-0-1")
    assert found["state"] == "Accepted"
    assert "no round" in found["message"]


def test_a_placed_task_tells_parts_and_the_runner_up() -> None:
    cell = watched_cell(hosts=2)
    cell.submit(batch(1))
    (task_id,) = cell.launched()
    told = result(cell, task_id)
    success = told["success"]
    assert cell.has_event(told["round"])
    assert (told["mode"], told["policyVersion"], told["hosts"]) == ("normal", 1, 2)
    assert {success["host"], success["runnerUp"]} == {"name-of-host1", "name-of-host2"}
    assert success["fitness"] >= success["runnerUpFitness"] > 0
    assert set(success["parts"]) == set(success["runnerUpParts"]) >= {"packing"}


def test_a_past_round_is_told_as_it_was() -> None:
    cell = watched_cell(hosts=1)
    cell.submit(batch(1, need=Need(9_000, 256)))
    cell.decide_and_carry_out()
    task_id = cell.task().task_id
    refused = result(cell, task_id)
    assert [each["rule"] for each in refused["failures"]] == ["cpu"]
    assert refused["failures"][0]["nearestHost"] == "name-of-host1"
    assert refused["wake"]
    cell.offer("host9", cpus=10)
    assert cell.launched() == [task_id]
    now = result(cell, task_id)
    assert now["success"]["host"] == "name-of-host9"
    assert result(cell, task_id, refused["round"])["failures"] == refused["failures"]
    assert result(cell, task_id, now["round"])["success"] == now["success"]


def test_a_round_before_the_task_was_there_says_nothing() -> None:
    cell = watched_cell(hosts=1)
    cell.submit(batch(1, need=Need(9_000, 256)), "first")
    cell.decide_and_carry_out()
    early = result(cell, "first-worker-0-1")["round"]
    cell.submit(batch(1), "second")
    cell.launched()
    assert "message" in result(cell, "second-worker-0-1", early)
