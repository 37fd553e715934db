"""A guarded process never outlives its owner, however the owner ends; proven with real kills.

Each test starts an owner in a process of its own, which starts a guarded `sleep` and tells the ids.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from streams.kafka.guarded import GuardedProcess
from tests.processes import is_gone, wait_until

pytestmark = pytest.mark.integration

STUBBORN = ["/bin/sh", "-c", "trap '' TERM; echo deaf; while :; do sleep 1; done"]

OWNER = """
import os, sys, time
from pathlib import Path
from streams.kafka.guarded import GuardedProcess

output, has_fork = Path(sys.argv[1]), sys.argv[2] == "fork"
process = GuardedProcess(["/bin/sleep", "600"], output, os.environ, stop_timeout_s=60)
process.confirm_ready()
# A forked child keeps the guard's pipe open after its parent is gone.
forked = os.fork() if has_fork else 0
if has_fork and forked == 0:
    time.sleep(600)
print(process.pid, process._guard.pid, forked, flush=True)
sys.stdin.read()
"""


class Owner(NamedTuple):
    process: subprocess.Popen[str]
    child: int
    guard: int
    forked: int


def _owner(tmp_path: Path, mode: str = "plain") -> Iterator[Owner]:
    process = subprocess.Popen(
        [sys.executable, "-c", OWNER, str(tmp_path / "output.log"), mode],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": str(Path.cwd())},
    )
    assert process.stdout is not None
    child, guard, forked = map(int, process.stdout.readline().split())
    try:
        yield Owner(process, child, guard, forked)
    finally:
        process.kill()
        if forked:  # It holds the pipe that is read to its end below.
            os.kill(forked, signal.SIGKILL)
        process.communicate()


@pytest.fixture
def owner(tmp_path: Path) -> Iterator[Owner]:
    yield from _owner(tmp_path)


@pytest.fixture
def forking_owner(tmp_path: Path) -> Iterator[Owner]:
    yield from _owner(tmp_path, "fork")


def test_kill_9_of_the_owner_ends_the_child(owner: Owner) -> None:
    owner.process.kill()
    wait_until(lambda: is_gone(owner.child), "the child has ended")
    wait_until(lambda: is_gone(owner.guard), "the guard has ended")


def test_kill_9_of_the_guard_ends_the_child(owner: Owner) -> None:
    os.kill(owner.guard, signal.SIGKILL)
    wait_until(lambda: is_gone(owner.child), "the child has ended")


def test_kill_9_of_owner_and_guard_at_once_ends_the_child(owner: Owner) -> None:
    for pid in (owner.guard, owner.process.pid):
        os.kill(pid, signal.SIGKILL)
    wait_until(lambda: is_gone(owner.child), "the child has ended")


def test_kill_9_of_an_owner_whose_fork_lives_on_ends_the_child(forking_owner: Owner) -> None:
    forking_owner.process.kill()
    wait_until(lambda: is_gone(forking_owner.child), "the child has ended")
    assert not is_gone(forking_owner.forked)


def test_a_stopped_child_ends_too(owner: Owner) -> None:
    os.kill(owner.child, signal.SIGSTOP)
    owner.process.kill()
    wait_until(lambda: is_gone(owner.child), "the child has ended")


def test_an_owner_that_is_only_paused_keeps_its_child(owner: Owner) -> None:
    os.kill(owner.process.pid, signal.SIGSTOP)
    with pytest.raises(AssertionError, match="not within"):
        wait_until(lambda: is_gone(owner.child), "the child has ended", timeout_s=1.5)
    os.kill(owner.process.pid, signal.SIGCONT)
    assert not is_gone(owner.guard)


def test_stop_ends_a_child_that_does_not_listen(tmp_path: Path) -> None:
    output = tmp_path / "output.log"
    process = GuardedProcess(STUBBORN, output, os.environ, stop_timeout_s=0.5)
    wait_until(lambda: output.read_text() == "deaf\n", "the child ignores SIGTERM")
    process.confirm_ready()
    assert process.poll() is None
    assert process.stop() == 128 + signal.SIGKILL
    assert is_gone(process.pid)


def test_a_child_that_is_ready_is_asked_first(tmp_path: Path) -> None:
    output = tmp_path / "output.log"
    asked = ["/bin/sh", "-c", "trap 'echo bye; exit 5' TERM; echo up; while :; do sleep 0.1; done"]
    process = GuardedProcess(asked, output, os.environ, stop_timeout_s=20)
    wait_until(lambda: output.read_text() == "up\n", "the child listens to SIGTERM")
    process.confirm_ready()
    assert process.stop() == 5
    assert output.read_text() == "up\nbye\n"


def test_a_child_that_is_not_ready_is_not_waited_for(tmp_path: Path) -> None:
    output = tmp_path / "output.log"
    process = GuardedProcess(STUBBORN, output, os.environ, stop_timeout_s=600)
    wait_until(lambda: output.read_text() == "deaf\n", "the child ignores SIGTERM")
    assert process.stop() == 128 + signal.SIGKILL


def test_the_exit_code_is_the_childs(tmp_path: Path) -> None:
    command = ["/bin/sh", "-c", "echo out; echo err >&2; exit 7"]
    process = GuardedProcess(command, tmp_path / "output.log", os.environ, stop_timeout_s=5)
    assert process.wait(timeout_s=10) == 7
    assert (tmp_path / "output.log").read_text() == "out\nerr\n"
    assert process.stop() == 7


def test_a_program_that_is_not_there_is_named(tmp_path: Path) -> None:
    command = ["/nowhere/java"]
    process = GuardedProcess(command, tmp_path / "output.log", os.environ, stop_timeout_s=5)
    assert process.wait(timeout_s=10) == 127
    assert "/nowhere/java: No such file" in (tmp_path / "output.log").read_text()
    process.stop()
