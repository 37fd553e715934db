"""What the cell would refuse of a submission right now.

The one thing to know: the rules are the fold's own; only the state is the reader's.
"""

from projections.cell_view import CellView
from scheduler.fold.admission import admission_faults
from scheduler.model.ids import JobId
from scheduler.model.inbound import Fault
from scheduler.model.job import JobSpec


def would_be_refused(view: CellView, job_id: JobId, digest: str, spec: JobSpec) -> list[Fault]:
    """Everything for which the cell would refuse this job now; none where it would take it."""
    return list(admission_faults(view.machine.state, job_id, digest, spec))
