"""REST of what was held of the cell: by owner, application, group or job, between two instants.

The one thing to know: the log is folded for it, by the time machine and never by the api's own
fold. `flumina cost` does the same without the API, and without its 25 seconds.
"""

from typing import Final, get_args

from starlette.responses import Response

from connectors.web.call import Call
from connectors.web.travel import asked
from projections.cost.ledger import By
from projections.travel.questions import LIMIT, LIMIT_MAX, CostOf

PATH: Final = "/api/flumina/cost"
FROM: Final = "-24h"
"""Where no beginning is named."""
BYS: Final[tuple[By, ...]] = get_args(By)


async def cost(call: Call) -> Response:
    """What was held, the dearest first, and the total."""
    first, second = call.query.text("from") or FROM, call.query.text("to") or "now"
    chosen = call.query.choice("by", BYS)
    by: By = next((each for each in BYS if each == chosen), "owner")
    limit = call.query.whole("limit", 1, LIMIT_MAX) or LIMIT
    call.query.done()
    return await asked(call, CostOf(first, second, by, limit))
