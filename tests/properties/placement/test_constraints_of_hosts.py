"""For any hosts: what a constraint refuses is what its definition says, in words of another hand.

The functions of `scheduler.constraints`, which index and fold share, are compared with
`tests.support.naive_hosts`, host by host.
"""

from collections import Counter
from collections.abc import Collection, Mapping

from hypothesis import event, given, settings

from scheduler.constraints import fixed, moving
from scheduler.model.constraint import Constraint
from scheduler.model.ids import JobId
from scheduler.model.rules import PlacementRules
from scheduler.placement.host import HostView
from scheduler.placement.request import Request
from tests.support.any_hosts import constraints, requests, rules, some_hosts
from tests.support.naive_hosts import NaiveHosts, replace
from tests.support.naive_placer import NaivePlacer


class Fleet:
    """All hosts, as constraints ask about them."""

    def __init__(self, truth: NaiveHosts, of_cell: PlacementRules) -> None:
        self._truth = truth
        self._rules = of_cell

    def counts(self, job_id: JobId, attribute: str) -> Counter[str]:
        return self._truth.counts(job_id, attribute)

    def values(self, attribute: str) -> Collection[str]:
        return self._truth.values(attribute, self._rules)

    def has_tasks(self, job_id: JobId) -> bool:
        return any(dict(view.tasks_of_job).get(job_id) for view in self._truth.views.values())


def _refusal(
    rule: Constraint, wanted: Request, view: HostView, fleet: Fleet, of_cell: PlacementRules
) -> str:
    attributes: Mapping[str, str] = dict(view.attributes)
    if rule.kind in fixed.KINDS:
        return fixed.refusal(rule, attributes, view.host_id, view.hostname, of_cell)
    return moving.refusal(rule, wanted.job_id, _place(view), fleet, of_cell)


def _place(view: HostView) -> moving.Place:
    return moving.Place(
        view.host_id,
        dict(view.attributes),
        dict(view.tasks_of_job),
        view.exclusive_job,
        view.is_last_choice,
    )


@settings(max_examples=100, deadline=None)
@given(some_hosts(1), rules(), requests(), constraints())
def test_a_host_is_refused_just_when_the_definition_says(
    views: list[HostView], of_cell: PlacementRules, wanted: Request, rule: Constraint
) -> None:
    truth = NaiveHosts(views)
    fleet = Fleet(truth, of_cell)
    alone = replace(wanted, hard=(rule,))
    for view in views:
        why = _refusal(rule, wanted, view, fleet, of_cell)
        is_broken = rule.kind in truth.broken(view.host_id, alone, of_cell)
        event(f"{rule.kind} {'refuses' if is_broken else 'keeps'}")
        assert bool(why) == is_broken, (why, view)


@settings(max_examples=100, deadline=None)
@given(some_hosts(1), rules(), requests(), constraints())
def test_soft_points_are_those_of_the_definition(
    views: list[HostView], of_cell: PlacementRules, wanted: Request, rule: Constraint
) -> None:
    truth = NaiveHosts(views)
    fleet = Fleet(truth, of_cell)
    placer = NaivePlacer(truth, of_cell)
    for view in views:
        if rule.kind in fixed.KINDS:
            attributes = dict(view.attributes)
            points = fixed.soft_fitness(rule, attributes, view.host_id, view.hostname, of_cell)
        else:
            points = moving.soft_fitness(rule, wanted.job_id, _place(view), fleet, of_cell)
        assert points == placer.soft_points(rule, view, wanted)


@settings(max_examples=100, deadline=None)
@given(some_hosts(1), rules(), requests())
def test_taints_and_lost_zones(
    views: list[HostView], of_cell: PlacementRules, wanted: Request
) -> None:
    truth = NaiveHosts(views)
    borne = fixed.tolerated(wanted.hard)
    for view in views:
        broken = truth.broken(view.host_id, wanted, of_cell)
        attributes = dict(view.attributes)
        assert bool(fixed.taint_refusal(borne, attributes, of_cell)) == ("taints" in broken)
        assert bool(fixed.zone_refusal(attributes, of_cell)) == ("lost zone" in broken)
