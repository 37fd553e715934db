"""The cell's policy: shown as a document, set as a whole, and switched part by part.

The one thing to know: a document that is put is whole; what it leaves out has its default. For one
switch there is a command that changes nothing else, so that two operators do not undo each other.
"""

from typing import Final

from starlette.responses import Response

from connectors.web.call import Call
from connectors.web.problems import json_response, refused
from connectors.web.requests import actor_of, document_body
from connectors.web.writing import check_readable, write, written_response
from scheduler.model.changes import JobRejected
from scheduler.model.foreign_records import encode_set_rules
from scheduler.model.inbound import Fault
from scheduler.model.reading.faults import Faults
from scheduler.model.rules_document.difference import differences
from scheduler.model.rules_document.reading import read_policy
from scheduler.model.rules_document.writing import policy_document

PATH: Final = "/api/flumina/policy"
VERSION_MAX: Final = 2**53


async def show_policy(call: Call) -> Response:
    """The policy in force, as a document, and its version."""
    call.query.done()
    state = call.api.cell.view.state
    document = policy_document(state.policy)
    return json_response({"version": state.policy_version, "document": document})


async def put_policy(call: Call) -> Response:
    """``200 {"id": "policy"}`` once the fold decides by the document; or what would change."""
    why = call.query.text("why")
    if_version = call.query.whole("ifVersion", 0, VERSION_MAX)
    is_dry = call.query.truth("dryRun")
    call.query.done()
    actor = actor_of(call.request, is_required=True)
    document = await document_body(call.request)
    if is_dry:
        return _would_change(call, document, actor)
    if not why:
        raise refused([Fault("why", "is missing", "add ?why=TEXT")])
    value = encode_set_rules(document, actor, why, if_version)
    written = await write(call.api, "commands", actor, value, subject="policy")
    if isinstance(written.answer, JobRejected):
        raise refused(written.answer.faults)
    return written_response(written, "policy")


def _would_change(call: Call, document: dict[str, object], actor: str) -> Response:
    check_readable("commands", "", encode_set_rules(document, actor, "dry run"))
    state = call.api.cell.view.state
    after = read_policy(document, Faults())
    changes = differences(state.policy, after)
    told = {"dryRun": True, "version": state.policy_version, "changes": changes}
    return json_response(told)
