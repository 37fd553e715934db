"""The console's login over the real applications: cookie, origins, logout, the way to the api.

The query process stands in front of an API on a real socket; both read the same principals.
"""

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

import httpx
import pytest
import uvicorn

from connectors.access.book import Entry
from connectors.access.outgoing import Credentials
from connectors.access.sessions import Sessions
from connectors.web.query.access import access_routes
from connectors.web.query.app import QueryApp
from connectors.web.query.console import ConsoleFiles
from connectors.web.query.pass_through import PassThrough
from tests.support.access import People, bearer
from tests.support.cell import service, submission
from tests.support.web_cell import WebCell

ORIGIN = "http://console.test"
PAGE = {"X-Flumina-Console": "1", "Origin": ORIGIN, "Sec-Fetch-Site": "same-origin"}
ACCESS = "/api/flumina/access"


class Here:
    """The API on a socket of its own, the query process in memory before it."""

    def __init__(self, people: People) -> None:
        self.people = people
        self.web = WebCell(door=people.door())
        self.web.cell.copy("jobs", submission(service(1), "a"))
        self.sessions = Sessions(60)
        self.door = people.door(sessions=self.sessions)
        config = uvicorn.Config(self.web.app, port=0, lifespan="off", log_config=None, ws="none")
        self.server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self.server.run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        while not self.server.started:
            assert self._thread.is_alive()
        self.port = self.server.servers[0].sockets[0].getsockname()[1]
        return self

    def __exit__(self, *_: object) -> None:
        self.server.should_exit = True
        self._thread.join()

    def ask(self, *asked: tuple[str, str, dict[str, Any]]) -> list[httpx.Response]:
        """The answers to some requests of one browser, one after the other."""

        async def answers() -> list[httpx.Response]:
            own = Credentials(self.people.tokens["console"])
            api = PassThrough(f"http://127.0.0.1:{self.port}", None, own)
            app = QueryApp(access_routes(self.door), api, ConsoleFiles(), (), self.door)
            transport = httpx.ASGITransport(app)
            async with httpx.AsyncClient(transport=transport, base_url=ORIGIN) as client:
                found = [await client.request(how, where, **more) for how, where, more in asked]
            await api.close()
            return found

        return asyncio.run(answers())


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Here]:
    people = People(tmp_path / "people.json")
    people.token("ada", "producer")
    people.token("looker", "viewer")
    people.token("console", "viewer", is_delegate=True)
    people.add(Entry("by-certificate", "admin", certificate="spiffe://corp/ada"))
    with Here(people) as found:
        yield found


def login(token: str, **headers: str) -> tuple[str, str, dict[str, Any]]:
    return "POST", f"{ACCESS}/login", {"json": {"token": token}, "headers": {**PAGE, **headers}}


DISABLE = ("POST", "/api/v3/jobs/a/disable")
ME: tuple[str, str, dict[str, Any]] = ("GET", f"{ACCESS}/me", {})
JOBS: tuple[str, str, dict[str, Any]] = ("GET", "/api/v3/jobs", {})


def test_a_token_once_and_a_cookie_from_then_on_until_the_logout(here: Here) -> None:
    token = here.people.tokens["ada"]
    logout = ("POST", f"{ACCESS}/logout", {"headers": PAGE})
    write = (*DISABLE, {"headers": PAGE})
    nobody, before, entered, me, jobs, done, left, after = here.ask(
        ME, JOBS, login(token), ME, JOBS, write, logout, JOBS
    )
    assert nobody.json() == {"isGuarded": True, "name": None, "actions": [], "grants": []}
    assert (before.status_code, entered.status_code, jobs.status_code) == (401, 200, 200)
    cookie = entered.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie
    assert token not in cookie + entered.text + me.text + str(entered.headers)
    assert (me.json()["name"], me.json()["actions"]) == ("ada", ["look", "run"])
    assert [each["id"] for each in jobs.json()["items"]] == ["a"]
    assert done.status_code == 200, done.text
    assert (left.status_code, after.status_code) == (200, 401)
    assert b'"actor":"ada"' in here.web.published[-1][2].replace(b" ", b"")


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"X-Flumina-Console": "1", "Origin": "http://evil.test"},
        {"Origin": ORIGIN},
        {"X-Flumina-Console": "1", "Origin": "null"},
        {"X-Flumina-Console": "1", "Sec-Fetch-Site": "cross-site"},
    ],
)
def test_another_pages_write_is_refused_though_the_browser_sends_the_cookie(
    here: Here, headers: dict[str, str]
) -> None:
    _, forged = here.ask(login(here.people.tokens["ada"]), (*DISABLE, {"headers": headers}))
    assert forged.status_code == 403
    assert "not sent by a page of this server" in forged.json()["message"]
    assert here.web.published == []
    assert here.ask(("POST", f"{ACCESS}/login", {"json": {"token": "x"}}))[0].status_code == 403


def test_a_program_with_a_token_needs_no_cookie_and_no_header_of_a_page(here: Here) -> None:
    shown = bearer(here.people.tokens["ada"])
    assert here.ask((*DISABLE, {"headers": shown}))[0].status_code == 200
    # The role is the api's to look at, too.
    looks = bearer(here.people.tokens["looker"])
    refused = here.ask((*DISABLE, {"headers": looks}))[0]
    assert (refused.status_code, refused.json()["statusCode"]) == (403, 403)


def test_a_wrong_token_is_no_login_and_a_login_ends_with_its_row(here: Here) -> None:
    wrong = here.ask(login("flumina_x_y"), ME)
    assert [each.status_code for each in wrong] == [401, 200]
    assert "set-cookie" not in wrong[0].headers
    assert wrong[1].json()["name"] is None
    entered = here.ask(login(here.people.tokens["looker"]))[0]
    cookie = {"Cookie": entered.headers["set-cookie"].partition(";")[0]}
    assert here.ask(("GET", "/api/v3/jobs", {"headers": cookie}))[0].status_code == 200
    here.people.remove("looker")
    assert here.ask(("GET", "/api/v3/jobs", {"headers": cookie}))[0].status_code == 401


def test_nobody_says_for_whom_he_asks_but_the_process_itself(here: Here) -> None:
    shown = bearer(here.people.tokens["looker"], **{"X-Flumina-Acting-For": "ada"})
    assert here.ask((*DISABLE, {"headers": shown}))[0].status_code == 401
    # Behind the query process, it asks as a delegate for whom it has let in.
    acting = bearer(here.people.tokens["console"], **{"X-Flumina-Acting-For": "ada"})
    assert here.ask((*DISABLE, {"headers": acting}))[0].status_code == 200
    assert b"ada by console" in here.web.published[-1][2]


def test_a_token_in_an_address_is_nobodys(here: Here) -> None:
    token = here.people.tokens["ada"]
    for name in ("token", "access_token", "authorization"):
        assert here.ask(("GET", f"/api/v3/jobs?{name}={token}", {}))[0].status_code == 401
