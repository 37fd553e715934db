"""A registry's word of a task's health, in budgets that name the registry.

How: records are copied into the log of a cell in memory, and evictions asked for.
"""

from typing import Any

from scheduler.model.disruption import UnhealthyTasks
from scheduler.model.foreign import decode_commands_record
from scheduler.model.foreign_registry_health import encode_note_registry_health
from scheduler.model.ids import TaskId
from scheduler.model.inbound import InboundRejected
from scheduler.model.registry_health import RegistryHealthNoted
from tests.support.cell import CellInMemory, running_cell, service
from tests.unit.core.test_evictions import budgeted, evict, filled


def cell_of(health: tuple[str, ...], size: int = 4) -> tuple[CellInMemory, list[TaskId]]:
    cell = filled(running_cell(hosts=3))
    return cell, list(cell.run(budgeted(service(size), UnhealthyTasks(1), health=health)))


def note(cell: CellInMemory, healthy: Any = (), unhealthy: Any = ()) -> None:
    cell.copy("commands", RegistryHealthNoted("eureka", tuple(healthy), tuple(unhealthy)))


def test_what_the_registry_calls_healthy_counts_and_what_it_calls_ill_may_go() -> None:
    cell, (first, second, *others) = cell_of(("eureka",))
    note(cell, (second, *others), (first,))
    assert evict(cell, second).limit == "health"
    assert evict(cell, first).is_allowed
    assert cell.refolded().digest.value() == cell.machine.digest.value()


def test_unhealthy_by_one_of_several_is_unhealthy() -> None:
    cell, task_ids = cell_of(("eureka", "mesos"))
    note(cell, task_ids)
    cell.status(task_ids[0], "TASK_RUNNING", is_healthy=False)
    assert evict(cell, task_ids[1]).limit == "health"
    assert evict(cell, task_ids[0]).is_allowed


def test_the_registrys_word_is_not_asked_where_nobody_names_it() -> None:
    cell, task_ids = cell_of(())
    note(cell, (), task_ids)
    assert evict(cell, task_ids[0]).is_allowed


def test_a_registry_that_is_silent_opens_no_budget() -> None:
    cell, task_ids = cell_of(("eureka",))
    assert evict(cell, task_ids[0]).limit == "health", "nothing was said yet"
    note(cell, task_ids)
    step_ms = cell.state.policy.registry_health_ms // 12
    cell.tick(step_ms, times=12)
    assert evict(cell, task_ids[0]).limit == "health", "what was said is too old"
    note(cell, task_ids)
    assert evict(cell, task_ids[0]).is_allowed


def test_only_what_lives_is_kept() -> None:
    cell, task_ids = cell_of(("eureka",))
    note(cell, [*task_ids, TaskId("none-worker-0-1")])
    assert {task for _, task in cell.state.registry_health} == set(task_ids)
    cell.status(task_ids[0], "TASK_FAILED")
    note(cell)
    assert task_ids[0] not in {task for _, task in cell.state.registry_health}
    assert cell.refolded().digest.value() == cell.machine.digest.value()


def test_records_are_read_as_written_and_others_refused() -> None:
    value = encode_note_registry_health("eureka", ["a-worker-0-1"], ["a-worker-1-2"], "me")
    found = decode_commands_record(None, value)
    assert found == RegistryHealthNoted(
        "eureka", (TaskId("a-worker-0-1"),), (TaskId("a-worker-1-2"),), "me"
    )
    for registry, healthy, unhealthy, field in (
        ("consul", [], [], "registry"),
        ("eureka", ["no task"], [], "healthy[0]"),
        ("eureka", ["a-worker-0-1", "a b-worker-0-1"], [], "healthy[1]"),
        ("eureka", [], ["a-worker-0-" + "1" * 1_000], "unhealthy[0]"),
        ("eureka", ["a-worker-0-1"], ["a-worker-0-1"], "healthy"),
    ):
        value = encode_note_registry_health(registry, healthy, unhealthy, "me")
        refused = decode_commands_record(None, value)
        assert isinstance(refused, InboundRejected)
        assert [each.field for each in refused.faults] == [field]
