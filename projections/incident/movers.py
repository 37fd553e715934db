"""What moved most in a stretch: jobs, hosts, ways to fail, and lines of logs.

The one thing to know: how many are counted at once is bounded; what comes when all places are
taken is counted as untracked, so that a stretch of any length takes the same memory.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Final

from projections.health.masks import generalised, masked
from projections.incident.shapes import MOVERS_MAX, Mover, Movers

TRACKED_MAX: Final = 5_000
TEMPLATE_CHARACTERS_MAX: Final = 200


class Tally:
    """Numbers of one kind of mover, by its name."""

    def __init__(self) -> None:
        self.untracked = 0
        self._numbers: dict[str, Counter[str]] = {}
        self._firsts: dict[str, tuple[tuple[int, int], str]] = {}

    def add(
        self, name: str, number: str, spot: tuple[int, int], example: str = "", count: int = 1
    ) -> None:
        """Count one movement of ``name``."""
        there = self._numbers.get(name)
        if there is None:
            if len(self._numbers) >= TRACKED_MAX:
                self.untracked += count
                return
            there = self._numbers[name] = Counter()
            self._firsts[name] = (spot, example)
        there[number] += count

    def most(
        self,
        address: Callable[[tuple[int, int]], str],
        before: Mapping[str, int] | None = None,
        after: Mapping[str, int] | None = None,
    ) -> tuple[Mover, ...]:
        """The movers that moved most; of equal ones that which moved first."""
        ranked = sorted(
            self._numbers.items(), key=lambda each: (-each[1].total(), self._firsts[each[0]])
        )
        found = []
        for name, numbers in ranked[:MOVERS_MAX]:
            spot, example = self._firsts[name]
            found.append(
                Mover(
                    name=name,
                    moved=numbers.total(),
                    numbers=dict(sorted(numbers.items())),
                    first_address=address(spot),
                    example=example,
                    before=None if before is None else before.get(name, 0),
                    after=None if after is None else after.get(name, 0),
                )
            )
        return tuple(found)


class Tallies:
    """All kinds of movers of one stretch."""

    def __init__(self) -> None:
        self.jobs, self.hosts, self.failures, self.templates = (Tally() for _ in range(4))

    def movers(
        self,
        address: Callable[[tuple[int, int]], str],
        jobs: tuple[Mapping[str, int], Mapping[str, int]],
        hosts: tuple[Mapping[str, int], Mapping[str, int]],
    ) -> Movers:
        """What moved most of each kind, with tasks on hosts at both ends."""
        each = (self.jobs, self.hosts, self.failures, self.templates)
        return Movers(
            jobs=self.jobs.most(address, *jobs),
            hosts=self.hosts.most(address, *hosts),
            failures=self.failures.most(address),
            templates=self.templates.most(address),
            untracked=sum(tally.untracked for tally in each),
        )


def template_of(message: str) -> str:
    """The message without what varies in it."""
    return generalised(masked(message[:1_000]))[:TEMPLATE_CHARACTERS_MAX]
