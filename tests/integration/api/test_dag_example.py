"""The runner of steps in docs/examples on a real cell: killed half-way, two at once, failing.

The witness is a file that each task writes a line into: a step that ran twice stands there twice.
"""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.processes import wait_until
from tests.support.api_process import ApiProcess
from tests.support.world import World, batch_of

pytestmark = pytest.mark.integration
ROOT = Path(__file__).parents[3]
StartApi = Callable[[], ApiProcess]
WAIT_S = 90.0
STEPS = {"extract": [], "clean": ["extract"], "index": ["extract"], "publish": ["clean", "index"]}


class Runs:
    """Runners of one file, and what its steps have left."""

    def __init__(self, home: Path, api: ApiProcess) -> None:
        self.home = home
        self._api = api
        self._started: list[subprocess.Popen[str]] = []

    def write(self, name: str, failing: str = "") -> None:
        """A file of steps; each says that it runs and waits until it is let go."""
        steps: dict[str, Any] = {}
        for step, after in STEPS.items():
            go = self.home / f"go-{name}-{step}"
            words = f"echo {step} >> {self.home / name}; until [ -e {go} ]; do sleep 0.1; done"
            ends = "exit 3" if step == failing else "exit 0"
            job = batch_of(1, f"{words}; {ends}") | {"applicationName": name}
            steps[step] = {"after": after, "job": job}
        text = json.dumps({"name": name, "steps": steps})  # JSON is YAML.
        (self.home / f"{name}.yaml").write_text(text)

    def start(self, name: str) -> subprocess.Popen[str]:
        """A runner of the file."""
        runner = subprocess.Popen(
            [
                *(sys.executable, str(ROOT / "docs/examples/dag/dag.py")),
                *(str(self.home / f"{name}.yaml"), "--run", "r"),
                *("--api", f"http://{self._api.address}"),
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={"PYTHONPATH": str(ROOT)},
        )
        self._started.append(runner)
        return runner

    def ran(self, name: str) -> list[str]:
        """The steps that have run, in the order in which they began."""
        file = self.home / name
        return file.read_text().split() if file.exists() else []

    def until_running(self, name: str, *steps: str) -> None:
        """Return when all of these have begun."""
        wait_until(lambda: set(steps) <= set(self.ran(name)), f"{steps} run", WAIT_S)

    def let_go(self, name: str, *steps: str) -> None:
        """Let these steps end."""
        for step in steps:
            (self.home / f"go-{name}-{step}").touch()

    def close(self) -> None:
        """End what still runs."""
        for each in self._started:
            each.kill()
            each.communicate()


def test_a_runner_that_is_killed_goes_on_and_runs_no_step_twice(
    world: World, cluster_port: int, start_api: StartApi, tmp_path: Path
) -> None:
    world.start_cluster(cluster_port)
    world.start_cell("cell-0")
    api = start_api()
    api.until("/health", lambda said: said.json["leader"] == "cell-0", "the leader is known")
    runs = Runs(tmp_path, api)
    try:
        runs.write("good")
        first = runs.start("good")
        runs.until_running("good", "extract")
        first.kill()
        runs.let_go("good", "extract")
        # Two at once: what one asks for while the other does is the same job.
        both = [runs.start("good"), runs.start("good")]
        runs.until_running("good", "clean", "index")
        both[0].kill()
        runs.let_go("good", "clean", "index", "publish")
        out, _ = both[1].communicate(timeout=WAIT_S)
        assert both[1].returncode == 0, out
        assert "publish succeeded" in out
        ran = runs.ran("good")
        assert sorted(ran) == sorted(STEPS)
        assert (ran[0], ran[-1]) == ("extract", "publish")
        again = runs.start("good")
        assert again.wait(WAIT_S) == 0
        assert len(runs.ran("good")) == len(STEPS), "what is done is not done again"

        runs.write("bad", failing="clean")
        failing = runs.start("bad")
        runs.let_go("bad", *STEPS)
        out, _ = failing.communicate(timeout=WAIT_S)
        assert failing.returncode == 1, out
        assert "clean failed" in out
        assert "index succeeded" in out
        assert "publish not begun: a step before it failed" in out
        assert sorted(runs.ran("bad")) == ["clean", "extract", "index"]
    finally:
        runs.close()
