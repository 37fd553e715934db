"""The front over real cells' APIs on loopback: one answer for all, each failure told by name."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping

import aiohttp
import msgspec
import pytest

from connectors.federation import app
from connectors.federation.app import request_s
from connectors.federation.cells import WRITE_S_MAX
from connectors.federation.configuration import (
    TIMEOUT_MS,
    TIMEOUT_MS_MAX,
    TIMEOUT_MS_MIN,
    Configuration,
    FederatedCell,
    Route,
)
from connectors.federation.front import CELL
from connectors.federation.telling import FAILED, STALE
from projections.rated import Rated
from streams.kafka.ports import free_ports
from tests.support.federated import Federation, federation
from tests.support.world import batch_of


def run(test: Callable[[Federation], Awaitable[None]]) -> None:
    async def inside() -> None:
        async with federation() as there:
            await test(there)

    asyncio.run(inside())


def test_jobs_go_where_the_routes_say_and_bear_the_stack() -> None:
    async def test(there: Federation) -> None:
        there.without_third()
        assert await there.submit("a") == "one"
        assert await there.submit("b", "video") == "two"
        assert await there.submit("c", X_Flumina_Cell="two") == "two"
        # A repetition goes where the first one went, though the rule is another by now.
        there.configuration = msgspec.structs.replace(there.configuration, routes=())
        assert await there.submit("b", "video") == "two"
        keyed = {**batch_of(1, "true"), "applicationName": "video"}
        for name in ("one", "two"):
            rules = (Route(cell=name, application_name="video"),)
            there.configuration = msgspec.structs.replace(there.configuration, routes=rules)
            _, told, _ = await there.ask("POST", "/api/v3/jobs", keyed, Idempotency_Key="k")
            assert told[CELL] == "one", "the same key is the same job"
        _, told, job = await there.ask("GET", "/api/v3/jobs/b")
        assert told[CELL] == "two"
        assert job["jobDescriptor"]["attributes"]["titus.stack"] == "prod"

    run(test)


def test_a_job_that_no_rule_binds_goes_on_from_a_full_cell_to_the_next() -> None:
    async def test(there: Federation) -> None:
        there.without_third()
        there.cells["one"].rated.rated = Rated(tasks=2)
        assert await there.submit("a") == "one"
        assert await there.submit("b") == "two"
        assert await there.submit("a") == "one", "a repetition goes where the first one went"
        _, told, _ = await there.ask("POST", "/api/v3/jobs?jobId=c", batch_of(1, "true"))
        assert told["X-Flumina-Routed-By"] == "one is full"
        # A job that names its cell is that cell's to refuse; so is one that no cell has room for.
        status, _, _ = await there.ask(
            "POST", "/api/v3/jobs?jobId=d", batch_of(1, "true"), X_Flumina_Cell="one"
        )
        assert status == 429
        there.cells["two"].rated.rated = Rated(tasks=2)
        status, _, _ = await there.ask("POST", "/api/v3/jobs?jobId=e", batch_of(1, "true"))
        assert status == 429

    run(test)


def test_a_list_has_every_item_once_and_says_which_cell_failed() -> None:
    async def test(there: Federation) -> None:
        names = [f"job-{number}" for number in range(9)]
        there.without_third()
        for number, name in enumerate(names):
            await there.submit(name, X_Flumina_Cell=("one", "two")[number % 3 == 0])
        third = FederatedCell("three", f"http://127.0.0.1:{free_ports(1)[0]}")
        cells = (*there.configuration.cells, third)
        there.configuration = msgspec.structs.replace(there.configuration, cells=cells)
        cursor, seen = "", []
        for _ in range(20):
            status, told, page = await there.ask("GET", f"/api/v3/jobs?pageSize=4&cursor={cursor}")
            assert status == 200
            assert told[FAILED] == "three"
            (failed,) = page["federation"]["failed"]
            assert failed["cell"] == "three"
            assert "cannot be reached" in failed["why"]
            assert len(page["items"]) <= 4
            seen += [(item["cell"], item["id"]) for item in page["items"]]
            cursor = page["pagination"]["cursor"]
            if not page["pagination"]["hasMore"]:
                break
        expected = [(("one", "two")[n % 3 == 0], name) for n, name in enumerate(names)]
        assert sorted(seen) == sorted(expected)

    run(test)


def test_a_stale_cell_is_told_and_a_request_to_a_silent_one_is_its_own() -> None:
    async def test(there: Federation) -> None:
        there.cells["two"].halt = "The fold halted for a test."
        _, told, page = await there.ask("GET", "/api/v3/tasks")
        assert told[STALE].startswith("two: ")
        assert page["federation"]["stale"][0]["cell"] == "two"
        assert page["federation"]["answered"] == ["one", "two"]
        status, told, body = await there.ask("GET", "/api/v3/jobs", X_Flumina_Cell="three")
        assert (status, told[FAILED]) == (503, "three")
        assert body["message"].startswith("Cell three cannot be reached")
        # Whether a job is there cannot be said while one is silent.
        status, _, body = await there.ask("GET", "/api/v3/jobs/unknown")
        assert status == 503
        assert body["federation"]["failed"][0]["cell"] == "three"
        there.without_third()
        status, told, _ = await there.ask("GET", "/api/v3/jobs/unknown")
        assert status == 404

    run(test)


def test_one_task_or_job_is_found_in_its_cell_and_changed_there() -> None:
    async def test(there: Federation) -> None:
        there.without_third()
        await there.submit("here", X_Flumina_Cell="two")
        _, _, page = await there.ask("GET", "/api/v3/tasks?jobIds=here")
        task_id = page["items"][0]["id"]
        status, told, _ = await there.ask("GET", f"/api/v3/tasks/{task_id}")
        assert (status, told[CELL]) == (200, "two")
        status, told, _ = await there.ask("GET", "/api/flumina/jobs/here/updates")
        assert (status, told[CELL]) == (200, "two")
        status, _, body = await there.ask("POST", "/api/flumina/jobs/here/updates/1/pause")
        assert (status, body["faults"][0]["code"]) == (404, "unknown"), "its cell refused it"
        status, told, _ = await there.ask("DELETE", "/api/v3/jobs/here?why=enough")
        assert (status, told[CELL]) == (200, "two")

    run(test)


def test_what_no_cell_can_be_told_for_is_refused_with_the_names() -> None:
    async def test(there: Federation) -> None:
        status, _, body = await there.ask("GET", "/api/flumina/state")
        assert status == 400
        assert "one, two, three" in body["errorDetails"]
        assert "--cell" in body["errorDetails"], "people at a command line have no headers"
        status, _, body = await there.ask("GET", "/api/flumina/state?cell=one")
        assert (status, body["cell"]) == (200, "test")
        status, _, body = await there.ask("GET", "/api/v3/jobs?cell=nowhere")
        assert (status, body["faults"][0]["field"]) == (400, "cell")
        status, _, body = await there.ask("GET", "/api/v3/jobs?cursor=zzz")
        assert (status, body["faults"][0]["field"]) == (400, "cursor")
        status, _, body = await there.ask("GET", "/api/v3/jobs?pageSize=0")
        assert (status, body["faults"][0]["field"]) == (400, "pageSize")
        # What one cell refuses, each would: it is the caller's to put right.
        status, _, body = await there.ask("GET", "/api/v3/jobs?jobState=Nowhere")
        assert status == 400
        avoids = {**batch_of(1, "true"), "attributes": {"flumina.cell.avoid": "one,two,three"}}
        status, _, body = await there.ask("POST", "/api/v3/jobs", avoids)
        assert (status, body["faults"][0]["field"]) == (400, "attributes.flumina.cell.avoid")

    run(test)


def test_the_standing_of_all_cells_is_told_while_one_is_down() -> None:
    async def test(there: Federation) -> None:
        status, told, body = await there.ask("GET", "/api/flumina/federation")
        assert (status, told[FAILED]) == (200, "three")
        assert [cell["isAnswering"] for cell in body["cells"]] == [True, True, False]
        assert body["servingStatus"] == "SERVING"

    run(test)


def test_a_capacity_group_is_shared_out_and_adds_up_again() -> None:
    async def test(there: Federation) -> None:
        there.without_third()
        path = "/api/v2/management/applications"
        group = {
            "appName": "video",
            "tier": "Critical",
            "instanceCount": 7,
            "resourceDimension": {"cpu": 1, "memoryMB": 512},
        }
        actor = {"X_Flumina_Actor": "op"}
        status, _, body = await there.ask("POST", path, group, **actor)
        assert (status, body["faults"][0]["field"]) == (400, "appName")
        shares = {"video": {"one": 60, "two": 40}}
        there.configuration = msgspec.structs.replace(there.configuration, capacity_groups=shares)
        status, _, body = await there.ask("POST", path, group, **actor)
        assert (status, body["instances"]) == (201, {"one": 4, "two": 3})
        status, _, found = await there.ask("GET", path)
        (video,) = [each for each in found if each["appName"] == "video"]
        assert (video["instanceCount"], video["cells"]) == (7, {"one": 4, "two": 3})
        # All of it to one cell: the other one's is removed.
        shares = {"video": {"two": 100}}
        there.configuration = msgspec.structs.replace(there.configuration, capacity_groups=shares)
        body = {**group, "instanceCount": 5}
        status, _, body = await there.ask("PUT", f"{path}/video", body, **actor)
        assert (status, body["instances"]) == (200, {"one": 0, "two": 5})
        status, _, found = await there.ask("GET", path)
        (video,) = [each for each in found if each["appName"] == "video"]
        assert video["cells"] == {"two": 5}

    run(test)


def test_a_group_that_one_cell_did_not_take_is_told_and_asked_for_again() -> None:
    async def test(there: Federation) -> None:
        shares = {"video": {"one": 50, "three": 50}}
        there.configuration = msgspec.structs.replace(there.configuration, capacity_groups=shares)
        resources = {"cpu": 1, "memoryMB": 512}
        group = {"appName": "video", "instanceCount": 2, "resourceDimension": resources}
        path = "/api/v2/management/applications"
        for _ in range(2):  # The second time, one has it already.
            status, _, body = await there.ask("POST", path, group, X_Flumina_Actor="op")
            assert status == 503
            assert "cell three: cannot be reached" in body["message"]
            assert body["errorDetails"] == "Ask again; done: one, two."

    run(test)


@pytest.mark.slow
def test_a_cell_that_hangs_delays_nobody_who_asks_for_a_job_of_another() -> None:
    async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    async def test(there: Federation) -> None:
        there.without_third()
        await there.submit("here", X_Flumina_Cell="two")
        server = await asyncio.start_server(hang, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        third = FederatedCell("three", f"http://127.0.0.1:{port}")
        there.configuration = msgspec.structs.replace(
            there.configuration, cells=(third, *there.configuration.cells), timeout_ms=4_000
        )
        begun_s = time.monotonic()
        status, told, _ = await there.ask("GET", "/api/v3/jobs/here")
        assert (status, told[CELL]) == (200, "two")
        assert time.monotonic() - begun_s < 3.5
        # All of them are asked for a list: it comes when the patience with one is over.
        status, told, page = await there.ask("GET", "/api/v3/jobs")
        assert (status, told[FAILED]) == (200, "three")
        assert page["federation"]["failed"][0]["why"] == "did not answer within 4 s"
        assert [item["id"] for item in page["items"]] == ["here"]
        server.close()

    run(test)


@pytest.mark.parametrize("timeout_ms", [TIMEOUT_MS_MIN, TIMEOUT_MS, TIMEOUT_MS_MAX])
def test_a_whole_request_may_take_longer_than_the_cells_that_it_waits_for(timeout_ms: int) -> None:
    limit_s = request_s(Configuration(cells=(), default="", timeout_ms=timeout_ms))
    patience_s = timeout_ms / 1_000
    # All cells are asked who has a job, and then that one: to read, or to change something.
    assert limit_s > patience_s + max(patience_s, WRITE_S_MAX)
    assert timeout_ms != TIMEOUT_MS or limit_s == 30


def test_a_request_that_takes_longer_than_its_configuration_allows_ends(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    async def test(there: Federation) -> None:
        server = await asyncio.start_server(hang, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        third = FederatedCell("three", f"http://127.0.0.1:{port}")
        there.without_third()
        there.configuration = msgspec.structs.replace(
            there.configuration, cells=(third, *there.configuration.cells), timeout_ms=60_000
        )
        monkeypatch.setattr(app, "REST_S", 0.2 - 2 * 60)
        begun_s = time.monotonic()
        status, _, body = await there.ask("GET", "/api/v3/jobs")
        assert (status, time.monotonic() - begun_s < 30) == (503, True)
        assert "was not answered within" in body["message"]
        server.close()

    run(test)


def test_a_web_page_cannot_call_it_by_a_name_of_its_own() -> None:
    async def test(there: Federation) -> None:
        status, _, body = await there.ask("GET", "/health", Host="evil.example:80")
        assert status == 421
        assert "not called by that name" in body["message"]
        status, _, _ = await there.ask("GET", "/health", Host="localhost")
        assert status == 200

    run(test)


def test_a_stream_of_one_job_or_of_a_named_cell_is_passed_on_as_it_comes() -> None:
    async def test(there: Federation) -> None:
        await there.submit("here", X_Flumina_Cell="two")
        there.without_third()
        for path, named in (("jobs/here/observe", {}), ("observe/jobs", {CELL: "two"})):
            url = f"{there.front_url}/api/v3/{path}"
            async with aiohttp.ClientSession() as http, http.get(url, headers=named) as answer:
                assert (answer.status, answer.headers[CELL]) == (200, "two")
                assert answer.headers["Content-Type"].startswith("text/event-stream")
                heard = b""
                async with asyncio.timeout(10):
                    while b"SnapshotEnd" not in heard:
                        heard += await answer.content.readany()
                assert b"here" in heard
        status, _, _ = await there.ask("GET", "/api/v3/observe/jobs")
        assert status == 400, "of all cells there is no stream"

    run(test)


def test_requests_of_2017_find_their_cell_by_path_and_by_body() -> None:
    spec = {
        "name": "old",
        "applicationName": "busybox",
        "appName": "video",
        "user": "ada@example.org",
        "type": "service",
        "version": "1.36",
        "entryPoint": "sleep 60",
        "instances": 2,
        "cpu": 0.1,
        "memory": 64,
        "disk": 10,
        "networkMbps": 1,
    }

    async def test(there: Federation) -> None:
        there.without_third()
        status, told, made = await there.ask("POST", "/api/v2/jobs", spec)
        assert (status, told[CELL]) == (201, "two"), made
        name = made["id"]
        await there.submit("new")
        status, told, found = await there.ask("GET", f"/v2/jobs/{name}")
        assert (status, told[CELL], found["id"]) == (200, "two", name)
        status, told, found = await there.ask("GET", f"/api/v2/jobs/{name}")
        assert (status, told[CELL], found["id"]) == (200, "two", name)
        task = found["tasks"][0]["id"]
        status, told, _ = await there.ask("GET", f"/v2/tasks/{task}")
        assert (status, told[CELL]) == (200, "two")
        _, told, jobs = await there.ask("GET", "/api/v2/jobs")
        assert sorted(each["id"] for each in jobs) == sorted((name, "new"))
        assert FAILED not in told
        counts = {"user": "ada", "jobId": name, "instancesDesired": 1}
        limits = {"instancesMin": 0, "instancesMax": 2}
        path = "/api/v2/jobs/setinstancecounts"
        status, said = await raw(there, path, {**counts, **limits})
        assert (status, said[CELL]) == (204, "two")
        status, said = await raw(there, "/api/v2/jobs/kill", {"user": "ada", "jobId": "new"})
        assert (status, said[CELL]) == (204, "one")
        both = {"user": "ada", "taskIds": [task, "new-worker-0-1"]}
        status, _, why = await there.ask("POST", "/api/v2/tasks/kill", both)
        assert (status, "several cells" in why["message"]) == (400, True)
        status, _, why = await there.ask("POST", "/api/v2/jobs/kill", {"user": "ada"})
        assert (status, "jobId" in why["message"]) == (400, True)

    run(test)


async def raw(there: Federation, path: str, body: object) -> tuple[int, Mapping[str, str]]:
    """Status and headers of an answer without a body."""
    async with (
        aiohttp.ClientSession() as http,
        http.post(there.front_url + path, json=body) as answer,
    ):
        return answer.status, answer.headers
