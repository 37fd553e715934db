"""The request of a job: what its tasks ask of placement under the cell's rules.

The one thing to know: the round and the fold's own check both begin here. So they never differ in
what a job asks for, operators' rules included.
"""

from typing import Final

from scheduler.constraints.selectors import selected, tier_constraints
from scheduler.model.constraint import Constraint
from scheduler.model.ids import JobId
from scheduler.model.job import JobSpec, Service, Stream
from scheduler.model.manner import manner_of
from scheduler.model.rules import CapacityGroup, PlacementRules
from scheduler.placement.interfaces import group_set
from scheduler.placement.request import Request

DEFAULT_GROUP: Final = "DEFAULT"


def request_of(
    job_id: JobId, spec: JobSpec, rules: PlacementRules, variant: tuple[int, int] = (0, 0)
) -> Request:
    """What each task of the job asks for; the same job and rules give an equal request."""
    container = spec.container
    group = group_of(spec.capacity_group, rules)
    must, should = selected(rules, group.tier, group.name, spec.application_name)
    must = (*must, *tier_constraints(rules, group.tier))
    manner = manner_of(spec.attributes, is_lenient=True)
    return Request(
        job_id=job_id,
        need=container.need,
        hard=_joined(container.hard_constraints, must),
        soft=_joined(container.soft_constraints, should),
        tier=group.tier,
        group=group.name,
        application=spec.application_name,
        is_service=isinstance(spec.kind, Service | Stream),
        image=container.full_image,
        security_groups=group_set(container.security_groups),
        runtime_ms=manner.runtime_ms,
        is_opportunistic=manner.is_opportunistic,
        gang=manner.gang,
        variant=variant,
    )


def hard_constraints_of(spec: JobSpec, rules: PlacementRules) -> tuple[Constraint, ...]:
    """The hard constraints of the job's request, at less cost than the whole request."""
    hard = spec.container.hard_constraints
    if not rules.selectors and not rules.instance_groups:
        return hard
    group = group_of(spec.capacity_group, rules)
    must = selected(rules, group.tier, group.name, spec.application_name)[0]
    return _joined(hard, (*must, *tier_constraints(rules, group.tier)))


def group_of(name: str, rules: PlacementRules) -> CapacityGroup:
    """The capacity group of this name, or the one that stands for all that are not listed."""
    default: CapacityGroup | None = None
    for group in rules.groups:
        if group.name == name:
            return group
        if group.name == DEFAULT_GROUP:
            default = group
    # The last tier is the least urgent one.
    tier = rules.tiers[-1].name if rules.tiers else ""
    return default or CapacityGroup(name=DEFAULT_GROUP, tier=tier)


def _joined(own: tuple[Constraint, ...], added: tuple[Constraint, ...]) -> tuple[Constraint, ...]:
    """Both, each once, sorted: the order in which rules were written changes no answer."""
    return tuple(sorted({*own, *added})) if added else own
