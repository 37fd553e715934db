"""One round of placement: the queue says whose turn it is, the index of hosts says where.

The one thing to know: a round changes the index as if its tasks were launched, and nothing else.
The queue and the usage are the caller's: it tells them what came of the answer, and when. The cell,
`flumina simulate` and the benchmarks all call `place_round`.

Order: for each tier, first one task of each class that has waited too long, then what groups are
guaranteed, then the rest by fair shares; last of all, over all tiers, opportunistic work.
"""

from collections.abc import Set as AbstractSet

from scheduler.model.ids import HostId, JobId
from scheduler.model.rules import PlacementRules
from scheduler.placement.outcome import Outcome
from scheduler.queue.amounts import Vector
from scheduler.queue.engine import Engine, TotalsLike
from scheduler.queue.outcome import Disruption, Held, Placed, Promise, Refusal, RoundLimits, RoundOutcome
from scheduler.queue.tree import UNLIMITED, Tree
from scheduler.queue.turns import Entry, Turns, entry_of
from scheduler.queue.usage import Usage
from scheduler.queue.waiting import Queue

NO_LIMITS = RoundLimits()


def place_round(
    placement: Engine,
    queue: Queue,
    usage: Usage,
    rules: PlacementRules,
    now_ms: int,
    *,
    limits: RoundLimits = NO_LIMITS,
    disruption: Disruption | None = None,
    promises: tuple[Promise, ...] = (),
    used: Vector | None = None,
) -> RoundOutcome:
    """Who goes where in this round, and why everybody else waits.

    Without ``disruption`` nobody is preempted. ``promises`` are those of the round before;
    ``used`` is what all tasks together really use, where that is measured.
    """
    round_ = _Round(placement, usage, rules, now_ms, limits=limits, disruption=disruption)
    return round_.outcome(queue, promises, used)


class _Round:
    def __init__(
        self,
        placement: Engine,
        usage: Usage,
        rules: PlacementRules,
        now_ms: int,
        *,
        limits: RoundLimits,
        disruption: Disruption | None,
    ) -> None:
        self.placement = placement
        self.rules = rules
        self.now_ms = now_ms
        self.limits = limits
        total, free = _sums(placement.totals())
        self.tree = Tree(rules, usage, total, free)
        self.budget = limits.launches_max
        self.placed: list[Placed] = []
        self.launched_of_job: dict[JobId, int] = {}
        self.tiers: list[list[Entry]] = [[] for _ in rules.tiers]
        self.opportunistic: list[list[Entry]] = [[] for _ in rules.tiers]
        self.disruption = disruption

    def outcome(
        self, queue: Queue, promises: tuple[Promise, ...], used: Vector | None
    ) -> RoundOutcome:
        """The whole round."""
        self._read(queue)
        for entries in self.tiers:
            self._pass(entries, is_guaranteed=True)
            self._pass(entries, is_guaranteed=False)
        for entries in self.opportunistic:
            self._pass(entries, is_guaranteed=False)
        held, refused, unexplained = self._explained()
        return RoundOutcome(
            placed=tuple(self.placed), held=held, refused=refused, unexplained=unexplained
        )

    def _read(self, queue: Queue) -> None:
        is_hopeless = self.placement.is_hopeless
        for tier, group in queue.groups():
            leaf = self.tree.leaf(tier, group)
            ordinary, opportunistic = self.tiers[leaf.tier], self.opportunistic[leaf.tier]
            for waiting in queue.of_group(tier, group):
                request = waiting.request
                into = opportunistic if request.is_opportunistic else ordinary
                into.append(entry_of(waiting, leaf, is_hopeless(request)))

    def _pass(self, entries: list[Entry], *, is_guaranteed: bool) -> None:
        turns = Turns(entry for entry in entries if entry.is_open)
        while (entry := turns.next()) is not None:
            count = self._allowed(entry, is_guaranteed=is_guaranteed)
            if count and turns.is_contested:
                count = min(count, self.tree.chunk(entry.need, self.limits.chunks))
            if count:
                self._place(entry, count)
            if not count or not entry.is_open:
                turns.done(entry)

    def _place(self, entry: Entry, count: int) -> None:
        outcome = self.placement.place(entry.request, count, self._avoided(entry))
        if outcome.choices:
            self.placed.append(Placed(entry.request, outcome))
            self._count(entry, len(outcome.choices))
        if outcome.left:
            entry.refusal = outcome

    def _count(self, entry: Entry, count: int) -> None:
        job_id = entry.request.job_id
        entry.left -= count
        self.budget -= count
        self.launched_of_job[job_id] = self.launched_of_job.get(job_id, 0) + count
        if entry.request.is_opportunistic:
            self.tree.take_opportunistic(entry.leaf, entry.need, count)
        else:
            self.tree.take(entry.leaf, entry.need, count)

    def _avoided(self, entry: Entry) -> AbstractSet[HostId]:
        return frozenset()

    def _allowed(self, entry: Entry, *, is_guaranteed: bool) -> int:
        """How many of the class may be placed now; where none may, the rule that holds it."""
        count = entry.left
        if is_guaranteed:
            count = min(count, self.tree.guaranteed(entry.leaf, entry.need))
            if not count:
                return 0
        for rule, allowed, words, wake in (
            self._rate(entry),
            self._group_limit(entry),
            self._guarantees(entry, is_guaranteed=is_guaranteed),
            self._round_limit(),
        ):
            if allowed <= 0:
                entry.held = Held(
                    entry.request, entry.left, rule, words, wake, scales_up=rule == "guarantee"
                )
                return 0
            count = min(count, allowed)
        entry.held = None
        return count

    def _rate(self, entry: Entry) -> tuple[str, int, str, str]:
        cap = self.rules.guards.launches_per_job_per_minute
        if not cap:
            return ("launch rate", UNLIMITED, "", "")
        waiting = entry.waiting
        done = waiting.launched_last_minute + self.launched_of_job.get(entry.request.job_id, 0)
        words = f"{done} of {cap} launches of the job in a minute are used"
        return ("launch rate", cap - done, words, "the passing of a minute")

    def _group_limit(self, entry: Entry) -> tuple[str, int, str, str]:
        allowed, words = self.tree.limited(entry.leaf, entry.need)
        return ("group limit", allowed, words, "the end of a task of the group, or new rules")

    def _guarantees(self, entry: Entry, *, is_guaranteed: bool) -> tuple[str, int, str, str]:
        if entry.request.is_opportunistic:
            return ("guarantee", UNLIMITED, "", "")
        allowed, words = self.tree.unclaimed(entry.leaf, entry.need, is_guaranteed)
        return ("guarantee", allowed, words, "the end of a task, more hosts, or new rules")

    def _round_limit(self) -> tuple[str, int, str, str]:
        words = f"the round has placed the {self.limits.launches_max} tasks that one round may"
        return ("round limit", self.budget, words, "the next round")

    def _explained(self) -> tuple[tuple[Held, ...], tuple[Refusal, ...], int]:
        held: list[Held] = []
        refused: list[Refusal] = []
        unexplained = 0
        most = self.limits.explanations_max
        for entries in (*self.tiers, *self.opportunistic):
            for entry in entries:
                if not entry.left:
                    continue
                if len(held) + len(refused) >= most:
                    unexplained += 1
                elif entry.held is not None and entry.refusal is None:
                    held.append(entry.held)
                else:
                    refused.append(Refusal(entry.request, entry.left, self._refusal(entry)))
        return tuple(held), tuple(refused), unexplained

    def _refusal(self, entry: Entry) -> Outcome:
        if entry.refusal is not None:
            return entry.refusal
        # Known to fit nowhere: the index has nothing to place and only counts the reasons.
        outcome = self.placement.place(entry.request, entry.left, self._avoided(entry))
        assert not outcome.choices, f"{entry.request.job_id} was called hopeless and has a host"
        return outcome


def _sums(totals: TotalsLike) -> tuple[Vector, Vector]:
    total, free = totals.total, totals.free
    return (
        (
            total.cpu_milli,
            total.memory_mib,
            total.disk_mib,
            total.network_mbps,
            totals.total_gpu_milli,
        ),
        (free.cpu_milli, free.memory_mib, free.disk_mib, free.network_mbps, totals.free_gpu_milli),
    )
