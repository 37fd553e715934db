"""A log with a record that nobody can take: what came before it can still be looked at."""

import asyncio
from typing import Any, Final

import msgspec
import pytest

from projections.travel.questions import ChainOf, IncidentOf, IncidentPageOf, MarksOf, Question
from scheduler.model.codec import digest_of
from scheduler.model.inbound import RecordSkipped
from streams.travel.answering import Answering
from streams.travel.errors import LogHalted
from tests.support.cell import CellInMemory, batch, running_cell
from tests.support.log_in_memory import LogInMemory

BROKEN: Final = b'{"this is":"not ours"}'


@pytest.fixture
def cell() -> CellInMemory:
    """A cell in which a task failed, and an operator set a number."""
    cell = running_cell(1)
    (task_id,) = cell.run(batch(), "job")
    cell.status(task_id, "TASK_FAILED", message="of itself")
    cell.set_policy(orphans_max=0)
    return cell


def asked(log: list[bytes], question: Question) -> Any:
    """The answer as JSON."""
    return msgspec.json.decode(asyncio.run(Answering(LogInMemory(log)).ask(question)))


def test_an_incident_is_told_up_to_the_halt_and_names_it(cell: CellInMemory) -> None:
    at = len(cell.log)
    found = asked([*cell.log, BROKEN, cell.log[-1]], IncidentOf("1", "now"))
    whole = asked(cell.log, IncidentOf("1", "now"))
    assert found.pop("halt").startswith(f"The log cannot be folded past offset {at}: ")
    assert not whole.pop("halt")
    assert found == whole
    assert found["ends"] == {"failed": 1}


def test_a_page_that_is_kept_says_that_it_ends_at_a_halt(cell: CellInMemory) -> None:
    page = asked([*cell.log, BROKEN], IncidentPageOf("1", "now"))["html"]
    assert f"cannot be folded past offset {len(cell.log)}" in page
    assert "cannot be folded" not in asked(cell.log, IncidentPageOf("1", "now"))["html"]


def test_a_stretch_before_the_halt_is_told_as_ever(cell: CellInMemory) -> None:
    until = str(len(cell.log) - 2)
    assert asked([*cell.log, BROKEN], IncidentOf("1", until)) == asked(
        cell.log, IncidentOf("1", until)
    )


def test_a_stretch_behind_the_halt_is_refused_with_its_reason(cell: CellInMemory) -> None:
    at = len(cell.log)
    log = [*cell.log, BROKEN, cell.log[-1], cell.log[-1]]
    for question in (IncidentOf(str(at + 1), "now"), MarksOf(str(at + 2), "now")):
        with pytest.raises(LogHalted) as refused:
            asked(log, question)
        assert refused.value.offset == at


def test_the_chain_of_a_task_is_told_up_to_the_halt(cell: CellInMemory) -> None:
    (task_id,) = (each for each in cell.state.tasks)
    question = ChainOf(task_id, "1", "now")
    assert asked([*cell.log, BROKEN], question) == asked(cell.log, question)


def test_marks_have_the_halt_as_their_last(cell: CellInMemory) -> None:
    at = len(cell.log)
    found = asked([*cell.log, BROKEN, cell.log[-1]], MarksOf("1", "now"))
    before = asked(cell.log, MarksOf("1", "now"))
    *others, halt = found["marks"]
    assert others == before["marks"]
    assert (halt["grade"], halt["what"]) == ("grave", "halt")
    assert f":{at}[0]" in halt["address"]
    assert str(at) in halt["text"]
    assert found["counts"]["grave"] == before["counts"]["grave"] + 1


def test_once_it_is_skipped_all_is_told_and_no_halt(cell: CellInMemory) -> None:
    at = len(cell.log)
    cell.log.append(BROKEN)
    cell.machine.pass_over(at)
    skip = RecordSkipped(offset=at, digest=digest_of(BROKEN), actor="ada", why="not ours")
    cell.copy("commands", skip)
    assert not asked(cell.log, IncidentOf("1", "now"))["halt"]
    assert all(each["what"] != "halt" for each in asked(cell.log, MarksOf("1", "now"))["marks"])
