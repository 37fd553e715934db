"""The numbers that the fold decides by: set by events, checked, and written out in full."""

import msgspec
import pytest

from scheduler.model.changes import JobRejected, RequestAccepted
from scheduler.model.codec import encode_record
from scheduler.model.events import CellRecord, PolicySet
from scheduler.model.policy import NUMBERS, Policy, changed_policy
from tests.support.cell import batch, running_cell


def test_an_operator_changes_numbers_and_the_version_counts_up() -> None:
    cell = running_cell()
    cell.set_policy(batch_size_max=7, orphans_max=3)
    (answer,) = cell.said_last()
    assert isinstance(answer, RequestAccepted)
    assert (cell.state.policy.batch_size_max, cell.state.policy.orphans_max) == (7, 3)
    assert cell.state.policy_version == 2
    cell.set_policy(orphans_max=4)
    assert (cell.state.policy.batch_size_max, cell.state.policy_version) == (7, 3)


def test_a_leader_sets_the_whole_policy() -> None:
    cell = running_cell()
    cell.write(PolicySet(version=12, policy=Policy(orphans_max=5)))
    assert (cell.state.policy, cell.state.policy_version) == (Policy(orphans_max=5), 12)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"orphan_max": 5}, "orphan_max: no such policy; known are "),
        ({"orphans_max": -1}, "orphans_max: -1 is negative; give 0 or more"),
        ({"orphans_max": 0}, "orphans_max: a limit of 0 would stop the cell; give 1 or more"),
        ({"kill_retry_ms": 99}, "kill_retry_ms: 99 would repeat without a pause; give 100 or more"),
        ({"call_retry_ms": 0}, "call_retry_ms: 0 would repeat without a pause"),
        ({"reconcile_retry_ms": 0}, "reconcile_retry_ms: 0 would repeat without a pause"),
        ({"reconcile_retry_ms_max": 1}, "reconcile_retry_ms_max: 1 would repeat without a pause"),
        ({"reconcile_all_ms": 999}, "reconcile_all_ms: 999 would repeat without a pause"),
        ({"mark_records": 0}, "mark_records: 0 would repeat without a pause; give 1 or more"),
        ({"batch_size_max": 5, "orphans_max": -1}, "orphans_max: -1 is negative"),
    ],
)
def test_what_would_stop_the_cell_or_never_stop_is_refused(
    values: dict[str, int], words: str
) -> None:
    with pytest.raises(ValueError, match=words):
        changed_policy(Policy(), values)
    cell = running_cell()
    cell.set_policy(**values)
    (answer,) = cell.said_last()
    assert isinstance(answer, JobRejected)
    assert answer.faults[0].text.startswith(words[:40])
    assert (cell.state.policy, cell.state.policy_version) == (Policy(), 1)


@pytest.mark.parametrize("name", ["inferred_kills_per_hour", "offer_refuse_ms", "offer_hold_ms"])
def test_none_at_all_and_at_once_are_numbers_as_well(name: str) -> None:
    assert getattr(changed_policy(Policy(), {name: 0}), name) == 0


def test_every_number_stands_in_the_log_defaults_included() -> None:
    """A later build with other defaults must read the same policy from an old log."""
    record = CellRecord(version=1, epoch=-1, at_ms=0, events=(PolicySet(1, Policy()),))
    (event,) = msgspec.json.decode(encode_record(record))["events"]
    assert set(event["policy"]) - {"type"} == set(Policy.__struct_fields__)


def test_every_number_is_a_whole_number_with_a_name_that_ends_in_its_unit() -> None:
    units = ("_ms", "_max", "_min", "_hour", "_per_s", "_records", "_percent", "_periods")
    for name in NUMBERS:
        assert Policy.__annotations__[name] is int
        assert name.endswith((*units, "_tolerated")), name


def test_another_policy_wakes_placement() -> None:
    cell = running_cell()
    cell.submit(batch(1))
    cell.decide_and_carry_out()
    before = cell.state.placement_inputs
    cell.set_policy(launches_per_round_max=1)
    assert cell.state.placement_inputs == before + 1
