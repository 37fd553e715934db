"""`flumina update` and `flumina cron`: what they print, by what an API in memory says."""

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from rich.console import Console

from scheduler.model.descriptor import descriptor_of, spec_digest
from scheduler.model.ids import JobId
from scheduler.model.job import Batch, Cron
from scheduler.model.job_updates import JobUpdateAsked, JobUpdateOrdered, UpdatePlan
from scheduler.model.time_zones import zone_rule
from streams.cli.client import decoded
from streams.cli.command_cron import Schedule, cron_path, print_firings, print_runs, upcoming
from streams.cli.command_update import Updates, path_of, print_updates
from streams.errors import OperatorError
from tests.support.asgi import call
from tests.support.cell import batch, running_cell, service
from tests.support.web_cell import WebCell
from tests.unit.cli.test_policy import Run, run, web

__all__ = ("run", "web")


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


def test_an_update_to_the_present_spec_says_that_nothing_began(
    web: WebCell, run: Run, tmp_path: Path
) -> None:
    spec = service(2)
    web.cell.run(spec, "web")
    file = tmp_path / "web.json"
    file.write_text(json.dumps(descriptor_of(spec)))
    code, _, told = run("update", "web", "-f", str(file), "--wait")
    assert code == 0
    assert "Nothing began" in told
    assert "--restart" in told


def test_another_template_of_a_cron_job_is_said_to_be_for_runs_to_come(
    web: WebCell, run: Run, tmp_path: Path
) -> None:
    kind = Cron(schedule="@hourly", batch=Batch(size=1, runtime_limit_ms=600_000))
    spec = replace(batch(), kind=kind)
    web.cell.submit(spec, "c")
    file = tmp_path / "c.json"
    other = replace(spec, kind=replace(kind, batch=replace(kind.batch, size=2)))
    file.write_text(json.dumps(descriptor_of(other)))
    code, _, told = run("update", "c", "-f", str(file))
    assert code == 0
    assert "runs to come" in told.lower()


def test_an_order_that_comes_too_late_says_why(web: WebCell, run: Run) -> None:
    cell = web.cell
    cell.run(service(4, image="old", image_tag="1"), "web")
    new = service(4, image="new", image_tag="2")
    cell.copy("jobs", JobUpdateAsked(JobId("web"), new, spec_digest(new), UpdatePlan(), "ada"))
    cell.copy("jobs", JobUpdateOrdered(JobId("web"), "rollback", actor="ada"))
    cell.pass_ms(60_000)
    cell.launched()
    cell.pass_ms(60_000)
    assert cell.state.jobs[JobId("web")].update is None
    _, _, told = run("update", "web", "--pause")
    assert "nothing of it is under way" in told.lower()
    assert run("update", "nobody", "--pause")[0] == 4


def test_a_zone_that_is_nowhere_is_told_in_a_line(run: Run) -> None:
    code, _, told = run("cron", "next", "@daily", "--zone", "Mars")
    assert code == 1
    assert len(told) < 300
    assert "Europe/Berlin" in told
    assert run("cron", "next", "@daily", "--zone", "Europe/Berlim")[2].endswith(
        "Did you mean 'Europe/Berlin'?\n"
    )


def test_the_title_of_an_empty_table_stays_on_one_line() -> None:
    job = "job-9722734c9883f2751cc5fa1e99d883a0"
    found = Schedule(job, "@daily", "UTC", "", True, [], 0, "", [])
    assert shown(print_runs, found).splitlines()[0].strip() == f"runs of {found.job_id}"
