"""One round of placement: the queue says whose turn it is, the index of hosts says where.

The one thing to know: a round changes the index as if its tasks were launched, and nothing else.
The queue and the usage are the caller's: it tells them what came of the answer, and when. The cell,
`flumina simulate` and the benchmarks all call `place_round`.

Order: for each tier, first one task of each class that has waited too long, then what groups are
guaranteed, room being made for it where the rules allow, then the rest by fair shares; last of all,
over all tiers, opportunistic work.
"""

from collections.abc import Callable, Sequence
from operator import gt
from typing import Final

from scheduler.model.ids import HostId
from scheduler.model.rules import PlacementRules
from scheduler.placement.outcome import Outcome, Refused
from scheduler.placement.request import Request
from scheduler.placement.windows import Window
from scheduler.queue import gangs
from scheduler.queue.allowance import (
    MINUTE_MS,
    PREEMPTION,
    RESERVATION,
    Allowance,
)
from scheduler.queue.amounts import Vector, over, size, sum_of
from scheduler.queue.engine import Engine, TotalsLike
from scheduler.queue.kept import (
    BEST_EFFORT,
    GUARANTEED,
    OPPORTUNISTIC,
    Claim,
    KeptHosts,
    changes_after_ms,
    is_reserving,
)
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
_KEPT_PART: Final = 4
"""One host in so many is reserved at most, so that a small cell goes on working."""
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
    None: what ``rules.lend_ms`` says.
    ``used`` is what all tasks together really use, where that is measured. A class of which
    ``is_told(request, count)`` is true is not explained again.
    """
    totals = placement.totals()
    return _Round(
        placement,
        queue,
        Tree(rules, usage, *_sums(totals)),
        rules,
        now_ms,
        hosts=totals.hosts,
        limits=limits,
        promises=promises,
        windows=_lent(rules, totals, now_ms) if windows is None else windows,
        disruption=disruption,
    ).outcome(used, is_told)


def _lent(rules: PlacementRules, totals: TotalsLike, now_ms: int) -> tuple[Window, ...] | None:
    """One window over all that is free, where lending has an end; groups still say how much."""
    if not rules.lend_ms:
        return None
    free = totals.free
    room = (free.cpu_milli, free.memory_mib, free.disk_mib, free.network_mbps, free.gpus)
    return (Window("", room, now_ms + rules.lend_ms),)


class _Round:
    def __init__(
        self,
        placement: Engine,
        queue: Queue,
        tree: Tree,
        rules: PlacementRules,
        now_ms: int,
        *,
        hosts: int,
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
        self.reservations_max = min(limits.reservations_max, max(1, hosts // _KEPT_PART))
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
        self.fitting: list[Entry] = []
        """What found no host when it had its turn, and would find one now."""
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
            if self.tree.has_guarantees:
                self._turns(
                    [each for each in entries if each.leaf.is_guaranteed], (tier, GUARANTEED)
                )
                self._preempt(entries)
            self._turns(entries, (tier, BEST_EFFORT))
        for entries in self.opportunistic:
            self._turns(entries, (len(self.opportunistic), OPPORTUNISTIC))
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
                entry = entry_of(waiting, leaf)
                # A gang is tried even so: how many of it would fit is part of its reason.
                entry.is_closed = not request.gang and is_hopeless(request)
                (opportunistic if request.is_opportunistic else ordinary).append(entry)

    def _turns(self, entries: Sequence[Entry], claim: Claim) -> None:
        """Turns in fair order, until nobody of these wants another or may have one."""
        waiting = [entry for entry in entries if entry.left]
        if self._is_room_for_all(waiting) and self._all_placed(waiting, claim):
            return
        # What rules let through only shrinks during a pass: who may have nothing now has no turn.
        self._take_turns(
            [
                entry
                for entry in waiting
                if entry.is_open and (entry.gang_size or self._allowed(entry, claim) > 0)
            ],
            claim,
        )

    def _take_turns(self, entries: Sequence[Entry], claim: Claim, *, is_all: bool = False) -> None:
        if self._is_straight(entries, claim):
            self._take_straight(entries, claim, is_all=is_all)
            return
        turns = Turns(entries, self.tree)
        while self.allowance.budget > 0 and (entry := turns.next()) is not None:
            if self._turn(entry, claim, is_contested=turns.is_contested):
                turns.done(entry)

    def _is_straight(self, entries: Sequence[Entry], claim: Claim) -> bool:
        """Whether the classes are of one group, nothing but hosts holds them, and none are kept."""
        if not entries or claim[1] != BEST_EFFORT or self.kept.kept:
            return False
        leaf = entries[0].leaf
        return self.allowance.is_unruled(leaf) and all(
            entry.leaf is leaf and not entry.gang_size for entry in entries
        )

    def _take_straight(self, entries: Sequence[Entry], claim: Claim, *, is_all: bool) -> None:
        """What turns come to where one class follows the other: the same, in fewer steps.

        Nobody asks in between what the group uses, so it is added up once. With ``is_all`` the
        first class that does not get all its hosts has the last turn.
        """
        open_ones = [entry for entry in entries if entry.is_open]
        asked = [(entry.request, entry.left) for entry in open_ones]
        budget = self.allowance.budget
        outcomes = self.placement.place_each(asked, budget, is_all=is_all)
        taken: list[tuple[Vector, int]] = []
        for entry, outcome in zip(open_ones, outcomes, strict=False):
            entry.claim = claim
            count = len(outcome.choices)
            if count:
                self.placed.append(Placed(entry.request, outcome))
                entry.left -= count
                budget -= count
                taken.append((entry.need, count))
            if outcome.left:
                entry.is_closed = True
        self.allowance.took(entries[0].leaf, self.allowance.budget - budget, sum_of(taken))

    def _is_room_for_all(self, waiting: Sequence[Entry]) -> bool:
        """Whether the sums of all that waits fit into what is free, and no rule is in the way."""
        if self.tree.has_guarantees or len(waiting) < 2:
            return False
        count = cpu = memory = disk = network = gpu = 0
        for entry in waiting:
            if not entry.is_open or entry.leaf.is_limited or entry.gang_size:
                return False
            left, need = entry.left, entry.need
            count += left
            cpu += left * need[0]
            memory += left * need[1]
            disk += left * need[2]
            network += left * need[3]
            gpu += left * need[4]
        wanted = (cpu, memory, disk, network, gpu)
        return count <= self.allowance.budget and not any(map(gt, wanted, self.tree.free))

    def _all_placed(self, waiting: Sequence[Entry], claim: Claim) -> bool:
        """Place everybody, the largest first, or nobody; whether they were placed.

        Small tasks then fill what large ones leave, and fewer hosts are used. Where it turns out
        that somebody finds no host, it is put back: then it is first come, first served.
        """
        before, windows, total = len(self.placed), self.allowance.windows, self.tree.total
        ordered = sorted(waiting, key=lambda entry: -size(entry.need, total))
        self._take_turns(ordered, claim, is_all=True)
        if not any(entry.left for entry in waiting):
            return True
        self._put_back(waiting, before, windows)
        for entry in waiting:
            entry.is_closed = False
        return False

    def _turn(self, entry: Entry, claim: Claim, *, is_contested: bool) -> bool:
        """One turn of a class; whether it wants no more of this pass, or may have no more."""
        if not entry.is_open:
            return True
        if entry.request.gang:
            self._gang(entry, claim)
            return True
        if self.placement.is_hopeless(entry.request):
            entry.is_closed, entry.claim = True, claim
            return True
        count = self._allowed(entry, claim)
        if count <= 0:
            return True
        if is_contested:
            count = min(count, self.tree.chunk(entry.need, self.limits.chunks))
        self._place(entry, count, claim)
        return not entry.is_open

    def _allowed(self, entry: Entry, claim: Claim) -> int:
        if claim[1] == GUARANTEED:
            return self.allowance.guaranteed(entry)
        return self.allowance.best_effort(entry)

    def _place(self, entry: Entry, count: int, claim: Claim) -> int:
        """Hosts for up to so many of the class; how many there were."""
        entry.claim = claim
        avoided = self.kept.avoided(entry.request, claim)
        outcome = self.placement.place(entry.request, count, avoided, explain=False)
        if outcome.choices:
            self.placed.append(Placed(entry.request, outcome))
            self.allowance.count(entry, len(outcome.choices))
        if outcome.left:
            entry.is_closed = True
        return len(outcome.choices)

    def _gang(self, entry: Entry, claim: Claim) -> None:
        """Place the whole gang, or nothing of it."""
        members = [each for each in self.gangs[entry.request.gang] if each.left]
        before, windows = len(self.placed), self.allowance.windows
        fitted = 0
        for member in members:
            wanted = member.left
            if self._allowed(member, claim) < wanted:
                # Beyond its guarantee the gang may still go by fair shares, in the pass after.
                if claim[1] != GUARANTEED:
                    held = self.allowance.held(member) or self.allowance.held_by_round(member)
                    gangs.hold(members, held)
                self._put_back(members, before, windows)
                return
            fitted += self._place(member, wanted, claim)
            if member.left:
                avoided = self.kept.avoided(member.request, claim)
                refused = self.placement.refusals(member.request, avoided)
                wake = self.placement.wake(member.request, refused)
                self._put_back(members, before, windows)
                gangs.refuse(members, fitted, member, refused, wake)
                return

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
            if not entry.left or not (entry.is_open or self._may_reserve(entry)):
                continue
            claim: Claim = (tier, GUARANTEED)
            count = self.allowance.guaranteed(entry)
            if not count or count < entry.gang_size:
                claim = (tier, BEST_EFFORT)
                count = self.allowance.best_effort(entry)
            if count <= 0:
                continue
            if entry.is_open and entry.request.gang:
                self._gang(entry, claim)
            elif entry.is_open:
                self._place(entry, 1, claim)
            if entry.left and not entry.is_open and self._may_reserve(entry):
                self._reserve(entry, claim)

    def _may_reserve(self, entry: Entry) -> bool:
        waited_ms = self.now_ms - entry.waiting.since_ms
        return (
            is_reserving(waited_ms, self.rules.aging_ms)
            and self.kept.reserved < self._most_reserved(entry)
            and self.reservations_tried < _RESERVATIONS_TRIED_MAX
            and not self.kept.promised(entry.request)
        )

    def _most_reserved(self, entry: Entry) -> int:
        # A gang needs all of its hosts at once; others take turns on a part of the cell.
        return self.limits.reservations_max if entry.gang_size else self.reservations_max

    def _reserve(self, entry: Entry, claim: Claim) -> None:
        """Keep for the class the host where it would fit soonest; for a gang, several."""
        request = entry.request
        wanted = entry.left if request.gang else 1
        wanted = min(wanted, self._most_reserved(entry) - self.kept.reserved)
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
            if not entry.left or entry.is_open or not entry.leaf.is_guaranteed:
                continue
            request = entry.request
            count = self.allowance.guaranteed(entry) - self.kept.promised(request)
            if count <= 0 or (request.gang and entry.gang_size != count):
                continue
            fitting = self._fitting(entry, count) if request.gang else {}
            missing = count - sum(fitting.values())
            made = self.preemptor.make_room(request, missing, all_or_none=bool(request.gang))
            if not made:
                continue
            self.preemptions.extend(made)
            for preemption in made:
                fitting[preemption.host_id] = fitting.get(preemption.host_id, 0) + preemption.count
            for host_id, rooms in fitting.items():
                self.kept.promise(Promise(host_id, request, rooms, self.now_ms))

    def _fitting(self, entry: Entry, count: int) -> dict[HostId, int]:
        """Where how many of a gang would fit already: only the rest needs room to be made."""
        avoided = self.kept.avoided(entry.request, entry.claim)
        tried = self.placement.place(entry.request, count, avoided, explain=False)
        self.placement.put_back(entry.request, tried.choices)
        fitting: dict[HostId, int] = {}
        for choice in tried.choices:
            fitting[choice.host_id] = fitting.get(choice.host_id, 0) + 1
        return fitting

    def _explained(
        self, waiting: Sequence[Entry], is_told: IsTold | None
    ) -> tuple[tuple[Held, ...], tuple[Refusal, ...], int]:
        """Why each class waits, as hosts, groups and rules are when the round is over.

        Not as they were when the class had its turn: so the same state is explained in the same
        words, whatever was known to be hopeless before.
        """
        held: list[Held] = []
        refused: list[Refusal] = []
        unexplained = 0
        most = self.limits.explanations_max
        for entry in waiting:
            if is_told is not None and is_told(entry.request, entry.left):
                continue
            if len(held) + len(refused) >= most:
                unexplained += 1
                continue
            answer = self._answer(entry)
            if isinstance(answer, Held):
                held.append(answer)
            else:
                refused.append(Refusal(entry.request, entry.left, answer))
        return tuple(held), tuple(refused), unexplained

    def _answer(self, entry: Entry) -> Held | Outcome:
        """The rule of the queue that holds the class, or else what the hosts say."""
        request = entry.request
        freeing = self._freeing(entry) if self.kept.promises else None
        held = freeing or entry.gang_answer or self.allowance.held(entry)
        if held is not None:
            return held
        is_untried = entry.is_open and not self.placement.is_hopeless(request)
        if is_untried and self.allowance.budget <= 0:
            return self.allowance.held_by_round(entry)
        refused = self.placement.refusals(request, self.kept.avoided(request, entry.claim))
        if not refused:
            self.fitting.append(entry)
        wake = self.placement.wake(request, refused)
        for reservation in self.kept.reservations:
            if reservation.request == request:
                mine = Refused(RESERVATION, 0, reservation.host_ids[0], reservation.words)
                refused = (mine, *refused)
        return Outcome((), None, entry.left, refused, wake)

    def _freeing(self, entry: Entry) -> Held | None:
        hosts = self.kept.promised_hosts(entry.request)
        if not hosts:
            return None
        words = (
            f"room for {self.kept.promised(entry.request)} of its tasks is being freed on "
            f"{', '.join(hosts)}, where others were ended for it"
        )
        return Held(entry.request, entry.left, PREEMPTION, words, "the end of the preempted tasks")

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
        if aging_ms := self.rules.aging_ms:
            # Classes that began to wait together change together: most of a long queue does.
            times.extend(
                since_ms + changes_after_ms(self.now_ms - since_ms, aging_ms)
                for since_ms in sorted({entry.waiting.since_ms for entry in waiting})
            )
        rate = self.rules.guards.launches_per_job_per_minute
        if rate and any(self.allowance.is_rated(entry) for entry in waiting):
            times.append(self.now_ms + max(1, MINUTE_MS // rate))
        if self.placed and any(map(self._is_let_in, waiting)):
            times.append(self.now_ms)
        if self.preemptor is not None and self.preemptor.was_denied:
            # Budgets are counted over a sliding hour; a minute is soon enough to ask again.
            times.append(self.now_ms + MINUTE_MS)
        return min(times, default=0)

    def _is_let_in(self, entry: Entry) -> bool:
        """Whether what this round placed lets the class onto hosts that had refused it."""
        if entry in self.fitting:
            return True
        wanted = [each.values for each in entry.request.hard if each.kind == "nearJob"]
        return any(placed.request.job_id in jobs for jobs in wanted for placed in self.placed)


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
