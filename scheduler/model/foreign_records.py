"""Values for records of the topics ``jobs`` and ``commands``, as producers write them.

The one thing to know: `scheduler.model.foreign` reads exactly these. They are what the REST API
and the command line publish, so our own requests take the same way as everybody's. The record's
key is the job's id in topic ``jobs``.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from scheduler.model.ids import Generation, HostId, JobId, TaskId
from scheduler.model.inbound import Standing


def encode_partition_began(generation: Generation) -> bytes:
    """The value of record 0 of a partition, by which it is known from others of its name."""
    return _encoded({"type": "PartitionBegan", "generation": generation})


def encode_submit(
    job_id: JobId, descriptor: Mapping[str, Any], actor: str = "", why: str = ""
) -> bytes:
    """The value that asks for a job; ``descriptor`` is a v3 descriptor's JSON value."""
    given = {"why": why} if why else {}
    record = {"type": "SubmitJob", "jobId": job_id, "actor": actor, **given}
    return _encoded({**record, "job": descriptor})


def encode_kill_job(
    job_id: JobId, actor: str = "", why: str = "", *, if_version: int | None = None
) -> bytes:
    """The value that asks for a job's end."""
    record = {"type": "KillJob", "jobId": job_id, "actor": actor, "why": why}
    return _encoded({**record, **_version(if_version)})


def encode_scale_job(
    job_id: JobId,
    *,
    desired: int | None = None,
    minimum: int | None = None,
    maximum: int | None = None,
    actor: str = "",
    why: str = "",
    if_version: int | None = None,
) -> bytes:
    """The value that asks for another size of a service; None leaves a bound as it is."""
    sizes = {"desired": desired, "min": minimum, "max": maximum}
    given = {name: size for name, size in sizes.items() if size is not None}
    given |= _version(if_version)
    return _encoded({"type": "ScaleJob", "jobId": job_id, **given, "actor": actor, "why": why})


def encode_kill_task(
    task_id: TaskId,
    actor: str = "",
    why: str = "",
    *,
    is_shrink: bool = False,
    is_minimum_kept: bool = False,
    if_version: int | None = None,
) -> bytes:
    """The value that asks for a task's end, and with ``is_shrink`` for one task less.

    ``is_minimum_kept``: not where the service's minimum would have to follow.
    """
    record: dict[str, object] = {"type": "KillTask", "taskId": task_id, "actor": actor, "why": why}
    record["shrink"] = is_shrink
    if is_minimum_kept:
        record["preventMinSizeUpdate"] = True
    return _encoded({**record, **_version(if_version)})


def encode_set_policy(values: Mapping[str, int], actor: str, why: str) -> bytes:
    """The value by which an operator changes limits of the cell."""
    return _encoded({"type": "SetPolicy", "values": dict(values), "actor": actor, "why": why})


def encode_set_rules(
    document: Mapping[str, Any], actor: str, why: str, if_version: int | None = None
) -> bytes:
    """The value by which an operator sets the whole policy, as a document."""
    given = {} if if_version is None else {"ifVersion": if_version}
    record = {"type": "SetRules", "document": document, **given}
    return _encoded({**record, "actor": actor, "why": why})


def encode_change_rules(
    *,
    mode: str | None = None,
    lose_zones: Sequence[str] = (),
    regain_zones: Sequence[str] = (),
    set_selectors: Mapping[str, Any] | None = None,
    remove_selectors: Sequence[str] = (),
    set_groups: Mapping[str, Any] | None = None,
    remove_groups: Sequence[str] = (),
    set_instance_groups: Mapping[str, Any] | None = None,
    remove_instance_groups: Sequence[str] = (),
    if_version: int | None = None,
    actor: str,
    why: str,
) -> bytes:
    """The value by which an operator turns switches of placement; the others stay as they are."""
    given = {
        "mode": mode,
        "loseZones": list(lose_zones),
        "regainZones": list(regain_zones),
        "setSelectors": dict(set_selectors or {}),
        "removeSelectors": list(remove_selectors),
        "setGroups": dict(set_groups or {}),
        "removeGroups": list(remove_groups),
        "setInstanceGroups": dict(set_instance_groups or {}),
        "removeInstanceGroups": list(remove_instance_groups),
    }
    record: dict[str, object] = {name: value for name, value in given.items() if value}
    if if_version is not None:
        record["ifVersion"] = if_version
    return _encoded({"type": "ChangeRules", **record, "actor": actor, "why": why})


def encode_set_host(host_id: HostId, standing: Standing, actor: str, why: str) -> bytes:
    """The value by which an operator says what a host may be used for."""
    record = {"type": "SetHost", "hostId": host_id, "standing": standing}
    return _encoded({**record, "actor": actor, "why": why})


def encode_mark_host(
    host_id: HostId, attributes: Mapping[str, str], removed: Sequence[str], actor: str, why: str
) -> bytes:
    """The value by which an operator writes attributes on a host, and removes others."""
    record = {"type": "MarkHost", "hostId": host_id, "attributes": dict(attributes)}
    return _encoded({**record, "removed": list(removed), "actor": actor, "why": why})


def encode_dismiss_leader(epoch: int, actor: str, why: str) -> bytes:
    """The value by which an operator has whoever leads by this epoch stop."""
    return _encoded({"type": "DismissLeader", "epoch": epoch, "actor": actor, "why": why})


def encode_skip_record(offset: int, digest: str, actor: str, why: str) -> bytes:
    """The value by which an operator lets a halted fold pass one record."""
    return _encoded(
        {"type": "SkipRecord", "offset": offset, "digest": digest, "actor": actor, "why": why}
    )


def encode_confirm_finding(finding: int, tasks: int, actor: str, why: str) -> bytes:
    """The value by which an operator says that a safe cell's finding is so."""
    return _encoded(
        {"type": "ConfirmFinding", "finding": finding, "tasks": tasks, "actor": actor, "why": why}
    )


def encode_reject_finding(finding: int, actor: str, why: str) -> bytes:
    """The value by which an operator says that a safe cell's finding is wrong."""
    return _encoded({"type": "RejectFinding", "finding": finding, "actor": actor, "why": why})


def encode_note_noise(host_id: HostId, noise_milli: int, actor: str = "") -> bytes:
    """The value by which a host's measured noise becomes known to the cell."""
    return _encoded(
        {"type": "NoteNoise", "hostId": host_id, "noiseMilli": noise_milli, "actor": actor}
    )


def encode_forget_orphan(
    task_id: TaskId, actor: str, why: str, host_id: HostId | None = None
) -> bytes:
    """The value by which an operator says that an orphan is dealt with."""
    place = {} if host_id is None else {"hostId": host_id}
    return _encoded(
        {"type": "ForgetOrphan", "taskId": task_id, **place, "actor": actor, "why": why}
    )


def _version(if_version: int | None) -> dict[str, int]:
    return {} if if_version is None else {"ifVersion": if_version}


def _encoded(record: Mapping[str, object]) -> bytes:
    return msgspec.json.encode(record)
