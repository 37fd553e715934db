"""What the master shows of itself over HTTP: ``/state``, ``/slaves``, ``/tasks``, ``/frameworks``.

The one thing to know: names and shapes are Mesos', also where they are odd, because clients read
them; what this cluster does not have is left out. Each view is one pass over what it shows.
"""

from collections import Counter
from collections.abc import Callable, Iterable

from connectors.devcluster.master.model import Agent, Cluster, Framework, Offer, Task
from connectors.devcluster.master.rows import Rows
from connectors.devcluster.master.sums import Summaries, added, allocated_of, allocated_to, used_by
from connectors.devcluster.resources import BOTH, Resources
from connectors.devcluster.wire.defaults import with_defaults
from connectors.devcluster.words import VERSION, VERSION_INFO, Json

# Of Mesos' own those that are true here too: no resource providers, no quota.
MASTER_CAPABILITIES = ("AGENT_DRAINING",)
AGENT_CAPABILITIES = (
    "MULTI_ROLE",
    "HIERARCHICAL_ROLE",
    "RESERVATION_REFINEMENT",
    "RESIZE_VOLUME",
    "AGENT_OPERATION_FEEDBACK",
    "AGENT_DRAINING",
)
# Mesos' numbers for /tasks without parameters.
TASKS_LIMIT = 100
_COUNTED = (
    "TASK_STAGING",
    "TASK_STARTING",
    "TASK_RUNNING",
    "TASK_KILLING",
    "TASK_FINISHED",
    "TASK_KILLED",
    "TASK_FAILED",
    "TASK_LOST",
    "TASK_ERROR",
    "TASK_UNREACHABLE",
)
_STATUS_FIELDS = ("state", "timestamp", "labels", "healthy")


def task_view(task: Task, summaries: Summaries) -> Json:
    """A task as the state endpoints show it."""
    info = task.info
    view: Json = {
        "id": task.task_id,
        "name": info["name"],
        "framework_id": task.framework_id,
        "executor_id": executor_id_of(task),
        "slave_id": task.agent_id,
        "state": task.state,
        "resources": summaries.of(task.resources),
        "role": task.role,
        "statuses": [_status_view(status) for status in task.statuses],
    }
    if labels := info.get("labels", {}).get("labels"):
        view["labels"] = labels
    if "health_check" in info:
        view["health_check"] = with_defaults("HealthCheck", info["health_check"])
    for name in ("discovery", "container", "limits"):
        if name in info:
            view[name] = info[name]
    return view


def executor_id_of(task: Task) -> str:
    """The executor that the framework named for the task; empty for a command's own."""
    executor = task.info.get("executor")
    return str(executor["executor_id"]["value"]) if executor else ""


def _status_view(status: Json) -> Json:
    view = {k: status[k] for k in _STATUS_FIELDS if k in status}
    if "container_status" in status:
        # The pid is for operators of the agent, not for readers of /state.
        container = status["container_status"]
        view["container_status"] = {k: v for k, v in container.items() if k != "executor_pid"}
    return view


def agent_view(cluster: Cluster, agent: Agent, summaries: Summaries) -> Json:
    """An agent as ``/state`` shows it."""
    operator = cluster.operator
    reserved = {} if agent.total.is_plain else agent.total.reserved()
    unreserved = agent.total if agent.total.is_plain else agent.total.unreserved()
    view: Json = {
        "id": agent.agent_id,
        "hostname": agent.hostname,
        "port": agent.port,
        "attributes": attributes_view(agent.attributes),
        "pid": f"slave(1)@{agent.ip}:{agent.port}",
        "registered_time": agent.registered_at,
        "resources": summaries.of(agent.total),
        "used_resources": allocated_of(agent).summary(),
        "offered_resources": added(o.resources for o in agent.offers.values()).summary(),
        "reserved_resources": {role: amount.summary() for role, amount in reserved.items()},
        "unreserved_resources": summaries.of(unreserved),
        "active": agent.is_active,
        "deactivated": not agent.is_active,
        "version": VERSION,
        "capabilities": list(AGENT_CAPABILITIES),
    }
    if agent.reregistered_at is not None:
        view["reregistered_time"] = agent.reregistered_at
    if drain := operator.drains.get(agent.agent_id):
        view["drain_info"] = {"state": drain.state, "config": drain.config}
        view["estimated_drain_start_time_seconds"] = drain.started_at
    return view


def full_agent_view(cluster: Cluster, agent: Agent, summaries: Summaries) -> Json:
    """An agent as ``/slaves`` shows it: with each resource in full."""
    view = agent_view(cluster, agent, summaries)
    reserved = {} if agent.total.is_plain else agent.total.reserved()
    view["reserved_resources_full"] = {
        role: amount.to_json(style=BOTH) for role, amount in reserved.items()
    }
    unreserved = agent.total if agent.total.is_plain else agent.total.unreserved()
    view["unreserved_resources_full"] = unreserved.to_json(style=BOTH)
    view["used_resources_full"] = resources_by_role(allocated_to(agent))
    offered: dict[str, list[Resources]] = {}
    for offer in agent.offers.values():
        offered.setdefault(offer.role, []).append(offer.resources)
    view["offered_resources_full"] = resources_by_role(offered)
    return view


def resources_by_role(amounts: dict[str, list[Resources]]) -> list[Json]:
    """Resources in full, with the role that each is allocated to."""
    return [r for role, parts in amounts.items() for r in added(parts).to_json(role, style=BOTH)]


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


def framework_head(framework: Framework) -> Json:
    """The part of a framework that ``/state-summary`` shows too."""
    used = added(used_by(framework).values())
    offered = added(Resources(o.resources.scalars) for o in framework.offers.values())
    return {
        "id": framework.framework_id,
        "name": framework.info["name"],
        "used_resources": used.summary(),
        "offered_resources": offered.summary(),
        "capabilities": [c["type"] for c in framework.info.get("capabilities", []) if "type" in c],
        "hostname": framework.info.get("hostname", ""),
        "webui_url": framework.info.get("webui_url", ""),
        "active": framework.is_connected,
        "connected": framework.is_connected,
        "recovered": framework.is_recovered,
    }


def framework_view(cluster: Cluster, framework: Framework, summaries: Summaries) -> Json:
    """A framework as ``/state`` shows it."""

    def task(item: Task) -> Json:
        return task_view(item, summaries)

    view = framework_head(framework)
    offered = view["offered_resources"]
    view.update(
        {
            "user": framework.info["user"],
            "failover_timeout": framework.failover_timeout,
            "checkpoint": framework.is_checkpointing,
            "registered_time": framework.registered_at,
            "unregistered_time": framework.disconnected_at or 0.0,
            "resources": {k: v + offered.get(k, 0.0) for k, v in view["used_resources"].items()},
            "tasks": Rows(framework.tasks.values(), task),
            "unreachable_tasks": Rows(framework.unreachable.values(), task),
            "completed_tasks": Rows(framework.completed, task),
            "offers": Rows(framework.offers.values(), _offer_view),
            "executors": [
                _executor_view(executor.info, agent.agent_id, executor.role, executor.resources)
                for agent in cluster.agents.values()
                if agent.executors
                for executor in agent.executors.values()
                if executor.framework_id == framework.framework_id
            ],
            "offer_constraints": framework.offer_constraints or {},
        }
    )
    if framework.reregistered_at:
        view["reregistered_time"] = framework.reregistered_at
    if labels := framework.info.get("labels", {}).get("labels"):
        view["labels"] = labels
    for name in ("principal", "domain"):
        if name in framework.info:
            view[name] = framework.info[name]
    if framework.is_multi_role:
        view["roles"] = framework.roles
    else:
        view["role"] = framework.roles[0]
    return view


def _offer_view(offer: Offer) -> Json:
    return {
        "id": offer.offer_id,
        "framework_id": offer.framework_id,
        "allocation_info": {"role": offer.role},
        "slave_id": offer.agent_id,
        "resources": offer.resources.summary(),
    }


def _executor_view(info: Json, agent_id: str, role: str, resources: Resources) -> Json:
    return {
        "executor_id": info["executor_id"]["value"],
        "name": info.get("name", ""),
        "framework_id": info.get("framework_id", {}).get("value", ""),
        "command": info.get("command", {}),
        "resources": resources.summary(),
        "role": role,
        "slave_id": agent_id,
    }


def slaves_view(cluster: Cluster, agent_id: str | None = None) -> Json:
    """The body of ``/slaves``; of one agent if it is named."""
    summaries = Summaries()
    agents: Iterable[Agent] = cluster.agents.values()
    recovered: Iterable[Json] = cluster.recovered.values()
    if agent_id is not None:
        agents = [a for a in (cluster.agents.get(agent_id),) if a is not None]
        recovered = [e for e in (cluster.recovered.get(agent_id),) if e is not None]
    return {
        "slaves": Rows(agents, lambda agent: full_agent_view(cluster, agent, summaries)),
        "recovered_slaves": Rows(recovered, _recovered_view),
    }


def _recovered_view(entry: Json) -> Json:
    return {
        "id": entry["agent_id"],
        "hostname": entry["hostname"],
        "port": entry["port"],
        "attributes": attributes_view(entry["attributes"]),
    }


def frameworks_view(cluster: Cluster, framework_id: str | None = None) -> Json:
    """The body of ``/frameworks``; of one framework if it is named."""
    summaries = Summaries()

    def view(framework: Framework) -> Json:
        return framework_view(cluster, framework, summaries)

    def chosen(frameworks: dict[str, Framework]) -> list[Framework]:
        if framework_id is None:
            return list(frameworks.values())
        return [f for f in (frameworks.get(framework_id),) if f is not None]

    return {
        "frameworks": Rows(chosen(cluster.frameworks), view),
        "completed_frameworks": Rows(chosen(cluster.completed), view),
        "unregistered_frameworks": [],
    }


def everyone(cluster: Cluster) -> list[Framework]:
    """All frameworks, those that are no more included."""
    return [*cluster.frameworks.values(), *cluster.completed.values()]


def tasks_view(
    cluster: Cluster,
    limit: int,
    offset: int,
    is_wanted: Callable[[Task], bool],
    *,
    is_oldest_first: bool = False,
) -> Json:
    """The body of ``/tasks``: by the time of their first status, the newest first unless asked."""
    summaries = Summaries()
    tasks = [
        task
        for framework in everyone(cluster)
        for held in (framework.tasks.values(), framework.unreachable.values(), framework.completed)
        for task in held
        if is_wanted(task)
    ]
    tasks.sort(key=_first_status_at, reverse=not is_oldest_first)
    return {"tasks": Rows(tasks[offset : offset + limit], lambda t: task_view(t, summaries))}


def _first_status_at(task: Task) -> float:
    # A task without status counts as older than all others, as in Mesos.
    return float(task.statuses[0]["timestamp"]) if task.statuses else 0.0


def state_summary_view(cluster: Cluster) -> Json:
    """The body of ``/state-summary``: agents and frameworks, with counts in place of tasks."""
    by_agent: dict[str, Counter[str]] = {}
    by_framework: dict[str, Counter[str]] = {}
    frameworks_of: dict[str, dict[str, None]] = {}
    agents_of: dict[str, dict[str, None]] = {}
    for framework in cluster.frameworks.values():
        counts = by_framework.setdefault(framework.framework_id, Counter())
        pairs: Counter[tuple[str, str]] = Counter()
        for held in (framework.tasks.values(), framework.unreachable.values(), framework.completed):
            pairs.update((task.agent_id, task.state) for task in held)
        for (agent_id, state), count in pairs.items():
            counts[state] += count
            by_agent.setdefault(agent_id, Counter())[state] += count
            frameworks_of.setdefault(agent_id, {})[framework.framework_id] = None
            agents_of.setdefault(framework.framework_id, {})[agent_id] = None
    summaries = Summaries()

    def agent_row(agent: Agent) -> Json:
        return {
            **agent_view(cluster, agent, summaries),
            **_counted(by_agent.get(agent.agent_id)),
            "framework_ids": list(frameworks_of.get(agent.agent_id, ())),
        }

    def framework_row(framework: Framework) -> Json:
        return {
            **framework_head(framework),
            **_counted(by_framework.get(framework.framework_id)),
            "slave_ids": list(agents_of.get(framework.framework_id, ())),
        }

    return {
        "hostname": "localhost",
        "slaves": Rows(cluster.agents.values(), agent_row),
        "frameworks": Rows(cluster.frameworks.values(), framework_row),
    }


def _counted(counts: Counter[str] | None) -> Json:
    return {state: counts[state] if counts else 0 for state in _COUNTED}


_UNITS = (("weeks", 604_800), ("days", 86_400), ("hrs", 3_600), ("mins", 60), ("secs", 1))


def duration_text(seconds: float) -> str:
    """A duration as Mesos prints it: in the largest unit of which it is a whole number."""
    for name, size in _UNITS:
        if seconds >= size and seconds % size == 0:
            return f"{seconds / size:g}{name}"
    return f"{seconds * 1000:g}ms"


def flags_view(cluster: Cluster) -> dict[str, str]:
    """The flags of this master, by Mesos' names; those that mean nothing here are left out."""
    settings = cluster.settings
    flags = {
        "agent_ping_timeout": duration_text(settings.ping_timeout_seconds),
        "agent_reregister_timeout": duration_text(settings.reregister_timeout_seconds),
        "allocation_interval": duration_text(settings.allocation_seconds),
        "authenticate_agents": "false",
        "authenticate_frameworks": "false",
        "framework_sorter": "drf",
        "hostname": "localhost",
        "max_agent_ping_timeouts": str(settings.missed_pings_max),
        "max_completed_frameworks": "50",
        "max_completed_tasks_per_framework": "1000",
        "max_unreachable_tasks_per_framework": "1000",
        "min_allocatable_resources": "cpus:0.01|mem:32",
        "port": str(settings.port),
        "role_sorter": "drf",
    }
    if settings.simulated:
        flags["simulated"] = str(settings.simulated)
    return flags


def state_view(cluster: Cluster) -> Json:
    """The body of ``/state``."""
    settings = cluster.settings
    summaries = Summaries()
    pid = f"master@{settings.host}:{settings.port}"
    active = sum(a.is_active for a in cluster.agents.values())
    return {
        **VERSION_INFO,
        "start_time": cluster.started_at,
        "elected_time": cluster.started_at,
        "id": cluster.master_id,
        "pid": pid,
        "hostname": "localhost",
        "capabilities": list(MASTER_CAPABILITIES),
        "activated_slaves": active,
        "deactivated_slaves": len(cluster.agents) - active,
        "unreachable_slaves": len(cluster.unreachable),
        "leader": pid,
        "leader_info": {
            "id": cluster.master_id,
            "pid": pid,
            "port": settings.port,
            "hostname": "localhost",
        },
        "flags": flags_view(cluster),
        "slaves": Rows(cluster.agents.values(), lambda a: agent_view(cluster, a, summaries)),
        "recovered_slaves": Rows(cluster.recovered.values(), _recovered_view),
        **frameworks_view(cluster),
        "orphan_tasks": [],
    }
