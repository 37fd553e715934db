"""Sandbox files over HTTP: what can be read, and that nothing else can."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette

from connectors.devcluster.agent.files import SandboxFiles
from connectors.devcluster.agent.model import LocalTask, Phase
from connectors.devcluster.agent.store import AgentStore

Get = Callable[..., tuple[int, bytes]]

RUN = "/frameworks/f/executors/t/runs/latest"


def task(task_id: str = "t") -> LocalTask:
    return LocalTask("f", {"task_id": {"value": task_id}}, "*", f"c-{task_id}", Phase.RUNNING, 0.0)


@pytest.fixture
def store(tmp_path: Path) -> AgentStore:
    store = AgentStore(tmp_path / "agent1")
    sandbox = store.make_sandbox("a", task())
    (sandbox / "stdout").write_bytes(b"0123456789")
    (sandbox / "raw").write_bytes(b"a\xc3\xbc\xffz\n")
    (sandbox / "deep").mkdir()
    (sandbox / "deep" / "file").write_bytes(b"x")
    (tmp_path / "secret").write_bytes(b"secret")
    (sandbox / "way-out").symlink_to(tmp_path / "secret")
    (sandbox / "way-up").symlink_to(tmp_path)
    return store


@pytest.fixture
def get(store: AgentStore) -> Get:
    app = Starlette(routes=SandboxFiles(store, lambda: "a").routes())

    def ask(name: str, **query: object) -> tuple[int, bytes]:
        text = "&".join(f"{k}={v}" for k, v in query.items())
        return asyncio.run(_ask(app, f"/files/{name}", text.encode()))

    return ask


async def _ask(app: Any, path: str, query: bytes) -> tuple[int, bytes]:
    scope = {"type": "http", "method": "GET", "path": path, "query_string": query, "headers": []}
    parts: list[dict[str, Any]] = []
    requests = [{"type": "http.request", "body": b"", "more_body": False}]

    async def receive() -> dict[str, Any]:
        if requests:
            return requests.pop()
        # The reader stays until it has its answer.
        await asyncio.Event().wait()
        raise AssertionError("nobody sets that event")

    async def send(message: dict[str, Any]) -> None:
        parts.append(message)

    answering: Awaitable[None] = app(scope, receive, send)
    await answering
    return parts[0]["status"], b"".join(p.get("body", b"") for p in parts[1:])


def test_a_piece_is_read_where_it_was_asked_for(get: Get) -> None:
    status, body = get("read", path=f"{RUN}/stdout", offset=3, length=4)
    assert (status, json.loads(body)) == (200, {"data": "3456", "offset": 3})


@pytest.mark.parametrize(
    ("query", "answer"),
    [
        ({}, {"data": "", "offset": 10}),
        ({"offset": -1}, {"data": "", "offset": 10}),
        ({"offset": 0}, {"data": "0123456789", "offset": 0}),
        ({"offset": 0, "length": -1}, {"data": "0123456789", "offset": 0}),
        ({"offset": 2, "length": 0}, {"data": "", "offset": 2}),
        ({"offset": 99}, {"data": "", "offset": 99}),
    ],
)
def test_edges_of_reading(get: Get, query: dict[str, int], answer: dict[str, object]) -> None:
    status, body = get("read", path=f"{RUN}/stdout", **query)
    assert (status, json.loads(body)) == (200, answer)


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ({"offset": -2}, 400),
        ({"offset": 0, "length": -2}, 400),
        ({"offset": "x"}, 400),
        ({"offset": "9" * 30}, 400),
    ],
)
def test_numbers_that_are_none_are_400(get: Get, query: dict[str, object], status: int) -> None:
    assert get("read", path=f"{RUN}/stdout", **query)[0] == status


def test_bytes_are_given_as_they_are_also_when_they_are_no_text(get: Get) -> None:
    _, body = get("read", path=f"{RUN}/raw", offset=0)
    assert body == b'{"data": "a\xc3\xbc\xffz\\n", "offset": 0}'


def test_a_folder_is_listed_and_not_read(get: Get) -> None:
    status, body = get("browse", path=RUN)
    names = [e["path"].rpartition("/")[2] for e in json.loads(body)]
    assert (status, names) == (200, ["deep", "raw", "stderr", "stdout", "way-out", "way-up"])
    assert get("read", path=RUN, offset=0)[0] == 400
    assert get("download", path=RUN)[0] == 400
    assert get("download", path=f"{RUN}/deep/file") == (200, b"x")


def test_the_absolute_folder_of_the_state_is_a_path_too(get: Get, store: AgentStore) -> None:
    folder = store.sandbox("a", task())
    assert get("read", path=f"{folder}/stdout", offset=0)[0] == 200


@pytest.mark.parametrize(
    "path",
    [
        "/etc/passwd",
        "/",
        "stdout",
        "/frameworks/f/executors/t/runs",
        "/frameworks/f/executors/t/runs/../latest/stdout",
        "/frameworks/../frameworks/f/executors/t/runs/latest",
        f"{RUN}/nothing",
        "/frameworks/f/executors/other/runs/latest/stdout",
        "/frameworks/f%00/executors/t/runs/latest",
        "/slaves/a/frameworks/f/executors/t/runs/latest/stdout",
    ],
)
def test_what_is_no_file_of_a_sandbox_is_404(get: Get, path: str) -> None:
    assert get("read", path=path, offset=0)[0] == 404
    assert get("browse", path=path)[0] == 404
    assert get("download", path=path)[0] == 404


@pytest.mark.parametrize(
    "way",
    ["..", "../../..", "way-out", "way-up", "way-up/secret"],
)
def test_no_way_leads_out_of_the_sandbox(get: Get, way: str) -> None:
    for name in ("read", "browse", "download"):
        status, body = get(name, path=f"{RUN}/{way}", offset=0)
        assert status == 400
        assert b"secret" not in body.replace(way.encode(), b"")


def test_a_way_out_and_in_again_stays_inside(get: Get) -> None:
    # Where a path ends is what counts, as in Mesos (observed on 1.11.0).
    assert get("read", path=f"{RUN}/deep/../../latest/stdout", offset=0)[0] == 200


def test_the_path_must_be_there(get: Get) -> None:
    assert get("browse") == (400, b"Expecting 'path=value' in query.\n")


def test_latest_follows_the_newest_run(store: AgentStore) -> None:
    again = LocalTask("f", {"task_id": {"value": "t"}}, "*", "c-2", Phase.RUNNING, 0.0)
    store.make_sandbox("a", again)
    assert (store.runs("a", "f", "t") / "latest").readlink() == Path("c-2")
