"""What a scheduler of a story hears, told without ids and times so that two can be compared.

The one thing to know: only what is told is compared. It holds no uuid, no time, no agent id and no
word of an executor, because these differ between two plays of one story on the same cluster.
"""

import queue
import re
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from typing import Any, Final

from tests.contract.mesos_client.clusters import Cluster
from tests.contract.mesos_master.master_client import Framework, Json, Reply, request
from tests.contract.mesos_master.protobuf_client import ProtobufFramework
from tests.contract.mesos_master.stories import Step, Story

# The stand-in executor of the real Mesos tells neither.
UNTOLD: Final = {"TASK_STARTING", "TASK_KILLING"}
QUIET_S: Final = 0.35
IDS: Final = re.compile(
    r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}(-S\d+|-O\d+|-\d{4})?"
)


class Ear:
    """A framework of a story, and all that it hears; ``told`` grows with each step."""

    def __init__(self, cluster: Cluster, story: Story) -> None:
        self.cluster = cluster
        self.story = story
        self.told: list[Any] = []
        kind = ProtobufFramework if story.uses_protobuf else Framework
        self.framework = kind(cluster.port, **story.info)
        self.zones: dict[str, str] = {}
        self.offers: dict[str, Json] = {}
        self.pending: dict[str, Json] = {}
        self.acknowledged: dict[str, Json] = {}
        self.policy: dict[str, str] = {}
        self.states: dict[str, str] = {}
        self.where: dict[str, str] = {}
        self.seen: set[str] = set()
        self.heard: dict[str, list[Any]] = defaultdict(list)
        self.used_offers: list[Json] = []
        self.has_ended = False
        self.has_new_master = False
        self.statuses: list[int] = []
        self.updates: Counter[str] = Counter()
        self.launches: Counter[str] = Counter()

    def alive(self) -> set[str]:
        """The tasks that run, as far as the scheduler has heard."""
        return {name for name, state in self.states.items() if state == "TASK_RUNNING"}

    # What is heard

    def tell(self, number: int, step: Step) -> None:
        self.told.append((number, step.kind, step.what, dict(sorted(self.heard.items()))))
        self.heard = defaultdict(list)

    def text(self, text: object) -> str:
        """The text without ids."""
        plain = str(text).replace(self.framework.framework_id, "FRAMEWORK")
        for zone, agent in self.zones.items():
            plain = plain.replace(agent, zone)
        plain = re.sub(r"@127\.0\.0\.1:\d+|127\.0\.0\.1:\d+", "ADDRESS", plain)
        return IDS.sub("ID", re.sub(r"ADDRESS \((localhost|agent\d)\)", "ADDRESS", plain))

    def zone_of(self, agent_id: Json | None) -> str | None:
        value = (agent_id or {}).get("value")
        return next((zone for zone, agent in self.zones.items() if agent == value), value)

    def pump(self, until: Callable[[], bool], seconds: float) -> bool:
        deadline = time.monotonic() + seconds
        while not until():
            left = deadline - time.monotonic()
            if left <= 0 or self.has_ended:
                return False
            try:
                self.hear(self.framework.stream.events.get(timeout=min(left, 0.1)))
            except queue.Empty:
                continue
        return True

    def quiet(self) -> None:
        quiet_until = time.monotonic() + QUIET_S
        while (left := quiet_until - time.monotonic()) > 0:
            try:
                event = self.framework.stream.events.get(timeout=left)
            except queue.Empty:
                return
            self.hear(event)
            if event["type"] not in ("HEARTBEAT", "OFFERS"):
                quiet_until = time.monotonic() + QUIET_S

    def hear(self, event: Json) -> None:
        match event["type"]:
            case "OFFERS":
                for offer in event["offers"]["offers"]:
                    self.offers[offer["id"]["value"]] = offer
            case "RESCIND":
                gone = self.offers.pop(event["rescind"]["offer_id"]["value"], None)
                self.heard["rescinded"].append(gone and self.zone_of(gone["agent_id"]))
                self.heard["rescinded"].sort(key=str)
            case "UPDATE":
                self._hear_update(event["update"]["status"])
            case "UPDATE_OPERATION_STATUS":
                self._hear_operation(event["update_operation_status"]["status"])
            case "FAILURE":
                failure = event["failure"]
                text = (self.zone_of(failure.get("agent_id")), failure.get("status"))
                self.heard["failure"].append(text)
            case "ERROR":
                self.heard["error"].append(self.text(event["error"]["message"]))
            case "END OF STREAM":
                self.has_ended = True
                self.heard["end"].append("END OF STREAM")
            case "HEARTBEAT" | "SUBSCRIBED":
                pass
            case other:
                self.heard["event"].append(other)

    def _hear_update(self, status: Json) -> None:
        name = status["task_id"]["value"]
        # The stand-in executor of the real Mesos tells neither.
        if status["state"] in UNTOLD:
            self.seen.add(status["uuid"])
            self.framework.acknowledge(status)
            return
        uuid = status.get("uuid")
        if uuid in self.seen:
            if self.policy.get(name) != "later":
                self.framework.acknowledge(status)
            return
        told = {
            "state": status["state"],
            "source": status.get("source"),
            "reason": status.get("reason"),
            "uuid": uuid is not None,
            "unreachable": "unreachable_time" in status,
            "zone": self.zone_of(status.get("agent_id")),
            "executor": "executor_id" in status,
            "healthy": status.get("healthy"),
        }
        if status.get("source") != "SOURCE_EXECUTOR":
            told["message"] = _sorted_resources(self.text(status.get("message")))
        self.heard[f"task {name}"].append(told)
        if status.get("reason") != "REASON_RECONCILIATION":
            self.updates[name] += 1
            # An id that is taken is refused, and its task lives on.
            if status.get("reason") != "REASON_TASK_INVALID" or name not in self.alive():
                self.states[name] = status["state"]
        if uuid is None:
            return
        self.seen.add(uuid)
        self.pending[name] = status
        policy = self.policy.get(name, "at once")
        if policy != "later":
            self.acknowledge_pending(name)
        if policy == "twice":
            self.call("ACKNOWLEDGE", names_of(status), tell=False)

    def _hear_operation(self, status: Json) -> None:
        if status.get("uuid", {}).get("value") in self.seen:
            return
        self.seen.add(status.get("uuid", {}).get("value", ""))
        told = (
            status["state"],
            "uuid" in status,
            self.zone_of(status.get("agent_id")),
            self.text(status.get("message")),
        )
        self.heard[f"operation {status.get('operation_id', {}).get('value')}"].append(told)
        if "uuid" in status:
            body: Json = {k: status[k] for k in ("agent_id", "operation_id") if k in status}
            body["uuid"] = status["uuid"]["value"]
            self.call("ACKNOWLEDGE_OPERATION_STATUS", body)

    def acknowledge_pending(self, name: str) -> None:
        status = self.pending.pop(name)
        self.acknowledged[name] = status
        self.call("ACKNOWLEDGE", names_of(status), tell=False)

    # What is called

    def call(self, kind: str, body: Json | None = None, *, tell: bool = True) -> Reply:
        reply = self.framework.call(kind, body)
        self.statuses.append(reply.status)
        if tell or reply.status != 202:
            self.heard["replies"].append((kind, reply.status, self.text(reply.text)))
        return reply

    def pages(self) -> Json:
        state = request(self.cluster.port, "GET", "/state").json
        mine = self.framework.framework_id
        pages: Json = {}
        for listed in ("frameworks", "completed_frameworks", "unregistered_frameworks"):
            for each in state.get(listed, []):
                if each == mine or (isinstance(each, dict) and each["id"] == mine):
                    pages["framework in"] = listed
                    pages["framework"] = self._page_of(each)
        pages["agents"] = {
            self.zone_of({"value": each["id"]}): {
                "active": each["active"],
                "used": _rounded(each["used_resources"]),
                "reserved": {k: _rounded(v) for k, v in each["reserved_resources"].items()},
                "unreserved": _rounded(each["unreserved_resources"]),
            }
            for each in state["slaves"]
        }
        return pages

    def _page_of(self, framework: Json) -> Json:
        page: Json = {
            k: framework[k]
            for k in ("active", "connected", "recovered", "name", "checkpoint", "capabilities")
            if k in framework
        }
        for name in ("used_resources", "resources"):
            # Ports of two agents do not add up: Mesos takes them away for both when one ends.
            page[name] = {k: v for k, v in _rounded(framework[name]).items() if k != "ports"}
        # A new master hears of ended tasks from a real agent alone, of all statuses as well.
        lists = ("tasks", "unreachable_tasks", "completed_tasks")
        for listed in lists[: 2 if self.has_new_master else 3]:
            page[listed] = sorted(
                (
                    each["id"],
                    each["state"],
                    self.zone_of({"value": each["slave_id"]}) or "",
                    str([s["state"] for s in each["statuses"] if s["state"] not in UNTOLD]),
                )
                for each in framework[listed]
            )
        return page


def _sorted_resources(text: str) -> str:
    """The text with the resources that are available in order: Mesos has them in any."""
    before, word, after = text.partition("more than available ")
    return before + word + "; ".join(sorted(after.split("; ")))


def names_of(status: Json) -> Json:
    return {k: status[k] for k in ("agent_id", "task_id", "uuid") if k in status}


def described(resource: Json) -> str:
    keys = ("name", "role", "reservations", "reservation", "disk", "allocation_info")
    return " ".join(str(resource[k]) for k in keys if k in resource)


def size_of(resource: Json) -> float:
    if "scalar" in resource:
        return float(resource["scalar"]["value"])
    return float(sum(r["end"] - r["begin"] + 1 for r in resource["ranges"]["range"]))


def _rounded(resources: Json) -> Json:
    return {k: round(v, 3) if isinstance(v, float) else v for k, v in resources.items()}
