"""Static and burst work on the threads of one host, one case a rule.

Hosts are described as packages x cores x threads; of 2x2x2 the cores are {0,4} {1,5} in package 0
and {2,6} {3,7} in package 1.
"""

import pytest

from scheduler.cpu_sets.layout import Layout, Workload, adopted, arrived, departed, parted
from scheduler.cpu_sets.topology import from_description, list_of
from scheduler.cpu_sets.violations import violations


def static(name: str, threads: int) -> Workload:
    return Workload(name, 1_000 * threads)


def burst(name: str, cpu_milli: int = 1_000) -> Workload:
    return Workload(name, cpu_milli, is_burst=True)


def host(description: str, *workloads: Workload) -> Layout:
    layout = Layout(from_description(description))
    for each in workloads:
        layout = arrived(layout, each)
    return layout


def shown(layout: Layout) -> dict[str, str]:
    return {name: list_of(numbers) for name, numbers in layout.sets.items()}


def kinds(layout: Layout) -> list[tuple[str, tuple[str, ...]]]:
    return [(each.kind, each.names) for each in violations(layout)]


def test_static_work_owns_whole_cores() -> None:
    assert shown(host("2x2x2", static("a", 2))) == {"a": "0,4"}


def test_the_emptiest_package_comes_first() -> None:
    there = host("2x2x2", static("a", 2), static("b", 2), static("c", 2), static("d", 2))
    assert shown(there) == {"a": "0,4", "b": "2,6", "c": "1,5", "d": "3,7"}
    assert violations(there) == ()


def test_then_the_emptiest_core() -> None:
    there = host("1x2x2", static("a", 1), static("b", 1))
    assert shown(there) == {"a": "0", "b": "1"}
    there = arrived(there, static("c", 1))
    assert shown(there)["c"] == "2"
    assert kinds(there) == [("sharedCore", ("a", "c"))]


def test_a_package_with_room_for_all_of_it_goes_before_an_emptier_one_without() -> None:
    there = host("2x2x1", static("a", 1), static("b", 1), static("c", 1), static("d", 1))
    there = departed(departed(there, "a"), "c")  # Package 0 is empty now, package 1 is full.
    assert shown(arrived(there, static("e", 2)))["e"] == "0-1"


def test_work_that_fits_in_no_package_lies_in_as_few_as_possible_and_is_told() -> None:
    there = host("3x2x1", static("a", 1), static("b", 1), static("wide", 4))
    assert shown(there)["wide"] == "1,3-5"
    assert kinds(there) == [("crossPackage", ("wide",))]


def test_static_work_is_never_moved_to_repair_it() -> None:
    """docs/decisions/0018: its memory would stay behind."""
    there = host("2x2x1", static("a", 1), static("b", 1), static("wide", 2))
    before = there.sets["wide"]
    there = departed(departed(there, "a"), "b")
    assert there.sets["wide"] == before
    assert kinds(there) == [("crossPackage", ("wide",))]


def test_burst_work_grows_into_what_is_idle_and_shrinks_for_static_work() -> None:
    there = host("1x4x1", burst("x"))
    assert shown(there) == {"x": "0-3"}
    there = arrived(there, static("a", 2))
    assert shown(there) == {"a": "0-1", "x": "2-3"}
    there = arrived(there, static("b", 1))
    assert shown(there) == {"a": "0-1", "b": "2", "x": "3"}
    assert shown(departed(there, "a")) == {"b": "2", "x": "0-1,3"}


def test_burst_work_keeps_its_minimum() -> None:
    """What is promised in all is more than there is: then static work has no threads of its own."""
    there = host("1x4x1", burst("x", 2_500), static("a", 2))
    assert shown(there) == {"a": "0-3", "x": "0-3"}
    assert kinds(there) == [("crowded", ("a",)), ("crowded", ("a", "x"))]


def test_who_waits_for_threads_of_its_own_gets_them_when_they_are_given_back() -> None:
    there = host("1x2x1", static("a", 1), burst("x", 500), static("b", 1), static("c", 1))
    assert shown(there) == {"a": "0", "x": "1", "b": "1", "c": "1"}
    there = departed(there, "a")
    assert shown(there) == {"b": "0", "x": "1", "c": "1"}


@pytest.mark.parametrize("cpu_milli", [1, 500, 1_500, 2_001, 0])
def test_static_work_of_a_part_of_a_thread_shares(cpu_milli: int) -> None:
    there = host("1x4x1", static("a", 1), Workload("part", cpu_milli), burst("x", 100))
    assert shown(there) == {"a": "0", "part": "1-3", "x": "1-3"}


def test_more_work_than_threads_shares_everything_and_is_told() -> None:
    there = host("1x2x1", static("a", 1), static("b", 1), burst("x"))
    assert shown(there) == {"a": "0", "b": "1", "x": "0-1"}
    assert kinds(there) == [("crowded", ("x",))]


def test_arriving_twice_and_leaving_twice_is_once() -> None:
    once = host("1x2x1", static("a", 1))
    assert arrived(once, static("a", 2)) is once
    assert adopted(once, static("a", 2), (0, 1)) is once
    empty = departed(once, "a")
    assert departed(empty, "a") is empty
    assert empty.sets == {}


def test_an_agent_that_starts_again_takes_over_what_it_finds() -> None:
    empty = host("1x4x1")
    assert shown(adopted(empty, static("a", 2), (1, 3))) == {"a": "1,3"}


@pytest.mark.parametrize("held", [(), (1,), (1, 2, 3), (1, 9)])
def test_what_cannot_be_taken_over_is_placed(held: tuple[int, ...]) -> None:
    assert shown(adopted(host("1x4x1"), static("a", 2), held)) == {"a": "0-1"}


def test_threads_that_somebody_owns_are_not_taken_over() -> None:
    there = adopted(host("1x4x1", static("a", 2)), static("b", 2), (1, 2))
    assert shown(there) == {"a": "0-1", "b": "2-3"}


def test_those_who_disturb_each_other_get_packages_of_their_own() -> None:
    there = parted(host("2x2x2", burst("x"), burst("y"), burst("z")), [("y", "x")])
    assert shown(there) == {"x": "0-1,4-5", "y": "2-3,6-7", "z": "0-7"}
    assert violations(there) == ()


def test_or_cores_of_their_own() -> None:
    there = parted(host("1x3x2", burst("x"), burst("y")), [("x", "y")])
    assert shown(there) == {"x": "0,3", "y": "1-2,4-5"}


def test_what_is_left_over_goes_by_what_was_promised() -> None:
    there = parted(host("1x8x1", burst("x", 3_000), burst("y", 1_000)), [("x", "y")])
    assert shown(there) == {"x": "0-5", "y": "6-7"}


def test_a_promise_comes_before_quiet() -> None:
    there = parted(host("1x2x2", burst("x", 3_000), burst("y", 500)), [("x", "y")])
    assert shown(there) == {"x": "0-3", "y": "0-3"}
    assert kinds(there) == [("noisyNeighbours", ("x", "y"))]


def test_three_who_disturb_each_other_get_three_parts() -> None:
    layout = host("1x4x1", burst("x", 500), burst("y", 500), burst("z", 500))
    there = parted(layout, [("x", "y"), ("y", "z"), ("x", "z")])
    parts = [set(there.sets[name]) for name in "xyz"]
    assert not parts[0] & parts[1] | parts[1] & parts[2] | parts[0] & parts[2]
    assert set().union(*parts) == {0, 1, 2, 3}


def test_burst_work_gives_way_to_the_static_work_it_disturbs() -> None:
    layout = host("1x3x2", static("a", 1), burst("x"), burst("y"))
    assert shown(layout) == {"a": "0", "x": "1-5", "y": "1-5"}
    assert shown(parted(layout, [("a", "x")])) == {"a": "0", "x": "1-2,4-5", "y": "1-5"}


def test_static_work_avoids_packages_of_its_enemies() -> None:
    layout = host("2x4x1", static("a", 1), static("loud", 1), static("b", 1))
    assert shown(layout) == {"a": "0", "loud": "4", "b": "1"}
    layout = parted(departed(layout, "b"), [])
    assert shown(arrived(layout, static("c", 1)))["c"] == "1"


def test_enemies_are_forgotten_with_either_of_them() -> None:
    there = parted(host("2x2x1", burst("x"), burst("y")), [("x", "y"), ("x", "nobody")])
    assert there.apart == {("x", "y")}
    assert departed(there, "x").apart == frozenset()
    assert shown(departed(there, "x")) == {"y": "0-3"}


def test_burst_work_that_was_promised_nothing_keeps_a_thread_to_run_on() -> None:
    assert shown(host("1x2x1", burst("b", 0), static("a", 2))) == {"a": "0-1", "b": "0-1"}
    assert shown(host("1x2x1", burst("b", 0), static("a", 1))) == {"a": "0", "b": "1"}
