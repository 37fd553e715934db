"""What a registry of services says of the health of tasks: the record of it, and what a cell keeps.

The one thing to know: it is somebody else's word, with a time. A registry that has said nothing of
a task for `registry_health_ms` knows nothing of it, and what is not known is not healthy.
"""

from typing import Final

import msgspec

from scheduler.model.base import Ours
from scheduler.model.ids import TaskId
from scheduler.model.reading.checks import task_id_check
from scheduler.model.reading.fields import Fields
from scheduler.model.reading.requests import read_said

REGISTRIES: Final = ("eureka",)
"""Registries whose word a budget may name."""
TASKS_MAX: Final = 1_000
"""Of one record."""
_BYTES_MAX: Final = 128 * 1_024


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


def read_registry_health(fields: Fields) -> RegistryHealthNoted:
    """The record ``NoteRegistryHealth`` of topic ``commands``."""
    registry = fields.raw("registry")
    if registry not in REGISTRIES:
        fields.fault("registry", "is no registry known here", f"one of {', '.join(REGISTRIES)}")
        registry = REGISTRIES[0]
    healthy, unhealthy = (
        tuple(TaskId(each) for each in fields.texts(name, task_id_check, TASKS_MAX, _BYTES_MAX))
        for name in ("healthy", "unhealthy")
    )
    for each in sorted({*healthy} & {*unhealthy}):
        fields.fault("healthy", f"and unhealthy both name {each}", "decide for one")
    assert isinstance(registry, str)
    return RegistryHealthNoted(registry, healthy, unhealthy, *read_said(fields))


def encode_note_registry_health(
    registry: str, healthy: list[str], unhealthy: list[str], actor: str
) -> bytes:
    """The value by which a registry's word becomes known to the cell."""
    record = {"type": "NoteRegistryHealth", "registry": registry, "healthy": healthy}
    return msgspec.json.encode({**record, "unhealthy": unhealthy, "actor": actor, "why": ""})
