"""What is written of warm pools that were seen: what has changed, and now and then all.

The one thing to know: as with groups, this remembers what it has told and nothing else; who forgets
it tells all again.
"""

from collections.abc import Iterable
from typing import Final

from msgspec.structs import replace

from scheduler.model.warm_pools import WarmPoolObserved

WHOLE_MS: Final = 600_000
"""So often a pool is told, whatever was told before."""


class PoolReports:
    """Makes reports of what was seen; `forget` where one of them was not written."""

    def __init__(self) -> None:
        self._told: dict[str, tuple[WarmPoolObserved, int]] = {}

    def forget(self) -> None:
        """Tell all anew."""
        self._told.clear()

    def of(self, seen: Iterable[WarmPoolObserved], now_ms: int) -> list[WarmPoolObserved]:
        """What is to be written now that these groups, and no others, are there."""
        found: list[WarmPoolObserved] = []
        told: dict[str, tuple[WarmPoolObserved, int]] = {}
        for each in seen:
            gist = replace(each, observed_at_ms=0)
            before = self._told.get(each.group)
            if before is None or before[0] != gist or now_ms >= before[1] + WHOLE_MS:
                before = (gist, now_ms)
                found.append(each)
            told[each.group] = before
        self._told = told
        return found
