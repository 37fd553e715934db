"""What the master shows of itself over HTTP: ``/state``, ``/slaves``, ``/tasks``, ``/frameworks``.

The one thing to know: names and shapes are Mesos', also where they are odd, because clients read
them; what this cluster does not have is left out.
"""

from connectors.devcluster.master.membership import allocated_of
from connectors.devcluster.master.model import (
    Agent,
    Cluster,
    Framework,
    Task,
)
from connectors.devcluster.resources import Resources, total
from connectors.devcluster.words import VERSION, Json


def task_view(task: Task) -> Json:
    """A task as the state endpoints show it."""
    view: Json = {
        "id": task.task_id,
        "name": task.info["name"],
        "framework_id": task.framework_id,
        "executor_id": "",
        "slave_id": task.agent_id,
        "state": task.state,
        "resources": task.resources.summary(),
        "role": task.role,
        "statuses": [
            {k: s[k] for k in ("state", "timestamp", "container_status", "healthy") if k in s}
            for s in task.statuses
        ],
    }
    if labels := task.info.get("labels", {}).get("labels"):
        view["labels"] = labels
    return view


def agent_view(agent: Agent) -> Json:
    """An agent as ``/slaves`` shows it."""
    offered = total(o.resources for o in agent.offers.values())
    view: Json = {
        "id": agent.agent_id,
        "hostname": agent.hostname,
        "port": agent.port,
        "attributes": attributes_view(agent.attributes),
        "pid": f"slave(1)@{agent.ip}:{agent.port}",
        "registered_time": agent.registered_at,
        "resources": agent.total.summary(),
        "used_resources": allocated_of(agent),
        "offered_resources": offered.summary(),
        "reserved_resources": {},
        "unreserved_resources": agent.total.summary(),
        "active": agent.is_connected,
        "deactivated": not agent.is_connected,
        "version": VERSION,
        "capabilities": ["MULTI_ROLE"],
    }
    if agent.reregistered_at is not None:
        view["reregistered_time"] = agent.reregistered_at
    return view


def attributes_view(attributes: list[Json]) -> Json:
    """Attributes in the short form of the state endpoints."""
    view: Json = {}
    for attribute in attributes:
        match attribute["type"]:
            case "SCALAR":
                view[attribute["name"]] = attribute["scalar"]["value"]
            case "RANGES":
                pieces = attribute["ranges"]["range"]
                text = ", ".join(f"{p['begin']}-{p['end']}" for p in pieces)
                view[attribute["name"]] = f"[{text}]"
            case _:
                view[attribute["name"]] = attribute["text"]["value"]
    return view


def framework_view(framework: Framework) -> Json:
    """A framework as ``/state`` shows it."""
    used = total(
        Resources(t.resources.scalars) for t in framework.tasks.values() if t.holds_resources
    )
    offered = total(Resources(o.resources.scalars) for o in framework.offers.values())
    view: Json = {
        "id": framework.framework_id,
        "name": framework.info["name"],
        "user": framework.info["user"],
        "used_resources": used.summary(),
        "offered_resources": offered.summary(),
        "capabilities": sorted(framework.capabilities),
        "hostname": framework.info.get("hostname", ""),
        "webui_url": framework.info.get("webui_url", ""),
        "active": framework.is_connected,
        "connected": framework.is_connected,
        "recovered": framework.is_recovered,
        "failover_timeout": framework.failover_timeout,
        "checkpoint": framework.is_checkpointing,
        "registered_time": framework.registered_at,
        "unregistered_time": framework.disconnected_at or 0.0,
        "resources": (used + offered).summary(),
        "tasks": [task_view(t) for t in framework.tasks.values()],
        "unreachable_tasks": [task_view(t) for t in framework.unreachable.values()],
        "completed_tasks": [task_view(t) for t in framework.completed],
        "offers": [
            {
                "id": o.offer_id,
                "framework_id": o.framework_id,
                "allocation_info": {"role": o.role},
                "slave_id": o.agent_id,
                "resources": o.resources.summary(),
            }
            for o in framework.offers.values()
        ],
        "executors": [],
    }
    if framework.is_multi_role:
        view["roles"] = framework.roles
    else:
        view["role"] = framework.roles[0]
    return view


def slaves_view(cluster: Cluster) -> Json:
    """The body of ``/slaves``."""
    return {
        "slaves": [agent_view(a) for a in cluster.agents.values()],
        "recovered_slaves": [
            {
                "id": e["agent_id"],
                "hostname": e["hostname"],
                "port": e["port"],
                "attributes": attributes_view(e["attributes"]),
            }
            for e in cluster.recovered.values()
        ],
    }


def frameworks_view(cluster: Cluster) -> Json:
    """The body of ``/frameworks``."""
    return {
        "frameworks": [framework_view(f) for f in cluster.frameworks.values()],
        "completed_frameworks": [framework_view(f) for f in cluster.completed.values()],
        "unregistered_frameworks": [],
    }


def tasks_view(cluster: Cluster, limit: int, offset: int) -> Json:
    """The body of ``/tasks``: live tasks first, then unreachable and completed ones."""
    everyone = [*cluster.frameworks.values(), *cluster.completed.values()]
    tasks = [t for f in everyone for t in f.tasks.values()]
    tasks += [t for f in everyone for t in (*f.unreachable.values(), *f.completed)]
    return {"tasks": [task_view(t) for t in tasks[offset : offset + limit]]}


def state_view(cluster: Cluster) -> Json:
    """The body of ``/state``."""
    settings = cluster.settings
    pid = f"master@{settings.host}:{settings.port}"
    connected = sum(a.is_connected for a in cluster.agents.values())
    return {
        "version": VERSION,
        "flavour": "flumina dev-cluster",
        "start_time": cluster.started_at,
        "elected_time": cluster.started_at,
        "id": cluster.master_id,
        "pid": pid,
        "hostname": "localhost",
        "capabilities": [],
        "activated_slaves": connected,
        "deactivated_slaves": len(cluster.agents) - connected,
        "unreachable_slaves": len(cluster.unreachable),
        "leader": pid,
        "leader_info": {
            "id": cluster.master_id,
            "pid": pid,
            "port": settings.port,
            "hostname": "localhost",
        },
        "flags": {
            "agent_ping_timeout": f"{settings.ping_timeout_seconds:g}secs",
            "max_agent_ping_timeouts": str(settings.missed_pings_max),
            "agent_reregister_timeout": f"{settings.reregister_timeout_seconds:g}secs",
            "allocation_interval": f"{settings.allocation_seconds:g}secs",
            "port": str(settings.port),
        },
        **slaves_view(cluster),
        **frameworks_view(cluster),
        "orphan_tasks": [],
    }
