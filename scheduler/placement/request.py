"""What placement is asked for: classes of equal tasks, with how many of each.

The one thing to know: tasks that ask for the same thing are one `Request`. Whatever costs time is
done once for a request, never once for a task; a million waiting tasks are as many requests as
there are jobs.
"""

import msgspec

from scheduler.model.constraint import Constraint
from scheduler.model.ids import JobId
from scheduler.model.resources import Need


class Request(msgspec.Struct, frozen=True, gc=False, cache_hash=True):
    """What one class of tasks needs. Hashable: equal requests have equal answers."""

    job_id: JobId
    need: Need
    hard: tuple[Constraint, ...] = ()
    soft: tuple[Constraint, ...] = ()
    tier: str = "Flex"
    group: str = "DEFAULT"
    application: str = ""
    is_service: bool = False
    image: str = ""
    """The image as a registry knows it; hosts that have it are better."""
    security_groups: tuple[str, ...] = ()
    """Sorted: an interface is bound to a set, whatever the order (fenzo.md: two-level resource)."""
    runtime_ms: int | None = None
    """How long it will run, where that is known: hosts that expire earlier are worse."""
    is_opportunistic: bool = False
    """May use what is held back for others, and gives it back at once."""
    variant: tuple[int, int] = (0, 0)
    """Which tasks of the job ask for this, see `scheduler.versions`; all of them mostly do."""
    gang: str = ""
    """Tasks of one gang start together or not at all; empty: each for itself."""
