"""Interfaces of all hosts: each distinct state once, and what a set of groups finds there.

The one thing to know: many hosts have interfaces in the same state, so the state gets a number;
whether an address is free, and how good it would be, is asked once for each number.
"""

from typing import Final

import numpy as np
import numpy.typing as npt

from scheduler.model.rules import FITNESS_MAX
from scheduler.placement.interfaces import Groups, Interfaces, choose, room

Array = npt.NDArray[np.int64]

_SETS_MAX: Final = 256
"""Sets of security groups whose answers are kept."""


class InterfaceBook:
    """Numbers for states of interfaces, and answers by number."""

    def __init__(self) -> None:
        self._numbers: dict[Interfaces, int] = {(): 0}
        self._states: list[Interfaces] = [()]
        self._rooms: dict[Groups, list[int]] = {}
        self._fitness: dict[tuple[Groups, int], list[int]] = {}

    def number(self, interfaces: Interfaces) -> int:
        """The number of this state; 0 is a host that declares no interfaces."""
        number = self._numbers.get(interfaces)
        if number is None:
            number = self._numbers[interfaces] = len(self._states)
            self._states.append(interfaces)
        return number

    @property
    def count(self) -> int:
        """How many states have a number."""
        return len(self._states)

    def forget(self) -> None:
        """Forget all states but the empty one; whoever is in one asks for its number again."""
        self._numbers = {(): 0}
        self._states = [()]
        self._rooms.clear()
        self._fitness.clear()

    def has_room(self, groups: Groups, numbers: Array) -> npt.NDArray[np.bool_]:
        """Whether a task with these groups finds an address, for each row's state."""
        known = self._rooms.setdefault(groups, [])
        known.extend(
            [1 if not state or room(state, groups) else 0 for state in self._states[len(known) :]]
        )
        if len(self._rooms) > _SETS_MAX:
            self._rooms.pop(next(iter(self._rooms)))
        flags: npt.NDArray[np.bool_] = np.array(known, np.bool_)[numbers]
        return flags

    def fitness(self, groups: Groups, now_ms: int, numbers: Array) -> Array:
        """How good the best address would be, for each row's state."""
        known = self._fitness.setdefault((groups, now_ms), [])
        known.extend([fitness_of(state, groups, now_ms) for state in self._states[len(known) :]])
        if len(self._fitness) > _SETS_MAX:
            self._fitness.pop(next(iter(self._fitness)))
        found: Array = np.array(known, np.int64)[numbers]
        return found


def fitness_of(interfaces: Interfaces, groups: Groups, now_ms: int) -> int:
    """How good the best address on these interfaces is; no interfaces: every address is as good."""
    if not interfaces:
        return FITNESS_MAX
    pick = choose(interfaces, groups, now_ms)
    return 0 if pick is None else pick.fitness
