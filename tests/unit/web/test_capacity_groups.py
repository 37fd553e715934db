"""Capacity groups by Titus' management API, and the reports of what is guaranteed and held.

Each test asks the real application over a cell in memory; what it changed is read from the policy
that the cell decides by.
"""

from typing import Any

import pytest

from scheduler.model.rules import CapacityGroup
from tests.support.asgi import call
from tests.support.cell import running_cell, service
from tests.support.web_cell import WebCell

PATH = "/api/v2/management/applications"
BODY: dict[str, Any] = {
    "appName": "video",
    "tier": "Critical",
    "instanceCount": 10,
    "resourceDimension": {"cpu": 2, "memoryMB": 4_096, "diskMB": 10_000, "networkMbs": 128},
}


def _group(web: WebCell, name: str) -> CapacityGroup | None:
    groups = web.cell.state.policy.placement.groups
    return next((each for each in groups if each.name == name), None)


def test_a_group_is_made_changed_shown_and_removed() -> None:
    web = WebCell()
    made = call(web.app, "POST", PATH, BODY)
    assert (made.status, made.json) == (201, {"id": "video"})
    group = _group(web, "video")
    assert group is not None
    assert (group.tier, group.guarantee.cpu_milli, group.instances) == ("Critical", 20_000, 10)
    shown = call(web.app, "GET", f"{PATH}/video").json
    assert shown["instanceCount"] == 10
    assert shown["resourceDimension"]["memoryMB"] == 4_096
    assert "reservationUsage" not in shown

    changed = call(web.app, "PUT", f"{PATH}/video", {**BODY, "instanceCount": 4})
    assert changed.status == 200
    group = _group(web, "video")
    assert group is not None
    assert group.guarantee.cpu_milli == 8_000
    names = [each["appName"] for each in call(web.app, "GET", PATH).json]
    assert names == ["DEFAULT", "video"]

    assert call(web.app, "DELETE", f"{PATH}/video").status == 200
    assert _group(web, "video") is None
    assert call(web.app, "GET", f"{PATH}/video").status == 404
    assert call(web.app, "DELETE", f"{PATH}/video").status == 404
    assert call(web.app, "PUT", f"{PATH}/video", BODY).status == 404


def test_a_name_that_is_there_is_a_conflict() -> None:
    web = WebCell()
    assert call(web.app, "POST", PATH, BODY).status == 201
    again = call(web.app, "POST", PATH, {**BODY, "instanceCount": 1})
    assert again.status == 409
    assert list(again.json["errorContext"]["constraintViolations"]) == ["appName"]
    group = _group(web, "video")
    assert group is not None
    assert group.instances == 10


def test_default_cannot_be_removed() -> None:
    web = WebCell()
    answer = call(web.app, "DELETE", f"{PATH}/DEFAULT")
    assert answer.status == 400
    assert _group(web, "DEFAULT") is not None
    assert call(web.app, "PUT", f"{PATH}/DEFAULT", {**BODY, "appName": "DEFAULT"}).status == 200


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"tier": "Flexx"}, "tier"),
        ({"instanceCount": 0}, "instanceCount"),
        ({"instanceCount": None}, "instanceCount"),
        ({"resourceDimension": {"cpu": -1, "memoryMB": 1}}, "resourceDimension.cpu"),
        ({"resourceDimension": {"cpu": 1}}, "resourceDimension.memoryMB"),
        ({"cellId": "elsewhere"}, "cellId"),
        ({"schedulerName": "fenzo"}, "schedulerName"),
        ({"colour": "red"}, "colour"),
        ({"appName": " "}, "appName"),
    ],
)
def test_a_wrong_group_is_refused_by_its_field(change: dict[str, Any], field: str) -> None:
    web = WebCell()
    answer = call(web.app, "POST", PATH, {**BODY, **change})
    assert answer.status == 400
    assert field in answer.json["errorContext"]["constraintViolations"]
    assert _group(web, "video") is None


def test_what_comes_back_with_a_put_is_what_was_shown() -> None:
    web = WebCell()
    call(web.app, "POST", PATH, {**BODY, "flumina.redBlack": 3})
    before = _group(web, "video")
    shown = call(web.app, "GET", f"{PATH}/video?extended=true").json
    assert call(web.app, "PUT", f"{PATH}/video", shown).status == 200
    assert _group(web, "video") == before


def test_what_a_group_holds_is_shown_beside_what_it_is_guaranteed() -> None:
    cell = running_cell()
    cell.run(service(2), "web")
    web = WebCell(cell)
    held = call(web.app, "GET", f"{PATH}/DEFAULT?extended=true").json["reservationUsage"]
    assert held == {"cpu": 1.0, "memoryMB": 512, "diskMB": 20, "networkMbs": 0, "gpu": 0}
    told = call(web.app, "GET", "/api/v2/resource/consumption").json
    assert told["currentConsumption"]["cpu"] == 1.0
    flex = told["contributors"]["Flex"]
    assert flex["contributors"]["DEFAULT"]["contributors"]["app"]["attributes"] == {"tasks": "2"}
    assert flex["isAboveLimit"], "DEFAULT is guaranteed nothing here"


def test_each_level_is_above_its_limit_by_its_own_numbers() -> None:
    cell = running_cell()
    cell.run(service(2), "web")
    web = WebCell(cell)
    assert call(web.app, "GET", "/api/v2/resource/consumption").json["isAboveLimit"] is True
    made = call(web.app, "POST", PATH, {**BODY, "appName": "reserve", "tier": "Flex"})
    assert made.status == 201, made.json
    told = call(web.app, "GET", "/api/v2/resource/consumption").json
    tier = told["contributors"]["Flex"]
    assert tier["contributors"]["DEFAULT"]["isAboveLimit"] is True
    # What DEFAULT holds is guaranteed to the tier as a whole, and borrowed.
    assert (tier["isAboveLimit"], told["isAboveLimit"]) == (False, False)


def test_capacity_says_what_a_tier_must_have_and_why() -> None:
    web = WebCell()
    assert call(web.app, "GET", "/api/flumina/capacity").json["leftAlone"] == ["Critical", "Flex"]
    call(web.app, "POST", PATH, {**BODY, "flumina.redBlack": 3})
    told = call(web.app, "GET", "/api/flumina/capacity").json
    (tier,) = told["tiers"]
    assert tier["tier"] == "Critical"
    assert tier["total"]["cpu"] == 26.0
    assert tier["bufferBy"]["cpu"] == "redBlack"
    assert told["leftAlone"] == ["Flex"]
