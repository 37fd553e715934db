"""Frameworks: subscribing, failing over, losing the stream, timing out, being torn down.

The one thing to know: a framework id that was torn down, or whose failover_timeout ran out, is
burnt; its tasks are killed and it cannot come back. The default failover_timeout is 0.
"""

from ipaddress import IPv4Address

from connectors.devcluster.master import (
    executors,
    inverse_offers,
    observed,
    operation_updates,
    void,
)
from connectors.devcluster.master.allocator import allocate, forget_refusals
from connectors.devcluster.master.constraints import ConstraintError, RoleConstraints, compiled
from connectors.devcluster.master.framework_info import (
    change_error,
    framework_error,
    merged,
    update_error,
)
from connectors.devcluster.master.model import (
    COMPLETED_FRAMEWORKS_MAX,
    Cluster,
    EndStream,
    Framework,
    Task,
    ToStream,
    release,
)
from connectors.devcluster.words import VERSION, Json, task_status


def subscribe(cluster: Cluster, body: Json, stream_id: str, now: float) -> None:
    """Give the stream to the framework, or an ERROR and the stream's end."""
    info = body["framework_info"]
    framework_id = info.get("id", {}).get("value", "")
    suppressed = set(body.get("suppressed_roles", []))
    problem = _subscribe_error(cluster, info, framework_id, suppressed)
    constraints: dict[str, RoleConstraints] = {}
    if problem is None:
        try:
            constraints = compiled(body.get("offer_constraints"))
        except ConstraintError as error:
            problem = str(error)
    if problem is not None:
        cluster.out.append(ToStream(stream_id, {"type": "ERROR", "error": {"message": problem}}))
        cluster.out.append(EndStream(stream_id))
        return
    framework = cluster.frameworks.get(framework_id)
    is_known = framework is not None
    if framework is None:
        framework = _new_framework(cluster, info, framework_id)
        framework.registered_at = now
    else:
        # As with an update: refusals outlive all but a suppression that ends (observed).
        forget_refusals(cluster, framework.framework_id, framework.suppressed - suppressed)
        _fail_over(cluster, framework, merged(framework.info, info))
        framework.reregistered_at = now
    framework.stream_id = stream_id
    framework.is_recovered = False
    framework.disconnected_at = None
    framework.suppressed = suppressed
    framework.constraints = constraints
    framework.offer_constraints = body.get("offer_constraints")
    framework.next_heartbeat_at = now
    cluster.record(
        "SUBSCRIBE",
        framework_id=framework.framework_id,
        stream_id=stream_id,
        name=info.get("name"),
    )
    _send_subscribed(cluster, framework)
    beat(cluster, now)
    if is_known:
        observed.framework_updated(cluster, framework)
        cluster.operator.count("master/messages_reregister_framework")
        _tell_agents(cluster, framework)
    else:
        observed.framework_added(cluster, framework)
        cluster.operator.count("master/messages_register_framework")
    allocate(cluster, now)


def _tell_agents(cluster: Cluster, framework: Framework) -> None:
    """Whenever a framework returns or changes, agents send all pending updates of all again."""
    for agent in cluster.agents.values():
        cluster.tell(agent, "FRAMEWORK", framework=framework.info)


def _subscribe_error(
    cluster: Cluster, info: Json, framework_id: str, suppressed: set[str]
) -> str | None:
    if problem := framework_error(info):
        return problem
    if framework_id in cluster.completed:
        return "Framework has been removed"
    known = cluster.frameworks.get(framework_id)
    if known is not None and (problem := change_error(known.info, info)):
        return problem
    return _suppression_error(info, suppressed)


def _suppression_error(info: Json, suppressed: set[str]) -> str | None:
    unknown = sorted(suppressed - set(Framework("", info).roles))
    if unknown:
        return f"Suppressed role '{unknown[0]}' is not contained in the list of roles"
    return None


def _new_framework(cluster: Cluster, info: Json, framework_id: str) -> Framework:
    if not framework_id:
        framework_id = f"{cluster.master_id}-{cluster.next_framework:04d}"
        cluster.next_framework += 1
    framework = Framework(framework_id, {**info, "id": {"value": framework_id}})
    cluster.frameworks[framework_id] = framework
    operation_updates.attach(cluster, framework)
    return framework


def _fail_over(cluster: Cluster, framework: Framework, info: Json) -> None:
    """End the old stream, if there is one. Its offers become void without RESCIND on either."""
    if framework.stream_id is not None:
        cluster.send(framework, "ERROR", {"message": "Framework failed over"})
        cluster.out.append(EndStream(framework.stream_id))
    _drop_offers(cluster, framework)
    framework.info = info


def _drop_offers(cluster: Cluster, framework: Framework) -> None:
    for offer in list(framework.offers.values()):
        void.take_back(cluster, offer)
    inverse_offers.drop(cluster, framework.inverse_offers.values())


def _send_subscribed(cluster: Cluster, framework: Framework) -> None:
    cluster.send(
        framework,
        "SUBSCRIBED",
        {
            "framework_id": {"value": framework.framework_id},
            "heartbeat_interval_seconds": cluster.settings.heartbeat_seconds,
            "master_info": master_info(cluster),
        },
    )


def master_info(cluster: Cluster) -> Json:
    """The master as Mesos describes itself."""
    settings = cluster.settings
    return {
        "id": cluster.master_id,
        # Network byte order read as a little-endian number, which is what Mesos sends.
        "ip": int.from_bytes(IPv4Address(settings.host).packed, "little"),
        "port": settings.port,
        "pid": f"master@{settings.host}:{settings.port}",
        "hostname": "localhost",
        "version": VERSION,
        "address": {"hostname": "localhost", "ip": settings.host, "port": settings.port},
        "capabilities": [{"type": "AGENT_DRAINING"}],
    }


def beat(cluster: Cluster, now: float) -> None:
    """Send a HEARTBEAT to each framework whose turn it is."""
    for framework in cluster.frameworks.values():
        if framework.is_connected and now >= framework.next_heartbeat_at:
            cluster.send(framework, "HEARTBEAT")
            framework.next_heartbeat_at = now + cluster.settings.heartbeat_seconds


def stream_closed(cluster: Cluster, stream_id: str, now: float) -> None:
    """The connection of a stream is gone: the framework is inactive, its time to return runs."""
    framework = cluster.framework_of_stream(stream_id)
    if framework is None:
        return
    framework.stream_id = None
    framework.disconnected_at = now
    _drop_offers(cluster, framework)
    forget_refusals(cluster, framework.framework_id)
    expire(cluster, now)


def expire(cluster: Cluster, now: float) -> None:
    """Remove the frameworks whose failover_timeout has run out."""
    for framework in list(cluster.frameworks.values()):
        away_since = framework.disconnected_at
        if away_since is not None and now >= away_since + framework.failover_timeout:
            remove(cluster, framework, now)


def teardown(cluster: Cluster, framework: Framework, now: float) -> None:
    """End the framework and its stream, kill its tasks, burn its id."""
    cluster.record("TEARDOWN", framework_id=framework.framework_id, stream_id=framework.stream_id)
    remove(cluster, framework, now)


def remove(cluster: Cluster, framework: Framework, now: float) -> None:
    """Kill all tasks of the framework and burn its id."""
    _drop_offers(cluster, framework)
    forget_refusals(cluster, framework.framework_id)
    for task in list(framework.tasks.values()):
        forget_task(cluster, framework, task)
        if task.holds_resources:
            _end_with_framework(cluster, task, now)
    operation_updates.leave(cluster, framework)
    for agent in cluster.agents.values():
        executors.forget_of(cluster, agent, framework.framework_id)
        cluster.tell(agent, "SHUTDOWN_FRAMEWORK", framework_id=framework.framework_id)
    if framework.stream_id is not None:
        cluster.out.append(EndStream(framework.stream_id))
    framework.stream_id = None
    framework.disconnected_at = now
    del cluster.frameworks[framework.framework_id]
    cluster.completed[framework.framework_id] = framework
    while len(cluster.completed) > COMPLETED_FRAMEWORKS_MAX:
        del cluster.completed[next(iter(cluster.completed))]
    observed.framework_removed(cluster, framework)


def _end_with_framework(cluster: Cluster, task: Task, now: float) -> None:
    """Nobody is told of this end but operators: there is no framework any more."""
    status = task_status(
        task.task_id,
        "TASK_KILLED",
        source="SOURCE_MASTER",
        at=now,
        agent_id=task.agent_id,
        reason="REASON_FRAMEWORK_REMOVED",
        message=f"Framework {task.framework_id} removed",
    )
    task.state = "TASK_KILLED"
    task.statuses = [*task.statuses[-9:], status]
    observed.task_told(cluster, task, status)


def forget_task(cluster: Cluster, framework: Framework, task: Task) -> None:
    """Take a task out of the books and remember it as completed."""
    agent = cluster.agents[task.agent_id]
    del framework.tasks[task.task_id]
    del agent.tasks[framework.framework_id, task.task_id]
    agent.kills.pop((framework.framework_id, task.task_id), None)
    if task.holds_resources:
        agent.free = agent.free + task.resources
        release(framework, task.role, task.resources)
    framework.completed.append(task)


def suppress(framework: Framework, roles: list[str]) -> None:
    """No more offers for these roles, or for all; roles the framework lacks are ignored."""
    own = set(framework.roles)
    framework.suppressed |= (set(roles) & own) if roles else own


def revive(cluster: Cluster, framework: Framework, roles: list[str], now: float) -> None:
    """Offers again for these roles, or for all, and every refusal of theirs is forgotten."""
    own = set(framework.roles)
    wanted = (set(roles) & own) if roles else own
    framework.suppressed -= wanted
    forget_refusals(cluster, framework.framework_id, wanted)
    allocate(cluster, now)


def update_framework(cluster: Cluster, framework: Framework, body: Json, now: float) -> str | None:
    """Change the FrameworkInfo; the answer is why not, or None."""
    info = body["framework_info"]
    suppressed = set(body.get("suppressed_roles", []))
    if problem := framework_error(info) or _suppression_error(info, suppressed):
        return f"Supplied FrameworkInfo is not valid: {problem}"
    if problem := update_error(framework.info, info):
        return f"FrameworkInfo update is not valid: {problem}"
    try:
        framework.constraints = compiled(body.get("offer_constraints"))
    except ConstraintError as error:
        return f"'UpdateFramework.offer_constraints' are not valid: {error}"
    framework.offer_constraints = body.get("offer_constraints")
    framework.info = merged(framework.info, info)
    # A role that is suppressed no longer is revived: its refusals are forgotten (observed).
    forget_refusals(cluster, framework.framework_id, framework.suppressed - suppressed)
    framework.suppressed = suppressed
    kept = set(framework.roles)
    for offer in [o for o in framework.offers.values() if o.role not in kept]:
        void.take_back(cluster, offer)
        cluster.send(framework, "RESCIND", {"offer_id": {"value": offer.offer_id}})
    observed.framework_updated(cluster, framework)
    _tell_agents(cluster, framework)
    allocate(cluster, now)
    return None
