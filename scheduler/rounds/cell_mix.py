"""The mix of tasks of a cell, for the fitness of hosts with GPUs.

The one thing to know: it is counted from the jobs that the state has now, waiting and running, and
not from a history; so a leader that has just been elected has the same mix as the one before it.
Where no profile asks for a GPU part, nothing is counted.
"""

from collections import Counter

from scheduler.model.ids import HostId
from scheduler.model.rules import PlacementRules
from scheduler.placement.fitness.gpu import GPU_PARTS, GpuFitness
from scheduler.placement.gpu_mix import Mix, Shape, mix_of, shape_of
from scheduler.placement.host import HostView
from scheduler.state import State
from scheduler.versions import container_of, is_mixed


class CellMix:
    """The parts of fitness that look at GPUs, with the cell's mix in them."""

    def __init__(self) -> None:
        self.fitness = GpuFitness(Mix())
        self._devices: dict[HostId, tuple[str, int]] = {}
        """Model and number of the devices of each host that has any."""

    def put(self, view: HostView) -> None:
        """A host is as this says now."""
        if view.gpus:
            self._devices[view.host_id] = (view.gpu_model, len(view.gpus))
        else:
            self._devices.pop(view.host_id, None)

    def remove(self, host_id: HostId) -> None:
        """A host is gone."""
        self._devices.pop(host_id, None)

    def learn(self, state: State, rules: PlacementRules) -> None:
        """Take the mix over from the jobs of the state, if any profile looks at it."""
        if not any(name in GPU_PARTS for each in rules.profiles for name, _ in each.weights):
            return
        mix = self._mix(state)
        if mix != self.fitness.mix:
            self.fitness.set_mix(mix)

    def _mix(self, state: State) -> Mix:
        counts: Counter[Shape] = Counter()
        for job_id in sorted({*state.queue, *state.on_hosts}):
            job = state.jobs.get(job_id)
            tasks = len(state.queue.get(job_id, ())) + state.on_hosts.get(job_id, 0)
            if job is not None and is_mixed(job):
                for task_id in state.indexes[job_id].values():
                    counts[shape_of(container_of(state, state.tasks[task_id]).need)] += 1
            elif job is not None and tasks:
                counts[shape_of(job.spec.container.need)] += tasks
        capacity: Counter[str] = Counter()
        for model, devices in self._devices.values():
            capacity[model] += devices
        return mix_of(counts, capacity)
