"""Every number that the drill models the world by, each with where it comes from.

The one thing to know: the cell in the drill is real (machine, fold, placement, codec); hosts,
registry and cloud are these numbers and nothing else. What nobody has measured says so.
"""

from typing import Final

import msgspec

REGISTRY_SOURCE: Final = (
    "drorspei.com, 'My Fargate Startup is Slow' (2026): an image of 2,700 MB ran 55 s after it was "
    "asked for, so 50 MB/s for download and unpacking together"
)
THROTTLE_SOURCE: Final = (
    "AWS, 'Request throttling for the Amazon EC2 API': token buckets for each account and region; "
    "its example is a bucket of 100 that gains 20 a second, which is assumed here for the calls "
    "that change an interface"
)
HOST_SOURCE: Final = (
    "r4.8xlarge (AWS): 32 vCPU, 244 GiB, 8 interfaces of 30 addresses, of which one interface and "
    "the first address of each are the host's own; one of the two usual container hosts of Netflix "
    "('Containers at Netflix', slides of October 2017)"
)


class Numbers(msgspec.Struct, frozen=True):
    """The model of one drill."""

    tasks: int = 7_500
    """Netflix reports 7,500 containers in 5 minutes for a failover of a region."""
    applications: int = 150
    """Assumption: the drill's services, large and small as 1/(rank + 3)."""
    new_applications_percent: int = 15
    """Assumption: of them so many do not run in the receiving region before."""
    batch_percent: int = 20
    """Assumption: this part of the tasks is of batch jobs."""
    security_group_sets: int = 24
    """Assumption: so many sets of security groups are in use, large and small as applications."""
    residents_percent: int = 67
    """Assumption: so many tasks run in the receiver before, in percent of those that come: of
    three regions that share all work each has half as much again to take over."""
    full_percent: int = 80
    """Assumption: how much of the receiver's processors is in use afterwards."""
    image_mb_least: int = 200
    image_mb_most: int = 2_000
    """Assumption: compressed; most are small (the square of an even draw between the two)."""
    pull_mb_per_second: int = 50
    """See `REGISTRY_SOURCE`; pulls of one host share it, one after the other."""
    host_cpu_milli: int = 32_000
    host_memory_mib: int = 244 * 1_024
    host_interfaces: int = 7
    addresses_per_interface: int = 29
    """See `HOST_SOURCE`."""
    calls_bucket: int = 100
    calls_per_second: int = 20
    """See `THROTTLE_SOURCE`; one call binds an interface to a set of security groups."""
    bind_ms: int = 2_000
    """Assumption: how long such a call takes until the interface works."""
    accept_ms: int = 50
    """Assumption: from the leader through the master to the agent."""
    executor_ms: int = 500
    """Assumption: until the executor says that it prepares the container."""
    start_ms: int = 2_000
    """Assumption: from a prepared container until it says that it runs."""
    allocation_ms: int = 1_000
    """Mesos' default interval of allocations (`--allocation_interval`)."""
    step_ms: int = 100
    """The leader's work is looked at so often; in production it is woken by each record."""
    submitted_per_second: int = 100
    """Assumption: the evacuation hands over so many tasks a second (`flumina failover`, its
    rate)."""
    limit_ms: int = 30 * 60_000
    """The drill gives up after so long."""
