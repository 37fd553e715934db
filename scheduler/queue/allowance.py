"""How many tasks of a class the rules of the queue let through now, and which rule holds the rest.

The one thing to know: these rules need no host. What they let through, the hosts may still refuse;
what they hold is said with its numbers, and only a lack of capacity asks for more hosts.
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

from .outcome import Held, RoundLimits
from .tree import UNLIMITED, Tree
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
_Said = tuple[int, str, str, str]
"""How many tasks a rule lets through, its name, its numbers in words, and what could change it."""


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
            self._lend(entry, count)
            self._tree.take_opportunistic(entry.leaf, entry.need, count)
        else:
            self._tree.take(entry.leaf, entry.need, count)

    def guaranteed(self, entry: Entry) -> int:
        """How many of the class are inside a guarantee and may be placed; sets ``held`` where none.

        A class that is outside every guarantee is not held by that: it takes part in the rest.
        """
        if self._is_spent(entry):
            return 0
        count = self._tree.guaranteed(entry.leaf, entry.need)
        return self._through(entry, min(count, entry.left), is_guaranteed=True) if count else 0

    def best_effort(self, entry: Entry) -> int:
        """How many of the class may be placed beyond guarantees; sets ``held`` where none may."""
        if self._is_spent(entry):
            return 0
        return self._through(entry, entry.left, is_guaranteed=False)

    def _is_spent(self, entry: Entry) -> bool:
        """Whether the round may place no more: the rest of a long queue is then told at once."""
        if self._budget > 0:
            return False
        self._hold(entry, self._by_round(entry))
        return True

    def say_what_holds(self, entry: Entry) -> None:
        """Set ``held`` of a class that is let through in part: by the rule that allows least."""
        self._hold(entry, min(self._rules(entry, is_guaranteed=False), key=_allowed))

    def _through(self, entry: Entry, count: int, *, is_guaranteed: bool) -> int:
        for said in self._rules(entry, is_guaranteed=is_guaranteed):
            if said[0] <= 0:
                self._hold(entry, said)
                return 0
            count = min(count, said[0])
        entry.held = None
        return count

    def _hold(self, entry: Entry, said: _Said) -> None:
        _, rule, words, wake = said
        is_short = rule == GUARANTEE
        entry.held = Held(entry.request, entry.left, rule, words, wake, scales_up=is_short)

    def _rules(self, entry: Entry, *, is_guaranteed: bool) -> tuple[_Said, ...]:
        return (
            self._by_rate(entry),
            self._by_limit(entry),
            self._by_guarantees(entry, is_guaranteed=is_guaranteed),
            self._by_round(entry),
        )

    def _by_rate(self, entry: Entry) -> _Said:
        if not self._rate:
            return (UNLIMITED, LAUNCH_RATE, "", "")
        done = entry.waiting.launched_last_minute
        done += self._launched_of_job.get(entry.request.job_id, 0)
        allowed = self._rate - done
        if entry.gang_size > self._rate and not done:
            allowed = entry.gang_size  # It could never start otherwise.
        words = f"{done} of {self._rate} launches of the job in a minute are used"
        return (allowed, LAUNCH_RATE, words, "the passing of a minute")

    def _by_limit(self, entry: Entry) -> _Said:
        allowed, words = self._tree.limited(entry.leaf, entry.need)
        return (allowed, GROUP_LIMIT, words, "the end of a task of the group, or new rules")

    def _by_guarantees(self, entry: Entry, *, is_guaranteed: bool) -> _Said:
        if entry.request.is_opportunistic:
            return self._by_windows(entry)
        allowed, words = self._tree.unclaimed(entry.leaf, entry.need, is_guaranteed=is_guaranteed)
        return (allowed, GUARANTEE, words, "the end of a task, more hosts, or new rules")

    def _by_windows(self, entry: Entry) -> _Said:
        """What nobody is guaranteed, and then one window after the other."""
        if self.windows is None:
            return (UNLIMITED, WINDOW, "", "")
        count = self._tree.lendable(entry.leaf, entry.need)
        wake = "a window of idle capacity, or the end of a task"
        if count:
            return (count, WINDOW, "", wake)
        window = best_window(self._of_tiers(), entry.request, self._now_ms)
        if window is not None:
            return (fitting(window, entry.request, self._now_ms), WINDOW, "", wake)
        words = "no capacity is lent now"
        for each in self._of_tiers():
            words = f"tier {each.tier}: {window_refusal(each, entry.request, self._now_ms)}"
        return (0, WINDOW, f"all that is free is held back for guarantees; {words}", wake)

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

    def _by_round(self, entry: Entry) -> _Said:
        most = self._limits.launches_max
        allowed = self._budget
        if entry.gang_size > most and self._budget > 0:
            allowed = entry.gang_size  # It could never start otherwise.
        words = f"the round has placed the {most} tasks that one round may"
        return (allowed, ROUND_LIMIT, words, "the next round")


def _allowed(said: _Said) -> int:
    return said[0]
