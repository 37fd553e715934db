"""A black hole from the line in its log to the instance in its place, in one run and one log.

How: three instances of a group in moto are hosts of a cell. The shipped rules of health read a line
of one of them, on which from then on every task fails within 50 ms. The runbook is the example's,
and what it orders is asked of moto by the product's connector over HTTP. At the end the cell log
alone, folded once more, tells the story.
"""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from projections.health.blocks import LineRecord
from projections.health.judging import HealthFold
from scheduler.model.changes import FleetChanged, HealingChanged, HostHealthChanged, TaskChanged
from scheduler.model.foreign import decode_commands_record
from scheduler.model.foreign_healing import encode_set_runbooks
from scheduler.model.healing import RunbooksAsked
from scheduler.model.ids import HostId, OfferId, TaskId
from scheduler.model.mesos import Offer
from scheduler.model.resources import PortRange, Resources
from streams.health.rule_file import DEFAULT, rules_of
from tests.support.cell import batch
from tests.support.fleet import group_rule
from tests.support.moto import environment_of, moto_endpoint
from tests.support.moto_fleet import Account, Following

pytestmark = pytest.mark.integration  # It starts a stand-in for AWS.

__all__ = ["moto_endpoint"]
EXAMPLE = Path(__file__).parents[3] / "docs" / "examples" / "runbooks.yaml"
LINE = "kernel: Out of memory: Killed process 4242 (containerd)"
RUNS_MS = 60_000
STEP_MS = 3_000


class Story(Following):
    """A cell on moto of which one host fails whatever it is given."""

    def __init__(self, account: Account, name: str) -> None:
        rule = group_rule(name, idle_min=0, idle_max=10, size_min=3)
        super().__init__(account, name, rule)
        self.hole: HostId | None = None
        self.given = 0
        self.ends: dict[TaskId, int] = {}
        self.jobs = 0
        documents = YAML(typ="safe").load(EXAMPLE.read_text())["runbooks"]
        body = decode_commands_record(b"", encode_set_runbooks(documents, "ann", "a test"))
        assert isinstance(body, RunbooksAsked), body
        self.cell.copy("commands", body)

    def started(self, task_id: TaskId) -> None:
        """It runs for a minute, or fails at once."""
        cell = self.cell
        cell.status(task_id, "TASK_RUNNING")
        if cell.host_of(task_id) == self.hole:
            self.given += 1
            cell.now_ms += 50
            cell.status(task_id, "TASK_FAILED", message="Command exited with status 1")
        else:
            self.ends[task_id] = cell.now_ms + RUNS_MS

    def work(self) -> None:
        """Three seconds in which work comes, runs and ends, and hosts offer what is free."""
        cell, self.jobs = self.cell, self.jobs + 1
        cell.submit(batch(size=2), f"job-{self.jobs}")
        for task_id in [each for each, end_ms in self.ends.items() if end_ms <= cell.now_ms]:
            del self.ends[task_id]
            cell.status(task_id, "TASK_FINISHED")
        for instance_id in sorted(self.hosts):
            host_id = HostId(f"host-{instance_id}")
            busy = len(cell.state.host_tasks.get(host_id, ()))
            if host_id not in cell.state.host_offers and host_id in cell.state.hosts and busy < 16:
                free = Resources(8_000 - 500 * busy, 16_384, 5_000, (PortRange(31_000, 31_999),))
                name = OfferId(f"o{len(cell.log)}-{instance_id}")
                cell.offers(Offer(name, host_id, free))
        self.step(STEP_MS)


@pytest.fixture
def account(moto_endpoint: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Account]:
    for name, value in environment_of(moto_endpoint).items():
        monkeypatch.setenv(name, value)
    made = Account()
    yield made
    asyncio.run(made.cloud.close())


def of(story: Story, kind: type[Any], host_id: HostId) -> list[Any]:
    """What the log says of one host, in order."""
    return [each for each in story.cell.said(kind) if each.host_id == host_id]


def test_from_the_line_to_the_instance_in_its_place(account: Account) -> None:
    name = account.group(desired=3, minimum=1)
    story = Story(account, name)
    story.step()
    first = set(story.hosts)
    hole = story.hole = HostId(f"host-{min(story.hosts)}")
    instance_id = hole.removeprefix("host-")

    # The line, as the rules of the product read it; three of them make the host suspect.
    fold = HealthFold(rules_of(DEFAULT))
    now_ms = story.cell.now_ms
    records = [
        LineRecord(hole, (LINE,), [now_ms], f"host-logs:0:{at}", "0", now_ms) for at in range(3)
    ]
    (verdict,) = fold.take(records)
    assert verdict.standing == "suspect"
    story.cell.copy("verdicts", verdict)

    for _ in range(400):
        story.work()
        if instance_id not in story.hosts and len(story.hosts) == 3:
            break
    assert 0 < story.given < 20
    assert account.seen()[name].desired == 3, "it is replaced, and the group no smaller"

    # The story, from the log alone.
    health = story.cell.state.health[hole]
    lines = [each for each in health.verdicts if each.detector == "lines"]
    assert "Out of memory" in lines[0].evidence[0].text
    assert lines[0].evidence[0].source.startswith("host-logs:0:")
    away = of(story, HostHealthChanged, hole)[0]
    assert away.standing == "away"
    assert any("Command exited with status 1" in each.text for each in away.evidence)
    healing = of(story, HealingChanged, hole)
    assert [(each.step, each.outcome) for each in healing if each.step] == [
        ("drain", "done"),
        ("terminate", "done"),
    ]
    assert healing[-1].state == "replaced"
    fleet = of(story, FleetChanged, hole)
    replaced = next(each for each in fleet if each.what == "hostReplaced")
    assert (replaced.group, replaced.instance_id) == (name, instance_id)
    assert healing[0].run_id in replaced.why
    said = story.cell.said(FleetChanged)
    whats = [each.what for each in said if each.instance_id == instance_id]
    assert whats[whats.index("hostReplaced") + 1] == "orderDone"

    # And the one in its place works.
    (fresh,) = story.hosts - first
    for _ in range(10):
        story.work()
    started = {each.host_id for each in story.cell.said(TaskChanged) if each.state == "Started"}
    assert HostId(f"host-{fresh}") in started
    again = story.cell.refolded()
    assert again.digest.value() == story.cell.machine.digest.value()
