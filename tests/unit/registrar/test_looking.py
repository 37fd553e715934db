"""A look: what the API tells is registered, and nothing follows from what nobody knows.

How: the registrar with a folder as its registry asks the real application over a cell in memory, by
a socket on loopback.
"""

import asyncio
import json
import os
from pathlib import Path

import pytest
from msgspec.structs import replace
from structlog.testing import capture_logs

from scheduler.model.job import JobSpec
from scheduler.model.resources import Need
from streams.registrar.main import UNKNOWN_PAGED_MS, Registrar
from streams.settings import settings_of
from tests.support.cell import service
from tests.support.web_cell import WebCell
from tests.unit.cli.test_policy import web  # noqa: F401 - a fixture

NOW = 1_700_000_000_000


def listening(count: int = 2) -> JobSpec:
    """A service of which each task has a port."""
    return service(count, need=Need(cpu_milli=500, memory_mib=256, disk_mib=10, ports=1))


def registrar(home: Path) -> Registrar:
    """A process that has just begun."""
    environment = {"FLUMINA_DATA": str(home / "data"), "FLUMINA_DISCOVERY": (home / "sd").as_uri()}
    return Registrar(settings_of(environment), os.environ["FLUMINA_API"])


def tasks(home: Path) -> list[str]:
    """The tasks in all files."""
    files = (home / "sd").rglob("*.json")
    groups = [each for path in files for each in json.loads(path.read_bytes())]
    return sorted(each["labels"]["flumina_task"] for each in groups)


def test_what_starts_is_registered_and_what_ends_is_not(
    web: WebCell,  # noqa: F811
    tmp_path: Path,
) -> None:
    ids = web.cell.run(listening())
    there = registrar(tmp_path)
    asyncio.run(there.look(NOW))
    assert tasks(tmp_path) == []
    for each in ids:
        web.cell.status(each, "TASK_RUNNING", container_ip="10.0.0.7")
    asyncio.run(there.look(NOW + 1_000))
    assert tasks(tmp_path) == sorted(ids)
    web.cell.kill_task(ids[0])
    web.cell.status(ids[1], "TASK_UNREACHABLE")
    asyncio.run(registrar(tmp_path).look(NOW + 2_000))
    assert tasks(tmp_path) == []


def test_nothing_is_concluded_from_who_does_not_know(
    web: WebCell,  # noqa: F811
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (task_id,) = web.cell.run(listening(1))
    web.cell.status(task_id, "TASK_RUNNING", container_ip="10.0.0.7")
    there = registrar(tmp_path)
    asyncio.run(there.look(NOW))
    web.cell.kill_task(task_id)
    web.halt = "the fold halted at offset 7"
    with capture_logs() as lines:
        for after_ms in (1_000, 2_000, UNKNOWN_PAGED_MS + 1_000, UNKNOWN_PAGED_MS + 2_000):
            asyncio.run(there.look(NOW + after_ms))
    assert tasks(tmp_path) == [task_id]
    assert [bool(each.get("page")) for each in lines] == [False, True]
    monkeypatch.setenv("FLUMINA_API", "http://127.0.0.1:1")
    asyncio.run(registrar(tmp_path).look(NOW + UNKNOWN_PAGED_MS))
    assert tasks(tmp_path) == [task_id]
    web.halt = ""
    asyncio.run(there.look(NOW + UNKNOWN_PAGED_MS + 3_000))
    assert tasks(tmp_path) == []


def test_a_job_names_its_service_and_its_port(web: WebCell, tmp_path: Path) -> None:  # noqa: F811
    attributes = (("flumina.discovery.port", "8080"), ("flumina.discovery.service", "orders"))
    (task_id,) = web.cell.run(replace(service(1), attributes=attributes))
    web.cell.status(task_id, "TASK_RUNNING", container_ip="10.0.0.7")
    asyncio.run(registrar(tmp_path).look(NOW))
    (group,) = json.loads((tmp_path / "sd" / "main" / "orders.json").read_bytes())
    assert group["targets"] == ["10.0.0.7:8080"]
