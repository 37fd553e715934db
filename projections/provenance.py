"""Where what runs came from: of a task, and in sentences.

The one thing to know: a task has the provenance of the version of its job's spec that it runs by.
"""

from collections.abc import Iterator
from urllib.parse import quote

from projections.cell_view import CellView
from scheduler.model.ids import TaskId
from scheduler.model.provenance import PREFIX, Provenance, provenance_of, provenance_text
from scheduler.state import Job
from scheduler.versions import spec_of


def provenance_of_task(view: CellView, task_id: TaskId) -> Provenance:
    """Where what the task runs came from; empty where nobody says, or nobody knows the task."""
    task = view.task(task_id)
    job = None if task is None else view.job(task.job_id)
    return () if task is None or job is None else provenance_of(spec_of(job, task))


def provenance_header(provenance: Provenance) -> str:
    """The same as the value of a header: ``commit=1a2b; pipeline=nightly``, encoded as in a URL."""
    return "; ".join(
        f"{name.removeprefix(PREFIX)}={quote(value, safe=':@/')}" for name, value in provenance
    )


def provenance_sentences(provenance: Provenance) -> Iterator[str]:
    """What there is to say of where it came from."""
    if provenance:
        yield f"It runs what was made from {provenance_text(provenance)}."


def job_provenance_sentences(job: Job) -> Iterator[str]:
    """The same of a job."""
    yield from provenance_sentences(provenance_of(job.spec))
