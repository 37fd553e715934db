"""Agents: registering, going away, being given up, coming back; and what that does to tasks.

The one thing to know: away and lost are two things. A broken link rescinds offers at once and costs
only the tasks of frameworks without checkpoint; everything else waits until the pings have failed.
"""

from dataclasses import dataclass

from connectors.devcluster.master import (
    executors,
    inverse_offers,
    observed,
    operation_updates,
    void,
)
from connectors.devcluster.master.allocator import allocate
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
from connectors.devcluster.master.operator_state import DRAINING
from connectors.devcluster.resources import NOTHING, from_json
from connectors.devcluster.words import Json, task_status, unreachable_time


def register(cluster: Cluster, link_id: str, message: Json, now: float) -> None:
    """Admit the agent behind a new link, or tell it why not."""
    agent_id = message.get("agent_id")
    text = _refusal(cluster, agent_id, message["info"])
    if text is not None:
        may_return = agent_id not in cluster.gone
        shutdown = {"type": "SHUTDOWN", "message": text, "may_return": may_return}
        cluster.out.append(ToAgent(link_id, shutdown))
        cluster.out.append(EndLink(link_id))
        return
    name = "register" if agent_id is None else "reregister"
    cluster.operator.count(f"master/messages_{name}_slave")
    known = cluster.agents.get(agent_id) if agent_id is not None else None
    if known is not None:
        _reconnect(cluster, known, link_id, message, now)
    else:
        _admit(cluster, link_id, message, now)
    allocate(cluster, now)


def _refusal(cluster: Cluster, agent_id: str | None, info: Json) -> str | None:
    """Why this agent may not be here, or None."""
    if agent_id is not None and agent_id in cluster.gone:
        return "Agent has been marked gone"
    if (info["hostname"].lower(), info["ip"]) in cluster.machines_down:
        return "Machine is `DOWN`"
    return None


def _admit(cluster: Cluster, link_id: str, message: Json, now: float) -> None:
    """A new agent, one that was unreachable, or one of an earlier master."""
    info = message["info"]
    _replace_at_same_address(cluster, info, now)
    agent_id = message.get("agent_id")
    is_new = agent_id is None
    if agent_id is None:
        agent_id = f"{cluster.master_id}-S{cluster.next_agent}"
        cluster.next_agent += 1
    amount = from_json(operation_updates.total_of(message))
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
        is_deactivated=agent_id in cluster.operator.deactivated,
    )
    was_unreachable = cluster.unreachable.pop(agent_id, None) is not None
    cluster.recovered.pop(agent_id, None)
    cluster.add(agent)
    cluster.save()
    cluster.tell(agent, "REGISTERED", agent_id=agent_id, reconciliations=[])
    operation_updates.adopt(cluster, agent, message.get("operations", []))
    _adopt(cluster, agent, message, now, was_unreachable)
    _remind_of_drain(cluster, agent, message)
    observed.agent_added(cluster, agent, is_new=is_new)


def _remind_of_drain(cluster: Cluster, agent: Agent, message: Json) -> None:
    """An agent that was away is told again what an operator wants of it, or no longer wants."""
    drain = cluster.operator.drains.get(agent.agent_id)
    if drain is not None and drain.state == DRAINING:
        cluster.tell(agent, "DRAIN", **drain.message)
    elif drain is None and message.get("drain"):
        cluster.tell(agent, "UNDRAIN")


def _replace_at_same_address(cluster: Cluster, info: Json, now: float) -> None:
    """An agent of this address that is not connected is gone for good: its place is taken."""
    for agent in cluster.agents_at(info["ip"], info["port"]):
        if not agent.is_connected:
            why = "a new agent registered at the same address"
            _remove(cluster, agent, _Loss("TASK_GONE", "REASON_AGENT_REMOVED", why, now))
            observed.agent_removed(cluster, agent.agent_id)


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
            observed.framework_added(cluster, framework)
        task = _adopt_task(framework, agent, entry)
        if task is not None:
            observed.task_added(cluster, task)
        if was_unreachable and task is not None:
            _say_returned(cluster, framework, task, now)
    executors.adopt(cluster, agent, message.get("executors", []))


def _adopt_task(framework: Framework, agent: Agent, entry: Json) -> Task | None:
    task = Task(
        framework.framework_id,
        agent.agent_id,
        entry["info"],
        from_json(entry["info"]["resources"]).aligned_to(agent.total),
        entry["role"],
        state=entry["state"],
        update_state=entry["update_state"],
        update_uuid=entry["update_uuid"],
        # Mesos' agents send all that they have told; the last is what anybody looks for.
        statuses=[entry["status"]] if entry.get("status") else [],
    )
    framework.unreachable.pop(task.task_id, None)
    if task.task_id in framework.tasks:
        return None
    framework.tasks[task.task_id] = task
    agent.tasks[framework.framework_id, task.task_id] = task
    if task.holds_resources:
        agent.free = agent.free - task.resources
        hold(framework, task.role, task.resources)
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
    _take_offers(cluster, agent)
    cluster.link(agent, link_id)
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
    operation_updates.adopt(cluster, agent, message.get("operations", []))
    _recount(cluster, agent, message)
    _adopt(cluster, agent, message, now, was_unreachable=False)
    for kill in agent.kills.values():
        cluster.tell(agent, "KILL_TASK", **kill)
    _remind_of_drain(cluster, agent, message)
    cluster.operator.count("master/slave_reregistrations")


def _recount(cluster: Cluster, agent: Agent, message: Json) -> None:
    """Count the agent's resources as it reports them: an operation may never have arrived.

    What was launched on the result of such an operation did not arrive either, and holds nothing.
    """
    left = agent.total = from_json(operation_updates.total_of(message))
    for task in agent.tasks.values():
        if task.holds_resources and not left.contains(task.resources):
            release(cluster.frameworks.get(task.framework_id), task.role, task.resources)
            task.resources = NOTHING
        elif task.holds_resources:
            left = left - task.resources
    for executor in agent.executors.values():
        if not left.contains(executor.resources):
            framework = cluster.frameworks.get(executor.framework_id)
            release(framework, executor.role, executor.resources)
            executor.resources = NOTHING
        left = left - executor.resources
    agent.free = left


def _take_offers(cluster: Cluster, agent: Agent) -> None:
    """Rescind all that is offered of an agent, and what is asked of its frameworks."""
    void.rescind(cluster, agent.offers.values())
    inverse_offers.rescind(cluster, agent)


def link_closed(cluster: Cluster, link_id: str, now: float) -> None:
    """The link to an agent broke: no offers of it, and tasks without checkpoint are lost."""
    agent = cluster.agent_of_link(link_id)
    if agent is None:
        return
    cluster.link(agent, None)
    _take_offers(cluster, agent)
    for (framework_id, _), task in list(agent.tasks.items()):
        framework = cluster.frameworks[framework_id]
        if framework.is_checkpointing:
            continue
        was_running = task.holds_resources
        forget_task(cluster, framework, task)
        if was_running:
            # TASK_LOST even for a PARTITION_AWARE framework (observed).
            why = f"Agent {agent.hostname} disconnected"
            loss = _Loss("TASK_LOST", "REASON_AGENT_DISCONNECTED", why, now)
            task.state = task.update_state = _say_lost(cluster, framework, task, loss)
    for framework_id, executor_id in list(agent.executors):
        if not cluster.frameworks[framework_id].is_checkpointing:
            executors.forget(cluster, agent, (framework_id, executor_id))


@dataclass(frozen=True)
class _Loss:
    """Why tasks of an agent are not counted on any more."""

    state: str
    reason: str
    message: str
    at: float
    is_unreachable: bool = False

    @property
    def operation_verdict(self) -> tuple[str, str]:
        """What becomes of the agent's operations, and why."""
        if self.is_unreachable:
            return "OPERATION_UNREACHABLE", "Agent was marked unreachable"
        if self.state == "TASK_GONE_BY_OPERATOR":
            return "OPERATION_GONE_BY_OPERATOR", "Agent has been marked gone"
        return "OPERATION_DROPPED", self.message

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
    task.statuses = [*task.statuses[-9:], status]
    observed.task_told(cluster, task, status)
    return state


def _remove(cluster: Cluster, agent: Agent, loss: _Loss) -> None:
    """Take an agent out: its tasks are lost in this way, all frameworks hear FAILURE."""
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
    # After the tasks, before FAILURE (observed).
    operation_updates.lost_with(cluster, agent, *loss.operation_verdict)
    _take_offers(cluster, agent)
    for executor in list(agent.executors):
        executors.forget(cluster, agent, executor)
    if agent.link_id is not None:
        cluster.out.append(EndLink(agent.link_id))
    cluster.drop(agent)
    for key in [k for k in cluster.filters if k[2] == agent.agent_id]:
        del cluster.filters[key]
    _say_failure(cluster, agent.agent_id)


def _say_failure(cluster: Cluster, agent_id: str) -> None:
    for framework in cluster.frameworks.values():
        cluster.send(framework, "FAILURE", {"agent_id": {"value": agent_id}})


def ping(cluster: Cluster, now: float) -> None:
    """Send the pings that are due, and give up the agents that missed too many."""
    if now < cluster.next_ping_at:
        return
    for agent in list(cluster.agents.values()):
        if now < agent.next_ping_at:
            continue
        agent.next_ping_at = now + cluster.settings.ping_timeout_seconds
        if cluster.settings.simulated and agent.link_id is not None:
            # It is in this process and hears at once: of thousands that must cost nothing.
            pong(agent)
            continue
        agent.pings_missed = agent.pings_missed + 1 if agent.is_ping_open else 0
        if agent.pings_missed >= cluster.settings.missed_pings_max:
            mark_unreachable(cluster, agent, now)
            continue
        agent.is_ping_open = True
        cluster.tell(agent, "PING")
    # Whoever registers later is pinged later than that.
    later = now + cluster.settings.ping_timeout_seconds
    cluster.next_ping_at = min((a.next_ping_at for a in cluster.agents.values()), default=later)
    cluster.next_ping_at = min(cluster.next_ping_at, later)


def pong(agent: Agent) -> None:
    """The agent has answered."""
    agent.pings_missed, agent.is_ping_open = 0, False


def mark_unreachable(cluster: Cluster, agent: Agent, now: float) -> None:
    """Give the agent up; it may come back with all its tasks."""
    cluster.unreachable[agent.agent_id] = now
    cluster.operator.count("master/slave_unreachable_completed")
    why = "health check timed out"
    loss = _Loss("TASK_UNREACHABLE", "REASON_AGENT_REMOVED", why, now, is_unreachable=True)
    _remove(cluster, agent, loss)
    cluster.save()


def mark_gone(cluster: Cluster, agent_id: str, now: float) -> None:
    """Give the agent up for good, by an operator's word; it may never come back."""
    cluster.gone[agent_id] = now
    cluster.unreachable.pop(agent_id, None)
    cluster.recovered.pop(agent_id, None)
    cluster.operator.forget(agent_id)
    agent = cluster.agents.get(agent_id)
    if agent is not None:
        cluster.tell(agent, "SHUTDOWN", message="Agent has been marked gone")
        why = "Agent has been marked gone"
        reason = "REASON_AGENT_REMOVED_BY_OPERATOR"
        _remove(cluster, agent, _Loss("TASK_GONE_BY_OPERATOR", reason, why, now))
    else:
        _say_failure(cluster, agent_id)
    cluster.save()


def shut_down(cluster: Cluster, agent: Agent, why: str, now: float) -> None:
    """End an agent that is to come back one day; TASK_LOST even for those aware (observed)."""
    cluster.tell(agent, "SHUTDOWN", message=why, may_return=True)
    text = f"Agent {agent.hostname} removed: {why}"
    _remove(cluster, agent, _Loss("TASK_LOST", "REASON_AGENT_REMOVED", text, now))
    observed.agent_removed(cluster, agent.agent_id)
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
    cluster.operator.count("master/messages_status_update")
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
            observed.task_told(cluster, task, status)
    cluster.send(framework, "UPDATE", {"status": status})


def _count(agent: Agent, framework: Framework, task: Task, latest: str) -> None:
    """The latest state frees resources at once, even while its update waits for its turn."""
    held = task.holds_resources
    if not held:
        return
    task.state = latest
    if not task.holds_resources:
        agent.free = agent.free + task.resources
        release(framework, task.role, task.resources)
