"""What the master shows of itself over the v1 operator API: the shapes of ``master.Response``.

The one thing to know: these are v1 messages, so ids are objects, times are nanoseconds and
resources are complete; lists that grow with the cluster are ``Rows``.
"""

from collections.abc import Callable

from connectors.devcluster.master.allocator import offer_json
from connectors.devcluster.master.model import Agent, Cluster, Executor, Framework, Operation, Task
from connectors.devcluster.master.roles import RoleUse, roles_of
from connectors.devcluster.master.rows import Rows
from connectors.devcluster.master.sums import added, allocated_to, used_by
from connectors.devcluster.master.views import (
    AGENT_CAPABILITIES,
    everyone,
    executor_id_of,
    resources_by_role,
)
from connectors.devcluster.resources import BOTH, REFINED, Resources, from_json
from connectors.devcluster.wire.defaults import with_defaults
from connectors.devcluster.words import VERSION, Json

Framed = Callable[[Framework], Json]


def time_info(at: float) -> Json:
    """A moment as v1 writes it."""
    return {"nanoseconds": int(at * 1e6) * 1000}


def task(item: Task) -> Json:
    """A task as a v1 ``Task``."""
    info = item.info
    view: Json = {
        "name": info["name"],
        "task_id": {"value": item.task_id},
        "framework_id": {"value": item.framework_id},
        "agent_id": {"value": item.agent_id},
        "state": item.state,
        "resources": item.resources.to_json(item.role, style=REFINED),
    }
    if executor_id := executor_id_of(item):
        view["executor_id"] = {"value": executor_id}
    if item.statuses:
        view["statuses"] = item.statuses
    if item.update_state is not None:
        view["status_update_state"] = item.update_state
    if item.update_uuid is not None:
        view["status_update_uuid"] = item.update_uuid
    if "health_check" in info:
        view["health_check"] = with_defaults("HealthCheck", info["health_check"])
    for name in ("labels", "discovery", "container", "kill_policy", "limits"):
        if name in info:
            view[name] = info[name]
    return view


def agent_info(agent: Agent) -> Json:
    """An agent as a v1 ``AgentInfo``."""
    return _agent_info(
        {
            "agent_id": agent.agent_id,
            "hostname": agent.hostname,
            "port": agent.port,
            "attributes": agent.attributes,
        },
        agent.total,
    )


def _agent_info(entry: Json, resources: Resources) -> Json:
    return {
        "hostname": entry["hostname"],
        "port": entry["port"],
        "resources": resources.to_json(style=REFINED),
        "attributes": entry["attributes"],
        "id": {"value": entry["agent_id"]},
    }


def agent_row(cluster: Cluster, agent: Agent) -> Json:
    """An agent as GET_AGENTS shows it."""
    operator = cluster.operator
    view: Json = {
        "agent_info": agent_info(agent),
        "active": agent.is_active,
        "deactivated": agent.is_deactivated,
        "version": VERSION,
        "pid": f"slave(1)@{agent.ip}:{agent.port}",
        "registered_time": time_info(agent.registered_at),
        "total_resources": agent.total.to_json(style=BOTH),
    }
    if agent.reregistered_at is not None:
        view["reregistered_time"] = time_info(agent.reregistered_at)
    if allocated := resources_by_role(allocated_to(agent)):
        view["allocated_resources"] = allocated
    if agent.offers:
        offered: dict[str, list[Resources]] = {}
        for offer in agent.offers.values():
            offered.setdefault(offer.role, []).append(offer.resources)
        view["offered_resources"] = resources_by_role(offered)
    view["capabilities"] = [{"type": name} for name in AGENT_CAPABILITIES]
    if drain := operator.drains.get(agent.agent_id):
        view["drain_info"] = {"state": drain.state, "config": drain.config}
        view["estimated_drain_start_time"] = {"nanoseconds": int(drain.started_at) * 10**9}
    return view


def framework_head(framework: Framework) -> Json:
    """A framework as the events show it: what it is, and whether it is there."""
    return {
        "framework_info": with_defaults("FrameworkInfo", framework.info),
        "active": framework.is_connected,
        "connected": framework.is_connected,
        "recovered": framework.is_recovered,
        "registered_time": time_info(framework.registered_at),
        "reregistered_time": time_info(framework.reregistered_at or framework.registered_at),
    }


def framework_row(cluster: Cluster, framework: Framework) -> Json:
    """A framework as GET_FRAMEWORKS shows it."""
    view = framework_head(framework)
    if framework.disconnected_at is not None:
        view["unregistered_time"] = time_info(framework.disconnected_at)
    if framework.offers:
        offers = framework.offers.values()
        view["offers"] = [
            {
                **offer_json(cluster, framework, offer),
                "resources": offer.resources.to_json(offer.role, style=REFINED),
                "allocation_info": {"role": offer.role},
            }
            for offer in offers
        ]
        by_role: dict[str, list[Resources]] = {}
        for offer in offers:
            by_role.setdefault(offer.role, []).append(Resources(offer.resources.scalars))
        view["offered_resources"] = resources_by_role(by_role)
    if used := used_by(framework):
        view["allocated_resources"] = resources_by_role({r: [held] for r, held in used.items()})
    if framework.inverse_offers:
        view["inverse_offers"] = [
            {
                "id": {"value": i.inverse_offer_id},
                "framework_id": {"value": i.framework_id},
                "agent_id": {"value": i.agent_id},
                "unavailability": i.unavailability,
            }
            for i in framework.inverse_offers.values()
        ]
    view["offer_constraints"] = framework.offer_constraints or {}
    return view


def get_tasks(cluster: Cluster) -> Json:
    """The answer to GET_TASKS."""
    found = everyone(cluster)
    return {
        "tasks": Rows((t for f in found for t in f.tasks.values()), task),
        "unreachable_tasks": Rows((t for f in found for t in f.unreachable.values()), task),
        "completed_tasks": Rows((t for f in found for t in f.completed), task),
    }


def get_agents(cluster: Cluster) -> Json:
    """The answer to GET_AGENTS."""
    return {
        "agents": Rows(cluster.agents.values(), lambda agent: agent_row(cluster, agent)),
        "recovered_agents": Rows(
            cluster.recovered.values(),
            lambda entry: _agent_info(entry, from_json(entry["resources"])),
        ),
    }


def get_frameworks(cluster: Cluster) -> Json:
    """The answer to GET_FRAMEWORKS."""

    def row(framework: Framework) -> Json:
        return framework_row(cluster, framework)

    return {
        "frameworks": Rows(cluster.frameworks.values(), row),
        "completed_frameworks": Rows(cluster.completed.values(), row),
    }


def get_executors(cluster: Cluster) -> Json:
    """The answer to GET_EXECUTORS: those that frameworks named, no command's own."""
    found = [
        (agent.agent_id, executor)
        for agent in cluster.agents.values()
        if agent.executors
        for executor in agent.executors.values()
    ]
    return {"executors": Rows(found, _executor)}


def _executor(found: tuple[str, Executor]) -> Json:
    agent_id, executor = found
    info = {**executor.info, "framework_id": {"value": executor.framework_id}}
    return {"executor_info": info, "agent_id": {"value": agent_id}}


def get_operations(cluster: Cluster) -> Json:
    """The answer to GET_OPERATIONS: those whose end is not acknowledged."""
    found = [o for agent in cluster.agents.values() for o in agent.operations.values()]
    return {"operations": Rows(found, _operation)} if found else {}


def _operation(item: Operation) -> Json:
    status = item.status or {"state": item.state}
    if item.operation_id is not None:
        status = {"operation_id": {"value": item.operation_id}, **status}
    return {
        "framework_id": {"value": item.framework_id},
        "agent_id": {"value": item.agent_id},
        "info": item.info,
        "latest_status": status,
        "statuses": [status] if item.status else [],
        "uuid": {"value": item.uuid},
    }


def get_state(cluster: Cluster) -> Json:
    """The answer to GET_STATE."""
    return {
        "get_tasks": get_tasks(cluster),
        "get_executors": get_executors(cluster),
        "get_frameworks": get_frameworks(cluster),
        "get_agents": get_agents(cluster),
    }


def get_roles(cluster: Cluster) -> Json:
    """The answer to GET_ROLES."""
    return {"roles": [_role(use) for use in roles_of(cluster)]}


def _role(use: RoleUse) -> Json:
    view: Json = {"name": use.name, "weight": 1.0}
    if use.framework_ids:
        view["frameworks"] = [{"value": i} for i in use.framework_ids]
    if held := added([use.allocated, use.offered]).to_json(style=REFINED):
        view["resources"] = sorted(held, key=lambda resource: str(resource["name"]))
    return view
