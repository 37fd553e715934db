"""Amounts that a launch takes from what its host offers, in the fold's own arithmetic.

The one thing to know: bandwidth is counted only on hosts that ever offered some; everything else
only exists where it is offered.
"""

from scheduler.model.ids import HostId
from scheduler.model.proposals import Launch
from scheduler.model.resources import (
    Need,
    Resources,
    holds_ports,
    summed_scalars,
    without_ports,
)
from scheduler.state import State


def amounts_refusal(
    state: State, host_id: HostId, free: Resources, need: Need, launch: Launch
) -> str:
    """What the task misses in ``free``, ports included; empty where it fits."""
    is_counted = not need.network_mbps or host_id in state.network_hosts
    why = lacking(free, need, is_network_counted=is_counted)
    if not why and (need.ports or launch.ports):
        why = port_refusal(free, need, launch.ports)
    return f"task {launch.task_id} does not fit: {why}" if why else ""


def lacking(free: Resources, need: Need, *, is_network_counted: bool = True) -> str:
    """What ``need`` misses in ``free``, in words with units; empty where it fits."""
    if need.cpu_milli > free.cpu_milli:
        return f"{need.cpu_milli - free.cpu_milli} thousandths of a cpu missing"
    if need.memory_mib > free.memory_mib:
        return f"{need.memory_mib - free.memory_mib} MiB of memory missing"
    if need.disk_mib > free.disk_mib:
        return f"{need.disk_mib - free.disk_mib} MiB of disk missing"
    if need.network_mbps > free.network_mbps and is_network_counted:
        return f"{need.network_mbps - free.network_mbps} Mbps of network missing"
    if need.gpus > free.gpus:
        return f"{need.gpus - free.gpus} gpus missing"
    if need.scalars:
        there = dict(free.scalars)
        for name, amount in need.scalars:
            if amount > there.get(name, 0):
                return f"{amount - there.get(name, 0)} thousandths of {name} missing"
    return ""


def less(free: Resources, need: Need, ports: tuple[int, ...]) -> Resources:
    """What is left of ``free`` after a task with ``need`` and these ports.

    Bandwidth that the host does not count is not taken from it.
    """
    return Resources(
        free.cpu_milli - need.cpu_milli,
        free.memory_mib - need.memory_mib,
        free.disk_mib - need.disk_mib,
        without_ports(free.ports, ports) if ports else free.ports,
        max(0, free.network_mbps - need.network_mbps),
        free.gpus - need.gpus,
        summed_scalars(free.scalars, need.scalars, sign=-1),
    )


def port_refusal(free: Resources, need: Need, ports: tuple[int, ...]) -> str:
    """Why a task may not have these ports, in words; empty where it may."""
    if len(ports) != need.ports:
        return f"{need.ports} ports wanted, {len(ports)} given"
    if len(set(ports)) != len(ports):
        return "a port is named twice"
    return "" if holds_ports(free.ports, ports) else "a port is not in the offers"
