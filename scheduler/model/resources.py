"""Amounts of a host: whole numbers, so that sums are exact and equal everywhere.

The one thing to know: cpu is counted in thousandths (Mesos rounds scalars to three decimals),
memory and disk in MiB, ports as inclusive ranges. Nothing here is a float.
"""

from collections.abc import Iterable

import msgspec

Scalars = tuple[tuple[str, int], ...]
"""Named amounts in thousandths, sorted by name, each above 0."""


class PortRange(
    msgspec.Struct, frozen=True, order=True, array_like=True, gc=False, forbid_unknown_fields=True
):
    """Ports from ``begin`` to ``end``, both inside (as Mesos writes them)."""

    begin: int
    end: int

    @property
    def count(self) -> int:
        """How many ports the range holds."""
        return self.end - self.begin + 1


class Resources(msgspec.Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    """What a host offers: cpu in thousandths, memory and disk in MiB, and its free ports.

    ``network_mbps`` is Mesos' scalar ``network``, ``gpus`` its whole devices; every other scalar
    is in ``scalars``, in thousandths, sorted by name.
    """

    cpu_milli: int = 0
    memory_mib: int = 0
    disk_mib: int = 0
    ports: tuple[PortRange, ...] = ()
    network_mbps: int = 0
    gpus: int = 0
    scalars: Scalars = ()


class Need(msgspec.Struct, frozen=True, gc=False, cache_hash=True, forbid_unknown_fields=True):
    """What one task asks for; ``ports`` is how many, the fold's decision says which."""

    cpu_milli: int
    memory_mib: int
    disk_mib: int = 0
    ports: int = 0
    network_mbps: int = 0
    gpus: int = 0
    """Whole devices."""
    gpu_milli: int = 0
    """Thousandths of one device, 0 to 999; then ``gpus`` is 0."""
    gpu_models: tuple[str, ...] = ()
    """Models that will do, sorted; empty: any."""
    addresses: int = 0
    """IP addresses, 0 or 1; one takes a slot of a network interface of the host."""
    scalars: Scalars = ()
    """Any other named scalars, in thousandths, sorted by name."""


def port_count(ranges: Iterable[PortRange]) -> int:
    """How many ports stand in ``ranges``."""
    return sum(each.count for each in ranges)


def merged_ports(ranges: Iterable[PortRange]) -> tuple[PortRange, ...]:
    """The same ports in ascending ranges that neither touch nor overlap."""
    merged: list[PortRange] = []
    for each in sorted(ranges):
        if merged and each.begin <= merged[-1].end + 1:
            merged[-1] = PortRange(merged[-1].begin, max(merged[-1].end, each.end))
        else:
            merged.append(each)
    return tuple(merged)


def first_ports(ranges: Iterable[PortRange], count: int) -> tuple[int, ...]:
    """The ``count`` lowest ports of ``ranges``; fewer when there are not so many."""
    chosen: list[int] = []
    for each in merged_ports(ranges):
        take = min(each.count, count - len(chosen))
        chosen.extend(range(each.begin, each.begin + take))
        if len(chosen) == count:
            break
    return tuple(chosen)


def without_ports(ranges: Iterable[PortRange], taken: Iterable[int]) -> tuple[PortRange, ...]:
    """The ports of ``ranges`` less those ``taken``."""
    left: list[PortRange] = []
    gone = sorted(set(taken))
    for each in merged_ports(ranges):
        begin = each.begin
        for port in gone:
            if port < begin or port > each.end:
                continue
            if port > begin:
                left.append(PortRange(begin, port - 1))
            begin = port + 1
        if begin <= each.end:
            left.append(PortRange(begin, each.end))
    return tuple(left)


def holds_ports(ranges: Iterable[PortRange], wanted: Iterable[int]) -> bool:
    """Whether every wanted port stands in ``ranges``."""
    held = tuple(ranges)
    return all(any(each.begin <= port <= each.end for each in held) for port in wanted)


def added(left: Resources, right: Resources) -> Resources:
    """The sum of two offers of one host."""
    return Resources(
        left.cpu_milli + right.cpu_milli,
        left.memory_mib + right.memory_mib,
        left.disk_mib + right.disk_mib,
        merged_ports((*left.ports, *right.ports)) if left.ports or right.ports else (),
        left.network_mbps + right.network_mbps,
        left.gpus + right.gpus,
        summed_scalars(left.scalars, right.scalars),
    )


def summed_scalars(left: Scalars, right: Scalars, sign: int = 1) -> Scalars:
    """``left`` and ``sign`` times ``right``, name by name; what comes to 0 is left out."""
    if not right:
        return left
    totals = dict(left)
    for name, amount in right:
        totals[name] = totals.get(name, 0) + sign * amount
    return tuple(sorted((name, amount) for name, amount in totals.items() if amount))
