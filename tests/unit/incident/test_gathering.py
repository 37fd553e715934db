"""What is gathered of a stretch of the log, beside what one day has: held against the fold."""

import pytest
from msgspec.structs import replace

from projections.incident.gathering import Gathering, tasks_of_hosts
from projections.incident.shapes import Incident, IncidentLine, SectionName
from scheduler.machine import Machine
from scheduler.model.codec import decode_record
from scheduler.model.events import PolicySet, Tick
from scheduler.model.ids import HostId
from scheduler.model.inbound import PolicyAsked
from scheduler.model.mesos import HostFacts
from scheduler.model.policy import Policy
from scheduler.model.proposals import KillTask
from scheduler.model.resources import Need, PortRange, Resources
from scheduler.model.task import Finished
from tests.support.cell import CellInMemory, batch, offer_of, running_cell, service
from tests.unit.core.test_guards import cell_with, fail


def gathered(cell: CellInMemory, first: int = 0) -> Incident:
    """All from this record on."""
    machine = Machine()
    records = [decode_record(data) for data in cell.log]
    for offset, record in enumerate(records[:first]):
        machine.apply(offset, record)
    gathering = Gathering(machine.state)
    for offset, record in enumerate(records[first:], first):
        gathering.take(offset, record, machine.apply(offset, record))
    return gathering.incident(machine.state, 1_000)


def lines(found: Incident, name: SectionName) -> tuple[IncidentLine, ...]:
    """The lines of a section."""
    (section,) = (each for each in found.sections if each.name == name)
    return section.lines


def test_a_jump_of_time_is_told_at_its_tick() -> None:
    cell = running_cell(1)
    first = len(cell.log)
    cell.tick(61_000)
    (line,) = (each for each in lines(gathered(cell, first), "leaders"))
    assert (line.what, line.weight, line.at_ms) == ("time gap", "warning", cell.now_ms)
    assert line.text == "time went on by 1 min 1 s at once"
    assert line.address.endswith(f":{first}[0]")


def test_quality_that_is_suspended_and_not_any_more_is_told_twice() -> None:
    cell = cell_with(hosts=4)
    first = len(cell.log)
    for number in (1, 2):
        for job in ("a", "b", "c", "d"):
            fail(cell, f"host{number}", f"{job}{number}", times=4)
    cell.pass_ms(310_000)
    assert not cell.state.is_quality_suspended
    told = [each for each in lines(gathered(cell, first), "safety") if "guard" in each.what]
    assert [(each.what, each.weight) for each in told] == [("guard", "warning"), ("guard over", "")]
    assert told[0].text == "too many hosts are bad: none is held back for its quality"


def test_what_rounds_refuse_is_counted_by_job() -> None:
    cell = running_cell(1)
    first = len(cell.log)
    cell.submit(batch(3, need=Need(cpu_milli=64_000, memory_mib=64)), "large")
    cell.launched()
    found = gathered(cell, first)
    (job,) = (each for each in found.movers.jobs if each.name == "large")
    assert job.numbers["refused by rounds"] >= 1


def test_tasks_that_are_disconnected_are_told_with_their_host() -> None:
    cell = running_cell(1)
    (task_id,) = cell.run(service(1), "svc")
    cell.status(task_id, "TASK_RUNNING")
    first = len(cell.log)
    cell.status(task_id, "TASK_UNREACHABLE")
    found = gathered(cell, first)
    (line,) = lines(found, "hosts")
    assert (line.what, line.task_id, line.job_id) == ("disconnected", task_id, "svc")
    assert (line.text, line.weight) == ("disconnected with its host name-of-host1", "warning")
    assert found.steps == {"Disconnected": 1}
    (host,) = found.movers.hosts
    assert (host.name, host.numbers) == ("name-of-host1", {"Disconnected": 1})


def test_an_end_that_was_wanted_is_no_line() -> None:
    cell = running_cell(1)
    (task_id,) = cell.run(batch(), "job")
    cell.status(task_id, "TASK_RUNNING")
    cell.status(task_id, "TASK_FINISHED")
    found = gathered(cell)
    assert isinstance(cell.task_state(task_id), Finished)
    assert (found.ends, lines(found, "endings")) == ({"normal": 1}, ())
    (job,) = found.movers.jobs
    assert (job.numbers["ended"], job.numbers.get("failed")) == (1, None)


def test_a_policy_with_many_other_parts_names_ten() -> None:
    cell = running_cell(1)
    names = [
        name
        for name in Policy.__struct_fields__
        if name.endswith("_ms") and isinstance(getattr(cell.state.policy, name), int)
    ][:13]
    first = len(cell.log)
    values = {name: getattr(cell.state.policy, name) + 1 for name in names}
    cell.write(PolicySet(version=2, policy=replace(cell.state.policy, **values)))
    (line,) = lines(gathered(cell, first), "policy")
    assert line.text.count("→") == 10
    assert line.text.endswith("and 3 more")
    assert line.text.startswith("version 2. ")


def test_a_policy_that_was_asked_for_says_why_and_by_whom() -> None:
    cell = running_cell(1)
    first = len(cell.log)
    cell.copy("commands", PolicyAsked(values={"orphans_max": 7}, actor="ada", why="few are known"))
    (line,) = lines(gathered(cell, first), "policy")
    assert line.actor == "ada"
    assert line.text == "version 2, few are known. limits.orphans_max: 10000 → 7"


def test_kills_that_are_refused_are_told_as_refusals_alone() -> None:
    cell = running_cell(1)
    (task_id,) = cell.run(service(1), "svc")
    first = len(cell.log)
    cell.write(KillTask(task_id, HostId("host1")))
    told = [(each.what, each.text) for each in lines(gathered(cell, first), "decisions")]
    assert len(told) == 1
    assert "refused" in told[0][0]


def test_a_policy_stands_at_its_own_event_whatever_follows_in_the_record() -> None:
    cell = running_cell(1)
    first = len(cell.log)
    policy = replace(cell.state.policy, orphans_max=7)
    cell.write(Tick(), PolicySet(version=2, policy=policy), Tick())
    (line,) = lines(gathered(cell, first), "policy")
    assert line.address.endswith(f":{first}[1]")
    assert line.text == "version 2. limits.orphans_max: 10000 → 7"


def test_a_guard_is_told_at_the_record_where_it_began_and_where_it_ended() -> None:
    cell = cell_with(hosts=4)
    for number in (1, 2):
        for job in ("a", "b", "c", "d"):
            fail(cell, f"host{number}", f"{job}{number}", times=4)
    began = len(cell.log)
    assert cell.state.is_quality_suspended
    cell.pass_ms(310_000)
    (over,) = (each for each in lines(gathered(cell, began), "safety") if "guard" in each.what)
    assert (over.what, over.weight) == ("guard over", "")
    assert over.text == "too many hosts are bad: none is held back for its quality"


def test_of_more_tasks_than_are_followed_steps_within_a_state_count_as_well(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cell = running_cell(1)
    cell.run(batch(2), "job")
    whole = gathered(cell).steps
    assert whole == dict.fromkeys(("Accepted", "Launched", "StartInitiated", "Started"), 2)
    monkeypatch.setattr("projections.incident.gathering.TASKS_FOLLOWED_MAX", 1)
    found = gathered(cell)
    assert found.steps == {"Accepted": 3, "Launched": 3, "StartInitiated": 2, "Started": 2}
    assert found.movers.jobs[0].numbers["Launched"] == 3


def test_an_end_without_a_host_moves_no_host() -> None:
    cell = running_cell(0)
    cell.submit(batch(), "job")
    cell.kill_task(cell.task(0, "job").task_id)
    found = gathered(cell)
    assert found.ends == {"killed": 1}
    assert found.movers.hosts == ()
    (job,) = found.movers.jobs
    assert job.numbers["ended"] == 1


def test_tasks_of_a_host_that_came_back_as_another_count_under_its_name() -> None:
    cell = running_cell(1)
    cell.run(batch(2), "before")
    there = Resources(4_000, 8_192, 10_000, (PortRange(31_000, 31_999),))
    again = replace(offer_of("again", "host9", there), facts=HostFacts("name-of-host1"))
    cell.offers(again)
    cell.run(batch(1, need=Need(cpu_milli=4_000, memory_mib=64)), "after")
    assert tasks_of_hosts(cell.state) == {"name-of-host1": 3}
