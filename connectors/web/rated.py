"""The door of a cell that is at the size that it was measured to bear.

The one thing to know: it is asked at the edge and not by the fold. A cell above its size goes on
with what it has; new jobs are refused with 429 and `X-Flumina-Cell-Full`, at which a federation
sends a job that no route binds to this cell to another.
"""

from http import HTTPStatus
from typing import Final

from connectors.web.api import Api
from connectors.web.problems import Problem
from projections.rated import Full

FULL: Final = "X-Flumina-Cell-Full"
"""Of a refusal: which part of the rated size is used up, ``hosts``, ``tasks`` or ``launches``."""
RETRY_AFTER_S: Final = 10


def demand_room(api: Api, tasks: int) -> None:
    """Return if a new job of so many tasks may be taken; raises a 429 `Problem` else."""
    try:
        api.rated.demand(api.cell.view.machine.state, tasks)
    except Full as full:
        what = "launches within a minute" if full.name == "launches" else full.name
        raise Problem(
            HTTPStatus.TOO_MANY_REQUESTS,
            f"The cell is at its rated size: {full.wanted} {what} exceed {full.most}",
            "Nothing was written. Send the job to another cell, send it again later, or have an "
            "operator raise FLUMINA_RATED (docs/scale.md says what it was measured by).",
            headers={"Retry-After": str(RETRY_AFTER_S), FULL: full.name},
        ) from full
