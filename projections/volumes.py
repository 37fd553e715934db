"""Volumes and static addresses as people and programs see them: the state's, with who has them.

The one thing to know: nothing is worked out here but names and what a task lacks; every fact is the
fold's.
"""

from collections.abc import Iterator
from typing import Any

from projections.cell_view import CellView
from scheduler.fold.storage import waits_for
from scheduler.model.ids import JobId, TaskId
from scheduler.model.job import JobSpec
from scheduler.model.task import Task
from scheduler.model.volumes import VolumeId, claimed_volume
from scheduler.state import State
from scheduler.volumes.standing import ADDRESS_KEY, VOLUME_KEY, Volume, address_key, volume_key

Json = dict[str, Any]


def volumes_json(view: CellView, job_id: JobId | None = None) -> list[Json]:
    """All volumes, or those of a job, by id."""
    volumes = (volume for _, volume in sorted(view.state.volumes.items()))
    return [_volume(view.state, each) for each in volumes if job_id in {None, each.job_id}]


def volume_json(view: CellView, volume_id: str) -> Json | None:
    """One volume, or None."""
    volume = view.state.volumes.get(VolumeId(volume_id))
    return None if volume is None else _volume(view.state, volume)


def addresses_json(view: CellView) -> list[Json]:
    """The static addresses that active jobs want, and the task that has each."""
    state = view.state
    keys = sorted(key for key in {*state.claims, *state.holds} if key.startswith(ADDRESS_KEY))
    return [_address(state, key) for key in keys]


def storage_waits(view: CellView, task_id: TaskId) -> Iterator[str]:
    """What a queued task waits for of volumes and addresses, in sentences."""
    for lack in waits_for(view.state, view.state.tasks[task_id]):
        yield f"{lack[:1].upper()}{lack[1:]}: it waits for that."


def volumes_on_the_way(view: CellView, task_id: TaskId) -> Iterator[str]:
    """What a task that has its host waits for before it leaves, in sentences."""
    for key in view.state.holders.get(task_id, ()):
        volume = view.state.volumes.get(VolumeId(key.removeprefix(VOLUME_KEY)))
        if key.startswith(VOLUME_KEY) and volume is not None and volume.state != "attached":
            yield f"It waits for volume {volume.volume_id}, which is {volume.state}."


def storage_context(state: State, task: Task, spec: JobSpec) -> dict[str, str]:
    """Titus' keys for a task's static address, and ours for its volumes."""
    context: dict[str, str] = {}
    if task.index < len(spec.addresses):
        mine = spec.addresses[task.index]
        context["task.ipAllocationId"] = mine.allocation_id
        hold = state.holds.get(address_key(mine.address))
        if hold is not None and hold.task_id != task.task_id:
            context["task.ipAllocationAlreadyInUseByTask"] = str(hold.task_id)
    if spec.volumes:
        ids = [claimed_volume(each, task.job_id, task.index) for each in spec.volumes]
        context["flumina.volumes"] = ",".join(ids)
    return context


def _address(state: State, key: str) -> Json:
    hold = state.holds.get(key)
    return {
        "address": key.removeprefix(ADDRESS_KEY),
        "jobIds": sorted(state.claims.get(key, ())),
        "taskId": hold.task_id if hold else None,
        "hostname": state.hostname(hold.host_id) if hold else "",
    }


def _volume(state: State, volume: Volume) -> Json:
    hold = state.holds.get(volume_key(volume.volume_id))
    there, work = volume.attachment, volume.work or volume.pending
    return {
        "id": volume.volume_id,
        "jobId": volume.job_id,
        "name": volume.name,
        "index": volume.index,
        "owner": volume.owner,
        "provider": volume.provider,
        "volumeClass": volume.volume_class,
        "state": volume.state,
        "sizeMB": volume.size_mib,
        "usedMB": volume.used_mib if volume.used_mib >= 0 else None,
        "isOverQuota": volume.is_over_quota,
        "retention": volume.retention,
        "zone": volume.zone,
        "host": there.host if there else volume.host,
        "path": there.path if there else "",
        "reference": volume.reference,
        "taskId": hold.task_id if hold else None,
        "snapshots": [{"name": each.name, "atMs": each.at_ms} for each in volume.snapshots],
        "archive": volume.archive,
        "work": work.verb if work else "",
        "isWorkPending": volume.work is None and volume.pending is not None,
        "failure": volume.failure,
        "deleteAtMs": volume.delete_at_ms or None,
        "version": volume.version,
    }
