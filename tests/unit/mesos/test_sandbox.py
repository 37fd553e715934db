"""Reading sandboxes: which directory is the task's, bytes as they were, and clear faults.

The directory is found in an answer recorded from a real agent of 1.11.0; the faults come from a
small HTTP server. A real agent's files are read in the contract tests.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from connectors.mesos.sandbox import (
    FileMissingError,
    HostGoneError,
    Piece,
    SandboxError,
    SandboxReader,
    sandbox_directory,
)
from scheduler.model.ids import TaskId

STATE: dict[str, Any] = json.loads(
    (Path(__file__).parent / "recorded" / "agent" / "state.json").read_bytes()
)
RUNS = (
    "/var/lib/mesos/slaves/286032d3-3d90-416b-8c81-95fae066ab43-S0/frameworks/recorded-1/executors"
)
RUNNING, TWICE = TaskId("job-worker-0-1"), TaskId("job-worker-1-2")
T = TaskId("t")


def test_the_directory_of_a_running_task() -> None:
    found = sandbox_directory(STATE, "recorded-1", RUNNING)
    assert found == f"{RUNS}/{RUNNING}/runs/91520102-5b5f-4051-b576-b3645eec551b"


def test_the_latest_of_two_runs() -> None:
    found = sandbox_directory(STATE, "recorded-1", TWICE)
    assert found == f"{RUNS}/{TWICE}/runs/544ff0bc-ef0e-4312-a92a-fcd3f4b0d980"


def test_a_run_that_is_over_in_a_framework_that_is_over() -> None:
    over = {"frameworks": [], "completed_frameworks": STATE["frameworks"]}
    assert sandbox_directory(over, "recorded-1", RUNNING) is not None


@pytest.mark.parametrize(
    ("framework_id", "task_id"), [("recorded-1", TaskId("other")), ("other", RUNNING)]
)
def test_no_directory_of_what_never_ran(framework_id: str, task_id: TaskId) -> None:
    assert sandbox_directory(STATE, framework_id, task_id) is None


@pytest.mark.parametrize(
    "state",
    [
        {},
        {"frameworks": None},
        {"frameworks": [1, {"id": "f"}]},
        {"frameworks": [{"id": "f", "executors": [{"id": "t"}, {"id": "t", "directory": 1}]}]},
    ],
)
def test_a_strange_state_has_no_directory(state: dict[str, Any]) -> None:
    assert sandbox_directory(state, "f", T) is None


def test_a_task_of_a_shared_executor_is_found() -> None:
    executor = {"id": "e", "directory": "/d", "completed_tasks": [{"id": "t"}]}
    state = {"frameworks": [{"id": "f", "completed_executors": [executor]}]}
    assert sandbox_directory(state, "f", T) == "/d"


Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@asynccontextmanager
async def agent(handler: Handler) -> AsyncIterator[str]:
    """The URL of a server that answers everything with ``handler``."""
    app = web.Application()
    app.router.add_get("/{tail:.*}", handler)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


def read(handler: Handler, length: int = 100, timeout_s: float = 30) -> Piece:
    """What a reader gets from a server that answers so."""

    async def main() -> Piece:
        reader = SandboxReader(timeout_s)
        try:
            async with agent(handler) as url:
                return await reader.read(url, "/d", "stdout", 3, length)
        finally:
            await reader.close()

    return asyncio.run(main())


def answering(body: bytes, status: int = 200) -> Handler:
    async def handler(_: web.Request) -> web.StreamResponse:
        return web.Response(body=body, status=status, content_type="application/json")

    return handler


def test_bytes_that_are_no_utf_8_come_back_as_they_were() -> None:
    piece = read(answering(b'{"data":"\xbc\xff\\u0000\\n\xe2\x82","offset":3}'))
    assert piece == Piece(b"\xbc\xff\x00\n\xe2\x82", 3)
    assert piece.next_offset == 9


def test_what_is_asked_for() -> None:
    asked: list[dict[str, str]] = []

    async def handler(request: web.Request) -> web.StreamResponse:
        asked.append({"at": request.path, **request.query})
        return web.json_response({"data": "", "offset": 3})

    read(handler, length=10**9)
    assert asked == [{"at": "/files/read", "path": "/d/stdout", "offset": "3", "length": "65536"}]


@pytest.mark.parametrize(
    ("handler", "kind", "says"),
    [
        (answering(b"", 404), FileMissingError, "has no stdout"),
        (answering(b"Cannot read a directory.\n", 400), SandboxError, "400 .*Cannot read a dir"),
        (answering(b"", 401), SandboxError, "answered 401"),
        (answering(b"<html>"), SandboxError, "no JSON"),
        (answering(b"[]"), SandboxError, "no JSON object"),
        (answering(b'{"offset":3}'), SandboxError, "without the file's data"),
        (answering(b'{"data":"' + b"x" * 500_000 + b'"}'), SandboxError, "more than"),
    ],
)
def test_a_fault_says_what_it_is(handler: Handler, kind: type[Exception], says: str) -> None:
    with pytest.raises(kind, match=says):
        read(handler)


@pytest.mark.slow
def test_a_host_that_does_not_answer_is_given_up() -> None:
    async def mute(_: web.Request) -> web.StreamResponse:
        await asyncio.sleep(60)
        return web.Response()

    with pytest.raises(HostGoneError, match=r"within 0\.5 s"):
        read(mute, timeout_s=0.5)


@pytest.mark.parametrize(
    ("url", "kind"), [("http://127.0.0.1:1", HostGoneError), ("", SandboxError)]
)
def test_a_host_that_is_not_there(url: str, kind: type[Exception]) -> None:
    async def main() -> None:
        reader = SandboxReader(timeout_s=2)
        try:
            await reader.directory(url, "f", T)
        finally:
            await reader.close()

    with pytest.raises(kind):
        asyncio.run(main())
