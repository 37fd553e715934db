"""New hosts taken over all at once, column by column; most come empty and in great numbers.

The one thing to know: a host without tasks, devices and interfaces gets its numbers in the columns
only. Its slot is filled when somebody asks about that host alone; many are never asked about, even
as tasks come there.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from scheduler.model.resources import port_count
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


def fill_up(columns: "Columns", slot: Slot) -> None:
    """Give a slot of `light_slot` all its numbers: those of its view, and the tasks since."""
    view, row = slot.view, slot.row
    assert view is not None
    slot.begin()
    slot.fill(view, columns.packed.item(row))
    slot.tasks = slot.interface_class = 0
    slot.takes = columns.takes.item(row)
    slot.closed = columns.closed.item(row)
    slot.is_open = not slot.closed
    come = columns.come.pop(row, None)
    if come is None:
        return
    slot.is_touched = True
    slot.job_counts = come
    slot.tasks = columns.tasks.item(row)
    slot.services = columns.services.item(row)
    slot.launching += slot.tasks
    slot.launches += slot.tasks
    slot.cpu_free = columns.cpu_free.item(row)
    slot.memory_free = columns.memory_free.item(row)


def take_in(columns: "Columns", rows: Sequence[int], views: Sequence[HostView]) -> None:
    """Write the numbers of plain hosts into their rows."""
    at = np.array(rows, np.int64)
    # One list a field: a tuple a host would be ten thousand things for the collector to count.
    free, total = [each.free for each in views], [each.total for each in views]
    cpu_free = np.array([each.cpu_milli for each in free])
    memory_free = np.array([each.memory_mib for each in free])
    network_free = np.array([each.network_mbps for each in free])
    cpu_total = np.array([each.cpu_milli for each in total])
    memory_total = np.array([each.memory_mib for each in total])
    disk_total = np.array([each.disk_mib for each in total])
    network_total = np.array([each.network_mbps for each in total])
    quality = np.array([each.quality_milli for each in views])
    last_choice = np.array([each.is_last_choice for each in views], np.int64)
    is_counted = np.array([each.accounts_network for each in views])
    takes = np.array([each.is_schedulable for each in views], np.int64)
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
        "disk_free": np.array([each.disk_mib for each in free]),
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
        "ports_free": np.array([port_count(each.ports) if each.ports else 0 for each in free]),
        "tasks": 0,
        "services": np.array([each.services for each in views]),
        "quality": quality,
        "last_choice": last_choice,
        "agent": np.where(last_choice, quality // 100, quality),
        "since_ms": np.array([each.since_ms for each in views]),
        "expires_at_ms": np.array(expires, np.int64),
        "noise": np.array([each.noise_milli for each in views]),
        "interface_class": 0,
        "takes": takes,
    }
    for name, numbers in found.items():
        getattr(columns, name)[at] = numbers
    columns.settle_new(at, views)


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
