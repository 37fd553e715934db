"""A job whose tasks end by themselves again and again: what is remembered of it.

The one thing to know: failures are counted of the whole job, in tenths of the policy's window; a
host on which many jobs fail is another matter (`scheduler.fold.guards`).
"""

from scheduler.model.base import Ours


class CrashLoop(Ours, frozen=True):
    """Failures of a job's tasks within the window, and what follows while they are too many."""

    buckets: tuple[tuple[int, int], ...] = ()
    """When each tenth of the window began, and how many tasks failed in it."""
    last_ms: int = 0
    last_reason: str = ""
    is_looping: bool = False
    since_ms: int = 0
    failures: int = 0
    """Since the loop began: each threshold of them doubles the delay."""
    delay_ms: int = 0
    """The delay of the last replacement."""
    next_ms: int = 0
    """When the next replacement may start, by the pause between restarts."""
    look_ms: int = 0
    """When it is looked at again."""
