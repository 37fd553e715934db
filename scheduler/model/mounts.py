"""What a task is told of its volumes, shared file systems and static address: pure.

The one thing to know: a connector that runs plain commands cannot mount anything, so a task finds
each volume by a variable of its environment, ``FLUMINA_VOLUME_NAME``; hosts that can mount read the
label, or the volumes of the container.
"""

from typing import Final

import msgspec

from scheduler.model.job import JobSpec
from scheduler.model.volumes import AddressAllocation

VOLUMES_LABEL: Final = "flumina.volumes"
MOUNTS_LABEL: Final = "flumina.efsMounts"
ADDRESS_LABEL: Final = "flumina.address"
SIGNATURE_LABEL: Final = "flumina.addressSignature"


class Mounted(msgspec.Struct, frozen=True):
    """A volume as one task has it."""

    name: str
    volume_id: str
    path: str
    """On the host."""
    mount_point: str
    is_read_only: bool = False
    reference: str = ""
    provider: str = ""
    file_system: str = ""


Pairs = tuple[tuple[str, str], ...]


def variables(mounted: tuple[Mounted, ...], address: AddressAllocation | None) -> Pairs:
    """Variables by which a task finds what stays with its index."""
    found = [(f"FLUMINA_VOLUME_{_variable(each.name)}", each.path) for each in mounted]
    if address is not None:
        found += [("FLUMINA_ADDRESS", address.address)]
        found += [("FLUMINA_ADDRESS_ID", address.allocation_id)]
    return tuple(found)


def labels(spec: JobSpec, mounted: tuple[Mounted, ...], address: AddressAllocation | None) -> Pairs:
    """The same for hosts that mount, and give addresses; JSON where there is more than a word."""
    found: list[tuple[str, str]] = []
    if mounted:
        found.append((VOLUMES_LABEL, msgspec.json.encode(mounted).decode()))
    if spec.mounts:
        found.append((MOUNTS_LABEL, msgspec.json.encode(spec.mounts).decode()))
    if address is not None:
        found.append((ADDRESS_LABEL, address.address))
        given = {
            "uuid": address.allocation_id,
            "zone": address.zone,
            "subnet": address.subnet,
            **dict(address.signature),
        }
        found.append((SIGNATURE_LABEL, msgspec.json.encode(given).decode()))
    return tuple(found)


def read_mounted(text: str) -> tuple[Mounted, ...]:
    """The volumes that the label names; raises `msgspec.DecodeError` for what is none."""
    return msgspec.json.decode(text, type=tuple[Mounted, ...])


def _variable(name: str) -> str:
    return name.upper().replace("-", "_")
