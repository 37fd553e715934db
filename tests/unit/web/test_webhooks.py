"""Webhooks by the API: added, shown, changed, paused, tried and removed.

Each test asks the real application over a cell in memory; each answer is held against the
description of the API.
"""

from typing import Any

import pytest

from tests.support.asgi import Answer, call
from tests.support.web_cell import WebCell

PATH = "/api/flumina/webhooks"
URL = "https://hooks.example.com/flumina"
OPERATOR = {"X-Flumina-Actor": "ada@example.org"}


@pytest.fixture
def web() -> WebCell:
    return WebCell()


def ask(
    web: WebCell, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None
) -> Answer:
    return call(web.app, method, path, body, {**OPERATOR, **(headers or {})})


def test_a_webhook_is_added_shown_changed_and_removed(web: WebCell) -> None:
    body = {"name": "ci", "url": URL, "filter": {"kinds": ["JobChanged"]}, "secret": "env:CI"}
    added = ask(web, "POST", f"{PATH}?why=new", body)
    assert (added.status, added.json) == (201, {"id": "ci"})
    assert ask(web, "POST", f"{PATH}?why=new", body).status == 409
    shown = ask(web, "GET", f"{PATH}/ci")
    assert shown.headers["etag"] == '"1"'
    assert (shown.json["url"], shown.json["secret"], shown.json["test"]) == (URL, "env:CI", None)
    assert shown.json["filter"]["kinds"] == ["JobChanged"]
    late = ask(web, "PUT", f"{PATH}/ci?why=x", {"url": URL}, {"If-Match": '"7"'})
    assert late.status == 412
    assert ask(web, "PUT", f"{PATH}/ci?why=x", {"url": URL}, {"If-Match": '"1"'}).status == 200
    told = ask(web, "GET", PATH).json
    assert told["isCurrent"] is True
    assert [(each["name"], each["version"]) for each in told["items"]] == [("ci", 2)]
    assert ask(web, "DELETE", f"{PATH}/ci?why=x").json == {"id": "ci"}
    assert ask(web, "GET", PATH).json["items"] == []
    assert ask(web, "GET", f"{PATH}/ci").status == 404


def test_it_is_paused_resumed_and_tried(web: WebCell) -> None:
    ask(web, "POST", f"{PATH}?why=new", {"name": "ci", "url": URL})
    assert ask(web, "POST", f"{PATH}/ci/pause?why=moving").status == 200
    shown = ask(web, "GET", f"{PATH}/ci").json
    assert (shown["standing"], shown["pausedBy"], shown["pauseWhy"]) == (
        "paused",
        "ada@example.org",
        "moving",
    )
    assert ask(web, "POST", f"{PATH}/ci/resume?why=moved").status == 200
    assert ask(web, "POST", f"{PATH}/ci/test?why=try").status == 200
    shown = ask(web, "GET", f"{PATH}/ci").json
    assert (shown["standing"], shown["test"]["state"]) == ("", "asked")


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", f"{PATH}?why=x", {"name": "Ci", "url": URL}, 400),
        ("POST", f"{PATH}?why=x", {"url": URL}, 400),
        ("POST", f"{PATH}?why=x", {"name": "ci", "url": "gopher://a"}, 400),
        ("POST", f"{PATH}?why=x", {"name": 7, "url": URL}, 400),
        ("POST", PATH, {"name": "ci", "url": URL}, 400),
        ("PUT", f"{PATH}/ci?why=x", {"name": "cd", "url": URL}, 400),
        ("PUT", f"{PATH}/C%20I?why=x", {"url": URL}, 400),
        ("DELETE", f"{PATH}/ci", None, 400),
        ("DELETE", f"{PATH}/ci?why=x", None, 404),
        ("POST", f"{PATH}/ci/pause?why=x", None, 404),
        ("POST", f"{PATH}/ci/resume?why=x", None, 404),
        ("POST", f"{PATH}/ci/test?why=x", None, 404),
        ("GET", f"{PATH}/ci", None, 404),
    ],
)
def test_what_cannot_be_is_refused(
    web: WebCell, method: str, path: str, body: Any, status: int
) -> None:
    assert ask(web, method, path, body).status == status


def test_an_operator_says_who_he_is(web: WebCell) -> None:
    assert call(web.app, "POST", f"{PATH}?why=x", {"name": "ci", "url": URL}).status == 400
