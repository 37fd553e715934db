"""Which rows changed, in order, for readers that each go on from where they were.

The one thing to know: the log is cut when it is long; a reader that is too far behind is told so,
and looks at everything anew.
"""

from typing import Final

_LENGTH_MAX: Final = 1 << 16


class ChangeLog:
    """Rows in the order of their changes."""

    __slots__ = ("_begin", "_rows", "end")

    def __init__(self) -> None:
        self._rows: list[int] = []
        self._begin = 0
        self.end = 0
        """The place behind the last change; it only grows."""

    def append(self, row: int) -> None:
        """Note that a row changed."""
        self._rows.append(row)
        self.end += 1
        if len(self._rows) >= _LENGTH_MAX:
            half = _LENGTH_MAX // 2
            del self._rows[:half]
            self._begin += half

    def all_changed(self) -> None:
        """Note that every row changed: each reader begins anew."""
        self._rows.clear()
        self.end += 1
        self._begin = self.end

    def since(self, place: int, most: int) -> list[int] | None:
        """Rows changed from ``place`` on, sorted, each once; None: too many, or too long ago."""
        if place < self._begin:
            return None
        rows = sorted(set(self._rows[place - self._begin :]))
        return None if len(rows) > most else rows
