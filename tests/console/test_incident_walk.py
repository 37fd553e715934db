"""The demo's incident on a real cell, explained from the console alone.

A detector finds a host's disk failing, an operator shortens how long lost tasks are waited for, the
host dies with what runs on it. Somebody who knows none of this opens the incident page and has to
find all three, and how one task came to be another. Afterwards the world is as it was.
"""

from typing import Final

import pytest
from playwright.sync_api import Page, expect

from scheduler.model.codec import encode_verdict
from scheduler.model.health import Evidence, HostJudged
from scheduler.model.ids import HostId, TaskId
from scheduler.model.task import Finished, Started, place_of
from tests.support.console_world import ConsoleWorld
from tests.support.world import World

pytestmark = pytest.mark.integration

WAITED_MS: Final = 1_500
LINE: Final = "EXT4-fs error (device sda1): ext4_find_entry: inode #2: reading directory"


def judge(world: World, host_id: HostId, *, is_sick: bool) -> None:
    """Say of a host what a detector would."""
    evidence = (Evidence("line", LINE),) if is_sick else ()
    score_milli = 950 if is_sick else 0
    judged = HostJudged(host_id, "lines", "sick" if is_sick else "well", score_milli, evidence)
    world.publish("verdicts", host_id, encode_verdict(judged))


def place_to_die(world: World) -> tuple[TaskId, HostId, str]:
    """A task of the service, and the id and name of its host."""
    task = world.tasks("web")[0]
    place = place_of(task.state)
    assert place is not None
    return task.task_id, place.host_id, world.machine.state.hosts[place.host_id].hostname


def names_of(world: World) -> list[str]:
    """The agents of the dev cluster."""
    assert world.cluster is not None
    return [str(each["node"]) for each in world.cluster.status()["nodes"]]


def goes_wrong(world: World) -> tuple[str, str]:
    """Let it all happen; the task that was lost, and the name of its host."""
    task_id, host_id, hostname = place_to_die(world)
    judge(world, host_id, is_sick=True)
    world.until(lambda: host_id in world.machine.state.away_hosts, "the host is sick")
    world.set_policy(unreachable_timeout_ms=WAITED_MS)
    node = next(name for name in names_of(world) if name in hostname)
    assert world.cluster is not None
    world.cluster.kill(node, host=True)
    world.until(
        lambda: (
            isinstance(world.machine.state.tasks[task_id].state, Finished)
            and world.are("web", Started, 3)
        ),
        "another task is in place of the lost one",
    )
    world.cluster.start_node(node)
    judge(world, host_id, is_sick=False)
    return task_id, hostname


def test_an_incident_is_explained_from_the_console_alone(here: ConsoleWorld, page: Page) -> None:
    here.do(World.read)
    task_id, hostname = here.do(goes_wrong)
    here.caught_up()
    page.goto(f"{here.url}/#/incident")
    part = page.locator
    expect(part('[data-section="verdicts"]')).to_contain_text("EXT4-fs error")
    expect(part('[data-section="verdicts"]')).to_contain_text(hostname)
    policy = part('[data-section="policy"]')
    expect(policy).to_contain_text("a shorter test")
    expect(policy).to_contain_text(f"{WAITED_MS} ms")
    expect(part('[data-section="hosts"]')).to_contain_text(f"disconnected with its host {hostname}")
    # What became of the task, step by step, back to who asked for its job.
    page.get_by_label("Chain of task").fill(task_id)
    page.get_by_role("button", name="Open").click()
    steps = part('[data-section="chain"] ol.chain li')
    expect(steps.first).to_contain_text("web: submitted")
    expect(steps.last).to_contain_text("Finished")
    expect(part('[data-section="chain"] ol.chain')).to_contain_text("replaced: by web-worker-")
    expect(part('[data-section="chain"] ol.chain')).to_contain_text("time-out ran out")
