"""ACCEPT and DECLINE: which offers are meant, what becomes of them, what goes back.

The one thing to know: every offer named in an ACCEPT is used up by it, also when the ACCEPT is
invalid or launches nothing, and also when it is another framework's (observed). What is not used
is free again at once, and refused for a while.
"""

from connectors.devcluster.master import executors, groups, observed, operation_updates, void
from connectors.devcluster.master.allocator import refuse
from connectors.devcluster.master.model import (
    Cluster,
    Framework,
    Offer,
    Operation,
    Task,
    hold,
)
from connectors.devcluster.master.operations import (
    KINDS,
    OperationError,
    conversion,
    shape_error,
)
from connectors.devcluster.master.validation import (
    Place,
    resources_error,
    task_error,
    tasks_of,
)
from connectors.devcluster.resources import NOTHING, Resources, from_json
from connectors.devcluster.words import Json, task_status


def decline(cluster: Cluster, framework: Framework, body: Json, now: float) -> None:
    """Take the offers back and remember the refusal; unknown offers are ignored."""
    for item in body.get("offer_ids", []):
        offer = _offer(cluster, framework, item["value"])
        if offer is not None:
            void.take_back(cluster, offer)
            refuse(cluster, offer, offer.resources, body.get("filters"), now)


def accept(cluster: Cluster, framework: Framework, body: Json, now: float) -> None:
    """Carry out the operations on the offers, in order; what is left goes back."""
    ids = [item["value"] for item in body.get("offer_ids", [])]
    problem = _offers_error(cluster, framework, ids)
    named = (_offer(cluster, framework, i) for i in dict.fromkeys(ids))
    offers = [offer for offer in named if offer is not None]
    for offer in offers:
        void.take_back(cluster, offer)
    acceptance = _Acceptance(cluster, framework, now, offers)
    for operation in body.get("operations", []):
        if problem is not None:
            acceptance.drop(operation, problem)
        else:
            acceptance.operate(operation)
    if problem is None:
        refuse(cluster, offers[0], acceptance.left, body.get("filters"), now)


def _offer(cluster: Cluster, framework: Framework, offer_id: str) -> Offer | None:
    """The offer of this id, whoever has it."""
    offer = framework.offers.get(offer_id)
    if offer is not None:
        return offer
    others = (f.offers.get(offer_id) for f in cluster.frameworks.values())
    return next((o for o in others if o is not None), None)


def _offers_error(cluster: Cluster, framework: Framework, ids: list[str]) -> str | None:
    if not ids:
        return "No offers specified"
    doubled = next((i for i in ids if ids.count(i) > 1), None)
    if doubled is not None:
        return f"Duplicate offer {doubled} in offer list"
    first: Offer | None = None
    for offer_id in ids:
        offer = _offer(cluster, framework, offer_id)
        if offer is None:
            return f"Offer {offer_id} is no longer valid"
        if offer.framework_id != framework.framework_id:
            return (
                f"Offer {offer_id} has invalid framework {offer.framework_id} while framework "
                f"{framework.framework_id} is expected"
            )
        first = first or offer
        if offer.role != first.role:
            return (
                "Aggregated offers must be allocated to the same role. "
                f"Offer {offer_id} uses role {offer.role} but another is using role {first.role}"
            )
        if offer.agent_id != first.agent_id:
            return (
                "Aggregated offers must belong to one single agent. "
                f"Offer {offer_id} uses agent {offer.agent_id} and agent {first.agent_id}"
            )
    return None


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
        for task in tasks_of(operation):
            message = f"Task launched with invalid offers: {problem}"
            self._refuse_task(task, state, "REASON_INVALID_OFFERS", message)
        if operation.get("type") in KINDS:
            self._refuse_operation(operation, f"Operation attempted with invalid offers: {problem}")

    def operate(self, operation: Json) -> None:
        """Carry out one operation; one of no known type is passed over without a word."""
        kind = operation.get("type")
        if kind == "LAUNCH":
            problem = resources_error(operation) or _id_error(operation)
            for task in tasks_of(operation):
                error = problem or self._launch_error(task)
                if error is not None:
                    self._refuse_task(task, "TASK_ERROR", "REASON_TASK_INVALID", error)
                else:
                    self._launch(task)
        elif kind == "LAUNCH_GROUP":
            self._launch_group(operation)
        elif kind in KINDS:
            self._convert(operation)

    # Tasks

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
        observed.task_refused(self._cluster, status)
        self._cluster.send(self._framework, "UPDATE", {"status": status})

    @property
    def _place(self) -> Place:
        first = self._offers[0]
        agent = self._cluster.agents[first.agent_id]
        return Place(self._framework, agent, first.role, self.left)

    def _launch_error(self, task: Json) -> str | None:
        most = self._cluster.settings.tasks_max
        if len(self._framework.tasks) >= most:
            return f"This development cluster holds at most {most} tasks of one framework"
        return task_error(task, self._place)

    def _launch(self, info: Json) -> None:
        place = self._place
        if "executor" in info:
            executor = executors.complete(info["executor"], self._framework, place.role)
            info = {**executors.allocated(info, place.role), "executor": executor}
            self._start_executor(executor)
        self._count(info)
        self._cluster.tell(
            place.agent, "RUN_TASK", framework=self._framework.info, task=info, role=place.role
        )

    def _launch_group(self, operation: Json) -> None:
        body = operation.get("launch_group", {})
        tasks = tasks_of(operation)
        problem = (
            resources_error(operation)
            or _id_error(operation)
            or (groups.group_error(body["executor"], tasks, self._place) if tasks else None)
        )
        if problem is not None:
            for task in tasks:
                self._refuse_task(task, "TASK_ERROR", "REASON_TASK_GROUP_INVALID", problem)
            return
        if not tasks:
            return
        place = self._place
        executor = executors.complete(body["executor"], self._framework, place.role)
        tasks = [executors.allocated(task, place.role) for task in tasks]
        self._start_executor(executor)
        for task in tasks:
            self._count(task)
        self._cluster.tell(
            place.agent,
            "RUN_TASK_GROUP",
            framework=self._framework.info,
            executor=executor,
            tasks=tasks,
            role=place.role,
        )

    def _start_executor(self, info: Json) -> None:
        place = self._place
        executor = executors.started(place.agent, self._framework, info, place.role)
        if executor is not None:
            self.left = self.left - executor.resources.aligned_to(self.left)

    def _count(self, info: Json) -> None:
        """Count a task that is about to be sent to its agent."""
        framework, place = self._framework, self._place
        agent = place.agent
        resources = from_json(info["resources"]).aligned_to(self.left)
        task = Task(framework.framework_id, agent.agent_id, info, resources, place.role)
        framework.tasks[task.task_id] = task
        agent.tasks[framework.framework_id, task.task_id] = task
        agent.free = agent.free - resources
        self.left = self.left - resources
        hold(framework, place.role, resources)
        self._cluster.record(
            "LAUNCH",
            task_id=task.task_id,
            agent_id=agent.agent_id,
            offer_ids=[offer.offer_id for offer in self._offers],
            framework_id=framework.framework_id,
            stream_id=framework.stream_id,
        )
        observed.task_added(self._cluster, task)

    # Operations

    def _refuse_operation(self, operation: Json, message: str) -> None:
        """Answer an operation that carries an id; one without an id is dropped without a word."""
        if "id" in operation:
            status = {
                "operation_id": operation["id"],
                "state": "OPERATION_ERROR",
                "message": message,
            }
            self._cluster.send(self._framework, "UPDATE_OPERATION_STATUS", {"status": status})

    def _convert(self, operation: Json) -> None:
        if problem := shape_error(operation):
            text = f"Operation attempted with invalid resources: {problem}"
            self._refuse_operation(operation, text)
            return
        place = self._place
        try:
            change = conversion(operation, self._framework, place.agent, place.role, self.left)
        except OperationError as error:
            self._refuse_operation(operation, str(error))
            return
        if operation["type"] == "DESTROY":
            self._rescind_sharers(change.consumed)
        left = self.left - change.consumed
        if change.is_speculative:
            left = self.left.converted(change.consumed, change.converted)
        self.left = left
        made = Operation(
            self._cluster.new_uuid(),
            self._framework.framework_id,
            place.agent.agent_id,
            place.role,
            operation,
        )
        operation_updates.send(self._cluster, self._framework, place.agent, made, change)

    def _rescind_sharers(self, volumes: Resources) -> None:
        """Offers to others that hold a shared volume end with it."""
        offers = self._place.agent.offers.values()
        sharers = [o for o in offers if volumes.keys() & o.resources.keys()]
        void.rescind(self._cluster, sharers)


def _id_error(operation: Json) -> str | None:
    if "id" not in operation:
        return None
    return f"The `id` field cannot be set on {operation['type']} operations"
