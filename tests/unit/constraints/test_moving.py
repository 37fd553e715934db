"""What constraints say of a host by the tasks that are there: one line a case.

How: a small fleet as plain dictionaries, and tables of what is where and what follows.
"""

from collections.abc import Mapping

import pytest

from scheduler.constraints import moving
from scheduler.constraints.moving import Place
from scheduler.model.constraint import Constraint, ConstraintKind
from scheduler.model.ids import HostId, JobId
from scheduler.model.rules import PlacementRules

JOB = JobId("job")
RULES = PlacementRules()


class Fleet:
    """Counts by job and attribute, and the values that hosts have."""

    def __init__(
        self,
        there: Mapping[str, Mapping[str, int]] | None = None,
        values: tuple[str, ...] = ("a", "b", "c"),
    ) -> None:
        self.there, self.known = there or {}, values

    def counts(self, job_id: JobId, attribute: str) -> Mapping[str, int]:
        """Tasks of the job by value; every attribute here is the zone."""
        assert attribute == "zone"
        return self.there.get(job_id, {})

    def values(self, attribute: str) -> tuple[str, ...]:
        """Values that take work."""
        assert attribute == "zone"
        return self.known

    def has_tasks(self, job_id: JobId) -> bool:
        """Whether any task of the job is there."""
        return any(self.there.get(job_id, {}).values())


def place(zone: str = "a", tasks: Mapping[str, int] | None = None, **more: int) -> Place:
    """A host in a zone with so many tasks of each job."""
    return Place(
        HostId("S1"),
        {"zone": zone} if zone else {},
        {JobId(job): count for job, count in {**(tasks or {}), **more}.items()},
    )


def said(
    kind: ConstraintKind, where: Place, fleet: Fleet, attribute: str = "", of: str = ""
) -> str:
    """What the constraint says of the host."""
    constraint = Constraint(kind, attribute, (of,) if of else ())
    return moving.refusal(constraint, JOB, where, fleet, RULES)


@pytest.mark.parametrize(
    ("kind", "tasks", "words"),
    [
        ("uniqueHost", {}, ""),
        ("uniqueHost", {"other": 3}, ""),
        ("uniqueHost", {"job": 0}, ""),
        ("uniqueHost", {"job": 1}, "already runs a task of job job"),
        ("exclusiveHost", {}, ""),
        ("exclusiveHost", {"other": 1}, "already runs 1 task"),
        ("exclusiveHost", {"other": 1, "job": 2}, "already runs 3 tasks"),
    ],
)
def test_who_may_share_a_host(kind: ConstraintKind, tasks: dict[str, int], words: str) -> None:
    assert said(kind, place(tasks=tasks), Fleet()) == words


def test_an_exclusive_task_keeps_others_away_too() -> None:
    """Fault F1 of Fenzo 1.0.1: there the second, normal task is placed beside it."""
    assert moving.taken_refusal(JobId("alone")) == "a task of job alone has it for itself"
    assert moving.taken_refusal(None) == ""


def test_an_active_host_is_not_phased_out() -> None:
    assert said("activeHost", place(), Fleet()) == ""
    leaving = Place(HostId("S1"), {}, {}, is_last_choice=True)
    assert said("activeHost", leaving, Fleet()) == "the host is phased out"


@pytest.mark.parametrize(
    ("counts", "zone", "values", "is_refused"),
    [
        ({}, "a", "abc", False),
        ({"a": 1}, "a", "abc", True),
        ({"a": 1}, "b", "abc", False),
        ({"a": 1, "b": 1}, "a", "abc", True),
        ({"a": 1, "b": 1, "c": 1}, "a", "abc", False),
        ({"a": 2, "b": 1, "c": 0}, "b", "abc", False),
        ({"a": 2, "b": 1, "c": 0}, "a", "abc", True),
        ({"a": 5}, "a", "a", False),
        ({"a": 1, "lost": 9}, "b", "ab", False),
        ({"a": 1, "lost": 9}, "a", "ab", True),
        ({"a": 1, "lost": 9}, "lost", "ab", True),
        ({}, "", "abc", True),
    ],
)
def test_a_hard_balance_refuses_the_fullest_unless_all_are_equal(
    counts: dict[str, int], zone: str, values: str, is_refused: bool
) -> None:
    fleet = Fleet({"job": counts}, tuple(values))
    for kind, attribute in (("zoneBalance", ""), ("balancedAttribute", "zone")):
        why = said(kind, place(zone), fleet, attribute)  # type: ignore[arg-type]
        assert bool(why) == is_refused, why


@pytest.mark.parametrize(
    ("counts", "fitness"),
    [
        ({}, {"a": 1_000, "b": 1_000, "c": 1_000}),
        ({"a": 1}, {"a": 0, "b": 1_000, "c": 1_000}),
        ({"a": 2, "b": 1}, {"a": 0, "b": 500, "c": 1_000}),
        ({"a": 17, "b": 16, "c": 16}, {"a": 0, "b": 1_000, "c": 1_000}),
        ({"a": 900, "b": 901, "c": 2}, {"a": 500, "b": 0, "c": 1_000}),
        ({"a": 7, "b": 7, "c": 7}, {"a": 1_000, "b": 1_000, "c": 1_000}),
    ],
)
def test_a_soft_balance_goes_by_rank_however_large_the_job_is(
    counts: dict[str, int], fitness: dict[str, int]
) -> None:
    """Fault F14 of Fenzo 1.0.1: its score compares with a sum, and flattens with the job's size."""
    fleet = Fleet({"job": counts})
    for zone, wanted in fitness.items():
        found = moving.soft_fitness(Constraint("zoneBalance"), JOB, place(zone), fleet, RULES)
        assert found == wanted, zone
    for nowhere in ("", "d"):
        found = moving.soft_fitness(Constraint("zoneBalance"), JOB, place(nowhere), fleet, RULES)
        assert found == 0


@pytest.mark.parametrize(("tasks", "fitness"), [(0, 1_000), (1, 250), (2, 125), (9, 27)])
def test_a_soft_unique_host_likes_few_of_the_job(tasks: int, fitness: int) -> None:
    found = moving.soft_fitness(Constraint("uniqueHost"), JOB, place(job=tasks), Fleet(), RULES)
    assert found == fitness


@pytest.mark.parametrize(
    ("kind", "attribute", "of", "where", "words"),
    [
        ("nearJob", "", "db", place(db=1), ""),
        ("nearJob", "", "db", place(job=1), "the host has no task of job db"),
        ("nearJob", "zone", "db", place("b"), ""),
        ("nearJob", "zone", "db", place("a"), "zone 'a' has no task of job db"),
        ("nearJob", "zone", "db", place(""), "a host without zone has no task of job db"),
        ("awayFromJob", "", "db", place(), ""),
        ("awayFromJob", "", "db", place(db=2), "the host has a task of job db"),
        ("awayFromJob", "zone", "db", place("a"), ""),
        ("awayFromJob", "zone", "db", place("b"), "zone 'b' has a task of job db"),
        ("awayFromJob", "zone", "db", place(""), ""),
        ("nearJob", "", "job", place(), ""),
        ("nearJob", "zone", "job", place(), ""),
        ("awayFromJob", "", "job", place(job=1), "the host has a task of job job"),
    ],
)
def test_near_and_away(
    kind: ConstraintKind, attribute: str, of: str, where: Place, words: str
) -> None:
    assert said(kind, where, Fleet({"db": {"b": 1}}), attribute, of) == words


def test_a_job_near_itself_stays_where_its_first_task_went() -> None:
    fleet = Fleet({"job": {"b": 1}})
    assert said("nearJob", place("b"), fleet, "zone", "job") == ""
    assert said("nearJob", place("a"), fleet, "zone", "job") == "zone 'a' has no task of job job"


def test_soft_constraints_are_weighed() -> None:
    assert moving.weighted_mean([]) == 1_000
    assert moving.weighted_mean([(1, 1_000), (1, 0)]) == 500
    assert moving.weighted_mean([(3, 1_000), (1, 0)]) == 750


def test_what_does_not_depend_on_tasks_is_asked_elsewhere() -> None:
    with pytest.raises(AssertionError, match="does not depend"):
        said("machineType", place(), Fleet())
