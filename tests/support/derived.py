"""What follows from the rest of a state, computed anew, and compared with what the fold kept.

It is written without looking at how the fold keeps it: from the tasks, jobs and offers alone.
"""

from collections import Counter, defaultdict

from scheduler.digest import Digest, canonical_bytes
from scheduler.machine import Machine
from scheduler.model.ids import HostId, JobId, TaskId
from scheduler.model.proposals import LaunchTasks
from scheduler.model.task import Finished, KillInitiated, Queued
from scheduler.state import Decision, State


def check_derived(state: State) -> None:
    """Assert that queue, host index and kill list are what the tasks say."""
    queue: dict[JobId, set[TaskId]] = defaultdict(set)
    hosts: dict[HostId, set[TaskId]] = defaultdict(set)
    killing: set[TaskId] = set()
    for task_id, task in state.tasks.items():
        if isinstance(task.state, Queued):
            queue[task.job_id].add(task_id)
            continue
        if isinstance(task.state, Finished):
            if task.state.is_back:
                killing.add(task_id)
            continue
        hosts[task.state.place.host_id].add(task_id)
        if isinstance(task.state, KillInitiated):
            killing.add(task_id)
    assert {job_id: set(there) for job_id, there in state.queue.items()} == queue
    assert {host_id: set(there) for host_id, there in state.host_tasks.items()} == hosts
    assert set(state.killing) == killing
    assert state.unanswered.keys() <= state.tasks.keys(), "asked for a task that is forgotten"
    _check_resting(state)
    _check_on_hosts(state)


def _check_resting(state: State) -> None:
    """Assert that who waits for a retry is known, and nobody else."""
    resting = {task_id for there in state.resting.values() for task_id in there}
    assert all(state.resting.values()), "an empty entry of a job is kept"
    for there in state.queue.values():
        for task_id in there:
            task_state = state.tasks[task_id].state
            assert isinstance(task_state, Queued)
            is_later = task_state.ready_at_ms > state.clock.now_ms
            assert not is_later or task_id in resting, f"{task_id} waits for its retry"
            assert task_state.ready_at_ms or task_id not in resting, f"{task_id} does not"
            resting.discard(task_id)
    assert not resting, "what is not in the queue rests"


def _check_on_hosts(state: State) -> None:
    """Assert that the tasks on hosts are counted for their jobs."""
    tasks = (state.tasks[task_id] for there in state.host_tasks.values() for task_id in there)
    assert Counter(task.job_id for task in tasks) == state.on_hosts


def check_launch(state: State, decision: Decision) -> None:
    """Assert that an accepted launch uses no more than its offers hold, port by port."""
    launch = decision.proposal
    assert isinstance(launch, LaunchTasks)
    offers = decision.offers
    assert {held.offer_id for held in offers} == set(launch.offer_ids)
    assert {held.host_id for held in offers} == {launch.host_id}
    needs = [
        state.jobs[state.tasks[each.task_id].job_id].spec.container.need for each in launch.launches
    ]
    given = [held.resources for held in offers]
    for name in ("cpu_milli", "memory_mib", "disk_mib"):
        wanted, there = (sum(getattr(each, name) for each in side) for side in (needs, given))
        assert wanted <= there, f"{decision} takes {wanted} {name} of {there}"
    ports = [port for each in launch.launches for port in each.ports]
    ranges = [each for resources in given for each in resources.ports]
    assert len(ports) == len(set(ports)) == sum(need.ports for need in needs)
    assert all(any(each.begin <= port <= each.end for each in ranges) for port in ports)


def check_digest(machine: Machine) -> None:
    """Assert that the digest kept entity by entity is the one computed over the whole state."""
    kept = machine.digest.value()
    whole = Digest(machine.state)
    state = machine.state
    for kind, container in (
        ("job", state.jobs),
        ("task", state.tasks),
        ("host", state.hosts),
        ("offer", state.offers),
        ("orphan", state.orphans),
        ("decision", state.decisions),
        ("watermark", state.watermarks),
    ):
        state.dirty[kind].update(container)
    state.dirty["index"].update(
        (job_id, index) for job_id, there in state.indexes.items() for index in there
    )
    assert whole.value() == kept, "an entity changed and was not touched"
    assert canonical_bytes(state)
