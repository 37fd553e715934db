"""The numbers that people chart: ``/metrics/snapshot`` and GET_METRICS, by Mesos' names.

The one thing to know: gauges are counted from the books at the moment of asking, counters are
counted where things happen. What this master does not measure is absent, never zero by guess; but
counters of things that it does count begin at 0, as in Mesos.
"""

import os
from collections import Counter
from pathlib import Path

from connectors.devcluster.master.model import Cluster
from connectors.devcluster.master.roles import roles_of
from connectors.devcluster.master.sums import used_by
from connectors.devcluster.resources import MILLI

Metrics = dict[str, float]

_RESOURCES = ("cpus", "mem", "disk", "gpus")
_LIVE = {
    "TASK_STAGING": "staging",
    "TASK_STARTING": "starting",
    "TASK_RUNNING": "running",
    "TASK_KILLING": "killing",
}
_MESSAGES = (
    "decline_offers",
    "framework_to_executor",
    "kill_task",
    "launch_tasks",
    "reconcile_operations",
    "reconcile_tasks",
    "register_framework",
    "register_slave",
    "reregister_framework",
    "reregister_slave",
    "resource_request",
    "revive_offers",
    "status_update",
    "status_update_acknowledgement",
    "suppress_offers",
    "unregister_framework",
)
_ENDS = ("dropped", "error", "failed", "finished", "gone", "gone_by_operator", "killed", "lost")
_COUNTERS = (
    *(f"master/messages_{name}" for name in _MESSAGES),
    *(f"master/tasks_{name}" for name in _ENDS),
    "master/slave_registrations",
    "master/slave_removals",
    "master/slave_reregistrations",
    "master/slave_unreachable_completed",
    "allocator/mesos/allocation_runs",
)
# Which calls of the scheduler API count as which of Mesos' older messages.
MESSAGE_OF_CALL = {
    "ACCEPT": "launch_tasks",
    "ACKNOWLEDGE": "status_update_acknowledgement",
    "DECLINE": "decline_offers",
    "KILL": "kill_task",
    "MESSAGE": "framework_to_executor",
    "RECONCILE": "reconcile_tasks",
    "RECONCILE_OPERATIONS": "reconcile_operations",
    "REQUEST": "resource_request",
    "REVIVE": "revive_offers",
    "SUPPRESS": "suppress_offers",
    "TEARDOWN": "unregister_framework",
}


def count_call(cluster: Cluster, kind: str) -> None:
    """Count a scheduler's call."""
    name = MESSAGE_OF_CALL.get(kind)
    if name is not None:
        cluster.operator.count(f"master/messages_{name}")


def snapshot(cluster: Cluster, now: float) -> Metrics:
    """All metrics, by name."""
    metrics: Metrics = dict.fromkeys(_COUNTERS, 0.0)
    metrics.update((name, float(count)) for name, count in cluster.operator.counts.items())
    metrics["master/elected"] = 1.0
    metrics["master/uptime_secs"] = now - cluster.started_at
    metrics["master/operator_event_stream_subscribers"] = float(len(cluster.operator.streams))
    _agents(cluster, metrics)
    _frameworks(cluster, metrics)
    _resources(cluster, metrics)
    _allocator(cluster, metrics)
    metrics.update(host())
    return dict(sorted(metrics.items()))


def _agents(cluster: Cluster, metrics: Metrics) -> None:
    agents = cluster.agents.values()
    connected = sum(a.is_connected for a in agents)
    active = sum(a.is_active for a in agents)
    metrics["master/slaves_connected"] = float(connected)
    metrics["master/slaves_disconnected"] = float(len(agents) - connected)
    metrics["master/slaves_active"] = float(active)
    metrics["master/slaves_inactive"] = float(len(agents) - active)
    metrics["master/slaves_unreachable"] = float(len(cluster.unreachable))


def _frameworks(cluster: Cluster, metrics: Metrics) -> None:
    frameworks = cluster.frameworks.values()
    connected = sum(f.is_connected for f in frameworks)
    for name, count in (
        ("connected", connected),
        ("active", connected),
        ("disconnected", len(frameworks) - connected),
        ("inactive", len(frameworks) - connected),
    ):
        metrics[f"master/frameworks_{name}"] = float(count)
    metrics["master/outstanding_offers"] = float(sum(len(f.offers) for f in frameworks))
    states: Counter[str] = Counter()
    for framework in frameworks:
        states.update(task.state for task in framework.tasks.values())
    for state, name in _LIVE.items():
        metrics[f"master/tasks_{name}"] = float(states[state])
    unreachable = sum(len(f.unreachable) for f in frameworks)
    metrics["master/tasks_unreachable"] = float(unreachable)


def _resources(cluster: Cluster, metrics: Metrics) -> None:
    """What tasks and executors use of what there is; an offer is not a use."""
    total: Counter[str] = Counter()
    used: Counter[str] = Counter()
    for agent in cluster.agents.values():
        total.update(agent.total.quantities)
    for framework in cluster.frameworks.values():
        for amount in used_by(framework).values():
            used.update(amount.scalars)
    for name in _RESOURCES:
        metrics[f"master/{name}_total"] = total[name] / MILLI
        metrics[f"master/{name}_used"] = used[name] / MILLI
        metrics[f"master/{name}_percent"] = used[name] / total[name] if total[name] else 0.0


def _allocator(cluster: Cluster, metrics: Metrics) -> None:
    active: Counter[str] = Counter()
    for (_, role, _), filters in cluster.filters.items():
        active[role] += len(filters)
    for role, count in active.items():
        metrics[f"allocator/mesos/offer_filters/roles/{role}/active"] = float(count)
    held: Counter[str] = Counter()
    for use in roles_of(cluster):
        shares = [0.0]
        for name in ("cpus", "mem", "disk"):
            amount = use.allocated.scalars.get(name, 0) + use.offered.scalars.get(name, 0)
            held[name] += amount
            there = metrics[f"master/{name}_total"] * MILLI
            shares.append(amount / there if there else 0.0)
        metrics[f"allocator/mesos/roles/{use.name}/shares/dominant"] = max(shares)
    for name in ("cpus", "mem", "disk"):
        there = metrics[f"master/{name}_total"]
        metrics[f"allocator/mesos/resources/{name}/total"] = there
        metrics[f"allocator/mesos/resources/{name}/offered_or_allocated"] = held[name] / MILLI


def host() -> Metrics:
    """Load and memory of this computer, as the system says them now."""
    load = os.getloadavg()
    metrics: Metrics = {
        "system/cpus_total": float(os.cpu_count() or 0),
        "system/load_1min": load[0],
        "system/load_5min": load[1],
        "system/load_15min": load[2],
    }
    memory = Path("/proc/meminfo")
    if memory.exists():
        lines = (line.split() for line in memory.read_text("ascii").splitlines())
        kibibytes = {words[0]: int(words[1]) for words in lines if len(words) > 1}
        metrics["system/mem_total_bytes"] = kibibytes.get("MemTotal:", 0) * 1024.0
        metrics["system/mem_free_bytes"] = kibibytes.get("MemFree:", 0) * 1024.0
    return metrics
