"""The incident page in a real Chromium: an incident explained, noted, taken away; no secret seen.

The world is a small day in memory (`tests.support.incident_day`) behind the real API, the real
pass-through of the query process and its own files, on loopback: no Kafka is needed for it.
"""

import asyncio
import re
import threading
from collections.abc import Coroutine, Iterator
from pathlib import Path

import pytest
import uvicorn
from playwright.sync_api import Browser, BrowserContext, Page, Response, expect
from starlette.types import ASGIApp

from connectors.access.door import Door
from connectors.web.query.access import access_routes
from connectors.web.query.app import QueryApp
from connectors.web.query.console import ConsoleFiles
from connectors.web.query.pass_through import PassThrough
from projections.masking import MASK
from tests.support.incident_day import SECRET, incident_day

pytestmark = pytest.mark.integration

RANGE = "from=2023-11-14T22:13:00Z&to=2023-11-14T22:14:00Z"
DEADLINE_MS = 60_000
VIEWS = (
    "/",
    "/jobs",
    "/jobs/shop",
    "/tasks",
    "/tasks/shop-worker-0-1",
    "/incident?" + RANGE,
    "/incident?task=shop-worker-0-1&" + RANGE,
    "/diff?first=5&second=now",
)


class Served:
    """ASGI applications on loopback, in a thread with a loop of its own."""

    def __init__(self) -> None:
        self._servers: list[uvicorn.Server] = []
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()

    def serve(self, app: ASGIApp) -> str:
        """The address of the application."""
        config = uvicorn.Config(app, host="127.0.0.1", port=0, log_level="warning")
        server = uvicorn.Server(config)
        config.load()
        server.lifespan = config.lifespan_class(config)
        self.run(server.startup())
        self._servers.append(server)
        port = server.servers[0].sockets[0].getsockname()[1]
        return f"http://127.0.0.1:{port}"

    def run(self, asked: Coroutine[object, object, object]) -> None:
        """Let the coroutine run there, to its end."""
        asyncio.run_coroutine_threadsafe(asked, self._loop).result(60)

    def close(self) -> None:
        """End the servers and the thread."""
        for server in reversed(self._servers):
            server.force_exit = True
            self.run(server.shutdown())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(60)
        self._loop.close()


@pytest.fixture(scope="module")
def console() -> Iterator[str]:
    """The address of the console over the small day."""
    served = Served()
    api = served.serve(incident_day().app)
    passing = PassThrough(api)
    app = QueryApp(access_routes(Door()), passing, ConsoleFiles(), frozenset({"127.0.0.1"}))
    try:
        yield served.serve(app)
    finally:
        served.run(passing.close())
        served.close()


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    """A browser that knows nobody, in which everything may take its time."""
    context = browser.new_context(viewport={"width": 1300, "height": 900}, accept_downloads=True)
    context.set_default_timeout(DEADLINE_MS)
    expect.set_options(timeout=DEADLINE_MS)
    yield context
    context.close()


@pytest.fixture
def page(context: BrowserContext) -> Page:
    """A page whose mistakes fail the test."""
    page = context.new_page()
    page.on("pageerror", lambda error: pytest.fail(f"the page made a mistake: {error}"))
    page.on("dialog", lambda dialog: pytest.fail(f"something ran: {dialog.message}"))
    return page


def section(page: Page, name: str) -> str:
    """The text of a section."""
    return page.locator(f'[data-section="{name}"]').inner_text()


def test_an_incident_is_explained_from_the_page_alone(page: Page, console: str) -> None:
    page.goto(f"{console}/#/incident?{RANGE}")
    expect(page.locator('[data-section="policy"]')).to_be_visible()
    assert "bob" in section(page, "policy")
    assert "10 s → 12345 ms" in section(page, "policy")
    assert "EXT4-fs error" in section(page, "verdicts")
    assert "Mesos removed it" in section(page, "hosts")
    assert "ordered draining" in section(page, "hosts")
    # From the task that failed to what led to it.
    page.locator('[data-section="endings"]').get_by_role("button", name="chain").click()
    expect(page).to_have_url(re.compile("[?&]task=shop-worker-0-1(&|$)"))
    chain = page.locator('[data-section="chain"] ol.chain li')
    expect(chain.first).to_contain_text("submitted")
    expect(chain.last).to_contain_text("TASK_FAILED")
    expect(chain.last).to_have_attribute("aria-current", "step")
    # The address holds it: another page shows the same.
    told = section(page, "chain")
    page.reload()
    expect(page.locator('[data-section="chain"] ol.chain li').last).to_contain_text("TASK_FAILED")
    assert section(page, "chain") == told


def test_a_name_that_is_no_task_leaves_the_page_there(page: Page, console: str) -> None:
    page.goto(f"{console}/#/incident?{RANGE}")
    page.get_by_label("Chain of task").fill("nobody-worker-0-1")
    page.get_by_role("button", name="Open").click()
    expect(page.locator('[data-section="chain"]')).to_contain_text("nobody-worker-0-1")
    expect(page.locator('[data-section="policy"]')).to_be_visible()


def test_a_note_is_written_and_is_text(page: Page, console: str) -> None:
    page.goto(f"{console}/#/incident?{RANGE}")
    notes = page.locator('[data-section="notes"]')
    notes.get_by_label("Note", exact=True).fill("it was <img src=x onerror=alert(1)> rack 7")
    notes.get_by_label("about").fill("host1")
    notes.get_by_label("You are").fill("ada@example.org")
    notes.get_by_role("button", name="Write note").click()
    expect(notes.locator("li")).to_contain_text("it was <img src=x onerror=alert(1)> rack 7")
    expect(notes.locator("li")).to_contain_text("ada@example.org · host1")
    assert notes.locator("img").count() == 0


def test_a_secret_is_in_no_page(page: Page, console: str) -> None:
    bodies: list[bytes] = []

    def keep(answer: Response) -> None:
        if "/api/" in answer.url:
            bodies.append(answer.body())

    page.on("response", keep)
    for view in VIEWS:
        page.goto(f"{console}/#{view}")
        expect(page.locator("#main")).to_have_attribute("aria-busy", "false")
        page.wait_for_load_state("networkidle")
        expect(page.locator("#main")).to_contain_text("shop" if "shop" in view else " ")
        assert SECRET not in page.content(), view
    assert not any(SECRET.encode() in body for body in bodies)
    # It is the job's own page that has the environment, and it shows its names.
    assert any(f'"API_PIN":"{MASK}"'.encode() in body for body in bodies)


def test_the_saved_page_opens_with_the_network_off(
    page: Page, context: BrowserContext, console: str, tmp_path: Path
) -> None:
    page.goto(f"{console}/#/incident?{RANGE}&task=shop-worker-0-1")
    with page.expect_download() as saved:
        page.get_by_role("link", name="Save page").click()
    assert saved.value.suggested_filename.startswith("incident-test-")
    path = tmp_path / "incident.html"
    saved.value.save_as(path)
    with page.expect_download() as events:
        page.get_by_role("link", name="Save events").click()
    events.value.save_as(tmp_path / "incident.zip")
    assert (tmp_path / "incident.zip").read_bytes()[:2] == b"PK"
    context.set_offline(True)
    asked: list[str] = []
    refused: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: refused.append(message.text))
    page.goto(path.as_uri())
    expect(page.locator("h1")).to_have_text("Incident in cell test")
    expect(page.locator("#policy")).to_contain_text("bob")
    page.locator("summary", has_text="shop-worker-0-1").click()
    expect(page.locator("details[open]")).to_contain_text("TASK_FAILED")
    assert SECRET not in page.content()
    assert page.locator("img").count() == 0
    assert asked == [path.as_uri()]
    assert refused == []
    # Its style is applied, so its own content policy lets it.
    border = page.locator("section").first.evaluate("it => getComputedStyle(it).borderTopStyle")
    assert border == "solid"
