"""The scheduler's calls after SUBSCRIBE: who may call, and what each does.

The one thing to know: 202 means "addressed", never "done". Effects and refusals come as events.
"""

from collections.abc import Callable
from dataclasses import dataclass

from connectors.devcluster.master import frameworks, offers
from connectors.devcluster.master.model import Cluster, Framework
from connectors.devcluster.master.reconcile import reconcile
from connectors.devcluster.words import TERMINAL, Json


@dataclass(frozen=True)
class Answer:
    """What a call is answered."""

    status: int
    text: str = ""


ADDRESSED = Answer(202)


def call(cluster: Cluster, request: Json, stream_id: str | None, now: float) -> Answer:
    """Check who calls on which stream, carry the call out, and answer it."""
    framework_id = request["framework_id"]["value"]
    framework = cluster.frameworks.get(framework_id)
    if framework is None:
        return Answer(400, "Framework cannot be found")
    if not framework.is_connected:
        return Answer(403, "Framework is not subscribed")
    if stream_id is None:
        return Answer(400, "All non-subscribe calls should include the 'Mesos-Stream-Id' header")
    if stream_id != framework.stream_id:
        return Answer(
            400,
            f"The stream ID '{stream_id}' included in this request didn't match the stream ID "
            f"currently associated with framework ID {framework_id}",
        )
    kind = request["type"]
    if kind == "UPDATE_FRAMEWORK":
        problem = frameworks.update_framework(cluster, framework, request["update_framework"], now)
        return Answer(200) if problem is None else Answer(400, problem)
    handler = _HANDLERS.get(kind)
    if handler is not None:
        handler(_Addressed(cluster, framework, request.get(kind.lower(), {}), now))
    return ADDRESSED


@dataclass(frozen=True)
class _Addressed:
    """A call that has reached its framework."""

    cluster: Cluster
    framework: Framework
    body: Json
    now: float

    def record(self, what: str, **facts: object) -> None:
        """Write it into the journal, before it does anything."""
        framework = self.framework
        self.cluster.record(
            what, **facts, framework_id=framework.framework_id, stream_id=framework.stream_id
        )


def _accept(call: _Addressed) -> None:
    offers.accept(call.cluster, call.framework, call.body, call.now)


def _decline(call: _Addressed) -> None:
    offers.decline(call.cluster, call.framework, call.body, call.now)


def _teardown(call: _Addressed) -> None:
    frameworks.teardown(call.cluster, call.framework)


def _revive(call: _Addressed) -> None:
    frameworks.revive(call.cluster, call.framework, call.body.get("roles", []), call.now)


def _suppress(call: _Addressed) -> None:
    frameworks.suppress(call.framework, call.body.get("roles", []))


def _reconcile(call: _Addressed) -> None:
    tasks = call.body.get("tasks", [])
    call.record("RECONCILE", task_ids=[t["task_id"]["value"] for t in tasks])
    reconcile(call.cluster, call.framework, tasks, call.now)


def _kill(call: _Addressed) -> None:
    """Pass a kill to the task's agent; of an unknown task, say what reconciliation would."""
    framework, body = call.framework, call.body
    task_id = body["task_id"]["value"]
    asked_agent = body.get("agent_id", {}).get("value")
    task = framework.tasks.get(task_id)
    call.record("KILL", task_id=task_id, agent_id=asked_agent if task is None else task.agent_id)
    if task is None:
        question: Json = {k: body[k] for k in ("task_id", "agent_id") if k in body}
        reconcile(call.cluster, framework, [question], call.now)
        return
    if asked_agent is not None and asked_agent != task.agent_id:
        return
    agent = call.cluster.agents[task.agent_id]
    message = {
        "framework_id": framework.framework_id,
        "task_id": task_id,
        "kill_policy": body.get("kill_policy"),
    }
    if task.holds_resources:
        agent.kills[framework.framework_id, task_id] = message
    call.cluster.tell(agent, "KILL_TASK", **message)


def _acknowledge(call: _Addressed) -> None:
    framework, body = call.framework, call.body
    task_id, uuid = body["task_id"]["value"], body["uuid"]
    agent_id = body["agent_id"]["value"]
    call.record("ACKNOWLEDGE", task_id=task_id, agent_id=agent_id, uuid=uuid)
    agent = call.cluster.agents.get(agent_id)
    if agent is None or not agent.is_connected:
        return
    task = agent.tasks.get((framework.framework_id, task_id))
    if task is not None:
        if task.update_state is None:
            # The update was not given out by this master; the agent will repeat it.
            return
        if task.update_state in TERMINAL and task.update_uuid == uuid:
            frameworks.forget_task(call.cluster, framework, task)
    call.cluster.tell(
        agent, "ACKNOWLEDGE", framework_id=framework.framework_id, task_id=task_id, uuid=uuid
    )


# Of the calls without a handler MESSAGE, SHUTDOWN and REQUEST are best effort or ignored by Mesos
# too; those about inverse offers and operations name things that this cluster never gives out.
_HANDLERS: dict[str, Callable[[_Addressed], None]] = {
    "ACCEPT": _accept,
    "DECLINE": _decline,
    "TEARDOWN": _teardown,
    "REVIVE": _revive,
    "SUPPRESS": _suppress,
    "KILL": _kill,
    "ACKNOWLEDGE": _acknowledge,
    "RECONCILE": _reconcile,
}
