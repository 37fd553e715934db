"""What of a job cannot be had on this computer alone: each field, and why.

The one thing to know: only what can be told before anything runs is told here. What placement
refuses (a constraint on an attribute that this host does not have) is known when it has refused.
"""

from collections.abc import Iterator
from typing import Final

import msgspec

from connectors.devcluster.resources import parse_resources
from scheduler.model.inbound import Fault
from scheduler.model.job import Batch, Container, Cron, JobSpec, Service, Stream
from scheduler.model.sealed import is_sealed

_ON_A_CELL: Final = "submit it to a cell with `flumina submit`"


class Room(msgspec.Struct, frozen=True):
    """What the host has, in the units of `scheduler.model.resources.Need`."""

    cpu_milli: int
    memory_mib: int
    disk_mib: int
    ports: int
    gpus: int = 0
    scalars: tuple[tuple[str, int], ...] = ()
    """Any other named scalars, in thousandths."""


def room_of(resources: str) -> Room:
    """What a host of these resources has, as `flumina dev-cluster` takes them.

    Raises `ResourceError` where they cannot be read.
    """
    found = parse_resources(resources)
    milli = dict(found.quantities)
    ports = sum(end - begin + 1 for begin, end in found.ranges.get("ports", ()))
    return Room(
        cpu_milli=milli.pop("cpus", 0),
        memory_mib=milli.pop("mem", 0) // 1000,
        disk_mib=milli.pop("disk", 0) // 1000,
        ports=ports,
        gpus=milli.pop("gpus", 0) // 1000,
        scalars=tuple(sorted(milli.items())),
    )


def faults_here(spec: JobSpec, room: Room) -> tuple[Fault, ...]:
    """Everything for which the job cannot run here; none where it can be tried."""
    return (*_kind_faults(spec), *_need_faults(spec.container, room), *_outside_faults(spec))


def notes_here(spec: JobSpec) -> tuple[str, ...]:
    """What the job asks for and runs without here, a sentence each."""
    container = spec.container
    notes = []
    if container.image:
        notes.append("container.image is not used: the command runs on this computer as it is.")
    if container.iam_role:
        notes.append("container.securityProfile.iamRole is not assumed: nobody here may give it.")
    if container.security_groups:
        notes.append("container.securityProfile.securityGroups protect nothing here.")
    return tuple(notes)


def _kind_faults(spec: JobSpec) -> Iterator[Fault]:
    match spec.kind:
        case Cron():
            text = "is a schedule, which a cell keeps"
            yield Fault("cron", text, f"run its batch as a job of its own, or {_ON_A_CELL}")
        case Stream():
            text = "runs until it is ended, with workers that find each other through a cell"
            yield Fault("stream", text, _ON_A_CELL)
        case Batch() | Service():
            return


def _need_faults(container: Container, room: Room) -> Iterator[Fault]:
    need = container.need
    rows = (
        ("cpu", need.cpu_milli / 1000, room.cpu_milli / 1000, "cpus"),
        ("memoryMB", need.memory_mib, room.memory_mib, "MiB"),
        ("diskMB", need.disk_mib, room.disk_mib, "MiB"),
        ("ports", need.ports, room.ports, "ports"),
        ("gpu", need.gpus + need.gpu_milli / 1000, room.gpus, "gpus"),
    )
    for name, wanted, there, unit in rows:
        if wanted > there:
            text = f"asks for {wanted:g} {unit}, and this computer has {there:g}"
            hint = "ask for less, or say with --resources what it shall count as"
            yield Fault(f"container.resources.{name}", text, hint)
    there_milli = dict(room.scalars)
    for name, milli in need.scalars:
        if milli > there_milli.get(name, 0):
            text = f"asks for {milli / 1000:g}, and this computer has none or less"
            hint = f"say with --resources how much it shall count as: {name}:{milli / 1000:g}"
            yield Fault(f"container.resources.scalars.{name}", text, hint)


def _outside_faults(spec: JobSpec) -> Iterator[Fault]:
    for name, value in spec.container.environment:
        if is_sealed(value):
            text = "is sealed, and only a cell has the key"
            yield Fault(f"container.env.{name}", text, "give a value for trying it here")
    if spec.volumes:
        yield Fault("container.volumes", "are kept by a cell and its hosts", _ON_A_CELL)
    if spec.mounts:
        text = "are file systems that this computer does not mount"
        yield Fault("container.resources.efsMounts", text, _ON_A_CELL)
    if spec.addresses:
        text = "are addresses that this computer cannot take"
        yield Fault("container.resources.signedAddressAllocations", text, _ON_A_CELL)
