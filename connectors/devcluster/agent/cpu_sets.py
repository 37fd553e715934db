"""Which threads of this computer each container may run on, and how the kernel is told.

The one thing to know: who runs where is decided by `scheduler.cpu_sets`, a pure package; here it is
followed. A container is bound before its command runs, by binding its keeper, from which the
command and all its children inherit; when the sets change, every thread below the keeper is bound
again. Where cpuset cgroups can be made, the container is put into one, so that a program cannot
undo it; nothing is written down, for the kernel remembers it while the agent is away.
"""

import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from connectors.devcluster.agent import confine
from connectors.devcluster.agent.cpuset_groups import CpusetGroups
from connectors.devcluster.agent.executors import executor_of
from connectors.devcluster.agent.model import LocalAgent, LocalTask, Phase
from connectors.devcluster.words import Json
from scheduler.cpu_sets.layout import Layout, Workload, adopted, departed, parted
from scheduler.cpu_sets.noise import Sample, disturbers, noise_of_samples, sampled
from scheduler.cpu_sets.topology import (
    Topology,
    TopologyError,
    from_description,
    from_sys,
    list_of,
)
from scheduler.cpu_sets.violations import violations

BURST_LABEL: Final = "flumina.cpu.burst"
"""The label of a task that may use threads that nobody owns; what a job says by an attribute."""
MEASURE_SECONDS: Final = 10.0
"""How often it is looked who waits for whom. Ours: a burst of a moment is no noise yet."""
_PASSES_MAX: Final = 10
_SYS: Final = Path("/sys/devices/system")
_SYS_FILES: Final = (
    "cpu/online",
    "cpu/cpu*/topology/physical_package_id",
    "cpu/cpu*/topology/die_id",
    "cpu/cpu*/topology/core_id",
    "node/node*/cpulist",
)


def topology_here(index: int, count: int, sys: Path = _SYS) -> Topology:
    """The processors that the ``index``-th of ``count`` agents on this computer may use."""
    files = {
        str(path.relative_to(sys)): path.read_text("ascii")
        for pattern in _SYS_FILES
        for path in sorted(sys.glob(pattern))
    }
    usable = sorted(os.sched_getaffinity(0))
    try:
        found = from_sys(files).only(usable)
    except TopologyError:
        # Some sandboxes show no topology: then each thread counts as a core.
        found = from_description(f"1x{max(usable) + 1}x1").only(usable)
    return found.part(index, count)


@dataclass(frozen=True)
class Counted:
    """How far the counters of a container's threads were, in milliseconds."""

    at_s: float
    ran_ms: int
    waited_ms: int


class CpuSets:
    """The cpu sets of one agent's containers; call `follow` whenever something has changed."""

    def __init__(
        self, topology: Topology, groups: CpusetGroups, log: Callable[[str], None]
    ) -> None:
        self.layout = Layout(topology)
        self.noise_milli = 0
        self.measure_seconds = MEASURE_SECONDS
        self._groups = groups
        self._log = log
        self._roots: dict[str, int] = {}
        self._bound: dict[str, tuple[int, ...]] = {}
        self._counted: dict[str, Counted] = {}
        self._measure_at: float | None = None

    def follow(self, agent: LocalAgent) -> None:
        """Bring the sets in step with the containers that the agent has, and tell the kernel."""
        wanted = _containers(agent)
        for name in sorted(self.layout.names()):
            if name not in wanted or self._is_other(wanted[name][0]):
                self.layout = departed(self.layout, name)
        for name in sorted(self._roots.keys() - wanted.keys()):
            self._forget(name)
        for name, (workload, root) in wanted.items():
            if name not in self.layout.names():
                self.layout = adopted(self.layout, workload, _held_by(root))
            if self._roots.get(name) != root:
                self._roots[name] = root
                self._bound.pop(name, None)
        self._groups.sweep()
        self._tell()

    def _is_other(self, workload: Workload) -> bool:
        return workload not in self.layout.workloads

    def _forget(self, name: str) -> None:
        del self._roots[name]
        self._bound.pop(name, None)
        self._counted.pop(name, None)
        self._groups.remove(name)

    def _tell(self) -> None:
        for name, root in self._roots.items():
            numbers = self.layout.sets[name]
            if self._bound.get(name) == numbers:
                continue
            self._bound[name] = numbers
            try:
                self._groups.put(name, numbers, partial(threads_below, root))
                bind(root, numbers)
            except OSError as error:
                self._log(f"cannot bind container {name} to threads {list_of(numbers)}: {error}")

    def measure(self, now_s: float) -> None:
        """Every few seconds: who waited for whom since the last time, and keep those apart."""
        if self._measure_at is not None and now_s < self._measure_at:
            return
        self._measure_at = now_s + self.measure_seconds
        samples: list[Sample] = []
        for name, root in self._roots.items():
            ran_ms, waited_ms = _counters(root)
            before = self._counted.get(name)
            self._counted[name] = Counted(now_s, ran_ms, waited_ms)
            if before is not None:
                interval_ms = round((now_s - before.at_s) * 1000)
                ran, waited = ran_ms - before.ran_ms, waited_ms - before.waited_ms
                samples.append(sampled(name, ran, waited, interval_ms))
        self.noise_milli = noise_of_samples(samples)
        pairs = disturbers(self.layout, samples)
        if pairs != self.layout.apart:
            self.layout = parted(self.layout, pairs)
            self._tell()

    def to_json(self) -> Json:
        """The sets for the agent's ``/state``."""
        layout = self.layout
        return {
            "threads": list_of(layout.topology.numbers),
            "by": ["affinity", *self._groups.words()],
            "noise_milli": self.noise_milli,
            "containers": [
                {
                    "container": each.name,
                    "kind": "burst" if each.is_burst else "static",
                    "cpus": each.cpu_milli / 1000,
                    "threads": list_of(layout.sets[each.name]),
                    "is_own": each.name in layout.owned,
                }
                for each in layout.workloads
            ],
            "violations": [
                {"kind": each.kind, "containers": list(each.names), "text": each.text}
                for each in violations(layout)
            ],
        }


def _containers(agent: LocalAgent) -> dict[str, tuple[Workload, int]]:
    """The containers that run: what each was promised, and the process that it all is below."""
    found: dict[str, tuple[Workload, int]] = {}
    for task in agent.tasks.values():
        is_own = task.record_id == task.container_id and executor_of(agent, task) is None
        if is_own and task.executor_pid is not None and task.phase is not Phase.ENDED:
            workload = Workload(task.container_id, cpu_milli_of(task.info), _is_burst(task))
            found[task.container_id] = workload, task.executor_pid
    for executor in agent.executors.values():
        if executor.pid is None or executor.is_default:
            continue
        # Its tasks come and go inside of it, so nothing can be theirs for life: it is burst work.
        infos = [executor.info, *(each.info for each in agent.tasks_of(executor))]
        cpu_milli = sum(map(cpu_milli_of, infos))
        workload = Workload(executor.container_id, cpu_milli, is_burst=True)
        found[executor.container_id] = workload, executor.pid
    return found


def cpu_milli_of(info: Json) -> int:
    """The cpus that a TaskInfo or ExecutorInfo was given, in thousandths."""
    found = (r for r in info.get("resources", []) if r["name"] == "cpus" and "scalar" in r)
    return sum(round(each["scalar"]["value"] * 1000) for each in found)


def _is_burst(task: LocalTask) -> bool:
    labels = (task.info.get("labels") or {}).get("labels", [])
    return any(
        each.get("key") == BURST_LABEL and str(each.get("value", "")).lower() == "true"
        for each in labels
    )


def _held_by(pid: int) -> set[int]:
    """Where the process may run now; nowhere when it is gone."""
    try:
        return os.sched_getaffinity(pid)
    except ProcessLookupError:
        return set()


def threads_below(root: int) -> set[int]:
    """All threads of the process and of those below it."""
    found: set[int] = set()
    for pid in confine.tree(root):
        try:
            found.update(int(path.name) for path in Path(f"/proc/{pid}/task").iterdir())
        except OSError:
            continue  # It has ended meanwhile.
    return found


def bind(root: int, numbers: tuple[int, ...]) -> None:
    """Every thread of the process and of those below it runs on these threads only.

    One that begins meanwhile inherits from a bound one, or is found when it is looked again.
    """
    done: set[int] = set()
    for _ in range(_PASSES_MAX):
        new = threads_below(root) - done
        if not new:
            return
        for thread in sorted(new):
            try:
                os.sched_setaffinity(thread, numbers)
            except ProcessLookupError:
                continue
        done |= new


def _counters(root: int) -> tuple[int, int]:
    """How long the threads below ran, and waited to run, in milliseconds.

    The first two numbers of ``schedstat``, in nanoseconds; what has ended takes its part with it.
    """
    ran = waited = 0
    for pid in confine.tree(root):
        for path in Path(f"/proc/{pid}/task").glob("*/schedstat"):
            try:
                match = re.match("([0-9]+) ([0-9]+)", path.read_text("ascii"))
            except OSError:
                continue
            if match is not None:
                ran, waited = ran + int(match[1]), waited + int(match[2])
    return ran // 1_000_000, waited // 1_000_000
