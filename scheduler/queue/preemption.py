"""Whose tasks are ended when guaranteed work fits nowhere: as few as will do, and the right ones.

The one thing to know: opportunistic tasks go first, and no budget protects them, for they stand on
what is lent. Any other victim must be of a tier that the rules let this tier preempt, of a group
that keeps its own guarantee without it, and within three budgets: its job's disruption budget, the
preemptions of its job in an hour, and those of the cell.
"""

from collections.abc import Iterator, Sequence
from hashlib import blake2b
from itertools import combinations_with_replacement
from typing import Final

import msgspec

from scheduler.model.constraint import Constraint
from scheduler.model.ids import HostId, JobId
from scheduler.model.resources import Need, Resources, summed_scalars
from scheduler.model.rules import PlacementRules
from scheduler.placement.request import Request

from .amounts import of_need
from .engine import Engine
from .kept import KeptHosts
from .outcome import Disruption, Preemption, RoundLimits, RunningTask
from .tree import Tree

_SEARCHED: Final = 3
"""Up to so many victims on a host are found by trying all combinations; more, one by one."""
Cost = tuple[int, int, int, bytes]
"""Victims with a budget, victims, milliseconds lost, digest: the least is chosen."""


class Plan(msgspec.Struct, frozen=True):
    """Victims on one host, what that costs, and for how many tasks it makes room."""

    cost: Cost
    host_id: HostId
    victims: tuple[RunningTask, ...]
    rooms: int


class Preemptor:
    """Chooses victims in one round, and counts them against every budget."""

    def __init__(
        self,
        placement: Engine,
        tree: Tree,
        kept: KeptHosts,
        rules: PlacementRules,
        disruption: Disruption,
        *,
        limits: RoundLimits,
        now_ms: int,
    ) -> None:
        self._placement = placement
        self._tree = tree
        self._kept = kept
        self._rules = rules
        self._disruption = disruption
        self._limits = limits
        self._now_ms = now_ms
        self._chosen: dict[HostId, list[RunningTask]] = {}
        self._of_job: dict[JobId, int] = {}
        self._ended = 0
        self._done_of_job = dict(disruption.preempted_last_hour_of_job)
        self._may_disrupt: dict[JobId, int] = {}
        self._in_vain: set[tuple[str, Need, tuple[Constraint, ...]]] = set()
        """What no room could be made for: another job that asks for the same is not tried."""
        self.was_denied = False
        """Whether a budget has protected a task that would have been ended."""

    def make_room(self, request: Request, count: int, *, all_or_none: bool) -> list[Preemption]:
        """Room for up to ``count`` tasks, host by host; with ``all_or_none`` for all or for none.

        The caller has found that the request fits nowhere as things are.
        """
        kind = (request.tier, request.need, request.hard)
        if kind in self._in_vain:
            return []
        hosts = self._hosts(request)
        before = {host_id: self._rooms(request, host_id, ()) for host_id in hosts}
        taken: list[tuple[Plan, int]] = []
        missing = count
        while missing > 0:
            plans = [
                plan for host_id in hosts if (plan := self._plan(request, host_id, before[host_id]))
            ]
            progress = False
            for plan in sorted(plans, key=_cost):
                if missing <= 0:
                    break
                if not self._is_allowed(plan.victims):
                    continue
                gain = min(plan.rooms - before[plan.host_id], missing)
                self._take(plan)
                before[plan.host_id] = plan.rooms
                taken.append((plan, gain))
                missing -= gain
                progress = True
            if not progress:
                break
        if missing > 0 and not all_or_none:
            self._in_vain.add(kind)
        if missing > 0 and all_or_none:
            for plan, _ in taken:
                self._give_back(plan)
            return []
        return _by_host(request, taken)

    def _hosts(self, request: Request) -> list[HostId]:
        """Hosts with tasks that may end for the request, the smallest shortfall first."""
        hosts: list[HostId] = []
        for host_id in self._placement.nearest(request, self._limits.hosts_scanned_max):
            if self._kept.is_kept_for_others(host_id, request):
                continue
            if any(self._may_end(task, request) for task in self._disruption.tasks_on(host_id)):
                hosts.append(host_id)
                if len(hosts) == self._limits.hosts_examined_max:
                    break
        return hosts

    def _plan(self, request: Request, host_id: HostId, rooms: int) -> Plan | None:
        """The cheapest victims that make room for one task more on this host."""
        tasks = [task for task in self._candidates(host_id) if self._may_end(task, request)]
        wanted = rooms + 1
        if not tasks or self._rooms(request, host_id, tasks) < wanted:
            return None
        lent = [task for task in tasks if task.is_opportunistic]
        others = [task for task in tasks if not task.is_opportunistic]
        for size in range(min(_SEARCHED, len(others)) + 1):
            best: list[RunningTask] | None = None
            for chosen in _combinations(others, size):
                if self._rooms(request, host_id, [*lent, *chosen]) < wanted:
                    continue
                if not self._is_allowed(chosen):
                    continue
                if best is None or _loss(chosen, self._now_ms) < _loss(best, self._now_ms):
                    best = chosen
            if best is not None:
                return self._pruned(request, host_id, [*lent, *best], wanted)
        chosen = list(lent)
        for task in others:
            if self._is_allowed([*chosen, task]):
                chosen.append(task)
            if self._rooms(request, host_id, chosen) >= wanted:
                return self._pruned(request, host_id, chosen, wanted)
        return None

    def _pruned(
        self, request: Request, host_id: HostId, victims: list[RunningTask], wanted: int
    ) -> Plan:
        """The plan without those whom it does not need, whoever costs most being spared first."""
        kept = list(victims)
        for task in sorted(
            victims, key=lambda each: (each.is_opportunistic, each.since_ms, _digest(each.task_id))
        ):
            without = [each for each in kept if each is not task]
            if self._rooms(request, host_id, without) >= wanted:
                kept = without
        budgeted = sum(not task.is_opportunistic for task in kept)
        lost, _ = _loss(kept, self._now_ms)
        cost = (budgeted, len(kept), lost, _digest(host_id))
        return Plan(cost, host_id, tuple(kept), self._rooms(request, host_id, kept))

    def _candidates(self, host_id: HostId) -> list[RunningTask]:
        """The tasks of the host that have not been chosen yet: lowest tier first, then youngest."""
        gone = {task.task_id for task in self._chosen.get(host_id, ())}
        tasks = [task for task in self._disruption.tasks_on(host_id) if task.task_id not in gone]
        tiers = self._tree.tiers
        tasks.sort(
            key=lambda task: (
                -tiers.index(task.tier) if task.tier in tiers else 1,
                -task.since_ms,
                _digest(task.task_id),
            )
        )
        return tasks

    def _may_end(self, task: RunningTask, request: Request) -> bool:
        if task.is_opportunistic:
            return not request.is_opportunistic
        tier = next((each for each in self._rules.tiers if each.name == request.tier), None)
        return tier is not None and task.tier in tier.may_preempt

    def _is_allowed(self, victims: Sequence[RunningTask]) -> bool:
        """Whether all of them together are within budgets, and leave every guarantee whole."""
        counted = [task for task in victims if not task.is_opportunistic]
        guards = self._rules.guards
        if self._ended + len(victims) > self._limits.preemptions_max:
            return self._denied()
        of_job: dict[JobId, int] = {}
        for task in counted:
            of_job[task.job_id] = of_job.get(task.job_id, 0) + 1
        done = self._disruption.preempted_last_hour + sum(self._of_job.values())
        if counted and done + len(counted) > guards.preemptions_per_hour:
            return self._denied()
        for job_id, count in of_job.items():
            more = self._of_job.get(job_id, 0) + count
            hourly = guards.preemptions_per_job_per_hour
            if self._done_of_job.get(job_id, 0) + more > hourly:
                return self._denied()
            if job_id not in self._may_disrupt:
                self._may_disrupt[job_id] = self._disruption.may_disrupt(job_id)
            if more > self._may_disrupt[job_id]:
                return self._denied()
        return self._leaves_guarantees(counted)

    def _denied(self) -> bool:
        self.was_denied = True
        return False

    def _leaves_guarantees(self, victims: Sequence[RunningTask]) -> bool:
        ended: list[RunningTask] = []
        is_fair = True
        for task in victims:
            leaf = self._tree.leaf(task.tier, task.group)
            need = of_need(task.need)
            if not self._tree.may_lose(leaf, need):
                is_fair = False
                break
            self._tree.end(leaf, need, 1)
            ended.append(task)
        for task in ended:
            self._tree.end(self._tree.leaf(task.tier, task.group), of_need(task.need), -1)
        return is_fair

    def _take(self, plan: Plan) -> None:
        self._count(plan, 1)
        self._chosen.setdefault(plan.host_id, []).extend(plan.victims)

    def _give_back(self, plan: Plan) -> None:
        self._count(plan, -1)
        gone = {task.task_id for task in plan.victims}
        self._chosen[plan.host_id] = [
            task for task in self._chosen[plan.host_id] if task.task_id not in gone
        ]

    def _count(self, plan: Plan, sign: int) -> None:
        self._ended += sign * len(plan.victims)
        for task in plan.victims:
            if task.is_opportunistic:
                continue
            self._of_job[task.job_id] = self._of_job.get(task.job_id, 0) + sign
            self._tree.end(self._tree.leaf(task.tier, task.group), of_need(task.need), sign)

    def _rooms(self, request: Request, host_id: HostId, victims: Sequence[RunningTask]) -> int:
        """How many tasks would fit on the host without these, and without those chosen before."""
        freed = Resources()
        ended: dict[JobId, int] = {}
        for task in (*self._chosen.get(host_id, ()), *victims):
            freed = _with(freed, task.need)
            ended[task.job_id] = ended.get(task.job_id, 0) + 1
        return self._placement.rooms_after(request, host_id, freed, tuple(sorted(ended.items())))


def _with(freed: Resources, need: Need) -> Resources:
    """``freed`` and what a task of this need gives back; which ports, only its host can tell."""
    return Resources(
        cpu_milli=freed.cpu_milli + need.cpu_milli,
        memory_mib=freed.memory_mib + need.memory_mib,
        disk_mib=freed.disk_mib + need.disk_mib,
        network_mbps=freed.network_mbps + need.network_mbps,
        gpus=freed.gpus + need.gpus,
        scalars=summed_scalars(freed.scalars, need.scalars),
    )


def _combinations(tasks: Sequence[RunningTask], size: int) -> Iterator[list[RunningTask]]:
    """Every choice of ``size`` tasks, but of equal tasks only the first ones."""
    classes: dict[tuple[JobId, str, Need], list[RunningTask]] = {}
    for task in tasks:
        classes.setdefault((task.job_id, task.group, task.need), []).append(task)
    kinds = list(classes.values())
    for numbers in combinations_with_replacement(range(len(kinds)), size):
        counts: dict[int, int] = {}
        for number in numbers:
            counts[number] = counts.get(number, 0) + 1
        if all(count <= len(kinds[number]) for number, count in counts.items()):
            yield [task for number, count in counts.items() for task in kinds[number][:count]]


def _loss(victims: Sequence[RunningTask], now_ms: int) -> tuple[int, list[bytes]]:
    """The work that would be lost, and a digest for what loses the same."""
    return (
        sum(max(0, now_ms - task.since_ms) for task in victims),
        sorted(_digest(task.task_id) for task in victims),
    )


def _by_host(request: Request, taken: Sequence[tuple[Plan, int]]) -> list[Preemption]:
    victims: dict[HostId, list[RunningTask]] = {}
    counts: dict[HostId, int] = {}
    for plan, gain in taken:
        victims.setdefault(plan.host_id, []).extend(plan.victims)
        counts[plan.host_id] = counts.get(plan.host_id, 0) + gain
    return [
        Preemption(
            host_id,
            tuple(ended),
            request,
            counts[host_id],
            f"{len(ended)} task{'' if len(ended) == 1 else 's'} end for {counts[host_id]} of job "
            f"{request.job_id}, whose group "
            f"{request.group} of tier {request.tier} is below its guarantee and fits on no host",
        )
        for host_id, ended in victims.items()
    ]


def _cost(plan: Plan) -> Cost:
    return plan.cost


def _digest(text: str) -> bytes:
    return blake2b(text.encode(), digest_size=8).digest()
