"""What every folding function is handed: the state, the event's place, and where to report.

The one thing to know: `moved_task` is the only place where a task's state changes; it keeps every
index of the state in step with the task itself.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from heapq import heapify, heappush
from typing import Final, NamedTuple

from msgspec.structs import replace

from scheduler.fold.sla import sla_moved, sla_queued
from scheduler.model.changes import Change, TaskChanged
from scheduler.model.ids import HostId, JobId, ProposalId, TaskId, proposal_id_of
from scheduler.model.job import Batch
from scheduler.model.manner import manner_of
from scheduler.model.task import (
    Disconnected,
    Finished,
    KillInitiated,
    Launched,
    OnHost,
    Placed,
    Queued,
    Started,
    StartInitiated,
    Task,
    TaskState,
    place_of,
    titus_state,
)
from scheduler.state import Rest, State
from scheduler.task_table import COLUMNS, Given, Input, moved
from scheduler.versions import container_of

ADDRESS_RESTS_MAX = 1_024
"""Of one host; beyond that the oldest is taken for rested."""
STALE_MIN: Final = 1_000
"""So many stale deadlines are not worth looking for."""

Deadline = tuple[int, str, str]
"""Due time, kind of deadline, task or job id."""


@dataclass(slots=True)
class Fold:
    """One record being folded: the state, the place in the log, and what has changed so far."""

    state: State
    offset: int = 0
    index: int = 0
    changes: list[tuple[int, Change]] = field(default_factory=list)
    deadlines: list[Deadline] = field(default_factory=list)
    """A heap of times to look again; entries that no longer hold are dropped when due."""
    looked_at_ms: dict[TaskId, int] = field(default_factory=dict)
    """When each task is looked at next. A later deadline needs no entry of its own in the heap:
    it is found when the task is looked at. So a short task has one entry, and not three."""
    stale: int = field(init=False)
    """Entries of the heap for a task that ended, or is looked at at another time."""
    cut_zones: frozenset[str] | None = None
    """Zones that are cut off, once a tick had to count them; None before."""
    on_finished: Callable[["Fold", Task, Task], None] | None = None
    """What follows from an ended task (before, after); set by the machine: jobs know tasks, tasks
    do not know jobs."""
    on_storage: Callable[["Fold", Task], None] | None = None
    """What follows for volumes and addresses where a task that has some was made or moved."""

    def __post_init__(self) -> None:
        """Count what is stale, so that a restored fold drops it when the one before would have."""
        of_tasks = sum(kind == "task" for _, kind, _ in self.deadlines)
        self.stale = of_tasks - len(self.looked_at_ms)

    @property
    def proposal_id(self) -> ProposalId:
        """The id of the proposal that stands at this place."""
        return proposal_id_of(self.offset, self.index)

    def report(self, change: Change) -> None:
        """Note a change at the event that is being folded."""
        self.changes.append((self.index, change))

    def touch(self, kind: str, key: object) -> None:
        """Mark an entity whose part of the digest is stale."""
        self.state.dirty[kind].add(key)

    def wake_placement(self) -> None:
        """Say that a round of placement could answer differently from now on."""
        self.state.placement_inputs += 1


def new_task(fold: Fold, task: Task) -> None:
    """Add a task that waits for a host."""
    state = fold.state
    assert isinstance(task.state, Queued)
    assert task.task_id not in state.tasks, f"task {task.task_id} exists already"
    state.tasks[task.task_id] = task
    state.indexes.setdefault(task.job_id, {})[task.index] = task.task_id
    state.queue.setdefault(task.job_id, {})[task.task_id] = None
    state.queued_tasks += 1
    state.jobs_changed[task.job_id] = None
    state.dirty["task"].add(task.task_id)
    state.dirty["index"].add((task.job_id, task.index))
    if state.slas:
        sla_queued(fold, task)
    if _is_held_back(state, task.job_id):
        state.held.setdefault(task.job_id, {})[task.task_id] = None
        state.dirty["held"].add(task.task_id)
        state.resting.setdefault(task.job_id, {})[task.task_id] = None
    else:
        state.unstarted[task.job_id] = state.unstarted.get(task.job_id, 0) + 1
        _let_wait(fold, task, task.state.ready_at_ms)
    if state.jobs[task.job_id].spec.is_persistent:
        assert fold.on_storage is not None
        fold.on_storage(fold, task)
    message = f"in place of {task.resubmit_of}" if task.resubmit_of else ""
    # By position, as where tasks move.
    change = TaskChanged(task.job_id, task.task_id, "Accepted", "queued", "", message)
    fold.changes.append((fold.index, change))


def _let_wait(fold: Fold, task: Task, ready_at_ms: int) -> None:
    """Have the task placed as soon as its retry delay, if any, is over."""
    state = fold.state
    if ready_at_ms > state.clock.now_ms:
        state.resting.setdefault(task.job_id, {})[task.task_id] = None
        heappush(fold.deadlines, (ready_at_ms, "ready", task.task_id))
        return
    rested(fold, task.job_id, task.task_id)
    fold.wake_placement()


def hold_back(fold: Fold, task: Task, key: str) -> None:
    """Let a queued task wait for a volume or an address: placement does not see it."""
    state = fold.state
    state.storage_waits[task.task_id] = key
    state.resting.setdefault(task.job_id, {})[task.task_id] = None
    state.jobs_changed[task.job_id] = None


def go_on(fold: Fold, task: Task) -> None:
    """Let a task that waited for a volume or an address be placed, if nothing else holds it."""
    state = fold.state
    del state.storage_waits[task.task_id]
    if task.task_id in state.held.get(task.job_id, ()):
        return
    assert isinstance(task.state, Queued)
    _let_wait(fold, task, task.state.ready_at_ms)


def _is_held_back(state: State, job_id: JobId) -> bool:
    """Whether so many tasks of the job have not started that another one has to wait.

    Members of a gang start together or not at all: they are never held back.
    """
    if state.unstarted.get(job_id, 0) < state.policy.unstarted_tasks_per_job_max:
        return False
    return not manner_of(state.jobs[job_id].spec.attributes, is_lenient=True).gang


def let_start(fold: Fold, job_id: JobId) -> None:
    """Let as many held tasks of the job go on as its start limit has room for."""
    state = fold.state
    held, most = state.held.get(job_id), state.policy.unstarted_tasks_per_job_max
    while held and state.unstarted.get(job_id, 0) < most:
        task_id = next(iter(held))
        del held[task_id]
        fold.touch("held", task_id)
        state.unstarted[job_id] = state.unstarted.get(job_id, 0) + 1
        task = state.tasks[task_id]
        assert isinstance(task.state, Queued)
        _let_wait(fold, task, task.state.ready_at_ms)
    if held is not None and not held:
        del state.held[job_id]


def _count_unstarted(fold: Fold, task: Task, *, is_unstarted: bool) -> None:
    """Note that the task has started, ended, or is to start once more."""
    state, job_id = fold.state, task.job_id
    held = state.held.get(job_id)
    if held is not None and task.task_id in held:
        del held[task.task_id]
        fold.touch("held", task.task_id)
        if not held:
            del state.held[job_id]
        return  # It was not counted.
    count = state.unstarted.get(job_id, 0) + (1 if is_unstarted else -1)
    if count:
        state.unstarted[job_id] = count
    else:
        del state.unstarted[job_id]
    if held is not None and not is_unstarted:
        let_start(fold, job_id)


def moved_task(fold: Fold, task_id: TaskId, what: Input, given: Given, step: str = "") -> Task:
    """The task after ``what`` happened to it, with everything that follows from it done."""
    state = fold.state
    before = state.tasks[task_id]
    was = before.state
    now = moved(was, what, given)
    if now is was:
        return before
    after = replace(before, state=now, version=before.version + 1)
    state.tasks[task_id] = after
    state.dirty["task"].add(task_id)
    place: OnHost | None = getattr(now, "place", None)  # As `place_of`, without the call.
    _reindex(fold, was, now, after, place)
    was_kind = type(was)
    if task_id in state.holders or (
        was_kind is Queued
        and type(now) is Finished
        and state.jobs[before.job_id].spec.is_persistent
    ):
        assert fold.on_storage is not None
        fold.on_storage(fold, after)
    if state.sla_starts and type(now) in _PAST_START and task_id in state.sla_starts:
        sla_moved(fold, after)
    host_id = place.host_id if place is not None else None
    facts = state.hosts.get(host_id) if host_id is not None else None
    if (was_kind is Launched or was_kind is StartInitiated) and (
        type(now) is Finished or (was_kind is Launched and type(now) is Started)
    ):
        _fill_in(fold, was_kind, after, host_id)
    # One is made for every step of every task: by position, because names take half as long again,
    # and past the property `value`, which takes longer than all the rest of this line.
    change = TaskChanged(
        after.job_id,
        task_id,
        titus_state(now),
        step or what._value_,
        now.reason if type(now) is Finished or type(now) is KillInitiated else "",
        given.message,
        host_id,
        facts.hostname if facts is not None else host_id or "",
        given.observed_at_ms,
    )
    fold.changes.append((fold.index, change))
    if type(now) is Finished and type(was) is not Finished:
        assert fold.on_finished is not None
        fold.on_finished(fold, before, after)
    return after


def _fill_in(fold: Fold, was_kind: type[TaskState], after: Task, host_id: HostId | None) -> None:
    """Report states that the task must have passed although nobody said so (Titus: S22).

    What started was starting before, and what ended well had started; a failure says neither.
    """
    now = after.state
    has_run = type(now) is Started or (type(now) is Finished and now.reason == "normal")
    if not has_run:
        return
    passed = ["StartInitiated"] if was_kind is Launched else []
    if type(now) is Finished:
        passed.append("Started")
    hostname = fold.state.hostname(host_id) if host_id is not None else ""
    for name in passed:
        fold.report(
            TaskChanged(
                job_id=after.job_id,
                task_id=after.task_id,
                state=name,
                step="filled in",
                reason="filledIn",
                message="not said by Mesos",
                host_id=host_id,
                hostname=hostname,
            )
        )


def _reindex(
    fold: Fold, was: TaskState, now: TaskState, after: Task, now_on: OnHost | None
) -> None:
    """Keep queue, host index, kill list and deadlines in step with one changed task."""
    was_kind, now_kind = type(was), type(now)
    if was_kind is not now_kind:
        what = _FOLLOWS[was_kind][now_kind]
        if what.is_requeued:
            _requeue(fold, after.job_id, after.task_id, is_queued=now_kind is Queued)
        if what.is_counted:
            _count_unstarted(fold, after, is_unstarted=now_kind in _UNSTARTED)
        if what.is_rehosted:
            holds = now_kind in _ON_HOST
            place = now_on if holds else place_of(was)
            assert place is not None
            _rehost(fold, place.host_id, after, is_there=holds)
            # What never left the cell has used no address that could have to rest.
            if place.interface >= 0 and not holds and was_kind is not Placed:
                _rest(fold, place, after)
        if what.is_rehosted or (what.has_started and _is_launching_seen(fold.state)):
            changed = now_on or place_of(was)
            assert changed is not None
            fold.state.hosts_changed[changed.host_id] = None
        if was_kind is Disconnected and fold.state.missing:
            found(fold, after)
        if what.has_started and (
            fold.state.on_trial or fold.state.policy.placement.guards.launching_per_host_max
        ):
            fold.wake_placement()  # The host may be given the next one now.
    if now_kind is KillInitiated or (type(now) is Finished and now.is_back):
        fold.state.killing[after.task_id] = None
    elif was_kind is KillInitiated or was_kind is Finished:
        fold.state.killing.pop(after.task_id, None)
    if was_kind is not now_kind or now_kind not in _TIMED_ONCE:
        watch(fold, after)


def _is_launching_seen(state: State) -> bool:
    """Whether a rule, a trial or a plug-in sees how many tasks of a host have not started yet.

    Else a step of a task that stays on its host changes nothing that placement looks at: of a task
    from its launch to its end two of four steps would have its host looked at anew in vain.
    """
    rules = state.policy.placement
    return bool(state.on_trial or rules.guards.launching_per_host_max or rules.plugins)


_PAST_START = frozenset((Started, Finished))
LAUNCHING = frozenset((Placed, Launched, StartInitiated))
"""States of a task that is given to a host and has not started there."""
_UNSTARTED = frozenset((Queued, Placed, Launched, StartInitiated))
_ON_HOST = frozenset((Placed, Launched, StartInitiated, Started, Disconnected, KillInitiated))
_TIMED_ONCE = frozenset((Launched, Started))
"""Health that flaps for days changes no deadline and fills no heap; nor does a call's answer."""


class _Follows(NamedTuple):
    """What a step from one kind of state to another has to be followed by."""

    is_requeued: bool
    is_counted: bool
    is_rehosted: bool
    has_started: bool


def _follows(was: type[TaskState], now: type[TaskState]) -> _Follows:
    return _Follows(
        is_requeued=was is Queued or now is Queued,
        is_counted=(was in _UNSTARTED) is not (now in _UNSTARTED),
        is_rehosted=(was in _ON_HOST) is not (now in _ON_HOST),
        has_started=was in LAUNCHING and now not in LAUNCHING,
    )


_FOLLOWS: Final[Mapping[type, Mapping[type, _Follows]]] = {
    was: {now: _follows(was, now) for now in COLUMNS} for was in COLUMNS
}
"""Looked up for every step of every task, where working it out would take longer."""


def found(fold: Fold, task: Task) -> None:
    """Note that the task is not missing any more, if it was: it was heard of, or given up."""
    state = fold.state
    if state.missing.pop(task.task_id, None) is None:
        return
    state.dirty["missing"].add(task.task_id)
    left = state.missing_of_jobs[task.job_id] - 1
    if left:
        state.missing_of_jobs[task.job_id] = left
    else:
        del state.missing_of_jobs[task.job_id]


def _requeue(fold: Fold, job_id: JobId, task_id: TaskId, *, is_queued: bool) -> None:
    queue = fold.state.queue
    fold.state.jobs_changed[job_id] = None
    if is_queued:
        queue.setdefault(job_id, {})[task_id] = None
        fold.state.queued_tasks += 1
        fold.wake_placement()
        return
    waiting = queue[job_id]
    del waiting[task_id]
    fold.state.storage_waits.pop(task_id, None)
    fold.state.placed_at_ms[job_id] = fold.state.clock.now_ms
    rested(fold, job_id, task_id)
    fold.state.queued_tasks -= 1
    if not waiting:
        del queue[job_id]
        del fold.state.placed_at_ms[job_id]
        fold.state.told.pop(job_id, None)


def rested(fold: Fold, job_id: JobId, task_id: TaskId) -> None:
    """Note that the task waits for no retry any more."""
    fold.state.jobs_changed[job_id] = None
    resting = fold.state.resting.get(job_id)
    if resting is None or task_id in fold.state.storage_waits:
        return
    resting.pop(task_id, None)
    if not resting:
        del fold.state.resting[job_id]


def _rehost(fold: Fold, host_id: HostId, task: Task, *, is_there: bool) -> None:
    hosts, counts = fold.state.host_tasks, fold.state.on_hosts
    count = counts.get(task.job_id, 0) + (1 if is_there else -1)
    if count:
        counts[task.job_id] = count
    else:
        del counts[task.job_id]
    fold.state.jobs_changed[task.job_id] = None
    if is_there:
        hosts.setdefault(host_id, {})[task.task_id] = None
        return
    there = hosts[host_id]
    del there[task.task_id]
    fold.wake_placement()  # A unique-host rule may be free now, before the next offer is.
    if not there:
        del hosts[host_id]


def _rest(fold: Fold, place: OnHost, task: Task) -> None:
    """Note that the task's address is free again, and forget what has rested long enough."""
    state = fold.state
    now_ms, groups = state.clock.now_ms, container_of(state, task).security_groups
    since_ms = now_ms - state.policy.placement.guards.address_reuse_ms
    kept = [
        each for each in state.address_rests.get(place.host_id, ()) if each.ended_at_ms > since_ms
    ]
    rest = Rest(interface=place.interface, security_groups=groups, ended_at_ms=now_ms)
    state.address_rests[place.host_id] = (*kept, rest)[-ADDRESS_RESTS_MAX:]


def watch(fold: Fold, task: Task) -> None:
    """Note when this task must be looked at again, if ever."""
    due_ms = due_at_ms(fold.state, task)
    if due_ms is None:
        if type(task.state) is Finished:
            _look_no_more(fold, task.task_id)
        return
    next_ms = fold.looked_at_ms.get(task.task_id)
    if next_ms is None or due_ms < next_ms:
        look_at(fold, task.task_id, due_ms)


def look_at(fold: Fold, task_id: TaskId, at_ms: int) -> None:
    """Note that the task is looked at then, and at no other time that was noted before."""
    before_ms = fold.looked_at_ms.get(task_id)
    if before_ms == at_ms:
        return
    if before_ms is not None:
        _outdate(fold)
    fold.looked_at_ms[task_id] = at_ms
    heappush(fold.deadlines, (at_ms, "task", task_id))


def _look_no_more(fold: Fold, task_id: TaskId) -> None:
    """Forget when an ended task would have been looked at, if it waits for no turn."""
    if task_id in fold.looked_at_ms and task_id not in fold.state.stuck_turns:
        del fold.looked_at_ms[task_id]
        _outdate(fold)


def _outdate(fold: Fold) -> None:
    """Count one more stale entry of the heap; too many, and all of them are dropped.

    Else each task would have an entry until its runtime limit: days, where it ran for seconds.
    """
    fold.stale += 1
    if fold.stale <= STALE_MIN + len(fold.looked_at_ms):
        return
    looked_at_ms = fold.looked_at_ms
    fold.deadlines[:] = [
        each
        for each in fold.deadlines
        if each[1] != "task" or looked_at_ms.get(TaskId(each[2])) == each[0]
    ]
    heapify(fold.deadlines)
    fold.stale = 0


def due_at_ms(state: State, task: Task) -> int | None:
    """When the task's present state has lasted too long; None where it may last for ever.

    Time-outs that judge count from the last election or time gap at the earliest: nobody is
    blamed for time in which nobody looked. A runtime limit is the user's own and keeps counting.
    """
    policy, since = state.policy, state.clock.judging_since_ms
    task_state = task.state
    kind = type(task_state)  # Asked for every step of every task; a `match` takes twice as long.
    if kind is Launched:
        return max(task_state.since_ms, since) + policy.launch_timeout_ms
    if kind is StartInitiated:
        is_batch = type(state.jobs[task.job_id].spec.kind) is Batch
        most_ms = policy.start_timeout_ms if is_batch else policy.service_start_timeout_ms
        return max(task_state.since_ms, since) + most_ms
    if kind is Started:
        limit_ms = getattr(state.jobs[task.job_id].spec.kind, "runtime_limit_ms", None)
        return None if limit_ms is None else task_state.since_ms + int(limit_ms)
    if kind is Finished or kind is Queued or kind is Placed:
        return None
    assert isinstance(task_state, Disconnected | KillInitiated)
    if isinstance(task_state, KillInitiated) and not task_state.is_unreachable:
        if task_state.is_stuck:
            return None
        grace_ms = container_of(state, task).kill_grace_ms
        return max(task_state.since_ms, since) + grace_ms + policy.killing_timeout_ms
    wait_ms = unreachable_ms(state, task)
    return None if wait_ms is None else max(task_state.since_ms, since) + wait_ms


def unreachable_ms(state: State, task: Task) -> int | None:
    """How long a task on an unreachable host is waited for; None: for ever, as its job wants."""
    job = state.jobs.get(task.job_id)
    if job is None or not isinstance(task.state, Disconnected):
        return state.policy.unreachable_timeout_ms  # What is ended anyway is not worth a wait.
    manner = manner_of(job.spec.attributes, is_lenient=True)
    if manner.waits_for_ever:
        return None
    known = manner.unreachable_ms
    return state.policy.unreachable_timeout_ms if known is None else known
