"""What a registry of services says of the health of tasks: the record of it, and what a cell keeps.

The one thing to know: it is somebody else's word, with a time. A registry that has said nothing of
a task for `registry_health_ms` knows nothing of it, and what is not known is not healthy.
"""

from typing import Final

from scheduler.model.base import Ours
from scheduler.model.ids import TaskId

REGISTRIES: Final = ("eureka",)
"""Registries whose word a budget may name."""
TASKS_MAX: Final = 500
"""Of one record: so many of the longest names fit into a small body of the REST API."""


class RegistryHealthNoted(Ours, frozen=True):
    """What one registry says of some tasks."""

    registry: str
    healthy: tuple[TaskId, ...] = ()
    unhealthy: tuple[TaskId, ...] = ()
    actor: str = ""
    why: str = ""


class RegistryHealth(Ours, frozen=True):
    """What was said last of one task."""

    is_healthy: bool
    at_ms: int
    """When the cell heard it."""
