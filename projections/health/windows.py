"""Sums over the last while, by the clock of the lines: a ring of ten slots for each window.

The one thing to know: time here is the lines' own. A line that comes late is counted where it
belongs, as long as that slot is still in the window.
"""

from typing import Final

import msgspec

SLOTS: Final = 10
"""A window's sum is right to a tenth of its length."""


class Window(msgspec.Struct):
    """How much was counted when; slots that have left the window are dropped."""

    length_ms: int
    slots: dict[int, int] = {}
    """By the number of the slot, which is its time by a tenth of the length."""

    def add(self, at_ms: int, weight: int) -> None:
        """Count something that happened then."""
        slot = at_ms * SLOTS // self.length_ms
        self.slots[slot] = self.slots.get(slot, 0) + weight
        if len(self.slots) > 2 * SLOTS:
            newest = max(self.slots)
            self.slots = {k: v for k, v in sorted(self.slots.items()) if k > newest - SLOTS}

    def total(self, now_ms: int) -> int:
        """What was counted in the window that ends now."""
        newest = now_ms * SLOTS // self.length_ms
        return sum(v for k, v in self.slots.items() if newest - SLOTS < k <= newest)
