"""Stories of a scheduler made at random, played on both masters and told alike.

The one thing to know: a difference is told with the seed and the step. The clusters run one after
the other, so the second compares; where there is no real Mesos the books are checked alone.
"""

from collections import Counter
from typing import Any

import pytest

from tests.contract.mesos_client.clusters import Cluster
from tests.contract.mesos_master.master_client import Json, await_agents, request
from tests.contract.mesos_master.stories import Story
from tests.contract.mesos_master.story_player import TERMINAL, Player
from tests.processes import wait_until

pytestmark = pytest.mark.integration

# Seed to whether the weather is bad; each is short, and tells of many kinds of calls.
SEEDS = {175: False, 272: True}
LENGTH = 7
# A story may be told otherwise once because this computer is busy.
PLAYS = 3

_told: dict[int, list[Any]] = {}


@pytest.mark.parametrize("seed", SEEDS)
def test_a_random_story_is_told_alike(cluster: Cluster, seed: int) -> None:
    told = played(cluster, seed)
    before = _told.setdefault(seed, told)
    for _ in range(PLAYS - 1):
        if told == before:
            break
        told = played(cluster, seed)
    assert told == before


def played(cluster: Cluster, seed: int) -> list[Any]:
    """What came of the story; its books were balanced and no answer was a fault of the master."""
    player = Player(cluster, Story(seed, LENGTH, weather=SEEDS[seed]))
    told = player.play()
    await_agents(cluster.port, {"z1", "z2"})
    assert max(player.statuses) < 500
    demand_one_end_of_each(player)
    wait_until(lambda: is_balanced(cluster.port), "state and metrics tell the same")
    return told


def demand_one_end_of_each(player: Player) -> None:
    """A task ends at most as often as it was launched."""
    ends = Counter(
        name.removeprefix("task ")
        for _, _, _, heard in player.told
        for name, updates in heard.items()
        if name.startswith("task ")
        for each in updates
        if each["state"] in TERMINAL and each["reason"] != "REASON_RECONCILIATION"
    )
    assert ends <= player.launches


def is_balanced(port: int) -> bool:
    """Whether the master's pages and counters tell the same of what is used and who runs."""
    state, metrics = (request(port, "GET", p).json for p in ("/state", "/metrics/snapshot"))
    tasks = [task for framework in state["frameworks"] for task in framework["tasks"]]
    by_state = Counter(task["state"] for task in tasks)
    return all(
        round(metrics[f"master/{name}_used"], 3) == round(used(state, name), 3)
        and all(
            round(agent["used_resources"][name], 3) == round(of_tasks(agent, tasks, name), 3)
            for agent in state["slaves"]
        )
        for name in ("cpus", "mem")
    ) and all(
        metrics[f"master/tasks_{name}"] == by_state[f"TASK_{name.upper()}"]
        for name in ("running", "staging")
    )


def used(state: Json, name: str) -> float:
    """What all agents say is used."""
    return sum(float(agent["used_resources"][name]) for agent in state["slaves"])


def of_tasks(agent: Json, tasks: list[Json], name: str) -> float:
    """What the agent's tasks hold."""
    return sum(
        float(task["resources"][name])
        for task in tasks
        if task["slave_id"] == agent["id"] and task["state"] not in TERMINAL
    )
