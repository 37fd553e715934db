"""What is printed: lines that end where their text ends, and nothing that a terminal obeys."""

import io

import pytest
from rich.console import Console

from streams.cli.render import clock, plain, show, state_text, table
from streams.clock import now_ms


def printed(rows: list[tuple[object, ...]]) -> str:
    stream = io.StringIO()
    show(Console(file=stream, width=1_000), table("", ("name", "count #"), rows))
    return stream.getvalue()


def test_without_a_terminal_each_row_is_one_line_without_blanks_at_its_end() -> None:
    text = printed([("a" * 200, 5), ("b", 10)])
    lines = text.splitlines()
    assert len(lines) == 3
    assert lines[1] == f"{'a' * 200}      5"
    assert all(line == line.rstrip() for line in lines)


def test_names_of_strangers_are_text() -> None:
    text = printed([("[bold]x[/bold]\x1b[31m\nnext", 1)])
    assert "[bold]x[/bold]" in text
    assert "\x1b" not in text
    assert len(text.splitlines()) == 2


@pytest.mark.parametrize(("text", "shown"), [("a\tb", "a�b"), ("ä→", "ä→"), ("\x07", "�")])
def test_control_characters_are_replaced(text: str, shown: str) -> None:
    assert plain(text) == shown


@pytest.mark.parametrize(
    ("state", "reason", "shown"),
    [
        ("Started", "normal", "Started"),
        ("Finished", "normal", "Finished normal"),
        ("Finished", "lost", "Finished lost"),
        ("KillInitiated", "killed", "KillInitiated killed"),
        ("Accepted", "", "Accepted"),
    ],
)
def test_a_state_and_its_reason(state: str, reason: str, shown: str) -> None:
    assert state_text(state, reason).plain == shown


def test_times() -> None:
    assert clock(0) == "-"
    assert len(clock(now_ms())) == len("12:00:00.000")
    assert len(clock(1_000_000_000_123)) == len("2001-09-09 01:46:40.123")
    assert clock(1_000_000_000_123).endswith(".123")
