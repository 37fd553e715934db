"""The one table of statuses: what kind of fault is answered with which HTTP status.

The one thing to know: a fault says its kind itself (`scheduler.model.inbound.FaultCode`), be it
found at the edge or by the fold, and nothing else decides the status. Titus has two tables that
disagree: the master's gRPC codes turned to HTTP by the gateway, and a mapper of its own. This one
follows the first. A version that was demanded and is another is 412, as RFC 9110 has it for
``If-Match``.

| code | status | when, and what Titus' users know it as |
| --- | --- | --- |
| (empty) | 400 | validation, wrong job type, bad capacity or move, a used job sequence |
| unknown | 404 | no such job, task, policy, host |
| state | 409 | FAILED_PRECONDITION: terminating, an unexpected state, a shrink that is refused |
| taken | 409 | the name belongs to something else |
| version | 412 | ``If-Match`` or ``ifVersion`` names another version |
| limit | 429 | RESOURCE_EXHAUSTED: active jobs, waiting tasks, rates |
| disabled | 403 | what is asked for is turned off |

Of several faults the one counts that a caller has to mend first, in this order.
"""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Final

from scheduler.model.inbound import Fault, FaultCode

STATUSES: Final[dict[FaultCode, HTTPStatus]] = {
    "unknown": HTTPStatus.NOT_FOUND,
    "taken": HTTPStatus.CONFLICT,
    "version": HTTPStatus.PRECONDITION_FAILED,
    "state": HTTPStatus.CONFLICT,
    "": HTTPStatus.BAD_REQUEST,
    "disabled": HTTPStatus.FORBIDDEN,
    "limit": HTTPStatus.TOO_MANY_REQUESTS,
}
"""In the order in which a caller has to mend them: who asks for what is not there, or names what
is another's, gains nothing by mending a field."""


def status_of(faults: Sequence[Fault]) -> HTTPStatus:
    """The status of an answer with these faults."""
    codes = {each.code for each in faults}
    return next((STATUSES[code] for code in STATUSES if code in codes), HTTPStatus.BAD_REQUEST)
