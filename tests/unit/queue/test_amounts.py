"""Sums and differences of what work needs: cpu, memory, disk, network and gpus, each by itself.

How: five different numbers, so that two resources that are taken for each other show.
"""

from scheduler.queue.amounts import most, over, plus, size, sum_of

NEED = (1_000, 512, 20, 7, 2)
OTHER = (400, 612, 5, 9, 1)


def test_a_sum_has_each_resource_by_itself() -> None:
    assert plus(NEED, OTHER, 3) == (2_200, 2_348, 35, 34, 5)
    assert sum_of([(NEED, 2), (OTHER, 3)]) == (3_200, 2_860, 55, 41, 7)
    assert sum_of([]) == (0, 0, 0, 0, 0)


def test_what_is_over_is_never_below_nothing() -> None:
    assert over(NEED, OTHER) == (600, 0, 15, 0, 1)
    assert over(OTHER, NEED) == (0, 100, 0, 2, 0)
    assert over(NEED, NEED) == (0, 0, 0, 0, 0)


def test_the_most_is_taken_resource_by_resource() -> None:
    assert most(NEED, OTHER) == (1_000, 612, 20, 9, 2)


def test_a_size_is_the_sum_of_shares_in_millionths() -> None:
    whole = (10_000, 5_120, 200, 70, 20)
    assert size(NEED, whole) == 5 * 100_000
    assert size((1_000, 512, 0, 0, 2), whole) == 3 * 100_000
    assert size((10_000, 0, 0, 0, 0), whole) == 1_000_000


def test_what_a_cell_has_nothing_of_adds_nothing_to_a_size() -> None:
    assert size(NEED, (0, 0, 0, 0, 0)) == 0
    assert size(NEED, (0, 0, 0, 0, 20)) == 100_000
