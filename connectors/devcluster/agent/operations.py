"""Reservations and volumes of one agent: what operations made of its resources, and their answers.

The one thing to know: both outlive the agent's process, and every framework that made them. An
answer is repeated, 10 s later and then ever more rarely, until the master acknowledges it.
"""

from dataclasses import dataclass

from connectors.devcluster.agent.updates import RETRY_SECONDS_FIRST, RETRY_SECONDS_MAX
from connectors.devcluster.resources import BOTH, Resources, from_json
from connectors.devcluster.speciality import MARK, special
from connectors.devcluster.words import Json


@dataclass
class Answer:
    """What is to be said of one operation until it is acknowledged."""

    message: Json
    retry_at: float | None = None
    interval: float = RETRY_SECONDS_FIRST


class OperationBook:
    """The agent's resources as they are now, and the answers that it owes."""

    def __init__(self, total: Resources) -> None:
        self.total = total
        self.answers: dict[str, Answer] = {}

    def apply(self, message: Json, agent_id: str, status_uuid: str, now: float) -> Json:
        """Carry out an operation, once however often it is sent; the result is what to say."""
        uuid = message["uuid"]
        known = self.answers.get(uuid)
        if known is not None:
            return known.message
        consumed = from_json(message["consumed"]).aligned_to(self.total)
        status: Json = {"state": "OPERATION_FINISHED"}
        if self.total.contains(consumed):
            self.total = self.total.converted(consumed, from_json(message["converted"]))
        else:
            text = f"{self.total.text()} does not contain {consumed.text()}"
            status = {"state": "OPERATION_DROPPED", "message": text}
        if message["operation_id"] is not None:
            status = {"operation_id": {"value": message["operation_id"]}, **status}
        status.update(uuid={"value": status_uuid}, agent_id={"value": agent_id})
        said = {
            "type": "OPERATION_UPDATE",
            "status": status,
            **{k: message[k] for k in ("uuid", "framework_id", "operation_id", "info", "role")},
        }
        self.answers[uuid] = Answer(said, now + RETRY_SECONDS_FIRST)
        return said

    def acknowledge(self, uuid: str, status_uuid: str) -> bool:
        """Whether this was an answer that the agent still owed; it does no longer."""
        answer = self.answers.get(uuid)
        if answer is None or answer.message["status"]["uuid"]["value"] != status_uuid:
            return False
        del self.answers[uuid]
        return True

    def resume(self, now: float) -> list[Json]:
        """All that the agent owes, to be said again to a master that it has registered with."""
        for answer in self.answers.values():
            answer.retry_at, answer.interval = now + RETRY_SECONDS_FIRST, RETRY_SECONDS_FIRST
        return [answer.message for answer in self.answers.values()]

    def pause(self) -> None:
        """Repeat nothing until ``resume``."""
        for answer in self.answers.values():
            answer.retry_at = None

    def due(self, now: float) -> list[Json]:
        """The answers whose time has come again."""
        messages = []
        for answer in self.answers.values():
            if answer.retry_at is not None and now >= answer.retry_at:
                answer.interval = min(2 * answer.interval, RETRY_SECONDS_MAX)
                answer.retry_at = now + answer.interval
                messages.append(answer.message)
        return messages

    def registration(self) -> Json:
        """What a master must know of it."""
        return {
            "total": self.total.to_json(style=BOTH),
            "operations": [answer.message for answer in self.answers.values()],
        }

    def restore(self, kept: Json) -> None:
        """Begin with what an earlier process of this agent kept, in the form of a registration."""
        self.total = from_json(kept["total"])
        self.answers = {m["uuid"]: Answer(m) for m in kept["operations"]}

    def volumes(self) -> list[tuple[str, str]]:
        """Role and id of each persistent volume that there is."""
        found = (special(key) for key in self.total.scalars if MARK in key)
        return [(v.role, v.facts["disk"]["persistence"]["id"]) for v in found if v.is_volume]


def volumes_of(info: Json) -> list[tuple[str, str, str]]:
    """Role, id and path in the sandbox of each volume that a task or an executor asks for."""
    wanted = []
    for key in from_json(info.get("resources", [])).scalars:
        found = special(key)
        if found.is_volume:
            disk = found.facts["disk"]
            path = disk["volume"]["container_path"]
            wanted.append((found.role, disk["persistence"]["id"], path))
    return wanted
