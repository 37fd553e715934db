"""Any policy is written as a file that is read back as the same policy."""

from typing import Literal

from hypothesis import given, settings
from hypothesis import strategies as some

from scheduler.model.constraint import Constraint
from scheduler.model.disruption import Hours, Window
from scheduler.model.policy import NUMBERS, Policy
from scheduler.model.reading.faults import Faults
from scheduler.model.rules import (
    FITNESS_NAMES,
    Amount,
    CapacityGroup,
    EvictionRules,
    Guards,
    PlacementRules,
    Plugin,
    Profile,
    Selector,
    Tier,
)
from scheduler.model.rules_document.reading import KINDS, read_policy
from scheduler.model.time_zones import zone_names, zone_rule
from streams.policy_file.reading import read_yaml
from streams.policy_file.writing import policy_text

NAMES = some.text(
    some.characters(exclude_categories=("C", "Z"), include_characters=" "), min_size=1, max_size=12
).filter(lambda text: text.isprintable() and text.strip(" ") == text)
SMALL = some.integers(0, 10**6)
LARGE = some.integers(1_000, 10**12)
WEIGHTS = some.integers(1, 10**6)
SOME_OR_NONE = some.none() | LARGE
AMOUNTS = some.builds(Amount, *(SOME_OR_NONE for _ in Amount.__struct_fields__))
HOURS = some.tuples(some.integers(0, 23), some.integers(0, 23)).map(
    lambda pair: Hours(min(pair), max(pair))
)
ALL_DAY = Hours(0, 23)
"""Written as no hours at all, which is the same."""
WINDOWS = some.lists(
    some.builds(
        lambda days, hours, zone: Window(
            tuple(sorted(days)), tuple(hours), zone, zone_rule(zone) or ""
        ),
        some.sets(some.integers(0, 6)),
        some.lists(HOURS.filter(lambda each: each != ALL_DAY), max_size=3),
        some.sampled_from([each for each in zone_names() if each != "UTC"]),
    ),
    max_size=2,
    unique=True,
).map(tuple)


def tuples(of: some.SearchStrategy[str], most: int = 3) -> some.SearchStrategy[tuple[str, ...]]:
    """Some names, none twice."""
    return some.lists(of, max_size=most, unique=True).map(tuple)


@some.composite
def policies(draw: some.DrawFn) -> Policy:
    """Policies of any names and numbers; they need not hold together."""
    names = draw(some.lists(NAMES, min_size=1, max_size=3, unique=True).map(sorted))
    weights = some.dictionaries(some.sampled_from(FITNESS_NAMES), SMALL, min_size=1, max_size=4)
    constraint = some.builds(
        Constraint, some.sampled_from(KINDS), some.just("") | NAMES, tuples(NAMES), WEIGHTS
    )
    strengths: tuple[Literal["must", "should"], ...] = ("must", "should")
    strength = some.sampled_from(strengths)
    limit = some.none() | some.integers(1, 1_000)
    rules = PlacementRules(
        mode=draw(some.sampled_from(("normal", "failover"))),
        lost_zones=draw(tuples(NAMES)),
        zone_attribute=draw(NAMES),
        profiles=tuple(
            Profile(name, tuple(sorted(draw(weights).items())), draw(SMALL), draw(limit))
            for name in names
        ),
        tiers=tuple(Tier(name, draw(NAMES), draw(NAMES), draw(tuples(NAMES))) for name in names),
        groups=tuple(
            CapacityGroup(name, draw(NAMES), draw(AMOUNTS), draw(AMOUNTS), draw(WEIGHTS))
            for name in names
        ),
        guards=Guards(*(draw(some.integers(0, 1_000)) for _ in Guards.__struct_fields__)),
        selectors=tuple(
            Selector(name, draw(strength), draw(constraint), draw(tuples(NAMES)), reason=name)
            for name in names
        ),
        plugins=tuple(Plugin("fitness", name, "some", "1.0") for name in names),
        aging_ms=draw(LARGE),
        evictions=EvictionRules(draw(WINDOWS), draw(tuples(NAMES))),
    )
    return Policy(**{name: draw(LARGE) for name in NUMBERS}, placement=rules)


@settings(max_examples=25, deadline=None)
@given(policies())
def test_the_file_of_a_policy_is_read_back_as_that_policy(policy: Policy) -> None:
    form = Faults()
    there = read_yaml(policy_text(policy, "title"), form)
    assert not form, form.all()
    assert read_policy(there.document, Faults()) == policy


@settings(max_examples=100, deadline=None)
@given(some.text(max_size=200))
def test_no_text_raises(text: str) -> None:
    faults = Faults()
    there = read_yaml(text, faults)
    read_policy(there.document, faults)
