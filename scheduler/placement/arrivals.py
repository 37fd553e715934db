"""Tasks of a plain request come to a host: what `Index.take` does for any request, in fewer steps.

The one thing to know: a request is plain where nothing of a host but its free cpu and memory
changes with its tasks (`Prepared.is_plain`, and no launch guard); so few columns are written. The
numbers afterwards are those of `Index.take`.
"""

from collections.abc import Sequence

import numpy as np

from scheduler.placement.columns import (
    FIRST_CHOICE,
    FULLNESS_BITS,
    FULLNESS_SHIFT,
    RANK_BITS,
    ROWS_MAX,
    Columns,
)
from scheduler.placement.request import Request
from scheduler.placement.slot import Slot

_FULL = (1 << FULLNESS_BITS) - 1


def arrive(columns: Columns, request: Request, slot: Slot, count: int) -> None:
    """Put ``count`` tasks on the host, which is open and has room for them."""
    need, job_id, row = request.need, request.job_id, slot.row
    cpu, memory = count * need.cpu_milli, count * need.memory_mib
    slot.is_touched = True
    slot.launching += count
    slot.launches += count
    slot.tasks += count
    columns.tasks[row] = slot.tasks
    columns.cpu_open[row] = columns.cpu_free[row] = slot.cpu_free = slot.cpu_free - cpu
    columns.memory_free[row] = slot.memory_free = slot.memory_free - memory
    packed = slot.packed + cpu * slot.cpu_unit + memory * slot.memory_unit
    columns.packed[row] = slot.packed = packed
    fullness = packed >> FULLNESS_SHIFT
    standing = columns.standing
    standing[row] = (
        (0 if slot.last_choice else FIRST_CHOICE)
        | min(fullness, _FULL) << RANK_BITS
        | (standing.item(row) & (ROWS_MAX - 1))
    )
    if request.is_service:
        slot.services += count
        columns.services[row] = slot.services
    slot.job_counts[job_id] = slot.job_counts.get(job_id, 0) + count
    columns.jobs.change(job_id, row, count)
    columns.tally(slot, job_id, count)
    columns.changed.append(row)


def arrive_each(columns: Columns, requests: Sequence[Request], rows: Sequence[int]) -> None:
    """Put one task of each request on the host of its row: all but amounts and standing of columns.

    The requests are of one manner; the hosts are open, have room, and are all of equal units.
    """
    at, slots = columns.at, columns.slots
    counted = columns.is_counting_jobs
    for request, row in zip(requests, rows, strict=True):
        slot = slots[row]
        if slot is None or not slot.is_filled:
            slot = at(row)
        need, job_id = request.need, request.job_id
        cpu, memory = need.cpu_milli, need.memory_mib
        slot.is_touched = True
        slot.launching += 1
        slot.launches += 1
        slot.tasks += 1
        slot.cpu_free -= cpu
        slot.memory_free -= memory
        slot.packed += cpu * slot.cpu_unit + memory * slot.memory_unit
        counts = slot.job_counts
        counts[job_id] = counts.get(job_id, 0) + 1
        if counted:
            columns.tally(slot, job_id, 1)
    columns.jobs.come([request.job_id for request in requests], rows)
    come = np.bincount(rows, minlength=columns.length)
    columns.tasks += come
    if requests[0].is_service:
        for row in rows:
            slot = at(row)
            slot.services += 1
        columns.services += come
