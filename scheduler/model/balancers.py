"""Which load balancers send to the tasks of a service: the requests that say so.

The one thing to know: the log holds only which job belongs to which load balancer. What is
registered there is the registrar's doing (`streams.registrar`), and follows from the tasks.
"""

from typing import Final

from scheduler.model.base import Ours
from scheduler.model.ids import JobId

LOAD_BALANCER_ID_CHARACTERS_MAX: Final = 256
"""An ARN of a target group has some 110."""


class LoadBalancerAdded(Ours, frozen=True):
    """A user has a load balancer send to a service's tasks."""

    job_id: JobId
    load_balancer_id: str
    """As its provider names it: with ELB the ARN of a target group."""
    actor: str = ""
    why: str = ""
    if_version: int | None = None
    """Of the job."""


class LoadBalancerRemoved(Ours, frozen=True):
    """A user has a load balancer send to a service's tasks no more."""

    job_id: JobId
    load_balancer_id: str
    actor: str = ""
    why: str = ""
    if_version: int | None = None


BalancerRequest = LoadBalancerAdded | LoadBalancerRemoved
"""Both of them."""
