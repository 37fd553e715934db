"""Labels of processes: written, removed, and so many at most."""

from collections.abc import Iterable

import pytest

from scheduler.fold import membership
from scheduler.model.changes import JobRejected, RequestAccepted
from scheduler.model.membership import MemberLabelled
from tests.support.cell import CellInMemory, running_cell


def label(
    cell: CellInMemory, member_id: str, labels: dict[str, str], removed: Iterable[str] = ()
) -> tuple[str, str, str] | None:
    """Label a process; field, text and code of the refusal, if it is one."""
    body = MemberLabelled(member_id, tuple(labels.items()), tuple(removed), "ada", "test")
    cell.copy("commands", body)
    (change,) = cell.said_last()
    if isinstance(change, JobRejected):
        (fault,) = change.faults
        return fault.field, fault.text, fault.code
    assert isinstance(change, RequestAccepted)
    assert change.what == "label member"
    return None


def test_labels_are_written_over_and_removed() -> None:
    cell = running_cell(hosts=0)
    assert label(cell, "cell-0", {"rack": "b", "disk": "old"}) is None
    assert label(cell, "cell-0", {"rack": "a"}, ["disk", "never"]) is None
    assert cell.state.member_labels == {"cell-0": (("rack", "a"),)}
    assert label(cell, "cell-0", {}, ["rack"]) is None
    assert label(cell, "cell-1", {}, ["rack"]) is None
    assert cell.state.member_labels == {}


def test_a_process_has_so_many_labels(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(membership, "LABELS_MAX", 2)
    cell = running_cell(hosts=0)
    assert label(cell, "cell-0", {"a": "1", "b": "2"}) is None
    assert label(cell, "cell-0", {"c": "3"}) == ("labels", "would be 3 of cell-0", "limit")
    assert label(cell, "cell-0", {"c": "3"}, ["a"]) is None
    assert cell.state.member_labels == {"cell-0": (("b", "2"), ("c", "3"))}


def test_so_many_processes_have_labels(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(membership, "MEMBERS_MAX", 1)
    cell = running_cell(hosts=0)
    assert label(cell, "cell-0", {"a": "1"}) is None
    text = "has no labels, and 1 processes have some"
    assert label(cell, "cell-1", {"a": "1"}) == ("memberId", text, "limit")
    assert label(cell, "cell-1", {}, ["a"]) is None, "nothing is to be kept"
    assert label(cell, "cell-0", {"a": "2"}) is None
    assert cell.state.member_labels == {"cell-0": (("a", "2"),)}
