"""Tasks of a plain request come to a host: what `Index.take` does for any request, in fewer steps.

The one thing to know: a request is plain where nothing of a host but its free cpu and memory
changes with its tasks (`Prepared.is_plain`, and no launch guard); so few columns are written, and a
slot that nobody asked for yet stays without its numbers. They are those of `Index.take` afterwards.
"""

from collections.abc import Sequence
from typing import Final, cast

import numpy as np

from scheduler.placement.columns import (
    FIRST_CHOICE,
    FULLNESS_BITS,
    FULLNESS_SHIFT,
    RANK_BITS,
    Columns,
)
from scheduler.placement.request import Request
from scheduler.placement.slot import Slot

_FULL: Final = (1 << FULLNESS_BITS) - 1
UNCHANGED: Final = ((1 << RANK_BITS) - 1) | FIRST_CHOICE
"""What tasks do not change of a standing."""


def arrive(columns: Columns, request: Request, slot: Slot, count: int) -> None:
    """Put ``count`` tasks on the host, which is open and has room for them."""
    need, job_id, row = request.need, request.job_id, slot.row
    cpu, memory = count * need.cpu_milli, count * need.memory_mib
    cpu_free = columns.cpu_free.item(row) - cpu
    memory_free = columns.memory_free.item(row) - memory
    packed = columns.packed.item(row)
    packed += cpu * columns.cpu_unit.item(row) + memory * columns.memory_unit.item(row)
    columns.cpu_open[row] = columns.cpu_free[row] = cpu_free
    columns.memory_free[row] = memory_free
    columns.packed[row] = packed
    columns.tasks[row] = columns.tasks.item(row) + count
    fullness = min(packed >> FULLNESS_SHIFT, _FULL)
    columns.standing[row] = (columns.standing.item(row) & UNCHANGED) | fullness << RANK_BITS
    if request.is_service:
        columns.services[row] += count
    if slot.is_filled:
        slot.is_touched = True
        slot.launching += count
        slot.launches += count
        slot.tasks += count
        slot.cpu_free, slot.memory_free, slot.packed = cpu_free, memory_free, packed
        counts = slot.job_counts
        if request.is_service:
            slot.services += count
    else:
        counts = columns.come.setdefault(row, {})
    counts[job_id] = counts.get(job_id, 0) + count
    columns.jobs.change(job_id, row, count)
    columns.tally(slot, job_id, count)
    columns.changed.append(row)


def arrive_each(columns: Columns, requests: Sequence[Request], rows: Sequence[int]) -> None:
    """Put one task of each request on the host of its row: all but amounts and standing of columns.

    The requests are of one manner; the hosts are open, have room, and are all of equal units.
    """
    slots, come = cast("list[Slot]", columns.slots), columns.come
    counted = columns.is_counting_jobs
    is_service = requests[0].is_service
    for request, row in zip(requests, rows, strict=True):
        slot, job_id = slots[row], request.job_id
        if slot.is_filled:
            need = request.need
            cpu, memory = need.cpu_milli, need.memory_mib
            slot.is_touched = True
            slot.launching += 1
            slot.launches += 1
            slot.tasks += 1
            slot.services += is_service
            slot.cpu_free -= cpu
            slot.memory_free -= memory
            slot.packed += cpu * slot.cpu_unit + memory * slot.memory_unit
            counts = slot.job_counts
        elif row in come:
            counts = come[row]
        else:
            counts = come[row] = {}
        counts[job_id] = counts.get(job_id, 0) + 1
        if counted:
            columns.tally(slot, job_id, 1)
    columns.jobs.come([request.job_id for request in requests], rows)
    tasks = np.bincount(rows, minlength=columns.length)
    columns.tasks += tasks
    if is_service:
        columns.services += tasks
