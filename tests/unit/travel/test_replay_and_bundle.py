"""Replay, shadow replay and bundles: proven where nothing differs, told where something does."""

import asyncio
import zipfile
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar

import cramjam
import pytest

from projections.history import HistoryOf, Line
from projections.simulate.policies import pack, spread
from projections.travel.questions import EventsAt
from projections.travel.shadow import Comparison
from scheduler.model.events import Mark
from scheduler.model.ids import TaskId
from scheduler.model.policy import Policy
from scheduler.model.rules import PlacementRules
from streams.cli.simulate_log import simulate_log
from streams.errors import OperatorError
from streams.traces.policies import named_rules
from streams.travel.answering import Answering
from streams.travel.bundle_file import (
    CELL_LOG,
    BundleBad,
    BundleFile,
    Manifest,
    SliceRecord,
    packed,
    unpacked,
)
from streams.travel.bundle_log import BundleLog, BundleSnapshot
from streams.travel.bundling import Bundling
from streams.travel.errors import TravelError
from streams.travel.replaying import Replayed, Replaying
from tests.support.cell import CellInMemory, batch, running_cell, service
from tests.support.log_in_memory import LogInMemory, SnapshotsInMemory

Found = TypeVar("Found")


def run(asked: Coroutine[Any, Any, Found]) -> Found:
    """What the coroutine answers."""
    return asyncio.run(asked)


def checked(cell: CellInMemory) -> None:
    """A mark, and the checkpoint that a leader writes of it."""
    mark = cell.write(Mark())
    checkpoint = cell.machine.checkpoint_of(mark)
    assert checkpoint is not None
    cell.write(checkpoint)


@pytest.fixture(scope="module")
def day() -> CellInMemory:
    """A day under `pack`: three services on hosts of equal size, with checkpoints in between."""
    cell = running_cell(4, Policy(placement=pack()))
    checked(cell)
    for name in ("one", "two", "three"):
        cell.run(service(2, environment=(("TOKEN", f"secret-of-{name}"),)), name)
        for host in ("host1", "host2", "host3", "host4"):
            cell.offer(host, cpus=2)
        cell.tick()
        checked(cell)
    return cell


def replayed(
    cell: CellInMemory, first: int, end: int, rules: PlacementRules | None = None, **more: bool
) -> Replayed:
    """The stretch replayed, from a snapshot at its begin."""
    asked = Answering(LogInMemory(cell.log), SnapshotsInMemory(cell.log, (first,)))
    return run(Replaying(asked.machine, asked.snapshots, rules=rules, **more).run(first, end))


def compared(found: Replayed) -> Comparison:
    """The comparison of a shadow replay."""
    assert found.comparison is not None
    return found.comparison


def test_a_fold_is_proven_by_its_checkpoints(day: CellInMemory) -> None:
    found = replayed(day, 0, len(day.log))
    assert (found.records, found.checkpoints_equal) == (len(day.log), 4)
    assert found.digest == day.machine.digest.value()
    assert found.is_proven


def test_a_changed_log_is_not_proven(day: CellInMemory) -> None:
    place = next(at for at, each in enumerate(day.log) if b'"TASK_RUNNING"' in each)
    log = [*day.log]
    log[place] = log[place].replace(b"TASK_RUNNING", b"TASK_STARTING")
    other = Answering(LogInMemory(log))
    with pytest.raises(TravelError, match="has digest"):
        run(Replaying(other.machine, other.snapshots).run(0, len(log)))


def test_this_build_decides_as_it_did(day: CellInMemory) -> None:
    found = compared(replayed(day, 0, len(day.log), is_shadow=True))
    assert found.rounds >= 3
    assert (found.parted, found.unknown) == (0, 0)
    assert found.recorded_placed == found.shadow_placed == 6


def test_another_policy_parts_where_it_would_place_elsewhere(day: CellInMemory) -> None:
    found = compared(replayed(day, 0, len(day.log), spread()))
    assert found.parted >= 1
    assert found.equal + found.parted + found.unknown == found.rounds
    first = found.partings[0]
    assert first.recorded_placed == first.shadow_placed == 2
    hosts = {each.shadow for each in first.elsewhere} | {each.recorded for each in first.elsewhere}
    assert len(hosts) >= 2
    assert replayed(day, 0, len(day.log), spread()).digest == day.machine.digest.value()


def test_a_round_on_an_older_state_is_compared_on_that() -> None:
    """Ingest writes on while the leader decides: its copy stands between state and round."""
    cell = running_cell(2)
    cell.submit(batch(2))
    events = cell.machine.decide()
    cell.submit(batch(1), "other")
    cell.write(*events)
    found = compared(replayed(cell, 0, len(cell.log), is_shadow=True))
    assert (found.rounds, found.equal, found.unknown) == (1, 1, 0)


def made(cell: CellInMemory, path: Path, first: str, *, is_masked: bool) -> Manifest:
    """A bundle of the day from an instant on."""
    asked = Answering(LogInMemory(cell.log), SnapshotsInMemory(cell.log, (3,)))
    return run(Bundling(asked, None, is_masked=is_masked, build="test").write(path, first, "now"))


def opened(path: Path) -> Answering:
    """Answers from a bundle alone."""
    log = BundleLog(BundleFile(path))
    return Answering(log, BundleSnapshot(BundleFile(path)), skips=log.skips)


@pytest.mark.parametrize("is_masked", [True, False])
def test_a_bundle_proves_itself_offline(day: CellInMemory, tmp_path: Path, is_masked: bool) -> None:
    path = tmp_path / "incident.zip"
    manifest = made(day, path, "10", is_masked=is_masked)
    asked = opened(path)
    found = run(Replaying(asked.machine, asked.snapshots).run(11, len(day.log)))
    assert found.checkpoints_equal == manifest.checkpoints_proven == 3
    assert found.digest == manifest.digest
    assert (found.digest == day.machine.digest.value()) is not is_masked
    assert manifest.original_digest == day.machine.digest.value()
    why = run(asked.traveller.why("three-worker-0-1", "now"))
    assert why.state == "Started"


def test_environments_are_masked_unless_wanted(day: CellInMemory, tmp_path: Path) -> None:
    masked, plain = tmp_path / "masked.zip", tmp_path / "plain.zip"
    made(day, masked, "10", is_masked=True)
    made(day, plain, "10", is_masked=False)
    assert not any(b"secret-of" in each for each in contents(masked))
    assert any(b"secret-of" in each for each in contents(plain))
    assert any(b"TOKEN" in each for each in contents(masked))


def contents(path: Path) -> list[bytes]:
    """All that a bundle holds, unpacked, its states as they are restored included."""
    file = BundleFile(path)
    machine = run(BundleSnapshot(file).load(run(BundleSnapshot(file).places())[0]))
    assert machine is not None
    jobs = [repr(job).encode() for job in machine.state.jobs.values()]
    records = [each.value or b"" for each in file.slice(CELL_LOG)]
    members = [file.member(name) for name in file.names()]
    return [*jobs, *records, *members]


def test_a_bundle_that_was_changed_is_refused(day: CellInMemory, tmp_path: Path) -> None:
    path, other = tmp_path / "incident.zip", tmp_path / "changed.zip"
    made(day, path, "10", is_masked=True)
    with zipfile.ZipFile(path) as before, zipfile.ZipFile(other, "w") as after:
        for name in before.namelist():
            data = before.read(name)
            after.writestr(name, data[:-1] + b"x" if name == CELL_LOG else data)
    with pytest.raises(BundleBad, match="checksum"):
        opened(other)
    (tmp_path / "none.zip").write_bytes(b"nothing")
    with pytest.raises(BundleBad):
        BundleFile(tmp_path / "none.zip")


def test_no_bundle_is_written_over_another_or_of_nothing(day: CellInMemory, tmp_path: Path) -> None:
    path = tmp_path / "incident.zip"
    made(day, path, "10", is_masked=True)
    with pytest.raises(OperatorError, match="there already"):
        made(day, path, "10", is_masked=True)
    with pytest.raises(OperatorError, match="no record"):
        made(day, tmp_path / "other.zip", "now", is_masked=True)
    assert not (tmp_path / "other.zip").exists()


def test_slices_come_back_as_they_were_packed() -> None:
    records = [
        SliceRecord(0, 1, None, b"v" * 3_000_000),
        SliceRecord(1, 2, b"k", None),
        SliceRecord(5, 3, b"", b"w" * 3_000_000),
    ]
    data, count, size = packed(records)
    assert list(unpacked(data)) == records
    assert (count, size > 6_000_000) == (3, True)
    with pytest.raises((ValueError, cramjam.DecompressionError)):
        list(unpacked(data[:-4]))


def test_a_bundle_explains_what_ended_in_it_and_began_before(
    day: CellInMemory, tmp_path: Path
) -> None:
    task = next(iter(day.state.tasks.values()))
    lines = _events(opened_whole(day), task.task_id)
    begins = next(place for place, each in enumerate(lines) if each.what == "effect started")
    offset = int(lines[begins].address.partition(":")[2].partition("[")[0])
    made(day, tmp_path / "late.zip", str(offset), is_masked=False)
    told = _events(opened(tmp_path / "late.zip"), task.task_id)
    assert [each.what for each in told] == [each.what for each in lines[begins + 1 :]]
    assert told


def opened_whole(cell: CellInMemory) -> Answering:
    """Answers from the whole log."""
    return Answering(LogInMemory(cell.log))


def _events(answers: Answering, task_id: TaskId) -> tuple[Line, ...]:
    found = run(answers.answer(EventsAt(task_id, "now")))
    assert isinstance(found, HistoryOf)
    return tuple(found.lines)


def test_a_bundle_cannot_be_written_where_there_is_no_folder(
    day: CellInMemory, tmp_path: Path
) -> None:
    with pytest.raises(OperatorError, match="cannot be written"):
        made(day, tmp_path / "nowhere" / "late.zip", "5", is_masked=True)


def test_a_bundle_of_more_than_there_is_begins_where_the_log_does(
    day: CellInMemory, tmp_path: Path
) -> None:
    manifest = made(day, tmp_path / "whole.zip", "2020-01-01", is_masked=True)
    assert manifest.first_offset == 1


def test_a_recorded_log_is_simulated_under_policies_side_by_side(
    day: CellInMemory, tmp_path: Path
) -> None:
    made(day, tmp_path / "day.zip", "1", is_masked=True)
    page, figures = simulate_log(tmp_path / "day.zip", named_rules(["spread", "pack"]))
    assert page.policies == ["as recorded", "spread", "pack"]
    told = figures["policies"]
    assert {each["placed"] for each in told.values()} == {6}
    assert told["as recorded"]["hosts_used"] == told["pack"]["hosts_used"]
    assert told["spread"]["hosts_used"] > told["pack"]["hosts_used"]
    assert figures["recorded"]["launched"] == 6
