"""System selectors over REST: a change is a command, and what is shown is the folded policy."""

from typing import Any

import pytest

from scheduler.model.constraint import Constraint
from scheduler.model.rules import Selector
from tests.support.asgi import call
from tests.support.cell import batch, running_cell
from tests.support.web_cell import WebCell

PATH = "/api/v3/scheduler/systemSelectors"
ACTOR = {"X-Flumina-Actor": "ada"}
BODY: dict[str, Any] = {
    "id": "m5",
    "strength": "must",
    "constraint": {"kind": "machineType", "values": ["m5"]},
    "for": {"applications": ["app"]},
    "reason": "licence",
}


def _web() -> WebCell:
    web = WebCell(running_cell())
    assert call(web.app, "POST", PATH, BODY, ACTOR).status == 201
    return web


def _selectors(web: WebCell) -> tuple[Selector, ...]:
    return web.cell.state.policy.placement.selectors


def test_a_selector_is_added_and_shown() -> None:
    web = WebCell(running_cell())
    done = call(web.app, "POST", PATH, BODY, ACTOR)
    assert (done.status, done.json) == (201, {"id": "m5"})
    assert done.headers["location"] == f"{PATH}/m5"
    assert _selectors(web) == (
        Selector("m5", "must", Constraint("machineType", "", ("m5",)), (), (), ("app",), "licence"),
    )
    version = web.cell.state.policy_version
    assert call(web.app, "GET", PATH).json == {"items": [BODY], "policyVersion": version}
    assert call(web.app, "GET", f"{PATH}/m5").json == BODY


def test_a_selector_holds_for_the_next_launch() -> None:
    web = _web()
    web.cell.submit(batch(1))
    assert web.cell.launched() == []
    assert call(web.app, "DELETE", f"{PATH}/m5?why=over", headers=ACTOR).status == 200
    assert len(web.cell.launched()) == 1


def test_a_selector_is_changed_and_removed() -> None:
    web = _web()
    body = {**BODY, "strength": "should"}
    assert call(web.app, "PUT", f"{PATH}/m5", body, ACTOR).json == {"id": "m5"}
    assert [each.strength for each in _selectors(web)] == ["should"]
    other = {name: value for name, value in BODY.items() if name != "id"}
    assert call(web.app, "PUT", f"{PATH}/new", other, ACTOR).status == 200
    assert [each.name for each in _selectors(web)] == ["m5", "new"]
    version = web.cell.state.policy_version
    gone = call(web.app, "DELETE", f"{PATH}/m5?why=over&ifVersion={version}", headers=ACTOR)
    assert (gone.status, gone.json) == (200, {"id": "m5"})
    assert call(web.app, "GET", f"{PATH}/m5").status == 404


CONSTRAINT = {"kind": "machineType"}
REFUSALS: dict[str, tuple[str, str, Any, dict[str, str], int, str]] = {
    "a name that is there": ("POST", PATH, BODY, ACTOR, 409, "id"),
    "no name": ("POST", PATH, {**BODY, "id": ""}, ACTOR, 400, "id"),
    "no actor": ("POST", PATH, {**BODY, "id": "b"}, {}, 400, "X-Flumina-Actor"),
    "no reason": ("PUT", f"{PATH}/b", {**BODY, "id": "b", "reason": ""}, ACTOR, 400, "why"),
    "no strength": ("PUT", f"{PATH}/b", {"constraint": {}, "reason": "x"}, ACTOR, 400, "strength"),
    "an unknown field": ("POST", PATH, {**BODY, "id": "b", "x": 1}, ACTOR, 400, "x"),
    "another name": ("PUT", f"{PATH}/b", BODY, ACTOR, 400, "id"),
    "a kind without its value": (
        "PUT", f"{PATH}/m5", {**BODY, "constraint": CONSTRAINT}, ACTOR, 400, "constraint",
    ),
    "a version that is over": ("PUT", f"{PATH}/m5?ifVersion=0", BODY, ACTOR, 412, "ifVersion"),
    "removing none": ("DELETE", f"{PATH}/b?why=x", None, ACTOR, 404, ""),
    "removing without a reason": ("DELETE", f"{PATH}/m5", None, ACTOR, 400, "why"),
    "showing none": ("GET", f"{PATH}/b", None, {}, 404, ""),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSALS)
def test_what_is_refused_changes_nothing(name: str) -> None:
    method, path, body, headers, status, field = REFUSALS[name]
    web = _web()
    before = _selectors(web)
    found = call(web.app, method, path, body, headers)
    assert found.status == status, found.json
    fields = [each["field"] for each in found.json["faults"]]
    assert not field or any(each.startswith(field) for each in fields), fields
    assert _selectors(web) == before
