"""Agents as Titus' API v3 (S19) has them: groups of hosts and hosts, shown and ordered about.

The one thing to know: what a group is used for is part of the cell's policy, so each change is a
new version of it in the log. A change of one field reads the entry and writes it whole; it is
written for the version that was read, and read anew where somebody was faster.
"""

from collections.abc import Callable
from typing import Any, Final

from starlette.responses import Response

from connectors.web.call import Call
from connectors.web.problems import Problem, json_response, refused
from connectors.web.requests import actor_of, if_match, refuse_body, small_body
from connectors.web.writing import Written, write, written_response
from projections.v3_agents import group_json, groups_json, instance_json, instances_json
from scheduler.model.changes import JobRejected
from scheduler.model.foreign_records import encode_change_rules, encode_mark_host
from scheduler.model.ids import HostId
from scheduler.model.inbound import Fault
from scheduler.model.reading.faults import Faults, shown_text
from scheduler.model.reading.fields import Fields
from scheduler.model.rules import InstanceGroup
from scheduler.model.rules_document.reading import LIFECYCLES, NAME, choice
from scheduler.model.rules_document.writing import instance_group_document
from scheduler.model.v3.container import read_attributes

Entry = dict[str, Any]
ATTEMPTS_MAX: Final = 3
"""Operators change groups by hand; who is overtaken three times is told so."""


async def list_groups(call: Call) -> Response:
    """Every group of hosts, by name."""
    call.query.done()
    view = call.api.cell.view
    version = view.state.policy_version
    return json_response({"items": groups_json(view), "policyVersion": version})


async def show_group(call: Call) -> Response:
    """One group of hosts."""
    call.query.done()
    found = group_json(call.api.cell.view, call.path_id)
    if found is None:
        raise _no_group(call.path_id)
    return json_response(found, headers={"ETag": f'"{found["policyVersion"]}"'})


async def list_instances(call: Call) -> Response:
    """Every host, by id."""
    call.query.done()
    return json_response({"items": instances_json(call.api.cell.view)})


async def show_instance(call: Call) -> Response:
    """One host."""
    call.query.done()
    found = instance_json(call.api.cell.view, HostId(call.path_id))
    if found is None:
        raise _no_instance(call.path_id)
    return json_response(found)


async def set_tier(call: Call) -> Response:
    """``200 {"id"}`` once only jobs of this tier get the group's hosts."""
    why = _why(call)
    fields, faults = await _fields(call, "instanceGroupId")
    if not isinstance(fields.raw("tier"), str):
        fields.fault("tier", "is missing, or no text", "name a tier; an empty text is all tiers")
    tier = fields.text("tier", NAME, default="")
    _close(fields, faults)
    return await _change(call, lambda entry: {**entry, "tier": tier}, why or "set tier")


async def set_lifecycle(call: Call) -> Response:
    """``200 {"id"}`` once the group is used as its lifecycle says."""
    why = _why(call)
    fields, faults = await _fields(call, "instanceGroupId")
    lifecycle = choice(fields, "lifecycleState", LIFECYCLES)
    detail = fields.raw("detail")
    _close(fields, faults)
    why = why or (detail if isinstance(detail, str) else "") or "set lifecycle"
    return await _change(call, lambda entry: {**entry, "lifecycle": lifecycle}, why)


async def set_group_attributes(call: Call) -> Response:
    """``200 {"id"}`` once the group has these attributes; the others stay."""
    why = _why(call)
    fields, faults = await _fields(call, "instanceGroupId")
    attributes = dict(_attributes(fields))
    _close(fields, faults)
    return await _change(
        call,
        lambda entry: {**entry, "attributes": {**entry.get("attributes", {}), **attributes}},
        why or "set attributes",
    )


async def remove_group_attributes(call: Call) -> Response:
    """``200 {"id"}`` once the group has these attributes no more."""
    keys, why = _keys(call), _why(call)
    refuse_body(call.request)

    def without(entry: Entry) -> Entry:
        kept = entry.get("attributes", {})
        return {**entry, "attributes": {k: v for k, v in kept.items() if k not in keys}}

    return await _change(call, without, why or "remove attributes")


async def set_instance_attributes(call: Call) -> Response:
    """``200 {"id"}`` once the host has these attributes; the others stay."""
    why = _why(call)
    fields, faults = await _fields(call, "agentInstanceId")
    attributes = dict(_attributes(fields))
    _close(fields, faults)
    return await _mark(call, attributes, (), why or "set attributes")


async def remove_instance_attributes(call: Call) -> Response:
    """``200 {"id"}`` once the host has these attributes no more."""
    keys, why = _keys(call), _why(call)
    refuse_body(call.request)
    return await _mark(call, {}, keys, why or "remove attributes")


async def _mark(
    call: Call, attributes: dict[str, str], removed: tuple[str, ...], why: str
) -> Response:
    actor = actor_of(call.request, is_required=True)
    if instance_json(call.api.cell.view, HostId(call.path_id)) is None:
        raise _no_instance(call.path_id)
    value = encode_mark_host(HostId(call.path_id), attributes, removed, actor, why)
    written = await write(call.api, "commands", actor, value, subject=call.path_id)
    if isinstance(written.answer, JobRejected):
        raise refused(written.answer.faults)
    return written_response(written, call.path_id)


async def _change(call: Call, changed: Callable[[Entry], Entry], why: str) -> Response:
    """Write the group's entry after a change; for the version that it was read in."""
    actor, wanted = actor_of(call.request, is_required=True), if_match(call.request)
    name = call.path_id
    for attempt in range(ATTEMPTS_MAX):
        view = call.api.cell.view
        if group_json(view, name) is None:
            raise _no_group(name)
        known = view.state.policy.placement.instance_groups
        group = next((each for each in known if each.name == name), InstanceGroup(name))
        version = view.state.policy_version if wanted is None else wanted
        value = encode_change_rules(
            set_instance_groups={name: changed(instance_group_document(group))},
            if_version=version,
            actor=actor,
            why=why,
        )
        written = await _written(call, actor, value)
        faults = written.answer.faults if isinstance(written.answer, JobRejected) else ()
        is_late = any(each.code == "version" for each in faults)
        if not faults:
            return written_response(written, name)
        if not is_late or wanted is not None or attempt + 1 == ATTEMPTS_MAX:
            raise refused(_as_asked(name, faults))
    raise AssertionError("the last attempt has answered")


async def _written(call: Call, actor: str, value: bytes) -> Written:
    try:
        return await write(call.api, "commands", actor, value, subject=call.path_id)
    except Problem as problem:
        problem.faults = _as_asked(call.path_id, problem.faults)
        raise


def _as_asked(name: str, faults: tuple[Fault, ...]) -> tuple[Fault, ...]:
    """The faults by the paths of the caller's own body."""
    prefix = f"setInstanceGroups.{name}."
    return tuple(
        Fault(each.field.removeprefix(prefix), each.text, each.hint, each.code) for each in faults
    )


def _why(call: Call) -> str:
    why = call.query.text("why") or ""
    call.query.done()
    return why


def _keys(call: Call) -> tuple[str, ...]:
    """The names that the query lists; done with the query only where it lists any."""
    keys = call.query.words("keys")
    if not keys:
        call.query.faults.add("keys", "is missing", "name the attributes to remove: ?keys=a,b")
    call.query.done()
    return keys


async def _fields(call: Call, id_name: str) -> tuple[Fields, Faults]:
    """The body's fields; an id that it names must be the path's."""
    fields, faults = await small_body(call.request)
    given = fields.raw(id_name)
    if given is not None and given not in ("", call.path_id):
        fields.fault(id_name, "is another than the path's", "leave it out")
    return fields, faults


def _attributes(fields: Fields) -> tuple[tuple[str, str], ...]:
    if not fields.raw("attributes"):
        fields.fault("attributes", "is missing or empty", "name at least one attribute")
    return read_attributes(fields)


def _close(fields: Fields, faults: Faults) -> None:
    fields.close()
    if faults:
        raise refused(faults.all())


def _no_group(name: str) -> Problem:
    text, hint = f"is {shown_text(name)}, which no host names", "GET the list of groups"
    return refused([Fault("id", text, hint, code="unknown")])


def _no_instance(name: str) -> Problem:
    text, hint = f"is {shown_text(name)}, no host of this cell", "GET the list of instances"
    return refused([Fault("id", text, hint, code="unknown")])
