"""Ids in the order of their creation, by state: ranks and pages that look at no more than a page.

The one thing to know: a list of a hundred thousand tasks is asked for page by page, and each page
says how many there are in all and where it stands. So the order is kept while the log is folded,
in buckets of some hundred, and nothing is sorted or counted when somebody asks.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Collection, Iterator
from heapq import merge
from itertools import islice
from typing import Final, Generic, NamedTuple, TypeVar

BUCKET_MAX: Final = 1_024
"""Of 100,000 that makes about 150 buckets: moving half of one, or adding up all, takes 1 µs."""

Id = TypeVar("Id", bound=str)


class CreationOrder(Generic[Id]):
    """Some ids, each at its place of creation; no two have the same place."""

    def __init__(self) -> None:
        self._places: list[list[int]] = []
        self._names: list[list[Id]] = []
        self._lasts: list[int] = []
        """The last place of each bucket."""
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def add(self, place: int, name: Id) -> None:
        """Put an id at its place; most are the newest there are."""
        self._count += 1
        if not self._lasts or place > self._lasts[-1]:
            if not self._lasts or len(self._places[-1]) >= BUCKET_MAX:
                self._places.append([])
                self._names.append([])
                self._lasts.append(place)
            self._places[-1].append(place)
            self._names[-1].append(name)
            self._lasts[-1] = place
            return
        number = bisect_left(self._lasts, place)
        places, names = self._places[number], self._names[number]
        at = bisect_left(places, place)
        assert places[at] != place, f"{name} and {names[at]} were created at one place"
        places.insert(at, place)
        names.insert(at, name)
        if len(places) > BUCKET_MAX:
            self._split(number)

    def _split(self, number: int) -> None:
        half = BUCKET_MAX // 2
        places, names = self._places[number], self._names[number]
        self._places.insert(number + 1, places[half:])
        self._names.insert(number + 1, names[half:])
        self._lasts.insert(number, places[half - 1])
        del places[half:], names[half:]

    def remove(self, place: int) -> None:
        """Take out the id at a place, which is there."""
        number = bisect_left(self._lasts, place)
        places = self._places[number]
        at = bisect_left(places, place)
        assert places[at] == place, f"nothing was created at {place}"
        del places[at], self._names[number][at]
        self._count -= 1
        if not places:
            del self._places[number], self._names[number], self._lasts[number]
        elif at == len(places):
            self._lasts[number] = places[-1]

    def count_until(self, place: int) -> int:
        """How many were created at this place or before."""
        number = bisect_right(self._lasts, place)
        whole = sum(map(len, self._places[:number]))
        if number == len(self._lasts):
            return whole
        return whole + bisect_right(self._places[number], place)

    def after(self, place: int) -> Iterator[tuple[int, Id]]:
        """Places and ids behind a place, in order; nothing may be changed meanwhile."""
        number = bisect_right(self._lasts, place)
        if number == len(self._lasts):
            return
        at = bisect_right(self._places[number], place)
        for places, names in zip(self._places[number:], self._names[number:], strict=True):
            yield from zip(places[at:], names[at:], strict=True)
            at = 0


class Chosen(NamedTuple, Generic[Id]):
    """A page of ids, and where it stands among all that have one of the states asked for."""

    places: list[tuple[int, Id]]
    before: int
    total: int


class OrderByState(Generic[Id]):
    """The ids of all jobs or of all tasks, those of each state in the order of creation."""

    def __init__(self) -> None:
        self._of_state: dict[str, CreationOrder[Id]] = {}

    def add(self, place: int, name: Id, state: str) -> None:
        """Take in a new id."""
        order = self._of_state.get(state)
        if order is None:
            order = self._of_state[state] = CreationOrder()
        order.add(place, name)

    def remove(self, place: int, state: str) -> None:
        """Forget the id at a place, which has this state."""
        self._of_state[state].remove(place)

    def move(self, place: int, name: Id, before: str, now: str) -> None:
        """Note that an id has another state than before."""
        if before != now:
            self.remove(place, before)
            self.add(place, name, now)

    def page(self, states: Collection[str], after: int, most: int) -> Chosen[Id]:
        """Up to so many ids with one of the states, behind a place."""
        orders = [self._of_state[each] for each in sorted(states) if each in self._of_state]
        return Chosen(
            places=list(islice(merge(*(each.after(after) for each in orders)), most)),
            before=sum(each.count_until(after) for each in orders),
            total=sum(map(len, orders)),
        )
