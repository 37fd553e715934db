"""What commands print: tables for people, JSON for machines, in a terminal or without one.

The one thing to know: what tasks, jobs and hosts are named comes from strangers. It is printed as
text, never as markup, and without the control characters that would move a terminal's cursor.
"""

import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Final

import orjson
from rich.console import Console
from rich.table import Table
from rich.text import Text

from streams.clock import now_ms

WIDTH_WITHOUT_TERMINAL: Final = 1_000
"""Wide enough that nothing wraps: each row is one line, for `grep` and `awk`."""
RECENT_MS: Final = 12 * 60 * 60 * 1000
"""Within this time nobody takes today's clock for yesterday's."""

STATE_STYLES: Final = {
    "Accepted": "yellow",
    "Launched": "yellow",
    "StartInitiated": "yellow",
    "Started": "green",
    "Disconnected": "red",
    "KillInitiated": "magenta",
    "Finished": "dim",
    "ready": "green",
    "failed": "red",
    "waiting": "yellow",
}


def out() -> Console:
    """The console for what was asked for."""
    return _console(is_error=False)


def errors() -> Console:
    """The console for all else: progress, errors."""
    return _console(is_error=True)


def _console(*, is_error: bool) -> Console:
    stream = sys.stderr if is_error else sys.stdout
    width = None if stream.isatty() else WIDTH_WITHOUT_TERMINAL
    return Console(file=stream, width=width, highlight=False, soft_wrap=False)


def print_json(value: object) -> None:
    """Print a value as JSON, indented, in the order of its fields."""
    text = orjson.dumps(value, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
    sys.stdout.buffer.write(text)
    sys.stdout.buffer.flush()


def plain(text: object) -> str:
    """The text without what a terminal would obey."""
    return "".join(each if each.isprintable() else "�" for each in str(text))


def cell_text(value: object, style: str = "") -> Text:
    """A value as a table shows it."""
    return Text(plain(value), style=style)


def state_text(state: str, reason: str = "") -> Text:
    """A state in its colour, with its reason where that says more."""
    style = STATE_STYLES.get(state, "")
    if state == "Finished" and reason not in {"", "normal"}:
        style = "red"
    shown = state if reason in {"", "normal"} and state != "Finished" else f"{state} {reason}"
    return Text(plain(shown.strip()), style=style)


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> Table:
    """A table; a column whose name ends in ``#`` is one of numbers."""
    made = Table(title=title or None, title_justify="left", box=None, pad_edge=False)
    made.min_width = len(title) or None  # Else a title that is wider than its rows is wrapped.
    for column in columns:
        is_number = column.endswith("#")
        name = column.rstrip("#").strip()
        made.add_column(name, justify="right" if is_number else "left", overflow="fold")
    for row in rows:
        made.add_row(*(each if isinstance(each, Text) else cell_text(each) for each in row))
    return made


def show(console: Console, made: Table) -> None:
    """Print a table; without a terminal, lines end where their text ends."""
    if console.is_terminal:
        console.print(made)
        return
    with console.capture() as captured:
        console.print(made)
    lines = captured.get().rstrip("\n").split("\n")
    console.print(Text("\n".join(line.rstrip() for line in lines)), soft_wrap=True)


def clock(at_ms: int) -> str:
    """A moment of the log as the clock on this computer's wall shows it, in milliseconds."""
    if at_ms <= 0:
        return "-"
    moment = datetime.fromtimestamp(at_ms / 1000, UTC).astimezone()
    is_recent = abs(now_ms() - at_ms) < RECENT_MS
    text = moment.strftime("%H:%M:%S" if is_recent else "%Y-%m-%d %H:%M:%S")
    return f"{text}.{at_ms % 1000:03d}"
