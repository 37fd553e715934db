"""Agents: registering, going away, being given up, coming back; and what that does to tasks.

The one thing to know: away and lost are two things. A broken link rescinds offers at once and costs
only the tasks of frameworks without checkpoint; everything else waits until the pings have failed.
"""

from dataclasses import dataclass

from connectors.devcluster.master.allocator import allocate, rescind
from connectors.devcluster.master.frameworks import forget_task
from connectors.devcluster.master.model import (
    UNREACHABLE_TASKS_MAX,
    Agent,
    Cluster,
    EndLink,
    Framework,
    Task,
    ToAgent,
    hold,
    release,
)
from connectors.devcluster.resources import from_json, total
from connectors.devcluster.words import Json, task_status, unreachable_time


def register(cluster: Cluster, link_id: str, message: Json, now: float) -> None:
    """Admit the agent behind a new link, or tell it why not."""
    agent_id = message.get("agent_id")
    if agent_id is not None and agent_id in cluster.gone:
        text = "Agent has been marked gone"
        cluster.out.append(ToAgent(link_id, {"type": "SHUTDOWN", "message": text}))
        cluster.out.append(EndLink(link_id))
        return
    known = cluster.agents.get(agent_id) if agent_id is not None else None
    if known is not None:
        _reconnect(cluster, known, link_id, message, now)
    else:
        _admit(cluster, link_id, message, now)
    allocate(cluster, now)


def _admit(cluster: Cluster, link_id: str, message: Json, now: float) -> None:
    """A new agent, one that was unreachable, or one of an earlier master."""
    info = message["info"]
    _replace_at_same_address(cluster, info, now)
    agent_id = message.get("agent_id")
    is_new = agent_id is None
    if agent_id is None:
        agent_id = f"{cluster.master_id}-S{cluster.next_agent}"
        cluster.next_agent += 1
    amount = from_json(info["resources"])
    agent = Agent(
        agent_id,
        info["hostname"],
        info["ip"],
        info["port"],
        info["attributes"],
        total=amount,
        free=amount,
        link_id=link_id,
        registered_at=now,
        reregistered_at=None if is_new else now,
        next_ping_at=now + cluster.settings.ping_timeout_seconds,
    )
    was_unreachable = cluster.unreachable.pop(agent_id, None) is not None
    cluster.recovered.pop(agent_id, None)
    cluster.agents[agent_id] = agent
    cluster.save()
    cluster.tell(agent, "REGISTERED", agent_id=agent_id, reconciliations=[])
    _adopt(cluster, agent, message, now, was_unreachable)


def _replace_at_same_address(cluster: Cluster, info: Json, now: float) -> None:
    """An agent of this address that is not connected is gone for good: its place is taken."""
    for agent in list(cluster.agents.values()):
        if (agent.ip, agent.port) == (info["ip"], info["port"]) and not agent.is_connected:
            why = "a new agent registered at the same address"
            _remove(cluster, agent, _Loss("TASK_GONE", "REASON_AGENT_REMOVED", why, now))


def _adopt(
    cluster: Cluster, agent: Agent, message: Json, now: float, was_unreachable: bool
) -> None:
    """Take over what an agent already runs; a framework it names need not have come back yet."""
    infos = {info["id"]["value"]: info for info in message["frameworks"]}
    for framework_id in infos:
        if framework_id in cluster.completed:
            cluster.tell(agent, "SHUTDOWN_FRAMEWORK", framework_id=framework_id)
    for entry in message["tasks"]:
        framework_id = entry["framework_id"]
        if framework_id in cluster.completed:
            continue
        framework = cluster.frameworks.get(framework_id)
        if framework is None:
            framework = Framework(framework_id, infos[framework_id], is_recovered=True)
            cluster.frameworks[framework_id] = framework
        task = _adopt_task(framework, agent, entry)
        if was_unreachable and task is not None:
            _say_returned(cluster, framework, task, now)


def _adopt_task(framework: Framework, agent: Agent, entry: Json) -> Task | None:
    task = Task(
        framework.framework_id,
        agent.agent_id,
        entry["info"],
        from_json(entry["info"]["resources"]),
        entry["role"],
        state=entry["state"],
        update_state=entry["update_state"],
        update_uuid=entry["update_uuid"],
    )
    framework.unreachable.pop(task.task_id, None)
    if task.task_id in framework.tasks:
        return None
    framework.tasks[task.task_id] = task
    agent.tasks[framework.framework_id, task.task_id] = task
    if task.holds_resources:
        agent.free = agent.free - task.resources
        hold(framework, task.resources)
    return task


def _say_returned(cluster: Cluster, framework: Framework, task: Task, now: float) -> None:
    # Its latest state, an end included whose own update (with a uuid) comes after this (observed).
    status = task_status(
        task.task_id,
        task.state,
        source="SOURCE_MASTER",
        at=now,
        agent_id=task.agent_id,
        reason="REASON_AGENT_REREGISTERED",
        message="Unreachable agent re-reregistered",
    )
    cluster.send(framework, "UPDATE", {"status": status})


def _reconnect(cluster: Cluster, agent: Agent, link_id: str, message: Json, now: float) -> None:
    """An agent that this master still counts on is back on a new link."""
    if agent.link_id is not None:
        cluster.out.append(EndLink(agent.link_id))
    rescind(cluster, agent.offers.values())
    agent.link_id = link_id
    agent.reregistered_at = now
    agent.pings_missed, agent.is_ping_open = 0, False
    agent.next_ping_at = now + cluster.settings.ping_timeout_seconds
    reported = {(t["framework_id"], t["info"]["task_id"]["value"]) for t in message["tasks"]}
    # Launches that never arrived: the agent answers each with TASK_DROPPED or TASK_LOST.
    lost = [
        {
            "framework": cluster.frameworks[framework_id].info,
            "info": task.info,
            "role": task.role,
        }
        for (framework_id, task_id), task in agent.tasks.items()
        if (framework_id, task_id) not in reported and task.holds_resources
    ]
    cluster.tell(agent, "REGISTERED", agent_id=agent.agent_id, reconciliations=lost)
    _adopt(cluster, agent, message, now, was_unreachable=False)
    for kill in agent.kills.values():
        cluster.tell(agent, "KILL_TASK", **kill)


def link_closed(cluster: Cluster, link_id: str, now: float) -> None:
    """The link to an agent broke: no offers of it, and tasks without checkpoint are lost."""
    agent = cluster.agent_of_link(link_id)
    if agent is None:
        return
    agent.link_id = None
    rescind(cluster, agent.offers.values())
    for (framework_id, _), task in list(agent.tasks.items()):
        framework = cluster.frameworks[framework_id]
        if framework.is_checkpointing:
            continue
        if task.holds_resources:
            # TASK_LOST even for a PARTITION_AWARE framework (observed).
            why = f"Agent {agent.hostname} disconnected"
            loss = _Loss("TASK_LOST", "REASON_AGENT_DISCONNECTED", why, now)
            _say_lost(cluster, framework, task, loss)
        forget_task(cluster, framework, task)


@dataclass(frozen=True)
class _Loss:
    """Why tasks of an agent are not counted on any more."""

    state: str
    reason: str
    message: str
    at: float
    is_unreachable: bool = False

    @property
    def lost_reason(self) -> str:
        """What a framework is told that does not know of agents being gone."""
        by_operator = self.reason == "REASON_AGENT_REMOVED_BY_OPERATOR"
        return "REASON_AGENT_REMOVED" if by_operator else self.reason


def _say_lost(cluster: Cluster, framework: Framework, task: Task, loss: _Loss) -> str:
    """Tell the framework, in the words it understands; the answer is the state it was told."""
    aware = framework.is_partition_aware
    state, reason = (loss.state, loss.reason) if aware else ("TASK_LOST", loss.lost_reason)
    status = task_status(
        task.task_id,
        state,
        source="SOURCE_MASTER",
        at=loss.at,
        agent_id=task.agent_id,
        reason=reason,
        message=loss.message,
        unreachable_time=unreachable_time(loss.at) if loss.is_unreachable else None,
    )
    cluster.send(framework, "UPDATE", {"status": status})
    return state


def _remove(cluster: Cluster, agent: Agent, loss: _Loss) -> None:
    """Take an agent out: its tasks are lost in this way, all frameworks hear FAILURE."""
    rescind(cluster, agent.offers.values())
    for (framework_id, _), task in list(agent.tasks.items()):
        framework = cluster.frameworks[framework_id]
        running = task.holds_resources
        forget_task(cluster, framework, task)
        if not running:
            continue
        task.state = task.update_state = _say_lost(cluster, framework, task, loss)
        if loss.is_unreachable:
            framework.completed.pop()
            framework.unreachable[task.task_id] = task
            while len(framework.unreachable) > UNREACHABLE_TASKS_MAX:
                del framework.unreachable[next(iter(framework.unreachable))]
    if agent.link_id is not None:
        cluster.out.append(EndLink(agent.link_id))
    del cluster.agents[agent.agent_id]
    for key in [k for k in cluster.filters if k[2] == agent.agent_id]:
        del cluster.filters[key]
    _say_failure(cluster, agent.agent_id)


def _say_failure(cluster: Cluster, agent_id: str) -> None:
    for framework in cluster.frameworks.values():
        cluster.send(framework, "FAILURE", {"agent_id": {"value": agent_id}})


def ping(cluster: Cluster, now: float) -> None:
    """Send the pings that are due, and give up the agents that missed too many."""
    for agent in list(cluster.agents.values()):
        if now < agent.next_ping_at:
            continue
        agent.next_ping_at = now + cluster.settings.ping_timeout_seconds
        agent.pings_missed = agent.pings_missed + 1 if agent.is_ping_open else 0
        if agent.pings_missed >= cluster.settings.missed_pings_max:
            mark_unreachable(cluster, agent, now)
            continue
        agent.is_ping_open = True
        cluster.tell(agent, "PING")


def pong(agent: Agent) -> None:
    """The agent has answered."""
    agent.pings_missed, agent.is_ping_open = 0, False


def mark_unreachable(cluster: Cluster, agent: Agent, now: float) -> None:
    """Give the agent up; it may come back with all its tasks."""
    cluster.unreachable[agent.agent_id] = now
    why = "health check timed out"
    loss = _Loss("TASK_UNREACHABLE", "REASON_AGENT_REMOVED", why, now, is_unreachable=True)
    _remove(cluster, agent, loss)
    cluster.save()


def mark_gone(cluster: Cluster, agent_id: str, now: float) -> None:
    """Give the agent up for good, by an operator's word; it may never come back."""
    cluster.gone[agent_id] = now
    cluster.unreachable.pop(agent_id, None)
    cluster.recovered.pop(agent_id, None)
    agent = cluster.agents.get(agent_id)
    if agent is not None:
        cluster.tell(agent, "SHUTDOWN", message="Agent has been marked gone")
        why = "Agent has been marked gone"
        reason = "REASON_AGENT_REMOVED_BY_OPERATOR"
        _remove(cluster, agent, _Loss("TASK_GONE_BY_OPERATOR", reason, why, now))
    else:
        _say_failure(cluster, agent_id)
    cluster.save()


def give_up_waiting(cluster: Cluster, now: float) -> None:
    """After the re-registration window, agents of the registry that did not return are lost."""
    window = cluster.settings.reregister_timeout_seconds
    if not cluster.recovered or now < cluster.started_at + window:
        return
    for agent_id in list(cluster.recovered):
        del cluster.recovered[agent_id]
        cluster.unreachable[agent_id] = now
        _say_failure(cluster, agent_id)
    cluster.save()


def updated(cluster: Cluster, agent: Agent, update: Json) -> None:
    """An agent reports a task's state: count its resources, and give the update on."""
    framework = cluster.frameworks.get(update["framework_id"])
    status = update["status"]
    if framework is None:
        # Its framework is removed or unknown; the agent repeats it until it is told to shut down.
        return
    task = agent.tasks.get((framework.framework_id, status["task_id"]["value"]))
    if task is not None:
        _count(agent, framework, task, update["latest_state"])
        task.update_state, task.update_uuid = status["state"], status["uuid"]
        if not task.statuses or task.statuses[-1].get("uuid") != status["uuid"]:
            task.statuses = [*task.statuses[-9:], status]
    cluster.send(framework, "UPDATE", {"status": status})


def _count(agent: Agent, framework: Framework, task: Task, latest: str) -> None:
    """The latest state frees resources at once, even while its update waits for its turn."""
    held = task.holds_resources
    if not held:
        return
    task.state = latest
    if not task.holds_resources:
        agent.free = agent.free + task.resources
        release(framework, task.resources)


def allocated_of(agent: Agent) -> Json:
    """What tasks of this agent use, in the short form."""
    return total(t.resources for t in agent.tasks.values() if t.holds_resources).summary()
