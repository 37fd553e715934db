"""Whatever dies when: one launch for each proposal, one live task an index, nothing lost.

Each test runs real processes on a real Kafka against the dev cluster, ends or stops a leader at
its worst moment, and compares the cell log with the cluster's own journal afterwards.
"""

import signal
import time

import pytest

from scheduler.model.task import Started
from tests.support.world import World, batch_of, service_of

pytestmark = pytest.mark.integration

# The session time-out is 6 s; the rest is for a busy computer.
LEADERSHIP_MOVES_WITHIN_S = 60.0


MARKED = ("inbound-read:jobs", "call-sent:AcceptOffers", "update-written:StatusUpdate")
"""The other points are those at which `test_killed_at_each_step` kills, ten times each."""


@pytest.mark.parametrize("point", MARKED)
def test_a_leader_killed_at_a_marked_point_leaves_nothing_doubled_or_lost(
    world: World, point: str
) -> None:
    # One cell process dies by SIGKILL at the point, another takes over, both jobs run on.
    world.start_cell("cell-0", crash_at=point)
    world.start_cell("cell-1")
    world.submit("job", batch_of(6, "sleep 1"))
    world.submit("more", batch_of(4, "true"))
    assert world.wait_cell("cell-0", timeout_s=60) == -signal.SIGKILL
    world.until(
        lambda: world.machine.state.leader == "cell-1", "another leader", LEADERSHIP_MOVES_WITHIN_S
    )
    world.until(lambda: world.is_normal("job") and world.is_normal("more"), "both jobs done", 120)
    world.check_sound()


@pytest.mark.parametrize("stopped_s", [15, pytest.param(60, marks=pytest.mark.soak)])
def test_a_leader_stopped_for_long_acts_no_more_when_it_goes_on(
    world: World, stopped_s: int
) -> None:
    # SIGSTOP, another takes over and works, SIGCONT: the old one ends by itself. The session's
    # time-out is 6 s, so that 15 s and 60 s are the same to it.
    world.start_cell("cell-0")
    world.submit("before", service_of(3, "sleep 1000"))
    world.until(lambda: world.are("before", Started, 3), "the service runs")
    world.start_cell("cell-1")
    ids = [task.task_id for task in world.tasks("before")]
    epochs = len(world.epochs())
    leader = world.machine.state.leader
    other = {"cell-0": "cell-1", "cell-1": "cell-0"}[leader]
    world.signal_cell(leader, signal.SIGSTOP)
    stopped_at_s = time.monotonic()
    world.until(lambda: len(world.epochs()) > epochs, "another leader", LEADERSHIP_MOVES_WITHIN_S)
    assert world.machine.state.leader == other
    world.submit("meanwhile", batch_of(4, "sleep 0.2"))
    world.until(lambda: world.is_normal("meanwhile"), "a job of the new leader")
    world.until(lambda: time.monotonic() - stopped_at_s > stopped_s, "its time", stopped_s + 10)
    world.signal_cell(leader, signal.SIGCONT)
    assert world.wait_cell(leader, timeout_s=60) == 3
    world.submit("after", batch_of(4, "sleep 0.2"))
    world.until(lambda: world.is_normal("after"), "a job after all that")
    assert [task.task_id for task in world.tasks("before")] == ids
    assert world.are("before", Started, 3)
    world.check_sound()


def test_a_long_absence_ends_no_task_and_times_none_out(world: World) -> None:
    # All cell processes are away for longer than Mesos waits for an agent (4 pings of 1 s).
    world.start_cell("cell-0")
    world.set_policy(launch_timeout_ms=3_000, unreachable_timeout_ms=3_000)
    world.submit("service", service_of(4, "sleep 1000"))
    world.until(lambda: world.are("service", Started, 4), "the service runs")
    ids = [task.task_id for task in world.tasks("service")]
    world.kill_cell("cell-0")
    gone_at_s = time.monotonic()
    world.until(lambda: time.monotonic() - gone_at_s > 12, "12 s of absence", 20)
    epochs = len(world.epochs())
    world.start_cell("cell-0")
    world.until(lambda: len(world.epochs()) > epochs, "a leader again")
    world.submit("probe", batch_of(1, "true"))
    world.until(lambda: world.is_normal("probe"), "a job after the absence")
    assert [task.task_id for task in world.tasks("service")] == ids
    assert world.are("service", Started, 4)
    assert not world.journal("KILL")
    world.check_sound()
    # It joins the group when it could lead: till then a process that stands by is given the cell.
    said = (world.home / "cell-0-0.log").read_text()
    assert 0 <= said.find("caught up") < said.find("cells were assigned")
