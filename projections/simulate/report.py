"""What became of a trace under one policy, as values: figures, a series, waits, refusals.

The one thing to know: nothing here is measured with a clock. Times of day and of the processor are
added by whoever ran the simulation; these values are the same on any computer.
"""

from collections import Counter
from collections.abc import Mapping, Sequence

import msgspec

from scheduler.model.ids import HostId
from scheduler.placement.devices import asked_milli, idle_milli, with_taken
from scheduler.placement.gpu_mix import Mix, fragments

from .openb import typical_mix
from .replay import Replay
from .trace import Trace

SHAPES_MAX = 16
"""Of so many most frequent sizes is asked whether they fit into what is free."""


class Sample(msgspec.Struct, frozen=True):
    """The cluster at one moment; shares in thousandths."""

    at_ms: int
    offered: int
    running: int
    waiting: int
    hosts_used: int
    cpu_milli: int
    """Share of cpu that tasks hold."""
    memory_milli: int
    gpu_milli: int
    fragmented_milli: int
    """Share of what is free (GPU where there is any, else cpu) that typical tasks cannot use."""


class Spread(msgspec.Struct, frozen=True):
    """How evenly jobs lie over zones: largest minus smallest count of a job."""

    most: int
    mean_milli: int
    jobs: int


class Waits(msgspec.Struct, frozen=True):
    """From arrival to placement, of those that were placed, in milliseconds."""

    median_ms: int
    p99_ms: int
    most_ms: int
    waited: int
    """How many did not get a host at once."""
    by_per_cent: tuple[int, ...] = ()
    """The wait that so many per cent of them did not exceed, for 0 to 100."""


class Observer:
    """Looks at a replay from time to time."""

    def __init__(self, trace: Trace) -> None:
        self._trace = trace
        counts = Counter(
            (each.request.need.cpu_milli, each.request.need.memory_mib) for each in trace.tasks
        )
        ranked = sorted(counts.items(), key=lambda each: (-each[1], each[0]))
        self._sizes = tuple(ranked[:SHAPES_MAX])
        has_gpus = any(view.gpus for view in trace.hosts)
        self._mix: Mix | None = None
        if has_gpus:
            self._mix = typical_mix([each.request for each in trace.tasks], trace.hosts)
        self._total_cpu = sum(view.total.cpu_milli for view in trace.hosts)
        self._total_memory = sum(view.total.memory_mib for view in trace.hosts)
        self._total_gpu = sum(idle_milli(view.gpus) for view in trace.hosts)

    def sample(self, replay: Replay) -> Sample:
        """The cluster as it is now."""
        cpu: dict[HostId, int] = {}
        memory: dict[HostId, int] = {}
        of_host: dict[HostId, list[int]] = {}
        gpu = 0
        for index in sorted(replay.running):
            need = self._trace.tasks[index].request.need
            host_id = replay.placed[index].choice.host_id
            cpu[host_id] = cpu.get(host_id, 0) + need.cpu_milli
            memory[host_id] = memory.get(host_id, 0) + need.memory_mib
            gpu += asked_milli(need)
            of_host.setdefault(host_id, []).append(index)
        if self._mix is None:
            fragmented = self._sizes_fragmented(cpu, memory)
        else:
            fragmented = self._devices_fragmented(self._mix, replay, cpu, of_host)
        return Sample(
            at_ms=replay.now_ms,
            offered=replay.offered,
            running=len(replay.running),
            waiting=replay.waiting,
            hosts_used=len(of_host),
            cpu_milli=_share(sum(cpu.values()), self._total_cpu),
            memory_milli=_share(sum(memory.values()), self._total_memory),
            gpu_milli=_share(gpu, self._total_gpu),
            fragmented_milli=fragmented,
        )

    def _sizes_fragmented(self, cpu: Mapping[HostId, int], memory: Mapping[HostId, int]) -> int:
        free = Counter(
            (
                view.total.cpu_milli - cpu.get(view.host_id, 0),
                view.total.memory_mib - memory.get(view.host_id, 0),
            )
            for view in self._trace.hosts
        )
        idle = sum(left * hosts for (left, _), hosts in free.items())
        lost = weight = 0
        for (asked_cpu, asked_memory), count in self._sizes:
            weight += count
            for (left_cpu, left_memory), hosts in free.items():
                if left_cpu < asked_cpu or left_memory < asked_memory:
                    lost += count * hosts * left_cpu
        return _share(lost, idle * weight)

    def _devices_fragmented(
        self,
        mix: Mix,
        replay: Replay,
        cpu: Mapping[HostId, int],
        of_host: Mapping[HostId, Sequence[int]],
    ) -> int:
        lost = idle = 0
        for view in self._trace.hosts:
            devices = view.gpus
            for index in of_host.get(view.host_id, ()):
                need = self._trace.tasks[index].request.need
                devices = with_taken(devices, need, replay.placed[index].choice.gpus)
            left = view.total.cpu_milli - cpu.get(view.host_id, 0)
            idle += idle_milli(devices)
            lost += fragments(mix, left, devices, view.gpu_model)
        return _share(lost, idle * mix.tasks)


def zone_spread(replay: Replay, zone_attribute: str = "zone") -> Spread:
    """How evenly the tasks that were placed lie over the hosts' zones, job by job."""
    zone_of = {
        view.host_id: zone
        for view in replay.trace.hosts
        if (zone := dict(view.attributes).get(zone_attribute))
    }
    zones = sorted(set(zone_of.values()))
    counts: dict[str, Counter[str]] = {}
    for index, placed in sorted(replay.placed.items()):
        zone = zone_of.get(placed.choice.host_id)
        if zone is not None:
            job_id = replay.trace.tasks[index].request.job_id
            counts.setdefault(job_id, Counter())[zone] += 1
    skews = [
        max(of_zone[zone] for zone in zones) - min(of_zone[zone] for zone in zones)
        for _, of_zone in sorted(counts.items())
    ]
    mean_milli = 1_000 * sum(skews) // len(skews) if skews else 0
    return Spread(max(skews, default=0), mean_milli, len(skews))


def waits_of(replay: Replay) -> Waits:
    """How long tasks waited for a host."""
    tasks = replay.trace.tasks
    waits = sorted(placed.at_ms - tasks[index].arrive_ms for index, placed in replay.placed.items())
    if not waits:
        return Waits(0, 0, 0, 0, (0,))
    return Waits(
        median_ms=waits[len(waits) // 2],
        p99_ms=waits[99 * len(waits) // 100],
        most_ms=waits[-1],
        waited=sum(each > 0 for each in waits),
        by_per_cent=tuple(waits[min(len(waits) - 1, at * len(waits) // 100)] for at in range(101)),
    )


def hosts_used(replay: Replay) -> int:
    """How many hosts got any task at any time."""
    return len({placed.choice.host_id for placed in replay.placed.values()})


def _share(part: int, whole: int) -> int:
    return 1_000 * part // whole if whole else 0
