"""Offers with reserved resources: what is usable, and how a task must ask for it.

The one thing to know: Mesos takes a launch only if each resource is named as it was offered. Two
cpus reserved for our role and two unreserved ones are four to whoever plans, but a task of three
must ask for "two reserved and one unreserved", or ends as TASK_ERROR (observed on 1.11.0). So
the reserved parts of each offer are remembered until it is used, and used before unreserved ones.

Counted as usable: cpus, mem, disk, network, gpus, ports and any other named scalar, unreserved or
reserved (the master offers us only what is reserved for our role or for one above it). Left aside:
revocable resources (Mesos may take them back at any time), shared ones, everything of a resource
provider, and disk with a source or a persistent volume (which is somebody's data, or must be taken
whole).
"""

from collections.abc import Iterable, Iterator
from typing import Any, Final

import msgspec

from connectors.mesos.wire import Resource
from scheduler.model.resources import PortRange, Resources, merged_ports

PORT_MAX: Final = 65535
SCALARS_MAX: Final = 32
"""Other named scalars of one host; further ones, by name, are left aside."""
NAME_CHARACTERS_MAX: Final = 128

_WHOLE: Final = frozenset(("mem", "disk", "network", "gpus"))
"""What we count in whole units (MiB, Mbps, devices); all else is in thousandths."""

Json = dict[str, Any]
"""An object of an outgoing JSON body."""


_KNOWN: Final = ("cpus", "mem", "disk", "network", "gpus")
"""The scalars that have a field of their own, in the order of `Resources`."""


class Part(msgspec.Struct, frozen=True):
    """One reserved resource of an offer: how much, and the words to ask for it with."""

    name: str
    amount: int
    """In our units: MiB, Mbps, devices, else thousandths; 0 for ports."""
    ports: tuple[PortRange, ...]
    words: Json
    """The resource as it was offered, less its amount."""


def usable(resources: Iterable[Resource]) -> tuple[Resources, tuple[Part, ...]]:
    """What an offer holds for us in all, and its reserved parts."""
    sums: dict[str, int] = {}
    ports: list[PortRange] = []
    parts: list[Part] = []
    for each in resources:
        if not _is_usable(each):
            continue
        amount, ranges = _units(each), _ports(each)
        if each.name == "ports":
            ports.extend(ranges)
        else:
            sums[each.name] = sums.get(each.name, 0) + amount
        if each.role != "*" or each.reservations:
            parts.append(Part(each.name, amount, ranges, _words(each)))
    cpus, mem, disk, network, gpus = (sums.pop(name, 0) for name in _KNOWN)
    others = sorted((name, amount) for name, amount in sums.items() if amount)[:SCALARS_MAX]
    total = Resources(cpus, mem, disk, merged_ports(ports), network, gpus, tuple(others))
    return total, tuple(parts)


class Purse:
    """The reserved parts of the offers of one ACCEPT, spent task by task."""

    def __init__(self, parts: Iterable[Part]) -> None:
        self._parts = tuple(parts)
        self._left = [each.amount for each in self._parts]

    def asked(self, name: str, amount: int, role: str) -> Iterator[Json]:
        """The resources that together are ``amount`` of ``name``: reserved ones first.

        What the reserved parts do not cover is asked for as unreserved; whether there is so much
        is for the master to say. Nothing is asked for where the amount is 0.
        """
        for place, each in enumerate(self._parts):
            taken = min(self._left[place], amount) if each.name == name else 0
            if taken > 0:
                self._left[place] -= taken
                amount -= taken
                yield {**each.words, "scalar": {"value": _value(name, taken)}}
        if amount > 0:
            yield {
                "name": name,
                "type": "SCALAR",
                "scalar": {"value": _value(name, amount)},
                "allocation_info": {"role": role},
            }

    def asked_ports(self, ports: Iterable[int], role: str) -> Iterator[Json]:
        """The resources that together are these ports, each as it was offered."""
        unreserved = set(ports)
        for each in self._parts:
            taken = {
                port for port in unreserved if any(r.begin <= port <= r.end for r in each.ports)
            }
            if taken:
                unreserved -= taken
                yield {**each.words, "ranges": _ranges(taken)}
        if unreserved:
            yield {
                "name": "ports",
                "type": "RANGES",
                "ranges": _ranges(unreserved),
                "allocation_info": {"role": role},
            }


def _is_usable(resource: Resource) -> bool:
    """Whether the resource is of a kind that we plan with, and free of conditions."""
    conditions = (resource.disk, resource.revocable, resource.shared, resource.provider_id)
    if any(each is not None for each in conditions):
        return False
    if resource.name == "ports":
        return True
    return resource.scalar is not None and _is_name(resource.name)


def _is_name(name: str) -> bool:
    """Whether a resource's name is one that a job could ask for: short, printable, no spaces."""
    is_short = 0 < len(name) <= NAME_CHARACTERS_MAX
    return is_short and name.isascii() and name.isprintable() and " " not in name


def _units(resource: Resource) -> int:
    """The amount in our whole units, never more than is there."""
    if resource.scalar is None or resource.name == "ports":
        return 0
    # Mesos keeps scalars as fixed point with three decimals, so this is exact.
    thousandths = round(resource.scalar.value * 1000)
    return thousandths // 1000 if resource.name in _WHOLE else thousandths


def _value(name: str, amount: int) -> float:
    """``amount`` in Mesos' unit."""
    return float(amount) if name in _WHOLE else amount / 1000


def _ports(resource: Resource) -> tuple[PortRange, ...]:
    """The ranges of a ports resource, less what cannot be a port."""
    if resource.name != "ports" or resource.ranges is None:
        return ()
    return tuple(
        PortRange(each.begin, min(each.end, PORT_MAX))
        for each in resource.ranges.range
        if each.begin <= min(each.end, PORT_MAX)
    )


def _ranges(ports: Iterable[int]) -> Json:
    """Ports as Mesos writes them."""
    merged = merged_ports(PortRange(port, port) for port in ports)
    return {"range": [{"begin": each.begin, "end": each.end} for each in merged]}


def _words(resource: Resource) -> Json:
    """The words that name the resource: all but its amount."""
    words: Json = {"name": resource.name, "type": resource.type}
    if resource.reservations:
        words["reservations"] = resource.reservations
    else:
        # Without the capability RESERVATION_REFINEMENT the role stands here, observed on 1.11.0.
        words["role"] = resource.role
    if resource.reservation is not None:
        words["reservation"] = resource.reservation
    if resource.allocation_info is not None:
        words["allocation_info"] = resource.allocation_info
    return words
