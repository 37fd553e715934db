"""Who holds a volume or a static address, and who waits for one.

The one thing to know: a hold begins where a launch is accepted and ends where the task is known to
have ended, and at no other place. A task that was given up unheard keeps what it holds; the task
in its place waits, and `why` names what it waits for. What is done with volumes themselves is
`scheduler.fold.volumes`, which `settle` begins.
"""

from heapq import heappush
from typing import Final

from msgspec.structs import replace

from scheduler.fold.context import Fold, go_on, hold_back
from scheduler.model.constraint import Constraint
from scheduler.model.ids import HostId, JobId, TaskId
from scheduler.model.proposals import LaunchTasks
from scheduler.model.task import Finished, Queued, Task
from scheduler.model.volumes import (
    AddressChanged,
    VolumeChanged,
    VolumeClaim,
    VolumeId,
    VolumeVerb,
    claimed_volume,
)
from scheduler.state import Decision, Job, State
from scheduler.volumes.standing import (
    ADDRESS_KEY,
    VOLUME_KEY,
    Hold,
    Pin,
    Volume,
    VolumeWork,
    address_key,
    volume_key,
    with_work,
)

DEADLINE: Final = "volume"
INSTANCE_ATTRIBUTE: Final = "instance-id"
"""The host attribute by which a host says what the cloud calls it."""
_ZONE: Final = Constraint("availabilityZone")


def keys_of(job: Job, index: int) -> tuple[str, ...]:
    """What belongs to an index of the job."""
    spec = job.spec
    keys = [volume_key(claimed_volume(each, job.job_id, index)) for each in spec.volumes]
    if index < len(spec.addresses):
        keys.append(address_key(spec.addresses[index].address))
    return tuple(keys)


def storage_moved(fold: Fold, task: Task) -> None:
    """Follow a task of a job with volumes or addresses: made, back in the queue, or ended."""
    state = fold.state
    if isinstance(task.state, Queued):
        if task.task_id in state.holders:  # Its launch was undone before anything left the cell.
            let_go(fold, task.task_id)
        else:
            _prepare(fold, state.jobs[task.job_id], task.index)
        _reconsider_wanted(fold, task)
    elif isinstance(task.state, Finished) and not task.state.is_abandoned:
        if task.task_id in state.holders:
            let_go(fold, task.task_id)
        else:
            _reconsider_wanted(fold, task)


def _prepare(fold: Fold, job: Job, index: int) -> None:
    """Have the volumes of an index known, and that the index wants them."""
    for key in keys_of(job, index):
        fold.state.claims.setdefault(key, {})[job.job_id] = index
    for claim in job.spec.volumes:
        _make_known(fold, job, claim, index)
    repin(fold, job.job_id, index)


def _make_known(fold: Fold, job: Job, claim: VolumeClaim, index: int) -> None:
    state = fold.state
    volume_id = claimed_volume(claim, job.job_id, index)
    known = state.volumes.get(volume_id)
    if known is not None:
        if next(iter(state.claims[volume_key(volume_id)])) == job.job_id:
            _adopt(fold, known, job, claim, index)
        return
    is_named = index < len(claim.volume_ids)
    if is_named and claim.provider not in {"ebs", "efs"}:
        return  # It has to be there: who waits for it is told so.
    if len(state.volumes) >= state.policy.volumes_max:
        return
    volume = Volume(
        volume_id=volume_id,
        job_id=job.job_id,
        name=claim.name,
        index=index,
        owner=job.spec.owner_email,
        provider=claim.provider,
        size_mib=claim.size_mib,
        volume_class=claim.volume_class,
        retention=claim.retention,
        since_ms=state.clock.now_ms,
        zone=claim.zone,
        reference=str(volume_id) if is_named else "",
        is_foreign=is_named,
    )
    keep(fold, volume, "claimed")


def _adopt(fold: Fold, known: Volume, job: Job, claim: VolumeClaim, index: int) -> None:
    """Let a volume that is there be the job's: a clone, or what an earlier job has left.

    What becomes of the data is said by the job that has them, not by one that has ended.
    """
    if known.owner != job.spec.owner_email:
        return
    taken = replace(
        known,
        job_id=job.job_id,
        name=claim.name,
        index=index,
        retention=claim.retention,
        delete_at_ms=0,
    )
    if taken != known:
        keep(fold, taken, "claimed")


def repin(fold: Fold, job_id: JobId, index: int) -> None:
    """Bring up to date where the index has to run."""
    state = fold.state
    job = state.jobs.get(job_id)
    if job is None or job.state == "Finished":
        return
    found = set()
    for claim in job.spec.volumes:
        volume = state.volumes.get(claimed_volume(claim, job_id, index))
        if volume is not None and (place := volume.place) is not None:
            found.add(place)
    if index < len(job.spec.addresses) and (zone := job.spec.addresses[index].zone):
        what = f"address {job.spec.addresses[index].address}"
        found.add(replace(_ZONE, attribute=what, values=(zone,)))
    others = [each for each in job.pins if each.index != index]
    pins = [*others, Pin(index, tuple(sorted(found)))] if found else others
    pins.sort(key=lambda each: each.index)
    if tuple(pins) != job.pins:
        state.jobs[job_id] = replace(job, pins=tuple(pins))
        fold.touch("job", job_id)
        state.jobs_changed[job_id] = None
        fold.wake_placement()


# Holds.


def take_hold(fold: Fold, task: Task, host_id: HostId) -> None:
    """Give a task whose launch was accepted what belongs to its index."""
    state = fold.state
    job = state.jobs[task.job_id]
    for key in keys_of(job, task.index):
        assert key not in state.holds, f"{key} is held by {state.holds[key].task_id}"
        hold = Hold(key, task.task_id, job.job_id, task.index, host_id, state.clock.now_ms)
        state.holds[key] = hold
        state.holders.setdefault(task.task_id, {})[key] = None
        fold.touch("hold", key)
        if key.startswith(ADDRESS_KEY):
            address = key.removeprefix(ADDRESS_KEY)
            fold.report(AddressChanged(address, job.job_id, task.task_id, "given"))
            _reconsider_claims(fold, key)
        else:
            settle(fold, state.volumes[VolumeId(key.removeprefix(VOLUME_KEY))])


def let_go(fold: Fold, task_id: TaskId, why: str = "") -> None:
    """Free what a task held that has ended, or that never left the cell."""
    state = fold.state
    for key in state.holders.pop(task_id):
        hold = state.holds.pop(key)
        fold.touch("hold", key)
        if key.startswith(ADDRESS_KEY):
            address = key.removeprefix(ADDRESS_KEY)
            fold.report(AddressChanged(address, hold.job_id, None, why or "free"))
            _reconsider_claims(fold, key)
        else:
            settle(fold, state.volumes[VolumeId(key.removeprefix(VOLUME_KEY))])


def _reconsider_claims(fold: Fold, key: str) -> None:
    for job_id, index in sorted(fold.state.claims.get(key, {}).items()):
        reconsider(fold, job_id, index)


def _reconsider_wanted(fold: Fold, task: Task) -> None:
    """Whoever wants the same comes after a task that waits, and need not after one that ended."""
    for key in keys_of(fold.state.jobs[task.job_id], task.index):
        _reconsider_claims(fold, key)


def reconsider(fold: Fold, job_id: JobId, index: int) -> None:
    """Let the index's task wait for what it lacks, or go on."""
    state = fold.state
    task_id = state.indexes.get(job_id, {}).get(index)
    if task_id is None:
        return
    task = state.tasks[task_id]
    if not isinstance(task.state, Queued):
        return
    key = next(iter(_blocked(state, state.jobs[job_id], task)), None)
    if key is not None:
        hold_back(fold, task, key)
    elif task_id in state.storage_waits:
        go_on(fold, task)


def _blocked(state: State, job: Job, task: Task) -> list[str]:
    return [
        key for key in keys_of(job, task.index) if lack_of(state, key, task, job.spec.owner_email)
    ]


def lack_of(state: State, key: str, task: Task, owner: str) -> str:
    """Why the task cannot have this volume or address now, in words; or empty."""
    hold = state.holds.get(key)
    if hold is not None and hold.task_id != task.task_id:
        holder = state.tasks.get(hold.task_id)
        is_away = holder is None or isinstance(holder.state, Finished)
        end = ", whose end is not known" if is_away else ""
        return f"{_named(key)} is held by task {hold.task_id}{end}"
    if hold is None and (first := _first_claim(state, key, task)):
        return f"{_named(key)} is wanted by task {first} first"
    if key.startswith(ADDRESS_KEY):
        return ""
    volume = state.volumes.get(VolumeId(key.removeprefix(VOLUME_KEY)))
    if volume is None:
        is_full = len(state.volumes) >= state.policy.volumes_max
        limit = f"; the cell has {state.policy.volumes_max}, which is the most"
        return f"there is no {_named(key)}{limit if is_full else ''}"
    if volume.owner != owner:
        return f"{_named(key)} belongs to {volume.owner}"
    if volume.work is not None or volume.is_failed or volume.state == "archived":
        why = f": {volume.failure}" if volume.failure else ""
        return f"{_named(key)} is {volume.state}{why}"
    if volume.retry_at_ms > state.clock.now_ms:
        return f"{_named(key)} is tried again later: {volume.failure}"
    return "" if volume.attachment is None else f"{_named(key)} is still attached"


def _first_claim(state: State, key: str, task: Task) -> TaskId | None:
    """The waiting task of the job that wanted the same before this one's did.

    So a replacement has what its index had, also while it waits for something else: a volume that
    is still detached, or its retry. Nobody waits in a circle: an index claims all that it wants at
    once, so whoever is first is so for each of them.
    """
    for job_id, index in state.claims.get(key, {}).items():
        if job_id == task.job_id:
            return None
        other_id = state.indexes.get(job_id, {}).get(index)
        if other_id is not None and isinstance(state.tasks[other_id].state, Queued):
            return other_id
    return None


def storage_refusal(state: State, task: Task, taken: set[str]) -> str:
    """Why the task may not be launched by what belongs to its index; ``taken`` grows by that."""
    job = state.jobs[task.job_id]
    for key in keys_of(job, task.index):
        why = lack_of(state, key, task, job.spec.owner_email)
        if why or key in taken:
            return why or f"{_named(key)} is for another task of this launch"
        taken.add(key)
    return ""


def waits_for(state: State, task: Task) -> tuple[str, ...]:
    """What a queued task lacks of volumes and addresses, in words, first things first."""
    job = state.jobs[task.job_id]
    lacks = (lack_of(state, key, task, job.spec.owner_email) for key in keys_of(job, task.index))
    return tuple(each for each in lacks if each)


def is_attached(state: State, task_id: TaskId) -> bool:
    """Whether all that the task holds is where the task is to run."""
    for key in state.holders.get(task_id, ()):
        if key.startswith(ADDRESS_KEY):
            continue
        volume = state.volumes[VolumeId(key.removeprefix(VOLUME_KEY))]
        there = volume.attachment
        if volume.work is not None or there is None:
            return False
        if there.host_id != state.holds[key].host_id:
            return False
    return True


def is_ready(state: State, decision: Decision) -> bool:
    """Whether what its tasks hold is attached, so that they can start."""
    proposal = decision.proposal
    if not state.holders or not isinstance(proposal, LaunchTasks):
        return True
    return all(is_attached(state, each.task_id) for each in proposal.launches)


def _named(key: str) -> str:
    kind, _, name = key.partition(":")
    return f"{kind} {name}"


# What is done with a volume next.


def keep(fold: Fold, volume: Volume, message: str, actor: str = "") -> Volume:
    """Keep a volume that is another now, and report it."""
    state = fold.state
    volume = replace(volume, version=volume.version + (volume.volume_id in state.volumes))
    state.volumes[volume.volume_id] = volume
    fold.touch("volume", volume.volume_id)
    if volume.work is not None:
        state.volume_works[volume.volume_id] = None
    else:
        state.volume_works.pop(volume.volume_id, None)
    hold = state.holds.get(volume_key(volume.volume_id))
    fold.report(
        VolumeChanged(
            volume_id=volume.volume_id,
            job_id=volume.job_id,
            state=volume.state,
            message=message,
            actor=actor,
            host=volume.attachment.host if volume.attachment else volume.host,
            zone=volume.zone,
            task_id=hold.task_id if hold else None,
        )
    )
    return volume


def settle(fold: Fold, volume: Volume) -> None:
    """Begin what follows from how a volume stands and who holds it, and tell who waits for it."""
    state = fold.state
    now_ms, key = state.clock.now_ms, volume_key(volume.volume_id)
    hold = state.holds.get(key)
    is_idle = volume.work is None and not volume.is_failed and volume.retry_at_ms <= now_ms
    if is_idle:
        there = volume.attachment
        if there is not None and (hold is None or hold.host_id != there.host_id):
            _begin(fold, volume, "detach")
        elif hold is not None and there is None:
            _begin(fold, volume, "attach" if volume.is_made else "create", hold)
        elif hold is None and there is None and volume.pending is not None:
            work = replace(volume.pending, asked_at_ms=now_ms)
            begun = with_work(replace(volume, pending=None), work)
            keep(fold, begun, f"{work.verb} begins: {work.why}", work.actor)
        elif hold is None and there is None and 0 < volume.delete_at_ms <= now_ms:
            _begin(fold, volume, "delete")
    for job_id, index in sorted(state.claims.get(key, {}).items()):
        repin(fold, job_id, index)
        reconsider(fold, job_id, index)


def _begin(fold: Fold, volume: Volume, verb: VolumeVerb, hold: Hold | None = None) -> None:
    """Begin a work of the cell's own: where the holder runs, or where the volume is attached."""
    state, there = fold.state, volume.attachment
    work = VolumeWork(0, verb, state.clock.now_ms, host=volume.host, zone=volume.zone)
    if hold is not None:
        facts = state.hosts.get(hold.host_id)
        named = dict(facts.attributes) if facts else {}
        zone_attribute = state.policy.placement.zone_attribute
        work = replace(
            work,
            host=state.hostname(hold.host_id),
            host_id=hold.host_id,
            instance_id=named.get(INSTANCE_ATTRIBUTE, ""),
            zone=volume.zone or named.get(zone_attribute, ""),
        )
    elif there is not None:
        work = replace(work, host=there.host, host_id=there.host_id, instance_id=there.instance_id)
    keep(fold, with_work(volume, work), f"{verb} begins")


def look_again(fold: Fold, volume: Volume, at_ms: int) -> None:
    """Have the volume looked at then."""
    heappush(fold.deadlines, (at_ms, DEADLINE, volume.volume_id))


# Ends of jobs.


def storage_ended(fold: Fold, job_id: JobId) -> None:
    """A job has ended: nothing of it waits, and data that go with it go after their grace."""
    state = fold.state
    for key in [key for key, there in state.claims.items() if job_id in there]:
        del state.claims[key][job_id]
        if not state.claims[key]:
            del state.claims[key]
    job = state.jobs[job_id]
    if job.pins:
        state.jobs[job_id] = replace(job, pins=())
        fold.touch("job", job_id)
    at_ms = state.clock.now_ms + state.policy.volume_grace_ms
    for volume in [each for each in state.volumes.values() if each.job_id == job_id]:
        if heirs := state.claims.get(volume_key(volume.volume_id)):
            _inherit(fold, volume, *next(iter(heirs.items())))
        elif _is_nothing(state, volume):
            forget_volume(fold, volume, "its job has ended, and it was never made")
        elif volume.retention == "delete" and volume.index >= 0 and not volume.is_foreign:
            doomed = replace(volume, delete_at_ms=at_ms, is_failed=False)
            look_again(fold, keep(fold, doomed, "its job has ended"), at_ms)


def _inherit(fold: Fold, volume: Volume, job_id: JobId, index: int) -> None:
    job = fold.state.jobs[job_id]
    for claim in job.spec.volumes:
        if claimed_volume(claim, job_id, index) == volume.volume_id:
            _adopt(fold, volume, job, claim, index)


def _is_nothing(state: State, volume: Volume) -> bool:
    """Whether there are no data of the volume anywhere, and nobody is about to make some."""
    is_used = volume.work is not None or volume_key(volume.volume_id) in state.holds
    return not (is_used or volume.is_made or volume.archive)


def forget_volume(fold: Fold, volume: Volume, message: str, actor: str = "") -> None:
    """Drop a volume of which there are no data."""
    state = fold.state
    del state.volumes[volume.volume_id]
    state.volume_works.pop(volume.volume_id, None)
    fold.touch("volume", volume.volume_id)
    gone = VolumeChanged(volume.volume_id, volume.job_id, "deleted", message, actor=actor)
    fold.report(gone)
