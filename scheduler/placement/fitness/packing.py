"""How full a host would be with the task on it; and the opposite, how empty.

The one thing to know: shares are sums of whole units (`scheduler.placement.slot.unit_of`), rounded
down once at the end. A host that is exactly full has 1,000, and what it lacks to that is never
more than one point.
"""

from scheduler.model.rules import FITNESS_MAX
from scheduler.placement.devices import asked_milli
from scheduler.placement.fitness.hosts import Hosts, Numbers
from scheduler.placement.request import Request
from scheduler.placement.slot import UNIT_BITS


def packing(request: Request, hosts: Hosts, now_ms: int) -> Numbers:  # noqa: ARG001
    """The mean of the shares of cpu and memory in use, as Fenzo's cpuMem."""
    need = request.need
    asked = hosts.cpu_unit * need.cpu_milli + hosts.memory_unit * need.memory_mib
    return (asked + hosts.packed) >> (UNIT_BITS + 1)


def spread(request: Request, hosts: Hosts, now_ms: int) -> Numbers:
    """1,000 less the packing; a task that fills its host has 0 and may still go there."""
    return FITNESS_MAX - packing(request, hosts, now_ms)


def cpu(request: Request, hosts: Hosts, now_ms: int) -> Numbers:  # noqa: ARG001
    """The share of cpu in use."""
    used = hosts.cpu_total - hosts.cpu_free + request.need.cpu_milli
    return (used * hosts.cpu_unit) >> UNIT_BITS


def memory(request: Request, hosts: Hosts, now_ms: int) -> Numbers:  # noqa: ARG001
    """The share of memory in use."""
    used = hosts.memory_total - hosts.memory_free + request.need.memory_mib
    return (used * hosts.memory_unit) >> UNIT_BITS


def disk(request: Request, hosts: Hosts, now_ms: int) -> Numbers:  # noqa: ARG001
    """The share of disk in use."""
    used = hosts.disk_total - hosts.disk_free + request.need.disk_mib
    return (used * hosts.disk_unit) >> UNIT_BITS


def network(request: Request, hosts: Hosts, now_ms: int) -> Numbers:  # noqa: ARG001
    """The share of bandwidth in use; 0 on a host that does not account for it."""
    used = hosts.network_total - hosts.network_free + request.need.network_mbps
    return (used * hosts.network_unit) >> UNIT_BITS


def gpu(request: Request, hosts: Hosts, now_ms: int) -> Numbers:  # noqa: ARG001
    """The share of the host's devices in use, in thousandths; 0 on a host without any."""
    asked = asked_milli(request.need)
    has_any = hosts.gpu_milli > 0
    used = hosts.gpu_milli - hosts.gpu_idle + asked
    return has_any * (FITNESS_MAX * used // (hosts.gpu_milli + (1 - has_any)))


def weighted(request: Request, hosts: Hosts, now_ms: int) -> Numbers:
    """The mean of the shares in use of all that the request asks for.

    A profile that lists `cpu`, `memory` and so on gives each a weight of its own.
    """
    need = request.need
    asked = [
        part(request, hosts, now_ms)
        for part, amount in (
            (cpu, need.cpu_milli),
            (memory, need.memory_mib),
            (disk, need.disk_mib),
            (network, need.network_mbps),
            (gpu, asked_milli(need)),
        )
        if amount
    ]
    return sum(asked) // len(asked) if asked else packing(request, hosts, now_ms)
