"""The demo on a real Mesos that this test owns and hurts: a lost host, an agent back, a failover.

The one thing to know: two witnesses that know nothing of each other. The demo judges by its own
log; a thread here asks the agents themselves, all the time, which tasks they run.
"""

import json
import re
import shlex
import sys
import threading
import urllib.request
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

import pytest

from tests.contract.mesos_client.clusters import RealMesos, real_mesos
from tests.contract.mesos_master.master_client import await_agents
from tests.integration.cli import real_mesos_hand
from tests.support.command_line import process, processes_naming

pytestmark = [pytest.mark.integration, pytest.mark.real_mesos]

AGENTS = {"agent1": "z1", "agent2": "z2", "agent3": "z3"}
LOOK_EVERY_S = 0.2
TASK = re.compile(r"\S+-worker-(\d+)-\d+")


class Watch:
    """Which tasks the agents run, asked of them again and again."""

    def __init__(self, cluster: RealMesos) -> None:
        self._ports = [cluster.port + int(name.removeprefix("agent")) for name in AGENTS]
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self.seen: dict[str, set[int]] = {}
        """Every task that was ever seen running, with the ports of the agents that ran it."""
        self.doubled: list[str] = []

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._is_over.wait(LOOK_EVERY_S):
            places: dict[str, list[str]] = {}
            for port in self._ports:
                for task_id in _running_on(port):
                    self.seen.setdefault(task_id, set()).add(port)
                    places.setdefault(task_id.rpartition("-")[0], []).append(task_id)
            self.doubled += [f"{place}: {ids}" for place, ids in places.items() if len(ids) > 1]


def _running_on(port: int) -> list[str]:
    """The tasks that an agent says run there; none while it is away."""
    state: dict[str, Any] = {}
    with (
        suppress(OSError, ValueError),
        urllib.request.urlopen(f"http://127.0.0.1:{port}/state", timeout=2) as answer,
    ):
        state = json.load(answer)
    return [
        task["id"]
        for framework in state.get("frameworks", [])
        for executor in framework["executors"]
        for task in executor["tasks"]
        if task["state"] == "TASK_RUNNING"
    ]


def test_everything_is_hurt_and_every_task_is_accounted_for(tmp_path: Path, kafka: str) -> None:
    with real_mesos(tmp_path / "mesos") as mesos:
        mesos.start("agent3")
        mesos.await_agent("agent3")
        await_agents(mesos.port, set(AGENTS.values()))
        master = f"127.0.0.1:{mesos.port}"
        hand = [sys.executable, "-m", real_mesos_hand.__name__, str(mesos.control)]
        disturb = shlex.join([*hand, str(mesos.home), str(mesos.port)])
        with Watch(mesos) as watch:
            done = process(
                tmp_path / "data",
                *("demo", "--once", "--disturb", disturb),
                KAFKA_BROKERS=kafka,
                MESOS_MASTER=master,
            )
        assert done.returncode == 0, done.stdout + done.stderr
        for text in (
            "was ended for good by your command",
            "run on other hosts",
            "The master was ended and replaced by your command",
            "The control plane (cell-1) was ended with kill -9",
            "was ended and brought back by your command",
            "tasks of the restarted agent went on all the time",
            "All happened as it should.",
            "service-5 was ended",
        ):
            assert text in done.stdout, done.stdout
        assert watch.doubled == []
        rows = {
            line.split()[0]: line
            for line in done.stdout.splitlines()
            if TASK.match(line) and "Accepted" in line
        }
        # What ran is known to the log, and nothing ran on two agents.
        assert watch.seen.keys() <= rows.keys()
        assert {task_id: at for task_id, at in watch.seen.items() if len(at) > 1} == {}
        # Every index of every batch ended well, in one of its tasks; the others were lost.
        for job in ("batch-20", "batch-20-again"):
            of_job = [line for task_id, line in rows.items() if task_id.startswith(f"{job}-worker")]
            well = [line for line in of_job if "Finished normal" in line]
            assert len(well) == 20, "\n".join(of_job)
            assert all("Finished lost" in line for line in of_job if line not in well)
        assert _running_on(mesos.port + 1) == _running_on(mesos.port + 2) == []
        assert _running_on(mesos.port + 3) == []
    assert not processes_naming(str(tmp_path / "data"))
