"""What must hold after every event, whatever happened: checked over the whole state.

The one thing to know: a violation is our own mistake, never bad input, so it is an assertion that
halts the cell before an effect can follow from it. Tests check everything after each record; the
running cell does at every `Mark`.
"""

from collections.abc import Callable

from scheduler.disruption.marks import has_mark
from scheduler.model.ids import JobId, OfferId, TaskId
from scheduler.model.job import Service
from scheduler.model.proposals import LaunchTasks
from scheduler.model.task import (
    Disconnected,
    Finished,
    KillInitiated,
    Placed,
    Queued,
    TaskState,
    is_on_host,
    place_of,
)
from scheduler.state import State
from scheduler.versions import container_of
from scheduler.volumes.invariants import check_storage


def check_everything(state: State) -> None:
    """Assert every invariant over the whole state; raises AssertionError with the entity."""
    for check in checks():
        check(state)


def _check_fleet(state: State) -> None:
    """Every instance is of a group that is there and stands in its index."""
    there = 0
    for name, ids in state.instances_of_groups.items():
        there += len(ids)
        assert ids, f"group {name} has no instances and an index of them"
        assert name in state.cloud_groups, f"instances of group {name}, which is not known"
    assert there == len(state.cloud_instances), "an instance stands in no index of a group"
    for instance_id, each in state.cloud_instances.items():
        assert instance_id in state.instances_of_groups[each.group], f"index of {each}"


def checks() -> tuple[Callable[[State], None], ...]:
    """The parts of it, which stand alone: other records may be folded between two of them."""
    return (
        _check_tasks,
        _check_indexes,
        _check_offers,
        _check_decisions,
        _check_jobs,
        _check_sizes,
        _check_company,
        _check_findings,
        _check_updates,
        _check_fleet,
        check_storage,
        _check_moving,
        _check_held,
    )


def _check_held(state: State) -> None:
    """Who is held back waits for a host, and the lowest number has the first turn."""
    for job_id, there in state.held.items():
        tasks = [state.tasks[each] for each in there]
        assert tasks, f"an empty list of held tasks of {job_id} is kept"
        assert all(isinstance(each.state, Queued) for each in tasks), f"held tasks of {job_id}"
        assert there.keys() <= state.resting.get(job_id, {}).keys(), f"held tasks of {job_id}"
        numbers = [each.number for each in tasks]
        assert numbers == sorted(numbers), f"turns of the held tasks of {job_id}"


def _check_moving(state: State) -> None:
    """Whoever is marked to move, or not to, is known to be."""
    jobs = {
        each
        for each, job in state.jobs.items()
        if job.spec.attributes and has_mark(job.spec.attributes)
    }
    assert jobs == state.moving_jobs.keys(), "marked jobs"
    tasks = {
        each for each, task in state.tasks.items() if task.attributes and has_mark(task.attributes)
    }
    assert tasks == state.moving_tasks.keys(), "marked tasks"


def _check_updates(state: State) -> None:
    """Every task's version is known, and no update has taken more than it may."""
    for job_id, job in state.jobs.items():
        versions = {job.spec_version, *(each.version for each in job.specs)}
        assert len(versions) == 1 + len(job.specs), f"versions of {job_id}"
        for task_id in state.indexes[job_id].values():
            task = state.tasks[task_id]
            assert task.spec_version in versions, f"version of {task}"
            assert task.next_version in {0, *versions}, f"next version of {task}"
        update = job.update
        assert (update is not None) == (job_id in state.updating), f"update of {job_id}"
        if update is not None:
            assert len(update.taken) <= update.taken_max, f"{job_id}: {update} took too much"
            assert update.from_version in versions, f"{job_id} cannot go back: {update}"


def _check_findings(state: State) -> None:
    """What is missing is waited for, and nobody has given it up."""
    for task_id in state.missing:
        assert isinstance(state.tasks[task_id].state, Disconnected), f"missing {task_id}"
    known = state.orphans.keys() & state.tasks.keys()
    assert not known, f"an orphan is known: {sorted(known)}"


def _check_tasks(state: State) -> None:
    queued = {task_id for waiting in state.queue.values() for task_id in waiting}
    hosted = {task_id for there in state.host_tasks.values() for task_id in there}
    killing, host_tasks = state.killing, state.host_tasks
    for task_id, task in state.tasks.items():
        now = task.state
        kind, is_hosted = type(now), is_on_host(now)
        assert task.task_id == task_id
        assert (task_id in queued) is (kind is Queued), f"queue and {task}"
        assert (task_id in hosted) is is_hosted, f"hosts and {task}"
        if is_hosted:
            place = place_of(now)
            assert place is not None
            assert task_id in host_tasks[place.host_id], f"host of {task}"
        must_end = kind is KillInitiated or (type(now) is Finished and now.is_back)
        assert (task_id in killing) is must_end, f"kill list and {task}"
    assert queued <= state.tasks.keys()
    assert hosted <= state.tasks.keys()
    assert len(queued) == state.queued_tasks
    assert all(state.queue.values()), "an empty queue of a job is kept"


def _check_company(state: State) -> None:
    """No task shares a host, or a device of it, with one that it may not share it with."""
    for host_id, there in state.host_tasks.items():
        jobs: dict[JobId, int] = {}
        devices: list[int] = []
        bound: dict[int, frozenset[str]] = {}
        for task_id in there:
            task = state.tasks[task_id]
            jobs[task.job_id] = jobs.get(task.job_id, 0) + 1
            place = place_of(task.state)
            assert place is not None
            devices.extend(place.gpus)
            if place.interface >= 0:
                groups = frozenset(container_of(state, task).security_groups)
                known = bound.setdefault(place.interface, groups)
                assert known == groups, f"an interface of {host_id} has two sets of groups"
        assert len(devices) == len(set(devices)), f"two tasks have one device of {host_id}"
        for job_id, count in jobs.items():
            hard = {
                each
                for task_id in there
                if state.tasks[task_id].job_id == job_id
                for each in container_of(state, state.tasks[task_id]).hard_constraints
            }
            for each in sorted(hard):
                is_alone = len(there) == 1 if each.kind == "exclusiveHost" else count == 1
                is_about = each.kind in {"exclusiveHost", "uniqueHost"}
                assert is_alone or not is_about, f"{host_id} breaks {each.kind} of {job_id}"


def _check_indexes(state: State) -> None:
    """At most one live task for each index, and it is the current one."""
    current = {task_id for there in state.indexes.values() for task_id in there.values()}
    kept_tasks, tasks = state.finished_tasks, state.tasks
    for task_id, task in tasks.items():
        is_ended, is_current = type(task.state) is Finished, task_id in current
        assert is_ended or is_current, f"{task_id} lives and is not its index's task"
        is_kept = task_id in kept_tasks
        assert is_kept is (is_ended and not is_current), f"kept list and {task}"
    for job_id, there in state.indexes.items():
        for index, task_id in there.items():
            task = tasks[task_id]
            is_its = task.index == index and task.job_id == job_id
            assert is_its, f"index {index} of {job_id}"


def _check_offers(state: State) -> None:
    by_host = {offer_id for offers in state.host_offers.values() for offer_id in offers}
    assert by_host == state.offers.keys()
    for host_id, offers in state.host_offers.items():
        assert offers, f"an empty list of offers of {host_id} is kept"
        assert all(state.offers[offer_id].host_id == host_id for offer_id in offers)
    assert not state.offers or state.stream.stream_id is not None, "offers without a stream"
    used = [held.offer_id for each in state.decisions.values() for held in each.offers]
    assert len(used) == len(set(used)), "an offer is used by two decisions"
    assert not state.offers.keys() & set(used), "a used offer is still held"
    if state.offers_by_age is not None:
        _check_ages(state, state.offers_by_age)


def _check_ages(state: State, ages: dict[int, dict[OfferId, None]]) -> None:
    assert list(ages) == sorted(ages), "offers are not kept by their age, the oldest first"
    by_age = {each: since_ms for since_ms, offer_ids in ages.items() for each in offer_ids}
    assert by_age == {offer_id: held.since_ms for offer_id, held in state.offers.items()}
    assert all(ages.values()), "a time since which no offer is held is kept"


def _check_decisions(state: State) -> None:
    for proposal_id, decision in state.decisions.items():
        if not isinstance(decision.proposal, LaunchTasks) or decision.is_started:
            continue
        for launch in decision.proposal.launches:
            _check_placed(state, proposal_id, launch.task_id)


def _check_placed(state: State, proposal_id: str, task_id: TaskId) -> None:
    task = state.tasks[task_id]
    assert isinstance(task.state, Placed), f"{task} of unstarted {proposal_id}"
    assert task.state.place.proposal_id == proposal_id


def _is_scaled_down(state: TaskState) -> bool:
    return isinstance(state, KillInitiated | Finished) and state.reason == "scaledDown"


def _check_sizes(state: State) -> None:
    """A service has as many tasks as it wants, whatever raced, and its bounds are in order."""
    for job_id, job in state.jobs.items():
        kind = job.spec.kind
        assert job.version >= 1
        if not isinstance(kind, Service):
            continue
        assert 0 <= kind.minimum <= kind.desired <= kind.maximum, f"bounds of {job_id}: {kind}"
        if job.state != "Accepted" or job.update is not None or job.specs or job.spec.sets:
            continue  # An update has tasks of two versions, and says itself how many there are.
        there = [state.tasks[task_id] for task_id in state.indexes[job_id].values()]
        wanted = len(there) - sum([_is_scaled_down(each.state) for each in there])
        if job.spec.index_limit is not None and len(there) >= job.spec.index_limit:
            wanted = max(wanted, kind.desired)  # Some wait for the end of others of their index.
        assert wanted == kind.desired, f"{job_id} has {wanted} tasks and wants {kind.desired}"
        assert all(each.number < job.next_number for each in there), f"numbers of {job_id}"


def _check_jobs(state: State) -> None:
    active, tasks = 0, state.tasks
    for job_id, job in state.jobs.items():
        there = [tasks[task_id] for task_id in state.indexes[job_id].values()]
        live = sum([type(each.state) is not Finished for each in there])
        assert job.open_indexes == live, f"{job_id}: {job.open_indexes} open, {live} live"
        assert (job.state == "Finished") == (job_id in state.finished_jobs)
        active += job.state != "Finished"
        assert job.state != "Finished" or live == 0, f"{job_id} ended with live tasks"
    assert active == state.active_jobs
    named = {
        job.spec.group_name: job_id
        for job_id, job in state.jobs.items()
        if job.spec.group_name and job.state != "Finished"
    }
    assert named == state.group_names, "names of active jobs"
    for job_id, names in state.load_balancers.items():
        assert state.jobs[job_id].state != "Finished", f"{job_id} has ended"
        assert names == tuple(sorted(set(names))), f"load balancers of {job_id}"
        assert names, f"load balancers of {job_id}: none"
    kept = sum(len(state.indexes[job_id]) for job_id in state.finished_jobs)
    assert kept == state.tasks_of_finished_jobs
