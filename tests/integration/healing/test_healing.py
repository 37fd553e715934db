"""A check that fails is healed by a script on its host, and a black hole is emptied and told of.

How: a real Kafka, a dev cluster of three agents, the cell with its lane for scripts, and the prober
as `up` starts it. One agent's check is broken by file; on another every task fails at once, for the
tasks look where they run. All is read from the cell log, which is folded here.
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from connectors.healing.faults import break_probe, broken
from scheduler.model.changes import HealingChanged, HostHealthChanged, TaskChanged
from scheduler.model.foreign_healing import encode_set_runbooks
from streams.supervise.ports import free_block
from tests.support.world import World, batch_of

pytestmark = pytest.mark.integration

EXAMPLE = Path(__file__).parents[3] / "docs" / "examples" / "runbooks.yaml"
FAILS_ON_AGENT1 = 'case "$PWD" in */agent1/*) exit 3;; *) exec sleep 300;; esac'


@pytest.fixture
def world(
    kafka: str, topic_prefix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[World]:
    """A cell that may run scripts on the agents of its dev cluster."""
    there = World(kafka, topic_prefix, tmp_path)
    monkeypatch.setenv("FLUMINA_HEALING", f"dev:{tmp_path / 'mesos'}")
    try:
        there.start_cluster(free_block(4), agents=3)
        there.start_cell("cell-1")
        documents = YAML(typ="safe").load(EXAMPLE.read_text())["runbooks"]
        there.publish("commands", "test", encode_set_runbooks(documents, "test", "a test"))
        yield there
    finally:
        there.close()


@pytest.fixture
def prober(world: World) -> Iterator[None]:
    """The process that looks at the agents, twice a second."""
    directory = str(world.home / "mesos")
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "streams.cli.main", "prober"),
            *("--dev-cluster", directory, "--interval", "0.5"),
        ],
        env=os.environ
        | {
            "KAFKA_BROKERS": world.kafka,
            "MESOS_MASTER": world.master,
            "FLUMINA_TOPIC_PREFIX": world.prefix,
        },
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    try:
        assert process.stdout.readline().startswith("ready ")
        yield
    finally:
        process.terminate()
        process.wait(20)
        process.stdout.close()


def said(world: World, kind: type[Any]) -> list[Any]:
    """All changes of one kind so far."""
    return [change for _, _, change in world.changes if isinstance(change, kind)]


def standings(world: World, hostname: str) -> list[str]:
    """How the health of a host has changed."""
    return [each.standing for each in said(world, HostHealthChanged) if each.hostname == hostname]


@pytest.mark.usefixtures("prober")
def test_a_broken_check_is_healed_and_a_black_hole_is_emptied(world: World) -> None:
    home = world.home / "mesos" / "agent2"
    world.until(lambda: len(world.machine.state.hosts) == 3, "three hosts have offered", 90)
    break_probe(home, "container", "the runtime hangs")
    world.until(lambda: "back" in standings(world, "agent2"), "agent2 is healed", 90)
    assert standings(world, "agent2") == ["away", "back"]
    run = [each for each in said(world, HealingChanged) if each.hostname == "agent2"]
    steps = [(each.step, each.exit_code) for each in run if each.step]
    assert steps == [("diagnose", 1), ("judge", None), ("heal", 0), ("probe", None)]
    assert "the runtime hangs" in run[1].output
    assert not broken(home)

    for number in range(6):
        descriptor = batch_of(3, FAILS_ON_AGENT1, cpu=0.5)
        world.submit(f"job-{number}", descriptor)
    world.until(lambda: "away" in standings(world, "agent1"), "the black hole is found", 90)
    (away,) = (each for each in said(world, HostHealthChanged) if each.hostname == "agent1")
    assert away.why.startswith("tasks: ")
    failed = [
        each
        for each in said(world, TaskChanged)
        if each.hostname == "agent1" and each.state == "Finished"
    ]
    assert 0 < len(failed) < 20
    ends = ("paged", "failed")
    world.until(
        lambda: any(
            each.hostname == "agent1" and each.state in ends for each in said(world, HealingChanged)
        ),
        "its run has ended; no cloud group is there to replace it",
        20,
    )
