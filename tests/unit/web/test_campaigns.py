"""Campaigns: who has to deploy what again, and how far updates under a campaign's name have come.

Asked of the real application over a cell in memory; the command's own steps are taken by hand.
"""

from typing import Any

import pytest
from msgspec.structs import replace

from projections.campaigns import parsed_match
from scheduler.model.job import JobSpec
from streams.cli.command_campaign import provenance_of_words, redeployed
from streams.errors import OperatorError
from tests.support.asgi import call
from tests.support.cell import CellInMemory, batch, running_cell, service
from tests.support.web_cell import WebCell

BASE = "flumina.provenance.baseImage"


def _spec(spec: JobSpec, owner: str, base: str, tag: str = "1") -> JobSpec:
    container = replace(spec.container, image="team/worker", image_tag=tag)
    attributes = ((BASE, base),)
    return replace(spec, owner_email=owner, container=container, attributes=attributes)


def _cell() -> CellInMemory:
    cell = running_cell(2, cpus=32)
    cell.run(_spec(service(4), "ada@x", "debian:12"), "web")
    cell.run(_spec(batch(2), "bob@x", "debian:12@sha256:1"), "night")
    cell.offer("host3", 32)
    cell.run(_spec(service(1), "eve@x", "alpine:3", tag="2"), "other")
    return cell


def _found(web: WebCell, match: str, name: str = "") -> dict[str, Any]:
    query = f"match={match}" + (f"&name={name}" if name else "")
    answer = call(web.app, "GET", f"/api/flumina/campaign?{query}")
    assert answer.status == 200
    return dict(answer.json)


def test_by_base_image_the_owners_and_their_tasks_are_listed() -> None:
    found = _found(WebCell(_cell()), "base:debian")
    assert found["owners"] == {"ada@x": 4, "bob@x": 2}
    assert [each["jobId"] for each in found["items"]] == ["web", "night"]
    assert [each["canUpdate"] for each in found["items"]] == [True, False]
    assert found["items"][0]["taskIds"][0] == "web-worker-0-1"


@pytest.mark.parametrize(
    ("match", "jobs"),
    [
        ("image:team/worker", ["web", "night", "other"]),
        ("image:team/worker:2", ["other"]),
        ("image:team", []),
        ("base:debian:12", ["web", "night"]),
        ("base:deb", []),
        ("age:1h", []),
    ],
)
def test_matches(match: str, jobs: list[str]) -> None:
    found = _found(WebCell(_cell()), match)
    assert [each["jobId"] for each in found["items"]] == jobs


def test_what_has_ended_waits_or_has_no_such_image_is_no_candidate() -> None:
    cell = _cell()
    cell.status(cell.task(0, "night").task_id, "TASK_FINISHED")
    cell.kill_job("web")
    cell.submit(_spec(service(90), "ada@x", "debian:12"), "waits")
    cell.pass_ms(60_000)
    web = WebCell(cell)
    assert _found(web, "base:debian")["owners"] == {"ada@x": 90, "bob@x": 1}
    by_age = _found(web, "age:1min")
    assert {each["jobId"]: each["tasks"] for each in by_age["items"]} == {"night": 1, "other": 1}


@pytest.mark.parametrize(
    ("image", "found"),
    [
        ({"image": "team/worker", "image_tag": "", "image_digest": "sha256:1"}, ["x"]),
        ({"image": "team/worker", "image_tag": "2", "image_digest": ""}, []),
        ({"image": "", "image_tag": "", "image_digest": ""}, []),
    ],
)
def test_an_image_is_found_by_its_digest_and_none_where_there_is_none(
    image: dict[str, Any], found: list[str]
) -> None:
    cell = running_cell(2)
    cell.run(service(1, **image), "x")
    web = WebCell(cell)
    for match in ("sha256:1", "team/worker@sha256:1"):
        assert [each["jobId"] for each in _found(web, f"image:{match}")["items"]] == found


def test_by_age_what_has_run_for_so_long() -> None:
    cell = _cell()
    cell.pass_ms(3_600_000)
    assert _found(WebCell(cell), "age:1h")["tasks"] == 7
    assert _found(WebCell(cell), "age:2h")["tasks"] == 0


@pytest.mark.parametrize("text", ["", "image:", "age:soon", "colour:red", "image"])
def test_what_says_nothing_is_refused(text: str) -> None:
    assert parsed_match(text) is None
    assert call(WebCell().app, "GET", f"/api/flumina/campaign?match={text}").status == 400


def test_a_campaign_is_begun_by_updates_and_its_progress_is_shown() -> None:
    cell = _cell()
    web = WebCell(cell)
    assert call(web.app, "GET", "/api/flumina/campaigns/openssl").status == 404
    (job,) = [each for each in _found(web, "base:debian")["items"] if each["canUpdate"]]
    assert job["unavailableMax"] == 1
    shown = call(web.app, "GET", "/api/v3/jobs/web").json["jobDescriptor"]
    plan = {"campaign": "openssl", "restart": True, "batch": 1, "maxUnavailable": 1}
    body = {"job": redeployed(shown, "1.1", {BASE: "debian:12.1"}), "plan": plan}
    answer = call(web.app, "POST", "/api/flumina/jobs/web/updates", body)
    assert answer.status == 200
    told = call(web.app, "GET", "/api/flumina/campaigns/openssl").json
    assert (told["tasks"], told["redeployed"], told["states"]) == (4, 0, {"running": 1})
    for _ in range(60):
        cell.tick(1_000)
        for task in list(cell.state.tasks.values()):
            if type(task.state).__name__ == "KillInitiated":
                cell.status(task.task_id, "TASK_KILLED")
        cell.offer(f"new-{len(cell.log)}", 32)
        for task_id in cell.launched():
            cell.status(task_id, "TASK_RUNNING")
        cell.pass_ms(31_000)
    told = call(web.app, "GET", "/api/flumina/campaigns/openssl").json
    assert (told["tasks"], told["redeployed"], told["states"]) == (4, 4, {"done": 1})
    assert [each["jobId"] for each in _found(web, "image:team/worker", "openssl")["items"]] == [
        "night",
        "other",
    ]


def test_the_descriptor_of_a_new_tag_says_nothing_of_the_old_image() -> None:
    descriptor = {
        "container": {"image": {"name": "a", "tag": "1", "digest": "sha256:0"}, "env": {}},
        "attributes": {BASE: "debian:11", "mine": "x"},
    }
    again = redeployed(descriptor, None, {})
    assert again["container"]["image"] == {"name": "a", "tag": "1"}
    assert again["attributes"] == {BASE: "debian:11", "mine": "x"}
    other = redeployed(descriptor, "2", {BASE: "debian:12"})
    assert other["container"]["image"] == {"name": "a", "tag": "2"}
    assert other["attributes"] == {BASE: "debian:12", "mine": "x"}


def test_words_of_provenance_are_checked() -> None:
    assert provenance_of_words(["commit=1a"]) == {"flumina.provenance.commit": "1a"}
    for word in ("commit", "commit=", "colour=red"):
        with pytest.raises(OperatorError):
            provenance_of_words([word])
