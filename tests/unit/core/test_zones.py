"""A zone that is cut off (fault 29): waited for, paged, and given up when an operator says so."""

from scheduler.model.changes import CellPaged
from scheduler.model.ids import HostId, OfferId, TaskId
from scheduler.model.inbound import RulesChangeAsked
from scheduler.model.mesos import HostFacts, Offer
from scheduler.model.policy import Policy
from scheduler.model.proposals import KillTask, LaunchTasks
from scheduler.model.resources import PortRange, Resources
from scheduler.model.task import Disconnected, Finished, Started
from tests.support.cell import CellInMemory, service

ZONES = ("a", "b", "c")
HOSTS = 6
"""In each zone."""


def three_zones() -> tuple[CellInMemory, dict[str, list[TaskId]]]:
    """A cell of three zones, every host busy, and the tasks by zone."""
    cell = CellInMemory(Policy())
    cell.elect()
    cell.subscribe()
    for zone in ZONES:
        for number in range(HOSTS):
            offer(cell, zone, number)
    cell.submit(service(2 * HOSTS * len(ZONES)))
    for task_id in cell.launched():
        cell.status(task_id, "TASK_RUNNING")
    there: dict[str, list[TaskId]] = {zone: [] for zone in ZONES}
    for task in cell.tasks():
        there[cell.place(task.task_id).host_id[0]].append(task.task_id)
    assert all(len(each) == 2 * HOSTS for each in there.values())
    return cell, there


def offer(cell: CellInMemory, zone: str, number: int, name: str = "") -> None:
    """Offer one host of a zone, with room for two tasks."""
    host = f"{zone}{number}"
    cell.offers(
        Offer(
            offer_id=OfferId(name or f"offer-{len(cell.log)}"),
            host_id=HostId(host),
            resources=Resources(1_000, 512, 1_000, (PortRange(31_000, 31_999),)),
            facts=HostFacts(hostname=host, attributes=(("zone", zone),)),
        )
    )


def zone_pages(cell: CellInMemory) -> list[str]:
    """The zones that were paged for."""
    return [each.key for each in cell.said(CellPaged) if each.kind == "zone"]


def test_a_zone_cut_off_for_ten_minutes_is_waited_for() -> None:
    cell, there = three_zones()
    for task_id in there["b"]:
        cell.answer(task_id, "TASK_UNREACHABLE")
    cell.pass_ms(600_000)
    assert all(isinstance(cell.task_state(each), Disconnected) for each in there["b"])
    assert cell.state.queued_tasks == 0
    assert zone_pages(cell) == ["b"]
    assert cell.state.safe is None
    for task_id in there["b"]:
        cell.status(task_id, "TASK_RUNNING", uuid="")
    cell.pass_ms(600_000)
    assert cell.proposed(KillTask) == []
    assert cell.proposed(LaunchTasks) == []
    running = [task for task in cell.tasks() if isinstance(task.state, Started)]
    assert len(running) == 2 * HOSTS * len(ZONES), "one of each, and the same as before"


def test_half_a_zone_is_no_zone() -> None:
    cell, there = three_zones()
    away = [each for each in there["b"] if cell.place(each).host_id in {"b0", "b1", "b2"}]
    for task_id in away:
        cell.answer(task_id, "TASK_UNREACHABLE")
    cell.pass_ms(60_000)
    assert all(isinstance(cell.task_state(each), Finished) for each in away)
    assert zone_pages(cell) == []


def test_an_operator_who_declares_the_zone_lost_has_its_tasks_replaced() -> None:
    cell, there = three_zones()
    for task_id in there["b"]:
        cell.answer(task_id, "TASK_UNREACHABLE")
    cell.pass_ms(120_000)
    cell.copy("commands", RulesChangeAsked(actor="op", why="no power", lost_zones=("b",)))
    cell.pass_ms(10_000)
    assert all(isinstance(cell.task_state(each), Finished) for each in there["b"])
    assert cell.state.queued_tasks == len(there["b"])


def test_even_a_cut_off_zone_is_not_waited_for_for_ever() -> None:
    cell, there = three_zones()
    for task_id in there["b"]:
        cell.answer(task_id, "TASK_UNREACHABLE")
    cell.pass_ms(1_790_000)
    assert all(isinstance(cell.task_state(each), Disconnected) for each in there["b"])
    cell.pass_ms(30_000)
    assert all(isinstance(cell.task_state(each), Finished) for each in there["b"])


def test_duplicates_of_a_zone_given_up_are_ended_within_the_budget() -> None:
    """What was replaced and comes back is one too many: ended, but no more than ten an hour."""
    cell, there = three_zones()
    for task_id in there["b"]:
        cell.answer(task_id, "TASK_UNREACHABLE")
    cell.pass_ms(1_830_000)
    for number in range(HOSTS):
        offer(cell, "a", number + 100)
    for task_id in cell.launched():
        cell.status(task_id, "TASK_RUNNING")
    for task_id in there["b"]:
        cell.status(task_id, "TASK_RUNNING")
    kills = {each.task_id for each in cell.proposed(KillTask)}
    assert len(kills) == cell.state.policy.inferred_kills_per_hour
    assert kills <= set(there["b"])
