"""The metadata endpoints of an agent's tasks: one each, for that task and no other.

The one thing to know: a task with a network of its own finds its endpoint at 169.254.169.254 in
it, where nobody else can come. Where tasks share the computer's network it is a port of loopback
whose address holds a secret, told to the task by AWS_EC2_METADATA_SERVICE_ENDPOINT alone. Either is
opened again when the agent starts anew beside tasks that go on.
"""

import asyncio
import ctypes
import os
import secrets
import socket
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from connectors.devcluster.agent.confine import METADATA_ADDRESS
from connectors.devcluster.node import log, write_atomically
from connectors.metadata.credentials import Assume, Credentials, RoleCredentials
from connectors.metadata.facts import TaskFacts
from scheduler.model.reading.bad_bytes import BAD_BYTES

if TYPE_CHECKING:
    from connectors.metadata.door import Door
    from connectors.metadata.identity import KeyRing

FILE: Final = "metadata.json"
ENDPOINT_VARIABLE: Final = "AWS_EC2_METADATA_SERVICE_ENDPOINT"
PATIENCE: Final = {
    "AWS_EC2_METADATA_V1_DISABLED": "true",
    # boto3 waits a second and asks once; the first credentials of a role may take longer.
    "AWS_METADATA_SERVICE_TIMEOUT": "5",
    "AWS_METADATA_SERVICE_NUM_ATTEMPTS": "3",
}
BACKLOG: Final = 16
NAMESPACE_S_MAX: Final = 5.0
POLL_S: Final = 0.005
_CLONE_NEWNET: Final = 0x40000000


class Kept(msgspec.Struct, frozen=True):
    """What an endpoint is made of again after a restart; its file is the agent's alone."""

    facts: TaskFacts
    secret: str
    port: int
    """Of loopback; 0 in a network of the task's own."""


class TaskDoors:
    """Opens and closes them."""

    def __init__(self, keys: Path, now_s: Callable[[], float], host: str) -> None:
        """``keys``: the cluster's directory of keys, which the first task with a door makes."""
        self._keys = keys
        self._ring: KeyRing | None = None
        self._assume: Assume | None = None
        self._now_s = now_s
        self._host = host
        self._listeners: dict[str, socket.socket] = {}
        self._doors: dict[str, Door] = {}
        self._work: set[asyncio.Task[None]] = set()

    def prepare(
        self, container_id: str, directory: Path, facts: TaskFacts, *, has_network: bool
    ) -> dict[str, str]:
        """What the task finds in its environment; empty for one that may have nothing."""
        if not facts.is_served:
            return {}
        secret, port = secrets.token_urlsafe(24), 0
        environment = dict(PATIENCE)
        if not has_network:
            listener = _on_loopback(self._host, 0)
            port = int(listener.getsockname()[1])
            self._listeners[container_id] = listener
            environment[ENDPOINT_VARIABLE] = f"http://{self._host}:{port}/{secret}"
        kept = Kept(facts, secret, port)
        write_atomically(directory / FILE, msgspec.json.encode(kept))
        return environment

    def began(self, container_id: str, directory: Path, task_pid: int) -> None:
        """The task's process is there: its endpoint opens, if it has one and is not open."""
        if container_id in self._doors or not (directory / FILE).exists():
            return
        try:
            kept = msgspec.json.decode((directory / FILE).read_bytes(), type=Kept)
            door = self._door(kept)
        except (OSError, ValueError, *BAD_BYTES) as error:
            log("a task has no metadata endpoint", container=container_id, error=error)
            return
        self._doors[container_id] = door
        work = asyncio.get_running_loop().create_task(
            self._open(container_id, door, kept.port, task_pid)
        )
        self._work.add(work)
        work.add_done_callback(self._work.discard)

    def forget(self, container_id: str) -> None:
        """The container is no more."""
        if listener := self._listeners.pop(container_id, None):
            listener.close()
        if door := self._doors.pop(container_id, None):
            door.close()

    def _door(self, kept: Kept) -> "Door":
        # Signing and boto3 are some 60 MiB: only an agent with such a task pays for them.
        from connectors.metadata.answers import TaskAnswers  # noqa: PLC0415
        from connectors.metadata.door import Door  # noqa: PLC0415
        from connectors.metadata.identity import KeyRing  # noqa: PLC0415

        if self._ring is None:
            self._ring = KeyRing(self._keys)
        credentials = None
        if kept.facts.role_arn:
            credentials = RoleCredentials(
                kept.facts.role_arn, kept.facts.task_id, self._assumed, self._now_s
            )
        answers = TaskAnswers(
            kept.facts, kept.secret.encode(), credentials, self._ring, self._now_s
        )
        return Door(answers, f"/{kept.secret}" if kept.port else "")

    def _assumed(self, role_arn: str, session: str, lifetime_s: int) -> Credentials:
        from connectors.metadata.sts import Sts  # noqa: PLC0415 - as above

        if self._assume is None:
            self._assume = Sts()
        return self._assume(role_arn, session, lifetime_s)

    async def _open(self, container_id: str, door: "Door", port: int, task_pid: int) -> None:
        try:
            listener = self._listeners.pop(container_id, None)
            if listener is None and port:
                listener = _on_loopback(self._host, port)
            if listener is None:
                listener = await asyncio.wrap_future(_in_network_of(task_pid))
            if self._doors.get(container_id) is door:
                await door.begin(listener)
            else:
                listener.close()  # The task has ended meanwhile.
        except OSError as error:
            self._doors.pop(container_id, None)
            log("a metadata endpoint was not opened", container=container_id, error=error)


def _on_loopback(host: str, port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(BACKLOG)
    except OSError:
        listener.close()
        raise
    return listener


def _in_network_of(pid: int) -> "Future[socket.socket]":
    """A socket that listens in the network of a process, once that has one of its own."""
    found: Future[socket.socket] = Future()

    def enter() -> None:
        try:
            found.set_result(_listener_in(pid))
        except BaseException as error:  # noqa: BLE001 - told to whoever waits
            found.set_exception(error)

    # A thread of its own that ends with it: the network is the thread's, and is not left again.
    threading.Thread(target=enter, daemon=True).start()
    return found


def _listener_in(pid: int) -> socket.socket:
    own = Path("/proc/self/ns/net").stat().st_ino
    path = Path(f"/proc/{pid}/ns/net")
    deadline = time.monotonic() + NAMESPACE_S_MAX
    # The process is there before it has left our network, which is its first step.
    while path.stat().st_ino == own:
        if time.monotonic() > deadline:
            raise TimeoutError(f"process {pid} has no network of its own")
        time.sleep(POLL_S)
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.setns(descriptor, _CLONE_NEWNET) != 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))
    finally:
        os.close(descriptor)
    while True:
        try:
            return _on_loopback(METADATA_ADDRESS, 80)
        except OSError:
            # The address is given a moment after the network was made.
            if time.monotonic() > deadline:
                raise
            time.sleep(POLL_S)
