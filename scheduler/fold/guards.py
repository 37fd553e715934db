"""Guard rails: what hosts and jobs did lately, counted from the log's own time.

The one thing to know: what is read here changes only where an event is folded (a launch, an end, a
tick), never because a clock has moved between two events. So `decide` and the fold's re-check see
the same numbers, and a host that may be used again wakes placement by itself.

Quality. A host has 1,000, less what failed on it lately: Titus' weights (S19), which lose a fifth
of themselves in each fifth of the window. Three things differ from Titus. A host of quality 0 or
without history is not taken for one of .5: the first would go on attracting work, the second is
simply good. A job blames the first host that it fails on in full, the next ones less and less, and
none alone below `JOB_BLAME_MAX`: a job that fails everywhere is at fault itself. And the rule that
keeps work from bad hosts holds a third of the hosts at most: where more than that are bad, the
fault is elsewhere, and a cell that places nothing helps nobody.
"""

from collections.abc import Iterable
from heapq import heappush
from typing import Final, TypeVar

from msgspec.structs import replace

from scheduler.fold import health, instance_groups
from scheduler.fold.context import Fold
from scheduler.fold.failing_kinds import note_failing
from scheduler.fold.health import launching
from scheduler.fold.health_tasks import task_failed
from scheduler.fold.owners import OF_INTEREST, tell_owner
from scheduler.model.changes import TaskChanged
from scheduler.model.ids import HostId, JobId
from scheduler.model.task import (
    Disconnected,
    Finished,
    KillInitiated,
    Launched,
    Started,
    StartInitiated,
    Task,
    TaskState,
)
from scheduler.state import Failure, HostFailures, State

Name = TypeVar("Name", bound=str)

QUALITY_MAX: Final = 1_000
LOST_BEFORE_START: Final = 300
LOST_AFTER_START: Final = 100
STUCK: Final = 500
SLOW_START: Final = 100
CRASHED: Final = 300
"""Titus S19's weights; "crashed" is a task that failed before `QUICK_MS` of running."""
QUICK_MS: Final = health.QUICK_MS
"""What ran longer and then failed, failed for a reason of its own."""
JOB_BLAME_MAX: Final = 950
STEPS: Final = 5
FAILURES_MAX: Final = 32
"""Remembered of one host; twenty of the mildest reach quality 0."""
HELD_PART: Final = 3
"""At most one host of so many is held back for its quality."""
MINUTE_S: Final = 61
"""A second more than a minute: counts are kept by second, and a limit must hold in any minute."""
_BLAMED: Final = frozenset(("stuckInState", "localSystemError", "crashed", "lost", "failed"))
"""Ends for which the host may be to blame."""
_TRANSIENT: Final = (
    "call refused",
    "INVALID_OFFERS",
    "INVALID_FRAMEWORKID",
    "SLAVE_DISCONNECTED",
    "MASTER_DISCONNECTED",
    "RECONCILIATION",
    "RESOURCES_UNKNOWN",
)
"""Ends that say nothing of the host: an offer that was taken back, a master that changed."""


def is_schedulable(state: State, host_id: HostId) -> bool:
    """Whether operators let the host be given tasks."""
    order = state.host_orders.get(host_id)
    is_used = order is None or order.standing == "lastChoice"
    if not is_used or instance_groups.keeping_away(state, host_id):
        return False
    return not state.health or not health.keeping_away(state, host_id)


def is_last_choice(state: State, host_id: HostId) -> bool:
    """Whether an operator wants the host used only where no other will do."""
    order = state.host_orders.get(host_id)
    if order is not None and order.standing == "lastChoice":
        return True
    return instance_groups.is_last_choice(state, host_id)


def quality(state: State, host_id: HostId) -> int:
    """The host's quality, 0 to 1,000; never too low for work where too many hosts are bad."""
    known = state.host_failures.get(host_id)
    if known is None:
        return QUALITY_MAX
    if state.is_quality_suspended:
        return max(known.quality_milli, state.policy.placement.guards.quality_least_milli)
    return known.quality_milli


def host_refusal(state: State, host_id: HostId, count: int) -> str:
    """Why the host may not be given ``count`` more tasks now, in words; empty where it may."""
    guards = state.policy.placement.guards
    order = state.host_orders.get(host_id)
    if order is not None and order.standing != "lastChoice":
        return f"host {host_id} is {order.standing} ({order.actor}: {order.why})"
    away = instance_groups.keeping_away(state, host_id)
    if away:
        return away
    if state.health and (away := health.keeping_away(state, host_id)):
        return away
    most = health.launching_max(state, host_id)
    if most and (there := launching(state, host_id)) + count > most:
        return f"host {host_id} is on trial and launches {there} tasks already; {most} may be"
    most = guards.launching_per_host_max
    if most:
        there = launching(state, host_id)
        if there + count > most:
            return f"host {host_id} launches {there} tasks already; the limit is {most}"
    most = guards.launches_per_host_per_minute
    lately = state.launches_of_hosts.get(host_id, 0)
    if most and lately + count > most:
        return f"host {host_id} was given {lately} tasks in a minute; the limit is {most}"
    found = quality(state, host_id)
    if found < guards.quality_least_milli:
        return (
            f"host {host_id} has quality {found} of 1000 after recent failures; "
            f"{guards.quality_least_milli} is needed"
        )
    return ""


def launches_left_of_job(state: State, job_id: JobId) -> int | None:
    """How many more tasks of the job may be launched now; None where there is no limit."""
    most = state.policy.placement.guards.launches_per_job_per_minute
    return max(0, most - state.launches_of_jobs.get(job_id, 0)) if most else None


# What happens.


def note_launches(fold: Fold, host_id: HostId, job_id: JobId, count: int) -> None:
    """Count accepted launches; what is cancelled later still counts for its minute."""
    state = fold.state
    second = state.clock.now_ms // 1_000
    counts = state.launch_seconds.setdefault(second, {})
    counts[host_id, job_id] = counts.get((host_id, job_id), 0) + count
    hosts, jobs = state.launches_of_hosts, state.launches_of_jobs
    hosts[host_id] = hosts.get(host_id, 0) + count
    jobs[job_id] = jobs.get(job_id, 0) + count
    fold.touch("launches", second)


def note_end(fold: Fold, before: Task, after: Task) -> None:
    """Take an ended task into account where its host may be to blame."""
    ended = after.state
    assert isinstance(ended, Finished)
    if ended.reason in OF_INTEREST:
        tell_owner(fold, after, _step(fold))
    if fold.state.silent and fold.state.silent.pop(after.task_id, None) is not None:
        fold.touch("silent", after.task_id)
    place, window_ms = ended.place, fold.state.policy.placement.guards.quality_window_ms
    if place is None or not window_ms:
        return
    weight = _weight(fold, before.state, ended) if ended.reason in _BLAMED else 0
    state, now_ms = fold.state, fold.state.clock.now_ms
    if not weight:
        if ended.reason == "normal" and place.host_id in state.on_trial:
            health.trial_passed(fold, place.host_id)
        return
    step = _step(fold)
    _blame(fold, place.host_id, weight, after, _text(before, after, step, now_ms))
    note_failing(fold, after, place.host_id, step)
    task_failed(fold, place.host_id, is_fast=weight >= CRASHED)


def note_start(fold: Fold, before: Task, after: Task) -> None:
    """Take a start that took too long into account: its host may be slow to start anything."""
    state, started = fold.state, after.state
    assert isinstance(started, Started)
    assert isinstance(before.state, Launched | StartInitiated)
    took_ms, most_ms = started.since_ms - before.state.since_ms, state.policy.slow_start_ms
    if not most_ms or took_ms <= most_ms or not state.policy.placement.guards.quality_window_ms:
        return
    host_id = started.place.host_id
    _blame(fold, host_id, SLOW_START, after, f"started after {took_ms / 1_000:.0f} s")
    task_failed(fold, host_id, is_fast=False)


def _blame(fold: Fold, host_id: HostId, weight: int, task: Task, text: str) -> None:
    """Remember something of a task for which its host may be to blame, and judge the host by it."""
    state, job_id = fold.state, task.job_id
    failing = state.failing_jobs.setdefault(job_id, {})
    failing[host_id] = failing.get(host_id, 0) + 1
    known = state.host_failures.get(host_id)
    failures = known.failures if known else ()
    now_ms = state.clock.now_ms
    failure = Failure(now_ms, weight, job_id, len(failing), task.task_id, text)
    for dropped in failures[: max(0, len(failures) + 1 - FAILURES_MAX)]:
        _drop(state, host_id, dropped.job_id)
    kept = (*failures, failure)[-FAILURES_MAX:]
    _put(fold, host_id, HostFailures(kept, QUALITY_MAX, known.next_ms if known else 0))
    _judge(fold)


def _text(before: Task, after: Task, step: str, now_ms: int) -> str:
    """How long the task ran, and how it ended."""
    ended = after.state
    assert isinstance(ended, Finished)
    since_ms = _started_ms(before.state)
    ran = "before it started" if since_ms is None else f"after {(now_ms - since_ms) / 1_000:.1f} s"
    said = f": {ended.message[:200]}" if ended.message else ""
    return f"{ended.reason} {ran} ({step}){said}"


def _step(fold: Fold) -> str:
    """The step by which the task that was reported last has ended."""
    change = fold.changes[-1][1] if fold.changes else None
    return change.step if isinstance(change, TaskChanged) else ""


def _started_ms(was: TaskState) -> int | None:
    match was:
        case Started():
            return was.since_ms
        case Disconnected() | KillInitiated():
            return was.started_at_ms
        case _:
            return None


def _weight(fold: Fold, was: TaskState, ended: Finished) -> int:
    """How much the host is to blame for an end."""
    now_ms = fold.state.clock.now_ms
    since_ms = _started_ms(was)
    if ended.reason in {"stuckInState", "localSystemError"}:
        return STUCK
    if ended.reason == "crashed":
        return CRASHED
    step = _step(fold)
    if any(word in step for word in _TRANSIENT):
        return 0
    if ended.reason == "lost":
        return LOST_BEFORE_START if since_ms is None else LOST_AFTER_START
    if ended.reason == "failed":
        return CRASHED if since_ms is None or now_ms - since_ms < QUICK_MS else 0
    return 0


def time_passed(fold: Fold) -> None:
    """Forget launches that are older than a minute; hosts and jobs at a limit may go on."""
    state = fold.state
    oldest = state.clock.now_ms // 1_000 - MINUTE_S
    guards = state.policy.placement.guards
    of_host, of_job = guards.launches_per_host_per_minute, guards.launches_per_job_per_minute
    while state.launch_seconds:
        second = next(iter(state.launch_seconds))
        if second > oldest:
            return
        for (host_id, job_id), count in state.launch_seconds.pop(second).items():
            was_full = _lessened(state.launches_of_hosts, host_id, count, of_host)
            if _lessened(state.launches_of_jobs, job_id, count, of_job) or was_full:
                fold.wake_placement()
            if of_host:
                state.hosts_changed[host_id] = None
            if of_job:
                state.jobs_changed[job_id] = None
        fold.touch("launches", second)


def _lessened(totals: dict[Name, int], name: Name, count: int, most: int) -> bool:
    """Whether the name was at its limit, before ``count`` was taken off its total."""
    before = totals[name]
    if before == count:
        del totals[name]
    else:
        totals[name] = before - count
    return 0 < most <= before


def recovered(fold: Fold, host_id: HostId, noted_ms: int) -> None:
    """A step of a host's recovery is due: judge it anew."""
    known = fold.state.host_failures.get(host_id)
    if known is None or known.next_ms != noted_ms:
        return
    _put(fold, host_id, replace(known, next_ms=0))
    _judge(fold)


def policy_changed(fold: Fold) -> None:
    """Judge every host anew, by the rules that hold from here on."""
    state = fold.state
    for host_id in sorted(state.host_failures):
        _put(fold, host_id, state.host_failures[host_id])
    least = state.policy.placement.guards.quality_least_milli
    bad = (name for name, each in state.host_failures.items() if each.quality_milli < least)
    state.bad_hosts = dict.fromkeys(bad)
    _judge(fold)


def _put(fold: Fold, host_id: HostId, value: HostFailures) -> None:
    """Keep what still counts of a host's failures, with its quality and when that changes next."""
    state = fold.state
    window_ms, now_ms = state.policy.placement.guards.quality_window_ms, state.clock.now_ms
    kept = value.failures
    if any(_steps_left(each, now_ms, window_ms) <= 0 for each in kept):
        kept = tuple(each for each in kept if _steps_left(each, now_ms, window_ms) > 0)
        for each in value.failures:
            if each not in kept:
                _drop(state, host_id, each.job_id)
    known = state.host_failures.get(host_id)
    was = known.quality_milli if known else QUALITY_MAX
    fold.touch("failures", host_id)
    if not kept:
        state.host_failures.pop(host_id, None)
        now = QUALITY_MAX
    else:
        now = _quality_of(kept, now_ms, window_ms)
        due_ms = min(_next_step_ms(each, now_ms, window_ms) for each in kept)
        if value.next_ms <= now_ms or due_ms < value.next_ms:
            heappush(fold.deadlines, (due_ms, "host", host_id))
        else:
            due_ms = value.next_ms
        state.host_failures[host_id] = HostFailures(kept, now, due_ms)
    if now < state.policy.placement.guards.quality_least_milli:
        state.bad_hosts[host_id] = None
    else:
        state.bad_hosts.pop(host_id, None)
    if now != was:
        state.hosts_changed[host_id] = None
        if now > was:
            fold.wake_placement()


def _steps_left(failure: Failure, now_ms: int, window_ms: int) -> int:
    if not window_ms:
        return 0
    return STEPS - (now_ms - failure.at_ms) * STEPS // window_ms


def _next_step_ms(failure: Failure, now_ms: int, window_ms: int) -> int:
    """When the failure counts less; steps are rounded up, so that the step is over then."""
    step = (now_ms - failure.at_ms) * STEPS // window_ms + 1
    return failure.at_ms - (-step * window_ms // STEPS)


def _quality_of(failures: Iterable[Failure], now_ms: int, window_ms: int) -> int:
    blamed: dict[JobId, int] = {}
    most: dict[JobId, int] = {}
    for each in failures:
        left = max(0, _steps_left(each, now_ms, window_ms))
        weight = each.weight_milli * left // (STEPS * each.hosts)
        blamed[each.job_id] = blamed.get(each.job_id, 0) + weight
        cap = JOB_BLAME_MAX * left // (STEPS * each.hosts)
        most[each.job_id] = max(most.get(each.job_id, 0), cap)
    return max(0, QUALITY_MAX - sum(min(blamed[each], most[each]) for each in blamed))


def _drop(state: State, host_id: HostId, job_id: JobId) -> None:
    failing = state.failing_jobs[job_id]
    failing[host_id] -= 1
    if not failing[host_id]:
        del failing[host_id]
    if not failing:
        del state.failing_jobs[job_id]


def _judge(fold: Fold) -> None:
    """Suspend the rule of least quality while it would hold back too many hosts."""
    state = fold.state
    there = max(len(state.host_offers), len(state.host_tasks))
    is_suspended = len(state.bad_hosts) * HELD_PART > there
    if is_suspended == state.is_quality_suspended:
        return
    state.is_quality_suspended = is_suspended
    state.hosts_changed.update(state.bad_hosts)
    fold.wake_placement()
