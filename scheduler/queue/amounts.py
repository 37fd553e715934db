"""Amounts that groups are counted in: five whole numbers, always in the same order.

The one thing to know: devices are counted in thousandths here, so that a share of one and a whole
one add up; every other number has the unit of its name in `scheduler.model.resources`.
"""

from collections.abc import Iterable
from typing import Final

from scheduler.model.resources import Need
from scheduler.model.rules import Amount

Vector = tuple[int, int, int, int, int]
"""cpu_milli, memory_mib, disk_mib, network_mbps, gpu_milli."""
Counted = tuple[int | None, int | None, int | None, int | None, int | None]
"""The same, as a guarantee or a limit; None: not counted."""

NAMES: Final = ("cpu_milli", "memory_mib", "disk_mib", "network_mbps", "gpu_milli")
NOTHING: Final[Vector] = (0, 0, 0, 0, 0)
RESOURCES: Final = range(5)
_MILLI: Final = 1_000
_DEVICE_MILLI: Final = _MILLI
_UNITS: Final = ("cpus", "MiB of memory", "MiB of disk", "Mbps", "gpus")


def of_need(need: Need) -> Vector:
    """What one task of this need counts as."""
    return (
        need.cpu_milli,
        need.memory_mib,
        need.disk_mib,
        need.network_mbps,
        need.gpus * _DEVICE_MILLI + need.gpu_milli,
    )


def of_amount(amount: Amount) -> Counted:
    """A guarantee or limit of the rules in these units."""
    gpus = amount.gpus
    return (
        amount.cpu_milli,
        amount.memory_mib,
        amount.disk_mib,
        amount.network_mbps,
        None if gpus is None else gpus * _DEVICE_MILLI,
    )


def plus(left: Vector, right: Vector, times: int = 1) -> Vector:
    """``left`` and ``times`` times ``right``."""
    return (
        left[0] + right[0] * times,
        left[1] + right[1] * times,
        left[2] + right[2] * times,
        left[3] + right[3] * times,
        left[4] + right[4] * times,
    )


def sum_of(each: Iterable[tuple[Vector, int]]) -> Vector:
    """All of these together, each so many times."""
    cpu = memory = disk = network = gpu = 0
    for need, count in each:
        cpu += need[0] * count
        memory += need[1] * count
        if need[2] or need[3] or need[4]:
            disk += need[2] * count
            network += need[3] * count
            gpu += need[4] * count
    return (cpu, memory, disk, network, gpu)


def over(left: Vector, right: Vector) -> Vector:
    """What ``left`` has more than ``right``, resource by resource; never below 0."""
    return (
        max(0, left[0] - right[0]),
        max(0, left[1] - right[1]),
        max(0, left[2] - right[2]),
        max(0, left[3] - right[3]),
        max(0, left[4] - right[4]),
    )


def most(left: Vector, right: Vector) -> Vector:
    """The larger of both, resource by resource."""
    return (
        max(left[0], right[0]),
        max(left[1], right[1]),
        max(left[2], right[2]),
        max(left[3], right[3]),
        max(left[4], right[4]),
    )


def size(need: Vector, total: Vector) -> int:
    """The sum of a need's shares of the whole, in millionths: how large a task is beside others."""
    cpu, memory, *others = need
    found = 1_000_000 * cpu // total[0] if total[0] else 0
    if total[1]:
        found += 1_000_000 * memory // total[1]
    if any(others):
        for amount, whole in zip(others, total[2:], strict=True):
            if amount and whole:
                found += 1_000_000 * amount // whole
    return found


def in_words(number: int, amount: int) -> str:
    """An amount of the resource with this number, with its unit as people say it."""
    return f"{plain(number, amount)} {_UNITS[number]}"


def plain(number: int, amount: int) -> str:
    """The same without the unit: cpus and devices whole, with decimals where they have parts."""
    return f"{amount / _MILLI:g}" if NAMES[number].endswith("_milli") else str(amount)
