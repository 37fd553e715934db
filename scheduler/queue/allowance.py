"""How many tasks of a class the rules of the queue let through now, and which rule holds the rest.

The one thing to know: these rules need no host. What they let through, the hosts may still refuse;
what they hold is said with its numbers, and only a lack of capacity asks for more hosts.
"""

from typing import Final

from scheduler.model.ids import JobId
from scheduler.model.rules import PlacementRules

from .outcome import Held, RoundLimits
from .tree import UNLIMITED, Tree
from .turns import Entry

GUARANTEE: Final = "guarantee"
GROUP_LIMIT: Final = "group limit"
LAUNCH_RATE: Final = "launch rate"
ROUND_LIMIT: Final = "round limit"
GANG: Final = "gang"
MINUTE_MS: Final = 60_000


class Allowance:
    """What is left of limits, rates and guarantees in one round."""

    def __init__(self, tree: Tree, rules: PlacementRules, limits: RoundLimits) -> None:
        self._tree = tree
        self._rate = rules.guards.launches_per_job_per_minute
        self._limits = limits
        self._budget = limits.launches_max
        self._launched_of_job: dict[JobId, int] = {}

    def count(self, entry: Entry, count: int) -> None:
        """So many tasks of the class have been placed; a negative count: put back."""
        job_id = entry.request.job_id
        entry.left -= count
        self._budget -= count
        self._launched_of_job[job_id] = self._launched_of_job.get(job_id, 0) + count
        if entry.request.is_opportunistic:
            self._tree.take_opportunistic(entry.leaf, entry.need, count)
        else:
            self._tree.take(entry.leaf, entry.need, count)

    def guaranteed(self, entry: Entry) -> int:
        """How many of the class are inside a guarantee and may be placed; sets ``held`` where none.

        A class that is outside every guarantee is not held by that: it takes part in the rest.
        """
        count = self._tree.guaranteed(entry.leaf, entry.need)
        return self._through(entry, min(count, entry.left), is_guaranteed=True) if count else 0

    def best_effort(self, entry: Entry) -> int:
        """How many of the class may be placed beyond guarantees; sets ``held`` where none may."""
        return self._through(entry, entry.left, is_guaranteed=False)

    def _through(self, entry: Entry, count: int, *, is_guaranteed: bool) -> int:
        for allowed, rule, words, wake in (
            self._by_rate(entry),
            self._by_limit(entry),
            self._by_guarantees(entry, is_guaranteed=is_guaranteed),
            self._by_round(entry),
        ):
            if allowed <= 0:
                is_short = rule == GUARANTEE
                entry.held = Held(entry.request, entry.left, rule, words, wake, scales_up=is_short)
                return 0
            count = min(count, allowed)
        entry.held = None
        return count

    def _by_rate(self, entry: Entry) -> tuple[int, str, str, str]:
        if not self._rate:
            return (UNLIMITED, LAUNCH_RATE, "", "")
        done = entry.waiting.launched_last_minute
        done += self._launched_of_job.get(entry.request.job_id, 0)
        allowed = self._rate - done
        if entry.gang_size > self._rate and not done:
            allowed = entry.gang_size  # It could never start otherwise.
        words = f"{done} of {self._rate} launches of the job in a minute are used"
        return (allowed, LAUNCH_RATE, words, "the passing of a minute")

    def _by_limit(self, entry: Entry) -> tuple[int, str, str, str]:
        allowed, words = self._tree.limited(entry.leaf, entry.need)
        return (allowed, GROUP_LIMIT, words, "the end of a task of the group, or new rules")

    def _by_guarantees(self, entry: Entry, *, is_guaranteed: bool) -> tuple[int, str, str, str]:
        if entry.request.is_opportunistic:
            return (UNLIMITED, GUARANTEE, "", "")
        allowed, words = self._tree.unclaimed(entry.leaf, entry.need, is_guaranteed=is_guaranteed)
        return (allowed, GUARANTEE, words, "the end of a task, more hosts, or new rules")

    def _by_round(self, entry: Entry) -> tuple[int, str, str, str]:
        most = self._limits.launches_max
        allowed = self._budget
        if entry.gang_size > most and self._budget > 0:
            allowed = entry.gang_size  # It could never start otherwise.
        words = f"the round has placed the {most} tasks that one round may"
        return (allowed, ROUND_LIMIT, words, "the next round")
