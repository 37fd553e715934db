"""Load balancers of services in the log: added, removed, and gone with their job.

The one thing to know: nothing is asked of a load balancer here. The fold keeps who belongs to
whom; `finish_if_done` of `scheduler.fold.jobs` forgets it where a job ends.
"""

from scheduler.fold.context import Fold
from scheduler.fold.jobs import changeable, no_service, refuse
from scheduler.model.address import Source
from scheduler.model.balancers import LoadBalancerAdded, LoadBalancerRemoved
from scheduler.model.changes import LoadBalancersChanged, RequestAccepted
from scheduler.model.ids import JobId
from scheduler.model.inbound import Fault
from scheduler.model.job import Service
from scheduler.state import State


def load_balancer_added(fold: Fold, source: Source, body: LoadBalancerAdded) -> None:
    """Have a load balancer send to a service's tasks; asking twice is asking once."""
    known = fold.state.load_balancers.get(body.job_id, ())
    fault = _added_fault(fold.state, body, known)
    if fault is not None:
        refuse(fold, source, body.job_id, fault)
        return
    fold.report(RequestAccepted(source=source, what="load balancer", job_id=body.job_id))
    if body.load_balancer_id not in known:
        _keep(fold, body.job_id, tuple(sorted((*known, body.load_balancer_id))))


def _added_fault(state: State, body: LoadBalancerAdded, known: tuple[str, ...]) -> Fault | None:
    job = changeable(state, body.job_id, body.if_version)
    if isinstance(job, Fault):
        return job
    if not isinstance(job.spec.kind, Service):
        return no_service(job, "has no load balancers")
    most = state.policy.load_balancers_of_job_max
    if body.load_balancer_id in known or len(known) < most:
        return None
    text = f"job {body.job_id} has {len(known)} load balancers, which is the most"
    hint = "remove one, or raise load_balancers_of_job_max"
    return Fault("loadBalancerId", text, hint, code="limit")


def load_balancer_removed(fold: Fold, source: Source, body: LoadBalancerRemoved) -> None:
    """Have a load balancer send to a service's tasks no more."""
    job = changeable(fold.state, body.job_id, body.if_version)
    if isinstance(job, Fault):
        refuse(fold, source, body.job_id, job)
        return
    known = fold.state.load_balancers.get(body.job_id, ())
    if body.load_balancer_id not in known:
        text = f"job {body.job_id} has no load balancer {body.load_balancer_id}"
        fault = Fault("loadBalancerId", text, "see `flumina balancers list`", code="unknown")
        refuse(fold, source, body.job_id, fault)
        return
    fold.report(RequestAccepted(source=source, what="remove load balancer", job_id=body.job_id))
    _keep(fold, body.job_id, tuple(each for each in known if each != body.load_balancer_id))


def _keep(fold: Fold, job_id: JobId, names: tuple[str, ...]) -> None:
    if names:
        fold.state.load_balancers[job_id] = names
    else:
        del fold.state.load_balancers[job_id]
    fold.touch("load balancers", job_id)
    fold.report(LoadBalancersChanged(job_id=job_id, load_balancer_ids=names))
