"""What operators and owners ask of volumes: snapshots, clones, moves, archives, deletions.

The one thing to know: what cannot be done beside a running task is kept, and begun when the task
has ended; whoever would take its place waits. Data are deleted by an order only, after a time of
grace in which it can be taken back.
"""

from msgspec.structs import replace

from scheduler.fold.context import Fold
from scheduler.fold.jobs import because, refuse, version_fault
from scheduler.fold.storage import keep, let_go, look_again, settle
from scheduler.model.address import Source
from scheduler.model.changes import RequestAccepted
from scheduler.model.ids import TaskId, job_id_of
from scheduler.model.inbound import Fault
from scheduler.model.task import Finished
from scheduler.model.volumes import (
    VERBS_OF_PROVIDER,
    HoldsReleased,
    VolumeId,
    VolumeOrdered,
    VolumeVerb,
    volume_id_fault,
    volume_name_fault,
)
from scheduler.state import State
from scheduler.volumes.standing import Volume, VolumeWork, volume_key, with_work

OF_SNAPSHOT = "snapshot:"


def volume_ordered(fold: Fold, source: Source, body: VolumeOrdered) -> None:
    """Do what was asked, keep it for later, or refuse it with the reason."""
    volume = fold.state.volumes.get(body.volume_id)
    fault = _unknown(body.volume_id) if volume is None else _fault(fold.state, volume, body)
    if fault is not None or volume is None:
        assert fault is not None
        refuse(fold, source, volume.job_id if volume else None, fault)
        return
    fold.report(RequestAccepted(source, f"{body.order} volume {body.volume_id}", volume.job_id))
    said = because(body.actor, body.why)
    match body.order:
        case "delete":
            at_ms = fold.state.clock.now_ms + fold.state.policy.volume_grace_ms
            doomed = replace(volume, delete_at_ms=at_ms, is_failed=False)
            doomed = keep(fold, doomed, said, body.actor)
            look_again(fold, doomed, at_ms)
        case "undelete":
            keep(fold, replace(volume, delete_at_ms=0), said, body.actor)
        case "retry":
            fresh = replace(volume, failure="", failures=0, retry_at_ms=0, is_failed=False)
            settle(fold, keep(fold, fresh, said, body.actor))
        case _:
            _work(fold, volume, body, body.order)


def _work(fold: Fold, volume: Volume, body: VolumeOrdered, verb: VolumeVerb) -> None:
    state = fold.state
    work = VolumeWork(
        number=0,
        verb=verb,
        asked_at_ms=state.clock.now_ms,
        host=volume.host,
        zone=volume.zone,
        argument=body.argument,
        actor=body.actor,
        why=body.why,
    )
    is_live = verb == "snapshot" and volume.may_snapshot_live
    is_used = volume.attachment is not None or volume_key(volume.volume_id) in state.holds
    if volume.work is not None or (is_used and not is_live):
        keep(fold, replace(volume, pending=work), f"{verb} waits until it is free", body.actor)
        return
    volume = replace(volume, retry_at_ms=0)
    begun = keep(fold, with_work(volume, work), f"{verb} begins: {body.why}", body.actor)
    settle(fold, begun)


def _fault(state: State, volume: Volume, body: VolumeOrdered) -> Fault | None:
    fault = version_fault(f"volume {volume.volume_id}", volume.version, body.if_version)
    if fault is not None:
        return fault
    if body.order in {"delete", "undelete", "retry"}:
        return _lifetime_fault(state, volume, body)
    if body.order not in VERBS_OF_PROVIDER[volume.provider]:
        text = f"{volume.provider} volumes cannot be {_DONE[body.order]} from here"
        return Fault("order", text, "see docs/volumes.md for what each provider can do")
    is_of_snapshot = body.argument.startswith(OF_SNAPSHOT)
    is_restored = body.order == "restore" and not is_of_snapshot
    if is_restored and volume.state != "archived":
        text = f"volume {volume.volume_id} is {volume.state}, not archived"
        return Fault("order", text, 'name a snapshot, like "snapshot:before"', code="state")
    if not volume.is_made and not is_restored:
        text = f"volume {volume.volume_id} is {volume.state}: it has no data"
        return Fault("volumeId", text, "restore it first", code="state")
    return _argument_fault(state, volume, body)


def _lifetime_fault(state: State, volume: Volume, body: VolumeOrdered) -> Fault | None:
    volume_id = volume.volume_id
    if body.order == "undelete" and not volume.delete_at_ms:
        text = f"volume {volume_id} is not to be deleted"
        return Fault("order", text, "nothing has to be done", code="state")
    if body.order == "undelete" and volume.state == "deleting":
        text = f"volume {volume_id} is being deleted"
        return Fault("order", text, "it is too late", code="state")
    if body.order == "retry" and not volume.failures and not volume.is_failed:
        text = f"nothing of volume {volume_id} failed: it is {volume.state}"
        return Fault("order", text, "see `flumina volume show`", code="state")
    if body.order != "delete":
        return None
    claims = state.claims.get(volume_key(volume_id))
    if claims:
        job_id = next(iter(sorted(claims)))
        text = f"volume {volume_id} belongs to active job {job_id}"
        return Fault("volumeId", text, "kill the job first", code="state")
    if volume.is_foreign:
        text = f"volume {volume_id} was not made by this cell"
        return Fault("volumeId", text, "delete it where it was made")
    return None


def _argument_fault(state: State, volume: Volume, body: VolumeOrdered) -> Fault | None:
    argument = body.argument
    match body.order:
        case "snapshot":
            return _snapshot_fault(state, volume, argument)
        case "clone":
            return _clone_fault(state, argument)
        case "restore" if argument.startswith(OF_SNAPSHOT):
            name = argument.removeprefix(OF_SNAPSHOT)
            if all(each.name != name for each in volume.snapshots):
                return Fault(
                    "argument",
                    f"there is no snapshot {name}",
                    "see `flumina volume show`",
                    code="unknown",
                )
            return None
        case "move" | "restore":
            return _move_fault(state, volume, argument)
        case _:
            return None


def _snapshot_fault(state: State, volume: Volume, name: str) -> Fault | None:
    known = [each.name for each in volume.snapshots]
    if why := volume_name_fault(name):
        return Fault("argument", f"a snapshot's name {why}", "like before-upgrade")
    if name in known:
        text = f"there is a snapshot {name} already"
        return Fault("argument", text, "choose another name", code="taken")
    if len(known) >= state.policy.volume_snapshots_max:
        text = f"volume {volume.volume_id} has {len(known)} snapshots, which is the most"
        return Fault("order", text, "raise volume_snapshots_max", code="limit")
    return None


def _clone_fault(state: State, clone_id: str) -> Fault | None:
    if why := volume_id_fault(clone_id):
        return Fault("argument", f"a clone's id {why}", "like db-copy")
    if VolumeId(clone_id) in state.volumes:
        text = f"there is a volume {clone_id} already"
        return Fault("argument", text, "choose another id", code="taken")
    if len(state.volumes) >= state.policy.volumes_max:
        text = f"the cell has {len(state.volumes)} volumes, which is the most"
        return Fault("order", text, "raise volumes_max", code="limit")
    return None


def _move_fault(state: State, volume: Volume, target: str) -> Fault | None:
    if not target:
        text = "is missing" if volume.is_local else "is missing: which zone?"
        return Fault("argument", text, "name the host, as `flumina hosts` does, or the zone")
    if volume.is_local:
        if all(facts.hostname != target for facts in state.hosts.values()):
            return Fault("argument", f"no host {target}", "see `flumina hosts`", code="unknown")
        if volume.host == target and volume.is_made:
            return Fault("argument", f"the volume is on {target} already")
    elif volume.zone == target:
        return Fault("argument", f"the volume is in {target} already")
    return None


_DONE = {
    "snapshot": "snapshotted",
    "clone": "cloned",
    "move": "moved",
    "archive": "archived",
    "restore": "restored",
}


def _unknown(volume_id: VolumeId) -> Fault:
    return Fault("volumeId", f"no volume {volume_id}", "see `flumina volume list`", code="unknown")


def holds_released(fold: Fold, source: Source, body: HoldsReleased) -> None:
    """Free what a task holds that an operator knows to have ended."""
    fault = _release_fault(fold.state, body.task_id)
    if fault is not None:
        refuse(fold, source, job_id_of(body.task_id), fault)
        return
    job_id = job_id_of(body.task_id)
    fold.report(RequestAccepted(source, f"release what task {body.task_id} holds", job_id))
    let_go(fold, body.task_id, because(body.actor, body.why))


def _release_fault(state: State, task_id: TaskId) -> Fault | None:
    if task_id not in state.holders:
        text = f"task {task_id} holds no volume and no address"
        return Fault("taskId", text, "see `flumina volume list`", code="unknown")
    task = state.tasks.get(task_id)
    if task is None or isinstance(task.state, Finished):
        return None
    text = f"task {task_id} is {type(task.state).__name__}: it keeps what it has until it ends"
    return Fault("taskId", text, "kill it, or wait until it is given up", code="state")
