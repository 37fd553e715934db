"""Who else is on the host: the job's own tasks, its kind, its image, its security groups, noise.

The one thing to know: a request is not compared with itself. Titus' S19 job spread counted the task
that it placed, so that any occupied host looked crowded (titus.md, 4.3); here only tasks that are
there already count.
"""

from typing import Final

from scheduler.model.rules import FITNESS_MAX
from scheduler.placement.fitness.hosts import Hosts, Numbers
from scheduler.placement.interfaces import group_set
from scheduler.placement.request import Request

CROWDED: Final = 500
"""What a host with one task of the job is worth; with n, an n-th of it (Titus S19: .5 / n)."""
EMPTY_HOST: Final = 700
"""Titus S19: .7, so that a kind of work begins on hosts of its own kind."""
NOT_THERE: Final = 10
"""Titus S19: .01 for an image or a set of security groups that the host does not have."""


def job_spread(request: Request, hosts: Hosts, now_ms: int) -> Numbers:  # noqa: ARG001
    """1,000 on a host without a task of the job, else 500 by their number."""
    there = hosts.tasks_of(request.job_id)
    is_there = there > 0
    return FITNESS_MAX - is_there * FITNESS_MAX + is_there * (CROWDED // (there + (there == 0)))


def job_type(request: Request, hosts: Hosts, now_ms: int) -> Numbers:  # noqa: ARG001
    """The share of the host's tasks that are of the same kind, batch or service; empty: 700."""
    tasks = hosts.tasks
    alike = hosts.services if request.is_service else tasks - hosts.services
    is_empty = tasks == 0
    return is_empty * EMPTY_HOST + FITNESS_MAX * alike // (tasks + is_empty)


def image(request: Request, hosts: Hosts, now_ms: int) -> Numbers:  # noqa: ARG001
    """1,000 where the image is on the host, else 10; without an image every host is as good."""
    if not request.image:
        return FITNESS_MAX
    return NOT_THERE + (FITNESS_MAX - NOT_THERE) * hosts.has_image(request.image)


def image_spread(request: Request, hosts: Hosts, now_ms: int) -> Numbers:
    """The opposite of `image`: hosts that do not run it yet are better (Titus, Critical tier)."""
    if not request.image:
        return FITNESS_MAX
    return FITNESS_MAX + NOT_THERE - image(request, hosts, now_ms)


def security_group(request: Request, hosts: Hosts, now_ms: int) -> Numbers:  # noqa: ARG001
    """1,000 where a task has the same set of security groups, else 10; without groups 1,000."""
    if not request.security_groups:
        return FITNESS_MAX
    return NOT_THERE + (FITNESS_MAX - NOT_THERE) * hosts.has_groups(
        group_set(request.security_groups)
    )


def group_spread(request: Request, hosts: Hosts, now_ms: int) -> Numbers:
    """The opposite of `securityGroup` (Titus, Critical tier)."""
    if not request.security_groups:
        return FITNESS_MAX
    return FITNESS_MAX + NOT_THERE - security_group(request, hosts, now_ms)


def interface(request: Request, hosts: Hosts, now_ms: int) -> Numbers:
    """How good the best address is: Fenzo's fitness of two-level resources; 1,000 without one."""
    if not request.need.addresses:
        return FITNESS_MAX
    return hosts.address_fitness(group_set(request.security_groups), now_ms)


def noise(request: Request, hosts: Hosts, now_ms: int) -> Numbers:  # noqa: ARG001
    """1,000 less how much the host's tasks disturb each other, as measured."""
    return FITNESS_MAX - hosts.noise
