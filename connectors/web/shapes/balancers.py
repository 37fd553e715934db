"""Shapes of load balancers of jobs, and of the endpoints that are registered with them.

The one thing to know: the first two are Titus', the last is ours.
"""

from typing import Annotated, Literal

import msgspec

from connectors.web.shapes.base import Shape

Port = Annotated[int, msgspec.Meta(ge=1, le=65_535)]


class LoadBalancerId(Shape, frozen=True):
    """As its provider names it: with ELB the ARN of a target group."""

    id: str


class JobLoadBalancers(Shape, frozen=True, omit_defaults=False):
    """The load balancers of one job."""

    job_id: str
    load_balancers: tuple[LoadBalancerId, ...]


class AllLoadBalancers(Shape, frozen=True, omit_defaults=False):
    """The load balancers of every job that has any, by job."""

    job_load_balancers: tuple[JobLoadBalancers, ...]


class Endpoint(Shape, frozen=True, omit_defaults=False):
    """A started task, and where it can be reached."""

    task_id: str
    job_id: str
    service: str
    address: str
    ports: tuple[Port, ...]
    version: str
    """The image's tag, or its digest."""
    spec_version: int
    is_healthy: bool
    load_balancers: tuple[str, ...]
    health_providers: tuple[str, ...]
    """Who is asked about its health by its job's disruption budget."""


class Endpoints(Shape, frozen=True, omit_defaults=False):
    """Endpoints, and how well this process knows them."""

    cell: str
    cell_uuid: str
    generation: str
    offset: int
    is_current: bool
    """False where the fold is behind the log or halted: nothing may be concluded from it."""
    items: tuple[Endpoint, ...]


class RegistryHealthBody(Shape, frozen=True):
    """What a registry says of the health of some tasks."""

    registry: Literal["eureka"]
    why: str
    healthy: Annotated[tuple[str, ...], msgspec.Meta(max_length=500)] = ()
    unhealthy: Annotated[tuple[str, ...], msgspec.Meta(max_length=500)] = ()
