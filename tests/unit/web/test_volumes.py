"""Volumes and addresses by REST and by `flumina volume`, over a cell in memory.

How: the real application; what the leader's box would do is done by hand.
"""

import json
from typing import Any

import pytest
from msgspec.structs import replace

from scheduler.model.volumes import AddressAllocation, VolumeClaim
from tests.support.asgi import call
from tests.support.cell import service
from tests.support.web_cell import WebCell
from tests.unit.cli.test_policy import Run, run, web  # noqa: F401 - fixtures
from tests.unit.core.test_volumes import do_works, launched

PATH = "/api/flumina/volumes"
VOLUME = "job-volume-data-0"
ACTOR = {"X-Flumina-Actor": "ada"}
SPEC = replace(
    service(1),
    volumes=(VolumeClaim("data", "/data", size_mib=100),),
    addresses=tuple(AddressAllocation(f"a{n}", f"10.0.0.{n}") for n in range(100)),
)


def started(web: WebCell) -> str:  # noqa: F811 - the fixture's value
    web.cell.submit(SPEC)
    (task_id,) = launched(web.cell)
    web.cell.status(task_id, "TASK_RUNNING")
    return task_id


def order(web: WebCell, what: str, argument: str = "", **headers: str) -> Any:  # noqa: F811
    body = {"order": what, "argument": argument, "why": "test"}
    return call(web.app, "POST", f"{PATH}/{VOLUME}", body, ACTOR | headers)


def test_volumes_are_listed_shown_and_ordered_about(web: WebCell) -> None:  # noqa: F811
    assert call(web.app, "GET", PATH).json == {"items": []}
    task_id = started(web)
    (item,) = call(web.app, "GET", f"{PATH}?jobId=job").json["items"]
    assert (item["id"], item["state"], item["taskId"]) == (VOLUME, "attached", task_id)
    assert call(web.app, "GET", f"{PATH}?jobId=other").json == {"items": []}
    shown = call(web.app, "GET", f"{PATH}/{VOLUME}")
    assert shown.json == item
    assert call(web.app, "GET", f"{PATH}/no").status == 404
    assert order(web, "snapshot", "before").status == 200
    assert call(web.app, "GET", f"{PATH}/{VOLUME}").json["isWorkPending"] is True
    (first, *_) = call(web.app, "GET", "/api/flumina/addresses").json["items"]
    assert first == {
        "address": "10.0.0.0",
        "jobIds": ["job"],
        "taskId": task_id,
        "hostname": web.cell.state.hostname(web.cell.place(task_id).host_id),  # type: ignore[arg-type]
    }


def test_what_cannot_be_is_refused_by_the_one_table(web: WebCell) -> None:  # noqa: F811
    started(web)
    assert order(web, "delete").status == 409
    assert order(web, "explode").status == 400
    assert order(web, "clone", "../../etc/passwd").status == 400
    assert order(web, "snapshot", "s", **{"If-Match": '"999"'}).status == 412
    no_actor = call(web.app, "POST", f"{PATH}/{VOLUME}", {"order": "retry", "why": "x"})
    assert no_actor.status == 400
    body = {"order": "retry", "why": "x"}
    assert call(web.app, "POST", f"{PATH}/no-such", body, ACTOR).status == 404
    path = "/api/flumina/commands/release-holds"
    release = {"taskId": web.cell.task().task_id, "why": "gone"}
    assert call(web.app, "POST", path, release, ACTOR).status == 409


def test_volumes_are_counted_by_state(web: WebCell) -> None:  # noqa: F811
    started(web)
    lines = call(web.app, "GET", "/metrics").body.decode().splitlines()
    assert 'flumina_cell_volumes{state="attached"} 1.0' in lines
    assert 'flumina_cell_volumes{state="failed"} 0.0' in lines
    assert "flumina_cell_volumes_over_quota 0.0" in lines


def test_why_names_the_volume_that_a_launch_waits_for(web: WebCell) -> None:  # noqa: F811
    web.cell.submit(SPEC)
    web.cell.decide()
    placed = web.cell.task().task_id
    told = json.dumps(call(web.app, "GET", f"/api/v3/tasks/{placed}/why").json)
    assert f"It waits for volume {VOLUME}, which is creating." in told


def test_why_says_that_a_task_waits_for_its_volume(web: WebCell) -> None:  # noqa: F811
    task_id = started(web)
    web.cell.status(web.cell.task().task_id, "TASK_UNREACHABLE")
    web.cell.tick(30_000, 4)
    waiting = web.cell.task().task_id
    told = json.dumps(call(web.app, "GET", f"/api/v3/tasks/{waiting}/why").json)
    assert f"Volume {VOLUME} is held by task {task_id}, whose end is not known" in told
    context = call(web.app, "GET", f"/api/v3/tasks/{waiting}").json["taskContext"]
    assert context["task.ipAllocationId"] == "a0"
    assert context["task.ipAllocationAlreadyInUseByTask"] == task_id
    assert context["flumina.volumes"] == VOLUME
    lines = call(web.app, "GET", "/api/v3/jobs/job/events").json["lines"]
    assert {"volume", "address"} <= {each["what"] for each in lines}


def test_the_command_lists_shows_orders_and_releases(web: WebCell, run: Run) -> None:  # noqa: F811
    assert run("volume", "list") == (0, "There are no volumes.\n", "")
    assert run("volume", "addresses") == (0, "There are no static addresses.\n", "")
    task_id = started(web)
    code, out, _ = run("volume", "list", "--json")
    assert (code, json.loads(out)["items"][0]["taskId"]) == (0, task_id)
    assert VOLUME in run("volume", "list")[1]
    assert "10.0.0.0" in run("volume", "addresses")[1]
    assert "state: attached" in run("volume", "show", VOLUME)[1]
    code, out, _ = run("volume", "archive", VOLUME, "--why", "old")
    assert (code, "waits until no task has it" in out) == (0, True)
    assert run("volume", "show", "no")[0] == 4
    assert run("volume", "restore", VOLUME, "--why", "x")[0] != 0
    web.cell.status(web.cell.task().task_id, "TASK_UNREACHABLE")
    web.cell.tick(30_000, 4)
    code, out, _ = run("volume", "release", task_id, "--why", "its host burnt")
    assert (code, out) == (0, f"What {task_id} held is free.\n")
    assert do_works(web.cell, reference="key") == ["detach", "archive"]
    assert run("volume", "delete", VOLUME, "--why", "x")[0] != 0


@pytest.mark.parametrize("name", ["..", "a/b", "", "x" * 129])
def test_a_name_that_could_be_a_path_is_no_volume(name: str, web: WebCell) -> None:  # noqa: F811
    body = {"order": "retry", "why": "x"}
    assert call(web.app, "POST", f"{PATH}/{name}", body, ACTOR).status in {400, 404, 405}
