"""What happens to a task whose state has lasted too long.

The one thing to know: only what Mesos speaks of is judged, and tasks that are stuck are taken one
a second (Titus' gate), each at a turn of its own: a mass stall is watched, and is no storm of
kills. A task that does not end when it is killed is never called finished: its host is taken out
of use and somebody is paged, for only there it can be ended.
"""

from typing import Final

from scheduler.fold.context import Fold, due_at_ms, look_at, moved_task, unreachable_ms, watch
from scheduler.fold.safe import is_held, page_once
from scheduler.fold.zones import is_waited_for
from scheduler.model.ids import HostId, TaskId
from scheduler.model.task import (
    Disconnected,
    Finished,
    FinishReason,
    KillInitiated,
    Launched,
    Started,
    StartInitiated,
    Task,
)
from scheduler.state import HostOrder, State
from scheduler.task_table import Given, Input

HEALING_ACTOR: Final = "flumina"
"""Who stands in the order by which the fold takes a host out of use."""


def task_due(fold: Fold, task_id: TaskId, noted_ms: int) -> None:
    """Look at a task at the time that was noted for it."""
    state = fold.state
    task = state.tasks.get(task_id)
    due_ms = None if task is None else due_at_ms(state, task)
    if task is None or due_ms is None:
        state.stuck_turns.pop(task_id, None)
        return
    if due_ms > noted_ms:
        state.stuck_turns.pop(task_id, None)
        watch(fold, task)  # Time-outs began anew meanwhile; it is looked at in its new turn.
        return
    if isinstance(task.state, Disconnected | KillInitiated) and not _is_heard(state, task_id):
        return  # Its next turn comes when Mesos speaks of it: see `status_updated`.
    if is_held(state, task):
        return  # Until an operator's word, which lets every task be looked at anew.
    if isinstance(task.state, Disconnected) and is_waited_for(fold, task):
        return
    if _is_stuck(task) and not _is_blamed(fold, task):
        return
    is_limit = isinstance(task.state, Started)
    reason: FinishReason = "runtimeLimitExceeded" if is_limit else "stuckInState"
    given = Given(state.clock.now_ms, reason=reason, message=_message(state, task))
    after = moved_task(fold, task_id, Input.DEADLINE, given, step="deadline")
    if isinstance(after.state, Finished) and after.state.is_abandoned:
        state.unanswered.setdefault(task_id)
    if isinstance(after.state, KillInitiated) and after.state.is_stuck:
        _take_host_out(fold, after.state.place.host_id, after)


def _is_stuck(task: Task) -> bool:
    """Whether the task is in what Titus calls stuck; what nobody reaches is another case."""
    state = task.state
    if isinstance(state, KillInitiated):
        return not state.is_unreachable
    return isinstance(state, Launched | StartInitiated)


def _is_blamed(fold: Fold, task: Task) -> bool:
    """Whether something is done about the stuck task now."""
    if isinstance(task.state, KillInitiated) and task.state.kill_sent_at_ms is None:
        # Kills are held back (a budget, a safe cell): its host has not been asked to end it.
        state = fold.state
        again_ms = state.clock.now_ms + max(1_000, state.policy.killing_timeout_ms)
        look_at(fold, task.task_id, again_ms)
        return False
    return _has_turn(fold, task.task_id)


def _has_turn(fold: Fold, task_id: TaskId) -> bool:
    """Whether it is this stuck task's turn; else it is looked at again when it is."""
    state, now_ms = fold.state, fold.state.clock.now_ms
    turn_ms = state.stuck_turns.get(task_id)
    if turn_ms is None:
        turn_ms = max(now_ms, state.clock.stuck_turn_ms)
        state.clock.stuck_turn_ms = turn_ms + 1_000 // state.policy.stuck_actions_per_s_max
    if turn_ms < now_ms + 1_000:  # All turns of one second are that second's.
        state.stuck_turns.pop(task_id, None)
        return True
    state.stuck_turns[task_id] = turn_ms
    look_at(fold, task_id, turn_ms)
    return False


def _take_host_out(fold: Fold, host_id: HostId, task: Task) -> None:
    """Give the host of a task that will not end no more tasks, until an operator's word."""
    state = fold.state
    hostname = state.hostname(host_id)
    known = state.host_orders.get(host_id)
    out = sum(each.actor == HEALING_ACTOR for each in state.host_orders.values())
    is_used = known is None or known.standing == "lastChoice"
    what = f"host {hostname} does not end task {task.task_id}"
    if is_used and out < state.policy.healing_hosts_max:
        why = f"task {task.task_id} was killed and has not ended for too long"
        state.host_orders[host_id] = HostOrder("disabled", HEALING_ACTOR, why, state.clock.now_ms)
        fold.touch("order", host_id)
        state.hosts_changed[host_id] = None
        done = f"It gets no more tasks; `flumina host enable {host_id}` lets it have some again"
    elif is_used:
        done = f"{out} hosts are out of use for this already, so it goes on getting tasks"
    else:
        done = "It gets no more tasks anyway"
    page_once(
        fold,
        "stuck kill",
        str(host_id),
        what=what,
        why=f"kills were repeated for {state.policy.killing_timeout_ms} ms. {done}. The task is "
        "not called ended while it may run: it keeps its resources, and is killed until it is gone",
        tasks=(task.task_id,),
        tasks_total=1,
    )


def _is_heard(state: State, task_id: TaskId) -> bool:
    """Whether Mesos has spoken of the task on the stream that is open.

    A task is given up because Mesos says that its host is unreachable, never because nobody
    says anything. (One that does not start is only asked to end, which Mesos answers.) One that
    Mesos does not have was spoken of, though it is asked for again.
    """
    is_answered = task_id not in state.unanswered or task_id in state.missing
    return state.stream.stream_id is not None and is_answered


def _message(state: State, task: Task) -> str:
    policy, task_state = state.policy, task.state
    if isinstance(task_state, Launched):
        return f"no word of its start for {policy.launch_timeout_ms} ms"
    if isinstance(task_state, StartInitiated):
        return "it began to start and has not started in time"
    if isinstance(task_state, Started):
        return "the job's runtime limit"
    if isinstance(task_state, KillInitiated) and not task_state.is_unreachable:
        return f"killed and not ended for {policy.killing_timeout_ms} ms"
    if isinstance(task_state, KillInitiated):
        return f"its host was unreachable for {policy.unreachable_timeout_ms} ms while it was ended"
    return f"its host was unreachable for {unreachable_ms(state, task)} ms"
