"""`flumina safe status`: the list, what it is about, and the words that end it."""

import io

from rich.console import Console

from connectors.client.shapes import Finding
from connectors.web.cell import Cell
from projections.finding import finding
from scheduler.model.ids import TaskId
from streams.cli.client import decoded
from streams.cli.command_safe import print_finding
from tests.support.asgi import call
from tests.support.cell import running_cell, service
from tests.support.web_cell import WebCell


def shown(web: WebCell, halt: str = "") -> str:
    """What `status` prints of a cell, by what its API answers."""
    answer = call(web.app, "GET", "/api/flumina/safe")
    written = io.StringIO()
    console = Console(file=written, width=400)
    print_finding(decoded(answer.body, Finding), halt, console)
    return written.getvalue()


def test_a_cell_that_trusts_what_it_hears() -> None:
    assert shown(WebCell(running_cell())).startswith("The cell is not safe")


def test_a_finding_with_its_list_and_the_way_on() -> None:
    cell = running_cell(hosts=4)
    task_ids = cell.run(service(4))
    for task_id in task_ids:
        cell.answer(task_id, "TASK_GONE")
    cell.status(TaskId("stranger"), "TASK_RUNNING", host_id="host1")
    assert cell.state.safe is not None
    text = shown(WebCell(cell))
    assert "Mesos has none of the 4 tasks of job job that ran" in text
    lines = [line.split() for line in text.splitlines()]
    assert ["missing", "TASK_GONE"] in [line[1:3] for line in lines if line[:1] == [task_ids[0]]]
    assert ["orphan", "TASK_RUNNING"] in [line[1:3] for line in lines if line[:1] == ["stranger"]]
    at = cell.state.safe.finding
    assert f"flumina safe confirm {at} --tasks 5 --why REASON" in text
    assert f"flumina safe reject {at} --why REASON" in text


def test_a_halt_is_said_first_and_kills_that_wait_are_counted() -> None:
    cell = running_cell(hosts=4)
    (task_id,) = cell.run(service(1))
    cell.answer(task_id, "TASK_UNREACHABLE")
    cell.pass_ms(60_000)
    cell.status(task_id, "TASK_RUNNING")
    web: Cell = WebCell(cell)
    assert finding(web.view).kills_held == 1
    text = shown(WebCell(cell), halt="The fold halted.")
    assert text.startswith("The fold halted.")
    assert "1 kills that no user asked for wait." in text
