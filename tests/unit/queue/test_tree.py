"""The tree of groups: keys, guarantees, limits and what is held back, as exact numbers."""

from fractions import Fraction

import pytest

from scheduler.model.rules import PlacementRules
from scheduler.queue.amounts import Vector
from scheduler.queue.tree import UNLIMITED, Tree
from scheduler.queue.usage import Usage
from tests.support.queueing import ask, group, rules

TASK: Vector = (1_000, 1_024, 0, 0, 0)


def cpus(count: int) -> Vector:
    return (1_000 * count, 1_024 * count, 0, 0, 0)


def tree(of: PlacementRules, total: int = 100, **used: int) -> Tree:
    """A cell of ``total`` cpus whose groups use these; tier Critical for names that begin so."""
    usage = Usage()
    for name, count in used.items():
        tier = "Critical" if name.startswith("web") else "Flex"
        usage.add(ask("job", tier=tier, group=name), count)
    return Tree(of, usage, cpus(total), cpus(total - sum(used.values())))


def test_below_its_guarantee_a_group_stands_by_the_part_of_it_that_it_uses() -> None:
    of = rules(group("a", cpu=40), group("b", cpu=10))
    found = tree(of, a=10, b=5)
    assert found.key(found.leaf("Flex", "a")) == (0, Fraction(1, 4), "a")
    assert found.key(found.leaf("Flex", "b")) == (0, Fraction(1, 2), "b")


def test_above_it_a_group_stands_by_its_excess_for_its_weight() -> None:
    of = rules(group("a", cpu=10, weight=2), group("b"))
    found = tree(of, a=40, b=20)
    # 30 of 100 cpus at weight 2; memory counts as well, and all 40 of it are excess.
    assert found.key(found.leaf("Flex", "a")) == (1, Fraction(40, 200), "a")
    assert found.key(found.leaf("Flex", "b")) == (1, Fraction(20, 100), "b")


@pytest.mark.parametrize(("used", "more"), [(0, 4), (1, 3), (4, 0), (9, 0)])
def test_how_many_are_inside_a_guarantee(used: int, more: int) -> None:
    found = tree(rules(group("a", cpu=4)), a=used) if used else tree(rules(group("a", cpu=4)))
    assert found.guaranteed(found.leaf("Flex", "a"), TASK) == more


def test_a_need_of_nothing_that_is_counted_is_inside_no_guarantee() -> None:
    found = tree(rules(group("a", cpu=4)))
    assert found.guaranteed(found.leaf("Flex", "a"), (0, 1_024, 0, 0, 0)) == 0


def test_a_guarantee_is_never_smaller_than_its_teams_together() -> None:
    of = rules(group("p", cpu=4), group("a", cpu=3, parent="p"), group("b", cpu=3, parent="p"))
    found = tree(of)
    assert found.guarantees()[0][0] == 6_000


def test_held_back_is_what_others_are_guaranteed_and_do_not_use() -> None:
    of = rules(group("web", "Critical", cpu=10), group("a", cpu=6), group("b"))
    found = tree(of, web=4, a=9)
    assert found.held_back(found.leaf("Flex", "b"), is_guaranteed=False)[0] == 6_000
    # Guaranteed work of Flex stands behind Critical's guarantee alone; Critical's behind none.
    assert found.held_back(found.leaf("Flex", "a"), is_guaranteed=True)[0] == 6_000
    assert found.held_back(found.leaf("Critical", "web"), is_guaranteed=True)[0] == 0


def test_what_a_group_uses_is_held_back_no_longer() -> None:
    of = rules(group("web", "Critical", cpu=10))
    found = tree(of)
    batch = found.leaf("Flex", "DEFAULT")
    found.take(found.leaf("Critical", "web"), cpus(1), 7)
    assert found.held_back(batch, is_guaranteed=False)[0] == 3_000
    assert found.free[0] == 93_000


def test_a_task_may_be_lost_only_by_a_group_that_keeps_its_guarantee() -> None:
    of = rules(group("p", cpu=8), group("a", cpu=2, parent="p"), group("b", parent="p"))
    found = tree(of, a=3, b=5)
    # The parent uses just what it is guaranteed: nobody below it may lose a task.
    assert not found.may_lose(found.leaf("Flex", "a"), TASK)
    assert not found.may_lose(found.leaf("Flex", "b"), TASK)
    found.take(found.leaf("Flex", "b"), TASK, 1)
    assert found.may_lose(found.leaf("Flex", "a"), TASK)
    assert found.may_lose(found.leaf("Flex", "b"), TASK)


def test_jobs_of_a_group_with_teams_count_beside_them() -> None:
    of = rules(group("p", limit=10), group("a", parent="p"))
    found = tree(of, p=4, a=5)
    assert found.limited(found.leaf("Flex", "p"), TASK) == 1
    assert found.leaf("Flex", "p").parent is found.leaf("Flex", "a").parent


def test_a_circle_of_parents_ends_all_the_same() -> None:
    found = tree(rules(group("a", parent="b"), group("b", parent="a")), a=1, b=1)
    assert found.limited(found.leaf("Flex", "a"), TASK) == UNLIMITED


def test_a_group_listed_in_another_tier_is_guaranteed_nothing_here() -> None:
    found = tree(rules(group("web", "Critical", cpu=10)))
    leaf = found.leaf("Flex", "web")
    assert leaf.name == "DEFAULT"
    assert found.guaranteed(leaf, TASK) == 0


def test_a_turn_is_a_part_of_the_cell_and_one_task_at_least() -> None:
    found = tree(rules())
    assert found.chunk(TASK, 10) == 10
    assert found.chunk(cpus(60), 10) == 1
