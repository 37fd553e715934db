"""The Python client against the real application on a real socket, and against scripted answers.

What is shown: each call does what it says; refusals carry their faults; what may be repeated is, by
Retry-After, and nothing else; streams go on over a server that goes away. Both clients are alike.
"""

import asyncio
import inspect
import threading
from collections.abc import Iterator
from contextlib import closing
from urllib.parse import urlsplit

import pytest

from connectors.client import asynchronous, errors, sync
from connectors.client.asynchronous import AsyncClient
from connectors.client.events import Event, Parser
from connectors.client.sync import Client
from connectors.web.observing import ObserveLimits
from scheduler.model.ids import TaskId
from tests.support.cell import running_cell
from tests.support.scripted_server import Server
from tests.support.served import Served, served
from tests.support.web_cell import WebCell, descriptor, service_descriptor

NO = {"message": "nobody leads", "errorDetails": "Come again.", "faults": []}
QUICK = ObserveLimits(gather_s=0.0, keep_alive_s=0.05)


@pytest.fixture
def web() -> WebCell:
    return WebCell(running_cell(hosts=3), observe=QUICK)


@pytest.fixture
def there(web: WebCell) -> Iterator[Served]:
    """The application behind a socket."""
    with served(web.app) as found:
        yield found


def test_the_life_of_a_service_call_by_call(web: WebCell, there: Served) -> None:
    with Client(there.url, "ada") as client:
        assert client.dry_run(service_descriptor(2), "s").job_descriptor["applicationName"] == "app"
        assert client.submit(service_descriptor(2), "s", why="a test").id == "s"
        assert client.submit(service_descriptor(2), "s").id == "s"  # The same again is the same.
        keyed = client.submit(descriptor(), key="once").id
        assert client.submit(descriptor(), key="once").id == keyed
        there.do(web.cell.launched)
        for index in (0, 1):
            task = web.cell.task(index, "s").task_id
            there.do(lambda task=task: web.cell.status(task, "TASK_RUNNING"))  # type: ignore[misc]
        job = client.job("s")
        assert (job.status.state, job.version.version) == ("Accepted", 1)
        client.set_capacity("s", desired=3, maximum=5, if_version=1)
        with pytest.raises(errors.OtherVersion) as late:
            client.set_capacity("s", desired=1, if_version=1)
        assert late.value.faults[0].field == "ifVersion"
        client.set_job_attributes("s", {"team": "a", "x": "y"})
        client.remove_job_attributes("s", "x")
        client.set_processes("s", is_increase_disabled=True)
        client.disable("s")
        client.enable("s")
        client.set_budget("s", {"selfManaged": {"relocationTimeMs": 1_000}, "rateUnlimited": {}})
        assert client.job("s").version.version > 5
        tasks = list(client.tasks({"jobIds": "s"}))
        assert {each.status.state for each in tasks} == {"Started", "Accepted"}
        assert [each.id for each in client.jobs({"jobType": "service"})] == ["s"]
        task_id = tasks[0].id
        client.set_task_attributes(task_id, {"a": "b"})
        assert client.task(task_id).attributes == {"a": "b"}
        client.remove_task_attributes(task_id, "a")
        assert client.task(task_id).attributes == {}
        assert client.why_job("s").sentences
        assert client.why_task(task_id).state == "Started"
        assert client.task_events(task_id).lines[0].what == "queued"
        assert len(client.job_events("s", is_with_tasks=True).lines) > 5
        assert client.scheduling_result(task_id).success is not None
        client.kill_task(task_id, is_shrink=True)
        assert client.job("s").job_descriptor.service is not None
        client.kill_job("s", why="over")
        assert client.job("s").status.state == "KillInitiated"
        assert client.standing().leader == web.cell.state.leader
        assert client.state().jobs


def test_moves_evictions_and_output(web: WebCell, there: Served) -> None:
    with Client(there.url, "ada") as client:
        for name in ("a", "b"):
            client.submit(service_descriptor(1), name)
        there.do(web.cell.launched)
        task = web.cell.task(0, "a").task_id
        there.do(lambda: web.cell.status(task, "TASK_RUNNING"))
        web.files.files[(task, "stdout")] = b"hello"
        piece = client.log(task)
        assert (piece.data, piece.offset, piece.next_offset) == (b"hello", 0, 5)
        assert client.log(task, offset=None).data == b"hello"
        assert client.move_task(task, "a", "b").id == task
        assert client.task(task).job_id == "b"
        assert client.evict_task(task, "a test").reason_code
        with pytest.raises(errors.NotFound, match="There is no task"):
            client.task(TaskId("nobody"))
        with pytest.raises(errors.BadRequest) as refused:
            client.submit(descriptor(batch={"size": 0}, owner=None), "x")
        assert {each.field for each in refused.value.faults} == {"batch.size", "owner"}
        assert refused.value.details


@pytest.mark.slow
def test_a_503_is_repeated_as_it_asks_and_a_limit_too() -> None:
    later = {"Retry-After": "1"}
    server = Server((503, NO), (429, NO, later), (200, {"id": "a"}))
    try:
        with Client(server.url) as client:
            assert client.job("a").id == "a"
        assert len(server.asked) == 3
        with Client(server.url, patience_s=0.0) as client:
            server.replies = [(503, NO)]
            with pytest.raises(errors.Unavailable, match="nobody leads"):
                client.job("a")
    finally:
        server.shutdown()
        server.server_close()


def test_what_cannot_be_done_twice_is_not_asked_twice() -> None:
    server = Server((503, NO), (200, {"id": "a"}))
    try:
        with Client(server.url) as client:
            with pytest.raises(errors.Unavailable):
                client.move_task("t", "a", "b")
            server.replies = [None, (200, {"id": "a"})]
            with pytest.raises(errors.Unreachable):
                client.kill_job("a", if_version=3)
            assert [each.method for each in server.asked] == ["POST", "DELETE"]
            assert server.asked[1].headers["If-Match"] == '"3"'
    finally:
        server.shutdown()
        server.server_close()


def test_what_is_answered_late_is_waited_for_and_seen_by_later_reads() -> None:
    token = {"X-Flumina-Token": "jobs:0:7"}
    late = (202, {"id": "a", "token": "jobs:0:7"}, token)
    server = Server(late, (200, {}), (200, {"id": "a"}, token), (200, {"id": "a"}))
    try:
        with Client(server.url) as client:
            client.kill_job("a")
            client.job("a")
        paths = [f"{each.method} {each.path}" for each in server.asked]
        assert paths == [
            "DELETE /api/v3/jobs/a",
            "GET /api/v3/status?atLeast=jobs%3A0%3A7",
            "DELETE /api/v3/jobs/a",
            "GET /api/v3/jobs/a",
        ]
        assert {each.lower(): it for each, it in server.asked[-1].headers.items()}[
            "x-flumina-at-least"
        ] == "jobs:0:7"
    finally:
        server.shutdown()
        server.server_close()


@pytest.mark.slow
def test_a_stream_goes_on_over_a_server_that_goes_away(web: WebCell) -> None:
    """The first server ends in the middle; another, of another fold, is there at the same port."""
    other = WebCell(web.cell, observe=QUICK)
    assert other.observing.begin(other.view, 0)
    events: list[Event] = []
    ready = threading.Event()

    def read(url: str) -> None:
        with Client(url) as client:
            for event in client.observe_job("b"):
                events.append(event)
                ready.set()

    def end(each: WebCell) -> None:
        for task in web.cell.tasks("b"):
            web.cell.status(task.task_id, "TASK_RUNNING")
            web.cell.status(task.task_id, "TASK_FINISHED")
        assert each.view.state.jobs

    with served(web.app) as there:
        port = urlsplit(there.url).port or 0
        with Client(there.url) as client:
            client.submit(descriptor(batch={"size": 2}), "b")
        reading = threading.Thread(target=read, args=(there.url,))
        reading.start()
        assert ready.wait(10)
        there.do(lambda: (web.cell.launched(), web.view))
        there.do(web.observing.close)
    with served(other.app, port) as there:
        there.do(lambda: end(other))
        reading.join(20)
        assert not reading.is_alive()
    kinds = [each.kind for each in events]
    assert (kinds.count("SnapshotEnd"), kinds.count("restart"), kinds[-1]) == (1, 0, "End")
    ids = [each.id for each in events if each.id and each.kind != "KeepAlive"]
    assert len(set(ids)) == len(ids)
    last = [each.job for each in events if each.job is not None][-1]
    assert last is not None
    assert last.status.state == "Finished"
    shown = {each.task.id for each in events if each.task is not None and each.is_match}
    assert len(shown) == 2


def test_the_asynchronous_client_does_the_same(there: Served) -> None:
    async def run() -> None:
        async with AsyncClient(there.url, "ada") as client:
            await client.submit(descriptor(), "b")
            assert [each.id async for each in client.jobs()] == ["b"]
            with pytest.raises(errors.NotFound):
                await client.task("nobody")
            kinds = []
            async for event in client.observe_job("b"):
                kinds.append(event.kind)
                if event.kind == "SnapshotEnd":
                    await client.kill_job("b")
            assert kinds[:3] == ["JobUpdate", "TaskUpdate", "SnapshotEnd"]
            assert kinds[-1] == "End"

    asyncio.run(run())


def test_both_clients_have_the_same_methods() -> None:
    def methods(of: type) -> dict[str, list[str]]:
        found = inspect.getmembers(of, inspect.isfunction)
        return {
            name: [str(each) for each in inspect.signature(it).parameters.values()]
            for name, it in found
            if not name.startswith("__")
        }

    assert methods(Client) == methods(AsyncClient)
    for name in methods(Client):
        assert inspect.getdoc(getattr(Client, name)) == inspect.getdoc(getattr(AsyncClient, name))
    assert sync.__doc__ != asynchronous.__doc__


def test_nobody_there_is_unreachable() -> None:
    with (
        closing(Client("http://127.0.0.1:1", patience_s=0.0)) as client,
        pytest.raises(errors.Unreachable, match="does not answer"),
    ):
        client.standing()
    with (
        closing(Client("http://127.0.0.1:1", patience_s=0.0)) as client,
        pytest.raises(errors.Unreachable),
    ):
        next(client.observe_jobs())


def test_an_event_of_several_lines_and_comments_are_read_as_the_standard_says() -> None:
    parser = Parser()
    lines = [": a comment", "event: X", "id: c/1:2", "data: {", "data: }", "", "", "retry: 5", ""]
    told = [each for line in lines if (each := parser.line(line)) is not None]
    assert told == [Event("X", "c/1:2", b"{\n}")]
    assert told[0].value == {}
