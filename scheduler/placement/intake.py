"""New hosts taken over all at once, column by column; most come empty and in great numbers.

The one thing to know: a host without tasks, devices and interfaces gets its numbers in the columns
only. Its slot is filled when somebody asks about that host alone; many are never asked about.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from scheduler.model.resources import Resources
from scheduler.placement.host import HostView
from scheduler.placement.slot import NEVER_MS, NOT_COUNTED, UNIT_BITS, AttributeSet, Slot

if TYPE_CHECKING:
    from scheduler.placement.columns import Columns

Array = npt.NDArray[np.int64]
_NO_SCALARS: dict[str, int] = {}
"""Of slots that are not filled yet: each gets its own before it changes."""


def is_plain(view: HostView) -> bool:
    """Whether the host has nothing but amounts and attributes."""
    return not (
        view.tasks_of_job
        or view.gpus
        or view.interfaces
        or view.images
        or view.security_groups
        or view.free.scalars
        or view.total.scalars
        or view.exclusive_job is not None
    )


def light_slot(row: int, view: HostView, attributes: AttributeSet) -> Slot:
    """A slot with what is asked of all hosts; the rest comes with `Slot.begin` and `Slot.fill`."""
    slot = Slot.__new__(Slot)
    slot.row = row
    slot.view = view
    slot.is_filled = False
    slot.host_id = view.host_id
    slot.attributes = attributes
    slot.gpu_model = view.gpu_model
    slot.gpus = ()
    slot.scalars = slot.scalar_totals = _NO_SCALARS
    return slot


def take_in(columns: "Columns", rows: Sequence[int], views: Sequence[HostView]) -> None:
    """Write the numbers of plain hosts into their rows."""
    at = np.array(rows, np.int64)
    free = [each.free for each in views]
    cpu_free, memory_free, disk_free, network_free = _amounts(free)
    cpu_total, memory_total, disk_total, network_total = _amounts([each.total for each in views])
    services, quality, last_choice, since_ms, noise, is_counted, takes = _facts(views)
    cpu_unit, memory_unit = _units(cpu_total), _units(memory_total)
    packed = _packed(cpu_total, cpu_free, cpu_unit)
    packed += _packed(memory_total, memory_free, memory_unit)
    if columns.rules.lost_zones:
        takes &= np.array([not columns.is_lost(dict(each.attributes)) for each in views], np.int64)
    expires = [NEVER_MS if each.expires_at_ms is None else each.expires_at_ms for each in views]
    found: dict[str, Array | int] = {
        "cpu_free": cpu_free,
        "cpu_total": cpu_total,
        "cpu_unit": cpu_unit,
        "memory_free": memory_free,
        "memory_total": memory_total,
        "memory_unit": memory_unit,
        "packed": packed,
        "disk_free": disk_free,
        "disk_total": disk_total,
        "disk_unit": _units(disk_total),
        "network_free": np.where(is_counted, network_free, NOT_COUNTED),
        "network_total": np.where(is_counted, network_total, NOT_COUNTED),
        "network_unit": np.where(is_counted, _units(network_total), 0),
        "gpu_free": 0,
        "gpu_total": 0,
        "gpu_idle": 0,
        "gpu_milli": 0,
        "share_free": 0,
        "ports_free": np.array(
            [sum([p.end - p.begin + 1 for p in each.ports]) if each.ports else 0 for each in free]
        ),
        "tasks": 0,
        "services": services,
        "quality": quality,
        "last_choice": last_choice,
        "agent": np.where(last_choice, quality // 100, quality),
        "since_ms": since_ms,
        "expires_at_ms": np.array(expires, np.int64),
        "noise": noise,
        "interface_class": 0,
        "takes": takes,
    }
    for name, numbers in found.items():
        getattr(columns, name)[at] = numbers
    columns.settle_new(at, views)


def _amounts(things: Sequence[Resources]) -> Array:
    """cpu, memory, disk and network of each, a row of the answer each."""
    found = [(each.cpu_milli, each.memory_mib, each.disk_mib, each.network_mbps) for each in things]
    return np.array(found, np.int64).reshape(len(found), 4).T


def _facts(views: Sequence[HostView]) -> Array:
    """Other numbers of each host, a row of the answer each."""
    found = [
        (
            each.services,
            each.quality_milli,
            each.is_last_choice,
            each.since_ms,
            each.noise_milli,
            each.accounts_network,
            each.is_schedulable,
        )
        for each in views
    ]
    return np.array(found, np.int64).reshape(len(found), 7).T


def _units(totals: Array) -> Array:
    """What `unit_of` answers, for many."""
    has_any = totals > 0
    units: Array = np.where(has_any, -(-(1_000 << UNIT_BITS) // np.where(has_any, totals, 1)), 0)
    return units


def _packed(totals: Array, free: Array, units: Array) -> Array:
    packed: Array = np.where(
        totals > 0, np.maximum(totals - np.maximum(free, 0), 0) * units, 1_000 << UNIT_BITS
    )
    return packed
