"""The borrowers that are ended free enough, and no cheaper set would: against trying all sets."""

from itertools import chain, combinations

from hypothesis import given
from hypothesis import strategies as st

from scheduler.model.ids import TaskId
from scheduler.placement.windows import NOTHING, Borrower, Room, holds, plus, to_end

AMOUNT = st.integers(0, 4)
BORROWERS = st.lists(st.tuples(AMOUNT, AMOUNT, st.integers(0, 6)), max_size=9).map(
    lambda rows: [
        Borrower(TaskId(f"t{number}"), (cpu, memory, 0, 0, 0), cost)
        for number, (cpu, memory, cost) in enumerate(rows)
    ]
)


@given(BORROWERS, st.integers(0, 12), st.integers(0, 12))
def test_the_cheapest_set(borrowers: list[Borrower], cpu: int, memory: int) -> None:
    wanted: Room = (cpu, memory, 0, 0, 0)
    subsets = chain.from_iterable(
        combinations(borrowers, count) for count in range(len(borrowers) + 1)
    )
    enough = [some for some in subsets if holds(_freed(some), wanted)]
    ended = to_end(borrowers, wanted)
    assert to_end(borrowers[::-1], wanted) == ended
    if ended is None:
        assert not enough
        return
    chosen = tuple(each for each in borrowers if each.task_id in ended)
    assert holds(_freed(chosen), wanted)
    costs = [(sum(each.cost for each in some), len(some)) for some in enough]
    assert (sum(each.cost for each in chosen), len(chosen)) == min(costs)


def _freed(borrowers: tuple[Borrower, ...]) -> Room:
    total = NOTHING
    for each in borrowers:
        total = plus(total, each.room)
    return total
