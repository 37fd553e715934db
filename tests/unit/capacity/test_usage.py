"""What groups and applications hold, counted by jobs, and task by task where a job is mixed."""

from msgspec.structs import replace

from projections.capacity import Usage, capacity, consumption, group_usage, usages
from scheduler.model.descriptor import spec_digest
from scheduler.model.ids import JobId
from scheduler.model.inbound import RulesAsked
from scheduler.model.job import JobSpec
from scheduler.model.job_updates import JobUpdateAsked, Share, UpdatePlan
from scheduler.model.resources import Need
from scheduler.model.rules import Amount, CapacityGroup, PlacementRules
from scheduler.state import State
from tests.support.cell import CellInMemory, running_cell, service

RULES = PlacementRules(
    groups=(
        CapacityGroup("web", "Critical", guarantee=Amount(cpu_milli=1_000, memory_mib=4_096)),
        CapacityGroup("part", "Critical", guarantee=Amount(cpu_milli=600), parent="web"),
        CapacityGroup("DEFAULT", "Flex"),
    )
)


def of_group(group: str, application: str, count: int, need: Need) -> JobSpec:
    """A service in a group."""
    spec = service(count, need=need)
    return replace(spec, capacity_group=group, application_name=application)


def grouped() -> CellInMemory:
    """A cell with three groups, two of which hold something."""
    cell = running_cell(hosts=2)
    cell.copy("commands", RulesAsked(rules=RULES, values={}, actor="op", why="test"))
    cell.run(of_group("web", "shop", 2, Need(700, 256, 10)), "shop")
    cell.offer("host3")
    cell.run(of_group("", "tools", 1, Need(500, 128, 10)), "tools")
    return cell


def test_what_is_held_stands_by_tier_group_and_application() -> None:
    cell = grouped()
    assert usages(cell.state) == [
        Usage("Critical", "web", "shop", (1_400, 512, 20, 0, 0), 2),
        Usage("Flex", "DEFAULT", "tools", (500, 128, 10, 0, 0), 1),
    ]
    assert group_usage(cell.state, "web") == (1_400, 512, 20, 0, 0)
    assert group_usage(cell.state, "part") == (0, 0, 0, 0, 0)


def test_a_job_that_is_forgotten_holds_nothing() -> None:
    state = State()
    state.on_hosts[JobId("gone")] = 2
    assert usages(state) == []


def test_guarantees_of_groups_below_others_are_not_added_again() -> None:
    told = consumption(grouped().state)
    assert told["allowedConsumption"]["cpu"] == 1.0
    critical = told["contributors"]["Critical"]
    assert critical["allowedConsumption"] == told["allowedConsumption"]
    assert critical["isAboveLimit"] is True
    assert critical["contributors"]["web"]["isAboveLimit"] is True
    part = critical["contributors"]["part"]
    assert (part["allowedConsumption"]["cpu"], part["isAboveLimit"]) == (0.6, False)
    shop = critical["contributors"]["web"]["contributors"]["shop"]
    assert shop["attributes"] == {"tasks": "2"}


def test_while_a_job_is_updated_each_task_counts_by_its_own_version() -> None:
    cell = running_cell(hosts=2)
    job_id = JobId("job")
    cell.run(service(4, need=Need(500, 256, 10)))
    new = service(4, need=Need(900, 512, 20))
    plan = UpdatePlan(batch=Share(count=1), max_unavailable=Share(count=1))
    cell.copy("jobs", JobUpdateAsked(job_id, new, spec_digest(new), plan, "ada"))
    cell.tick()
    cell.decide_and_carry_out()
    (going,) = cell.state.killing
    cell.status(going, "TASK_KILLED")
    assert cell.state.on_hosts[job_id] == 3
    (held,) = usages(cell.state)
    assert (held.amount, held.tasks) == ((1_500, 768, 30, 0, 0), 3), "the next one waits"
    cell.offer("host1")
    cell.offer("host2")
    cell.tick(5_000)
    cell.launched()
    (held,) = usages(cell.state)
    assert (held.amount, held.tasks) == ((2_400, 1_280, 50, 0, 0), 4)


def test_tiers_tell_what_they_hold_of_what_they_must_have() -> None:
    told = capacity(grouped().state)
    (critical,) = told["tiers"]
    assert (critical["tier"], critical["held"]["cpu"]) == ("Critical", 1.4)
    assert critical["guarantee"]["cpu"] == 1.0
    assert told["leftAlone"] == ["Flex"], "nothing is guaranteed there"
