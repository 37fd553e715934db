"""Questions about hosts that place nothing: sums, the nearest hosts, what would fit if some ended.

The one thing to know: these serve reservations, preemption and fair shares. They see hosts that
offer nothing at the moment as well, because a host that is full of tasks offers nothing.
"""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from copy import copy

import msgspec
import numpy as np

from scheduler.constraints import moving
from scheduler.model.ids import HostId, JobId
from scheduler.model.resources import Resources
from scheduler.placement.closing import PASSING
from scheduler.placement.columns import Array, Columns
from scheduler.placement.explain import shortfall
from scheduler.placement.index import Index
from scheduler.placement.masks import moving_flags
from scheduler.placement.prepared import Prepared
from scheduler.placement.slot import NOT_COUNTED

_sum = np.add.reduce
"""What a column's own `sum` comes to by way of Python, which takes as long as twenty hosts."""


class Totals(msgspec.Struct, frozen=True, gc=False):
    """Sums over the hosts that take tasks: schedulable, and outside of lost zones."""

    hosts: int
    free: Resources
    total: Resources
    """Ports are not summed; devices are whole ones."""
    free_gpu_milli: int = 0
    total_gpu_milli: int = 0


class Sums:
    """The sums over all hosts; what hosts have in all is added up when hosts were handed over."""

    def __init__(self, columns: Columns) -> None:
        self._columns = columns
        self._made_at = -1
        self._hosts = 0
        self._total = Resources()
        self._gpu_milli = 0
        self._is_every_taking = False
        self._counted: Array | None = None
        """Hosts that take tasks and account for bandwidth; None where no host does."""

    def totals(self) -> Totals:
        """The sums now."""
        columns = self._columns
        if self._made_at != columns.handed_over:
            self._made_at = columns.handed_over
            self._add_up()
        takes, counted, names = columns.takes, self._counted, columns.scalar_names()
        has_devices = self._total.gpus > 0
        return Totals(
            hosts=self._hosts,
            free=Resources(
                cpu_milli=self._sum(columns.cpu_free),
                memory_mib=self._sum(columns.memory_free),
                disk_mib=self._sum(columns.disk_free),
                network_mbps=0 if counted is None else int(columns.network_free @ counted),
                gpus=self._sum(columns.gpu_free) if has_devices else 0,
                scalars=_sums(
                    {name: int((columns.scalar_free(name) * takes).sum()) for name in names}
                ),
            ),
            total=self._total,
            free_gpu_milli=self._sum(columns.gpu_idle) if has_devices else 0,
            total_gpu_milli=self._gpu_milli,
        )

    def _add_up(self) -> None:
        columns, takes = self._columns, self._columns.takes
        self._hosts = int(_sum(takes))
        self._is_every_taking = self._hosts == len(takes)
        counted = takes * (columns.network_total < NOT_COUNTED)
        self._counted = counted if counted.any() else None
        self._gpu_milli = self._sum(columns.gpu_milli)
        self._total = Resources(
            cpu_milli=self._sum(columns.cpu_total),
            memory_mib=self._sum(columns.memory_total),
            disk_mib=self._sum(columns.disk_total),
            network_mbps=int(columns.network_total @ counted),
            gpus=self._sum(columns.gpu_total),
            scalars=_sums(
                {
                    name: int((columns.scalar_total(name) * takes).sum())
                    for name in columns.scalar_names()
                }
            ),
        )

    def _sum(self, column: Array) -> int:
        return int(_sum(column) if self._is_every_taking else column @ self._columns.takes)


def _sums(found: Mapping[str, int]) -> tuple[tuple[str, int], ...]:
    return tuple([(name, amount) for name, amount in found.items() if amount])


def nearest(index: Index, prepared: Prepared, most: int) -> tuple[HostId, ...]:
    """Hosts that lack nothing but free amounts and could hold the task, the nearest first."""
    columns, need = index.columns, prepared.request.need
    columns.ranked()
    could = np.isin(columns.closed, PASSING) & (columns.takes == 1)
    could &= columns.cpu_total >= need.cpu_milli
    for name, amount in (
        ("memory_total", need.memory_mib),
        ("disk_total", need.disk_mib),
        ("network_total", need.network_mbps),
        ("gpu_total", need.gpus or (1 if need.gpu_milli else 0)),
    ):
        if amount:
            could &= getattr(columns, name) >= amount
    for name, amount in need.scalars:
        could &= columns.scalar_total(name) >= amount
    allowed = index.allowed(prepared)
    if allowed is not None:
        could &= allowed
    if need.gpu_models and prepared.asks_devices:
        could &= index.right_models(need.gpu_models)
    for constraint in prepared.moving_hard:
        flags = moving_flags(constraint, prepared.request.job_id, columns)
        if flags is not None:
            could &= flags
    rows = np.flatnonzero(could)
    if not len(rows):
        return ()
    short = shortfall(index, prepared)[rows]
    if len(rows) > most:
        # All that are no farther than the last one wanted: ties are then broken by name.
        bound = np.partition(short, most - 1)[most - 1]
        rows, short = rows[short <= bound], short[short <= bound]
    found = []
    for far, row in zip(short.tolist(), rows.tolist(), strict=True):
        slot = columns.at(row)
        found.append((far, slot.host_id))
    return tuple([host_id for _, host_id in sorted(found)[:most]])


class _After:
    """The fleet once some tasks of one host have ended."""

    def __init__(
        self, columns: Columns, attributes: Mapping[str, str], ended: Counter[JobId]
    ) -> None:
        self._columns = columns
        self._attributes = attributes
        self._ended = ended

    def counts(self, job_id: JobId, attribute: str) -> Mapping[str, int]:
        """Tasks of the job by value of the attribute."""
        counts = dict(self._columns.counts(job_id, attribute))
        value = self._attributes.get(attribute)
        if value in counts:
            counts[value] -= self._ended[job_id]
        return counts

    def values(self, attribute: str) -> Collection[str]:
        """Values of the attribute that take work."""
        return self._columns.values(attribute)

    def has_tasks(self, job_id: JobId) -> bool:
        """Whether a task of the job is left anywhere."""
        return sum(self._columns.jobs.rows.get(job_id, {}).values()) > self._ended[job_id]


def rooms_after(
    index: Index,
    prepared: Prepared,
    host_id: HostId,
    freed: Resources,
    ended: Sequence[tuple[JobId, int]] = (),
) -> int:
    """How many tasks would fit on the host if ``freed`` came back and those tasks had ended."""
    columns = index.columns
    slot = columns.find(host_id)
    if slot is None or not slot.takes:
        return 0
    gone = Counter(dict(ended))
    after = copy(slot)
    after.cpu_free += freed.cpu_milli
    after.memory_free += freed.memory_mib
    after.disk_free += freed.disk_mib
    if after.network_total < NOT_COUNTED:
        after.network_free += freed.network_mbps
    after.ports_free += sum(each.count for each in freed.ports)
    after.scalars = {**slot.scalars}
    for name, amount in freed.scalars:
        after.scalars[name] = after.scalars.get(name, 0) + amount
    after.gpu_free += freed.gpus
    after.job_counts = {
        job_id: count - gone[job_id]
        for job_id, count in slot.job_counts.items()
        if count > gone[job_id]
    }
    after.tasks = sum(after.job_counts.values())
    if slot.exclusive_job is not None and slot.exclusive_job not in after.job_counts:
        after.exclusive_job = None
    after.is_open = after.exclusive_job is None and (
        slot.closed in PASSING or slot.exclusive_job is not None
    )
    allowed = index.allowed(prepared)
    if allowed is not None and not allowed[slot.row]:
        return 0
    fleet = _After(columns, slot.attributes, gone)
    place = index.place(after)
    for constraint in prepared.moving_hard:
        if moving.refusal(constraint, prepared.request.job_id, place, fleet, index.rules):
            return 0
    return index.room(after, prepared)
