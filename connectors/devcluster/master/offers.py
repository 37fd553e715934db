"""ACCEPT and DECLINE: which offers are meant, what is launched of them, what goes back.

The one thing to know: every offer named in an ACCEPT is used up by it, also when the ACCEPT is
invalid or launches nothing. What is not used is free again at once, and refused for a while.
"""

from connectors.devcluster.master.allocator import refuse, take_back
from connectors.devcluster.master.model import (
    TASKS_MAX,
    Cluster,
    Framework,
    Offer,
    Task,
    hold,
)
from connectors.devcluster.master.validation import resources_error, task_error
from connectors.devcluster.resources import NOTHING, from_json
from connectors.devcluster.words import Json, task_status


def decline(cluster: Cluster, framework: Framework, body: Json, now: float) -> None:
    """Take the offers back and remember the refusal; unknown offers are ignored."""
    for item in body.get("offer_ids", []):
        offer = framework.offers.get(item["value"])
        if offer is not None:
            take_back(cluster, offer)
            refuse(cluster, offer, offer.resources, body.get("filters"), now)


def accept(cluster: Cluster, framework: Framework, body: Json, now: float) -> None:
    """Carry out the operations on the offers, in order; what is left goes back."""
    ids = [item["value"] for item in body.get("offer_ids", [])]
    problem = _offers_error(framework, ids)
    offers = [framework.offers[i] for i in dict.fromkeys(ids) if i in framework.offers]
    for offer in offers:
        take_back(cluster, offer)
    acceptance = _Acceptance(cluster, framework, now, offers)
    for operation in body.get("operations", []):
        if problem is not None:
            acceptance.drop(operation, problem)
        else:
            acceptance.operate(operation)
    if problem is None:
        refuse(cluster, offers[0], acceptance.left, body.get("filters"), now)


def _offers_error(framework: Framework, ids: list[str]) -> str | None:
    if not ids:
        return "No offers specified"
    first: Offer | None = None
    for offer_id in dict.fromkeys(ids):
        offer = framework.offers.get(offer_id)
        if offer is None:
            return f"Offer {offer_id} is no longer valid"
        first = first or offer
        if offer.agent_id != first.agent_id:
            return (
                "Aggregated offers must belong to one single agent. "
                f"Offer {offer_id} uses agent {offer.agent_id} and agent {first.agent_id}"
            )
        if offer.role != first.role:
            return (
                "Aggregated offers must be allocated to the same role. "
                f"Offer {offer_id} uses role {offer.role} but another is using role {first.role}"
            )
    doubled = next((i for i in ids if ids.count(i) > 1), None)
    return None if doubled is None else f"Duplicate offer {doubled} in offer list"


def _tasks_of(operation: Json) -> list[Json]:
    if operation.get("type") == "LAUNCH":
        return list(operation.get("launch", {}).get("task_infos", []))
    if operation.get("type") == "LAUNCH_GROUP":
        return list(operation.get("launch_group", {}).get("task_group", {}).get("tasks", []))
    return []


class _Acceptance:
    """One ACCEPT under way: what is left of its offers, operation after operation."""

    def __init__(
        self, cluster: Cluster, framework: Framework, now: float, offers: list[Offer]
    ) -> None:
        self._cluster = cluster
        self._framework = framework
        self._now = now
        self._offers = offers
        self.left = NOTHING
        for offer in offers:
            self.left = self.left + offer.resources

    def drop(self, operation: Json, problem: str) -> None:
        """Answer an operation on offers that cannot be used."""
        state = "TASK_DROPPED" if self._framework.is_partition_aware else "TASK_LOST"
        for task in _tasks_of(operation):
            message = f"Task launched with invalid offers: {problem}"
            self._refuse_task(task, state, "REASON_INVALID_OFFERS", message)
        if not _tasks_of(operation):
            message = f"Operation attempted with invalid offers: {problem}"
            self._refuse_operation(operation, "OPERATION_DROPPED", message)

    def operate(self, operation: Json) -> None:
        """Carry out one operation."""
        problem = resources_error(operation)
        if problem is None and operation.get("type") == "LAUNCH_GROUP":
            problem = (
                "This development cluster has no task groups yet; "
                "LAUNCH each task, or use a real Mesos"
            )
        if problem is None and operation.get("type") != "LAUNCH":
            message = "This development cluster has no reservations, volumes or disks"
            self._refuse_operation(operation, "OPERATION_ERROR", message)
            return
        for task in _tasks_of(operation):
            error = problem or self._launch_error(task)
            if error is not None:
                self._refuse_task(task, "TASK_ERROR", "REASON_TASK_INVALID", error)
            else:
                self._launch(task)

    def _refuse_task(self, task: Json, state: str, reason: str, message: str) -> None:
        """Tell the framework that a task was not started; such an update has no uuid."""
        status = task_status(
            task["task_id"]["value"],
            state,
            source="SOURCE_MASTER",
            at=self._now,
            agent_id=task["agent_id"]["value"],
            reason=reason,
            message=message,
        )
        self._cluster.send(self._framework, "UPDATE", {"status": status})

    def _refuse_operation(self, operation: Json, state: str, message: str) -> None:
        """Answer an operation that carries an id; one without an id is dropped without a word."""
        if "id" in operation:
            status = {"operation_id": operation["id"], "state": state, "message": message}
            self._cluster.send(self._framework, "UPDATE_OPERATION_STATUS", {"status": status})

    def _launch_error(self, task: Json) -> str | None:
        task_id = task["task_id"]["value"]
        if len(self._framework.tasks) >= TASKS_MAX:
            return f"This development cluster holds at most {TASKS_MAX} tasks of one framework"
        if task_id in self._framework.unreachable:
            return f"Task reuses the ID of an unreachable task: {task_id}"
        return task_error(
            task,
            known_ids=self._framework.tasks,
            agent_id=self._offers[0].agent_id,
            role=self._offers[0].role,
            available=self.left,
        )

    def _launch(self, info: Json) -> None:
        framework, first = self._framework, self._offers[0]
        agent = self._cluster.agents[first.agent_id]
        resources = from_json(info["resources"])
        task = Task(framework.framework_id, agent.agent_id, info, resources, first.role)
        framework.tasks[task.task_id] = task
        agent.tasks[framework.framework_id, task.task_id] = task
        agent.free = agent.free - resources
        self.left = self.left - resources
        hold(framework, resources)
        self._cluster.record(
            "LAUNCH",
            task_id=task.task_id,
            agent_id=agent.agent_id,
            offer_ids=[offer.offer_id for offer in self._offers],
            framework_id=framework.framework_id,
            stream_id=framework.stream_id,
        )
        self._cluster.tell(agent, "RUN_TASK", framework=framework.info, task=info, role=task.role)
