"""Alerts and objectives by the API: listed, silenced, acknowledged, at an instant.

Each test asks the real application over a cell in memory; each answer is held against the
description of the API.
"""

from typing import Any

import pytest

from tests.support.alerting import rules_of
from tests.support.asgi import Answer, call
from tests.support.cell import batch
from tests.support.web_cell import WebCell

PATH = "/api/flumina/alerts"
SLO = "/api/flumina/slo"
OPERATOR = {"X-Flumina-Actor": "ada@example.org"}
QUEUE = "name: queue, measure: tasks_queued, above: 2, clear: 1"


@pytest.fixture
def web() -> WebCell:
    """A cell in which ten tasks wait, which is an alert."""
    web = WebCell()
    web.alerting.use(rules_of(QUEUE))
    web.cell.submit(batch(30), "many")
    web.cell.launched()
    web.cell.tick(1_000, 12)
    assert web.view.next_offset
    return web


def ask(web: WebCell, method: str, path: str, body: Any = None) -> Answer:
    return call(web.app, method, path, body, OPERATOR)


def test_what_fires_is_listed_with_rule_and_value(web: WebCell) -> None:
    (found,) = ask(web, "GET", PATH).json["items"]
    assert (found["key"], found["state"], found["told"]) == ("queue", "firing", 1)
    assert int(found["value"]) > 2
    assert found["condition"] == "tasks_queued above 2"
    shown = ask(web, "GET", f"{PATH}/rules").json
    assert [each["name"] for each in shown["rules"]] == ["queue"]
    measures = {each["name"]: each for each in ask(web, "GET", f"{PATH}/measures").json["items"]}
    assert measures["tasks_queued"]["values"][0]["shown"] == found["value"]
    assert measures["oldest_wait"]["unit"] == "ms"
    assert measures["fold_lag"]["source"] == "process"


def test_it_is_silenced_and_loud_again(web: WebCell) -> None:
    body = {"matches": {"rule": "queue"}, "forS": 600, "why": "upgrade"}
    assert ask(web, "PUT", f"{PATH}/silences/up", body).json == {"id": "up"}
    web.cell.tick(1_000, 6)
    found = ask(web, "GET", PATH).json
    (silence,) = found["silences"]
    assert (silence["name"], silence["actor"]) == ("up", "ada@example.org")
    assert silence["untilMs"] - silence["sinceMs"] == 600_000
    assert found["items"][0]["silencedBy"] == "up"
    assert ask(web, "DELETE", f"{PATH}/silences/up?why=done").json == {"id": "up"}
    assert ask(web, "GET", PATH).json["silences"] == []
    assert ask(web, "DELETE", f"{PATH}/silences/up?why=done").status == 404


def test_somebody_looks_at_it(web: WebCell) -> None:
    body = {"key": "queue", "why": "I look"}
    assert ask(web, "POST", f"{PATH}/acknowledge", body).status == 200
    (found,) = ask(web, "GET", PATH).json["items"]
    assert (found["acknowledgedBy"], found["acknowledgedWhy"]) == ("ada@example.org", "I look")
    assert ask(web, "POST", f"{PATH}/acknowledge", {"key": "other", "why": "x"}).status == 404


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"matches": {}, "forS": 60, "why": "x"}, "matches"),
        ({"matches": {"Rule": "x"}, "forS": 60, "why": "x"}, "matches.Rule"),
        ({"matches": {"rule": "x"}, "forS": 0, "why": "x"}, "forS"),
        ({"matches": {"rule": "x"}, "forS": 3_000_000, "why": "x"}, "forS"),
        ({"matches": {"rule": "x"}, "forS": 60}, "why"),
    ],
)
def test_a_bad_silence_is_refused_with_its_field(web: WebCell, body: Any, field: str) -> None:
    found = ask(web, "PUT", f"{PATH}/silences/up", body)
    assert found.status == 400
    assert field in [each["field"] for each in found.json["faults"]]


def test_objectives_by_scope_and_at_an_instant(web: WebCell) -> None:
    found = ask(web, "GET", SLO).json
    assert [each["slo"] for each in found["items"]] == [
        "availability",
        "crashing",
        "start-latency",
    ]
    assert found["items"][0]["total"] >= 1
    every = ask(web, "GET", f"{SLO}?scope=all").json["items"]
    assert {each["scope"] for each in every} >= {"cell", "owner", "application", "capacity_group"}
    past = ask(web, "GET", f"{SLO}?at=-2d").json
    assert [each["total"] for each in past["items"]] == [0, 0, 0]
    newest = web.view.next_offset - 1
    web.cell.tick(60_000, 10)
    assert web.view.next_offset - 1 > newest
    then, now = (ask(web, "GET", f"{SLO}?at={at}").json for at in (newest, "now"))
    assert then["atMs"] == found["atMs"] < now["atMs"]
    assert ask(web, "GET", f"{SLO}?at=1000000").status == 400
    assert ask(web, "GET", f"{SLO}?at=soon").status == 400
    assert ask(web, "GET", f"{SLO}?scope=team").status == 400
