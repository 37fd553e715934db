"""What a job asks of placement under the rules of its cell: group, tier, operators' rules, manner.

How: one job, rules changed line by line, and the request that must come of it.
"""

import pytest
from msgspec.structs import replace

from scheduler.constraints.selectors import is_for, selected
from scheduler.model.constraint import Constraint
from scheduler.model.ids import JobId
from scheduler.model.job import JobSpec
from scheduler.model.resources import Need
from scheduler.model.rules import CapacityGroup, PlacementRules, Selector
from scheduler.placement.requests_of_jobs import group_of, hard_constraints_of, request_of
from tests.support.cell import batch, service

ZONE_A = Constraint("availabilityZone", "", ("a",))
UNIQUE = Constraint("uniqueHost")
GROUPS = (CapacityGroup("DEFAULT", "Flex"), CapacityGroup("shop", "Critical"))


def rules(*selectors: Selector) -> PlacementRules:
    """Rules with two groups and these selectors."""
    return PlacementRules(groups=GROUPS, selectors=selectors)


def job(group: str = "shop", **attributes: str) -> JobSpec:
    """A service that wants unique hosts."""
    spec = service(
        2,
        need=Need(100, 64, gpus=1),
        hard_constraints=(UNIQUE,),
        soft_constraints=(Constraint("zoneBalance"),),
        image="team/shop",
        image_tag="1",
        security_groups=("sg-2", "sg-1"),
    )
    return replace(spec, capacity_group=group, attributes=tuple(sorted(attributes.items())))


def test_a_job_becomes_a_request() -> None:
    found = request_of(JobId("j"), job(), rules())
    assert (found.job_id, found.need) == ("j", Need(100, 64, gpus=1))
    assert (found.tier, found.group, found.application) == ("Critical", "shop", "app")
    assert (found.hard, found.soft) == ((UNIQUE,), (Constraint("zoneBalance"),))
    assert (found.image, found.security_groups) == ("team/shop:1", ("sg-1", "sg-2"))
    assert (found.is_service, found.is_opportunistic, found.gang) == (True, False, "")
    assert not request_of(JobId("j"), batch(), rules()).is_service


def test_attributes_say_how_to_treat_it() -> None:
    given = {
        "flumina.opportunistic": "true",
        "flumina.gang": "g1",
        "flumina.runtimePredictionSec": "60",
    }
    found = request_of(JobId("j"), job(**given), rules())
    assert (found.is_opportunistic, found.gang, found.runtime_ms) == (True, "g1", 60_000)


@pytest.mark.parametrize(
    ("name", "group", "tier"),
    [("shop", "shop", "Critical"), ("unheard", "DEFAULT", "Flex"), ("DEFAULT", "DEFAULT", "Flex")],
)
def test_a_group_that_is_not_listed_counts_as_the_default(name: str, group: str, tier: str) -> None:
    found = group_of(name, rules())
    assert (found.name, found.tier) == (group, tier)


def test_without_any_group_the_last_tier_takes_all() -> None:
    assert group_of("x", PlacementRules(groups=())).tier == "Flex"


@pytest.mark.parametrize(
    ("tiers", "groups", "applications", "applies"),
    [
        ((), (), (), True),
        (("Critical",), (), (), True),
        (("Flex",), (), (), False),
        ((), ("shop", "x"), (), True),
        ((), ("x",), (), False),
        ((), (), ("app",), True),
        (("Critical",), ("shop",), ("x",), False),
    ],
)
def test_for_whom_a_rule_is(
    tiers: tuple[str, ...], groups: tuple[str, ...], applications: tuple[str, ...], applies: bool
) -> None:
    selector = Selector("s", "must", ZONE_A, tiers, groups, applications)
    assert is_for(selector, "Critical", "shop", "app") == applies
    assert selected(rules(selector), "Critical", "shop", "app")[0] == ((ZONE_A,) if applies else ())


def test_must_is_hard_and_should_is_soft() -> None:
    must = Selector("m", "must", ZONE_A)
    should = Selector("s", "should", Constraint("machineType", "", ("m4",)))
    found = request_of(JobId("j"), job(), rules(must, should))
    assert found.hard == (ZONE_A, UNIQUE)
    assert found.soft == (should.constraint, Constraint("zoneBalance"))
    assert hard_constraints_of(job(), rules(must, should)) == found.hard


def test_the_order_of_rules_changes_no_request() -> None:
    one, two = Selector("a", "must", ZONE_A), Selector("b", "must", UNIQUE)
    there = [request_of(JobId("j"), job(), rules(*each)) for each in ((one, two), (two, one))]
    assert there[0] == there[1]
    assert there[0].hard == (ZONE_A, UNIQUE)
