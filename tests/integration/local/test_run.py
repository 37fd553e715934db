"""`flumina run`: real tasks of a job file on this computer, by the machine of a cell, without one.

Each test writes a job file and runs the command, in a process of its own where a signal is sent.
"""

import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.processes import is_gone, wait_until
from tests.support.command_line import ROOT, Done, environment, flumina

pytestmark = pytest.mark.integration

Write = Callable[..., str]
TIMEOUT_S = 60.0


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes a job file around a shell's words; its path."""

    def written(script: str, batch: dict[str, object] | None = None, **container: object) -> str:
        job: dict[str, Any] = {
            "owner": {"teamEmail": "tests@flumina.example"},
            "applicationName": "tried",
            "container": {
                "resources": {"cpu": 0.1, "memoryMB": 64, "diskMB": 10},
                "command": ["/bin/sh", "-c", script],
                "env": {"OWN": "given"},
                **container,
            },
            "batch": {
                "size": 1,
                "runtimeLimitSec": 60,
                "retryPolicy": {"immediate": {"retries": 0}},
                **(batch or {}),
            },
        }
        path = tmp_path / "tried.json"
        path.write_text(json.dumps(job))
        return str(path)

    return written


def objects(done: Done) -> list[dict[str, Any]]:
    """The lines of `--json`."""
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_a_task_is_retried_by_its_policy_and_its_success_is_the_job_s(tmp_path: Path) -> None:
    file = str(ROOT / "docs/examples/fails-and-retries.json")
    done = flumina(tmp_path, "run", file, "--json")
    told = objects(done)
    assert done.returncode == 0
    lines = [(each["task"], each["text"]) for each in told if each["type"] == "line"]
    first, second = "fails-and-retries-worker-0-1", "fails-and-retries-worker-0-2"
    assert lines == [(first, "first start: failing"), (second, "started again")]
    ends = [each for each in told if each["type"] == "task" and each["state"] == "Finished"]
    assert [(each["task"], each["reason"]) for each in ends] == [
        (first, "failed"),
        (second, "normal"),
    ]
    assert ends[0]["message"] == "Command exited with status 1"
    assert ends[0]["againInMs"] == 1_000
    counts = {"job": "fails-and-retries", "reason": "normal", "succeeded": 1, "wanted": 1}
    assert {name: told[-1][name] for name in counts} == counts


def test_tasks_see_the_environment_of_a_cell_s_tasks(tmp_path: Path, write: Write) -> None:
    done = flumina(tmp_path, "run", write("env"), "--json", "--id", "seen")
    assert done.returncode == 0
    lines = [each["text"] for each in objects(done) if each["type"] == "line"]
    seen = dict(line.split("=", 1) for line in lines)
    expected = {
        "TITUS_JOB_ID": "seen",
        "TITUS_TASK_ID": "seen-worker-0-1",
        "FLUMINA_TASK_INDEX": "0",
        "MESOS_TASK_ID": "seen-worker-0-1",
        "OWN": "given",
    }
    assert {name: seen.get(name) for name in expected} == expected
    assert "FLUMINA_DATA" not in seen
    assert not Path(seen["MESOS_SANDBOX"]).exists(), "a run leaves nothing behind"


def test_a_failed_job_leaves_with_1_and_says_how_its_tasks_ended(
    tmp_path: Path, write: Write
) -> None:
    kept = tmp_path / "kept"
    file = write("echo out; echo err >&2; exit 3", {"size": 2})
    done = flumina(tmp_path, "run", file, "--keep", str(kept))
    assert done.returncode == 1
    assert sorted(done.stdout.splitlines()) == ["worker-0-1 | out", "worker-1-2 | out"]
    assert "worker-0-1 | err" in done.stderr
    assert "worker-1-2 ended: failed (Command exited with status 3)" in done.stderr
    assert "tried ended: failed; 0 of 2 tasks succeeded" in done.stderr
    written = list(kept.rglob("stdout"))
    assert {each.read_text() for each in written if "latest" not in each.parts} == {"out\n"}


def test_a_task_that_runs_for_too_long_is_ended(tmp_path: Path, write: Write) -> None:
    batch = {"runtimeLimitSec": 5, "retryPolicy": {"immediate": {"retries": 3}}}
    done = flumina(tmp_path, "run", write("sleep 600", batch))
    assert done.returncode == 1
    assert "worker-0-1 ended: runtimeLimitExceeded" in done.stderr


def test_a_task_beyond_its_memory_is_ended(tmp_path: Path, write: Write) -> None:
    hungry = f"exec {sys.executable} -c 'x = b\"x\" * (300 << 20); input()' < /dev/zero"
    done = flumina(tmp_path, "run", write(hungry))
    assert done.returncode == 1
    assert "Memory limit exceeded" in done.stderr


def test_what_this_computer_refuses_is_said(tmp_path: Path, write: Write) -> None:
    elsewhere = {"constraints": {"availabilityzone": "elsewhere"}}
    file = write("true", None, hardConstraints=elsewhere)
    done = flumina(tmp_path, "run", file)
    assert done.returncode == 1
    assert "This computer refuses the tasks of tried: availabilityZone" in done.stderr
    assert "container.hardConstraints" in done.stderr
    done = flumina(tmp_path, "run", file, "--attributes", "zone:elsewhere")
    assert done.returncode == 0, done.stderr


def test_fields_that_need_a_cell_are_named(tmp_path: Path, write: Write) -> None:
    sealed = "flumina-sealed:1:AAAAAAAAAAAAAAAA.1:" + "A" * 40
    file = write("true", env={"A": sealed}, resources={"cpu": 0.5, "memoryMB": 999_999})
    done = flumina(tmp_path, "run", file, "--resources", "cpus:1;mem:64")
    assert done.returncode == 1
    assert "container.env.A is sealed" in done.stderr
    assert "container.resources.memoryMB asks for 999999 MiB, and this computer has 64" in (
        done.stderr
    )
    cron = str(ROOT / "docs/examples/cron-nightly.json")
    assert "cron is a schedule" in flumina(tmp_path, "run", cron).stderr
    stream = str(ROOT / "docs/examples/stream-3.json")
    assert "stream runs until it is ended" in flumina(tmp_path, "run", stream).stderr


def started(tmp_path: Path, file: str) -> subprocess.Popen[str]:
    """The command in a process of its own."""
    here = "cpus:4;mem:4096;disk:4000;ports:[31000-31010]"
    return subprocess.Popen(
        [sys.executable, "-m", "streams.cli.main", "run", file, "--resources", here],
        cwd=tmp_path,
        env=environment(tmp_path, TMPDIR=str(tmp_path)),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.fixture
def service(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """The service of the examples, with five tasks that say `ended` when they are."""
    process = started(tmp_path, str(ROOT / "docs/examples/service-5.json"))
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def until_started(service: subprocess.Popen[str], count: int = 5) -> None:
    """Return when so many tasks have written that they started."""
    assert service.stdout is not None
    for _ in range(count):
        assert service.stdout.readline().endswith("| started\n")


def keepers_of(home: Path) -> set[int]:
    """The processes of a run whose words name its directory."""
    found = set()
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = entry.read_bytes()
        except OSError:
            continue
        if str(home / "flumina-run-").encode() in words:
            found.add(int(entry.parent.name))
    return found


def test_ctrl_c_ends_all_tasks_as_their_user_would(
    tmp_path: Path, service: subprocess.Popen[str]
) -> None:
    until_started(service)
    keepers = keepers_of(tmp_path)
    assert len(keepers) > 5
    service.send_signal(signal.SIGINT)
    out, errors = service.communicate(timeout=TIMEOUT_S)
    assert service.returncode == 130
    assert out.count("| ended") == 5, errors
    assert all(is_gone(each) for each in keepers)
    assert not list(tmp_path.glob("flumina-run-*"))


def test_a_second_ctrl_c_waits_for_nobody(tmp_path: Path, write: Write) -> None:
    stubborn = "trap 'echo not yet' TERM; echo started; while :; do sleep 0.1; done"
    patient = {"titusParameter.agent.killWaitSeconds": "120"}
    process = started(tmp_path, write(stubborn, attributes=patient))
    try:
        until_started(process, 1)
        keepers = keepers_of(tmp_path)
        process.send_signal(signal.SIGINT)
        assert process.stdout is not None
        assert process.stdout.readline().endswith("| not yet\n")
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=TIMEOUT_S)
        assert process.returncode == 130
        assert all(is_gone(each) for each in keepers)
    finally:
        process.kill()
        process.communicate()


def test_nothing_outlives_a_run_that_is_killed(
    tmp_path: Path, service: subprocess.Popen[str]
) -> None:
    until_started(service)
    keepers = keepers_of(tmp_path)
    assert len(keepers) > 5
    service.kill()
    wait_until(lambda: not keepers_of(tmp_path), "every keeper and launcher is gone", TIMEOUT_S)
