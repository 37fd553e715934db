"""One round of placement: the queue says whose turn it is, the index of hosts says where.

The one thing to know: a round changes the index as if its tasks were launched, and nothing else.
The queue and the usage are the caller's: it tells them what came of the answer, and when. The cell,
`flumina simulate` and the benchmarks all call `place_round`.

Order: for each tier, first one task of each class that has waited too long, then what groups are
guaranteed, room being made for it where the rules allow, then the rest by fair shares; last of all,
over all tiers, opportunistic work.
"""

from collections.abc import Callable, Sequence
from typing import Final

from msgspec.structs import replace

from scheduler.model.rules import PlacementRules
from scheduler.placement.outcome import Outcome, Refused
from scheduler.placement.request import Request
from scheduler.placement.windows import Window
from scheduler.queue import gangs
from scheduler.queue.allowance import (
    LAUNCH_RATE,
    MINUTE_MS,
    PREEMPTION,
    RESERVATION,
    Allowance,
)
from scheduler.queue.amounts import Vector, over
from scheduler.queue.engine import Engine, TotalsLike
from scheduler.queue.kept import Claim, KeptHosts, changes_after_ms, is_reserving
from scheduler.queue.outcome import (
    Disruption,
    Held,
    Placed,
    Preemption,
    Promise,
    Refusal,
    RoundLimits,
    RoundOutcome,
    Troughs,
)
from scheduler.queue.preemption import Preemptor
from scheduler.queue.tree import Tree
from scheduler.queue.turns import Entry, Turns, entry_of
from scheduler.queue.usage import Usage
from scheduler.queue.waiting import Queue

NO_LIMITS: Final = RoundLimits()
IsTold = Callable[[Request, int], bool]
_GUARANTEED: Final = 0
_BEST_EFFORT: Final = 1
_OPPORTUNISTIC: Final = 2
_RESERVATIONS_TRIED_MAX: Final = 64
"""Classes for which a round looks for a host to reserve; some fit on none, however empty."""


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
    windows: Sequence[Window] | None = None,
    used: Vector | None = None,
    is_told: IsTold | None = None,
) -> RoundOutcome:
    """Who goes where in this round, and why everybody else waits.

    Without ``disruption`` nobody is preempted. ``promises`` are those that the round before left;
    ``windows`` say what of the held-back capacity is lent to opportunistic work, and until when;
    None: all of it, for as long as its owner does not come.
    ``used`` is what all tasks together really use, where that is measured. A class of which
    ``is_told(request, count)`` is true is not explained again.
    """
    return _Round(
        placement,
        queue,
        Tree(rules, usage, *_sums(placement.totals())),
        rules,
        now_ms,
        limits=limits,
        promises=promises,
        windows=windows,
        disruption=disruption,
    ).outcome(used, is_told)


class _Round:
    def __init__(
        self,
        placement: Engine,
        queue: Queue,
        tree: Tree,
        rules: PlacementRules,
        now_ms: int,
        *,
        limits: RoundLimits,
        promises: Sequence[Promise],
        windows: Sequence[Window] | None,
        disruption: Disruption | None,
    ) -> None:
        self.placement = placement
        self.tree = tree
        self.rules = rules
        self.now_ms = now_ms
        self.limits = limits
        self.allowance = Allowance(tree, rules, limits, windows, now_ms)
        self.kept = KeptHosts(
            each
            for each in promises
            if queue.get(each.request) is not None and now_ms < each.at_ms + limits.promise_ms_max
        )
        self.preemptor: Preemptor | None = None
        if disruption is not None:
            self.preemptor = Preemptor(
                placement, tree, self.kept, rules, disruption, limits=limits, now_ms=now_ms
            )
        self.preemptions: list[Preemption] = []
        self.reservations_tried = 0
        self.placed: list[Placed] = []
        self.ordinary: list[list[Entry]] = [[] for _ in rules.tiers]
        self.opportunistic: list[list[Entry]] = [[] for _ in rules.tiers]
        self._read(queue)
        self.gangs = gangs.gangs_of(
            [entry for tier in (*self.ordinary, *self.opportunistic) for entry in tier]
        )

    def outcome(self, used: Vector | None, is_told: IsTold | None) -> RoundOutcome:
        """The whole round."""
        for tier, entries in enumerate(self.ordinary):
            self._overdue(entries, tier)
            self._turns(entries, (tier, _GUARANTEED))
            self._preempt(entries)
            self._turns(entries, (tier, _BEST_EFFORT))
        for entries in self.opportunistic:
            self._turns(entries, (len(self.opportunistic), _OPPORTUNISTIC))
        waiting = [
            entry
            for entries in (*self.ordinary, *self.opportunistic)
            for entry in entries
            if entry.left
        ]
        held, refused, unexplained = self._explained(waiting, is_told)
        left = {entry.request: entry.left for entry in waiting} if self.kept.promises else {}
        promises = self.kept.still_promised(self.placed, left)
        return RoundOutcome(
            placed=tuple(self.placed),
            held=held,
            refused=refused,
            unexplained=unexplained,
            preemptions=tuple(self.preemptions),
            reservations=tuple(self.kept.reservations),
            promises=promises,
            windows=self.allowance.windows,
            troughs=self._troughs(used),
            again_at_ms=self._again_at_ms(waiting, promises),
        )

    def _read(self, queue: Queue) -> None:
        is_hopeless = self.placement.is_hopeless
        for tier, group in queue.groups():
            leaf = self.tree.leaf(tier, group)
            ordinary, opportunistic = self.ordinary[leaf.tier], self.opportunistic[leaf.tier]
            for waiting in queue.of_group(tier, group):
                request = waiting.request
                into = opportunistic if request.is_opportunistic else ordinary
                into.append(entry_of(waiting, leaf, is_hopeless(request)))

    def _turns(self, entries: list[Entry], claim: Claim) -> None:
        """Turns in fair order, until nobody of these wants another or may have one."""
        turns = Turns(entry for entry in entries if entry.is_open)
        while (entry := turns.next()) is not None:
            if entry.is_open and entry.request.gang:
                self._gang(entry, claim)
            elif entry.is_open:
                count = self._allowed(entry, claim)
                if count and turns.is_contested:
                    count = min(count, self.tree.chunk(entry.need, self.limits.chunks))
                if count:
                    self._place(entry, count, claim)
                    if entry.is_open:
                        continue
            turns.done(entry)

    def _allowed(self, entry: Entry, claim: Claim) -> int:
        if claim[1] == _GUARANTEED:
            return self.allowance.guaranteed(entry)
        return self.allowance.best_effort(entry)

    def _place(self, entry: Entry, count: int, claim: Claim) -> Outcome:
        avoided = self.kept.avoided(entry.request, claim)
        outcome = self.placement.place(entry.request, count, avoided)
        if outcome.choices:
            self.placed.append(Placed(entry.request, outcome))
            self.allowance.count(entry, len(outcome.choices))
        if outcome.left:
            entry.refusal = outcome
        return outcome

    def _gang(self, entry: Entry, claim: Claim) -> bool:
        """Place the whole gang, or nothing of it; whether it was placed."""
        members = [each for each in self.gangs[entry.request.gang] if each.left]
        before, windows = len(self.placed), self.allowance.windows
        fitted = 0
        for member in members:
            wanted = member.left
            # Who is known to fit nowhere is asked too: the answer is its explanation.
            if self._allowed(member, claim) < wanted:
                self._put_back(members, before, windows)
                # Beyond its guarantee the gang may still go by fair shares, in the pass after.
                if claim[1] != _GUARANTEED:
                    self._hold_gang(members, member)
                return False
            outcome = self._place(member, wanted, claim)
            fitted += len(outcome.choices)
            if outcome.left:
                self._put_back(members, before, windows)
                gangs.refuse(members, fitted, member, outcome)
                return False
        return True

    def _hold_gang(self, members: Sequence[Entry], member: Entry) -> None:
        if member.held is None:
            # The rule lets some through, but not all: asked for one more, it says which it is.
            self.allowance.say_what_holds(member)
        gangs.hold(members, member)

    def _put_back(
        self, members: Sequence[Entry], before: int, windows: tuple[Window, ...] | None
    ) -> None:
        of_request = {member.request: member for member in members}
        for turn in reversed(self.placed[before:]):
            self.placement.put_back(turn.request, turn.outcome.choices)
            self.allowance.count(of_request[turn.request], -len(turn.outcome.choices))
        del self.placed[before:]
        self.allowance.windows = windows

    def _overdue(self, entries: list[Entry], tier: int) -> None:
        """One task, or one gang, of each class that has waited too long; or a host kept for it."""
        if not self.rules.aging_ms:
            return
        latest = self.now_ms - self.rules.aging_ms
        overdue = [entry for entry in entries if entry.waiting.since_ms <= latest]
        overdue.sort(key=lambda entry: (entry.waiting.since_ms, entry.waiting.order))
        for entry in overdue:
            if not entry.left or (not entry.is_open and not self._may_reserve(entry)):
                continue
            claim: Claim = (tier, _GUARANTEED)
            count = self.allowance.guaranteed(entry)
            if not count or count < entry.gang_size:
                claim = (tier, _BEST_EFFORT)
                count = self.allowance.best_effort(entry)
            if not count:
                continue
            if entry.is_open and entry.request.gang:
                self._gang(entry, claim)
            elif entry.is_open:
                self._place(entry, 1, claim)
            if entry.left and not entry.is_open:
                self._reserve(entry, claim)

    def _may_reserve(self, entry: Entry) -> bool:
        waited_ms = self.now_ms - entry.waiting.since_ms
        return (
            is_reserving(waited_ms, self.rules.aging_ms)
            and self.kept.reserved < self.limits.reservations_max
            and self.reservations_tried < _RESERVATIONS_TRIED_MAX
            and not self.kept.promised(entry.request)
        )

    def _reserve(self, entry: Entry, claim: Claim) -> None:
        """Keep for the class the host where it would fit soonest; for a gang, several."""
        request = entry.request
        wanted = entry.left if request.gang else 1
        wanted = min(wanted, self.limits.reservations_max - self.kept.reserved)
        if not self._may_reserve(entry):
            return
        self.reservations_tried += 1
        hosts = tuple(
            host_id
            for host_id in self.placement.nearest(request, wanted + self.kept.kept)
            if not self.kept.is_kept_for_others(host_id, request)
        )[:wanted]
        if hosts:
            waited_ms = self.now_ms - entry.waiting.since_ms
            why = (
                f"waiting for {waited_ms} ms, longer than {self.rules.aging_ms}: nobody of its "
                f"claim or a lower one is placed on {', '.join(hosts)} until it is"
            )
            self.kept.reserve(request, claim, hosts, why)

    def _preempt(self, entries: list[Entry]) -> None:
        """Make room for what is inside its guarantee and fits nowhere."""
        if self.preemptor is None:
            return
        for entry in entries:
            if not entry.left or entry.is_open:
                continue
            request = entry.request
            count = self.allowance.guaranteed(entry) - self.kept.promised(request)
            is_gang = bool(request.gang)
            if count <= 0 or (is_gang and entry.gang_size != count):
                continue
            made = self.preemptor.make_room(request, count, all_or_none=is_gang)
            for preemption in made:
                self.preemptions.append(preemption)
                self.kept.promise(
                    Promise(preemption.host_id, request, preemption.count, self.now_ms)
                )

    def _explained(
        self, waiting: Sequence[Entry], is_told: IsTold | None
    ) -> tuple[tuple[Held, ...], tuple[Refusal, ...], int]:
        held: list[Held] = []
        refused: list[Refusal] = []
        unexplained = 0
        most = self.limits.explanations_max
        for entry in waiting:
            if is_told is not None and is_told(entry.request, entry.left):
                continue
            freeing = self._freeing(entry)
            if freeing is not None:
                entry.refusal, entry.held = None, freeing
            if len(held) + len(refused) >= most:
                unexplained += 1
            elif entry.held is not None and entry.refusal is None:
                held.append(entry.held)
            else:
                refused.append(Refusal(entry.request, entry.left, self._refusal(entry)))
        return tuple(held), tuple(refused), unexplained

    def _freeing(self, entry: Entry) -> Held | None:
        hosts = self.kept.promised_hosts(entry.request)
        if not hosts:
            return None
        words = (
            f"room for {self.kept.promised(entry.request)} of its tasks is being freed on "
            f"{', '.join(hosts)}, where others were ended for it"
        )
        return Held(entry.request, entry.left, PREEMPTION, words, "the end of the preempted tasks")

    def _refusal(self, entry: Entry) -> Outcome:
        outcome = self._refusal_of_hosts(entry)
        for reservation in self.kept.reservations:
            if reservation.request == entry.request:
                mine = Refused(RESERVATION, 0, reservation.host_ids[0], reservation.words)
                outcome = replace(outcome, refused=(mine, *outcome.refused))
        return outcome

    def _refusal_of_hosts(self, entry: Entry) -> Outcome:
        if entry.refusal is not None:
            return entry.refusal
        # Known to fit nowhere: the index has nothing to place and only counts the reasons.
        claim = (entry.leaf.tier, _BEST_EFFORT)
        avoided = self.kept.avoided(entry.request, claim)
        outcome = self.placement.place(entry.request, entry.left, avoided)
        assert not outcome.choices, f"{entry.request.job_id} was called hopeless and has a host"
        if entry.request.gang:
            gangs.refuse([entry], 0, entry, outcome)
            assert entry.refusal is not None
            return entry.refusal
        return outcome

    def _troughs(self, used: Vector | None) -> Troughs:
        allocated = self.tree.allocated()
        guaranteed, unused = self.tree.guarantees()
        return Troughs(
            total=self.tree.total,
            allocated=allocated,
            opportunistic=self.tree.opportunistic,
            guaranteed=guaranteed,
            not_allocated=unused,
            not_used=None if used is None else over(allocated, used),
        )

    def _again_at_ms(self, waiting: Sequence[Entry], promises: Sequence[Promise]) -> int:
        """When time alone could change an answer; 0: it cannot."""
        times = [each.at_ms + self.limits.promise_ms_max for each in promises]
        aging_ms = self.rules.aging_ms
        rate = self.rules.guards.launches_per_job_per_minute
        for entry in waiting:
            if aging_ms:
                since_ms = entry.waiting.since_ms
                times.append(since_ms + changes_after_ms(self.now_ms - since_ms, aging_ms))
            if entry.held is not None and entry.held.rule == LAUNCH_RATE:
                times.append(self.now_ms + max(1, MINUTE_MS // rate))
        if self.preemptor is not None and self.preemptor.was_denied:
            # Budgets are counted over a sliding hour; a minute is soon enough to ask again.
            times.append(self.now_ms + MINUTE_MS)
        return min(times, default=0)


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
