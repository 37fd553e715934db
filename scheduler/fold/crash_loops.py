"""Crash loops: jobs whose tasks fail again and again, on whatever hosts, are slowed down.

The one thing to know: a loop is a state of the job. It begins with so many failures in a window (a
number, or a share of the job's tasks where that is more), and ends when the window since the last
failure, and since the last restart that was put off, is over. Meanwhile replacements wait longer
and longer, and there is a pause between any two restarts of the job. A task that had run well
for long, a lost host, a kill and an eviction are no failures of the job.
"""

from heapq import heappush
from typing import Final

from msgspec.structs import replace

from scheduler.fold.context import Fold
from scheduler.fold.owners import alert_owner
from scheduler.model.changes import JobCrashLooping
from scheduler.model.crash_loop import CrashLoop
from scheduler.model.ids import JobId
from scheduler.model.job import Batch
from scheduler.model.policy import Policy
from scheduler.model.task import Finished, Task
from scheduler.state import Job

DEADLINE: Final = "loop"
REASONS: Final = frozenset(("failed", "crashed", "invalidRequest", "stuckInState"))
"""Ends that may be the job's fault; of anything but a batch job a normal end is one, too."""
BUCKETS: Final = 10
DOUBLINGS_MAX: Final = 20


def note_crash(fold: Fold, job: Job, task: Task, ran_ms: int) -> None:
    """Count a task that has ended against its job, if it may be to blame."""
    policy, ended = fold.state.policy, task.state
    assert isinstance(ended, Finished)
    if not policy.crash_loop_failures_min or ran_ms >= policy.retry_reset_ms or task.next_version:
        return
    is_quick_end = ended.reason == "normal" and not isinstance(job.spec.kind, Batch)
    if ended.reason not in REASONS and not is_quick_end:
        return
    now_ms = fold.state.clock.now_ms
    known = fold.state.crash_loops.get(job.job_id) or CrashLoop()
    found = replace(
        known,
        buckets=_counted(policy, known.buckets, now_ms),
        last_ms=now_ms,
        last_reason=ended.reason,
        failures=known.failures + known.is_looping,
    )
    failures = sum(count for _, count in found.buckets)
    if not found.is_looping and failures >= threshold(policy, job):
        found = replace(found, is_looping=True, since_ms=now_ms, failures=1)
        found = replace(found, delay_ms=_delay_ms(policy, job, found))
        _put(fold, job.job_id, found)
        _report(fold, job.job_id, found, failures)
        return
    _put(fold, job.job_id, found)


def slowed_ms(fold: Fold, job: Job, delay_ms: int) -> int:
    """How long a replacement waits that would wait ``delay_ms``, were its job in no loop."""
    state = fold.state
    found = state.crash_loops.get(job.job_id)
    if found is None or not found.is_looping:
        return delay_ms
    policy, now_ms = state.policy, state.clock.now_ms
    at_ms = now_ms + max(delay_ms, _delay_ms(policy, job, found))
    next_ms = 0
    if policy.crash_loop_restart_ms:
        at_ms = max(at_ms, found.next_ms)
        next_ms = at_ms + policy.crash_loop_restart_ms
    _put(fold, job.job_id, replace(found, delay_ms=at_ms - now_ms, next_ms=next_ms))
    return at_ms - now_ms


def threshold(policy: Policy, job: Job) -> int:
    """So many failures within the window are a loop."""
    share = -(-job.spec.desired * policy.crash_loop_percent // 100)
    return max(policy.crash_loop_failures_min, share)


def loop_due(fold: Fold, job_id: JobId, noted_ms: int) -> None:
    """Forget failures that are over, and end a loop in which none came for a whole window."""
    state = fold.state
    found = state.crash_loops.get(job_id)
    if found is None or found.look_ms != noted_ms:
        return
    job = state.jobs.get(job_id)
    if _over_ms(state.policy, found) > state.clock.now_ms and job is not None:
        _put(fold, job_id, replace(found, look_ms=0))
        return
    del state.crash_loops[job_id]
    fold.touch("loop", job_id)
    if found.is_looping and job is not None and job.state == "Accepted":
        ended = replace(found, is_looping=False, delay_ms=0)
        _report(fold, job_id, ended, 0)


def _counted(
    policy: Policy, buckets: tuple[tuple[int, int], ...], now_ms: int
) -> tuple[tuple[int, int], ...]:
    """One more failure now; what is older than the window is forgotten."""
    step_ms = max(1, policy.crash_loop_window_ms // BUCKETS)
    begin_ms = now_ms - now_ms % step_ms
    kept = [each for each in buckets if each[0] > now_ms - policy.crash_loop_window_ms]
    if kept and kept[-1][0] == begin_ms:
        kept[-1] = (begin_ms, kept[-1][1] + 1)
    else:
        kept.append((begin_ms, 1))
    return tuple(kept)


def _delay_ms(policy: Policy, job: Job, found: CrashLoop) -> int:
    doublings = min(found.failures // threshold(policy, job), DOUBLINGS_MAX)
    return min(policy.crash_loop_delay_ms << doublings, policy.crash_loop_delay_ms_max)


def _over_ms(policy: Policy, found: CrashLoop) -> int:
    return max(found.last_ms, found.next_ms) + policy.crash_loop_window_ms


def _put(fold: Fold, job_id: JobId, found: CrashLoop) -> None:
    """Keep it, and see that it is looked at again."""
    if not found.look_ms:
        found = replace(found, look_ms=_over_ms(fold.state.policy, found))
        heappush(fold.deadlines, (found.look_ms, DEADLINE, job_id))
    fold.state.crash_loops[job_id] = found
    fold.touch("loop", job_id)


def _report(fold: Fold, job_id: JobId, found: CrashLoop, failures: int) -> None:
    if found.is_looping:
        message = f"{failures} of its tasks failed within the window, the last: {found.last_reason}"
        alert_owner(fold, job_id, None, "crashLoop", message)
    fold.report(
        JobCrashLooping(
            job_id=job_id,
            is_looping=found.is_looping,
            failures=failures,
            window_ms=fold.state.policy.crash_loop_window_ms,
            delay_ms=found.delay_ms,
            reason=found.last_reason,
        )
    )
