"""Requests that fit nowhere, remembered until a host has room for them.

The one thing to know: what each needs is a row of a table, and a host that changed is compared with
all of them in one step. Only for those that now fit by amounts is anything else asked, and only
about that host. A request whose rules look at where other tasks run is forgotten as soon as one of
those jobs, or the set of hosts, changes.
"""

from collections.abc import Sequence
from operator import lt
from typing import Final

import numpy as np

from scheduler.constraints.moving import BALANCED
from scheduler.model.ids import JobId
from scheduler.model.resources import Need
from scheduler.placement.columns import Array, Flags
from scheduler.placement.index import Index
from scheduler.placement.outcome import Refused
from scheduler.placement.prepared import Prepared, asks_amounts_only
from scheduler.placement.request import Request
from scheduler.placement.slot import Slot

REMEMBERED_MAX: Final = 16_384
_FAR: Final = 1 << 62
_ROWS_MAX: Final = 256
"""With more changed hosts than this, trying anew costs less than asking."""

_AMOUNTS: Final = (
    "cpu_free",
    "memory_free",
    "disk_free",
    "network_free",
    "gpu_free",
    "share_free",
    "ports_free",
)


class Entry:
    """A request that fits nowhere, and what was said of it."""

    __slots__ = (
        "_prepared",
        "asks_amounts_only",
        "at",
        "is_plain",
        "jobs",
        "manner",
        "number",
        "refused",
        "request",
        "state",
        "wake",
    )

    def __init__(self, request: Request, manner: Prepared, number: int) -> None:
        self.request = request
        self.manner = manner
        """A request of the same manner made ready; this one, where it has been."""
        self._prepared = manner if manner.request is request else None
        self.number = number
        need = request.need
        self.is_plain = not (
            manner.moving_hard or manner.asks_devices or need.scalars or need.addresses
        )
        """Amounts of `_AMOUNTS` are all that it asks of a host, but for fixed constraints."""
        self.asks_amounts_only = asks_amounts_only(request)
        self.jobs: tuple[JobId, ...] = _jobs_of(manner, request)
        self.state: tuple[int, ...] = ()
        self.refused: tuple[Refused, ...] = ()
        self.wake = ""
        self.at = -1
        """The place in the log of changes at which ``refused`` was true."""

    @classmethod
    def plain(cls, request: Request, manner: Prepared, number: int) -> "Entry":
        """The entry of a request of which it is known that it asks for cpu and memory alone."""
        entry = cls.__new__(cls)
        entry.request, entry.manner, entry.number = request, manner, number
        entry._prepared = None  # noqa: SLF001 - its own, made without the asking of __init__
        entry.is_plain = entry.asks_amounts_only = True
        entry.jobs = entry.state = entry.refused = ()
        entry.wake, entry.at = "", -1
        return entry

    @property
    def prepared(self) -> Prepared:
        """The request made ready."""
        if self._prepared is None:
            self._prepared = self.manner.like(self.request)
        return self._prepared


class Hopeless:
    """All requests known to fit nowhere."""

    def __init__(self, index: Index) -> None:
        self._index = index
        self._entries: dict[Request, Entry] = {}
        self._needs: Array = np.zeros((len(_AMOUNTS), 64), np.int64)
        self._least = [_FAR] * len(_AMOUNTS)
        """Of each amount, what the most modest of all entries needs."""
        self._count = 0
        self._read = 0
        self._fitting: dict[int, Flags] = {}
        """By row that changed: which entries fit there by amounts."""
        self._suspect: Flags = np.zeros(64, np.bool_)

    def find(self, request: Request) -> Entry | None:
        """What is remembered of a request that still fits nowhere; None: it is worth a try."""
        entry = self._entries.get(request)
        if entry is None:
            return None
        if self._read != self._index.columns.changed.end:
            self._read_on()
            entry = self._entries.get(request)
            if entry is None:
                return None
        if entry.jobs and entry.state != self._state(entry):
            del self._entries[request]
            return None
        if self._suspect[entry.number] and self._fits_now(entry):
            # It is kept: once somebody else has taken the room, it fits nowhere again.
            return None
        return entry

    def remember(self, prepared: Prepared, refused: tuple[Refused, ...], wake: str) -> None:
        """The request fits nowhere now, and this is why."""
        entry = self._entries.get(prepared.request)
        if not self._entries:
            self._begin()
        if entry is None:
            if self._count >= REMEMBERED_MAX:
                self._compact()
            entry = Entry(prepared.request, prepared, self._count)
            self._add([entry])
        # Changes that are not read yet may be older than this: then the host is asked in vain.
        columns = self._index.columns
        for job_id in entry.jobs:
            columns.job_changes.setdefault(job_id, 0)
        entry.state = self._state(entry)
        entry.refused, entry.wake = refused, wake
        entry.at = columns.changed.end if refused else -1

    def remember_each(self, requests: Sequence[Request], manner: Prepared) -> None:
        """These requests, of one manner and for cpu and memory only, fit nowhere now."""
        entries = self._entries
        if not entries:
            self._begin()
        new = [request for request in requests if request not in entries]
        if self._count + len(new) > REMEMBERED_MAX:
            self._compact()
        new = new[-REMEMBERED_MAX // 2 :]
        begin = self._count
        self._add([Entry.plain(each, manner, at) for at, each in enumerate(new, begin)])
        if len(new) < len(requests):
            for request in requests:
                entry = entries.get(request)
                if entry is not None:
                    entry.refused, entry.wake, entry.at = (), "", -1

    def _begin(self) -> None:
        self._forget_all()
        self._read = self._index.columns.changed.end

    def _add(self, entries: Sequence[Entry]) -> None:
        """Write needs behind those that are there; the entries are numbered so."""
        end = self._count + len(entries)
        while end > self._needs.shape[1]:
            self._widen()
        if entries:
            amounts = [_amounts_of(each.request.need) for each in entries]
            self._needs[:, self._count : end] = np.array(amounts, np.int64).T
            self._least = [min(each) for each in zip(self._least, *amounts, strict=True)]
        self._count = end
        for each in entries:
            self._entries[each.request] = each

    def _widen(self) -> None:
        width = self._needs.shape[1]
        self._needs = np.concatenate([self._needs, np.zeros_like(self._needs)], axis=1)
        grown = np.zeros(width, np.bool_)
        self._suspect = np.concatenate([self._suspect, grown])
        self._fitting = {
            row: np.concatenate([flags, grown]) for row, flags in self._fitting.items()
        }

    def _compact(self) -> None:
        """Forget the older half, so that the table does not grow without end."""
        self._read_on()
        newer = list(self._entries.values())[len(self._entries) // 2 :]
        kept = [entry for entry in newer if not self._suspect[entry.number]]
        self._forget_all()
        for number, entry in enumerate(kept):
            entry.number = number
        self._add(kept)

    def _forget_all(self) -> None:
        self._entries.clear()
        self._fitting.clear()
        self._suspect[:] = False
        self._least = [_FAR] * len(_AMOUNTS)
        self._count = 0

    def _state(self, entry: Entry) -> tuple[int, ...]:
        columns = self._index.columns
        return (columns.version, *[columns.job_changes.get(each, -1) for each in entry.jobs])

    def _read_on(self) -> None:
        """Compare each host that changed with all entries."""
        columns = self._index.columns
        if self._read == columns.changed.end:
            return
        rows = columns.changed.since(self._read, _ROWS_MAX)
        self._read = columns.changed.end
        if rows is None or len(self._fitting) + len(rows) > 2 * _ROWS_MAX:
            self._forget_all()
            return
        for row in rows:
            is_open = columns.closed.item(row) == 0
            flags = self._compared(columns.at(row)) if is_open else None
            if flags is not None and flags.any():
                self._fitting[row] = flags
            else:
                self._fitting.pop(row, None)
        self._suspect[:] = False
        for flags in self._fitting.values():
            self._suspect |= flags

    def _compared(self, slot: Slot) -> Flags | None:
        """Which entries fit there by amounts; None: no entry does, at a glance."""
        there = [getattr(slot, name) for name in _AMOUNTS]
        if any(map(lt, there, self._least)):
            return None
        fits: Flags = np.zeros(self._needs.shape[1], np.bool_)
        amounts = np.array(there)[:, np.newaxis]
        fits[: self._count] = (self._needs[:, : self._count] <= amounts).all(axis=0)
        return fits

    def _fits_now(self, entry: Entry) -> bool:
        """Whether one of the changed hosts takes the request; hosts that do not are noted."""
        index = self._index
        if entry.is_plain and not index.demands and index.allowed(entry.manner) is None:
            return True  # The amounts were compared, and there is no more to ask.
        for row, flags in self._fitting.items():
            if flags[entry.number]:
                if index.takes(index.columns.at(row), entry.prepared):
                    return True
                flags[entry.number] = False
        self._suspect[entry.number] = False
        return False


def _amounts_of(need: Need) -> tuple[int, ...]:
    """What it needs of `_AMOUNTS`."""
    return (
        need.cpu_milli,
        need.memory_mib,
        need.disk_mib,
        need.network_mbps,
        need.gpus,
        need.gpu_milli,
        need.ports,
    )


def _jobs_of(manner: Prepared, request: Request) -> tuple[JobId, ...]:
    """Jobs whose tasks elsewhere could change the answer."""
    if not manner.moving_hard:
        return ()
    found: set[JobId] = set()
    for each in manner.moving_hard:
        if each.kind in BALANCED:
            found.add(request.job_id)
        if each.kind in {"nearJob", "awayFromJob"}:
            found.add(JobId(each.values[0]))
    return tuple(sorted(found))
