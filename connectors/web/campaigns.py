"""REST of campaigns: which tasks have to be deployed again and whose they are, and how far it is.

The one thing to know: a campaign is begun job by job, by updates whose plans bear its name; there
is no request that begins it as a whole, so nothing is half begun in secret.
"""

from typing import Final

from starlette.responses import Response

from connectors.web.call import Call
from connectors.web.problems import json_response, refused
from projections import campaigns
from scheduler.model.inbound import Fault
from scheduler.model.reading.faults import shown_text

CANDIDATES: Final = "/api/flumina/campaign"
PATH: Final = "/api/flumina/campaigns/{id}"


async def list_candidates(call: Call) -> Response:
    """The jobs whose tasks match, by owner; without what the named campaign has brought."""
    text = call.query.text("match", campaigns.match_complaint)
    name = call.query.text("name") or ""
    if text is None and not call.query.faults:
        call.query.faults.add("match", "is missing", campaigns.EXAMPLES)
    call.query.done()
    match = campaigns.parsed_match(text or "")
    assert match is not None
    return json_response(campaigns.candidates(call.api.cell.view, match, name))


async def show_campaign(call: Call) -> Response:
    """How far the campaign of the path has come; 404 where no update bears its name."""
    call.query.done()
    found = campaigns.progress(call.api.cell.view, call.path_id)
    if found is None:
        text = f"is {shown_text(call.path_id)}, the name of no campaign here"
        hint = "`flumina campaign MATCH --start NAME` begins one"
        raise refused([Fault("name", text, hint, code="unknown")])
    return json_response(found)
