"""`flumina exec` over real parts: command, api, agent, and a process beside a task.

One service runs on a dev cluster. Commands go into it as a user's would: by the command line, with
pipes and with a terminal. What the log says of each is looked at in the end.
"""

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
import time
from pathlib import Path

import pytest

from scheduler.model.task import Finished, Started
from tests.support.api_process import ApiProcess
from tests.support.world import World, service_of

pytestmark = pytest.mark.integration

SERVICE = "echo mine >file; MARK=of-the-task exec sleep 600"
ADA = {"X-Flumina-Actor": "ada"}
WHY = "--why=a test"


class Here:
    """The command line of one actor, asked about one task."""

    def __init__(self, api: ApiProcess, task: str) -> None:
        self.api, self.task = api, task
        self.environment = os.environ | {"FLUMINA_ACTOR": "ada", "PYTHONPATH": str(Path.cwd())}

    def words(self, *words: str) -> list[str]:
        flumina = [sys.executable, "-m", "streams.cli.main", "exec", self.task]
        return [*flumina, "--api", f"http://{self.api.address}", WHY, "--", *words]

    def run(self, *words: str, text: str = "") -> tuple[int, str, str]:
        ended = subprocess.run(
            self.words(*words),
            env=self.environment,
            input=text,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        return ended.returncode, ended.stdout, ended.stderr


def test_a_user_goes_into_his_task_and_the_log_says_so(
    world: World, tmp_path: Path, kafka: str, topic_prefix: str
) -> None:
    world.start_cell("one")
    api = ApiProcess(kafka, topic_prefix, tmp_path).until_ready()
    try:
        api.until_healthy()
        service = service_of(1, SERVICE)
        service["container"]["env"] = {"GREETING": "hello"}
        world.submit("s", service)
        closed = service_of(1, SERVICE)
        closed["container"]["attributes"] = {"flumina.exec": "false"}
        world.submit("closed", closed)
        world.until(lambda: world.are("s", Started, 1), "the service runs")
        world.until(lambda: world.are("closed", Started, 1), "the closed service runs")
        (task,), (other,) = world.tasks("s"), world.tasks("closed")
        here = Here(api, task.task_id)
        path = f"/api/flumina/tasks/{task.task_id}/exec"
        api.until(f"/api/v3/tasks/{task.task_id}", lambda a: a.status == 200, "the api knows it")
        _with_pipes(here)
        _with_a_terminal(here)
        # A place is free again when the end is told, a moment after the command's own.
        _read_notes(world, 3)
        _what_is_refused(api, path, other.task_id)
        _ends_with_its_task(world, api, here, path)
        notes = _read_notes(world, 7)
        assert any("exit 7" in each for each in notes)
        assert any("ended by ada" in each for each in notes)
    finally:
        api.close()


def _with_pipes(here: Here) -> None:
    shell = "cat file; echo $GREETING; cat; echo away >&2; exit 7"
    code, out, error = here.run("/bin/sh", "-c", shell, text="in\n")
    assert (code, out, error) == (7, "mine\nhello\nin\n", "away\n")
    shell = "cat /proc/self/status; head -c 3000000 /dev/zero | tr '\\0' x"
    code, out, _ = here.run("/bin/sh", "-c", shell)
    assert code == 0
    assert out.count("x" * 1_000) == 3_000, "much output, with its reader's patience"
    own = Path("/proc/self/status").read_text("utf-8")
    if os.geteuid() == 0 and "NoNewPrivs:\t1" in out:
        assert _uid(out) != _uid(own) or "Seccomp:\t2" in out, "it is confined as its task"


def _uid(status: str) -> str:
    found = re.search(r"^Uid:\s+(\d+)", status, re.MULTILINE)
    assert found is not None
    return found[1]


def _with_a_terminal(here: Here) -> None:
    """A shell on a terminal: it knows its size, obeys keys, and gives the terminal back."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(ours, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    process = subprocess.Popen(
        here.words("/bin/sh"), env=here.environment, stdin=theirs, stdout=theirs, stderr=theirs
    )
    os.close(theirs)
    try:
        _until(ours, rb"[#$] ")
        # What says so is what the key ends: a shell between two commands lets it pass.
        os.write(ours, b"stty size; tty; sh -c \"echo be''gun; exec sleep 100\"\n")
        seen = _until(ours, rb"\bbegun\r\n")
        assert re.search(rb"24 80\r\n.*/dev/pts/\d+\r\n", seen, re.DOTALL), seen
        os.write(ours, b"\x03")
        os.write(ours, b"echo in''terrupted; exit 3\n")
        _until(ours, rb"\binterrupted\r\n")
        assert process.wait(30) == 3
    finally:
        process.kill()
        process.wait()
        os.close(ours)


def _until(terminal: int, pattern: bytes, timeout_s: float = 40.0) -> bytes:
    seen, deadline = b"", time.monotonic() + timeout_s
    while not re.search(pattern, seen):
        left_s = deadline - time.monotonic()
        assert left_s > 0, f"not seen: {pattern!r}; seen: {seen!r}"
        if select.select([terminal], [], [], left_s)[0]:
            seen += os.read(terminal, 4_096)
    return seen


def _what_is_refused(api: ApiProcess, path: str, closed: str) -> None:
    body = {"command": ["true"], "why": "a test"}
    assert api.ask("POST", f"/api/flumina/tasks/{closed}/exec", body, ADA).status == 403
    assert api.ask("POST", "/api/flumina/tasks/s-worker-9-9/exec", body, ADA).status == 404
    assert api.ask("POST", path, {"command": ["true"]}, ADA).status == 400
    begun = api.ask("POST", path, {**body, "command": ["sleep", "100"]}, ADA)
    assert begun.status == 201, begun
    session = f"{path}/{begun.json['id']}"
    bob = {"X-Flumina-Actor": "bob"}
    assert api.ask("POST", f"{session}/input", {"data": ""}, bob).status == 404, "not his"
    more = [api.ask("POST", path, {**body, "command": ["sleep", "9"]}, ADA) for _ in range(3)]
    assert [each.status for each in more] == [201, 201, 429]
    for each in (begun, *more[:2]):
        assert api.ask("DELETE", f"{path}/{each.json['id']}", None, ADA).status == 200


def _ends_with_its_task(world: World, api: ApiProcess, here: Here, path: str) -> None:
    process = subprocess.Popen(
        here.words("/bin/sh", "-c", "echo on; sleep 500"),
        env=here.environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "on\n"
        assert api.ask("DELETE", "/api/v3/jobs/s", None, ADA).status in {200, 202}
        # Killed with its task; or the agent let go of it before it told how it ended.
        assert process.wait(30) in {137, 255}
    finally:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()
    world.until(lambda: world.are("s", Finished, 1), "the task has ended")
    api.until(f"/api/v3/tasks/{here.task}", lambda a: b"Finished" in a.body, "the api knows")
    body = {"command": ["true"], "why": "a test"}
    assert api.ask("POST", path, body, ADA).status == 409


def _read_notes(world: World, count: int) -> list[str]:
    """Each session has its beginning and its end in the log, by its actor; what they say."""

    def notes() -> list[str]:
        kept = world.machine.state.incident_notes.values()
        return [each.text for each in kept if each.actor == "ada"]

    def begun() -> set[str]:
        return {each.split()[1] for each in notes() if "begins: a test; command: " in each}

    def ended() -> set[str]:
        return {each.split()[1] for each in notes() if " ended after " in each}

    world.until(lambda: len(begun()) == count and begun() == ended(), "every end is told")
    return notes()
