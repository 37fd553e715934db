"""Hosts kept free of others: promised to a class for which room was freed, or reserved by waiting.

The one thing to know: a reservation has no memory. In each round, a class that has waited for
``aging_ms`` and fits nowhere reserves the host with its smallest shortfall. Nobody of its own claim
or a lower one is placed there, so that this shortfall only shrinks while the tasks there end; if
another host comes nearer, it is that one's turn, with a smaller shortfall again. So the smallest
shortfall never grows, and the class is placed once enough tasks have ended, whoever else waits.

Tasks that never end, or a gang that is larger than its hosts, must not close them for ever: a class
keeps hosts for a while, then lets others on for as long, then for twice as long, and so on. Its
turns outgrow every running time, and others have their half of the time.
"""

from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from typing import Final

from msgspec.structs import replace

from scheduler.model.ids import HostId
from scheduler.placement.request import Request

from .outcome import Placed, Promise, Reservation

Claim = tuple[int, int]
"""Number of the tier, and one of the three below. The least is the best."""
GUARANTEED: Final = 0
BEST_EFFORT: Final = 1
OPPORTUNISTIC: Final = 2
_NONE: Final[frozenset[HostId]] = frozenset()


def is_reserving(waited_ms: int, aging_ms: int) -> bool:
    """Whether a class that has waited so long keeps hosts now: in the first half of each doubling.

    Counted in ``aging_ms``, it does from 1 to 3, from 4 to 6, from 8 to 12, from 16 to 24, ...
    """
    periods = waited_ms // aging_ms
    if periods < 2:
        return periods == 1
    return not periods & 1 << periods.bit_length() - 2


def changes_after_ms(waited_ms: int, aging_ms: int) -> int:
    """After how long a wait `is_reserving` says something else than it does now."""
    periods = waited_ms // aging_ms
    if periods < 1:
        return aging_ms
    whole = 1 << periods.bit_length() - 1
    half = 3 * whole // 2 if whole > 1 else 3
    return aging_ms * (half if periods < half else 2 * whole)


class KeptHosts:
    """Which hosts are kept in this round, and for whom."""

    def __init__(self, promises: Iterable[Promise]) -> None:
        self.promises = list(promises)
        self._inherited = len(self.promises)
        self.reservations: list[Reservation] = []
        self._promised: dict[HostId, set[Request]] = {}
        self._reserved: dict[HostId, tuple[Request, Claim]] = {}
        for promise in self.promises:
            self._promised.setdefault(promise.host_id, set()).add(promise.request)

    @property
    def reserved(self) -> int:
        """How many hosts are reserved."""
        return len(self._reserved)

    @property
    def kept(self) -> int:
        """How many hosts are kept at most, reserved or promised."""
        return len(self._reserved) + len(self._promised)

    def avoided(self, request: Request, claim: Claim) -> AbstractSet[HostId]:
        """The hosts that a task of this request and claim may not take."""
        if not self._promised and not self._reserved:
            return _NONE
        hosts = {host_id for host_id, holders in self._promised.items() if request not in holders}
        for host_id, (holder, its_claim) in self._reserved.items():
            if holder != request and its_claim <= claim:
                hosts.add(host_id)
        return frozenset(hosts)

    def is_kept_for_others(self, host_id: HostId, request: Request) -> bool:
        """Whether the host is promised to or reserved for somebody else."""
        holders = self._promised.get(host_id)
        if holders is not None and request not in holders:
            return True
        reserved = self._reserved.get(host_id)
        return reserved is not None and reserved[0] != request

    def reserve(self, request: Request, claim: Claim, hosts: tuple[HostId, ...], why: str) -> None:
        """Keep these hosts for the request against its own claim and lower ones."""
        for host_id in hosts:
            self._reserved[host_id] = (request, claim)
        self.reservations.append(Reservation(request, hosts, why))

    def promise(self, promise: Promise) -> None:
        """Keep room that is being freed for the one it is freed for."""
        self.promises.append(promise)
        self._promised.setdefault(promise.host_id, set()).add(promise.request)

    def promised(self, request: Request) -> int:
        """For how many tasks of the request room is being freed already."""
        if not self.promises:
            return 0
        return sum(each.count for each in self.promises if each.request == request)

    def promised_hosts(self, request: Request) -> tuple[HostId, ...]:
        """Where room is being freed for the request."""
        if not self.promises:
            return ()
        return tuple(each.host_id for each in self.promises if each.request == request)

    def still_promised(
        self, placed: Iterable[Placed], left: dict[Request, int]
    ) -> tuple[Promise, ...]:
        """The promises that the next round must keep: not used yet, and still asked for."""
        if not self.promises:
            return ()
        used: dict[tuple[Request, HostId], int] = {}
        for turn in placed:
            for choice in turn.outcome.choices:
                key = (turn.request, choice.host_id)
                used[key] = used.get(key, 0) + 1
        wanted = dict(left)
        kept: list[Promise] = []
        for number, promise in enumerate(self.promises):
            key = (promise.request, promise.host_id)
            # What was placed there before room was made used other room than this.
            is_new = number >= self._inherited
            taken = 0 if is_new else min(promise.count, used.get(key, 0))
            if taken:
                used[key] -= taken
            count = min(promise.count - taken, wanted.get(promise.request, 0))
            if count > 0:
                wanted[promise.request] -= count
                kept.append(replace(promise, count=count))
        return tuple(kept)
