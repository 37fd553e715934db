"""The record of topic ``commands`` by which a registry's word of tasks' health becomes known.

The one thing to know: `scheduler.model.foreign` hooks the reader in; the encoder stands beside it.
"""

from typing import Final

import msgspec

from scheduler.model.ids import TaskId
from scheduler.model.reading.checks import task_id_check
from scheduler.model.reading.fields import Fields
from scheduler.model.reading.requests import read_said
from scheduler.model.registry_health import REGISTRIES, TASKS_MAX, RegistryHealthNoted

_BYTES_MAX: Final = 128 * 1_024


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
