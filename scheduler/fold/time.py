"""What the passing of time does: elections, ticks, deadlines.

The one thing to know: nothing times out between an election (or a jump of the clock) and the next
tick, and then every time-out that judges starts anew. Ten minutes away must not end a task.
"""

from heapq import heappop

from scheduler.fold.autoscaling import DEADLINE as SCALING
from scheduler.fold.autoscaling import look, scale_jobs
from scheduler.fold.context import Fold, due_at_ms, moved_task, rested, watch
from scheduler.fold.guards import policy_changed, recovered, time_passed
from scheduler.fold.kills import look_at_budgets
from scheduler.fold.mesos import close_stream
from scheduler.fold.relocation import relocate
from scheduler.fold.safe import is_held, look_at_finding
from scheduler.fold.zones import is_waited_for
from scheduler.model.autoscaling import PolicyId
from scheduler.model.changes import TimeGapped
from scheduler.model.events import LeaderElected, Tick
from scheduler.model.ids import HostId, JobId, TaskId
from scheduler.model.policy import Policy
from scheduler.model.task import (
    Disconnected,
    Finished,
    FinishReason,
    KillInitiated,
    Launched,
    Queued,
    Started,
)
from scheduler.state import State
from scheduler.task_table import Given, Input

TIME_GAP_MS = 60_000
"""A larger jump of the leader's clock is a gap in which nobody looked."""


def clock_moved(fold: Fold, at_ms: int) -> None:
    """Take over a record's time; the fold's clock never runs backwards."""
    clock = fold.state.clock
    if at_ms <= clock.now_ms:
        return
    if clock.now_ms and at_ms - clock.now_ms > TIME_GAP_MS:
        clock.is_judging = False
        fold.report(TimeGapped(from_ms=clock.now_ms, to_ms=at_ms))
    clock.now_ms = at_ms


def change_policy(fold: Fold, policy: Policy, version: int) -> None:
    """From here on decide by these numbers; time-outs under way are counted by them as well."""
    state = fold.state
    state.policy, state.policy_version = policy, version
    for task in state.tasks.values():
        watch(fold, task)
    policy_changed(fold)
    fold.wake_placement()


def leader_elected(fold: Fold, event: LeaderElected) -> None:
    """Begin an epoch: unsent launches go back to the queue, the old leader's stream is over."""
    state = fold.state
    state.epoch = fold.offset
    state.leader = event.candidate
    state.clock.is_judging = False
    close_stream(fold)


def ticked(fold: Fold, event: Tick) -> None:
    """Let time-outs that are due take effect; the first tick only starts them anew."""
    state = fold.state
    clock = state.clock
    state.published_offset = max(state.published_offset, event.published_offset)
    if not clock.is_judging:
        clock.is_judging = True
        clock.judging_since_ms = clock.now_ms
        fold.wake_placement()
        return
    deadlines, fold.cut_zones = fold.deadlines, None
    asking: dict[JobId, None] = {}
    while deadlines and deadlines[0][0] <= clock.now_ms:
        noted_ms, kind, name = heappop(deadlines)
        if kind == "host":
            recovered(fold, HostId(name), noted_ms)
            continue
        if kind == SCALING:
            look(fold, PolicyId(name), noted_ms, asking)
            continue
        task_id = TaskId(name)
        if kind == "ready":
            _ready(fold, task_id)
        elif fold.looked_at_ms.get(task_id) == noted_ms:  # Else an earlier entry came before it.
            del fold.looked_at_ms[task_id]
            _due(fold, task_id, noted_ms)
    scale_jobs(fold, asking)
    look_at_finding(fold)
    look_at_budgets(fold)
    time_passed(fold)
    relocate(fold)
    _note_idleness(fold)


def _ready(fold: Fold, task_id: TaskId) -> None:
    task = fold.state.tasks.get(task_id)
    if task is not None and isinstance(task.state, Queued):
        rested(fold, task.job_id, task_id)
        fold.wake_placement()


def _due(fold: Fold, task_id: TaskId, noted_ms: int) -> None:
    state = fold.state
    task = state.tasks.get(task_id)
    if task is None:
        return
    due_ms = due_at_ms(state, task)
    if due_ms is None:
        return
    if due_ms > noted_ms:
        watch(fold, task)  # Time-outs began anew meanwhile; it is looked at in its new turn.
        return
    is_limit = isinstance(task.state, Started)
    if isinstance(task.state, Disconnected | KillInitiated) and not _is_heard(state, task_id):
        return  # Its next turn comes when Mesos speaks of it: see `status_updated`.
    if is_held(state, task):
        return  # Until an operator's word, which lets every task be looked at anew.
    if isinstance(task.state, Disconnected) and is_waited_for(fold, task):
        return
    reason: FinishReason = "runtimeLimitExceeded" if is_limit else "stuckInState"
    given = Given(state.clock.now_ms, reason=reason, message=_message(fold, task.state))
    after = moved_task(fold, task_id, Input.DEADLINE, given, step="deadline")
    if isinstance(after.state, Finished) and after.state.is_abandoned:
        state.unanswered.setdefault(task_id)


def _is_heard(state: State, task_id: TaskId) -> bool:
    """Whether Mesos has spoken of the task on the stream that is open.

    A task is given up because Mesos says that its host is unreachable, never because nobody
    says anything. (One that does not start is only asked to end, which Mesos answers.) One that
    Mesos does not have was spoken of, though it is asked for again.
    """
    is_answered = task_id not in state.unanswered or task_id in state.missing
    return state.stream.stream_id is not None and is_answered


def _message(fold: Fold, task_state: object) -> str:
    policy = fold.state.policy
    if isinstance(task_state, Launched):
        return f"no word of its start for {policy.launch_timeout_ms} ms"
    if isinstance(task_state, Started):
        return "the job's runtime limit"
    if isinstance(task_state, KillInitiated):
        return f"its host was unreachable for {policy.unreachable_timeout_ms} ms while it was ended"
    return f"its host was unreachable for {policy.unreachable_timeout_ms} ms"


def _note_idleness(fold: Fold) -> None:
    stream = fold.state.stream
    is_idle = not fold.state.queue
    if is_idle and not stream.idle_since_ms:
        stream.idle_since_ms = fold.state.clock.now_ms
    elif not is_idle and stream.idle_since_ms:
        stream.idle_since_ms = 0
