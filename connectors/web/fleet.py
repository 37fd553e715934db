"""REST of the fleet: groups, the plan of the next look, rules, sizes, deployments.

The one thing to know: a change is a record of topic ``commands`` with actor and reason, judged by
the fold; what it asks of a cloud is asked by the leader, later, and shows in the group.
"""

from dataclasses import replace
from typing import Any, Final

from starlette.responses import Response

from connectors.web.call import Call, Handler
from connectors.web.orders import asked, ordered
from connectors.web.problems import Problem, json_response, refused
from connectors.web.requests import actor_of, document_body
from connectors.web.resource import Operation
from connectors.web.shapes import base
from connectors.web.shapes import fleet as shapes
from projections import fleet, maintenance
from scheduler.model.fleet_rules import DeploymentOrder
from scheduler.model.inbound import Fault
from scheduler.model.reading.faults import shown_text

PATH: Final = "/api/flumina/fleet"
VERSION_MAX: Final = 2**53
_DEPLOYMENT: Final = ("new", "old", "size", "hostsAtOnce", "bakeMs", "timeoutMs", "keepGroup")


async def list_groups(call: Call) -> Response:
    """Every group that is or was known, by name."""
    call.query.done()
    return json_response(fleet.groups(call.api.cell.view))


async def show_group(call: Call) -> Response:
    """The group of the path with its instances; 404 where none of its name is known."""
    call.query.done()
    return json_response(_found(fleet.group(call.api.cell.view, call.path_id), "group", call))


async def show_plan(call: Call) -> Response:
    """What a look would do now, and what more hosts would not cure."""
    call.query.done()
    return json_response(fleet.plan(call.api.cell.view))


async def show_rules(call: Call) -> Response:
    """The rules in force, and their version."""
    call.query.done()
    return json_response(fleet.rules(call.api.cell.view))


async def put_rules(call: Call) -> Response:
    """``200 {"id": "fleet"}`` once the fold scales by these rules; what is left out is default."""
    why = call.query.text("why")
    if_version = call.query.whole("ifVersion", 0, VERSION_MAX)
    call.query.done()
    actor = actor_of(call.request, is_required=True)
    document = await document_body(call.request)
    if not why:
        raise refused([Fault("why", "is missing", "add ?why=TEXT")])
    record: dict[str, Any] = {"rules": document}
    if if_version is not None:
        record["ifVersion"] = if_version
    return await ordered(call, "SetFleet", record, (actor, why), "fleet")


async def set_size(call: Call) -> Response:
    """``200 {"id"}`` once the group is to have that size; smaller only of hosts without tasks."""
    record, actor, why = await asked(call, ("desired",))
    record["group"] = call.path_id
    return await ordered(call, "SetGroupSize", record, (actor, why), call.path_id)


async def set_warm_pool(call: Call) -> Response:
    """``200 {"id"}`` once the group's warm pool is steered; ``remove`` takes it away."""
    record, actor, why = await asked(call, ("pool", "remove"))
    record["group"] = call.path_id
    return await ordered(call, "SetWarmPool", record, (actor, why), call.path_id)


async def list_maintenance(call: Call) -> Response:
    """Hosts that Mesos will have taken away, and what it is answered."""
    call.query.done()
    return json_response(maintenance.windows(call.api.cell.view))


async def list_deployments(call: Call) -> Response:
    """Deployments under way and the last that ended, the newest first."""
    call.query.done()
    return json_response(fleet.deployments(call.api.cell.view))


async def show_deployment(call: Call) -> Response:
    """The deployment of the path with what happened; 404 where there is none."""
    call.query.done()
    found = fleet.deployment(call.api.cell.view, call.path_id)
    return json_response(_found(found, "deployment", call))


async def begin_deployment(call: Call) -> Response:
    """``200 {"id"}`` once the new group is on its way to the old one's place."""
    record, actor, why = await asked(call, _DEPLOYMENT)
    return await ordered(call, "DeployFleet", record, (actor, why), str(record.get("new", "")))


async def pause_deployment(call: Call) -> Response:
    """``200 {"id"}`` once nothing more is moved."""
    return await _order(call, "pause")


async def resume_deployment(call: Call) -> Response:
    """``200 {"id"}`` once the deployment goes on."""
    return await _order(call, "resume")


async def roll_back_deployment(call: Call) -> Response:
    """``200 {"id"}`` once the deployment goes back."""
    return await _order(call, "rollback")


async def _order(call: Call, order: DeploymentOrder) -> Response:
    record, actor, why = await asked(call, ())
    record |= {"name": call.path_id, "order": order}
    return await ordered(call, "OrderDeployment", record, (actor, why), call.path_id)


def _found(found: dict[str, Any] | None, what: str, call: Call) -> dict[str, Any]:
    if found is None:
        raise _unknown(what, call.path_id)
    return found


def _unknown(what: str, name: str) -> Problem:
    text = f"is {shown_text(name)}, no {what} of hosts here"
    return refused([Fault(what, text, f"GET {PATH}/{what}s lists them", code="unknown")])


def _command(handler: Handler, body: type[Any]) -> Operation:
    return Operation(handler, body=body, answer=base.Written, is_actor_required=True)


_READ: Final = Operation(list_groups, is_read=True, answer=shapes.Groups)

FLEET_ROUTES: Final[dict[str, dict[str, Operation]]] = {
    f"{PATH}/groups": {"GET": _READ},
    f"{PATH}/groups/{{id}}": {"GET": replace(_READ, handler=show_group, answer=shapes.GroupShown)},
    f"{PATH}/groups/{{id}}/size": {"PUT": _command(set_size, shapes.SizeBody)},
    f"{PATH}/groups/{{id}}/warm-pool": {"PUT": _command(set_warm_pool, shapes.PoolBody)},
    f"{PATH}/maintenance": {
        "GET": replace(_READ, handler=list_maintenance, answer=shapes.Maintenance)
    },
    f"{PATH}/plan": {"GET": replace(_READ, handler=show_plan, answer=shapes.Plan)},
    f"{PATH}/rules": {
        "GET": replace(_READ, handler=show_rules, answer=shapes.Rules),
        "PUT": Operation(
            put_rules,
            ("ifVersion", "why"),
            body=base.Json,
            answer=base.Written,
            required=("why",),
            is_actor_required=True,
        ),
    },
    f"{PATH}/deployments": {
        "GET": replace(_READ, handler=list_deployments, answer=shapes.Deployments),
        "POST": _command(begin_deployment, shapes.DeploymentBody),
    },
    f"{PATH}/deployments/{{id}}": {
        "GET": replace(_READ, handler=show_deployment, answer=shapes.DeploymentShown)
    },
    f"{PATH}/deployments/{{id}}/pause": {"POST": _command(pause_deployment, shapes.OrderBody)},
    f"{PATH}/deployments/{{id}}/resume": {"POST": _command(resume_deployment, shapes.OrderBody)},
    f"{PATH}/deployments/{{id}}/rollback": {
        "POST": _command(roll_back_deployment, shapes.OrderBody)
    },
}
