"""The parts by the names that profiles use.

The one thing to know: a part that never falls while tasks of the request arrive on the host is
`GROWING`; where all parts of a profile are, the best host stays the best until it is full, and is
filled in one step.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from scheduler.placement.fitness import host, neighbours, packing
from scheduler.placement.fitness.hosts import Part

PARTS: Final[Mapping[str, Part]] = MappingProxyType(
    {
        "age": host.age,
        "agent": host.agent,
        "cpu": packing.cpu,
        "disk": packing.disk,
        "expiry": host.expiry,
        "gpu": packing.gpu,
        "groupSpread": neighbours.group_spread,
        "image": neighbours.image,
        "imageSpread": neighbours.image_spread,
        "interface": neighbours.interface,
        "jobSpread": neighbours.job_spread,
        "jobType": neighbours.job_type,
        "memory": packing.memory,
        "network": packing.network,
        "noise": neighbours.noise,
        "packing": packing.packing,
        "securityGroup": neighbours.security_group,
        "spread": packing.spread,
        "weighted": packing.weighted,
    }
)
"""All parts that need no more than hosts; those of `gpu` need a mix, those of plug-ins others."""

GROWING: Final = frozenset(
    {
        "age",
        "agent",
        "cpu",
        "disk",
        "expiry",
        "gpu",
        "image",
        "jobType",
        "memory",
        "network",
        "noise",
        "packing",
        "securityGroup",
        "weighted",
    }
)
OF_TIME: Final = frozenset({"age", "expiry", "interface"})
"""Their answers change with the clock alone."""
OF_JOB: Final = frozenset({"jobSpread"})
"""Their answers differ between jobs that ask for the same."""
OF_AMOUNTS: Final = frozenset(
    {"cpu", "disk", "gpu", "memory", "network", "packing", "spread", "weighted"}
)
"""Their answers follow from what is free on a host and nothing else that tasks change."""
OF_NEIGHBOURS: Final = frozenset({"jobSpread", "jobType"})
"""Their answers change with every task on the host, whatever it takes."""
EVEN: Final = frozenset({"agent", "packing", "spread"})
"""These ask no more of hosts than `scheduler.placement.columns.Even` has."""
SAME: Final = frozenset({"agent", "groupSpread", "image", "imageSpread", "securityGroup"})
"""Where hosts are all alike, these say the same of each for a request without image and groups:
its quality, and of the others 1,000."""
