"""The same seed gives the same day of simulated agents, and the books balance all the way.

The model of each case is drawn: pulls, addresses, failures, kills, hosts that die. What is compared
is every line of both journals and every update, with their times.
"""

from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.devcluster.master.model import invariant_errors
from connectors.devcluster.simulated.distributions import Exponential, LogNormal, Uniform
from connectors.devcluster.simulated.model import (
    Exit,
    Hosts,
    Images,
    Interfaces,
    Model,
    Run,
    Start,
    Stop,
    check,
)
from connectors.devcluster.words import TERMINAL
from tests.unit.devcluster.simulated_rig import SimulatedRig, task

TASKS = 30
SHARES = st.sampled_from([0.0, 0.1, 0.5])


@st.composite
def models(draw: st.DrawFn) -> Model:
    """Models of bad days."""
    return Model(
        name="drawn",
        delay_s=Uniform(0.001, 0.01),
        images=Images(
            size_mib=LogNormal(200, 1.0),
            cache_mib=draw(st.sampled_from([0.0, 500.0, 20_000.0])),
            registry_pulls_max=draw(st.integers(0, 3)),
            unpack_s=Exponential(1.0),
            failure_share=draw(SHARES),
        ),
        interfaces=Interfaces(
            tasks=draw(st.sampled_from(["none", "all"])),
            per_host=2,
            addresses_each=draw(st.integers(1, 20)),
            attach_s=Exponential(2.0),
        ),
        start=Start(seconds=Exponential(1.0), failure_share=draw(SHARES)),
        runs=(Run(seconds=Exponential(20.0), exits=(Exit(share=0.5), Exit(status=1, share=0.5))),),
        stop=Stop(seconds=Exponential(1.0), ignores_term_share=draw(SHARES)),
        hosts=Hosts(uptime_s=draw(st.sampled_from([None, Exponential(60.0)])), downtime_s=20.0),
    )


def _day(model: Model, seed: int) -> SimulatedRig:
    rig = SimulatedRig(model, seed, agents=3)
    for number in range(TASKS):
        if number < len(rig.offers):
            rig.launch(task(f"t{number}", f"image{number % 4}"), offer=rig.offers[number])
        if number % 5 == 4:
            rig.call("KILL", task_id={"value": f"t{number - 3}"})
        rig.pass_time(1.5, is_acknowledging=True)
        assert invariant_errors(rig.master.cluster) == []
    rig.pass_time(600.0, is_acknowledging=True)
    assert invariant_errors(rig.master.cluster) == []
    return rig


@settings(max_examples=15, deadline=None)
@given(model=models(), seed=st.integers(0, 2**31))
def test_the_same_seed_gives_the_same_day(model: Model, seed: int) -> None:
    assert check(model) is None
    first, second = _day(model, seed), _day(model, seed)
    assert first.journal == second.journal
    assert first.updates == second.updates


@settings(max_examples=15, deadline=None)
@given(model=models(), seed=st.integers(0, 2**31))
def test_every_launched_task_ends_once_and_holds_nothing(model: Model, seed: int) -> None:
    rig = _day(model, seed)
    launched = [facts["task_id"] for _, facts in rig.lines("LAUNCH")]
    assert launched
    started = [facts["task_id"] for _, facts in rig.lines("STARTED")]
    ended = [facts["task_id"] for _, facts in rig.lines("ENDED")]
    assert sorted(started) == sorted(set(started)) == sorted(ended)
    last = {s["task_id"]["value"]: s["state"] for s in rig.updates if "uuid" in s}
    assert last.keys() == set(launched)
    assert set(last.values()) <= TERMINAL
    assert rig.fleet.live_tasks() == 0
