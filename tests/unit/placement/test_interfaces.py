"""Network interfaces: what hosts declare, which one is chosen, and what binds and frees it.

Each case builds a host by its attributes and the tasks on it, as the cell does from its log.
"""

import pytest

from scheduler.placement.host import Interface
from scheduler.placement.interfaces import (
    ADDRESSES_MAX,
    Lodger,
    choose,
    declared_interfaces,
    group_set,
    interface_fitness,
    interface_refusal,
    interfaces_of,
    lacking_interface,
    room,
    taken,
    undone,
)

RES = (("res", "ResourceSet-ENIs-3-8"),)
ONE = (("res", "ResourceSet-ENIs-1-2"),)
A, B = ("sg-a",), ("sg-b",)
REST_MS = 120_000


def addresses(*attributes: tuple[str, str]) -> list[int]:
    return [each.addresses for each in declared_interfaces(attributes).interfaces]


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ((), []),
        ((("zone", "a"),), []),
        (RES, [8, 8, 8]),
        ((("res2", "ResourceSet-ENIs-2-30"), *RES), [8, 8, 8, 30, 30]),
        ((("res-big", "ResourceSet-ENI-1-50"), ("res.1", "ResourceSet-eni_b-1-4")), [50, 4]),
        ((("res", "ResourceSet-Disks-2-4"),), []),
        ((("reserved", "ResourceSet-ENIs-3-8"), ("resort", "x")), []),
    ],
)
def test_what_a_host_declares(attributes: tuple[tuple[str, str], ...], expected: list[int]) -> None:
    assert addresses(*attributes) == expected
    assert declared_interfaces(attributes).faults == ()


@pytest.mark.parametrize(
    ("value", "word"),
    [
        ("", "write ResourceSet-"),
        ("ENIs-3-8", "write ResourceSet-"),
        ("ResourceSet-ENIs-3", "write ResourceSet-"),
        ("ResourceSet-ENIs-3-8-", "write ResourceSet-"),
        ("ResourceSet-ENIs--3-8", "write ResourceSet-"),
        ("ResourceSet-ENIs-0-8", "1 to 256 interfaces"),
        ("ResourceSet-ENIs-257-8", "1 to 256 interfaces"),
        ("ResourceSet-ENIs-3-0", f"1 to {ADDRESSES_MAX} addresses"),
        ("ResourceSet-ENIs-3-99999", f"1 to {ADDRESSES_MAX} addresses"),
        ("ResourceSet-ENIs-\u0663-8", "write ResourceSet-"),
    ],
)
def test_what_cannot_be_read_gives_no_address_and_is_named(value: str, word: str) -> None:
    declared = declared_interfaces((("res", value), ("res2", "ResourceSet-ENIs-1-2")))
    assert [each.addresses for each in declared.interfaces] == [0, 2]
    (fault,) = declared.faults
    assert word in fault
    assert fault.startswith("attribute res = ")
    assert choose(declared.interfaces[:1], A, 0) is None
    assert lacking_interface(declared.interfaces[:1], 1, A).endswith("cannot be read")
    assert choose(declared.interfaces, A, 0)


def test_sets_of_more_interfaces_than_a_host_has_are_cut() -> None:
    many = tuple((f"res{number}", "ResourceSet-ENIs-200-8") for number in range(9))
    declared = declared_interfaces(many)
    assert sum(each.addresses > 0 for each in declared.interfaces) == 200
    assert len(declared.faults) == 8


def host(
    *lodgers: Lodger, res: tuple[tuple[str, str], ...] = RES, now_ms: int = 0
) -> tuple[Interface, ...]:
    return interfaces_of(res, lodgers, now_ms, REST_MS)


def chosen(interfaces: tuple[Interface, ...], groups: tuple[str, ...], now_ms: int = 0) -> int:
    pick = choose(interfaces, groups, now_ms)
    return -1 if pick is None else pick.index


def test_a_set_is_a_set_whatever_the_order() -> None:
    there = host(Lodger(1, ("sg-b", "sg-a")))
    assert there[1].security_groups == ("sg-a", "sg-b")
    assert chosen(there, group_set(("sg-a", "sg-b", "sg-a"))) == 1


def test_a_part_of_a_set_is_another_set() -> None:
    there = host(Lodger(0, ("sg-a", "sg-b")), res=ONE)
    assert choose(there, A, 0) is None
    assert "no interface is free or bound to {sg-a}" in lacking_interface(there, 1, A)


def test_the_fullest_of_those_bound_to_the_set_comes_first() -> None:
    there = host(Lodger(0, A), Lodger(2, A), Lodger(2, A), Lodger(1, B))
    assert chosen(there, A) == 2
    assert chosen(there, B) == 1


def test_the_smallest_free_one_is_bound() -> None:
    res = (("res", "ResourceSet-ENIs-1-30"), ("res2", "ResourceSet-ENIs-2-4"))
    there = host(Lodger(1, B), res=res)
    assert chosen(there, A) == 2


def test_its_last_task_frees_an_interface() -> None:
    there = host(res=ONE)
    for _ in range(2):
        there = taken(there, 0, A, 0)
    assert chosen(there, A) == -1
    assert lacking_interface(there, 1, A) == "every address of its interfaces is in use"
    ended = Lodger(0, A, ended_at_ms=0)
    assert chosen(host(Lodger(0, A), ended, res=ONE), B) == -1
    free = host(ended, ended, res=ONE)
    assert free[0].security_groups is None
    assert chosen(free, B) == 0


def test_a_task_without_address_binds_nothing() -> None:
    """Fenzo's F2: there a task without request kept the interface until the host was empty."""
    there = host(Lodger(-1, A), Lodger(-1, ()), res=ONE)
    assert there == host(res=ONE)
    assert taken(there, -1, A, 0) == there
    assert chosen(there, B) == 0


def test_no_groups_are_a_set_of_their_own() -> None:
    there = host(Lodger(0, ()), res=ONE)
    assert chosen(there, ()) == 0
    assert chosen(there, A) == -1


def test_an_address_rests_unless_nothing_else_is_left() -> None:
    res = (("res", "ResourceSet-ENIs-2-1"),)
    there = host(Lodger(0, A, ended_at_ms=1_000), res=res, now_ms=2_000)
    assert chosen(there, A, 2_000) == 1
    there = taken(there, 1, A, 2_000)
    pick = choose(there, A, 2_000)
    assert pick is not None
    assert (pick.index, pick.fitness) == (0, 0)


def test_after_its_rest_an_address_is_like_any_other() -> None:
    ended = Lodger(0, A, ended_at_ms=1_000)
    res = (("res", "ResourceSet-ENIs-2-1"),)
    there = host(ended, res=res, now_ms=2_000)
    assert chosen(there, A, 1_000 + REST_MS - 1) == 1
    assert chosen(there, A, 1_000 + REST_MS) == 0
    assert host(ended, res=res, now_ms=1_000 + REST_MS) == host(res=res)


def test_a_resting_address_of_the_same_set_comes_after_a_free_interface() -> None:
    res = (("res", "ResourceSet-ENIs-2-2"),)
    there = host(Lodger(0, A), Lodger(0, A, ended_at_ms=0), res=res)
    assert chosen(there, A) == 1


def test_without_a_time_of_rest_nothing_rests() -> None:
    assert interfaces_of(ONE, (Lodger(0, A, ended_at_ms=0),), 0, 0) == host(res=ONE)


def test_what_was_never_launched_need_not_rest() -> None:
    there = host(Lodger(0, A), res=ONE)
    assert undone(taken(there, 0, A, 0), 0) == there
    free = host(res=ONE)
    assert undone(taken(free, 0, A, 0), 0) == free


@pytest.mark.parametrize(
    ("interface", "fitness"),
    [
        (Interface(addresses=8), 55),  # 0.5 / 9
        (Interface(addresses=1), 250),
        (Interface(addresses=8, used=1, security_groups=A), 333),  # 3 / 9
        (Interface(addresses=8, used=6, security_groups=A), 888),
        (Interface(addresses=8, used=7, security_groups=A), 1_000),
        (Interface(addresses=2, used=1, resting=1, rests_until_ms=9, security_groups=A), 0),
    ],
)
def test_fitness_has_the_proportions_of_fenzo(interface: Interface, fitness: int) -> None:
    assert interface_fitness(interface, 0) == fitness


def test_a_host_that_declares_none_counts_no_addresses() -> None:
    assert lacking_interface((), 1, A) == ""
    assert interface_refusal((), 1, A, -1) == ""
    assert "declares none" in interface_refusal((), 1, A, 0)


@pytest.mark.parametrize(
    ("wants", "index", "words"),
    [
        (1, 0, ""),
        (1, 1, ""),
        (1, 2, "interface 2 is bound to {sg-b}, not to {sg-a}"),
        (1, 3, "all 0 addresses of interface 3 are in use"),
        (1, 4, "interface 4 is not one of the host's 4"),
        (1, -1, "interface -1 is not one of the host's 4"),
        (0, -1, ""),
        (0, 1, "interface 1 is given to a task, but it asks for no address"),
    ],
)
def test_the_fold_checks_an_index_again(wants: int, index: int, words: str) -> None:
    there = host(Lodger(1, A), Lodger(2, B), res=(*RES, ("res9", "typo")))
    assert interface_refusal(there, wants, A, index) == words


def test_a_host_that_now_declares_less_keeps_its_tasks_and_takes_no_more() -> None:
    there = host(Lodger(0, A), Lodger(0, A), Lodger(0, B), Lodger(2, A), res=ONE)
    assert [each.used for each in there] == [3]
    assert room(there, A) <= 0
    assert chosen(there, A) == -1
    assert interface_refusal(there, 1, A, 0) == "all 2 addresses of interface 0 are in use"


def test_room_counts_bound_and_free() -> None:
    there = host(Lodger(0, A), Lodger(1, B))
    assert room(there, A) == 7 + 8
    assert room(there, ("sg-c",)) == 8
