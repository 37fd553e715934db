"""Rows of a live query in a terminal.

How: rows are shown as they come, and what was printed is looked at.
"""

import pytest

from streams.cli.query_output import Bars, GrowingTable, JsonLines


def test_a_table_has_its_names_once_and_columns_that_fit(capfd: pytest.CaptureFixture[str]) -> None:
    """Also where a later row has another column."""
    shown = GrowingTable()
    shown.show({"kind": "Tick", "n": 19})
    shown.show({"kind": "PartitionBegan", "n": 5, "why": None})
    shown.flush()
    shown.show({"kind": "Mark", "n": 1})
    shown.flush()
    assert capfd.readouterr().out.splitlines() == [
        "kind            n   why",
        "Tick            19",
        "PartitionBegan  5",
        "Mark            1",
    ]


def test_what_a_stranger_wrote_moves_no_cursor(capfd: pytest.CaptureFixture[str]) -> None:
    """Escapes of a log line, or of a column's name, are shown as what they are."""
    for shown in (GrowingTable(), Bars()):
        shown.show({"message\x1b[2J": "a\x1b]0;owned\x07b\nc", "n": 1})
        shown.flush()
    assert "\x1b" not in (out := capfd.readouterr().out)
    assert "\x07" not in out


def test_bars_are_of_the_largest(capfd: pytest.CaptureFixture[str]) -> None:
    """Half as much is half as long; what has no number has no bar."""
    shown = Bars()
    for row in ({"host": "a", "n": 40}, {"host": "bb", "n": 20}, {"host": "c"}):
        shown.show(row)
    shown.flush()
    first, second, third = capfd.readouterr().out.splitlines()
    assert (first.count("█"), second.count("█"), third) == (40, 20, "c")
    assert second.startswith("bb  █")
    assert second.endswith(" 20")


def test_json_lines(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    """An object a line."""
    shown = JsonLines()
    shown.show({"a": [1, None], "b": "ü"})
    shown.flush()
    assert capfdbinary.readouterr().out == '{"a":[1,null],"b":"ü"}\n'.encode()
