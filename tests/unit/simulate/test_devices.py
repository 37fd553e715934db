"""Hosts with devices in a simulation: what tasks hold of them, and what is left in fragments."""

import pytest
from msgspec.structs import replace

from projections.simulate.openb import MixLearner, capacity_of, median_series
from projections.simulate.policies import bestfit, gpu, pack
from projections.simulate.replay import Replay
from projections.simulate.report import Observer, Sample, Waits, waits_of, zone_spread
from projections.simulate.trace import Trace, TraceTask
from scheduler.model.ids import HostId, JobId
from scheduler.model.resources import Need, Resources
from scheduler.model.rules import PlacementRules
from scheduler.placement.gpu_mix import Mix, Shape
from scheduler.placement.host import GpuDevice, HostView
from scheduler.placement.request import Request

WHOLE = Need(cpu_milli=4_000, memory_mib=1, gpus=1)
PAIR = Need(cpu_milli=2_000, memory_mib=1, gpus=2)
HALF = Need(cpu_milli=1_000, memory_mib=1, gpu_milli=500)


def host(name: str, cpus: int, devices: int) -> HostView:
    """An empty host with devices of one model."""
    total = Resources(cpu_milli=1_000 * cpus, memory_mib=1_000)
    free = (GpuDevice(1_000),) * devices
    model = "T4" if devices else ""
    return HostView(HostId(name), total, total, hostname=name, gpu_model=model, gpus=free)


def trace(hosts: list[HostView], *needs: Need) -> Trace:
    """Tasks that come one after the other and stay."""
    tasks = [
        TraceTask(f"t{number}", Request(JobId(f"j{number}"), need), 1_000 * number)
        for number, need in enumerate(needs)
    ]
    return Trace(hosts, tasks, has_times=True)


def run(of: Trace, rules: PlacementRules | None = None) -> tuple[Replay, list[Sample]]:
    """The trace under our policy for devices or these rules, looked at after each call."""
    replay, observer = Replay(of, rules or gpu(), batch=1), Observer(of)
    replay.build()
    return replay, [observer.sample(replay) for _ in replay.calls()]


def test_what_tasks_hold_of_devices_and_what_is_left_for_others() -> None:
    """Of each call both shapes are asked, one task of each: idle devices that it cannot use."""
    replay, found = run(trace([host("a", 8, 2)], WHOLE, HALF))
    assert [each.gpu_milli for each in found] == [500, 750]
    assert [each.cpu_milli for each in found] == [500, 625]
    # Both may use the device that is idle; then the half has 500 for another half, and 3 cpus
    # are too few for a whole one: 500 of two times 500.
    assert [each.fragmented_milli for each in found] == [0, 500]
    assert replay.host_of(1) == "a"


def test_hosts_without_tasks_count_as_they_are() -> None:
    _, found = run(trace([host("a", 4, 1), host("b", 2, 1)], WHOLE))
    (sample,) = found
    # Host b has two cpus for a task that needs four: all that is idle is a fragment.
    assert (sample.gpu_milli, sample.fragmented_milli) == (500, 1_000)
    assert (sample.hosts_used, sample.running, sample.offered) == (1, 1, 1)


def test_devices_of_a_model_that_nobody_asks_for_are_fragments() -> None:
    other = replace(host("b", 8, 1), gpu_model="P100")
    picky = replace(WHOLE, gpu_models=("T4",))
    replay, (sample,) = run(trace([host("a", 8, 2), other], picky))
    assert replay.host_of(0) == "a"
    assert sample.fragmented_milli == 500


def test_a_trace_without_devices_learns_none() -> None:
    replay, (sample,) = run(trace([host("a", 8, 0)], Need(1_000, 1)))
    assert replay.host_of(0) == "a"
    assert (sample.gpu_milli, sample.fragmented_milli) == (0, 0)


@pytest.mark.parametrize(("rules", "second"), [(gpu(), "single"), (bestfit(), "pair")])
def test_what_came_before_says_which_devices_are_spared(rules: PlacementRules, second: str) -> None:
    """A half goes to the fuller host, but by our policy not where it spoils a pair of devices."""
    hosts = [host("taken", 4, 2), host("pair", 8, 2), host("single", 33, 1)]
    replay, _ = run(trace(hosts, PAIR, HALF), rules)
    assert (replay.host_of(0), replay.host_of(1)) == ("taken", second)


def test_a_mix_is_taken_anew_whenever_twice_as_many_came() -> None:
    learner = MixLearner(capacity_of([host("a", 8, 2)]))
    news = [learner.learn(WHOLE) for _ in range(9)]
    assert [at for at, is_new in enumerate(news, 1) if is_new] == [1, 2, 4, 8]
    assert learner.mix == Mix(((Shape(4_000, 1), 8),), (("T4", 2),))
    _, found = run(trace([host("a", 16, 4)], WHOLE, WHOLE, WHOLE))
    assert [each.gpu_milli for each in found] == [250, 500, 750], "the third changes no mix"
    given = MixLearner({}, learner.mix)
    assert not given.learn(HALF)
    assert given.mix is learner.mix


def test_of_nothing_there_are_no_waits_no_spread_and_no_median() -> None:
    replay = Replay(trace([host("a", 8, 0)]), pack(), batch=1)
    assert waits_of(replay) == Waits(0, 0, 0, 0, (0,))
    assert zone_spread(replay).jobs == 0
    assert median_series([]) == {}


@pytest.mark.parametrize("batch", [0, -1])
def test_a_call_has_a_task_at_least(batch: int) -> None:
    with pytest.raises(AssertionError, match="a call of"):
        Replay(trace([]), pack(), batch=batch)
