"""What must hold of volumes and addresses after every event.

The one thing to know: that no two tasks have one volume or one address is here, as that no index
has two live tasks is in `scheduler.invariants`; both are asserted over the whole state.
"""

from scheduler.model.task import Finished, Placed, Queued
from scheduler.model.volumes import VolumeId, claimed_volume
from scheduler.state import State
from scheduler.volumes.standing import VOLUME_KEY, address_key, volume_key


def check_storage(state: State) -> None:
    """Assert that each volume and address has one task at most, and each task its own."""
    _check_holds(state)
    _check_tasks(state)
    for volume_id, volume in state.volumes.items():
        assert volume.volume_id == volume_id
        assert (volume.work is not None) == (volume_id in state.volume_works), f"{volume}"
        assert volume.is_made or volume.attachment is None, f"{volume} is attached without data"
        hold = state.holds.get(volume_key(volume_id))
        if hold is not None:
            verb = volume.work.verb if volume.work else ""
            is_apart = verb in {"move", "archive", "restore", "delete"}
            assert not is_apart, f"{volume_id} is held by {hold.task_id} while it is {volume.state}"
    assert state.volume_works.keys() <= state.volumes.keys()


def _check_holds(state: State) -> None:
    found: dict[str, set[str]] = {}
    for key, hold in state.holds.items():
        assert hold.key == key
        found.setdefault(hold.task_id, set()).add(key)
        task = state.tasks.get(hold.task_id)  # None: given up, and forgotten since.
        if task is not None:
            assert not isinstance(task.state, Queued), f"{task} waits and holds {key}"
            is_ended = isinstance(task.state, Finished) and not task.state.is_abandoned
            assert not is_ended, f"{task} has ended and holds {key}"
        if key.startswith(VOLUME_KEY):
            assert VolumeId(key.removeprefix(VOLUME_KEY)) in state.volumes, f"no {key}"
    assert found == {task_id: set(keys) for task_id, keys in state.holders.items()}


def _check_tasks(state: State) -> None:
    """A live task of an index has what belongs to it, and what has left the cell finds it there."""
    for job_id, job in state.jobs.items():
        spec = job.spec
        if not spec.volumes and not spec.addresses:
            assert not job.pins, f"pins of {job_id}"
            continue
        for index, task_id in state.indexes[job_id].items():
            task = state.tasks[task_id]
            if isinstance(task.state, Queued | Finished):
                continue
            wanted = {volume_key(claimed_volume(each, job_id, index)) for each in spec.volumes}
            if index < len(spec.addresses):
                wanted.add(address_key(spec.addresses[index].address))
            assert wanted == state.holders.get(task_id, {}).keys(), f"what {task} holds"
            for key in wanted:
                if isinstance(task.state, Placed) or not key.startswith(VOLUME_KEY):
                    continue
                there = state.volumes[VolumeId(key.removeprefix(VOLUME_KEY))].attachment
                host_id = state.holds[key].host_id
                assert there is not None, f"{task} was started without {key}"
                assert there.host_id == host_id, f"{key} of {task} is on another host"
