"""Rows of a query for a terminal: JSON lines, a table that grows, or bars.

The one thing to know: rows come one by one and nobody knows the next, so columns are as wide as
what came so far, and their names are said again where other columns come.
"""

import sys
from collections.abc import Callable
from typing import Any, Final

import orjson

from streams.cli.render import plain

WIDTH_MAX: Final = 60
"""Of a column; what is longer is cut, and whole in JSON."""
BAR_WIDTH: Final = 40
HEADER_EVERY: Final = 40
Row = dict[str, Any]
Show = Callable[[Row], None]


def json_lines(row: Row) -> None:
    """Print the row as a JSON object on a line of its own."""
    text = orjson.dumps(row, option=orjson.OPT_NON_STR_KEYS | orjson.OPT_APPEND_NEWLINE)
    sys.stdout.buffer.write(text)
    sys.stdout.buffer.flush()


class GrowingTable:
    """Prints each row below its columns' names."""

    def __init__(self) -> None:
        self._columns: list[str] = []
        self._widths: dict[str, int] = {}
        self._rows = 0

    def show(self, row: Row) -> None:
        """Print a row, and the names before it where they are needed."""
        cells = {name: _cell(value) for name, value in row.items()}
        is_new = any(name not in self._widths for name in cells)
        for name, text in cells.items():
            if name not in self._widths:
                self._columns.append(name)
            width = max(self._widths.get(name, 0), len(plain(name)), len(text))
            self._widths[name] = min(WIDTH_MAX, width)
        if is_new or self._rows % HEADER_EVERY == 0:
            print("  ".join(self._fitted(each, plain(each)) for each in self._columns).rstrip())
        self._rows += 1
        line = "  ".join(self._fitted(each, cells.get(each, "")) for each in self._columns)
        print(line.rstrip(), flush=True)

    def _fitted(self, column: str, text: str) -> str:
        width = self._widths[column]
        return (text if len(text) <= width else text[: width - 1] + "…").ljust(width)


class Bars:
    """Prints each row as a bar of its first number, beside what else it says."""

    def __init__(self) -> None:
        self._largest = 0.0
        self._width = 0

    def show(self, row: Row) -> None:
        """Print a row."""
        number = next((value for value in row.values() if _is_number(value)), None)
        name = next((key for key, value in row.items() if value is number), "")
        label = " ".join(_cell(value) for key, value in row.items() if key != name)[:WIDTH_MAX]
        self._width = max(self._width, len(label))
        if number is None:
            print(label, flush=True)
            return
        self._largest = max(self._largest, abs(number))
        share = abs(number) / self._largest if self._largest else 0.0
        bar = "█" * round(BAR_WIDTH * share)
        print(f"{label.ljust(self._width)}  {bar.ljust(BAR_WIDTH)} {_cell(number)}", flush=True)


def _cell(value: Any) -> str:  # noqa: ANN401 - any JSON value
    if value is None:
        return ""
    if isinstance(value, str):
        return plain(value)
    if isinstance(value, float):
        return f"{value:.6g}"
    return plain(orjson.dumps(value, option=orjson.OPT_NON_STR_KEYS).decode())


def _is_number(value: Any) -> bool:  # noqa: ANN401 - any JSON value
    return isinstance(value, int | float) and not isinstance(value, bool)
