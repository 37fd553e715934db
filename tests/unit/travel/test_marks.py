"""Marks of what happened to a cell: what each says, how grave it is, and whose word it was."""

import asyncio
from typing import Any, Final

import msgspec

from projections.glance.marks import MARKS_MAX, TEXT_CHARACTERS_MAX
from projections.travel.questions import MarksOf
from scheduler.model.events import Tick
from scheduler.model.ids import HostId, TaskId
from scheduler.model.inbound import FindingConfirmed, FindingRejected
from scheduler.model.mesos import HostFailed
from scheduler.model.policy import Policy
from streams.travel.answering import Answering
from tests.support.cell import CellInMemory, batch, running_cell, service
from tests.support.log_in_memory import LogInMemory

HOST: Final = HostId("host1")


def marks(cell: CellInMemory) -> list[dict[str, Any]]:
    """All marks of the cell's log."""
    asked = Answering(LogInMemory(cell.log)).ask(MarksOf("1", "now"))
    return list(msgspec.json.decode(asyncio.run(asked))["marks"])


def told(cell: CellInMemory) -> list[tuple[str, str, str, str]]:
    """Grade, word, subject and text of each."""
    return [(each["grade"], each["what"], each["subject"], each["text"]) for each in marks(cell)]


def test_a_safe_cell_from_its_finding_to_the_operators_word() -> None:
    cell = running_cell(1)
    for number in range(3):
        cell.status(TaskId(f"stranger-{number}"), "TASK_RUNNING", host_id=HOST)
    assert cell.state.safe is not None
    why = cell.state.safe.why
    cell.copy("commands", FindingConfirmed(cell.state.safe.finding, 3, "ada", "they are ours"))
    found = told(cell)
    assert ("grave", "safe", "", f"the cell became safe: {why}") in found
    over = [each for each in found if "the cell is safe no longer" in each[3]]
    assert over == [
        ("grave", "safe", "", "ada: the cell is safe no longer, confirmed: they are ours")
    ]
    seen = [each for each in found if each[1] == "orphan seen"]
    name = "stranger-0"
    assert ("grave", "orphan seen", name, f"{name} runs without history in the log") in seen
    assert len(seen) == 3
    (page,) = [each for each in found if each[1] == "paged"]
    assert page[0] == "grave"
    assert page[3].startswith("the cell is safe")


def test_a_finding_that_was_rejected_says_so() -> None:
    cell = running_cell(1)
    for number in range(3):
        cell.status(TaskId(f"stranger-{number}"), "TASK_RUNNING", host_id=HOST)
    assert cell.state.safe is not None
    cell.copy("commands", FindingRejected(cell.state.safe.finding, "ada", "a young master"))
    assert "ada: the cell is safe no longer, rejected: a young master" in [
        each[3] for each in told(cell)
    ]


def test_a_policy_and_an_election_name_who_and_what() -> None:
    cell = running_cell(1)
    cell.set_policy(orphans_max=1)
    cell.elect("cell-7")
    found = told(cell)
    assert ("notable", "leader", "", "cell-7 was elected") in found
    (policy,) = [each for each in found if each[1] == "policy"]
    assert policy[0] == "change"
    assert f"policy {cell.state.policy_version} was set" in policy[3]


def test_a_gap_in_time_says_how_long_it_was() -> None:
    cell = running_cell(1)
    cell.now_ms += 3_600_000
    cell.write(Tick())
    (gap,) = [each for each in told(cell) if each[1] == "time gap"]
    assert gap[0] == "notable"
    assert gap[3] == "time went on by 1 h 0 min at once"


def test_a_host_that_went_is_grave_and_named() -> None:
    cell = running_cell(1)
    cell.copy("mesos", HostFailed(stream_id=cell.stream_id, host_id=HOST))
    (went,) = [each for each in told(cell) if each[1] == "removed by Mesos"]
    assert went == (
        "grave",
        "removed by Mesos",
        HOST,
        f"{cell.state.hostname(HOST)}: removed by Mesos",
    )


def test_an_end_that_nobody_wanted_is_notable_and_one_that_was_planned_is_none() -> None:
    cell = running_cell(1)
    (lost,) = cell.run(batch(), "lost")
    cell.status(lost, "TASK_LOST", message="gone with its host")
    cell.offer("host1")
    (done,) = cell.run(batch(), "done")
    cell.status(done, "TASK_FINISHED")
    ends = [each for each in told(cell) if "ended:" in each[3]]
    assert [(each[0], each[2]) for each in ends] == [("notable", lost)]
    assert "gone with its host" in ends[0][3]


def test_a_crash_loop_is_notable_and_its_jobs() -> None:
    cell = running_cell(1, Policy(crash_loop_failures_min=3), cpus=64)
    cell.submit(service(3), "svc")
    cell.launched()
    for task in list(cell.tasks("svc")):
        cell.status(task.task_id, "TASK_RUNNING")
        cell.status(task.task_id, "TASK_FAILED")
    (loop,) = [each for each in told(cell) if each[1] == "job health"]
    assert (loop[0], loop[2]) == ("notable", "svc")
    assert loop[3].startswith("svc: crash loop: 3 tasks ended by themselves")


def test_long_words_are_cut_and_of_too_many_marks_the_gravest_stay() -> None:
    cell = running_cell(1)
    for number in range(3):
        cell.status(TaskId(f"stranger-{number}"), "TASK_RUNNING", host_id=HOST)
    assert cell.state.safe is not None
    cell.copy("commands", FindingConfirmed(cell.state.safe.finding, 3, "ada", "long " * 200))
    assert max(len(each[3]) for each in told(cell)) == TEXT_CHARACTERS_MAX
    for number in range(MARKS_MAX):
        cell.elect(f"cell-{number}")
    found = marks(cell)
    assert len(found) == MARKS_MAX
    assert [each["what"] for each in found].count("orphan seen") == 3
    assert found == sorted(found, key=lambda each: each["atMs"])
