"""Groups of hosts in the fold: what a group is used for is judged at each proposal's own place.

`decide` is not asked here; each test writes what a `decide` that has not read the order yet says.
"""

from typing import Any

import pytest

from scheduler.fold import guards, instance_groups
from scheduler.fold.fleet_deployments import busy_hosts
from scheduler.fold.instance_groups import is_last_choice
from scheduler.model.changes import JobRejected, ProposalRefused
from scheduler.model.foreign import decode_commands_record
from scheduler.model.foreign_records import encode_change_rules, encode_mark_host
from scheduler.model.ids import HostId, OfferId, TaskId
from scheduler.model.inbound import HostMarked, LeaderDismissed
from scheduler.model.mesos import HostFacts, Offer
from scheduler.model.proposals import Launch, LaunchTasks
from scheduler.model.resources import Resources
from tests.support.cell import CellInMemory, batch, running_cell

HOST = HostId("S1")


def _cell() -> CellInMemory:
    """A cell with one host of group ``old`` and a job that waits."""
    cell = running_cell(hosts=0)
    facts = HostFacts(hostname="h1", attributes=(("group", "old"),))
    cell.offers(Offer(OfferId("a"), HOST, Resources(4_000, 8_192, 10_000), facts))
    cell.submit(batch(1))
    return cell


def _order(cell: CellInMemory, value: bytes) -> tuple[str, ...]:
    """Publish an operator's order; the fields that are wrong with it."""
    cell.copy("commands", decode_commands_record(None, value))
    found = [each for each in cell.said_last() if isinstance(each, JobRejected)]
    return tuple(fault.field for each in found for fault in each.faults)


def _group(cell: CellInMemory, **entry: Any) -> tuple[str, ...]:
    groups = {"old": entry}
    return _order(cell, encode_change_rules(set_instance_groups=groups, actor="ada", why="test"))


def _refusal(cell: CellInMemory) -> str:
    """Why a launch on the host is refused; empty where it is taken."""
    launch = Launch(task_id=TaskId("job-worker-0-1"), ports=())
    cell.write(LaunchTasks(host_id=HOST, offer_ids=(OfferId("a"),), launches=(launch,)))
    found = [each for each in cell.said_last() if isinstance(each, ProposalRefused)]
    return found[0].why if found else ""


@pytest.mark.parametrize(
    ("entry", "why"),
    [
        ({}, ""),
        ({"lifecycle": "Active", "tier": "Flex"}, ""),
        ({"lifecycle": "PhasedOut"}, ""),
        ({"lifecycle": "Inactive"}, "of group old, which is Inactive"),
        ({"lifecycle": "Removable"}, "of group old, which is Removable"),
        ({"tier": "Critical"}, "group is 'old', which is unwanted"),
        ({"attributes": {"noPlacement": "true"}}, "marked noPlacement"),
        ({"attributes": {"systemNoPlacement": "true"}}, "marked systemNoPlacement"),
        ({"attributes": {"noPlacement": "false", "preferNoPlacement": "true"}}, ""),
    ],
)
def test_a_launch_that_was_decided_before_the_order_is_judged_by_it(
    entry: dict[str, Any], why: str
) -> None:
    cell = _cell()
    assert _group(cell, **entry) == ()
    refused = _refusal(cell)
    assert why in refused
    assert bool(refused) == bool(why)


def test_a_mark_of_a_host_counts_at_its_own_place_and_survives_a_fold_from_the_log() -> None:
    cell = _cell()
    mark = {"noPlacement": "true", "team": "a"}
    assert _order(cell, encode_mark_host(HOST, mark, (), "ada", "kernel")) == ()
    assert not guards.is_schedulable(cell.state, HOST)
    assert "marked noPlacement" in _refusal(cell)
    again = cell.refolded()
    assert again.state.host_marks == {HOST: (("noPlacement", "true"), ("team", "a"))}
    assert again.digest.value() == cell.machine.digest.value()
    assert _order(cell, encode_mark_host(HOST, {}, ("noPlacement", "none"), "ada", "done")) == ()
    assert cell.state.host_marks == {HOST: (("team", "a"),)}
    assert _refusal(cell) == ""


def test_what_is_not_there_cannot_be_ordered_about() -> None:
    cell = _cell()
    assert _order(cell, encode_mark_host(HostId("S9"), {"a": "b"}, (), "ada", "x")) == ("hostId",)
    assert _group(cell, tier="Gold") == ("setInstanceGroups.old.tier",)
    gone = encode_change_rules(remove_instance_groups=["x"], actor="ada", why="test")
    assert _order(cell, gone) == ("removeInstanceGroups",)
    assert cell.state.policy.placement.instance_groups == ()


def test_only_the_leader_of_that_epoch_is_dismissed() -> None:
    cell = _cell()
    cell.copy("commands", LeaderDismissed(epoch=cell.epoch + 1, actor="ada", why="x"))
    (refused,) = cell.said_last()
    assert isinstance(refused, JobRejected)
    assert (refused.source.topic, refused.faults[0].code) == ("commands", "version")
    text = f"is {cell.epoch + 1}, and who leads was elected at {cell.epoch}"
    assert refused.faults[0].text == text
    assert cell.state.dismissed_epoch == -1
    cell.copy("commands", LeaderDismissed(epoch=cell.epoch, actor="ada", why="x"))
    assert cell.state.dismissed_epoch == cell.epoch
    assert cell.refolded().state.dismissed_epoch == cell.epoch


def _mark(cell: CellInMemory, *removed: str, host: str = HOST, **attributes: str) -> str:
    """Mark a host; the text with which that is refused."""
    pairs = tuple(attributes.items())
    cell.copy("commands", HostMarked(HostId(host), pairs, removed, "ada", "test"))
    found = [each for each in cell.said_last() if isinstance(each, JobRejected)]
    return found[0].faults[0].text if found else ""


def test_marks_are_written_over_and_gone_with_the_last_one() -> None:
    cell = _cell()
    assert _mark(cell, noPlacement="true", disk="old") == ""
    assert guards.host_refusal(cell.state, HOST, 1) == "host S1 is marked noPlacement"
    assert _mark(cell, "noPlacement", "never") == ""
    assert cell.state.host_marks == {HOST: (("disk", "old"),)}
    assert _mark(cell, "disk") == ""
    assert (cell.state.host_marks, guards.host_refusal(cell.state, HOST, 1)) == ({}, "")


def test_a_host_is_the_last_choice_by_its_own_mark_or_by_its_group() -> None:
    cell = _cell()
    assert not is_last_choice(cell.state, HOST)
    _mark(cell, preferNoPlacement="false")
    assert not is_last_choice(cell.state, HOST)
    _mark(cell, preferNoPlacement="true")
    assert is_last_choice(cell.state, HOST)
    _mark(cell, "preferNoPlacement")
    _group(cell, lifecycle="PhasedOut")
    assert is_last_choice(cell.state, HOST)


def test_marks_are_so_many_and_of_known_hosts(monkeypatch: pytest.MonkeyPatch) -> None:
    cell = _cell()
    cell.offer("S2")
    assert _mark(cell, host="S3", a="1") == "no host S3"
    monkeypatch.setattr(instance_groups, "HOSTS_MARKED_MAX", 1)
    assert _mark(cell, a="1") == ""
    assert _mark(cell, host="S2", a="1") == "1 hosts are marked"
    monkeypatch.setattr(instance_groups, "ATTRIBUTES_MAX", 2)
    assert _mark(cell, b="2") == ""
    assert _mark(cell, c="3") == "would be 3 of 6 bytes in all"
    monkeypatch.setattr(instance_groups, "ATTRIBUTES_BYTES_MAX", 4)
    assert _mark(cell, a="11") == "would be 2 of 5 bytes in all"
    assert cell.state.host_marks == {HOST: (("a", "1"), ("b", "2"))}


def test_a_host_that_only_its_agent_calls_one_of_the_group_is_busy_as_well() -> None:
    cell = _cell()
    assert busy_hosts(cell.state, "old") == []
    assert cell.launched()
    assert busy_hosts(cell.state, "old") == [HOST]
    assert busy_hosts(cell.state, "new") == []
