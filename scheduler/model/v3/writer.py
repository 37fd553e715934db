"""A `JobSpec` as the v3 descriptor that would be read as the same spec again.

The one thing to know: what was left to a default is written out, so that a reader sees what the
cell works by; only an image, a security profile or a kill grace that nobody gave are left out.
A job's digest is made from this. So a field that is added later must be left out where it is not
given, or the same submission sent again after an upgrade is taken for another one.
"""

from typing import Any, assert_never

from scheduler.model.job import Batch, Container, Cron, JobSpec, RetryPolicy, Service, Stream
from scheduler.model.profile import SHM_ATTRIBUTE
from scheduler.model.resources import Need
from scheduler.model.v3 import limits, names
from scheduler.model.v3.constraints import written_constraints
from scheduler.model.v3.disruption import written_budget
from scheduler.model.v3.kinds import written_cron, written_sets, written_stream
from scheduler.model.v3.storage import written_storage
from scheduler.model.v3.switches import written_switches

Json = dict[str, Any]


def written_job(spec: JobSpec) -> Json:
    """The descriptor of ``spec``, ready for JSON."""
    written: Json = {
        "owner": {"teamEmail": spec.owner_email},
        "applicationName": spec.application_name,
        "capacityGroup": spec.capacity_group,
        "jobGroupInfo": {
            "stack": spec.stack,
            "detail": spec.detail,
            "sequence": spec.sequence,
        },
        "attributes": dict(spec.attributes),
        "container": _container(spec.container),
    }
    written |= {**_kind(spec), **written_sets(spec)}
    job, container, resources = written_storage(spec)
    written |= job
    written["container"] |= container
    written["container"]["resources"] |= resources
    if spec.budget is not None:
        written["disruptionBudget"] = written_budget(spec.budget)
    return written


def _kind(spec: JobSpec) -> Json:
    kind, retry = spec.kind, _retry(spec.retry)
    match kind:
        case Batch():
            return {"batch": {**_batch(kind), "retryPolicy": retry}}
        case Service():
            capacity = {"min": kind.minimum, "max": kind.maximum, "desired": kind.desired}
            switches = written_switches(spec)
            return {"service": {"capacity": capacity, **switches, "retryPolicy": retry}}
        case Stream():
            return {"stream": {**written_stream(kind), "retryPolicy": retry}}
        case Cron():
            batch = {**_batch(kind.batch), "retryPolicy": retry}
            return {"cron": {**written_cron(kind), "batch": batch}}
    assert_never(kind)


def _batch(batch: Batch) -> Json:
    return {
        "size": batch.size,
        "runtimeLimitSec": batch.runtime_limit_ms // 1000,
        "retryOnRuntimeLimit": batch.is_retried_on_runtime_limit,
    }


def _container(container: Container) -> Json:
    need = container.need
    attributes = dict(container.attributes)
    if container.kill_grace_ms != limits.KILL_GRACE_SECONDS_DEFAULT * 1000:
        attributes[names.KILL_GRACE_ATTRIBUTE] = str(container.kill_grace_ms // 1000)
    shm = attributes.pop(SHM_ATTRIBUTE, None)
    written: Json = {
        "resources": {
            "cpu": _number(need.cpu_milli),
            "memoryMB": need.memory_mib,
            "diskMB": need.disk_mib,
            "networkMbps": need.network_mbps,
            "ports": need.ports,
        },
        "attributes": attributes,
        "entryPoint": list(container.command[: container.entry_point_words]),
        "command": list(container.command[container.entry_point_words :]),
        "env": dict(container.environment),
        "softConstraints": written_constraints(container.soft_constraints),
        "hardConstraints": written_constraints(container.hard_constraints),
    }
    if shm is not None:
        written["resources"]["shmSizeMB"] = int(shm)
    written["resources"] |= _scarce(need)
    if container.image:
        given = {"tag": container.image_tag, "digest": container.image_digest}
        written["image"] = {"name": container.image, **{k: v for k, v in given.items() if v}}
    if container.security_groups or container.iam_role or container.security_attributes:
        written["securityProfile"] = {
            "securityGroups": list(container.security_groups),
            "iamRole": container.iam_role,
            "attributes": dict(container.security_attributes),
        }
    return written


def _scarce(need: Need) -> Json:
    """The resources that most jobs do not ask for; what is not asked for is left out."""
    given: Json = {
        "gpu": need.gpus,
        "gpuMilli": need.gpu_milli,
        "gpuModels": list(need.gpu_models),
        "allocateIP": bool(need.addresses),
        "scalars": {name: _number(amount) for name, amount in need.scalars},
    }
    return {name: value for name, value in given.items() if value}


def _number(thousandths: int) -> int | float:
    whole, rest = divmod(thousandths, 1000)
    return thousandths / 1000 if rest else whole


def _retry(retry: RetryPolicy) -> Json:
    match retry.kind:
        case "immediate":
            return {"immediate": {"retries": retry.retries}}
        case "delayed":
            return {"delayed": {"delayMs": retry.delay_ms, "retries": retry.retries}}
        case "exponentialBackOff":
            return {
                "exponentialBackOff": {
                    "initialDelayMs": retry.delay_ms,
                    "maxDelayIntervalMs": retry.delay_ms_max,
                    "retries": retry.retries,
                }
            }
    assert_never(retry.kind)
