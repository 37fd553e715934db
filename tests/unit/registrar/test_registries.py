"""Files, Consul and Eureka keep the same promises: one suite for each of them.

How: files in a folder of the test; Consul and Eureka are real HTTP servers on loopback.
"""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from connectors.discovery.opening import open_registry
from connectors.ports import Endpoint, RegistrationFailed, ServiceRegistry
from streams.registrar.lane import Lane
from streams.registrar.memory import Memory
from tests.support.registries import Registries, registries

SERVICE = "orders/v2"
ONE = Endpoint("job-0-1", "job", "10.0.0.1", 31_000, (31_000, 31_001), "main", "uuid", "1.4")
TWO = replace(ONE, task_id="job-1-2", address="10.0.0.2")


@pytest.fixture
def server() -> Iterator[Registries]:
    with registries() as there:
        yield there


@pytest.fixture(params=["file", "dns", "consul", "eureka"])
def registry(request: pytest.FixtureRequest, server: Registries, tmp_path: Path) -> ServiceRegistry:
    kind = request.param
    where = str(tmp_path) if kind in {"file", "dns"} else server.address
    words = "?domain=svc.example.org" if kind == "dns" else ""
    return open_registry(f"{kind}://{where}{words}", "main")


def test_what_is_registered_is_found_and_goes_once_and_again(registry: ServiceRegistry) -> None:
    async def run() -> None:
        assert await registry.registered(SERVICE) == frozenset()
        await registry.register(SERVICE, [ONE, TWO])
        await registry.register(SERVICE, [ONE])
        assert await registry.registered(SERVICE) == {"job-0-1", "job-1-2"}
        assert await registry.registered("other") == frozenset()
        assert await registry.renew(SERVICE, [ONE]) == frozenset()
        await registry.deregister(SERVICE, [ONE])
        await registry.deregister(SERVICE, [ONE])
        assert await registry.registered(SERVICE) == {"job-1-2"}
        await registry.deregister(SERVICE, [TWO])
        assert await registry.registered(SERVICE) == frozenset()

    asyncio.run(run())


def test_a_file_is_what_prometheus_reads_and_others_groups_stay(tmp_path: Path) -> None:
    registry = open_registry(f"file://{tmp_path}", "main")
    asyncio.run(registry.register("web", [ONE, replace(TWO, address="fd00::2", is_healthy=False)]))
    path = tmp_path / "main" / "web.json"
    groups = json.loads(path.read_bytes())
    assert [each["targets"] for each in groups] == [["10.0.0.1:31000"], ["[fd00::2]:31000"]]
    assert groups[0]["labels"] == {
        "flumina_cell": "main",
        "flumina_service": "web",
        "flumina_job": "job",
        "flumina_task": "job-0-1",
        "flumina_ports": "31000,31001",
        "flumina_version": "1.4",
        "flumina_healthy": "true",
    }
    assert groups[1]["labels"]["flumina_healthy"] == "false"
    foreign = {"targets": ["10.9.9.9:80"], "labels": {"by": "hand"}}
    path.write_text(json.dumps([foreign, *groups]))
    asyncio.run(registry.deregister("web", [ONE, TWO]))
    assert json.loads(path.read_bytes()) == [foreign]
    asyncio.run(registry.register(SERVICE, [ONE]))
    assert sorted(each.name for each in path.parent.iterdir()) == ["orders%2Fv2.json", "web.json"]
    asyncio.run(registry.deregister(SERVICE, [ONE]))
    assert not (path.parent / "orders%2Fv2.json").exists()


def test_consul_has_address_port_health_and_check(server: Registries) -> None:
    registry = open_registry(f"consul://{server.address}", "main")
    asyncio.run(registry.register("web", [ONE, replace(TWO, is_healthy=False)]))
    found = server.services["job-0-1"]
    assert (found["Name"], found["Address"], found["Port"]) == ("web", "10.0.0.1", 31_000)
    assert found["Check"]["TTL"] == "300s"
    assert found["Meta"]["flumina-job"] == "job"
    assert server.checks == {"service:job-0-1": "passing", "service:job-1-2": "critical"}
    server.services["by-hand"] = {"Name": "web", "Meta": {}}
    assert asyncio.run(registry.registered("web")) == {"job-0-1", "job-1-2"}
    asyncio.run(registry.renew("web", [TWO]))
    assert server.checks["service:job-1-2"] == "passing"
    del server.checks["service:job-0-1"]
    assert asyncio.run(registry.renew("web", [ONE, TWO])) == {"job-0-1"}


def test_eureka_has_instances_with_leases(server: Registries) -> None:
    registry = open_registry(f"eureka://{server.address}", "main")
    asyncio.run(registry.register("web", [ONE, replace(TWO, is_healthy=False)]))
    found = server.instances["WEB", "job-0-1"]
    assert (found["ipAddr"], found["port"]["$"], found["status"]) == ("10.0.0.1", 31_000, "UP")
    assert server.instances["WEB", "job-1-2"]["status"] == "DOWN"
    server.instances.pop(("WEB", "job-0-1"))
    assert asyncio.run(registry.renew("web", [ONE, TWO])) == {"job-0-1"}
    assert server.heartbeats == ["job-0-1", "job-1-2"]


def test_a_registry_that_forgot_is_told_again_and_one_that_is_away_loses_nothing(
    server: Registries, tmp_path: Path
) -> None:
    registry = open_registry(f"consul://{server.address}", "main")
    lane = Lane("discovery", registry, Memory(tmp_path / "memory.json"), registry)
    wanted = {("web", each.task_id): each for each in (ONE, TWO)}

    async def run() -> None:
        await lane.round(wanted, 1_000)
        await lane.renew(100_000)
        server.services.clear()
        server.checks.clear()
        server.status = 500
        await lane.renew(200_000)
        await lane.round({("web", "job-0-1"): ONE}, 201_000)
        assert "/deregister/" not in "".join(server.asked)
        server.status = 0
        await lane.renew(300_000)
        await lane.round(wanted, 301_000)

    asyncio.run(run())
    assert set(server.services) == {"job-0-1", "job-1-2"}
    sick = {("web", "job-0-1"): replace(ONE, is_healthy=False), ("web", "job-1-2"): TWO}
    asyncio.run(lane.round(sick, 302_000))
    assert server.checks["service:job-0-1"] == "critical"


@pytest.mark.parametrize("status", [400, 500, 503])
def test_an_error_is_a_failure_that_names_the_request(server: Registries, status: int) -> None:
    server.status = status
    registry = open_registry(f"consul://{server.address}", "main")
    with pytest.raises(RegistrationFailed, match=f"answered {status} to PUT /v1/agent/service"):
        asyncio.run(registry.register("web", [ONE]))


def test_nobody_there_is_a_failure() -> None:
    registry = open_registry("eureka://127.0.0.1:1", "main")
    with pytest.raises(RegistrationFailed, match="cannot be asked"):
        asyncio.run(registry.registered("web"))


@pytest.mark.parametrize(
    "url", ["", "consul", "file://host/dir", "consul://", "http://a:1", "eureka://a:0"]
)
def test_an_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match=r"file:///DIR|port"):
        open_registry(url, "main")
