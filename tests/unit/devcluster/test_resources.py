"""Resources: fixed point, ranges, containment, text and JSON forms."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.devcluster.resources import (
    NOTHING,
    ResourceError,
    Resources,
    coalesced,
    from_json,
    parse_attributes,
    parse_resources,
    scalar_text,
    to_milli,
    without,
)

amounts = st.builds(
    lambda cpus, mem, ports: Resources(
        {n: v for n, v in (("cpus", cpus), ("mem", mem)) if v},
        {"ports": coalesced(ports)} if ports else {},
    ),
    st.integers(0, 9000),
    st.integers(0, 9000),
    st.lists(st.tuples(st.integers(0, 40), st.integers(0, 9)).map(lambda p: (p[0], sum(p)))),
)


@pytest.mark.parametrize(
    ("value", "milli"), [(0.1, 100), (0.1004, 100), (0.1006, 101), (0.0005, 1), (-1.0, -1000)]
)
def test_scalars_are_rounded_to_thousandths(value: float, milli: int) -> None:
    assert to_milli(value) == milli


@pytest.mark.parametrize(("milli", "text"), [(4000, "4"), (100, "0.1"), (1234, "1.234"), (0, "0")])
def test_scalars_are_printed_without_trailing_zeros(milli: int, text: str) -> None:
    assert scalar_text(milli) == text


def test_three_tenths_are_three_tenths() -> None:
    tenth = parse_resources("cpus:0.1")
    assert tenth + tenth + tenth == parse_resources("cpus:0.3")


@given(amounts, amounts)
def test_what_is_added_can_be_taken_away(one: Resources, other: Resources) -> None:
    disjoint = Resources(other.scalars)  # ports would merge, as the same ports are the same
    assert (one + disjoint) - disjoint == one
    assert (one + disjoint).contains(one)


@given(amounts, amounts)
def test_containment_is_what_subtraction_needs(one: Resources, other: Resources) -> None:
    if one.contains(other):
        rest = one - other
        assert one.contains(rest)
        assert all(v > 0 for v in rest.scalars.values())
    else:
        with pytest.raises(AssertionError):
            one - other


@given(amounts)
def test_json_and_back_is_the_same(amount: Resources) -> None:
    assert from_json(amount.to_json()) == amount
    assert amount.contains(NOTHING)


def test_ranges_are_cut_and_joined() -> None:
    assert without([(1, 10)], [(3, 4), (10, 12)]) == ((1, 2), (5, 9))
    assert coalesced([(5, 9), (1, 2), (3, 4)]) == ((1, 9),)


def test_ports_already_taken_are_not_contained() -> None:
    left = parse_resources("ports:[1-10]") - parse_resources("ports:[4-5]")
    assert not left.contains(parse_resources("ports:[5-6]"))
    assert left.contains(parse_resources("ports:[6-7, 1-3]"))


def test_the_text_is_that_of_mesos() -> None:
    amount = parse_resources("cpus:0.5;mem:64;ports:[1-2, 5-6]")
    assert amount.text("*") == (
        "cpus(allocated: *):0.5; mem(allocated: *):64; ports(allocated: *):[1-2, 5-6]"
    )


def test_what_this_cluster_lacks_is_never_contained() -> None:
    everything = parse_resources("cpus:100;mem:100000")
    cpus = {"name": "cpus", "type": "SCALAR", "scalar": {"value": 1}}
    specials: list[dict[str, object]] = [
        {"role": "prod"},
        {"reservations": [{"type": "DYNAMIC", "role": "prod"}]},
        {"revocable": {}},
    ]
    for special in specials:
        assert not everything.contains(from_json([{**cpus, **special}]))


@pytest.mark.parametrize("text", ["cpus", "cpus:", "cpus:many", "cpus:-1", "ports:[5-1]", "a b:1"])
def test_resources_that_make_no_sense_are_explained(text: str) -> None:
    with pytest.raises(ResourceError, match=r"write|number"):
        parse_resources(text)


def test_attributes_have_their_kinds() -> None:
    kinds = {a["name"]: a["type"] for a in parse_attributes("zone:z1;rack:7;ids:[1-2];odd:nan")}
    assert kinds == {"zone": "TEXT", "rack": "SCALAR", "ids": "RANGES", "odd": "TEXT"}


@pytest.mark.parametrize(
    ("text", "is_offerable"),
    [("cpus:0.01", True), ("cpus:0.009", False), ("mem:32", True), ("mem:31.9;cpus:0.005", False)],
)
def test_a_crumb_is_not_offered(text: str, is_offerable: bool) -> None:
    assert parse_resources(text).is_offerable() is is_offerable
