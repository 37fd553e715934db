"""Orders of operators: what came by REST becomes a record of topic ``commands``, and is answered.

The one thing to know: nothing is judged here but doubled fields. The reader of the topic checks
every other, and the fold says whether the order is taken.
"""

import json
from typing import Any

from starlette.responses import Response

from connectors.web.call import Call
from connectors.web.problems import refused
from connectors.web.requests import actor_of, find_doubled, small_body
from connectors.web.writing import write, written_response
from scheduler.model.changes import JobRejected
from scheduler.model.reading.faults import Faults


async def asked(call: Call, names: tuple[str, ...]) -> tuple[dict[str, Any], str, str]:
    """These fields of the body as they came, who asks, and why."""
    call.query.done()
    actor = actor_of(call.request, is_required=True)
    fields, faults = await small_body(call.request)
    record = {name: fields.raw(name) for name in names if fields.has(name)}
    why = fields.raw("why")
    fields.close()
    if faults:
        raise refused(faults.all())
    return record, actor, why if isinstance(why, str) else ""


async def ordered(
    call: Call, kind: str, record: dict[str, Any], said: tuple[str, str], subject: str
) -> Response:
    """``200 {"id"}`` once the fold has taken the order; ``said`` is who asks, and why."""
    faults = Faults()
    find_doubled(record, "", faults)
    if faults:
        raise refused(faults.all())
    # The reader of topic ``commands`` checks every field: NaN and the like must reach it.
    actor, why = said
    whole = {"type": kind, **record, "actor": actor, "why": why}
    value = json.dumps(whole, allow_nan=True).encode()
    written = await write(call.api, "commands", actor, value, subject=subject)
    if isinstance(written.answer, JobRejected):
        raise refused(written.answer.faults)
    return written_response(written, subject)
