"""Whatever happens to a master in whatever order, its books balance.

A state machine of hypothesis subscribes, launches, reserves, loses, returns, kills and lets time
pass; the rig checks after every step that no resource is given out twice or lost. Its agents are
truthful: what operations made of their resources is what they report.
"""

from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from connectors.devcluster.agent.operations import OperationBook
from connectors.devcluster.master import inverse_offers
from connectors.devcluster.resources import parse_resources
from tests.unit.devcluster.master_rig import (
    AWARE,
    RESOURCES,
    AgentLink,
    Json,
    Rig,
    Scheduler,
    task_info,
    uuid_of,
)

NUMBERS = st.integers(1, 3)


def _reserved(name: str, value: float, **more: Any) -> list[Json]:
    reservation = {"type": "DYNAMIC", "role": "r"}
    amount: Json = {"name": name, "type": "SCALAR", "scalar": {"value": value}}
    return [{**amount, "reservations": [reservation], **more}]


def _operation(kind: str, number: int) -> Json:
    if kind in ("RESERVE", "UNRESERVE"):
        resources = _reserved("mem", 64.0) + _reserved("disk", 10.0)
        return {"type": kind, kind.lower(): {"resources": resources}}
    disk = {
        "persistence": {"id": f"v{number}"},
        "volume": {"container_path": "data", "mode": "RW"},
    }
    return {"type": kind, kind.lower(): {"volumes": _reserved("disk", 5.0, disk=disk)}}


class MasterMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.rig = Rig(ping_timeout_seconds=1.0, reregister_timeout_seconds=5.0)
        self.schedulers: dict[int, Scheduler] = {}
        self.links: dict[int, AgentLink] = {}
        self.agent_ids: dict[int, str] = {}
        # What each agent has made of its resources, and the messages that it has acted on.
        self.books = {n: OperationBook(parse_resources(RESOURCES)) for n in (1, 2, 3)}
        self.arrived: set[tuple[str, str, str]] = set()
        self.tasks = 0
        self.operations = 0

    @initialize(checkpoint=st.booleans(), aware=st.booleans())
    def begin(self, checkpoint: bool, aware: bool) -> None:
        """Without an agent and a framework most of what may happen could not."""
        self.agent_comes(1)
        self.subscribe(1, checkpoint, aware, 3)

    @rule(number=NUMBERS, checkpoint=st.booleans(), aware=st.booleans(), timeout=NUMBERS)
    def subscribe(self, number: int, checkpoint: bool, aware: bool, timeout: int) -> None:
        info: dict[str, Any] = {
            "checkpoint": checkpoint,
            "capabilities": AWARE if aware else [],
            "failover_timeout": float(timeout),
            "role": "r" if number < 3 else "*",
        }
        self.schedulers[number] = self.rig.subscribe(f"framework-{number}", **info)

    @rule(number=NUMBERS)
    def agent_comes(self, number: int) -> None:
        agent_id = self.agent_ids.get(number)
        if agent_id is None:
            self.books[number] = OperationBook(parse_resources(RESOURCES))
        elif number in self.links:
            self.act(number)
        report = self.report(agent_id) | self.books[number].registration()
        link = self.rig.agent(number, agent_id, **report)
        if link.agent_id:
            self.agent_ids[number] = link.agent_id
            self.links[number] = link

    def act(self, number: int) -> None:
        """Have an agent carry out the operations that it was sent, and answer."""
        link, book = self.links[number], self.books[number]
        answers = []
        for message in link.fresh():
            if message["type"] == "RUN_TASK":
                framework_id = message["framework"]["id"]["value"]
                task_id = message["task"]["task_id"]["value"]
                self.arrived.add((link.agent_id, framework_id, task_id))
            elif message["type"] == "APPLY_OPERATION":
                uuid = uuid_of(message["uuid"])
                answers.append(book.apply(message, link.agent_id, uuid, self.rig.now))
            elif message["type"] == "ACKNOWLEDGE_OPERATION":
                book.acknowledge(message["uuid"], message["status_uuid"])
        link.say(*answers)

    def report(self, agent_id: str | None) -> Json:
        """What a truthful agent knows: all that reached it of what was launched there, running."""
        frameworks: dict[str, Json] = {}
        tasks = []
        for framework in self.rig.master.cluster.frameworks.values():
            for task in (*framework.tasks.values(), *framework.unreachable.values()):
                key = (task.agent_id, framework.framework_id, task.task_id)
                if task.agent_id == agent_id and key in self.arrived:
                    frameworks[framework.framework_id] = framework.info
                    tasks.append(
                        {
                            "framework_id": framework.framework_id,
                            "info": task.info,
                            "role": task.role,
                            "state": "TASK_RUNNING",
                            "update_state": None,
                            "update_uuid": None,
                        }
                    )
        infos = [{**i, "id": {"value": f}} for f, i in frameworks.items()]
        return {"frameworks": infos, "tasks": tasks}

    @precondition(lambda self: self.links)
    @rule(data=st.data())
    def agent_goes(self, data: st.DataObject) -> None:
        number = data.draw(st.sampled_from(sorted(self.links)))
        self.act(number)
        self.links.pop(number).close()

    @precondition(lambda self: self.schedulers)
    @rule(data=st.data(), size=st.sampled_from(["cpus:1;mem:64", "cpus:3;ports:[31000-31009]"]))
    def launch(self, data: st.DataObject, size: str) -> None:
        scheduler = self.schedulers[data.draw(st.sampled_from(sorted(self.schedulers)))]
        framework = self.rig.master.cluster.frameworks.get(scheduler.framework_id)
        offers = list(framework.offers.values()) if framework else []
        if not offers or framework is None or framework.stream_id != scheduler.stream_id:
            return
        offer: Json = {
            "id": {"value": offers[0].offer_id},
            "agent_id": {"value": offers[0].agent_id},
        }
        self.tasks += 1
        name = f"t{self.tasks % 7}"
        refuse = data.draw(st.sampled_from([0.0, 2.0, 3600.0]))
        infos = [task_info(name, offer, size), task_info(name + "b", offer, size)]
        scheduler.launch([offer], *infos, refuse_seconds=refuse)

    @precondition(lambda self: self.schedulers)
    @rule(data=st.data(), kind=st.sampled_from(["RESERVE", "UNRESERVE", "CREATE", "DESTROY"]))
    def operate(self, data: st.DataObject, kind: str) -> None:
        """Change resources of an offer, and launch something reserved behind it."""
        scheduler = self.schedulers[data.draw(st.sampled_from(sorted(self.schedulers)))]
        framework = self.rig.master.cluster.frameworks.get(scheduler.framework_id)
        offers = list(framework.offers.values()) if framework else []
        if not offers or framework is None or framework.stream_id != scheduler.stream_id:
            return
        self.operations += 1
        offer = {
            "id": {"value": offers[0].offer_id},
            "agent_id": {"value": offers[0].agent_id},
        }
        operation = _operation(kind, self.operations % 3)
        if data.draw(st.booleans()):
            operation["id"] = {"value": f"o{self.operations}"}
        launched = task_info(f"r{self.operations % 5}", offer) | {
            "resources": _reserved("mem", 32.0)
        }
        launch = {"type": "LAUNCH", "launch": {"task_infos": [launched]}}
        body = {"offer_ids": [offer["id"]], "operations": [operation, launch]}
        scheduler.call("ACCEPT", body)

    @precondition(lambda self: self.links)
    @rule(data=st.data(), delivers=st.booleans())
    def agents_act(self, data: st.DataObject, delivers: bool) -> None:
        number = data.draw(st.sampled_from(sorted(self.links)))
        agent = self.rig.master.cluster.agents.get(self.links[number].agent_id)
        if agent is None or agent.link_id != self.links[number].link_id:
            return
        if delivers:
            self.act(number)
        else:
            # What was on its way to an agent that died never arrives.
            self.links.pop(number).close()

    @rule(number=NUMBERS, is_set=st.booleans())
    def schedule_maintenance(self, number: int, is_set: bool) -> None:
        cluster = self.rig.master.cluster
        machine = (f"agent{number}", "127.0.0.1")
        if is_set:
            cluster.unavailability[machine] = {"start": {"nanoseconds": 1}}
        else:
            cluster.unavailability.pop(machine, None)
        inverse_offers.schedule_changed(cluster, self.rig.now)
        self.rig.settle()

    @precondition(lambda self: self.links)
    @rule(data=st.data(), state=st.sampled_from(["TASK_RUNNING", "TASK_FINISHED"]))
    def update(self, data: st.DataObject, state: str) -> None:
        link = self.links[data.draw(st.sampled_from(sorted(self.links)))]
        agent = self.rig.master.cluster.agents.get(link.agent_id)
        if agent is None or agent.link_id != link.link_id or not agent.tasks:
            return
        framework_id, task_id = data.draw(st.sampled_from(sorted(agent.tasks)))
        status = link.update(framework_id, task_id, state)
        scheduler = next(
            (s for s in self.schedulers.values() if s.framework_id == framework_id), None
        )
        if scheduler is not None and data.draw(st.booleans()):
            body = {k: status[k] for k in ("agent_id", "task_id", "uuid")}
            scheduler.call("ACKNOWLEDGE", body)

    @precondition(lambda self: self.schedulers)
    @rule(data=st.data(), what=st.sampled_from(["close", "TEARDOWN", "REVIVE", "SUPPRESS", "KILL"]))
    def disturb(self, data: st.DataObject, what: str) -> None:
        scheduler = self.schedulers[data.draw(st.sampled_from(sorted(self.schedulers)))]
        if what == "close":
            scheduler.close()
        elif what == "KILL":
            scheduler.call("KILL", {"task_id": {"value": "t1"}})
        else:
            scheduler.call(what, {} if what != "TEARDOWN" else None)

    @rule(seconds=st.sampled_from([0.2, 1.0, 2.5]))
    def time_passes(self, seconds: float) -> None:
        for link in self.links.values():
            link.say({"type": "PONG"})
        self.rig.pass_time(seconds, step=0.25)


TestMaster = MasterMachine.TestCase
TestMaster.settings = settings(
    max_examples=60,
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)


def test_the_books_are_really_checked() -> None:
    """The check of the rig can fail: give an agent's resources out behind its back."""
    rig = Rig()
    link = rig.agent()
    agent = rig.master.cluster.agents[link.agent_id]
    agent.free = agent.free - agent.free
    with pytest.raises(AssertionError):
        rig.settle()
