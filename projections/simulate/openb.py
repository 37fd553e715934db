"""The published protocol of the Alibaba GPU trace: one pod at a time, dropped where none fits.

The one thing to know: after each pod, demand that arrived is rounded to whole per cent of all GPUs,
and a figure at x per cent is the mean over the pods at which demand was x. A policy of ours learns
what pods are like from those that came so far; those of the paper take it from the whole workload.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from statistics import median

import msgspec

from scheduler.model.ids import HostId
from scheduler.model.resources import Need
from scheduler.model.rules import PlacementRules
from scheduler.placement.devices import Devices, asked_milli, idle_milli, with_taken
from scheduler.placement.engine import Placement
from scheduler.placement.fitness.gpu import GpuFitness
from scheduler.placement.gpu_mix import Mix, Shape, fragments, mix_of, shape_of, typical
from scheduler.placement.host import HostView
from scheduler.placement.outcome import Choice
from scheduler.placement.request import Request


class Queue(msgspec.Struct, frozen=True):
    """Pods in the order in which they are offered, and the workload that they were drawn from."""

    pods: tuple[Request, ...]
    workload: tuple[Request, ...]


class Point(msgspec.Struct, frozen=True, gc=False):
    """The cluster after a pod; shares of all GPUs in per cent."""

    arrived: int
    """Demand so far, rounded to whole per cent."""
    allocated: float
    fragmented: float
    """The share of idle GPU that typical pods could not use, in per cent."""
    hosts_used: int


class MixLearner:
    """What is known of the pods: given at the start, or learned from those that came."""

    def __init__(self, capacity: dict[str, int], given: Mix | None = None) -> None:
        self._capacity = capacity
        self._counts: Counter[Shape] = Counter()
        self._next = 1
        self.mix = given or mix_of({}, capacity)
        self._is_given = given is not None

    def learn(self, need: Need, count: int = 1) -> bool:
        """Count tasks that came; whether the mix is another one from now on.

        It is taken anew when twice as many came as the last time.
        """
        if self._is_given:
            return False
        self._counts[shape_of(need)] += count
        if self._counts.total() < self._next:
            return False
        self._next = 2 * self._counts.total()
        self.mix = mix_of(self._counts, self._capacity)
        return True


def capacity_of(hosts: Sequence[HostView]) -> dict[str, int]:
    """How many devices of each model there are."""
    counts: Counter[str] = Counter()
    for view in hosts:
        counts[view.gpu_model] += len(view.gpus)
    return {model: count for model, count in sorted(counts.items()) if count}


def typical_mix(workload: Sequence[Request], hosts: Sequence[HostView]) -> Mix:
    """The most frequent shapes of a workload, as the paper's policy takes them."""
    counts = Counter(shape_of(each.need) for each in workload)
    return mix_of(typical(counts), capacity_of(hosts))


class Cluster:
    """What is free on each host, as its tasks come and go."""

    def __init__(self, hosts: Sequence[HostView], mix: Mix) -> None:
        self.mix = mix
        self.cpu_free = {view.host_id: view.free.cpu_milli for view in hosts}
        self.devices: dict[HostId, Devices] = {view.host_id: view.gpus for view in hosts}
        self._models = {view.host_id: view.gpu_model for view in hosts}
        self._fragments = {view.host_id: self._fragments_of(view.host_id) for view in hosts}
        self.fragments = sum(self._fragments.values())
        self.idle_milli = sum(idle_milli(view.gpus) for view in hosts)
        self.used: set[HostId] = set()

    def take(self, need: Need, choice: Choice) -> None:
        """A task is on the host."""
        host_id = choice.host_id
        self.used.add(host_id)
        self.cpu_free[host_id] -= need.cpu_milli
        assert self.cpu_free[host_id] >= 0, f"{host_id} gives more cpu than it has"
        self.devices[host_id] = with_taken(self.devices[host_id], need, choice.gpus)
        self.idle_milli -= asked_milli(need)
        before = self._fragments[host_id]
        after = self._fragments[host_id] = self._fragments_of(host_id)
        self.fragments += after - before

    def fragmented(self) -> float:
        """The share of idle GPU that a task of the mix could not use, on average, in per cent."""
        whole = self.mix.tasks * self.idle_milli
        return 100 * self.fragments / whole if whole else 0.0

    def _fragments_of(self, host_id: HostId) -> int:
        devices, model = self.devices[host_id], self._models[host_id]
        return fragments(self.mix, self.cpu_free[host_id], devices, model)


def points_of(
    hosts: Sequence[HostView], queue: Queue, rules: PlacementRules, *, is_learning: bool
) -> Iterator[Point]:
    """The cluster after each pod of the queue."""
    mix = typical_mix(queue.workload, hosts)
    learner = MixLearner(capacity_of(hosts), None if is_learning else mix)
    fitness = GpuFitness(learner.mix)
    placement = Placement(rules, parts=fitness.parts())
    placement.put_hosts(hosts)
    cluster = Cluster(hosts, mix)
    capacity = cluster.idle_milli
    arrived = 0
    for request in queue.pods:
        arrived += asked_milli(request.need)
        if learner.learn(request.need):
            fitness.set_mix(learner.mix)
        for choice in placement.place(request, 1).choices:
            cluster.take(request.need, choice)
        yield Point(
            arrived=round(100 * arrived / capacity),
            allocated=100 * (capacity - cluster.idle_milli) / capacity,
            fragmented=cluster.fragmented(),
            hosts_used=len(cluster.used),
        )


def series_of(points: Sequence[Point]) -> dict[int, tuple[float, float]]:
    """Share allocated and share of idle GPU fragmented at each whole per cent of demand.

    In a small cluster a pod is more than one per cent: between two pods the first one's holds.
    """
    sums: dict[int, tuple[float, float, int]] = {}
    for point in points:
        allocated, fragmented, count = sums.get(point.arrived, (0.0, 0.0, 0))
        sums[point.arrived] = (
            allocated + point.allocated,
            fragmented + point.fragmented,
            count + 1,
        )
    series: dict[int, tuple[float, float]] = {}
    before: tuple[float, float] | None = None
    for at in range(min(sums, default=0), max(sums, default=-1) + 1):
        if at in sums:
            allocated, fragmented, count = sums[at]
            before = (allocated / count, fragmented / count)
        assert before is not None
        series[at] = before
    return series


def median_series(runs: Sequence[dict[int, tuple[float, float]]]) -> dict[int, tuple[float, float]]:
    """The median over runs at each per cent of demand that every run has."""
    common = sorted(set.intersection(*(set(run) for run in runs))) if runs else []
    return {
        at: (median([run[at][0] for run in runs]), median([run[at][1] for run in runs]))
        for at in common
    }
