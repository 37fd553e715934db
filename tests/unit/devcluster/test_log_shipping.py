"""An agent's shipping of its tasks' logs: which tasks, a failing store, a killed agent, readers."""

from pathlib import Path

import pytest
from starlette.applications import Starlette

from connectors.devcluster.agent import log_shipping
from connectors.devcluster.agent.log_shipping import LogShipping
from connectors.devcluster.agent.model import LocalTask, Phase
from connectors.objects.directory import DirectoryStore
from connectors.tasklogs.limits import Limits
from tests.support.asgi import call
from tests.support.task_logs import ShakyStore
from tests.unit.devcluster.agent_rig import AgentRig, task_info

LIMITS = Limits(part_bytes_max=4_096, host_parts_max=1, file_bytes_max=64 * 4_096)
TASK = "a-worker-0-1"


class Shipping:
    """An agent's directory, its store, and the tasks that it knows of."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.store = ShakyStore(DirectoryStore(home / "store"))
        self.rig = AgentRig()
        self.logs = self.restarted()

    def restarted(self) -> LogShipping:
        """The shipping of an agent process that has just started."""
        return LogShipping(self.home, "agent1", self.store, LIMITS)

    def begin(self, task_id: str = TASK, framework: str = "flumina-main") -> LocalTask:
        """A task of that framework is launched."""
        task = LocalTask("f", task_info(task_id), "*", f"c-{task_id}", Phase.RUNNING, 0.0)
        sandbox = self.sandbox(task)
        sandbox.mkdir()
        (sandbox / "stdout").touch()
        self.rig.state.tasks["f", task_id] = task
        self.logs.began(task, framework, sandbox)
        self.logs.follow(self.rig.state)
        return task

    def sandbox(self, task: LocalTask) -> Path:
        return self.home / f"sandbox-{task.task_id}"

    def end(self, task: LocalTask) -> None:
        """The task's process has ended."""
        task.phase = Phase.ENDED
        self.logs.follow(self.rig.state)

    def stored(self) -> list[str]:
        """What the store has."""
        return [each.key.removeprefix("task-logs/") for each in self.store.facts("task-logs/")]


@pytest.fixture
def shipping(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shipping:
    monkeypatch.setattr(log_shipping, "RETRY_S_MAX", 0.0)
    return Shipping(tmp_path)


def test_a_task_of_a_cell_is_shipped_to_its_end_and_forgotten(shipping: Shipping) -> None:
    task = shipping.begin()
    (shipping.sandbox(task) / "stdout").write_bytes(b"hello")
    shipping.logs.step()
    assert not shipping.stored()
    shipping.end(task)
    shipping.logs.step()
    run = f"main/a/{TASK}/c-{TASK}"
    (part, complete) = sorted(shipping.stored(), reverse=True)
    assert part.startswith(f"{run}/stdout/{0:016d}-{5:016d}-")
    assert complete == f"{run}/complete.json"
    assert not list((shipping.home / "task-logs").iterdir())


@pytest.mark.parametrize(
    ("task_id", "framework"), [(TASK, "another"), ("no-task-of-ours", "flumina-main")]
)
def test_the_tasks_of_others_are_left_alone(
    shipping: Shipping, task_id: str, framework: str
) -> None:
    task = shipping.begin(task_id, framework)
    (shipping.sandbox(task) / "stdout").write_bytes(b"hello")
    shipping.end(task)
    shipping.logs.step()
    assert not shipping.stored()


def test_a_killed_agent_goes_on_with_what_was_not_complete(shipping: Shipping) -> None:
    task = shipping.begin()
    out = shipping.sandbox(task) / "stdout"
    out.write_bytes(b"x" * 5_000)
    shipping.logs.step()
    assert len(shipping.stored()) == 1
    shipping.logs = shipping.restarted()
    with out.open("ab") as file:
        file.write(b"y" * 10)
    shipping.logs.step()
    assert len(shipping.stored()) == 1, "nobody has said yet that the task ended"
    shipping.end(task)
    shipping.logs.step()
    parts = [each.rpartition("/")[2] for each in shipping.stored() if each.endswith(".gz")]
    assert [part.split("-")[:2] for part in sorted(parts)] == [
        [f"{0:016d}", f"{4_096:016d}"],
        [f"{4_096:016d}", f"{5_010:016d}"],
    ]


def test_one_task_whose_files_cannot_be_dealt_with_stops_no_other(
    shipping: Shipping, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_shipping, "RETRY_S_MAX", 60.0)
    bad, good = shipping.begin(), shipping.begin("b-worker-0-1")
    for task in (bad, good):
        (shipping.sandbox(task) / "stdout").write_bytes(b"hello")
        shipping.end(task)
    put_new = shipping.store.put_new

    def put_new_or_fail(key: str, data: bytes) -> None:
        if TASK in key:
            raise OSError("input/output error")
        put_new(key, data)

    monkeypatch.setattr(shipping.store, "put_new", put_new_or_fail)
    shipping.logs.step()
    assert any(each.endswith("complete.json") for each in shipping.stored())
    assert all("b-worker-0-1" in each for each in shipping.stored())
    monkeypatch.setattr(shipping.store, "put_new", put_new)
    shipping.logs.step()
    assert not any(TASK in each for each in shipping.stored()), "it rests for a minute"


def test_a_store_that_fails_is_asked_again(
    shipping: Shipping,
) -> None:
    first, second = shipping.begin(), shipping.begin("a-worker-1-1")
    for task in (first, second):
        (shipping.sandbox(task) / "stdout").write_bytes(b"hello")
        shipping.end(task)
    shipping.store.weather = "after"
    shipping.logs.step()
    shipping.store.weather = "good"
    shipping.logs.step()
    shipping.logs.step()
    assert len([each for each in shipping.stored() if each.endswith("complete.json")]) == 2


def test_an_unreadable_state_is_put_aside_and_the_agent_starts(shipping: Shipping) -> None:
    shipping.begin()
    (state,) = (shipping.home / "task-logs").iterdir()
    state.write_bytes(b"{half")
    shipping.logs = shipping.restarted()
    shipping.logs.step()
    (left,) = (shipping.home / "task-logs").iterdir()
    assert left.suffix == ".unreadable"


def test_a_reader_gets_what_was_just_written_and_no_path_of_its_own(shipping: Shipping) -> None:
    task = shipping.begin()
    (shipping.sandbox(task) / "stdout").write_bytes(b"hello\x00\xff")
    app = Starlette(routes=shipping.logs.routes())
    asked = f"/flumina/task-log?framework_id=f&task_id={TASK}"
    answer = call(app, "GET", f"{asked}&file=stdout&offset=1")
    assert (answer.status, answer.body) == (200, b"ello\x00\xff")
    assert answer.headers["x-flumina-piece"] == "bytes"
    for wrong in ("../stdout", "/etc/passwd", "stdout%00", "nothing.log", ""):
        refused = call(app, "GET", f"{asked}&file={wrong}")
        assert (refused.status, refused.headers["x-flumina-piece"]) == (404, "unknown")
    assert call(app, "GET", "/flumina/task-log?framework_id=f&task_id=x&file=stdout").status == 404


def test_without_a_store_there_is_no_shipping(tmp_path: Path) -> None:
    assert log_shipping.log_shipping(tmp_path, "agent1", "", 64) is None
