"""What commands print of other instants: counts, entities with their events, chains."""

import asyncio
import io

import pytest
from rich.console import Console

from connectors.client.shapes import State
from projections.travel.questions import DiffOf, StateAt, TraceOf
from streams.cli.client import decoded
from streams.cli.command_diff import print_diff
from streams.cli.command_timeline import print_trace
from streams.cli.commands_explain import print_state
from streams.cli.travel_shapes import Diff, Trace
from streams.travel.answering import Answering
from streams.travel.errors import TravelError
from tests.support.cell import batch, running_cell
from tests.support.log_in_memory import LogInMemory


def asked(question: StateAt | DiffOf | TraceOf) -> bytes:
    """The answer about a small day, as the API gives it."""
    cell = running_cell(1)
    (task_id,) = cell.run(batch(), "job")
    cell.status(task_id, "TASK_FAILED", message="[bold]no[/bold] \x1b[2J luck")
    return asyncio.run(Answering(LogInMemory(cell.log)).ask(question))


def console() -> tuple[Console, io.StringIO]:
    """A console without a terminal, and what is printed on it."""
    text = io.StringIO()
    return Console(file=text, width=1_000), text


def test_a_difference_is_printed_with_its_events() -> None:
    there, text = console()
    print_diff(decoded(asked(DiffOf("4", "now")), Diff), there, is_long=True)
    said = text.getvalue()
    assert "Finished (failed), wants 1" in said
    assert "test/0a0b0c0d:5[1]" in said
    assert "appeared" in said


def test_nothing_different_is_said_so() -> None:
    there, text = console()
    print_diff(decoded(asked(DiffOf("4", "4")), Diff), there, is_long=False)
    assert "Nothing is different" in text.getvalue()


def test_a_difference_from_before_the_log_is_all_of_it() -> None:
    """In a cell that is two minutes old, what is different since ten minutes is everything."""
    since_long = decoded(asked(DiffOf("2001-01-01", "now")), Diff)
    assert since_long.entities == decoded(asked(DiffOf("0", "now")), Diff).entities
    with pytest.raises(TravelError, match="before the log's first record"):
        asked(DiffOf("0", "2001-01-01"))


def test_a_chain_is_printed_without_what_a_terminal_obeys() -> None:
    there, text = console()
    address = "test/0a0b0c0d:5[1]"
    print_trace(decoded(asked(TraceOf(address, "effects")), Trace), there)
    said = text.getvalue()
    assert f"effects of {address}" in said
    assert "[bold]no[/bold]" in said
    assert "\x1b" not in said


def test_a_state_of_then_says_nothing_of_now() -> None:
    there, text = console()
    numbers = decoded(asked(StateAt("4")), State)
    print_state(numbers.standing, numbers, there, is_past=True)
    said = text.getvalue()
    assert "test/0a0b0c0d:4" in said
    assert "heard" not in said
