"""What is said of volumes: quotas, failures, clones whose name is taken, and what a task lacks."""

from msgspec.structs import replace

from scheduler.fold.storage import waits_for
from scheduler.model.changes import CellPaged
from scheduler.model.volumes import (
    AddressAllocation,
    VolumeChanged,
    VolumeMeasured,
    VolumeWorkEnded,
    VolumeWorkStarted,
)
from tests.support.cell import CellInMemory, running_cell, service
from tests.unit.core.test_volumes import (
    DATA,
    VOLUME,
    do_works,
    launched,
    order,
    persistent,
    running,
    volume,
)


def lacks(cell: CellInMemory, job_id: str = "job") -> tuple[str, ...]:
    """What the job's first task waits for."""
    return waits_for(cell.state, cell.tasks(job_id)[0])


def test_a_quota_is_told_when_it_is_crossed_and_when_it_is_kept_again() -> None:
    cell = running(persistent(service(1)))
    for used in (50, 50, 150, 160, 90):
        cell.write(VolumeMeasured(VOLUME, used))
    cell.write(VolumeMeasured("nobody", 5))  # type: ignore[arg-type]  # as a log may have it
    whys = [each.message for each in cell.said(VolumeChanged)]
    assert whys[-2:] == [
        "over its quota: holds 150 MiB of 100 MiB",
        "holds 90 MiB of 100 MiB again",
    ]
    (page,) = cell.said(CellPaged)
    assert (page.what, page.why, page.kind, page.key) == (
        f"volume {VOLUME} is over its quota",
        "holds 150 MiB of 100 MiB",
        "volume",
        VOLUME,
    )
    assert volume(cell).used_mib == 90


def test_what_cannot_be_made_is_paged_once_with_its_reason() -> None:
    cell = running_cell(1)
    cell.set_policy(volume_attempts_max=2, volume_retry_ms=1_000)
    cell.submit(persistent(service(1)))
    for failures in (1, 2):
        cell.decide()
        do_works(cell, "refused", detail="no space")
        assert volume(cell).failures == failures
        assert volume(cell).failure == "create refused: no space"
        cell.tick(2_000)
    (page,) = cell.said(CellPaged)
    assert (page.what, page.why) == (f"volume {VOLUME} cannot be made", "create refused: no space")
    assert lacks(cell) == (f"volume {VOLUME} is failed: create refused: no space",)
    assert order(cell, "retry") is None
    assert (volume(cell).failures, volume(cell).is_failed) == (0, False)
    assert launched(cell) == [cell.task().task_id]


def test_a_volume_that_failed_is_waited_for_and_the_task_says_so() -> None:
    cell = running_cell(1)
    cell.set_policy(volume_retry_ms=60_000)
    cell.submit(persistent(service(1)))
    cell.decide()
    do_works(cell, "refused", detail="no space")
    assert lacks(cell) == (f"volume {VOLUME} is tried again later: create refused: no space",)


def test_a_work_of_another_number_was_told_by_somebody_else() -> None:
    cell = running_cell(1)
    cell.submit(persistent(service(1)))
    cell.decide()
    work = volume(cell).work
    assert work is not None
    cell.write(VolumeWorkStarted(VOLUME, work.number + 1))
    cell.write(VolumeWorkEnded(VOLUME, work.number + 1, "done"))
    assert volume(cell).work == work
    cell.write(VolumeWorkStarted(VOLUME, work.number))
    begun = volume(cell).work
    assert begun is not None
    assert begun.started_epoch == cell.epoch


def test_a_clone_whose_name_was_taken_meanwhile_is_none() -> None:
    cell = running(persistent(service(1)))
    cell.kill_job()
    cell.decide_and_carry_out()
    cell.status(cell.task().task_id, "TASK_KILLED")
    do_works(cell)
    assert order(cell, "clone", "next-volume-data-0") is None
    cell.submit(persistent(service(1)), "next")
    claimed = volume(cell, "next-volume-data-0")
    work = volume(cell).work
    assert work is not None
    cell.write(VolumeWorkEnded(VOLUME, work.number, "done", host="elsewhere", used_mib=7))
    assert volume(cell, "next-volume-data-0") == claimed
    assert (volume(cell).work, volume(cell).used_mib) == (None, 7)


def test_a_volume_that_was_named_has_to_be_there() -> None:
    cell = running_cell(1)
    cell.submit(replace(service(1), volumes=(replace(DATA, volume_ids=("db",)),)))
    assert cell.state.volumes == {}
    assert lacks(cell) == ("there is no volume db",)


def test_two_who_want_the_same_are_told_who_has_it_and_who_is_first() -> None:
    cell = running_cell(1)
    spec = replace(service(1), volumes=(replace(DATA, provider="ebs", volume_ids=("vol-1",)),))
    cell.submit(spec, "first")
    cell.submit(spec, "second")
    first = cell.tasks("first")[0].task_id
    assert lacks(cell, "second") == (f"volume vol-1 is wanted by task {first} first",)
    assert launched(cell) == [first]
    assert lacks(cell, "second") == (f"volume vol-1 is held by task {first}",)


def test_an_address_pins_its_index_to_a_zone() -> None:
    cell = running_cell(1)
    address = AddressAllocation("a-0", "10.0.0.9", zone="east")
    cell.submit(replace(service(1), addresses=(address,)))
    (pin,) = cell.state.jobs[cell.task().job_id].pins
    (place,) = pin.constraints
    assert (pin.index, place.values) == (0, ("east",))
    assert place.attribute == "address 10.0.0.9"
