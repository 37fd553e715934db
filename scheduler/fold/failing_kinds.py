"""Crash loops across jobs: the same failing image or step, in several jobs, on several hosts.

The one thing to know: one job that fails is its own trouble, one host on which all fail is the
host's. Here is what remains: an image that does not start anywhere, a step of ours (a volume, a
registry, a runtime after an update) that fails wherever it is tried. Somebody is paged once for
each, and nothing is done: neither jobs nor hosts are to blame.
"""

from typing import Final

from scheduler.fold.context import Fold
from scheduler.fold.crash_loops import BUCKETS
from scheduler.fold.safe import page_once
from scheduler.model.host_health import FailingKind
from scheduler.model.ids import HostId
from scheduler.model.task import Finished, Task
from scheduler.versions import container_of

KINDS_MAX: Final = 256
NAMES_MAX: Final = 16
"""Jobs and hosts of one kind that are remembered: enough to see that they are several."""
OWN_STEPS: Final = frozenset(
    ("crashed", "localSystemError", "transientSystemError", "unknownSystemError", "stuckInState")
)
"""Ends in our own start-up or shut-down: Titus' "crashed", where "failed" is the user's code."""


def note_failing(fold: Fold, task: Task, host_id: HostId, step: str) -> None:
    """Count a failed task by what it may have in common with others."""
    state, ended = fold.state, task.state
    assert isinstance(ended, Finished)
    if not state.policy.failing_kind_failures_min:
        return
    image = container_of(state, task).full_image
    if image:
        _count(fold, f"image {image}", task, host_id)
    if ended.reason in OWN_STEPS:
        _count(fold, f"step {ended.reason}: {step}"[:200], task, host_id)


def _count(fold: Fold, name: str, task: Task, host_id: HostId) -> None:
    state = fold.state
    now_ms, window_ms = state.clock.now_ms, max(1, state.policy.crash_loop_window_ms)
    known = state.failing_kinds.get(name)
    if known is not None and known.last_ms + window_ms <= now_ms:
        known = None
    step_ms = max(1, window_ms // BUCKETS)
    begin_ms = now_ms - now_ms % step_ms
    buckets = {} if known is None else dict(known.buckets)
    buckets = {at_ms: count for at_ms, count in buckets.items() if at_ms > now_ms - window_ms}
    buckets[begin_ms] = buckets.get(begin_ms, 0) + 1
    found = FailingKind(
        jobs=_with(known.jobs if known else (), task.job_id),
        hosts=_with(known.hosts if known else (), host_id),
        buckets=tuple(sorted(buckets.items())),
        last_ms=now_ms,
        last_task_id=task.task_id,
        is_told=known is not None and known.is_told,
    )
    if not found.is_told and _is_trouble_of_all(fold, name, found):
        found = FailingKind(
            found.jobs, found.hosts, found.buckets, now_ms, task.task_id, is_told=True
        )
        _tell(fold, name, found)
    state.failing_kinds[name] = found
    fold.touch("failing kind", name)
    if len(state.failing_kinds) > KINDS_MAX:
        _forget_oldest(fold)


def _with(names: tuple[str, ...], name: str) -> tuple[str, ...]:
    if name in names or len(names) >= NAMES_MAX:
        return names
    return tuple(sorted((*names, name)))


def _is_trouble_of_all(fold: Fold, name: str, found: FailingKind) -> bool:
    policy = fold.state.policy
    jobs_min = policy.failing_kind_jobs_min if name.startswith("step ") else 2
    return (
        len(found.hosts) >= policy.failing_kind_hosts_min
        and len(found.jobs) >= jobs_min
        and sum(count for _, count in found.buckets) >= policy.failing_kind_failures_min
    )


def _tell(fold: Fold, name: str, found: FailingKind) -> None:
    total = sum(count for _, count in found.buckets)
    page_once(
        fold,
        "failing kind",
        name,
        what=f"{name}: {total} tasks of {len(found.jobs)} jobs fail on {len(found.hosts)} hosts",
        why=f"jobs {', '.join(found.jobs)} on hosts {', '.join(found.hosts)}. Neither one job nor "
        "one host is to blame: look at what they share",
        tasks=(found.last_task_id,),
        tasks_total=total,
    )


def _forget_oldest(fold: Fold) -> None:
    kinds = fold.state.failing_kinds
    oldest = min(kinds, key=lambda each: (kinds[each].last_ms, each))
    del kinds[oldest]
    fold.touch("failing kind", oldest)
