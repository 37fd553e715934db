"""What the round asks of the index of hosts.

The one thing to know: `scheduler.placement.engine.Placement` is this, and so is whatever a test
puts in its place. The round knows nothing of hosts but what these questions answer.
"""

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from typing import Protocol

from scheduler.model.ids import HostId, JobId
from scheduler.model.resources import Resources
from scheduler.placement.outcome import Choice, Outcome, Refused
from scheduler.placement.request import Request


class TotalsLike(Protocol):
    """Sums over the hosts that take tasks."""

    @property
    def hosts(self) -> int:
        """How many hosts there are."""

    @property
    def free(self) -> Resources:
        """What is free on them; devices as whole ones."""

    @property
    def total(self) -> Resources:
        """What they have in all."""

    @property
    def free_gpu_milli(self) -> int:
        """Free thousandths of devices."""

    @property
    def total_gpu_milli(self) -> int:
        """Thousandths of devices in all."""


class Engine(Protocol):
    """An index of hosts that places equal tasks."""

    def totals(self) -> TotalsLike:
        """Sums over the hosts that take tasks."""

    def place(
        self,
        request: Request,
        count: int,
        avoid: AbstractSet[HostId] = frozenset(),
        *,
        explain: bool = True,
    ) -> Outcome:
        """Hosts for up to ``count`` tasks, none of ``avoid``; the index changes as if launched."""

    def place_each(
        self, asked: Sequence[tuple[Request, int]], most: int, *, is_all: bool = False
    ) -> list[Outcome]:
        """What `place` makes of each in this order, of ``most`` tasks in all; not explained.

        The first behind those tasks is not placed, nor any behind it; with ``is_all`` the first
        that does not get all its hosts is the last. As many are answered as were placed.
        """

    def put_back(self, request: Request, choices: Sequence[Choice]) -> None:
        """Undo choices of `place`."""

    def is_hopeless(self, request: Request) -> bool:
        """Whether the request is known to fit nowhere, at next to no cost."""

    def refusals(
        self, request: Request, avoid: AbstractSet[HostId] = frozenset()
    ) -> tuple[Refused, ...]:
        """Why each host refuses the request now, counted."""

    def wake(self, request: Request, refused: tuple[Refused, ...]) -> str:
        """The events that could change these refusals, in words."""

    def nearest(self, request: Request, most: int) -> tuple[HostId, ...]:
        """Hosts that lack nothing but free amounts, the smallest shortfall first."""

    def rooms_after(
        self,
        request: Request,
        host_id: HostId,
        freed: Resources,
        ended: Sequence[tuple[JobId, int]] = (),
    ) -> int:
        """How many tasks would fit on the host when ``freed`` came back and those had ended."""
