"""What `flumina incident` prints: sections, movers, notes; nothing that a terminal would obey."""

import asyncio
import io

from rich.console import Console

from projections.travel.questions import IncidentOf
from scheduler.model.ids import HostId
from scheduler.model.inbound import HostOrdered
from scheduler.model.incident_notes import IncidentNoted
from streams.cli.client import decoded
from streams.cli.command_incident import print_incident, print_section
from streams.cli.incident_shapes import Incident, Section
from streams.travel.answering import Answering
from tests.support.cell import CellInMemory, batch, running_cell
from tests.support.log_in_memory import LogInMemory


def day() -> CellInMemory:
    """A task fails, and an operator orders a host and writes a note."""
    cell = running_cell(1)
    (task_id,) = cell.run(batch(), "job")
    cell.status(task_id, "TASK_FAILED", message="[bold]no[/bold] \x1b[2J luck")
    cell.copy("commands", HostOrdered(HostId("host1"), "draining", "ada", "old"))
    cell.copy("commands", IncidentNoted("it is the [red]disk[/red]", "ada"))
    return cell


def said(asked: IncidentOf, shape: type[Incident] | type[Section]) -> str:
    """What is printed of the answer."""
    body = asyncio.run(Answering(LogInMemory(day().log)).ask(asked))
    text = io.StringIO()
    console = Console(file=text, width=1_000)
    found = decoded(body, shape)
    if isinstance(found, Incident):
        print_incident(found, console)
    else:
        print_section(found, console)
    return text.getvalue()


def test_an_incident_is_printed() -> None:
    text = said(IncidentOf("1"), Incident)
    for each in (
        "ordered draining",
        "it is the [red]disk[/red]",
        "Tasks that ended badly (2)",
        "[bold]no[/bold]",
        "Jobs that moved most",
        "Ways in which tasks failed",
        "test/0a0b0c0d:",
    ):
        assert each in text
    assert "\x1b" not in text


def test_a_section_says_how_to_see_more() -> None:
    text = said(IncidentOf("0", section="leaders", limit=1), Section)
    assert "--section leaders --skip 1" in text
