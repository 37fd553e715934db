"""The attributes that the cell itself stamps on a job that it shows, as Titus does.

The one thing to know: they are made from the job's record when it is shown and asked for. Nobody
can submit them, and a job keeps the digest that it was submitted with.
"""

from collections.abc import Iterator

from scheduler.state import Job, State


def stamps_of(state: State, job: Job) -> Iterator[tuple[str, str]]:
    """Who made the job, why, and which cell has it; ``titus.stack`` comes with the submission."""
    if job.actor:
        yield "titus.createdBy", job.actor
    if job.call_reason:
        yield "titus.callReason", job.call_reason
    if state.cell:
        yield "titus.cell", str(state.cell)


def attributes_of(state: State, job: Job) -> dict[str, str]:
    """All attributes of the job: those that were submitted, and the cell's own."""
    return {**dict(job.spec.attributes), **dict(stamps_of(state, job))}
