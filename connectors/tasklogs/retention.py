"""Which task logs have been kept for long enough, and their removal from the store.

The one thing to know: a task's output goes as a whole, oldest first, and only when nothing was
written to it for a while: what is being written now is never touched, whatever else there is.
"""

from collections.abc import Iterable

import msgspec

from connectors.ports import ObjectFacts, ObjectStore
from connectors.tasklogs.layout import cell_prefix
from connectors.tasklogs.limits import DAY_MS, Limits, Retention


class KeptTask(msgspec.Struct):
    """One task's objects in the store."""

    job: str
    task: str
    bytes_total: int = 0
    newest_ms: int = 0
    keys: list[str] = []


class Swept(msgspec.Struct, frozen=True):
    """What one pass found and removed."""

    tasks_kept: int
    bytes_kept: int
    tasks_removed: int
    bytes_removed: int


def tasks_of(cell: str, objects: Iterable[ObjectFacts]) -> list[KeptTask]:
    """The tasks of a cell whose objects these are, longest unwritten first."""
    prefix = cell_prefix(cell)
    found: dict[tuple[str, str], KeptTask] = {}
    for each in objects:
        job, _, rest = each.key.removeprefix(prefix).partition("/")
        task, _, word = rest.partition("/")
        if not word:
            continue  # Not ours: no task's object is so near to the root.
        kept = found.setdefault((job, task), KeptTask(job, task))
        kept.bytes_total += each.bytes_total
        kept.newest_ms = max(kept.newest_ms, each.written_at_ms)
        kept.keys.append(each.key)
    return sorted(found.values(), key=lambda each: (each.newest_ms, each.task))


def expired(tasks: list[KeptTask], retention: Retention, now_ms: int) -> list[KeptTask]:
    """Those that are older than the days, or above their job's bytes; longest unwritten first."""
    idle_ms = 4 * Limits().ship_after_ms_max
    totals: dict[str, int] = {}
    for each in tasks:
        totals[each.job] = totals.get(each.job, 0) + each.bytes_total
    gone = []
    for each in sorted(tasks, key=lambda task: (task.newest_ms, task.task)):
        age_ms = now_ms - each.newest_ms
        is_over = totals[each.job] > retention.job_bytes_max
        if age_ms > retention.days_max * DAY_MS or (is_over and age_ms > idle_ms):
            gone.append(each)
            totals[each.job] -= each.bytes_total
    return gone


def sweep(store: ObjectStore, cell: str, retention: Retention, now_ms: int) -> Swept:
    """Remove what has been kept for long enough. Raises `StoreFailed`; calling again goes on."""
    tasks = tasks_of(cell, store.facts(cell_prefix(cell)))
    gone = expired(tasks, retention, now_ms)
    for each in gone:
        # Last parts first: what is left when we are ended is a log without its end, and not one
        # that begins in the middle and looks whole.
        for key in sorted(each.keys, reverse=True):
            store.delete(key)
    bytes_removed = sum(each.bytes_total for each in gone)
    return Swept(
        tasks_kept=len(tasks) - len(gone),
        bytes_kept=sum(each.bytes_total for each in tasks) - bytes_removed,
        tasks_removed=len(gone),
        bytes_removed=bytes_removed,
    )
