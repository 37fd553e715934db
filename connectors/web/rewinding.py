"""GETs of another instant: which paths take ``at``, and how their handlers answer of then.

The one thing to know: nothing is written twice for the past. The time machine makes the view of
then, and the very handler that answers of now answers from it; so what is shown of an instant is
what was shown at it, but for what only this process's clock or other processes know.
"""

from typing import Final

from starlette.requests import Request

from connectors.web.admission import Admission, AdmissionLimits
from connectors.web.api import Api
from connectors.web.call import Call
from connectors.web.cell import FileName, LogUnavailable, Piece, Progress, Sandbox, Token, Topic
from connectors.web.metrics import Metrics
from connectors.web.passing import Passing
from connectors.web.requests import Query
from connectors.web.resource import AT, Operation
from connectors.web.travelling import NoTravel
from projections.cell_view import CellView
from projections.travel.questions import ReadAt

REWOUND: Final = frozenset(
    {
        "/api/flumina/addresses",
        "/api/flumina/capacity",
        "/api/flumina/drains",
        "/api/flumina/endpoints",
        "/api/flumina/fleet/deployments",
        "/api/flumina/fleet/deployments/{id}",
        "/api/flumina/fleet/groups",
        "/api/flumina/fleet/groups/{id}",
        "/api/flumina/fleet/plan",
        "/api/flumina/fleet/rules",
        "/api/flumina/healing/runbooks",
        "/api/flumina/healing/runs",
        "/api/flumina/healing/runs/{id}",
        "/api/flumina/health",
        "/api/flumina/health/hosts/{id}",
        "/api/flumina/jobs/{id}/cron",
        "/api/flumina/jobs/{id}/updates",
        "/api/flumina/jobs/{id}/updates/{number}",
        "/api/flumina/orphans",
        "/api/flumina/policy",
        "/api/flumina/safe",
        "/api/flumina/volumes",
        "/api/flumina/volumes/{id}",
        "/api/flumina/webhooks",
        "/api/flumina/webhooks/{id}",
        "/api/v2/management/applications",
        "/api/v2/management/applications/{id}",
        "/api/v2/resource/consumption",
        "/api/v3/agent/instanceGroups",
        "/api/v3/agent/instanceGroups/{id}",
        "/api/v3/agent/instances",
        "/api/v3/agent/instances/{id}",
        "/api/v3/autoscaling/scalingPolicies",
        "/api/v3/autoscaling/scalingPolicies/{id}",
        "/api/v3/autoscaling/scalingPolicy/{id}",
        "/api/v3/eviction/quotas/capacityGroups/{id}",
        "/api/v3/eviction/quotas/jobs/{id}",
        "/api/v3/eviction/quotas/system",
        "/api/v3/eviction/quotas/tasks/{id}",
        "/api/v3/eviction/quotas/tiers/{id}",
        "/api/v3/jobs",
        "/api/v3/jobs/{id}",
        "/api/v3/loadBalancers",
        "/api/v3/loadBalancers/{id}",
        "/api/v3/relocation/plans",
        "/api/v3/relocation/plans/{id}",
        "/api/v3/scheduler/systemSelectors",
        "/api/v3/scheduler/systemSelectors/{id}",
        "/api/v3/tasks",
        "/api/v3/tasks/{id}",
    }
)
"""Paths whose GET is answered from the fold's state alone, so that it can be of any instant."""
OF_ONE: Final = frozenset({"/api/v3/jobs/{id}", "/api/v3/tasks/{id}"})
"""Those that tell a history, which has to be completed where the fold of then began late."""


async def read_then(view: CellView, question: ReadAt, operation: Operation) -> bytes:
    """The answer of the question's path from the view of then, as JSON; raises `Problem`."""
    cell = CellThen(view)
    admission = Admission(cell, AdmissionLimits())
    api = Api(cell, _NoFiles(), Metrics(cell, admission), admission, travel=NoTravel())
    written = question.query.encode("latin-1")
    scope = {
        "type": "http",
        "method": "GET",
        "path": question.path,
        "path_params": question.names,
        "query_string": written,
        "headers": [],
    }
    query = Query(written, (*operation.all_parameters, AT))
    response = await operation.handler(Call(api, Request(scope), query))
    return bytes(response.body)


class CellThen:
    """What handlers ask of a cell, standing at one instant; its clock is the log's."""

    def __init__(self, view: CellView) -> None:
        self.view = view
        self.partition = 0
        self.passing = Passing()

    def progress(self) -> Progress:
        """As far as it goes."""
        return Progress()

    def now_ms(self) -> int:
        """When that was."""
        return self.view.state.clock.now_ms

    async def publish(self, topic: Topic, key: str, value: bytes) -> Token:
        """Nothing is written into the past."""
        del topic, key, value
        raise AssertionError("a GET publishes nothing")


class _NoFiles:
    """What tasks had written then is not looked for."""

    async def read(
        self, sandbox: Sandbox, name: FileName, offset: int | None, length: int
    ) -> Piece:
        """Refuse."""
        del sandbox, name, offset, length
        raise LogUnavailable("missing", "Output of an instant is not looked for.")

    async def offset_at(self, sandbox: Sandbox, name: FileName, at_ms: int) -> int:
        """Refuse."""
        del sandbox, name, at_ms
        raise LogUnavailable("missing", "Output of an instant is not looked for.")
