"""Capacity groups as Titus' management API has them, and what the cell guarantees and holds.

The one thing to know: a capacity group is part of the cell's policy. Each change is an order of
topic ``commands`` made for the version of the policy that was seen, so that of two at once the
second is refused; there is no store of groups of its own.
"""

from http import HTTPStatus
from typing import Any, Final

from msgspec.structs import replace
from starlette.responses import Response

from connectors.web.call import Call
from connectors.web.problems import Problem, json_response, refused
from connectors.web.requests import actor_of, refuse_body, small_body
from connectors.web.writing import Written, write, written_response
from projections import capacity as reports
from scheduler.model.changes import JobRejected
from scheduler.model.foreign_records import encode_change_rules
from scheduler.model.inbound import Fault
from scheduler.model.reading.checks import name_check
from scheduler.model.reading.faults import path_below, shown_text
from scheduler.model.reading.fields import Fields
from scheduler.model.rules import Amount, CapacityGroup
from scheduler.model.rules_document.checks import times
from scheduler.model.rules_document.known import DEFAULT_GROUP, NAME_BYTES_MAX
from scheduler.model.rules_document.quantities import QUANTITY_MAX
from scheduler.model.rules_document.reading import INSTANCES_MAX, SERVICE_SIZE_MAX
from scheduler.model.rules_document.writing import group_document

PATH: Final = "/api/v2/management/applications"
CONSUMPTION: Final = "/api/v2/resource/consumption"
CAPACITY: Final = "/api/flumina/capacity"
TIER: Final = "Flex"
"""Titus' tier of a group that names none."""
_NAME: Final = name_check(NAME_BYTES_MAX)
_AS_ASKED: Final = {
    "instances": "instanceCount",
    "instance.cpu": "resourceDimension.cpu",
    "instance.memory": "resourceDimension.memoryMB",
    "instance.disk": "resourceDimension.diskMB",
    "instance.network": "resourceDimension.networkMbs",
    "instance.gpus": "resourceDimension.gpu",
    "instance": "resourceDimension",
    "red_black": "flumina.redBlack",
    "service_size_max": "flumina.serviceSizeMax",
}
_OF_TITUS_ONLY: Final = ("schedulerName", "resourcePool", "instanceType")


async def list_groups(call: Call) -> Response:
    """All groups, by name; ``extended`` adds what their tasks hold."""
    is_extended = call.query.truth("extended")
    call.query.done()
    return json_response([_shown(call, each, is_extended=is_extended) for each in _groups(call)])


async def show_group(call: Call) -> Response:
    """The group of the path; raises a 404 `Problem`."""
    is_extended = call.query.truth("extended")
    call.query.done()
    found = _find(call, call.path_id)
    if found is None:
        raise _unknown(call.path_id)
    return json_response(_shown(call, found, is_extended=is_extended))


async def add_group(call: Call) -> Response:
    """``201 {"id"}`` once the cell has the group; 409 where there is one of its name."""
    why = call.query.text("why") or ""
    call.query.done()
    fields, faults = await small_body(call.request)
    name = fields.text("appName", _NAME)
    group = _read(call, fields, CapacityGroup(name=name, tier=TIER))
    if faults:
        raise refused(faults.all())
    if _find(call, name) is not None:
        fault = Fault("appName", f"is {shown_text(name)}, which is there", "change it by PUT")
        raise refused([fault], HTTPStatus.CONFLICT)
    written = await _change(call, name, group, why)
    headers = {"Location": f"{PATH}/{name}"} if name.isascii() and name.isalnum() else {}
    return written_response(written, name, HTTPStatus.CREATED, headers)


async def put_group(call: Call) -> Response:
    """``200 {"id"}`` once the cell has the group like this; what is left out has its default.

    What Titus' form has no words for (limit, weight, parent) stays as it was.
    """
    why = call.query.text("why") or ""
    call.query.done()
    before = _find(call, call.path_id)
    if before is None:
        raise _unknown(call.path_id)
    fields, faults = await small_body(call.request)
    if fields.has("appName") and fields.raw("appName") != before.name:
        fields.fault("appName", "is another than the path's", "leave it out")
    fields.raw("appName")
    group = _read(call, fields, before)
    if faults:
        raise refused(faults.all())
    return written_response(await _change(call, before.name, group, why), before.name)


async def remove_group(call: Call) -> Response:
    """``200 {"id"}`` once the cell is without the group; its jobs count as ones of DEFAULT."""
    why = call.query.text("why") or ""
    call.query.done()
    refuse_body(call.request)
    name = call.path_id
    if name == DEFAULT_GROUP:
        hint = "jobs of groups that are not listed count as ones of DEFAULT"
        raise refused([Fault("appName", "is DEFAULT, which cannot be removed", hint)])
    if _find(call, name) is None:
        raise _unknown(name)
    return written_response(await _change(call, name, None, why), name)


async def consumption(call: Call) -> Response:
    """What is held, by tier, group and application, beside what is guaranteed."""
    call.query.done()
    return json_response(reports.consumption(call.api.cell.view.state))


async def capacity(call: Call) -> Response:
    """What each tier must have: guarantees and buffer."""
    call.query.done()
    return json_response(reports.capacity(call.api.cell.view.state))


def _groups(call: Call) -> tuple[CapacityGroup, ...]:
    groups = call.api.cell.view.state.policy.placement.groups
    return tuple(sorted(groups, key=lambda each: each.name))


def _find(call: Call, name: str) -> CapacityGroup | None:
    return next((each for each in _groups(call) if each.name == name), None)


def _unknown(name: str) -> Problem:
    what = f"No capacity group {shown_text(name)}"
    return Problem(HTTPStatus.NOT_FOUND, what, f"GET {PATH} lists them.")


def _shown(call: Call, group: CapacityGroup, *, is_extended: bool) -> dict[str, Any]:
    state = call.api.cell.view.state
    # A group that was guaranteed an amount as such is one instance of it.
    is_counted = group.instances > 0
    shape = group.instance if is_counted else group.guarantee
    document = group_document(group)
    shown: dict[str, Any] = {
        "appName": group.name,
        "cellId": state.cell,
        "tier": group.tier,
        "instanceCount": group.instances if is_counted else 1,
        "resourceDimension": reports.dimension_of(shape),
        "flumina.redBlack": group.red_black,
        "flumina.serviceSizeMax": group.service_size_max,
        "flumina.group": document,
    }
    if is_extended:
        held = reports.group_usage(state, group.name)
        shown["reservationUsage"] = reports.dimension(held)
    return shown


def _read(call: Call, fields: Fields, before: CapacityGroup) -> CapacityGroup:
    """The group that the body describes; it counts only where no fault was found."""
    cell = call.api.cell.view.state.cell
    if fields.has("cellId") and fields.raw("cellId") != cell:
        fields.fault("cellId", f"is another cell than this one, {cell}", "ask that one's API")
    fields.raw("cellId")
    tier = fields.text("tier", _NAME, default=TIER)
    count = fields.whole("instanceCount", 1, INSTANCES_MAX)
    red_black = fields.whole("flumina.redBlack", 0, INSTANCES_MAX, default=before.red_black)
    size_max = fields.whole(
        "flumina.serviceSizeMax", 0, SERVICE_SIZE_MAX, default=before.service_size_max
    )
    instance = _instance(fields.inner("resourceDimension"))
    # What a GET of ours shows beside Titus' form may come back with a PUT.
    fields.raw("flumina.group")
    fields.raw("reservationUsage")
    fields.refuse_known(_OF_TITUS_ONLY)
    fields.close()
    return replace(
        before,
        tier=tier,
        instance=instance,
        instances=count,
        red_black=red_black,
        service_size_max=size_max,
        guarantee=times(instance, count),
    )


def _instance(fields: Fields) -> Amount:
    cpu = fields.thousandths("cpu", 0, QUANTITY_MAX)
    memory = fields.whole("memoryMB", 0, QUANTITY_MAX)
    disk, network, gpus = (
        fields.whole(name, 0, QUANTITY_MAX, default=0) for name in ("diskMB", "networkMbs", "gpu")
    )
    fields.close()
    return Amount(cpu, memory, disk or None, network or None, gpus or None)


async def _change(call: Call, name: str, group: CapacityGroup | None, why: str) -> Written:
    """Order the group set, or removed where there is none; raises `Problem` if refused."""
    actor = actor_of(call.request)
    value = encode_change_rules(
        set_groups=None if group is None else {name: group_document(group)},
        remove_groups=[name] if group is None else [],
        if_version=call.api.cell.view.state.policy_version,
        actor=actor,
        why=why or f"{call.request.method} {PATH}",
    )
    try:
        written = await write(call.api, "commands", actor, value, subject=name)
    except Problem as problem:
        problem.faults = _as_asked(name, problem.faults)
        raise
    if isinstance(written.answer, JobRejected):
        faults = _as_asked(name, written.answer.faults)
        is_late = any(each.field == "ifVersion" for each in faults)
        raise refused(faults, HTTPStatus.CONFLICT if is_late else HTTPStatus.BAD_REQUEST)
    return written


def _as_asked(name: str, faults: tuple[Fault, ...]) -> tuple[Fault, ...]:
    """The faults by the paths of the caller's own body."""
    prefix = path_below("setGroups", name)
    found = []
    for each in faults:
        field = each.field.removeprefix(prefix).removeprefix(".")
        found.append(replace(each, field=_AS_ASKED.get(field, field)))
    return tuple(found)
