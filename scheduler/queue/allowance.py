"""How many tasks of a class the rules of the queue let through now, and which rule holds the rest.

The one thing to know: these rules need no host. What they let through, the hosts may still refuse;
what they hold is said with its numbers, and only a lack of capacity asks for more hosts. Counting
is done for every turn, saying only for those who wait when the round is over.
"""

from collections.abc import Iterable
from typing import Final

from scheduler.model.ids import JobId
from scheduler.model.rules import PlacementRules
from scheduler.placement.windows import (
    Window,
    best_window,
    fitting,
    lapsed,
    lent,
    window_refusal,
)

from .amounts import Vector
from .outcome import Held, RoundLimits
from .tree import UNLIMITED, Group, Tree
from .turns import Entry

GUARANTEE: Final = "guarantee"
GROUP_LIMIT: Final = "group limit"
LAUNCH_RATE: Final = "launch rate"
ROUND_LIMIT: Final = "round limit"
GANG: Final = "gang"
PREEMPTION: Final = "preemption"
RESERVATION: Final = "reservation"
WINDOW: Final = "window"
MINUTE_MS: Final = 60_000
_WAKES: Final = {
    GUARANTEE: "the end of a task, more hosts, or new rules",
    GROUP_LIMIT: "the end of a task of the group, or new rules",
    LAUNCH_RATE: "the passing of a minute",
    ROUND_LIMIT: "the next round",
    WINDOW: "a window of idle capacity, or the end of a task",
}


class Allowance:
    """What is left of limits, rates and guarantees in one round."""

    def __init__(
        self,
        tree: Tree,
        rules: PlacementRules,
        limits: RoundLimits,
        windows: Iterable[Window] | None = None,
        now_ms: int = 0,
    ) -> None:
        self._tree = tree
        self._now_ms = now_ms
        self.windows = None if windows is None else lapsed(windows, now_ms)
        """What may be lent of what is held back, less what this round has lent; None: all of it."""
        self._rate = rules.guards.launches_per_job_per_minute
        self._is_ruled = bool(self._rate) or tree.has_guarantees
        """Whether more than limits of groups can hold a class."""
        self._launches_max = limits.launches_max
        self.budget = limits.launches_max
        """How many more tasks this round may place."""
        self._launched_of_job: dict[JobId, int] = {}
        self._known: dict[tuple[Group, Vector, bool, bool], tuple[int, str]] = {}
        """What limits and guarantees let through of a need, while the tree stays as it was."""
        self._known_version = -1

    def count(self, entry: Entry, count: int) -> None:
        """So many tasks of the class have been placed; a negative count: put back."""
        entry.left -= count
        self.budget -= count
        if self._rate:
            job_id = entry.request.job_id
            self._launched_of_job[job_id] = self._launched_of_job.get(job_id, 0) + count
        if entry.request.is_opportunistic:
            self._lend(entry, count)
            self._tree.take_opportunistic(entry.leaf, entry.need, count)
        else:
            self._tree.take(entry.leaf, entry.need, count)

    def took(self, leaf: Group, count: int, amounts: Vector) -> None:
        """The same for ordinary tasks of a group that no rule holds, ``amounts`` in all."""
        self.budget -= count
        self._tree.take(leaf, amounts, 1)

    def is_unruled(self, leaf: Group) -> bool:
        """Whether nothing but hosts, and the round's end, can hold a class of the group."""
        return not self._is_ruled and not leaf.is_limited

    def guaranteed(self, entry: Entry) -> int:
        """How many of the class are inside a guarantee and may be placed now."""
        if self.budget <= 0 or not entry.leaf.is_guaranteed:
            return 0
        count = min(entry.left, self._tree.guaranteed(entry.leaf, entry.need))
        return min(count, self._through(entry, is_guaranteed=True)) if count else 0

    def best_effort(self, entry: Entry) -> int:
        """How many of the class may be placed now, inside guarantees or beyond."""
        if self.is_unruled(entry.leaf) and not entry.gang_size:
            return min(entry.left, max(0, self.budget))  # The common case: no rule to ask.
        return min(entry.left, self._through(entry, is_guaranteed=False))

    def held(self, entry: Entry) -> Held | None:
        """The rule that lets nothing of the class through; None: nothing but hosts, or the round.

        For a gang: the rule that does not let all of it through.
        """
        if self.is_unruled(entry.leaf):
            return None
        wanted = entry.left if entry.gang_size else 1
        if entry.leaf.is_guaranteed and not entry.request.is_opportunistic:
            inside = min(entry.left, self._tree.guaranteed(entry.leaf, entry.need))
            if inside >= wanted and self._by_rules(entry, is_guaranteed=True)[0] >= wanted:
                return None
        allowed, rule = self._by_rules(entry, is_guaranteed=False)
        return None if allowed >= wanted else self._said(entry, rule)

    def held_by_round(self, entry: Entry) -> Held:
        """The round's own limit, as the reason of a class that did not have its turn."""
        return self._said(entry, ROUND_LIMIT)

    def is_rated(self, entry: Entry) -> bool:
        """Whether the class waits for its job's launch rate."""
        return bool(self._rate) and self._by_rate(entry) <= 0

    def _through(self, entry: Entry, *, is_guaranteed: bool) -> int:
        if self.budget <= 0:
            return 0
        # A gang larger than a whole round could never start otherwise.
        budget = max(self.budget, entry.gang_size if entry.gang_size > self._launches_max else 0)
        return min(budget, self._by_rules(entry, is_guaranteed=is_guaranteed)[0])

    def _by_rules(self, entry: Entry, *, is_guaranteed: bool) -> tuple[int, str]:
        """What the rules let through, and the one that lets least."""
        allowed = self._by_groups(entry, is_guaranteed=is_guaranteed)
        if self._rate and (rate := self._by_rate(entry)) < allowed[0]:
            allowed = (rate, LAUNCH_RATE)
        if entry.request.is_opportunistic and self.windows is not None:
            lent_now = self._by_windows(entry) if self._tree.has_guarantees else UNLIMITED
            if lent_now < allowed[0]:
                allowed = (lent_now, WINDOW)
        return allowed

    def _by_groups(self, entry: Entry, *, is_guaranteed: bool) -> tuple[int, str]:
        """What limits and guarantees let through: the same for all classes of a group and need."""
        leaf, tree = entry.leaf, self._tree
        is_lent = entry.request.is_opportunistic
        if not leaf.is_limited and (is_lent or not tree.has_guarantees):
            return UNLIMITED, ""
        if self._known_version != tree.version:
            self._known.clear()
            self._known_version = tree.version
        key = (leaf, entry.need, is_guaranteed, is_lent)
        known = self._known.get(key)
        if known is None:
            known = (UNLIMITED, "")
            if leaf.is_limited:
                known = (tree.limited(leaf, entry.need), GROUP_LIMIT)
            if tree.has_guarantees and not is_lent:
                allowed = tree.unclaimed(leaf, entry.need, is_guaranteed=is_guaranteed)
                if allowed < known[0]:
                    known = (allowed, GUARANTEE)
            self._known[key] = known
        return known

    def _by_rate(self, entry: Entry) -> int:
        done = entry.waiting.launched_last_minute
        done += self._launched_of_job.get(entry.request.job_id, 0)
        if entry.gang_size > self._rate and not done:
            return entry.gang_size  # It could never start otherwise.
        return max(0, self._rate - done)

    def _by_windows(self, entry: Entry) -> int:
        """What nobody is guaranteed, and then one window after the other."""
        count = self._tree.lendable(entry.leaf, entry.need)
        if count:
            return count
        window = best_window(self._of_tiers(), entry.request, self._now_ms)
        return 0 if window is None else fitting(window, entry.request, self._now_ms)

    def _lend(self, entry: Entry, count: int) -> None:
        """Take from a window what does not stand beside all that is held back."""
        if self.windows is None or self._tree.lendable(entry.leaf, entry.need) >= count:
            return
        window = best_window(self._of_tiers(), entry.request, self._now_ms)
        assert window is not None, f"{entry.request.job_id} was let through without a window"
        self.windows = tuple(
            lent(each, entry.request, count) if each is window else each for each in self.windows
        )

    def _of_tiers(self) -> list[Window]:
        # A window of one host is for those who choose that host; a round lends by amounts.
        return [each for each in self.windows or () if each.host_id is None]

    def _said(self, entry: Entry, rule: str) -> Held:
        words = self._words(entry, rule)
        is_short = rule == GUARANTEE
        return Held(entry.request, entry.left, rule, words, _WAKES[rule], scales_up=is_short)

    def _words(self, entry: Entry, rule: str) -> str:
        if rule == ROUND_LIMIT:
            return f"the round has placed the {self._launches_max} tasks that one round may"
        if rule == GROUP_LIMIT:
            return self._tree.limit_words(entry.leaf, entry.need)
        if rule == GUARANTEE:
            return self._tree.held_back_words(entry.leaf, entry.need)
        if rule == LAUNCH_RATE:
            done = entry.waiting.launched_last_minute
            done += self._launched_of_job.get(entry.request.job_id, 0)
            return f"{done} of {self._rate} launches of the job in a minute are used"
        lacking = "no capacity is lent now"
        for each in self._of_tiers():
            lacking = f"tier {each.tier}: {window_refusal(each, entry.request, self._now_ms)}"
        return f"all that is free is held back for guarantees; {lacking}"
