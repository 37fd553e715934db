"""What the tasks of each capacity group use, kept as they come and go.

The one thing to know: it is a sum of needs, not a measurement. Tasks count from the decision that
launches them until they have ended; what they really use is told apart, for the second trough.
"""

from collections.abc import Iterable

from scheduler.placement.request import Request

from .amounts import NOTHING, Vector, of_need, plus, sum_of


class Usage:
    """Sums of needs by tier and group, of ordinary and of opportunistic tasks."""

    def __init__(self) -> None:
        self._ordinary: dict[tuple[str, str], Vector] = {}
        self._opportunistic: dict[tuple[str, str], Vector] = {}

    def add_each(self, tasks: Iterable[tuple[Request, int]]) -> None:
        """Tasks of these requests hold resources now, so many of each."""
        found: dict[tuple[bool, str, str], list[tuple[Vector, int]]] = {}
        last: tuple[bool, str, str] | None = None
        needs: list[tuple[Vector, int]] = []
        for request, count in tasks:
            key = (request.is_opportunistic, request.tier, request.group)
            if key != last:
                needs = found.setdefault(key, [])
                last = key
            needs.append((of_need(request.need), count))
        for (is_opportunistic, tier, group), needs in found.items():
            sums = self._opportunistic if is_opportunistic else self._ordinary
            total = plus(sums.get((tier, group), NOTHING), sum_of(needs))
            if total != NOTHING:
                sums[tier, group] = total

    def add(self, request: Request, count: int = 1) -> None:
        """Tasks of this request hold resources now; a negative count: no longer."""
        sums = self._opportunistic if request.is_opportunistic else self._ordinary
        key = (request.tier, request.group)
        total = plus(sums.get(key, NOTHING), of_need(request.need), count)
        assert min(total) >= 0, f"group {key} would use less than nothing: {total}"
        if total == NOTHING:
            sums.pop(key, None)
        else:
            sums[key] = total

    def ordinary(self) -> list[tuple[tuple[str, str], Vector]]:
        """What ordinary tasks use, by tier and group, sorted."""
        return sorted(self._ordinary.items())

    def opportunistic(self) -> list[tuple[tuple[str, str], Vector]]:
        """What opportunistic tasks use, by tier and group, sorted."""
        return sorted(self._opportunistic.items())

    def opportunistic_total(self) -> Vector:
        """What opportunistic tasks use, of all groups together."""
        total = NOTHING
        for _, each in self.opportunistic():
            total = plus(total, each)
        return total
