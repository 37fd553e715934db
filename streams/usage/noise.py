"""What the cell is told of its hosts' noise, so that later rounds place work elsewhere.

The one thing to know: of all that is measured this alone reaches the cell's log, as a command like
an operator's, for a decision may rest on nothing that the log does not hold. It is told when it has
changed by a tenth, so that a busy fleet writes no more than its neighbours' quarrels.
"""

from collections.abc import Iterable, Mapping
from typing import Final

from connectors.mesos.usage import HostUsage, Usage
from scheduler.cpu_sets.noise import noise_of_load
from scheduler.model.ids import HostId

NOISE_STEP: Final = 100
"""Thousandths by which noise must have changed to be told again."""
ROUNDS_RETOLD: Final = 60
"""So often (10 minutes) noise is told again: a cell refuses that of a host it has not seen yet."""
ACTOR: Final = "flumina-usage"


class NoiseNews:
    """What was told last of each host."""

    def __init__(self, *, is_load_counted: bool) -> None:
        """``is_load_counted``: of hosts that do not measure waiting, their load says as much."""
        self._is_load_counted = is_load_counted
        self._told: dict[HostId, int] = {}
        self._rounds = 0

    def of(self, usages: Iterable[Usage]) -> Mapping[HostId, int]:
        """The hosts whose noise is worth telling, each with what it is now."""
        news: dict[HostId, int] = {}
        self._rounds += 1
        is_retold = self._rounds % ROUNDS_RETOLD == 0
        for usage in usages:
            if not isinstance(usage, HostUsage):
                continue
            noise_milli = self._noise_of(usage)
            host_id = HostId(usage.host_id)
            if noise_milli is None:
                continue
            told = self._told.get(host_id, 0)
            has_ended = told > 0 and noise_milli == 0
            has_changed = abs(noise_milli - told) >= NOISE_STEP or has_ended
            if has_changed or (is_retold and noise_milli >= NOISE_STEP):
                news[host_id] = noise_milli
        return news

    def was_told(self, host_id: HostId, noise_milli: int) -> None:
        """The record is written; one that could not be is told again with the next figures."""
        self._told[host_id] = noise_milli

    def _noise_of(self, usage: HostUsage) -> int | None:
        if usage.noise_milli is not None:
            return usage.noise_milli
        if not self._is_load_counted or usage.load_1min_milli is None or usage.cpus_milli is None:
            return None
        return noise_of_load(usage.load_1min_milli, usage.cpus_milli)
