"""The guard: what is only inferred is not done once history and Mesos disagree too much.

The one thing to know: what history explains is no mismatch. A host's own word, a host that is out
of reach, a launch of unknown fate and silence never count here; the master's word that a task
which ran is not there does, and so does a task that the log does not know. While the cell is safe
such tasks are neither given up nor replaced, and nothing is killed that no user asked to kill;
submissions, launches and kills by users go on. An operator's word ends it, or that nothing is left
of the finding.
"""

from typing import Final

from msgspec.structs import replace

from scheduler.fold.context import Fold, found, moved_task, watch
from scheduler.model.address import Source
from scheduler.model.changes import (
    CellPaged,
    JobRejected,
    PageKind,
    RequestAccepted,
    SafeBegan,
    SafeEnded,
    TaskMissed,
)
from scheduler.model.ids import TaskId
from scheduler.model.inbound import Fault, FindingConfirmed, FindingRejected
from scheduler.model.mesos import StatusUpdate
from scheduler.model.task import (
    Disconnected,
    Finished,
    Launched,
    Started,
    StartInitiated,
    Task,
)
from scheduler.state import ActorKills, Missing, Safe, State
from scheduler.task_table import Given, Input

TASKS_PAGED_MAX: Final = 50
"""Tasks that a page names; `flumina safe status` has them all."""
PAGE_AGAIN_MS: Final = 3_600_000
"""An alarm that goes on is paged once an hour."""
PAGED_MAX: Final = 1_000
ACTORS_MAX: Final = 1_000
"""Actors and alarms that are remembered; beyond that the oldest are forgotten."""
ACTOR_WINDOW_MS: Final = 3_600_000

_NOT_THERE = frozenset(("TASK_UNKNOWN", "TASK_GONE", "TASK_LOST", "TASK_DROPPED"))


def page_once(
    fold: Fold,
    kind: PageKind,
    key: str,
    *,
    what: str,
    why: str,
    tasks: tuple[TaskId, ...] = (),
    tasks_total: int = 0,
) -> None:
    """Page, unless the same was paged within the hour."""
    if is_news(fold, kind, key):
        fold.report(
            CellPaged(what=what, why=why, kind=kind, key=key, tasks=tasks, tasks_total=tasks_total)
        )


def is_news(fold: Fold, kind: str, key: str) -> bool:
    """Whether the same was not told within the hour; from now on it was."""
    state = fold.state
    now_ms, paged = state.clock.now_ms, state.paged_at_ms
    last_ms = paged.get((kind, key))
    if last_ms is not None and now_ms < last_ms + PAGE_AGAIN_MS:
        return False
    paged.pop((kind, key), None)
    paged[kind, key] = now_ms
    while len(paged) > PAGED_MAX or now_ms >= next(iter(paged.values())) + PAGE_AGAIN_MS:
        del paged[next(iter(paged))]
    return True


def says_not_there(update: StatusUpdate) -> bool:
    """Whether this is the master's own answer that it has no such task."""
    return not update.uuid and update.is_reconciliation and update.state in _NOT_THERE


def missed(fold: Fold, task: Task, update: StatusUpdate, given: Given) -> bool:
    """Hold a task that ran and that Mesos does not have; False where history explains it.

    A launch of which nobody heard may never have arrived, a task on a host out of reach went with
    it, and one that was to end has ended: all of these are taken at Mesos' word, and not held.
    """
    state = fold.state
    is_held = task.task_id in state.missing
    if not is_held and not isinstance(task.state, Started | StartInitiated):
        return False
    moved_task(fold, task.task_id, Input.UNKNOWN, given, step=update.state)
    # Asked again with the usual waits: a master that was young may have its hosts back by then.
    state.unanswered[task.task_id] = None
    if is_held:
        return True
    state.missing[task.task_id] = Missing(state=update.state, since_ms=state.clock.now_ms)
    fold.touch("missing", task.task_id)
    of_job = state.missing_of_jobs.get(task.job_id, 0) + 1
    state.missing_of_jobs[task.job_id] = of_job
    fold.report(
        TaskMissed(
            job_id=task.job_id, task_id=task.task_id, host_id=update.host_id, state=update.state
        )
    )
    policy = state.policy
    total = len(state.missing)
    if total > policy.missing_tasks_tolerated:
        why = f"Mesos does not have {total} tasks that ran"
        begin_safe(fold, why)
    elif of_job >= policy.missing_of_job_min and of_job >= state.on_hosts.get(task.job_id, 0):
        begin_safe(fold, f"Mesos has none of the {of_job} tasks of job {task.job_id} that ran")
    return True


def explained(fold: Fold, task: Task) -> None:
    """The task is out of reach with its host, and no longer merely missing."""
    if task.task_id in fold.state.missing:
        found(fold, task)
        watch(fold, task)


def orphans_counted(fold: Fold) -> None:
    """Become safe where more run than are tolerated that neither log nor operator knows."""
    state = fold.state
    if state.unconfirmed_orphans > state.policy.orphans_tolerated:
        begin_safe(fold, f"{state.unconfirmed_orphans} tasks run that the log does not know")


def begin_safe(fold: Fold, why: str) -> None:
    """Let nothing that is only inferred be done from here on."""
    state = fold.state
    if state.safe is not None:
        return
    state.safe = Safe(finding=fold.offset, since_ms=state.clock.now_ms, why=why)
    fold.report(SafeBegan(finding=fold.offset, why=why))
    _page_list(fold, state.safe)


def listed_tasks(state: State) -> list[TaskId]:
    """The tasks of the finding, sorted: missing ones first, then orphans nobody confirmed."""
    orphans = (each.task_id for each in state.orphans.values() if not each.is_confirmed)
    return [*sorted(state.missing), *sorted(orphans)]


def listed_count(state: State) -> int:
    """How many tasks the finding has now."""
    return len(state.missing) + state.unconfirmed_orphans


def _page_list(fold: Fold, safe: Safe) -> None:
    total = listed_count(fold.state)
    fold.state.safe = replace(safe, paged_tasks=total)
    fold.report(
        CellPaged(
            what="the cell is safe: it does nothing that is only inferred",
            why=f"{safe.why}. Look at `flumina safe status`, then confirm or reject the finding",
            kind="safe",
            key=str(safe.finding),
            tasks=tuple(listed_tasks(fold.state)[:TASKS_PAGED_MAX]),
            tasks_total=total,
        )
    )


def look_at_finding(fold: Fold) -> None:
    """Page again where the list has doubled since; end a finding of which nothing is left."""
    safe = fold.state.safe
    if safe is None:
        return
    total = listed_count(fold.state)
    if total == 0:
        _end(fold, SafeEnded(finding=safe.finding, how="cleared"))
    elif total >= 2 * safe.paged_tasks:
        _page_list(fold, safe)


def _end(fold: Fold, how: SafeEnded) -> None:
    fold.state.safe = None
    fold.report(how)
    for task in fold.state.tasks.values():
        watch(fold, task)  # Starts that took too long were not judged meanwhile.
    fold.wake_placement()


def finding_confirmed(fold: Fold, source: Source, body: FindingConfirmed) -> None:
    """Give up what Mesos does not have, and take the orphans for known, on an operator's word."""
    state = fold.state
    total = listed_count(state)
    fault = _fault(state, body.finding)
    if fault is None and total > body.tasks:
        fault = Fault(
            field="tasks",
            text=f"the list has {total} tasks by now, you saw {body.tasks}",
            hint="look at `flumina safe status` again",
        )
    if fault is not None:
        fold.report(JobRejected(source=source, faults=(fault,)))
        return
    fold.report(RequestAccepted(source=source, what="confirm finding"))
    message = f"Mesos does not have it; confirmed by {body.actor}: {body.why}"
    given = Given(state.clock.now_ms, message=message)
    for task_id in list(state.missing):
        after = moved_task(fold, task_id, Input.DEADLINE, given, step="confirmed missing")
        if isinstance(after.state, Finished) and after.state.is_abandoned:
            state.unanswered.setdefault(task_id)
    for task_id, orphan in state.orphans.items():
        if not orphan.is_confirmed:
            state.orphans[task_id] = replace(orphan, is_confirmed=True)
            fold.touch("orphan", task_id)
    state.unconfirmed_orphans = 0
    actor, why = body.actor, body.why
    _end(fold, SafeEnded(body.finding, "confirmed", actor, why, total))


def finding_rejected(fold: Fold, source: Source, body: FindingRejected) -> None:
    """Take the tasks for what they were, drop the orphans, and ask Mesos for everything anew."""
    state = fold.state
    total = listed_count(state)
    fault = _fault(state, body.finding)
    if fault is not None:
        fold.report(JobRejected(source=source, faults=(fault,)))
        return
    fold.report(RequestAccepted(source=source, what="reject finding"))
    given = Given(state.clock.now_ms, message=f"{body.actor}: {body.why}")
    is_open = state.stream.stream_id is not None
    for task_id in list(state.missing):
        moved_task(fold, task_id, Input.STARTING, given, step="finding rejected")
        if is_open:
            state.unanswered[task_id] = None
    for task_id in [each.task_id for each in state.orphans.values() if not each.is_confirmed]:
        del state.orphans[task_id]
        fold.touch("orphan", task_id)
    state.unconfirmed_orphans = 0
    state.stream.reconcile_all_at_ms = 0
    actor, why = body.actor, body.why
    _end(fold, SafeEnded(body.finding, "rejected", actor, why, total))


def _fault(state: State, finding: int) -> Fault | None:
    if state.safe is None:
        return Fault(
            field="finding",
            text="the cell is not safe: there is no finding to speak of",
            hint="see `flumina safe status`",
        )
    if state.safe.finding != finding:
        return Fault(
            field="finding",
            text=f"the cell's finding is {state.safe.finding}, not {finding}",
            hint="look at `flumina safe status` again",
        )
    return None


def is_held(state: State, task: Task) -> bool:
    """Whether what would be concluded of this task has to wait for an operator's word."""
    if state.safe is None:
        return False
    if isinstance(task.state, Disconnected):
        return task.task_id in state.missing
    return isinstance(task.state, Launched | StartInitiated)


def kills_by(fold: Fold, actor: str, killing_before: int) -> None:
    """Count the running tasks that an actor has just asked to end; page when it is many."""
    state = fold.state
    kills = len(state.killing) - killing_before
    if kills <= 0:
        return
    now_ms, actors = state.clock.now_ms, state.actor_kills
    known = actors.get(actor)
    if known is None or now_ms >= known.since_ms + ACTOR_WINDOW_MS:
        actors.pop(actor, None)
        known = ActorKills(since_ms=now_ms, kills=0)
    actors[actor] = known = replace(known, kills=known.kills + kills)
    while len(actors) > ACTORS_MAX:
        del actors[next(iter(actors))]
    most = state.policy.actor_kills_per_hour
    if known.kills > most:
        page_once(
            fold,
            "user kills",
            actor,
            what=f"{actor or 'an actor without a name'} ends very many tasks",
            why=f"{known.kills} running tasks within an hour, the share of one actor is {most}. "
            "They are ended all the same, at the cell's pace; drain the queue of kills by "
            "`flumina policy set kills_per_s_max=1` if this is a mistake",
        )
