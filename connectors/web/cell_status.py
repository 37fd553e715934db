"""What the API says of the cell as a whole: its health, its state, its orphans, its metrics.

The one thing to know: ``/health`` is about this process: can its answers be trusted? That nobody
leads is told there too, but it is no reason to take reads away.
"""

from http import HTTPStatus

import msgspec
from starlette.responses import Response

from connectors.web import travel, views
from connectors.web.call import Call
from connectors.web.metrics import CONTENT_TYPE
from connectors.web.problems import json_response
from connectors.web.standing import Standing, standing_of
from projections.finding import finding


async def health(call: Call) -> Response:
    """200 while the fold goes on and is as far as the log; 503 else."""
    call.query.done()
    standing = standing_of(call.api.cell)
    status = HTTPStatus.OK if standing.is_healthy else HTTPStatus.SERVICE_UNAVAILABLE
    return json_response(_standing(standing), status)


async def status(call: Call) -> Response:
    """The same as Titus' status: who serves, and who leads."""
    call.query.done()
    standing = standing_of(call.api.cell)
    serving = "SERVING" if standing.is_healthy else "NOT_SERVING"
    elected = call.api.cell.view.leaders.by_candidate.get(standing.leader)
    since_ms = elected.elected_at_ms if elected and elected.epoch == standing.epoch else 0
    told = {"servingStatus": serving, "leaderSinceMs": since_ms, **_standing(standing)}
    return json_response(told)


def _standing(standing: Standing) -> dict[str, object]:
    return {
        "isHealthy": standing.is_healthy,
        "cell": standing.cell,
        "generation": standing.generation,
        "leader": standing.leader,
        "epoch": standing.epoch,
        "offset": standing.offset,
        "lagRecords": standing.lag_records,
        "leaderSilentMs": standing.leader_silent_ms,
        "stale": standing.stale,
        "halt": standing.halt,
        "safe": standing.safe,
    }


async def orphans(call: Call) -> Response:
    """The tasks that run without history in the log."""
    call.query.done()
    return json_response({"items": views.orphans(call.api.cell.view)})


async def safe(call: Call) -> Response:
    """Whether the cell is safe, why, and what waits for an operator's word."""
    call.query.done()
    return json_response(msgspec.to_builtins(finding(call.api.cell.view)))


async def state(call: Call) -> Response:
    """The cell in numbers, now or at another instant."""
    at = call.query.text("at")
    call.query.done()
    if at is not None:
        return await travel.asked(call, travel.state_question(at))
    return json_response(views.state(call.api.cell.view))


async def metrics(call: Call) -> Response:
    """The metrics, for Prometheus."""
    call.query.done()
    return Response(call.api.metrics.text(), headers={"Content-Type": CONTENT_TYPE})
