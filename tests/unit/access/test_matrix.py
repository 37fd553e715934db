"""The authorization matrix: every path and stream of every server, against every role.

The paths are asked of the applications as they run, so one that is in no table fails here, and so
does a row of a path that is no more.
"""

import asyncio
import re
from http import HTTPStatus
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
from starlette.routing import Route

from connectors.access.principals import ACTIONS_OF, ROLES
from connectors.access.sessions import Sessions
from connectors.access.table import API, FEDERATION, QUERY, Rule, Table
from connectors.federation.app import front_app
from connectors.federation.cells import Cells
from connectors.federation.configuration import Configuration, FederatedCell
from connectors.federation.front import Front
from connectors.web.edge import Edge
from connectors.web.kept.routes import kept_routes
from connectors.web.query.access import access_routes
from connectors.web.query.app import QueryApp
from connectors.web.query.console import ConsoleFiles
from connectors.web.query.pass_through import PassThrough
from connectors.web.query.routes import query_routes
from connectors.web.resource import Resource
from connectors.web.routes import ROUTES
from tests.support.access import People, bearer
from tests.support.access_page import PAGE, matrix_page
from tests.support.asgi import answer
from tests.support.web_cell import WebCell

REFUSED = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)


@pytest.fixture
def people(tmp_path: Path) -> People:
    found = People(tmp_path / "principals.json")
    found.of_every_role()
    return found


def rows_of_api(app: Any) -> set[tuple[str, str]]:
    """Every method and path that the running application has an answer for."""
    assert isinstance(app, Edge)
    paths = app._app
    resources = [*paths._fixed.values()]  # type: ignore[attr-defined] # as a test may
    shapes = chain.from_iterable(paths._shapes.values())  # type: ignore[attr-defined] # see above
    resources += [each.app for shape in shapes for each in shape.patterns.values()]
    found = set()
    for each in resources:
        assert isinstance(each, Resource)
        found |= {(method, each._path) for method in each._operations}
    return found


def rows_of_query(people: People) -> tuple[QueryApp, set[tuple[str, str]]]:
    """The query process' application over nothing, and its routes."""
    nothing: Any = None
    door = people.door(sessions=Sessions(60))
    routes = [
        *access_routes(door),
        *kept_routes(nothing, nothing, lambda: 0),
        *query_routes(nothing),
    ]
    app = QueryApp(routes, PassThrough("http://127.0.0.1:9"), ConsoleFiles(), (), door)
    found = set()
    for each in routes:
        assert isinstance(each, Route)
        found |= {(method, each.path) for method in (each.methods or ()) if method != "HEAD"}
    return app, found


def test_no_path_of_the_api_is_missing_and_none_is_left_over() -> None:
    assert rows_of_api(WebCell().app) == set(API)
    assert {(method, path) for path, row in ROUTES.items() for method in row} == set(API)


def test_no_path_of_the_query_process_is_missing_and_none_is_left_over(people: People) -> None:
    assert rows_of_query(people)[1] == set(QUERY)


def test_every_stream_of_events_is_in_the_table_and_needs_somebody() -> None:
    streams = {path for path, row in ROUTES.items() if "GET" in row and row["GET"].is_stream}
    assert len(streams) >= 7
    for path in streams:
        assert API["GET", path].reach != "open"


def test_only_health_and_the_login_need_nobody() -> None:
    every: Table = {**API, **QUERY, **FEDERATION}
    access = "/api/flumina/access/"
    assert {row for row, rule in every.items() if rule.reach == "open"} == {
        ("GET", "/health"),
        ("POST", f"{access}login"),
        ("POST", f"{access}logout"),
        ("GET", f"{access}me"),
    }


def test_whatever_changes_something_needs_more_than_a_viewer() -> None:
    harmless = {("POST", "/api/flumina/query/check")}
    for (method, path), rule in {**API, **QUERY}.items():
        if method != "GET" and rule.reach != "open" and (method, path) not in harmless:
            assert rule.action != "look", (method, path)


def _target(path: str) -> str:
    return re.sub(r"\{[a-z]+\}", "1", path)


async def _statuses(app: Any, tokens: dict[str, str], rows: Table) -> dict[Any, dict[str, int]]:
    """What each role, nobody and a stranger are answered, by row; streams are asked by HEAD."""
    found: dict[Any, dict[str, int]] = {}
    shown = {role: bearer(token) for role, token in tokens.items()}
    shown |= {"nobody": {}, "stranger": bearer("flumina_000000000000_nothing")}
    for method, path in rows:
        asked = "HEAD" if method == "GET" else method
        body: dict[str, str] | None = {} if method in {"POST", "PUT"} else None
        found[method, path] = {
            who: (await answer(app, asked, _target(path), body, headers)).status
            for who, headers in shown.items()
        }
    return found


@pytest.mark.slow
def test_each_role_is_let_do_just_its_actions_on_every_path_of_the_api(people: People) -> None:
    app = WebCell(door=people.door()).app
    found = asyncio.run(_statuses(app, people.tokens, API))
    wrong = []
    for row, rule in API.items():
        said = found[row]
        if rule.reach == "open":
            wrong += [(row, who) for who, status in said.items() if status in REFUSED]
            continue
        wrong += [(row, who) for who in ("nobody", "stranger") if said[who] != 401]
        for role in ROLES:
            is_refused = said[role] == HTTPStatus.FORBIDDEN
            if is_refused == (rule.action in ACTIONS_OF[role]) or said[role] == 401:
                wrong.append((row, role))
    assert wrong == []


def test_a_path_that_is_in_no_table_is_refused_to_everybody(
    people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(API, ("GET", "/api/v3/status"))
    app = WebCell(door=people.door()).app
    said = asyncio.run(answer(app, "GET", "/api/v3/status", None, bearer(people.tokens["admin"])))
    assert said.status == HTTPStatus.FORBIDDEN
    assert "in no table" in said.json["message"]


def test_the_query_process_asks_the_same_of_its_own_paths(people: People) -> None:
    app, _ = rows_of_query(people)
    rows: dict[tuple[str, str], Rule] = {
        row: rule for row, rule in QUERY.items() if rule.reach != "open"
    }
    wrong = []
    for (method, path), rule in rows.items():
        for who, headers in _askers(people).items():
            status = asyncio.run(_status(app, method, _target(path), headers))
            may = who in ACTIONS_OF and rule.action in ACTIONS_OF[who]
            # Behind the door there is nothing here, which is a mistake of ours: 500.
            is_refused = status == (403 if who in ACTIONS_OF else 401)
            if may == is_refused:
                wrong.append(((method, path), who, status))
    assert wrong == []


def test_what_the_query_process_passes_on_needs_somebody_and_its_files_do_not(
    people: People,
) -> None:
    app, _ = rows_of_query(people)
    assert asyncio.run(_status(app, "GET", "/api/v3/jobs", {})) == 401
    # Nobody listens there: the request has passed the door.
    shown = bearer(people.tokens["viewer"])
    assert asyncio.run(_status(app, "GET", "/api/v3/jobs", shown)) == 503
    assert asyncio.run(_status(app, "GET", "/index.html", {})) == 200


def test_the_federations_front_lets_nobody_through_whom_it_does_not_know(people: People) -> None:
    cell = FederatedCell("main", "http://127.0.0.1:9")
    given = Configuration(cells=(cell,), default="main", timeout_ms=200)

    async def statuses() -> list[int]:
        cells = Cells()
        app = front_app(Front(lambda: given, cells), (), people.door())
        try:
            paths = ("/health", "/api/flumina/federation", "/api/v3/jobs")
            found = []
            for path in paths:
                shown: tuple[dict[str, str], ...] = ({}, bearer(people.tokens["viewer"]))
                found += [await _status(app, "GET", path, headers) for headers in shown]
        finally:
            await cells.close()
        return found

    assert asyncio.run(statuses()) == [200, 200, 401, 200, 401, 503]


def _askers(people: People) -> dict[str, dict[str, str]]:
    shown = {role: bearer(token) for role, token in people.tokens.items()}
    return {**shown, "nobody": {}, "stranger": bearer("x")}


async def _status(app: Any, method: str, path: str, headers: dict[str, str]) -> int:
    """The status of an answer, without holding it against the API's description."""
    sent: list[Any] = []
    scope = {
        "type": "http",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "scheme": "http",
        "root_path": "",
        "http_version": "1.1",
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 2),
        "headers": [(name.lower().encode(), value.encode()) for name, value in headers.items()],
    }

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    await app(scope, receive, send)
    return int(sent[0]["status"])


def test_the_page_of_the_matrix_is_what_the_tables_say() -> None:
    said = "run: .venv/bin/python -m tests.support.access_page"
    assert PAGE.read_text("utf-8") == matrix_page(), said
