"""A shadow beside the log: what it compares, on which state, and how much of it is listed."""

import msgspec
import pytest
from msgspec.structs import replace

from projections.simulate.policies import pack, spread
from projections.travel.diff import FIELDS_MAX, Side, difference
from projections.travel.shadow import LOOK_AHEAD_RECORDS, Comparison, Shadow
from scheduler.machine import Machine
from scheduler.model.codec import decode_record
from scheduler.model.events import CellRecord, PolicySet, RoundRecord
from scheduler.model.policy import Policy
from scheduler.model.rules import PlacementRules, Plugin
from tests.support.cell import CellInMemory, batch, running_cell, service

PLUGIN = Plugin("fitness", "nearData", "acme-flumina", "1")


def records(cell: CellInMemory) -> list[tuple[int, CellRecord]]:
    """All of the log."""
    return [(offset, decode_record(data)) for offset, data in enumerate(cell.log)]


def shadowed(
    log: list[tuple[int, CellRecord]], rules: PlacementRules | None = None
) -> tuple[Comparison, Machine]:
    """The log followed, each record given with all behind it."""
    shadow = Shadow(Machine(), rules)
    for place, (offset, record) in enumerate(log):
        shadow.take(offset, record, log[place + 1 :])
    return shadow.comparison(), shadow.machine


def late_round(between: int) -> CellInMemory:
    """A round that stands so many records behind the state that it has seen."""
    cell = running_cell(2)
    cell.submit(batch(2))
    events = cell.machine.decide()
    for number in range(between):
        cell.submit(batch(1), f"other-{number}")
    cell.write(*events)
    return cell


@pytest.mark.parametrize(("between", "unknown"), [(LOOK_AHEAD_RECORDS, 0), (65, 1)])
def test_a_round_is_compared_on_its_state_as_far_as_that_is_looked_for(
    between: int, unknown: int
) -> None:
    found, _ = shadowed(records(late_round(between)))
    assert (found.rounds, found.equal, found.unknown) == (1, 1 - unknown, unknown)
    assert found.recorded_placed == found.shadow_placed == 2 * (1 - unknown)


def test_an_answer_is_of_one_round_and_of_no_later_one() -> None:
    """A leader that was voted out writes the round that was looked ahead to: it counts not."""
    cell = running_cell(2)
    cell.submit(batch(2))
    late, epoch = cell.machine.decide(), cell.epoch
    cell.submit(batch(1), "other")
    cell.elect("cell-1")
    cell.write(*late, epoch=epoch)
    cell.subscribe()
    cell.offer("host3")
    events = cell.machine.decide()
    assert any(isinstance(each, RoundRecord) for each in events)
    for number in range(LOOK_AHEAD_RECORDS + 1):
        cell.submit(batch(1), f"other-{number}")
    cell.write(*events)
    found, _ = shadowed(records(cell))
    assert (found.rounds, found.unknown) == (1, 1)
    assert (found.recorded_placed, found.shadow_placed) == (0, 0)


def test_a_round_of_a_leader_that_was_voted_out_hides_no_round_behind_it() -> None:
    cell = running_cell(2)
    cell.submit(batch(2))
    late, epoch = cell.machine.decide(), cell.epoch
    cell.elect("cell-1")
    cell.subscribe()
    cell.offer("host3")
    events = cell.machine.decide()
    cell.submit(batch(1), "more")
    cell.write(*late, epoch=epoch)
    cell.write(*events)
    found, _ = shadowed(records(cell))
    assert (found.rounds, found.equal, found.unknown) == (1, 1, 0)


def test_partings_beyond_the_limit_are_only_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("projections.travel.shadow.PARTINGS_MAX", 1)
    cell = running_cell(4, Policy(placement=pack()))
    for name in ("one", "two"):
        cell.run(service(2), name)
        for host in ("host1", "host2", "host3", "host4"):
            cell.offer(host)
        cell.tick()
    found, machine = shadowed(records(cell), spread())
    assert found.parted == 2
    assert len(found.partings) == 1
    assert found.partings[0].waiting == 2
    assert found.partings[0].at_ms == cell.now_ms - 2_000
    assert machine.digest.value() == cell.machine.digest.value()
    assert machine.state.policy == cell.state.policy


def test_plug_ins_that_are_not_here_are_left_out_and_the_rules_stay() -> None:
    cell = running_cell(2)
    cell.submit(batch(2))
    cell.launched()
    rules = replace(cell.state.policy.placement, plugins=(PLUGIN,))
    found, machine = shadowed(records(cell), rules)
    assert (found.rounds, found.equal, found.shadow_placed) == (1, 1, 2)
    assert not machine.state.policy.placement.plugins
    cell.write(PolicySet(version=2, policy=Policy(placement=rules)))
    _, machine = shadowed(records(cell))
    assert machine.state.policy.placement.plugins == (PLUGIN,)


def test_of_a_difference_with_many_fields_the_first_are_told_and_the_rest_counted() -> None:
    cell, other = running_cell(1), running_cell(1)
    plain = msgspec.to_builtins(Policy())
    more = {name: each + 1 for name, each in plain.items() if type(each) is int}
    assert len(more) > FIELDS_MAX
    other.state.policy = replace(Policy(), **more)
    side = Side("test/0a0b0c0d:1", 1, 0, "abc")
    (policy,) = difference(cell.state, other.state, (side, side)).entities
    assert (policy.kind, policy.before, policy.after) == ("policy", "version 1", "version 1")
    assert len(policy.fields) == FIELDS_MAX + 1
    assert (policy.fields[-1].field, policy.fields[-1].before) == (
        "…",
        f"{len(more) - FIELDS_MAX} more fields differ",
    )
    told = {each.field: (each.before, each.after) for each in policy.fields[:-1]}
    assert told == {
        name: (str(plain[name]), str(plain[name] + 1)) for name in list(more)[:FIELDS_MAX]
    }


def test_a_difference_of_as_many_fields_as_are_told_has_no_more() -> None:
    cell, other = running_cell(1), running_cell(1)
    plain = msgspec.to_builtins(Policy())
    names = [name for name, each in plain.items() if type(each) is int][:FIELDS_MAX]
    other.state.policy = replace(Policy(), **{name: plain[name] + 1 for name in names})
    side = Side("test/0a0b0c0d:1", 1, 0, "abc")
    (policy,) = difference(cell.state, other.state, (side, side)).entities
    assert [each.field for each in policy.fields] == names
