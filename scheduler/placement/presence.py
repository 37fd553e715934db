"""On which hosts something is, and how often: tasks of a job, an image, a set of groups.

The one thing to know: most things are on few hosts, so what is kept is a small table of rows; an
array over all hosts is made when somebody asks, and kept only where there are many rows.
"""

from collections.abc import Hashable, Iterable
from typing import Final, Generic, TypeVar

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.int64]
Key = TypeVar("Key", bound=Hashable)

_MANY: Final = 64
"""From here on making the array anew costs more than keeping it."""
_KEPT_MAX: Final = 256


class Presence(Generic[Key]):
    """Counts by thing and row."""

    def __init__(self) -> None:
        self.rows: dict[Key, dict[int, int]] = {}
        self._kept: dict[Key, Array] = {}

    def change(self, key: Key, row: int, change: int) -> None:
        """``change`` more of it are there."""
        rows = self.rows.get(key)
        if rows is None:
            rows = self.rows[key] = {}
        count = rows.get(row, 0) + change
        if count > 0:
            rows[row] = count
        else:
            rows.pop(row, None)
            if not rows:
                del self.rows[key]
        kept = self._kept.get(key)
        if kept is not None:
            kept[row] = max(0, count)

    def come(self, keys: Iterable[Key], rows: Iterable[int]) -> None:
        """One more of each key is there, on the row beside it."""
        known, kept = self.rows, self._kept
        for key, row in zip(keys, rows, strict=True):
            of_key = known.get(key)
            if of_key is None:
                known[key] = {row: 1}
            else:
                of_key[row] = of_key.get(row, 0) + 1
                if kept and key in kept:
                    kept[key][row] += 1

    def resized(self) -> None:
        """There are more rows than before: arrays of the old length are of no use."""
        self._kept.clear()

    def counts(self, key: Key, length: int) -> Array | int:
        """How many there are on each row; 0 where it is nowhere."""
        rows = self.rows.get(key)
        if not rows:
            return 0
        kept = self._kept.get(key)
        if kept is not None:
            return kept
        made = np.zeros(length, np.int64)
        made[np.fromiter(rows, np.int64, len(rows))] = np.fromiter(
            rows.values(), np.int64, len(rows)
        )
        if len(rows) >= _MANY:
            if len(self._kept) >= _KEPT_MAX:
                self._kept.pop(next(iter(self._kept)))
            self._kept[key] = made
        return made

    def is_on(self, key: Key, length: int) -> Array | int:
        """1 on each row where it is, 0 elsewhere."""
        counts = self.counts(key, length)
        return counts if isinstance(counts, int) else np.minimum(counts, 1)
