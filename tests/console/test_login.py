"""The console's login in a real Chromium: token, cookie, greyed buttons, logout, and TLS below it.

The query process' application and the API stand behind real sockets, and read one file of
principals; only the cell is in memory.
"""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from connectors.access.sessions import Sessions
from connectors.web.query.access import access_routes
from connectors.web.query.app import QueryApp
from connectors.web.query.console import ConsoleFiles
from connectors.web.query.pass_through import PassThrough
from streams.access.opening import tls_of
from streams.settings import settings_of
from tests.support.access import People
from tests.support.cell import service, submission
from tests.support.certificates import Authority
from tests.support.served_tls import ServedByTls
from tests.support.web_cell import WebCell

pytestmark = pytest.mark.integration


class World:
    """One file of principals, and who reads it."""

    def __init__(self, directory: Path) -> None:
        self.people = People(directory / "people.json")
        for name, role in (
            ("ada", "producer"),
            ("looker", "viewer"),
            ("oda", "operator"),
            ("root", "admin"),
        ):
            self.people.token(name, role)
        pair = Authority(directory).server()
        environment = {
            "FLUMINA_TLS_CERTIFICATE": str(pair.certificate),
            "FLUMINA_TLS_KEY": str(pair.key),
        }
        self.tls = tls_of(settings_of(environment))
        self.web = WebCell(door=self.people.door())
        self.web.cell.copy("jobs", submission(service(1), "a"))
        self.url = ""


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    made = World(tmp_path_factory.mktemp("login"))
    with ServedByTls(made.web.app, None) as api:
        door = made.people.door(sessions=Sessions(600, is_secure=True))
        passing = PassThrough(api.url)
        app = QueryApp(access_routes(door), passing, ConsoleFiles(), (), door)
        with ServedByTls(app, made.tls, passing.close) as console:
            made.url = console.url
            yield made


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(ignore_https_errors=True)
    page = context.new_page()
    yield page
    context.close()


def _log_in(page: Page, token: str) -> None:
    page.get_by_label("Token").fill(token)
    page.get_by_role("button", name="Log in").click()


def test_one_logs_in_does_something_and_logs_out(world: World, page: Page) -> None:
    token = world.people.tokens["ada"]
    page.goto(f"{world.url}/#/jobs/a")
    expect(page.get_by_role("heading", name="Log in")).to_be_visible()
    expect(page.get_by_label("Token")).to_be_focused()
    assert Axe().run(page).violations_count == 0
    _log_in(page, "flumina_x_nothing")
    expect(page.get_by_role("alert")).to_contain_text("not known here")
    _log_in(page, token)
    expect(page.locator("#standing")).to_contain_text("you are ada (producer)")
    cookie = page.context.cookies()[0]
    assert (cookie["httpOnly"], cookie["secure"], cookie["sameSite"]) == (True, True, "Strict")
    assert page.evaluate("document.cookie") == ""
    kept = page.evaluate("JSON.stringify([localStorage, sessionStorage]) + document.body.outerHTML")
    assert token not in kept
    page.get_by_role("button", name="Take out of service").click()
    # Who one is was proved; only the reason is asked for.
    expect(page.get_by_label("You are")).to_have_count(0)
    page.get_by_label("Reason").fill("a test")
    page.locator("dialog").get_by_role("button", name="Take out of service").click()
    expect(page.get_by_role("button", name="Put in service")).to_be_visible()
    assert b'"actor":"ada"' in world.web.published[-1][2].replace(b" ", b"")
    page.get_by_role("button", name="Log out").click()
    expect(page.get_by_role("heading", name="Log in")).to_be_visible()
    assert page.context.cookies() == []


def test_what_one_was_not_granted_is_grey_and_the_server_says_no_all_the_same(
    world: World, page: Page
) -> None:
    page.goto(f"{world.url}/#/jobs/a")
    _log_in(page, world.people.tokens["looker"])
    button = page.get_by_role("button", name="End the job")
    expect(button).to_be_disabled()
    expect(button).to_have_attribute("title", re.compile("not granted to run"))
    before = len(world.web.published)
    status = page.evaluate(
        """fetch("/api/v3/jobs/a", {method: "DELETE", headers: {"X-Flumina-Console": "1"}})
        .then((each) => each.status)"""
    )
    assert status == 403
    assert len(world.web.published) == before


def test_passing_a_record_is_an_administrators_and_the_report_of_the_halt_names_it(
    world: World, page: Page
) -> None:
    digest = "ab" * 16
    world.web.halt = f"The fold halted. Run `flumina skip 4 --digest {digest} --why REASON`."
    world.web.halted_at = (4, digest)
    try:
        page.goto(f"{world.url}/#/leaders")
        _log_in(page, world.people.tokens["oda"])
        button = page.get_by_role("button", name="Let the fold pass a record")
        expect(button).to_have_attribute("title", re.compile("not granted to administer"))
        expect(button).to_be_disabled()
        page.get_by_role("button", name="Log out").click()
        _log_in(page, world.people.tokens["root"])
        expect(page.locator("main")).to_contain_text("The fold halted.")
        button.click()
        expect(page.locator("#field-offset")).to_have_value("4")
        expect(page.get_by_label("Digest of its bytes")).to_have_value(digest)
        page.get_by_label("Reason").fill("a stranger's record")
        page.locator("dialog").get_by_role("button", name="Let the fold pass a record").click()
        expect(page.locator("dialog")).to_have_count(0)
        assert digest.encode() in world.web.published[-1][2]
    finally:
        world.web.halt, world.web.halted_at = "", None


def test_a_login_that_ends_shows_the_login_again(world: World, page: Page) -> None:
    world.people.token("guest", "viewer")
    page.goto(f"{world.url}/#/jobs")
    _log_in(page, world.people.tokens["guest"])
    expect(page.locator("#standing")).to_contain_text("you are guest")
    world.people.remove("guest")
    expect(page.get_by_role("heading", name="Log in")).to_be_visible()
