"""Digests: in the version of whoever wrote them, and what a difference halts with."""

from collections.abc import Callable

import pytest
from msgspec.structs import replace

from scheduler.digest import RULES, Digest, DigestRules, canonical_bytes
from scheduler.digest_sums import CELLS_MAX, first_difference, sums_of
from scheduler.machine import Machine, Refusal
from scheduler.model.codec import decode_record, encode_entity, encode_record
from scheduler.model.events import Checkpoint, Mark
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
    found = cell.machine.checkpoint_of(cell.write(Mark()))
    assert found is not None
    return found


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
    """Of 60 draws of 2 to 415 differing tasks; each draw is another set of names."""
    named = 0
    for draw in range(60):
        names = [f"task-{draw}-{number}" for number in range(500)]
        differing = set(names[: 2 + draw * 7])
        ours: dict[object, int] = {name: 1_000_003 * at + 17 for at, name in enumerate(names)}
        theirs = {name: value + (name in differing) * 5 for name, value in ours.items()}
        sides = sums_of({"task": ours}), sums_of({"task": theirs})
        found = first_difference(*sides, {"task": names}.__getitem__)
        is_named = "can be named is" in found
        assert not is_named or found.split("is ")[-1].split(",")[0] in differing
        named += is_named
    assert named >= 45


def test_where_sums_agree_they_say_so() -> None:
    sums = sums_of({"task": {"a": 5}})
    assert "do not belong" in first_difference(sums, sums, {"task": ["a"]}.__getitem__)


def test_a_version_made_anew_has_the_sums_of_one_that_followed() -> None:
    """Entities that come, change and go leave what a state without them has."""
    cell = busy_cell()
    for task_id in [task.task_id for task in cell.tasks()][::3]:
        cell.status(task_id, "TASK_FAILED")
        cell.machine.digest.value()
    cell.decide_and_carry_out()
    digest, anew = cell.machine.digest, Digest(cell.state)
    kept = digest.value(), digest.sums(digest.version)
    anew.forget()
    assert (anew.value(), anew.sums(anew.version)) == kept
    assert cell.refolded().digest.value() == kept[0]


def test_cells_halve_what_is_left() -> None:
    (sums,) = sums_of({"task": {f"task-{number}": 1 for number in range(40_000)}})
    counts = [each.count for each in sums.cells]
    assert sum(counts) == 40_000
    assert CELLS_MAX - 3 <= len(counts) <= CELLS_MAX
    for at, count in enumerate(counts[:6]):
        assert 0.85 < count / (20_000 >> at) < 1.15


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
    digests = newer.digest.values()
    assert sorted(digests) == [1, 2]
    assert digests[1] == cell.machine.marks[offset] != digests[2]
    right = Checkpoint(offset, version, digests[version], sums=newer.digest.sums(version))
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
    assert newer.digest.values()[1] == older.digest.value()


def test_a_checkpoint_of_a_large_cell_is_small() -> None:
    """Sums of 16 cells a kind: kilobytes for any number of tasks."""
    cell = busy_cell(100)
    found = checkpoint(cell)
    assert len(encode_record(record_of(found))) < 10_000
    assert all(len(each.cells) <= CELLS_MAX for each in found.sums)


@pytest.mark.parametrize("stale_max", [0, 3, 50])
def test_what_is_looked_at_early_makes_the_same_digest(stale_max: int) -> None:
    """At every record, however few may wait; sums are those of the mark, or are not given."""
    cell = busy_cell()
    eager = Machine()
    for offset, data in enumerate(cell.log):
        eager.apply(offset, decode_record(data))
        eager.digest.take_in(stale_max)
        assert sum(map(len, eager.state.dirty.values())) <= stale_max
    assert eager.digest.value() == cell.machine.digest.value()
    mark = cell.write(Mark())
    eager.apply(mark, decode_record(cell.log[mark]))
    assert eager.checkpoint_of(mark) == cell.machine.checkpoint_of(mark)
    healthy(eager, cell.task(3).task_id)
    eager.digest.take_in(0)
    without = eager.checkpoint_of(mark)
    assert without is not None
    assert without.sums == (), "they would be of another state than the digest"
    assert without.digest == checkpoint(cell).digest


def test_a_checkpoint_that_is_made_later_is_of_its_mark() -> None:
    cell = busy_cell()
    mark = cell.write(Mark())
    made, now = cell.machine.checkpoint_later(mark), cell.machine.checkpoint_of(mark)
    assert made is not None
    cell.run(service(5), "more")
    cell.machine.digest.value()
    assert made() == now
