"""Requests that fit nowhere, remembered until a host has room for them.

The one thing to know: what each needs is a row of a table, and a host that changed is compared with
all of them in one step. Only for those that now fit by amounts is anything else asked, and only
about that host. A request whose rules look at where other tasks run is forgotten as soon as one of
those jobs, or the set of hosts, changes.
"""

from typing import Final

import numpy as np

from scheduler.constraints.moving import BALANCED
from scheduler.model.ids import JobId
from scheduler.placement.columns import Array, Flags
from scheduler.placement.index import Index
from scheduler.placement.outcome import Refused
from scheduler.placement.prepared import Prepared
from scheduler.placement.request import Request
from scheduler.placement.slot import Slot

REMEMBERED_MAX: Final = 16_384
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

    __slots__ = ("at", "is_plain", "jobs", "number", "prepared", "refused", "state", "wake")

    def __init__(self, prepared: Prepared, number: int) -> None:
        self.prepared = prepared
        self.number = number
        need = prepared.request.need
        self.is_plain = not (
            prepared.moving_hard or prepared.asks_devices or need.scalars or need.addresses
        )
        """Amounts of `_AMOUNTS` are all that it asks of a host, but for fixed constraints."""
        self.jobs: tuple[JobId, ...] = _jobs_of(prepared)
        self.state: tuple[int, ...] = ()
        self.refused: tuple[Refused, ...] = ()
        self.wake = ""
        self.at = -1
        """The place in the log of changes at which ``refused`` was true."""


class Hopeless:
    """All requests known to fit nowhere."""

    def __init__(self, index: Index) -> None:
        self._index = index
        self._entries: dict[Request, Entry] = {}
        self._needs: Array = np.zeros((len(_AMOUNTS), 64), np.int64)
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
            self._forget_all()
            self._read = self._index.columns.changed.end
        if entry is None:
            if self._count >= REMEMBERED_MAX:
                self._compact()
            entry = self._entries[prepared.request] = Entry(prepared, self._count)
            self._write(prepared)
        # Changes that are not read yet may be older than this: then the host is asked in vain.
        columns = self._index.columns
        for job_id in entry.jobs:
            columns.job_changes.setdefault(job_id, 0)
        entry.state = self._state(entry)
        entry.refused, entry.wake = refused, wake
        entry.at = columns.changed.end if refused else -1

    def _write(self, prepared: Prepared) -> None:
        if self._count == self._needs.shape[1]:
            self._needs = np.concatenate([self._needs, np.zeros_like(self._needs)], axis=1)
            grown = np.zeros(2 * self._count, np.bool_)
            self._suspect = np.concatenate([self._suspect, grown[: self._count]])
            self._fitting = {
                row: np.concatenate([flags, grown[: self._count]])
                for row, flags in self._fitting.items()
            }
        need = prepared.request.need
        self._needs[:, self._count] = (
            need.cpu_milli,
            need.memory_mib,
            need.disk_mib,
            need.network_mbps,
            need.gpus,
            need.gpu_milli,
            need.ports,
        )
        self._count += 1

    def _compact(self) -> None:
        """Forget the older half, so that the table does not grow without end."""
        self._read_on()
        newer = list(self._entries.values())[len(self._entries) // 2 :]
        kept = [entry for entry in newer if not self._suspect[entry.number]]
        self._forget_all()
        for entry in kept:
            entry.number = self._count
            self._entries[entry.prepared.request] = entry
            self._write(entry.prepared)

    def _forget_all(self) -> None:
        self._entries.clear()
        self._fitting.clear()
        self._suspect[:] = False
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

    def _compared(self, slot: Slot) -> Flags:
        fits: Flags = np.zeros(self._needs.shape[1], np.bool_)
        there = [[getattr(slot, name)] for name in _AMOUNTS]
        fits[: self._count] = (self._needs[:, : self._count] <= there).all(axis=0)
        return fits

    def _fits_now(self, entry: Entry) -> bool:
        """Whether one of the changed hosts takes the request; hosts that do not are noted."""
        index = self._index
        if entry.is_plain and not index.demands and index.allowed(entry.prepared) is None:
            return True  # The amounts were compared, and there is no more to ask.
        for row, flags in self._fitting.items():
            if flags[entry.number]:
                if index.takes(index.columns.at(row), entry.prepared):
                    return True
                flags[entry.number] = False
        self._suspect[entry.number] = False
        return False


def _jobs_of(prepared: Prepared) -> tuple[JobId, ...]:
    """Jobs whose tasks elsewhere could change the answer."""
    if not prepared.moving_hard:
        return ()
    found: set[JobId] = set()
    for each in prepared.moving_hard:
        if each.kind in BALANCED:
            found.add(prepared.request.job_id)
        if each.kind in {"nearJob", "awayFromJob"}:
            found.add(JobId(each.values[0]))
    return tuple(sorted(found))
