"""Volumes and static addresses in the log: made, attached, kept over replacements, pinned, freed.

How: a cell in memory; its box is played by hand, each work done by an event as the leader writes
it. The invariants hold after every record: one task for each volume and address.
"""

from typing import Any

import pytest
from msgspec.structs import replace

from scheduler.fold.admission import update_faults
from scheduler.fold.storage import is_attached, waits_for
from scheduler.model.changes import JobRejected
from scheduler.model.events import RoundRecord
from scheduler.model.ids import JobId, TaskId
from scheduler.model.inbound import Fault
from scheduler.model.job import JobSpec
from scheduler.model.job_requests import TaskMoveAsked
from scheduler.model.job_updates import Share, UpdatePlan
from scheduler.model.proposals import LaunchTasks
from scheduler.model.task import Disconnected, Finished, KillInitiated, Placed, Queued, Started
from scheduler.model.volumes import (
    AddressAllocation,
    HoldsReleased,
    VolumeChanged,
    VolumeClaim,
    VolumeId,
    VolumeMeasured,
    VolumeOrdered,
    VolumeWorkEnded,
    VolumeWorkStarted,
)
from scheduler.volumes.standing import Volume
from tests.support.cell import CellInMemory, batch, running_cell, service

VOLUME = VolumeId("job-volume-data-0")
DATA = VolumeClaim("data", "/data", size_mib=100)
ADDRESS = AddressAllocation("a-0", "10.0.0.9")


def persistent(spec: JobSpec, **fields: Any) -> JobSpec:
    return replace(spec, volumes=(DATA,), **fields)


def do_works(cell: CellInMemory, fate: Any = "done", **told: Any) -> list[str]:
    """Carry out all works that there are, and those that follow; what was done."""
    done = []
    while cell.state.volume_works:
        volume_id = next(iter(cell.state.volume_works))
        work = cell.state.volumes[volume_id].work
        assert work is not None
        cell.write(VolumeWorkStarted(volume_id, work.number))
        values = {"host": work.host, "zone": work.zone, "path": f"/v/{volume_id}"} | told
        cell.write(VolumeWorkEnded(volume_id, work.number, fate, **values))
        done.append(f"{work.verb}")
    return done


def launched(cell: CellInMemory) -> list[TaskId]:
    """Run rounds as the outbox does: a launch leaves when its volumes are there."""
    found = []
    for _ in range(10):
        for proposal_id, proposal in cell.decide():
            if proposal_id not in cell.state.decisions:
                continue
            if isinstance(proposal, LaunchTasks):
                do_works(cell)
                if proposal_id not in cell.state.decisions:
                    continue
                assert all(is_attached(cell.state, each.task_id) for each in proposal.launches)
                found += [each.task_id for each in proposal.launches]
            cell.carry_out(proposal_id)
    return found


def volume(cell: CellInMemory, volume_id: str = VOLUME) -> Volume:
    return cell.state.volumes[VolumeId(volume_id)]


def order(
    cell: CellInMemory, what: Any, argument: str = "", volume_id: str = VOLUME
) -> Fault | None:
    cell.copy("commands", VolumeOrdered(VolumeId(volume_id), what, "ada", "test", argument))
    faults = [each.faults[0] for each in cell.said_last() if isinstance(each, JobRejected)]
    return faults[0] if faults else None


def running(spec: JobSpec, hosts: int = 2) -> CellInMemory:
    cell = running_cell(hosts)
    cell.submit(spec)
    for task_id in launched(cell):
        cell.status(task_id, "TASK_RUNNING")
    return cell


def refolds(cell: CellInMemory) -> None:
    assert cell.refolded().digest.value() == cell.machine.digest.value()


def test_a_launch_waits_until_its_volume_is_made_and_attached() -> None:
    cell = running_cell(1)
    cell.submit(persistent(service(1)))
    assert volume(cell).state == "wanted"
    [(proposal_id, _)] = [each for each in cell.decide() if isinstance(each[1], LaunchTasks)]
    (task,) = cell.tasks()
    assert volume(cell).state == "creating"
    assert not is_attached(cell.state, task.task_id)
    assert do_works(cell) == ["create", "attach"]
    assert is_attached(cell.state, task.task_id)
    cell.carry_out(proposal_id)
    cell.status(task.task_id, "TASK_RUNNING")
    there = volume(cell)
    assert there.attachment is not None
    assert (there.state, there.attachment.path) == ("attached", f"/v/{VOLUME}")
    refolds(cell)


def test_a_replacement_keeps_the_volume_and_goes_where_the_data_are() -> None:
    cell = running(persistent(batch(2, retries=5)))
    host = cell.state.hostname(cell.place(cell.task(1).task_id).host_id)
    for _ in range(3):
        before = cell.task(1)
        cell.status(before.task_id, "TASK_FAILED")
        assert do_works(cell) == ["detach"]
        cell.tick(1_000, 70)
        for number in (1, 2):
            cell.offer(f"host{number}", cpus=64)
        (task_id,) = launched(cell)
        assert cell.task(1).original_id == before.original_id
        assert cell.state.hostname(cell.place(task_id).host_id) == host
        cell.status(task_id, "TASK_RUNNING")
    assert volume(cell, "job-volume-data-1").host == host
    refolds(cell)


def test_why_names_the_volume_where_its_host_has_no_room() -> None:
    cell = running(persistent(service(1)), hosts=1)
    cell.kill_task(cell.task().task_id)
    cell.decide_and_carry_out()
    cell.status(cell.task().task_id, "TASK_KILLED")
    do_works(cell)
    for offer_id in list(cell.state.offers):
        cell.rescind(offer_id)
    cell.tick(1_000, 2)
    cell.offer("host2")
    (record,) = [each for each in cell.machine.decide() if isinstance(each, RoundRecord)]
    (rule,) = record.refusals[0].refusals
    assert rule.rule == "machineId"
    assert rule.missing.endswith(f"'name-of-host1' is wanted, where volume {VOLUME} is")


def test_who_was_given_up_unheard_keeps_volume_and_address_until_its_end_is_known() -> None:
    cell = running(persistent(service(1), addresses=(ADDRESS,)))
    lost = cell.task().task_id
    cell.status(lost, "TASK_UNREACHABLE")
    cell.is_in(lost, Disconnected)
    cell.tick(30_000, 4)
    assert cell.is_in(lost, Finished).is_abandoned
    waiting = cell.task()
    assert isinstance(waiting.state, Queued)
    assert launched(cell) == []
    assert waits_for(cell.state, waiting)[0] == (
        f"volume {VOLUME} is held by task {lost}, whose end is not known"
    )
    assert volume(cell).state == "attached"
    cell.status(lost, "TASK_GONE")
    assert do_works(cell) == ["detach"]
    cell.offer("host1", cpus=64)
    assert launched(cell) == [waiting.task_id]
    refolds(cell)


def test_an_operator_releases_what_a_task_holds_that_he_knows_to_have_ended() -> None:
    cell = running(persistent(service(1), addresses=(ADDRESS,)))
    lost = cell.task().task_id
    release = HoldsReleased(lost, "ada", "the rack burnt down")
    cell.copy("commands", release)
    assert [each.faults[0].code for each in cell.said(JobRejected)] == ["state"]
    cell.status(lost, "TASK_UNREACHABLE")
    cell.tick(30_000, 4)
    cell.copy("commands", release)
    assert do_works(cell) == ["detach"]
    assert not cell.state.holds
    cell.copy("commands", release)
    assert [each.faults[0].code for each in cell.said(JobRejected)] == ["state", "unknown"]


def test_two_jobs_with_one_address_take_turns() -> None:
    cell = running_cell(2)
    spec = replace(service(1), addresses=(ADDRESS,))
    cell.submit(spec, "a")
    cell.submit(spec, "b")
    assert len(launched(cell)) == 1
    first, second = cell.task(job_id="a"), cell.task(job_id="b")
    assert isinstance(second.state, Queued)
    assert waits_for(cell.state, second) == (f"address 10.0.0.9 is held by task {first.task_id}",)
    cell.kill_job("a")
    cell.decide_and_carry_out()
    cell.status(first.task_id, "TASK_KILLED")
    cell.offer("host1", cpus=64)
    assert launched(cell) == [second.task_id]
    refolds(cell)


def end_and_offer(cell: CellInMemory, task_id: TaskId) -> None:
    cell.status(task_id, "TASK_FAILED")
    for host in ("host1", "host2"):
        cell.offer(host, cpus=64)


@pytest.mark.parametrize("has_volume", [True, False])
def test_a_replacement_keeps_its_address_though_another_job_waits_for_it(has_volume: bool) -> None:
    cell = running_cell(2)
    spec = replace(service(1), addresses=(ADDRESS,), volumes=(DATA,) if has_volume else ())
    cell.submit(spec, "a")
    cell.submit(spec, "b")
    (first,) = launched(cell)
    cell.status(first, "TASK_RUNNING")
    end_and_offer(cell, first)
    again = cell.task(job_id="a").task_id
    wanted = f"address 10.0.0.9 is wanted by task {again} first"
    assert wanted in waits_for(cell.state, cell.task(job_id="b"))
    said = len(cell.log)
    assert launched(cell) == [], "its volume is detached, or its retry is not due"
    assert len(cell.log) == said, "nothing is proposed that would be refused"
    do_works(cell)
    cell.tick(1_000, 70)
    for host in ("host1", "host2"):
        cell.offer(host, cpus=64)
    assert launched(cell) == [again]
    refolds(cell)


def test_who_comes_second_goes_on_where_the_first_needs_it_no_more() -> None:
    cell = running_cell(2)
    spec = replace(service(1), addresses=(ADDRESS,))
    cell.submit(spec, "a")
    cell.submit(spec, "b")
    (first,) = launched(cell)
    cell.status(first, "TASK_RUNNING")
    end_and_offer(cell, first)
    cell.scale(desired=0, minimum=0, job_id="a")
    assert launched(cell) == [cell.task(job_id="b").task_id]
    refolds(cell)


def test_a_zone_pins_and_an_election_gives_up_what_was_not_started() -> None:
    cell = running_cell(1)
    cell.submit(persistent(service(1)))
    cell.decide()
    assert isinstance(cell.task().state, Placed)
    cell.elect("cell-1")
    assert isinstance(cell.task().state, Queued)
    assert do_works(cell) == ["create"]
    cell.subscribe()
    cell.decide_and_carry_out()
    cell.offer("host1")
    assert len(launched(cell)) == 1
    refolds(cell)


def test_a_volume_that_cannot_be_made_is_tried_again_and_then_waits_for_an_operator() -> None:
    cell = running_cell(1)
    cell.submit(persistent(service(1)))
    for attempt in range(1, 6):
        cell.decide()
        assert do_works(cell, "refused", detail="no room") == ["create"]
        assert isinstance(cell.task().state, Queued)
        assert volume(cell).failures == attempt
        cell.tick(20_000, 20)
        cell.offer("host1")
    assert volume(cell).state == "failed"
    assert "no room" in waits_for(cell.state, cell.task())[0]
    assert launched(cell) == []
    assert order(cell, "retry") is None
    assert len(launched(cell)) == 1
    refolds(cell)


def test_data_go_after_the_jobs_end_only_where_it_says_so_and_after_a_grace() -> None:
    keeping = running(persistent(service(1)))
    going = running(replace(service(1), volumes=(replace(DATA, retention="delete"),)))
    for cell in (keeping, going):
        cell.set_policy(volume_grace_ms=120_000)
        cell.kill_job()
        cell.decide_and_carry_out()
        cell.status(cell.task().task_id, "TASK_KILLED")
        do_works(cell)
        cell.tick(30_000, 3)
        assert volume(cell).state == "ready"
        cell.tick(30_000, 3)
    assert volume(keeping).state == "ready"
    assert volume(going).state == "deleting"
    assert do_works(going) == ["delete"]
    assert not going.state.volumes
    assert going.said(VolumeChanged)[-1].state == "deleted"
    refolds(going)


def test_a_job_of_the_same_name_and_owner_finds_its_data_again() -> None:
    cell = running(replace(service(1), volumes=(replace(DATA, retention="delete"),)))
    cell.set_policy(finished_jobs_max=1)
    cell.kill_job()
    cell.decide_and_carry_out()
    cell.status(cell.task().task_id, "TASK_KILLED")
    do_works(cell)
    cell.submit(batch(1), "other")
    cell.kill_job("other")
    assert JobId("job") not in cell.state.jobs
    cell.submit(persistent(service(1)))
    assert (volume(cell).delete_at_ms, volume(cell).retention) == (0, "keep")
    cell.offer("host1", cpus=64)
    cell.offer("host2", cpus=64)
    launched(cell)
    assert volume(cell).state == "attached"


def test_what_becomes_of_the_data_is_said_by_the_job_that_has_them_last() -> None:
    going = replace(service(1), volumes=(replace(DATA, retention="delete"),))
    cell = running(going)
    cell.set_policy(volume_grace_ms=60_000)
    named = replace(DATA, volume_ids=(str(VOLUME),))
    cell.submit(replace(service(1, maximum=1), volumes=(named,)), "next")
    assert volume(cell).job_id == "job"
    cell.kill_job()
    cell.decide_and_carry_out()
    cell.status(cell.task().task_id, "TASK_KILLED")
    do_works(cell)
    there = volume(cell)
    assert (there.job_id, there.retention, there.delete_at_ms) == ("next", "keep", 0)
    cell.tick(30_000, 3)
    assert volume(cell).state == "ready"
    cell.offer("host1", cpus=64)
    cell.offer("host2", cpus=64)
    assert len(launched(cell)) == 1
    refolds(cell)


def test_orders_wait_for_a_running_task_and_hold_back_the_next() -> None:
    cell = running(persistent(service(1)))
    first = cell.task().task_id
    other = next(f"name-of-host{n}" for n in (1, 2) if f"host{n}" != cell.place(first).host_id)
    assert order(cell, "move", other) is None
    assert volume(cell).state == "attached"
    cell.kill_task(first)
    cell.decide_and_carry_out()
    cell.status(first, "TASK_KILLED")
    assert volume(cell).state == "detaching"
    assert do_works(cell, host=other) == ["detach", "move"]
    cell.tick(1_000, 3)
    cell.offer("host1", cpus=64)
    cell.offer("host2", cpus=64)
    (task_id,) = launched(cell)
    assert cell.state.hostname(cell.place(task_id).host_id) == other
    refolds(cell)


def test_snapshots_clones_archives_and_what_cannot_be() -> None:
    cell = running(persistent(service(1)))
    assert order(cell, "snapshot", "../x") is not None
    assert order(cell, "clone", "../../etc") is not None
    assert order(cell, "delete") is not None
    assert order(cell, "restore", "name-of-host1") is not None
    assert order(cell, "snapshot", "s", "no") is not None
    cell.kill_job()
    cell.decide_and_carry_out()
    cell.status(cell.task().task_id, "TASK_KILLED")
    do_works(cell)
    assert order(cell, "snapshot", "before") is None
    do_works(cell, reference="snap")
    assert [each.name for each in volume(cell).snapshots] == ["before"]
    assert order(cell, "snapshot", "before") is not None
    assert order(cell, "clone", "copy") is None
    do_works(cell)
    assert volume(cell, "copy").index == -1
    assert order(cell, "archive") is None
    do_works(cell, reference="volumes/key")
    assert volume(cell).state == "archived"
    assert order(cell, "archive") is not None
    assert order(cell, "restore", "name-of-host2") is None
    do_works(cell, host="name-of-host2")
    assert (volume(cell).state, volume(cell).host) == ("ready", "name-of-host2")
    assert order(cell, "delete") is None
    assert order(cell, "undelete") is None
    assert volume(cell).delete_at_ms == 0
    job = replace(service(1), volumes=(replace(DATA, volume_ids=("copy",)),))
    cell.submit(job, "next")
    assert volume(cell, "copy").job_id == "next"
    refolds(cell)


def test_a_volume_over_its_quota_is_told_and_not_cut_off() -> None:
    cell = running(persistent(service(1)))
    cell.write(VolumeMeasured(VOLUME, 50))
    assert not volume(cell).is_over_quota
    cell.write(VolumeMeasured(VOLUME, 101))
    assert volume(cell).is_over_quota
    assert "over its quota" in cell.said(VolumeChanged)[-1].message
    cell.is_in(cell.task().task_id, Started)


def test_tasks_with_volumes_are_not_moved_to_another_job() -> None:
    cell = running(persistent(service(2)))
    cell.submit(persistent(service(1)), "other")
    launched(cell)
    body = TaskMoveAsked(cell.task().task_id, JobId("job"), JobId("other"))
    cell.copy("jobs", body)
    assert "stay with its indexes" in cell.said(JobRejected)[-1].faults[0].text


def test_a_machine_made_of_what_is_kept_goes_on_alike() -> None:
    cell = running(persistent(service(1)))
    again = type(cell.machine).restored(cell.machine.kept())
    assert again.digest.value() == cell.machine.digest.value()


def test_a_job_has_no_more_tasks_than_addresses() -> None:
    three = tuple(AddressAllocation(f"a{n}", f"10.0.0.{n}") for n in range(3))
    cell = running(replace(service(3, maximum=3), addresses=three))
    cell.scale(desired=5, maximum=5)
    assert cell.said(JobRejected)[-1].faults[0].field == "capacity.max"
    cell.scale(desired=2)
    leaving = next(each for each in cell.tasks() if isinstance(each.state, KillInitiated))
    cell.scale(desired=3)
    assert len(cell.tasks()) == 3
    cell.decide_and_carry_out()
    cell.status(leaving.task_id, "TASK_KILLED")
    assert [each.index for each in cell.tasks()] == [0, 1, 2]
    cell.offer("host1", cpus=64)
    assert len(launched(cell)) == 1
    assert len(cell.state.holds) == 3
    refolds(cell)


def test_an_update_changes_no_volumes_and_runs_no_task_beside() -> None:
    cell = running(persistent(service(2)))
    more = replace(cell.state.jobs[JobId("job")].spec, volumes=())
    for spec, plan, field in (
        (more, UpdatePlan(), "volumes"),
        (persistent(service(2)), UpdatePlan(max_surge=Share(1)), "maxSurge"),
        (persistent(service(2)), UpdatePlan(strategy="redBlack"), "strategy"),
    ):
        faults = update_faults(cell.state, cell.state.jobs[JobId("job")], spec, plan)
        assert [each.field for each in faults] == [field]


def test_what_is_kept_belongs_to_its_owner_and_a_cell_has_so_many() -> None:
    cell = running(persistent(service(1, maximum=1)))
    cell.set_policy(finished_jobs_max=1, volumes_max=2)
    cell.kill_job()
    cell.decide_and_carry_out()
    cell.status(cell.task().task_id, "TASK_KILLED")
    do_works(cell)
    cell.submit(batch(1), "other")
    cell.kill_job("other")
    for spec, code in (
        (persistent(service(1, maximum=1), owner_email="eve@example.org"), "taken"),
        (replace(service(1, maximum=1), volumes=(replace(DATA, provider="zfs"),)), ""),
        (persistent(service(1, maximum=3)), "limit"),
    ):
        cell.submit(spec)
        (fault,) = cell.said(JobRejected)[-1].faults
        assert (fault.code, fault.field[:7]) == (code, "volumes")
    cell.submit(persistent(service(1, maximum=2)))
    assert JobId("job") in cell.state.jobs


def test_what_was_never_made_is_forgotten_with_its_job() -> None:
    cell = running_cell(1)
    cell.submit(persistent(service(1)))
    cell.kill_job()
    assert not cell.state.volumes
    assert cell.said(VolumeChanged)[-1].state == "deleted"
    refolds(cell)


def test_an_order_that_fails_is_told_and_nothing_else_changes() -> None:
    cell = running(persistent(service(1)))
    cell.kill_job()
    cell.decide_and_carry_out()
    cell.status(cell.task().task_id, "TASK_KILLED")
    do_works(cell)
    assert order(cell, "archive") is None
    do_works(cell, "refused", detail="the store is full")
    there = volume(cell)
    assert (there.state, there.failures, there.retry_at_ms) == ("ready", 0, 0)
    assert there.failure == "archive refused: the store is full"
    assert order(cell, "archive") is None
    do_works(cell, reference="key")
    assert volume(cell).failure == ""


@pytest.mark.parametrize("late", [True, False])
def test_a_work_told_twice_or_late_is_told_once(late: bool) -> None:
    cell = running(persistent(service(1)))
    before = volume(cell)
    cell.write(VolumeWorkEnded(VOLUME, 1 if late else 99, "done", host="elsewhere"))
    assert volume(cell) == before


def test_what_its_cloud_calls_a_volume_is_kept() -> None:
    cell = running_cell(1)
    cell.submit(persistent(service(1)))
    cell.decide()
    assert do_works(cell, reference="vol-0a1") == ["create", "attach"]
    assert volume(cell).reference == "vol-0a1"
