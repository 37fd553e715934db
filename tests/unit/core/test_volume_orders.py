"""What cannot be ordered of a volume, and the words and code with which it is refused."""

import pytest
from msgspec.structs import replace

from scheduler.model.changes import JobRejected
from scheduler.model.inbound import Fault
from scheduler.model.volumes import VolumeOrdered
from tests.support.cell import CellInMemory, running_cell, service
from tests.unit.core.test_volumes import DATA, VOLUME, do_works, order, persistent, running, volume


def freed() -> CellInMemory:
    """A cell with a volume whose job has ended."""
    cell = running(persistent(service(1)))
    cell.kill_job()
    cell.decide_and_carry_out()
    cell.status(cell.task().task_id, "TASK_KILLED")
    do_works(cell)
    return cell


def told(fault: Fault | None) -> tuple[str, str, str, str]:
    """All that a fault says."""
    assert fault is not None
    return fault.field, fault.text, fault.hint, fault.code


def test_another_version_than_was_seen() -> None:
    cell = freed()
    version = volume(cell).version
    cell.copy("commands", VolumeOrdered(VOLUME, "delete", "ada", "test", if_version=version + 1))
    (refused,) = (each for each in cell.said_last() if isinstance(each, JobRejected))
    assert refused.job_id == "job"
    assert told(refused.faults[0]) == (
        "ifVersion",
        f"volume {VOLUME} has version {version}, and the request is for version {version + 1}",
        "read it again, and ask again for what still has to change",
        "version",
    )
    assert volume(cell).delete_at_ms == 0


def test_what_is_to_go_and_what_is_not() -> None:
    cell = freed()
    see = "see `flumina volume show`"
    assert told(order(cell, "undelete")) == (
        "order",
        f"volume {VOLUME} is not to be deleted",
        "nothing has to be done",
        "state",
    )
    assert told(order(cell, "retry")) == (
        "order",
        f"nothing of volume {VOLUME} failed: it is ready",
        see,
        "state",
    )
    cell.set_policy(volume_grace_ms=1_000)
    assert order(cell, "delete") is None
    cell.tick(1_000, 3)
    assert volume(cell).state == "deleting"
    assert told(order(cell, "undelete")) == (
        "order",
        f"volume {VOLUME} is being deleted",
        "it is too late",
        "state",
    )


def test_the_data_of_an_active_job() -> None:
    cell = running(persistent(service(1)))
    assert told(order(cell, "delete")) == (
        "volumeId",
        f"volume {VOLUME} belongs to active job job",
        "kill the job first",
        "state",
    )


def test_an_archive_that_there_is_not_and_a_snapshot_that_there_is_not() -> None:
    cell = freed()
    assert told(order(cell, "restore", "name-of-host1")) == (
        "order",
        f"volume {VOLUME} is ready, not archived",
        'name a snapshot, like "snapshot:before"',
        "state",
    )
    assert told(order(cell, "restore", "snapshot:before")) == (
        "argument",
        "there is no snapshot before",
        "see `flumina volume show`",
        "unknown",
    )
    assert order(cell, "snapshot", "before") is None
    do_works(cell, reference="r")
    assert order(cell, "restore", "snapshot:before") is None
    assert do_works(cell) == ["restore"]


def test_a_volume_without_data() -> None:
    cell = freed()
    assert order(cell, "archive") is None
    do_works(cell, reference="key")
    assert told(order(cell, "snapshot", "late")) == (
        "volumeId",
        f"volume {VOLUME} is archived: it has no data",
        "restore it first",
        "state",
    )


def test_snapshots_have_names_of_their_own_and_an_end() -> None:
    cell = freed()
    cell.set_policy(volume_snapshots_max=1)
    field, text, hint, _ = told(order(cell, "snapshot", "Not So"))
    assert (field, hint) == ("argument", "like before-upgrade")
    assert text.startswith("a snapshot's name ")
    assert order(cell, "snapshot", "one") is None
    do_works(cell, reference="r")
    assert told(order(cell, "snapshot", "one")) == (
        "argument",
        "there is a snapshot one already",
        "choose another name",
        "taken",
    )
    assert told(order(cell, "snapshot", "two")) == (
        "order",
        f"volume {VOLUME} has 1 snapshots, which is the most",
        "raise volume_snapshots_max",
        "limit",
    )


def test_clones_have_ids_of_their_own_and_a_cell_has_so_many() -> None:
    cell = freed()
    field, text, hint, _ = told(order(cell, "clone", "../x"))
    assert (field, hint) == ("argument", "like db-copy")
    assert text.startswith("a clone's id ")
    assert told(order(cell, "clone", VOLUME)) == (
        "argument",
        f"there is a volume {VOLUME} already",
        "choose another id",
        "taken",
    )
    cell.set_policy(volumes_max=1)
    assert told(order(cell, "clone", "copy")) == (
        "order",
        "the cell has 1 volumes, which is the most",
        "raise volumes_max",
        "limit",
    )


def test_a_move_needs_another_host_that_there_is() -> None:
    cell = freed()
    here = volume(cell).host
    assert told(order(cell, "move")) == (
        "argument",
        "is missing",
        "name the host, as `flumina hosts` does, or the zone",
        "",
    )
    assert told(order(cell, "move", "nowhere")) == (
        "argument",
        "no host nowhere",
        "see `flumina hosts`",
        "unknown",
    )
    assert told(order(cell, "move", here))[:2] == ("argument", f"the volume is on {here} already")


@pytest.mark.parametrize(
    ("provider", "verb", "done"),
    [("ebs", "archive", "archived"), ("efs", "snapshot", "snapshotted")],
)
def test_a_provider_does_not_do_everything(provider: str, verb: str, done: str) -> None:
    claim = replace(DATA, provider=provider)
    cell = running(replace(service(1), volumes=(claim,)))
    assert told(order(cell, verb, "x"))[1] == f"{provider} volumes cannot be {done} from here"


def test_a_volume_of_a_zone_moves_to_another_zone() -> None:
    cell = running_cell(1)
    cell.submit(replace(service(1), volumes=(replace(DATA, provider="ebs"),)))
    cell.decide()
    do_works(cell, zone="here")
    assert volume(cell).zone == "here"
    assert told(order(cell, "move"))[1] == "is missing: which zone?"
    assert told(order(cell, "move", "here"))[1] == "the volume is in here already"
    assert order(cell, "move", "there") is None


def test_a_volume_that_the_cell_did_not_make() -> None:
    claim = replace(DATA, provider="ebs", volume_ids=("vol-1",))
    cell = running(replace(service(1), volumes=(claim,)))
    cell.kill_job()
    cell.decide_and_carry_out()
    cell.status(cell.task().task_id, "TASK_KILLED")
    do_works(cell)
    assert told(order(cell, "delete", volume_id="vol-1")) == (
        "volumeId",
        "volume vol-1 was not made by this cell",
        "delete it where it was made",
        "",
    )
