"""What operators and operations ask of a simulated agent: it drains, and it keeps reservations."""

from connectors.devcluster.master import draining
from connectors.devcluster.simulated.model import Model, Run, Start, Stop
from connectors.devcluster.words import Json
from tests.unit.devcluster.simulated_rig import SimulatedRig, task

SOON = 1.0
SECOND = 1_000_000_000


def rig_of(**framework: object) -> SimulatedRig:
    """One agent; a start of 2 s, a run of 1000 s, and commands that ignore SIGTERM."""
    stop = Stop(seconds=0.5, ignores_term_share=1.0)
    model = Model(delay_s=0.0, start=Start(seconds=2.0), runs=(Run(seconds=1000.0),), stop=stop)
    return SimulatedRig(model, **framework)  # type: ignore[arg-type]


def drain(rig: SimulatedRig, grace_s: int | None = None, *, mark_gone: bool = False) -> str:
    """Drain the only agent, whose id is the answer."""
    agent_id = next(iter(rig.master.cluster.agents))
    grace = None if grace_s is None else grace_s * SECOND
    problem = draining.drain(rig.master.cluster, agent_id, grace, rig.now, mark_gone=mark_gone)
    assert problem is None
    # No time passes, but the order arrives.
    rig.pass_time(0.0)
    return str(agent_id)


def state_of(rig: SimulatedRig, agent_id: str) -> str:
    """How far the drain is."""
    return rig.master.cluster.operator.drains[agent_id].state


def test_a_drain_kills_with_the_shorter_grace_and_ends_when_all_is_acknowledged() -> None:
    rig = rig_of()
    policy = {"kill_policy": {"grace_period": {"nanoseconds": 4 * SECOND}}}
    rig.launch(task("own", **policy), task("drained"))
    rig.pass_time(5.0, is_acknowledging=True)
    agent_id = drain(rig, 9)
    began = rig.now
    rig.pass_time(20.0)
    ends = {s["task_id"]["value"]: s for s in rig.updates if s["state"] == "TASK_KILLED"}
    assert {s["reason"] for s in ends.values()} == {"REASON_AGENT_DRAINING"}
    assert round(ends["own"]["timestamp"] - began) == 4
    assert round(ends["drained"]["timestamp"] - began) == 9
    assert state_of(rig, agent_id) == "DRAINING"
    rig.acknowledge_all()
    rig.pass_time(SOON)
    assert state_of(rig, agent_id) == "DRAINED"


def test_a_task_that_comes_to_a_draining_agent_was_never_started() -> None:
    rig = rig_of()
    offer = rig.offers[-1]
    agent = rig.fleet.agents["agent1"]
    # The order to drain and a launch cross each other.
    agent.from_master({"type": "DRAIN", "max_grace_period": None, "mark_gone": False}, rig.now)
    rig.launch(task("t"), offer=offer)
    rig.pass_time(SOON)
    assert rig.states("t") == ["TASK_DROPPED"]
    assert rig.updates[-1]["reason"] == "REASON_AGENT_DRAINING"


def test_a_task_on_its_way_is_killed_by_a_drain_before_delivery() -> None:
    rig = rig_of()
    rig.launch(task("t"))
    rig.pass_time(SOON)
    drain(rig)
    rig.pass_time(SOON)
    assert rig.states("t") == ["TASK_KILLED"]
    assert rig.updates[-1]["reason"] == "REASON_AGENT_DRAINING"


def test_an_agent_that_is_to_be_gone_after_its_drain_says_so_of_its_tasks() -> None:
    rig = rig_of()
    rig.launch(task("t"))
    rig.pass_time(5.0, is_acknowledging=True)
    agent_id = drain(rig, 1, mark_gone=True)
    rig.pass_time(5.0, is_acknowledging=True)
    assert rig.states("t")[-1] == "TASK_GONE_BY_OPERATOR"
    assert agent_id in rig.master.cluster.gone
    assert not rig.fleet.agents["agent1"].is_up


def test_an_agent_taken_back_runs_tasks_again() -> None:
    rig = rig_of()
    agent_id = drain(rig)
    rig.pass_time(SOON)
    assert draining.reactivate(rig.master.cluster, agent_id, rig.now) is None
    rig.pass_time(SOON)
    rig.launch(task("t"))
    rig.pass_time(5.0, is_acknowledging=True)
    assert rig.states("t")[-1] == "TASK_RUNNING"


def test_an_agent_that_was_away_learns_of_its_drain_and_of_its_end() -> None:
    rig = rig_of()
    rig.launch(task("t"))
    rig.pass_time(5.0, is_acknowledging=True)
    rig.fleet.kill("agent1", rig.now)
    rig.pass_time(SOON)
    agent_id = drain(rig, 1)
    rig.pass_time(SOON)
    assert rig.fleet.revive("agent1", rig.now) is None
    rig.pass_time(5.0, is_acknowledging=True)
    assert rig.states("t")[-1] == "TASK_KILLED"
    assert state_of(rig, agent_id) == "DRAINED"
    rig.fleet.kill("agent1", rig.now)
    rig.pass_time(SOON)
    assert draining.reactivate(rig.master.cluster, agent_id, rig.now) is None
    assert rig.fleet.revive("agent1", rig.now) is None
    rig.pass_time(SOON)
    assert rig.fleet.agents["agent1"].drain is None


# Operations

RESERVED: Json = {
    "name": "cpus",
    "type": "SCALAR",
    "scalar": {"value": 2.0},
    "reservations": [{"type": "DYNAMIC", "role": "r", "principal": "p"}],
}


def reserving() -> SimulatedRig:
    """A framework that may reserve, and has just done so under the id ``op``."""
    rig = rig_of(
        role="r",
        principal="p",
        capabilities=[{"type": "PARTITION_AWARE"}, {"type": "RESERVATION_REFINEMENT"}],
    )
    reserve = {
        "type": "RESERVE",
        "id": {"value": "op"},
        "reserve": {"resources": [RESERVED]},
    }
    rig.call("ACCEPT", offer_ids=[rig.offers[-1]["id"]], operations=[reserve])
    rig.pass_time(SOON)
    return rig


def test_an_operation_is_answered_and_repeated_until_it_is_acknowledged() -> None:
    rig = reserving()
    assert [s["state"] for s in rig.operations] == ["OPERATION_FINISHED"]
    rig.pass_time(12.0)
    assert len(rig.operations) == 2
    status = rig.operations[-1]
    rig.call(
        "ACKNOWLEDGE_OPERATION_STATUS",
        agent_id=status["agent_id"],
        uuid=status["uuid"]["value"],
        operation_id=status["operation_id"],
    )
    rig.pass_time(60.0)
    assert len(rig.operations) == 2
    book = rig.fleet.agents["agent1"].operations
    assert book is not None
    assert not book.answers


def test_what_is_reserved_outlives_the_agents_process_and_its_host() -> None:
    rig = reserving()
    for kill in (rig.fleet.kill, rig.fleet.kill_host):
        assert kill("agent1", rig.now) is None
        rig.pass_time(SOON)
        assert rig.fleet.revive("agent1", rig.now) is None
        rig.pass_time(SOON)
    (agent,) = rig.master.cluster.agents.values()
    assert agent.total.reserved()["r"].quantities == {"cpus": 2000}
    # The answer that was not acknowledged is given again each time.
    assert len(rig.operations) == 3
