"""A trace: hosts and tasks with the times at which they come and go.

The one thing to know: tasks that ask for the same thing share one `Need` and one `Request`, so a
trace of a million tasks is as many small values and as few classes as it has jobs.
"""

from collections.abc import Sequence

import msgspec

from scheduler.placement.host import HostView
from scheduler.placement.request import Request


class TraceTask(msgspec.Struct, frozen=True, gc=False):
    """A row of tasks.csv. ``end_ms`` is None for a task that stays."""

    task_id: str
    request: Request
    arrive_ms: int = 0
    end_ms: int | None = None


class Trace(msgspec.Struct, frozen=True):
    """Hosts and tasks, in the order of their files."""

    hosts: Sequence[HostView]
    tasks: Sequence[TraceTask]
    has_times: bool = False
    """Whether the file tells when tasks arrive or end; if not, all arrive at once and stay."""
    memory_per_mib: int = 1
    """1,000 where memory is counted in thousandths, because the files give fractions of it."""
    notes: tuple[str, ...] = ()
    """What a person should know of the files, and what is no fault."""
