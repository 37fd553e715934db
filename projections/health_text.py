"""Changes of how a job fares, as messages of its history.

The one thing to know: histories are written while the log is folded; sentences about the state as
it is now are in `projections.health_words`.
"""

from typing import assert_never

from scheduler.model.changes import JobCrashLooping, JobSlaChanged, OwnerAlerted


def health_text(change: JobCrashLooping | JobSlaChanged | OwnerAlerted) -> str:
    """The change as the message of a job's history."""
    match change:
        case JobCrashLooping(is_looping=True):
            return (
                f"crash loop: {change.failures} tasks ended by themselves within "
                f"{change.window_ms // 1_000} s, the last {change.reason}; restarts wait "
                f"{change.delay_ms // 1_000} s and longer"
            )
        case JobCrashLooping():
            return f"no crash loop any more: no failure for {change.window_ms // 1_000} s"
        case OwnerAlerted():
            return f"its owner is told: {change.message}"
        case JobSlaChanged():
            what = "time of completion" if change.kind == "completion" else "time to start"
            stand = {"met": "well again", "atRisk": "at risk", "missed": "missed"}[change.stand]
            return f"{what} {stand}: {change.message}"
    assert_never(change)
