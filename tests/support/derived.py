"""What follows from the rest of a state, computed anew, and compared with what the fold kept.

It is written without looking at how the fold keeps it: from the tasks, jobs and offers alone.
"""

from collections import Counter, defaultdict

from scheduler.digest import Digest, canonical_bytes
from scheduler.healing.standing import LIVE
from scheduler.machine import Machine
from scheduler.model.ids import HostId, JobId, TaskId
from scheduler.model.job import Stream
from scheduler.model.proposals import LaunchTasks
from scheduler.model.task import (
    Finished,
    KillInitiated,
    Launched,
    Placed,
    Queued,
    StartInitiated,
    place_of,
)
from scheduler.placement.interfaces import declared_interfaces
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
    kept: dict[JobId, list[TaskId]] = defaultdict(list)
    for task_id in state.finished_tasks:
        kept[state.tasks[task_id].job_id].append(task_id)
    assert {job_id: list(there) for job_id, there in state.finished_of_jobs.items()} == kept
    _check_resting(state)
    _check_on_hosts(state)
    _check_addresses(state)
    _check_guards(state)
    _check_health(state)
    _check_findings(state)
    _check_jobs_with_turns(state)


def _check_jobs_with_turns(state: State) -> None:
    """Assert that jobs which ticks look at are known, and that exclusive ones are counted."""
    active = {job_id: job for job_id, job in state.jobs.items() if job.state != "Finished"}
    assert set(state.cron_jobs) == {job_id for job_id, job in active.items() if job.cron}
    updating = {job_id for job_id, job in state.jobs.items() if job.update}
    assert set(state.updating) == updating
    for job_id in state.starting_streams:
        assert isinstance(active[job_id].spec.kind, Stream), f"{job_id} is no stream"
    exclusive = sum(
        any(
            rule.kind == "exclusiveHost"
            for spec in (job.spec, *(each.spec for each in job.specs))
            for rule in spec.container.hard_constraints
        )
        for job in active.values()
    )
    assert exclusive == state.exclusive_jobs


def _check_health(state: State) -> None:
    """Assert that trials and live runs are those of the hosts and runs that are remembered."""
    on_trial = {
        host_id for host_id, each in state.health.items() if each.back_ms and not each.away_since_ms
    }
    assert set(state.on_trial) == on_trial
    away = {host_id for host_id, each in state.health.items() if each.away_since_ms}
    assert set(state.away_hosts) == away
    assert [*state.healing_live] == [
        run_id for run_id, each in state.healing_runs.items() if each.state in LIVE
    ]
    assert state.silent.keys() <= state.tasks.keys()


def _check_guards(state: State) -> None:
    """Assert that launches and failures are summed as they are remembered, and no older."""
    hosts: Counter[HostId] = Counter()
    jobs: Counter[JobId] = Counter()
    for second, counts in state.launch_seconds.items():
        assert second <= state.clock.now_ms // 1_000
        for (host_id, job_id), count in counts.items():
            hosts[host_id] += count
            jobs[job_id] += count
    assert hosts == state.launches_of_hosts
    assert jobs == state.launches_of_jobs
    assert list(state.launch_seconds) == sorted(state.launch_seconds)
    failing: dict[JobId, Counter[HostId]] = defaultdict(Counter)
    for host_id, known in state.host_failures.items():
        assert known.failures, "a host without failures is kept"
        assert 0 <= known.quality_milli <= 1_000
        for each in known.failures:
            failing[each.job_id][host_id] += 1
    assert failing == state.failing_jobs
    least = state.policy.placement.guards.quality_least_milli
    bad = {name for name, each in state.host_failures.items() if each.quality_milli < least}
    assert bad == state.bad_hosts.keys()


def _check_findings(state: State) -> None:
    """Assert that missing tasks and unconfirmed orphans are counted."""
    missing = Counter(state.tasks[task_id].job_id for task_id in state.missing)
    assert missing == state.missing_of_jobs
    unconfirmed = [each for each in state.orphans.values() if not each.is_confirmed]
    assert len(unconfirmed) == state.unconfirmed_orphans


def _check_held(state: State) -> set[TaskId]:
    """Assert that who has not started is counted, and held back beyond the limit; who is."""
    held = {task_id for there in state.held.values() for task_id in there}
    assert all(state.held.values()), "an empty entry of a job is kept"
    kinds = (Queued, Placed, Launched, StartInitiated)
    counted = Counter(
        task.job_id
        for task_id, task in state.tasks.items()
        if isinstance(task.state, kinds) and task_id not in held
    )
    assert counted == state.unstarted
    for job_id in state.held:
        most = state.policy.unstarted_tasks_per_job_max
        assert counted[job_id] >= most, f"{job_id} holds tasks back below its limit"
    return held


def _check_resting(state: State) -> None:
    """Assert that who waits for a retry or is held back is known, and nobody else."""
    resting = {task_id for there in state.resting.values() for task_id in there}
    held = _check_held(state) | state.storage_waits.keys()
    assert held <= resting
    resting -= held
    assert all(state.resting.values()), "an empty entry of a job is kept"
    for there in state.queue.values():
        for task_id in there:
            task_state = state.tasks[task_id].state
            assert isinstance(task_state, Queued)
            is_later = task_state.ready_at_ms > state.clock.now_ms
            if task_id in held:
                continue
            assert not is_later or task_id in resting, f"{task_id} waits for its retry"
            assert task_state.ready_at_ms or task_id not in resting, f"{task_id} does not"
            resting.discard(task_id)
    assert not resting, "what is not in the queue rests"


def _check_on_hosts(state: State) -> None:
    """Assert that the tasks on hosts are counted for their jobs."""
    tasks = (state.tasks[task_id] for there in state.host_tasks.values() for task_id in there)
    assert Counter(task.job_id for task in tasks) == state.on_hosts


def _check_addresses(state: State) -> None:
    """Assert that no interface has more tasks than addresses; no test declares a host anew."""
    for host_id, there in state.host_tasks.items():
        places = [place_of(state.tasks[task_id].state) for task_id in there]
        used = Counter(each.interface for each in places if each and each.interface >= 0)
        facts = state.hosts.get(host_id)
        declared = declared_interfaces(facts.attributes).interfaces if facts and used else ()
        for index, count in used.items():
            assert count <= declared[index].addresses, f"interface {index} of {host_id}"


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
    counted = ["network_mbps"] if launch.host_id in state.network_hosts else []
    for name in ("cpu_milli", "memory_mib", "disk_mib", "gpus", *counted):
        wanted, there = (sum(getattr(each, name) for each in side) for side in (needs, given))
        assert wanted <= there, f"{decision} takes {wanted} {name} of {there}"
    scalars: Counter[str] = Counter()
    for need in needs:
        scalars.update(dict(need.scalars))
    for name, wanted in scalars.items():
        there = sum(dict(each.scalars).get(name, 0) for each in given)
        assert wanted <= there, f"{decision} takes {wanted} {name} of {there}"
    ports = [port for each in launch.launches for port in each.ports]
    ranges = [each for resources in given for each in resources.ports]
    assert len(ports) == len(set(ports)) == sum(need.ports for need in needs)
    assert all(any(each.begin <= port <= each.end for each in ranges) for port in ports)


def check_digest(machine: Machine) -> None:
    """Assert that the digest kept entity by entity is the one computed over the whole state."""
    kept = machine.digest.value()
    whole = Digest(machine.state)
    whole.forget()
    assert whole.value() == kept, "an entity changed and was not touched"
    assert canonical_bytes(machine.state)
