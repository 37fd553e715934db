"""Whatever happens to a master in whatever order, its books balance.

A state machine of hypothesis subscribes, launches, loses, returns, kills and lets time pass; the
rig checks after every step that no resource is given out twice or lost.
"""

from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

from tests.unit.devcluster.master_rig import AWARE, AgentLink, Json, Rig, Scheduler, task_info

NUMBERS = st.integers(1, 3)


class MasterMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.rig = Rig(ping_timeout_seconds=1.0, reregister_timeout_seconds=5.0)
        self.schedulers: dict[int, Scheduler] = {}
        self.links: dict[int, AgentLink] = {}
        self.agent_ids: dict[int, str] = {}
        self.tasks = 0

    @rule(number=NUMBERS, checkpoint=st.booleans(), aware=st.booleans(), timeout=NUMBERS)
    def subscribe(self, number: int, checkpoint: bool, aware: bool, timeout: int) -> None:
        info: dict[str, Any] = {
            "checkpoint": checkpoint,
            "capabilities": AWARE if aware else [],
            "failover_timeout": float(timeout),
        }
        self.schedulers[number] = self.rig.subscribe(f"framework-{number}", **info)

    @rule(number=NUMBERS)
    def agent_comes(self, number: int) -> None:
        agent_id = self.agent_ids.get(number)
        link = self.rig.agent(number, agent_id, **self.report(agent_id))
        if link.agent_id:
            self.agent_ids[number] = link.agent_id
            self.links[number] = link

    def report(self, agent_id: str | None) -> Json:
        """What a truthful agent knows: all that the master launched there, running."""
        frameworks: dict[str, Json] = {}
        tasks = []
        for framework in self.rig.master.cluster.frameworks.values():
            for task in (*framework.tasks.values(), *framework.unreachable.values()):
                if task.agent_id == agent_id:
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
    max_examples=40,
    stateful_step_count=30,
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
