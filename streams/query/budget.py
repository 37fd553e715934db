"""How much all queries of the process may hold.

The one thing to know: what a query holds already it may keep; only growing is refused.
"""

from typing import Final

HELD_MAX: Final = 1_000_000
"""Events that the windows and joins of all queries hold together; some hundred bytes each."""


class Budget:
    """What all queries together may hold."""

    def __init__(self, held_max: int = HELD_MAX) -> None:
        self._held_max = held_max
        self._held: dict[str, int] = {}
        self.total = 0

    def is_within(self, name: str, held: int) -> bool:
        """Whether a query may hold so much beside all others."""
        before = self._held.get(name, 0)
        self._held[name] = held
        self.total += held - before
        return held <= before or self.total <= self._held_max

    def forget(self, name: str) -> None:
        """A query has ended."""
        self.total -= self._held.pop(name, 0)
