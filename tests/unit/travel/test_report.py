"""The report of a stretch: what is to be looked at first, where it stands, and how it is shown."""

import pytest

from projections.travel.diff import Difference, Side
from projections.travel.report import (
    LISTED_MAX,
    Incident,
    ReportFacts,
    report_html,
    report_markdown,
)
from scheduler.machine import Machine
from scheduler.model.address import Source
from scheduler.model.changes import (
    CellPaged,
    Change,
    JobChanged,
    JobRejected,
    OrphanSeen,
    ProposalRefused,
    SafeBegan,
    TaskChanged,
    TimeGapped,
)
from scheduler.model.codec import RECORD_VERSION, decode_record
from scheduler.model.events import CellRecord, PolicySet, Tick
from scheduler.model.ids import HostId, JobId, ProposalId, TaskId
from scheduler.model.inbound import Fault
from scheduler.model.policy import Policy
from scheduler.model.resources import Need
from tests.support.cell import BEGAN_AT_MS, GENERATION, CellInMemory, batch, running_cell

JOB, TASK = JobId("job"), TaskId("job-w-0-1")
SOURCE = Source("jobs", GENERATION, 0, 1, 0)
FACTS = ReportFacts(
    cell="test",
    first="test/0a0b0c0d:1",
    last="test/0a0b0c0d:9",
    first_at_ms=BEGAN_AT_MS,
    end_at_ms=BEGAN_AT_MS + 61_000,
    records=9,
    checkpoints=2,
    is_masked=False,
    digest="abc",
    members=(("cell.log", 9, 900),),
    missing=(),
)
SIDE = Side("test/0a0b0c0d:1", 1, BEGAN_AT_MS, "abc")
SAME = Difference(SIDE, SIDE, {}, ())


def gathered(cell: CellInMemory) -> Incident:
    """All that the cell's log says."""
    machine, incident = Machine(), Incident()
    for offset, data in enumerate(cell.log):
        record = decode_record(data)
        incident.take(machine.state, offset, record, machine.apply(offset, record))
    return incident


def of_changes(*changes: Change, times: int = 1) -> Incident:
    """What is gathered of one tick that made these changes, as its second event."""
    incident, cell = Incident(), running_cell(0)
    tick = CellRecord(version=RECORD_VERSION, epoch=1, at_ms=0, events=(Tick(),))
    for _ in range(times):
        incident.take(cell.state, 7, tick, [(1, each) for each in changes])
    return incident


def task(state: str, reason: str = "", message: str = "") -> TaskChanged:
    """A step of the task."""
    return TaskChanged(JOB, TASK, state, "", reason, message, HostId("host1"), "name-of-host1")


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (task("Finished", "lost", "gone"), "job-w-0-1 ended: lost gone"),
        (task("Finished", "failed"), "job-w-0-1 ended: failed"),
        (task("Disconnected"), "job-w-0-1 is disconnected with host name-of-host1"),
        (JobChanged(JOB, "Finished", "killed"), "job job ended: killed"),
        (JobRejected(SOURCE, (Fault("x", "x is  bad"),)), "a request was refused: x is bad"),
        (JobRejected(SOURCE, ()), "a request was refused:"),
        (OrphanSeen(TASK, None, "TASK_RUNNING"), "orphan job-w-0-1 was seen"),
        (
            ProposalRefused(ProposalId("1-0"), "LaunchTasks", "no offer"),
            "proposal 1-0 (LaunchTasks) was refused: no offer",
        ),
        (TimeGapped(1_000, 91_000), "time went on by 1 min 30 s at once"),
        (CellPaged("orphans", "three\nrun"), "paged: orphans: three run"),
    ],
)
def test_what_is_looked_at_first_has_its_words_and_its_place(change: Change, text: str) -> None:
    (found,) = of_changes(change).notables
    assert found.text == text
    assert found.address == "test/0a0b0c0d:7[1]"
    assert found.at_ms == BEGAN_AT_MS


@pytest.mark.parametrize(
    "change",
    [
        task("Finished", "normal"),
        task("Finished", "killed"),
        task("Finished", "scaledDown"),
        task("Started"),
        JobChanged(JOB, "Finished", "normal"),
        JobChanged(JOB, "KillInitiated", "killed"),
        SafeBegan(3, "why"),
    ],
)
def test_what_is_usual_or_said_elsewhere_is_not_looked_at_first(change: Change) -> None:
    assert of_changes(change).notables == []


def test_steps_and_ends_of_tasks_are_counted_by_their_names() -> None:
    found = of_changes(task("Started"), task("Finished", "lost"), task("Finished", "normal"))
    assert found.steps == {"Started": 1, "Finished": 2}
    assert found.ends == {"lost": 1, "normal": 1}


def test_a_day_names_its_leaders_and_policies_and_counts_its_rounds() -> None:
    cell = running_cell(1)
    cell.submit(batch(3, need=Need(cpu_milli=2_000, memory_mib=64)))
    cell.launched()
    cell.write(PolicySet(version=2, policy=Policy()))
    found = gathered(cell)
    texts = [each.text for each in found.notables]
    assert texts[:2] == ["policy 1 was set", "cell-0 was elected"]
    assert texts[-1] == "policy 2 was set"
    assert found.notables[-1].address == f"test/0a0b0c0d:{len(cell.log) - 1}[0]"
    assert found.placed == 2
    assert found.waiting_most == 3
    assert found.events["JobSubmitted"] == 0, "a copy is counted as one"
    assert found.events["PolicySet"] == 2


def test_of_too_many_the_first_are_listed_and_the_rest_counted() -> None:
    found = of_changes(OrphanSeen(TASK, None, "TASK_RUNNING"), times=LISTED_MAX + 2)
    assert (len(found.notables), found.dropped) == (LISTED_MAX, 2)
    assert "\n2 more of this kind are in the log.\n" in report_markdown(FACTS, found, SAME)
    fewer = of_changes(OrphanSeen(TASK, None, "TASK_RUNNING"), times=LISTED_MAX)
    assert fewer.dropped == 0
    assert "more of this kind" not in report_markdown(FACTS, fewer, SAME)


def test_words_of_strangers_stay_in_their_cell_of_the_table() -> None:
    found = of_changes(CellPaged("a|b", "`<b>` " + "x" * 400))
    text = report_markdown(FACTS, found, SAME)
    (row,) = [each for each in text.split("\n") if "paged" in each]
    assert "| `test/0a0b0c0d:7[1]` | paged: a\\|b: '&lt;b&gt;' xxx" in row
    assert len(row) < 400
    page = report_html(text, "Cell <test>")
    assert "<title>Cell &lt;test&gt;</title>" in page
    assert "<td>paged: a|b: &#x27;&lt;b&gt;&#x27; xxx" in page
    assert "<h1>Cell test, 2023-11-14 22:13:20.000 UTC and the 1 min 1 s since</h1>" in page


def test_a_masked_bundle_and_what_is_missing_in_it_are_said() -> None:
    masked = ReportFacts("test", *("",) * 2, 0, 0, 0, 0, True, "", (), ("the log before 3",))
    text = report_markdown(masked, Incident(), SAME)
    assert "are masked in this bundle" in text
    assert "\nMissing: the log before 3\n" in text
    assert "are masked in this bundle" not in report_markdown(FACTS, Incident(), SAME)
