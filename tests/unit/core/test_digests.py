"""Digests: in the version of whoever wrote them, and what a difference halts with."""

import json
from collections.abc import Callable

import pytest
from msgspec.structs import replace

from scheduler.digest import RULES, Digest, DigestRules, canonical_bytes
from scheduler.digest_sums import CELLS_MAX, Cells, Sums, first_difference, key_number
from scheduler.machine import Machine, Refusal
from scheduler.model.codec import decode_record, encode_entity
from scheduler.model.events import Checkpoint, KindSums, Mark
from scheduler.model.ids import HostId, TaskId
from tests.support.cell import CellInMemory, running_cell, service
from tests.support.samples import record_of


def busy_cell(tasks: int = 40) -> CellInMemory:
    """A cell in which tasks run."""
    cell = running_cell(hosts=8, cpus=16)
    cell.run(service(tasks))
    return cell


def checkpoint(cell: CellInMemory) -> Checkpoint:
    """A mark, and what a leader writes of it."""
    offset = cell.write(Mark())
    marked = cell.machine.marked_at(offset)[-1]
    return Checkpoint(offset, marked.version, marked.digest, sums=marked.sums)


def refusal(cell: CellInMemory, change: Callable[[Machine], None]) -> str:
    """What a fold says that went another way before the mark, when it meets the checkpoint."""
    other = cell.refolded()
    change(other)
    found = checkpoint(cell)
    mark = decode_record(cell.log[-1])
    other.apply(len(cell.log) - 1, mark)
    record = replace(record_of(found), epoch=cell.epoch, at_ms=cell.now_ms)
    with pytest.raises(Refusal) as refused:
        other.apply(len(cell.log), record)
    cell.machine.apply(len(cell.log), record)  # The leader's own fold goes on.
    return str(refused.value)


def healthy(machine: Machine, task_id: str) -> None:
    """Change one task behind the log's back, as a broken memory would."""
    task = machine.state.tasks[TaskId(task_id)]
    machine.state.tasks[task.task_id] = replace(task, user_failures_in_a_row=7)
    machine.state.dirty["task"].add(task.task_id)


def test_a_difference_names_the_kind_and_the_entity() -> None:
    cell = busy_cell()
    wrong = cell.task(17).task_id
    why = refusal(cell, lambda machine: healthy(machine, wrong))
    assert "They differ in kind task" in why
    assert f"the first entity that differs and can be named is {wrong}, " in why
    assert "which the leader has otherwise" in why
    assert "keep both processes' logs" in why


def test_an_entity_too_many_and_one_too_few_are_told_apart() -> None:
    cell = busy_cell()

    def one_more(machine: Machine) -> None:
        machine.state.host_noise[HostId("ghost")] = 12
        machine.state.dirty["noise"].add(HostId("ghost"))

    assert "kind noise: the first entity that differs and can be named is ghost, which the " in (
        refusal(cell, one_more)
    )

    def one_less(machine: Machine) -> None:
        task_id = next(iter(machine.state.tasks))
        del machine.state.tasks[task_id]
        machine.state.dirty["task"].add(task_id)

    assert "kind task: the leader has an entity that this fold does not have" in (
        refusal(busy_cell(), one_less)
    )


def test_of_many_differing_entities_one_is_named_nearly_always() -> None:
    """Of 60 draws of 2 to 400 differing tasks; each draw is another set of names."""
    named = 0
    for draw in range(60):
        ours, theirs = Cells(), Cells()
        names = [f"task-{draw}-{number}" for number in range(500)]
        differing = set(names[: 2 + draw * 7])
        for number, name in enumerate(names):
            ours.change(key_number(name), 1, 1_000_003 * number + 17)
            theirs.change(key_number(name), 1, 1_000_003 * number + 17 + (name in differing) * 5)
        found = first_difference(written(ours), written(theirs), {"task": names}.__getitem__)
        named += "can be named is" in found
        told = found.split("is ")[-1].split(",")[0]
        assert "can be named is" not in found or told in differing
    assert named >= 45


def written(cells: Cells) -> tuple[KindSums, ...]:
    """The sums of one kind as a checkpoint carries them."""
    sums = Sums(("task",))
    sums.cells["task"] = cells
    return sums.written()


def test_the_sums_follow_the_state_and_not_the_way_there() -> None:
    """Entities that come, change and go leave what a state without them has."""
    cell = busy_cell()
    for task_id in [task.task_id for task in cell.tasks()][::3]:
        cell.status(task_id, "TASK_FAILED")
        cell.machine.digest.value()
    cell.decide_and_carry_out()
    cell.machine.digest.value()
    kept = cell.machine.digest.marked()
    anew = Digest(cell.state)
    anew.forget()
    anew.value()
    assert anew.marked() == kept
    assert cell.refolded().digest.value() == kept[-1].digest


def test_cells_halve_what_is_left() -> None:
    cells = Cells()
    for number in range(40_000):
        cells.change(key_number(f"task-{number}"), 1, 1)
    assert sum(cells.counts) == 40_000
    assert len(cells.counts) == CELLS_MAX
    for count, wanted in zip(cells.counts[:6], (20_000, 10_000, 5_000, 2_500, 1_250, 625), strict=False):
        assert wanted * 0.85 < count < wanted * 1.15


# Two versions at once (docs/decisions/0008).


def with_more(kind: str, key: object, value: object) -> bytes:
    """A made-up second version: whatever it is made from, it is something else."""
    return b"2 " + encode_entity(kind, key, value)


BOTH = (*RULES, DigestRules(2, with_more))
AFTER = (DigestRules(2, with_more), DigestRules(3, lambda *each: b"3" + encode_entity(*each)))


def folding(cell: CellInMemory, rules: tuple[DigestRules, ...]) -> Machine:
    """A fold of the cell's log by a build that computes these versions."""
    machine = Machine()
    machine.digest = Digest(machine.state, rules)
    for offset, data in enumerate(cell.log):
        machine.apply(offset, decode_record(data))
    return machine


@pytest.mark.parametrize("version", [1, 2])
def test_a_build_of_two_versions_compares_each_in_its_own(version: int) -> None:
    cell = busy_cell(4)
    offset = cell.write(Mark())
    newer = folding(cell, BOTH)
    assert newer.digest.version == 2
    marked = {each.version: each for each in newer.marked_at(offset)}
    assert sorted(marked) == [1, 2]
    assert marked[1].digest == cell.machine.marks[offset] != marked[2].digest
    right = Checkpoint(offset, version, marked[version].digest, sums=marked[version].sums)
    at = len(cell.log)
    newer.apply(at, replace(record_of(right), epoch=cell.epoch))
    with pytest.raises(Refusal, match=rf"version {version}"):
        newer.apply(at + 1, replace(record_of(replace(right, digest="0" * 32)), epoch=cell.epoch))


def test_a_version_that_a_build_does_not_compute_is_passed_over() -> None:
    """The build before an update, and one two updates later: neither halts for what it cannot."""
    cell = busy_cell(4)
    offset = cell.write(Mark())
    for rules, versions in ((RULES, (2, 3)), (AFTER, (1, 4))):
        machine = folding(cell, rules)
        for number, version in enumerate(versions):
            strange = Checkpoint(offset, version, "0" * 32)
            machine.apply(len(cell.log) + number, replace(record_of(strange), epoch=cell.epoch))


def test_followers_of_both_builds_agree_about_the_state() -> None:
    cell = busy_cell(4)
    cell.write(Mark())
    older, newer = folding(cell, RULES), folding(cell, BOTH)
    assert canonical_bytes(older.state) == canonical_bytes(newer.state)
    assert newer.digest.marked()[0] == older.digest.marked()[0]


def test_a_checkpoint_of_a_large_cell_is_small() -> None:
    """Sums of 16 cells a kind: kilobytes for any number of tasks."""
    cell = busy_cell(100)
    found = checkpoint(cell)
    size = len(json.dumps([[each.kind, len(each.cells)] for each in found.sums]))
    assert size < 1_000
    assert all(len(each.cells) <= CELLS_MAX for each in found.sums)
