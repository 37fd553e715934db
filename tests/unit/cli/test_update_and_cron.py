"""`flumina update` and `flumina cron`: what they print, by what an API in memory says."""

import io
from collections.abc import Callable
from typing import Any

import pytest
from msgspec.structs import replace
from rich.console import Console

from scheduler.model.descriptor import spec_digest
from scheduler.model.ids import JobId
from scheduler.model.job import Batch, Cron
from scheduler.model.job_updates import JobUpdateAsked, UpdatePlan
from scheduler.model.time_zones import zone_rule
from streams.cli.client import decoded
from streams.cli.command_cron import Schedule, cron_path, print_firings, print_runs, upcoming
from streams.cli.command_update import Updates, path_of, print_updates
from streams.errors import OperatorError
from tests.support.asgi import call
from tests.support.cell import batch, running_cell, service
from tests.support.web_cell import WebCell


def shown(print_them: Callable[..., None], *found: Any) -> str:
    """What is printed."""
    written = io.StringIO()
    print_them(*found, Console(file=written, width=200))
    return written.getvalue()


def test_versions_and_updates_are_shown() -> None:
    cell = running_cell(hosts=4)
    cell.run(service(4, image="old", image_tag="1"), "web")
    new = service(4, image="new", image_tag="2")
    cell.copy("jobs", JobUpdateAsked(JobId("web"), new, spec_digest(new), UpdatePlan(), "ada"))
    body = call(WebCell(cell).app, "GET", path_of("web")).body
    lines = shown(print_updates, decoded(body, Updates)).splitlines()
    (old,) = [each for each in lines if "old:1" in each]
    assert old.split()[-3:] == ["4", "3", "3"], "one of four is on its way out"
    assert any("new:2" in each and "wanted" in each for each in lines)
    assert any("running" in each and "1 to 2" in each for each in lines)


def test_firings_are_shown_by_the_job_s_clock_and_in_utc() -> None:
    rule = zone_rule("Europe/Berlin")
    assert rule is not None
    found = upcoming("30 2 * * *", rule, 1_806_188_400_000, 2)
    text = shown(print_firings, found, rule)
    assert "2027-03-28 03:00 +02:00" in text
    assert "2027-03-28T01:00Z" in text
    with pytest.raises(OperatorError, match="61"):
        upcoming("61 * * * *", rule, 0, 1)


def test_runs_of_a_cron_job_are_shown() -> None:
    cell = running_cell()
    kind = Cron(schedule="@hourly", batch=Batch(size=1, runtime_limit_ms=600_000))
    cell.submit(replace(batch(), kind=kind), "c")
    cell.pass_ms(3_600_000)
    web = WebCell(cell)
    found = decoded(call(web.app, "GET", cron_path("c")).body, Schedule)
    text = shown(print_runs, found)
    assert found.runs[0].id in text
    assert "It fires next at" in text
