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
    newest: int = -1
    """The newest slot that has anything."""
    recent: int = 0
    """The sum of the window that ends with it."""

    def add(self, at_ms: int, weight: int) -> int:
        """Count something that happened then; the sum of the window that ends with the newest."""
        slot = at_ms * SLOTS // self.length_ms
        if slot > self.newest:
            self.newest = slot
            self.slots = {k: v for k, v in self.slots.items() if k > slot - SLOTS}
            self.recent = sum(self.slots.values())
        elif slot <= self.newest - SLOTS:
            return self.recent
        self.slots[slot] = self.slots.get(slot, 0) + weight
        self.recent += weight
        return self.recent

    def total(self, now_ms: int) -> int:
        """What was counted in the window that ends now."""
        now = now_ms * SLOTS // self.length_ms
        if now == self.newest:
            return self.recent
        return sum(v for k, v in self.slots.items() if now - SLOTS < k <= now)
