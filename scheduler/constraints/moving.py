"""Constraints whose answer depends on the tasks that are there, on a host or in the fleet.

The one thing to know: these are the definitions. The index of placement computes the same by
columns, and a property test compares it with these functions, host by host.

Balance is counted by rank, not by Titus' (mean - n) / mean. That one flattens as a job grows: with
16 tasks a zone, one task more or less is 6 % of it, packing outweighs it, and zones drift apart by
3 to 4 (measured on Fenzo 1.0.1). The least full value is worth everything, the fullest nothing.
"""

from collections.abc import Collection, Mapping
from typing import Final, Protocol

import msgspec

from scheduler.model.constraint import Constraint, ConstraintKind
from scheduler.model.ids import HostId, JobId
from scheduler.model.rules import FITNESS_MAX, PlacementRules

KINDS: Final[frozenset[ConstraintKind]] = frozenset(
    {
        "activeHost",
        "awayFromJob",
        "balancedAttribute",
        "exclusiveHost",
        "nearJob",
        "uniqueHost",
        "zoneBalance",
    }
)
"""All kinds that this module answers for."""
BALANCED: Final[frozenset[ConstraintKind]] = frozenset({"balancedAttribute", "zoneBalance"})
TAKEN: Final = FITNESS_MAX // 4
"""What a soft uniqueHost leaves of a host with one task of the job; with n, an n-th of it."""


class Place(msgspec.Struct, frozen=True, gc=False):
    """One host as these constraints see it."""

    host_id: HostId
    attributes: Mapping[str, str]
    tasks_of_job: Mapping[JobId, int]
    """How many tasks of each job hold resources here; none is 0 or left out."""
    exclusive_job: JobId | None = None
    is_last_choice: bool = False
    """Phased out: Titus' group that is not Active."""


class Fleet(Protocol):
    """All hosts as these constraints see them."""

    def counts(self, job_id: JobId, attribute: str) -> Mapping[str, int]:
        """Tasks of the job that hold resources, by the value of their host's attribute."""

    def values(self, attribute: str) -> Collection[str]:
        """Values of the attribute among schedulable hosts outside of lost zones."""

    def has_tasks(self, job_id: JobId) -> bool:
        """Whether any task of the job holds resources on any host."""


def refusal(
    constraint: Constraint, job_id: JobId, place: Place, fleet: Fleet, rules: PlacementRules
) -> str:
    """Why the host breaks the constraint for one more task of the job, in words; or empty."""
    match constraint.kind:
        case "uniqueHost":
            return unique_refusal(job_id, place.tasks_of_job)
        case "exclusiveHost":
            return exclusive_refusal(place.tasks_of_job)
        case "activeHost":
            return "the host is phased out" if place.is_last_choice else ""
        case "zoneBalance" | "balancedAttribute":
            return _balance_refusal(balanced_by(constraint, rules), job_id, place, fleet)
        case "nearJob" | "awayFromJob":
            return _near_refusal(constraint, job_id, place, fleet)
        case _:
            raise AssertionError(f"{constraint.kind} does not depend on tasks")


def soft_fitness(
    constraint: Constraint, job_id: JobId, place: Place, fleet: Fleet, rules: PlacementRules
) -> int:
    """How well the host keeps a soft constraint, 0 to 1,000, before the task is put there."""
    match constraint.kind:
        case "uniqueHost":
            return unique_fitness(place.tasks_of_job.get(job_id, 0))
        case "zoneBalance" | "balancedAttribute":
            attribute = balanced_by(constraint, rules)
            value = place.attributes.get(attribute)
            values = fleet.values(attribute)
            if value is None or value not in values:
                return 0
            counts = fleet.counts(job_id, attribute)
            return balance_fitness(value, {each: counts.get(each, 0) for each in values})
        case _:
            return 0 if refusal(constraint, job_id, place, fleet, rules) else FITNESS_MAX


def balanced_by(constraint: Constraint, rules: PlacementRules) -> str:
    """The host attribute over whose values a balance is kept."""
    return rules.zone_attribute if constraint.kind == "zoneBalance" else constraint.attribute


def unique_refusal(job_id: JobId, tasks_of_job: Mapping[JobId, int]) -> str:
    """Why no second task of the job may go there, or empty."""
    return f"already runs a task of job {job_id}" if tasks_of_job.get(job_id) else ""


def unique_fitness(tasks: int) -> int:
    """How well a soft uniqueHost likes a host with so many tasks of the job."""
    return FITNESS_MAX if tasks == 0 else TAKEN // tasks


def exclusive_refusal(tasks_of_job: Mapping[JobId, int]) -> str:
    """Why a task that wants a host for itself may not go there, or empty."""
    there = sum(tasks_of_job.values())
    return f"already runs {there} task{'' if there == 1 else 's'}" if there else ""


def taken_refusal(exclusive_job: JobId | None) -> str:
    """Why nothing else may go to a host that a task has for itself, or empty.

    The other half of exclusiveHost: whoever comes later is refused, with or without constraints.
    """
    return f"a task of job {exclusive_job} has it for itself" if exclusive_job is not None else ""


def is_balanced_after(value: str, counts: Mapping[str, int]) -> bool:
    """Whether one more task may go to ``value``: it is below the fullest, or all are equal.

    ``counts`` has every value that could take a task, also those with none (Titus, Fenzo).
    """
    most = max(counts.values())
    return counts[value] < most or min(counts.values()) == most


def balance_fitness(value: str, counts: Mapping[str, int]) -> int:
    """What a soft balance gives to ``value``: by the rank of its count, least full first."""
    ranks = sorted(set(counts.values()))
    if len(ranks) == 1:
        return FITNESS_MAX
    steps = len(ranks) - 1
    return FITNESS_MAX * (steps - ranks.index(counts[value])) // steps


def weighted_mean(parts: Collection[tuple[int, int]]) -> int:
    """The fitness of all soft constraints together, from pairs of weight and fitness."""
    if not parts:
        return FITNESS_MAX
    return sum(weight * fitness for weight, fitness in parts) // sum(weight for weight, _ in parts)


def _balance_refusal(attribute: str, job_id: JobId, place: Place, fleet: Fleet) -> str:
    value = place.attributes.get(attribute)
    if value is None:
        return f"it has no attribute {attribute} to balance by"
    values = fleet.values(attribute)
    if value not in values:
        return f"{attribute} '{value}' takes no work now"
    there = fleet.counts(job_id, attribute)
    counts = {each: there.get(each, 0) for each in values}
    if is_balanced_after(value, counts):
        return ""
    return (
        f"{attribute} '{value}' has {counts[value]} tasks of the job, the most; "
        f"the least of {len(counts)} has {min(counts.values())}"
    )


def _near_refusal(constraint: Constraint, job_id: JobId, place: Place, fleet: Fleet) -> str:
    (other,) = constraint.values
    of = JobId(other)
    is_near = constraint.kind == "nearJob"
    where = constraint.attribute
    if not where:
        is_there = place.tasks_of_job.get(of, 0) > 0
        there = "the host"
    else:
        value = place.attributes.get(where)
        is_there = value is not None and fleet.counts(of, where).get(value, 0) > 0
        there = f"{where} '{value}'" if value is not None else f"a host without {where}"
    if is_there == is_near:
        return ""
    if is_near and of == job_id and not fleet.has_tasks(of):
        return ""  # The first task of a job that stays together with itself.
    return f"{there} has {'no' if is_near else 'a'} task of job {other}"
