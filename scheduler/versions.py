"""Which spec a task runs by: versions of a job stand side by side, and indexes may form sets.

The one thing to know: `spec_of` is the only way from a task to what it runs and needs. A job's own
``spec`` is what is wanted now; while it is updated some of its tasks are of another version, and
where it has sets, a task's hard constraints depend on its index.
"""

from bisect import bisect_left
from typing import Final

from msgspec.structs import replace

from scheduler.model.constraint import Constraint
from scheduler.model.job import Container, JobSpec
from scheduler.model.task import Task
from scheduler.state import Job, State

Variant = tuple[int, int]
"""Version of the spec, and place of the set; tasks of one variant ask for the same."""
UNIFORM: Final[Variant] = (0, 0)
"""Of all tasks of a job that is not mixed."""
PINNED: Final = 1 << 20
"""Places from here on are not of a set but of one index, which has to run at a certain place."""


def is_mixed(job: Job) -> bool:
    """Whether tasks of the job may differ in what they ask for."""
    return bool(job.specs or job.spec.sets or job.pins)


def spec_of(job: Job, task: Task) -> JobSpec:
    """What the task runs by; by the job's present spec where its own is not kept any more."""
    if not job.specs and not job.spec.sets and not job.pins:  # As `is_mixed`, without the call.
        return job.spec
    return spec_of_variant(job, variant_of(job, task))


def container_of(state: State, task: Task) -> Container:
    """What the task, of a job that the state knows, runs and needs."""
    return spec_of(state.jobs[task.job_id], task).container


def variant_of(job: Job, task: Task) -> Variant:
    """The variant of a task of this job."""
    if not is_mixed(job):
        return UNIFORM
    spec = version_of(job, task.spec_version)
    place = set_of(spec, task.index)
    if job.pins and pin_of(job, task.index):
        place = PINNED + task.index
    return task.spec_version, place


def spec_of_variant(job: Job, variant: Variant) -> JobSpec:
    """What tasks of this variant run by."""
    version, place = variant
    spec = version_of(job, version) if version else job.spec
    added: list[Constraint] = []
    if place >= PINNED:
        added += pin_of(job, place - PINNED)
        place = set_of(spec, place - PINNED)
    if spec.sets:
        attributes = spec.sets[place].attributes
        added += [Constraint("hostAttribute", name, (value,)) for name, value in attributes]
    if not added:
        return spec
    hard = tuple(sorted({*spec.container.hard_constraints, *added}))
    return replace(spec, container=replace(spec.container, hard_constraints=hard))


def name_of(job: Job, variant: Variant) -> str:
    """What people call the tasks of a variant: by their set, and by their version if several."""
    version, place = variant
    spec = version_of(job, version) if version else job.spec
    index = place - PINNED
    words = [f"version {version}"] if job.specs or not (spec.sets or index >= 0) else []
    if spec.sets:
        words.append(f"set {spec.sets[set_of(spec, index) if index >= 0 else place].name}")
    return ", ".join([*words, *([f"index {index}"] if index >= 0 else [])])


def version_of(job: Job, version: int) -> JobSpec:
    """The job's spec of this version, or its present one where that is not kept."""
    if version != job.spec_version:
        for each in job.specs:
            if each.version == version:
                return each.spec
    return job.spec


def pin_of(job: Job, index: int) -> tuple[Constraint, ...]:
    """Where the index has to run because of what stays with it; mostly there is nothing."""
    at = bisect_left(job.pins, index, key=lambda pin: pin.index)
    if at < len(job.pins) and job.pins[at].index == index:
        return job.pins[at].constraints
    return ()


def version_of_new(job: Job) -> int:
    """The version of a task that is started without a predecessor: the one that is proven."""
    update = job.update
    if update is not None and update.state == "running":
        return update.from_version
    return job.spec_version


def set_of(spec: JobSpec, index: int) -> int:
    """The place of the set that an index belongs to; those beyond all belong to the last."""
    end = 0
    for place, each in enumerate(spec.sets):
        end += each.count
        if index < end:
            return place
    return max(0, len(spec.sets) - 1)


def is_exclusive(job: Job) -> bool:
    """Whether tasks of the job want a host for themselves, of whatever version."""
    return any(
        each.kind == "exclusiveHost"
        for spec in (job.spec, *(other.spec for other in job.specs))
        for each in spec.container.hard_constraints
    )
