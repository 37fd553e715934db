"""Reading a sandbox as the API does: one look for the directory, small reads, errors by kind.

The host is a small server on loopback that answers ``/state`` and ``/files/read`` as Mesos does.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from connectors.mesos.sandbox import SandboxReader
from connectors.tasklogs.host_client import HostLogs
from connectors.web.cell import LogUnavailable, Piece, Sandbox
from scheduler.model.ids import TaskId
from streams.api.server import listening_socket, server_for, url_of
from streams.api.task_files import TaskFiles
from streams.kafka.ports import free_ports

T = TypeVar("T")
TEXT = "0123456789"


class Host:
    """A host with one sandbox; `text` is what its task has written."""

    def __init__(self) -> None:
        self.text: str | None = TEXT
        self.directory = "/sandbox"
        self.states_asked = 0
        self.is_nonsense = False
        self.app = Starlette(
            routes=[Route("/state", self._state), Route("/files/read", self._read)]
        )

    async def _state(self, _: Request) -> Response:
        self.states_asked += 1
        if self.is_nonsense:
            return Response("<html>")
        executor = {"id": "t", "directory": self.directory}
        return JSONResponse({"frameworks": [{"id": "f", "executors": [executor]}]})

    async def _read(self, request: Request) -> Response:
        asked = request.query_params
        if self.text is None or asked["path"] != f"{self.directory}/stdout":
            return Response(status_code=404)
        offset, length = int(asked["offset"]), int(asked["length"])
        if offset == -1:
            return JSONResponse({"data": "", "offset": len(self.text)})
        return JSONResponse({"data": self.text[offset : offset + length], "offset": offset})


def _with(host: Host, look: Callable[[TaskFiles, str], Awaitable[T]]) -> T:
    """What ``look`` makes of the host, served on a free port."""

    async def run() -> T:
        started = asyncio.Event()
        listener = listening_socket("127.0.0.1", 0)
        server = server_for(host.app, started.set)
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        files = TaskFiles(HostLogs(SandboxReader()), None)
        try:
            await started.wait()
            return await look(files, url_of(listener))
        finally:
            await files.close()
            server.should_exit = True
            await serving
            listener.close()

    return asyncio.run(run())


def _sandbox(url: str, task_id: str = "t") -> Sandbox:
    return Sandbox(url, "f", TaskId(task_id))


READS: dict[str, tuple[int | None, int, Piece]] = {
    "from the beginning": (0, 4, Piece(b"0123", 0, 4)),
    "to the end": (4, 100, Piece(b"456789", 4, 10)),
    "the tail": (None, 3, Piece(b"789", 7, 10)),
    "the tail of a short file": (None, 100, Piece(b"0123456789", 0, 10)),
    "at the end": (10, 4, Piece(b"", 10, 10)),
    "behind the end of a file that was cut": (99, 4, Piece(b"", 99, 10)),
}


@pytest.mark.parametrize("case", READS)
def test_a_piece_says_where_it_begins_and_how_long_the_file_is(case: str) -> None:
    offset, length, piece = READS[case]

    async def look(files: TaskFiles, url: str) -> Piece:
        return await files.read(_sandbox(url), "stdout", offset, length)

    assert _with(Host(), look) == piece


def test_the_directory_is_looked_for_once() -> None:
    host = Host()

    async def look(files: TaskFiles, url: str) -> None:
        for offset in range(5):
            await files.read(_sandbox(url), "stdout", offset, 1)

    _with(host, look)
    assert host.states_asked == 1


def test_a_directory_that_moved_is_found_again() -> None:
    host = Host()

    async def look(files: TaskFiles, url: str) -> bytes:
        await files.read(_sandbox(url), "stdout", 0, 1)
        host.directory = "/elsewhere"
        with pytest.raises(LogUnavailable):
            await files.read(_sandbox(url), "stdout", 0, 1)
        return (await files.read(_sandbox(url), "stdout", 0, 1)).data

    assert _with(host, look) == b"0"


def _fault(host: Host, task_id: str = "t", url: str = "") -> str:
    async def look(files: TaskFiles, own_url: str) -> str:
        with pytest.raises(LogUnavailable) as found:
            await files.read(_sandbox(url or own_url, task_id), "stdout", 0, 1)
        assert str(found.value)
        return found.value.kind

    return _with(host, look)


@pytest.mark.slow
def test_faults_have_their_kind() -> None:
    assert _fault(Host(), task_id="another") == "missing"
    unwritten = Host()
    unwritten.text = None
    assert _fault(unwritten) == "missing"
    odd = Host()
    odd.is_nonsense = True
    assert _fault(odd) == "broken"
    (port,) = free_ports(1)
    assert _fault(Host(), url=f"http://127.0.0.1:{port}") == "unreachable"


def test_hosts_that_are_gone_are_remembered_for_a_while_only(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("streams.api.task_files.HOST_GONE_S", 0.0)

    async def run() -> int:
        files = TaskFiles(HostLogs(SandboxReader()), None)
        for port in free_ports(3):
            with pytest.raises(LogUnavailable, match="127"):
                await files.read(_sandbox(f"http://127.0.0.1:{port}"), "stdout", None, 100)
        await files.close()
        return len(files._gone_until_s)

    assert asyncio.run(run()) == 1
