"""Which rounds of checks are worth a record: a cell of 10,000 good hosts is told nothing.

The one thing to know: what is bad is told at once and again each minute, so that it holds; what was
bad is told while it gets better, look by look; and a host for which somebody waits (it is away, or
being healed) is told of each time.
"""

from collections.abc import Collection, Sequence
from typing import Final

from scheduler.model.health import Probe

AGAIN_S: Final = 60.0
GOOD_LOOKS: Final = 10
"""After something was bad, so many good looks are told: more than any policy wants."""


class News:
    """What was told of each host."""

    def __init__(self) -> None:
        self._bad: dict[str, tuple[tuple[str, ...], float]] = {}
        """The names of what was bad when it was told last, and when that was."""
        self._looks: dict[str, int] = {}

    def is_news(
        self, host_id: str, probes: Sequence[Probe], at_s: float, waited_for: Collection[str]
    ) -> bool:
        """Whether this round is to be told; then it counts as told."""
        bad = tuple(sorted(each.name for each in probes if each.state == "bad"))
        if bad:
            self._looks[host_id] = GOOD_LOOKS
            known, told_s = self._bad.get(host_id, ((), float("-inf")))
            if known == bad and at_s < told_s + AGAIN_S and host_id not in waited_for:
                return False
            self._bad[host_id] = bad, at_s
            return True
        self._bad.pop(host_id, None)
        left = self._looks.get(host_id, 0)
        if left:
            self._looks[host_id] = left - 1
        return left > 0 or host_id in waited_for

    def forget_others(self, known: Collection[str]) -> None:
        """Forget hosts that are no more."""
        for kept in (self._bad, self._looks):
            for host_id in kept.keys() - set(known):
                del kept[host_id]
