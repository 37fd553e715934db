"""Sessions: a command beside a running task, with a stream for what it says and one for its input.

The one thing to know: as in Mesos a session lives as long as the connection that launched it. When
that closes, when the task ends, or when the agent ends, the command is killed.
"""

import asyncio
import fcntl
import os
import signal
import struct
import sys
import termios
from base64 import b64encode
from collections import OrderedDict
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import suppress
from typing import Final

import orjson

from connectors.devcluster.agent import session_child
from connectors.devcluster.words import Json

SESSIONS_MAX: Final = 50
ENDED_KEPT_MAX: Final = 200
"""Exit statuses that can still be asked for."""
HELD_BYTES_MAX: Final = 256 * 1024
"""Of output that nobody takes: then nothing more is read, and the command waits."""
PIECE_BYTES: Final = 32 * 1024
TASK_LOOK_S: Final = 0.2
"""Between two looks whether the task still runs."""

Place = Callable[[str], Json | None]
"""What a session in this container needs (environment, folder, plan); None where no task runs."""
Output = tuple[str, bytes]
"""STDOUT or STDERR, and some bytes."""


class SessionError(Exception):
    """A call about a session that cannot be carried out; with the status of the answer."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


class Session:
    """One command; `output` gives what it says until it is over."""

    def __init__(self, descriptors: dict[int, str], stdin: int, *, is_tty: bool) -> None:
        self._kinds = descriptors
        self._stdin = stdin
        self._is_tty = is_tty
        self._held: list[Output] = []
        self._held_bytes = 0
        self._news = asyncio.Event()
        self._reading: set[int] = set()
        self.has_input = False
        """Whether somebody is attached to its input."""
        self.process: asyncio.subprocess.Process | None = None
        self._is_killed = False

    def begin(self) -> None:
        """Read from now on."""
        for each in self._kinds:
            os.set_blocking(each, False)
            self._watch(each)
        if self._stdin >= 0:
            os.set_blocking(self._stdin, False)

    async def output(self, is_over: Callable[[], bool]) -> AsyncIterator[Output]:
        """What the command says, in order, until it has ended."""
        while True:
            held, self._held, self._held_bytes = self._held, [], 0
            for said in held:
                yield said
            if held:
                for each in self._kinds:
                    self._watch(each)
                continue
            if is_over() and not self._read_rest():
                return
            self._news.clear()
            if not self._held:
                with suppress(TimeoutError):
                    async with asyncio.timeout(TASK_LOOK_S):
                        await self._news.wait()

    def wake(self) -> None:
        """Have `output` look again."""
        self._news.set()

    async def write(self, data: bytes) -> None:
        """Give the command some input; none is its end. What a command does not read waits."""
        if not data:
            self.end_input()
            return
        view = memoryview(data)
        while view and self._stdin >= 0:
            try:
                view = view[os.write(self._stdin, view) :]
            except BlockingIOError:
                await _until_writable(self._stdin)
            except OSError:
                return  # It reads no more.

    def end_input(self) -> None:
        """End the input; a terminal has none of its own to end."""
        if not self._is_tty and self._stdin >= 0:
            os.close(self._stdin)
            self._stdin = -1

    def resize(self, rows: int, columns: int) -> None:
        """Tell the terminal its size; the kernel tells the command."""
        if self._is_tty:
            size = struct.pack("HHHH", min(rows, 0xFFFF), min(columns, 0xFFFF), 0, 0)
            fcntl.ioctl(self._stdin, termios.TIOCSWINSZ, size)

    def kill(self) -> None:
        """End the command and what it has started in its process group; again is nothing."""
        if self.process is None or self._is_killed:
            return
        self._is_killed = True
        # Of a group whose first process has ended others may be left. They hold its number.
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, signal.SIGKILL)
        if self.process.returncode is None:
            with suppress(ProcessLookupError):
                self.process.kill()

    def close(self) -> None:
        """Give back every descriptor; again is nothing."""
        loop = asyncio.get_running_loop()
        for each in self._reading:
            loop.remove_reader(each)
        self._reading.clear()
        for each in {*self._kinds, self._stdin} - {-1}:
            os.close(each)
        self._kinds, self._stdin = {}, -1

    def _watch(self, descriptor: int) -> None:
        if descriptor not in self._reading and self._held_bytes < HELD_BYTES_MAX:
            self._reading.add(descriptor)
            asyncio.get_running_loop().add_reader(descriptor, self._read, descriptor)

    def _read(self, descriptor: int) -> bool:
        """Take what is there; whether there was anything."""
        try:
            data = os.read(descriptor, PIECE_BYTES)
        except BlockingIOError:
            return False
        except OSError:
            data = b""  # A terminal whose other side is closed.
        self._news.set()
        if data:
            self._held.append((self._kinds[descriptor], data))
            self._held_bytes += len(data)
        if not data or self._held_bytes >= HELD_BYTES_MAX:
            self._unwatch(descriptor)
        return bool(data)

    def _read_rest(self) -> bool:
        """After the end: what was written before it; whether there was anything."""
        return any(self._read(each) for each in self._kinds)

    def _unwatch(self, descriptor: int) -> None:
        if descriptor in self._reading:
            self._reading.discard(descriptor)
            asyncio.get_running_loop().remove_reader(descriptor)


class Sessions:
    """The sessions of one agent, by the id of their container."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._live: dict[str, Session] = {}
        self._ended: OrderedDict[str, int] = OrderedDict()
        self._endings: dict[str, asyncio.Event] = {}

    def check_launch(self, body: Json) -> None:
        """Raise SessionError where no session can be launched as asked."""
        container, parent = _ids(body["container_id"])
        if parent is None or self._place(parent) is None:
            raise SessionError(400, f"Container {parent or '(none)'} runs no task here")
        if container in self._live or container in self._ended:
            raise SessionError(409, f"Container {container} was launched already")
        if len(self._live) >= SESSIONS_MAX:
            raise SessionError(503, f"This agent has {SESSIONS_MAX} sessions, and has no more")
        if not _argv(body.get("command", {})):
            raise SessionError(400, "the command has no value")

    async def launched(self, body: Json) -> AsyncGenerator[bytes, None]:
        """The records of a new session's output, until it is over; to leave it ends it."""
        container, parent = _ids(body["container_id"])
        place = self._place(parent or "")
        assert place is not None, "it was checked"
        session = await self._started(body, place)
        self._live[container] = session
        ending = self._endings.setdefault(container, asyncio.Event())
        watching = asyncio.create_task(self._watch(session, parent or ""))
        process = session.process
        assert process is not None
        try:
            async for kind, data in session.output(lambda: process.returncode is not None):
                yield _process_io(kind, data)
        finally:
            session.kill()
            watching.cancel()
            del self._live[container]
            session.close()
            status = await process.wait()
            self._ended[container] = _wait_status(status)
            while len(self._ended) > ENDED_KEPT_MAX:
                self._endings.pop(self._ended.popitem(last=False)[0], None)
            ending.set()

    async def waited(self, container_id: Json) -> Json:
        """How a session ended, once it has; raises SessionError where there is none."""
        container, _ = _ids(container_id)
        ending = self._endings.get(container)
        if ending is None:
            raise SessionError(404, f"Container {container} cannot be found")
        await ending.wait()
        return {"exit_status": self._ended[container]}

    def attached(self, container_id: Json) -> Session:
        """The session to whose input somebody attaches; raises SessionError."""
        container, _ = _ids(container_id)
        session = self._live.get(container)
        if session is None:
            raise SessionError(404, f"Container {container} cannot be found")
        if session.has_input:
            raise SessionError(409, f"Container {container} has somebody at its input already")
        session.has_input = True
        return session

    async def _watch(self, session: Session, parent: str) -> None:
        """End the session with its task."""
        process = session.process
        assert process is not None
        ended = asyncio.create_task(process.wait())
        try:
            while not ended.done():
                await asyncio.wait([ended], timeout=TASK_LOOK_S)
                if self._place(parent) is None:
                    session.kill()
        finally:
            ended.cancel()
            session.wake()

    async def _started(self, body: Json, place: Json) -> Session:
        info = body.get("container", {}).get("tty_info")
        is_tty = info is not None
        spec_end, spec_write = os.pipe()
        if is_tty:
            master, slave = os.openpty()
            user = place["plan"].get("user") if place["plan"] else None
            if user is not None and os.geteuid() == 0:
                os.fchown(slave, user, -1)
            session = Session({master: "STDOUT"}, master, is_tty=True)
            theirs = (slave, slave, slave)
            ours: tuple[int, ...] = (slave,)
            size = (info or {}).get("window_size", {})
            session.resize(size.get("rows", 24), size.get("columns", 80))
        else:
            in_end, in_write = os.pipe()
            out_read, out_end = os.pipe()
            error_read, error_end = os.pipe()
            session = Session({out_read: "STDOUT", error_read: "STDERR"}, in_write, is_tty=False)
            theirs = ours = (in_end, out_end, error_end)
        spec = {**place, "argv": _argv(body["command"]), "is_tty": is_tty, "agent": os.getpid()}
        spec["env"] = {**place["env"], **_environment(body["command"])}
        if is_tty:
            spec["env"].setdefault("TERM", "xterm")
        try:
            session.process = await _child(theirs, spec_end)
            os.set_blocking(spec_write, True)
            with os.fdopen(spec_write, "wb") as file:
                file.write(orjson.dumps(spec))
        except OSError:
            session.close()
            raise
        finally:
            for each in (*ours, spec_end):
                os.close(each)
        session.begin()
        return session


async def _child(theirs: tuple[int, int, int], spec: int) -> asyncio.subprocess.Process:
    """The process, which waits for its spec on a descriptor that it is told."""
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-I",
        "-S",
        session_child.__file__,
        str(spec),
        stdin=theirs[0],
        stdout=theirs[1],
        stderr=theirs[2],
        env={},
        pass_fds=(spec,),
    )


def _ids(container_id: Json) -> tuple[str, str | None]:
    parent = container_id.get("parent")
    return str(container_id["value"]), None if parent is None else str(parent["value"])


def _argv(command: Json) -> list[str]:
    value = command.get("value", "")
    if not value:
        return []
    if command.get("shell", True):
        return ["/bin/sh", "-c", value]
    return list(command.get("arguments") or [value])


def _environment(command: Json) -> dict[str, str]:
    given = command.get("environment", {}).get("variables", [])
    return {each["name"]: each["value"] for each in given if "value" in each}


def _process_io(kind: str, data: bytes) -> bytes:
    body = {"type": kind, "data": b64encode(data).decode("ascii")}
    return orjson.dumps({"type": "DATA", "data": body})


def _wait_status(code: int) -> int:
    """As wait(2) has it, and so Mesos: the exit code above, the signal below."""
    return -code if code < 0 else code << 8


async def _until_writable(descriptor: int) -> None:
    loop = asyncio.get_running_loop()
    ready = asyncio.Event()
    loop.add_writer(descriptor, ready.set)
    try:
        await ready.wait()
    finally:
        loop.remove_writer(descriptor)
