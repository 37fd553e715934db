"""New hosts taken over all at once, column by column; most come empty and in great numbers.

The one thing to know: a host without tasks, devices and interfaces gets its numbers in the columns
only. Its slot is filled when somebody asks about that host alone; many are never asked about.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from scheduler.placement.host import HostView
from scheduler.placement.slot import NEVER_MS, NOT_COUNTED, UNIT_BITS, Slot, agent_of

if TYPE_CHECKING:
    from scheduler.placement.columns import Columns

Array = npt.NDArray[np.int64]


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


def light_slot(slot: Slot, view: HostView) -> None:
    """Give the slot what is asked of all hosts; the rest comes with `Slot.fill`."""
    slot.view = view
    slot.host_id = view.host_id
    slot.attributes = dict(view.attributes)
    slot.gpu_model = view.gpu_model


def take_in(columns: "Columns", rows: Sequence[int], views: Sequence[HostView]) -> None:
    """Write the numbers of plain hosts into their rows."""
    at = np.array(rows, np.int64)
    free, total = [each.free for each in views], [each.total for each in views]
    cpu_free, cpu_total = _numbers(free, "cpu_milli"), _numbers(total, "cpu_milli")
    memory_free, memory_total = _numbers(free, "memory_mib"), _numbers(total, "memory_mib")
    disk_total = _numbers(total, "disk_mib")
    is_counted = np.array([each.accounts_network for each in views], np.bool_)
    network_total = _numbers(total, "network_mbps")
    cpu_unit, memory_unit = _units(cpu_total), _units(memory_total)
    packed = _packed(cpu_total, cpu_free, cpu_unit)
    packed += _packed(memory_total, memory_free, memory_unit)
    takes = np.array([each.is_schedulable for each in views], np.bool_)
    if columns.rules.lost_zones:
        takes &= np.array([not columns.is_lost(dict(each.attributes)) for each in views], np.bool_)
    expires = [NEVER_MS if each.expires_at_ms is None else each.expires_at_ms for each in views]
    found: dict[str, Array | int] = {
        "cpu_free": cpu_free,
        "cpu_total": cpu_total,
        "cpu_unit": cpu_unit,
        "memory_free": memory_free,
        "memory_total": memory_total,
        "memory_unit": memory_unit,
        "packed": packed,
        "disk_free": _numbers(free, "disk_mib"),
        "disk_total": disk_total,
        "disk_unit": _units(disk_total),
        "network_free": np.where(is_counted, _numbers(free, "network_mbps"), NOT_COUNTED),
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
        "services": _numbers(views, "services"),
        "quality": _numbers(views, "quality_milli"),
        "last_choice": _numbers(views, "is_last_choice"),
        "agent": np.array([agent_of(each) for each in views], np.int64),
        "since_ms": _numbers(views, "since_ms"),
        "expires_at_ms": np.array(expires, np.int64),
        "noise": _numbers(views, "noise_milli"),
        "interface_class": 0,
        "takes": takes.astype(np.int64),
    }
    for name, numbers in found.items():
        getattr(columns, name)[at] = numbers
    columns.settle_new(at, views)


def _numbers(things: Sequence[object], name: str) -> Array:
    return np.array([getattr(each, name) for each in things], np.int64)


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
