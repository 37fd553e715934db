"""Sessions of a dev cluster's agent: real processes, without an agent around them."""

import asyncio
import base64
import json
import time
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import pytest

from connectors.devcluster.agent.sessions import SessionError, Sessions

CONTAINER = {"value": "s", "parent": {"value": "task"}}


class Beside:
    """Sessions beside one task, which runs until the test says otherwise."""

    def __init__(self, folder: Path) -> None:
        self.is_running = True
        self.ends_when_ready = False
        """Whether the task ends as soon as the command has said that it is ready."""
        place: dict[str, Any] = {
            "env": {"PATH": "/bin:/usr/bin", "A": "b"},
            "sandbox": str(folder),
            "plan": None,
            "task_pid": 1,
        }
        self.sessions = Sessions(
            lambda parent: place if parent == "task" and self.is_running else None
        )

    async def run(self, *argv: str, stdin: bytes | None = b"", tty: bool = False) -> list[Any]:
        """What is said, as pairs of channel and bytes, and the wait status in the end."""
        body: dict[str, Any] = {
            "container_id": CONTAINER,
            "command": {"shell": False, "value": argv[0], "arguments": list(argv)},
        }
        if tty:
            size = {"rows": 33, "columns": 44}
            body["container"] = {"type": "MESOS", "tty_info": {"window_size": size}}
        self.sessions.check_launch(body)
        found: dict[str, bytes] = {}
        typing: asyncio.Task[None] | None = None
        async for record in self.sessions.launched(body):
            said = json.loads(record)["data"]
            data = found.get(said["type"], b"") + base64.b64decode(said["data"])
            found[said["type"]] = data
            if b"ready" in data and self.ends_when_ready:
                self.is_running = False
            if stdin is not None and b"ready" in data and typing is None:
                typing = asyncio.create_task(self._type(stdin))
        ended = await self.sessions.waited(CONTAINER)
        if typing is not None:
            await typing
        return [found.get("STDOUT", b""), found.get("STDERR", b""), ended["exit_status"]]

    async def _type(self, data: bytes) -> None:
        session = self.sessions.attached(CONTAINER)
        await session.write(data)
        await session.write(b"")


def _done(work: Coroutine[Any, Any, list[Any]]) -> list[Any]:
    async def bounded() -> list[Any]:
        async with asyncio.timeout(20):
            return await work

    return asyncio.run(bounded())


def test_folder_environment_input_and_exit_code(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine\n")
    script = "echo ready; cat file; echo $A; cat; echo no >&2; exit 3"
    out, error, status = _done(Beside(tmp_path).run("/bin/sh", "-c", script, stdin=b"in\n"))
    assert (out, error, status) == (b"ready\nmine\nb\nin\n", b"no\n", 3 << 8)


def test_a_terminal_of_the_size_that_was_asked_for(tmp_path: Path) -> None:
    out, error, status = _done(
        Beside(tmp_path).run("/bin/sh", "-c", "stty size; test -t 0", tty=True, stdin=None)
    )
    assert (out, error, status) == (b"33 44\r\n", b"", 0)


def test_input_that_is_larger_than_any_pipe(tmp_path: Path) -> None:
    script = "echo ready; sleep 0.1; wc -c"
    out, *_ = _done(Beside(tmp_path).run("/bin/sh", "-c", script, stdin=b"x" * 1_000_000))
    assert out.split() == [b"ready", b"1000000"]


def test_output_that_is_larger_than_what_is_held(tmp_path: Path) -> None:
    out, _, status = _done(
        Beside(tmp_path).run("/bin/sh", "-c", "head -c 2000000 /dev/zero", stdin=None)
    )
    assert (len(out), status) == (2_000_000, 0)


def test_what_the_command_leaves_behind_in_its_group_ends_with_it(tmp_path: Path) -> None:
    """And it does not keep the session open, though it holds its output."""
    script = "sleep 600 & echo $!; exit 0"
    out, _, status = _done(Beside(tmp_path).run("/bin/sh", "-c", script, stdin=None))
    assert status == 0
    deadline = time.monotonic() + 10
    while _is_alive(int(out)):
        assert time.monotonic() < deadline, "it is still there"
        time.sleep(0.01)


def _is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_a_session_ends_with_its_task(tmp_path: Path) -> None:
    beside = Beside(tmp_path)
    beside.ends_when_ready = True
    run = beside.run("/bin/sh", "-c", "echo ready; exec sleep 600", stdin=None)
    assert _done(run)[2] == 9


def test_what_cannot_be_launched_is_said(tmp_path: Path) -> None:
    beside = Beside(tmp_path)
    command = {"shell": False, "value": "true"}
    for container in ({"value": "s"}, {"value": "s", "parent": {"value": "gone"}}):
        with pytest.raises(SessionError, match="runs no task"):
            beside.sessions.check_launch({"container_id": container, "command": command})
    with pytest.raises(SessionError, match="no value"):
        beside.sessions.check_launch({"container_id": CONTAINER, "command": {}})
    with pytest.raises(SessionError, match="cannot be found"):
        beside.sessions.attached(CONTAINER)
    out, error, status = _done(beside.run("/no/such/program", stdin=None))
    assert (out, status) == (b"", 127 << 8)
    assert b"No such file" in error
    with pytest.raises(SessionError, match="launched already"):
        beside.sessions.check_launch({"container_id": CONTAINER, "command": command})
