"""The log itself: how it begins, who is obeyed, holes, marks, and rules that are too new."""

from typing import get_args

import pytest

from scheduler.digest import Digest
from scheduler.machine import FOLD_VERSION, RULES, Machine, Refusal
from scheduler.model.codec import decode_record
from scheduler.model.events import (
    CellContinued,
    CellCreated,
    CellEvent,
    CellRecord,
    Checkpoint,
    FoldVersion,
    LeaderElected,
    Mark,
    PolicySet,
    Tick,
)
from scheduler.model.ids import CellName, CellUuid, Generation
from scheduler.model.policy import Policy
from scheduler.model.proposals import SuppressOffers
from tests.support.cell import GENERATION, CellInMemory, batch, running_cell

CREATED = CellCreated(cell=CellName("test"), cell_uuid=CellUuid("u"), generation=GENERATION)
LATE = CellCreated(cell=CellName("late"), cell_uuid=CellUuid("v"), generation=Generation("f" * 8))


def folded(machine: Machine, offset: int, *events: CellEvent, epoch: int = -1) -> list[object]:
    """The changes that one record makes."""
    record = CellRecord(version=1, epoch=epoch, at_ms=1_000, events=events)
    return [change for _, change in machine.apply(offset, record)]


def test_record_0_says_who_the_cell_is() -> None:
    machine = Machine()
    folded(machine, 0, CREATED, FoldVersion(FOLD_VERSION), PolicySet(1, Policy(orphans_max=7)))
    state = machine.state
    assert (state.cell, state.cell_uuid, state.generation) == ("test", "u", GENERATION)
    assert (state.fold_version, state.policy_version) == (FOLD_VERSION, 1)
    assert state.policy.orphans_max == 7


def test_every_kind_of_event_has_its_rule() -> None:
    assert {*RULES, Mark, Checkpoint} == set(get_args(CellEvent))


def test_of_two_creators_the_first_is_obeyed() -> None:
    cell = CellInMemory()
    before = cell.machine.digest.value()
    cell.now_ms += 10_000_000
    cell.write(LATE, FoldVersion(FOLD_VERSION), PolicySet(9, Policy(orphans_max=1)), epoch=-1)
    cell.write(LATE, epoch=-1)
    assert cell.state.cell == "test"
    assert cell.machine.digest.value() == before, "not even its time counts"


def test_a_leader_cannot_make_its_cell_another_one() -> None:
    cell = running_cell()
    cell.write(Tick(), LATE)
    assert (cell.state.cell, cell.state.generation) == ("test", GENERATION)


@pytest.mark.parametrize(
    "first",
    [
        Tick(),
        LeaderElected(candidate="c", incarnation="i"),
        FoldVersion(FOLD_VERSION),
        PolicySet(1, Policy()),
    ],
)
def test_a_log_that_does_not_begin_with_its_creation_halts(first: CellEvent) -> None:
    with pytest.raises(Refusal, match=r"begins with .* and not with CellCreated"):
        folded(Machine(), 0, first)


def test_a_cell_from_another_kafka_is_never_begun_empty() -> None:
    moved = CellContinued(
        cell=CellName("test"),
        cell_uuid=CellUuid("u"),
        generation=Generation("f" * 8),
        previous_generation=GENERATION,
        previous_offset=77,
        digest_version=1,
        digest="d",
    )
    with pytest.raises(Refusal, match=r"continues generation 0a0b0c0d after offset 77"):
        folded(Machine(), 0, moved)
    cell = CellInMemory()
    before = cell.machine.digest.value()
    cell.write(moved)
    assert cell.machine.digest.value() == before


@pytest.mark.parametrize("offset", [1, 5])
def test_a_log_whose_beginning_is_missing_halts(offset: int) -> None:
    with pytest.raises(Refusal, match=f"records 0 to {offset - 1} are missing"):
        folded(Machine(), offset, CREATED)


def test_a_hole_in_the_log_halts() -> None:
    machine = Machine()
    folded(machine, 0, CREATED)
    with pytest.raises(Refusal, match=r"records 1 to 2 are missing"):
        folded(machine, 3, LeaderElected(candidate="c", incarnation="i"))


def test_a_record_that_an_operator_skips_is_left_out() -> None:
    machine = Machine()
    folded(machine, 0, CREATED)
    machine.pass_over(1)
    folded(machine, 2, LeaderElected(candidate="c", incarnation="i"))
    assert machine.state.epoch == 2


def test_a_record_given_again_changes_nothing() -> None:
    cell = running_cell()
    cell.run(batch(2))
    before = cell.machine.digest.value()
    for offset, data in enumerate(cell.log):
        assert cell.machine.apply(offset, decode_record(data)) == []
    assert cell.machine.digest.value() == before


def test_the_epoch_is_the_offset_of_the_election() -> None:
    cell = CellInMemory()
    offset = cell.write(LeaderElected(candidate="cell-1", incarnation="i"), epoch=-1)
    assert (cell.state.epoch, cell.state.leader) == (offset, "cell-1")


def test_nobody_is_obeyed_before_the_first_election() -> None:
    cell = CellInMemory()
    before = cell.machine.digest.value()
    cell.now_ms += 5
    cell.write(Tick(), PolicySet(5, Policy(orphans_max=1)))
    assert cell.machine.digest.value() == before


def test_an_election_stands_alone_in_its_record() -> None:
    cell = running_cell()
    epoch = cell.epoch
    election = LeaderElected(candidate="bad", incarnation="i")
    cell.write(election, Tick())
    assert cell.state.leader == "cell-0"
    cell.write(Tick(), election, SuppressOffers())
    assert (cell.state.epoch, cell.state.leader) == (epoch, "cell-0")
    assert cell.state.stream.is_suppressed


def test_an_old_leader_is_not_obeyed_and_does_not_move_the_clock() -> None:
    cell = running_cell()
    old = cell.epoch
    cell.elect("new")
    before = cell.machine.digest.value()
    cell.now_ms += 30_000
    cell.write(Tick(), epoch=old)
    cell.write(PolicySet(9, Policy(orphans_max=1)), epoch=old)
    assert cell.machine.digest.value() == before


@pytest.mark.parametrize("ahead", [0, 1, 1_000])
def test_an_epoch_that_nobody_was_elected_to_halts(ahead: int) -> None:
    cell = running_cell()
    with pytest.raises(Refusal, match=r"claims epoch \d+, but the last election folded is 1"):
        cell.write(Tick(), epoch=len(cell.log) + ahead)


def test_an_epoch_between_the_last_election_and_now_halts_as_well() -> None:
    cell = running_cell()
    with pytest.raises(Refusal, match=r"claims epoch 2"):
        cell.write(Tick(), epoch=cell.epoch + 1)


def test_rules_that_are_too_new_halt() -> None:
    cell = running_cell()
    with pytest.raises(Refusal, match=r"folded by rules 99, this build knows 1; run a newer build"):
        cell.write(FoldVersion(99))


def test_a_checkpoint_that_agrees_passes_and_one_that_differs_halts() -> None:
    cell = running_cell()
    mark_offset = cell.write(Mark())
    digest = cell.machine.marks[mark_offset]
    cell.submit(batch(1))
    cell.write(Checkpoint(mark_offset, Digest.version, digest))
    wrong = Checkpoint(mark_offset, Digest.version, "0" * 32)
    with pytest.raises(Refusal, match=f"at offset {mark_offset} has digest {digest}"):
        cell.write(wrong)


def test_a_checkpoint_of_another_digest_or_of_a_mark_not_kept_says_nothing() -> None:
    cell = running_cell()
    mark_offset = cell.write(Mark())
    cell.write(Checkpoint(mark_offset, Digest.version + 1, "other"))
    cell.write(Checkpoint(mark_offset - 1, Digest.version, "other"))
    for _ in range(4):
        cell.write(Mark())
    assert mark_offset not in cell.machine.marks
    cell.write(Checkpoint(mark_offset, Digest.version, "other"))


def test_a_mark_is_of_the_state_at_its_own_place() -> None:
    cell = running_cell()
    before = cell.machine.digest.value()
    offset = cell.write(Mark(), SuppressOffers())
    assert cell.machine.marks[offset] == before != cell.machine.digest.value()
