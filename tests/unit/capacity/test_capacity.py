"""What a tier must have, and the cheapest instances that hold it, held against every other mix.

Small cases are searched completely by another way: no mix that covers the amount may be cheaper.
"""

from itertools import product

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from scheduler.capacity.demand import TierDemand, Vector, demands
from scheduler.capacity.mix import InstanceType, cheapest_mix
from scheduler.model.rules import Amount, CapacityGroup, PlacementRules, Tier
from scheduler.model.rules_document.checks import rules_faults, times

SHAPE = Amount(cpu_milli=2_000, memory_mib=4_096, disk_mib=10_000, network_mbps=128)


def _rules(*groups: CapacityGroup, **tier: object) -> PlacementRules:
    rules = PlacementRules()
    tiers = tuple(replace(each, **tier) if each.name == "Flex" else each for each in rules.tiers)
    return replace(rules, tiers=tiers, groups=(*groups, CapacityGroup(name="DEFAULT", tier="Flex")))


def _group(name: str, count: int, red_black: int = 0, parent: str = "") -> CapacityGroup:
    return CapacityGroup(
        name=name,
        tier="Flex",
        guarantee=times(SHAPE, count),
        parent=parent,
        instance=SHAPE,
        instances=count,
        red_black=red_black,
    )


def _flex(rules: PlacementRules) -> TierDemand:
    assert not rules_faults(rules)
    (found,) = demands(rules)
    assert found.tier == "Flex"
    return found


def test_guarantees_of_a_tier_are_added_up_and_five_per_cent_come_on_top() -> None:
    found = _flex(_rules(_group("a", 10), _group("b", 5)))
    assert found.groups == ("a", "b")
    assert found.guarantee == (30_000, 61_440, 150_000, 1_920, 0)
    assert found.buffer.amount == (1_500, 3_072, 7_500, 96, 0)
    assert found.total == (31_500, 64_512, 157_500, 2_016, 0)
    assert set(found.buffer.sources) == {"percent"}


def test_the_largest_of_percentage_amount_and_red_black_is_the_buffer_by_resource() -> None:
    tier = {"buffer": Amount(memory_mib=100_000)}
    found = _flex(_rules(_group("a", 10, red_black=4), _group("b", 5, red_black=2), **tier))
    assert found.buffer.amount == (8_000, 100_000, 40_000, 512, 0)
    assert found.buffer.sources == ("redBlack", "amount", "redBlack", "redBlack", "percent")


def test_a_group_below_another_shares_its_guarantee() -> None:
    found = _flex(_rules(_group("a", 10), _group("inner", 4, parent="a")))
    assert found.groups == ("a",)
    assert found.guarantee[0] == 20_000


def test_a_tier_that_guarantees_nothing_is_left_alone() -> None:
    assert demands(PlacementRules()) == ()


def test_part_of_a_unit_of_buffer_is_rounded_up() -> None:
    group = CapacityGroup(name="a", tier="Flex", guarantee=Amount(gpus=1))
    assert _flex(_rules(group)).buffer.amount == (0, 0, 0, 0, 1)


# Instances.


def _type(name: str, cpus: int, gib: int, price: int, most: int) -> InstanceType:
    return InstanceType(name, (cpus * 1_000, gib * 1_024, 100_000, 1_000, 0), price, most)


def test_the_cheapest_mix_may_be_of_several_types() -> None:
    types = [_type("lean", 8, 16, 10, 9), _type("fat", 8, 64, 14, 9)]
    mix = cheapest_mix((16_000, 80 * 1_024, 0, 0, 0), types)
    assert mix.counts == (("fat", 1), ("lean", 1))
    assert (mix.price, mix.is_proven) == (24, True)


def test_what_no_number_of_instances_holds_is_a_shortage() -> None:
    types = [_type("a", 8, 16, 10, 2)]
    mix = cheapest_mix((20_000, 1_024, 0, 0, 3), types)
    assert mix.counts == (("a", 2),)
    assert mix.shortage == (4_000, 0, 0, 0, 3)
    assert cheapest_mix((1, 1, 1, 1, 1), []).shortage == (1, 1, 1, 1, 1)
    assert cheapest_mix((0, 0, 0, 0, 0), types).counts == ()


AMOUNTS = st.tuples(
    st.integers(1, 8).map(lambda each: each * 1_000),
    st.integers(1, 8).map(lambda each: each * 1_024),
    st.sampled_from((0, 100)),
    st.sampled_from((0, 10)),
    st.sampled_from((0, 0, 1)),
)


@settings(max_examples=60, deadline=None)
@given(
    amounts=st.lists(st.tuples(AMOUNTS, st.integers(1, 20), st.integers(0, 4)), max_size=4),
    demand=st.tuples(
        st.integers(0, 40_000),
        st.integers(0, 40_960),
        st.integers(0, 300),
        st.integers(0, 30),
        st.integers(0, 2),
    ),
)
def test_no_mix_that_holds_as_much_is_cheaper(
    amounts: list[tuple[Vector, int, int]], demand: Vector
) -> None:
    types = [InstanceType(f"t{n}", *each) for n, each in enumerate(amounts)]
    mix = cheapest_mix(demand, types)
    wanted = [want - lack for want, lack in zip(demand, mix.shortage, strict=True)]
    by_name = dict(mix.counts)
    counts = [by_name.get(each.name, 0) for each in types]
    assert _covers(types, counts, wanted)
    assert all(n <= each.most for n, each in zip(counts, types, strict=True))
    prices = [
        sum(each.price * n for each, n in zip(types, others, strict=True))
        for others in product(*(range(each.most + 1) for each in types))
        if _covers(types, others, wanted)
    ]
    assert mix.is_proven
    assert mix.price == min(prices)


def _covers(types: list[InstanceType], counts: object, wanted: list[int]) -> bool:
    assert isinstance(counts, list | tuple)
    return all(
        sum(each.amount[at] * n for each, n in zip(types, counts, strict=True)) >= want
        for at, want in enumerate(wanted)
    )


def test_a_fleet_of_many_types_is_answered_soon_and_says_how_good_it_is() -> None:
    types = [
        _type(f"{kind}.{size}", 4 * size, gib * size, price * size, 500)
        for kind, gib, price in (("c", 8, 170), ("m", 16, 192), ("r", 32, 252))
        for size in (1, 2, 4, 12, 24)
    ]
    mix = cheapest_mix((1_234_567, 9_876_543, 0, 0, 0), types)
    assert mix.price_least <= mix.price <= mix.price_least * 1.01
    assert mix.shortage == (0, 0, 0, 0, 0)


# The rules.


def test_instances_and_a_guarantee_that_contradict_each_other_are_refused() -> None:
    group = replace(_group("a", 10), guarantee=times(SHAPE, 9))
    fields = [each.field for each in rules_faults(_rules(group))]
    assert "groups.a.guarantee.cpu" in fields
    bare = CapacityGroup(name="a", tier="Flex", red_black=2)
    assert [each.field for each in rules_faults(_rules(bare))] == ["groups.a.instance"]
    assert Tier("x", "pack", "pack").buffer_percent == 5
