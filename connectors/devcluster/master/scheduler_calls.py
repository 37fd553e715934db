"""The scheduler's calls after SUBSCRIBE: who may call, and what each does.

The one thing to know: 202 means "addressed", never "done". Effects and refusals come as events.
"""

from collections.abc import Callable
from dataclasses import dataclass

import msgspec

from connectors.devcluster.master import (
    frameworks,
    inverse_offers,
    metrics,
    offers,
    operation_updates,
)
from connectors.devcluster.master.model import Cluster, Framework
from connectors.devcluster.master.reconcile import reconcile
from connectors.devcluster.master.validation import fatal_error
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
    metrics.count_call(cluster, kind)
    if kind == "UPDATE_FRAMEWORK":
        problem = frameworks.update_framework(cluster, framework, request["update_framework"], now)
        return Answer(200) if problem is None else Answer(400, problem)
    if kind == "ACCEPT" and (fatal := fatal_error(request["accept"])) is not None:
        return Answer(400, fatal)
    handler = _HANDLERS.get(kind)
    if handler is not None:
        handler(_Addressed(cluster, framework, request.get(kind.lower(), {}), now))
    return ADDRESSED


class _Addressed(msgspec.Struct, frozen=True):
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
    frameworks.teardown(call.cluster, call.framework, call.now)


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


def _accept_inverse_offers(call: _Addressed) -> None:
    inverse_offers.answered(call.cluster, call.framework, call.body, call.now, is_accepted=True)


def _decline_inverse_offers(call: _Addressed) -> None:
    inverse_offers.answered(call.cluster, call.framework, call.body, call.now, is_accepted=False)


def _acknowledge_operation(call: _Addressed) -> None:
    operation_updates.acknowledged(call.cluster, call.framework, call.body)


def _reconcile_operations(call: _Addressed) -> None:
    operation_updates.reconcile(call.cluster, call.framework, call.body.get("operations", []))


def _shutdown(call: _Addressed) -> None:
    """Pass the end of an executor on to its agent; best effort, as in Mesos."""
    _tell_executor(call, "SHUTDOWN_EXECUTOR")


def _message(call: _Addressed) -> None:
    """Pass a message for an executor on to its agent; best effort, as in Mesos."""
    _tell_executor(call, "FRAMEWORK_MESSAGE", data=call.body["data"])


def _tell_executor(call: _Addressed, kind: str, **more: object) -> None:
    agent = call.cluster.agents.get(call.body["agent_id"]["value"])
    if agent is not None:
        framework_id = call.framework.framework_id
        executor_id = call.body["executor_id"]["value"]
        call.cluster.tell(agent, kind, framework_id=framework_id, executor_id=executor_id, **more)


# Of the calls without a handler REQUEST is ignored by Mesos
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
    "ACCEPT_INVERSE_OFFERS": _accept_inverse_offers,
    "DECLINE_INVERSE_OFFERS": _decline_inverse_offers,
    "ACKNOWLEDGE_OPERATION_STATUS": _acknowledge_operation,
    "RECONCILE_OPERATIONS": _reconcile_operations,
    "SHUTDOWN": _shutdown,
    "MESSAGE": _message,
}
