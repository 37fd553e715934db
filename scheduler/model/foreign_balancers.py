"""Records of topic ``jobs`` about load balancers, read and written.

The one thing to know: `scheduler.model.foreign` hooks the readers in; each encoder stands beside
the reader of what it writes.
"""

from collections.abc import Callable, Mapping
from typing import Final

import msgspec

from scheduler.model.balancers import (
    LOAD_BALANCER_ID_CHARACTERS_MAX,
    BalancerRequest,
    LoadBalancerAdded,
    LoadBalancerRemoved,
)
from scheduler.model.ids import JobId
from scheduler.model.reading.checks import pattern_check
from scheduler.model.reading.fields import Fields
from scheduler.model.reading.requests import read_if_version, read_job_id, read_said

LOAD_BALANCER_ID_CHECK: Final = pattern_check(
    "[A-Za-z0-9][A-Za-z0-9._:/-]*",
    LOAD_BALANCER_ID_CHARACTERS_MAX,
    "arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/web/73e2d6bc24d8a067",
)


def _add(fields: Fields) -> LoadBalancerAdded:
    job_id, name = read_job_id(fields), fields.text("loadBalancerId", LOAD_BALANCER_ID_CHECK)
    return LoadBalancerAdded(job_id, name, *read_said(fields), read_if_version(fields))


def _remove(fields: Fields) -> LoadBalancerRemoved:
    job_id, name = read_job_id(fields), fields.text("loadBalancerId", LOAD_BALANCER_ID_CHECK)
    return LoadBalancerRemoved(job_id, name, *read_said(fields), read_if_version(fields))


BALANCER_REQUESTS: Final[Mapping[str, Callable[[Fields], BalancerRequest]]] = {
    "AddLoadBalancer": _add,
    "RemoveLoadBalancer": _remove,
}


def encode_add_load_balancer(
    job_id: JobId,
    load_balancer_id: str,
    *,
    actor: str = "",
    why: str = "",
    if_version: int | None = None,
) -> bytes:
    """The value that has a load balancer send to a service's tasks."""
    return _encoded("AddLoadBalancer", job_id, load_balancer_id, actor, why, if_version)


def encode_remove_load_balancer(
    job_id: JobId,
    load_balancer_id: str,
    *,
    actor: str = "",
    why: str = "",
    if_version: int | None = None,
) -> bytes:
    """The value that has a load balancer send to them no more."""
    return _encoded("RemoveLoadBalancer", job_id, load_balancer_id, actor, why, if_version)


def _encoded(  # noqa: PLR0917 - the fields of a record, in their order
    kind: str, job_id: JobId, load_balancer_id: str, actor: str, why: str, if_version: int | None
) -> bytes:
    version = {} if if_version is None else {"ifVersion": if_version}
    record = {"type": kind, "jobId": job_id, "loadBalancerId": load_balancer_id}
    return msgspec.json.encode({**record, **version, "actor": actor, "why": why})
