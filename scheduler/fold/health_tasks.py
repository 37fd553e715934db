"""What tasks tell of their hosts: ends that came too soon, starts that took too long, losses.

The one thing to know: a host is only blamed for what does not happen elsewhere. Tasks of a job that
fails on other hosts as well speak against the job; tasks that fail here while others of their job
run well elsewhere speak against the host, and so do those of several jobs that failed nowhere else.
Where neither is known yet, it is looked again when somebody has had time to run well.
"""

from collections import Counter
from collections.abc import Iterable
from typing import Final

from msgspec.structs import replace

from scheduler.fold import health
from scheduler.fold.context import Fold
from scheduler.fold.health import QUICK_MS, heard, is_in_question, settle_again
from scheduler.model.address import Source
from scheduler.model.health import Evidence, TaskSilent
from scheduler.model.host_health import AGENT, EVIDENCE_KEPT_MAX, TASKS, HeardVerdict, SilentTask
from scheduler.model.ids import HostId, JobId
from scheduler.model.mesos import HostFailed
from scheduler.model.task import Finished, Started, is_on_host, place_of
from scheduler.state import Failure, State

JOBS_MIN: Final = 3
"""So many jobs that failed here and nowhere else speak against the host by themselves."""
LOSSES_KEPT_MAX: Final = 16
SAME_LOSS_MS: Final = 2_000
"""All tasks of a host are lost within a moment; that is one loss."""
SILENT_MAX: Final = 10_000
SILENT_DETAIL_MAX: Final = 200


def task_failed(fold: Fold, host_id: HostId, *, is_fast: bool) -> None:
    """Look at a host on which a task ended so that it may be to blame."""
    state = fold.state
    known = state.host_failures.get(host_id)
    if known is None or not state.policy.fast_failures_min:
        return
    if is_fast and host_id in state.on_trial:
        _sick(fold, host_id, known.failures[-1:], "the host was on trial")
    elif is_in_question(state, host_id):
        look(fold, host_id)


def look(fold: Fold, host_id: HostId) -> None:
    """Judge a host by its tasks; where that cannot be done yet, it is looked at again."""
    state = fold.state
    if is_in_question(state, host_id):
        failures = state.host_failures[host_id].failures
        told = _telling(state, host_id, failures)
        if told:
            _sick(fold, host_id, told, "")
            return
    settle_again(fold, host_id)


def health_due(fold: Fold, host_id: HostId, noted_ms: int) -> None:
    """Look at a host at the time that was noted for it."""
    known = fold.state.health.get(host_id)
    if known is not None and known.look_ms == noted_ms:
        look(fold, host_id)


def host_lost(fold: Fold, host_id: HostId) -> None:
    """Count that Mesos lost a host; one that it loses again and again is sick."""
    state = fold.state
    policy, now_ms = state.policy, state.clock.now_ms
    known = state.health.get(host_id, health.NOTHING)
    if host_id not in state.hosts or (known.losses and now_ms < known.losses[-1] + SAME_LOSS_MS):
        return
    losses = [each for each in known.losses if each > now_ms - policy.host_losses_ms]
    losses = [*losses, now_ms][-max(LOSSES_KEPT_MAX, 1) :]
    state.health[host_id] = replace(known, losses=tuple(losses))
    if len(losses) <= policy.host_losses_max:
        settle_again(fold, host_id)
        return
    text = (
        f"Mesos lost it {len(losses)} times within {policy.host_losses_ms // 1_000} s; "
        f"{policy.host_losses_max} are tolerated"
    )
    evidence = (Evidence("agent", text, count=len(losses)),)
    _say(fold, host_id, AGENT, evidence, policy.host_losses_ms)


def host_failed(fold: Fold, body: HostFailed) -> None:
    """Mesos removed a host; an executor that ended is told by its tasks."""
    if body.host_id is not None and not body.executor_id:
        host_lost(fold, body.host_id)


def task_silent(fold: Fold, source: Source, body: TaskSilent) -> None:
    """Ask Mesos for a task of which the heartbeat stays away; nothing is concluded from silence."""
    del source
    state, task_id = fold.state, body.task_id
    task = state.tasks.get(task_id)
    if not body.is_silent or task is None or not is_on_host(task.state):
        if state.silent.pop(task_id, None) is not None:
            fold.touch("silent", task_id)
        return
    known = state.silent.get(task_id)
    if known is None and len(state.silent) >= SILENT_MAX:
        return
    since_ms = state.clock.now_ms if known is None else known.since_ms
    detail = body.detail[:SILENT_DETAIL_MAX]
    state.silent[task_id] = SilentTask(since_ms, max(0, body.silent_ms), detail)
    fold.touch("silent", task_id)
    if known is None and state.stream.stream_id is not None:
        state.unanswered[task_id] = None
        state.stream.reconcile_attempts = 0  # It is asked for now, however long others wait.


def _telling(state: State, host_id: HostId, failures: tuple[Failure, ...]) -> tuple[Failure, ...]:
    """The failures that speak against the host, if they are enough; else none."""
    least = state.policy.fast_failures_min
    here = Counter(each.job_id for each in failures)
    first_ms = failures[0].at_ms
    telling, open_jobs = set(), set()
    for job_id, count in here.items():
        others = (n for host, n in state.failing_jobs[job_id].items() if host != host_id)
        elsewhere = _up_to(count, others)
        if elsewhere == count:
            continue  # It fails elsewhere as well: this speaks against the job.
        well_here, well_elsewhere = _running_well(state, job_id, host_id, first_ms)
        if well_here >= count:
            continue
        if well_elsewhere:
            telling.add(job_id)
        elif not elsewhere:
            open_jobs.add(job_id)
    if len(telling) + len(open_jobs) >= JOBS_MIN:
        of_all = (len(known.failures) for known in state.host_failures.values())
        if _up_to(2 * len(failures), of_all) < 2 * len(failures):
            telling |= open_jobs
    found = tuple(each for each in failures if each.job_id in telling)
    return found if len(found) >= least else ()


def _up_to(most: int, numbers: Iterable[int]) -> int:
    """Their sum, or ``most`` where it is more.

    No more is looked at than that takes: when a master dies with all hosts, thousands of them are
    in question in one moment, and each would be compared with all others.
    """
    found = 0
    for each in numbers:
        found += each
        if found >= most:
            return most
    return found


def _running_well(state: State, job_id: JobId, host_id: HostId, first_ms: int) -> tuple[int, int]:
    """How many of the job's tasks run well on the host since then, and how many elsewhere."""
    here = elsewhere = 0
    before_ms = state.clock.now_ms - QUICK_MS
    for task_id in state.indexes.get(job_id, {}).values():
        task_state = state.tasks[task_id].state
        place = place_of(task_state)
        if place is None:
            continue
        is_well = (type(task_state) is Started and task_state.since_ms <= before_ms) or (
            type(task_state) is Finished and task_state.reason == "normal"
        )
        if not is_well:
            continue
        if place.host_id != host_id:
            elsewhere += 1
        elif type(task_state) is Finished or task_state.since_ms >= first_ms:
            here += 1
    return here, elsewhere


def _sick(fold: Fold, host_id: HostId, told: tuple[Failure, ...], why: str) -> None:
    state = fold.state
    jobs = sorted({each.job_id for each in told})
    text = f"{len(told)} tasks of {len(jobs)} jobs failed here and not elsewhere"
    if why:
        text = f"a task of {jobs[0]} failed, and {why}"
    pieces = [Evidence("tasks", text, count=len(told))]
    pieces += [Evidence("task", each.text, f"task/{each.task_id}") for each in reversed(told)]
    keep_ms = max(state.policy.placement.guards.quality_window_ms, 1)
    _say(fold, host_id, TASKS, tuple(pieces[:EVIDENCE_KEPT_MAX]), keep_ms)


def _say(
    fold: Fold, host_id: HostId, detector: str, evidence: tuple[Evidence, ...], keep_ms: int
) -> None:
    now_ms = fold.state.clock.now_ms
    heard(
        fold,
        host_id,
        HeardVerdict(
            detector=detector,
            standing="sick",
            score_milli=1_000,
            evidence=evidence,
            heard_ms=now_ms,
            since_ms=now_ms,
            until_ms=now_ms + keep_ms,
        ),
    )
