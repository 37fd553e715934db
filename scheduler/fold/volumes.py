"""What became of a volume's works, as the leader's volume box tells it.

The one thing to know: a work is decided in the fold and written before anything is done; it is
begun anew by whoever leads next, under its number, and a provider does the same number once. A
work that fails changes nothing of what is known: data are where they were.
"""

from typing import assert_never

from msgspec.structs import replace

from scheduler.fold.context import Fold
from scheduler.fold.decisions import cancel_decision
from scheduler.fold.safe import page_once
from scheduler.fold.storage import forget_volume, keep, look_again, settle
from scheduler.model.changes import CellPaged
from scheduler.model.ids import TaskId
from scheduler.model.task import Placed
from scheduler.model.volumes import (
    VolumeId,
    VolumeMeasured,
    VolumeWorkEnded,
    VolumeWorkStarted,
)
from scheduler.state import State
from scheduler.volumes.standing import (
    Attachment,
    Snapshot,
    Volume,
    VolumeWork,
    volume_key,
)

FAILURE_CHARACTERS_MAX = 500


def volume_told(fold: Fold, event: VolumeWorkStarted | VolumeWorkEnded | VolumeMeasured) -> None:
    """Take over what the volume box says of a volume."""
    match event:
        case VolumeWorkStarted():
            work_started(fold, event)
        case VolumeWorkEnded():
            work_ended(fold, event)
        case VolumeMeasured():
            work_measured(fold, event)


def work_started(fold: Fold, event: VolumeWorkStarted) -> None:
    """The leader of this epoch may do this work now."""
    volume = fold.state.volumes.get(event.volume_id)
    if volume is None or volume.work is None or volume.work.number != event.work:
        return
    begun = replace(volume.work, started_epoch=fold.state.epoch)
    fold.state.volumes[event.volume_id] = replace(volume, work=begun)
    fold.touch("volume", event.volume_id)


def work_ended(fold: Fold, event: VolumeWorkEnded) -> None:
    """Take over what the provider made of the volume, and begin what follows."""
    volume = fold.state.volumes.get(event.volume_id)
    if volume is None or volume.work is None or volume.work.number != event.work:
        return  # Told by a leader of before, and done again since.
    work = volume.work
    volume = replace(volume, work=None)
    if event.fate != "done":
        _failed(fold, volume, work, event)
        return
    volume = replace(volume, failure="", failures=0, retry_at_ms=0)
    if event.used_mib >= 0:
        volume = replace(volume, used_mib=event.used_mib)
    if work.verb == "delete":
        forget_volume(fold, volume, work.why, work.actor)
        return
    after = keep(fold, _after(fold.state, volume, work, event), f"{work.verb} done", work.actor)
    if work.verb == "clone":
        _cloned(fold, after, work, event)
    settle(fold, fold.state.volumes[event.volume_id])


def _after(state: State, volume: Volume, work: VolumeWork, event: VolumeWorkEnded) -> Volume:
    """The volume once the work is done."""
    reference = event.reference or volume.reference
    match work.verb:
        case "create" | "restore" | "move":
            made = replace(volume, is_made=True, reference=reference, zone=event.zone)
            return replace(made, host=event.host if volume.is_local else "")
        case "attach":
            assert work.host_id is not None
            there = Attachment(work.host, work.host_id, work.instance_id, event.path)
            return replace(volume, attachment=there)
        case "detach":
            return replace(volume, attachment=None)
        case "snapshot":
            made_now = Snapshot(work.argument, event.reference, state.clock.now_ms)
            return replace(volume, snapshots=(*volume.snapshots, made_now))
        case "archive":
            # Snapshots are of the data on the host, and go with them.
            return replace(
                volume, archive=event.reference, is_made=False, host="", zone="", snapshots=()
            )
        case "clone" | "delete":
            return volume
    assert_never(work.verb)


def _cloned(fold: Fold, volume: Volume, work: VolumeWork, event: VolumeWorkEnded) -> None:
    """Keep the clone: a volume of no index, until a job names it."""
    clone_id = VolumeId(work.argument)
    if clone_id in fold.state.volumes:
        return  # The name was taken meanwhile; the box refuses to write over data.
    clone = Volume(
        volume_id=clone_id,
        job_id=volume.job_id,
        name=volume.name,
        index=-1,
        owner=volume.owner,
        provider=volume.provider,
        size_mib=volume.size_mib,
        volume_class=volume.volume_class,
        retention="keep",
        since_ms=fold.state.clock.now_ms,
        zone=event.zone,
        host=event.host if volume.is_local else "",
        reference=event.reference,
        is_made=True,
        used_mib=event.used_mib,
    )
    keep(fold, clone, f"clone of {volume.volume_id}", work.actor)
    settle(fold, fold.state.volumes[clone_id])


def _failed(fold: Fold, volume: Volume, work: VolumeWork, event: VolumeWorkEnded) -> None:
    """Wait longer each time; what a task waits for is given up to an operator after some.

    An order that failed is only told: who gave it gives it again.
    """
    state, policy = fold.state, fold.state.policy
    why = f"{work.verb} {event.fate}: {event.detail}"[:FAILURE_CHARACTERS_MAX]
    if work.verb not in _OF_ITSELF:
        settle(fold, keep(fold, replace(volume, failure=why), why, work.actor))
        return
    failures = volume.failures + 1
    pause_ms = min(policy.volume_retry_ms << min(failures - 1, 10), policy.volume_retry_ms_max)
    is_for_task = work.verb in {"create", "attach"}
    volume = replace(
        volume,
        failure=why,
        failures=failures,
        retry_at_ms=state.clock.now_ms + pause_ms,
        is_failed=is_for_task and failures >= policy.volume_attempts_max,
    )
    keep(fold, volume, why, work.actor)
    look_again(fold, volume, volume.retry_at_ms)
    if failures >= policy.volume_attempts_max and work.verb in {"create", "attach", "detach"}:
        what = f"volume {volume.volume_id} cannot be {_DONE[work.verb]}"
        page_once(fold, "volume", volume.volume_id, what=what, why=why)
    if is_for_task:
        _undo_launch(fold, volume.volume_id)
    settle(fold, state.volumes[volume.volume_id])


_OF_ITSELF = frozenset(("create", "attach", "detach", "delete"))
"""Works that the cell begins by itself, and so begins again."""
_DONE = {"create": "made", "attach": "attached", "detach": "detached"}


def _undo_launch(fold: Fold, volume_id: VolumeId) -> None:
    """Send the holder back to the queue: it waits for a volume that does not come."""
    state = fold.state
    hold = state.holds.get(volume_key(volume_id))
    task_id: TaskId | None = hold.task_id if hold is not None else None
    task = state.tasks.get(task_id) if task_id is not None else None
    if task is not None and isinstance(task.state, Placed):
        proposal_id = task.state.place.proposal_id
        if proposal_id in state.decisions:
            cancel_decision(fold, proposal_id, is_offer_kept=True)


def work_measured(fold: Fold, event: VolumeMeasured) -> None:
    """Note how much a volume holds; more than it may is told, and never cut off."""
    volume = fold.state.volumes.get(event.volume_id)
    if volume is None or volume.used_mib == event.used_mib:
        return
    after = replace(volume, used_mib=event.used_mib)
    if after.is_over_quota == volume.is_over_quota:
        fold.state.volumes[event.volume_id] = after
        fold.touch("volume", event.volume_id)
        return
    text = f"holds {event.used_mib} MiB of {volume.size_mib} MiB"
    keep(fold, after, f"over its quota: {text}" if after.is_over_quota else f"{text} again")
    if after.is_over_quota:
        what, key = f"volume {volume.volume_id} is over its quota", volume.volume_id
        fold.report(CellPaged(what=what, why=text, kind="volume", key=key))


def volume_due(fold: Fold, volume_id: VolumeId) -> None:
    """A pause is over, or a time of grace."""
    volume = fold.state.volumes.get(volume_id)
    if volume is not None:
        settle(fold, volume)
