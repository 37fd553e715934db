"""Whatever operations arrive, are lost or answered late: the books of master and agents balance.

A seeded walk, so that most steps do something: operations and launches on whatever is offered,
agents that act, die with messages on their way, and return, frameworks that come and go. The rig
checks after each step that nothing is given out twice or lost; at the end both sides agree.
"""

import random
from collections import Counter
from typing import Any

import pytest

from connectors.devcluster.agent.operations import OperationBook
from connectors.devcluster.resources import parse_resources
from tests.unit.devcluster.master_rig import (
    RESOURCES,
    AgentLink,
    Json,
    Rig,
    Scheduler,
    task_info,
    uuid_of,
)

R = {"type": "DYNAMIC", "role": "r"}
STEPS = 150


def amount(name: str, value: float, **more: Any) -> Json:
    return {"name": name, "type": "SCALAR", "scalar": {"value": value}, **more}


def volume(size: float, name: str) -> Json:
    disk = {"persistence": {"id": name}, "volume": {"container_path": "d", "mode": "RW"}}
    return amount("disk", size, reservations=[R], disk=disk)


class Walk:
    """One walk: two agents that report what they know, two frameworks that share a role."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.rig = Rig(ping_timeout_seconds=1e6)
        self.done: Counter[str] = Counter()
        self.books: dict[int, OperationBook] = {}
        self.running: dict[int, dict[tuple[str, str], Json]] = {}
        self.links: dict[int, AgentLink] = {}
        self.frameworks: dict[int, Scheduler] = {}
        self.number = 0
        for number in (1, 2):
            self.books[number] = OperationBook(parse_resources(RESOURCES))
            self.running[number] = {}
            self.links[number] = self.rig.agent(number, **self.books[number].registration())
            self.frameworks[number] = self.rig.subscribe(role="r")

    def step(self) -> None:
        """Do something at random."""
        number = self.random.choice((1, 2))
        steps = (self.accept, self.accept, self.act, self.act, self.end, self.die, self.churn)
        self.random.choice(steps)(number)
        self.rig.pass_time(0.5, step=0.5)

    def accept(self, number: int) -> None:
        """Several operations and launches in one ACCEPT."""
        scheduler = self.frameworks[number]
        framework = self.rig.master.cluster.frameworks[scheduler.framework_id]
        if not framework.offers:
            return
        held = self.random.choice(sorted(framework.offers.values(), key=lambda o: o.offer_id))
        offer = {"id": {"value": held.offer_id}, "agent_id": {"value": held.agent_id}}
        operations = [self.operation(offer) for _ in range(self.random.randint(1, 4))]
        body = {
            "offer_ids": [offer["id"]],
            "operations": operations,
            "filters": {"refuse_seconds": 0.0},
        }
        scheduler.call("ACCEPT", body)

    def operation(self, offer: Json) -> Json:
        """An operation that may be possible."""
        self.number += 1
        name, size = f"v{self.number % 3}", float(self.random.choice((5, 10)))
        disk = [amount("disk", 20.0, reservations=[R])]
        bodies: list[Json] = [
            {"type": "RESERVE", "reserve": {"resources": disk}},
            {"type": "UNRESERVE", "unreserve": {"resources": disk}},
            {"type": "CREATE", "create": {"volumes": [volume(size, name)]}},
            {"type": "DESTROY", "destroy": {"volumes": [volume(size, name)]}},
            {
                "type": "GROW_VOLUME",
                "grow_volume": {
                    "volume": volume(5.0, name),
                    "addition": amount("disk", 5.0, reservations=[R]),
                },
            },
            {
                "type": "SHRINK_VOLUME",
                "shrink_volume": {"volume": volume(10.0, name), "subtract": {"value": 5.0}},
            },
        ]
        resources = [amount("cpus", 0.1), self.random.choice((volume(size, name), disk[0]))]
        task = task_info(f"t{self.number}", offer) | {"resources": resources}
        bodies.append({"type": "LAUNCH", "launch": {"task_infos": [task]}})
        chosen = self.random.choice(bodies)
        if chosen["type"] != "LAUNCH" and self.random.random() < 0.5:
            chosen["id"] = {"value": f"o{self.number}"}
        return chosen

    def act(self, number: int) -> None:
        """The agent does what it was told, and frameworks acknowledge what they hear."""
        link, book = self.links[number], self.books[number]
        answers = []
        for message in link.fresh():
            match message["type"]:
                case "RUN_TASK":
                    task_id = message["task"]["task_id"]["value"]
                    self.running[number][message["framework"]["id"]["value"], task_id] = message
                case "APPLY_OPERATION":
                    uuid = uuid_of(message["uuid"])
                    said = book.apply(message, link.agent_id, uuid, self.rig.now)
                    self.done[said["status"]["state"] + " " + said["info"]["type"]] += 1
                    answers.append(said)
                case "ACKNOWLEDGE_OPERATION":
                    book.acknowledge(message["uuid"], message["status_uuid"])
                case "SHUTDOWN_FRAMEWORK":
                    for key in [k for k in self.running[number] if k[0] == message["framework_id"]]:
                        del self.running[number][key]
                case _:
                    pass
        link.say(*answers)
        for scheduler in self.frameworks.values():
            self.acknowledge(scheduler)

    def acknowledge(self, scheduler: Scheduler) -> None:
        """Acknowledge half of what a framework heard of operations."""
        for event in scheduler.fresh():
            if event["type"] != "UPDATE_OPERATION_STATUS" or self.random.random() < 0.5:
                continue
            status = event["update_operation_status"]["status"]
            if "uuid" in status:
                body = {k: status[k] for k in ("agent_id", "operation_id")}
                body["uuid"] = status["uuid"]["value"]
                scheduler.call("ACKNOWLEDGE_OPERATION_STATUS", body)

    def end(self, number: int) -> None:
        """A task ends, and its framework knows."""
        self.act(number)
        if not self.running[number]:
            return
        framework_id, task_id = self.random.choice(sorted(self.running[number]))
        del self.running[number][framework_id, task_id]
        status = self.links[number].update(framework_id, task_id, "TASK_FINISHED")
        for scheduler in self.frameworks.values():
            if scheduler.framework_id == framework_id:
                body = {k: status[k] for k in ("agent_id", "task_id", "uuid")}
                scheduler.call("ACKNOWLEDGE", body)
        self.done["task ended"] += 1

    def die(self, number: int) -> None:
        """The agent dies with what was on its way to it, and a new process of it returns."""
        if self.random.random() < 0.5:
            self.act(number)
        link = self.links[number]
        link.close()
        infos = {m["framework"]["id"]["value"]: m["framework"] for m in self._messages(number)}
        tasks = [
            {
                "framework_id": m["framework"]["id"]["value"],
                "info": m["task"],
                "role": m["role"],
                "state": "TASK_RUNNING",
                "update_state": None,
                "update_uuid": None,
            }
            for m in self._messages(number)
        ]
        report = {"frameworks": list(infos.values()), "tasks": tasks}
        report |= self.books[number].registration()
        self.links[number] = again = self.rig.agent(number, link.agent_id, **report)
        for lost in self._lost(again):
            again.update(lost[0], lost[1], "TASK_DROPPED")
        again.say(*self.books[number].resume(self.rig.now))
        self.done["agent died"] += 1

    def _messages(self, number: int) -> list[Json]:
        return list(self.running[number].values())

    def _lost(self, link: AgentLink) -> list[tuple[str, str]]:
        (registered,) = [m for m in link.messages if m["type"] == "REGISTERED"]
        return [
            (lost["framework"]["id"]["value"], lost["info"]["task_id"]["value"])
            for lost in registered["reconciliations"]
        ]

    def churn(self, number: int) -> None:
        """A framework fails over, or is torn down and another takes its place."""
        scheduler = self.frameworks[number]
        if self.random.random() < 0.7:
            self.frameworks[number] = self.rig.subscribe(scheduler.framework_id, role="r")
            return
        scheduler.call("TEARDOWN")
        self.frameworks[number] = self.rig.subscribe(role="r")
        self.done["framework torn down"] += 1

    def settle(self) -> None:
        """Let everything arrive; then master and agents must agree on what there is."""
        for _ in range(3):
            for number in (1, 2):
                self.act(number)
        for number, link in self.links.items():
            agent = self.rig.master.cluster.agents[link.agent_id]
            assert agent.total == self.books[number].total
            assert not any(o.consumed for o in agent.operations.values())


@pytest.mark.parametrize("seed", range(4))
def test_a_walk_of_operations(seed: int) -> None:
    walk = Walk(seed)
    for _ in range(STEPS):
        walk.step()
    walk.settle()
    # The walk goes where it should.
    for what in ("RESERVE", "UNRESERVE", "CREATE", "DESTROY"):
        assert walk.done[f"OPERATION_FINISHED {what}"] > 0, walk.done
    assert walk.done["agent died"] > 0
    assert walk.done["task ended"] > 0
