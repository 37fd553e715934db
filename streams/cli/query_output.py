"""Rows of a query for a terminal: JSON lines, a table that grows, or bars.

The one thing to know: rows come one by one and nobody knows the next, so columns are as wide as
what came so far, and their names are said again where other columns come.
"""

import sys
from collections.abc import Mapping
from typing import Any, Final, Protocol

import orjson

from streams.cli.render import plain

WIDTH_MAX: Final = 60
"""Of a column; what is longer is cut, and whole in JSON."""
BAR_WIDTH: Final = 40
HEADER_EVERY: Final = 200
WAITING_MAX: Final = 200
"""Rows that wait for each other, a second at most."""
Row = dict[str, Any]


class Output(Protocol):
    """Prints rows."""

    def show(self, row: Row) -> None:
        """Take a row; it is printed now or with the next `flush`."""
        ...

    def flush(self) -> None:
        """Print what was taken."""
        ...


class JsonLines:
    """Prints each row as a JSON object on a line of its own."""

    def show(self, row: Row) -> None:
        """Print a row."""
        text = orjson.dumps(row, option=orjson.OPT_NON_STR_KEYS | orjson.OPT_APPEND_NEWLINE)
        sys.stdout.buffer.write(text)

    def flush(self) -> None:
        """Hand on what was printed."""
        sys.stdout.buffer.flush()


class GrowingTable:
    """Prints rows below their columns' names, some at a time, so that columns fit them."""

    def __init__(self) -> None:
        self._waiting: list[dict[str, str]] = []
        self._widths: dict[str, int] = {}
        self._since_header = 0

    def show(self, row: Row) -> None:
        """Take a row."""
        self._waiting.append({plain(name): _cell(value) for name, value in row.items()})
        if len(self._waiting) >= WAITING_MAX:
            self.flush()

    def flush(self) -> None:
        """Print the rows, and the names before them where they are new or long ago."""
        rows, self._waiting = self._waiting, []
        is_new = not self._since_header
        for row in rows:
            for name, text in row.items():
                is_new = is_new or name not in self._widths
                width = max(self._widths.get(name, 0), len(name), len(text))
                self._widths[name] = min(WIDTH_MAX, width)
        for row in rows:
            if is_new or self._since_header >= HEADER_EVERY:
                self._print({name: name for name in self._widths})
                is_new, self._since_header = False, 0
            self._print(row)
            self._since_header += 1
        sys.stdout.flush()

    def _print(self, row: Mapping[str, str]) -> None:
        cells = [_fitted(row.get(name, ""), width) for name, width in self._widths.items()]
        print("  ".join(cells).rstrip())


def _fitted(text: str, width: int) -> str:
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
            print(label)
            return
        self._largest = max(self._largest, abs(number))
        share = abs(number) / self._largest if self._largest else 0.0
        bar = "█" * round(BAR_WIDTH * share)
        print(f"{label.ljust(self._width)}  {bar.ljust(BAR_WIDTH)} {_cell(number)}")

    def flush(self) -> None:
        """Hand on what was printed."""
        sys.stdout.flush()


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
