"""Hosts are chosen here: the first version of placement.

The one thing to know: a hard rule refuses a host and says what was missing; fitness, a whole
number from 0 to 1,000, prefers the fullest host. Equal hosts are told apart by how full they are
already, and only then by a digest of job and host, because random ties cost capacity.
"""

from hashlib import blake2b
from heapq import heapify, heappop, heapreplace
from typing import Final

import msgspec

from scheduler.fold.launches import lacking, less
from scheduler.model.constraint import Constraint
from scheduler.model.events import ClassRefusal, RoundRecord, RuleRefusal
from scheduler.model.ids import HostId, JobId, OfferId, TaskId
from scheduler.model.proposals import Launch, LaunchTasks
from scheduler.model.resources import Need, Resources, added, first_ports, port_count
from scheduler.model.task import Queued
from scheduler.state import Job, State

FITNESS_MAX: Final = 1_000
UNIQUE: Final = Constraint("uniqueHost")
_SPREAD: Final = FITNESS_MAX
"""What a soft uniqueHost takes from a host that already runs a task of the job."""


class Candidate(msgspec.Struct):
    """A host in this round: what is free, what is used, and what the round has put there."""

    host_id: HostId
    free: Resources
    used_cpu_milli: int
    used_memory_mib: int
    tasks_of_job: dict[JobId, int]
    offer_ids: tuple[OfferId, ...]
    launches: list[Launch]


class Round(msgspec.Struct):
    """What a round of placement decided: its record, and one launch for each host used."""

    record: RoundRecord
    launches: tuple[LaunchTasks, ...]


def place(state: State) -> Round:
    """Launches for the waiting tasks, oldest job first, and why the others wait on."""
    queue = [(job, _ready_tasks(state, job.job_id)) for job in _jobs_in_order(state)]
    candidates = _candidates(state) if any(ready for _, ready in queue) else []
    budget = state.policy.launches_per_round_max
    refusals: list[ClassRefusal] = []
    waiting = placed = unexplained = 0
    for job, ready in queue:
        waiting += len(ready)
        if not ready:
            continue
        done = _place_job(job, ready[: budget - placed], candidates)
        placed += done
        if done < len(ready):
            if len(refusals) < state.policy.refusals_per_round_max:
                is_cut = placed >= budget
                refusals.append(_explain(job, len(ready) - done, candidates, is_cut))
            else:
                unexplained += 1
    record = RoundRecord(
        policy_version=state.policy_version,
        inputs_seen=state.placement_inputs,
        mesos_offset=state.stream.mesos_offset,
        waiting=waiting,
        placed=placed,
        hosts=len(candidates),
        refusals=tuple(refusals),
        unexplained=unexplained,
    )
    launches = tuple(
        LaunchTasks(host_id=each.host_id, offer_ids=each.offer_ids, launches=tuple(each.launches))
        for each in candidates
        if each.launches
    )
    return Round(record=record, launches=launches)


def _jobs_in_order(state: State) -> list[Job]:
    jobs = [state.jobs[job_id] for job_id in state.queue]
    jobs.sort(key=lambda job: (job.accepted_offset, job.accepted_index))
    return jobs


def _ready_tasks(state: State, job_id: JobId) -> list[TaskId]:
    now_ms = state.clock.now_ms
    ready = []
    for task_id in state.queue[job_id]:
        task = state.tasks[task_id]
        assert isinstance(task.state, Queued)
        if task.state.ready_at_ms <= now_ms:
            ready.append((task.index, task_id))
    return [task_id for _, task_id in sorted(ready)]


def _candidates(state: State) -> list[Candidate]:
    candidates = []
    for host_id in sorted(state.host_offers):
        offer_ids = tuple(sorted(state.host_offers[host_id]))
        free = Resources()
        for offer_id in offer_ids:
            free = added(free, state.offers[offer_id].resources)
        cpu_milli = memory_mib = 0
        of_job: dict[JobId, int] = {}
        for task_id in state.host_tasks.get(host_id, ()):
            job_id = state.tasks[task_id].job_id
            need = state.jobs[job_id].spec.container.need
            cpu_milli += need.cpu_milli
            memory_mib += need.memory_mib
            of_job[job_id] = of_job.get(job_id, 0) + 1
        candidates.append(Candidate(host_id, free, cpu_milli, memory_mib, of_job, offer_ids, []))
    return candidates


def _place_job(job: Job, ready: list[TaskId], candidates: list[Candidate]) -> int:
    """Place as many of the job's tasks as fit; how many that were.

    The job's tasks are alike, and a task changes only the host that it goes to: every host is
    looked at once, and after each task the chosen one alone takes its new place among the others.
    """
    if not ready:
        return 0
    need = job.spec.container.need
    best_first = [
        _standing(job, need, host, number)
        for number, host in enumerate(candidates)
        if not refused_by(job, need, host)
    ]
    heapify(best_first)
    placed = 0
    while best_first and placed < len(ready):
        *_, number = best_first[0]
        host = candidates[number]
        _put(job, need, ready[placed], host)
        placed += 1
        if refused_by(job, need, host):
            heappop(best_first)
        else:
            heapreplace(best_first, _standing(job, need, host, number))
    return placed


def _standing(job: Job, need: Need, host: Candidate, number: int) -> tuple[int, int, bytes, int]:
    """Where a host stands among the others for a task of this job; the least is the best."""
    tie = _tie(job.job_id, host.host_id)
    return (-fitness(job, need, host), -host.used_cpu_milli, tie, number)


def refused_by(job: Job, need: Need, host: Candidate) -> tuple[str, str] | None:
    """The first hard rule that refuses the host, and what was missing; None where it fits."""
    if UNIQUE in job.spec.container.hard_constraints and host.tasks_of_job.get(job.job_id):
        return ("uniqueHost", f"already runs a task of job {job.job_id}")
    missing = lacking(host.free, need)
    if missing:
        return ("resources", missing)
    if need.ports and port_count(host.free.ports) < need.ports:
        return ("ports", f"{need.ports - port_count(host.free.ports)} ports missing")
    return None


def fitness(job: Job, need: Need, host: Candidate) -> int:
    """How full the host would be, 0 to 1,000: the mean of cpu and memory, as Fenzo packs.

    A soft uniqueHost puts every host without a task of the job before every host with one.
    """
    shares = []
    for used, free, wanted in (
        (host.used_cpu_milli, host.free.cpu_milli, need.cpu_milli),
        (host.used_memory_mib, host.free.memory_mib, need.memory_mib),
    ):
        total = used + free
        shares.append(FITNESS_MAX * (used + wanted) // total if total else FITNESS_MAX)
    packed = sum(shares) // len(shares)
    if UNIQUE not in job.spec.container.soft_constraints:
        return packed
    is_taken = bool(host.tasks_of_job.get(job.job_id))
    return packed // 2 if is_taken else _SPREAD // 2 + packed // 2


def _tie(job_id: JobId, host_id: HostId) -> bytes:
    return blake2b(f"{job_id}\0{host_id}".encode(), digest_size=8).digest()


def _put(job: Job, need: Need, task_id: TaskId, host: Candidate) -> None:
    ports = first_ports(host.free.ports, need.ports) if need.ports else ()
    host.launches.append(Launch(task_id=task_id, ports=ports))
    host.free = less(host.free, need, ports)
    host.used_cpu_milli += need.cpu_milli
    host.used_memory_mib += need.memory_mib
    host.tasks_of_job[job.job_id] = host.tasks_of_job.get(job.job_id, 0) + 1


def _explain(job: Job, waiting: int, candidates: list[Candidate], is_cut: bool) -> ClassRefusal:
    """Why the rest of the job's tasks waits: each rule with its count and its nearest miss."""
    if is_cut:
        rule = RuleRefusal("round limit", 0, None, "the round has placed all that one round may")
        return ClassRefusal(job.job_id, waiting, (rule,), "the next round")
    need = job.spec.container.need
    counts: dict[str, int] = {}
    nearest: dict[str, tuple[int, HostId, str]] = {}
    for host in candidates:
        refused = refused_by(job, need, host)
        if refused is None:
            continue
        rule_name, missing = refused
        counts[rule_name] = counts.get(rule_name, 0) + 1
        short = _shortfall(need, host.free)
        if rule_name not in nearest or short < nearest[rule_name][0]:
            nearest[rule_name] = (short, host.host_id, missing)
    rules = tuple(
        RuleRefusal(name, counts[name], nearest[name][1], nearest[name][2])
        for name in sorted(counts)
    )
    if not candidates:
        wake = "an offer of any host"
        rules = (RuleRefusal("offers", 0, None, "no host has offered resources"),)
    elif "uniqueHost" in counts and len(counts) == 1:
        wake = "an offer of a host without a task of the job, or the end of one of its tasks"
    else:
        wake = "an offer with more resources, or the end of a task"
    return ClassRefusal(job.job_id, waiting, rules, wake)


def _shortfall(need: Need, free: Resources) -> int:
    """How far a host is from fitting, in thousandths of the need, summed over the resources."""
    total = 0
    for wanted, there in (
        (need.cpu_milli, free.cpu_milli),
        (need.memory_mib, free.memory_mib),
        (need.disk_mib, free.disk_mib),
        (need.ports, port_count(free.ports)),
    ):
        if wanted > there:
            total += 1_000 * (wanted - there) // wanted
    return total
